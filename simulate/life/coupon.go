package life

import (
	"math"

	"endcap/simulate/draw"
	"endcap/simulate/model"
)

// Campaign is one campaign of coupons.
type Campaign struct {
	Type     string
	From, To int // days of the simulation, the last beyond it
	Coupons  []Coupon
	reach    float64
	redeem   float64 // chance that a shopper who got it is one who redeems
	mean     float64 // redemptions of such a one
	key      draw.Key
}

// Coupon takes an amount off any product of a brand in a category.
type Coupon struct {
	Category int
	Brand    uint16
	Cents    int32
	Products []int32
}

// calendar is every campaign, and which run in a week.
type calendar struct {
	campaigns []Campaign
	weeks     [][]int32
}

// couponsPerCampaign is how many coupons are in one.
const couponsPerCampaign = 24

func newCalendar(w *World) calendar {
	c := calendar{weeks: make([][]int32, w.Scenario.Weeks)}
	for t := range w.Model.Coupons {
		kind := &w.Model.Coupons[t]
		every := 364 / math.Max(kind.Campaigns, 0.01)
		phase := w.key.For(forCampaign).For(uint64(t)).Unit()
		for n := 0; ; n++ {
			from := int(every * (float64(n) + phase))
			if from >= 7*w.Scenario.Weeks {
				break
			}
			key := w.key.For(forCampaign).For(uint64(t)).For(uint64(n))
			mean := truncated(kind.Redemptions)
			c.campaigns = append(c.campaigns, Campaign{
				Type: kind.Name, From: from, To: from + kind.Days, key: key, Coupons: w.coupons(key),
				reach: math.Min(kind.Targeted*w.Scenario.CouponReach, 1), mean: mean, redeem: kind.Redeem / (1 - math.Exp(-mean)),
			})
			for week := from / 7; week < min((from+kind.Days-1)/7+1, w.Scenario.Weeks); week++ {
				c.weeks[week] = append(c.weeks[week], int32(len(c.campaigns)-1))
			}
		}
	}
	return c
}

// truncated is the mean of the Poisson distribution whose counts above 0 have a
// mean, found by halving.
func truncated(mean float64) float64 {
	lo, hi := 1e-6, 60.0
	for range 60 {
		m := (lo + hi) / 2
		if m/(1-math.Exp(-m)) < mean {
			lo = m
		} else {
			hi = m
		}
	}
	return (lo + hi) / 2
}

// coupons makes a campaign's coupons.
func (w *World) coupons(key draw.Key) []Coupon {
	s := key.Stream()
	var out []Coupon
	for range couponsPerCampaign {
		c := w.taste.category.Of(s.Uint64())
		span := w.Grocer.Spans[c]
		lead := w.Grocer.Products[span.From+int32(w.Grocer.Popular[c].Of(s.Uint64()))]
		coupon := Coupon{Category: c, Brand: lead.Brand, Cents: 30 + 10*int32(s.Int(13))}
		for i := span.From; i < span.To; i++ {
			if w.Grocer.Products[i].Brand == lead.Brand {
				coupon.Products = append(coupon.Products, i)
			}
		}
		out = append(out, coupon)
	}
	return out
}

// Campaigns lists every campaign of coupons.
func (w *World) Campaigns() []Campaign { return w.calendar.campaigns }

// Targeted reports whether shopper i is sent a campaign's coupons.
func (c *Campaign) Targeted(i int) bool { return c.key.For(1).For(uint64(i)).Unit() < c.reach }

// Redeems reports whether shopper i would redeem some of them.
func (c *Campaign) Redeems(i int) bool {
	return c.Targeted(i) && c.key.For(2).For(uint64(i)).Unit() < c.redeem
}

// redeem puts what coupons ask for into the basket of somebody who redeems.
func (w *World) redeem(s *draw.Stream, r *Receipt, b *Batch, at place) {
	who := int(r.Shopper)
	for _, n := range w.calendar.weeks[at.day/7] {
		c := &w.calendar.campaigns[n]
		if at.day < c.From || at.day >= c.To || r.Online || !c.Redeems(who) {
			continue
		}
		trips := math.Max(float64(c.To-c.From)*w.tripsADay(who)*(1-float64(w.Crowd.Shoppers[who].Fuel)), 1)
		if s.Unit() >= c.mean/trips {
			continue
		}
		k := s.Int(len(c.Coupons))
		coupon := &c.Coupons[k]
		i, ok := w.onShelf(s, coupon, at)
		if !ok || holds(b.Lines[r.From:], i) {
			continue
		}
		line := w.line(s, i, at.week)
		line.Coupon = min(coupon.Cents, line.Sales)
		if coupon.Cents <= 50 {
			line.Match = min(coupon.Cents, line.Sales-line.Coupon)
		}
		b.Lines = append(b.Lines, line)
		b.Redemptions = append(b.Redemptions, Redemption{Receipt: int32(len(b.Receipts)), Campaign: n, Coupon: int32(k)})
	}
}

// onShelf is a product of a coupon that the store has; none where it has none.
func (w *World) onShelf(s *draw.Stream, c *Coupon, at place) (int32, bool) {
	from := s.Int(len(c.Products))
	for n := range c.Products {
		if i := c.Products[(from+n)%len(c.Products)]; w.has(at.store, i, at.day) {
			return i, true
		}
	}
	return 0, false
}

// tripsADay is how many trips a shopper makes on an average day, roughly: her
// rate under the middle of the model's weights.
func (w *World) tripsADay(who int) float64 {
	sh := &w.Crowd.Shoppers[who]
	weights := w.Model.Gaps[sh.Band]
	gap := min(int(1/math.Max(float64(sh.Rate), 1e-3)), model.GapMax)
	return float64(sh.Rate) * weights[gap]
}
