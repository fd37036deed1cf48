package folder_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"endcap/retail"
	"endcap/simulate/folder"
	"endcap/simulate/grocer"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
)

// small is a grocer that is quickly made.
func small(fs vfs.FS, shoppers, weeks int) folder.Options {
	s := scenario.Defaults()
	s.Shoppers, s.Weeks, s.Seed, s.Products, s.Returns = shoppers, weeks, 7, 1_000, 0.1
	return folder.Options{FS: fs, Dir: "/out", Scenario: s, Model: model.Fitted()}
}

// contents gives the SHA-256 of every file beneath a folder.
func contents(t *testing.T, fs vfs.FS, dir string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		path := fs.PathJoin(dir, n)
		info, err := fs.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			maps.Copy(out, contents(t, fs, path))
			continue
		}
		f, err := fs.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		sum := sha256.Sum256(text)
		out[path] = hex.EncodeToString(sum[:])
	}
	return out
}

func write(t *testing.T, o folder.Options) map[string]string {
	t.Helper()
	if _, err := folder.Write(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return contents(t, o.FS, o.Dir)
}

// Not parallel: it changes how many cores the program uses.
func TestTheSameSeedGivesTheSameBytesOnAnyNumberOfCores(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	var first map[string]string
	for _, cores := range []int{1, 2, 4} {
		runtime.GOMAXPROCS(cores)
		got := write(t, small(vfs.NewMem(), 9_000, 2))
		if first == nil {
			first = got
			continue
		}
		if diff := cmp.Diff(first, got); diff != "" {
			t.Errorf("%d cores, -one core +these:\n%s", cores, diff)
		}
	}
	other := small(vfs.NewMem(), 9_000, 2)
	other.Scenario.Seed++
	if got := write(t, other); got["/out/receipts/week-0001.parquet"] == first["/out/receipts/week-0001.parquet"] {
		t.Error("another seed gave the same receipts")
	}
}

// changes counts what changes a disk, and fails from some operation on.
type changes struct {
	n    atomic.Int64
	from int64 // fails from this one on; 0 never
	err  error
}

func (c *changes) inject(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
		return nil
	}
	if n := c.n.Add(1); c.from > 0 && n >= c.from {
		return c.err
	}
	return nil
}

func TestARunThatIsBrokenOffGoesOnToTheSameBytes(t *testing.T) {
	t.Parallel()
	var count changes
	whole := vfs.NewMem()
	o := small(errorfs.Wrap(whole, errorfs.InjectorFunc(count.inject)), 200, 4)
	if _, err := folder.Write(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	want := contents(t, whole, "/out")
	steps := int64(24)
	for i := range steps {
		at := 1 + (count.n.Load()-1)*i/(steps-1)
		disk := vfs.NewCrashableMem()
		cut := changes{from: at, err: errors.New("the power is gone")}
		o.FS = errorfs.Wrap(disk, errorfs.InjectorFunc(cut.inject))
		if _, err := folder.Write(t.Context(), o); err == nil {
			t.Fatalf("cut at operation %d: no error", at)
		}
		o.FS = disk.CrashClone(vfs.CrashCloneCfg{}) // what was synced, and no more
		_, err := folder.Write(t.Context(), o)
		finished := at == count.n.Load() && err != nil && strings.Contains(err.Error(), "finished")
		if err != nil && !finished {
			t.Fatalf("cut at operation %d: %v", at, err)
		}
		if diff := cmp.Diff(want, contents(t, o.FS, "/out")); diff != "" {
			t.Errorf("cut at operation %d of %d, -whole +resumed:\n%s", at, count.n.Load(), diff)
		}
	}
}

func TestAFullDiskSaysSoAndTheRunGoesOnOnceThereIsRoom(t *testing.T) {
	t.Parallel()
	want := write(t, small(vfs.NewMem(), 200, 3))
	for _, at := range []int64{5, 60, 110} {
		disk := vfs.NewMem()
		full := changes{from: at, err: syscall.ENOSPC}
		o := small(errorfs.Wrap(disk, errorfs.InjectorFunc(full.inject)), 200, 3)
		_, err := folder.Write(t.Context(), o)
		if e, ok := errors.AsType[*retail.Error](err); !ok || !strings.Contains(e.Say, "full") || e.Cure == "" {
			t.Fatalf("full at operation %d: %v", at, err)
		}
		o.FS = disk
		if diff := cmp.Diff(want, write(t, o)); diff != "" {
			t.Errorf("full at operation %d, -whole +resumed:\n%s", at, diff)
		}
	}
}

func TestAStoppedRunSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	want := write(t, small(vfs.NewMem(), 200, 3))
	ctx, stop := context.WithCancel(t.Context())
	o := small(vfs.NewMem(), 200, 3)
	o.Progress = func(p folder.Progress) {
		if p.Week == 2 {
			stop()
		}
	}
	if _, err := folder.Write(ctx, o); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "same command") {
		t.Fatalf("stopped: %v", err)
	}
	o.Progress = nil
	sum, err := folder.Write(t.Context(), o)
	if err != nil || sum.Resumed == 0 {
		t.Fatalf("resumed %d weeks: %v", sum.Resumed, err)
	}
	if diff := cmp.Diff(want, contents(t, o.FS, "/out")); diff != "" {
		t.Errorf("-whole +resumed:\n%s", diff)
	}
}

