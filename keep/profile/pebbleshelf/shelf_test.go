package pebbleshelf_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"endcap/keep/profile"
	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/profile/profiletest"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

func open(t testing.TB, dir string, o pebbleshelf.Options) *pebbleshelf.Store {
	t.Helper()
	s, err := pebbleshelf.Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func shut(t testing.TB, s *pebbleshelf.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func noon() time.Time { return time.Date(2017, 12, 4, 12, 0, 0, 0, time.UTC) }

// TestSuite runs on disks in memory, one for each directory, because the suite
// opens, syncs and compacts hundreds of times; other tests here use the real one.
func TestSuite(t *testing.T) {
	t.Parallel()
	for name, recent := range map[string]int64{"profiles at hand": 0, "no room for any": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suite(t, recent)
		})
	}
}

func suite(t *testing.T, recent int64) {
	t.Helper()
	var disks sync.Map
	profiletest.Run(t, profiletest.Setup{
		Open: func(t *testing.T, dir string) (profile.Store, func()) {
			t.Helper()
			s := open(t, dir, pebbleshelf.Options{FS: diskOf(&disks, dir), RecentBytes: recent})
			return s, func() { shut(t, s) }
		},
		Crashing: func(t *testing.T) (profile.Store, func(*testing.T, uint64, int) profile.Store) {
			t.Helper()
			disk := vfs.NewCrashableMem()
			s := open(t, "shelf", pebbleshelf.Options{FS: disk, RecentBytes: recent})
			t.Cleanup(func() { shut(t, s) })
			return s, func(t *testing.T, seed uint64, lose int) profile.Store {
				t.Helper()
				left := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100 - lose, RNG: rand.New(rand.NewPCG(seed, 3))})
				after := open(t, "shelf", pebbleshelf.Options{FS: left, RecentBytes: recent})
				t.Cleanup(func() { shut(t, after) })
				return after
			}
		},
	})
}

func diskOf(disks *sync.Map, dir string) vfs.FS {
	disk, _ := disks.LoadOrStore(dir, vfs.NewMem())
	return disk.(vfs.FS)
}

// TestWhatAFollowerAppliedIsReadAtOnce lets readers look while profiles change and
// while others take their places.
func TestWhatAFollowerAppliedIsReadAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t, "shelf", pebbleshelf.Options{FS: vfs.NewMem(), RecentBytes: 16 << 10})
	t.Cleanup(func() { shut(t, s) })
	const shoppers, rounds = 40, 50
	var applied [shoppers]atomic.Int64
	var all sync.WaitGroup
	done := make(chan struct{})
	for reader := range 3 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(11, uint64(reader)))
			for {
				select {
				case <-done:
					return
				default:
				}
				n := rng.IntN(shoppers)
				least := applied[n].Load()
				p, err := s.Get(t.Context(), shopper.FromUint64(uint64(n+1)))
				if err != nil {
					t.Error(err)
					return
				}
				if got, _ := strconv.ParseInt(string(p["a"]), 10, 64); got < least {
					t.Errorf("shopper %d reads %d after %d was applied", n, got, least)
					return
				}
			}
		})
	}
	for round := range int64(rounds) {
		for n := range shoppers {
			change := profile.Change{Shopper: shopper.FromUint64(uint64(n + 1)), Section: "a", Value: strconv.AppendInt(nil, round+1, 10)}
			cursor := event.Cursor(fmt.Sprintf("%06d", int(round)*shoppers+n))
			if err := s.Apply(t.Context(), "f", 0, cursor, []profile.Change{change}); err != nil {
				t.Fatal(err)
			}
			applied[n].Store(round + 1)
		}
	}
	close(done)
	all.Wait()
}

func TestOneDirectoryHasOneOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, pebbleshelf.Options{})
	defer shut(t, s)
	if _, err := pebbleshelf.Open(t.Context(), dir, pebbleshelf.Options{}); err == nil || !strings.Contains(err.Error(), "open already") {
		t.Errorf("a second owner: %v", err)
	}
}

