package nextbasket

import (
	"cmp"
	"slices"

	"endcap/know/recommend/internal/work"
	"endcap/retail"
)

// Crowd is shoppers from whom others are told what they will buy. Of each it keeps
// the past, which is all but her last basket, as a vector, and that last basket as
// what came next. One who asks and stands in the crowd is told nothing by herself.
type Crowd struct {
	products int
	decay    Decay
	near     int     // neighbours asked
	own      float32 // the weight of her own vector beside theirs
	groups   [][]int32

	keys    []uint64         // of the members
	members map[uint64]int32 // by key
	through []int32          // the last day of each member's past
	pasts   *index
	nexts   lists // each member's next basket

	tally
	after  *pairs    // from a product to those of the same shopper's next basket
	beside *pairs    // from a product to others of its basket
	ahead  *pairs    // from a product anywhere in a past to those of the next basket
	common []Product // bought most, lately and ever
}

// tally is how often products are bought, and bought again.
type tally struct {
	baskets   float32   // of pasts
	withNext  float32   // members whose next basket is known
	count     []float32 // of a product: baskets of pasts
	buyers    []float32 // of a product: members who bought it
	lately    []float32 // of a product: next baskets
	events    []float32 // of a product and how many baskets ago it was bought: baskets with it again …
	exposures []float32 // … of so many
	curve     []float32 // events ÷ exposures of all products
	prices    prices    // of pasts
	latest    prices    // of next baskets
	usual     float32   // discount in pasts, of all products
}

// Limits of a crowd. Beyond them shoppers are left out, by no order but that of
// their keys' hashes, so that time and memory stay bounded.
const (
	membersMost = 20_000
	linesMost   = 5_000_000 // products in all their baskets
	commonMost  = 200
)

// prices are the discounts at which products were bought.
type prices struct {
	known []float32 // of a product: baskets in which its discount is known
	off   []float32 // the sum of these discounts
}

func newPrices(products int) prices {
	return prices{make([]float32, products), make([]float32, products)}
}

// add counts the k-th product of a basket.
func (s *prices) add(p Product, b *Basket, k int) {
	if off, ok := b.off(k); ok {
		s.known[p]++
		s.off[p] += off
	}
}

// few is how many baskets weigh as much as what is usual.
const few = 3

// mean is a product's discount, drawn to what is usual where few know it.
func (s *prices) mean(p Product, usual float32) float32 {
	return (s.off[p] + few*usual) / (s.known[p] + few)
}

// gapsMax is how many ranges of baskets since the last purchase are told apart.
const gapsMax = 8

// gapOf is the range of a number of baskets: 1, 2, 3, 4–5, 6–9, 10–17, 18–33, more.
func gapOf(n int) int {
	switch {
	case n <= 3:
		return max(n, 1) - 1
	case n <= 5:
		return 3
	case n <= 9:
		return 4
	case n <= 17:
		return 5
	case n <= 33:
		return 6
	default:
		return 7
	}
}

// lists are lists of products, one after the other.
type lists struct {
	start []int32 // of each, and the end
	all   []Product
}

func (l *lists) add(products []Product) {
	if l.start == nil {
		l.start = []int32{0}
	}
	l.all = append(l.all, products...)
	l.start = append(l.start, int32(len(l.all)))
}

func (l *lists) of(i int32) []Product { return l.all[l.start[i]:l.start[i+1]] }

// member is a shopper of the crowd while it is made.
type member struct {
	key  uint64
	past History
	next Basket
}

// membersOf draws the crowd's shoppers: all, or as many as there is room for.
func membersOf(shoppers []Shopper) []member {
	var drawn []int32
	lines := 0
	for i := range shoppers {
		if n := linesOf(shoppers[i].History); len(shoppers[i].History) > 0 {
			drawn, lines = append(drawn, int32(i)), lines+n
		}
	}
	if len(drawn) > membersMost || lines > linesMost {
		slices.SortFunc(drawn, func(a, b int32) int {
			return cmp.Or(cmp.Compare(retail.Mix(shoppers[a].Key), retail.Mix(shoppers[b].Key)), cmp.Compare(a, b))
		})
		drawn = drawn[:min(len(drawn), membersMost)]
		lines = 0
		for k, i := range drawn {
			if lines += linesOf(shoppers[i].History); lines > linesMost {
				drawn = drawn[:k]
				break
			}
		}
		slices.Sort(drawn)
	}
	out := make([]member, len(drawn))
	for k, i := range drawn {
		h := shoppers[i].History
		out[k] = member{key: shoppers[i].Key, past: h}
		if n := len(h) - 1; n > 0 {
			out[k].past, out[k].next = h[:n], h[n]
		}
	}
	return out
}

