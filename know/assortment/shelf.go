// Package assortment holds what is for sale now: products with their place in
// the range, stores, prices and stock by store. It is a copy in memory, folded
// from facts, so that a decision can ask about hundreds of products without
// waiting for a store; it is thrown away and folded again at every start.
//
// On the road of a receipt, know/ingest asks it which products and stores are
// known, and proposals and auctions ask what is in stock and at which price.
package assortment

import (
	"sync"
	"sync/atomic"
	"time"

	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/event"
)

// Shelf is what is for sale now. Make one with New; reading is safe beside the
// one follower that fills it, takes no lock for products, and never waits for a
// fold.
type Shelf struct {
	fold    sync.Mutex // held by the one who changes anything
	cursors map[int]event.Cursor

	products atomic.Pointer[products]
	stores   atomic.Pointer[map[catalog.StoreID]*store]
	prices   places[retail.Money]
	stock    places[int64]
	version  atomic.Uint64
}

// products finds items by the hash of their id. Both maps are immutable; recent
// holds the newest few, so that one new product does not copy the whole catalogue.
type products struct {
	base, recent map[uint64]*item
	all          []*item // by ordinal; only appended to
}

// item is one product, also one that only a price or a stock row names.
type item struct {
	ordinal int32
	row     atomic.Pointer[catalog.Product] // nil while the catalogue lacks it
	// The count at every store without one of its own, and whether any store has
	// one.
	stock       atomic.Pointer[int64]
	stockStores atomic.Bool
	// Guarded by Shelf.fold: the price at every store without one of its own, nil
	// for none, and since when row, price and stock hold, in microseconds since
	// 1970.
	price *retail.Money
	since struct{ row, price, stock int64 }
}

type store struct {
	ordinal uint32
	row     catalog.Store
	since   int64          // microseconds since 1970
	zone    *time.Location // nil for the house's
	derived bool
}

// New makes an empty Shelf.
func New() *Shelf {
	s := &Shelf{cursors: make(map[int]event.Cursor)}
	s.products.Store(&products{})
	s.stores.Store(&map[catalog.StoreID]*store{})
	s.prices.init()
	s.stock.init()
	return s
}

func (p *products) find(id catalog.ProductID) *item {
	hash := id.Hash()
	if len(p.recent) > 0 {
		if it, ok := p.recent[hash]; ok {
			return it
		}
	}
	return p.base[hash]
}

// Product is the catalogue's row of a product. The caller must not change it.
func (s *Shelf) Product(id catalog.ProductID) (*catalog.Product, bool) {
	it := s.products.Load().find(id)
	if it == nil {
		return nil, false
	}
	row := it.row.Load()
	return row, row != nil
}

// Known reports whether the catalogue has a product.
func (s *Shelf) Known(id catalog.ProductID) bool {
	it := s.products.Load().find(id)
	return it != nil && it.row.Load() != nil
}

// Products lists the catalogue's rows at this moment, in the order of their
// folding. The caller must not change them.
func (s *Shelf) Products() []*catalog.Product {
	all := s.products.Load().all
	out := make([]*catalog.Product, 0, len(all))
	for _, it := range all {
		if row := it.row.Load(); row != nil {
			out = append(out, row)
		}
	}
	return out
}

// InStock reports whether a store has a product. The store's own count wins
// over the general one; where there is neither, it is taken to be in stock.
func (s *Shelf) InStock(id catalog.ProductID, at catalog.StoreID) bool {
	n, counted := s.Count(id, at)
	return !counted || n > 0
}

// Price is what a product costs at every store without a price of its own, where it
// is known.
func (s *Shelf) Price(id catalog.ProductID) (retail.Money, bool) {
	s.fold.Lock()
	defer s.fold.Unlock()
	it := s.products.Load().find(id)
	if it == nil || it.price == nil {
		return retail.Money{}, false
	}
	return *it.price, true
}

// Count is how many of a product a store has: its own count, or the general one;
// false where nobody counted.
func (s *Shelf) Count(id catalog.ProductID, at catalog.StoreID) (int64, bool) {
	it := s.products.Load().find(id)
	if it == nil {
		return 0, false
	}
	if at != "" && it.stockStores.Load() {
		if n, ok := s.stock.get(s.place(it, at)); ok {
			return n, true
		}
	}
	if n := it.stock.Load(); n != nil {
		return *n, true
	}
	return 0, false
}

// place is where something about an item at a store is kept; no place has the
// number nowhere.
func (s *Shelf) place(it *item, at catalog.StoreID) uint64 {
	st := (*s.stores.Load())[at]
	if st == nil {
		return nowhere
	}
	return uint64(it.ordinal)<<32 | uint64(st.ordinal)
}

const nowhere = ^uint64(0)

// Listed reports whether the store list has a store, other than by receipts
// alone, and gives its zone; nil means the house's.
func (s *Shelf) Listed(id catalog.StoreID) (*time.Location, bool) {
	st := (*s.stores.Load())[id]
	if st == nil || st.derived || st.row.ID == "" {
		return nil, false
	}
	return st.zone, true
}

// Version counts the facts folded; it changes whenever anything else may have.
func (s *Shelf) Version() uint64 { return s.version.Load() }
