// Package play lives a scenario's weeks against a running server that serves with
// a clock that can be moved: it speaks the public HTTP API alone, as shops and
// tills would. Visits ask for decisions; shoppers look at adverts and click on
// them by the planted click model; what they looked at changes what they buy by
// the planted effect; and receipts, prices, stock, promotions and consents come
// in the order of time. What each campaign truly sold is written to a folder
// that the product never reads.
//
// It is before the road of a receipt, and walks it from outside.
package play

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"endcap/retail"
	"endcap/simulate/advert"
	"endcap/simulate/grocer"
	"endcap/simulate/life"
	"endcap/simulate/model"
	"endcap/simulate/rows"
	"endcap/simulate/scenario"
	"endcap/simulate/wire"
)

// Declared is what every file of the truth says of itself.
const Declared = "declared-synthetic"

// Options say what is played, and where.
type Options struct {
	Scenario scenario.Scenario
	Model    *model.Parameters
	Communes []grocer.Commune // as the folder had them whose weeks were loaded; none leaves stores without places
	Loaded   int              // first weeks that were loaded from a folder of the same scenario, with all that is there before the first
	Client   *http.Client
	Server   string         // e.g. "http://127.0.0.1:8080"
	Key      string         // API key with the scopes of Scopes
	Truth    string         // the folder for what the product has to find out
	SpeedUp  float64        // simulated seconds a second; 0 is as fast as answers come
	Visits   int            // decisions under way at most
	Drift    time.Duration  // how far apart on one day may be what happens side by side; 0 is Aside
	Progress func(Progress) // called after each run of visits; may be nil
	Now      retail.Clock
}

// Scopes are what the API key must open.
const Scopes = "decide,receipts,feeds,trade,reports,analyse,admin"

// Progress is how far a play got.
type Progress struct {
	Week, Weeks int
	Part        float64 // of the whole, 0 to 1
	Receipts    int64   // so far, those of loaded weeks left out
}

// Summary is what a play did.
type Summary struct {
	Receipts, Lines, Decisions, Impressions, Clicks int64
	Cents                                           int64 // sales of all those receipts
	Resumed                                         int64 // decisions that an earlier run had made; its receipts are counted above
}

// player is one play under way.
type player struct {
	Options
	client    wire.Client
	world     *life.World
	campaigns []campaign
	of        []int32          // by product: the campaign whose range it is in, or -1
	products  map[string]int32 // of campaigns, by their ids
	book      *advert.Book
	journal   *journal
	sum       Summary
	booked    bool      // by this run
	clock     time.Time // where the server's stands
	answered  int64     // the last moment of the day that an earlier run was answered; 0 for none
	began     time.Time // when this run began to wait, by the wall
	beganAt   int64     // by the shops' clocks
}

// visitsMax bounds decisions under way.
const visitsMax = 1_000

// Run plays the scenario from its first week that is not loaded to its last. A
// play that was broken off goes on where it stopped when it is run again with the
// same folder for the truth.
func Run(ctx context.Context, o Options) (Summary, error) {
	p, err := open(ctx, o)
	if err != nil {
		return Summary{}, err
	}
	err = p.run(ctx)
	return p.sum, errors.Join(err, p.journal.close())
}

// raise makes the world with its campaigns.
func raise(ctx context.Context, o *Options) (*life.World, []campaign, error) {
	w, err := life.Open(ctx, &o.Scenario, o.Model, o.Communes)
	if err != nil {
		return nil, nil, err
	}
	all, err := campaigns(w)
	return w, all, err
}

