// Package house plays a small house on a disk that fails: receipts, consents,
// visits and clicks come in at know/ingest's desk, billing charges, the outbox
// is relayed, followers fold profiles, artefacts are stored, days are sealed,
// all on the embedded stores as the program opens them. After every power cut it
// opens the house again and holds it against a plain model of what was promised:
// see check.go.
//
// It is beside the road of a receipt and walks it in the dark.
package house

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"endcap/bench/faults/disk"
	"endcap/keep/files/dirfiles"
	"endcap/keep/ledger"
	"endcap/keep/profile"
	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/sql/sqlite"
	"endcap/keep/stream"
	"endcap/keep/stream/pebblelog"
	"endcap/keep/warehouse"
	"endcap/keep/warehouse/duck"
	"endcap/know/assortment"
	"endcap/know/audience"
	"endcap/know/history"
	"endcap/know/identity"
	"endcap/know/ingest"
	"endcap/know/recommend"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/event"
	"endcap/sell/billing"
)

// Sabotage is what the test of the test breaks. None of it is in the product:
// each is a wrapper around a store of this package.
type Sabotage struct {
	Unsynced     []disk.Store // stores that never sync
	CheckThenAct bool         // limits are looked at before the deed and not in it
	CursorFirst  bool         // a follower's cursor is saved before what it folded
}

// house is the stores and the wings on them.
type house struct {
	disk      *disk.Disk
	book      *sqlite.Book
	vault     *sqlite.Vault
	log       *pebblelog.Log
	shelf     *pebbleshelf.Store
	files     *dirfiles.Dir
	history   *duck.Warehouse // nil in most seeds: it is derived, and slow to open
	ledger    ledger.Ledger   // book, or a sabotaged one
	whole     stream.Stream   // log, with what was trimmed from it
	people    *identity.Identity
	desk      *ingest.Desk
	relay     *ingest.Relay
	turner    *ingest.Turner
	goods     *assortment.Shelf
	followers []stream.Follower // of profiles; their cursors lie in shelf
	shut      []func() error
}

// plan is how a house is opened.
type plan struct {
	now      retail.Clock
	chance   *rand.ChaCha8 // draws the ids of shoppers
	history  bool
	sabotage Sabotage
}

const (
	partitions = 3
	currency   = "EUR"
	// The caches are small, so that memory tables are written to disk within a seed.
	cacheBytes = 128 << 10
)

// open opens every store in the order of the program, then the wings. On error
// nothing stays open.
func open(ctx context.Context, d *disk.Disk, p plan) (h *house, err error) {
	h = &house{disk: d}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
			h = nil
		}
	}()
	if h.book, err = sqlite.OpenBook(ctx, sqlite.Options{Path: d.Path("book.db"), Readers: 1, VFS: d.SQLite()}); err != nil {
		return h, err
	}
	h.shut = append(h.shut, h.book.Close)
	if h.vault, err = sqlite.OpenVault(ctx, sqlite.Options{Path: d.Path("vault.db"), Readers: 1, VFS: d.SQLite()}); err != nil {
		return h, err
	}
	h.shut = append(h.shut, h.vault.Close)
	h.log, err = pebblelog.Open(disk.Root+"/stream", pebblelog.Options{Now: p.now, Partitions: partitions, FS: d.FS(), CacheBytes: cacheBytes})
	if err != nil {
		return h, err
	}
	h.shut = append(h.shut, h.log.Close)
	if h.shelf, err = pebbleshelf.Open(ctx, disk.Root+"/profiles", pebbleshelf.Options{FS: d.FS(), CacheBytes: cacheBytes, RecentBytes: 64 << 10}); err != nil {
		return h, err
	}
	h.shut = append(h.shut, h.shelf.Close)
	h.whole = h.log
	if p.history {
		err := d.Quiet(func() (err error) {
			h.history, err = duck.Open(ctx, d.Path("history"), duck.Options{MemoryMB: 128, Threads: 1, Disk: d.Real()})
			return err
		})
		if err != nil {
			return h, err
		}
		h.shut = append(h.shut, func() error { return d.Quiet(h.history.Close) })
		h.whole = history.NewWhole(h.log, h.history)
	}
	if h.files, err = dirfiles.Open(disk.Root+"/files", d.FS()); err != nil {
		return h, err
	}
	return h, h.wire(ctx, p)
}

