// Package assortment holds what is for sale now: products with their place in
// the range, stores, prices and stock by store. It is a copy in memory, folded
// from facts, so that a decision can ask about hundreds of products without
// waiting for a store; it is thrown away and folded again at every start.
//
// On the road of a receipt, know/ingest asks it which products and stores are
// known, and proposals and auctions ask what is in stock and at which price.
package assortment

import (
	"maps"
	"slices"
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
	ranges   ranges
	prices   places[retail.Money]
	stock    places[int64]
	version  atomic.Uint64
}

// products finds items by id. Both maps are immutable; recent holds the newest
// few, so that one new product does not copy the whole catalogue.
type products struct {
	base, recent map[catalog.ProductID]*item
	all          []*item // by ordinal; only appended to
}

// item is one product, also one that only a price or a stock row names.
type item struct {
	ordinal int32
	row     atomic.Pointer[catalog.Product] // nil while the catalogue lacks it
	// What holds at every store without an entry of its own, and whether any
	// store has one.
	price       atomic.Pointer[retail.Money]
	stock       atomic.Pointer[int64]
	priceStores atomic.Bool
	stockStores atomic.Bool
	// Since when each holds, in microseconds since 1970; guarded by Shelf.fold.
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
	s.ranges.init()
	s.prices.init()
	s.stock.init()
	return s
}

func (p *products) find(id catalog.ProductID) *item {
	if it, ok := p.recent[id]; ok {
		return it
	}
	return p.base[id]
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

// Ordinal is a dense number of a product, from 0 upwards, for arrays. It stays
// while the process lives and means nothing beyond it. Products that only a
// price or a stock row names have one too.
func (s *Shelf) Ordinal(id catalog.ProductID) (int, bool) {
	it := s.products.Load().find(id)
	if it == nil {
		return 0, false
	}
	return int(it.ordinal), true
}

// Ordinals is how many ordinals are given: every Ordinal is below it.
func (s *Shelf) Ordinals() int { return len(s.products.Load().all) }

// Products lists the catalogue's rows at this moment, in the order of their
// ordinals. The caller must not change them.
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
	it := s.products.Load().find(id)
	if it == nil {
		return true
	}
	if at != "" && it.stockStores.Load() {
		if n, ok := s.stock.get(s.place(it, at)); ok {
			return n > 0
		}
	}
	n := it.stock.Load()
	return n == nil || *n > 0
}

// PriceAt is what a product costs at a store: the store's own price, else the
// general one.
func (s *Shelf) PriceAt(id catalog.ProductID, at catalog.StoreID) (retail.Money, bool) {
	it := s.products.Load().find(id)
	if it == nil {
		return retail.Money{}, false
	}
	if at != "" && it.priceStores.Load() {
		if m, ok := s.prices.get(s.place(it, at)); ok {
			return m, true
		}
	}
	if m := it.price.Load(); m != nil {
		return *m, true
	}
	return retail.Money{}, false
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

// Store is the row of a store that the list has or that receipts named.
func (s *Shelf) Store(id catalog.StoreID) (catalog.Store, bool) {
	st := (*s.stores.Load())[id]
	if st == nil || st.row.ID == "" {
		return catalog.Store{}, false
	}
	return st.row, true
}

// Stores lists them by id.
func (s *Shelf) Stores() []catalog.Store {
	all := *s.stores.Load()
	out := make([]catalog.Store, 0, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if row := all[id].row; row.ID != "" {
			out = append(out, row)
		}
	}
	return out
}

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

// InCategory lists the products of a category by id, InDepartment those of a
// department, InBrand those of a brand. The caller must not change the list.
func (s *Shelf) InCategory(c catalog.Category) []catalog.ProductID {
	return s.ranges.categories.list(c)
}

// InDepartment is told at InCategory.
func (s *Shelf) InDepartment(d catalog.Department) []catalog.ProductID {
	return s.ranges.departments.list(d)
}

// InBrand is told at InCategory.
func (s *Shelf) InBrand(b catalog.Brand) []catalog.ProductID { return s.ranges.brands.list(b) }

// Categories lists every category that has a product, in order.
func (s *Shelf) Categories() []catalog.Category { return s.ranges.categories.names() }
