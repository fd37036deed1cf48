package ingest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"endcap/keep/stream"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// taken is a receipt on its way through the desk.
type taken struct {
	at      int  // its place in the batch
	veiled  bool // its shopper was forgotten: it is taken in as nobody's
	who     shopper.ID
	allowed consent.Set
	rounded int
	packed  event.Packed
}

// Receipts takes receipts in. What is odd is kept and marked; what contradicts
// itself or cannot be, lies in quarantine. A receipt whose id is stored with
// other content is a correction when its version is higher, else a conflict.
func (d *Desk) Receipts(ctx context.Context, rs []Receipt, from From) (Result, error) {
	if err := checkBatch(len(rs)); err != nil {
		return Result{}, err
	}
	d.forgetting.RLock()
	defer d.forgetting.RUnlock()
	now := micro(d.Clock())
	answers := make([]Answer, len(rs))
	for i := range rs {
		if rs[i].Currency == "" {
			rs[i].Currency = d.cfg.Currency
		}
		if f := d.cfg.check(&rs[i], now); f != nil {
			answers[i] = Answer{Outcome: Quarantined, Fault: f}
		}
	}
	good, err := d.name(ctx, rs, answers)
	if err != nil {
		return Result{}, err
	}
	if err := d.packAll(rs, good, from.Door, now); err != nil {
		return Result{}, err
	}
	if err := d.appendReceipts(ctx, rs, good, answers, now); err != nil {
		return Result{}, err
	}
	refused := newRefusals(event.KindReceipt, from, now)
	res := Result{Answers: answers}
	for _, g := range good {
		if a := &answers[g.at]; a.Outcome != Quarantined {
			res.Summary.receipt(&rs[g.at].Receipt, g.rounded)
			if !g.who.Known() {
				res.Summary.Anonymous++
			}
		}
	}
	if err := d.scrub(ctx, rs, answers); err != nil {
		return Result{}, err
	}
	for i := range answers {
		if f := answers[i].Fault; f != nil {
			refused.add(rs[i].Line, f, rawOr(rs[i].Raw, &rs[i].Receipt), answers[i].stored)
		}
	}
	res.Summary.count(answers)
	return res, d.refuse(ctx, refused)
}

// name finds the shoppers of the receipts without a fault and what they allow.
func (d *Desk) name(ctx context.Context, rs []Receipt, answers []Answer) ([]taken, error) {
	good := make([]taken, 0, len(rs))
	sets := make([][]shopper.Key, 0, len(rs))
	for i := range rs {
		if answers[i].Fault == nil {
			good = append(good, taken{at: i})
			sets = append(sets, rs[i].Keys)
		}
	}
	who, err := d.People.Name(ctx, sets)
	if err != nil {
		return nil, err
	}
	allowed, err := d.People.Allowed(ctx, who)
	if err != nil {
		return nil, err
	}
	var open []int // those whose keys give nobody
	for n := range good {
		if len(sets[n]) > 0 && !who[n].Known() {
			open = append(open, n)
		}
	}
	marked, err := d.marked(ctx, len(open), func(n int) []shopper.Key { return sets[open[n]] })
	if err != nil {
		return nil, err
	}
	for n, at := range open {
		good[at].veiled = marked[n]
	}
	kept := good[:0]
	for n, g := range good {
		if len(sets[n]) > 0 && !who[n].Known() && !g.veiled {
			answers[g.at] = Answer{Outcome: Quarantined, Fault: twoShoppers()}
			continue
		}
		g.who, g.allowed = who[n], allowed[n]
		kept = append(kept, g)
	}
	return kept, nil
}

func twoShoppers() *Fault {
	return fault(TwoShoppers, "keys", "the keys belong to different shoppers", "leave out the key that is not hers, or merge the shoppers first")
}

// packParallelMin is from how many receipts on it pays to pack on two cores.
const packParallelMin = 512

