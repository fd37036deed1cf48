package merchandising_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"endcap/know/recommend/merchandising"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent/policy"
	"endcap/retail/visit"
)

var today = retail.Date(2017, time.December, 4)

// shelves is a stock that was counted here and there.
type shelves map[string]int64 // product, or product@store

func (s shelves) Count(id catalog.ProductID, at catalog.StoreID) (int64, bool) {
	if n, ok := s[string(id)+"@"+string(at)]; ok {
		return n, true
	}
	n, ok := s[string(id)]
	return n, ok
}

func (s shelves) InStock(id catalog.ProductID, at catalog.StoreID) bool {
	n, ok := s.Count(id, at)
	return !ok || n > 0
}

func products() []*catalog.Product {
	return []*catalog.Product{
		{ID: "oat", Brand: "OATS", Department: "GROCERY", Category: "MILK"},
		{ID: "cow", Brand: "MUH", Department: "GROCERY", Category: "MILK"},
		{ID: "own", Brand: "HOUSE", Department: "GROCERY", Category: "MILK", OwnLabel: true},
		{ID: "rye", Brand: "BAKER", Department: "BAKERY", Category: "BREAD"},
		{ID: "bun", Brand: "HOUSE", Department: "BAKERY", Category: "BREAD", OwnLabel: true},
		{ID: "wine", Brand: "CELLAR", Department: "DRINKS", Category: "WINE"},
		{ID: "beer", Brand: "BREW", Department: "DRINKS", Category: "BEER"},
		{ID: "loose"},
	}
}

func shield() *policy.Shield {
	return (&policy.Policy{Sensitive: []policy.Group{{Name: "alcohol", Set: catalog.Set{Categories: []catalog.Category{"WINE", "BEER"}}}}}).Shield()
}

func kinds(names ...catalog.Category) merchandising.Selection {
	return merchandising.Selection{Set: catalog.Set{Categories: names}}
}

func only(ids ...catalog.ProductID) merchandising.Selection {
	return merchandising.Selection{Set: catalog.Set{Products: ids}}
}

func day(ago retail.Day) *retail.Day {
	d := today - ago
	return &d
}

// candidates are all products in their order, each a little less than the one before.
func candidates(rows []*catalog.Product) (out []merchandising.Candidate) {
	for i := range rows {
		out = append(out, merchandising.Candidate{No: int32(i), Score: 1 / float64(i+1)})
	}
	return out
}

// told writes a list and what the rules did.
func told(rows []*catalog.Product, d *merchandising.Desk) string {
	var out []string
	for _, p := range d.List {
		out = append(out, string(rows[p.No].ID))
	}
	text := strings.Join(out, " ")
	for _, e := range d.Effects {
		text += fmt.Sprintf("; %s %s %s %d→%d", e.Rule, e.Did, rows[e.No].ID, e.From, e.To)
	}
	if d.Empty != "" {
		text += "; " + d.Empty
	}
	return text
}

