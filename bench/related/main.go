// Command related measures know/recommend/related on The Complete Journey: it
// counts the year up to week 48 and asks of the weeks after how often the product
// that was taken out of a receipt is among the ten that go best with the rest,
// beside what is sold most; whether products are bought again as often as the model
// says, by decile; and how often what a shopper took instead of a product of hers
// is among its first five substitutes, beside what is sold most of the need.
//
//	go run ./bench/related -data data/complete-journey
//
// It is beside the road of a receipt, with a stopwatch.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"

	"endcap/bench/figure"
	"endcap/keep/warehouse"
	"endcap/keep/warehouse/duck"
	"endcap/know/history"
	"endcap/know/recommend/related"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/event"
)

// cut is the last day that is counted: the end of week 48.
var cut = retail.Date(2017, time.December, 3)

func main() {
	data := flag.String("data", "data/complete-journey", "directory with the Parquet files")
	flag.Parse()
	figure.Main("related", func(ctx context.Context, out io.Writer) error { return run(ctx, out, *data) })
}

func run(ctx context.Context, out io.Writer, data string) error {
	j, err := read(ctx, data)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "related")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	w, err := duck.Open(ctx, dir, duck.Defaults())
	if err != nil {
		return err
	}
	defer w.Close() //nolint:errcheck // nothing is kept
	if err := fill(ctx, w, j.facts); err != nil {
		return err
	}
	before := processor()
	never := catalog.Set{Departments: []catalog.Department{"FUEL", "MISCELLANEOUS", "COUPON"}}
	m, err := related.Count(ctx, w, related.Training{Through: cut, Days: 335, Never: never})
	if err != nil {
		return err
	}
	figure.Print(out, "related.train_cpu", (processor() - before).Seconds(), "s")
	var file bytes.Buffer
	if err := m.Save(&file); err != nil {
		return err
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	figure.Print(out, "related.file", file.Len(), "bytes")
	figure.Print(out, "related.memory_taken", float64(mem.Sys)/(1<<20), "MiB")
	j.together(out, m)
	j.due(out, m)
	j.instead(out, m)
	return nil
}

// processor is the processor time taken so far.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fill appends facts a few at a time, as a follower does.
func fill(ctx context.Context, w *duck.Warehouse, facts []event.Fact) error {
	const batch = 20_000
	for from := 0; from < len(facts); from += batch {
		to := min(from+batch, len(facts))
		next := event.Cursor(fmt.Sprintf("%012d", to))
		if err := w.Append(ctx, []warehouse.Fold{{Next: next, Through: facts[to-1].At, Rows: history.Rows(facts[from:to])}}); err != nil {
			return err
		}
	}
	return nil
}
