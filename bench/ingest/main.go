// Command ingest measures the way in: lines a second of The Complete Journey
// from a file to a durable stream, deduplicated against what is stored and
// answered by history, beside DuckDB reading the same file into a table of its
// own.
//
// Ours is what `endcap ingest --json` itself says, from the first byte read to
// the moment history answers for the last line, in a fresh data directory that
// knows the catalogue; `endcap verify` must pass afterwards. The reference has
// two threads and a fresh database file, written and checkpointed. Rounds of
// both alternate, and the ratio is the median of the ratios within the rounds,
// because machines are shared. Peak memory is measured on the file and on ten
// copies of it whose receipts have ids of their own. A till then sells while the
// year is loaded, and its receipts are to be in profiles within a second. Then
// every display and mailer of the year is loaded once, 20,940,529 rows that make
// 5,749 facts.
//
// With -shoppers another bench runs instead: so many simulated shoppers and five
// weeks of their receipts are loaded into one served house, in ten loads of equal
// length, and the last is held against the first; then the five questions of
// docs/sql.md are asked, beside DuckDB on the simulator's own files.
//
// It is beside the road of a receipt, with a stopwatch: make bench-ingest.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"endcap/bench/figure"
)

// options are what the command line says.
type options struct {
	dir    string // where data directories and databases are made
	data   string // where The Complete Journey lies
	bin    string // the program measured
	rounds int
	copies int

	shoppers int    // of the large bench; 0 runs the other
	large    string // where the large bench keeps what it simulates
	kept     bool   // ask the house that an earlier run kept
	keep     bool   // keep the house
	docs     string // where the questions stand
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "where the files are made; the temporary directory by default")
	flag.StringVar(&o.data, "data", "data/complete-journey", "The Complete Journey, as make data fetches it")
	flag.StringVar(&o.bin, "bin", "bin/endcap", "the program to measure, as make build makes it")
	flag.IntVar(&o.rounds, "rounds", 5, "how many rounds of each, or how often each question is asked")
	flag.IntVar(&o.copies, "copies", 10, "how many copies the large file holds; 0 leaves it out")
	flag.IntVar(&o.shoppers, "shoppers", 0, "load so many simulated shoppers instead")
	flag.StringVar(&o.large, "large", "", "where the simulated files are kept for the next run; data/bench-ingest-SHOPPERS by default")
	flag.BoolVar(&o.keep, "keep", false, "keep the large house too")
	flag.BoolVar(&o.kept, "kept", false, "load nothing: ask the house that was kept")
	flag.StringVar(&o.docs, "questions", "docs/sql.md", "where the analyst's questions stand")
	flag.Parse()
	figure.Main("ingest", func(ctx context.Context, out io.Writer) error {
		if o.rounds < 1 {
			return fmt.Errorf("%d rounds: at least 1", o.rounds)
		}
		if o.shoppers > 0 {
			return grow(ctx, out, o)
		}
		return run(ctx, out, o)
	})
}

