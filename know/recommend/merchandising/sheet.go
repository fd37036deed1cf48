package merchandising

import (
	"cmp"
	"math"
	"slices"

	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent/policy"
	"endcap/retail/visit"
)

// Stock is what must be known of the assortment. know/assortment's Shelf fits it.
type Stock interface {
	// InStock reports whether a store has a product.
	InStock(id catalog.ProductID, at catalog.StoreID) bool
	// Count is how many of a product a store has, where somebody counted.
	Count(id catalog.ProductID, at catalog.StoreID) (int64, bool)
}

// Named is a rule with its id.
type Named struct {
	ID ID
	Rule
}

// Sheet is every rule, compiled for a range of products, which are named by their
// place in it. It is immutable and safe for concurrent use; the nil Sheet changes
// nothing.
type Sheet struct {
	rules    []Named // by id
	products []*catalog.Product
	touched  touches
	brands   []int32 // by product; -1 for none
	kinds    []int32 // likewise, of categories
	pins     []int32 // by rule: the pinned product, or -1
}

// touch says that a rule is about a product. Of a margin, value is its share.
type touch struct {
	rule  int32
	value float32
}

// touches lists them by product.
type touches struct {
	start []uint32
	all   []touch
}

func (t *touches) of(no int32) []touch { return t.all[t.start[no]:t.start[no+1]] }

// Compile makes a Sheet of rules for a range; neither may change any more. shield
// knows the sensitive groups; nil knows none.
func Compile(rules []Named, products []*catalog.Product, shield *policy.Shield) *Sheet {
	s := &Sheet{rules: slices.Clone(rules), products: products, pins: make([]int32, len(rules))}
	slices.SortFunc(s.rules, func(a, b Named) int { return cmp.Compare(a.ID, b.ID) })
	s.brands, s.kinds = numbers(products, func(p *catalog.Product) string { return string(p.Brand) }), numbers(products, func(p *catalog.Product) string { return string(p.Category) })
	x := newDrawer(products)
	of := make([][]touch, len(products))
	for i := range s.rules {
		r, rule := &s.rules[i], int32(i)
		s.pins[i] = -1
		switch {
		case r.Pin != nil:
			s.pins[i] = x.find(r.Pin.Product)
		case r.Boost != nil:
			x.each(&r.Boost.Products, func(no int32) { of[no] = append(of[no], touch{rule, 0}) })
		case r.Exclude != nil:
			x.excluded(r.Exclude, shield, func(no int32) { of[no] = append(of[no], touch{rule, 0}) })
		case r.Weigh != nil:
			for j := range r.Weigh.Margins {
				m := &r.Weigh.Margins[j]
				x.each(&m.Products, func(no int32) {
					if n := len(of[no]); n == 0 || of[no][n-1].rule != rule { // else an earlier margin has it
						of[no] = append(of[no], touch{rule, float32(m.Share)})
					}
				})
			}
		}
	}
	s.touched.start = make([]uint32, 1, len(products)+1)
	for _, list := range of {
		s.touched.all = append(s.touched.all, list...)
		s.touched.start = append(s.touched.start, uint32(len(s.touched.all)))
	}
	return s
}

// numbers numbers a word of each product; -1 for none.
func numbers(products []*catalog.Product, word func(*catalog.Product) string) []int32 {
	seen, out := make(map[string]int32), make([]int32, len(products))
	for i, p := range products {
		w := word(p)
		if w == "" {
			out[i] = -1
			continue
		}
		no, ok := seen[w]
		if !ok {
			no = int32(len(seen))
			seen[w] = no
		}
		out[i] = no
	}
	return out
}

// drawer finds the products of a selection without asking every product: by the
// dimension that lists values.
type drawer struct {
	products    []*catalog.Product
	ids         map[catalog.ProductID]int32
	brands      map[catalog.Brand][]int32
	departments map[catalog.Department][]int32
	categories  map[catalog.Category][]int32
	types       map[catalog.Type][]int32
}

func newDrawer(products []*catalog.Product) *drawer {
	x := &drawer{
		products: products, ids: make(map[catalog.ProductID]int32, len(products)), brands: make(map[catalog.Brand][]int32),
		departments: make(map[catalog.Department][]int32), categories: make(map[catalog.Category][]int32), types: make(map[catalog.Type][]int32),
	}
	for i, p := range products {
		no := int32(i)
		x.ids[p.ID] = no
		x.brands[p.Brand] = append(x.brands[p.Brand], no)
		x.departments[p.Department] = append(x.departments[p.Department], no)
		x.categories[p.Category] = append(x.categories[p.Category], no)
		x.types[p.Type] = append(x.types[p.Type], no)
	}
	return x
}

