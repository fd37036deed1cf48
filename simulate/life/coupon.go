package life

import (
	"math"
	"slices"

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
	mean     float64 // redemptions of such a one, on average
	key      draw.Key
}

// Coupon takes an amount off any product of a brand in a category.
type Coupon struct {
	Category int
	Brand    uint16
	Cents    int32
	Products []int32
}

// CouponTerms are the planted effect of coupons: who uses them, and at whose cost
// she buys what they are for.
type CouponTerms struct {
	Keen      float64 `json:"keen"`      // of how often a shopper redeems: the deviation of its logarithm
	Prone     float64 `json:"prone"`     // of how much she is drawn to a brand's coupon: the deviation of its logarithm
	Switch    float64 `json:"switch"`    // chance that it takes the line of another brand of the category, where there is one
	Cannibal  float64 `json:"cannibal"`  // chance that it takes the brand's own line, where there is one
	Stockpile float64 `json:"stockpile"` // chance that what took no line was brought forward
	Pantry    int     `json:"pantry"`    // days for which that lasts: the next trip within them that would have bought the brand again does not
}

// Planted are the terms of all coupons.
func Planted() CouponTerms {
	return CouponTerms{Keen: 0.5, Prone: 0.8, Switch: 0.4, Cannibal: 0.2, Stockpile: 0.4, Pantry: pantry}
}

// pantry is for how many days a shopper has what she bought ahead. Her state knows
// of her trips of daysKnown days: those of a week, of a return's two weeks and of
// the pantry before.
const pantry = 10

// Moved is one thing that a coupon changed on a receipt. All of a shopper's
// together are by how much coupons changed what she spent, before any advert:
// the sum of With less Without, in cents.
type Moved struct {
	Receipt  int64 // its id
	Shopper  int32
	Campaign int32
	Coupon   int32
	How      How
	Product  int32 // what was bought with the coupon; -1 for nothing
	Instead  int32 // what would have been there without it; -1 for nothing
	With     int32 // sales of the first
	Without  int32 // sales of the second
}

// How is what was changed.
type How uint8

// What a coupon changes: a purchase, by its origin; a later line that is missing
// because it was bought ahead; something that does not come back because it was
// not bought. The last belongs to no campaign.
const (
	Missing How = How(Ahead) + 1 + iota
	Kept
)

// String is the word in the truth.
func (h How) String() string {
	switch h {
	case Missing:
		return "missing"
	case Kept:
		return "not returned"
	default:
		return Origin(h).String()
	}
}

// calendar is every campaign, and which run in a week or may still be felt.
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
				reach: math.Min(kind.Targeted*w.Scenario.CouponReach, 1), mean: mean, redeem: kind.Redeem / (1 - idle(mean)),
			})
			for week := from / 7; week < min((from+kind.Days+pantry-1)/7+1, w.Scenario.Weeks); week++ {
				c.weeks[week] = append(c.weeks[week], int32(len(c.campaigns)-1))
			}
		}
	}
	return c
}

// keenSteps is how finely the spread of keenness is worked out.
const keenSteps = 64

// idle is the share of shoppers without any redemption where they make mean
// redemptions by a Poisson distribution, times how keen each is.
func idle(mean float64) (share float64) {
	for i := range keenSteps {
		share += math.Exp(-mean*spread(Planted().Keen, (float64(i)+0.5)/keenSteps)) / keenSteps
	}
	return share
}

// spread is a lognormal number around 1 whose logarithm has a deviation, at a
// quantile.
func spread(deviation, u float64) float64 {
	return math.Exp(deviation*draw.Normal(u) - deviation*deviation/2)
}

