// Package life lets the simulated shoppers live: when they shop and where, what
// lies in their baskets, what they bring back, which coupons they redeem and what
// they look at on the site. A week is planned first, which moves every shopper
// on; then its receipts can be filled in any order and on any number of cores,
// because each visit's chance depends on the seed, the shopper and the day alone.
//
// It is before the road of a receipt: it prints the receipts.
package life

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"endcap/retail"
	"endcap/simulate/draw"
	"endcap/simulate/grocer"
	"endcap/simulate/model"
	"endcap/simulate/people"
	"endcap/simulate/scenario"
)

// What keys of chance are for. Their numbers are part of what a seed means.
const (
	forTrips = iota + 201
	forBasket
	forTaste
	forCampaign
	forCoupon
	forSite
	forSession
	forPast
	forAisle
)

// World is a simulated retailer with its shoppers.
type World struct {
	Scenario *scenario.Scenario
	Model    *model.Parameters
	Grocer   *grocer.Grocer
	Crowd    *people.Crowd
	zone     *time.Location
	taste    taste
	hours    [7]draw.Alias
	weekday  [7]float64
	calendar calendar
	weeks    map[int]*grocer.Week // this one and those before of which something may be lived again
	key      draw.Key
	examine  [Results + 1]float64 // by position

	parts, sites [][]Visit // of each core, used again by the next plan
	visits, site []Visit
}

// Open makes the world before its first week. It fails where the scenario is not
// one, and where ctx ends first.
func Open(ctx context.Context, s *scenario.Scenario, p *model.Parameters, communes []grocer.Commune) (*World, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	g, err := grocer.Open(s, p, communes)
	if err != nil {
		return nil, fmt.Errorf("open grocer: %w", err)
	}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return nil, fmt.Errorf("find zone: %w", err)
	}
	crowd, err := people.Gather(ctx, s, p, g)
	if err != nil {
		return nil, fmt.Errorf("gather shoppers: %w", err)
	}
	w := &World{Scenario: s, Model: p, Grocer: g, Crowd: crowd, zone: zone, key: draw.Seed(s.Seed), weeks: make(map[int]*grocer.Week)}
	w.taste = newTaste(p, g)
	for position := 1; position <= Results; position++ {
		w.examine[position] = Examine(position)
	}
	total := 0.0
	for d := range p.Hours {
		w.hours[d] = draw.NewAlias(p.Hours[d][:])
		for _, share := range p.Hours[d] {
			w.weekday[d] += share
		}
		total += w.weekday[d]
	}
	for d := range w.weekday {
		w.weekday[d] *= 7 / total
	}
	w.calendar = newCalendar(w)
	for i := range w.Crowd.Shoppers {
		if i%(1<<12) == 0 && ctx.Err() != nil {
			return nil, fmt.Errorf("remember last trips: %w", ctx.Err())
		}
		w.remember(i)
	}
	return w, nil
}

// past is how many days before the first can be said of a last trip.
const past = 90

// remember gives shopper i a last trip before the first day.
func (w *World) remember(i int) {
	sh := &w.Crowd.Shoppers[i]
	u := w.key.For(forPast).For(uint64(i)).Unit()
	ago := -math.Log(1-u)/math.Max(float64(sh.Rate), 1e-4) + 1
	sh.Last = uint16(past - min(int(ago), past-1))
}

// Zone is the shops' zone.
func (w *World) Zone() *time.Location { return w.zone }

// weeksKept is how many weeks' promotions are at hand: a return's two weeks and
// the pantry lie before the first day of the one that is lived.
const weeksKept = 1 + (14+pantry+6)/7

// daysKnown is of how many days a shopper's state knows on which she came.
const daysKnown = 32

// Promotions is what is promoted in a week that is under way, or was one of the
// two before.
func (w *World) Promotions(week int) *grocer.Week { return w.weeks[week] }

// Visit is one trip of a shopper, or one visit to the site, packed so that their
// order is that of time: second of the week, shopper, number of the day, and
// days since the trip before, up to 31.
type Visit uint64

func visit(second, shopper, nth, gap int) Visit {
	return Visit(second)<<40 | Visit(shopper)<<8 | Visit(nth)<<5 | Visit(gap)
}

// Second is the second of the week, by the wall clock.
func (v Visit) Second() int { return int(v >> 40) }

// Shopper is who comes.
func (v Visit) Shopper() int { return int(v >> 8 & math.MaxUint32) }

func (v Visit) nth() int { return int(v >> 5 & 7) }
func (v Visit) gap() int { return int(v & 31) }
func (v Visit) day() int { return v.Second() / 86_400 }

// Plan is who comes when in one week.
type Plan struct {
	Week   int
	Visits []Visit // to stores and orders online, in the order of time
	Site   []Visit // visits to the site without an order, in the order of time
	clock  [7 * 24]int64
}

// At is the instant of a second of the week, in microseconds since 1970.
func (p *Plan) At(second int) int64 {
	return (p.clock[second/3_600] + int64(second%3_600)) * 1_000_000
}

