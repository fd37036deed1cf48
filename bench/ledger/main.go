// Command ledger measures the book: durable charges a second, beside bare
// inserts of as many rows and bytes as a charge writes.
//
// The reference gets everything the book has: the same driver, file settings,
// group-committing writer, callers, prepared statements, and keys in the same
// random order; its tables have a primary key each and nothing else, and it
// asks no question: no earlier answer, no balance, no limit. Rounds of both
// alternate, and pairs of them are compared, because machines are shared.
//
// It is beside the road of a receipt, with a stopwatch: go run ./bench/ledger.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"endcap/bench/figure"
	"endcap/keep/ledger"
	"endcap/keep/sql/sqlite/disk"
)

func main() {
	seconds := flag.Float64("seconds", 2, "how long each round runs")
	rounds := flag.Int("rounds", 5, "how many rounds of each")
	dir := flag.String("dir", "", "where the files are made; the temporary directory by default")
	flag.Parse()
	if err := run(os.Stdout, *dir, time.Duration(*seconds*float64(time.Second)), *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench/ledger:", err)
		os.Exit(1)
	}
}

// crowd is how callers come: how many at once, with how many charges a call.
type crowd struct {
	name    string
	callers int
	charges int
}

// result is what one round did.
type result struct {
	rate   float64 // charges a second
	fsyncs float64 // a charge
	bytes  float64 // written to files, a charge
}

// counts is what reaches the disk, for every file of the process.
type counts struct{ fsyncs, written atomic.Int64 }

func (c *counts) before(op disk.Op, bytes int64) error {
	switch op {
	case disk.Sync:
		c.fsyncs.Add(1)
	case disk.Write:
		c.written.Add(bytes)
	case disk.Truncate:
	}
	return nil
}

func run(out io.Writer, dir string, length time.Duration, rounds int) (err error) {
	dir, err = os.MkdirTemp(dir, "bench-ledger")
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, os.RemoveAll(dir)) }()
	var c counts
	if err := disk.Watch("counted", c.before); err != nil {
		return err
	}
	defer disk.Unwatch("counted")
	if rounds < 1 {
		return fmt.Errorf("%d rounds: at least 1", rounds)
	}
	for _, w := range []crowd{{"", 64, 1}, {"_batched", 1, 256}} {
		var ours, bare []result
		for round := range rounds {
			for _, side := range []struct {
				name string
				open func(context.Context, string) (charger, error)
				to   *[]result
			}{{"book", openBook, &ours}, {"bare", openBare, &bare}} {
				path := filepath.Join(dir, fmt.Sprintf("%s%s-%d.db", side.name, w.name, round))
				r, err := measure(side.open, path, w, length, &c)
				if err != nil {
					return err
				}
				*side.to = append(*side.to, r)
			}
		}
		report(out, w.name, ours, bare)
	}
	return nil
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// report prints the rounds of the median rate of each side. The ratio is the
// median of the ratios within each round, which the machine's moods touch least.
func report(out io.Writer, suffix string, ours, bare []result) {
	ratios := make([]result, len(ours))
	for i := range ours {
		ratios[i].rate = ours[i].rate / bare[i].rate
	}
	o, b := middle(ours), middle(bare)
	figure.Print(out, "ledger.charges"+suffix, o.rate, "1/s")
	figure.Print(out, "ledger.bare_inserts"+suffix, b.rate, "1/s")
	figure.Goal(out, "ledger.ratio_vs_bare"+suffix, middle(ratios).rate, "ratio", ">=0.5")
	figure.Print(out, "ledger.fsyncs_per_charge"+suffix, o.fsyncs, "1")
	figure.Print(out, "ledger.bare_fsyncs_per_charge"+suffix, b.fsyncs, "1")
	figure.Print(out, "ledger.bytes_per_charge"+suffix, o.bytes, "B")
	figure.Print(out, "ledger.bare_bytes_per_charge"+suffix, b.bytes, "B")
}

// middle is the round of the median rate.
func middle(rounds []result) result {
	sorted := slices.SortedFunc(slices.Values(rounds), func(a, b result) int { return cmp.Compare(a.rate, b.rate) })
	return sorted[len(sorted)/2]
}

// charger is one of the two sides.
type charger interface {
	charge(ctx context.Context, deeds []ledger.Deed) error
	finish(ctx context.Context, charges int64) error
}

// measure runs callers against one side for a while, on a file of its own.
func measure(open func(context.Context, string) (charger, error), path string, w crowd, length time.Duration, c *counts) (result, error) {
	ctx := context.Background()
	side, err := open(ctx, path)
	if err != nil {
		return result{}, err
	}
	fsyncs, written := c.fsyncs.Load(), c.written.Load()
	var done atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	start := time.Now()
	for caller := range w.callers {
		all.Go(func() {
			deeds := make([]ledger.Deed, w.charges)
			for n := uint64(0); time.Since(start) < length; n += uint64(w.charges) {
				for i := range deeds {
					deeds[i] = charge(uint64(caller), n+uint64(i))
				}
				if err := side.charge(ctx, deeds); err != nil {
					failed.Store(&err)
					return
				}
				done.Add(int64(w.charges))
			}
		})
	}
	all.Wait()
	n := done.Load()
	r := result{
		rate: float64(n) / time.Since(start).Seconds(), fsyncs: float64(c.fsyncs.Load()-fsyncs) / float64(n),
		bytes: float64(c.written.Load()-written) / float64(n),
	}
	if err := failed.Load(); err != nil {
		return result{}, *err
	}
	return r, side.finish(ctx, n)
}
