// Package calibrate compares simulated shopping with real shopping. It reads The
// Complete Journey 2.0, fits the simulator's model on one random half of its
// households, and measures how far simulated households are from the other half,
// beside how far the two real halves are from each other.
//
// It is before the road of a receipt: it says how far simulated ones may be
// believed.
package calibrate

import (
	"cmp"
	"slices"
	"time"

	"endcap/retail"
	"endcap/simulate/draw"
	"endcap/simulate/life"
	"endcap/simulate/model"
)

// Basket is one trip: a household's lines at one till at one time.
type Basket struct {
	House    int32
	Day      int32 // of the log, from 0
	Minute   int32 // of the day
	From, To int32 // its lines
}

// Line is one product of a basket, amounts in cents.
type Line struct {
	Product    int32
	Category   int32
	Brand      int32 // within its category alone where the source says so
	Pieces     int32
	Sales      int32
	Discount   int32 // the retailer's own
	Department uint8 // of the model
}

// Redeemed is what one household did with one campaign of coupons.
type Redeemed struct {
	Type        string
	Redemptions int
}

// Log is the shopping of some households over some days.
type Log struct {
	Days       int
	FirstDay   int // the weekday of day 0, 0 for Monday
	Houses     int
	Baskets    []Basket // by household, then time
	Lines      []Line
	Campaigns  map[string]float64 // campaigns by type
	CampaignOf map[string]int     // their days by type, on average
	Targets    []Redeemed
}

// Value is what a basket came to, in cents.
func (l *Log) Value(b *Basket) int64 {
	var sum int64
	for i := b.From; i < b.To; i++ {
		sum += int64(l.Lines[i].Sales)
	}
	return sum
}

// Fuel reports whether a basket is a trip for fuel.
func (l *Log) Fuel(b *Basket) bool { return l.Lines[b.From].Department == model.Fuel }

// Half is the households of one random half: side 0 or 1.
func (l *Log) Half(seed uint64, side int) *Log {
	key := draw.Seed(seed)
	of := func(house int32) int { return int(key.For(uint64(house)).Uint64() & 1) }
	out := &Log{Days: l.Days, FirstDay: l.FirstDay, Campaigns: l.Campaigns, CampaignOf: l.CampaignOf}
	names := make(map[int32]int32)
	for i := range l.Baskets {
		b := l.Baskets[i]
		if of(b.House) != side {
			continue
		}
		if _, ok := names[b.House]; !ok {
			names[b.House] = int32(len(names))
		}
		from := int32(len(out.Lines))
		out.Lines = append(out.Lines, l.Lines[b.From:b.To]...)
		b.House, b.From, b.To = names[b.House], from, int32(len(out.Lines))
		out.Baskets = append(out.Baskets, b)
	}
	out.Houses = len(names)
	for i, t := range l.Targets { // a campaign's targets are dealt out evenly: whose they are is not kept
		if int(key.For(1<<40|uint64(i)).Uint64()&1) == side {
			out.Targets = append(out.Targets, t)
		}
	}
	return out
}

// collect gathers simulated weeks into a log.
type collect struct {
	Log
	world *life.World
	seen  map[int64]*Redeemed // by shopper and campaign
}

// newCollect begins a log of a world's weeks.
func newCollect(w *life.World) *collect {
	c := &collect{world: w, seen: make(map[int64]*Redeemed)}
	c.Days, c.Houses = 7*w.Scenario.Weeks, len(w.Crowd.Shoppers)
	c.Campaigns, c.CampaignOf = make(map[string]float64), make(map[string]int)
	for _, k := range w.Campaigns() {
		c.Campaigns[k.Type]++
		c.CampaignOf[k.Type] = k.To - k.From
	}
	return c
}

// take adds a batch. Slips of returns are left out: the real data has none.
func (c *collect) take(b *life.Batch, p *life.Plan) {
	g := c.world.Grocer
	for i := range b.Receipts {
		r := &b.Receipts[i]
		if r.Return {
			continue
		}
		second := c.second(r.At, p)
		basket := Basket{House: r.Shopper, Day: int32(7*p.Week + second/86_400), Minute: int32(second % 86_400 / 60), From: int32(len(c.Lines))}
		for _, l := range b.Lines[r.From:r.To] {
			pr := &g.Products[l.Product]
			c.Lines = append(c.Lines, Line{
				Product: l.Product, Category: int32(pr.Category), Brand: int32(pr.Brand), Department: g.DepartmentOf[pr.Category],
				Pieces: max(l.Quantity/1_000, 1), Sales: l.Sales, Discount: l.Discount,
			})
		}
		basket.To = int32(len(c.Lines))
		c.Baskets = append(c.Baskets, basket)
	}
	campaigns := c.world.Campaigns()
	for _, r := range b.Redemptions {
		key := int64(r.Campaign)<<32 | int64(b.Receipts[r.Receipt].Shopper)
		if c.seen[key] == nil {
			c.seen[key] = &Redeemed{Type: campaigns[r.Campaign].Type}
		}
		c.seen[key].Redemptions++
	}
}

// second is the second of the plan's week at which an instant lies by the wall
// clock, which every day has 24 hours long.
func (c *collect) second(at int64, p *life.Plan) int {
	wall := time.UnixMicro(at).In(c.world.Zone())
	day := retail.DayOf(wall, c.world.Zone()) - c.world.Scenario.First() - retail.Day(7*p.Week)
	return int(day)*86_400 + wall.Hour()*3_600 + wall.Minute()*60 + wall.Second()
}

// done puts the log in order.
func (c *collect) done() *Log {
	slices.SortStableFunc(c.Baskets, func(a, b Basket) int {
		return cmp.Or(cmp.Compare(a.House, b.House), cmp.Compare(a.Day, b.Day), cmp.Compare(a.Minute, b.Minute))
	})
	for n := range c.world.Campaigns() {
		k := &c.world.Campaigns()[n]
		for i := range c.world.Crowd.Shoppers {
			if !k.Targeted(i) {
				continue
			}
			t := Redeemed{Type: k.Type}
			if r := c.seen[int64(n)<<32|int64(i)]; r != nil {
				t.Redemptions = r.Redemptions
			}
			c.Targets = append(c.Targets, t)
		}
	}
	return &c.Log
}

// Simulate lives a world's weeks into a log.
func Simulate(w *life.World) *Log {
	c := newCollect(w)
	var b life.Batch
	const step = 8_192
	for week := range w.Scenario.Weeks {
		p := w.Plan(week)
		for from := 0; from < len(p.Visits); from += step {
			w.Fill(p, from, min(from+step, len(p.Visits)), &b)
			c.take(&b, p)
		}
	}
	return c.done()
}