// truncated is the mean of the distribution whose counts above 0 have a mean,
// found by halving.
func truncated(mean float64) float64 {
	lo, hi := 1e-6, 60.0
	for range 60 {
		m := (lo + hi) / 2
		if m/(1-idle(m)) < mean {
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

// Purposes of chance about coupons, of one shopper.
const (
	couponUse = iota
	couponKeen
	couponProne
)

func (w *World) couponKey(who, purpose int) draw.Key {
	return w.key.For(forCoupon).For(uint64(who)).For(uint64(purpose))
}

// Keen is how often shopper i redeems, where she does: 1 on average over shoppers.
func (w *World) Keen(i int) float64 {
	return spread(Planted().Keen, w.couponKey(i, couponKeen).Unit())
}

// Prone is how much shopper i is drawn to coupons for a brand in a category: 1 on
// average over shoppers.
func (w *World) Prone(i int, a About) float64 {
	return spread(Planted().Prone, w.couponKey(i, couponProne).For(uint64(a.Category)<<16|uint64(a.Brand)).Unit())
}

// uses reports whether a shopper takes out a coupon of campaign n on a day, and
// which one: the likelier the more she is drawn to its brand. It depends on no
// basket.
func (w *World) uses(n int32, who, day int) (s draw.Stream, coupon int, ok bool) {
	c := &w.calendar.campaigns[n]
	if day < c.From || day >= c.To {
		return s, 0, false
	}
	trips := math.Max(float64(c.To-c.From)*w.tripsADay(who)*(1-float64(w.Crowd.Shoppers[who].Fuel)), 1)
	s = w.couponKey(who, couponUse).For(uint64(day)).For(uint64(n)).Stream()
	if !s.Chance(c.mean * w.Keen(who) / trips) {
		return s, 0, false
	}
	var upTo [couponsPerCampaign]float64
	sum := 0.0
	for k := range c.Coupons {
		sum += w.Prone(who, c.Coupons[k].about())
		upTo[k] = sum
	}
	at, _ := slices.BinarySearch(upTo[:len(c.Coupons)], s.Unit()*sum)
	return s, min(at, len(c.Coupons)-1), true
}

func (c *Coupon) about() About { return About{c.Category, c.Brand} }

// apply changes the basket of a day's first trip, b's lines from a point on, which
// was filled without coupons: what is there from an earlier trip is left out, and
// what coupons ask for put in. planned is the last day of the week that is lived.
func (w *World) apply(r *Receipt, b *Batch, from int, at place, planned int) {
	if len(b.Lines) == from {
		return // who buys nothing redeems nothing
	}
	had := w.pantryOf(int(r.Shopper), b.Lines[from:], at.day, planned)
	w.redeem(r, b, from, at)
	for _, p := range had {
		i := w.Of(b.Lines[from:], w.calendar.campaigns[p.campaign].Coupons[p.coupon].about(), true)
		if i < 0 || len(b.Lines) == from+1 {
			continue
		}
		l := b.Lines[from+i]
		b.Lines = slices.Delete(b.Lines, from+i, from+i+1)
		b.Moved = append(b.Moved, Moved{
			Receipt: r.ID, Shopper: r.Shopper, Campaign: p.campaign, Coupon: p.coupon, How: Missing, Product: -1, Instead: l.Product, Without: l.Sales,
		})
	}
}

// redeem puts what coupons ask for into the basket of somebody who redeems.
func (w *World) redeem(r *Receipt, b *Batch, from int, at place) {
	who := int(r.Shopper)
	for _, n := range w.calendar.weeks[at.day/7] {
		c := &w.calendar.campaigns[n]
		if r.Online || at.day >= c.To || !c.Redeems(who) {
			continue
		}
		s, k, ok := w.uses(n, who, at.day)
		if !ok {
			continue
		}
		coupon := &c.Coupons[k]
		i, ok := w.onShelf(&s, coupon, at)
		if !ok {
			continue
		}
		m := Moved{Receipt: r.ID, Shopper: r.Shopper, Campaign: n, Coupon: int32(k), Product: i, Instead: -1}
		lines := b.Lines[from:]
		bought := slices.IndexFunc(lines, func(l Line) bool { return l.Product == i })
		if bought >= 0 && lines[bought].Coupon > 0 {
			continue // one coupon a line
		}
		if bought >= 0 {
			m.How, m.Instead, m.Without = How(Own), i, lines[bought].Sales
		} else {
			line := w.line(&s, i, at.week)
			var of Origin
			var instead Line
			t := Planted()
			lines, of, instead = w.Graft(&s, Sources{t.Switch, t.Cannibal, t.Stockpile}, coupon.about(), line, lines)
			b.Lines = append(b.Lines[:from], lines...)
			if m.How = How(of); of == Switched || of == Own {
				m.Instead, m.Without = instead.Product, instead.Sales
			}
			bought = slices.IndexFunc(b.Lines[from:], func(l Line) bool { return l.Product == i })
		}
		line := &b.Lines[from+bought]
		line.Coupon = min(coupon.Cents, line.Sales)
		if coupon.Cents <= 50 {
			line.Match = min(coupon.Cents, line.Sales-line.Coupon)
		}
		m.With = line.Sales
		b.Moved = append(b.Moved, m)
		b.Redemptions = append(b.Redemptions, Redemption{Receipt: int32(len(b.Receipts)), Campaign: n, Coupon: int32(k)})
	}
}

// stored is what a shopper bought ahead with a coupon.
type stored struct{ campaign, coupon int32 }

// pantryOf is what a shopper has bought ahead, and still has, of what a basket
// without coupons would hold. Nothing of it is kept: the few trips of the pantry's
// days on which she took out such a coupon are lived again.
func (w *World) pantryOf(who int, lines []Line, day, planned int) (had []stored) {
	if len(lines) < 2 {
		return nil // nobody comes for nothing
	}
	for _, n := range w.calendar.weeks[day/7] {
		c := &w.calendar.campaigns[n]
		if day <= c.From || day >= c.To+pantry || !c.Redeems(who) {
			continue
		}
		for then := day - 1; then >= max(day-pantry, c.From, 0); then-- {
			if !w.came(who, then, planned) {
				continue
			}
			_, k, ok := w.uses(n, who, then)
			if !ok || w.Of(lines, c.Coupons[k].about(), true) < 0 {
				continue
			}
			p := stored{n, int32(k)}
			if w.ahead(p, who, then) && !w.eaten(p, who, then+1, day, planned) {
				had = append(had, p)
			}
		}
	}
	return had
}

// came reports whether a shopper came on a day, of the last daysKnown up to the
// last that is planned.
func (w *World) came(who, day, planned int) bool {
	ago := planned - day
	return ago < daysKnown && w.Crowd.Shoppers[who].Days>>ago&1 == 1
}

// ahead reports whether a coupon brought a purchase forward on a day.
func (w *World) ahead(p stored, who, day int) bool {
	var b Batch
	r := Receipt{Shopper: int32(who)}
	_, at, shops := w.compose(&r, &b, day, 0)
	if !shops || len(b.Lines) == 0 {
		return false
	}
	w.redeem(&r, &b, 0, at)
	return slices.ContainsFunc(b.Moved, func(m Moved) bool {
		return m.Campaign == p.campaign && m.Coupon == p.coupon && m.How == How(Ahead)
	})
}

// eaten reports whether a trip between two days would have bought it again, and so
// did not.
func (w *World) eaten(p stored, who, from, to, planned int) bool {
	a := w.calendar.campaigns[p.campaign].Coupons[p.coupon].about()
	for day := from; day < to; day++ {
		if !w.came(who, day, planned) {
			continue
		}
		var b Batch
		r := Receipt{Shopper: int32(who)}
		if _, _, shops := w.compose(&r, &b, day, 0); shops && len(b.Lines) > 1 && w.Of(b.Lines, a, true) >= 0 {
			return true
		}
	}
	return false
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
