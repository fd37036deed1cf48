// Command simulate measures the simulator: receipt lines a second from nothing to
// Parquet on disk, on two cores, and how much memory so many shoppers take. Each
// run is a process of its own, so that its peak is its own.
//
// The rate is read on the largest number of shoppers over the weeks alone, without
// what is written once. Bytes a shopper are the slope of the peak from the last
// number but one to the largest: a short run does not fill the fixed base.
//
// It is before the road of a receipt, with a stopwatch: make bench-simulate.
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
	"strconv"
	"strings"
	"syscall"

	"endcap/bench/figure"
	"endcap/simulate/life"
	"endcap/simulate/people"
)

// options are what the command line says.
type options struct {
	dir   string
	bin   string
	list  string // shoppers of each run, comma-separated
	weeks int
}

// result is what one run left.
type result struct {
	shoppers int
	Lines    int64   `json:"lines"`
	Seconds  float64 `json:"seconds"`
	Setup    float64 `json:"setup_seconds"`
	peak     int64   // bytes
	cpu      float64 // seconds
	disk     int64   // bytes of receipts
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "where folders are made; the temporary directory by default")
	flag.StringVar(&o.bin, "bin", "bin/endcap", "the program to measure, as make build makes it")
	flag.StringVar(&o.list, "shoppers", "10000,100000,1000000", "how many shoppers each run has, rising")
	flag.IntVar(&o.weeks, "weeks", 2, "how many weeks each run has")
	flag.Parse()
	figure.Main("simulate", func(ctx context.Context, out io.Writer) error { return run(ctx, out, o) })
}

func run(ctx context.Context, out io.Writer, o options) (err error) {
	if o.dir, err = os.MkdirTemp(o.dir, "bench-simulate"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	var all []result
	for text := range strings.SplitSeq(o.list, ",") {
		shoppers, err := strconv.Atoi(text)
		if err != nil || shoppers < 1 || len(all) > 0 && shoppers <= all[len(all)-1].shoppers {
			return fmt.Errorf("shoppers %q: whole numbers that rise", o.list)
		}
		r, err := one(ctx, o, shoppers)
		if err != nil {
			return err
		}
		all = append(all, r)
		name := "simulate." + text
		figure.Print(out, name+".lines", r.Lines, "lines")
		figure.Print(out, name+".rss", float64(r.peak)/1e6, "MB")
		figure.Print(out, name+".rate", int64(r.rate()), "lines/s")
		figure.Print(out, name+".cpu_us", 1e6*r.cpu/float64(r.Lines), "us/line")
	}
	last := all[len(all)-1]
	figure.Goal(out, "simulate.rate", int64(last.rate()), "lines/s", ">=1000000")
	figure.Print(out, "simulate.bytes_a_line", float64(last.disk)/float64(last.Lines), "B")
	figure.Goal(out, "simulate.state", people.Bytes+life.StateBytes, "B/shopper", "<=60")
	if len(all) > 1 {
		before := all[len(all)-2]
		figure.Goal(out, "simulate.memory_a_shopper", float64(last.peak-before.peak)/float64(last.shoppers-before.shoppers), "B/shopper", "<=60")
	}
	return nil
}

func (r *result) rate() float64 { return float64(r.Lines) / (r.Seconds - r.Setup) }

// one simulates in a process of its own, held to two threads of Go.
func one(ctx context.Context, o options, shoppers int) (result, error) {
	dir := filepath.Join(o.dir, strconv.Itoa(shoppers))
	cmd := exec.CommandContext(ctx, o.bin, "simulate", "--communes", "none", "--shoppers", strconv.Itoa(shoppers), "--weeks", strconv.Itoa(o.weeks), "--out", dir, "--json")
	cmd.Env = append(cmd.Environ(), "GOMAXPROCS=2")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return result{}, fmt.Errorf("simulate %d shoppers: %w", shoppers, err)
	}
	r := result{shoppers: shoppers}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("read the answer: %w", err)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return r, errors.New("this system does not say what a process used")
	}
	r.peak, r.cpu = usage.Maxrss*1_024, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	files, err := filepath.Glob(filepath.Join(dir, "receipts", "*.parquet"))
	if err != nil {
		return r, err
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return r, err
		}
		r.disk += info.Size()
	}
	return r, os.RemoveAll(dir)
}
