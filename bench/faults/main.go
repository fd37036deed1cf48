// Command faults plays seeds of a small house on a disk that fails, and prints
// what was played, what was broken and what did not hold: nothing may.
//
// A count of seeds says something of the code they were played on. It is kept
// under the hash of that code, over runs and over commits that leave it alone.
//
// It is beside the road of a receipt: make faults SEEDS=1000.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"endcap/bench/covered"
	"endcap/bench/faults/disk"
	"endcap/bench/faults/house"
	"endcap/bench/figure"
)

// Goal is how many seeds are to be played on one hash of the code.
const goal = ">=100000"

// options are the command's.
type options struct {
	seeds uint64
	from  uint64 // the first seed; 0 for the first not yet played
	one   uint64 // the seed to play alone, with a trace
	jobs  int
	cache string // where counts are kept; empty to keep none
	wrong string // what is built wrong, to see that it is found; empty for nothing
}

func main() {
	var o options
	flag.Uint64Var(&o.seeds, "seeds", 1_000, "how many seeds to play")
	flag.Uint64Var(&o.from, "from", 0, "the first seed; the first not yet played by default")
	flag.Uint64Var(&o.one, "seed", 0, "play this seed alone, again and again until it fails, and tell every operation")
	flag.IntVar(&o.jobs, "jobs", 2, "how many seeds to play at once")
	flag.StringVar(&o.cache, "cache", ".cache/faults", "where the count is kept; empty to keep none")
	flag.StringVar(&o.wrong, "wrong", "", "build the house wrong, to see that it is found: limits, cursor, or the name of a store that is never synced; counts nothing")
	flag.Parse()
	figure.Main("faults", func(ctx context.Context, out io.Writer) error { return run(ctx, out, &o) })
}

// errBroken ends the program where a promise did not hold.
var errBroken = errors.New("a promise did not hold")

func run(ctx context.Context, out io.Writer, o *options) (err error) {
	debug.SetGCPercent(1_600) // memory is not what is scarce here
	scratch, err := os.MkdirTemp(house.Scratch(), "endcap-faults")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	sabotage, err := sabotageOf(o.wrong)
	if err != nil {
		return err
	}
	how := house.Options{Scratch: scratch, Sabotage: sabotage}
	if how.Image, err = house.Furnish(ctx, scratch); err != nil {
		return err
	}
	if how.Seed = o.one; o.one > 0 {
		return repeat(ctx, out, how)
	}
	if o.wrong != "" {
		o.cache = ""
	}
	hash, err := covered.Hash(ctx, "endcap/bench/faults")
	if err != nil {
		return err
	}
	all, err := load(o.cache, hash)
	if err != nil {
		return err
	}
	from := o.from
	if from == 0 {
		from = all.Next
	}
	_, _ = fmt.Fprintf(out, "seeds %d to %d on code %s\n", from, from+o.seeds-1, hash)
	if err := play(ctx, out, &all, span{from, from + o.seeds, how}, o); err != nil {
		return err
	}
	if report(out, &all) {
		return nil
	}
	return errBroken
}

// sabotageOf is what a word says to build wrong.
func sabotageOf(word string) (house.Sabotage, error) {
	stores := []disk.Store{disk.Book, disk.Vault, disk.Stream, disk.Files}
	switch {
	case word == "":
		return house.Sabotage{}, nil
	case word == "limits":
		return house.Sabotage{CheckThenAct: true}, nil
	case word == "cursor":
		return house.Sabotage{CursorFirst: true}, nil
	case slices.Contains(stores, disk.Store(word)):
		return house.Sabotage{Unsynced: []disk.Store{disk.Store(word)}}, nil
	default:
		return house.Sabotage{}, fmt.Errorf("nothing is built wrong by %q: say limits, cursor or one of %v", word, stores)
	}
}

// span is a run of seeds, without the last, and how they are played.
type span struct {
	from, to uint64
	how      house.Options
}

// saveEvery is how many seeds may be lost to a kill.
const saveEvery = 200

// play plays seeds, several at once, and adds them to all.
func play(ctx context.Context, out io.Writer, all *tally, s span, o *options) error {
	var mu sync.Mutex
	var failed error
	seeds := make(chan uint64)
	var players sync.WaitGroup
	for range max(1, o.jobs) {
		players.Go(func() {
			for seed := range seeds {
				r, err := playOne(ctx, seed, s.how)
				mu.Lock()
				if err != nil {
					failed = errors.Join(failed, fmt.Errorf("seed %d: %w", seed, err))
				} else {
					all.add(&r)
					if tell(out, &r); len(r.Violations) > 0 && o.wrong != "" {
						failed = errors.Join(failed, errBroken) // found
					}
					if all.Seeds%saveEvery == 0 {
						failed = errors.Join(failed, all.save(o.cache))
					}
				}
				mu.Unlock()
			}
		})
	}
	stopped := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return failed != nil || ctx.Err() != nil
	}
	for seed := s.from; seed < s.to && !stopped(); seed++ {
		seeds <- seed
	}
	close(seeds)
	players.Wait()
	if ctx.Err() != nil {
		failed = nil // what was stopped in the middle did not count
	}
	return errors.Join(failed, all.save(o.cache))
}

// playOne plays one seed in a scratch directory of its own.
func playOne(ctx context.Context, seed uint64, how house.Options) (house.Report, error) {
	dir, err := os.MkdirTemp(how.Scratch, "seed")
	if err != nil {
		return house.Report{}, err
	}
	how.Seed, how.Scratch = seed, dir
	r, err := house.Play(ctx, how)
	return r, errors.Join(err, ctx.Err(), os.RemoveAll(dir))
}

func tell(out io.Writer, r *house.Report) {
	for _, v := range r.Violations {
		_, _ = fmt.Fprintf(out, "violation in seed %d: %s\n", r.Seed, v)
	}
	if len(r.Violations) > 0 {
		_, _ = fmt.Fprintf(out, "repeat it: make faults SEED=%d\n", r.Seed)
	}
}

// repeatMax is how often a seed is played to find its failure again. A seed
// fixes what is done and what goes wrong; when Pebble does its work in the
// background, no seed fixes.
const repeatMax = 20

func repeat(ctx context.Context, out io.Writer, how house.Options) error {
	for n := range repeatMax {
		var told strings.Builder
		how.Trace = func(format string, args ...any) { fmt.Fprintf(&told, format+"\n", args...) }
		r, err := playOne(ctx, how.Seed, how)
		if err != nil {
			return err
		}
		if len(r.Violations) > 0 || n == repeatMax-1 {
			_, _ = fmt.Fprint(out, told.String())
			tell(out, &r)
			_, _ = fmt.Fprintf(out, "seed %d: %d operations, %d crashes, %v\n", r.Seed, r.Operations, r.Opened, r.Faults)
			if len(r.Violations) > 0 {
				return errBroken
			}
		}
	}
	return nil
}

// report prints the figures, and whether nothing was broken.
func report(out io.Writer, all *tally) bool {
	figure.Goal(out, "faults.seeds", all.Seeds, "seeds", goal)
	figure.Print(out, "faults.operations", all.Operations, "operations")
	figure.Print(out, "faults.crashes", all.Opened, "reopens")
	figure.Print(out, "faults.restarts", all.Restarted, "reopens")
	for _, kind := range disk.Kinds() {
		figure.Print(out, "faults."+string(kind), all.Faults[kind], "faults")
	}
	_, _ = fmt.Fprintln(out, "covered code", all.Hash)
	return figure.Goal(out, "faults.violations", len(all.Failed), "seeds", "=0")
}
