// Command offers measures the evaluation of promotions: how long a basket of 30
// lines takes against 2,000 live offers, how long one of 1,000 lines takes, and how
// far the chosen offers are from the best that a long search finds.
//
// The long search knows only what a choice of offers is worth. It starts from what
// was chosen, from nothing and from random choices, and climbs and anneals until its
// time is over; where the evaluation itself has proved that no choice is better it is
// not asked. Baskets and offers are drawn from a printed seed; offers are meant to
// get in each other's way more than a retailer would let them.
//
// It is beside the road of a receipt, with a stopwatch: make bench-offers.
package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"endcap/bench/figure"
	"endcap/retail"
	terms "endcap/retail/offer"
	"endcap/sell/offer"
)

func main() {
	p := plan{}
	flag.Uint64Var(&p.seed, "seed", 1, "from which baskets and offers are drawn")
	flag.IntVar(&p.offers, "offers", 2_000, "live offers")
	flag.IntVar(&p.timed, "timed", 20_000, "evaluations that are timed")
	flag.IntVar(&p.baskets, "baskets", 1_000, "baskets of which the choice is judged")
	flag.DurationVar(&p.search, "search", 60*time.Millisecond, "how long each is searched; 60s takes hours")
	flag.IntVar(&p.effort, "effort", offer.EffortDefault, "bound of the evaluation's own search, in offers applied")
	flag.IntVar(&p.workers, "workers", 2, "searches side by side")
	flag.Parse()
	if err := p.run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench/offers:", err)
		os.Exit(1)
	}
}

type plan struct {
	seed                                    uint64
	offers, timed, baskets, workers, effort int
	search                                  time.Duration
}

func (p *plan) run(w io.Writer) error {
	fmt.Fprintf(w, "seed %d, %d offers\n", p.seed, p.offers)
	g := newGrocer(p.seed)
	book, err := offer.NewBook(g.offers(p.offers), offer.Rules{Effort: p.effort})
	if err != nil {
		return err
	}
	if err := p.time(w, g, book); err != nil {
		return err
	}
	return p.judge(w, g, book)
}

// time measures single evaluations, each of a basket of its own. For machines that do
// other work too it also takes the fastest of five of each basket.
func (p *plan) time(w io.Writer, g *grocer, book *offer.Book) error {
	c := g.context()
	runtime.LockOSThread() // its processor time is told apart
	defer runtime.UnlockOSThread()
	took, calm, worked := make([]time.Duration, 0, p.timed), make([]time.Duration, 0, p.timed), time.Duration(0)
	applicable, used := 0, 0
	for i := range p.timed + p.timed/10 {
		k := g.basket(30)
		start, cpu := time.Now(), processor()
		a, err := book.Evaluate(&k, &c)
		if d := time.Since(start); i >= p.timed/10 { // what comes before warms up
			took = append(took, d)
			worked += processor() - cpu
			for range 4 {
				start := time.Now()
				if _, err := book.Evaluate(&k, &c); err != nil {
					return err
				}
				d = min(d, time.Since(start))
			}
			calm = append(calm, d)
			applicable += len(a.Used) + len(a.Refused)
			used += len(a.Used)
		}
		if err != nil {
			return err
		}
	}
	at := func(of []time.Duration, q float64) float64 {
		slices.Sort(of)
		return float64(of[int(q*float64(len(of)-1))].Microseconds()) / 1_000
	}
	figure.Print(w, "offers.in_question", float64(applicable)/float64(len(took)), "offers")
	figure.Print(w, "offers.applied", float64(used)/float64(len(took)), "offers")
	figure.Print(w, "offers.evaluate_p50", at(took, 0.5), "ms")
	figure.Goal(w, "offers.evaluate_p99", at(took, 0.99), "ms", "<=2")
	figure.Print(w, "offers.evaluate_max", at(took, 1), "ms")
	figure.Print(w, "offers.evaluate_calm_p99", at(calm, 0.99), "ms")
	figure.Print(w, "offers.evaluate_calm_max", at(calm, 1), "ms")
	figure.Print(w, "offers.evaluate_cpu", float64(worked.Microseconds())/1_000/float64(len(took)), "ms")
	k := g.basket(1_000)
	start := time.Now()
	if _, err := book.Evaluate(&k, &c); err != nil {
		return err
	}
	figure.Print(w, "offers.evaluate_1000_lines", float64(time.Since(start).Microseconds())/1_000, "ms")
	return nil
}

// rusageThread asks Linux for the calling thread alone; syscall has no name for it.
const rusageThread = 1

