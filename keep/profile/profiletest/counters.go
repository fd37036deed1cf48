package profiletest

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"endcap/keep/profile"
)

func testBumpRace(t *testing.T, setup Setup) {
	const callers, each, most = 16, 400, 1_234
	s := setup.open(t, t.TempDir())
	until := noon().Add(time.Hour)
	var bounded, free atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				ok, err := s.Bump(t.Context(), who(1), noon(), []profile.Counter{{Key: "cap", Max: most, Until: until}, {Key: "free", Until: until}})
				if err != nil {
					t.Error(err)
					return
				}
				if ok[0] {
					bounded.Add(1)
				}
				if ok[1] {
					free.Add(1)
				}
			}
		})
	}
	all.Wait()
	if bounded.Load() != most || free.Load() != callers*each {
		t.Errorf("counted %d of at most %d, and %d of %d", bounded.Load(), most, free.Load(), callers*each)
	}
	if c := mustCounts(t, s, 1, noon()); c["cap"] != most || c["free"] != callers*each || len(c) != 2 {
		t.Errorf("the counters stand at %v", c)
	}
}

func testCounters(t *testing.T, setup Setup) {
	s := setup.open(t, t.TempDir())
	now := noon()
	day, week := now.Add(24*time.Hour), now.Add(7*24*time.Hour)
	steps := []struct {
		after    time.Duration
		counters []profile.Counter
		counted  string
		counts   string
	}{
		{0, []profile.Counter{{Key: "a", Max: 2, Until: day}, {Key: "b", Max: 1, Until: week}}, "[true true]", "map[a:1 b:1]"},
		{0, []profile.Counter{{Key: "a", Max: 2, Until: day}, {Key: "b", Max: 1, Until: week}}, "[true false]", "map[a:2 b:1]"},
		{0, []profile.Counter{{Key: "a", Max: 2, Until: day}}, "[false]", "map[a:2 b:1]"},
		{0, []profile.Counter{{Key: "a", Max: 3, Until: day}, {Key: "a", Max: 3, Until: day}}, "[true false]", "map[a:3 b:1]"},
		{0, nil, "[]", "map[a:3 b:1]"},
		{0, []profile.Counter{{Key: "a", Max: 3, Until: day, Back: true}, {Key: "never", Until: day, Back: true}}, "[true true]", "map[a:2 b:1]"},
		{0, []profile.Counter{{Key: "a", Max: 3, Until: day}}, "[true]", "map[a:3 b:1]"},
		{0, []profile.Counter{{Key: "once", Until: day}, {Key: "once", Until: day, Back: true}}, "[true true]", "map[a:3 b:1]"},
		{24 * time.Hour, nil, "[]", "map[a:3 b:1]"}, // it lives at its end
		{24*time.Hour + time.Second, nil, "[]", "map[b:1]"},
		{48 * time.Hour, []profile.Counter{{Key: "a", Max: 2, Until: week}}, "[true]", "map[a:1 b:1]"},
		{48 * time.Hour, []profile.Counter{{Key: "gone", Max: 1, Until: now}}, "[true]", "map[a:1 b:1]"},
		{8 * 24 * time.Hour, nil, "[]", "map[]"},
	}
	for i, step := range steps {
		at := now.Add(step.after)
		if got := fmt.Sprint(mustBump(t, s, 1, at, step.counters...)); got != step.counted {
			t.Errorf("step %d: counted %s, want %s", i, got, step.counted)
		}
		if got := fmt.Sprint(mustCounts(t, s, 1, at)); got != step.counts {
			t.Errorf("step %d: %s, want %s", i, got, step.counts)
		}
	}
	if mustGet(t, s, 1) != nil {
		t.Error("counters show in the profile")
	}
	if c := mustCounts(t, s, 2, now); len(c) != 0 {
		t.Errorf("a stranger's counters: %v", c)
	}
	for i := range profile.CountersMax / 64 {
		many := make([]profile.Counter, 64)
		for j := range many {
			many[j] = profile.Counter{Key: fmt.Sprint(i, "/", j), Until: day}
		}
		mustBump(t, s, 3, now, many...)
	}
	if ok := mustBump(t, s, 3, now, profile.Counter{Key: "one more", Until: day}, profile.Counter{Key: "0/0", Until: day}); ok[0] || !ok[1] {
		t.Errorf("beyond the largest number of counters: %v", ok)
	}
	if ok := mustBump(t, s, 3, day.Add(time.Hour), profile.Counter{Key: "one more", Until: week}); !ok[0] {
		t.Error("ended counters do not make room")
	}
}

func testForget(t *testing.T, setup Setup) {
	dir := t.TempDir()
	s, shut := setup.Open(t, dir)
	ids := []uint64{0, 1, 2, 254, 255, 256, 257, 1<<32 - 1, 1 << 32, math.MaxUint64 - 1, math.MaxUint64}
	var changes []profile.Change
	for _, n := range ids {
		changes = append(changes, set(n, "a", "x"), set(n, "z", "y"))
		mustBump(t, s, n, noon(), profile.Counter{Key: "k", Until: noon().Add(time.Hour)})
	}
	mustApply(t, s, saved{"f", 0, 1}, changes...)
	gone := map[uint64]bool{}
	for _, n := range []uint64{255, math.MaxUint64, 0, 3} {
		if err := s.Forget(t.Context(), who(n)); err != nil {
			t.Fatal(err)
		}
		gone[n] = true
		for round := range 3 {
			for _, id := range ids {
				p, c := mustGet(t, s, id), mustCounts(t, s, id, noon())
				if gone[id] != (p == nil) || gone[id] != (len(c) == 0) {
					t.Errorf("shopper number %d, forgotten %t, round %d: %s and %v", id, gone[id], round, text(p), c)
				}
			}
			if round == 0 {
				shut()
				s, shut = setup.Open(t, dir)
			} else if err := s.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if c := mustCursor(t, s, "f", 0); c != at(1) {
		t.Errorf("forgetting moved a cursor to %q", c)
	}
	mustApply(t, s, saved{"f", 0, 2}, set(255, "a", "back"))
	if got := text(mustGet(t, s, 255)); got != "map[a:back]" {
		t.Errorf("written again after forgetting: %s", got)
	}
	shut()
}
