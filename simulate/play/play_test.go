package play

import (
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
	w, err := life.Open(&s, model.Fitted(), nil)
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
		k, err := tell(w, w.Plan(0), quiet)
		if err != nil {
			t.Fatal(err)
		}
		moments, visits, last := 0, 0, int64(0)
		for _, run := range k.runs(w.Zone(), apart) {
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
		if moments != len(k.moments) || quiet != (visits == 0) {
			t.Errorf("quiet %v: %d of %d moments, %d visits", quiet, moments, len(k.moments), visits)
		}
	}
}

func TestTheSameWeekIsToldAgain(t *testing.T) {
	t.Parallel()
	ids := func() (all []string) {
		w := world(t, `{}`)
		k, err := tell(w, w.Plan(0), false)
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		for _, m := range k.moments {
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