// packAll rounds, marks and encodes the receipts.
func (d *Desk) packAll(rs []Receipt, good []taken, door string, now time.Time) error {
	pack := func(part []taken) error {
		p := packer{desk: d, door: door, now: now}
		for i := range part {
			if err := p.receipt(&rs[part[i].at].Receipt, &part[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(good) < packParallelMin {
		return pack(good)
	}
	var other sync.WaitGroup
	var otherErr error
	half := len(good) / 2
	other.Go(func() { otherErr = pack(good[half:]) })
	err := pack(good[:half])
	other.Wait()
	if err == nil {
		err = otherErr
	}
	return err
}

// packer encodes receipts one after the other into few large buffers.
type packer struct {
	desk    *Desk
	door    string
	now     time.Time
	arena   arena
	scratch []byte
	unknown []int
}

func (p *packer) receipt(r *basket.Receipt, t *taken) error {
	zone, listed := p.desk.Assortment.Listed(r.Store)
	if zone == nil {
		zone = p.desk.cfg.Zone
	}
	r.At = micro(r.At)
	t.rounded = round(r)
	mark(r, listed, p.desk.Assortment.Known)
	f := event.Fact{
		ID: string(r.ID), Version: r.Version, At: r.At, Arrived: p.now, Day: retail.DayOf(r.At, zone),
		Shopper: t.who, Consent: t.allowed, Source: p.door, Body: event.Receipt{Receipt: *r},
	}
	size := 160 + 2*len(r.ID)
	for i := range r.Lines {
		size += 48 + len(r.Lines[i].Product)
	}
	packed, err := p.arena.pack(&f, size)
	if err != nil {
		return fmt.Errorf("pack receipt %.64q: %w", r.ID, err)
	}
	if packed.Sum, err = p.sum(r, f, packed.Sum); err != nil {
		return fmt.Errorf("sum receipt %.64q: %w", r.ID, err)
	}
	t.packed = packed
	return nil
}

// sum is the hash of what the source said. The marks and the business day also
// say what the catalogue and the store list knew on arrival, so that loading a
// file again after the catalogue would look like a contradiction; the sum is
// therefore that of the same receipt in a house that knows every product and
// keeps its own zone at every store.
func (p *packer) sum(r *basket.Receipt, f event.Fact, packed [16]byte) ([16]byte, error) {
	day := retail.DayOf(r.At, p.desk.cfg.Zone)
	p.unknown = p.unknown[:0]
	for i := range r.Lines {
		if r.Lines[i].Marks.Has(basket.ProductUnknown) {
			p.unknown = append(p.unknown, i)
		}
	}
	if day == f.Day && r.Marks&lookedUp == 0 && len(p.unknown) == 0 {
		return packed, nil
	}
	said := *r
	said.Marks &^= lookedUp
	for _, i := range p.unknown {
		r.Lines[i].Marks &^= basket.ProductUnknown
	}
	f.Day, f.Body = day, event.Receipt{Receipt: said}
	plain, err := event.Pack(p.scratch[:0], &f)
	for _, i := range p.unknown {
		r.Lines[i].Marks |= basket.ProductUnknown
	}
	p.scratch = plain.Bytes
	return plain.Sum, err
}

// appendReceipts stores the packed receipts, before them the stores they name
// for the first time, and answers each.
func (d *Desk) appendReceipts(ctx context.Context, rs []Receipt, good []taken, answers []Answer, now time.Time) error {
	stores, facts, err := d.deriveStores(rs, good, now)
	if err != nil {
		return err
	}
	done, err := d.store(ctx, facts, good, func() (map[int]event.Packed, error) { return d.moves(ctx, rs, good, now) })
	if err != nil {
		return err
	}
	d.derived.add(stores)
	for i, a := range done {
		at := good[i].at
		answers[at] = judge(a.Outcome, rs[at].Version, string(rs[at].ID))
		if a.Outcome != stream.Conflict {
			continue
		}
		if good[i].veiled {
			before, err := d.cameBefore(ctx, &rs[at], a)
			if err != nil {
				return err
			}
			if before {
				answers[at] = Answer{Outcome: Repeat}
				continue
			}
		}
		if answers[at].stored, err = d.stored(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// store appends the facts before the receipts, then the receipts, each behind
// what moves must say of it, and gives the stream's answers to the receipts.
// Between the look at what a correction replaces and its append no other receipt
// may come, so one batch of corrections goes alone; other receipts go side by
// side.
func (d *Desk) store(ctx context.Context, facts []event.Packed, good []taken, moves func() (map[int]event.Packed, error)) ([]stream.Appended, error) {
	if !slices.ContainsFunc(good, func(t taken) bool { return t.packed.Version > 0 }) {
		d.correcting.RLock()
		defer d.correcting.RUnlock()
		first := len(facts)
		for i := range good {
			facts = append(facts, good[i].packed)
		}
		done, err := d.appendAll(ctx, facts)
		if err != nil || len(done) == 0 {
			return nil, err
		}
		return done[first:], nil
	}
	d.correcting.Lock()
	defer d.correcting.Unlock()
	moved, err := moves()
	if err != nil {
		return nil, err
	}
	places := make([]int, len(good))
	for i := range good {
		if m, ok := moved[i]; ok {
			facts = append(facts, m)
		}
		places[i] = len(facts)
		facts = append(facts, good[i].packed)
	}
	done, err := d.appendTogether(ctx, facts)
	if err != nil {
		return nil, err
	}
	out := make([]stream.Appended, len(good))
	for i, at := range places {
		out[i] = done[at]
	}
	return out, nil
}

// judge turns the stream's outcome of a versioned fact into an answer.
func judge(o stream.Outcome, version uint32, id string) Answer {
	switch {
	case o == stream.New && version > 0:
		return Answer{Outcome: Corrected}
	case o == stream.New:
		return Answer{Outcome: New}
	case o == stream.Repeat:
		return Answer{Outcome: Repeat}
	default:
		return Answer{Outcome: Quarantined, Fault: conflict(id, version)}
	}
}

func conflict(id string, version uint32) *Fault {
	return fault(Conflict, "id", fmt.Sprintf("%.64q is stored with other content under version %d", id, version), "send a correction with a higher version")
}

// deriveStores packs a Store fact for each store that the list lacks and that
// this process has not derived yet. A store that is stored already, listed or
// derived, is left as it is: the stream answers Repeat or Conflict.
func (d *Desk) deriveStores(rs []Receipt, good []taken, now time.Time) ([]catalog.StoreID, []event.Packed, error) {
	facts := make([]event.Packed, 0, len(good)+8)
	var stores []catalog.StoreID
	seen := make(map[catalog.StoreID]bool)
	for i := range good {
		r := &rs[good[i].at].Receipt
		if !r.Marks.Has(basket.StoreUnknown) || r.Store == "" || seen[r.Store] || d.derived.has(r.Store) {
			continue
		}
		seen[r.Store] = true
		packed, err := event.Pack(nil, &event.Fact{
			ID: string(r.Store), At: now, Arrived: now, Day: retail.DayOf(now, d.cfg.Zone), Source: event.SourceDerived,
			Body: event.Store{Store: catalog.Store{ID: r.Store, Channel: r.Channel}},
		})
		if err != nil {
			return nil, nil, fmt.Errorf("pack store %.64q: %w", r.Store, err)
		}
		stores, facts = append(stores, r.Store), append(facts, packed)
	}
	return stores, facts, nil
}

// arena packs facts behind each other into buffers, each twice the one before up
// to arenaMax: most calls bring a few facts.
type arena struct {
	free []byte
	size int // of the newest buffer
}

const (
	arenaMin = 4 << 10
	arenaMax = 256 << 10
)

// pack encodes f, which is expected to take size bytes.
func (a *arena) pack(f *event.Fact, size int) (event.Packed, error) {
	if cap(a.free) < size {
		a.size = min(max(arenaMin, 2*a.size), arenaMax)
		a.free = make([]byte, 0, max(a.size, size))
	}
	p, err := event.Pack(a.free, f)
	if err != nil {
		return p, err
	}
	n := len(p.Bytes)
	a.free, p.Bytes = p.Bytes[n:], p.Bytes[:n:n]
	return p, nil
}

// onceSet remembers a bounded number of stores.
type onceSet struct {
	mu  sync.RWMutex
	set map[catalog.StoreID]bool
}

const onceMax = 100_000

func newOnceSet() *onceSet { return &onceSet{set: make(map[catalog.StoreID]bool)} }

func (s *onceSet) has(id catalog.StoreID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.set[id]
}

func (s *onceSet) add(ids []catalog.StoreID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if len(s.set) < onceMax {
			s.set[catalog.StoreID(strings.Clone(string(id)))] = true
		}
	}
}
