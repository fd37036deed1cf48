// Package folder writes a simulated retailer to a folder: its catalogue, stores,
// shoppers and consents, and week by week its receipts, prices, promotions,
// stock, visits and coupons, as Parquet in the order of time, with the mapping by
// which `endcap ingest` reads them. What the product must find out by itself lies
// apart, in truth/. Everything in the folder says that it is declared-synthetic.
//
// A run that was broken off goes on after its last whole week and leaves the same
// bytes as one that was not.
//
// It is before the road of a receipt: gate/connect reads what it wrote.
package folder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/retail"
	"endcap/simulate/grocer"
	"endcap/simulate/life"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
)

// Declared is what every file says of itself.
const Declared = "declared-synthetic"

// Names within the folder.
const (
	manifestName = "simulation.json"
	stateName    = "state.bin"
	mappingName  = "mapping.json"
	readmeName   = "README.txt"
	partEnding   = ".part"
)

// Options are where and how a simulation is written.
type Options struct {
	FS       vfs.FS
	Dir      string
	Scenario scenario.Scenario
	Model    *model.Parameters
	Communes []grocer.Commune // none leaves stores without places
	Progress func(Progress)   // called after each chunk; may be nil
	Now      retail.Clock     // for SetUp alone; may be nil
	Memory   uint64           // bytes that may be used; 0 where nobody knows
}

// Progress is how far a simulation got.
type Progress struct {
	Week, Weeks int     // Week is 0 while it is set up
	Part        float64 // of the set-up, or of all weeks, 0 to 1
	Lines       int64   // written in this run: rows of the set-up, or lines of receipts
}

// Summary is what a run leaves.
type Summary struct {
	Receipts int64
	Lines    int64
	Resumed  int           // weeks that were there already
	SetUp    time.Duration // until the first week
}

// manifest says what a folder holds, and how far it got. It names no time and no
// machine, so that two runs leave the same bytes.
type manifest struct {
	Declared string            `json:"declared"`
	About    string            `json:"about"`
	Scenario scenario.Scenario `json:"scenario"`
	Model    string            `json:"model"`    // hash of the parameters
	Communes string            `json:"communes"` // hash of the list
	Finished bool              `json:"finished"`
	Weeks    []weekEntry       `json:"weeks"`
	Tables   []tableEntry      `json:"tables"`
	Files    files             `json:"bytes"` // of what does not change with the weeks
}

// files are how many bytes each file has, by its name within the folder.
type files map[string]int64

type weekEntry struct {
	Week     int   `json:"week"`
	Receipts int64 `json:"receipts"`
	Lines    int64 `json:"lines"`
	Cents    int64 `json:"cents"` // sales, a control sum
	Files    files `json:"bytes"`
}

type tableEntry struct {
	File string `json:"file"`
	Rows int64  `json:"rows"`
}

// writer is one run.
type writer struct {
	Options
	world   *life.World
	found   manifest
	summary Summary
	told    Progress

	mu    sync.Mutex
	sizes files // of what was written, and not asked for yet

	streamed func(rows int64) // called after some rows of a table; nil but for the set-up
}

// Write writes a simulation, or goes on with one.
func Write(ctx context.Context, o Options) (Summary, error) {
	o.Scenario.Play = nil // no advert changes what a folder holds
	w := &writer{Options: o, sizes: make(files)}
	if err := o.Scenario.Check(); err != nil {
		return Summary{}, err
	}
	begun, err := w.enter()
	if err != nil {
		return Summary{}, err
	}
	if err := w.room(begun); err != nil {
		return Summary{}, err
	}
	return w.summary, w.explain(ctx, w.write(ctx, begun))
}

