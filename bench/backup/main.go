// Command backup measures how soon a house is safe, and how soon it is back:
// a backup of the demo's data directory while it is served, another after a
// thousand receipts more, a restore, and the start of what was restored.
//
// The reference is a copy of the files that are truth, each synced, in the same
// run: what stopping the server and copying would cost. The demo's directory is
// backed up and not otherwise changed but for the receipts and a recovery key.
//
// It is beside the road of a receipt, with a stopwatch: make bench-backup.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"endcap/bench/figure"
	"endcap/bench/served"
)

// options are what the command line says.
type options struct {
	dir string // the demo's data directory
	to  string // where backups, copies and restored houses are made
	bin string // the program measured
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "data/bench-backup", "a data directory of the demo, as DATA=data/bench-backup make demo leaves it")
	flag.StringVar(&o.to, "to", "", "where the files are made; the temporary directory by default")
	flag.StringVar(&o.bin, "bin", "bin/endcap", "the program to measure, as make build makes it")
	flag.Parse()
	figure.Main("backup", func(ctx context.Context, out io.Writer) error { return run(ctx, out, o) })
}

// receipts is how many come in between the two backups.
const receipts = 1_000

func run(ctx context.Context, out io.Writer, o options) (err error) {
	if o.to, err = os.MkdirTemp(o.to, "bench-backup"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.to)) }()
	key := filepath.Join(o.to, "recovery")
	if _, err := command(ctx, o, "key", "recovery", "--replace", "--dir", o.dir, "--out", key); err != nil {
		return err
	}
	first, next, err := backups(ctx, o)
	if err != nil {
		return err
	}
	copied, err := copyTruth(o.dir, filepath.Join(o.to, "copy"))
	if err != nil {
		return err
	}
	reportBackups(out, first, next, copied)
	var back restored
	again := filepath.Join(o.to, "again")
	text, err := command(ctx, o, "restore", "--from", filepath.Join(o.to, "safe"), "--recovery-key", key, "--dir", again, "--json")
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil {
		return err
	}
	begun := time.Now()
	_, stop, err := served.Serve(ctx, o.bin, again, serving...)
	if err != nil {
		return err
	}
	reportRestore(out, back, time.Since(begun))
	return stop()
}

// serving is how the demo's directory is served.
var serving = []string{"--clock", "replay", "--listen", "127.0.0.1:0"}

// backedUp is what endcap backup --json says.
type backedUp struct {
	Bytes    int64   `json:"bytes"`
	NewBytes int64   `json:"new_bytes"`
	Written  int64   `json:"written_bytes"`
	Seconds  float64 `json:"seconds"`
	Still    float64 `json:"still_seconds"`
}

// restored is what endcap restore --json says.
type restored struct {
	Bytes   int64   `json:"bytes"`
	Fetched float64 `json:"fetch_seconds"`
	Folded  float64 `json:"fold_seconds"`
	Proved  float64 `json:"proof_seconds"`
}

// backups makes two while the house is served, and receipts come in between.
func backups(ctx context.Context, o options) (first, next backedUp, err error) {
	home, stop, err := served.Serve(ctx, o.bin, o.dir, serving...)
	if err != nil {
		return first, next, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if first, err = backUp(ctx, o); err != nil {
		return first, next, err
	}
	if err := sell(ctx, home); err != nil {
		return first, next, err
	}
	next, err = backUp(ctx, o)
	return first, next, err
}

func backUp(ctx context.Context, o options) (out backedUp, err error) {
	text, err := command(ctx, o, "backup", "--dir", o.dir, "--to", filepath.Join(o.to, "safe"), "--json")
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(text, &out)
}

// command runs one of the program's commands and gives what it prints.
func command(ctx context.Context, o options, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, o.bin, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("endcap %v: %w\n%s", args, err, said.Bytes())
	}
	return text, nil
}

// copyTruth copies what a backup holds, file by file, each synced, and says how
// long that took.
func copyTruth(dir, to string) (time.Duration, error) {
	begun := time.Now()
	for _, name := range []string{"book.db", "vault.db", "stream", filepath.Join("history", "sealed")} {
		err := filepath.WalkDir(filepath.Join(dir, name), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			inside, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			return copyFile(path, filepath.Join(to, inside))
		})
		if err != nil {
			return 0, err
		}
	}
	return time.Since(begun), nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return err
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	return errors.Join(err, f.Sync(), f.Close())
}

func reportBackups(out io.Writer, first, next backedUp, copied time.Duration) {
	figure.Print(out, "backup.bytes", megabytes(first.Bytes), "MB")
	figure.Print(out, "backup.first_seconds", first.Seconds, "s")
	figure.Print(out, "backup.first_written", megabytes(first.Written), "MB")
	figure.Print(out, "backup.copy_seconds", copied.Seconds(), "s")
	figure.Print(out, "backup.first_vs_copy", first.Seconds/copied.Seconds(), "ratio")
	figure.Print(out, "backup.next_seconds", next.Seconds, "s")
	figure.Print(out, "backup.next_new", megabytes(next.NewBytes), "MB")
	figure.Print(out, "backup.next_written", megabytes(next.Written), "MB")
	figure.Print(out, "backup.still", 1_000*max(first.Still, next.Still), "ms")
	figure.Print(out, "backup.rpo_hourly", 3_600+next.Seconds, "s")
}

func reportRestore(out io.Writer, back restored, started time.Duration) {
	figure.Print(out, "restore.fetch_seconds", back.Fetched, "s")
	figure.Print(out, "restore.fold_seconds", back.Folded, "s")
	figure.Print(out, "restore.proof_seconds", back.Proved, "s")
	figure.Print(out, "restore.start_seconds", started.Seconds(), "s")
	figure.Print(out, "restore.rto", back.Fetched+back.Folded+back.Proved+started.Seconds(), "s")
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }
