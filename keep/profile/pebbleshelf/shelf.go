// Package pebbleshelf is the embedded profile store: one Pebble database in
// which all sections of a shopper lie side by side, her counters behind them, so
// that one short scan reads her whole profile.
//
// Nothing here is waited for on disk but Forget and Replace: what a crash takes
// away, sections and cursors alike, the stream brings again. Batches reach the
// disk in their order, so values and cursors are never from different moments.
//
// On the road of a receipt, followers fill the shelf and sell/decide reads it.
package pebbleshelf

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/keep/profile"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// The keys. All numbers are big-endian.
//
//	s | shopper (8) | section               → the section's value
//	s | shopper (8) | 0xff                  → her counters
//	c | follower | 0 | partition (4)        → the follower's cursor
//	r | follower                            → the sections a Replace has yet to delete
//	g                                       → nothing; there while nothing deleted lies in files
const (
	tagShopper = 's'
	tagCursor  = 'c'
	tagReplace = 'r'
	tagClean   = 'g'

	prefixSize = 1 + 8
	counters   = 0xff
)

// Options say how to open a store; the zero value is fine.
type Options struct {
	FS         vfs.FS // default the operating system's
	CacheBytes int64  // of blocks read and of changes not yet in tables, default 96 MiB
	// RecentBytes bounds the profiles that are kept at hand whole, default 64 MiB:
	// a visit is several pages.
	RecentBytes int64
	// ReserveBytes is how much room the disk must have for Apply and Bump to
	// write anything, so that a full disk refuses and breaks nothing; default
	// 64 MiB. Not every file system can tell.
	ReserveBytes uint64
	Log          *slog.Logger // for what the database reports; default none
}

func (o *Options) fill() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 96 << 20
	}
	if o.RecentBytes == 0 {
		o.RecentBytes = 64 << 20
	}
	if o.ReserveBytes == 0 {
		o.ReserveBytes = 64 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Store is an open profile store.
type Store struct {
	db       *pebble.DB
	lock     *pebble.Lock
	dir      string
	opts     Options
	life     sync.RWMutex // held for reading by every call, for writing by Close
	closed   bool
	closer   sync.Once
	folding  sync.RWMutex    // held for reading by Apply, for writing by Replace
	halfway  map[string]bool // followers whose Replace failed, under folding
	cursors  cursors
	counting [256]tallies // by the last byte of the shopper's ID

	deleting  sync.Mutex
	deletions uint64 // batches since Open that deleted of shoppers; guarded by deleting

	recent  recent
	names   names
	roomy   atomic.Bool // the disk had room within roomLife
	buffers sync.Pool   // of *[]byte, for Get
	closing chan struct{}
	jobs    sync.WaitGroup
}

var _ profile.Store = (*Store)(nil)

// Open opens the store in dir, and makes it where there is none. A directory
// that is open already, here or in another process, is an error.
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	o.fill()
	if err := o.FS.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the profile store's directory: %w", err)
	}
	lock, err := pebble.LockDirectory(dir, o.FS)
	if err != nil {
		return nil, fmt.Errorf("the profile store in %s is open already, perhaps in another process: %w", dir, err)
	}
	db, err := pebble.Open(dir, pebbleOptions(&o, lock))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the profile store in %s: %w", dir, err), lock.Close())
	}
	s := &Store{db: db, lock: lock, dir: dir, opts: o, halfway: map[string]bool{}, closing: make(chan struct{})}
	if err := s.finishReplaces(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the profile store in %s: %w", dir, err), db.Close(), lock.Close())
	}
	s.recent.most = o.RecentBytes
	s.buffers.New = func() any { return new([]byte) }
	s.jobs.Go(s.forgetRoom)
	return s, nil
}

// How large things may be, in bytes. A load writes each shopper again for each of
// her receipts, so what is written over and over is merged in memory where there is
// room, and in few large files: with tables of 64 MiB and files of 2 MiB merging took
// twice the processor time (docs/decisions/pebble.md).
const (
	memTableMost = 256 << 20 // of changes in memory, which a crash has read again from the log
	fileLeast    = 16 << 20
	baseMost     = 512 << 20 // of the first level below the newest files
)

// pebbleOptions let memory tables take at most half of the cache, from which the
// database takes their room.
func pebbleOptions(o *Options, lock *pebble.Lock) *pebble.Options {
	p := &pebble.Options{
		FS: o.FS, Lock: lock, CacheSize: o.CacheBytes, Cleaner: cleaner{}, Logger: logger{o.Log}, Comparer: comparer(),
		FormatMajorVersion: pebble.FormatTableFormatV6, MaxOpenFiles: 512,
		MemTableSize: uint64(min(o.CacheBytes/4, memTableMost)), MemTableStopWritesThreshold: 2, LBaseMaxBytes: baseMost,
	}
	p.Experimental.SpanPolicyFunc = func([]byte) (pebble.SpanPolicy, []byte, error) {
		// Sections are not versions of one another: all are read, so all stay in place.
		return pebble.SpanPolicy{DisableValueSeparationBySuffix: true}, nil, nil
	}
	p.TargetFileSizes[0] = fileLeast // those of deeper levels follow
	for i := range p.Levels {
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		p.Levels[i].BlockSize = 8 << 10 // a read wants one shopper, not her neighbours
	}
	return p
}

// comparer orders keys by their bytes and calls tag and shopper their prefix, so
// that the filters answer for a shopper as a whole.
func comparer() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = "endcap.pebbleshelf.1"
	c.Split = func(key []byte) int { return min(len(key), prefixSize) }
	c.ImmediateSuccessor = func(dst, prefix []byte) []byte {
		if len(prefix) < prefixSize {
			return append(append(dst, prefix...), 0)
		}
		return append(dst, after(bytes.Clone(prefix))...)
	}
	return &c
}

