package streamtest

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"endcap/keep/stream"
	"endcap/retail/event"
)

// model is a stream in plain memory. Its dated keys last for ever; histories
// stay within event.RememberDays.
type model struct {
	known   map[[16]byte][]modelFact
	facts   [Partitions][]modelFact
	trimmed [Partitions]int
}

type modelFact struct {
	version   uint32
	sum       [16]byte
	partition int
	index     int // in its partition
	at        event.Cursor
	bytes     []byte
}

// append judges one fact as the port says and gives the fact it points at.
func (m *model) append(f event.Packed) (stream.Outcome, *modelFact) {
	known := m.known[f.Key]
	for i := range known {
		if known[i].version == f.Version && known[i].sum == f.Sum {
			return stream.Repeat, m.at(known[i])
		}
	}
	if n := len(known); n > 0 && known[n-1].version >= f.Version {
		return stream.Conflict, m.at(known[n-1])
	}
	p := stream.PartitionOf(f.Unit, Partitions)
	stored := modelFact{version: f.Version, sum: f.Sum, partition: p, index: len(m.facts[p]), bytes: f.Bytes}
	m.facts[p] = append(m.facts[p], stored)
	m.known[f.Key] = append(known, stored)
	return stream.New, m.at(stored)
}

func (m *model) at(f modelFact) *modelFact { return &m.facts[f.partition][f.index] }

// testHistories plays random calls against the stream and the model.
func testHistories(t *testing.T, setup Setup) {
	for seed := range uint64(4) {
		t.Logf("seed %d", seed)
		h := history{t: t, setup: setup, dir: t.TempDir(), clock: newClock(), rng: rand.New(rand.NewPCG(seed, 1))}
		h.model.known = map[[16]byte][]modelFact{}
		h.s, h.shut = setup.Open(t, h.dir, h.clock.Now)
		for range 120 {
			h.step()
		}
		h.compare()
		h.shut()
	}
}

type history struct {
	t     *testing.T
	setup Setup
	dir   string
	clock *clock
	rng   *rand.Rand
	s     stream.Stream
	shut  func()
	model model
}

func (h *history) step() {
	h.t.Helper()
	switch n := h.rng.IntN(20); {
	case n < 15:
		h.append()
	case n < 17:
		h.trim()
	case n < 18:
		h.shut()
		h.s, h.shut = h.setup.Open(h.t, h.dir, h.clock.Now)
	default:
		h.compare()
	}
}

func (h *history) append() {
	h.t.Helper()
	facts := make([]event.Packed, h.rng.IntN(1<<h.rng.IntN(9)))
	for i := range facts {
		make := lasting
		if h.rng.IntN(2) == 0 {
			make = dated
		}
		key := h.rng.IntN(400)
		facts[i] = make(h.t, id(key), uint32(h.rng.IntN(3)), uint64(key%7), id("says ", h.rng.IntN(2)))
	}
	for i, got := range mustAppend(h.t, h.s, facts...) {
		want, lies := h.model.append(facts[i])
		if want == stream.New {
			lies.at = got.At
		}
		at := lies.at
		if lies.index < h.model.trimmed[lies.partition] {
			at = ""
		}
		if got.Outcome != want || got.Partition != lies.partition || got.At != at {
			h.t.Fatalf("fact %d of %d: %v in %d at %x, want %v in %d at %x",
				i, len(facts), got.Outcome, got.Partition, got.At, want, lies.partition, at)
		}
	}
}

func (h *history) trim() {
	h.t.Helper()
	p := h.rng.IntN(Partitions)
	if len(h.model.facts[p]) == 0 {
		return
	}
	cut := h.rng.IntN(len(h.model.facts[p]))
	if err := h.s.Trim(h.t.Context(), p, h.model.facts[p][cut].at); err != nil {
		h.t.Fatal(err)
	}
	h.model.trimmed[p] = max(h.model.trimmed[p], cut+1)
}

func (h *history) compare() {
	h.t.Helper()
	for p := range Partitions {
		from, after := h.model.trimmed[p], event.Cursor("")
		if n := len(h.model.facts[p]); n > 0 && h.rng.IntN(2) == 0 {
			start := h.rng.IntN(n)
			from, after = max(from, start+1), h.model.facts[p][start].at
		}
		got := readAll(h.t, h.s, p, after, 1+h.rng.IntN(300))
		if !slices.EqualFunc(got, h.model.facts[p][from:], func(e stream.Entry, f modelFact) bool {
			return e.At == f.at && bytes.Equal(e.Bytes, f.bytes)
		}) {
			h.t.Fatalf("partition %d after fact %d: %d facts differ from the model's %d", p, from, len(got), len(h.model.facts[p])-from)
		}
	}
}

