package pebbleshelf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"endcap/keep/profile"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// Get implements profile.Store.
func (s *Store) Get(ctx context.Context, who shopper.ID) (profile.Profile, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	p, turn, ok := s.recent.get(who)
	if ok {
		return p, nil
	}
	p, err := s.search(ctx, who)
	if err == nil {
		s.recent.put(who, p, turn)
	}
	return p, err
}

// search reads a profile from the store.
func (s *Store) search(ctx context.Context, who shopper.ID) (profile.Profile, error) {
	iter, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{UseL6Filters: true})
	if err != nil {
		return nil, fmt.Errorf("read a profile: %w", err)
	}
	p, err := s.gather(iter, who)
	if err := errors.Join(err, iter.Close()); err != nil {
		return nil, fmt.Errorf("read a profile: %w", err)
	}
	return p, nil
}

// Passing reads as the Store does and keeps nothing at hand: for work that goes
// through everybody, which would drive out the profiles of those who visit.
type Passing struct{ *Store }

// Get is the Store's Get.
func (p Passing) Get(ctx context.Context, who shopper.ID) (profile.Profile, error) {
	if err := p.enter(ctx); err != nil {
		return nil, err
	}
	defer p.life.RUnlock()
	if kept, _, ok := p.recent.get(who); ok {
		return kept, nil
	}
	return p.search(ctx, who)
}

// gather reads all sections of a shopper into one piece of memory.
func (s *Store) gather(iter *pebble.Iterator, who shopper.ID) (profile.Profile, error) {
	var (
		key   [prefixSize]byte
		found [16]gathered
		all   = found[:0]
	)
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	values := (*buf)[:0]
	for ok := iter.SeekPrefixGE(appendPrefix(key[:0], who)); ok; ok = iter.Next() {
		section := iter.Key()[prefixSize:]
		if section[0] == counters {
			break
		}
		value, err := iter.ValueAndErr()
		if err != nil {
			return nil, err
		}
		values = append(values, value...)
		all = append(all, gathered{s.names.of(section), len(values)})
	}
	*buf = values
	if err := iter.Error(); err != nil || len(all) == 0 {
		return nil, err
	}
	hers := bytes.Clone(values)
	p := make(profile.Profile, len(all))
	from := 0
	for _, g := range all {
		p[g.section] = hers[from:g.end:g.end]
		from = g.end
	}
	return p, nil
}

// gathered is a section whose value ends at end, where the next one begins.
type gathered struct {
	section profile.Section
	end     int
}

// Sections implements profile.Store. It looks shoppers up in the order of their
// keys, so that neighbours share a block.
func (s *Store) Sections(ctx context.Context, section profile.Section, who []shopper.ID) ([][]byte, error) {
	if err := checkSection(section); err != nil {
		return nil, err
	}
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	iter, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{UseL6Filters: true})
	if err != nil {
		return nil, fmt.Errorf("read sections: %w", err)
	}
	values := make([][]byte, len(who))
	key := make([]byte, 0, prefixSize+profile.SectionNameMax)
	for _, i := range byID(who) {
		key = append(appendPrefix(key[:0], who[i]), section...)
		if !iter.SeekPrefixGE(key) || !bytes.Equal(iter.Key(), key) {
			if err := iter.Error(); err != nil { // the next look-up would forget it, and she would pass for unknown
				return nil, errors.Join(fmt.Errorf("read sections: %w", err), iter.Close())
			}
			continue
		}
		value, err := iter.ValueAndErr()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("read sections: %w", err), iter.Close())
		}
		values[i] = append(make([]byte, 0, len(value)), value...) // never nil: it is there
	}
	if err := errors.Join(iter.Error(), iter.Close()); err != nil {
		return nil, fmt.Errorf("read sections: %w", err)
	}
	return values, nil
}

func byID(who []shopper.ID) []int {
	order := make([]int, len(who))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := who[a].Reveal(), who[b].Reveal()
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		default:
			return 0
		}
	})
	return order
}

// Apply implements profile.Store.
func (s *Store) Apply(ctx context.Context, follower string, partition int, next event.Cursor, changes []profile.Change) error {
	if err := checkChanges(follower, partition, changes); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.life.RUnlock()
	s.folding.RLock()
	defer s.folding.RUnlock()
	if s.halfway[follower] {
		return fmt.Errorf("apply for %s: a Replace of it failed halfway and must be called again", follower)
	}
	c := s.cursors.of(place{follower, partition})
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.loadCursor(c, follower, partition); err != nil {
		return fmt.Errorf("read the cursor of %s: %w", follower, err)
	}
	if next <= c.at {
		return nil
	}
	if err := s.room(); err != nil {
		return err
	}
	batch := s.db.NewBatchWithSize(batchSize(changes))
	if err := errors.Join(fill(batch, changes), batch.Set(cursorKey(follower, partition), []byte(next), nil)); err != nil {
		return errors.Join(fmt.Errorf("apply for %s: %w", follower, err), batch.Close())
	}
	if err := s.commit(batch, changes); err != nil {
		return fmt.Errorf("apply for %s: %w", follower, err)
	}
	for i := range changes {
		s.recent.drop(changes[i].Shopper)
	}
	c.at = next
	return batch.Close()
}

