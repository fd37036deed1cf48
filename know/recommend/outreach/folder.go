package outreach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"endcap/know/recommend"
	"endcap/retail/consent"
	"endcap/retail/shopper"
)

// The endings of files beside a batch's own.
const (
	manifestEnd = ".json" // what a whole batch is; it is written last
	partEnd     = ".part" // a batch under way, as CSV
	freshEnd    = ".new"  // a file that takes another's place in a moment
	runEnd      = ".run"  // in the Folder: how far a batch under way is
)

// Manifest is what a batch is; it lies beside it as JSON once it is whole.
type Manifest struct {
	File string `json:"file"` // its name in the same directory
	Dir  string `json:"-"`    // of one that was made now
	Terms
	recommend.Versions
	MadeAt     time.Time `json:"made_at"`
	ValidUntil time.Time `json:"valid_until"`
	Counts
}

// Folder keeps the house's batches, and makes those that are written elsewhere.
// Make one with NewFolder; it is safe for concurrent use.
type Folder struct {
	dir   string
	ports Ports
	// saveRows is after how many rows a run notes how far it is.
	saveRows int
	create   func(path string) (*os.File, error)

	making sync.Mutex      // held by the one batch under way
	mu     sync.Mutex      // guards the files of whole batches, and what follows
	struck map[string]bool // while a batch is under way: keys taken out since it began
	over   bool            // they were more than struckMax
}

// saveRows is how many rows a run that is killed makes again at most; struckMax how
// many keys that are taken out while a batch is made are remembered: beyond it,
// everybody in the batch is asked about.
const (
	saveRows  = 65_536
	struckMax = 100_000
	settleAt  = 1_024 // keys asked about together
)

// NewFolder keeps batches in a directory, which is made when there is a first one.
// A Folder that only looks needs no ports.
func NewFolder(dir string, p Ports) *Folder {
	return &Folder{dir: dir, ports: p, saveRows: saveRows, create: func(path string) (*os.File, error) {
		return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	}}
}

// Kept lists the house's whole batches by name.
func (f *Folder) Kept() ([]Manifest, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kept()
}

func (f *Folder) kept() ([]Manifest, error) {
	names, err := f.names(manifestEnd)
	if err != nil {
		return nil, err
	}
	out := make([]Manifest, len(names))
	for i, name := range names {
		b, err := os.ReadFile(filepath.Join(f.dir, name))
		if err == nil {
			err = json.Unmarshal(b, &out[i])
		}
		if err != nil {
			return nil, fmt.Errorf("read what the batch %s is: %w", name, err)
		}
	}
	return out, nil
}

