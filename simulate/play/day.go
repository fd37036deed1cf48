package play

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"sort"
	"time"

	"endcap/retail"
	"endcap/simulate/life"
	"endcap/simulate/rows"
	"endcap/simulate/wire"
)

// moment is one thing that happens in a day: a visit that asks for a decision, a
// receipt, or a withdrawal of consent.
type moment struct {
	at      int64 // microseconds since 1970
	shopper int   // -1 for a withdrawal
	visit   *wire.Visit
	batch   *life.Batch // of the receipt; valid until the day after the next is told
	receipt int32
	consent *rows.Consent
}

// bought gives a moment's receipt with its lines as they are without adverts.
func (m *moment) bought() (*life.Receipt, []life.Line) {
	r := &m.batch.Receipts[m.receipt]
	return r, m.batch.Lines[r.From:r.To]
}

// day is what happens on one day, in the order of time.
type day struct {
	n       int // of the simulation
	plan    *life.Plan
	moments []moment
	moved   []life.Moved // what coupons changed on the receipts that it made known
}

// diary tells a world's weeks day by day. Beside the plan of the week it holds the
// visits and receipts of a day, and what is known already of the one after.
type diary struct {
	world   *life.World
	batches [2]life.Batch // of today, and of the day before: some of its receipts are of today
	turn    int
	held    []moment // of days to come
	from    int      // the plan's first visit that is not filled
	told    int64    // sessions of the week
}

// How long before its receipt a trip comes by a screen, how many searches of one
// session show adverts, and how far into the next day a day looks for what begins
// on this side of midnight.
const (
	aisleLead   = 10 * 60 * 1_000_000
	searchesMax = 4
	ahead       = 2 * 3_600
	daySeconds  = 86_400
)

// week tells what happens in a plan's week. In quiet weeks nobody asks for a
// decision. A day is the caller's until it asks for the next.
func (d *diary) week(plan *life.Plan, quiet bool) iter.Seq2[*day, error] {
	return func(yield func(*day, error) bool) {
		d.from, d.told = 0, 0
		for c := range rows.Withdrawals(d.world, plan) {
			d.held = append(d.held, moment{at: c.Time, shopper: -1, consent: &c})
		}
		for n := range 7 {
			today, err := d.tell(plan, n, quiet)
			if !yield(today, err) || err != nil {
				return
			}
		}
	}
}

// tell tells one day of a plan's week.
func (d *diary) tell(plan *life.Plan, n int, quiet bool) (*day, error) {
	w := d.world
	d.turn = 1 - d.turn
	b := &d.batches[d.turn]
	to := len(plan.Visits)
	if n < 6 {
		to = sort.Search(to, func(i int) bool { return plan.Visits[i].Second() >= (n+1)*daySeconds+ahead })
	}
	w.Fill(plan, d.from, to, b)
	d.from = to
	for i := range b.Receipts {
		r := &b.Receipts[i]
		if at := max(r.At-aisleLead, plan.At(0)); !quiet && wire.Screened(w, r, b.Lines[r.From:r.To]) {
			d.held = append(d.held, moment{at: at, shopper: int(r.Shopper), visit: wire.Trip(w, r, at)})
		}
		d.held = append(d.held, moment{at: r.At, shopper: int(r.Shopper), batch: b, receipt: int32(i)})
	}
	if !quiet {
		var err error
		if d.told, err = w.SessionsOn(plan, n, d.told, func(s *life.Session) error {
			d.session(s)
			return nil
		}); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(d.held, func(a, b moment) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.shopper, b.shopper))
	})
	today := &day{n: 7*plan.Week + n, plan: plan, moved: b.Moved}
	over := (w.Scenario.First() + retail.Day(today.n+1)).Start(w.Zone()).UnixMicro()
	if today.n+1 == 7*w.Scenario.Weeks {
		over = math.MaxInt64
	}
	later := sort.Search(len(d.held), func(i int) bool { return d.held[i].at >= over })
	today.moments, d.held = d.held[:later:later], slices.Clone(d.held[later:])
	return today, nil
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
func (d *diary) session(s *life.Session) {
	n := 0
	for i := range s.Steps {
		step := &s.Steps[i]
		if step.Action != "search" || n == searchesMax {
			continue
		}
		n++
		d.held = append(d.held, moment{at: step.At, shopper: s.Shopper, visit: wire.Browsing(d.world, s, step, n)})
	}
}

// Aside is how far apart may be what happens side by side, as in bench/demo.
const Aside = 20 * time.Minute

// runMax is how many moments may happen side by side.
const runMax = 500

// runs cuts a day into runs of moments that may happen side by side: at most apart
// in time, within one business day, and so that nobody comes again within a run
// after she bought: her next visit sees her last receipt.
func runs(moments []moment, zone *time.Location, apart time.Duration) [][]moment {
	var out [][]moment
	most := apart.Microseconds()
	bought := make(map[int]bool)
	from := 0
	for i := range moments {
		m := &moments[i]
		first := &moments[from]
		if i > from && (m.at-first.at > most || i-from == runMax || m.visit != nil && bought[m.shopper] || dayOf(m.at, zone) != dayOf(first.at, zone)) {
			out = append(out, moments[from:i])
			from = i
			clear(bought)
		}
		if m.visit == nil && m.consent == nil {
			bought[m.shopper] = true
		}
	}
	if from < len(moments) {
		out = append(out, moments[from:])
	}
	return out
}

func dayOf(micros int64, zone *time.Location) retail.Day {
	return retail.DayOf(time.UnixMicro(micros), zone)
}
