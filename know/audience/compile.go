package audience

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/catalog"
	"endcap/retail/consent/policy"
)

// leaf is one rule of one or more sentences.
type leaf struct {
	days    retail.Day // look-back, never 0
	times   int32
	channel catalog.Channel
	spend   retail.Micros
	used    []int32 // the audiences whose sentences it is part of
}

// expr is a sentence over numbers of leaves.
type expr struct {
	op   audience.Op
	leaf int32
	of   []expr
}

// holds evaluates e where held says which leaves hold.
func (e *expr) holds(held []bool) bool {
	switch e.op {
	case audience.Bought:
		return held[e.leaf]
	case audience.Not:
		return !e.of[0].holds(held)
	case audience.And:
		for i := range e.of {
			if !e.of[i].holds(held) {
				return false
			}
		}
		return true
	case audience.Or:
		for i := range e.of {
			if e.of[i].holds(held) {
				return true
			}
		}
	}
	return false
}

// compiled is every active sentence at one version of definitions and
// catalogue. It is immutable.
type compiled struct {
	version   uint64
	ids       []audience.ID // ascending
	sentences []expr
	usual     []uint64 // bit per audience: she belongs when no rule holds
	leaves    []leaf
	always    []int32    // leaves that every product matches
	daysMost  retail.Day // the longest look-back
	table     table
}

// table finds the leaves of a product by its hash: open addressing with linear
// probing. A run in lists is a length and that many leaves; products with the
// same leaves share one, so that the few runs there are stay near. Place 0 holds
// none, and neither does place hidden, of products that count for no rule at all.
type table struct {
	mask  uint64
	slots []slot
	lists []int32
}

// hidden is the run of sensitive products.
const hidden = 1

// slot is one place of a table; run 0 is a free one. A hash and its run lie side
// by side, so that a look-up mostly costs one look at memory.
type slot struct {
	hash uint64
	run  uint32
}

func (t *table) find(hash uint64) uint32 {
	for i := hash & t.mask; ; i = (i + 1) & t.mask {
		if s := &t.slots[i]; s.hash == hash || s.run == 0 {
			return s.run
		}
	}
}

// errClash is returned when two products have one hash; it is as likely as
// guessing a 64-bit number once per pair.
var errClash = errors.New("two products have the same hash")

// compiler gathers leaves before the table is laid out.
type compiler struct {
	out      compiled
	shield   *policy.Shield
	byText   map[string]int32
	sets     []catalog.Set
	matchers []*catalog.Matcher
	// Leaves by one value of the first dimension that each lists.
	byProduct    map[catalog.ProductID][]int32
	byBrand      map[catalog.Brand][]int32
	byDepartment map[catalog.Department][]int32
	byCategory   map[catalog.Category][]int32
	byType       map[catalog.Type][]int32
}

// compile makes a compiled of definitions and the catalogue's rows.
func compile(definitions map[audience.ID]Definition, products []*catalog.Product, shield *policy.Shield) (*compiled, error) {
	c := &compiler{
		shield: shield, byText: make(map[string]int32), byProduct: make(map[catalog.ProductID][]int32), byBrand: make(map[catalog.Brand][]int32),
		byDepartment: make(map[catalog.Department][]int32), byCategory: make(map[catalog.Category][]int32), byType: make(map[catalog.Type][]int32),
	}
	c.out.ids = slices.Sorted(maps.Keys(definitions))
	c.out.usual = make([]uint64, (len(c.out.ids)+63)/64)
	for i, id := range c.out.ids {
		d := definitions[id]
		c.out.sentences = append(c.out.sentences, c.expr(&d.Sentence, int32(i)))
	}
	none := make([]bool, len(c.out.leaves))
	for i := range c.out.sentences {
		if c.out.sentences[i].holds(none) {
			c.out.usual[i/64] |= 1 << (i % 64)
		}
	}
	c.index()
	if err := c.layTable(products); err != nil {
		return nil, err
	}
	return &c.out, nil
}

func (c *compiler) expr(n *audience.Node, who int32) expr {
	if n.Op == audience.Bought {
		return expr{op: n.Op, leaf: c.leaf(&n.Rule, who)}
	}
	e := expr{op: n.Op}
	for i := range n.Of {
		e.of = append(e.of, c.expr(&n.Of[i], who))
	}
	return e
}