func TestWhatRulesDoToAList(t *testing.T) {
	t.Parallel()
	type rules = []merchandising.Named
	yes := true
	rule := func(id string, r merchandising.Rule) merchandising.Named {
		r.Name = id
		return merchandising.Named{ID: merchandising.ID(id), Rule: r}
	}
	alcohol := merchandising.Exclude{Sensitive: []string{"alcohol"}, Countries: []string{"FR"}}
	tests := map[string]struct {
		rules rules
		scene merchandising.Scene
		want  string
	}{
		"no rules":                       {nil, merchandising.Scene{}, "oat cow own rye"},
		"pin the wine to the top":        {rules{rule("p", merchandising.Rule{Pin: &merchandising.Pin{Product: "wine"}})}, merchandising.Scene{}, "wine oat cow own; p pinned wine 5→0"},
		"pin what is out of stock":       {rules{rule("p", merchandising.Rule{Pin: &merchandising.Pin{Product: "wine"}})}, merchandising.Scene{Store: "dry"}, "oat cow own rye"},
		"pin below the end of a list":    {rules{rule("p", merchandising.Rule{Pin: &merchandising.Pin{Product: "wine", Slot: 4}})}, merchandising.Scene{}, "oat cow own rye"},
		"pin what nobody sells":          {rules{rule("p", merchandising.Rule{Pin: &merchandising.Pin{Product: "caviar"}})}, merchandising.Scene{}, "oat cow own rye"},
		"two pins want one slot":         {rules{rule("q", merchandising.Rule{Pin: &merchandising.Pin{Product: "wine", Slot: 1}}), rule("p", merchandising.Rule{Pin: &merchandising.Pin{Product: "beer", Slot: 1}})}, merchandising.Scene{}, "oat beer wine cow; p pinned beer 6→1; q pinned wine 5→2"},
		"two pins want the last slot":    {rules{rule("p", merchandising.Rule{Pin: &merchandising.Pin{Product: "wine", Slot: 3}}), rule("q", merchandising.Rule{Pin: &merchandising.Pin{Product: "cow", Slot: 3}})}, merchandising.Scene{}, "oat cow own wine; p pinned wine 5→3"},
		"boost own label":                {rules{rule("b", merchandising.Rule{Boost: &merchandising.Boost{Products: merchandising.Selection{OwnLabel: &yes}, Factor: 4}})}, merchandising.Scene{}, "own oat bun cow; b boosted own 2→0; b boosted bun 4→2"},
		"bury a brand":                   {rules{rule("b", merchandising.Rule{Boost: &merchandising.Boost{Products: merchandising.Selection{Set: catalog.Set{Brands: []catalog.Brand{"OATS"}}}, Factor: 0.1}})}, merchandising.Scene{}, "cow own rye bun; b buried oat 0→-1"},
		"own label bread alone":          {rules{rule("b", merchandising.Rule{Boost: &merchandising.Boost{Products: merchandising.Selection{Set: catalog.Set{Categories: []catalog.Category{"BREAD"}}, OwnLabel: &yes}, Factor: 9}})}, merchandising.Scene{}, "bun oat cow own; b boosted bun 4→0"},
		"exclude milk":                   {rules{rule("x", merchandising.Rule{Exclude: &merchandising.Exclude{Products: kinds("MILK")}})}, merchandising.Scene{}, "rye bun wine beer; x excluded oat 0→-1; x excluded cow 1→-1; x excluded own 2→-1"},
		"exclusion wins over a pin":      {rules{rule("p", merchandising.Rule{Pin: &merchandising.Pin{Product: "oat"}}), rule("x", merchandising.Rule{Exclude: &merchandising.Exclude{Products: only("oat")}})}, merchandising.Scene{}, "cow own rye bun; x excluded oat 0→-1"},
		"at most one of a brand":         {rules{rule("s", merchandising.Rule{Spread: &merchandising.Spread{PerBrand: 1}})}, merchandising.Scene{Length: 5}, "oat cow own rye wine; s spread bun 4→-1"},
		"at most two of a category":      {rules{rule("s", merchandising.Rule{Spread: &merchandising.Spread{PerCategory: 2}})}, merchandising.Scene{}, "oat cow rye bun; s spread own 2→-1"},
		"a pin counts in the spread":     {rules{rule("p", merchandising.Rule{Pin: &merchandising.Pin{Product: "own", Slot: 3}}), rule("s", merchandising.Rule{Spread: &merchandising.Spread{PerCategory: 1}})}, merchandising.Scene{}, "rye wine beer own; p pinned own 2→3; s spread oat 0→-1; s spread cow 1→-1"},
		"alcohol in France":              {rules{rule("x", merchandising.Rule{Exclude: &alcohol}), rule("m", merchandising.Rule{Exclude: &merchandising.Exclude{Products: kinds("MILK")}})}, merchandising.Scene{Country: "FR"}, "rye bun loose; m excluded oat 0→-1; m excluded cow 1→-1; m excluded own 2→-1"},
		"alcohol elsewhere":              {rules{rule("x", merchandising.Rule{Exclude: &alcohol}), rule("m", merchandising.Rule{Exclude: &merchandising.Exclude{Products: kinds("MILK", "BREAD")}})}, merchandising.Scene{Country: "DE"}, "wine beer loose; m excluded oat 0→-1; m excluded cow 1→-1; m excluded own 2→-1; m excluded rye 3→-1"},
		"in which country, nobody knows": {rules{rule("x", merchandising.Rule{Exclude: &alcohol}), rule("m", merchandising.Rule{Exclude: &merchandising.Exclude{Products: kinds("MILK", "BREAD")}})}, merchandising.Scene{}, "loose; m excluded oat 0→-1; m excluded cow 1→-1; m excluded own 2→-1; m excluded rye 3→-1"},
		"from her purchases only, seen":  {rules{rule("x", merchandising.Rule{Exclude: &merchandising.Exclude{Products: only("oat"), Purpose: "personal_offers"}})}, merchandising.Scene{Personal: true}, "cow own rye bun; x excluded oat 0→-1"},
		"from her purchases only, else":  {rules{rule("x", merchandising.Rule{Exclude: &merchandising.Exclude{Products: only("oat"), Purpose: "personal_offers"}})}, merchandising.Scene{}, "oat cow own rye"},
		"everything":                     {rules{rule("x", merchandising.Rule{Exclude: &merchandising.Exclude{Products: merchandising.Selection{Set: catalog.Set{Everything: true}}}})}, merchandising.Scene{Length: 2}, "; x excluded oat 0→-1; x excluded cow 1→-1; all_excluded_by_rules"},
		"another list":                   {rules{rule("p", merchandising.Rule{Lists: []visit.ListName{visit.Search}, Pin: &merchandising.Pin{Product: "wine"}})}, merchandising.Scene{}, "oat cow own rye"},
		"another store":                  {rules{rule("p", merchandising.Rule{Stores: []catalog.StoreID{"s1"}, Pin: &merchandising.Pin{Product: "wine"}})}, merchandising.Scene{Store: "s2"}, "oat cow own rye"},
		"from today on":                  {rules{rule("p", merchandising.Rule{From: day(0), Pin: &merchandising.Pin{Product: "beer"}})}, merchandising.Scene{}, "beer oat cow own; p pinned beer 6→0"},
		"until yesterday":                {rules{rule("p", merchandising.Rule{To: day(0), Pin: &merchandising.Pin{Product: "beer"}})}, merchandising.Scene{}, "oat cow own rye"},
		"from tomorrow on":               {rules{rule("p", merchandising.Rule{From: day(-1), Pin: &merchandising.Pin{Product: "beer"}})}, merchandising.Scene{}, "oat cow own rye"},
		"margin":                         {rules{rule("m", merchandising.Rule{Weigh: &merchandising.Weigh{Margin: 4, Usual: 0.2, Margins: []merchandising.Margin{{Products: only("own"), Share: 0.7}, {Products: kinds("MILK"), Share: 0.1}}}})}, merchandising.Scene{}, "own oat cow rye; m weighed own 2→0; m weighed oat 0→1; m weighed cow 1→2"},
		"scarce":                         {rules{rule("m", merchandising.Rule{Weigh: &merchandising.Weigh{Availability: 1, Full: 10}})}, merchandising.Scene{Store: "low"}, "cow own rye bun; m weighed oat 0→-1"},
	}
	stock := shelves{"wine@dry": 0, "oat@low": 1, "cow@low": 10}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows := products()
			for _, r := range tt.rules {
				if err := r.Check(shield()); err != nil {
					t.Fatal(err)
				}
			}
			c := tt.scene
			c.List, c.Day, c.Stock = visit.ForYou, today, stock
			if c.Length == 0 {
				c.Length = 4
			}
			var d merchandising.Desk
			for range 2 { // the desk's memory leaves no trace
				merchandising.Compile(tt.rules, rows, shield()).Arrange(&c, candidates(rows), &d)
				if got := told(rows, &d); got != tt.want {
					t.Errorf("\n got %s\nwant %s", got, tt.want)
				}
			}
		})
	}
}

