package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"endcap/gate/cli"
	"endcap/keep/files/dirfiles"
	"endcap/keep/ledger"
	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/sql/sqlite"
	"endcap/keep/stream/pebblelog"
	"endcap/keep/vault"
	"endcap/keep/warehouse/duck"
	"endcap/know/history"
	"endcap/know/identity"
	"endcap/know/secret"
	"endcap/retail"
	"endcap/retail/consent/policy"
)

// stores are the house's embedded stores, each in its own place under the data
// directory.
type stores struct {
	dir      string
	set      settings
	consents policy.Policy
	zone     *time.Location
	lock     *os.File
	now      retail.Clock
	replay   *retail.ReplayClock // nil on the wall clock
	log      *slog.Logger
	metrics  *prometheus.Registry
	book     *sqlite.Book
	vault    *sqlite.Vault
	stream   *pebblelog.Log
	shelf    *pebbleshelf.Store
	history  *duck.Warehouse
	files    *dirfiles.Dir
	whole    *history.Whole
	secrets  *secret.Keeper
	newID    vault.Mint
	shop     bool // visitors are served; a house that is open for one command proposes nothing to anybody
	closings []func() error
	sealing  sync.Mutex // held while history takes facts over from the stream, and while a backup notes both
}

// openStores takes the directory and opens every store in it. On error nothing
// stays open.
func openStores(ctx context.Context, dir string, o ownerOptions) (_ *stores, err error) {
	set, err := readSettings(dir)
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(set.Zone)
	if err != nil {
		return nil, fmt.Errorf("zone: %w", err)
	}
	lock, err := o.Lock, error(nil)
	if lock == nil {
		lock, err = lockDir(dir)
	}
	if err == nil {
		err = os.RemoveAll(filepath.Join(dir, snapshotDir)) // of a backup that was killed
	}
	if err != nil {
		return nil, err
	}
	s := &stores{dir: dir, set: set, zone: zone, lock: lock, shop: o.Listen != "", log: o.Log, metrics: prometheus.NewRegistry(), closings: []func() error{lock.Close}}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeStores(s))
		}
	}()
	if err := openClock(s, o.Clock); err != nil {
		return nil, err
	}
	if err := openBooks(ctx, s); err != nil {
		return nil, err
	}
	if err := openFacts(ctx, s, &o); err != nil {
		return nil, err
	}
	if err := leapClock(ctx, s); err != nil {
		return nil, fmt.Errorf("set clock: %w", err)
	}
	return s, openSecrets(ctx, s)
}

// closeStores closes what is open, last opened first.
func closeStores(s *stores) error {
	var errs []error
	for _, shut := range slices.Backward(s.closings) {
		errs = append(errs, shut())
	}
	s.closings = nil
	return errors.Join(errs...)
}

func opened(s *stores, shut func() error) { s.closings = append(s.closings, shut) }

// openBooks reads the consent policy, and opens the stores of money, terms and
// people.
func openBooks(ctx context.Context, s *stores) (err error) {
	if s.consents, err = readPolicy(s.dir); err != nil {
		return err
	}
	if s.book, err = sqlite.OpenBook(ctx, sqlite.Options{Path: filepath.Join(s.dir, "book.db"), Zone: s.zone}); err != nil {
		return fmt.Errorf("open book: %w", err)
	}
	opened(s, s.book.Close)
	if s.vault, err = sqlite.OpenVault(ctx, sqlite.Options{Path: filepath.Join(s.dir, "vault.db")}); err != nil {
		return fmt.Errorf("open vault: %w", err)
	}
	opened(s, s.vault.Close)
	return nil
}

