package visit

import (
	"endcap/retail/catalog"
	"endcap/retail/media"
)

// Candidate is one product of one line item that may stand on a page.
type Candidate struct {
	Product    catalog.ProductID
	Advertiser media.AdvertiserID
	LineItem   media.LineItemID
	// Booked says that the line item names the page's search or category, so that
	// whoever booked it says that the product fits.
	Booked bool
}

// Weigher says how good the candidates of one page are for its visitors. It is safe
// for concurrent use.
type Weigher interface {
	// Weigh answers w.
	Weigh(w *Weighing)
	// Basis appends from what the chances of the chosen candidates of the answer in
	// w are worked out, for whoever learns from what becomes of them; at most
	// event.BasisMax bytes.
	Basis(b []byte, w *Weighing, chosen []int32) []byte
	// Model is the version of the model of clicks whose chances the qualities are;
	// 0 where they say how well a product fits the page and her habits.
	Model() uint64
}

// Weighing is one visit's question to a Weigher, and its answer. It keeps its memory
// for the next.
type Weighing struct {
	Visit      *Visit
	Hour       int    // of the shop's day
	Section    []byte // her habits, nil where nobody is known or she does not allow it
	Placements []media.PlacementID

	// Quality is how good each candidate is, in parts per million, 1 to 1,000,000;
	// 0 for one that does not fit the page and may not stand there. Candidate i of n
	// has in placement p Quality[p×n+i], or Quality[i] where all placements are Alike.
	Quality []int32
	Alike   bool
	Memory  any // the Weigher's own
}

// Room makes Quality as long as n numbers, which may hold anything.
func (w *Weighing) Room(n int) []int32 {
	if cap(w.Quality) < n {
		w.Quality = make([]int32, 2*n)
	}
	w.Quality = w.Quality[:n]
	return w.Quality
}
