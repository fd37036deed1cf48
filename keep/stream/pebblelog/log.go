// Package pebblelog is the embedded stream: one Pebble database of its own, in
// which the facts of a call, the keys that tell a repeat, and nothing else are
// one synced batch.
//
// Facts lie in blocks, many to a row, so that a call of thousands costs few rows
// and a replay reads long runs. Callers judge and apply their facts one after
// the other and wait for the disk together, so that one fsync answers many. What
// is not on disk yet is never read: a follower cannot save a cursor that a crash
// would take back.
//
// On the road of a receipt, this is where it is first safe.
package pebblelog

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/keep/stream"
	"endcap/retail"
)

// PartitionsMax is the largest number of partitions.
const PartitionsMax = 1_024

// Options say how to open a log. Now is required; other zero fields get defaults.
type Options struct {
	Now        retail.Clock // dates the keys that may be forgotten
	Partitions int          // of a new log, default 4; of an old one it must be 0 or fit
	FS         vfs.FS       // default the operating system's
	CacheBytes int64        // of blocks read and of facts not yet in tables, default 64 MiB
	// ReserveBytes is how much room the disk must have for Append to store
	// anything, so that a full disk refuses facts and breaks nothing; default
	// 128 MiB. Not every file system can tell.
	ReserveBytes uint64
	Log          *slog.Logger // for what the database reports; default none
}

func (o *Options) fill() error {
	if o.Now == nil {
		return errors.New("a stream needs a clock")
	}
	if o.Partitions < 0 || o.Partitions > PartitionsMax {
		return fmt.Errorf("a stream has 1 to %d partitions, not %d", PartitionsMax, o.Partitions)
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	if o.ReserveBytes == 0 {
		o.ReserveBytes = 128 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Log is an open stream.
type Log struct {
	db      *pebble.DB
	lock    *pebble.Lock
	dir     string
	opts    Options
	parts   []part
	life    sync.RWMutex // held for reading by every call that touches db, for writing by Close
	closing chan struct{}
	closed  bool
	closer  sync.Once
	broken  atomic.Pointer[error] // the first failed write; what it left in memory is unknown
	trim    sync.Mutex            // one Trim at a time
	bench   bench
}

var _ stream.Stream = (*Log)(nil)

// part is what is known of one partition in memory.
type part struct {
	mu      sync.Mutex
	trimmed uint64        // the last trimmed fact
	durable uint64        // the last fact on disk; readers see up to here
	changed chan struct{} // closed when durable grows; nil when nobody waits
}

// Open opens the log in dir, and makes it where there is none. A directory that
// is open already, here or in another process, is an error.
func Open(dir string, o Options) (*Log, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	if err := o.FS.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the stream's directory: %w", err)
	}
	lock, err := pebble.LockDirectory(dir, o.FS)
	if err != nil {
		return nil, fmt.Errorf("the stream in %s is open already, perhaps in another process: %w", dir, err)
	}
	db, err := pebble.Open(dir, pebbleOptions(&o, lock))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the stream in %s: %w", dir, err), lock.Close())
	}
	l := &Log{db: db, lock: lock, dir: dir, opts: o, closing: make(chan struct{})}
	if err := l.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the stream in %s: %w", dir, err), db.Close(), lock.Close())
	}
	return l, nil
}

