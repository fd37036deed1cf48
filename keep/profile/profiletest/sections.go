package profiletest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"endcap/keep/profile"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

func testApply(t *testing.T, setup Setup) {
	s := setup.open(t, t.TempDir())
	if p := mustGet(t, s, 1); p != nil {
		t.Errorf("a stranger has %d sections", len(p))
	}
	mustApply(t, s, saved{"habits", 0, 1}, set(1, "habits", "oats"), set(2, "habits", "milk"), set(1, "empty", ""))
	mustApply(t, s, saved{"consent", 0, 1}, set(1, "consent", "all"))
	tests := map[uint64]string{
		0: "map[]", 1: "map[consent:all empty: habits:oats]", 2: "map[habits:milk]", 3: "map[]",
	}
	for n, want := range tests {
		if got := text(mustGet(t, s, n)); got != want {
			t.Errorf("profile %d is %s, want %s", n, got, want)
		}
	}
	mustApply(t, s, saved{"habits", 0, 2}, set(1, "habits", "rye"), profile.Change{Shopper: who(2), Section: "habits"}, set(1, "empty", ""), set(1, "habits", "tea"))
	if got := text(mustGet(t, s, 1)); got != "map[consent:all empty: habits:tea]" {
		t.Errorf("the last change of a section does not hold: %s", got)
	}
	if got := mustGet(t, s, 2); got != nil {
		t.Errorf("a removed section is there: %s", text(got))
	}
}

func testSections(t *testing.T, setup Setup) {
	s := setup.open(t, t.TempDir())
	mustApply(
		t, s, saved{"f", 0, 1},
		set(9, "b", "nine"), set(3, "b", "three"), set(3, "a", "no"), set(3, "bb", "no"), set(4, "a", "no"), set(5, "b", ""),
		set(math.MaxUint64, "b", "last"),
	)
	asked := []shopper.ID{who(9), who(3), who(4), who(9), who(0), who(5), who(math.MaxUint64), who(6)}
	got, err := s.Sections(t.Context(), "b", asked)
	if err != nil {
		t.Fatal(err)
	}
	want := []any{"nine", "three", nil, "nine", nil, "", "last", nil}
	for i := range want {
		if want[i] == nil && got[i] == nil {
			continue
		}
		if want[i] == nil || got[i] == nil || string(got[i]) != want[i] {
			t.Errorf("shopper asked as number %d: %q, want %v", i, got[i], want[i])
		}
	}
	if none, err := s.Sections(t.Context(), "b", nil); err != nil || len(none) != 0 {
		t.Errorf("asked for nobody: %d values, %v", len(none), err)
	}
}

func testCursor(t *testing.T, setup Setup) {
	s := setup.open(t, t.TempDir())
	if c := mustCursor(t, s, "f", 0); c != "" {
		t.Errorf("a new follower stands at %q", c)
	}
	mustApply(t, s, saved{"f", 0, 5}, set(1, "a", "five"))
	mustApply(t, s, saved{"f", 0, 5}, set(1, "a", "five again"))
	mustApply(t, s, saved{"f", 0, 4}, set(1, "a", "four"), set(2, "a", "four"))
	if got := text(mustGet(t, s, 1)); got != "map[a:five]" || mustGet(t, s, 2) != nil {
		t.Errorf("an old cursor changed something: %s", got)
	}
	mustApply(t, s, saved{"f", 1, 1}, set(1, "a", "other partition"))
	mustApply(t, s, saved{"g", 0, 1}, set(1, "b", "other follower"))
	mustApply(t, s, saved{"f", 0, 6})
	for place, want := range map[[2]any]event.Cursor{{"f", 0}: at(6), {"f", 1}: at(1), {"g", 0}: at(1), {"g", 1}: ""} {
		if got := mustCursor(t, s, place[0].(string), place[1].(int)); got != want {
			t.Errorf("cursor of %v is %q, want %q", place, got, want)
		}
	}
}

