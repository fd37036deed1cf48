package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/keep/stream"
	"endcap/keep/stream/pebblelog"
	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

func newStream(t *testing.T) stream.Stream {
	t.Helper()
	noon := func() time.Time { return time.Date(2017, 12, 4, 12, 0, 0, 0, time.UTC) }
	l, err := pebblelog.Open("stream", pebblelog.Options{Now: noon, FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// put appends stores named from..to and, about the same shoppers, as many prices.
func put(t *testing.T, s stream.Stream, from, to int) {
	t.Helper()
	var facts []event.Packed
	for i := from; i < to; i++ {
		for _, body := range []event.Body{
			event.Store{Store: catalog.Store{ID: catalog.StoreID(fmt.Sprint(i))}},
			event.Price{Price: catalog.Price{Product: catalog.ProductID(fmt.Sprint(i))}},
		} {
			p, err := event.Pack(nil, &event.Fact{ID: fmt.Sprint(i), Shopper: shopper.FromUint64(uint64(1 + i%13)), Body: body})
			if err != nil {
				t.Fatal(err)
			}
			facts = append(facts, p)
		}
	}
	if _, err := s.Append(t.Context(), facts); err != nil {
		t.Fatal(err)
	}
}

// shelf is a state in memory that a follower folds: for each shopper, the stores
// in the order they came.
type shelf struct {
	mu      sync.Mutex
	cursors map[int]event.Cursor
	stores  map[shopper.ID][]string
	folds   int
	largest int
}

func (s *shelf) follower() stream.Follower {
	s.cursors, s.stores = map[int]event.Cursor{}, map[shopper.ID][]string{}
	return stream.Follower{
		Name: "shelf", Kinds: []event.Kind{event.KindStore},
		Cursor: func(_ context.Context, partition int) (event.Cursor, error) { return s.cursor(partition), nil },
		Fold: func(_ context.Context, b stream.Batch) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.folds++
			s.largest = max(s.largest, len(b.Facts))
			if b.Next <= s.cursors[b.Partition] {
				return nil
			}
			for _, f := range b.Facts {
				s.stores[f.Shopper] = append(s.stores[f.Shopper], f.ID)
			}
			s.cursors[b.Partition] = b.Next
			return nil
		},
	}
}

func (s *shelf) cursor(partition int) event.Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursors[partition]
}

// text is the whole state.
func (s *shelf) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for who, stores := range s.stores {
		lines = append(lines, fmt.Sprint(who.Reveal(), " ", stores))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (s *shelf) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.cursors)
	clear(s.stores)
}

func (s *shelf) count() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stores := range s.stores {
		n += len(stores)
	}
	return n
}

// until waits for something that takes a moment.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long until %s", what)
		}
	}
}

// run runs a follower until the test ends or stop is called.
func run(t *testing.T, s stream.Stream, f stream.Follower, failed func(string, error)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- stream.Run(ctx, s, f, failed) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run returned %v after its context ended", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func never(t *testing.T) func(string, error) {
	t.Helper()
	return func(name string, err error) { t.Errorf("%s failed: %v", name, err) }
}

func TestAnyBatchSizeFoldsTheSame(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	put(t, s, 0, 2_000)
	want := ""
	for _, size := range []int{0, 1, 7, 500, 1 << 20} {
		for _, together := range []bool{false, true} {
			var state shelf
			f := state.follower()
			f.BatchMax, f.Together = size, together
			if err := stream.CatchUp(t.Context(), s, f); err != nil {
				t.Fatal(err)
			}
			if want == "" {
				want = state.text()
			}
			if got := state.text(); got != want || state.count() != 2_000 {
				t.Errorf("batches of %d, together %t: another state, of %d facts", size, together, state.count())
			}
			if size > 0 && state.largest > size {
				t.Errorf("a batch of %d facts, at most %d wanted", state.largest, size)
			}
			for p := range s.Partitions() {
				if end, err := s.End(t.Context(), p); err != nil || state.cursor(p) != end {
					t.Errorf("partition %d: caught up to %x, want %x, %v", p, state.cursor(p), end, err)
				}
			}
		}
	}
}

