// Package offer works out what a basket gets: which of the live offers apply, how
// much each takes off each line, who pays for it, which VAT it holds, and for the
// rest one reason each. It is arithmetic: no clock, no I/O, no chance of its own and
// no use counted, so any answer can be given again, at a till without connection
// too, and explained.
//
// Offers apply in their stated order, each on what the earlier ones left. Of one
// stacking group a product takes part in one offer only. Among the sets of offers
// that may stand beside each other the one worth most to the shopper is chosen.
//
// On the road of a receipt, the shop and the till ask here before she pays, the
// ledger books what this says, and a return asks here what to give back.
package offer

import (
	"cmp"
	"fmt"
	"slices"

	"endcap/retail/catalog"
	terms "endcap/retail/offer"
)

// OffersMax is the most offers one book holds.
const OffersMax = 100_000

// Choice says how a set of offers is chosen.
type Choice uint8

// The choices.
const (
	Best    Choice = iota // the set worth most
	Ordered               // each offer in order that may stand beside those before it
)

// Rules are the retailer's own about all offers.
type Rules struct {
	Choice Choice
	// Never are products that no offer touches or counts, whatever it says.
	Never catalog.Set
	// Effort bounds the search where more offers could apply than are tried
	// exhaustively, in offers applied; 0 means EffortDefault.
	Effort int
}

// ExactMax is how many offers that could apply are always searched exhaustively.
const ExactMax = 12

// EffortDefault is half a millisecond of a common basket.
const EffortDefault = 2_000

// entry is one offer of a book, compiled.
type entry struct {
	*terms.Offer
	at         int32 // its place in order
	group      int32
	everyGroup bool // excludes all
	excludes   []int32
	channel    catalog.Channel
	stores     map[catalog.StoreID]bool

	products, except, buying, counting *catalog.Matcher
}

// Book is the offers that are set up, indexed by what they reduce. It is immutable
// and safe to share.
type Book struct {
	rules   Rules
	never   *catalog.Matcher
	entries []entry // in order
	byID    map[terms.ID]int32

	everywhere  []int32 // reduce everything
	products    map[catalog.ProductID][]int32
	brands      map[catalog.Brand][]int32
	departments map[catalog.Department][]int32
	categories  map[catalog.Category][]int32
	types       map[catalog.Type][]int32
}

// NewBook compiles offers, which it keeps and which must not change afterwards. It
// returns a *retail.Error where one cannot hold or two have one id.
func NewBook(offers []terms.Offer, rules Rules) (*Book, error) {
	if len(offers) > OffersMax {
		return nil, wrong("offers", "", "a book has at most %d offers", OffersMax)
	}
	if err := rules.Never.Check(); err != nil {
		return nil, wrong("never", "", "%v", err)
	}
	b := &Book{
		rules: rules, never: rules.Never.Matcher(), byID: make(map[terms.ID]int32, len(offers)),
		products: map[catalog.ProductID][]int32{}, brands: map[catalog.Brand][]int32{}, departments: map[catalog.Department][]int32{},
		categories: map[catalog.Category][]int32{}, types: map[catalog.Type][]int32{},
	}
	for i := range offers {
		if err := offers[i].Check(); err != nil {
			return nil, fmt.Errorf("offer %.64q: %w", string(offers[i].ID), err)
		}
		b.entries = append(b.entries, entry{Offer: &offers[i]})
	}
	slices.SortFunc(b.entries, func(x, y entry) int {
		return cmp.Or(cmp.Compare(x.Stacking.Order, y.Stacking.Order), cmp.Compare(x.ID, y.ID))
	})
	groups := map[string]int32{}
	group := func(name string) int32 {
		n, ok := groups[name]
		if !ok {
			n = int32(len(groups))
			groups[name] = n
		}
		return n
	}
	for i := range b.entries {
		e := &b.entries[i]
		if _, twice := b.byID[e.ID]; twice {
			return nil, wrong("offers", "give each offer an id of its own", "two offers have the id %s", e.ID)
		}
		b.byID[e.ID] = int32(i)
		e.at = int32(i)
		e.group = group(e.Stacking.Group)
		for _, name := range e.Stacking.Excludes {
			if name == terms.AllGroups {
				e.everyGroup = true
			} else {
				e.excludes = append(e.excludes, group(name))
			}
		}
		e.compile()
		b.index(e)
	}
	return b, nil
}

func (e *entry) compile() {
	m := &e.Mechanic
	e.channel, _ = catalog.ParseChannel(e.Eligible.Channel)
	e.products, e.except, e.buying, e.counting = m.Products.Matcher(), m.Except.Matcher(), m.Bought.Matcher(), e.Spend.Products.Matcher()
	if len(e.Eligible.Stores) > 0 {
		e.stores = make(map[catalog.StoreID]bool, len(e.Eligible.Stores))
		for _, s := range e.Eligible.Stores {
			e.stores[s] = true
		}
	}
}

// index posts an offer under the listed dimension of what it reduces that has the
// fewest values: each product that it reduces has exactly one of them.
func (b *Book) index(e *entry) {
	s := &e.Mechanic.Products
	least, size := -1, 0
	for i, n := range [...]int{len(s.Products), len(s.Types), len(s.Brands), len(s.Categories), len(s.Departments)} {
		if n > 0 && (least < 0 || n < size) {
			least, size = i, n
		}
	}
	switch least {
	case 0:
		post(b.products, s.Products, e.at)
	case 1:
		post(b.types, s.Types, e.at)
	case 2:
		post(b.brands, s.Brands, e.at)
	case 3:
		post(b.categories, s.Categories, e.at)
	case 4:
		post(b.departments, s.Departments, e.at)
	default:
		b.everywhere = append(b.everywhere, e.at)
	}
}

func post[T comparable](m map[T][]int32, words []T, at int32) {
	for _, w := range words {
		if list := m[w]; len(list) == 0 || list[len(list)-1] != at { // listed twice in one set
			m[w] = append(list, at)
		}
	}
}

// conflict reports whether two offers may not stand in one basket.
func (e *entry) conflict(f *entry) bool { return e.shuts(f) || f.shuts(e) }

// shuts reports whether e's own terms shut f out.
func (e *entry) shuts(f *entry) bool {
	return e != f && (e.everyGroup || slices.Contains(e.excludes, f.group))
}

// reduces reports whether e may take something off p.
func (e *entry) reduces(p *catalog.Product) bool {
	return e.products.Has(p) && !e.except.Has(p) && !e.buying.Has(p)
}

// reached is an offer with the articles that it may reduce, in order.
type reached struct {
	at       int32
	articles []int32
}

// reach finds the offers that may reduce something in a basket, in order.
func (b *Book) reach(g *goods) []reached {
	var pairs []uint64 // an offer and an article
	for a := range g.articles {
		p := g.articles[a].product
		for _, list := range [...][]int32{b.products[p.ID], b.brands[p.Brand], b.departments[p.Department], b.categories[p.Category], b.types[p.Type], b.everywhere} {
			for _, at := range list {
				if b.entries[at].reduces(p) {
					pairs = append(pairs, uint64(at)<<32|uint64(a))
				}
			}
		}
	}
	slices.Sort(pairs)
	articles := make([]int32, len(pairs))
	var out []reached
	for i, pair := range pairs {
		articles[i] = int32(pair)
		if at := int32(pair >> 32); len(out) == 0 || out[len(out)-1].at != at {
			out = append(out, reached{at: at})
		}
		last := &out[len(out)-1]
		last.articles = articles[i-len(last.articles) : i+1 : i+1]
	}
	return out
}
