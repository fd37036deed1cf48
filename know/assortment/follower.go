package assortment

import (
	"context"
	"maps"
	"time"

	"endcap/keep/stream"
	"endcap/retail/catalog"
	"endcap/retail/event"
)

// FollowerName is the follower's name.
const FollowerName = "assortment"

// recentMax is how many products gather before the catalogue is copied.
const recentMax = 1_024

// batchMax is large, because products met for the first time are published once a batch.
const batchMax = 32_768

// Follower fills the shelf from Product, Store, Price and Stock facts. Its
// cursors live in memory with the shelf, so it begins at the start of whatever
// stream it is given: that must reach back to the first fact still kept.
// Facts of one row come in order, so the last one folded stands.
func (s *Shelf) Follower() stream.Follower {
	return stream.Follower{
		Name:     FollowerName,
		Kinds:    []event.Kind{event.KindProduct, event.KindStore, event.KindPrice, event.KindStock},
		Together: true, BatchMax: batchMax,
		Cursor: func(_ context.Context, partition int) (event.Cursor, error) {
			s.fold.Lock()
			defer s.fold.Unlock()
			return s.cursors[partition], nil
		},
		Fold: func(_ context.Context, b stream.Batch) error {
			s.apply(b)
			return nil
		},
	}
}

// apply folds a batch that lies ahead of the partition's cursor.
func (s *Shelf) apply(b stream.Batch) {
	s.fold.Lock()
	defer s.fold.Unlock()
	if b.Next <= s.cursors[b.Partition] {
		return
	}
	s.meet(b.Facts)
	for i := range b.Facts {
		since := b.Facts[i].At.UnixMicro()
		switch body := b.Facts[i].Body.(type) {
		case event.Product:
			s.setProduct(body.Product, since)
		case event.Store:
			s.setStore(body.Store, since, b.Facts[i].Source == event.SourceDerived)
		case event.Price:
			it := s.products.Load().find(body.Product)
			if body.Store == "" {
				it.price = &body.Amount
				it.since.price = since
				continue
			}
			s.prices.set(s.place(it, body.Store), body.Amount, since)
		case event.Stock:
			it := s.products.Load().find(body.Product)
			if body.Store == "" {
				it.stock.Store(&body.Count)
				it.since.stock = since
				continue
			}
			s.stock.set(s.place(it, body.Store), body.Count, since)
			it.stockStores.Store(true)
		}
	}
	s.version.Add(uint64(len(b.Facts)))
	s.cursors[b.Partition] = b.Next
}

// meet gives every product and store that the facts name for the first time an
// item, and publishes them at once.
func (s *Shelf) meet(facts []event.Fact) {
	now, stores := s.products.Load(), *s.stores.Load()
	fresh := make(map[uint64]*item)
	var freshStores map[catalog.StoreID]*store
	all := now.all
	product := func(id catalog.ProductID) {
		if hash := id.Hash(); now.find(id) == nil && fresh[hash] == nil {
			it := &item{ordinal: int32(len(all))}
			fresh[hash] = it
			all = append(all, it)
		}
	}
	at := func(id catalog.StoreID) {
		if id == "" || stores[id] != nil || freshStores[id] != nil {
			return
		}
		if freshStores == nil {
			freshStores = make(map[catalog.StoreID]*store)
		}
		freshStores[id] = &store{ordinal: uint32(len(stores) + len(freshStores))}
	}
	for i := range facts {
		switch body := facts[i].Body.(type) {
		case event.Product:
			product(body.ID)
		case event.Store:
			at(body.ID)
		case event.Price:
			product(body.Product)
			at(body.Store)
		case event.Stock:
			product(body.Product)
			at(body.Store)
		}
	}
	if len(fresh) > 0 {
		s.products.Store(now.with(fresh, all))
	}
	if freshStores != nil {
		next := maps.Clone(stores)
		maps.Copy(next, freshStores)
		s.stores.Store(&next)
	}
}

// with is p with fresh items added.
func (p *products) with(fresh map[uint64]*item, all []*item) *products {
	next := &products{base: p.base, recent: maps.Clone(p.recent), all: all}
	if next.recent == nil {
		next.recent = fresh
	} else {
		maps.Copy(next.recent, fresh)
	}
	if len(next.recent) > recentMax {
		base := make(map[uint64]*item, len(p.base)+len(next.recent))
		maps.Copy(base, p.base)
		maps.Copy(base, next.recent)
		next.base, next.recent = base, nil
	}
	return next
}

func (s *Shelf) setProduct(row catalog.Product, since int64) {
	it := s.products.Load().find(row.ID)
	it.since.row = since
	it.row.Store(&row)
}

func (s *Shelf) setStore(row catalog.Store, since int64, derived bool) {
	stores := *s.stores.Load()
	next := maps.Clone(stores)
	st := &store{ordinal: stores[row.ID].ordinal, row: row, since: since, derived: derived}
	if zone, err := time.LoadLocation(row.Zone); err == nil && row.Zone != "" {
		st.zone = zone
	}
	next[row.ID] = st
	s.stores.Store(&next)
}
