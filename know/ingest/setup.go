package ingest

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"endcap/keep/stream"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/event"
)

// Row is one row of what the retailer sells, and where.
type Row[T any] struct {
	Of    T
	At    time.Time // from when on it holds; zero means now
	Line  int64     // its line in the file, from 1; 0 by API
	Raw   []byte    // the row as it came, for quarantine
	Fault *Fault    // set by a decoder that could not read it
}

// Products takes rows of the catalogue in, Stores rows of the store list,
// Prices and Stock what holds at a store from an instant on.
//
// Such a row replaces the one before it, so its fact is stored under the row's
// own key (the product, the store, or both) with a version that counts the
// changes. A row that says what stands already is a Repeat, whatever came
// between; one whose time lies before that of the row that stands is a Repeat
// too, marked Older. A content hash as the fact's id would do without reading
// the stored row, but a price that goes up and down again would be lost.
func (d *Desk) Products(ctx context.Context, rows []Row[catalog.Product], from From) (Result, error) {
	return upsert(ctx, d, rows, from, trade[catalog.Product]{
		kind: event.KindProduct, check: checkProduct,
		id:   func(p *catalog.Product) string { return string(p.ID) },
		body: func(p *catalog.Product) event.Body { return event.Product{Product: *p} },
	})
}

// Stores is told at Products.
func (d *Desk) Stores(ctx context.Context, rows []Row[catalog.Store], from From) (Result, error) {
	return upsert(ctx, d, rows, from, trade[catalog.Store]{
		kind: event.KindStore, check: checkStore,
		id:   func(s *catalog.Store) string { return string(s.ID) },
		body: func(s *catalog.Store) event.Body { return event.Store{Store: *s} },
	})
}

// Prices is told at Products.
func (d *Desk) Prices(ctx context.Context, rows []Row[catalog.Price], from From) (Result, error) {
	for i := range rows {
		if rows[i].Of.Amount.Currency == "" {
			rows[i].Of.Amount.Currency = d.cfg.Currency
		}
	}
	return upsert(ctx, d, rows, from, trade[catalog.Price]{
		kind: event.KindPrice, check: d.cfg.checkPrice,
		id:   func(p *catalog.Price) string { return atStore(p.Product, p.Store) },
		body: func(p *catalog.Price) event.Body { return event.Price{Price: *p} },
	})
}

// Stock is told at Products.
func (d *Desk) Stock(ctx context.Context, rows []Row[catalog.Stock], from From) (Result, error) {
	return upsert(ctx, d, rows, from, trade[catalog.Stock]{
		kind: event.KindStock, check: checkStock,
		id:   func(s *catalog.Stock) string { return atStore(s.Product, s.Store) },
		body: func(s *catalog.Stock) event.Body { return event.Stock{Stock: *s} },
	})
}

// atStore is the id of what holds for a product at a store. Ids hold no control
// characters, so the tab keeps any two apart.
func atStore(p catalog.ProductID, s catalog.StoreID) string {
	if s == "" {
		return string(p)
	}
	return string(p) + "\t" + string(s)
}

// trade is what differs between the kinds of row.
type trade[T any] struct {
	kind  event.Kind
	check func(*T) *Fault
	id    func(*T) string
	body  func(*T) event.Body
}

// upsert checks rows and stores those that change something.
func upsert[T any](ctx context.Context, d *Desk, rows []Row[T], from From, t trade[T]) (Result, error) {
	if err := checkBatch(len(rows)); err != nil {
		return Result{}, err
	}
	now := micro(d.Clock())
	answers := make([]Answer, len(rows))
	good := make([]change, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		f := r.Fault
		if f == nil {
			f = t.check(&r.Of)
		}
		if f == nil && !r.At.IsZero() {
			f = d.cfg.checkTime("at", r.At, now)
		}
		if f != nil {
			answers[i] = Answer{Outcome: Quarantined, Fault: f}
			continue
		}
		at := now
		if !r.At.IsZero() {
			at = micro(r.At)
		}
		good = append(good, change{at: i, timed: !r.At.IsZero(), fact: event.Fact{
			ID: t.id(&r.Of), At: at, Arrived: now, Day: retail.DayOf(at, d.cfg.Zone), Source: from.Door, Body: t.body(&r.Of),
		}})
	}
	if err := d.change(ctx, good, answers); err != nil {
		return Result{}, err
	}
	refused := newRefusals(t.kind, from, now)
	for i := range answers {
		if f := answers[i].Fault; f != nil {
			refused.add(rows[i].Line, f, rawOr(rows[i].Raw, &rows[i].Of), nil)
		}
	}
	res := Result{Answers: answers}
	res.Summary.count(answers)
	return res, d.refuse(ctx, refused)
}

// change is one row on its way to the stream.
type change struct {
	at    int // its place in the batch
	timed bool
	fact  event.Fact
	met   stream.Appended // where the row that stands lies
}

// changeRounds bounds how often a row is tried against other writers of the
// same row.
const changeRounds = 16

