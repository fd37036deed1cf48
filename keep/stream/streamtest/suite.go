// Package streamtest is what every stream must pass, whatever engine keeps it:
// order, repeats, reopening, crashes, racing callers, trimming and limits, and
// random histories beside a plain model in memory.
//
// An adapter's test calls Run with how to open it; nothing is skipped.
//
// It stands beside the road of a receipt and checks the paving.
package streamtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"endcap/keep/stream"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

// Partitions is how many partitions Setup must give a new stream.
const Partitions = 4

// Setup is how the suite gets at the store under test.
type Setup struct {
	// Open opens the stream in dir and gives how to close it. It is called
	// again on the same dir after that.
	Open func(t *testing.T, dir string, now retail.Clock) (s stream.Stream, shut func())
	// Crashing opens a new stream on a disk that forgets what was not synced.
	// Each call of crash opens another stream on what that disk would hold had
	// the power failed at this moment; lose is the share of unsynced pieces, in
	// percent, that it loses, and seed draws them. Meanwhile s goes on.
	Crashing func(t *testing.T, now retail.Clock) (s stream.Stream, crash func(t *testing.T, seed uint64, lose int) stream.Stream)
}

// Run is the suite.
func Run(t *testing.T, setup Setup) {
	t.Helper()
	parts := map[string]func(*testing.T, Setup){
		"facts of one shopper keep their order":                   testOrder,
		"a fact that comes again is a repeat":                     testJudgement,
		"a fact and its repeat can come in one call":              testOneCall,
		"what was returned belongs to the reader":                 testMemory,
		"a stream opened again is the same stream":                testReopen,
		"power fails and every acknowledged fact is there once":   testCrash,
		"racing callers store a fact once":                        testRace,
		"a reader that waits is woken":                            testWait,
		"trimmed facts are gone and their keys are not":           testTrim,
		"keys that need not last are forgotten after their days":  testForgetKeys,
		"limits and strange arguments are refused":                testLimits,
		"a closed stream says so":                                 testClosed,
		"a big fact and many of them pass":                        testBig,
		"random histories agree with a model":                     testHistories,
		"a fact appended with each small unit is everywhere once": testEveryPartition,
	}
	for name, part := range parts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, setup)
		})
	}
}

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2017, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) days(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.AddDate(0, 0, n)
}

// open opens a stream that closes with the test.
func (s Setup) open(t *testing.T, dir string, now retail.Clock) stream.Stream {
	t.Helper()
	st, shut := s.Open(t, dir, now)
	t.Cleanup(shut)
	return st
}

// lasting is a fact whose key is remembered as long as the row is kept.
func lasting(t testing.TB, id string, version uint32, who uint64, said string) event.Packed {
	t.Helper()
	return pack(t, event.Fact{
		ID: id, Version: version, Shopper: shopper.FromUint64(who),
		Body: event.Store{Store: catalog.Store{ID: "s", Name: said}},
	})
}

// dated is a fact whose key may be forgotten after event.RememberDays.
func dated(t testing.TB, id string, version uint32, who uint64, said string) event.Packed {
	t.Helper()
	return pack(t, event.Fact{
		ID: id, Version: version, Shopper: shopper.FromUint64(who),
		Body: event.Shown{Touch: event.Touch{Placement: media.PlacementID(said)}},
	})
}

func pack(t testing.TB, f event.Fact) event.Packed {
	t.Helper()
	p, err := event.Pack(nil, &f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustAppend(t testing.TB, s stream.Stream, facts ...event.Packed) []stream.Appended {
	t.Helper()
	got, err := s.Append(t.Context(), facts)
	if err != nil {
		t.Fatalf("append %d facts: %v", len(facts), err)
	}
	if len(got) != len(facts) {
		t.Fatalf("%d answers to %d facts", len(got), len(facts))
	}
	return got
}

// readAll reads a partition from a cursor on, in steps of limit.
func readAll(t testing.TB, s stream.Stream, partition int, after event.Cursor, limit int) []stream.Entry {
	t.Helper()
	var all []stream.Entry
	for {
		got, err := s.Read(t.Context(), partition, after, limit)
		if err != nil {
			t.Fatalf("read partition %d: %v", partition, err)
		}
		if len(got) == 0 {
			return all
		}
		if len(got) > limit {
			t.Fatalf("%d entries, at most %d wanted", len(got), limit)
		}
		for _, e := range got {
			if e.At <= after {
				t.Fatalf("partition %d: cursor %x does not lie after %x", partition, e.At, after)
			}
			after = e.At
		}
		all = append(all, got...)
	}
}

// counts is how often each fact's bytes lie in the stream.
func counts(t testing.TB, s stream.Stream) map[string]int {
	t.Helper()
	n := map[string]int{}
	for p := range s.Partitions() {
		for _, e := range readAll(t, s, p, "", 1_000) {
			n[string(e.Bytes)]++
		}
	}
	return n
}

func end(t testing.TB, s stream.Stream, partition int) event.Cursor {
	t.Helper()
	at, err := s.End(t.Context(), partition)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func id(parts ...any) string { return fmt.Sprint(parts...) }