func open(ctx context.Context, o Options) (*player, error) {
	switch {
	case o.Truth == "":
		return nil, refuse("truth", "no folder is named for the truth", "--truth DIR")
	case o.Visits < 1 || o.Visits > visitsMax:
		return nil, refuse("visits", fmt.Sprintf("%d decisions at once", o.Visits), fmt.Sprintf("from 1 to %d", visitsMax))
	case !(o.SpeedUp >= 0):
		return nil, refuse("speed_up", fmt.Sprintf("the speed-up is %v", o.SpeedUp), "0 for as fast as answers come, or a positive number")
	case o.Drift < 0:
		return nil, refuse("drift", fmt.Sprintf("the drift is %v", o.Drift), "0 for 20 minutes, or more")
	case o.Loaded < 0 || o.Loaded >= max(o.Scenario.Weeks, 1):
		return nil, refuse("loaded", fmt.Sprintf("%d weeks are loaded of %d", o.Loaded, o.Scenario.Weeks), "leave a week to play")
	}
	w, all, err := raise(ctx, &o)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].From < o.Loaded {
			return nil, refuse(fmt.Sprintf("play.campaigns[%d].from", i), "the campaign begins in a week that is loaded", "begin later, or load fewer weeks")
		}
	}
	p := &player{Options: o, client: wire.Client{HTTP: o.Client, Target: o.Server, Key: o.Key}, world: w, campaigns: all, of: ranges(w, all)}
	p.products = make(map[string]int32)
	for i := range all {
		for _, n := range all[i].products {
			p.products[wire.GTIN(p.world, n)] = n
		}
	}
	if p.book, err = plant(w, all); err != nil {
		return nil, err
	}
	var s wire.Status
	if err := p.client.Send(ctx, "GET /v1/status", nil, &s); err != nil {
		return nil, err
	}
	if s.Clock != "replay" {
		return nil, refuse("server", "the server's clock cannot be moved", "play against a demo that serves with --clock replay")
	}
	p.clock = s.Now
	if err := os.MkdirAll(o.Truth, 0o750); err != nil {
		return nil, fmt.Errorf("make folder for the truth: %w", err)
	}
	p.journal, err = openJournal(&o)
	return p, err
}

// ranges says of each product in which campaign's range it is.
func ranges(w *life.World, all []campaign) []int32 {
	of := make([]int32, len(w.Grocer.Products))
	for i := range of {
		of[i] = -1
	}
	for n := range all {
		for _, i := range all[n].products {
			of[i] = int32(n)
		}
	}
	return of
}

