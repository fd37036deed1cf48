package folder_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
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

// A run may be stopped at any time: while it is set up, in a week, and as one ends.
func TestAStoppedRunSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	want := write(t, small(vfs.NewMem(), 500, 3))
	for name, tt := range map[string]struct {
		stops   func(p folder.Progress) bool
		say     string
		resumed int
	}{
		"at once":         {func(folder.Progress) bool { return true }, "broken off while it was set up; the same command begins anew: context canceled", 0},
		"in the set-up":   {func(p folder.Progress) bool { return p.Week == 0 && p.Part > 0.5 }, "broken off while it was set up; the same command begins anew: context canceled", 0},
		"in a week":       {func(p folder.Progress) bool { return p.Week == 2 }, "broken off before week 2; the same command goes on from there: context canceled", 1},
		"in another week": {func(p folder.Progress) bool { return p.Week == 3 }, "broken off before week 3; the same command goes on from there: context canceled", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			o := small(vfs.NewMem(), 500, 3)
			o.Progress = func(p folder.Progress) {
				if tt.stops(p) {
					stop()
				}
			}
			if _, err := folder.Write(ctx, o); !errors.Is(err, context.Canceled) || err.Error() != tt.say {
				t.Fatalf("stopped: %v, want %q", err, tt.say)
			}
			o.Progress = nil
			sum, err := folder.Write(t.Context(), o)
			if err != nil || sum.Resumed != tt.resumed {
				t.Fatalf("resumed %d weeks, want %d: %v", sum.Resumed, tt.resumed, err)
			}
			if diff := cmp.Diff(want, contents(t, o.FS, "/out")); diff != "" {
				t.Errorf("-whole +resumed:\n%s", diff)
			}
		})
	}
}

func TestTheSetUpSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	o := small(vfs.NewMem(), 20_000, 1)
	var told []folder.Progress
	o.Progress = func(p folder.Progress) {
		if p.Week == 0 {
			told = append(told, p)
		}
	}
	write(t, o)
	for i, p := range told[1:] {
		if p.Part < told[i].Part || p.Lines < told[i].Lines || p.Part-told[i].Part > 0.2 {
			t.Errorf("%v of the set-up comes after %v, %d rows after %d", p.Part, told[i].Part, p.Lines, told[i].Lines)
		}
	}
	if first, last := told[0], told[len(told)-1]; first.Part != 0 || last.Part != 1 || last.Lines < 100_000 {
		t.Errorf("it is told from %+v to %+v", first, last)
	}
}

// What cannot be written is said of one file, also where two are written at once.
func TestAnErrorNamesOneFile(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	o := small(errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.Contains(op.Path, "truth/receipts/") && op.Kind == errorfs.OpFileWrite {
			return errors.New("input/output error")
		}
		return nil
	})), 200, 2)
	_, err := folder.Write(t.Context(), o)
	if err == nil || strings.Count(err.Error(), ".parquet") != 1 || !strings.Contains(err.Error(), "write truth/receipts/week-0001.parquet: input/output error") {
		t.Errorf("%v", err)
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
	for _, say := range []string{"endcap init --dir $D", "--zone Europe/Paris --currency EUR", "endcap ingest --dir $D --kind $kind --mapping mapping.json $file", "visits are not loaded", "ODbL"} {
		if !strings.Contains(with, say) || !strings.Contains(without, say) {
			t.Errorf("README.txt does not say %q", say)
		}
	}
	if strings.Contains(with, "API") {
		t.Error("README.txt says that files are told over the API, and nothing tells them")
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

// broken is a run that was broken off in its second week.
func broken(t *testing.T) folder.Options {
	t.Helper()
	o := small(vfs.NewMem(), 200, 3)
	ctx, stop := context.WithCancel(t.Context())
	o.Progress = func(p folder.Progress) {
		if p.Week == 2 {
			stop()
		}
	}
	if _, err := folder.Write(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	o.Progress = nil
	return o
}

func TestWhatIsDamagedOrLostIsNotGoneOnWith(t *testing.T) {
	t.Parallel()
	put := func(text string) func(*testing.T, vfs.FS, string) {
		return func(t *testing.T, fs vfs.FS, name string) {
			t.Helper()
			f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
			must(t, err)
			_, _ = f.Write([]byte(text))
			must(t, f.Close())
		}
	}
	remove := func(t *testing.T, fs vfs.FS, name string) {
		t.Helper()
		must(t, fs.Remove(name))
	}
	for name, tt := range map[string]struct {
		file string
		do   func(*testing.T, vfs.FS, string)
		want string
	}{
		"a damaged state":   {"state.bin.1", put("00000000 and more"), "state.bin.1, the state after week 1, is damaged"},
		"a cut state":       {"state.bin.1", put("0000"), "state.bin.1, the state after week 1, is damaged"},
		"no state":          {"state.bin.1", remove, "state.bin.1, the state after week 1, is missing"},
		"receipts are lost": {"receipts/week-0001.parquet", remove, "receipts/week-0001.parquet is missing"},
		"receipts are cut":  {"receipts/week-0001.parquet", put("PAR1"), "receipts/week-0001.parquet has 4 bytes, and "},
		"links are lost":    {"truth/links/week-0001.parquet", remove, "truth/links/week-0001.parquet is missing"},
		"shoppers are lost": {"shoppers.parquet", remove, "shoppers.parquet is missing"},
		"prices are cut":    {"prices/week-0000.parquet", put(""), "prices/week-0000.parquet has 0 bytes, and "},
		"no mapping":        {"mapping.json", remove, "mapping.json is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := broken(t)
			tt.do(t, o.FS, "/out/"+tt.file)
			_, err := folder.Write(t.Context(), o)
			e, ok := errors.AsType[*retail.Error](err)
			if !ok || e.Kind != retail.Conflict || !strings.HasPrefix(e.Say, tt.want) || !strings.Contains(e.Cure, "begin again in an empty folder") || strings.Contains(e.Error(), "goes on") {
				t.Errorf("%v, want %q and a cure", err, tt.want)
			}
		})
	}
}

// A folder that is finished is not called so once a file of it is gone.
func TestAFinishedFolderIsWhole(t *testing.T) {
	t.Parallel()
	o := small(vfs.NewMem(), 200, 2)
	write(t, o)
	must(t, o.FS.Remove("/out/visits/week-0002.parquet"))
	if _, err := folder.Write(t.Context(), o); err == nil || !strings.Contains(err.Error(), "visits/week-0002.parquet is missing") {
		t.Error(err)
	}
}
