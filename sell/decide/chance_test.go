package decide_test

import (
	"slices"
	"strings"
	"testing"

	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/sell/decide"
)

// two is a rig with line items for oats and for rye and oats, which bid alike, on two
// placements where oats and rye are clicked otherwise.
func two(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.placement("search", 4, 10*retail.Cent)
	r.placement("home", 4, 10*retail.Cent)
	r.advertiser("a", 0, 1_000*retail.Unit)
	r.advertiser("b", 0, 1_000*retail.Unit)
	r.line("oats", "a", 50*retail.Cent, nil)
	r.line("rye", "b", 50*retail.Cent, func(l *media.LineItem) { l.Products = append(l.Products, "milk") })
	for product, ppm := range map[catalog.ProductID]int32{"oats@search": 200_000, "rye@search": 100_000, "milk@search": 50_000, "oats@home": 30_000, "rye@home": 20_000, "milk@home": 60_000} {
		r.poor.Store(product, ppm)
	}
	r.tick()
	return r
}

// A slot goes to who is most likely clicked there, times the bid: each placement has
// its own chances and each line item its best product in each.
func TestEachPlacementHasItsOwnChances(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		do   func(*rig)
		want string
	}{
		"as they are clicked":            {func(*rig) {}, "search: oats 0.25, rye 0.10; home: "},
		"what is out of stock stays out": {func(r *rig) { r.gone.Store(catalog.ProductID("rye"), true) }, "search: oats 0.13, milk 0.10; home: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := two(t)
			r.model.Store(7)
			tc.do(r)
			q := r.ask(shopper.ID{}, 2)
			q.Placements = append(q.Placements, decide.Ask{ID: "home", Slots: 2})
			r.decide(q)
			d := r.last()
			var out []string
			for _, place := range []media.PlacementID{"search", "home"} {
				var won []string
				for _, w := range d.Wins {
					if w.Placement == place {
						won = append(won, string(w.Product)+" "+w.Price.String()[:4])
					}
				}
				out = append(out, string(place)+": "+strings.Join(won, ", "))
			}
			if got := strings.Join(out, "; "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	// Home alone, where the milk is clicked most.
	r := two(t)
	r.model.Store(7)
	q := r.ask(shopper.ID{}, 2)
	q.Placements[0].ID = "home"
	if got := products(r.decide(q)); !slices.Equal(got, []string{"milk", "oats"}) {
		t.Errorf("at home %v", got)
	}
	e, err := decide.Explain(r.last().Record)
	must(t, err)
	if f := e.Places[0].Finalists[0]; e.Chances != 7 || f.Product != "milk" || f.Quality != 60_000 {
		t.Errorf("explained as %+v of model %d", f, e.Chances)
	}
}

// Whoever's products do not fit the page is no candidate, and is told so.
func TestWhatDoesNotFitThePageDoesNotBid(t *testing.T) {
	t.Parallel()
	r := two(t)
	r.model.Store(7)
	r.poor.Store(catalog.ProductID("oats@search"), int32(0))
	r.poor.Store(catalog.ProductID("rye@search"), int32(0))
	if got := products(r.decide(r.ask(shopper.ID{}, 4))); !slices.Equal(got, []string{"milk"}) {
		t.Errorf("shown %v", got)
	}
	if got := r.last().Refusals; !slices.Equal(got, []event.RefusalCount{{Reason: event.NoMatch, Count: 1}}) {
		t.Errorf("refused %v", got)
	}
}

// The fact of a decision tells from what the chances of what was shown were made, in
// the order of its tokens; of a robot's visit nothing is learned.
func TestADecisionTellsWhatItsChancesWereMadeOf(t *testing.T) {
	t.Parallel()
	r := two(t)
	q := r.ask(r.shopper(1, consent.All, ""), 2)
	r.decide(q)
	if got := string(r.last().Basis); got != "oats rye " {
		t.Errorf("the basis is %q", got)
	}
	q.Visit.Bot = true
	r.decide(q)
	if got := r.last(); len(got.Wins) != 2 || got.Basis != nil {
		t.Errorf("a robot's visit teaches %q", got.Basis)
	}
}