// processor is the time that this thread has worked, by the kernel's ticks: right on
// average.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(rusageThread, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// judge compares what was chosen with the best that a long search finds.
func (p *plan) judge(w io.Writer, g *grocer, book *offer.Book) error {
	type job struct {
		k    offer.Basket
		seed uint64
	}
	jobs := make([]job, p.baskets)
	for i := range jobs {
		jobs[i] = job{g.basket(30), p.seed<<32 + uint64(i)}
	}
	c := g.context()
	shares := make([]float64, p.baskets)
	var exact, equal, next atomic.Int64
	var fault atomic.Pointer[error]
	var wait sync.WaitGroup
	for range p.workers {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(p.baskets); i = next.Add(1) - 1 {
				share, proved, err := compare(book, &jobs[i].k, &c, rand.New(rand.NewPCG(jobs[i].seed, 0)), p.search)
				if err != nil {
					fault.Store(&err)
					return
				}
				if shares[i] = share; share >= 1 {
					equal.Add(1)
				}
				if proved {
					exact.Add(1)
				}
			}
		})
	}
	wait.Wait()
	if err := fault.Load(); err != nil {
		return *err
	}
	slices.Sort(shares)
	sum := 0.0
	for _, s := range shares {
		sum += s
	}
	n := float64(p.baskets)
	figure.Print(w, "offers.searched_seconds", p.search.Seconds(), "s a basket")
	figure.Print(w, "offers.proved", 100*float64(exact.Load())/n, "%")
	figure.Print(w, "offers.equal_best", 100*float64(equal.Load())/n, "%")
	figure.Goal(w, "offers.value_vs_best", sum/n, "ratio", ">=0.99")
	figure.Print(w, "offers.value_vs_best_p1", shares[min(p.baskets-1, p.baskets/100)], "ratio")
	figure.Print(w, "offers.value_vs_best_worst", shares[0], "ratio")
	return nil
}

// compare gives what was chosen ÷ the best found; proved says that nothing better
// exists.
func compare(book *offer.Book, k *offer.Basket, c *offer.Context, r *rand.Rand, limit time.Duration) (share float64, proved bool, err error) {
	a, err := book.Evaluate(k, c)
	if err != nil || a.Exact {
		return 1, true, err
	}
	ours := a.Off + a.Credited
	t := till{book, k, c}
	best, err := t.long(&a, r, time.Now().Add(limit))
	if best <= ours {
		return 1, false, err
	}
	return float64(ours) / float64(best), false, err
}

// long searches until its time is over: it anneals from what was chosen, from
// nothing and from random choices in turn.
func (t *till) long(a *offer.Answer, r *rand.Rand, until time.Time) (retail.Micros, error) {
	var all, chosen []terms.ID
	for _, u := range a.Used {
		chosen, all = append(chosen, u.Offer), append(all, u.Offer)
	}
	for _, v := range a.Refused {
		if v.Reason == terms.ExcludedBy || v.Reason == terms.LowerValueThan || v.Reason == terms.BasketNotMet {
			all = append(all, v.Offer)
		}
	}
	best := retail.Micros(0)
	for round := 0; time.Now().Before(until); round++ {
		now := map[terms.ID]bool{}
		for _, id := range all {
			now[id] = round%3 == 0 && slices.Contains(chosen, id) || round%3 == 2 && r.IntN(2) == 0
		}
		worth, err := t.worth(now)
		if err != nil {
			return 0, err
		}
		for heat := float64(retail.Unit); heat > float64(retail.Cent)/10 && time.Now().Before(until); heat *= 0.995 {
			id := all[r.IntN(len(all))]
			other := all[r.IntN(len(all))]
			swap := r.IntN(3) == 0 && now[id] != now[other]
			flip(now, id, other, swap)
			next, err := t.worth(now)
			if err != nil {
				return 0, err
			}
			if float64(next-worth) < -heat*r.ExpFloat64() {
				flip(now, id, other, swap)
				continue
			}
			worth = next
			best = max(best, worth)
		}
	}
	return best, nil
}

func flip(now map[terms.ID]bool, id, other terms.ID, swap bool) {
	now[id] = !now[id]
	if swap {
		now[other] = !now[other]
	}
}

// till is a basket at a till.
type till struct {
	book *offer.Book
	k    *offer.Basket
	c    *offer.Context
}

func (t *till) worth(now map[terms.ID]bool) (retail.Micros, error) {
	var ids []terms.ID
	for id, in := range now {
		if in {
			ids = append(ids, id)
		}
	}
	return t.book.Worth(t.k, t.c, ids)
}
