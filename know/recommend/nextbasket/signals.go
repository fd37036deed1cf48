package nextbasket

import (
	"math"
	"strconv"
)

// habits is what of her history says what kind of shopper she is.
type habits struct {
	baskets, size, distinct, repeats, gap, since, lastSize, off float32
}

func habitsOf(q *Query, distinct int) habits {
	h := q.History
	u := habits{baskets: float32(len(h)), distinct: float32(distinct), off: float32(math.NaN())}
	if len(h) == 0 {
		return u
	}
	var lines float32
	var priced, off float32
	for _, b := range h {
		lines += float32(len(b.Products))
		for _, o := range b.Off {
			priced, off = priced+1, off+float32(o)
		}
	}
	if priced > 0 {
		u.off = off / priced
	}
	last := len(h) - 1
	u.size, u.since, u.lastSize = lines/u.baskets, float32(q.Day-h[last].Day), float32(len(h[last].Products))
	if last > 0 {
		u.gap = float32(h[last].Day-h[0].Day) / float32(last)
		u.repeats = (lines - u.distinct) / max(lines-float32(len(h[0].Products)), 1)
	}
	return u
}

// Columns names the signals of a row, in order; kinds are the kinds of groups.
func Columns(kinds int) []string {
	names := []string{
		"count", "count per basket", "vector", "count of late baskets", "count of some baskets", "count of many baskets",
		"count of the week", "count of the month", "count of the season", "baskets since", "days since", "days between", "days since ÷ between",
		"irregularity", "share of baskets since the first", "baskets between the last two", "in the last basket", "in both last baskets",
		"share of all she buys", "late count ÷ basket size", "late ÷ many", "month ÷ season", "first basket",
		"rate of return at this gap", "rate of return",
		"popularity", "popularity lately", "trend", "buyers", "baskets per buyer",
		"neighbours and she", "neighbours buy", "neighbours bought next", "alike bought next", "follows", "lies ahead", "goes with",
		"neighbours buy more", "neighbours bought next more", "alike bought next more",
		"her baskets", "her basket size", "her products", "her repeats", "her days between", "her days since", "her last basket's size", "her days since ÷ between",
		"discount of hers", "last discount of hers", "usual discount", "discount lately", "discount lately less usual", "discount of hers less usual", "her discount",
		"display", "mailer", "share of stores with display", "share of stores with mailer", "more display than usual", "more mailer than usual", "more display than before", "more mailer than before",
	}
	for kind := range kinds {
		for _, name := range []string{"count", "count per basket", "baskets since", "days since", "days since ÷ between", "this product's share", "this product's lag", "others of hers promoted"} {
			names = append(names, "group "+strconv.Itoa(kind+1)+": "+name)
		}
	}
	return names
}

// row appends a product's signals. What does not exist is −1 where a signal cannot
// be negative, and else no number.
func (a *asker) row(p Product, o *own) {
	a.ownSignals(o)
	a.returnSignals(p, o)
	a.crowdSignals(p, o)
	u := &a.habits
	a.rows = append(a.rows, u.baskets, u.size, u.distinct, u.repeats, u.gap, u.since, u.lastSize, u.since/max(u.gap, 0.5))
	a.priceSignals(p, o)
	a.planSignals(p)
	for g := range a.groups {
		a.rows = a.groups[g].signals(a.rows, a.q, p, o)
	}
}

// ownSignals are from what she did with the product herself.
func (a *asker) ownSignals(o *own) {
	u, n := &a.habits, int32(len(a.q.History))
	since, days, between, due, spread, adopted, lastGap := float32(-1), float32(-1), float32(-1), float32(-1), float32(-1), float32(-1), float32(-1)
	if o.count > 0 {
		since, days = float32(n-o.last), float32(a.q.Day-a.q.History[o.last].Day)
		adopted = o.count / float32(n-o.first)
	}
	if o.count > 1 {
		between = o.gaps / (o.count - 1)
		due = days / max(between, 0.5)
		spread = sqrt(max(o.squares/(o.count-1)-between*between, 0)) / max(between, 0.5)
		lastGap = float32(o.last - o.before)
	}
	a.rows = append(a.rows,
		o.count, o.count/max(u.baskets, 1), o.vector, o.short, o.middle, o.long,
		o.week, o.month, o.season, since, days, between, due,
		spread, adopted, lastGap, bit(o.count > 0 && o.last == n-1), bit(o.count > 1 && o.before == n-2),
		o.count/max(u.baskets*u.size, 1), o.short/max(u.size, 1), o.middle/max(o.long, 0.01), o.month/max(o.season, 0.001), float32(o.first),
	)
}

// returnSignals are how soon others buy the product again: at the gap that lies
// behind her, and over all gaps as many times as products do on average.
func (a *asker) returnSignals(p Product, o *own) {
	c := a.c
	events, exposures := c.events[int(p)*gapsMax:][:gapsMax], c.exposures[int(p)*gapsMax:][:gapsMax]
	var e, x float32
	for g := range gapsMax {
		e += events[g] - o.events[g]
		x += (exposures[g] - o.exposures[g]) * c.curve[g]
	}
	lift, hazard := (e+2)/(x+2), float32(0)
	if o.count > 0 {
		g := gapOf(len(a.q.History) - int(o.last))
		hazard = (events[g] - o.events[g] + 20*lift*c.curve[g]) / (exposures[g] - o.exposures[g] + 20)
	}
	a.rows = append(a.rows, hazard, lift)
}

