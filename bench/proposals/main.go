// Command proposals measures know/recommend/nextbasket where it is known what was
// bought next: on TaFeng and a part of The Complete Journey in the protocol of the
// published tables (Li et al., "A Next Basket Recommendation Reality Check", TOIS
// 2023), where a directory with them is given, and on the whole of The Complete
// Journey 2017 by time, beside popularity, personal frequencies, TIFUKNN,
// item–item and ALS. Every method that has settings is tuned on the same
// validation by as many trials; ours is the same code and the same search on
// every set.
//
//	go run ./bench/proposals -data DIR -journey data/complete-journey -als bench/proposals/als.py
//
// It is beside the road of a receipt, with a stopwatch.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"endcap/bench/figure"
	"endcap/know/recommend/judge"
	"endcap/know/recommend/nextbasket"
)

// options are the flags.
type options struct {
	data, journey, als string
	sets, shoppers     string
	trials, folds      int
	seed               uint64
	verbose            bool
}

func main() {
	var o options
	flag.StringVar(&o.data, "data", "", "directory with nbr/; empty leaves the published tables out")
	flag.StringVar(&o.journey, "journey", "", "directory with The Complete Journey; empty leaves it out")
	flag.StringVar(&o.als, "als", "", "the script that proposes by ALS; empty leaves it out")
	flag.StringVar(&o.sets, "sets", "tafeng,mini,journey,grown", "which are measured")
	flag.StringVar(&o.shoppers, "shoppers", "20000,100000", "of the simulated houses, the smallest first")
	flag.IntVar(&o.trials, "trials", 16, "settings tried of each method that has some")
	flag.IntVar(&o.folds, "folds", 5, "of TaFeng, at most 5")
	flag.Uint64Var(&o.seed, "seed", 1, "of the search")
	flag.BoolVar(&o.verbose, "trials-too", false, "print every trial")
	flag.Parse()
	figure.Main("proposals", func(ctx context.Context, out io.Writer) error { return run(ctx, out, &o) })
}

func run(ctx context.Context, out io.Writer, o *options) error {
	nbr := filepath.Join(o.data, "nbr")
	for _, s := range []struct {
		name, given, at string // a directory that was given, and what must be in it
		measure         func(ctx context.Context, out io.Writer, o *options) error
	}{
		{"tafeng", o.data, filepath.Join(nbr, "tafeng-rc"), tafeng},
		{"mini", o.data, filepath.Join(nbr, "complete-journey-baskets"), mini},
		{"journey", o.journey, filepath.Join(o.journey, "transactions.parquet"), journey},
		{"grown", ".", ".", grown},
	} {
		if !slices.Contains(strings.Split(o.sets, ","), s.name) {
			continue
		}
		if _, err := os.Stat(s.at); err != nil || s.given == "" {
			fmt.Fprintf(out, "skipped: %s, because %q is not at hand\n", s.name, s.at)
			continue
		}
		if err := s.measure(ctx, out, o); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// goals are by the name of a measure, as figure.Goal reads them.
type goals map[string]string

// show prints the figures of answers at 10 and 20.
func show(out io.Writer, name string, f10, f20 *judge.Figures, g goals) {
	for _, m := range []struct {
		name  string
		value float64
	}{
		{"recall_at_10", f10.Recall},
		{"ndcg_at_10", f10.NDCG},
		{"ndcg_usual_at_10", f10.NDCGUsual},
		{"phr_at_10", f10.PHR},
		{"recall_at_20", f20.Recall},
		{"ndcg_at_20", f20.NDCG},
		{"phr_at_20", f20.PHR},
		{"repeat_share_at_10", f10.RepeatShare},
		{"recall_repeat_at_10", f10.RecallRepeat},
		{"recall_explore_at_10", f10.RecallExplore},
	} {
		shown(out, name+"."+m.name, m.value, "share", g[m.name])
	}
}

// shown prints a figure, with its goal where it has one.
func shown(out io.Writer, name string, value float64, unit, goal string) {
	if goal == "" {
		figure.Print(out, name, value, unit)
		return
	}
	figure.Goal(out, name, value, unit, goal)
}

// problem is what settings are searched for.
type problem struct {
	r            *nextbasket.Range
	cuts, judged []nextbasket.Cut
}

// search looks for settings, the same way on every set, and says what it cost and
// found.
func (o *options) search(ctx context.Context, out io.Writer, set string, p *problem) (nextbasket.Settings, []nextbasket.Trial, error) {
	if err := ctx.Err(); err != nil {
		return nextbasket.Settings{}, nil, err
	}
	c := startCost()
	s, trials, err := nextbasket.Search(p.r, p.cuts, p.judged, nextbasket.Plays{Trials: o.trials, Seed: o.seed})
	if err != nil {
		return s, nil, err
	}
	wall, processor := c.seconds()
	fmt.Fprintf(out, "%s: %d settings tried of TIFUKNN and %d of the trees in %.1f s (processor %.1f s), seed %d, chosen: %s\n", set, o.trials, o.trials, wall, processor, o.seed, describe(&s))
	for i := range trials {
		if o.verbose {
			fmt.Fprintf(out, "trial: recall %.4f ndcg %.4f, %s\n", trials[i].Recall, trials[i].NDCG, describe(&trials[i].Settings))
		}
	}
	return s, trials, nil
}

// describe is settings in a line.
func describe(s *nextbasket.Settings) string {
	t := &s.Trees
	return fmt.Sprintf("decay %v %v %d %d, %d neighbours, own %v; leaves %d, rate %v, l2 %v, least %v, columns %v, lists %v, balance %v, rank %v",
		s.Decay.Basket, s.Decay.Group, s.Decay.Groups, s.Decay.BlockDays, s.Neighbours, s.Own, t.Leaves, t.Rate, t.L2, t.LeafMin, t.Columns, t.Lists, t.Balance, t.Rank)
}

// cost is a stopwatch of the processor and the clock.
type cost struct {
	began time.Time
	cpu   time.Duration
}

func startCost() cost { return cost{time.Now(), cpu()} }

func (c cost) seconds() (wall, processor float64) {
	return time.Since(c.began).Seconds(), (cpu() - c.cpu).Seconds()
}

func cpu() time.Duration {
	u := used()
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func used() (u syscall.Rusage) {
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u
}
