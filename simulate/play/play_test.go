package play

import (
	"slices"
	"strings"
	"testing"
	"time"

	"endcap/simulate/life"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
	"endcap/simulate/wire"
)

func world(t *testing.T, text string) *life.World {
	t.Helper()
	s := scenario.Defaults()
	s.Shoppers, s.Weeks, s.Seed, s.Products = 2_000, 3, 5, 1_000
	if err := scenario.Read(strings.NewReader(text), &s); err != nil {
		t.Fatal(err)
	}
	w, err := life.Open(t.Context(), &s, model.Fitted(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestANextVisitWaitsForTheLastReceipt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		quiet bool
		apart time.Duration
	}{{false, Aside}, {false, 24 * time.Hour}, {true, 24 * time.Hour}} {
		quiet, apart := tt.quiet, tt.apart
		w := world(t, `{"online": 0.5, "browse": 3}`)
		visits, last := 0, int64(0)
		for d, err := range (&diary{world: w}).week(w.Plan(0), quiet) {
			if err != nil {
				t.Fatal(err)
			}
			moments := 0
			for _, run := range runs(d.moments, w.Zone(), apart) {
				bought := make(map[int]bool)
				for i := range run {
					m := &run[i]
					moments++
					if m.at < last {
						t.Fatal("time goes back")
					}
					last = m.at
					if m.visit != nil {
						visits++
						if bought[m.shopper] {
							t.Fatal("she comes again beside her last receipt")
						}
					} else if m.consent == nil {
						bought[m.shopper] = true
					}
				}
				first, end := run[0].at, run[len(run)-1].at
				if span := time.Duration(end-first) * time.Microsecond; span > apart || dayOf(first, w.Zone()) != dayOf(end, w.Zone()) || len(run) > runMax {
					t.Fatalf("%d moments in %v side by side", len(run), span)
				}
			}
			if moments != len(d.moments) {
				t.Errorf("%d of %d moments of day %d", moments, len(d.moments), d.n)
			}
		}
		if quiet != (visits == 0) {
			t.Errorf("quiet %v: %d visits", quiet, visits)
		}
	}
}

// A day holds what happens on it, also what begins before midnight and ends after,
// and the days together are the weeks, in the order of time.
func TestDaysTogetherAreTheWeeks(t *testing.T) {
	t.Parallel()
	w := world(t, `{"online": 0.5, "browse": 3, "returns": 0.1}`)
	d := diary{world: w}
	bought, asked, over := 0, make(map[string]bool), 0
	receipts := make(map[int64]bool)
	for n := range w.Scenario.Weeks {
		plan := w.Plan(n)
		var b life.Batch
		w.Fill(plan, 0, len(plan.Visits), &b)
		want := make(map[int64]life.Receipt)
		for _, r := range b.Receipts {
			want[r.ID] = r
		}
		for today, err := range d.week(plan, false) {
			if err != nil {
				t.Fatal(err)
			}
			for i := range today.moments {
				m := &today.moments[i]
				if day := dayOf(m.at, w.Zone()) - w.Scenario.First(); int(day) < today.n || int(day) > today.n && today.n+1 < 7*w.Scenario.Weeks {
					t.Fatalf("day %d holds something of day %d", today.n, day)
				}
				switch {
				case m.visit != nil:
					if asked[m.visit.ID] {
						t.Fatalf("visit %s comes twice", m.visit.ID)
					}
					asked[m.visit.ID] = true
				case m.consent == nil:
					r, lines := m.bought()
					whole := want[r.ID]
					if receipts[r.ID] || !slices.Equal(lines, b.Lines[whole.From:whole.To]) {
						t.Fatalf("receipt %d comes twice, or is another", r.ID)
					}
					receipts[r.ID] = true
					bought++
				}
			}
			over = max(over, len(d.held))
		}
		if bought != len(b.Receipts) {
			t.Fatalf("week %d: %d of %d receipts", n, bought, len(b.Receipts))
		}
		bought = 0
		var sessions int
		if err := w.Sessions(plan, func(*life.Session) error { sessions++; return nil }); err != nil || sessions == 0 {
			t.Fatal(err, sessions)
		}
	}
	if over == 0 || over > len(asked)/10 {
		t.Errorf("at most %d moments of %d visits lie over to the next day", over, len(asked))
	}
}

func TestTheSameWeekIsToldAgain(t *testing.T) {
	t.Parallel()
	ids := func() (all []string) {
		w := world(t, `{}`)
		seen := make(map[string]bool)
		for d, err := range (&diary{world: w}).week(w.Plan(0), false) {
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range d.moments {
				if m.visit == nil {
					continue
				}
				if seen[m.visit.ID] {
					t.Fatalf("visit %s comes twice", m.visit.ID)
				}
				seen[m.visit.ID] = true
				looks, clicks := wire.Glance(w, m.visit, wire.Search, 0, 7)
				if clicks && !looks {
					t.Fatal("a click without a look")
				}
				if clicks {
					all = append(all, m.visit.ID)
				}
			}
		}
		return all
	}
	if a, b := strings.Join(ids(), " "), strings.Join(ids(), " "); a != b || a == "" {
		t.Errorf("clicks of two runs: %.100q and %.100q", a, b)
	}
}

func TestCampaignsGetCategoriesOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := world(t, `{"play": {"campaigns": [
		{"name": "drawn", "from": 0, "weeks": 1}, {"name": "named", "category": "Chocolat", "from": 0, "weeks": 1, "effect": "small", "heterogeneous": false},
		{"name": "rival", "category": "Chocolat", "from": 0, "weeks": 1, "where": "in_store"}, {"name": "other", "from": 0, "weeks": 1, "effect": "none"}]}}`)
	all, err := campaigns(w)
	if err != nil {
		t.Fatal(err)
	}
	if all[1].Category != "Chocolat" || all[1].about == all[2].about || all[0].Category == "Chocolat" || all[0].Category == all[3].Category {
		t.Errorf("campaigns are for %q, %q, %q and %q", all[0].Category, all[1].Category, all[2].Category, all[3].Category)
	}
	if all[1].terms.Effect != effectSmall || all[1].terms.Spread != 0 || all[0].terms.Spread == 0 || all[3].terms.Effect != 0 || len(all[2].shows()) != 1 {
		t.Errorf("terms %+v, %+v, %+v", all[0].terms, all[1].terms, all[3].terms)
	}
	of := ranges(w, all)
	for i := range all {
		for _, p := range all[i].products {
			if of[p] != int32(i) || w.Grocer.Brands[w.Grocer.Products[p].Brand] != all[i].Brand {
				t.Errorf("product %d is in the range of %d, want %d", p, of[p], i)
			}
		}
		if len(all[i].products) == 0 {
			t.Errorf("campaign %s is for nothing", all[i].Name)
		}
	}
	for text, want := range map[string]string{
		`{"play": {"campaigns": [{"name": "a", "weeks": 1, "category": "Avions"}]}}`:                      "category",
		`{"play": {"campaigns": [{"name": "a", "weeks": 1, "category": "Chocolat", "brand": "Nobody"}]}}`: "brand",
	} {
		if _, err := campaigns(world(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