// crowdSignals are from what others buy.
func (a *asker) crowdSignals(p Product, o *own) {
	c := a.c
	count, buyers := c.count[p]-o.counted, c.buyers[p]
	lately, withNext, baskets := c.lately[p], c.withNext, c.baskets-float32(a.past)
	if o.counted > 0 {
		buyers--
	}
	if a.self >= 0 {
		if next := c.nexts.of(a.self); len(next) > 0 {
			withNext--
			for _, n := range next {
				if n == p {
					lately--
				}
			}
		}
	}
	share, late := count/max(baskets, 1), lately/max(withNext, 1)
	popular, popularLately := log1(1e4*share), log1(1e4*late)
	mean, then, like := float32(a.mean.weight[p]), float32(a.then.weight[p]), float32(a.like.weight[p])
	a.rows = append(a.rows,
		popular, popularLately, popularLately-popular, log1(buyers), count/max(buyers, 1),
		1e3*(c.own*o.vector+(1-c.own)*mean), 1e3*mean, 1e3*then, 1e3*like, 1e3*float32(a.follow.weight[p]), 1e3*float32(a.lead.weight[p]), 1e3*float32(a.with.weight[p]),
		logRatio(mean, share), logRatio(then, late), logRatio(like, late),
	)
}

// priceSignals are from the discounts at which she and others bought.
func (a *asker) priceSignals(p Product, o *own) {
	none := float32(math.NaN())
	c := a.c
	hers, last := none, none
	if o.priced > 0 {
		hers, last = o.off/o.priced, o.lastOff
	}
	usual := c.prices.mean(p, c.usual)
	lately := c.latest.mean(p, usual)
	a.rows = append(a.rows, hers, last, usual, lately, lately-usual, hers-usual, a.habits.off)
}

// planSignals are from the week's promotions.
func (a *asker) planSignals(p Product) {
	none := float32(math.NaN())
	plan := a.q.Plan
	if plan == nil {
		a.rows = append(a.rows, none, none, none, none, none, none, none, none)
		return
	}
	display, mailer := none, none
	if plan.Display != nil {
		display, mailer = float32(plan.Display[p]), float32(plan.Mailer[p])
	}
	displays, mailers := plan.DisplayShare[p], plan.MailerShare[p]
	a.rows = append(a.rows, display, mailer, displays, mailers, displays-plan.DisplayUsual[p], mailers-plan.MailerUsual[p], displays-plan.DisplayBefore[p], mailers-plan.MailerBefore[p])
}

func log1(x float32) float32 { return float32(math.Log1p(float64(max(x, 0)))) }

func logRatio(x, y float32) float32 { return float32(math.Log(float64((x + 1e-4) / (y + 1e-4)))) }

func bit(b bool) float32 {
	if b {
		return 1
	}
	return 0
}

// grouped is what she did with a group of products.
type grouped struct {
	count            float32 // baskets
	bought, promoted float32 // purchases of its products, and those of products promoted now
	first, last      int32   // baskets
}

// groupScratch is one kind of groups.
type groupScratch struct {
	of      []int32 // the group of each product, −1 for none
	groups  []grouped
	touched []int32
}

func newGroupScratch(of []int32) groupScratch {
	most := int32(-1)
	for _, g := range of {
		most = max(most, g)
	}
	return groupScratch{of: of, groups: make([]grouped, most+1)}
}

func (s *groupScratch) read(q *Query) {
	for t, b := range q.History {
		for _, p := range b.Products {
			g := s.of[p]
			if g < 0 {
				continue
			}
			e := &s.groups[g]
			switch {
			case e.count == 0:
				s.touched = append(s.touched, g)
				e.first, e.count = int32(t), 1
			case int(e.last) != t:
				e.count++
			}
			e.last = int32(t)
			e.bought++
			if q.Plan != nil {
				e.promoted += q.Plan.of(p)
			}
		}
	}
}

func (s *groupScratch) reset() {
	for _, g := range s.touched {
		s.groups[g] = grouped{}
	}
	s.touched = s.touched[:0]
}

// signals appends those of a product's group.
func (s *groupScratch) signals(rows []float32, q *Query, p Product, o *own) []float32 {
	none := float32(math.NaN())
	var e grouped
	if g := s.of[p]; g >= 0 {
		e = s.groups[g]
	}
	if e.count == 0 {
		return append(rows, 0, 0, -1, -1, -1, -1, -1, none)
	}
	n, last := len(q.History), q.History[e.last].Day
	days, due, lag := float32(q.Day-last), float32(-1), float32(-1)
	if e.count > 1 {
		between := float32(last-q.History[e.first].Day) / (e.count - 1)
		due = days / max(between, 0.5)
	}
	if o.count > 0 {
		lag = float32(e.last - o.last)
	}
	promoted := none
	if plan := q.Plan; plan != nil {
		others, more := e.bought, e.promoted
		if o.count > 0 {
			others, more = others-o.count, more-o.count*plan.of(p)
		}
		if others > 0 {
			promoted = more / others
		}
	}
	return append(rows, e.count, e.count/float32(n), float32(n-int(e.last)), days, due, o.count/e.count, lag, promoted)
}

// of is how much a product is promoted, from 0 to 1: in her store or, where that
// is not known, in which share of all.
func (p *Plan) of(product Product) float32 {
	if p.Display != nil {
		return bit(p.Display[product] > 0 || p.Mailer[product] > 0)
	}
	return max(p.DisplayShare[product], p.MailerShare[product])
}
