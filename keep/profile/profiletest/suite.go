// Package profiletest is what every profile store must pass: what was applied is
// read back, cursors and values stay together over crashes and races, counters
// count exactly, forgetting forgets, limits hold, and random histories agree
// with a plain model in memory.
//
// An adapter's test calls Run with how to open it; nothing is skipped.
//
// It stands beside the road of a receipt and checks the shelf at its side.
package profiletest

import (
	"fmt"
	"testing"
	"time"

	"endcap/keep/profile"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// Setup is how the suite gets at the store under test.
type Setup struct {
	// Open opens the store in dir and gives how to close it. It is called again
	// on the same dir after that.
	Open func(t *testing.T, dir string) (s profile.Store, shut func())
	// Crashing opens a new store on a disk that forgets what was not synced.
	// Each call of crash opens another store on what that disk would hold had
	// the power failed at this moment; lose is the share of unsynced pieces, in
	// percent, that it loses, and seed draws them. Meanwhile s goes on.
	Crashing func(t *testing.T) (s profile.Store, crash func(t *testing.T, seed uint64, lose int) profile.Store)
}

// Run is the suite.
func Run(t *testing.T, setup Setup) {
	t.Helper()
	parts := map[string]func(*testing.T, Setup){
		"what was applied is read":                        testApply,
		"sections of many shoppers come as asked":         testSections,
		"a cursor that is not ahead changes nothing":      testCursor,
		"a store opened again is the same store":          testReopen,
		"what was returned belongs to the reader":         testMemory,
		"a profile is of one instant":                     testInstant,
		"power fails and values stay with their cursors":  testCrash,
		"what was synced outlives the power":              testSync,
		"power fails while a section is replaced":         testCrashInReplace,
		"a replace cut short is not half a state":         testHalfReplace,
		"replacing deletes a follower's sections alone":   testReplace,
		"a counter stops at its bound, whoever counts":    testBumpRace,
		"counters count, end and make room":               testCounters,
		"a forgotten shopper is gone, her neighbours not": testForget,
		"limits and strange names are refused":            testLimits,
		"a closed store says so":                          testClosed,
		"random histories agree with a model":             testHistories,
	}
	for name, part := range parts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, setup)
		})
	}
}

func (s Setup) open(t *testing.T, dir string) profile.Store {
	t.Helper()
	st, shut := s.Open(t, dir)
	t.Cleanup(shut)
	return st
}

func who(n uint64) shopper.ID { return shopper.FromUint64(n) }

// at is the nth cursor of a stream.
func at(n int) event.Cursor { return event.Cursor(fmt.Sprintf("%08d", n)) }

func noon() time.Time { return time.Date(2017, 12, 4, 12, 0, 0, 0, time.UTC) }

func set(n uint64, section profile.Section, value string) profile.Change {
	return profile.Change{Shopper: who(n), Section: section, Value: []byte(value)}
}

// saved is how far a follower has come in a partition.
type saved struct {
	follower          string
	partition, cursor int
}

func mustApply(t testing.TB, s profile.Store, to saved, changes ...profile.Change) {
	t.Helper()
	if err := s.Apply(t.Context(), to.follower, to.partition, at(to.cursor), changes); err != nil {
		t.Fatal(err)
	}
}

func mustGet(t testing.TB, s profile.Store, n uint64) profile.Profile {
	t.Helper()
	p, err := s.Get(t.Context(), who(n))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustCursor(t testing.TB, s profile.Store, follower string, partition int) event.Cursor {
	t.Helper()
	c, err := s.Cursor(t.Context(), follower, partition)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustBump(t testing.TB, s profile.Store, n uint64, now time.Time, counters ...profile.Counter) []bool {
	t.Helper()
	ok, err := s.Bump(t.Context(), who(n), now, counters)
	if err != nil {
		t.Fatal(err)
	}
	if len(ok) != len(counters) {
		t.Fatalf("%d answers to %d counters", len(ok), len(counters))
	}
	return ok
}

func mustCounts(t testing.TB, s profile.Store, n uint64, now time.Time) map[string]int {
	t.Helper()
	c, err := s.Counts(t.Context(), who(n), now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// text is a profile as a comparable text.
func text(p profile.Profile) string {
	plain := map[string]string{}
	for section, value := range p {
		plain[string(section)] = string(value)
	}
	return fmt.Sprint(plain)
}