func linesOf(h History) (n int) {
	for i := range h {
		n += len(h[i].Products)
	}
	return n
}

// newCrowd makes a crowd.
func newCrowd(r *Range, shoppers []Shopper, s *Settings) *Crowd {
	members := membersOf(shoppers)
	c := &Crowd{products: r.Products, groups: r.Groups, decay: s.Decay, near: s.Neighbours, own: float32(s.Own)}
	pasts := make([]History, len(members))
	for i := range members {
		m := &members[i]
		pasts[i] = m.past
		c.keys = append(c.keys, m.key)
		c.through = append(c.through, m.past[len(m.past)-1].Day)
		c.nexts.add(m.next.Products)
	}
	work.Each(3, func(part int) {
		switch part {
		case 0:
			c.pasts = newIndex(r.Products, &s.Decay, pasts)
			c.tally = newTally(r.Products, members)
		case 1:
			c.after, c.ahead = newPairs(r.Products, following(members), false), newPairs(r.Products, leading(members), false)
		default:
			c.beside = newPairs(r.Products, together(members), true)
		}
	})
	c.finish()
	return c
}

// finish works out what follows from the rest.
func (c *Crowd) finish() {
	c.members = make(map[uint64]int32, len(c.keys))
	for i, key := range c.keys {
		c.members[key] = int32(i)
	}
	most := make([]weighed, 0, c.products)
	for p, n := range c.count {
		if n+c.lately[p] > 0 {
			most = append(most, weighed{Product(p), c.lately[p]/max(c.withNext, 1) + n/max(c.baskets, 1)})
		}
	}
	for _, w := range least(most, commonMost, heavier) {
		c.common = append(c.common, w.product)
	}
}

// heavier orders products by weight, the heaviest first.
func heavier(a, b weighed) int {
	switch {
	case a.weight > b.weight:
		return -1
	case a.weight < b.weight:
		return 1
	}
	return int(a.product) - int(b.product)
}

// following is each basket of a past and the next one.
func following(members []member) (out []meeting) {
	for i := range members {
		h := members[i].past
		for t := range len(h) - 1 {
			out = append(out, meeting{h[t].Products, h[t+1].Products})
		}
	}
	return out
}

// together is each basket of a past, with itself.
func together(members []member) (out []meeting) {
	for i := range members {
		for _, b := range members[i].past {
			out = append(out, meeting{b.Products, b.Products})
		}
	}
	return out
}

// leading is each past's products and the next basket.
func leading(members []member) (out []meeting) {
	for i := range members {
		m := &members[i]
		if len(m.next.Products) == 0 {
			continue
		}
		var all []Product
		for _, b := range m.past {
			all = append(all, b.Products...)
		}
		slices.Sort(all)
		out = append(out, meeting{slices.Compact(all), m.next.Products})
	}
	return out
}

// newTally counts.
func newTally(products int, members []member) tally {
	t := tally{
		prices: newPrices(products), latest: newPrices(products),
		count: make([]float32, products), buyers: make([]float32, products), lately: make([]float32, products),
		events: make([]float32, products*gapsMax), exposures: make([]float32, products*gapsMax), curve: make([]float32, gapsMax),
	}
	last := make([]int32, products) // the basket of the last purchase, from 1
	var had []Product
	for i := range members {
		m := &members[i]
		for k, b := range m.past {
			for _, p := range had {
				t.exposures[int(p)*gapsMax+gapOf(k+1-int(last[p]))]++
			}
			for at, p := range b.Products {
				t.prices.add(p, &b, at)
				t.count[p]++
				if last[p] == 0 {
					had = append(had, p)
				} else {
					t.events[int(p)*gapsMax+gapOf(k+1-int(last[p]))]++
				}
				last[p] = int32(k + 1)
			}
		}
		t.baskets += float32(len(m.past))
		for _, p := range had {
			t.buyers[p]++
			last[p] = 0
		}
		had = had[:0]
		if len(m.next.Products) > 0 {
			t.withNext++
		}
		for at, p := range m.next.Products {
			t.lately[p]++
			t.latest.add(p, &m.next, at)
		}
	}
	t.finish()
	return t
}

// finish works out the curve.
func (t *tally) finish() {
	var e, x [gapsMax]float64
	for k := range t.events {
		e[k%gapsMax] += float64(t.events[k])
		x[k%gapsMax] += float64(t.exposures[k])
	}
	var known, off float64
	for p := range t.prices.known {
		known, off = known+float64(t.prices.known[p]), off+float64(t.prices.off[p])
	}
	t.usual = float32(off / max(known, 1))
	for g := range gapsMax {
		t.curve[g] = float32((e[g] + 0.02) / (x[g] + 1))
	}
}
