package assortment

import (
	"time"

	"endcap/retail/catalog"
	"endcap/retail/event"
)

// Standing is the row that stands under the key of a Product, Store, Price or
// Stock: its body, since when it holds, and whether it was only derived. So a
// row is known for as long as it is kept, also when its fact lies in history
// alone. ok is false where there is none. Of the fact, ID, Version, Arrived and
// Day are not set.
func (s *Shelf) Standing(of event.Body) (stands event.Fact, ok bool) {
	s.fold.Lock()
	defer s.fold.Unlock()
	var since int64
	switch row := of.(type) {
	case event.Product:
		if it := s.products.Load().find(row.ID); it != nil && it.row.Load() != nil {
			stands.Body, since = event.Product{Product: *it.row.Load()}, it.since.row
		}
	case event.Store:
		if st := (*s.stores.Load())[row.ID]; st != nil && st.row.ID != "" {
			stands.Body, since = event.Store{Store: st.row}, st.since
			if st.derived {
				stands.Source = event.SourceDerived
			}
		}
	case event.Price:
		stands.Body, since = s.standingPrice(row)
	case event.Stock:
		stands.Body, since = s.standingStock(row)
	}
	stands.At = time.UnixMicro(since).UTC()
	return stands, stands.Body != nil
}

func (s *Shelf) standingPrice(row event.Price) (event.Body, int64) {
	it := s.products.Load().find(row.Product)
	if it == nil {
		return nil, 0
	}
	if row.Store == "" {
		if m := it.price; m != nil {
			return event.Price{Price: catalog.Price{Product: row.Product, Amount: *m}}, it.since.price
		}
		return nil, 0
	}
	v, ok := s.prices.placed(s.place(it, row.Store))
	if !ok {
		return nil, 0
	}
	return event.Price{Price: catalog.Price{Product: row.Product, Store: row.Store, Amount: v.value}}, v.since
}

func (s *Shelf) standingStock(row event.Stock) (event.Body, int64) {
	it := s.products.Load().find(row.Product)
	if it == nil {
		return nil, 0
	}
	if row.Store == "" {
		if n := it.stock.Load(); n != nil {
			return event.Stock{Stock: catalog.Stock{Product: row.Product, Count: *n}}, it.since.stock
		}
		return nil, 0
	}
	v, ok := s.stock.placed(s.place(it, row.Store))
	if !ok {
		return nil, 0
	}
	return event.Stock{Stock: catalog.Stock{Product: row.Product, Store: row.Store, Count: v.value}}, v.since
}
