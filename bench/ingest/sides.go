package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// result is what one round did.
type result struct {
	lines    int64   // of receipts, or products with their places of stores' weeks
	items    int64   // receipts, or stores' weeks
	seconds  float64 // until history, or the reference's table, answers
	profiles float64 // until every profile is as new
	process  float64 // from start to end of the program
	cpu      float64 // of the whole program, user and system
	rss      float64 // its peak, in MB
	verified bool    // true where nobody looked
}

func (r result) rate() float64 { return float64(r.lines) / r.seconds }

const mapping = "mappings/complete-journey.json"

// furnish makes a data directory that knows the catalogue.
func furnish(ctx context.Context, o options, dir string) error {
	if _, err := endcap(ctx, o, nil, "init", "--dir", dir, "--name", "Bench", "--zone", "America/New_York", "--currency", "USD"); err != nil {
		return err
	}
	_, err := endcap(ctx, o, nil, "ingest", "--dir", dir, "--kind", "products", "--mapping", mapping, filepath.Join(o.data, "products.parquet"))
	return err
}

// load has endcap take a file of a kind into a fresh data directory that knows
// the catalogue.
func load(ctx context.Context, o options, kind, file string, verify bool) (r result, err error) {
	dir, err := os.MkdirTemp(o.dir, "house")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := furnish(ctx, o, dir); err != nil {
		return r, err
	}
	var said struct {
		Lines          int64
		New            int64
		Promotions     int64
		QuerySeconds   float64 `json:"query_seconds"`
		ProfileSeconds float64 `json:"profile_seconds"`
	}
	began := time.Now()
	used, err := endcap(ctx, o, &said, "ingest", "--json", "--dir", dir, "--kind", kind, "--mapping", mapping, file)
	if err != nil {
		return r, err
	}
	r = result{
		lines: said.Lines + said.Promotions, items: said.New, seconds: said.QuerySeconds, profiles: said.ProfileSeconds, process: time.Since(began).Seconds(),
		cpu: used.cpu.Seconds(), rss: used.peak, verified: true,
	}
	if r.lines == 0 || r.seconds <= 0 {
		return r, fmt.Errorf("endcap ingest said nothing of lines or seconds: %+v", said)
	}
	if verify {
		_, err := endcap(ctx, o, nil, "verify", "--dir", dir)
		if r.verified = err == nil; err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	return r, nil
}

// usage is what one run of the program took.
type usage struct {
	cpu  time.Duration
	peak float64 // of memory, in MB
}

// lookEvery is how often a running program's peak is read: what the system tells
// of a program that has ended counts what its parent held when it was started.
const lookEvery = 20 * time.Millisecond

// watch reads a program's peak memory, in MB, until it has ended.
func watch(pid int, ended <-chan struct{}) (peak float64) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		peak = max(peak, peakOf(pid))
		select {
		case <-ended:
			return peak
		case <-tick.C:
		}
	}
}

// peakOf is a running program's peak memory so far, in MB; 0 where it cannot be
// read.
func peakOf(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	if fields := strings.Fields(rest); len(fields) > 0 {
		if kib, err := strconv.ParseFloat(fields[0], 64); err == nil {
			return kib * 1_024 / 1e6
		}
	}
	return 0
}

// tick is how many seconds of processor time one count of /proc is.
const tick = 0.01

// cpuOf is the processor time, user and system, that a running program has taken
// so far, in seconds; 0 where it cannot be read.
func cpuOf(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const user, system = 11, 12 // after the name
	if len(fields) <= system {
		return 0
	}
	u, errUser := strconv.ParseFloat(fields[user], 64)
	s, errSystem := strconv.ParseFloat(fields[system], 64)
	if errors.Join(errUser, errSystem) != nil {
		return 0
	}
	return (u + s) * tick
}

// endcap runs the program and reads what it prints as JSON into said, if given.
func endcap(ctx context.Context, o options, said any, args ...string) (used usage, err error) {
	cmd := exec.CommandContext(ctx, o.bin, args...)
	var out, say bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &say
	if err := cmd.Start(); err != nil {
		return used, fmt.Errorf("endcap %s: %w", args[0], err)
	}
	ended, peak := make(chan struct{}), make(chan float64)
	go func() { peak <- watch(cmd.Process.Pid, ended) }()
	err = cmd.Wait()
	close(ended)
	used = usage{cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), <-peak}
	if err != nil {
		return used, fmt.Errorf("endcap %s: %w\n%s%s", args[0], err, out.Bytes(), say.Bytes())
	}
	if said != nil {
		if err := json.Unmarshal(out.Bytes(), said); err != nil {
			return used, fmt.Errorf("endcap %s: %w", args[0], err)
		}
	}
	return used, nil
}

// reference has DuckDB read a file into a table of a fresh database file, and
// write it all.
func reference(ctx context.Context, o options, c contest) (r result, err error) {
	dir, err := os.MkdirTemp(o.dir, "duckdb")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := open(filepath.Join(dir, "reference.duckdb"))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	began := time.Now()
	for _, statement := range []string{
		"create table lines as select * from " + c.reader + "(" + quote(c.file) + ")",
		"checkpoint",
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return r, fmt.Errorf("duckdb: %w", err)
		}
	}
	r.seconds = time.Since(began).Seconds()
	return r, db.QueryRowContext(ctx, "select count(*) from lines").Scan(&r.lines)
}

// export writes the file as CSV.
func export(ctx context.Context, parquet, csv string) error {
	return copyOut(ctx, "select * from read_parquet("+quote(parquet)+")", csv, "format csv, header")
}

// multiply writes copies of a file one behind the other, each with receipt ids
// of its own, in the order of the original.
func multiply(ctx context.Context, parquet, big string, copies int) error {
	parts := make([]string, copies)
	for i := range parts {
		parts[i] = fmt.Sprintf("select * replace (basket_id || '-%d' as basket_id) from read_parquet(%s)", i, quote(parquet))
	}
	return copyOut(ctx, strings.Join(parts, " union all "), big, "format parquet")
}

func copyOut(ctx context.Context, question, file, form string) (err error) {
	db, err := open("")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, "copy ("+question+") to "+quote(file)+" ("+form+")"); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(file), err)
	}
	return nil
}

// open opens a database with the two threads that endcap has too.
func open(path string) (*sql.DB, error) {
	connector, err := duckdb.NewConnector(path+"?threads=2", nil)
	if err != nil {
		return nil, fmt.Errorf("open DuckDB: %w", err)
	}
	return sql.OpenDB(connector), nil
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
