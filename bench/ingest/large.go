package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"endcap/bench/figure"
	"endcap/bench/served"
)

// How long the large run's simulation is, and in how many loads it comes.
const (
	largeWeeks = 5
	largeLoads = 10
	largeLines = 60_000_000 // at a million shoppers
	million    = 1_000_000
)

// largeKinds are what is loaded before receipts, in their order.
var largeKinds = [...]string{"stores", "products", "shoppers", "consents", "prices", "stock", "promotions"}

// large is one run of the large bench.
type large struct {
	options
	out       io.Writer
	name      string // what its figures are called
	simulated string
	loads     string
	house     string
}

// delivered is what one load of receipts took.
type delivered struct {
	Lines    int64
	Load     float64 `json:"load_seconds"`
	Query    float64 `json:"query_seconds"`
	Profiles float64 `json:"profile_seconds"`
	whole    float64 // of the command, from its start to its end
	cpu      float64 // of the server meanwhile
}

// grow runs the large bench.
func grow(ctx context.Context, out io.Writer, o options) (err error) {
	base := cmp.Or(o.large, fmt.Sprintf("data/bench-ingest-%d", o.shoppers))
	l := &large{
		options: o, out: out, name: fmt.Sprintf("ingest.%d.", o.shoppers),
		simulated: filepath.Join(base, "simulated"), loads: filepath.Join(base, "loads"), house: filepath.Join(base, "house"),
	}
	if err := l.simulate(ctx); err != nil {
		return err
	}
	if err := l.divide(ctx); err != nil {
		return err
	}
	if !o.keep && !o.kept {
		defer func() { err = errors.Join(err, os.RemoveAll(l.house)) }()
	}
	if !o.kept {
		if err := l.found(ctx); err != nil {
			return err
		}
	}
	return l.live(ctx)
}

// simulate makes the retailer, unless an earlier run did. Nobody shares a card,
// so that of no two shoppers who are one by their card both said of consent
// something at one instant: the reference would have to know whose word counts.
func (l *large) simulate(ctx context.Context) error {
	var found struct{ Finished bool }
	if text, err := os.ReadFile(filepath.Join(l.simulated, "simulation.json")); err == nil && json.Unmarshal(text, &found) == nil && found.Finished {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(l.simulated), 0o755); err != nil {
		return err
	}
	scenario := filepath.Join(filepath.Dir(l.simulated), "scenario.json")
	text := fmt.Sprintf("{\"shoppers\": %d, \"weeks\": %d, \"seed\": 1, \"card_shared\": 0}\n", l.shoppers, largeWeeks)
	if err := os.WriteFile(scenario, []byte(text), 0o600); err != nil {
		return err
	}
	_, err := endcap(ctx, l.options, nil, "simulate", "--scenario", scenario, "--communes", "none", "--out", l.simulated)
	return err
}

// divide writes the receipts as files of as many lines each, unless an earlier
// run did: a retailer's deliveries, cut between receipts, in the order of time.
func (l *large) divide(ctx context.Context) (err error) {
	if _, err := os.Stat(l.loads); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	part := l.loads + ".part"
	if err := errors.Join(os.RemoveAll(part), os.MkdirAll(part, 0o755)); err != nil {
		return err
	}
	db, err := open("")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	all := "read_parquet(" + quote(filepath.Join(l.simulated, "receipts", "*.parquet")) + ")"
	from := int64(0)
	for n := 1; n <= largeLoads; n++ {
		var to int64
		ask := fmt.Sprintf("select quantile_disc(receipt, %v) from %s", float64(n)/largeLoads, all)
		if err := db.QueryRowContext(ctx, ask).Scan(&to); err != nil {
			return fmt.Errorf("divide receipts: %w", err)
		}
		file := filepath.Join(part, fmt.Sprintf("receipts-%02d.parquet", n))
		if _, err := db.ExecContext(ctx, fmt.Sprintf("copy (select * from %s where receipt > %d and receipt <= %d) to %s (format parquet)", all, from, to, quote(file))); err != nil {
			return fmt.Errorf("divide receipts: %w", err)
		}
		from = to
	}
	return os.Rename(part, l.loads)
}

// found makes the house.
func (l *large) found(ctx context.Context) error {
	if err := os.RemoveAll(l.house); err != nil {
		return err
	}
	_, err := endcap(ctx, l.options, nil, "init", "--dir", l.house, "--name", "Simulated grocer", "--zone", "Europe/Paris", "--currency", "EUR", "--dataset", "declared-synthetic")
	return err
}