// write writes what is not there yet.
func (w *writer) write(ctx context.Context, begun bool) (err error) {
	var began time.Time
	if w.Now != nil {
		began = w.Now()
	}
	w.progress(0, 0)
	if w.world, err = life.Open(ctx, &w.Scenario, w.Model, w.Communes); err != nil {
		return err
	}
	if begun {
		err = w.goOn()
	} else {
		err = w.setUp(ctx)
	}
	if err != nil {
		return err
	}
	if w.Now != nil {
		w.summary.SetUp = w.Now().Sub(began)
	}
	for week := len(w.found.Weeks); week < w.Scenario.Weeks; week++ {
		if err := w.week(ctx, week); err != nil {
			return err
		}
	}
	return w.finish()
}

// explain adds a cure to errors that have one. What broke off because it was told
// to says no more than that.
func (w *writer) explain(ctx context.Context, err error) error {
	if err == nil || errors.As(err, new(*retail.Error)) {
		return err
	}
	cure := "the same command goes on after the last whole week"
	switch {
	case ctx.Err() != nil && w.found.Declared == "":
		return fmt.Errorf("broken off while it was set up; the same command begins anew: %w", ctx.Err())
	case ctx.Err() != nil:
		return fmt.Errorf("broken off before week %d; the same command goes on from there: %w", len(w.found.Weeks)+1, ctx.Err())
	case vfs.IsNoSpaceError(err):
		return &retail.Error{Kind: retail.Unavailable, Field: "out", Say: "the disk is full", Cure: "make room; " + cure, Err: err}
	}
	return fmt.Errorf("write simulation (%s): %w", cure, err)
}

// enter looks at the folder: whether it holds this simulation, begun, or is
// empty. Anything else is an error.
func (w *writer) enter() (begun bool, err error) {
	if w.Dir == "" {
		return false, &retail.Error{Kind: retail.Invalid, Field: "out", Say: "no folder is named", Cure: "--out DIR"}
	}
	if info, err := w.FS.Stat(w.Dir); err == nil && !info.IsDir() {
		return false, &retail.Error{Kind: retail.Invalid, Field: "out", Say: w.Dir + " is a file", Cure: "name a folder that is empty or not there"}
	}
	names, err := w.FS.List(w.Dir)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("list %s: %w", w.Dir, err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == manifestName+partEnding })
	if len(names) == 0 {
		return false, nil
	}
	notOurs := &retail.Error{Kind: retail.Conflict, Field: "out", Say: w.Dir + " is not empty", Cure: "name a folder that is empty or not there"}
	if !slices.Contains(names, manifestName) {
		if w.abandoned(names) {
			return false, nil
		}
		return false, notOurs
	}
	text, err := w.read(manifestName)
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(text, &w.found); err != nil || w.found.Declared != Declared {
		return false, notOurs
	}
	if w.found.Scenario != w.Scenario || w.found.Model != scenario.Sum(w.Model) || w.found.Communes != scenario.Sum(w.Communes) {
		return false, &retail.Error{
			Kind: retail.Conflict, Field: "out", Say: w.Dir + " holds another simulation: scenario, model or communes differ",
			Cure: "repeat what it was begun with, or name another folder",
		}
	}
	if err := w.check(); err != nil {
		return false, err
	}
	if w.found.Finished {
		return false, &retail.Error{Kind: retail.Conflict, Field: "out", Say: w.Dir + " holds this simulation, finished", Cure: "use it, or name another folder"}
	}
	return true, nil
}

// check holds the files that are there against those that were written.
func (w *writer) check() error {
	all := []files{w.found.Files}
	for i := range w.found.Weeks {
		all = append(all, w.found.Weeks[i].Files)
	}
	for _, some := range all {
		for _, name := range slices.Sorted(maps.Keys(some)) {
			info, err := w.FS.Stat(w.path(name))
			switch {
			case errors.Is(err, os.ErrNotExist):
				return lost(name + " is missing")
			case err != nil:
				return fmt.Errorf("look at %s: %w", name, err)
			case info.Size() != some[name]:
				return lost(fmt.Sprintf("%s has %d bytes, and %d were written", name, info.Size(), some[name]))
			}
		}
	}
	return nil
}

