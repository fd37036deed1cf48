package related

import (
	"cmp"
	"context"
	"math"
	"slices"

	"endcap/keep/warehouse"
	"endcap/retail/catalog"
)

// complements finds what is bought together beyond chance. By chance two products
// meet as often as their meetings with anything let expect, whatever the size of
// the receipts they are on: e = ½ dₐ·d_b·(1 ÷ (D − dₐ) + 1 ÷ (D − d_b)), d being how
// many other products stood beside one over all receipts, and D the sum of d (the
// configuration model, of which no product meets itself; Newman, PNAS 2006). The lift is (n + k) ÷ (e + k), the posterior mean of a Poisson rate
// over its expectation under a gamma prior (DuMouchel, The American Statistician
// 1999, with one gamma). The score of b beside a is the excess over chance as a
// shrunk asymmetric cosine (Aiolli, RecSys 2013), (n − e) ÷ (nₐ^α·n_b^(1−α) + h).
// Products of one need are no complements.
func (c *counting) complements() {
	lists := make(best, len(c.rows))
	c.together.each(func(a, b int32, count uint32) {
		if count < togetherMin || c.degree[a] == c.degrees || c.degree[b] == c.degrees || c.needs[a] >= 0 && c.needs[a] == c.needs[b] {
			return
		}
		n := float64(count)
		da, db, all := float64(c.degree[a]), float64(c.degree[b]), float64(c.degrees)
		e := da * db * (1/(all-da) + 1/(all-db)) / 2
		lift := (n + shrinkLift) / (e + shrinkLift)
		if lift < liftMin {
			return
		}
		na, nb := float64(c.receipts[a]), float64(c.receipts[b])
		beside := func(na, nb float64) float32 {
			return float32((n - e) / (math.Pow(na, asymmetry)*math.Pow(nb, 1-asymmetry) + shrinkCosine))
		}
		lists.add(a, Neighbour{b, beside(na, nb), float32(lift)})
		lists.add(b, Neighbour{a, beside(nb, na), float32(lift)})
	})
	c.m.complements = lists.settle()
}

// substitutes finds what serves the same need: how alike two products are by name,
// size, price, tier and brand, times how often shoppers changed between them beyond
// chance, squared, times how much the other is sold, as a share of what is sold most
// of the need, to the power of 0.6: shoppers take what many take. Two names
// that share no word are of two needs.
func (c *counting) substitutes() {
	v := &vocabulary{numbers: make(map[string]int32)}
	items := make([]item, len(c.rows))
	for no, p := range c.rows {
		items[no] = v.item(p, c.prices[no])
	}
	v.settle()
	needs := make([][]int32, c.needed)
	for no, need := range c.needs {
		if need >= 0 {
			needs[need] = append(needs[need], int32(no)) // rising: those sold most first
		}
	}
	lists := make(best, len(c.rows))
	var rivals []int32
	for _, need := range needs {
		var byWord map[int32][]int32
		if len(need) > compareMax {
			byWord = make(map[int32][]int32)
			for _, no := range need {
				for _, w := range items[no].words {
					byWord[w] = append(byWord[w], no)
				}
			}
		}
		for _, a := range need {
			rivals = v.rivals(&items[a], need, byWord, rivals[:0])
			most := c.sold(need[0])
			for _, b := range rivals {
				if a == b {
					continue
				}
				if alike := v.alike(&items[a], &items[b]); alike >= alikeMin {
					changed := c.changed(a, b) / switchWeighMax
					lists.add(a, Neighbour{b, float32(alike * changed * changed * math.Pow(c.sold(b)/most, soldPower)), float32(alike)})
				}
			}
		}
	}
	c.m.substitutes = lists.settle()
}

// sold is on how many receipts a product is, and a few for those on none.
func (c *counting) sold(no int32) float64 {
	if no >= countedMax {
		return shrinkSwitch
	}
	return float64(c.receipts[no]) + shrinkSwitch
}

// changed weighs two products of one need by the shoppers who change between them:
// 1 for as many as by chance, and where nothing is known.
func (c *counting) changed(a, b int32) float64 {
	if a >= countedMax || b >= countedMax {
		return 1
	}
	all := float64(c.inNeed[c.needs[a]])
	if all == 0 {
		return 1
	}
	da, db := float64(c.switches[a]), float64(c.switches[b])
	if da >= all || db >= all {
		return 1
	}
	e := da * db * (1/(all-da) + 1/(all-db)) / 2
	lift := (float64(c.switched.of(a, b)) + shrinkSwitch) / (e + shrinkSwitch)
	lift = min(max(lift, 1/switchLift), switchLift)
	return 2 * lift / (1 + lift)
}