// live serves the house, loads it and asks it.
func (l *large) live(ctx context.Context) (err error) {
	home, stop, err := served.Serve(ctx, l.bin, l.house, "--listen", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ended, peak := make(chan struct{}), make(chan float64, 1)
	go func() { peak <- watch(home.Process, ended) }()
	var sold int64
	if !l.kept {
		sold, err = l.load(ctx, home.Process)
	}
	loaded, rss := peakOf(home.Process), 0.0
	if err == nil {
		err = l.ask(ctx)
	}
	close(ended)
	rss = <-peak
	if err = errors.Join(err, stop()); err != nil {
		return err
	}
	if l.kept {
		return nil
	}
	figure.Print(l.out, l.name+"rss", loaded, "MB")
	figure.Print(l.out, l.name+"rss_asked", rss, "MB")
	return l.weigh(sold)
}

// load loads everything, and returns how many lines were sold.
func (l *large) load(ctx context.Context, server int) (int64, error) {
	began := time.Now()
	for _, kind := range largeKinds {
		files, err := l.files(kind)
		if err != nil {
			return 0, err
		}
		for _, file := range files {
			if _, err := l.ingest(ctx, kind, file); err != nil {
				return 0, err
			}
		}
		fmt.Fprintf(os.Stderr, "%s loaded after %.1f s\n", kind, time.Since(began).Seconds())
	}
	figure.Print(l.out, l.name+"feeds_seconds", time.Since(began).Seconds(), "s")
	var tenths []delivered
	for n := 1; n <= largeLoads; n++ {
		before := cpuOf(server)
		d, err := l.ingest(ctx, "receipts", filepath.Join(l.loads, fmt.Sprintf("receipts-%02d.parquet", n)))
		if err != nil {
			return 0, err
		}
		d.cpu = cpuOf(server) - before
		fmt.Fprintf(os.Stderr, "load %d: %d lines, on disk after %.1f s, in history %.1f, in profiles %.1f, processor %.1f\n", n, d.Lines, d.Load, d.Query, d.Profiles, d.cpu)
		tenths = append(tenths, d)
	}
	return l.rates(tenths), nil
}

// files are those of a kind, in the order of their names.
func (l *large) files(kind string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(l.simulated, kind+".parquet"))
	if err != nil || len(files) == 1 {
		return files, err
	}
	return filepath.Glob(filepath.Join(l.simulated, kind, "*.parquet"))
}

// ingest loads one file.
func (l *large) ingest(ctx context.Context, kind, file string) (d delivered, err error) {
	began := time.Now()
	_, err = endcap(ctx, l.options, &d, "ingest", "--json", "--dir", l.house, "--kind", kind, "--mapping", filepath.Join(l.simulated, "mapping.json"), file)
	d.whole = time.Since(began).Seconds()
	return d, err
}

// rates prints how fast receipts came in, and returns how many lines.
func (l *large) rates(tenths []delivered) (lines int64) {
	var history, whole, cpu float64
	for i := range tenths {
		lines += tenths[i].Lines
		history += tenths[i].Query
		whole += tenths[i].whole
		cpu += tenths[i].cpu
	}
	if l.shoppers >= million {
		figure.Goal(l.out, l.name+"lines", lines, "lines", fmt.Sprintf(">=%d", largeLines))
	} else {
		figure.Print(l.out, l.name+"lines", lines, "lines")
	}
	first, last := &tenths[0], &tenths[len(tenths)-1]
	rate := func(d *delivered, seconds float64) float64 { return float64(d.Lines) / seconds }
	figure.Print(l.out, l.name+"rate", int64(float64(lines)/history), "lines/s")
	figure.Print(l.out, l.name+"first_rate", int64(rate(first, first.Query)), "lines/s")
	figure.Print(l.out, l.name+"last_rate", int64(rate(last, last.Query)), "lines/s")
	figure.Goal(l.out, l.name+"last_vs_first", rate(last, last.Query)/rate(first, first.Query), "ratio", ">=0.8")
	figure.Print(l.out, l.name+"profile_rate", int64(float64(lines)/whole), "lines/s")
	figure.Goal(l.out, l.name+"last_vs_first_profile", rate(last, last.whole)/rate(first, first.whole), "ratio", ">=0.8")
	figure.Print(l.out, l.name+"cpu_us", 1e6*cpu/float64(lines), "us/line")
	figure.Print(l.out, l.name+"last_vs_first_cpu", rate(last, last.cpu)/rate(first, first.cpu), "ratio")
	return lines
}

// largeStores are the parts of a house whose size is told apart.
var largeStores = [...]struct{ name, under string }{
	{"stream", "stream"},
	{"sealed", "history" + string(filepath.Separator) + "sealed"},
	{"history", "history"},
	{"profiles", "profiles"},
	{"vault", "vault.db"},
	{"", ""},
}

// weigh prints the bytes on disk for a line, by store: a file counts for the first
// store in whose folder it lies.
func (l *large) weigh(lines int64) error {
	sums := make([]int64, len(largeStores))
	err := filepath.WalkDir(l.house, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		inside := strings.TrimPrefix(path, l.house+string(filepath.Separator))
		for i := range largeStores {
			if strings.HasPrefix(inside, largeStores[i].under) {
				sums[i] += info.Size()
				break
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var all int64
	for i, sum := range sums {
		all += sum
		figure.Print(l.out, l.name+"bytes_"+cmp.Or(largeStores[i].name, "rest"), float64(sum)/float64(lines), "B/line")
	}
	figure.Print(l.out, l.name+"bytes", float64(all)/float64(lines), "B/line")
	return nil
}