func TestScoresThatAreNoNumbersComeLast(t *testing.T) {
	t.Parallel()
	rows := products()
	c := merchandising.Scene{Day: today, Length: 8, Stock: shelves{}}
	given := []merchandising.Candidate{{0, math.NaN()}, {1, 0.5}, {2, math.Inf(1)}, {3, -1}, {4, 0.7}}
	for name, sheet := range map[string]*merchandising.Sheet{"no rules": nil, "an empty sheet": merchandising.Compile(nil, rows, nil)} {
		var d merchandising.Desk
		sheet.Arrange(&c, given, &d)
		if got := told(rows, &d); got != "bun cow oat own rye" {
			t.Errorf("%s: %s", name, got)
		}
	}
	var d merchandising.Desk
	(*merchandising.Sheet)(nil).Arrange(&c, nil, &d)
	if d.Empty != merchandising.NoCandidates {
		t.Errorf("no candidates: %q", d.Empty)
	}
}

// drawRules draws up to eight rules about brands b0 to b5, categories c0 to c3 and
// products of a range.
func drawRules(rng *rand.Rand, rows []*catalog.Product) (rules []merchandising.Named) {
	kind := func() merchandising.Selection { return kinds(catalog.Category(fmt.Sprint("c", rng.IntN(4)))) }
	for i := range rng.IntN(9) {
		r := merchandising.Rule{Name: "r"}
		switch rng.IntN(6) {
		case 0, 1:
			r.Pin = &merchandising.Pin{Product: rows[rng.IntN(len(rows))].ID, Slot: rng.IntN(10)}
		case 2:
			r.Boost = &merchandising.Boost{Products: kind(), Factor: 0.5 + 2*rng.Float64()}
		case 3:
			r.Exclude = &merchandising.Exclude{Products: merchandising.Selection{Set: catalog.Set{Brands: []catalog.Brand{catalog.Brand(fmt.Sprint("b", rng.IntN(6)))}}}}
		case 4:
			r.Spread = &merchandising.Spread{PerBrand: rng.IntN(4), PerCategory: 1 + rng.IntN(4)}
		default:
			r.Weigh = &merchandising.Weigh{Margin: 2, Usual: 0.25, Margins: []merchandising.Margin{{Products: kind(), Share: 0.5}, {Products: kind(), Share: 0}}, Availability: 0.5, Full: 1 + rng.Int64N(100)}
		}
		rules = append(rules, merchandising.Named{ID: merchandising.ID(fmt.Sprint("r", i)), Rule: r})
	}
	return rules
}

