package stream_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"endcap/keep/stream"
	"endcap/retail/event"
)

// rounds makes a shelf fold whole rounds, each in one step.
func (s *shelf) rounds(round func([]stream.Batch) error) stream.Follower {
	f := s.follower()
	one := f.Fold
	f.Fold = nil
	f.Round = func(ctx context.Context, bs []stream.Batch) error {
		if err := round(bs); err != nil {
			return err
		}
		for _, b := range bs {
			if err := one(ctx, b); err != nil {
				return err
			}
		}
		return nil
	}
	return f
}

// Does a state that saves all partitions in one step hold what others hold?
func TestRoundsFoldTheSameAsPartitionsOneByOne(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	put(t, s, 0, 500)
	var plain shelf
	if err := stream.CatchUp(t.Context(), s, plain.follower()); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 7, 64, 0} {
		var state shelf
		widest := 0
		f := state.rounds(func(bs []stream.Batch) error {
			widest = max(widest, len(bs))
			return nil
		})
		f.BatchMax = size
		if err := stream.CatchUp(t.Context(), s, f); err != nil {
			t.Fatal(err)
		}
		if state.text() != plain.text() {
			t.Errorf("rounds of %d facts a partition fold otherwise", size)
		}
		if widest != s.Partitions() {
			t.Errorf("a round held at most %d of %d partitions", widest, s.Partitions())
		}
		for p := range s.Partitions() {
			if end, err := s.End(t.Context(), p); err != nil || state.cursor(p) != end {
				t.Errorf("partition %d was saved at %x, not at its end %x (%v)", p, state.cursor(p), end, err)
			}
		}
	}
}

// Is a round that failed folded again, with all its partitions?
func TestARoundThatFailedIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	put(t, s, 0, 200)
	var plain, state shelf
	if err := stream.CatchUp(t.Context(), s, plain.follower()); err != nil {
		t.Fatal(err)
	}
	var tries, failures atomic.Int32
	f := state.rounds(func([]stream.Batch) error {
		if n := tries.Add(1); n == 2 || n == 3 {
			return errors.New("no room")
		}
		return nil
	})
	f.BatchMax = 20
	stop := run(t, s, f, func(string, error) { failures.Add(1) })
	until(t, "all is folded", func() bool { return state.count() == 200 })
	stop()
	if state.text() != plain.text() || failures.Load() != 2 {
		t.Errorf("after %d failures it folded otherwise", failures.Load())
	}
}

// faulty fails its reads of one partition now and then, as a disk may.
type faulty struct {
	stream.Stream
	partition int
	fails     atomic.Int32 // how often still
}

func (f *faulty) Read(ctx context.Context, partition int, after event.Cursor, limit int) ([]stream.Entry, error) {
	if partition == f.partition && f.fails.Add(-1) >= 0 {
		return nil, errors.New("cannot read")
	}
	return f.Stream.Read(ctx, partition, after, limit)
}

// When one partition cannot be read, are the facts of the others, read in the
// same round, folded all the same?
func TestARoundThatCouldNotBeReadSkipsNothing(t *testing.T) {
	t.Parallel()
	s := &faulty{Stream: newStream(t)}
	s.partition = s.Partitions() - 1
	put(t, s, 0, 200)
	var plain, state shelf
	if err := stream.CatchUp(t.Context(), s, plain.follower()); err != nil {
		t.Fatal(err)
	}
	s.fails.Store(2)
	var failures atomic.Int32
	f := state.rounds(func([]stream.Batch) error { return nil })
	f.BatchMax = 20
	run(t, s, f, func(string, error) { failures.Add(1) })
	until(t, "every partition is folded", func() bool {
		for p := range s.Partitions() {
			if end, err := s.End(t.Context(), p); err != nil || state.cursor(p) != end {
				return false
			}
		}
		return true
	})
	if got := state.count(); state.text() != plain.text() || failures.Load() == 0 {
		t.Errorf("after %d failures %d of 200 facts are folded", failures.Load(), got)
	}
}

// Does whoever waits for a follower that lets facts gather wait for its pause?
func TestWhoeverWaitsEndsThePause(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	var state shelf
	f := state.rounds(func([]stream.Batch) error { return nil })
	f.Pause = time.Hour
	progress := stream.NewProgress()
	run(t, s, progress.Track(s, f), never(t))
	for n := range 5 {
		put(t, s, n, n+1)
		if err := progress.CaughtUp(t.Context(), s, f.Name); err != nil {
			t.Fatal(err)
		}
		if got := state.count(); got != n+1 {
			t.Fatalf("%d facts folded when it had caught up with %d", got, n+1)
		}
	}
}

// Is a round of large facts, such as weeks of promotions, bounded in bytes, and
// are all of them folded all the same?
func TestARoundOfLargeFactsIsBounded(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	const each, facts, most = 1 << 20, 48, 16 << 20
	for i := range facts {
		p, err := event.Pack(nil, &event.Fact{ID: fmt.Sprint(i), Body: event.TermsChanged{Doc: make([]byte, each)}})
		if err == nil {
			_, err = s.Append(t.Context(), []event.Packed{p})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cursors, folded, largest := map[int]event.Cursor{}, 0, 0
	err := stream.CatchUp(t.Context(), s, stream.Follower{
		Name: "large", Cursor: func(_ context.Context, p int) (event.Cursor, error) { return cursors[p], nil },
		Round: func(_ context.Context, bs []stream.Batch) error {
			bytes := 0
			for _, b := range bs {
				cursors[b.Partition] = b.Next
				folded, bytes = folded+len(b.Facts), bytes+each*len(b.Facts)
			}
			largest = max(largest, bytes)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if folded != facts || largest > most {
		t.Errorf("%d of %d facts folded, at most %d bytes at once, want %d", folded, facts, largest, most)
	}
}