func checkChanges(follower string, partition int, changes []profile.Change) error {
	if err := checkFollower(follower, partition); err != nil {
		return err
	}
	known := profile.Section("")
	for i := range changes {
		c := &changes[i]
		if c.Section != known {
			if err := checkSection(c.Section); err != nil {
				return err
			}
			known = c.Section
		}
		if len(c.Value) > profile.SectionMax {
			return fmt.Errorf("%w: section %s of %d bytes, at most %d", profile.ErrLimit, c.Section, len(c.Value), profile.SectionMax)
		}
	}
	return nil
}

func batchSize(changes []profile.Change) int {
	size := 128
	for i := range changes {
		size += prefixSize + len(changes[i].Section) + len(changes[i].Value) + 8
	}
	return size
}

func fill(batch *pebble.Batch, changes []profile.Change) error {
	key := make([]byte, 0, prefixSize+profile.SectionNameMax)
	for i := range changes {
		c := &changes[i]
		key = append(appendPrefix(key[:0], c.Shopper), c.Section...)
		var err error
		if c.Value == nil {
			err = batch.Delete(key, nil)
		} else {
			err = batch.Set(key, c.Value, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// commit commits what fill filled with changes.
func (s *Store) commit(batch *pebble.Batch, changes []profile.Change) error {
	for i := range changes {
		if changes[i].Value == nil {
			return s.commitDeletion(batch, pebble.NoSync)
		}
	}
	return batch.Commit(pebble.NoSync)
}

// Cursor implements profile.Store.
func (s *Store) Cursor(ctx context.Context, follower string, partition int) (event.Cursor, error) {
	if err := checkFollower(follower, partition); err != nil {
		return "", err
	}
	if err := s.enter(ctx); err != nil {
		return "", err
	}
	defer s.life.RUnlock()
	s.folding.RLock()
	defer s.folding.RUnlock()
	c := s.cursors.of(place{follower, partition})
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.loadCursor(c, follower, partition); err != nil {
		return "", fmt.Errorf("read the cursor of %s: %w", follower, err)
	}
	return c.at, nil
}

// Sync implements profile.Store. Batches reach the disk in their order, so one
// that holds nothing vouches for all before it.
func (s *Store) Sync(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.life.RUnlock()
	if err := s.db.LogData(nil, pebble.Sync); err != nil {
		return fmt.Errorf("sync profiles: %w", err)
	}
	return nil
}

func (s *Store) loadCursor(c *cursor, follower string, partition int) error {
	if c.loaded {
		return nil
	}
	value, closer, err := s.db.Get(cursorKey(follower, partition))
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		c.loaded, c.at = true, ""
		return nil
	case err != nil:
		return err
	}
	c.loaded, c.at = true, event.Cursor(value)
	return closer.Close()
}

// Replace implements profile.Store. A mark tells, should the power fail in
// between, that the rest is to be deleted when the store is opened again.
func (s *Store) Replace(ctx context.Context, follower string, sections []profile.Section) error {
	if err := checkFollower(follower, 0); err != nil {
		return err
	}
	names := make([]string, len(sections))
	for i, section := range sections {
		if err := checkSection(section); err != nil {
			return err
		}
		names[i] = string(section)
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.life.RUnlock()
	s.folding.Lock()
	defer s.folding.Unlock()
	mark := append([]byte{tagReplace}, follower...)
	if err := s.db.Set(mark, []byte(strings.Join(names, "\n")), pebble.Sync); err != nil {
		return fmt.Errorf("replace what %s wrote: %w", follower, err)
	}
	s.halfway[follower] = true
	if err := s.finishReplace(ctx, follower, names); err != nil {
		return fmt.Errorf("replace what %s wrote: %w", follower, err)
	}
	delete(s.halfway, follower)
	return nil
}

// finishReplaces does what a crash kept Replace from.
func (s *Store) finishReplaces(ctx context.Context) error {
	iter, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: []byte{tagReplace}, UpperBound: []byte{tagReplace + 1}})
	if err != nil {
		return err
	}
	left := map[string][]string{}
	for ok := iter.First(); ok; ok = iter.Next() {
		value, err := iter.ValueAndErr()
		if err != nil {
			return errors.Join(err, iter.Close())
		}
		left[string(iter.Key()[1:])] = strings.Split(string(value), "\n")
	}
	if err := errors.Join(iter.Error(), iter.Close()); err != nil {
		return err
	}
	for follower, names := range left {
		if err := s.finishReplace(ctx, follower, names); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) finishReplace(ctx context.Context, follower string, names []string) error {
	gone := map[string]bool{}
	for _, name := range names {
		gone[name] = true
	}
	err := s.deleteSections(ctx, gone)
	s.recent.clear()
	if err != nil {
		return err
	}
	batch := s.db.NewBatch()
	low := followerPrefix(tagCursor, follower)
	err = errors.Join(
		batch.DeleteRange(low, after(bytes.Clone(low)), nil),
		batch.Delete(append([]byte{tagReplace}, follower...), nil))
	if err != nil {
		return errors.Join(err, batch.Close())
	}
	if err := batch.Commit(pebble.Sync); err != nil {
		return err
	}
	s.cursors.forget()
	return batch.Close()
}

// What deleteSections does at once.
const (
	deleteBatch = 64 << 10 // bytes of a batch of deletions
	deleteCheck = 1_024    // keys between two looks at the context
)

// deleteSections deletes the named sections of every shopper.
func (s *Store) deleteSections(ctx context.Context, gone map[string]bool) error {
	if len(gone) == 0 {
		return nil
	}
	iter, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: []byte{tagShopper}, UpperBound: []byte{tagShopper + 1}})
	if err != nil {
		return err
	}
	batch := s.db.NewBatch()
	seen := 0
	for ok := iter.First(); ok && err == nil; ok = iter.Next() {
		if seen++; seen%deleteCheck == 0 {
			err = ctx.Err()
		}
		if gone[string(iter.Key()[prefixSize:])] {
			err = errors.Join(err, batch.Delete(iter.Key(), nil))
		}
		if batch.Len() >= deleteBatch {
			err = errors.Join(err, s.commitDeletion(batch, pebble.NoSync), batch.Close())
			batch = s.db.NewBatch()
		}
	}
	if !batch.Empty() {
		err = errors.Join(err, s.commitDeletion(batch, pebble.NoSync))
	}
	return errors.Join(err, iter.Error(), iter.Close(), batch.Close())
}

// Dump calls each with every section of every shopper, in the order of shopper
// and section, for a digest of the whole. Counters are left out. The value is
// the caller's only during the call.
func (s *Store) Dump(ctx context.Context, each func(who shopper.ID, section profile.Section, value []byte) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.life.RUnlock()
	iter, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: []byte{tagShopper}, UpperBound: []byte{tagShopper + 1}})
	if err != nil {
		return fmt.Errorf("dump profiles: %w", err)
	}
	for ok := iter.First(); ok; ok = iter.Next() {
		who, section := splitKey(iter.Key())
		if section[0] == counters {
			continue
		}
		value, err := iter.ValueAndErr()
		if err == nil {
			err = each(who, s.names.of(section), value)
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return errors.Join(err, iter.Close())
		}
	}
	if err := errors.Join(iter.Error(), iter.Close()); err != nil {
		return fmt.Errorf("dump profiles: %w", err)
	}
	return nil
}

