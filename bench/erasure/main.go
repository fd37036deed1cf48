// Command erasure measures how soon somebody is out of a house of a million
// shoppers: The Complete Journey's households, multiplied under new ids. It loads
// them, asks for the file of the heaviest, erases her, polls decisions, audiences,
// questions and access until none knows her, has the night's job clean the files,
// and searches all of them.
//
// The first copy is whole, so that the heaviest shopper is; of the others each
// household keeps its first receipt of the year and a share of the rest, drawn by
// a hash, because the whole would be 600 million lines.
//
// It is beside the road of a receipt, with a stopwatch: make bench-erasure.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"endcap/bench/figure"
	"endcap/bench/served"
)

// options are what the command line says.
type options struct {
	data   string
	dir    string
	bin    string
	copies int
	share  int
}

// households is how many shoppers one copy has.
const households = 2_469

func main() {
	var o options
	flag.StringVar(&o.data, "data", "data/complete-journey", "the data set, as make data fetches it")
	flag.StringVar(&o.dir, "dir", "", "where the files are made; the temporary directory by default")
	flag.StringVar(&o.bin, "bin", "bin/endcap", "the program to measure, as make build makes it")
	flag.IntVar(&o.copies, "copies", 406, "how many times the households; 406 are a million")
	flag.IntVar(&o.share, "share", 1, "percent of the receipts of a copy that are kept beside each household's first")
	flag.Parse()
	figure.Main("erasure", func(ctx context.Context, out io.Writer) error { return run(ctx, out, o) })
}

func run(ctx context.Context, out io.Writer, o options) (err error) {
	if o.dir, err = os.MkdirTemp(o.dir, "bench-erasure"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	h := &house{options: o, dir: filepath.Join(o.dir, "house")}
	heaviest, err := h.load(ctx, out)
	if err != nil {
		return err
	}
	home, stop, err := served.Serve(ctx, h.bin, h.dir, "--clock", "replay")
	if err != nil {
		return err
	}
	h.House = home
	if err := h.measure(ctx, out, heaviest); err != nil {
		return errors.Join(err, stop())
	}
	if err := stop(); err != nil {
		return err
	}
	return h.search(ctx, out)
}

// load makes the house and says who has most lines.
func (h *house) load(ctx context.Context, out io.Writer) (heaviest string, err error) {
	file := filepath.Join(h.options.dir, "shoppers.parquet")
	if heaviest, err = multiply(ctx, h.options, file); err != nil {
		return "", err
	}
	for _, args := range [][]string{
		{"init", "--dir", h.dir, "--name", "Bench", "--zone", "America/New_York", "--currency", "USD", "--demo", "--clock-start", "2018-01-02T12:00:00Z", "--shoppers-min", "2"},
		{"ingest", "--dir", h.dir, "--kind", "products", "--mapping", mapping, filepath.Join(h.data, "products.parquet")},
	} {
		if _, err := h.command(ctx, args...); err != nil {
			return "", err
		}
	}
	begun := time.Now()
	text, err := h.command(ctx, "ingest", "--json", "--dir", h.dir, "--kind", "receipts", "--mapping", mapping, file)
	if err != nil {
		return "", err
	}
	var said struct{ Lines, New int64 }
	if err := json.Unmarshal(text, &said); err != nil {
		return "", err
	}
	figure.Print(out, "erasure.shoppers", h.copies*households, "shoppers")
	figure.Print(out, "erasure.receipts", said.New, "receipts")
	figure.Print(out, "erasure.lines", said.Lines, "lines")
	figure.Print(out, "erasure.load_seconds", time.Since(begun).Seconds(), "s")
	return heaviest, os.Remove(file)
}

const mapping = "mappings/complete-journey.json"

// command runs one of the program's commands and gives what it prints.
func (h *house) command(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, h.bin, args...)
	var said strings.Builder
	cmd.Stderr = &said
	text, err := cmd.Output()
	if err != nil {
		return text, fmt.Errorf("endcap %s: %w\n%s", args[0], err, said.String())
	}
	return text, nil
}

// search looks for her in every file, as endcap verify --forgotten does.
func (h *house) search(ctx context.Context, out io.Writer) error {
	begun := time.Now()
	text, err := h.command(ctx, "verify", "--forgotten", "--json", "--dir", h.dir)
	var signed struct {
		Document struct {
			Places []struct {
				Name  string
				Found int64
				ByAge int64 `json:"by_age"`
			}
		}
	}
	if len(text) == 0 {
		return err
	}
	if err := json.Unmarshal(text, &signed); err != nil {
		return err
	}
	var found, byAge int64
	for _, p := range signed.Document.Places {
		found, byAge = found+p.Found, byAge+p.ByAge
	}
	figure.Goal(out, "erasure.found_in_files", found, "places", "=0")
	figure.Print(out, "erasure.stream_by_age", byAge, "facts")
	figure.Print(out, "erasure.search_seconds", time.Since(begun).Seconds(), "s")
	return nil
}