// Plan moves every shopper on by a week; weeks are planned in their order, from
// Week 0. A plan is valid until the next is asked for.
func (w *World) Plan(week int) *Plan {
	p := &Plan{Week: week}
	first := w.Scenario.First() + retail.Day(7*week)
	for h := range p.clock {
		day := (first + retail.Day(h/24)).UTC()
		p.clock[h] = time.Date(day.Year(), day.Month(), day.Day(), h%24, 0, 0, 0, w.zone).Unix()
	}
	for back := range weeksKept {
		if n := week - back; n >= 0 && w.weeks[n] == nil {
			w.weeks[n] = w.Grocer.Week(n)
		}
	}
	delete(w.weeks, week-weeksKept)
	workers := runtime.GOMAXPROCS(0)
	n := len(w.Crowd.Shoppers)
	if len(w.parts) != workers {
		w.parts, w.sites = make([][]Visit, workers), make([][]Visit, workers)
		for k := range w.parts {
			w.parts[k] = make([]Visit, 0, n*5/4/workers+1_024)
		}
	}
	var wait sync.WaitGroup
	for k := range workers {
		wait.Go(func() {
			trips, site := w.parts[k][:0], w.sites[k][:0]
			for i := n * k / workers; i < n*(k+1)/workers; i++ {
				trips, site = w.trips(trips, week, i), w.browse(site, week, i)
			}
			w.parts[k], w.sites[k] = trips, site
		})
	}
	wait.Wait()
	w.visits, w.site = gather(w.visits, w.parts), gather(w.site, w.sites)
	p.Visits, p.Site = w.visits, w.site
	slices.Sort(p.Visits)
	slices.Sort(p.Site)
	return p
}

// gather puts parts together in to, which is used again.
func gather(to []Visit, parts [][]Visit) []Visit {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	to = slices.Grow(to[:0], n)
	for _, p := range parts {
		to = append(to, p...)
	}
	return to
}

// season is how busy a week is.
func (w *World) season(week int) float64 { return w.Model.Season[week%len(w.Model.Season)] }

// dayTripsMax bounds the trips of one shopper on one day.
const dayTripsMax = 6

// trips appends shopper i's trips of a week and moves her on.
func (w *World) trips(to []Visit, week, i int) []Visit {
	sh := &w.Crowd.Shoppers[i]
	weights := w.Model.Gaps[sh.Band]
	s := w.key.For(forTrips).For(uint64(i)).For(uint64(week)).Stream()
	rate := float64(sh.Rate) * w.season(week)
	sh.Days <<= 7
	for d := range 7 {
		day := past + 1 + 7*week + d
		gap := min(day-int(sh.Last), model.GapMax)
		came := gap
		for nth := range dayTripsMax {
			if s.Unit() < math.Exp(-rate*w.weekday[d]*weights[came]) {
				break
			}
			second := d*86_400 + w.hours[d].Of(s.Uint64())*3_600 + s.Int(3_600)
			to = append(to, visit(second, i, nth, gap))
			sh.Last = uint16(day)
			sh.Days |= 1 << (6 - d)
			came = 0
		}
	}
	return to
}

// browse appends shopper i's visits to the site of a week that end without an
// order.
func (w *World) browse(to []Visit, week, i int) []Visit {
	if w.Crowd.Shoppers[i].Has&people.Account == 0 {
		return to
	}
	s := w.key.For(forSite).For(uint64(i)).For(uint64(week)).Stream()
	for nth := range min(s.Poisson(w.Scenario.Browse), 7) {
		d := s.Int(7)
		to = append(to, visit(d*86_400+w.hours[d].Of(s.Uint64())*3_600+s.Int(3_600), i, nth, 0))
	}
	return to
}

// StateBytes is what one shopper takes of a state.
const StateBytes = 6

// State is what a week leaves behind: with it, and the scenario, the next can be
// lived elsewhere.
func (w *World) State() []byte {
	out := make([]byte, 0, StateBytes*len(w.Crowd.Shoppers))
	for i := range w.Crowd.Shoppers {
		out = binary.LittleEndian.AppendUint16(out, w.Crowd.Shoppers[i].Last)
		out = binary.LittleEndian.AppendUint32(out, w.Crowd.Shoppers[i].Days)
	}
	return out
}

// Restore goes on from a state of the same scenario.
func (w *World) Restore(state []byte) error {
	if len(state) != StateBytes*len(w.Crowd.Shoppers) {
		return fmt.Errorf("a state of %d bytes, want %d", len(state), StateBytes*len(w.Crowd.Shoppers))
	}
	for i := range w.Crowd.Shoppers {
		w.Crowd.Shoppers[i].Last = binary.LittleEndian.Uint16(state[StateBytes*i:])
		w.Crowd.Shoppers[i].Days = binary.LittleEndian.Uint32(state[StateBytes*i+2:])
	}
	return nil
}
