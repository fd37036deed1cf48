// Package duck keeps the warehouse on one machine: DuckDB for questions, sealed
// Parquet files as the truth about past business days.
//
// The DuckDB file is a working copy of everything: rows are appended to native
// tables, and every question reads only those. Seal writes whole days to
// immutable Parquet files under a manifest, which says exactly which rows are
// sealed; the DuckDB file can be thrown away and is filled again from the files
// and the stream. docs/decisions/duckdb.md says why.
//
// On the road of a receipt, know/history appends here and prove asks.
package duck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	ddb "github.com/duckdb/duckdb-go-bindings"

	"endcap/keep/warehouse"
	"endcap/retail/event"
)

// Options say how much of the machine the warehouse may use.
type Options struct {
	MemoryMB  int // soft limit of DuckDB's buffers; larger work spills to disk
	Threads   int // 0 means one per core that the process may use
	SpillMB   int // most disk a spilling question may take
	Questions int // questions answered at the same time; more wait
	// Check, if set, judges the SQL of every Query first; tests set it to
	// subset.Check, so that product queries run on every engine.
	Check func(sql string) error
	Disk  Disk // of sealed files, for tests of failing disks; System by default
}

// Defaults fit a small server.
func Defaults() Options {
	return Options{MemoryMB: 192, SpillMB: 16_384, Questions: 8}
}

// Warehouse implements warehouse.Warehouse. Make one with Open.
type Warehouse struct {
	dir    string
	opts   Options
	db     ddb.Database
	tables map[string]*table
	order  []*table
	slots  chan struct{} // one token per question being answered
	idle   connections

	mu       sync.Mutex // held by whoever writes
	writer   *conn
	manifest manifest
	seq      uint64 // number of the last Append, without its partition
	repaired bool   // some receipt was ever corrected

	state    sync.RWMutex // guards what follows; taken after mu
	folds    map[int]fold
	released []place // as in manifest
	open     bool
}

var _ warehouse.Warehouse = (*Warehouse)(nil)

// fold is how far one partition was folded.
type fold struct {
	next    event.Cursor
	through time.Time
}

const (
	fileName   = "warehouse.duckdb"
	sealedName = "sealed"
	spillName  = "spill"
)

// Open opens the warehouse in a directory, making it on first use. A missing
// DuckDB file is filled from the sealed files. It returns warehouse.ErrLocked
// when another process has it open.
func Open(ctx context.Context, dir string, opts Options) (*Warehouse, error) {
	if opts.Questions <= 0 {
		opts.Questions = Defaults().Questions
	}
	if opts.MemoryMB <= 0 {
		opts.MemoryMB = Defaults().MemoryMB
	}
	if opts.SpillMB <= 0 {
		opts.SpillMB = Defaults().SpillMB
	}
	if opts.Disk == nil {
		opts.Disk = System{}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open warehouse: %w", err)
	}
	if err := makeDir(opts.Disk, dir); err != nil {
		return nil, fmt.Errorf("open warehouse: %w", err)
	}
	w := &Warehouse{
		dir: dir, opts: opts, tables: map[string]*table{}, slots: make(chan struct{}, opts.Questions),
		folds: map[int]fold{}, open: true,
	}
	for _, t := range event.Tables() {
		made := newTable(t)
		w.tables[t.Name], w.order = made, append(w.order, made)
	}
	m, err := readManifest(w.sealedDir())
	if err != nil {
		return nil, err
	}
	w.take(m)
	if err := w.openDatabase(); err != nil {
		return nil, err
	}
	if err := w.prepare(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// makeDir makes the directories of the warehouse and lets no power cut take
// them, with all that is sealed, back: a directory is lost with its name.
func makeDir(disk Disk, dir string) error {
	return errors.Join(disk.MkdirAll(filepath.Join(dir, sealedName)), disk.Sync(dir), disk.Sync(filepath.Dir(dir)))
}

// openDatabase opens the file and leaves one connection as the writer's.
func (w *Warehouse) openDatabase() error {
	var config ddb.Config
	if ddb.CreateConfig(&config) == ddb.StateError {
		return errors.New("open warehouse: no DuckDB configuration")
	}
	defer ddb.DestroyConfig(&config)
	settings := [][2]string{
		{"memory_limit", fmt.Sprintf("%dMB", w.opts.MemoryMB)},
		{"temp_directory", filepath.Join(w.dir, spillName)},
		{"max_temp_directory_size", fmt.Sprintf("%dMB", w.opts.SpillMB)},
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"checkpoint_threshold", "64MB"},
		{"max_vacuum_tasks", "0"},               // see merge
		{"enable_external_file_cache", "false"}, // it takes a file for another of the same name that was written in the same tick of the clock
		{"preserve_insertion_order", "true"},
	}
	settings = append(settings, [2]string{"threads", strconv.Itoa(cmp.Or(w.opts.Threads, runtime.NumCPU()))}) // DuckDB itself would count cores that are not ours
	for _, s := range settings {
		if ddb.SetConfig(config, s[0], s[1]) == ddb.StateError {
			return fmt.Errorf("open warehouse: DuckDB refuses %s=%s", s[0], s[1])
		}
	}
	var say string
	if ddb.OpenExt(filepath.Join(w.dir, fileName), &w.db, config, &say) == ddb.StateError {
		if strings.Contains(say, "Could not set lock") {
			return fmt.Errorf("open warehouse in %s: %w (stop it first)", w.dir, warehouse.ErrLocked)
		}
		return fmt.Errorf("open warehouse: %s", firstLine(say))
	}
	var err error
	w.writer, err = w.connect()
	return err
}

// prepare makes the tables on first use, closes the doors to the file system,
// and brings the working copy in line with the manifest.
func (w *Warehouse) prepare(ctx context.Context) error {
	quoted := quoteText(w.sealedDir())
	for _, sql := range []string{
		"set allowed_directories = [" + quoted + "]",
		"set enable_external_access = false",
		"set TimeZone = 'UTC'",
	} {
		if err := w.writer.exec(ctx, sql); err != nil {
			return err
		}
	}
	made, err := w.makeTables(ctx)
	if err != nil {
		return err
	}
	if err := w.sweep(); err != nil {
		return err
	}
	if made {
		return w.refill(ctx)
	}
	return w.recall(ctx)
}

func (w *Warehouse) sealedDir() string { return filepath.Join(w.dir, sealedName) }

// Close waits for the writer, writes everything to the file and unlocks it.
// Closing twice is fine.
func (w *Warehouse) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Lock()
	was := w.open
	w.open = false
	w.state.Unlock()
	if !was {
		return nil
	}
	for range cap(w.slots) { // until every question is answered
		w.slots <- struct{}{}
	}
	w.idle.close()
	if w.writer != nil {
		w.writer.close()
	}
	ddb.Close(&w.db)
	return nil
}

