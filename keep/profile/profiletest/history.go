package profiletest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"endcap/keep/profile"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// testCrash has followers write the same number into a section of all their
// shoppers; whatever a crash leaves must be one number, that of the cursor.
func testSync(t *testing.T, setup Setup) {
	s, crash := setup.Crashing(t)
	who := shopper.FromUint64(1 << 40)
	for n, next := range []event.Cursor{"a", "b", "c"} {
		value := []byte(next)
		if err := s.Apply(t.Context(), "f", 0, next, []profile.Change{{Shopper: who, Section: "s", Value: value}}); err != nil {
			t.Fatal(err)
		}
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := crash(t, uint64(n), 100)
		at, err := after.Cursor(t.Context(), "f", 0)
		if err != nil || at != next {
			t.Errorf("the cursor is %q after the power failed, want %q: %v", at, next, err)
		}
		if got, err := after.Sections(t.Context(), "s", []shopper.ID{who}); err != nil || string(got[0]) != string(value) {
			t.Errorf("the section is %q, want %q: %v", got, value, err)
		}
	}
}

func testCrash(t *testing.T, setup Setup) {
	const followers, partitions, shoppers = 2, 2, 40
	s, crash := setup.Crashing(t)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for f := range followers {
		for p := range partitions {
			all.Go(func() { keepWriting(t, s, writer{f, p, shoppers}, stop) })
		}
	}
	for seed := range uint64(9) {
		time.Sleep(time.Duration(1+seed*2) * time.Millisecond)
		after := crash(t, seed, []int{100, 50, 0}[seed%3])
		for f := range followers {
			for p := range partitions {
				checkTogether(t, after, writer{f, p, shoppers}, seed)
			}
		}
	}
	close(stop)
	all.Wait()
}

func writerNames(f int) (follower string, section profile.Section) {
	return fmt.Sprint("f", f), profile.Section("s_" + string(rune('a'+f)))
}

// writer is one follower's work on one partition: a value for each of its
// shoppers, all of them the cursor.
type writer struct{ follower, partition, shoppers int }

func (w writer) ids() []shopper.ID {
	out := make([]shopper.ID, w.shoppers)
	for i := range out {
		out[i] = who(uint64(w.partition*w.shoppers + i))
	}
	return out
}

