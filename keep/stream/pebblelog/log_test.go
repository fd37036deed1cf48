package pebblelog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"endcap/keep/stream"
	"endcap/keep/stream/pebblelog"
	"endcap/keep/stream/streamtest"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

func open(t testing.TB, dir string, o pebblelog.Options) *pebblelog.Log {
	t.Helper()
	l, err := pebblelog.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func shut(t testing.TB, l *pebblelog.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func noon() time.Time { return time.Date(2017, 12, 4, 12, 0, 0, 0, time.UTC) }

// TestSuite runs on disks in memory, one for each directory, because the suite
// opens, syncs and compacts hundreds of times; other tests here use the real one.
func TestSuite(t *testing.T) {
	t.Parallel()
	var disks sync.Map
	streamtest.Run(t, streamtest.Setup{
		Open: func(t *testing.T, dir string, now retail.Clock) (stream.Stream, func()) {
			t.Helper()
			l := open(t, dir, pebblelog.Options{Now: now, FS: diskOf(&disks, dir)})
			return l, func() { shut(t, l) }
		},
		Crashing: func(t *testing.T, now retail.Clock) (stream.Stream, func(*testing.T, uint64, int) stream.Stream) {
			t.Helper()
			disk := vfs.NewCrashableMem()
			l := open(t, "stream", pebblelog.Options{Now: now, FS: disk})
			t.Cleanup(func() { shut(t, l) })
			return l, func(t *testing.T, seed uint64, lose int) stream.Stream {
				t.Helper()
				left := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100 - lose, RNG: rand.New(rand.NewPCG(seed, 3))})
				after := open(t, "stream", pebblelog.Options{Now: now, FS: left})
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

func TestOneDirectoryHasOneOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, pebblelog.Options{Now: noon})
	defer shut(t, l)
	if _, err := pebblelog.Open(dir, pebblelog.Options{Now: noon}); err == nil || !strings.Contains(err.Error(), "open already") {
		t.Errorf("a second owner: %v", err)
	}
}

func TestPartitionsStay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	shut(t, open(t, dir, pebblelog.Options{Now: noon, Partitions: 7}))
	if _, err := pebblelog.Open(dir, pebblelog.Options{Now: noon, Partitions: 8}); err == nil || !strings.Contains(err.Error(), "7 partitions") {
		t.Errorf("opened with another number of partitions: %v", err)
	}
	l := open(t, dir, pebblelog.Options{Now: noon})
	defer shut(t, l)
	if l.Partitions() != 7 {
		t.Errorf("%d partitions, want 7", l.Partitions())
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]pebblelog.Options{
		"no clock":            {},
		"too many partitions": {Now: noon, Partitions: pebblelog.PartitionsMax + 1},
		"fewer than none":     {Now: noon, Partitions: -1},
	} {
		if _, err := pebblelog.Open(t.TempDir(), o); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// A partition whose end cannot be read is not an empty one: new facts would be
// given the places of stored ones.
func TestAReadThatFailsIsNoEmptyPartition(t *testing.T) {
	t.Parallel()
	var reads, fail atomic.Int64 // of tables since armed; the one that fails, 0 for none
	disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt && strings.HasSuffix(op.Path, ".sst") && fail.Load() > 0 && reads.Add(1) == fail.Load() {
			return errorfs.ErrInjected
		}
		return nil
	}))
	options := pebblelog.Options{Now: noon, FS: disk, Partitions: 3, CacheBytes: 64 << 10}
	l := open(t, "stream", options)
	if _, err := l.Append(t.Context(), receipts(t, 0, 600)); err != nil {
		t.Fatal(err)
	}
	ends := endsOf(t, l)
	shut(t, l)
	shut(t, open(t, "stream", options)) // what was only in the log is in tables now
	struck := 0
	for n := range int64(24) {
		reads.Store(0)
		fail.Store(n + 1)
		l, err := pebblelog.Open("stream", options)
		fail.Store(0)
		if err != nil {
			struck++
			continue
		}
		if got := endsOf(t, l); !slices.Equal(got, ends) {
			t.Fatalf("read %d failed, and the partitions end at %x, not %x", n+1, got, ends)
		}
		shut(t, l)
	}
	if struck < 3 {
		t.Errorf("only %d reads failed, so this proves little", struck)
	}
}

func endsOf(t *testing.T, l *pebblelog.Log) []event.Cursor {
	t.Helper()
	ends := make([]event.Cursor, l.Partitions())
	for p := range ends {
		var err error
		if ends[p], err = l.End(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	return ends
}

func TestAFullDiskRefusesFactsAndHarmsNone(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	l := open(t, "stream", pebblelog.Options{Now: noon, FS: disk})
	defer shut(t, l)
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 20, TotalBytes: 1 << 40})
	facts := receipts(t, 0, 3)
	_, err := l.Append(t.Context(), facts)
	if retail.KindOf(err) != retail.Unavailable {
		t.Fatalf("append on a full disk: %v", err)
	}
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 40, TotalBytes: 1 << 40})
	got, err := l.Append(t.Context(), facts)
	if err != nil || got[0].Outcome != stream.New {
		t.Fatalf("append after making room: %v", err)
	}
}

func TestTrimmedFactsLeaveNoBytesOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, pebblelog.Options{Now: noon, Partitions: 1})
	defer shut(t, l)
	facts := receipts(t, 0, 500)
	got, err := l.Append(t.Context(), facts)
	if err != nil {
		t.Fatal(err)
	}
	if !holds(t, dir, "receipt-100") || !holds(t, dir, "receipt-299") || !holds(t, dir, "receipt-400") {
		t.Fatal("the search finds no stored fact, so it proves nothing")
	}
	if err := l.Trim(t.Context(), 0, got[300].At); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for holds(t, dir, "receipt-100") || holds(t, dir, "receipt-299") { // the second shares its block with some that stay
		if time.Now().After(deadline) {
			t.Fatal("a trimmed fact is still on disk")
		}
		time.Sleep(10 * time.Millisecond)
	}
	entries, err := l.Read(t.Context(), 0, "", 500)
	if err != nil || len(entries) != 199 {
		t.Errorf("%d facts stay, want 199: %v", len(entries), err)
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
		found = found || strings.Contains(string(b), text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// receipts makes the facts of receipts from..to, about 280 bytes each.
func receipts(t testing.TB, from, to int) []event.Packed {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(from), 4))
	facts := make([]event.Packed, 0, to-from)
	for i := from; i < to; i++ {
		r := basket.Receipt{
			ID: basket.ReceiptID(fmt.Sprint("receipt-", i)), Store: "s-12", Channel: catalog.InStore, At: noon(), Currency: "USD",
			Lines: make([]basket.Line, 10),
		}
		for l := range r.Lines {
			r.Lines[l] = basket.Line{
				Product: catalog.ProductID(fmt.Sprint(900_000 + rng.IntN(70_000))), Quantity: 1_000,
				UnitPrice: retail.Micros(rng.IntN(5_000_000)), Sales: retail.Micros(rng.IntN(500)) * 10_000,
			}
		}
		f := event.Fact{
			ID: string(r.ID), At: noon(), Arrived: noon(), Shopper: shopper.FromUint64(1 + rng.Uint64N(1<<63)), Source: "file",
			Day: retail.Date(2017, 12, 4), Body: event.Receipt{Receipt: r},
		}
		p, err := event.Pack(nil, &f)
		if err != nil {
			t.Fatal(err)
		}
		facts = append(facts, p)
	}
	return facts
}
