package pebbleshelf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"endcap/keep/profile"
	"endcap/retail/shopper"
)

// errDamaged is returned for bytes in the store that this package did not write.
var errDamaged = errors.New("the profile store is damaged")

// splitKey takes a shopper's key apart.
func splitKey(key []byte) (shopper.ID, []byte) {
	return shopper.FromUint64(binary.BigEndian.Uint64(key[1:])), key[prefixSize:]
}

func appendCountersKey(b []byte, who shopper.ID) []byte {
	return append(appendPrefix(b, who), counters)
}

// count is one counter as stored: until in microseconds since 1970.
type count struct {
	key   string
	n     uint64
	until int64
}

// A shopper's counters are one value: for each its end (varint), its count, the
// length of its key (uvarints) and its key.
func appendCounts(b []byte, all []count) []byte {
	for _, c := range all {
		b = binary.AppendVarint(b, c.until)
		b = binary.AppendUvarint(b, c.n)
		b = binary.AppendUvarint(b, uint64(len(c.key)))
		b = append(b, c.key...)
	}
	return b
}

// readCounts reads counters. Their keys share one string.
func readCounts(b string) ([]count, error) {
	var all []count
	for len(b) > 0 {
		until, n := binary.Varint([]byte(b[:min(len(b), binary.MaxVarintLen64)]))
		b = b[max(n, 0):]
		value, m := binary.Uvarint([]byte(b[:min(len(b), binary.MaxVarintLen64)]))
		b = b[max(m, 0):]
		size, k := binary.Uvarint([]byte(b[:min(len(b), binary.MaxVarintLen64)]))
		if b = b[max(k, 0):]; n <= 0 || m <= 0 || k <= 0 || size > uint64(len(b)) {
			return nil, fmt.Errorf("%w: a shopper's counters", errDamaged)
		}
		all = append(all, count{b[:size], value, until})
		b = b[size:]
	}
	return all, nil
}

// Bump implements profile.Counting. Counters that have ended go with the next
// Bump of their shopper.
func (s *Store) Bump(ctx context.Context, who shopper.ID, now time.Time, wanted []profile.Counter) ([]bool, error) {
	for i := range wanted {
		if n := len(wanted[i].Key); n == 0 || n > profile.CounterKeyMax {
			return nil, fmt.Errorf("%w: a counter's key has 1 to %d bytes", profile.ErrLimit, profile.CounterKeyMax)
		}
	}
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	if err := s.room(); err != nil {
		return nil, err
	}
	t := s.talliesOf(who)
	t.mu.Lock()
	defer t.mu.Unlock()
	all, err := s.loadCounts(t, who)
	if err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	delete(t.recent, who) // until what changes is written
	all = slices.DeleteFunc(all, func(c count) bool { return c.until < now.UnixMicro() })
	counted := make([]bool, len(wanted))
	changed := false
	for i := range wanted {
		all, counted[i] = bump(all, &wanted[i], now)
		changed = changed || counted[i]
	}
	if !changed {
		return counted, nil
	}
	var key [prefixSize + 1]byte
	t.buf = appendCounts(t.buf[:0], all)
	if err := s.db.Set(appendCountersKey(key[:0], who), t.buf, pebble.NoSync); err != nil {
		return nil, fmt.Errorf("write counters: %w", err)
	}
	t.keep(who, all)
	return counted, nil
}

func bump(all []count, c *profile.Counter, now time.Time) ([]count, bool) {
	if c.Until.Before(now) {
		return all, true // counted, and gone already
	}
	for i := range all {
		if all[i].key != c.Key {
			continue
		}
		if c.Back {
			if all[i].n--; all[i].n == 0 {
				all = slices.Delete(all, i, i+1)
			}
			return all, true
		}
		if c.Max > 0 && all[i].n >= uint64(c.Max) {
			return all, false
		}
		all[i].n++
		all[i].until = c.Until.UnixMicro()
		return all, true
	}
	if c.Back {
		return all, true
	}
	if len(all) >= profile.CountersMax {
		return all, false
	}
	return append(all, count{c.Key, 1, c.Until.UnixMicro()}), true
}

