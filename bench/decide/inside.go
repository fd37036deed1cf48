package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"endcap/bench/figure"
	"endcap/bench/load"
	"endcap/gate/api"
	"endcap/gate/api/shop"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/visit"
	"endcap/sell/decide"
)

// watcher is a Recorder that looks at what decisions leave behind.
type watcher struct {
	eligible []int
	lines    int
	watching bool
}

// Record counts the line items that could have won: those that fit the page, are
// running and may be shown to her.
func (w *watcher) Record(f event.Fact) {
	body, ok := f.Body.(event.Decided)
	if !ok || !w.watching {
		return
	}
	n := w.lines
	for _, c := range body.Refusals {
		switch c.Reason { //nolint:exhaustive // the others were in the auction
		case event.NoMatch, event.NotInFlight, event.Paused, event.NoConsent, event.NotInAudience:
			n -= int(c.Count)
		}
	}
	w.eligible = append(w.eligible, n)
}

// inProcess decides the recorded visits without HTTP and prints what the book
// offers them, how long a decision takes and what it allocates.
func inProcess(ctx context.Context, out io.Writer, o *options) (err error) {
	bodies, err := readBodies(o)
	if err != nil {
		return err
	}
	h, err := openHouse(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if shut := h.close(); err == nil {
			err = shut
		}
	}()
	requests, err := requestsOf(ctx, h, bodies)
	if err != nil {
		return err
	}
	w := &watcher{lines: len(h.campaigns.Snapshot().Lines), watching: true}
	d, err := h.decider(w)
	if err != nil {
		return err
	}
	filled := 0
	for i := range requests {
		a, err := d.Decide(ctx, &requests[i])
		if err != nil {
			return err
		}
		for j := range a.Placed {
			filled += len(a.Placed[j].Sponsored)
		}
	}
	slices.Sort(w.eligible)
	n := len(requests)
	figure.Print(out, "decide.line_items", w.lines, "line items")
	figure.Print(out, "decide.eligible_p10", w.eligible[n/10], "line items")
	figure.Goal(out, "decide.eligible_p50", w.eligible[n/2], "line items", ">=100")
	figure.Print(out, "decide.eligible_p90", w.eligible[n*9/10], "line items")
	figure.Goal(out, "decide.fill", float64(filled)/float64(n*2*slots), "of slots", ">=0.8")
	w.watching = false
	return clock(ctx, out, o, d, requests)
}

// clock measures decisions one after the other.
func clock(ctx context.Context, out io.Writer, o *options, d *decide.Decider, requests []decide.Request) error {
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	took := make([]time.Duration, 0, 1<<20)
	for began := time.Now(); time.Since(began) < o.length; {
		for i := range requests {
			at := time.Now()
			if _, err := d.Decide(ctx, &requests[i]); err != nil {
				return err
			}
			took = append(took, time.Since(at))
		}
	}
	runtime.ReadMemStats(&after)
	slices.Sort(took)
	micros := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1_000 }
	figure.Print(out, "decide.in_process_p50", micros(took[len(took)/2]), "µs")
	figure.Print(out, "decide.in_process_p99", micros(took[len(took)*99/100]), "µs")
	figure.Print(out, "decide.allocs", float64(after.Mallocs-before.Mallocs)/float64(len(took)), "allocations")
	figure.Print(out, "decide.alloc_bytes", float64(after.TotalAlloc-before.TotalAlloc)/float64(len(took)), "bytes")
	return nil
}

// requestsOf turns recorded bodies into what the door would ask.
func requestsOf(ctx context.Context, h *house, bodies []load.Request) ([]decide.Request, error) {
	out := make([]decide.Request, len(bodies))
	for i := range bodies {
		var in shop.Visit
		if err := api.Decode(bodies[i].Body, &in); err != nil {
			return nil, err
		}
		keys, err := in.Shopper.Keys("shopper")
		if err != nil {
			return nil, err
		}
		r := decide.Request{Proposals: in.Proposals, Visit: visit.Visit{
			At: h.grocer.noon, Day: retail.DayOf(h.grocer.noon, h.zone), Channel: catalog.Online, Store: catalog.StoreID(strings.Clone(in.Store)),
			Query: in.Page.Query, Category: catalog.Category(in.Page.Category),
		}}
		for _, p := range in.Placements {
			r.Placements = append(r.Placements, decide.Ask{ID: media.PlacementID(p.Placement), Slots: p.Slots})
		}
		if len(keys) > 0 {
			if r.Shopper, err = h.people.Find(ctx, keys); err != nil {
				return nil, fmt.Errorf("find a shopper: %w", err)
			}
		}
		out[i] = r
	}
	return out, nil
}
