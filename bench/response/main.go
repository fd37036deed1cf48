// Command response judges know/recommend/response and know/recommend/offpolicy.
//
// On searches of the simulated grocer, where the true chances are known: how well
// chances of clicks and purchases agree with what happens, place by place and from
// the least to the most likely, and how much the model knows of what can be known. It
// learns in the order of time and is judged on each later week before it learns from
// it. The truth is read here and never there.
//
// On the Open Bandit Dataset: what a uniform policy is worth by the log of another,
// beside what it brought where it ran itself.
//
//	go run ./bench/response -shoppers 20000 -data DIR
//
// It is beside the road of a receipt, with the answers in its pocket.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"endcap/bench/figure"
	"endcap/know/recommend/response"
	"endcap/retail/media"
)

// options are the flags.
type options struct {
	shoppers, quiet, learn, judge, every int
	seed                                 uint64
	data                                 string
}

func main() {
	var o options
	flag.IntVar(&o.shoppers, "shoppers", 20_000, "of the simulated grocer")
	flag.IntVar(&o.quiet, "quiet", 26, "first weeks, of receipts alone")
	flag.IntVar(&o.learn, "learn", 18, "weeks to learn from before the first is judged")
	flag.IntVar(&o.judge, "judge", 8, "weeks to judge")
	flag.IntVar(&o.every, "every", 10, "one judged search of so many is asked what could be known of it")
	flag.Uint64Var(&o.seed, "seed", 1, "of the simulation")
	flag.StringVar(&o.data, "data", "", "directory with open-bandit/; empty leaves it out")
	flag.Parse()
	figure.Main("response", func(ctx context.Context, out io.Writer) error { return run(ctx, out, &o) })
}

func run(ctx context.Context, out io.Writer, o *options) error {
	if err := simulated(ctx, out, o); err != nil {
		return err
	}
	dir := filepath.Join(o.data, "open-bandit")
	if o.data == "" || !there(dir) {
		_, _ = fmt.Fprintf(out, "skipped: the Open Bandit Dataset, because open-bandit is not in the directory of -data (%q)\n", o.data)
		return nil
	}
	return bandit(out, dir)
}

func there(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil
}

// simulated lives the grocer, and judges a model that learns from it.
func simulated(ctx context.Context, out io.Writer, o *options) error {
	l, err := response.New(response.Defaults())
	if err != nil {
		return err
	}
	s, err := open(ctx, o)
	if err != nil {
		return err
	}
	c := newCourt(o, newReach(s))
	var outcomes []response.Outcome
	week := 0
	err = s.play(o, func(v *search) error {
		if v.week != week {
			week = v.week
			l.Publish()
		}
		if err := c.hear(v, l.Scorer()); err != nil {
			return err
		}
		outcomes = outcomes[:0]
		for i := range v.shown {
			outcomes = append(outcomes, v.shown[i].Outcome)
		}
		if err := l.Learn(outcomes); err != nil {
			return err
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	c.tell(out, l.Scorer())
	var size counter
	if err := l.Save(&size); err != nil {
		return err
	}
	figure.Print(out, "response.model_bytes", int64(size), "bytes")
	return nil
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// spot is a place of the page.
type spot struct {
	placement media.PlacementID
	position  int
}