// pebbleOptions let memory tables take at most half of the cache, from which the
// database takes their room: a cache without room reads a filter from disk for
// every key that is looked up.
func pebbleOptions(o *Options, lock *pebble.Lock) *pebble.Options {
	p := &pebble.Options{
		FS: o.FS, Lock: lock, CacheSize: o.CacheBytes, Cleaner: cleaner{}, Logger: logger{o.Log},
		FormatMajorVersion: pebble.FormatTableFormatV6, MaxOpenFiles: 512,
		MemTableSize: uint64(o.CacheBytes / 4), MemTableStopWritesThreshold: 2, LBaseMaxBytes: 256 << 20,
	}
	p.ApplyCompressionSettings(func() pebble.DBCompressionSettings {
		s := pebble.DBCompressionFastest
		s.Levels[0] = pebble.DBCompressionNone.Levels[0]
		return s
	})
	for i := range p.Levels {
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return p
}

// load reads or writes the layout, and finds where each partition begins and ends.
func (l *Log) load() error {
	if err := l.loadLayout(); err != nil {
		return err
	}
	l.bench.next = make([]uint64, l.opts.Partitions)
	l.bench.blocks = make([][]byte, l.opts.Partitions)
	l.bench.counts = make([]uint32, l.opts.Partitions)
	l.parts = make([]part, l.opts.Partitions)
	iter, err := l.db.NewIter(nil)
	if err != nil {
		return err
	}
	for p := range l.parts {
		trimmed, err := l.loadTrimmed(p)
		if err != nil {
			return errors.Join(err, iter.Close())
		}
		last := trimmed
		low := appendBlockKey(nil, p, 0)
		if iter.SeekLT(appendBlockKey(nil, p+1, 0)) && bytes.Compare(iter.Key(), low) > 0 {
			last = max(last, binary.BigEndian.Uint64(iter.Key()[3:]))
		} else if err := iter.Error(); err != nil { // the next seek would forget it, and the partition would pass for empty
			return errors.Join(err, iter.Close())
		}
		l.parts[p].trimmed, l.parts[p].durable, l.bench.next[p] = trimmed, last, last+1
	}
	for iter.SeekGE(generationKey(0)); iter.Valid() && iter.Key()[0] == tagDated; {
		generation := binary.BigEndian.Uint32(iter.Key()[1:])
		l.bench.generations = append(l.bench.generations, generation)
		iter.SeekGE(generationKey(generation + 1))
	}
	return errors.Join(iter.Error(), iter.Close())
}

func (l *Log) loadLayout() error {
	value, closer, err := l.db.Get(layoutKey())
	if errors.Is(err, pebble.ErrNotFound) {
		if l.opts.Partitions == 0 {
			l.opts.Partitions = 4
		}
		row := binary.BigEndian.AppendUint16([]byte{layoutVersion}, uint16(l.opts.Partitions))
		return l.db.Set(layoutKey(), row, pebble.Sync)
	}
	if err != nil {
		return err
	}
	row := bytes.Clone(value)
	if err := closer.Close(); err != nil {
		return err
	}
	if len(row) != 3 || row[0] == 0 {
		return fmt.Errorf("%w: its layout", errDamaged)
	}
	if row[0] > layoutVersion {
		return fmt.Errorf("the stream was written by a newer version of the program: it has layout %d, this one knows %d", row[0], layoutVersion)
	}
	stored := int(binary.BigEndian.Uint16(row[1:]))
	if l.opts.Partitions != 0 && l.opts.Partitions != stored {
		return fmt.Errorf("it has %d partitions, which cannot become %d", stored, l.opts.Partitions)
	}
	l.opts.Partitions = stored
	return nil
}

func (l *Log) loadTrimmed(partition int) (uint64, error) {
	value, closer, err := l.db.Get(trimmedKey(partition))
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, errors.Join(fmt.Errorf("%w: a trim mark", errDamaged), closer.Close())
	}
	return binary.BigEndian.Uint64(value), closer.Close()
}

// Close ends every waiting call, waits for the others and closes the database.
// Closing twice is fine.
func (l *Log) Close() (err error) {
	l.closer.Do(func() {
		close(l.closing)
		l.life.Lock()
		defer l.life.Unlock()
		l.closed = true
		err = errors.Join(l.db.Close(), l.lock.Close())
	})
	return err
}

// enter begins a call that touches the database; leave with l.life.RUnlock.
func (l *Log) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.life.RLock()
	if l.closed {
		l.life.RUnlock()
		return stream.ErrClosed
	}
	return nil
}

// fail remembers the first failed write. Nothing is appended after it: only
// opening again tells what is on disk.
func (l *Log) fail(err error) error {
	err = fmt.Errorf("the stream failed to write and must be opened again: %w", err)
	l.broken.CompareAndSwap(nil, &err)
	for p := range l.parts {
		l.parts[p].wake()
	}
	return err
}

func (l *Log) whole() error {
	if err := l.broken.Load(); err != nil {
		return *err
	}
	return nil
}

func (l *Log) part(partition int) (*part, error) {
	if partition < 0 || partition >= len(l.parts) {
		return nil, fmt.Errorf("%w: %d of %d", stream.ErrPartition, partition, len(l.parts))
	}
	return &l.parts[partition], nil
}

// cleaner deletes write-ahead logs that are no longer needed. The database keeps
// them for reuse unless its cleaner says that it needs their contents, as an
// archive's does, and trimmed facts would live on in their unused ends.
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
	l.to.Error("stream database", "err", fmt.Sprintf(format, args...))
}

// Fatalf implements pebble.Logger. The database calls it where it cannot go on;
// it must not return, and what is on disk stays right.
func (l logger) Fatalf(format string, args ...any) {
	l.Errorf(format, args...)
	panic("pebblelog: the database cannot go on: " + fmt.Sprintf(format, args...))
}