func TestRunFoldsWhatComesAndStops(t *testing.T) {
	t.Parallel()
	for _, together := range []bool{false, true} {
		s := newStream(t)
		put(t, s, 0, 100)
		var state shelf
		f := state.follower()
		f.Together = together
		stop := run(t, s, f, never(t))
		until(t, "the first facts are folded", func() bool { return state.count() == 100 })
		for i := range 20 {
			put(t, s, 100+i*3, 103+i*3)
		}
		until(t, "the next are folded", func() bool { return state.count() == 160 })
		stop()
		put(t, s, 160, 170)
		time.Sleep(5 * time.Millisecond)
		if got := state.count(); got != 160 {
			t.Errorf("%d facts folded after the end, want 160", got)
		}
	}
}

// Is a bulk load folded in few batches, and a live fact still soon?
func TestAFollowerRestsWhileABulkLoadGathers(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	var state shelf
	f := state.follower()
	f.Together, f.BatchMax = true, stream.ReadMax
	loaded := make(chan struct{})
	f.Rest = func(ctx context.Context) {
		select {
		case <-loaded:
		case <-ctx.Done():
		}
	}
	stop := run(t, s, f, never(t))
	defer stop()
	const parts, size = 12, 4 * stream.RestMin
	for i := range parts {
		put(t, s, i*size, (i+1)*size)
	}
	close(loaded)
	until(t, "the load is folded", func() bool { return state.count() == parts*size })
	state.mu.Lock()
	folds := state.folds
	state.mu.Unlock()
	if most := 3 * s.Partitions(); folds > most {
		t.Errorf("%d folds of %d appends in %d partitions", folds, parts, s.Partitions())
	}
	put(t, s, parts*size, parts*size+1)
	until(t, "a live fact is folded", func() bool { return state.count() == parts*size+1 })
}

func TestAFailedFoldIsTriedAgainAndSkipsNothing(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	put(t, s, 0, 300)
	var state shelf
	var left, told atomic.Int32
	left.Store(5)
	f := state.follower()
	fold := f.Fold
	f.BatchMax = 50
	f.Fold = func(ctx context.Context, b stream.Batch) error {
		if b.Partition == 1 && left.Add(-1) >= 0 {
			if left.Load()%2 == 0 { // saved, but the answer was lost
				return errors.Join(fold(ctx, b), errors.New("disk asleep"))
			}
			return errors.New("disk asleep")
		}
		return fold(ctx, b)
	}
	stop := run(t, s, f, func(name string, err error) {
		if name != "shelf" || !strings.Contains(err.Error(), "disk asleep") {
			t.Errorf("told of %s: %v", name, err)
		}
		told.Add(1)
	})
	until(t, "all facts are folded", func() bool { return state.count() == 300 })
	stop()
	if told.Load() != 5 {
		t.Errorf("told of %d failures, want 5", told.Load())
	}
	var calm shelf
	if err := stream.CatchUp(t.Context(), s, calm.follower()); err != nil {
		t.Fatal(err)
	}
	if state.text() != calm.text() {
		t.Error("failures changed what was folded")
	}
}

func TestCatchUpTellsOfAFailedFold(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	put(t, s, 0, 10)
	var state shelf
	f := state.follower()
	broken := errors.New("broken")
	f.Fold = func(context.Context, stream.Batch) error { return broken }
	if err := stream.CatchUp(t.Context(), s, f); !errors.Is(err, broken) {
		t.Errorf("caught up with %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := stream.CatchUp(ctx, s, state.follower()); !errors.Is(err, context.Canceled) {
		t.Errorf("caught up with %v after its context ended", err)
	}
}

func TestFactsOfOthersMoveTheCursorWithoutAFoldEach(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	var state shelf
	f := state.follower()
	f.Kinds = []event.Kind{event.KindForgotten}
	run(t, s, f, never(t))
	for i := range 100 {
		put(t, s, i, i+1)
	}
	until(t, "every cursor is saved at the end", func() bool {
		for p := range s.Partitions() {
			if end, err := s.End(t.Context(), p); err != nil || state.cursor(p) != end {
				return false
			}
		}
		return true
	})
	state.mu.Lock()
	defer state.mu.Unlock()
	if state.folds > 20 {
		t.Errorf("%d folds for nothing", state.folds)
	}
}

func TestAStateThatIsEmptiedIsFoldedFromTheStart(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	put(t, s, 0, 200)
	var state shelf
	run(t, s, state.follower(), never(t))
	until(t, "the facts are folded", func() bool { return state.count() == 200 })
	state.reset()
	put(t, s, 200, 250)
	until(t, "all are folded again", func() bool { return state.count() == 250 })
}
