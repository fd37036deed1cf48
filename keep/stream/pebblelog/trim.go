package pebblelog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"endcap/keep/stream"
	"endcap/retail/event"
)

// Trim implements stream.Stream. What it forgets is gone from the disk when it
// returns, also the dated keys whose days have passed.
func (l *Log) Trim(ctx context.Context, partition int, upto event.Cursor) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.life.RUnlock()
	p, err := l.part(partition)
	if err != nil {
		return err
	}
	l.trim.Lock()
	defer l.trim.Unlock()
	seq, err := seqOf(upto)
	if err != nil {
		return err
	}
	if seq > p.seen() {
		return fmt.Errorf("%w: it lies behind the stream's end", stream.ErrCursor)
	}
	if err := l.whole(); err != nil {
		return err
	}
	if err := l.forgetKeys(ctx); err != nil {
		return fmt.Errorf("forget keys: %w", err)
	}
	if seq <= p.first() {
		return nil
	}
	if err := l.trimFacts(ctx, partition, seq); err != nil {
		return fmt.Errorf("trim the stream: %w", err)
	}
	return nil
}

// trimFacts drops the facts up to seq and rewrites the block it cuts through,
// whose key stays, because it names the last fact.
func (l *Log) trimFacts(ctx context.Context, partition int, seq uint64) error {
	low, cut := appendBlockKey(nil, partition, 0), appendBlockKey(nil, partition, seq+1)
	batch := l.db.NewBatch()
	high, err := l.cutBlock(batch, partition, seq)
	err = errors.Join(err,
		batch.DeleteRange(low, cut, nil),
		batch.Set(trimmedKey(partition), binary.BigEndian.AppendUint64(nil, seq), nil))
	if err != nil {
		return errors.Join(err, batch.Close())
	}
	// Commit would end the program where the log cannot be synced.
	if err := l.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		return l.fail(err)
	}
	if err := batch.SyncWait(); err != nil {
		return l.fail(err)
	}
	p := &l.parts[partition]
	p.mu.Lock()
	p.trimmed = seq
	p.mu.Unlock()
	return errors.Join(batch.Close(), l.db.Compact(ctx, low, high, false))
}

// cutBlock writes what stays of the block that holds seq and facts after it. It
// gives the end of the range of keys whose old bytes must go.
func (l *Log) cutBlock(batch *pebble.Batch, partition int, seq uint64) (high []byte, err error) {
	cut := appendBlockKey(nil, partition, seq+1)
	iter, err := l.db.NewIter(&pebble.IterOptions{LowerBound: cut, UpperBound: appendBlockKey(nil, partition+1, 0)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	if !iter.First() {
		return cut, iter.Error()
	}
	value, err := iter.ValueAndErr()
	if err != nil {
		return nil, err
	}
	b, err := openBlock(iter.Key(), value)
	if err != nil {
		return nil, err
	}
	if b.first > seq {
		return cut, nil
	}
	if err := b.skip(seq + 1); err != nil {
		return nil, err
	}
	rest := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(b.facts)), uint32(b.count))
	last := b.first + uint64(b.count) - 1
	return appendBlockKey(nil, partition, last+1), batch.Set(iter.Key(), append(rest, b.facts...), nil)
}

// forgetKeys drops the generations of dated keys of which every one has been
// remembered for event.RememberDays.
func (l *Log) forgetKeys(ctx context.Context) error {
	b := &l.bench
	b.mu.Lock()
	old, now := 0, generationOf(l.opts.Now)
	for old < len(b.generations) && b.generations[old]+2 <= now {
		old++
	}
	if old == 0 {
		b.mu.Unlock()
		return nil
	}
	low, high := generationKey(b.generations[0]), generationKey(b.generations[old-1]+1)
	err := l.db.DeleteRange(low, high, pebble.Sync)
	b.generations = append(b.generations[:0], b.generations[old:]...)
	b.mu.Unlock()
	if err != nil {
		return l.fail(err)
	}
	return l.db.Compact(ctx, low, high, false)
}