// Counts implements profile.Counting.
func (s *Store) Counts(ctx context.Context, who shopper.ID, now time.Time) (map[string]int, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	t := s.talliesOf(who)
	t.mu.Lock()
	defer t.mu.Unlock()
	all, err := s.loadCounts(t, who)
	if err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	counts := make(map[string]int, len(all))
	for _, c := range all {
		if c.until >= now.UnixMicro() {
			counts[c.key] = int(c.n)
		}
	}
	return counts, nil
}

// loadCounts gives her counters, also those that ended; t is locked.
func (s *Store) loadCounts(t *tallies, who shopper.ID) ([]count, error) {
	if all, ok := t.recent[who]; ok {
		return all, nil
	}
	var key [prefixSize + 1]byte
	value, closer, err := s.db.Get(appendCountersKey(key[:0], who))
	if errors.Is(err, pebble.ErrNotFound) {
		t.keep(who, nil)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := readCounts(string(value))
	if err := errors.Join(err, closer.Close()); err != nil {
		return nil, err
	}
	t.keep(who, all)
	return all, nil
}

// tallies are the counters of some of the shoppers: one call at a time, and the
// last of them at hand as they are stored.
type tallies struct {
	mu     sync.Mutex
	recent map[shopper.ID][]count
	buf    []byte
}

// What tallies keep at hand.
const (
	talliesRecent = 64  // shoppers
	talliesLong   = 256 // counters of one
)

func (t *tallies) keep(who shopper.ID, all []count) {
	if len(all) > talliesLong {
		delete(t.recent, who)
		return
	}
	if t.recent == nil {
		t.recent = make(map[shopper.ID][]count)
	}
	if _, ok := t.recent[who]; !ok && len(t.recent) >= talliesRecent {
		clear(t.recent)
	}
	t.recent[who] = all
}

func (s *Store) talliesOf(who shopper.ID) *tallies { return &s.counting[byte(who.Reveal())] }

// Forget implements profile.Counting. It is on disk when it returns.
func (s *Store) Forget(ctx context.Context, who shopper.ID) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.life.RUnlock()
	t := s.talliesOf(who)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.recent, who)
	err := s.deleteAll(who)
	s.recent.drop(who)
	if err != nil {
		return fmt.Errorf("forget a shopper: %w", err)
	}
	return nil
}

// deleteAll deletes all keys of a shopper.
func (s *Store) deleteAll(who shopper.ID) (err error) {
	batch := s.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	if err := batch.DeleteRange(appendPrefix(nil, who), after(appendPrefix(nil, who)), nil); err != nil {
		return err
	}
	return s.commitDeletion(batch, pebble.Sync)
}

// commitDeletion commits a batch that deletes what was kept of shoppers, and
// takes back that nothing deleted lies in files. Every deletion must come this
// way, not that of Forget alone: a follower that lags writes of a forgotten
// shopper after Forget and Compact, and deletes it when it comes to the fact that
// forgets her.
//
// A value set over another needs no such word. The older one lies under the key
// of the newer, so the deletion of the newer has Compact rewrite both; and while
// nobody deletes the newer, what is kept of its shopper is not to be gone.
func (s *Store) commitDeletion(batch *pebble.Batch, o *pebble.WriteOptions) error {
	if err := batch.Delete([]byte{tagClean}, nil); err != nil {
		return err
	}
	s.deleting.Lock()
	defer s.deleting.Unlock()
	s.deletions++
	return batch.Commit(o)
}

// Compact implements profile.Counting. It rewrites every file over which a
// deletion lies; readers and writers go on meanwhile. Where nothing was deleted
// since the last time it does nothing.
func (s *Store) Compact(ctx context.Context) (err error) {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.life.RUnlock()
	defer func() {
		if err != nil {
			err = fmt.Errorf("compact profiles: %w", err)
		}
	}()
	s.deleting.Lock()
	before := s.deletions
	s.deleting.Unlock()
	_, closer, err := s.db.Get([]byte{tagClean})
	if err == nil {
		return closer.Close()
	}
	if !errors.Is(err, pebble.ErrNotFound) {
		return err
	}
	if err := s.db.Flush(); err != nil {
		return err
	}
	if err := s.db.Compact(ctx, []byte{tagShopper}, []byte{tagShopper + 1}, true); err != nil {
		return err
	}
	s.deleting.Lock()
	defer s.deleting.Unlock()
	if s.deletions != before { // the next Compact is theirs
		return nil
	}
	return s.db.Set([]byte{tagClean}, nil, pebble.Sync)
}