// leaf gives a rule its number; equal rules share one.
func (c *compiler) leaf(r *audience.Rule, who int32) int32 {
	text := r.String()
	no, ok := c.byText[text]
	if !ok {
		no = int32(len(c.out.leaves))
		c.byText[text] = no
		days := retail.Day(r.Days)
		if days == 0 {
			days = audience.DaysMax
		}
		c.out.leaves = append(c.out.leaves, leaf{days: days, times: int32(r.Times), channel: r.Channel, spend: r.Spend})
		c.out.daysMost = max(c.out.daysMost, days)
		c.sets = append(c.sets, r.Set)
		c.matchers = append(c.matchers, r.Set.Matcher())
	}
	l := &c.out.leaves[no]
	if len(l.used) == 0 || l.used[len(l.used)-1] != who {
		l.used = append(l.used, who)
	}
	return no
}

// index files each leaf under the values of one dimension that its set lists.
func (c *compiler) index() {
	for i := range c.sets {
		s, no := &c.sets[i], int32(i)
		switch {
		case s.Everything:
			c.out.always = append(c.out.always, no)
		case len(s.Products) > 0:
			file(c.byProduct, s.Products, no)
		case len(s.Types) > 0:
			file(c.byType, s.Types, no)
		case len(s.Brands) > 0:
			file(c.byBrand, s.Brands, no)
		case len(s.Categories) > 0:
			file(c.byCategory, s.Categories, no)
		default:
			file(c.byDepartment, s.Departments, no)
		}
	}
}

func file[T comparable](in map[T][]int32, words []T, no int32) {
	for _, w := range words {
		if l := in[w]; len(l) == 0 || l[len(l)-1] != no {
			in[w] = append(l, no)
		}
	}
}

// layTable finds the leaves of every product of the catalogue, and of those
// that only a sentence names.
func (c *compiler) layTable(products []*catalog.Product) error {
	type entry struct {
		hash uint64
		id   catalog.ProductID
		run  uint32
	}
	var entries []entry
	lists := []int32{0, 0}          // hidden has no leaf either
	runs := make(map[string]uint32) // by the leaves, as bytes
	var text []byte
	named := c.named()
	known := make(map[catalog.ProductID]bool)
	place := func(p *catalog.Product) {
		if c.shield.Hides(p) {
			entries = append(entries, entry{p.ID.Hash(), p.ID, hidden})
			return
		}
		leaves := c.leavesOf(p)
		if len(leaves) == 0 {
			return
		}
		text = text[:0]
		for _, no := range leaves {
			text = binary.LittleEndian.AppendUint32(text, uint32(no))
		}
		run, ok := runs[string(text)]
		if !ok {
			run = uint32(len(lists))
			runs[string(text)] = run
			lists = append(append(lists, int32(len(leaves))), leaves...)
		}
		entries = append(entries, entry{p.ID.Hash(), p.ID, run})
	}
	for _, p := range products {
		if named[p.ID] {
			known[p.ID] = true
		}
		place(p)
	}
	for id := range named {
		if !known[id] {
			place(&catalog.Product{ID: id})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.hash, b.hash) })
	size := uint64(1) << bits.Len(uint(2*len(entries)+1))
	c.out.table = table{size - 1, make([]slot, size), lists}
	for i, e := range entries {
		if i > 0 && entries[i-1].hash == e.hash {
			return fmt.Errorf("%w: %s and %s", errClash, entries[i-1].id, e.id)
		}
		at := e.hash & c.out.table.mask
		for c.out.table.slots[at].run != 0 {
			at = (at + 1) & c.out.table.mask
		}
		c.out.table.slots[at] = slot{e.hash, e.run}
	}
	return nil
}

// named are the products that a sentence or the shield names by their ids: the
// catalogue need not know them.
func (c *compiler) named() map[catalog.ProductID]bool {
	out := make(map[catalog.ProductID]bool, len(c.byProduct))
	for id := range c.byProduct {
		out[id] = true
	}
	for _, set := range c.shield.Sets() {
		for _, id := range set.Products {
			out[id] = true
		}
	}
	return out
}

// leavesOf lists the leaves whose sets hold a product, but for always.
func (c *compiler) leavesOf(p *catalog.Product) []int32 {
	var out []int32
	for _, filed := range [...][]int32{c.byProduct[p.ID], c.byType[p.Type], c.byBrand[p.Brand], c.byCategory[p.Category], c.byDepartment[p.Department]} {
		for _, no := range filed {
			if c.matchers[no].Has(p) {
				out = append(out, no)
			}
		}
	}
	return out
}
