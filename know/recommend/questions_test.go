package recommend_test

import (
	"slices"
	"strings"
	"testing"

	"endcap/know/recommend"
	"endcap/know/recommend/merchandising"
	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/shopper"
	"endcap/retail/visit"
)

// asks are a visit for every list, as a merchandiser tries them out.
func asks() map[visit.ListName]visit.Visit {
	out := map[visit.ListName]visit.Visit{
		visit.Complements: {Product: "pasta"}, visit.Substitutes: {Product: "milk"}, visit.Search: {Query: "milk"}, visit.InCategory: {Category: "MILK"},
	}
	for _, list := range visit.ListNames() {
		v := out[list]
		v.List, v.Day, v.Store = list, today, "s1"
		out[list] = v
	}
	return out
}

// products writes what is on a list without its reasons, or why nothing is.
func products(got visit.Proposed) string {
	var out []string
	for _, p := range got.Proposals {
		out = append(out, string(p.Product))
	}
	return strings.Join(append(out, got.Empty), " ")
}

// What stands on each list, of two, when something about the shopper or the shop is
// not as usual?
func TestWhatAMerchandiserAsksOfEveryList(t *testing.T) {
	t.Parallel()
	regular := []event.Fact{bought(1, "a", 55, "s1", "wash", "tea"), bought(1, "b", 27, "s1", "wash", "rye"), bought(1, "m", 3, "s1", "milk")}
	closed := merchandising.Named{ID: "closed", Rule: merchandising.Rule{Exclude: &merchandising.Exclude{Products: merchandising.Selection{Set: catalog.Set{Everything: true}}}}}
	nothing := func(why string) map[visit.ListName]string {
		out := make(map[visit.ListName]string)
		for _, list := range visit.ListNames() {
			out[list] = why
		}
		return out
	}
	contextual := map[visit.ListName]string{
		visit.ForYou: "milk rye ", visit.NextBasket: "milk rye ", visit.BuyAgain: "no_candidates", visit.Complements: "sauce ", visit.Substitutes: "milk2 new ",
		visit.Discovery: "ice milk ", visit.Search: "milk milk2 ", visit.InCategory: "milk milk2 ", visit.Trending: "ice ",
	}
	tests := map[string]struct {
		facts  []event.Fact
		change func(*shelf)
		rules  []merchandising.Named
		want   map[visit.ListName]string
	}{
		"a regular shopper": {facts: regular, want: map[visit.ListName]string{
			visit.ForYou: "wash milk ", visit.NextBasket: "wash milk ", visit.BuyAgain: "wash milk ", visit.Discovery: "pill milk2 ",
			visit.Complements: "sauce ", visit.Substitutes: "milk2 new ", visit.Search: "milk milk2 ", visit.InCategory: "milk milk2 ", visit.Trending: "ice ",
		}},
		"a new shopper, somebody anonymous, or one who withdrew her consent": {want: contextual},
		"a shopper who bought what is gone from the catalogue":               {facts: []event.Fact{bought(1, "a", 9, "s1", "caviar")}, want: contextual},
		"the product that sells best is gone from the catalogue": {facts: regular, change: func(s *shelf) {
			s.rows = slices.DeleteFunc(s.rows, func(p *catalog.Product) bool { return p.ID == "milk" })
		}, want: map[visit.ListName]string{
			visit.ForYou: "wash rye ", visit.NextBasket: "wash rye ", visit.BuyAgain: "wash rye ", visit.Discovery: "pill milk2 ",
			visit.Complements: "sauce ", visit.Substitutes: "no_candidates", visit.Search: "milk2 new ", visit.InCategory: "milk2 new ", visit.Trending: "ice ",
		}},
		"a shop that has nothing in stock": {facts: regular, change: func(s *shelf) {
			for _, p := range s.rows {
				s.gone[string(p.ID)+"@s1"] = true
			}
		}, want: nothing("no_candidates")},
		"an empty catalogue":         {facts: regular, change: func(s *shelf) { s.rows = nil }, want: nothing("no_candidates")},
		"a rule excludes everything": {facts: regular, rules: []merchandising.Named{closed}, want: nothing(merchandising.AllExcluded)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, rules := market(), &said{rules: tt.rules, version: 1}
			r, _ := opened(t, s, recommend.Options{Rules: rules})
			if tt.change != nil {
				tt.change(s)
				s.version++
				if err := r.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			section := fold(t, nil, tt.facts...)
			still := r.Still()
			for list, v := range asks() {
				got := r.Propose(shopper.ID{}, section, &v, 2)
				if products(got) != tt.want[list] {
					t.Errorf("%s: %s, want %s", list, products(got), tt.want[list])
				}
				if again := still.Propose(shopper.ID{}, section, &v, 2); told(again) != told(got) {
					t.Errorf("%s: standing still it is %s", list, told(again))
				}
			}
		})
	}
}

// A list of many shoppers is made alike to its end, whatever is changed meanwhile.
func TestARecommenderStandsStill(t *testing.T) {
	t.Parallel()
	s, rules := market(), &said{version: 1}
	r, _ := opened(t, s, recommend.Options{Rules: rules})
	still, v := r.Still(), &visit.Visit{Day: today}
	before := told(still.Propose(shopper.ID{}, nil, v, 3))
	rules.rules = []merchandising.Named{{ID: "new", Rule: merchandising.Rule{Pin: &merchandising.Pin{Product: "new"}}}}
	s.rows, rules.version, s.version = s.rows[1:], 2, 2
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := told(still.Propose(shopper.ID{}, nil, v, 3)); got != before || told(r.Propose(shopper.ID{}, nil, v, 3)) == before {
		t.Errorf("it moved: %s, was %s", got, before)
	}
	if now := r.Still(); now.Versions == still.Versions || now.Model != still.Model || now.Rules == still.Rules || still.Model == 0 || still.Related == 0 {
		t.Errorf("versions %+v, then %+v", still.Versions, now.Versions)
	}
}