func (x *drawer) find(id catalog.ProductID) int32 {
	if no, ok := x.ids[id]; ok {
		return no
	}
	return -1
}

// each calls f with every product of a selection, rising and once.
func (x *drawer) each(s *Selection, f func(no int32)) {
	m := s.Matcher()
	visit := func(no int32) {
		p := x.products[no]
		if (s.Set.Empty() || m.Has(p)) && (s.OwnLabel == nil || *s.OwnLabel == p.OwnLabel) {
			f(no)
		}
	}
	switch {
	case len(s.Products) > 0:
		gather(s.Products, func(id catalog.ProductID) []int32 {
			if no := x.find(id); no >= 0 {
				return []int32{no}
			}
			return nil
		}, visit)
	case len(s.Types) > 0:
		gather(s.Types, func(t catalog.Type) []int32 { return x.types[t] }, visit)
	case len(s.Brands) > 0:
		gather(s.Brands, func(b catalog.Brand) []int32 { return x.brands[b] }, visit)
	case len(s.Categories) > 0:
		gather(s.Categories, func(c catalog.Category) []int32 { return x.categories[c] }, visit)
	case len(s.Departments) > 0:
		gather(s.Departments, func(d catalog.Department) []int32 { return x.departments[d] }, visit)
	default:
		for no := range x.products {
			visit(int32(no))
		}
	}
}

func gather[T any](values []T, list func(T) []int32, visit func(int32)) {
	var all []int32
	for _, v := range values {
		all = append(all, list(v)...)
	}
	slices.Sort(all)
	for _, no := range slices.Compact(all) {
		visit(no)
	}
}

func (x *drawer) excluded(e *Exclude, shield *policy.Shield, f func(no int32)) {
	var all []int32
	if !e.Products.Empty() {
		x.each(&e.Products, func(no int32) { all = append(all, no) })
	}
	for _, name := range e.Sensitive {
		for no, p := range x.products {
			if shield.InGroup(name, p) {
				all = append(all, int32(no))
			}
		}
	}
	slices.Sort(all)
	for _, no := range slices.Compact(all) {
		f(no)
	}
}

// Candidate is a product that a model found, by its place in the range. Its score
// is 0 or more; what is less, or no number, counts as 0.
type Candidate struct {
	No    int32
	Score float64
}

// Scene is where a list is shown.
type Scene struct {
	List     visit.ListName
	Store    catalog.StoreID
	Day      retail.Day
	Country  string // empty where it is not known
	Personal bool   // the list is made from what she bought
	Length   int    // of the list, at most SlotMax+1
	Stock    Stock
}

// Placed is one product of a finished list.
type Placed struct {
	No    int32
	Score float64 // after the rules
	From  int     // its place among the candidates, -1 where a pin alone put it here
}

// Effect is one thing that a rule did to a list. From and To are places in the list
// without the rules and with them; -1 is none.
type Effect struct {
	Rule     ID
	Did      Deed
	No       int32
	From, To int
}

// Deed is what a rule did. Words cross the wire and never change.
type Deed string

// The deeds.
const (
	Pinned   Deed = "pinned"
	Boosted  Deed = "boosted"
	Buried   Deed = "buried"
	Excluded Deed = "excluded"
	Spreads  Deed = "spread" // taken out because the list has enough of its brand or category
	Weighed  Deed = "weighed"
)

// The words for why a list is empty. They cross the wire and never change.
const (
	NoCandidates = "no_candidates"
	AllExcluded  = "all_excluded_by_rules"
)

// EffectsMax bounds what one list tells of its rules.
const EffectsMax = 100

// Desk is the memory of Arrange; the zero Desk is ready. It is not safe for
// concurrent use.
type Desk struct {
	List    []Placed
	Effects []Effect
	Empty   string // why the list is empty, if it is

	standing []standing
	pins     []pin
	pinned   int     // pins that are on the list
	counts   []bool  // by rule: it counts in this scene
	scarce   []int32 // the rules among them that weigh availability
	spreads  [2]int
}

// standing is a candidate on its way.
type standing struct {
	no, from int32
	score    float64
	rule     int32 // that changed its score most, or excluded it; -1 for none
	weight   float64
	out      bool
}

