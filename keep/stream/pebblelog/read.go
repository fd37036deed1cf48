package pebblelog

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"endcap/keep/stream"
	"endcap/retail/event"
)

// readBytes bounds what one Read returns: it stops after the block that passes it.
const readBytes = 8 << 20

// Partitions implements stream.Stream.
func (l *Log) Partitions() int { return len(l.parts) }

// First implements stream.Stream.
func (l *Log) First(ctx context.Context, partition int) (event.Cursor, error) {
	return l.edge(ctx, partition, (*part).first)
}

// End implements stream.Stream.
func (l *Log) End(ctx context.Context, partition int) (event.Cursor, error) {
	return l.edge(ctx, partition, (*part).seen)
}

func (l *Log) edge(ctx context.Context, partition int, of func(*part) uint64) (event.Cursor, error) {
	if err := l.enter(ctx); err != nil {
		return "", err
	}
	defer l.life.RUnlock()
	p, err := l.part(partition)
	if err != nil {
		return "", err
	}
	return cursorOf(of(p)), nil
}

// Read implements stream.Stream.
func (l *Log) Read(ctx context.Context, partition int, after event.Cursor, limit int) ([]stream.Entry, error) {
	if limit < 1 || limit > stream.ReadMax {
		return nil, fmt.Errorf("%w: %d entries from one call, 1 to %d", stream.ErrLimit, limit, stream.ReadMax)
	}
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	defer l.life.RUnlock()
	p, err := l.part(partition)
	if err != nil {
		return nil, err
	}
	from, end, err := p.span(after)
	if err != nil || from == end {
		return nil, err
	}
	iter, err := l.db.NewIterWithContext(ctx, &pebble.IterOptions{
		LowerBound: appendBlockKey(nil, partition, from+1), UpperBound: appendBlockKey(nil, partition+1, 0),
	})
	if err != nil {
		return nil, fmt.Errorf("read the stream: %w", err)
	}
	entries, err := readBlocks(iter, from+1, end, limit)
	if err := errors.Join(err, iter.Close()); err != nil {
		return nil, fmt.Errorf("read the stream: %w", err)
	}
	return entries, nil
}

// readBlocks reads up to limit of the facts from..end.
func readBlocks(iter *pebble.Iterator, from, end uint64, limit int) ([]stream.Entry, error) {
	entries := make([]stream.Entry, 0, min(limit, int(min(end-from+1, 4_096))))
	size := 0
	for ok := iter.First(); ok && len(entries) < limit && size < readBytes; ok = iter.Next() {
		value, err := iter.ValueAndErr()
		if err != nil {
			return nil, err
		}
		b, err := openBlock(iter.Key(), value)
		if err != nil {
			return nil, err
		}
		if b.first > end {
			break
		}
		if err := b.skip(from); err != nil {
			return nil, err
		}
		size += len(b.facts)
		if entries, err = b.take(entries, limit-len(entries)); err != nil {
			return nil, err
		}
	}
	return entries, iter.Error()
}

// take appends the first n facts of a block, or all, in memory of their own.
func (b *block) take(entries []stream.Entry, n int) ([]stream.Entry, error) {
	n = min(n, b.count)
	seqs := make([]uint64, n)
	rest := b.facts
	for i := range n {
		seqs[i] = b.first + uint64(i)
		var err error
		if _, rest, err = nextFact(rest); err != nil {
			return nil, err
		}
	}
	cursors := newCursorRun(seqs)
	for facts := bytes.Clone(b.facts[:len(b.facts)-len(rest)]); len(facts) > 0; {
		f, rest, err := nextFact(facts)
		if err != nil {
			return nil, err
		}
		entries = append(entries, stream.Entry{At: cursors.take(), Kind: f.kind, Bytes: f.bytes})
		facts = rest
	}
	return entries, nil
}

// Fetch implements stream.Stream.
func (l *Log) Fetch(ctx context.Context, partition int, at event.Cursor) (stream.Entry, error) {
	seq, err := seqOf(at)
	if err != nil || seq == 0 {
		return stream.Entry{}, stream.ErrCursor
	}
	entries, err := l.Read(ctx, partition, cursorOf(seq-1), 1)
	if err != nil {
		return stream.Entry{}, err
	}
	if len(entries) == 0 && seq > l.parts[partition].seen() {
		return stream.Entry{}, stream.ErrCursor
	}
	if len(entries) == 0 || entries[0].At != at {
		return stream.Entry{}, stream.ErrGone
	}
	return entries[0], nil
}

// Wait implements stream.Stream.
func (l *Log) Wait(ctx context.Context, partition int, after event.Cursor) error {
	p, err := l.part(partition)
	if err != nil {
		return err
	}
	if err := l.enter(ctx); err != nil {
		return err
	}
	from, end, err := p.span(after)
	l.life.RUnlock()
	if err != nil || from < end {
		return err
	}
	return l.waitPart(ctx, p, from)
}

// waitPart returns when a partition has a fact on disk after seq. It holds
// nothing that Close waits for.
func (l *Log) waitPart(ctx context.Context, p *part, seq uint64) error {
	for {
		grown := p.grown(seq)
		if grown == nil {
			return nil
		}
		if err := l.whole(); err != nil {
			return err
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.closing:
			return stream.ErrClosed
		}
	}
}

// span gives where reading begins and ends, for a cursor to read after.
func (p *part) span(after event.Cursor) (from, end uint64, err error) {
	seq, err := seqOf(after)
	if err != nil {
		return 0, 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if seq > p.durable {
		return 0, 0, fmt.Errorf("%w: it lies behind the stream's end", stream.ErrCursor)
	}
	return max(seq, p.trimmed), p.durable, nil
}

func (p *part) first() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.trimmed
}

func (p *part) seen() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.durable
}

// publish lets readers see facts up to seq.
func (p *part) publish(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if seq <= p.durable {
		return
	}
	p.durable = seq
	p.ring()
}

// wake lets whoever waits look again.
func (p *part) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ring()
}

// ring is wake for who holds mu.
func (p *part) ring() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// grown is nil when there is a fact on disk after seq, else a channel that is
// closed when the partition has grown.
func (p *part) grown(seq uint64) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.durable > seq {
		return nil
	}
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}