// change appends each row as a first version. Where a row stands already, it
// compares the two and appends the next version if they differ. Another writer
// may come between; then the stream says so and the comparison is made again.
func (d *Desk) change(ctx context.Context, rows []change, answers []Answer) error {
	standing := make(map[string]*event.Fact, len(rows))
	pending, err := d.tryFirst(ctx, rows, answers, standing)
	for n := 0; err == nil && len(pending) > 0; n++ {
		if n == changeRounds {
			return &retail.Error{
				Kind: retail.Unavailable, Say: "others keep changing the same rows", Cure: "send the batch again",
			}
		}
		pending, err = d.tryNext(ctx, pending, answers, standing)
	}
	return err
}

// tryFirst appends the rows as first versions and returns those that met
// another. Rows without a time of their own get a sum that nothing has, so that
// the stream never takes one for an earlier version of the same row.
func (d *Desk) tryFirst(ctx context.Context, rows []change, answers []Answer, standing map[string]*event.Fact) ([]change, error) {
	var a arena
	facts := make([]event.Packed, len(rows))
	seed := maphash.MakeSeed()
	for i := range rows {
		p, err := a.pack(&rows[i].fact, 512)
		if err != nil {
			return nil, fmt.Errorf("pack %v %.64q: %w", rows[i].fact.Kind(), rows[i].fact.ID, err)
		}
		if !rows[i].timed {
			salt := maphash.Comparable(seed, i)
			for b := range 8 {
				p.Sum[b] ^= byte(salt >> (8 * b))
			}
		}
		facts[i] = p
	}
	done, err := d.appendAll(ctx, facts)
	if err != nil {
		return nil, err
	}
	var pending []change
	for i, a := range done {
		r := &rows[i]
		switch a.Outcome {
		case stream.New:
			answers[r.at] = Answer{Outcome: New}
			standing[r.fact.ID] = &r.fact
		case stream.Repeat:
			answers[r.at] = Answer{Outcome: Repeat}
		default:
			r.met = a
			pending = append(pending, *r)
		}
	}
	return pending, nil
}

// tryNext compares each row with the one that stands and appends it as the next
// version where they differ. It returns the rows that another writer overtook.
func (d *Desk) tryNext(ctx context.Context, rows []change, answers []Answer, standing map[string]*event.Fact) ([]change, error) {
	var a arena
	facts := make([]event.Packed, 0, len(rows))
	tried := make([]*change, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		stands := standing[r.fact.ID]
		if stands == nil {
			stored, ok, err := d.fetch(ctx, r.met)
			if err != nil {
				return nil, err
			}
			if !ok { // trimmed, so the assortment has folded it
				stored, _ = d.Assortment.Standing(r.fact.Body)
				stored.Version = r.met.Version
			}
			stands = &stored
		}
		standing[r.fact.ID] = stands
		if same, older := compare(r, stands); same || older {
			answers[r.at] = Answer{Outcome: Repeat, Older: older && !same}
			continue
		}
		r.fact.Version = stands.Version + 1
		p, err := a.pack(&r.fact, 512)
		if err != nil {
			return nil, fmt.Errorf("pack %v %.64q: %w", r.fact.Kind(), r.fact.ID, err)
		}
		standing[r.fact.ID] = &r.fact
		facts, tried = append(facts, p), append(tried, r)
	}
	done, err := d.appendAll(ctx, facts)
	if err != nil {
		return nil, err
	}
	var pending []change
	for i, a := range done {
		r := tried[i]
		if a.Outcome == stream.Conflict {
			delete(standing, r.fact.ID)
			r.met = a
			pending = append(pending, *r)
			continue
		}
		answers[r.at] = Answer{Outcome: New}
	}
	return pending, nil
}

// compare says whether a row says what stands already, and whether what stands
// is from a later time. A store that was only derived is replaced by any row.
func compare(r *change, stands *event.Fact) (same, older bool) {
	if stands.Body == nil || stands.Source == event.SourceDerived {
		return false, false
	}
	return stands.Body == r.fact.Body, r.timed && stands.At.After(r.fact.At)
}

// appendAll is Append for any number of facts, none included.
func (d *Desk) appendAll(ctx context.Context, facts []event.Packed) ([]stream.Appended, error) {
	if len(facts) == 0 {
		return nil, nil
	}
	done, err := d.Log.Append(ctx, facts)
	if err != nil {
		return nil, fmt.Errorf("append %d facts: %w", len(facts), err)
	}
	if len(done) != len(facts) {
		return nil, fmt.Errorf("append %d facts: the stream answered %d", len(facts), len(done))
	}
	return done, nil
}

// fetch reads the fact that an appended one met; ok is false once it has been
// trimmed.
func (d *Desk) fetch(ctx context.Context, met stream.Appended) (f event.Fact, ok bool, err error) {
	if met.At == "" {
		return f, false, nil
	}
	entry, err := d.Log.Fetch(ctx, met.Partition, met.At)
	switch {
	case errors.Is(err, stream.ErrGone):
		return f, false, nil
	case err != nil:
		return f, false, fmt.Errorf("fetch a stored fact: %w", err)
	}
	if f, err = event.Unpack(entry.Bytes); err != nil {
		return f, false, fmt.Errorf("read a stored fact: %w", err)
	}
	return f, true, nil
}