func testReopen(t *testing.T, setup Setup) {
	dir := t.TempDir()
	s, shut := setup.Open(t, dir)
	mustApply(t, s, saved{"f", 2, 7}, set(1, "a", "x"), set(2, "a", "y"))
	mustBump(t, s, 1, noon(), profile.Counter{Key: "k", Until: noon().Add(time.Hour)})
	shut()
	s = setup.open(t, dir)
	if got := text(mustGet(t, s, 1)); got != "map[a:x]" {
		t.Errorf("after opening again: %s", got)
	}
	if c := mustCursor(t, s, "f", 2); c != at(7) {
		t.Errorf("after opening again the cursor is %q", c)
	}
	if n := mustCounts(t, s, 1, noon())["k"]; n != 1 {
		t.Errorf("after opening again %d is counted", n)
	}
}

func testMemory(t *testing.T, setup Setup) {
	s := setup.open(t, t.TempDir())
	mine := []byte("mine")
	mustApply(t, s, saved{"f", 0, 1}, profile.Change{Shopper: who(1), Section: "a", Value: mine}, set(1, "b", "next"))
	clear(mine)
	for range 2 {
		p := mustGet(t, s, 1)
		if got := text(p); got != "map[a:mine b:next]" {
			t.Fatalf("stored memory changed: %s", got)
		}
		if _ = fmt.Append(p["a"], "longer"); string(p["b"]) != "next" {
			t.Fatal("a section grew into its neighbour")
		}
		got, err := s.Sections(t.Context(), "a", []shopper.ID{who(1)})
		if err != nil || string(got[0]) != "mine" {
			t.Fatalf("stored memory changed: %s, %v", got[0], err)
		}
		clear(got[0])
	}
}

// testInstant has a writer keep two sections equal and readers look.
func testInstant(t *testing.T, setup Setup) {
	s := setup.open(t, t.TempDir())
	done := make(chan struct{})
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				p, err := s.Get(t.Context(), who(1))
				if err != nil || string(p["a"]) != string(p["z"]) {
					t.Errorf("half a change: %s, %v", text(p), err)
					return
				}
			}
		})
	}
	for i := range 300 {
		n := fmt.Sprint(i)
		mustApply(t, s, saved{"f", 0, 1 + i}, set(1, "a", n), set(2, "a", n), set(1, "z", n))
	}
	close(done)
	all.Wait()
}

