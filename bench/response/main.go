// Command response judges know/recommend/response where the truth is known, on
// searches of the simulated grocer: how well its chances of clicks and purchases
// agree with what happens, place by place and from the least to the most likely, and
// how much of what can be known it knows. It learns week by week and is judged on
// each later week before it learns from it.
//
//	go run ./bench/response -shoppers 12000
//
// It is beside the road of a receipt, with the answers in its pocket.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"endcap/bench/figure"
	"endcap/know/recommend/response"
)

type options struct {
	shoppers, quiet, learn, judge, every int
	seed                                 uint64
	data                                 string
}

func main() {
	var o options
	flag.IntVar(&o.shoppers, "shoppers", 12_000, "of the simulated grocer")
	flag.IntVar(&o.quiet, "quiet", 26, "first weeks, of receipts alone")
	flag.IntVar(&o.learn, "learn", 18, "weeks to learn from before the first is judged")
	flag.IntVar(&o.judge, "judge", 8, "weeks to judge")
	flag.IntVar(&o.every, "every", 10, "of which one judged search of so many is asked what could be known")
	flag.Uint64Var(&o.seed, "seed", 1, "of the simulation")
	flag.StringVar(&o.data, "data", "", "directory with open-bandit/; empty leaves it out")
	flag.Parse()
	figure.Main("response", func(ctx context.Context, out io.Writer) error { return run(ctx, out, &o) })
}

func cross(p, q float64) float64 { return -p*math.Log(q) - (1-p)*math.Log(1-q) }

func run(_ context.Context, out io.Writer, o *options) error {
	start := time.Now()
	s, err := open(o)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "open", time.Since(start))
	l, err := response.New(response.Defaults())
	if err != nil {
		return err
	}
	week, searchNo := -1, 0
	type acc struct{ n, click, pred, truth, constant, ours, best float64 }
	by := map[string]*acc{}
	add := func(k string, f func(a *acc)) {
		if by[k] == nil {
			by[k] = new(acc)
		}
		f(by[k])
	}
	type rate struct{ n, y float64 }
	base := map[string]*rate{}
	r := newReach(s)
	var learning time.Duration
	err = s.play(o, func(v *search) error {
		if v.week != week {
			week = v.week
			l.Publish()
			fmt.Fprintln(out, "week", week, time.Since(start), "learning", learning)
		}
		t0 := time.Now()
		outs := make([]response.Outcome, len(v.shown))
		for i := range v.shown {
			outs[i] = v.shown[i].Outcome
		}
		judged := v.week >= o.quiet+o.learn
		if judged {
			sc := l.Scorer()
			var post []float64
			searchNo++
			sampled := searchNo%o.every == 0
			if sampled {
				post = r.clicks(v)
			}
			for i := range v.shown {
				x := &v.shown[i]
				a, err := sc.Answer(&x.Showing)
				if err != nil {
					return err
				}
				b := base[fmt.Sprint(x.Placement, x.Position)]
				c := b.y / b.n
				keys := []string{fmt.Sprintf("%s/%02d", x.Placement, x.Position), "all", fmt.Sprintf("known=%v", x.Relation != nil), fmt.Sprintf("known=%v/%s", x.Relation != nil, x.Placement)}
				if sampled {
					keys = append(keys, "sampled", fmt.Sprintf("sampled/%v", x.Relation != nil), fmt.Sprintf("sampled/%v/", x.Relation != nil)+string(x.Placement))
				}
				for _, k := range keys {
					add(k, func(ac *acc) {
						ac.n++
						if x.Clicked {
							ac.click++
						}
						ac.pred += a.Click()
						ac.truth += cross(x.click, x.click)
						ac.constant += cross(x.click, c)
						ac.ours += cross(x.click, a.Click())
						if post != nil {
							ac.best += cross(x.click, post[i])
						}
					})
				}
			}
		} else {
			for i := range v.shown {
				x := &v.shown[i]
				k := fmt.Sprint(x.Placement, x.Position)
				if base[k] == nil {
					base[k] = new(rate)
				}
				base[k].n++
				if x.Clicked {
					base[k].y++
				}
			}
		}
		err := l.Learn(outs)
		learning += time.Since(t0)
		return err
	})
	if err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(by)) {
		a := by[k]
		fmt.Fprintf(out, "%-24s n %8.0f clicks %7.0f o/p %.3f gap %.5f closed %.3f reach %.3f of reach %.3f\n", k, a.n, a.click, a.click/a.pred, (a.constant-a.truth)/a.n, (a.constant-a.ours)/(a.constant-a.truth), (a.constant-a.best)/(a.constant-a.truth), (a.constant-a.ours)/(a.constant-a.best))
	}
	for _, p := range l.Scorer().Places() {
		fmt.Fprintf(out, "%s/%d %.3f true %.3f\n", p.Placement, p.Position, p.Examined, math.Pow(float64(p.Position), -.7))
	}
	return nil
}