// dues fits when products are bought again: all, then categories, then products.
func (c *counting) dues() {
	m := c.m
	m.categories = make(map[catalog.Category]int32)
	var of []rhythm
	var all rhythm
	for no, p := range c.rows {
		all.take(&c.rhythms[no])
		if p.Category == "" {
			continue
		}
		at, ok := m.categories[p.Category]
		if !ok {
			at = int32(len(of))
			m.categories[p.Category], of = at, append(of, rhythm{})
		}
		of[at].take(&c.rhythms[no])
	}
	every := all.fit(nothingKnown)
	for i := range of {
		m.general = append(m.general, of[i].fit(every))
	}
	m.general = append(m.general, every)
	m.firm = firmness(of)
	m.times = make([]times, len(c.rows))
	for no, p := range c.rows {
		above := every
		if at, ok := m.categories[p.Category]; ok {
			above = m.general[at]
		}
		m.times[no] = c.rhythms[no].fit(above)
	}
}

// tune holds what Due says of the last week of the window against what happened.
func (c *counting) tune(ctx context.Context) error {
	var said, was [tunings]float64
	c.m.tuned = plain()
	asOf := c.Through - dueDays
	err := c.each(ctx, func(l *life) {
		for i := range l.bought {
			b := &l.bought[i]
			days := l.days[b.from:b.to]
			known, _ := slices.BinarySearch(days, asOf+1)
			if known == 0 {
				continue
			}
			d := c.m.times[b.no].due(c.m, days[:known], asOf+1)
			p := d.Within(dueDays)
			at := tuningOf(d.hazard(dueDays))
			said[at] += p
			if known < len(days) {
				was[at]++
			}
		}
	})
	var all [2]float64
	for i := range said {
		all[0], all[1] = all[0]+said[i], all[1]+was[i]
	}
	mean := (all[1] + shrinkTuning) / (all[0] + shrinkTuning)
	for i := range said {
		c.m.tuned[i] = float32(min(max((was[i]+shrinkTuning*mean)/(said[i]+shrinkTuning), tuningMin), tuningMax))
	}
	return err
}

// trends compares the last seven days with the four weeks before, per store and
// everywhere. What is expected of a product is its receipts a week before, times
// how many more receipts the store had in all.
func (c *counting) trends(ctx context.Context) error {
	first, now := c.Through-weekDays*(weeksBefore+1), c.Through-weekDays
	trips, err := c.ask(ctx, "trips", askTrips, warehouse.Accounting, first, now, c.Through)
	if err != nil {
		return err
	}
	more := make(map[string]float64, trips.Len)
	var sum [2]float64
	for i := range trips.Len {
		n, b := float64(trips.Columns[1].Ints[i]), float64(trips.Columns[2].Ints[i])
		more[trips.Columns[0].Texts[i]] = n / max(b, 1)
		sum[0], sum[1] = sum[0]+n, sum[1]+b
	}
	all, err := c.ask(ctx, "rises", askRises, warehouse.Accounting, first, now, c.Through, int64(trendMin))
	if err != nil {
		return err
	}
	c.m.everywhere = c.marked(all.Columns, 0, all.Len, sum[0]/max(sum[1], 1))
	r, err := c.ask(ctx, "store_rises", askStoreRises, warehouse.Accounting, first, now, c.Through, int64(trendMin), int64(trendLooked))
	if err != nil {
		return err
	}
	c.m.stores = make(map[catalog.StoreID][]Rise)
	stores := r.Columns[0].Texts
	for i := 0; i < r.Len; {
		from := i
		for ; i < r.Len && stores[i] == stores[from]; i++ {
		}
		if list := c.marked(r.Columns[1:], from, i, more[stores[from]]); len(list) > 0 {
			c.m.stores[catalog.StoreID(stores[from])] = list
		}
	}
	return nil
}

// marked lists the most marked rises of some rows: product, receipts this week,
// receipts in the weeks before. more is how many receipts there were in all this
// week, for each in the weeks before.
func (c *counting) marked(rows []warehouse.Column, from, to int, more float64) []Rise {
	var all []Rise
	for i := from; i < to; i++ {
		no, ok := c.number[catalog.ProductID(rows[0].Texts[i])]
		if !ok {
			continue
		}
		if rise, ok := riseOf(no, rows[1].Ints[i], float64(rows[2].Ints[i])*more); ok {
			all = append(all, rise)
		}
	}
	slices.SortFunc(all, func(a, b Rise) int { return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.No, b.No)) })
	return slices.Clone(all[:min(len(all), trendKept)])
}

// riseOf judges one product: n receipts this week beside those expected. The rise
// is (n + k) ÷ (e + k), a shrunk Poisson rate; the score its Pearson residual,
// (n − e) ÷ √(e + k).
func riseOf(no int32, n int64, e float64) (Rise, bool) {
	if n < trendMin || (float64(n)+shrinkTrend)/(e+shrinkTrend) < trendRise {
		return Rise{}, false
	}
	score := (float64(n) - e) / math.Sqrt(e+shrinkTrend)
	return Rise{no, int32(min(n, math.MaxInt32)), float32(e), float32(score)}, score >= trendSigmas
}