// Close waits for running calls, writes what is in memory to disk and closes the
// database. Closing twice is fine.
func (s *Store) Close() (err error) {
	s.closer.Do(func() {
		s.life.Lock()
		defer s.life.Unlock()
		s.closed = true
		close(s.closing)
		s.jobs.Wait()
		err = errors.Join(s.db.Flush(), s.db.Close(), s.lock.Close())
	})
	return err
}

// enter begins a call; leave with s.life.RUnlock.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.life.RLock()
	if s.closed {
		s.life.RUnlock()
		return profile.ErrClosed
	}
	return nil
}

// roomLife is how long it is trusted that the disk had room; asking costs more
// than a Bump, and ReserveBytes is much more than is written meanwhile.
const roomLife = time.Second

// forgetRoom makes room ask again every roomLife, until the store is closed.
func (s *Store) forgetRoom() {
	tick := time.NewTicker(roomLife)
	defer tick.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-tick.C:
			s.roomy.Store(false)
		}
	}
}

// room refuses to write while the disk is almost full.
func (s *Store) room() error {
	if s.roomy.Load() {
		return nil
	}
	usage, err := s.opts.FS.GetDiskUsage(s.dir)
	told := err == nil // a file system that cannot tell is not full
	if !told || usage.AvailBytes >= s.opts.ReserveBytes {
		s.roomy.Store(true)
		return nil
	}
	return &retail.Error{
		Kind: retail.Unavailable, Say: "the disk is almost full; nothing was stored",
		Cure: "make room on the disk of the data directory and try again",
		Err:  fmt.Errorf("%d bytes left for profiles, %d are kept free", usage.AvailBytes, s.opts.ReserveBytes),
	}
}

// appendPrefix appends the prefix of a shopper's keys.
func appendPrefix(b []byte, who shopper.ID) []byte {
	return binary.BigEndian.AppendUint64(append(b, tagShopper), who.Reveal())
}

// after is the first key behind all that begin with prefix, in prefix's memory.
func after(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i]++; prefix[i] != 0 {
			return prefix
		}
	}
	panic("pebbleshelf: bug: no key lies behind every key")
}

func followerPrefix(tag byte, follower string) []byte {
	return append(append([]byte{tag}, follower...), 0)
}

func cursorKey(follower string, partition int) []byte {
	return binary.BigEndian.AppendUint32(followerPrefix(tagCursor, follower), uint32(partition))
}

// checkSection refuses names that the port does not allow.
func checkSection(s profile.Section) error {
	if s == "" || len(s) > profile.SectionNameMax {
		return fmt.Errorf("%w: a section's name has 1 to %d bytes", profile.ErrLimit, profile.SectionNameMax)
	}
	for i := range len(s) {
		if c := s[i]; c != '_' && (c < 'a' || c > 'z') {
			return fmt.Errorf("%w: section %.40q, of [a-z_] only", profile.ErrLimit, string(s))
		}
	}
	return nil
}

func checkFollower(follower string, partition int) error {
	if follower == "" || len(follower) > profile.FollowerNameMax || bytes.IndexByte([]byte(follower), 0) >= 0 {
		return fmt.Errorf("%w: a follower's name has 1 to %d bytes and no zero", profile.ErrLimit, profile.FollowerNameMax)
	}
	if partition < 0 || partition > 1<<16 {
		return fmt.Errorf("%w: partition %d", profile.ErrLimit, partition)
	}
	return nil
}

// names keeps one string of each section's name, so that a read makes none.
type names struct {
	mu  sync.RWMutex
	all map[string]profile.Section
}

func (n *names) of(b []byte) profile.Section {
	n.mu.RLock()
	name, ok := n.all[string(b)]
	n.mu.RUnlock()
	if ok {
		return name
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all == nil {
		n.all = map[string]profile.Section{}
	}
	name = profile.Section(b)
	if len(n.all) < 1_024 {
		n.all[string(name)] = name
	}
	return name
}

// cursors holds the followers' cursors and lets one Apply at a time pass for
// each follower and partition.
type cursors struct {
	mu  sync.Mutex
	all map[place]*cursor
}

type place struct {
	follower  string
	partition int
}

type cursor struct {
	mu     sync.Mutex
	loaded bool
	at     event.Cursor
}

func (c *cursors) of(p place) *cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[place]*cursor{}
	}
	if c.all[p] == nil {
		c.all[p] = &cursor{}
	}
	return c.all[p]
}

// forget makes every cursor be read from the database again.
func (c *cursors) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.all)
}

// cleaner deletes write-ahead logs that are no longer needed. The database keeps
// them for reuse unless its cleaner says that it needs their contents, as an
// archive's does, and forgotten shoppers would live on in their unused ends.
type (
	cleaner struct {
		pebble.DeleteCleaner
		unused
	}
	unused struct{ pebble.ArchiveCleaner }
)

// logger passes on what the database reports and drops its chatter.
type logger struct{ to *slog.Logger }

// Infof implements pebble.Logger.
func (logger) Infof(string, ...any) {}

// Errorf implements pebble.Logger.
func (l logger) Errorf(format string, args ...any) {
	l.to.Error("profile database", "err", fmt.Sprintf(format, args...))
}

// Fatalf implements pebble.Logger. The database calls it where it cannot go on;
// it must not return, and what is on disk stays right.
func (l logger) Fatalf(format string, args ...any) {
	l.Errorf(format, args...)
	panic("pebbleshelf: the database cannot go on: " + fmt.Sprintf(format, args...))
}
