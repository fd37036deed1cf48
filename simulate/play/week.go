package play

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"endcap/retail"
	"endcap/simulate/draw"
	"endcap/simulate/life"
	"endcap/simulate/rows"
)

// moment is one thing that happens in a week: a visit that asks for a decision, a
// receipt, or a withdrawal of consent.
type moment struct {
	at      int64 // microseconds since 1970
	shopper int   // -1 for a withdrawal
	visit   *visit
	receipt int32 // of the week's batch
	consent *rows.Consent
}

// visit is one question for a decision.
type visit struct {
	id       string // the same in every run
	shopper  int
	at       int64
	keys     map[string]string
	online   bool
	store    string
	query    string
	category int
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
		if !quiet && !r.Online && !r.Return && r.Card != 0 && !w.IsFuel(k.batch.Lines[r.From].Product) {
			at := max(r.At-aisleLead, plan.At(0))
			k.moments = append(k.moments, moment{at: at, shopper: int(r.Shopper), visit: &visit{
				id: "trip-" + strconv.FormatInt(r.ID, 10), shopper: int(r.Shopper), at: at, keys: keysOf(&r.Card, nil),
				store: w.Grocer.Stores[r.Store].ID, category: w.Aisle(r),
			}})
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
	keys := map[string]string{"device": w.Crowd.Device(s.Shopper, s.Device)}
	if number, has := w.Crowd.Account(s.Shopper); has && s.Known {
		keys = keysOf(nil, &number)
	}
	n := 0
	for i := range s.Steps {
		step := &s.Steps[i]
		if step.Action != "search" || n == searchesMax {
			continue
		}
		n++
		k.moments = append(k.moments, moment{at: step.At, shopper: s.Shopper, visit: &visit{
			id: "site-" + strconv.FormatInt(s.ID, 10) + "-" + strconv.Itoa(n), shopper: s.Shopper, at: step.At, keys: keys, online: true,
			store: w.Grocer.Stores[w.Grocer.OnlineShop()].ID, query: step.Query, category: int(step.Category),
		}})
	}
}

// How much may happen side by side: a visit comes at most drift after the first
// of its run, as in bench/demo; in quiet weeks a day is sent at once.
const (
	drift      = int64(20 * time.Minute / time.Microsecond)
	driftQuiet = int64(24 * time.Hour / time.Microsecond)
	runMax     = 500
)

// runs cuts a week into runs of moments that may happen side by side: close in
// time, within one business day, and so that nobody comes again within a run
// after she bought: her next visit sees her last receipt.
func (k *week) runs(zone *time.Location, quiet bool) [][]moment {
	var out [][]moment
	most := drift
	if quiet {
		most = driftQuiet
	}
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

// forLook is what looks and clicks are drawn for; it differs from the numbers of
// the simulator's other rooms.
const forLook = 402

// glance is whether a shopper looks at an advert at a place of a visit, and
// clicks on it.
func glance(w *life.World, v *visit, placement, slot int, product int32) (looks, clicks bool) {
	id := uint64(0)
	for _, b := range []byte(v.id) {
		id = draw.Mix(id*31 + uint64(b))
	}
	s := w.Crowd.Key().For(forLook).For(id).For(uint64(placement)<<8 | uint64(slot)).Stream()
	looks = s.Chance(life.Examine(slot + 1))
	clicks = s.Chance(w.Clicks(v.shopper, product)) && looks && v.online
	return looks, clicks
}