// byHand makes the list as docs/recommend.md says, one product after the other.
func byHand(rules []merchandising.Named, rows []*catalog.Product, c *merchandising.Scene, given []merchandising.Candidate) (list []int32) {
	no := make(map[catalog.ProductID]int32)
	for i, p := range rows {
		no[p.ID] = int32(i)
	}
	excluded := func(p *catalog.Product) bool {
		return slices.ContainsFunc(rules, func(n merchandising.Named) bool { return n.Exclude != nil && n.Exclude.Products.Matcher().Has(p) })
	}
	weight := func(p *catalog.Product) float64 {
		terms, stocks := 1.0, 1.0
		for _, n := range rules {
			if n.Boost != nil && n.Boost.Products.Matcher().Has(p) {
				terms *= n.Boost.Factor
			}
			if w := n.Weigh; w != nil {
				if i := slices.IndexFunc(w.Margins, func(m merchandising.Margin) bool { return m.Products.Matcher().Has(p) }); i >= 0 {
					terms *= max(0, 1+w.Margin*(w.Margins[i].Share-w.Usual))
				}
				if stock, counted := c.Stock.Count(p.ID, ""); counted {
					stocks *= 1 - w.Availability*(1-min(1, float64(stock)/float64(w.Full)))
				}
			}
		}
		return terms * stocks
	}
	var pins []merchandising.Pin
	free := 0
	var asked []merchandising.Pin
	for _, n := range rules {
		if n.Pin != nil {
			asked = append(asked, *n.Pin)
		}
	}
	slices.SortStableFunc(asked, func(a, b merchandising.Pin) int { return a.Slot - b.Slot })
	for _, p := range asked {
		there := slices.ContainsFunc(pins, func(o merchandising.Pin) bool { return o.Product == p.Product })
		if at := max(p.Slot, free); !there && at < c.Length && !excluded(rows[no[p.Product]]) && c.Stock.InStock(p.Product, "") {
			pins, free = append(pins, p), at+1
		}
	}
	rest := slices.Clone(given)
	for i := range rest {
		rest[i].Score *= weight(rows[rest[i].No])
	}
	slices.SortStableFunc(rest, func(a, b merchandising.Candidate) int { return cmp.Compare(b.Score, a.Score) })
	enough := func(p *catalog.Product) bool {
		brands, kinds := 0, 0
		count := func(o *catalog.Product) {
			if o.Brand == p.Brand {
				brands++
			}
			if o.Category == p.Category {
				kinds++
			}
		}
		for _, at := range list {
			count(rows[at])
		}
		for _, pin := range pins {
			if at := no[pin.Product]; !slices.Contains(list, at) {
				count(rows[at])
			}
		}
		return slices.ContainsFunc(rules, func(n merchandising.Named) bool {
			return n.Spread != nil && (n.Spread.PerBrand > 0 && brands >= n.Spread.PerBrand || kinds >= n.Spread.PerCategory)
		})
	}
	for left := pins; len(list) < c.Length; {
		at := slices.IndexFunc(rest, func(x merchandising.Candidate) bool {
			p := rows[x.No]
			pinned := slices.ContainsFunc(pins, func(o merchandising.Pin) bool { return o.Product == p.ID })
			return !pinned && !slices.Contains(list, x.No) && !excluded(p) && !enough(p)
		})
		switch {
		case len(left) > 0 && (left[0].Slot <= len(list) || at < 0):
			list, left = append(list, no[left[0].Product]), left[1:]
		case at >= 0:
			list = append(list, rest[at].No)
		default:
			return list
		}
	}
	return list
}