// Shoppers calls each with everybody of whom the store keeps anything, counters
// too, once.
func (s *Store) Shoppers(ctx context.Context, each func(who shopper.ID) error) error {
	return s.list(ctx, shopper.FromUint64(0), each)
}

// Page lists up to limit shoppers of whom the store keeps anything, from one on, by
// ascending id.
func (s *Store) Page(ctx context.Context, from shopper.ID, limit int) ([]shopper.ID, error) {
	out := make([]shopper.ID, 0, limit)
	err := s.list(ctx, from, func(who shopper.ID) error {
		if out = append(out, who); len(out) == limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return out, err
}

// errEnough ends a list.
var errEnough = errors.New("enough")

// list calls each with the shoppers from one on, in order, until it returns an error.
func (s *Store) list(ctx context.Context, from shopper.ID, each func(who shopper.ID) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.life.RUnlock()
	iter, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: appendPrefix(nil, from), UpperBound: []byte{tagShopper + 1}})
	if err != nil {
		return fmt.Errorf("list shoppers: %w", err)
	}
	for ok := iter.First(); ok; {
		who, _ := splitKey(iter.Key())
		if err := errors.Join(each(who), ctx.Err()); err != nil {
			return errors.Join(err, iter.Close())
		}
		next := appendPrefix(nil, who)
		if who.Reveal() == math.MaxUint64 {
			break
		}
		ok = iter.SeekGE(after(next))
	}
	if err := errors.Join(iter.Error(), iter.Close()); err != nil {
		return fmt.Errorf("list shoppers: %w", err)
	}
	return nil
}