func run(ctx context.Context, out io.Writer, o options) (err error) {
	if o.dir, err = os.MkdirTemp(o.dir, "bench-ingest"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	parquet, csv := filepath.Join(o.data, "transactions.parquet"), filepath.Join(o.dir, "transactions.csv")
	if err := export(ctx, parquet, csv); err != nil {
		return err
	}
	verified := true
	var one []result
	for _, c := range []contest{{"csv", csv, "read_csv", ">=0.3"}, {"parquet", parquet, "read_parquet", ">=0.1"}} {
		ours, theirs, err := compete(ctx, o, c)
		if err != nil {
			return err
		}
		report(out, c, ours, theirs)
		for i := range ours {
			verified = verified && ours[i].verified
		}
		one = ours // memory is compared on Parquet, the second
	}
	if o.copies > 0 {
		ten, err := many(ctx, o, parquet)
		if err != nil {
			return err
		}
		verified = verified && ten.verified
		reportMemory(out, one, &ten)
	}
	if err := tills(ctx, out, o); err != nil {
		return err
	}
	weeks, err := promotions(ctx, out, o)
	if err != nil {
		return err
	}
	verified = verified && weeks.verified
	figure.Goal(out, "ingest.verify", count(verified), "pass", "=1")
	return nil
}

// contest is one form of the file and how the reference reads it.
type contest struct {
	name, file, reader, goal string
}

// compete runs alternating rounds of both on a file. What the last round of
// ours left is verified.
func compete(ctx context.Context, o options, c contest) (ours, theirs []result, err error) {
	for round := range o.rounds {
		theirs = append(theirs, result{})
		if theirs[round], err = reference(ctx, o, c); err != nil {
			return nil, nil, err
		}
		ours = append(ours, result{})
		if ours[round], err = load(ctx, o, "receipts", c.file, round == o.rounds-1); err != nil {
			return nil, nil, err
		}
		if ours[round].lines != theirs[round].lines {
			return nil, nil, fmt.Errorf("%s: endcap took in %d lines, DuckDB %d", c.name, ours[round].lines, theirs[round].lines)
		}
	}
	return ours, theirs, nil
}

// many loads copies of the file in one.
func many(ctx context.Context, o options, parquet string) (result, error) {
	big := filepath.Join(o.dir, "copies.parquet")
	if err := multiply(ctx, parquet, big, o.copies); err != nil {
		return result{}, err
	}
	return load(ctx, o, "receipts", big, true)
}

// promotions loads every display and mailer of the year.
func promotions(ctx context.Context, out io.Writer, o options) (result, error) {
	r, err := load(ctx, o, "promotions", filepath.Join(o.data, "promotions.parquet"), true)
	if err != nil {
		return r, err
	}
	figure.Goal(out, "ingest.promotions_rows", r.lines, "rows", "=20940529")
	figure.Goal(out, "ingest.promotions_weeks", r.items, "weeks", "=5749")
	figure.Print(out, "ingest.promotions_rate", int64(r.rate()), "rows/s")
	figure.Print(out, "ingest.promotions_seconds", r.seconds, "s")
	figure.Print(out, "ingest.promotions_cpu_seconds", r.cpu, "s")
	figure.Goal(out, "ingest.promotions_rss", r.rss, "MB", "<=1000")
	return r, nil
}

// report prints the medians of both sides and of the ratios within the rounds.
func report(out io.Writer, c contest, ours, theirs []result) {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i].rate() / theirs[i].rate()
	}
	o, t := middle(ours, result.rate), middle(theirs, result.rate)
	name := "ingest." + c.name
	figure.Print(out, name+"_rate", int64(o.rate()), "lines/s")
	figure.Print(out, "ingest.duckdb_"+c.name+"_rate", int64(t.rate()), "lines/s")
	figure.Print(out, name+"_seconds", o.seconds, "s")
	figure.Print(out, name+"_profile_seconds", o.profiles, "s")
	figure.Print(out, name+"_process_seconds", o.process, "s")
	figure.Print(out, name+"_cpu_seconds", o.cpu, "s")
	figure.Print(out, "ingest.duckdb_"+c.name+"_seconds", t.seconds, "s")
	slices.Sort(ratios)
	figure.Goal(out, name+"_ratio", ratios[len(ratios)/2], "ratio", c.goal)
}

func reportMemory(out io.Writer, one []result, ten *result) {
	o := middle(one, func(r result) float64 { return r.rss })
	figure.Print(out, "ingest.ten_rate", int64(ten.rate()), "lines/s")
	figure.Print(out, "ingest.rss_one", o.rss, "MB")
	figure.Goal(out, "ingest.rss_ten", ten.rss, "MB", "<=1000")
	figure.Goal(out, "ingest.rss_growth", 100*(ten.rss/o.rss-1), "percent", "<=10")
}

// middle is the result that is the median by a measure.
func middle(rs []result, by func(result) float64) result {
	sorted := slices.Clone(rs)
	slices.SortFunc(sorted, func(a, b result) int { return cmp.Compare(by(a), by(b)) })
	return sorted[len(sorted)/2]
}

func count(ok bool) int {
	if ok {
		return 1
	}
	return 0
}
