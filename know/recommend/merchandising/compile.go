package merchandising

import (
	"cmp"
	"slices"

	"endcap/retail/catalog"
	"endcap/retail/consent/policy"
)

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
	classes  []int32 // by product: products of one class have the same touches
	touched  touches // by class
	brands   []int32 // by product; -1 for none
	kinds    []int32 // likewise, of categories
	pins     []sheetPin
}

// sheetPin is a rule that pins a product of the range.
type sheetPin struct {
	no, rule int32
	slot     int
}

// touch says that a rule is about the products of a class. Of a margin, value is its
// share.
type touch struct {
	rule  int32
	value float32
}

// touches lists them by class, by rule.
type touches struct {
	start []uint32
	all   []touch
}

// of lists the touches of a class.
func (t *touches) of(class int32) []touch { return t.all[t.start[class]:t.start[class+1]] }

// Compile makes a Sheet of rules for a range; neither may change any more. shield
// knows the sensitive groups; nil knows none.
func Compile(rules []Named, products []*catalog.Product, shield *policy.Shield) *Sheet {
	s := &Sheet{rules: slices.Clone(rules), products: products}
	slices.SortFunc(s.rules, func(a, b Named) int { return cmp.Compare(a.ID, b.ID) })
	s.brands, s.kinds = numbers(products, func(p *catalog.Product) string { return string(p.Brand) }), numbers(products, func(p *catalog.Product) string { return string(p.Category) })
	x := newDrawer(products)
	parts := newPartition(len(products))
	for i := range s.rules {
		r, rule := &s.rules[i], int32(i)
		parts.begin(rule)
		switch {
		case r.Pin != nil:
			if no := x.find(r.Pin.Product); no >= 0 {
				s.pins = append(s.pins, sheetPin{no, rule, r.Pin.Slot})
			}
		case r.Boost != nil:
			x.each(&r.Boost.Products, func(no int32) { parts.touch(no, 0) })
		case r.Exclude != nil:
			x.excluded(r.Exclude, shield, func(no int32) { parts.touch(no, 0) })
		case r.Weigh != nil:
			for j := range r.Weigh.Margins {
				m := &r.Weigh.Margins[j]
				x.each(&m.Products, func(no int32) { parts.touch(no, float32(m.Share)) })
			}
		}
	}
	slices.SortStableFunc(s.pins, func(a, b sheetPin) int { return cmp.Compare(a.slot, b.slot) })
	s.classes, s.touched = parts.settle()
	return s
}

// partition parts products into classes by the rules that are about them, a rule at
// a time. It needs memory for the classes that rules tell apart, not for each
// product of each rule.
type partition struct {
	classes []int32 // by product; 0 for no rule
	all     []class // by number
	rule    int32
	parts   map[part]int32 // the classes of this rule
	last    part           // neighbours are often of one class
	to      int32          // the class of last
}

// class is another class, and one rule more.
type class struct {
	before int32
	touch
}

// part is what a rule takes out of a class.
type part struct {
	class int32
	value float32
}

func newPartition(products int) *partition {
	return &partition{classes: make([]int32, products), all: []class{{touch: touch{rule: -1}}}, parts: make(map[part]int32)}
}

// begin begins the next rule.
func (p *partition) begin(rule int32) {
	p.rule, p.last = rule, part{class: -1}
	clear(p.parts)
}

// touch says that the rule is about a product; the first time counts.
func (p *partition) touch(no int32, value float32) {
	was := p.classes[no]
	if p.all[was].rule == p.rule {
		return
	}
	if this := (part{was, value}); this != p.last {
		to, ok := p.parts[this]
		if !ok {
			to = int32(len(p.all))
			p.all = append(p.all, class{was, touch{p.rule, value}})
			p.parts[this] = to
		}
		p.last, p.to = this, to
	}
	p.classes[no] = p.to
}

// settle numbers the classes that products are in, and lists their touches.
func (p *partition) settle() (classes []int32, t touches) {
	numbered := make(map[int32]int32)
	t.start = make([]uint32, 1)
	for i, was := range p.classes {
		no, ok := numbered[was]
		if !ok {
			no = int32(len(numbered))
			numbered[was] = no
			from := len(t.all)
			for at := was; at != 0; at = p.all[at].before {
				t.all = append(t.all, p.all[at].touch)
			}
			slices.Reverse(t.all[from:])
			t.start = append(t.start, uint32(len(t.all)))
		}
		p.classes[i] = no
	}
	return p.classes, t
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
