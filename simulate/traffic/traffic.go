// Package traffic makes visits without end for a server under load, from the
// weeks of a scenario that come after those that the server's house was filled
// with: sessions on the site with searches, product and basket pages, looks at
// adverts and clicks on them, and orders; trips that come by a screen in the
// aisle and end at a till. Who comes, what she looks for and what she buys is
// the scenario's; it happens when the load has room for it.
//
// It is before the road of a receipt: it is the crowd at its gate.
package traffic

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"sync"
	"time"

	"endcap/retail"
	"endcap/simulate/grocer"
	"endcap/simulate/life"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
	"endcap/simulate/wire"
)

// Kinds are the kinds of request that visits make, in the order of a visit.
const (
	Search   = "search"   // a search on the site: a decision with placements and proposals
	Product  = "product"  // a product's page: a decision with proposals
	Basket   = "basket"   // the basket's page: a decision with proposals
	Screen   = "screen"   // a screen in the aisle: a decision with a placement
	Views    = "views"    // what she looked at
	Clicks   = "clicks"   // what she clicked on
	Receipts = "receipts" // what she bought
)

// Kinds lists them.
func Kinds() []string { return []string{Search, Product, Basket, Screen, Views, Clicks, Receipts} }

// Scopes are what the API key must open.
const Scopes = "decide,receipts,admin"

// Options say whose visits are made.
type Options struct {
	Scenario scenario.Scenario // the one that the house was filled from
	Model    *model.Parameters
	Communes []grocer.Commune // as the folder had them that filled the house; none leaves stores without places
	Run      string           // begins every id that is sent: one run's are no other's
	Now      retail.Clock
}

// Traffic is the crowd.
type Traffic struct {
	Options
	store string // the online shop's id
	shows [len(wire.Placements)]bool
	clock func() time.Time // the server's

	numbers map[string]int32 // of products, by their ids

	mu       sync.Mutex // guards the rest, and the world's plans
	world    *life.World
	week     int
	plan     *life.Plan
	trips    life.Batch
	from     int // the plan's first visit after trips
	receipt  int // the next of trips
	sessions func() (*life.Session, bool)
	stop     func()
	session  *life.Session // the next one; nil for none
	count    int64
}

// spareWeeks is how many weeks are lived beyond those that were loaded before the
// same ones come again.
const spareWeeks = 52

// Open makes the crowd on the first day after the scenario's weeks. Close must be
// called.
func Open(ctx context.Context, o Options) (*Traffic, error) {
	t := &Traffic{Options: o, clock: o.Now}
	t.Scenario.Weeks = min(o.Scenario.Weeks+spareWeeks, scenario.WeeksMax)
	for i := range t.shows {
		t.shows[i] = true
	}
	if err := t.begin(ctx, min(o.Scenario.Weeks, t.Scenario.Weeks-1)); err != nil {
		return nil, err
	}
	t.numbers = numbersOf(t.world)
	t.store = t.world.Grocer.Stores[t.world.Grocer.OnlineShop()].ID
	return t, nil
}

// Close ends the crowd.
func (t *Traffic) Close() { t.stop() }

// begin lives the weeks up to one, and stands at its first instant.
func (t *Traffic) begin(ctx context.Context, week int) error {
	w, err := life.Open(ctx, &t.Scenario, t.Model, t.Communes)
	if err != nil {
		return err
	}
	t.world = w
	for t.week = range week {
		t.world.Plan(t.week)
	}
	t.turn(week)
	return nil
}

// turn plans a week.
func (t *Traffic) turn(week int) {
	t.week, t.plan = week, t.world.Plan(week)
	t.from, t.receipt, t.trips = 0, 0, life.Batch{}
	t.sessions, t.stop = iter.Pull(t.tell())
	t.session, _ = t.sessions()
}

// errEnough ends the telling of sessions.
var errEnough = errors.New("enough")

// tell tells the sessions of the week, each its own copy.
func (t *Traffic) tell() iter.Seq[*life.Session] {
	w, plan := t.world, t.plan
	return func(yield func(*life.Session) bool) {
		_ = w.Sessions(plan, func(s *life.Session) error { // it returns what the callee does
			one := *s
			one.Steps = append([]life.Step(nil), s.Steps...)
			if !yield(&one) {
				return errEnough
			}
			return nil
		})
	}
}

// happening is the next thing that somebody does: a session, which may end with
// an order, or a trip, of which the receipt tells.
type happening struct {
	world   *life.World
	id      string
	session *life.Session
	receipt *life.Receipt // nil for none
	lines   []life.Line
}

// chunk is how many visits of a plan are filled at a time.
const chunk = 64

// next is the next thing that happens, in the order of the scenario's time.
func (t *Traffic) next(ctx context.Context) (happening, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		t.fill()
		trip := t.receipt < len(t.trips.Receipts)
		if !trip && t.session == nil {
			if err := t.roll(ctx); err != nil {
				return happening{}, err
			}
			continue
		}
		t.count++
		h := happening{world: t.world, id: t.Run + "-" + strconv.FormatInt(t.count, 10)}
		if trip && (t.session == nil || t.trips.Receipts[t.receipt].At < t.session.Steps[0].At) {
			h.bought(&t.trips, t.receipt)
			t.receipt++
			return h, nil
		}
		if h.session = t.session; h.session.Order >= 0 {
			var b life.Batch
			t.world.Fill(t.plan, h.session.Order, h.session.Order+1, &b)
			h.bought(&b, 0)
		}
		t.session, _ = t.sessions()
		return h, nil
	}
}

// fill makes the next trips, where the last ones are over; orders come with their
// sessions.
func (t *Traffic) fill() {
	for {
		for ; t.receipt < len(t.trips.Receipts); t.receipt++ {
			if !t.trips.Receipts[t.receipt].Online {
				return
			}
		}
		to := min(t.from+chunk, len(t.plan.Visits))
		if t.from == to {
			return
		}
		t.world.Fill(t.plan, t.from, to, &t.trips)
		t.from, t.receipt = to, 0
	}
}

// roll goes on to the next week, or begins again with the first after those that
// were loaded.
func (t *Traffic) roll(ctx context.Context) error {
	t.stop()
	if t.week+1 < t.Scenario.Weeks {
		t.turn(t.week + 1)
		return nil
	}
	return t.begin(ctx, max(t.Scenario.Weeks-spareWeeks, 0))
}

// bought takes a receipt with its lines out of a batch.
func (h *happening) bought(b *life.Batch, i int) {
	r := b.Receipts[i]
	h.receipt, h.lines = &r, append([]life.Line(nil), b.Lines[r.From:r.To]...)
}
