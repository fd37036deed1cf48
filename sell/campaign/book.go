// Package campaign keeps what advertisers book and what that may still spend:
// advertisers, campaigns, line items and placements with their versions, the
// prepaid wallets, the money set aside for each flight day, and an immutable
// Snapshot of all of it for deciding.
//
// Three copies of money live here and only one is true: the ledger. A flight
// day is opened by posting wallet → line item and day, at most the daily budget
// and at most what the total budget has left, both held as limits in the ledger
// itself; a Purse estimates what is left of it between two reads.
//
// On the road of a receipt, people set up terms here, sell/decide reads the
// Snapshot, and what sell/billing charged comes back through the Follower.
package campaign

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/media"
)

// Config is what a Book stands on.
type Config struct {
	Registry registry.Registry
	Ledger   ledger.Ledger
	Now      retail.Clock
	Zone     *time.Location // of business days
	// Known reports whether the catalogue has a product.
	Known func(catalog.ProductID) bool
	// Settle returns when Known knows all that was stored before the call. It is
	// asked before a product is called unknown; nil where nothing can be behind.
	Settle func(ctx context.Context) error
	// Billed is an instant such that every click that arrived before it has been
	// billed. A flight day's rest is posted back only after it.
	Billed func(ctx context.Context) (time.Time, error)
}

// Check returns an error that names what is missing.
func (c *Config) Check() error {
	if c.Registry == nil || c.Ledger == nil || c.Now == nil || c.Zone == nil || c.Known == nil || c.Billed == nil {
		return errors.New("campaign: a book needs registry, ledger, clock, zone, catalogue and billing")
	}
	return nil
}

// Book holds what is booked. Make one with Open; all methods are safe for
// concurrent use.
type Book struct {
	cfg  Config
	now  atomic.Pointer[Snapshot]
	pace pace

	ticking sync.Mutex // one Tick at a time

	paying    sync.Mutex // around one payment
	mu        sync.Mutex
	docs      docs
	versions  map[rowKey]uint64
	since     uint64 // position in the registry
	changed   bool   // docs differ from the snapshot
	day       retail.Day
	compiled  uint64 // how many snapshots were made
	purses    map[media.LineItemID]*Purse
	slab      slab
	chances   *[ages]int64
	due       map[media.LineItemID]bool // flights to open, or to open further
	overtaken map[media.LineItemID]bool // flights whose surplus a click kept from being given back
	short     map[media.LineItemID]bool // flights opened with less than wanted: the wallet had no more
	clicks    clicks
	stepped   int64     // step of the last ageing
	swept     time.Time // when old flights were last looked for
	open      map[openFlight]bool
	scanned   bool // open is complete
}

type rowKey struct {
	kind registry.Kind
	id   string
}

// Open reads the registry and opens today's flights.
func Open(ctx context.Context, cfg Config) (*Book, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	b := &Book{
		cfg:      cfg,
		docs:     newDocs(),
		versions: map[rowKey]uint64{}, due: map[media.LineItemID]bool{}, overtaken: map[media.LineItemID]bool{}, short: map[media.LineItemID]bool{},
		clicks: newClicks(), open: map[openFlight]bool{}, changed: true,
	}
	chances := b.pace.learn()
	b.chances = &chances
	if err := b.load(ctx); err != nil {
		return nil, err
	}
	if err := b.Tick(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// Snapshot is what is booked, at most a tick old.
func (b *Book) Snapshot() *Snapshot { return b.now.Load() }

// Booked reports whether the snapshot has a placement.
func (b *Book) Booked(id media.PlacementID) bool { return b.Snapshot().Place(id) != nil }

// Refresh takes what has been booked into the snapshot at once, for one who
// names what it lacks. Run does so in any case, a tick later.
func (b *Book) Refresh(ctx context.Context) error {
	if err := b.follow(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed && b.purses != nil {
		b.publish()
	}
	return nil
}

// TickEvery is how often Run calls Tick.
const TickEvery = 200 * time.Millisecond

// Run keeps the book up to date until ctx ends. failed hears of what went wrong
// with a tick; the next one tries again.
func (b *Book) Run(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(TickEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := b.Tick(ctx); err != nil && ctx.Err() == nil {
				failed(err)
			}
		}
	}
}

// Tick does once what Run does for ever: follows the registry, turns the day,
// opens and closes flights, reads balances again and lets tokens grow old. Call
// it where a clock has been moved over midnight.
func (b *Book) Tick(ctx context.Context) error {
	b.ticking.Lock()
	defer b.ticking.Unlock()
	now := b.cfg.Now()
	if err := b.follow(ctx); err != nil {
		return err
	}
	b.refresh(now)
	if err := b.openDue(ctx, now); err != nil {
		return fmt.Errorf("open flights: %w", err)
	}
	if err := b.readAnswered(ctx); err != nil {
		return fmt.Errorf("read flights again: %w", err)
	}
	b.age(now)
	if err := b.sweep(ctx, now); err != nil {
		return fmt.Errorf("close flights: %w", err)
	}
	return nil
}

// refresh turns the day if it has come and compiles a new snapshot if anything
// has changed.
func (b *Book) refresh(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if day := retail.DayOf(now, b.cfg.Zone); day != b.day || b.purses == nil {
		b.day, b.changed = day, true
		b.purses = map[media.LineItemID]*Purse{}
		b.clicks.reset()
		clear(b.short)
		for id := range b.docs.lines {
			b.due[id] = true
		}
		b.swept = time.Time{}
	}
	if b.changed {
		b.publish()
	}
}

// publish compiles a snapshot; b.mu is held.
func (b *Book) publish() {
	b.changed = false
	next := compile(&b.docs, b.since, b.day, b.purse)
	b.compiled++
	next.Serial = b.compiled
	b.now.Store(next)
}

// purse is the purse of a line item for the book's day; b.mu is held.
func (b *Book) purse(id media.LineItemID) *Purse {
	p, ok := b.purses[id]
	if !ok {
		p = newPurse(b.slab.next(), b.chances)
		b.purses[id] = p
	}
	return p
}

// age lets the tokens out grow older, once a step.
func (b *Book) age(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if step(now) == b.stepped {
		return
	}
	b.stepped = step(now)
	chances := b.pace.learn()
	b.chances = &chances
	for _, p := range b.purses {
		p.age(now, b.chances, func(age int, tokens float64) { b.pace.observe(age, tokens, 0) })
	}
}
