package play

import (
	"cmp"
	"slices"
	"time"

	"endcap/retail"
	"endcap/simulate/life"
	"endcap/simulate/rows"
	"endcap/simulate/wire"
)

// moment is one thing that happens in a week: a visit that asks for a decision, a
// receipt, or a withdrawal of consent.
type moment struct {
	at      int64 // microseconds since 1970
	shopper int   // -1 for a withdrawal
	visit   *wire.Visit
	receipt int32 // of the week's batch
	consent *rows.Consent
}

// week is what happens in one week, in the order of time.
type week struct {
	plan    *life.Plan
	batch   life.Batch
	moments []moment
}

// How long before its receipt a trip comes by a screen, and how many searches of
// one session show adverts.
const (
	aisleLead   = 10 * 60 * 1_000_000
	searchesMax = 4
)

// tell lists what happens in a plan's week. In quiet weeks nobody asks for a
// decision.
func tell(w *life.World, plan *life.Plan, quiet bool) (*week, error) {
	k := &week{plan: plan}
	w.Fill(plan, 0, len(plan.Visits), &k.batch)
	for i := range k.batch.Receipts {
		r := &k.batch.Receipts[i]
		if at := max(r.At-aisleLead, plan.At(0)); !quiet && wire.Screened(w, r, k.batch.Lines[r.From:r.To]) {
			k.moments = append(k.moments, moment{at: at, shopper: int(r.Shopper), visit: wire.Trip(w, r, at)})
		}
		k.moments = append(k.moments, moment{at: r.At, shopper: int(r.Shopper), receipt: int32(i)})
	}
	for c := range rows.Withdrawals(w, plan) {
		k.moments = append(k.moments, moment{at: c.Time, shopper: -1, consent: &c})
	}
	if !quiet {
		if err := w.Sessions(plan, func(s *life.Session) error {
			k.session(w, s)
			return nil
		}); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(k.moments, func(a, b moment) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.shopper, b.shopper))
	})
	return k, nil
}

// rank puts what was seen before what was bought at the same instant.
func (m *moment) rank() int {
	switch {
	case m.consent != nil:
		return 0
	case m.visit != nil:
		return 1
	default:
		return 2
	}
}

// session adds the first searches of a session.
func (k *week) session(w *life.World, s *life.Session) {
	n := 0
	for i := range s.Steps {
		step := &s.Steps[i]
		if step.Action != "search" || n == searchesMax {
			continue
		}
		n++
		k.moments = append(k.moments, moment{at: step.At, shopper: s.Shopper, visit: wire.Browsing(w, s, step, n)})
	}
}

// Aside is how far apart may be what happens side by side, as in bench/demo.
const Aside = 20 * time.Minute

// runMax is how many moments may happen side by side.
const runMax = 500

// runs cuts a week into runs of moments that may happen side by side: at most apart
// in time, within one business day, and so that nobody comes again within a run
// after she bought: her next visit sees her last receipt.
func (k *week) runs(zone *time.Location, apart time.Duration) [][]moment {
	var out [][]moment
	most := apart.Microseconds()
	bought := make(map[int]bool)
	from := 0
	for i := range k.moments {
		m := &k.moments[i]
		first := &k.moments[from]
		if i > from && (m.at-first.at > most || i-from == runMax || m.visit != nil && bought[m.shopper] || dayOf(m.at, zone) != dayOf(first.at, zone)) {
			out = append(out, k.moments[from:i])
			from = i
			clear(bought)
		}
		if m.visit == nil && m.consent == nil {
			bought[m.shopper] = true
		}
	}
	if from < len(k.moments) {
		out = append(out, k.moments[from:])
	}
	return out
}

func dayOf(micros int64, zone *time.Location) retail.Day {
	return retail.DayOf(time.UnixMicro(micros), zone)
}
