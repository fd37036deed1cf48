package recommend_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"endcap/keep/files/dirfiles"
	"endcap/keep/warehouse"
	"endcap/keep/warehouse/duck"
	"endcap/know/history"
	"endcap/know/recommend"
	"endcap/know/recommend/merchandising"
	"endcap/know/recommend/related"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/consent/policy"
	"endcap/retail/event"
	"endcap/retail/shopper"
	"endcap/retail/visit"
)

// said are rules as somebody set them up.
type said struct {
	rules   []merchandising.Named
	version uint64
	err     error
}

func (s *said) Refresh(context.Context) error          { return s.err }
func (s *said) Rules() ([]merchandising.Named, uint64) { return s.rules, s.version }

func market() *shelf {
	of := func(id, name, brand, kind string) *catalog.Product {
		return &catalog.Product{ID: catalog.ProductID(id), Name: name, Brand: catalog.Brand(brand), Department: "GROCERY", Category: catalog.Category(kind), Type: catalog.Type(kind)}
	}
	return &shelf{version: 1, gone: map[string]bool{}, rows: []*catalog.Product{
		of("pasta", "Penne", "ITALY", "PASTA"), of("sauce", "Tomato sauce", "ITALY", "SAUCE"), of("milk", "Whole milk", "MUH", "MILK"), of("milk2", "Whole milk alpine", "ALP", "MILK"),
		of("wash", "Detergent", "CLEAN", "WASHING"), of("ice", "Ice cream", "COLD", "ICE"), of("rye", "Rye bread", "BAKER", "BREAD"), of("new", "Whole milk organic", "ALP", "MILK"),
		of("pill", "Pill", "", "HEALTH"), of("tea", "Tea", "", "TEA"),
	}}
}

// habitsOf is what the market's people did: pasta comes with its sauce, pills come
// with tea, detergent every 28 days, ice cream in the last week alone.
func habitsOf(rng *rand.Rand) (out []event.Fact) {
	trip := 0
	for who := range uint64(40) {
		id := who + 1
		out = append(out, event.Fact{ID: fmt.Sprint("c", id), At: (today - 300).UTC(), Day: today - 300, Shopper: shopper.FromUint64(id), Source: "test", Body: event.Consent{Allowed: consent.All}})
		for week := range 30 {
			var buys []catalog.ProductID
			take := func(chance float64, products ...catalog.ProductID) {
				if rng.Float64() < chance {
					buys = append(buys, products...)
				}
			}
			take(0.9, []catalog.ProductID{"milk", "milk2"}[min(rng.IntN(5)/4, 1)])
			take(0.4, "rye")
			take(0.25, "pasta", "sauce")
			take(0.2, "pill", "tea")
			if (week+int(who))%4 == 0 {
				take(1, "wash")
			}
			if week == 0 && who < 15 {
				take(1, "ice")
			}
			trip++
			if len(buys) > 0 {
				out = append(out, bought(id, fmt.Sprint("t", trip), retail.Day(7*week+1), "s1", buys...))
			}
		}
	}
	return out
}

// opened is the market with its models, and where they lie.
func opened(t *testing.T, s *shelf, o recommend.Options) (r *recommend.Recommender, dir string) {
	t.Helper()
	w, err := duck.Open(t.Context(), t.TempDir(), duck.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: today.UTC(), Rows: append(history.Rows(habitsOf(rand.New(rand.NewPCG(5, 5)))), history.Rows(listed(s))...)}}); err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	d, err := dirfiles.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := recommend.Train(t.Context(), w, d, recommend.Training{Through: today, Days: recommend.DaysDefault}); err != nil {
		t.Fatal(err)
	}
	if _, err := related.Train(t.Context(), w, d, related.Training{Through: today, Days: 224}); err != nil {
		t.Fatal(err)
	}
	r = recommend.New(s, d, o)
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r, dir
}

func listed(s *shelf) (out []event.Fact) {
	for _, p := range s.rows {
		out = append(out, event.Fact{ID: "p" + string(p.ID), At: (today - 300).UTC(), Source: "test", Body: event.Product{Product: *p}})
	}
	return out
}

// told writes a list with its reasons as a shopper reads them.
func told(got visit.Proposed) string {
	out := ""
	for i := range got.Proposals {
		p := &got.Proposals[i]
		out += fmt.Sprintf("%s: %s; ", p.Product, p.Say(today, func(id catalog.ProductID) string { return string(id) }))
	}
	return out + got.Empty
}