func TestAListIsWhatTheRulesSayByHand(t *testing.T) {
	t.Parallel()
	var d merchandising.Desk // one for all, so that each scene finds what another left
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var rows []*catalog.Product
		stock := shelves{}
		for i := range 1 + rng.IntN(60) {
			rows = append(rows, &catalog.Product{ID: catalog.ProductID(fmt.Sprint(i)), Brand: catalog.Brand(fmt.Sprint("b", rng.IntN(6))), Category: catalog.Category(fmt.Sprint("c", rng.IntN(4)))})
			if rng.IntN(3) == 0 {
				stock[fmt.Sprint(i)] = rng.Int64N(120)
			}
		}
		rules := drawRules(rng, rows)
		var given []merchandising.Candidate
		score := 1.0
		for _, no := range rng.Perm(len(rows))[:rng.IntN(len(rows)+1)] {
			score *= rng.Float64()
			given = append(given, merchandising.Candidate{No: int32(no), Score: score})
		}
		c := merchandising.Scene{Day: today, Length: rng.IntN(20), Stock: stock}
		want := byHand(rules, rows, &c, given)
		rng.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
		merchandising.Compile(rules, rows, nil).Arrange(&c, given, &d)
		var got []int32
		for _, p := range d.List {
			got = append(got, p.No)
			if p.From >= 0 && given[p.From].No != p.No {
				t.Fatalf("%s does not come from %d", rows[p.No].ID, p.From)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("the list is %v, by hand %v", got, want)
		}
		if len(got) == 0 && c.Length > 0 && d.Empty == "" {
			t.Fatal("nothing says why it is empty")
		}
		for _, e := range d.Effects {
			if at := slices.Index(got, e.No); at != e.To || e.From >= 0 && given[e.From].No != e.No || e.Did == merchandising.Excluded && at >= 0 {
				t.Fatalf("told %+v, it is at %d", e, at)
			}
		}
	})
}