func keepWriting(t *testing.T, s profile.Store, w writer, stop <-chan struct{}) {
	follower, section := writerNames(w.follower)
	ids := w.ids()
	for n := 1; n < 20_000; n++ {
		select {
		case <-stop:
			return
		default:
		}
		changes := make([]profile.Change, len(ids))
		for i, id := range ids {
			changes[i] = profile.Change{Shopper: id, Section: section, Value: []byte(at(n))}
		}
		if err := s.Apply(t.Context(), follower, w.partition, at(n), changes); err != nil {
			t.Error(err)
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
}

func checkTogether(t *testing.T, s profile.Store, w writer, seed uint64) {
	t.Helper()
	follower, section := writerNames(w.follower)
	cursor := mustCursor(t, s, follower, w.partition)
	values, err := s.Sections(t.Context(), section, w.ids())
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range values {
		if event.Cursor(value) != cursor {
			t.Fatalf("crash %d: a value of %q beside the cursor %q", seed, value, cursor)
		}
	}
}

// testCrashInReplace lets the power fail while a follower's section is replaced:
// either all of it is there, with the cursor, or none.
func testCrashInReplace(t *testing.T, setup Setup) {
	const shoppers = 3_000
	s, crash := setup.Crashing(t)
	changes := make([]profile.Change, shoppers)
	for i := range changes {
		changes[i] = set(uint64(i), "s_a", string(at(1)))
	}
	mustApply(t, s, saved{"f0", 0, 1}, changes...)
	done := make(chan error, 1)
	go func() { done <- s.Replace(t.Context(), "f0", []profile.Section{"s_a"}) }()
	for seed := range uint64(6) {
		checkTogether(t, crash(t, seed, []int{100, 50, 0}[seed%3]), writer{0, 0, shoppers}, seed)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if c := mustCursor(t, crash(t, 99, 100), "f0", 0); c != "" {
		t.Errorf("a finished replace came back with the cursor %q", c)
	}
}

// endsSoon is a context that ends when it has been asked a few times.
type endsSoon struct {
	context.Context
	left atomic.Int32
}

func (c *endsSoon) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// testHalfReplace cuts Replace short at different points.
func testHalfReplace(t *testing.T, setup Setup) {
	const shoppers = 3_000
	s, crash := setup.Crashing(t)
	changes := make([]profile.Change, shoppers)
	for i := range changes {
		changes[i] = set(uint64(i), "s_a", string(at(1)))
	}
	cut := 0
	for asked := range int32(4) {
		mustApply(t, s, saved{"f0", 0, 1}, changes...)
		ends := &endsSoon{Context: t.Context()}
		ends.left.Store(asked)
		if s.Replace(ends, "f0", []profile.Section{"s_a"}) == nil {
			continue // it looked at its context less often
		}
		cut++
		if err := s.Forget(t.Context(), who(shoppers)); err != nil { // on disk, with all before it
			t.Fatal(err)
		}
		checkTogether(t, crash(t, uint64(asked), 0), writer{0, 0, shoppers}, uint64(asked))
		first, err := s.Sections(t.Context(), "s_a", []shopper.ID{who(0)})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Apply(t.Context(), "f0", 0, at(2), nil)
		if half := first[0] == nil; half && err == nil {
			t.Error("a follower of half a state goes on")
		}
		if err := s.Replace(t.Context(), "f0", []profile.Section{"s_a"}); err != nil {
			t.Fatal(err)
		}
		checkTogether(t, s, writer{0, 0, shoppers}, uint64(asked))
	}
	if cut == 0 {
		t.Error("Replace does not heed its context")
	}
}

// testHistories plays random calls against the store and plain maps.
func testHistories(t *testing.T, setup Setup) {
	for seed := range uint64(4) {
		t.Logf("seed %d", seed)
		h := history{
			t: t, setup: setup, dir: t.TempDir(), rng: rand.New(rand.NewPCG(seed, 5)),
			sections: map[uint64]map[string]string{}, counts: map[uint64]map[string]int{}, cursors: map[string]int{},
		}
		h.s, h.shut = setup.Open(t, h.dir)
		for range 200 {
			h.step()
		}
		h.compare()
		h.shut()
	}
}

type history struct {
	t        *testing.T
	setup    Setup
	dir      string
	rng      *rand.Rand
	s        profile.Store
	shut     func()
	sections map[uint64]map[string]string
	counts   map[uint64]map[string]int
	cursors  map[string]int // by follower and partition
}

const people = 30

func (h *history) step() {
	h.t.Helper()
	ctx := h.t.Context()
	switch n := h.rng.IntN(40); {
	case n < 20:
		h.apply()
	case n < 30:
		h.bump()
	case n < 33:
		id := h.rng.Uint64N(people)
		if err := h.s.Forget(ctx, who(id)); err != nil {
			h.t.Fatal(err)
		}
		delete(h.sections, id)
		delete(h.counts, id)
	case n < 34:
		if err := h.s.Compact(ctx); err != nil {
			h.t.Fatal(err)
		}
	case n < 35:
		h.replace()
	case n < 36:
		h.shut()
		h.s, h.shut = h.setup.Open(h.t, h.dir)
	default:
		h.compare()
	}
}

func (h *history) apply() {
	h.t.Helper()
	f, p := h.rng.IntN(3), h.rng.IntN(2)
	follower, section := writerNames(f)
	place := fmt.Sprint(follower, "/", p)
	next := h.cursors[place] - 2 + h.rng.IntN(5)
	next = max(next, 1)
	var changes []profile.Change
	for range h.rng.IntN(20) {
		c := set(h.rng.Uint64N(people), section, fmt.Sprint(h.rng.IntN(1_000)))
		if h.rng.IntN(4) == 0 {
			c.Value = nil
		}
		changes = append(changes, c)
	}
	mustApply(h.t, h.s, saved{follower, p, next}, changes...)
	if next <= h.cursors[place] {
		return
	}
	h.cursors[place] = next
	for _, c := range changes {
		id := c.Shopper.Reveal()
		if h.sections[id] == nil {
			h.sections[id] = map[string]string{}
		}
		if c.Value == nil {
			delete(h.sections[id], string(section))
		} else {
			h.sections[id][string(section)] = string(c.Value)
		}
	}
}

func (h *history) bump() {
	h.t.Helper()
	id := h.rng.Uint64N(people)
	if h.counts[id] == nil {
		h.counts[id] = map[string]int{}
	}
	c := profile.Counter{Key: fmt.Sprint("k", h.rng.IntN(3)), Max: h.rng.IntN(4), Until: noon().Add(time.Hour)}
	want := c.Max == 0 || h.counts[id][c.Key] < c.Max
	if want {
		h.counts[id][c.Key]++
	}
	if got := mustBump(h.t, h.s, id, noon(), c)[0]; got != want {
		h.t.Fatalf("bump to at most %d: %t, want %t", c.Max, got, want)
	}
}

func (h *history) replace() {
	h.t.Helper()
	follower, section := writerNames(h.rng.IntN(3))
	if err := h.s.Replace(h.t.Context(), follower, []profile.Section{section}); err != nil {
		h.t.Fatal(err)
	}
	for _, p := range h.sections {
		delete(p, string(section))
	}
	for p := range 2 {
		delete(h.cursors, fmt.Sprint(follower, "/", p))
	}
}

func (h *history) compare() {
	h.t.Helper()
	for id := range uint64(people) {
		if got, want := text(mustGet(h.t, h.s, id)), fmt.Sprint(h.sections[id]); got != want {
			h.t.Fatalf("profile %d is %s, want %s", id, got, want)
		}
		if got, want := fmt.Sprint(mustCounts(h.t, h.s, id, noon())), fmt.Sprint(h.counts[id]); got != want {
			h.t.Fatalf("counters %d are %s, want %s", id, got, want)
		}
	}
	for f := range 3 {
		follower, _ := writerNames(f)
		for p := range 2 {
			want := event.Cursor("")
			if n := h.cursors[fmt.Sprint(follower, "/", p)]; n > 0 {
				want = at(n)
			}
			if got := mustCursor(h.t, h.s, follower, p); got != want {
				h.t.Fatalf("cursor of %s in %d is %q, want %q", follower, p, got, want)
			}
		}
	}
}