// rows are those of the tables that were written.
func (m *manifest) rows() (all int64) {
	for i := range m.Tables {
		all += m.Tables[i].Rows
	}
	return all
}

// lost says of a simulation that it cannot be gone on with, nor be used.
func lost(say string) error {
	return &retail.Error{Kind: retail.Conflict, Field: "out", Say: say, Cure: "put back what was there, or begin again in an empty folder"}
}

// abandoned reports whether a folder holds nothing but what a run leaves that was
// stopped before its manifest: it may be begun again.
func (w *writer) abandoned(names []string) bool {
	text, err := w.read(readmeName)
	declared := err == nil && bytes.HasPrefix(text, []byte(Declared))
	known := []string{readmeName, mappingName}
	for _, t := range w.tables() {
		known = append(known, t.name)
	}
	for _, n := range names {
		if slices.Contains(folders, n) {
			inside, err := w.FS.List(w.path(n))
			if declared || err == nil && len(slices.DeleteFunc(inside, func(n string) bool { return n == "receipts" || n == "links" || n == "redemptions" })) == 0 {
				continue
			}
			return false
		}
		if ours := slices.Contains(known, strings.TrimSuffix(n, partEnding)); n != readmeName+partEnding && (!declared || !ours) {
			return false
		}
	}
	return true
}

// folders are the folders of what comes weekly.
var folders = []string{"receipts", "visits", "prices", "stock", "promotions", "consents", "redemptions", "truth", "truth/receipts", "truth/links", "truth/redemptions"}

func (w *writer) makeDirs() error {
	for _, name := range append([]string{"."}, folders...) {
		if err := w.FS.MkdirAll(w.FS.PathJoin(w.Dir, name), 0o755); err != nil {
			return fmt.Errorf("make folder %s: %w", name, err)
		}
	}
	for _, name := range []string{"..", ".", "truth"} {
		if err := w.syncDir(name); err != nil {
			return fmt.Errorf("sync folder %s: %w", name, err)
		}
	}
	return nil
}

// setUp writes what does not change, and the manifest last: from then on the
// folder is a simulation that has been begun.
func (w *writer) setUp(ctx context.Context) error {
	if err := w.makeDirs(); err != nil {
		return err
	}
	found := manifest{
		Declared: Declared, About: "A grocer that does not exist, made by endcap simulate. Nobody in it is a real person.",
		Scenario: w.Scenario, Model: scenario.Sum(w.Model), Communes: scenario.Sum(w.Communes), Weeks: []weekEntry{},
	}
	if err := w.put(readmeName, []byte(w.readme())); err != nil {
		return err
	}
	if err := w.put(mappingName, w.mapping()); err != nil {
		return err
	}
	tables, whole, done := w.tables(), 0.0, 0.0
	for i := range tables {
		whole += tables[i].rows
	}
	for i := range tables {
		t := &tables[i]
		w.streamed = func(rows int64) {
			w.told.Lines = found.rows() + rows
			w.progress(0, (done+min(float64(rows), t.rows))/whole)
		}
		rows, err := t.write(ctx, w, t.name)
		if err != nil {
			return err
		}
		done += t.rows
		found.Tables = append(found.Tables, tableEntry{t.name, rows})
	}
	w.streamed = nil
	w.progress(0, 1)
	w.told.Lines = 0
	found.Files = w.written()
	w.found = found
	return w.save()
}

// progress tells how much of a week's work, or of the set-up, is done.
func (w *writer) progress(week int, part float64) {
	if w.Progress != nil {
		w.told.Week, w.told.Weeks, w.told.Part = week, w.Scenario.Weeks, part
		w.Progress(w.told)
	}
}