// opened returns ErrClosed after Close.
func (w *Warehouse) opened() error {
	w.state.RLock()
	defer w.state.RUnlock()
	if !w.open {
		return warehouse.ErrClosed
	}
	return nil
}

// Cursor is the last cursor appended for a partition.
func (w *Warehouse) Cursor(_ context.Context, partition int) (event.Cursor, error) {
	w.state.RLock()
	defer w.state.RUnlock()
	if !w.open {
		return "", warehouse.ErrClosed
	}
	return w.folds[partition].next, nil
}

// Through is the arrival time of the newest fact that questions see.
func (w *Warehouse) Through(context.Context) (time.Time, error) {
	w.state.RLock()
	defer w.state.RUnlock()
	if !w.open {
		return time.Time{}, warehouse.ErrClosed
	}
	var newest time.Time
	for _, f := range w.folds {
		if f.through.After(newest) {
			newest = f.through
		}
	}
	return newest, nil
}

// recall reads back how far the working copy has come.
func (w *Warehouse) recall(ctx context.Context) error {
	got, err := w.writer.ask(ctx, `select part, seq, next, through from base.cursors`)
	if err != nil {
		return err
	}
	w.state.Lock()
	defer w.state.Unlock()
	clear(w.folds)
	w.seq = max(w.seq, w.manifest.Seq>>partitionBits)
	for i := range got.Len {
		w.folds[int(got.Columns[0].Ints[i])] = fold{
			next: event.Cursor(got.Columns[2].Blobs[i]), through: timeOf(got.Columns[3].Ints[i]),
		}
		w.seq = max(w.seq, uint64(got.Columns[1].Ints[i])>>partitionBits)
	}
	fixed, err := w.writer.ask(ctx, `select count(*) from base.corrected`)
	if err != nil {
		return err
	}
	w.repaired = fixed.Columns[0].Ints[0] > 0
	return nil
}

// timeOf reads microseconds since 1970, 0 for the zero time.
func timeOf(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

func microsOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// refusal is what DuckDB says while it answers.
func refusal(say string) error {
	line := firstLine(say)
	if strings.HasPrefix(line, "Out of Memory Error") {
		return fmt.Errorf("%w: %w: %s", warehouse.ErrQuery, warehouse.ErrMemory, line)
	}
	return fmt.Errorf("%w: %s", warehouse.ErrQuery, line)
}
