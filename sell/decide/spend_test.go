package decide_test

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"endcap/bench/figure"
	"endcap/keep/ledger"
	"endcap/keep/profile"
	"endcap/keep/stream"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

type (
	profileChange  = profile.Change
	profileSection = profile.Section
)

// bills is what the Billed facts of a stream add up to.
type bills struct {
	paid, highest map[media.LineItemID]retail.Micros
	free, charged int
}

// billed adds up the Billed facts of the stream.
func (r *rig) billed() bills {
	r.t.Helper()
	sum := bills{map[media.LineItemID]retail.Micros{}, map[media.LineItemID]retail.Micros{}, 0, 0}
	for p := range r.log.Partitions() {
		for at := event.Cursor(""); ; {
			entries, err := r.log.Read(r.t.Context(), p, at, 4_096)
			must(r.t, err)
			if len(entries) == 0 {
				break
			}
			for _, e := range entries {
				f, err := event.Unpack(e.Bytes)
				must(r.t, err)
				if b, ok := f.Body.(event.Billed); ok {
					sum.paid[b.LineItem] += b.Amount
					sum.highest[b.LineItem] = max(sum.highest[b.LineItem], b.Amount)
					if b.Amount > 0 {
						sum.charged++
					} else {
						sum.free++
					}
				}
			}
			at = entries[len(entries)-1].At
		}
	}
	return sum
}

// Demand for three budgets from 64 racing clients who click whatever they are
// shown: no cent too much is spent, next to nothing is left, and next to no
// click is free.
func TestThreeBudgetsAre64ClientsSpentToTheCent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.placement("search", 2, 11*retail.Cent)
	budgets := map[media.LineItemID]retail.Micros{"oats": 60 * retail.Unit, "milk": 45*retail.Unit + 37*retail.Cent, "rye": 30*retail.Unit + retail.Cent}
	bids := map[media.LineItemID]retail.Micros{"oats": 41 * retail.Cent, "milk": 37 * retail.Cent, "rye": 29 * retail.Cent}
	for id, budget := range budgets {
		r.advertiser(string(id), 0, 1_000*retail.Unit)
		r.line(string(id), string(id), bids[id], func(l *media.LineItem) { l.BudgetDaily, l.BudgetTotal = budget, budget })
	}
	r.tick()

	ctx, stop := context.WithCancel(t.Context())
	var background, clients sync.WaitGroup
	failed := func(name string, err error) {
		if ctx.Err() == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	background.Go(func() { _ = stream.Run(ctx, r.log, r.biller.Follower(), failed) })
	follow := r.terms.Follower(r.log.End)
	for p := range r.log.Partitions() { // it follows from now on, before the first click
		_, err := follow.Cursor(ctx, p)
		must(t, err)
	}
	background.Go(func() { _ = stream.Run(ctx, r.log, follow, failed) })
	background.Go(func() { r.terms.Run(ctx, func(err error) { failed("book", err) }) })
	background.Go(func() {
		for ctx.Err() == nil {
			if err := r.relay(ctx); err != nil {
				failed("relay", err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	var shown atomic.Int64
	var spent atomic.Bool // no budget could pay for one more click, or five minutes have passed
	background.Go(func() {
		for began := time.Now(); ctx.Err() == nil && time.Since(began) < 5*time.Minute; time.Sleep(20 * time.Millisecond) {
			left := retail.Micros(0)
			for id := range budgets {
				left = max(left, r.balances(string(ledger.Flight(id, today)))[string(ledger.Flight(id, today))])
			}
			if left < 11*retail.Cent {
				break
			}
		}
		spent.Store(true)
	})
	for c := range uint64(64) {
		clients.Go(func() {
			who := shopper.FromUint64((c + 1) << 40)
			for !spent.Load() {
				req := r.ask(who, 2)
				a, err := r.decider.Decide(ctx, &req)
				if err != nil {
					t.Error(err)
					return
				}
				if len(a.Placed[0].Sponsored) == 0 {
					time.Sleep(5 * time.Millisecond)
				}
				for _, s := range a.Placed[0].Sponsored {
					shown.Add(1)
					if err := r.touch(ctx, s.Token, true); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	clients.Wait()
	stop()
	background.Wait()
	r.settle()

	sum := r.billed()
	paid, highest, free, charged := sum.paid, sum.highest, sum.free, sum.charged
	over := retail.Micros(0)
	for id, budget := range budgets {
		over += max(0, paid[id]-budget)
		if rest := budget - paid[id]; rest >= highest[id] {
			t.Errorf("%s leaves %s of %s unspent, its highest price was %s", id, rest, budget, highest[id])
		}
		if left := r.balances(string(ledger.Flight(id, today)))[string(ledger.Flight(id, today))]; left != budget-paid[id] {
			t.Errorf("%s: the ledger holds %s, budget less bills is %s", id, left, budget-paid[id])
		}
	}
	if over != 0 {
		t.Errorf("overspent by %s", over)
	}
	if free*100 > charged {
		t.Errorf("%d of %d clicks were free", free, free+charged)
	}
	if int64(free+charged) != shown.Load() {
		t.Errorf("%d clicks, %d answers", shown.Load(), free+charged)
	}
	must(t, r.book.Check(t.Context()))
	figure.Goal(os.Stdout, "spend.overspend", int(over/retail.Cent), "cents", "=0")
	figure.Goal(os.Stdout, "spend.free_clicks", 100*float64(free)/float64(free+charged), "%", "<=1")
	t.Logf("%d clicks charged, %d free", charged, free)
}