// plant opens a book with every campaign's effect.
func plant(w *life.World, all []campaign) (*advert.Book, error) {
	b := advert.Open(w)
	for i := range all {
		if err := b.Plant(all[i].about, all[i].terms); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// quiet reports whether nobody asks for decisions in a week.
func quiet(s *scenario.Scenario, week int) bool { return s.Play != nil && week < s.Play.Quiet }

func (p *player) run(ctx context.Context) error {
	d := diary{world: p.world}
	for n := range p.world.Scenario.Weeks {
		plan := p.world.Plan(n)
		if n < p.Loaded {
			continue
		}
		for today, err := range d.week(plan, quiet(&p.Scenario, n)) {
			if err == nil {
				err = p.live(ctx, today)
			}
			if err != nil {
				return fmt.Errorf("week %d: %w", n+1, err)
			}
		}
	}
	end := p.world.Scenario.First() + retail.Day(7*p.world.Scenario.Weeks)
	if err := p.advance(ctx, end.Start(p.world.Zone()).Add(time.Hour)); err != nil {
		return err
	}
	return p.client.Settle(ctx)
}

// live plays one day, or remembers one that an earlier run has played.
func (p *player) live(ctx context.Context, d *day) error {
	before := p.sum
	over, err := p.journal.day(d.n)
	if err != nil {
		return err
	}
	if over != nil {
		p.remember(d)
		return over.sold(p.sum.Receipts-before.Receipts, p.sum.Cents-before.Cents)
	}
	p.answered = 0
	for i := range d.moments {
		if m := &d.moments[i]; m.visit != nil {
			if _, answered := p.journal.of(m.visit.ID); answered {
				p.answered = m.at
			}
		}
	}
	if err := p.morning(ctx, d); err != nil {
		return err
	}
	done, still := 0, quiet(&p.Scenario, d.plan.Week)
	for _, run := range runs(d.moments, p.world.Zone(), p.aside(still)) {
		if err := p.play(ctx, run, still); err != nil {
			return err
		}
		done += len(run)
		p.tell(d, done)
	}
	return p.journal.finish(entry{Day: d.n + 1, Receipts: p.sum.Receipts - before.Receipts, Cents: p.sum.Cents - before.Cents})
}

// morning sends what is there before the first visit of a day: of the first day
// what does not change, of a Monday what its week changes, and of the first day on
// which decisions are asked for what is booked.
func (p *player) morning(ctx context.Context, d *day) error {
	if d.n%7 == 0 {
		if err := p.due(ctx, d.plan.At(0)); err != nil {
			return err
		}
	}
	if d.n == 0 {
		if err := p.advance(ctx, p.world.Scenario.First().Start(p.world.Zone())); err != nil {
			return err
		}
		if err := p.setUp(ctx); err != nil {
			return fmt.Errorf("set up: %w", err)
		}
	}
	if d.n%7 == 0 {
		if err := p.advance(ctx, time.UnixMicro(d.plan.At(0))); err != nil {
			return err
		}
		if err := p.monday(ctx, d.plan); err != nil {
			return err
		}
	}
	if p.booked || quiet(&p.Scenario, d.plan.Week) {
		return nil
	}
	// What was bought so far counts for whom campaigns reach, and for profiles.
	if err := p.client.Settle(ctx); err != nil {
		return err
	}
	p.booked = true
	if err := p.bookAll(ctx); err != nil {
		return fmt.Errorf("book: %w", err)
	}
	return nil
}

// aside is how far apart may be what happens side by side; in quiet weeks a day is
// sent at once.
func (p *player) aside(quiet bool) time.Duration {
	switch {
	case quiet:
		return 24 * time.Hour
	case p.Drift == 0:
		return Aside
	default:
		return p.Drift
	}
}

func (p *player) tell(d *day, done int) {
	if p.Progress == nil {
		return
	}
	weeks := p.world.Scenario.Weeks
	part := float64(d.n-7*p.Loaded) + float64(done)/float64(max(len(d.moments), 1))
	p.Progress(Progress{Week: d.plan.Week + 1, Weeks: weeks, Part: part / float64(7*(weeks-p.Loaded)), Receipts: p.sum.Receipts})
}

// due waits until an instant is due: at the speed that is asked for, counted from
// the first that no earlier run has played, which is due at once.
func (p *player) due(ctx context.Context, at int64) error {
	if p.SpeedUp == 0 || p.began.IsZero() && at <= p.answered {
		return ctx.Err()
	}
	if p.began.IsZero() {
		p.began, p.beganAt = p.Now(), at
	}
	since := time.Duration(at-p.beganAt) * time.Microsecond
	wait := p.began.Add(time.Duration(float64(since) / p.SpeedUp)).Sub(p.Now())
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// advance moves the server's clock, which never goes back.
func (p *player) advance(ctx context.Context, to time.Time) error {
	if !to.After(p.clock) {
		return nil
	}
	p.clock = to
	return p.client.Send(ctx, "PUT /v1/clock", map[string]string{"now": to.UTC().Format(time.RFC3339Nano)}, nil)
}

// play lets one run of moments happen: decisions side by side, then what was seen
// and clicked, then what was said and bought.
func (p *player) play(ctx context.Context, run []moment, quiet bool) error {
	if err := p.due(ctx, run[0].at); err != nil {
		return err
	}
	if err := p.advance(ctx, time.UnixMicro(run[0].at)); err != nil {
		return err
	}
	if err := p.decide(ctx, run); err != nil {
		return err
	}
	if err := p.react(ctx, run); err != nil {
		return err
	}
	// What is said and bought is over when it is told.
	if err := p.advance(ctx, time.UnixMicro(run[len(run)-1].at)); err != nil {
		return err
	}
	var said []rows.Consent
	var bought []map[string]any
	for i := range run {
		switch m := &run[i]; {
		case m.consent != nil:
			said = append(said, *m.consent)
		case m.visit == nil:
			r, lines := p.buy(m)
			bought = append(bought, wire.Receipt(p.world, r, lines))
		}
	}
	if err := feed(ctx, p, "consents", slices.Values(said), consent); err != nil {
		return err
	}
	return p.sell(ctx, bought, quiet)
}

// buy is a receipt with its lines as adverts have changed them.
func (p *player) buy(m *moment) (*life.Receipt, []life.Line) {
	r, lines := m.bought()
	lines = p.book.Sway(r, lines, p.day(r.At))
	p.count(lines)
	return r, lines
}

// count adds a receipt's lines to what was sold.
func (p *player) count(lines []life.Line) {
	p.sum.Receipts++
	p.sum.Lines += int64(len(lines))
	for i := range lines {
		p.sum.Cents += int64(lines[i].Sales)
	}
}

// day is the day of the simulation.
func (p *player) day(micros int64) int {
	return int(dayOf(micros, p.world.Zone()) - p.world.Scenario.First())
}

// sell sends receipts, and waits until profiles hold them, but in quiet weeks.
func (p *player) sell(ctx context.Context, receipts []map[string]any, quiet bool) error {
	if len(receipts) == 0 {
		return nil
	}
	var got struct {
		answers
		Profile string `json:"profile"`
	}
	var headers []string
	if !quiet {
		headers = []string{"Prefer", "wait=30"}
	}
	if err := p.client.Send(ctx, "POST /v1/receipts", map[string]any{"receipts": receipts}, &got, headers...); err != nil {
		return err
	}
	for i, r := range got.Results {
		if r.Outcome != "new" && r.Outcome != "repeat" {
			return fmt.Errorf("receipt %v was %s: %s", receipts[i]["id"], r.Outcome, r.Say)
		}
	}
	if !quiet && got.Profile != "seen" {
		return p.client.Settle(ctx) // the server has much to do: it takes longer than a request may wait
	}
	return nil
}

// decide asks for the decisions of a run, side by side, but for those that an
// earlier run of the program was answered.
func (p *player) decide(ctx context.Context, run []moment) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(p.Visits)
	for i := range run {
		v := run[i].visit
		if v == nil {
			continue
		}
		if _, answered := p.journal.of(v.ID); answered {
			p.sum.Resumed++
			continue
		}
		p.sum.Decisions++
		group.Go(func() error {
			var a wire.Answer
			if err := p.client.Send(ctx, "POST /v1/decisions", v.Question(p.world, func(int) bool { return true }), &a); err != nil {
				return err
			}
			return p.journal.add(p.shown(v, &a))
		})
	}
	return group.Wait()
}

// shown is what a visit was shown.
func (p *player) shown(v *wire.Visit, a *wire.Answer) entry {
	e := entry{Visit: v.ID, Decision: a.Decision}
	a.Each(func(placement int, item *wire.Item) {
		e.Shown = append(e.Shown, show{Placement: placement, Slot: item.Slot, Product: item.Product, Token: item.Token})
	})
	return e
}

// react lets shoppers look and click, in the order of time, and sends the events.
func (p *player) react(ctx context.Context, run []moment) error {
	var events []map[string]string
	for i := range run {
		v := run[i].visit
		if v == nil {
			continue
		}
		e, _ := p.journal.of(v.ID)
		for _, s := range e.Shown {
			looks, clicks := p.look(v, &s)
			if looks {
				p.sum.Impressions++
				events = append(events, event(v, &s, "impression"))
			}
			if clicks {
				p.sum.Clicks++
				events = append(events, event(v, &s, "click"))
			}
		}
	}
	for from := 0; from < len(events); from += eventsMax {
		part := events[from:min(from+eventsMax, len(events))]
		if err := p.client.Send(ctx, "POST /v1/events", map[string]any{"events": part}, nil); err != nil {
			return err
		}
	}
	return nil
}

// eventsMax is how many events one request brings.
const eventsMax = 1_000

func event(v *wire.Visit, s *show, kind string) map[string]string {
	id := v.ID + "-" + wire.Placements[s.Placement].ID + "-" + strconv.Itoa(s.Slot) + "-" + kind
	return map[string]string{"id": id, "type": kind, "token": s.Token}
}

// look lets a shopper look at one advert: what she looks at moves her.
func (p *player) look(v *wire.Visit, s *show) (looks, clicks bool) {
	product, ok := p.products[s.Product]
	if !ok || p.of[product] < 0 {
		return false, false // somebody else's advert
	}
	looks, clicks = wire.Glance(p.world, v, s.Placement, s.Slot, product)
	if looks {
		p.book.Shown(v.Shopper, p.day(v.At), p.campaigns[p.of[product]].about, s.Placement, s.Slot+1)
	}
	return looks, clicks
}

// remember lives a day that an earlier run has played, without the server.
func (p *player) remember(d *day) {
	for i := range d.moments {
		switch m := &d.moments[i]; {
		case m.visit != nil:
			p.sum.Resumed++
			e, _ := p.journal.of(m.visit.ID)
			for _, s := range e.Shown {
				p.look(m.visit, &s)
			}
		case m.consent == nil:
			p.buy(m)
		}
	}
}
