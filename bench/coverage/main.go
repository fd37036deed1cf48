// Command coverage asks how often the product's 95 % intervals hold the truth. It
// plays worlds of some fifty campaigns at once against served houses, reads each
// campaign's interval from its report, and holds it against what the play knows
// that the campaign sold. Seeds follow from the name and the world's index; no
// others are tried.
//
// What a world gave is kept under the hash of the code that it was played on: a run
// that was broken off goes on where it stopped. What is made of it is this package's
// alone, which the hash leaves out with all that only it needs: what is judged
// otherwise is not played again.
//
// It stands outside the road of a receipt and judges its end: make coverage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"endcap/bench/coverage/world"
	"endcap/bench/covered"
	"endcap/bench/figure"
)

// options are what the command line says.
type options struct {
	bin, dir, cache, name string
	of, more              int
	size                  world.Size
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin/endcap", "the program, as make build makes it")
	flag.StringVar(&o.dir, "dir", "", "where houses are made; the temporary directory by default")
	flag.StringVar(&o.cache, "cache", ".cache/coverage", "where worlds' results are kept; empty to keep none")
	flag.StringVar(&o.name, "name", "coverage", "of the test: seeds are made of it")
	flag.IntVar(&o.of, "of", 20, "how many worlds there are")
	flag.IntVar(&o.more, "worlds", 20, "how many of them to play in this run at most, beside those that are kept")
	o.size = world.Whole
	flag.IntVar(&o.size.Shoppers, "shoppers", o.size.Shoppers, "of each world")
	flag.Parse()
	figure.Main("coverage", func(ctx context.Context, out io.Writer) error { return run(ctx, out, &o) })
}

// run plays what is missing, so many worlds at once as there are cores, and tells
// of all.
func run(ctx context.Context, out io.Writer, o *options) error {
	hash := ""
	if o.cache != "" {
		var err error
		if hash, err = covered.All(ctx, "endcap/bench/coverage/world", "endcap/cmd/endcap"); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(out, "covered code", hash)
	}
	scratch, err := os.MkdirTemp(o.dir, "endcap-coverage")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	p := player{o: o, out: out, kept: tally{o.cache, hash, o.name, o.size.Shoppers}, scratch: scratch}
	worlds := make([][]world.Outcome, o.of)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(runtime.GOMAXPROCS(0))
	for n, played := 0, 0; n < o.of; n++ {
		if worlds[n], err = p.kept.load(n); err != nil {
			stop()
			return errors.Join(err, all.Wait())
		}
		if worlds[n] == nil && played < o.more {
			played++
			all.Go(func() (err error) { worlds[n], err = p.play(ctx, n); return err })
		}
	}
	if err := all.Wait(); err != nil {
		return err
	}
	return tell(out, slices.Concat(worlds...))
}

// player plays worlds and keeps what they gave.
type player struct {
	o       *options
	out     io.Writer
	saying  sync.Mutex
	kept    tally
	scratch string
}

func (p *player) play(ctx context.Context, n int) ([]world.Outcome, error) {
	start := time.Now()
	scenario, err := world.Of(ctx, p.o.name, n, p.o.size)
	if err != nil {
		return nil, fmt.Errorf("world %d: %w", n, err)
	}
	got, err := world.Play(ctx, world.Options{Bin: p.o.bin, Dir: filepath.Join(p.scratch, "world-"+strconv.Itoa(n)), Scenario: scenario})
	if err != nil {
		return nil, fmt.Errorf("world %d: %w", n, err)
	}
	c := count(judge(got))
	p.saying.Lock()
	defer p.saying.Unlock()
	_, _ = fmt.Fprintf(p.out, "world %d: %d of %d intervals hold the truth, %s\n", n, c.inside, c.told, time.Since(start).Round(time.Second))
	return got, p.kept.save(n, got)
}
