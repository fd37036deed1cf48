package decide

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"endcap/retail"
	"endcap/retail/event"
	"endcap/sell/campaign"
)

// reason is a Refusal as a small number, for counting.
type reason uint8

const (
	notInFlight reason = 1 + iota
	paused
	noConsent
	notInAudience
	wrongPlacement
	wrongCurrency
	belowFloor
	budgetSpent
	frequencyCap
	outOfStock
	outbid
	duplicateProduct
	duplicateLine
	noMatch
	reasonCount
)

var words = [reasonCount]event.Refusal{
	notInFlight: event.NotInFlight, paused: event.Paused, noConsent: event.NoConsent, notInAudience: event.NotInAudience,
	wrongPlacement: event.WrongPlacement, wrongCurrency: event.WrongCurrency, belowFloor: event.BelowFloor,
	budgetSpent: event.BudgetSpent, frequencyCap: event.FrequencyCap, outOfStock: event.OutOfStock, outbid: event.Outbid,
	duplicateProduct: event.DuplicateProduct, duplicateLine: event.DuplicateLine, noMatch: event.NoMatch,
}

// reasonOf is the number of a Refusal that the auction gives.
func reasonOf(r event.Refusal) reason {
	for i, w := range words {
		if w == r {
			return reason(i)
		}
	}
	panic("decide: bug: unknown refusal " + string(r))
}

// tally counts the refusals of each line item of one snapshot.
type tally struct {
	snap   *campaign.Snapshot
	counts []atomic.Uint32 // by line × reasonCount + reason
}

// add counts what one decision refused.
func (d *Decider) add(s *sale) {
	t := d.tally.Load()
	if t == nil || t.snap != s.snap {
		t = d.turnTally(s.snap)
	}
	for _, r := range s.refused {
		if r.reason == wrongPlacement {
			continue // its own terms keep it out: nothing for its advertiser to mend
		}
		t.counts[int(r.line)*int(reasonCount)+int(r.reason)].Add(1)
	}
}

// turnTally begins a tally for a new snapshot; the old one is flushed once more.
func (d *Decider) turnTally(snap *campaign.Snapshot) *tally {
	d.turn.Lock()
	defer d.turn.Unlock()
	old := d.tally.Load()
	if old != nil && old.snap == snap {
		return old
	}
	if old != nil && old.snap.Version > snap.Version {
		return &tally{snap, make([]atomic.Uint32, len(snap.Lines)*int(reasonCount))} // a late decision: counted nowhere
	}
	t := &tally{snap, make([]atomic.Uint32, len(snap.Lines)*int(reasonCount))}
	if old != nil {
		d.retired = append(d.retired, old)
	}
	d.tally.Store(t)
	return t
}

// FlushEvery is how often Run flushes; talliesMax how many tallies one fact
// holds at most.
const (
	FlushEvery = time.Second
	talliesMax = 2_000
)

// Run flushes the counted refusals until ctx ends, and a last time then. failed
// hears when an id cannot be drawn.
func (d *Decider) Run(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(FlushEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		if err := d.Flush(); err != nil {
			failed(err)
		}
	}
}

// Flush records the refusals counted since the last Flush as Tallied facts.
func (d *Decider) Flush() error {
	d.turn.Lock()
	defer d.turn.Unlock()
	all := d.retired
	d.retired = nil
	if t := d.tally.Load(); t != nil {
		all = append(all, t)
	}
	now := d.cfg.Now()
	for _, t := range all {
		for chunk := range slices.Chunk(t.take(), talliesMax) {
			var id [16]byte
			if _, err := io.ReadFull(d.cfg.Rand, id[:]); err != nil {
				return fmt.Errorf("draw an id: %w", err)
			}
			d.cfg.Recorder.Record(event.Fact{
				ID: fmt.Sprintf("tally/%x", id), At: now, Arrived: now, Day: retail.DayOf(now, d.cfg.Zone), Source: "decide",
				Body: event.Tallied{Tallies: slices.Clone(chunk)},
			})
		}
	}
	return nil
}

// take gives what was counted and sets it to zero.
func (t *tally) take() []event.Tally {
	var out []event.Tally
	for i := range t.counts {
		if t.counts[i].Load() == 0 {
			continue
		}
		if n := t.counts[i].Swap(0); n > 0 {
			out = append(out, event.Tally{LineItem: t.snap.Lines[i/int(reasonCount)].Item.ID, Reason: words[i%int(reasonCount)], Count: n})
		}
	}
	return out
}

// refusals are the counts of one decision, by reason.
func (s *sale) refusals() []event.RefusalCount {
	var counts [reasonCount]uint32
	if s.page != nil {
		counts[noMatch] = uint32(len(s.snap.Lines) - len(s.page.lines))
	}
	for _, r := range s.refused {
		counts[r.reason]++
	}
	kinds := 0
	for _, n := range counts {
		if n > 0 {
			kinds++
		}
	}
	out := make([]event.RefusalCount, 0, kinds)
	for i, n := range counts {
		if n > 0 {
			out = append(out, event.RefusalCount{Reason: words[i], Count: n})
		}
	}
	return out
}