// openFacts opens the stores of facts and of what is folded from them.
func openFacts(ctx context.Context, s *stores, o *ownerOptions) (err error) {
	if s.stream, err = pebblelog.Open(filepath.Join(s.dir, "stream"), pebblelog.Options{Now: s.now, Log: s.log}); err != nil {
		return fmt.Errorf("open stream: %w", err)
	}
	opened(s, s.stream.Close)
	if s.shelf, err = pebbleshelf.Open(ctx, filepath.Join(s.dir, "profiles"), pebbleshelf.Options{CacheBytes: int64(o.Profiles) << 20, Log: s.log}); err != nil {
		return fmt.Errorf("open profiles: %w", err)
	}
	opened(s, s.shelf.Close)
	past := duck.Defaults()
	past.MemoryMB = cmp.Or(o.History, past.MemoryMB)
	if s.history, err = duck.Open(ctx, filepath.Join(s.dir, "history"), past); err != nil {
		return fmt.Errorf("open history: %w", err)
	}
	opened(s, s.history.Close)
	if s.files, err = dirfiles.Open(filepath.Join(s.dir, "files"), nil); err != nil {
		return fmt.Errorf("open files: %w", err)
	}
	s.whole = history.NewWhole(s.stream, s.history)
	return nil
}

// openSecrets reads, or makes, the secrets of the house, and chooses
// how ids are drawn: by chance, or on a demo from its seed so that arms are the
// same in every run.
func openSecrets(ctx context.Context, s *stores) (err error) {
	s.secrets, err = secret.Open(ctx, secret.Config{Rings: s.vault, Now: s.now, Wall: wall, Chance: rand.Reader, Audit: func(ctx context.Context, e secret.Entry) error {
		return ledger.Note(ctx, s.book, ledger.Noted{Kind: secret.EntryKind, By: e.By, At: e.At, Entry: e})
	}})
	if err != nil {
		return fmt.Errorf("open the secrets: %w", err)
	}
	s.newID = identity.Random(rand.Reader)
	if s.set.Seed != "" {
		s.newID = identity.Seeded(sha256.Sum256([]byte(s.set.Seed)))
	}
	return nil
}

// openClock starts the one clock of the house. A house that replays the past
// lives there under every command: on the wall's clock its facts would be years
// old, its flights over and its business days turned out of order.
func openClock(s *stores, mode string) error {
	replays := s.set.ClockStart != nil
	switch {
	case mode == "replay" && !s.set.Demo:
		return cli.Misused(fmt.Errorf("--clock replay is for data directories made with `endcap init --demo`; %s is not one", s.dir))
	case mode == "wall" && replays:
		return cli.Misused(fmt.Errorf("%s replays the past from %s on: serve it with --clock replay", s.dir, s.set.ClockStart.Format(time.RFC3339)))
	case mode != "replay" && !replays:
		s.now = func() time.Time { return time.Now().UTC() }
		return nil
	}
	at, err := readClock(s)
	if err != nil {
		return err
	}
	s.replay = retail.NewReplayClock(at)
	s.now = s.replay.Now
	opened(s, func() error { return writeClock(s.dir, s.replay.Now()) })
	return nil
}

// readClock is where the replay clock stood when the house was last closed.
func readClock(s *stores) (time.Time, error) {
	b, err := os.ReadFile(filepath.Join(s.dir, clockFile))
	if errors.Is(err, os.ErrNotExist) && s.set.ClockStart != nil {
		return *s.set.ClockStart, nil
	} else if err != nil {
		return time.Time{}, fmt.Errorf("read clock: %w (a replay needs clock_start in %s)", err, settingsFile)
	}
	at, err := time.Parse(time.RFC3339Nano, string(b))
	switch {
	case err == nil:
		return at, nil
	case s.set.ClockStart != nil: // written halfway; leapClock puts it right
		return *s.set.ClockStart, nil
	default:
		return time.Time{}, fmt.Errorf("read clock: %w", err)
	}
}

// writeClock replaces the file in one step that a kill cannot halve.
func writeClock(dir string, at time.Time) error {
	if err := replaceFile(filepath.Join(dir, clockFile), []byte(at.Format(time.RFC3339Nano))); err != nil {
		return fmt.Errorf("write clock: %w", err)
	}
	return nil
}

// leapClock moves a replay clock that was killed before it was written on to
// the newest fact: facts do not arrive in the future.
func leapClock(ctx context.Context, s *stores) error {
	if s.replay == nil {
		return nil
	}
	newest, err := history.Newest(ctx, s.stream, s.history)
	if err != nil {
		return err
	}
	if !newest.After(s.replay.Now()) {
		return nil
	}
	return s.replay.Advance(newest)
}