// testCrash appends from several callers, lets the power fail at random moments,
// and looks at what each crash left while the callers go on.
func testCrash(t *testing.T, setup Setup) {
	const callers, crashes = 4, 9
	now := newClock().Now
	s, crash := setup.Crashing(t, now)
	log := ackLog{known: map[string]event.Cursor{}}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() { log.keepAppending(t, s, c, stop) })
	}
	for seed := range uint64(crashes) {
		time.Sleep(time.Duration(1+seed*3) * time.Millisecond)
		facts, calls, acked := log.sofar()
		seen := ends(t, s)
		after := crash(t, seed, []int{100, 50, 0}[seed%3])
		for p, at := range ends(t, after) {
			if at < seen[p] {
				t.Fatalf("crash %d: partition %d ends at %x, but a reader had seen %x", seed, p, at, seen[p])
			}
		}
		checkTogether(t, after, facts, calls)
		checkCrash(t, after, seed, facts, acked)
	}
	close(stop)
	all.Wait()
	if err := errors.Join(log.errs...); err != nil {
		t.Fatal(err)
	}
}

func ends(t *testing.T, s stream.Stream) (all [Partitions]event.Cursor) {
	t.Helper()
	for p := range all {
		all[p] = end(t, s, p)
	}
	return all
}

// checkTogether checks that of the facts of one call all are there, or none;
// calls are where in facts each call ends.
func checkTogether(t *testing.T, s stream.Stream, facts []event.Packed, calls []int) {
	t.Helper()
	stored, from := counts(t, s), 0
	for _, to := range calls {
		n := 0
		for i := from; i < to; i++ {
			n += stored[string(facts[i].Bytes)]
		}
		if n != 0 && n != to-from {
			t.Fatalf("of a call's %d facts the crash left %d", to-from, n)
		}
		from = to
	}
}

// checkCrash checks that what was acknowledged before the crash is there once,
// where it was said to be, and that sending everything again completes it.
func checkCrash(t *testing.T, s stream.Stream, seed uint64, facts []event.Packed, acked map[string]event.Cursor) {
	t.Helper()
	stored := counts(t, s)
	for bytes := range acked {
		if stored[bytes] != 1 {
			t.Fatalf("crash %d: an acknowledged fact is there %d times", seed, stored[bytes])
		}
	}
	for i, a := range mustAppend(t, s, facts...) {
		if at, ok := acked[string(facts[i].Bytes)]; ok && (a.Outcome != stream.Repeat || a.At != at) {
			t.Fatalf("crash %d: an acknowledged fact sent again is %v at %x, want a repeat at %x", seed, a.Outcome, a.At, at)
		}
	}
	for _, n := range counts(t, s) {
		if n != 1 {
			t.Fatalf("crash %d: a fact is there %d times", seed, n)
		}
	}
}

// ackLog is what callers sent and what they were answered.
type ackLog struct {
	mu    sync.Mutex
	sent  []event.Packed
	calls []int // where in sent each call ends
	known map[string]event.Cursor
	errs  []error
}

func (l *ackLog) sofar() (sent []event.Packed, calls []int, known map[string]event.Cursor) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.sent), slices.Clone(l.calls), maps.Clone(l.known)
}

func (l *ackLog) keepAppending(t *testing.T, s stream.Stream, caller int, stop <-chan struct{}) {
	rng := rand.New(rand.NewPCG(uint64(caller), 2))
	for call := 0; ; call++ {
		select {
		case <-stop:
			return
		default:
		}
		var facts []event.Packed
		for i := range 1 + rng.IntN(20) {
			facts = append(facts, lasting(t, id(caller, "/", call, "/", i), 0, rng.Uint64(), "x"))
		}
		l.mu.Lock()
		l.sent = append(l.sent, facts...)
		l.calls = append(l.calls, len(l.sent))
		full := len(l.sent) > 20_000
		l.mu.Unlock()
		if full {
			return
		}
		got, err := s.Append(t.Context(), facts)
		l.mu.Lock()
		if err != nil {
			l.errs = append(l.errs, err)
		}
		for i := range got {
			l.known[string(facts[i].Bytes)] = got[i].At
		}
		l.mu.Unlock()
		if err != nil {
			return
		}
		time.Sleep(200 * time.Microsecond)
	}
}