func testReplace(t *testing.T, setup Setup) {
	dir := t.TempDir()
	s, shut := setup.Open(t, dir)
	var changes []profile.Change
	for n := range uint64(3_000) {
		changes = append(changes, set(n, "habits", "x"), set(n, "habits_b", "y"), set(n, "last", "z"))
	}
	mustApply(t, s, saved{"f", 0, 3}, changes...)
	mustApply(t, s, saved{"f", 3, 4})
	mustApply(t, s, saved{"ff", 0, 5}, set(1, "consent", "all"))
	mustBump(t, s, 1, noon(), profile.Counter{Key: "k", Until: noon().Add(time.Hour)})
	if err := s.Replace(t.Context(), "f", []profile.Section{"habits", "last"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := text(mustGet(t, s, 1)); got != "map[consent:all habits_b:y]" {
			t.Errorf("after a replace: %s", got)
		}
		if got := text(mustGet(t, s, 2_999)); got != "map[habits_b:y]" {
			t.Errorf("after a replace: %s", got)
		}
		if a, b, c := mustCursor(t, s, "f", 0), mustCursor(t, s, "f", 3), mustCursor(t, s, "ff", 0); a != "" || b != "" || c != at(5) {
			t.Errorf("after a replace the cursors are %q, %q and %q", a, b, c)
		}
		if n := mustCounts(t, s, 1, noon())["k"]; n != 1 {
			t.Errorf("a replace changed a counter to %d", n)
		}
		shut()
		s, shut = setup.Open(t, dir)
	}
	mustApply(t, s, saved{"f", 0, 1}, set(1, "habits", "again"))
	if got := text(mustGet(t, s, 1)); got != "map[consent:all habits:again habits_b:y]" {
		t.Errorf("folded again: %s", got)
	}
	shut()
}

func testLimits(t *testing.T, setup Setup) {
	s := setup.open(t, t.TempDir())
	ctx := t.Context()
	apply := func(follower string, partition int, c profile.Change) error {
		return s.Apply(ctx, follower, partition, at(9), []profile.Change{set(1, "fine", "x"), c})
	}
	bump := func(key string) error {
		_, err := s.Bump(ctx, who(1), noon(), []profile.Counter{{Key: "fine", Until: noon().Add(time.Hour)}, {Key: key, Until: noon().Add(time.Hour)}})
		return err
	}
	sections := func(name string) error {
		_, err := s.Sections(ctx, profile.Section(name), []shopper.ID{who(1)})
		return err
	}
	cursor := func(follower string) error { _, err := s.Cursor(ctx, follower, 0); return err }
	long := strings.Repeat("a", 200)
	tests := map[string]error{
		"a section too big":            apply("f", 0, set(1, "big", strings.Repeat("x", profile.SectionMax+1))),
		"a section without a name":     apply("f", 0, set(1, "", "x")),
		"a section of capital letters": apply("f", 0, set(1, "Habits", "x")),
		"a section of a strange byte":  apply("f", 0, set(1, "a\xff", "x")),
		"a section with a long name":   apply("f", 0, set(1, profile.Section(long), "x")),
		"no follower":                  apply("", 0, set(1, "a", "x")),
		"a follower with a long name":  apply(long, 0, set(1, "a", "x")),
		"a follower with a zero":       apply("f\x00", 0, set(1, "a", "x")),
		"a partition below none":       apply("f", -1, set(1, "a", "x")),
		"a cursor of no follower":      cursor(""),
		"replacing a strange section":  s.Replace(ctx, "f", []profile.Section{"A"}),
		"replacing for no follower":    s.Replace(ctx, "", nil),
		"reading a strange section":    sections("no such name!"),
		"a counter without a key":      bump(""),
		"a counter with a long key":    bump(long),
	}
	for name, err := range tests {
		if !errors.Is(err, profile.ErrLimit) {
			t.Errorf("%s: %v, want ErrLimit", name, err)
		}
	}
	if p, c := mustGet(t, s, 1), mustCounts(t, s, 1, noon()); p != nil || len(c) != 0 {
		t.Errorf("a refused call left %s and %v", text(p), c)
	}
	mustApply(t, s, saved{"f", 0, 10}, set(1, "big", strings.Repeat("x", profile.SectionMax)))
	if n := len(mustGet(t, s, 1)["big"]); n != profile.SectionMax {
		t.Errorf("a section as big as may be has %d bytes", n)
	}
}

func testClosed(t *testing.T, setup Setup) {
	s, shut := setup.Open(t, t.TempDir())
	shut()
	shut() // closing twice is fine
	ctx := t.Context()
	_, getErr := s.Get(ctx, who(1))
	_, sectionsErr := s.Sections(ctx, "a", []shopper.ID{who(1)})
	_, cursorErr := s.Cursor(ctx, "f", 0)
	_, bumpErr := s.Bump(ctx, who(1), noon(), nil)
	_, countsErr := s.Counts(ctx, who(1), noon())
	for name, err := range map[string]error{
		"get": getErr, "sections": sectionsErr, "cursor": cursorErr, "bump": bumpErr, "counts": countsErr,
		"apply": s.Apply(ctx, "f", 0, at(1), nil), "replace": s.Replace(ctx, "f", nil),
		"forget": s.Forget(ctx, who(1)), "compact": s.Compact(ctx),
	} {
		if !errors.Is(err, profile.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := setup.open(t, t.TempDir()).Get(ended, who(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("get for a caller that has gone: %v", err)
	}
}
