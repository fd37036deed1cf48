package recommend

import (
	"sync"
	"sync/atomic"

	"endcap/retail/catalog"
	"endcap/retail/visit"
)

// The shares of a quality, in parts per million; they add up to one.
const (
	qualityBase  = 100_000 // every product
	qualityPage  = 600_000 // fits the search, the category, or both in halves
	qualityHabit = 300_000 // she buys it herself
	qualityTimes = 5       // receipts that make the whole habit's share
)

// Weigher prepares products for being weighed again and again. The function it returns writes into ppm, which is as long as numbers,
// how well each products[number] fits a visit, in parts per million:
//
//	100,000 + 600,000 × page + 300,000 × min(receipts of hers, 5) / 5
//
// where page is the share of the searched words that the product has; on a
// category page 1 in the category and else 0; on both their mean; and 1 where
// there is neither, because then every product fits the page alike. section is
// her habits, nil where nobody is known or she does not allow it. The function is
// safe for concurrent use and follows what Refresh takes in.
func (r *Recommender) Weigher(products []catalog.ProductID) func(section []byte, v *visit.Visit, numbers, ppm []int32) {
	w := &weigher{r: r, products: make([]uint64, len(products))}
	for i, id := range products {
		w.products[i] = id.Hash()
	}
	w.scratch.New = func() any { return new(nearby) }
	return w.weigh
}

type weigher struct {
	r        *Recommender
	products []uint64 // by hash
	placed   atomic.Pointer[placed]
	scratch  sync.Pool // of *nearby
}

// placed is where products stand in one index, looked up when first asked.
type placed struct {
	ix    *index
	ranks []atomic.Int32 // rank plus two; one is none, zero not looked up
}

func (w *weigher) placedIn(ix *index) *placed {
	p := w.placed.Load()
	if p == nil || p.ix != ix {
		p = &placed{ix, make([]atomic.Int32, len(w.products))}
		w.placed.Store(p)
	}
	return p
}

// rank is the rank of a product, or -1.
func (p *placed) rank(number int32, hash uint64) int32 {
	at := p.ranks[number].Load()
	if at == 0 {
		at = p.ix.all.find(hash) + 2
		p.ranks[number].Store(at)
	}
	return at - 2
}

func (w *weigher) weigh(section []byte, v *visit.Visit, numbers, ppm []int32) {
	ix := w.r.now.Load()
	page := page{q: ix.search(v.Query), category: nowhere}
	if v.Category != "" {
		page.of++
		if g := ix.categories[v.Category]; g != nil {
			page.category = g.no
		}
	}
	if page.q.words > 0 {
		page.of++
	}
	if page.of == 0 {
		for i := range numbers {
			ppm[i] = qualityBase + qualityPage
		}
	} else {
		at := w.placedIn(ix)
		for i, no := range numbers {
			ppm[i] = qualityBase + page.share(at, no, w.products[no])
		}
	}
	if hers, _, ok := open(section); ok && hers.len() > 0 {
		near := w.scratch.Get().(*nearby)
		defer w.scratch.Put(near)
		for from := 0; from < len(numbers); from += nearbyMax {
			to := min(from+nearbyMax, len(numbers))
			near.add(&hers, w.products, numbers[from:to], ppm[from:to])
		}
	}
}

// page is what the visit asks of a product.
type page struct {
	q        query
	category int32
	of       int32 // how many of search and category are asked
}

// share is a product's part for fitting the page.
func (g *page) share(at *placed, no int32, hash uint64) int32 {
	var share int32
	if g.q.words > 0 {
		share = int32(qualityPage * g.q.matched(hash) / g.q.words)
	}
	if g.category != nowhere {
		if rank := at.rank(no, hash); rank >= 0 && at.ix.categoryOf[rank] == g.category {
			share += qualityPage
		}
	}
	return share / g.of
}

// nearbyMax is how many products are held against her habits at once.
const nearbyMax = 512

// nearby is a small table of products by hash, so that each habit is looked up in
// a few steps however many products are asked about.
type nearby struct {
	heads  [4 * nearbyMax]int16 // the last product of each hash, from 1
	next   [nearbyMax]int16
	hashes [nearbyMax]uint64
}

// add gives products the share of her own purchases.
func (n *nearby) add(hers *habits, products []uint64, numbers, ppm []int32) {
	const mask = uint64(len(n.heads) - 1)
	clear(n.heads[:])
	for i, no := range numbers {
		hash := products[no]
		n.hashes[i] = hash
		n.next[i], n.heads[hash&mask] = n.heads[hash&mask], int16(i+1)
	}
	for h := range hers.len() {
		hash, count, _ := hers.at(h)
		for i := n.heads[hash&mask]; i > 0; i = n.next[i-1] {
			if n.hashes[i-1] == hash {
				ppm[i-1] += int32(qualityHabit * min(count, qualityTimes) / qualityTimes)
			}
		}
	}
}
