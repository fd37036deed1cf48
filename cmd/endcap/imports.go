package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"endcap/gate/api/admin"
	"endcap/gate/api/feed"
	"endcap/gate/api/till"
	"endcap/gate/connect"
	"endcap/gate/connect/mapping"
	"endcap/know/history"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/event"
)

// importFile loads a file of the owner's disk and tells how it goes.
func importFile(ctx context.Context, h *owner, in *admin.Import, tell func(admin.Imported)) error {
	o, err := loadOptions(h, in)
	if err != nil {
		return err
	}
	if err := keepAgain(h.dir); err != nil {
		return err
	}
	o.Progress = func(p connect.Progress) {
		step := "loading"
		if p.Sorting {
			step = "sorting"
		}
		tell(admin.Imported{Done: p.Done, Total: p.Total, Rows: p.Rows, PerSec: p.PerSec, LeftSec: p.Left.Seconds(), Step: step})
	}
	defer frugal()()
	start := time.Now()
	done, err := connect.Load(ctx, o)
	out := &admin.Summary{
		Rows: done.Rows, AlreadyLoaded: done.Whole, ResumedAfter: done.Resumed,
		SkippedReceipts: done.SkippedReceipts, SkippedLines: done.SkippedLines, LoadSeconds: time.Since(start).Seconds(),
	}
	out.Count(&done.Desk)
	if err != nil {
		return errors.New(say(err)) // it is told in one line
	}
	tell(admin.Imported{Done: 1, Total: 1, Rows: done.Rows, PerSec: float64(done.Rows) / out.LoadSeconds, Step: "folding"})
	if err := h.progress.CaughtUp(ctx, h.whole, history.FollowerName); err != nil {
		return err
	}
	out.QuerySeconds = time.Since(start).Seconds()
	if err := h.progress.CaughtUp(ctx, h.whole, profileFollowers...); err != nil {
		return err
	}
	out.ProfileSeconds = time.Since(start).Seconds()
	tell(admin.Imported{Summary: out, Finished: true})
	return nil
}

// tillsFirst waits, while tills send receipts, until all profiles hold what has
// come, and lets a file go on in small steps: what it brings in stands before the
// next till's receipt.
func tillsFirst(ctx context.Context, h *owner) (most int, err error) {
	if !tillsLive(h.wings) {
		return 0, nil
	}
	return loadStep, h.progress.CaughtUp(ctx, h.whole, profileFollowers...)
}

// loadStep is how many receipts of a file are taken in at once while tills send
// receipts of their own.
const loadStep = 1_024

// loadHeap is how much the program's own heap may grow to while a file is
// loaded, beside DuckDB's and Pebble's memory, unless it holds half of that
// already.
const loadHeap = 384 << 20

// frugal has garbage collected before it piles up, until lifted: a load makes
// gigabytes of it, and otherwise the heap grows to twice what it holds. The first
// of several loads to end lifts the limit, as it must not outlive them. A limit
// that the operator sets by GOMEMLIMIT stands.
func frugal() (lift func()) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	limitMemory(max(loadHeap, int64(2*m.HeapAlloc)))
	return func() { limitMemory(math.MaxInt64) }
}

// limitMemory sets the soft limit of memory, unless the operator did.
func limitMemory(bytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
}

// loadOptions checks what an import asks for and keeps its mapping, by which
// refused rows are read again.
func loadOptions(h *owner, in *admin.Import) (connect.LoadOptions, error) {
	m, err := mapping.Parse(in.Mapping)
	if err != nil {
		return connect.LoadOptions{}, err
	}
	o := connect.LoadOptions{
		File: in.File, Kind: mapping.Kind(in.Kind), Mapping: m, Desk: h.desk, Clock: time.Now, Yield: func(ctx context.Context) (int, error) { return tillsFirst(ctx, h) },
		State: filepath.Join(h.dir, "loads", fmt.Sprintf("%x.json", event.KeyOf(0, in.Kind+in.File))), Temp: filepath.Join(h.dir, "loads"),
	}
	for _, d := range []struct {
		to          *retail.Day
		field, text string
	}{{&o.From, "from", in.From}, {&o.Until, "until", in.Until}} {
		if d.text == "" {
			continue
		}
		if *d.to, err = retail.ParseDay(d.text); err != nil {
			return o, &retail.Error{Kind: retail.Invalid, Field: d.field, Say: err.Error()}
		}
	}
	for _, sub := range []string{"loads", "mappings"} {
		if err := os.MkdirAll(filepath.Join(h.dir, sub), 0o700); err != nil {
			return o, fmt.Errorf("make folder: %w", err)
		}
	}
	return o, os.WriteFile(mappingPath(h.dir, m.Name), in.Mapping, 0o600)
}

// mend notes a mended mapping of files that were loaded.
func mend(dir string, text []byte) error {
	m, err := mapping.Parse(text)
	if err != nil {
		return err
	}
	path := mappingPath(dir, m.Name)
	if _, err := os.Stat(path); err != nil {
		return &retail.Error{Kind: retail.Invalid, Field: "mapping.name", Say: fmt.Sprintf("no file was loaded by a mapping called %.64q", m.Name), Cure: "keep the name that the mapping had", Err: err}
	}
	return os.WriteFile(path, text, 0o600)
}

func mappingPath(dir, name string) string { return filepath.Join(dir, "mappings", name+".json") }

// decoder reads refused rows again: a file's by its mapping as it was last
// used, the API's by their own doors.
func decoder(h *owner) ingest.Decoder {
	named := func(name string) (*mapping.Mapping, error) {
		text, err := os.ReadFile(mappingPath(h.dir, filepath.Base(name)))
		if err != nil {
			return nil, fmt.Errorf("read mapping: %w", err)
		}
		return mapping.Parse(text)
	}
	return func(ctx context.Context, row ingest.Refused) error {
		err := connect.Replay(ctx, h.desk, named, connect.Refused{Source: row.Source, Line: row.Line, Reason: row.Reason, Raw: row.Raw})
		if !errors.Is(err, connect.ErrOtherDoor) {
			return err
		}
		from := ingest.From{Door: "api", Name: row.Source}
		if row.Kind == event.KindReceipt {
			return till.Replay(ctx, h.desk, row.Raw, from)
		}
		return feed.Replay(ctx, h.desk, row.Kind, row.Raw, from)
	}
}
