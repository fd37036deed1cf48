package nextbasket

import (
	"cmp"
	"math"
	"slices"
	"sync"
)

// Lister lists up to k products for a query, the best first. Listers are safe for
// concurrent use.
type Lister interface {
	List(q *Query, k int) []Product
}

// List makes a Lister of the model.
func (m *Model) List(q *Query, k int) []Product {
	var out []Product
	all := m.Next(q, nil)
	for i := range all[:min(k, len(all))] {
		out = append(out, all[i].Product)
	}
	return out
}

// Popular lists what most baskets hold.
type Popular struct {
	count []float32
	order []Product // the most first, then by number
}

// NewPopular counts baskets.
func NewPopular(products int, shoppers []Shopper) *Popular {
	p := &Popular{count: make([]float32, products), order: make([]Product, products)}
	for s := range shoppers {
		for _, b := range shoppers[s].History {
			for _, i := range b.Products {
				p.count[i]++
			}
		}
	}
	for i := range p.order {
		p.order[i] = Product(i)
	}
	slices.SortStableFunc(p.order, func(a, b Product) int { return cmp.Compare(p.count[b], p.count[a]) })
	return p
}

// List is the same for everybody.
func (p *Popular) List(_ *Query, k int) []Product {
	return slices.Clone(p.order[:min(k, len(p.order))])
}

// Ties says which of two products that she bought equally often comes first.
type Ties uint8

// Ties.
const (
	First       Ties = iota // which she bought first
	MorePopular             // which more baskets hold
	MoreRecent              // which she bought last, then which more baskets hold
)

// Personal lists what she bought most often; where Fill is true, what is popular
// after that.
type Personal struct {
	Popular *Popular
	Ties    Ties
	Fill    bool
}

// List counts her baskets.
func (p *Personal) List(q *Query, k int) []Product {
	type had struct {
		product            Product
		count, first, last int
	}
	var all []had
	at := make(map[Product]int)
	for t, b := range q.History {
		for _, i := range b.Products {
			n, ok := at[i]
			if !ok {
				n = len(all)
				at[i] = n
				all = append(all, had{product: i, first: n})
			}
			all[n].count++
			all[n].last = t
		}
	}
	slices.SortFunc(all, func(a, b had) int {
		c := cmp.Compare(b.count, a.count)
		if p.Ties == MoreRecent {
			c = cmp.Or(c, cmp.Compare(b.last, a.last))
		}
		if p.Ties != First {
			c = cmp.Or(c, cmp.Compare(p.Popular.count[b.product], p.Popular.count[a.product]))
		}
		return cmp.Or(c, cmp.Compare(a.first, b.first))
	})
	var out []Product
	for i := range all[:min(k, len(all))] {
		out = append(out, all[i].product)
	}
	for i := 0; p.Fill && len(out) < k && i < len(p.Popular.order); i++ {
		if _, ok := at[p.Popular.order[i]]; !ok {
			out = append(out, p.Popular.order[i])
		}
	}
	return out
}

// TIFUKNN lists by the weighted mean of her vector and her neighbours' (Hu et al.,
// SIGIR 2020).
type TIFUKNN struct {
	s       Settings
	members map[uint64]int32
	ix      *index
	pool    sync.Pool
}

// NewTIFUKNN takes the neighbours.
func NewTIFUKNN(products int, shoppers []Shopper, s *Settings) *TIFUKNN {
	histories, members := make([]History, len(shoppers)), make(map[uint64]int32, len(shoppers))
	for i := range shoppers {
		histories[i], members[shoppers[i].Key] = shoppers[i].History, int32(i)
	}
	t := &TIFUKNN{s: *s, ix: newIndex(products, &s.Decay, histories), members: members}
	t.pool.New = func() any { return &tifuScratch{newFinder(t.ix), newScratch(products)} }
	return t
}

type tifuScratch struct {
	find *finder
	sum  *scratch
}

// List finds her neighbours, herself not among them.
func (t *TIFUKNN) List(q *Query, k int) []Product {
	s, _ := t.pool.Get().(*tifuScratch)
	defer t.pool.Put(s)
	self, ok := t.members[q.Key]
	if !ok || q.Key == 0 {
		self = -1
	}
	vector := t.s.Decay.vector(q.History, s.sum, nil)
	s.find.find(vector, self, t.s.Neighbours, 0)
	for _, v := range vector {
		s.sum.add(v.product, t.s.Own*float64(v.weight))
	}
	share := (1 - t.s.Own) / float64(max(len(s.find.near), 1))
	for _, n := range s.find.near {
		for _, v := range t.ix.of(n.who) {
			s.sum.add(v.product, share*float64(v.weight))
		}
	}
	return s.sum.heaviest(k)
}

// ItemItem lists what goes with what she bought: the sum over her products of the
// cosine of two products' shoppers, shrunk.
type ItemItem struct {
	o    ItemItemOptions
	with *pairs
	n    []float32 // shoppers, or baskets, of a product
	pool sync.Pool
}

// ItemItemOptions say how products are compared.
type ItemItemOptions struct {
	Baskets bool    // products meet in a basket, not in a shopper
	Shrink  float64 // added to both products' numbers
	Recent  float64 // baskets after which a purchase counts 1/e; 0 for all alike
	Self    bool    // a product goes with itself
}

// NewItemItem counts meetings.
func NewItemItem(products int, shoppers []Shopper, o ItemItemOptions) *ItemItem {
	var all []meeting
	for i := range shoppers {
		h := shoppers[i].History
		if !o.Baskets {
			p := h.Products()
			all = append(all, meeting{p, p})
			continue
		}
		for _, b := range h {
			all = append(all, meeting{b.Products, b.Products})
		}
	}
	t := &ItemItem{o: o, with: newPairs(products, all, !o.Self)}
	t.n = t.with.from
	t.pool.New = func() any { return newScratch(products) }
	return t
}

// List sums over what she bought.
func (t *ItemItem) List(q *Query, k int) []Product {
	s, _ := t.pool.Get().(*scratch)
	defer t.pool.Put(s)
	for at, b := range q.History {
		w := 1.0
		if t.o.Recent > 0 {
			w = math.Exp(-float64(len(q.History)-1-at) / t.o.Recent)
		}
		for _, i := range b.Products {
			for n := t.with.first[i]; n < t.with.first[i+1]; n++ {
				j := t.with.to[n]
				s.add(j, w*float64(t.with.count[n])/math.Sqrt((float64(t.n[i])+t.o.Shrink)*(float64(t.n[j])+t.o.Shrink)))
			}
		}
	}
	return s.heaviest(k)
}