type pin struct {
	no, from, rule int32
	slot           int
}

// Arrange puts candidates, which are in the order of the model, in the order of the
// rules. What it answers is in d until its next call.
func (s *Sheet) Arrange(c *Scene, candidates []Candidate, d *Desk) {
	d.List, d.Effects, d.Empty = d.List[:0], d.Effects[:0], ""
	d.standing, d.pins, d.pinned, d.spreads = d.standing[:0], d.pins[:0], 0, [2]int{}
	moved := s.judge(c, candidates, d)
	if moved {
		slices.SortFunc(d.standing, func(a, b standing) int {
			return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.from, b.from))
		})
	}
	if s != nil {
		s.pin(c, d)
	}
	s.fill(c, d)
	s.tell(c, d)
	if len(d.List) == 0 && c.Length > 0 {
		d.Empty = NoCandidates
		if slices.ContainsFunc(d.standing, func(x standing) bool { return x.out }) {
			d.Empty = AllExcluded
		}
	}
}

// judge lays the candidates out with their scores by the rules; true where any
// changed.
func (s *Sheet) judge(c *Scene, candidates []Candidate, d *Desk) (moved bool) {
	s.begin(c, d)
	for i := range candidates {
		x := standing{no: candidates[i].No, from: int32(i), score: candidates[i].Score, rule: -1, weight: 1}
		if !(x.score >= 0 && x.score <= math.MaxFloat64) {
			x.score, moved = 0, true
		}
		if s != nil {
			s.weigh(c, d, &x)
			moved = moved || x.weight != 1
			x.score *= x.weight
		}
		d.standing = append(d.standing, x)
	}
	return moved
}

// begin finds the rules that count in a scene.
func (s *Sheet) begin(c *Scene, d *Desk) {
	if s == nil {
		return
	}
	d.scarce = d.scarce[:0]
	d.counts = slices.Grow(d.counts[:0], len(s.rules))[:len(s.rules)]
	for i := range s.rules {
		r := &s.rules[i]
		d.counts[i] = r.counts(c)
		if !d.counts[i] {
			continue
		}
		if r.Weigh != nil && r.Weigh.Availability > 0 {
			d.scarce = append(d.scarce, int32(i))
		}
		if r.Spread != nil {
			for j, most := range [2]int{r.Spread.PerBrand, r.Spread.PerCategory} {
				if most > 0 && (d.spreads[j] == 0 || most < d.spreads[j]) {
					d.spreads[j] = most
				}
			}
		}
	}
}

// counts reports whether a rule counts in a scene.
func (r *Rule) counts(c *Scene) bool {
	if len(r.Lists) > 0 && !slices.Contains(r.Lists, c.List) || len(r.Stores) > 0 && !slices.Contains(r.Stores, c.Store) {
		return false
	}
	if r.From != nil && c.Day < *r.From || r.To != nil && c.Day >= *r.To {
		return false
	}
	if e := r.Exclude; e != nil {
		return (e.Purpose == "" || c.Personal) && (len(e.Countries) == 0 || c.Country == "" || slices.Contains(e.Countries, c.Country))
	}
	return true
}

// weigh works out by how much the rules multiply a candidate's score, or that it is
// out.
func (s *Sheet) weigh(c *Scene, d *Desk, x *standing) {
	most := 1.0
	take := func(rule int32, by float64) {
		x.weight *= by
		if far := max(by, 1/max(by, 1e-9)); far > most {
			most, x.rule = far, rule
		}
	}
	for _, t := range s.touched.of(x.no) {
		if !d.counts[t.rule] {
			continue
		}
		switch r := &s.rules[t.rule]; {
		case r.Exclude != nil:
			x.out, x.rule = true, t.rule
			return
		case r.Boost != nil:
			take(t.rule, r.Boost.Factor)
		case r.Weigh != nil && r.Weigh.Margin > 0:
			take(t.rule, max(0, 1+r.Weigh.Margin*(float64(t.value)-r.Weigh.Usual)))
		}
	}
	if len(d.scarce) == 0 {
		return
	}
	n, known := c.Stock.Count(s.products[x.no].ID, c.Store)
	for _, rule := range d.scarce {
		if w := s.rules[rule].Weigh; known && n < w.Full {
			take(rule, 1-w.Availability*(1-float64(max(n, 0))/float64(w.Full)))
		}
	}
}
