package recommend

import (
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

// Weigher prepares the products that may stand on one page. The function it
// returns writes into ppm, which is as long as products, how well each fits, in
// parts per million:
//
//	100,000 + 600,000 × page + 300,000 × min(receipts of hers, 5) / 5
//
// where page is the share of the searched words that the product has; on a
// category page 1 in the category and else 0; on both their mean; and 1 where
// there is neither, because then every product fits the page alike; the last part
// is 0 for a sensitive product. section is
// her habits, nil where nobody is known or she does not allow it. Of the visit
// only Query and Category count. The function is safe for concurrent use and holds
// until Revision changes.
func (r *Recommender) Weigher(v *visit.Visit, products []catalog.ProductID) func(section []byte, ppm []int32) {
	ix := r.now.Load()
	w := &weigher{hashes: make([]uint64, len(products)), page: make([]int32, len(products)), shy: make([]bool, len(products))}
	page := page{ix: ix, q: ix.search(v.Query), category: v.Category}
	for i, id := range products {
		w.hashes[i] = id.Hash()
		w.page[i] = qualityBase + page.share(w.hashes[i])
		if no := ix.rankOf(id); no >= 0 {
			w.shy[i] = ix.shy[no]
		}
	}
	return w.weigh
}

// Revision changes whenever Weigher may weigh otherwise.
func (r *Recommender) Revision() uint64 { return r.now.Load().revision }

// weigher is a page's products and what the page alone makes of them.
type weigher struct {
	hashes []uint64
	page   []int32
	shy    []bool // sensitive: her habits do not count
}

func (w *weigher) weigh(section []byte, ppm []int32) {
	copy(ppm, w.page)
	hers, _, ok := open(section)
	if !ok || hers.len() == 0 {
		return
	}
	var near nearby
	for from := 0; from < len(w.hashes); from += nearbyMax {
		to := min(from+nearbyMax, len(w.hashes))
		near.add(&hers, w.hashes[from:to], w.shy[from:to], ppm[from:to])
	}
}

// page is what the visit asks of a product.
type page struct {
	ix       *index
	q        query
	category catalog.Category
}

// share is a product's part for fitting the page.
func (g *page) share(hash uint64) int32 {
	var share, of int32
	if g.q.words > 0 {
		share, of = int32(qualityPage*g.q.matched(hash)/g.q.words), 1
	}
	if g.category != "" {
		of++
		if in := g.ix.categories[g.category]; in != nil && in.table.find(hash) >= 0 {
			share += qualityPage
		}
	}
	if of == 0 {
		return qualityPage
	}
	return share / of
}

// nearbyMax is how many products are held against her habits at once.
const nearbyMax = 512

// nearby is a small table of products by hash, so that each habit is looked up in
// a few steps however many products are asked about.
type nearby struct {
	heads [4 * nearbyMax]int16 // the last product of each hash, from 1
	next  [nearbyMax]int16
}

// add gives products the share of her own purchases.
func (n *nearby) add(hers *habits, hashes []uint64, shy []bool, ppm []int32) {
	const mask = uint64(len(n.heads) - 1)
	clear(n.heads[:])
	for i, hash := range hashes {
		if shy[i] {
			continue
		}
		n.next[i], n.heads[hash&mask] = n.heads[hash&mask], int16(i+1)
	}
	for h := range hers.len() {
		hash, count, _ := hers.at(h)
		for i := n.heads[hash&mask]; i > 0; i = n.next[i-1] {
			if hashes[i-1] == hash {
				ppm[i-1] += int32(qualityHabit * min(count, qualityTimes) / qualityTimes)
			}
		}
	}
}