func TestAFullDiskRefusesAndHarmsNothing(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	s := open(t, "shelf", pebbleshelf.Options{FS: disk})
	defer shut(t, s)
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 20, TotalBytes: 1 << 40})
	change := []profile.Change{{Shopper: shopper.FromUint64(1), Section: "a", Value: []byte("x")}}
	if err := s.Apply(t.Context(), "f", 0, "1", change); retail.KindOf(err) != retail.Unavailable {
		t.Errorf("apply on a full disk: %v", err)
	}
	if _, err := s.Bump(t.Context(), shopper.FromUint64(1), noon(), []profile.Counter{{Key: "k"}}); retail.KindOf(err) != retail.Unavailable {
		t.Errorf("bump on a full disk: %v", err)
	}
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 40, TotalBytes: 1 << 40})
	if err := s.Apply(t.Context(), "f", 0, "1", change); err != nil {
		t.Errorf("apply after making room: %v", err)
	}
}

func TestForgottenShoppersLeaveNoBytesOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, pebbleshelf.Options{})
	defer shut(t, s)
	for i := range 300 {
		who := shopper.FromUint64(uint64(i))
		change := profile.Change{Shopper: who, Section: "habits", Value: fmt.Appendf(nil, "secret-%03d-of-hers", i)}
		if err := s.Apply(t.Context(), "f", 0, event.Cursor(fmt.Sprintf("%04d", i+1)), []profile.Change{change}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Bump(t.Context(), shopper.FromUint64(77), noon(), []profile.Counter{{Key: "seen-by-her", Until: noon()}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Forget(t.Context(), shopper.FromUint64(299)); err != nil { // on disk, with all before it
		t.Fatal(err)
	}
	until(t, "what was written is on disk", func() bool { return holds(t, dir, "secret-077") && holds(t, dir, "seen-by-her") })
	if err := s.Forget(t.Context(), shopper.FromUint64(77)); err != nil {
		t.Fatal(err)
	}
	if err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "what was forgotten is gone", func() bool { return !holds(t, dir, "secret-077") && !holds(t, dir, "seen-by-her") })
	values, err := s.Sections(t.Context(), "habits", []shopper.ID{shopper.FromUint64(76), shopper.FromUint64(77), shopper.FromUint64(78)})
	if err != nil || string(values[0]) != "secret-076-of-hers" || values[1] != nil || values[2] == nil {
		t.Errorf("her neighbours hold %q, %v", values, err)
	}
}

// A follower may lag behind the one that forgets: what it writes of her then, it
// deletes when it comes to the fact that forgets her, or when it is folded anew.
func TestWhatWasWrittenOfHerAfterSheWasForgottenGoesWithItsDeletion(t *testing.T) {
	t.Parallel()
	for name, deletion := range map[string]func(t *testing.T, s *pebbleshelf.Store) error{
		"her section alone": func(t *testing.T, s *pebbleshelf.Store) error {
			t.Helper()
			return s.Apply(t.Context(), "f", 0, "3", []profile.Change{{Shopper: person(8), Section: "habits", Value: []byte("milk")}, {Shopper: person(7), Section: "habits"}})
		},
		"all that the follower wrote": func(t *testing.T, s *pebbleshelf.Store) error {
			t.Helper()
			return s.Replace(t.Context(), "f", []profile.Section{"habits"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, dir, pebbleshelf.Options{})
			defer shut(t, s)
			if err := errors.Join(s.Forget(t.Context(), person(7)), s.Compact(t.Context())); err != nil {
				t.Fatal(err)
			}
			for i, late := range []string{"secret-of-hers", "secret-that-came-over-it"} {
				change := profile.Change{Shopper: person(7), Section: "habits", Value: []byte(late)}
				if err := s.Apply(t.Context(), "f", 0, event.Cursor(strconv.Itoa(i+1)), []profile.Change{change}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			until(t, "what was written is on disk", func() bool { return holds(t, dir, "secret-of-hers") && holds(t, dir, "secret-that-came") })
			if err := errors.Join(deletion(t, s), s.Compact(t.Context())); err != nil {
				t.Fatal(err)
			}
			until(t, "what was deleted is gone", func() bool { return !holds(t, dir, "secret-") })
		})
	}
}

// A house of millions would otherwise write all of its profiles anew each night.
// Tables that are no longer needed go when they go, so only new ones tell.
func TestANightInWhichNobodyLeftRewritesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tables := func() []string {
		names, err := filepath.Glob(filepath.Join(dir, "*.sst"))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	s := open(t, dir, pebbleshelf.Options{})
	var changes []profile.Change
	for i := range 300 {
		changes = append(changes, profile.Change{Shopper: shopper.FromUint64(uint64(i)), Section: "habits", Value: []byte("milk")})
	}
	if err := s.Apply(t.Context(), "f", 0, "1", changes); err != nil {
		t.Fatal(err)
	}
	var before []string
	for i, night := range []struct {
		leaves, anew bool
	}{{false, true}, {false, false}, {true, true}, {false, false}} {
		if night.leaves {
			if err := s.Forget(t.Context(), shopper.FromUint64(7)); err != nil {
				t.Fatal(err)
			}
			shut(t, s)
			s = open(t, dir, pebbleshelf.Options{}) // who left is not forgotten by a restart
			before = tables()
		}
		if err := s.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := tables()
		if anew := slices.ContainsFunc(after, func(name string) bool { return !slices.Contains(before, name) }); anew != night.anew {
			t.Errorf("night %d: the tables were %q and are %q", i, before, after)
		}
		before = after
	}
	shut(t, s)
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long until %s", what)
		}
	}
}

// holds reports whether a file under dir contains text.
func holds(t *testing.T, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a file may go away while we look
			return err
		}
		found = found || bytes.Contains(b, []byte(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestDumpGoesThroughEverySectionInOrder also shows that the dump tells nothing
// of the order in which followers wrote.
func TestDumpGoesThroughEverySectionInOrder(t *testing.T) {
	t.Parallel()
	var changes []profile.Change
	for i := range 500 {
		for _, section := range []profile.Section{"habits", "last", "a"} {
			changes = append(changes, profile.Change{
				Shopper: shopper.FromUint64(uint64(i) * 0x9e37_79b9_7f4a_7c15), Section: section, Value: fmt.Append(nil, i),
			})
		}
	}
	dump := func(changes []profile.Change) string {
		s := open(t, "shelf", pebbleshelf.Options{FS: vfs.NewMem()})
		defer shut(t, s)
		for i, c := range changes {
			if err := s.Apply(t.Context(), "f", 0, event.Cursor(fmt.Sprintf("%05d", i+1)), []profile.Change{c}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Bump(t.Context(), c.Shopper, noon(), []profile.Counter{{Key: "k", Until: noon()}}); err != nil {
				t.Fatal(err)
			}
		}
		var out strings.Builder
		err := s.Dump(t.Context(), func(who shopper.ID, section profile.Section, value []byte) error {
			fmt.Fprintf(&out, "%016x %s %s\n", who.Reveal(), section, value)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	forth := dump(changes)
	if !slices.IsSorted(strings.Split(strings.TrimSpace(forth), "\n")) || strings.Count(forth, "\n") != len(changes) {
		t.Error("the dump is out of order or not complete")
	}
	slices.Reverse(changes)
	if back := dump(changes); back != forth {
		t.Error("the order of writing shows in the dump")
	}
	s := open(t, "shelf", pebbleshelf.Options{FS: vfs.NewMem()})
	defer shut(t, s)
	if err := s.Apply(t.Context(), "f", 0, "1", changes); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	if err := s.Dump(t.Context(), func(shopper.ID, profile.Section, []byte) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("a dump that is told to stop: %v", err)
	}
}

// profiles fills a store with as many shoppers, of five sections each, in SSTs
// on disk rather than in memory.
func profiles(b *testing.B, n int) *pebbleshelf.Store {
	b.Helper()
	dir := b.TempDir()
	s := open(b, dir, pebbleshelf.Options{})
	rng := rand.New(rand.NewPCG(1, 2))
	value := make([]byte, 400)
	for i := range value {
		value[i] = byte(rng.Uint32())
	}
	for f, section := range []profile.Section{"audiences", "consent", "habits", "last", "reach"} {
		for from := 0; from < n; from += 1_000 {
			changes := make([]profile.Change, 1_000)
			for i := range changes {
				changes[i] = profile.Change{Shopper: person(from + i), Section: section, Value: value[:40+80*f]}
			}
			if err := s.Apply(b.Context(), string(section), 0, event.Cursor(fmt.Sprintf("%09d", from+1)), changes); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := s.Compact(b.Context()); err != nil {
		b.Fatal(err)
	}
	shut(b, s)
	return open(b, dir, pebbleshelf.Options{})
}

func person(i int) shopper.ID { return shopper.FromUint64(uint64(i+1) * 0x9e37_79b9_7f4a_7c15) }

func BenchmarkGet(b *testing.B) {
	const n = 50_000
	s := profiles(b, n)
	defer shut(b, s)
	rng := rand.New(rand.NewPCG(3, 4))
	for range n {
		if _, err := s.Get(b.Context(), person(rng.IntN(n))); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		p, err := s.Get(b.Context(), person(rng.IntN(n)))
		if err != nil || len(p) != 5 {
			b.Fatal(len(p), err)
		}
	}
}

func BenchmarkBump(b *testing.B) {
	s := profiles(b, 10_000)
	defer shut(b, s)
	rng := rand.New(rand.NewPCG(3, 4))
	until := noon().Add(time.Hour)
	counters := []profile.Counter{{Key: "li-00017/2017-12-04", Until: until}, {Key: "li-00018/2017-12-04", Until: until}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Bump(b.Context(), person(rng.IntN(10_000)), noon(), counters); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	s := profiles(b, 10_000)
	defer shut(b, s)
	value := make([]byte, 300)
	changes := make([]profile.Change, 1_000)
	for i := range changes {
		changes[i] = profile.Change{Shopper: person(i), Section: "habits", Value: value}
	}
	n := 0
	for b.Loop() {
		n++
		if err := s.Apply(b.Context(), "g", 0, event.Cursor(fmt.Sprintf("%09d", n)), changes); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(1_000*b.N)/b.Elapsed().Seconds(), "changes/s")
}

// A shopper whose block cannot be read is not one whom nobody knows: a fold
// would begin her anew and save that over what is known of her.
func TestAReadThatFailsIsNoAbsence(t *testing.T) {
	t.Parallel()
	var reads, fail atomic.Int64 // since armed; the one that fails, 0 for none
	disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt && strings.HasSuffix(op.Path, ".sst") && fail.Load() > 0 && reads.Add(1) == fail.Load() {
			return errorfs.ErrInjected
		}
		return nil
	}))
	var who []shopper.ID
	var changes []profile.Change
	for i := range 400 {
		who = append(who, shopper.FromUint64(uint64(i+1)<<40))
		changes = append(changes, profile.Change{Shopper: who[i], Section: "habits", Value: bytes.Repeat([]byte{byte(i), byte(i * 7)}, 300)})
	}
	struck := 0
	for n := range int64(24) {
		s, err := pebbleshelf.Open(t.Context(), "shelf", pebbleshelf.Options{FS: disk, CacheBytes: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			err = s.Apply(t.Context(), "f", 0, "a", changes)
		}
		if err != nil {
			t.Fatal(err)
		}
		reads.Store(0)
		fail.Store(n) // on the first round everything is still in memory
		values, err := s.Sections(t.Context(), "habits", who)
		fail.Store(0)
		if err != nil {
			struck++
		}
		for i := range values {
			if err == nil && values[i] == nil {
				t.Fatalf("round %d: shopper %d is absent and there is no error", n, i)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if struck < 3 {
		t.Errorf("only %d reads failed, so this proves little", struck)
	}
}