// BenchmarkArrange is 500 candidates of a range of 100,000 products under 100 rules.
func BenchmarkArrange(b *testing.B) {
	rows, given := large()
	sheet := merchandising.Compile(hundred(), rows, nil)
	c := merchandising.Scene{Day: today, Length: 50, Stock: stocked(rows)}
	var d merchandising.Desk
	b.ReportAllocs()
	for b.Loop() {
		sheet.Arrange(&c, given, &d)
	}
}

func TestArrangingTakesNoMemory(t *testing.T) {
	rows, given := large()
	sheet := merchandising.Compile(hundred(), rows, nil)
	c := merchandising.Scene{Day: today, Length: 50, Stock: stocked(rows)}
	var d merchandising.Desk
	if n := testing.AllocsPerRun(50, func() { sheet.Arrange(&c, given, &d) }); n > 0 {
		t.Errorf("%v allocations for %d candidates", n, len(given))
	}
}

// A rule about everything tells no products apart, so it needs no room for each.
func TestRulesAboutEverythingNeedLittleMemory(t *testing.T) {
	rows, _ := large()
	rules := make([]merchandising.Named, 100)
	for i := range rules {
		rules[i] = merchandising.Named{ID: merchandising.ID(fmt.Sprint(i)), Rule: merchandising.Rule{Boost: &merchandising.Boost{Products: merchandising.Selection{Set: catalog.Set{Everything: true}}, Factor: 1.1}}}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	merchandising.Compile(rules, rows, nil)
	runtime.ReadMemStats(&after)
	if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 40 {
		t.Errorf("%d rules of %d products each took %d MiB", len(rules), len(rows), took)
	}
}

// counted is a stock of three pieces of everything, found as the assortment's is.
type counted map[uint64]int64

func (s counted) Count(id catalog.ProductID, _ catalog.StoreID) (int64, bool) {
	n, ok := s[id.Hash()]
	return n, ok
}

func (s counted) InStock(id catalog.ProductID, at catalog.StoreID) bool {
	n, ok := s.Count(id, at)
	return !ok || n > 0
}

func stocked(rows []*catalog.Product) counted {
	s := make(counted)
	for _, p := range rows {
		s[p.ID.Hash()] = 3
	}
	return s
}

func large() (rows []*catalog.Product, given []merchandising.Candidate) {
	for i := range 100_000 {
		rows = append(rows, &catalog.Product{ID: catalog.ProductID(fmt.Sprint(i)), Brand: catalog.Brand(fmt.Sprint("b", i%3_000)), Category: catalog.Category(fmt.Sprint("c", i%300)), Department: catalog.Department(fmt.Sprint("d", i%20))})
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		given = append(given, merchandising.Candidate{No: int32(rng.IntN(len(rows))), Score: rng.Float64()})
	}
	return rows, given
}

func hundred() (out []merchandising.Named) {
	for i := range 100 {
		r := merchandising.Rule{}
		switch i % 5 {
		case 0:
			r.Pin = &merchandising.Pin{Product: catalog.ProductID(fmt.Sprint(i * 7)), Slot: i % 50}
		case 1:
			r.Boost = &merchandising.Boost{Products: merchandising.Selection{Set: catalog.Set{Departments: []catalog.Department{catalog.Department(fmt.Sprint("d", i%20))}}}, Factor: 1.5}
		case 2:
			r.Exclude = &merchandising.Exclude{Products: kinds(catalog.Category(fmt.Sprint("c", i)))}
		case 3:
			r.Spread = &merchandising.Spread{PerBrand: 2, PerCategory: 4}
		default:
			r.Weigh = &merchandising.Weigh{Margin: 1, Usual: 0.2, Margins: []merchandising.Margin{{Products: kinds(catalog.Category(fmt.Sprint("c", i+1))), Share: 0.4}}, Availability: 0.5, Full: 5}
		}
		out = append(out, merchandising.Named{ID: merchandising.ID(fmt.Sprintf("r%02d", i)), Rule: r})
	}
	return out
}