// names lists the files of the directory with an ending, in order.
func (f *Folder) names(end string) (out []string, err error) {
	all, err := os.ReadDir(f.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list batches: %w", err)
	}
	for _, e := range all {
		if strings.HasSuffix(e.Name(), end) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// Keys calls each with the keys that the house's files name, whole or under way.
func (f *Folder) Keys(ctx context.Context, each func([]shopper.Key) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, format := range []Format{CSV, Parquet} {
		names, err := f.names("." + string(format))
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := f.keysOf(ctx, filepath.Join(f.dir, name), format, each); err != nil {
				return err
			}
		}
	}
	names, err := f.names(partEnd)
	if err != nil {
		return err
	}
	for _, name := range names { // its last line may be cut
		if err := f.keysOf(ctx, filepath.Join(f.dir, name), CSV, each); err != nil && ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// keysOf calls each with the keys of a file, in groups; the rows of a key stand
// together.
func (f *Folder) keysOf(ctx context.Context, path string, format Format, each func([]shopper.Key) error) error {
	var some []shopper.Key
	last := ""
	err := rowsOf(path, format, func(r *Row) error {
		if r.Key == last {
			return nil
		}
		last = strings.Clone(r.Key)
		key, err := shopper.ParseKey(shopper.KeyKind(r.KeyKind), last)
		if err != nil {
			return errors.New("a batch names somebody by no key")
		}
		if some = append(some, key); len(some) < settleAt {
			return nil
		}
		err = errors.Join(each(some), ctx.Err())
		some = some[:0]
		return err
	})
	if len(some) > 0 {
		err = errors.Join(err, each(some))
	}
	return err
}

// rowsOf calls each with every row of a file.
func rowsOf(path string, format Format, each func(*Row) error) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read a batch: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	from, err := NewReader(file, format)
	if err != nil {
		return fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	for {
		var r Row
		switch err := from.Read(&r); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read %s: %w", filepath.Base(path), err)
		}
		if err := each(&r); err != nil {
			return err
		}
	}
}

// Strike takes every row of some keys out of the house's batches, and out of one that
// is being made, and says how many rows of whole ones it took.
func (f *Folder) Strike(ctx context.Context, keys []shopper.Key) (int, error) {
	if len(keys) == 0 {
		return 0, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	set := make(map[string]bool, len(keys))
	for _, key := range keys {
		set[nameOf(string(key.Kind()), key.Reveal())] = true
	}
	if f.struck != nil {
		if f.over = f.over || len(f.struck)+len(set) > struckMax; !f.over {
			for name := range set {
				f.struck[name] = true
			}
		}
	}
	all, err := f.kept()
	if err != nil {
		return 0, err
	}
	rows := 0
	for i := range all {
		n, err := f.strike(ctx, &all[i], set)
		if err != nil {
			return rows, err
		}
		rows += n
	}
	return rows, nil
}

func nameOf(kind, value string) string { return kind + "=" + value }

// strike takes rows out of one whole batch.
func (f *Folder) strike(ctx context.Context, m *Manifest, set map[string]bool) (int, error) {
	taken, err := f.without(ctx, filepath.Join(f.dir, m.File), m.Format, set)
	if err != nil || taken.Rows == 0 {
		return 0, err
	}
	m.Rows -= taken.Rows
	m.Shoppers = max(0, m.Shoppers-taken.Shoppers)
	return taken.Rows, f.describe(f.dir, m)
}

// without writes a file anew without the rows of some keys, and says how many rows it
// took and of how many keys. A file that names none of them stays as it is.
func (f *Folder) without(ctx context.Context, path string, format Format, set map[string]bool) (taken Counts, err error) {
	last := ""
	err = rowsOf(path, format, func(r *Row) error {
		if name := nameOf(r.KeyKind, r.Key); set[name] {
			if taken.Rows++; name != last {
				taken.Shoppers, last = taken.Shoppers+1, name
			}
		}
		return ctx.Err()
	})
	if err != nil || taken.Rows == 0 {
		return taken, err
	}
	err = f.write(path+freshEnd, format, func(to Writer) error {
		return rowsOf(path, format, func(r *Row) error {
			if set[nameOf(r.KeyKind, r.Key)] {
				return ctx.Err()
			}
			return errors.Join(to.Write(r), ctx.Err())
		})
	})
	if err != nil {
		return Counts{}, err
	}
	return taken, os.Rename(path+freshEnd, path)
}

// write makes a whole file of a format; where it fails there is none.
func (f *Folder) write(path string, format Format, fill func(Writer) error) error {
	file, err := f.create(path)
	if err != nil {
		return fmt.Errorf("write a batch: %w", err)
	}
	to := NewWriter(file, format)
	if err = errors.Join(fill(to), to.Close()); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write a batch: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

// describe writes a batch's manifest.
func (f *Folder) describe(dir string, m *Manifest) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("describe a batch: %w", err)
	}
	path := filepath.Join(dir, strings.TrimSuffix(m.File, "."+string(m.Format))+manifestEnd)
	return f.replace(path, append(b, '\n'))
}

// replace writes a file in one step that a kill cannot halve.
func (f *Folder) replace(path string, b []byte) error {
	file, err := f.create(path + freshEnd)
	if err != nil {
		return fmt.Errorf("write a batch: %w", err)
	}
	_, err = file.Write(b)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write a batch: %w", errors.Join(err, os.Remove(path+freshEnd)))
	}
	return os.Rename(path+freshEnd, path)
}

// Settle asks anew about everybody whom the house's batches name, and takes out who
// allows personal offers no longer or is unknown by now; for after a start.
func (f *Folder) Settle(ctx context.Context) (int, error) {
	all, err := f.Kept()
	if err != nil {
		return 0, err
	}
	rows := 0
	for i := range all {
		set, err := f.refusing(ctx, filepath.Join(f.dir, all[i].File), all[i].Format)
		if errors.Is(err, fs.ErrNotExist) { // it expired meanwhile
			continue
		}
		if err != nil {
			return rows, err
		}
		n, err := f.Strike(ctx, set)
		if rows += n; err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// refusing lists the keys of a file whose shoppers do not allow what it is for.
func (f *Folder) refusing(ctx context.Context, path string, format Format) (out []shopper.Key, err error) {
	err = f.keysOf(ctx, path, format, func(some []shopper.Key) error {
		who := make([]shopper.ID, len(some))
		for i, key := range some {
			if who[i], err = f.ports.People.Find(ctx, []shopper.Key{key}); err != nil {
				return err
			}
		}
		sets, err := f.ports.People.Allowed(ctx, who)
		if err != nil {
			return err
		}
		for i, key := range some {
			if !who[i].Known() || !sets[i].Allows(consent.PersonalOffers) {
				out = append(out, key)
			}
		}
		return nil
	})
	return out, err
}

// Expire deletes the batches that are no longer valid at an instant, and what runs
// left behind that nobody goes on with, and says how many batches those were.
func (f *Folder) Expire(now time.Time) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all, err := f.kept()
	if err != nil {
		return 0, err
	}
	n := 0
	var live []string
	for i := range all {
		if m := &all[i]; now.Before(m.ValidUntil) {
			live = append(live, m.File, strings.TrimSuffix(m.File, "."+string(m.Format))+manifestEnd)
			continue
		}
		n++
	}
	if !f.making.TryLock() {
		return n, f.remove(func(name string) bool { return whole(name) && !slices.Contains(live, name) })
	}
	defer f.making.Unlock()
	runs, err := f.runs(now)
	if err != nil {
		return n, err
	}
	live = append(live, runs...)
	return n, f.remove(func(name string) bool { return !slices.Contains(live, name) })
}

// whole reports whether a file is of a whole batch.
func whole(name string) bool {
	end := filepath.Ext(name)
	return end == manifestEnd || end == "."+string(CSV) || end == "."+string(Parquet)
}

// runs lists the files of runs that may be gone on with, and deletes elsewhere the
// parts of those that are too old.
func (f *Folder) runs(now time.Time) (live []string, err error) {
	names, err := f.names(runEnd)
	for _, name := range names {
		r, err := readRun(filepath.Join(f.dir, name))
		if err == nil && now.Before(r.MadeAt.Add(runLife)) {
			live = append(live, name, filepath.Base(r.Part))
		} else if err == nil && filepath.Dir(r.Part) != f.dir {
			_ = os.Remove(r.Part) // where it cannot be reached, it has left the house
		}
	}
	return live, err
}

// remove deletes the files of the directory that fit.
func (f *Folder) remove(fits func(name string) bool) error {
	names, err := f.names("")
	for _, name := range names {
		if fits(name) {
			err = errors.Join(err, os.Remove(filepath.Join(f.dir, name)))
		}
	}
	return err
}

// Run takes out of the house's batches who said no while it was closed, and then
// deletes what is no longer valid, every so often until ctx ends. It reports what is
// wrong to failed.
func (f *Folder) Run(ctx context.Context, every time.Duration, failed func(error)) {
	if _, err := f.Settle(ctx); err != nil && ctx.Err() == nil {
		failed(err)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if _, err := f.Expire(f.ports.Now()); err != nil {
			failed(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Nightly makes batches one after another, and tells of each what it is, or why there
// is none; that one is made again the next night, or by hand.
func (f *Folder) Nightly(ctx context.Context, all []Terms, tell func(*Manifest, error)) {
	for _, t := range all {
		m, err := f.Make(ctx, Job{Terms: t, By: "house"})
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			err = fmt.Errorf("%s for %s: %w", t.List, t.Outlet, err)
		}
		tell(m, err)
	}
}