// wire opens the wings above the stores.
func (h *house) wire(ctx context.Context, p plan) (err error) {
	h.ledger = h.book
	if p.sabotage.CheckThenAct {
		h.ledger = checkThenAct{h.book}
	}
	var profiles profile.Store = h.shelf
	if p.sabotage.CursorFirst {
		profiles = cursorFirst{h.shelf}
	}
	h.goods = assortment.New()
	if err := stream.CatchUp(ctx, h.whole, h.goods.Follower()); err != nil {
		return fmt.Errorf("read the assortment: %w", err)
	}
	if h.people, err = identity.New(h.vault, identity.Random(p.chance), identity.Defaults(p.now)); err != nil {
		return err
	}
	ports := ingest.Ports{Log: h.log, People: h.people, Quarantine: h.vault, Assortment: h.goods, Past: noPast{}, Clock: p.now}
	if h.history != nil {
		ports.Past = history.NewPast(h.history)
	}
	if h.desk, err = ingest.NewDesk(ports, ingest.Defaults(time.UTC, currency)); err != nil {
		return err
	}
	h.relay = ingest.NewRelay(ingest.RelayPorts{Outbox: h.ledger, Log: h.log, Quarantine: h.vault, Clock: p.now})
	h.turner = ingest.NewTurner(ingest.TurnerPorts{Leases: h.book, Log: h.log, Clock: p.now, Zone: time.UTC, Holder: "house"})
	biller, err := billing.New(billing.Config{Ledger: h.ledger, Profiles: profiles, Stream: h.log, Now: p.now})
	if err != nil {
		return err
	}
	h.followers = followers(profiles, biller.Follower())
	return nil
}

// followers are those who fold profiles.
func followers(store profile.Store, billing stream.Follower) []stream.Follower {
	return []stream.Follower{identity.Follower(store), audience.Follower(store), recommend.Follower(store), billing}
}

// close closes what is open, last opened first.
func (h *house) close() error {
	var errs []error
	for len(h.shut) > 0 {
		last := len(h.shut) - 1
		errs = append(errs, h.shut[last]())
		h.shut = h.shut[:last]
	}
	return errors.Join(errs...)
}

// follow folds everything there is, or with one only that follower.
func (h *house) follow(ctx context.Context, one int) error {
	var all []stream.Follower
	if h.history != nil {
		all = append(all, history.Follower(quiet{h.history, h.disk}, 0))
	}
	all = append(all, h.followers...)
	for i, f := range all {
		if one >= 0 && i != one%len(all) {
			continue
		}
		if err := stream.CatchUp(ctx, h.whole, f); err != nil {
			return err
		}
	}
	return nil
}

// passed says up to where every follower of a partition has saved what it read,
// on disk.
func (h *house) passed(ctx context.Context, partition int) (event.Cursor, error) {
	least, first := event.Cursor(""), true
	for _, f := range h.followers {
		at, err := f.Cursor(ctx, partition)
		if err != nil {
			return "", err
		}
		if first || at < least {
			least, first = at, false
		}
	}
	return least, h.shelf.Sync(ctx)
}

// quiet is a warehouse whose own writing no power cut interrupts: see
// disk.Quiet.
type quiet struct {
	*duck.Warehouse
	disk *disk.Disk
}

// Append implements warehouse.Writer.
func (q quiet) Append(ctx context.Context, folds []warehouse.Fold) error {
	return q.disk.Quiet(func() error { return q.Warehouse.Append(ctx, folds) })
}

// Seal implements history.Sealer.
func (q quiet) Seal(ctx context.Context, before retail.Day) (days []retail.Day, err error) {
	err = q.disk.Quiet(func() (err error) {
		days, err = q.Warehouse.Seal(ctx, before)
		return err
	})
	return days, err
}

// Expire implements history.Sealer.
func (q quiet) Expire(ctx context.Context, before retail.Day) error {
	return q.disk.Quiet(func() error { return q.Warehouse.Expire(ctx, before) })
}

// noPast is the history of a house that has none: nothing is ever trimmed.
type noPast struct{}

// Holders implements ingest.Past.
func (noPast) Holders(context.Context, []basket.ReceiptID) ([]event.Fact, error) { return nil, nil }
