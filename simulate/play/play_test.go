package play

import (
	"strings"
	"testing"
	"time"

	"endcap/simulate/life"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
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
	for _, quiet := range []bool{false, true} {
		w := world(t, `{"online": 0.5, "browse": 3}`)
		k, err := tell(w, w.Plan(0), quiet)
		if err != nil {
			t.Fatal(err)
		}
		moments, visits, last := 0, 0, int64(0)
		for _, run := range k.runs(w.Zone(), quiet) {
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
			if span := time.Duration(end-first) * time.Microsecond; !quiet && span > 20*time.Minute || dayOf(first, w.Zone()) != dayOf(end, w.Zone()) || len(run) > runMax {
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
			if seen[m.visit.id] {
				t.Fatalf("visit %s comes twice", m.visit.id)
			}
			seen[m.visit.id] = true
			looks, clicks := glance(w, m.visit, search, 0, 7)
			if clicks && !looks {
				t.Fatal("a click without a look")
			}
			if clicks {
				all = append(all, m.visit.id)
			}
		}
		return all
	}
	if a, b := strings.Join(ids(), " "), strings.Join(ids(), " "); a != b || a == "" {
		t.Errorf("clicks of two runs: %.100q and %.100q", a, b)
	}
}

// Adverts are looked at as the position model says, whatever is clicked.
func TestLooksFallWithTheSlot(t *testing.T) {
	t.Parallel()
	w := world(t, `{}`)
	const n = 20_000
	var looked [4]float64
	for i := range n {
		v := &visit{id: "v" + string(rune('a'+i%26)) + time.Duration(i).String(), shopper: i % 2_000, online: true}
		for slot := range looked {
			if looks, _ := glance(w, v, search, slot, 1); looks {
				looked[slot] += 1.0 / n
			}
		}
	}
	for slot, got := range looked {
		if want := life.Examine(slot + 1); got < want-0.02 || got > want+0.02 {
			t.Errorf("slot %d is looked at by %.3f, want %.3f", slot, got, want)
		}
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

func TestAmountsAreWrittenExactly(t *testing.T) {
	t.Parallel()
	for cents, want := range map[int64]string{0: "0.00", 5: "0.05", -5: "-0.05", 123_456: "1234.56", -100: "-1.00"} {
		if got := decimal(cents); got != want {
			t.Errorf("%d cents are %s, want %s", cents, got, want)
		}
	}
	for n, want := range map[int32]string{1_000: "1.000", -1_000: "-1.000", 31_234: "31.234", -5: "-0.005"} {
		if got := string(thousandths(n)); got != want {
			t.Errorf("%d thousandths are %s, want %s", n, got, want)
		}
	}
}