func TestWhatCannotBeWrittenSaysWhy(t *testing.T) {
	t.Parallel()
	put := func(t *testing.T, fs vfs.FS, name, text string) {
		t.Helper()
		f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.Write([]byte(text))
		_ = f.Close()
	}
	tests := map[string]struct {
		prepare func(t *testing.T, o *folder.Options)
		want    string
	}{
		"no folder": {func(_ *testing.T, o *folder.Options) { o.Dir = "" }, "no folder"},
		"nobody":    {func(_ *testing.T, o *folder.Options) { o.Scenario.Shoppers = 0 }, "shoppers is 0"},
		"everybody": {func(_ *testing.T, o *folder.Options) { o.Scenario.Shoppers = 1 << 40 }, "shoppers is 1099511627776"},
		"no weeks":  {func(_ *testing.T, o *folder.Options) { o.Scenario.Weeks = -1 }, "weeks is -1"},
		"no Monday": {func(_ *testing.T, o *folder.Options) { o.Scenario.Start = "2025-01-07" }, "2025-01-07"},
		"no number": {func(_ *testing.T, o *folder.Options) { o.Scenario.Returns = -0.1 }, "returns"},
		"a file":    {func(t *testing.T, o *folder.Options) { t.Helper(); put(t, o.FS, "/out", "x") }, "is a file"},
		"somebody's": {func(t *testing.T, o *folder.Options) {
			t.Helper()
			must(t, o.FS.MkdirAll("/out", 0o755))
			put(t, o.FS, "/out/diary.txt", "x")
		}, "not empty"},
		"somebody's too": {func(t *testing.T, o *folder.Options) {
			t.Helper()
			must(t, o.FS.MkdirAll("/out/receipts", 0o755))
			put(t, o.FS, "/out/receipts/march.parquet", "x")
		}, "not empty"},
		"another json": {func(t *testing.T, o *folder.Options) {
			t.Helper()
			must(t, o.FS.MkdirAll("/out", 0o755))
			put(t, o.FS, "/out/simulation.json", "{}")
		}, "not empty"},
		"finished":     {func(t *testing.T, o *folder.Options) { t.Helper(); write(t, *o) }, "finished"},
		"another seed": {func(t *testing.T, o *folder.Options) { t.Helper(); write(t, *o); o.Scenario.Seed = 8 }, "another simulation"},
		"another model": {func(t *testing.T, o *folder.Options) {
			t.Helper()
			write(t, *o)
			m := *o.Model
			m.Uplift = 3
			o.Model = &m
		}, "another simulation"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := small(vfs.NewMem(), 50, 1)
			tt.prepare(t, &o)
			_, err := folder.Write(t.Context(), o)
			if e, ok := errors.AsType[*retail.Error](err); !ok || !strings.Contains(e.Error(), tt.want) || e.Cure == "" {
				t.Errorf("%v, want %q and a cure", err, tt.want)
			}
		})
	}
}

// README.txt says how to load the folder, and credits communes where there are any.
func TestTheReadmeSaysHowToLoadTheFolder(t *testing.T) {
	t.Parallel()
	text := func(communes []grocer.Commune) string {
		o := small(vfs.NewMem(), 50, 1)
		o.Communes = communes
		write(t, o)
		f, err := o.FS.Open("/out/README.txt")
		must(t, err)
		out, err := io.ReadAll(f)
		must(t, errors.Join(err, f.Close()))
		return string(out)
	}
	with, without := text([]grocer.Commune{{Code: "01004", Name: "Ambérieu", Department: "01", Population: 14_000}}), text(nil)
	for _, say := range []string{"endcap init --dir $D", "--zone Europe/Paris --currency EUR", "endcap ingest --dir $D --kind $kind --mapping mapping.json $file", "ODbL"} {
		if !strings.Contains(with, say) || !strings.Contains(without, say) {
			t.Errorf("README.txt does not say %q", say)
		}
	}
	if !strings.Contains(with, "@etalab/decoupage-administratif") || strings.Contains(without, "ommunes") {
		t.Errorf("communes are credited where there are none, or not where there are:\n%s\n%s", with, without)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestADamagedStateIsNotGoneOnWith(t *testing.T) {
	t.Parallel()
	o := small(vfs.NewMem(), 200, 3)
	ctx, stop := context.WithCancel(t.Context())
	o.Progress = func(folder.Progress) { stop() }
	_, _ = folder.Write(ctx, o)
	o.Progress = nil
	names, err := o.FS.List("/out")
	must(t, err)
	for _, n := range names {
		if !strings.HasPrefix(n, "state.bin") {
			continue
		}
		f, err := o.FS.Create("/out/"+n, vfs.WriteCategoryUnspecified)
		must(t, err)
		_, _ = f.Write([]byte("00000000 and more"))
		must(t, f.Close())
	}
	if _, err := folder.Write(t.Context(), o); err == nil || !strings.Contains(err.Error(), "damaged") && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a damaged state: %v", err)
	}
}