// goOn takes up a simulation after its last whole week.
func (w *writer) goOn() error {
	w.summary.Resumed = len(w.found.Weeks)
	for _, e := range w.found.Weeks {
		w.summary.Receipts += e.Receipts
		w.summary.Lines += e.Lines
	}
	if n := len(w.found.Weeks); n == 0 || n == w.Scenario.Weeks {
		return nil // nothing was lived yet, or all
	}
	name := stateFile(len(w.found.Weeks))
	state, err := w.read(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return lost(fmt.Sprintf("%s, the state after week %d, is missing", name, len(w.found.Weeks)))
	case err != nil:
		return fmt.Errorf("read %s: %w", name, err)
	case len(state) < 8 || string(state[:8]) != sumOf(state[8:]):
		return lost(fmt.Sprintf("%s, the state after week %d, is damaged", name, len(w.found.Weeks)))
	}
	return w.world.Restore(state[8:])
}

// stateFile is where the state after so many weeks lies. Two names take turns,
// so that the one that the manifest means is never written over.
func stateFile(weeks int) string { return fmt.Sprintf("%s.%d", stateName, weeks%2) }

func sumOf(b []byte) string { return fmt.Sprintf("%016x", xxhash.Sum64(b))[:8] }

// save writes how far the simulation got. A week counts once this returns.
func (w *writer) save() error {
	if n := len(w.found.Weeks); n > 0 && n < w.Scenario.Weeks {
		state := w.world.State()
		if err := w.put(stateFile(n), append([]byte(sumOf(state)), state...)); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(&w.found, "", "  ")
	if err != nil {
		return err
	}
	return w.put(manifestName, append(text, '\n'))
}

// finish removes what was kept to go on, and marks the folder finished.
func (w *writer) finish() error {
	for n := range 2 {
		if err := w.FS.Remove(w.path(stateFile(n))); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := w.syncDir("."); err != nil {
		return err
	}
	w.found.Finished = true
	return w.save()
}

func (w *writer) path(name string) string { return w.FS.PathJoin(w.Dir, name) }

func (w *writer) read(name string) (out []byte, err error) {
	f, err := w.FS.Open(w.path(name))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(f)
}

// put writes a small file whole.
func (w *writer) put(name string, text []byte) error {
	return w.create(name, func(to io.Writer) error {
		_, err := to.Write(text)
		return err
	})
}

// writeBehind is after how many bytes the disk is told to begin writing a file
// that grows, so that little is left to do when it is synced.
const writeBehind = 4 << 20

// create writes a file under another name, syncs it and renames it: a file that
// is there is whole. What went wrong is said of one file: of files within each
// other, of the one where it did.
func (w *writer) create(name string, write func(io.Writer) error) error {
	part := w.path(name) + partEnding
	f, err := w.FS.Create(part, vfs.WriteCategoryUnspecified)
	if err != nil {
		return &fileError{"create", name, err}
	}
	f = vfs.NewSyncingFile(f, vfs.SyncingFileOptions{BytesPerSync: writeBehind})
	to := counter{to: f}
	if err = write(&to); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		if !errors.As(err, new(*fileError)) {
			err = &fileError{"write", name, err}
		}
		return errors.Join(err, w.FS.Remove(part))
	}
	if err := w.FS.Rename(part, w.path(name)); err != nil {
		return &fileError{"rename", name, err}
	}
	w.mu.Lock()
	w.sizes[name] = to.bytes
	w.mu.Unlock()
	return w.syncDir(w.FS.PathDir(name))
}

// written is what was written since it was last asked.
func (w *writer) written() files {
	out := w.sizes
	w.sizes = make(files)
	return out
}

// fileError says what went wrong with which file of the folder.
type fileError struct {
	doing, name string
	err         error
}

func (e *fileError) Error() string { return e.doing + " " + e.name + ": " + e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

// counter counts what is written.
type counter struct {
	to    io.Writer
	bytes int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.bytes += int64(n)
	return n, err
}

func (w *writer) syncDir(name string) error {
	path := w.path(name)
	if name == ".." {
		path = w.FS.PathDir(w.Dir)
	}
	d, err := w.FS.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