func TestWhichListsAShopperSees(t *testing.T) {
	t.Parallel()
	s := market()
	s.gone["milk2@dry"] = true
	shield := (&policy.Policy{Sensitive: []policy.Group{{Name: "health", Set: catalog.Set{Categories: []catalog.Category{"HEALTH"}}}}}).Shield()
	r, _ := opened(t, s, recommend.Options{Sensitive: shield})
	var hers []event.Fact
	for n := range 6 {
		hers = append(hers, bought(1, fmt.Sprint("w", n), retail.Day(28*n+27), "s1", "wash"))
	}
	hers = append(hers, bought(1, "m", 3, "s1", "milk", "pill", "gone from the range"))
	one := []event.Fact{bought(1, "m", 3, "s1", "milk")}
	tests := map[string]struct {
		facts []event.Fact
		v     visit.Visit
		n     int
		want  string
	}{
		"buy again: what is due":                   {hers, visit.Visit{List: visit.BuyAgain}, 1, "wash: bought 6 times, usually every 28 days, due in 1 day; "},
		"buy again: one purchase":                  {one, visit.Visit{List: visit.BuyAgain}, 3, "milk: bought once, due in "},
		"buy again: nobody known":                  {nil, visit.Visit{List: visit.BuyAgain}, 3, "no_candidates"},
		"complements of the basket":                {nil, visit.Visit{List: visit.Complements, Basket: []catalog.ProductID{"milk", "pasta"}}, 3, "sauce: goes with: pasta; "},
		"complements of the page":                  {nil, visit.Visit{List: visit.Complements, Product: "sauce"}, 3, "pasta: goes with: sauce; "},
		"complements of what she looked at":        {nil, visit.Visit{List: visit.Complements, Viewed: []catalog.ProductID{"pasta"}}, 3, "sauce: goes with: pasta; "},
		"complements of something sensitive":       {nil, visit.Visit{List: visit.Complements, Basket: []catalog.ProductID{"pill"}}, 3, "no_candidates"},
		"complements of what nobody sells":         {nil, visit.Visit{List: visit.Complements, Basket: []catalog.ProductID{"caviar"}}, 3, "no_candidates"},
		"substitutes":                              {nil, visit.Visit{List: visit.Substitutes, Product: "milk"}, 3, "milk2: instead of: milk; new: instead of: milk; "},
		"substitutes at a store that lacks one":    {nil, visit.Visit{List: visit.Substitutes, Product: "milk", Store: "dry"}, 3, "new: instead of: milk; "},
		"substitutes of a new product":             {nil, visit.Visit{List: visit.Substitutes, Product: "new"}, 1, "milk: instead of: new; "},
		"substitutes of nothing":                   {nil, visit.Visit{List: visit.Substitutes}, 3, "no_candidates"},
		"trending":                                 {hers, visit.Visit{List: visit.Trending, Store: "s1"}, 3, "ice: more and more people buy it; "},
		"discovery is never hers":                  {hers, visit.Visit{List: visit.Discovery, Basket: []catalog.ProductID{"pasta"}}, 3, "sauce: goes with: pasta; "},
		"discovery for nobody known":               {nil, visit.Visit{List: visit.Discovery}, 2, "ice: more and more people buy it; milk: popular; "},
		"next basket: each fourth is new":          {hers, visit.Visit{List: visit.NextBasket, Basket: []catalog.ProductID{"pasta"}}, 4, "wash: bought 6 times, usually every 28 days; milk: bought once; sauce: goes with: pasta; rye: popular; "},
		"next basket: what she looked at counts":   {hers, visit.Visit{List: visit.NextBasket, Viewed: []catalog.ProductID{"ice"}}, 3, "wash: bought 6 times, usually every 28 days; milk: bought once; ice: you looked at it; "},
		"next basket: nobody known":                {nil, visit.Visit{List: visit.NextBasket}, 2, "milk: popular; rye: popular; "},
		"for you: the fourth goes with the basket": {nil, visit.Visit{Basket: []catalog.ProductID{"tea"}}, 4, "milk: popular; rye: popular; pasta: popular; pill: goes with: tea; "},
		"search":                       {hers, visit.Visit{List: visit.Search, Query: "milk"}, 5, "milk: bought once; milk2: fits your search; new: fits your search; "},
		"search for what nobody sells": {hers, visit.Visit{List: visit.Search, Query: "caviar"}, 5, "no_candidates"},
		"category":                     {nil, visit.Visit{List: visit.InCategory, Category: "MILK"}, 2, "milk: popular in this category; milk2: popular in this category; "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.v.Day = today
			got := told(r.Propose(shopper.ID{}, fold(t, nil, tt.facts...), &tt.v, tt.n))
			if begins := strings.HasSuffix(tt.want, " "); got != tt.want && (!begins || !strings.HasPrefix(got, tt.want)) {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestRulesHaveTheLastWord(t *testing.T) {
	t.Parallel()
	rules := &said{}
	r, dir := opened(t, market(), recommend.Options{Rules: rules, Country: "FR", Never: catalog.Set{Products: []catalog.ProductID{"rye"}}})
	rule := func(id string, r merchandising.Rule) merchandising.Named {
		return merchandising.Named{ID: merchandising.ID(id), Rule: r}
	}
	v := &visit.Visit{Day: today}
	if got := told(r.Propose(shopper.ID{}, nil, v, 2)); got != "milk: popular; pasta: popular; " {
		t.Errorf("without a rule: %s", got)
	}
	rules.version++
	rules.rules = []merchandising.Named{
		rule("never", merchandising.Rule{Pin: &merchandising.Pin{Product: "rye"}}), // nobody is proposed rye
		rule("new", merchandising.Rule{Lists: []visit.ListName{visit.ForYou}, Pin: &merchandising.Pin{Product: "new", Slot: 1}}),
		rule("no-milk", merchandising.Rule{Exclude: &merchandising.Exclude{Products: merchandising.Selection{Set: catalog.Set{Products: []catalog.ProductID{"milk"}}}, Countries: []string{"FR"}}}),
	}
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := r.Propose(shopper.ID{}, nil, v, 2)
	if len(got.Proposals) != 2 || got.Proposals[0].Product == "milk" || got.Proposals[1] != (visit.Proposal{Product: "new", Reason: visit.Chosen}) ||
		len(got.Effects) != 2 || got.Effects[0] != (visit.Effect{Rule: "new", Did: "pinned", Product: "new", From: -1, To: 1}) || got.Effects[1] != (visit.Effect{Rule: "no-milk", Did: "excluded", Product: "milk", From: 0, To: -1}) {
		t.Errorf("with rules: %+v", got)
	}
	if got := r.Propose(shopper.ID{}, nil, &visit.Visit{Day: today, Basket: []catalog.ProductID{"new"}}, 2); len(got.Proposals) != 2 || got.Proposals[1].Product == "new" {
		t.Errorf("what lies in her basket is pinned: %+v", got)
	}
	rules.version++
	rules.rules = []merchandising.Named{rule("closed", merchandising.Rule{Exclude: &merchandising.Exclude{Products: merchandising.Selection{Set: catalog.Set{Everything: true}}}})}
	rules.err = errors.New("one rule cannot be read")
	if err := r.Refresh(t.Context()); !errors.Is(err, rules.err) {
		t.Errorf("got %v", err)
	}
	if got := r.Propose(shopper.ID{}, nil, v, 2); len(got.Proposals) != 0 || got.Empty != merchandising.AllExcluded {
		t.Errorf("everything is excluded: %+v", got)
	}
	// A damaged model is reported, and the former serves on.
	rules.rules, rules.err, rules.version = nil, nil, rules.version+1
	all, err := filepath.Glob(filepath.Join(dir, related.Artefact, "0*"))
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	damaged := strings.TrimSuffix(all[0], "1") + "2"
	if err := os.WriteFile(damaged, []byte("endcap related, or what was left of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Refresh(t.Context()); !errors.Is(err, related.ErrModel) {
		t.Errorf("a damaged model: %v", err)
	}
	if got := told(r.Propose(shopper.ID{}, nil, &visit.Visit{Day: today, List: visit.Complements, Product: "pasta"}, 1)); got != "sauce: goes with: pasta; " {
		t.Errorf("the former model does not serve: %s", got)
	}
}

// BenchmarkLists is every list over a range of 100,000 products.
func BenchmarkLists(b *testing.B) {
	rng := rand.New(rand.NewPCG(8, 8))
	s := &shelf{version: 1}
	for i := range 100_000 {
		s.rows = append(s.rows, &catalog.Product{
			ID: catalog.ProductID(fmt.Sprint(1_000_000 + i)), Brand: catalog.Brand(fmt.Sprint("b", i%3_000)), Category: catalog.Category(fmt.Sprint("c", i%300)), Type: catalog.Type(fmt.Sprint("t", i%3_000)),
		})
	}
	dir := artefacts(b)
	w, err := duck.Open(b.Context(), b.TempDir(), duck.Defaults())
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	facts := listed(s)
	id := func(n int) catalog.ProductID { return catalog.ProductID(fmt.Sprint(1_000_000 + n)) }
	for i := range 20_000 {
		var products []catalog.ProductID
		for range 10 {
			at := rng.IntN(1_000)
			products = append(products, id(at), id(at+2_000))
		}
		facts = append(facts, bought(uint64(1+i%500), fmt.Sprint("r", i), retail.Day(i%200), "s1", products...))
	}
	if err := w.Append(b.Context(), []warehouse.Fold{{Next: "1", Through: today.UTC(), Rows: history.Rows(facts)}}); err != nil {
		b.Fatal(err)
	}
	if _, err := related.Train(b.Context(), w, dir, related.Training{Through: today}); err != nil {
		b.Fatal(err)
	}
	if _, err := recommend.Train(b.Context(), w, dir, recommend.Training{Through: today, Days: recommend.DaysDefault}); err != nil {
		b.Fatal(err)
	}
	r := recommend.New(s, dir, recommend.Options{})
	if err := r.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	var hers []event.Fact
	for i := range 60 {
		var products []catalog.ProductID
		for range 10 {
			products = append(products, id(rng.IntN(300)))
		}
		hers = append(hers, bought(1, fmt.Sprint("h", i), retail.Day(i*3), "s1", products...))
	}
	section := fold(b, nil, hers...)
	for _, list := range visit.ListNames() {
		v := &visit.Visit{Day: today, List: list, Query: "", Category: "c7", Basket: []catalog.ProductID{id(5), id(6), id(7)}, Store: "s1"}
		if list == visit.Substitutes {
			v.Product = id(8)
		}
		b.Run(string(list), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Propose(shopper.ID{}, section, v, 10)
			}
		})
	}
}
