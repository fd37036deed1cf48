package offer_test

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"

	"endcap/retail/basket"
	"endcap/retail/catalog"
	terms "endcap/retail/offer"
	"endcap/sell/offer"
)

// An independent reading of docs/offers.md: it tries every choice of offers, keeps
// every piece on its own, and counts shares with fractions. It knows nothing of
// books, folds and searches. Eligibility is not its business.

// unit is one piece, or one weighed line.
type unit struct {
	line        offer.LineID
	product     catalog.Product
	weighed     bool
	price, left int64  // cents
	article     string // pieces of one article share it; the articles' order
}

// unitsOf lays a basket out: article by article in the order of their first lines,
// pieces of an article that stands on several lines alternating between them.
func unitsOf(k *offer.Basket) []unit {
	lines := slices.Clone(k.Lines)
	slices.SortFunc(lines, func(a, b offer.Line) int { return cmp.Compare(a.ID, b.ID) })
	first := map[string]string{}
	type seat struct {
		unit
		at *big.Rat
	}
	var seats []seat
	for i, l := range lines {
		if l.Kind != offer.Goods {
			continue
		}
		n := int64(1)
		key := fmt.Sprintf("%s/%d/%d", l.Product.ID, l.Price, l.VATPPM)
		if l.Weighed {
			key = "weighed " + string(l.ID)
		} else {
			n = int64(l.Quantity / basket.Piece)
		}
		if first[key] == "" {
			first[key] = fmt.Sprintf("%04d", i)
		}
		for t := range n {
			cents := int64(l.Price) / 10_000
			seats = append(seats, seat{unit{l.ID, l.Product, l.Weighed, cents, cents, first[key]}, big.NewRat(2*t+1, 2*n)})
		}
	}
	slices.SortStableFunc(seats, func(a, b seat) int {
		return cmp.Or(cmp.Compare(a.article, b.article), a.at.Cmp(b.at), cmp.Compare(a.line, b.line))
	})
	out := make([]unit, len(seats))
	for i := range seats {
		out[i] = seats[i].unit
	}
	return out
}

// hamilton splits by largest remainder, with fractions.
func hamilton(total int64, weights []int64) []int64 {
	sum := int64(0)
	for _, w := range weights {
		sum += w
	}
	out := make([]int64, len(weights))
	if total == 0 {
		return out
	}
	left := total
	rest := make([]*big.Rat, len(weights))
	for i, w := range weights {
		quota := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(total), big.NewInt(w)), big.NewInt(sum))
		out[i] = new(big.Int).Quo(quota.Num(), quota.Denom()).Int64()
		rest[i] = quota.Sub(quota, new(big.Rat).SetInt64(out[i]))
		left -= out[i]
	}
	for ; left > 0; left-- {
		best := 0
		for i := range rest {
			if rest[i].Cmp(rest[best]) > 0 {
				best = i
			}
		}
		out[best]++
		rest[best] = new(big.Rat).SetInt64(-1)
	}
	return out
}

// within splits so that nobody gets more than its room.
func within(total int64, weights, rooms []int64) []int64 {
	out := make([]int64, len(weights))
	for total > 0 {
		open, any := make([]int64, len(weights)), false
		for i := range open {
			if rooms[i] > out[i] {
				open[i] = weights[i]
				any = any || weights[i] > 0
			}
		}
		if !any {
			for i := range open {
				open[i] = rooms[i] - out[i]
			}
		}
		for i, s := range hamilton(total, open) {
			s = min(s, rooms[i]-out[i])
			out[i] += s
			total -= s
		}
	}
	return out
}

// halfUp is ppm of a.
func halfUp(a int64, ppm int) int64 {
	exact := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(a), big.NewInt(int64(ppm))), big.NewInt(1_000_000))
	exact.Add(exact, big.NewRat(1, 2))
	return new(big.Int).Quo(exact.Num(), exact.Denom()).Int64()
}

// covers reports whether an offer reduces a product.
func covers(o *terms.Offer, p *catalog.Product) bool {
	return o.Mechanic.Products.Matcher().Has(p) && !o.Mechanic.Except.Matcher().Has(p) && !o.Mechanic.Bought.Matcher().Has(p)
}

// give applies an offer to units of which the group's earlier offers left those that
// are open, and says what each gets: naive, in the words of the paper.
func give(o *terms.Offer, units []unit, open func(unit) bool, budget int64) []int64 {
	m := &o.Mechanic
	base := func(i int) int64 {
		if m.Base == terms.Initial {
			return units[i].price
		}
		return units[i].left
	}
	out := make([]int64, len(units))
	if s := o.Spend; s.Amount > 0 || s.Pieces > 0 {
		sum, pieces := int64(0), 0
		for _, u := range units {
			if s.Products.Empty() || s.Products.Matcher().Has(&u.product) {
				pieces++
				if s.Base == terms.After {
					sum += u.left
				} else {
					sum += u.price
				}
			}
		}
		if pieces < s.Pieces || sum < int64(s.Amount)/10_000 {
			return out
		}
	}
	whole := m.Kind == terms.PercentOff || m.Kind == terms.AmountOff && !m.Each
	var mine, bought []int
	for i, u := range units {
		if !open(u) || u.weighed && !whole {
			continue
		}
		if covers(o, &u.product) {
			mine = append(mine, i)
		} else if m.Bought.Matcher().Has(&u.product) && !m.Except.Matcher().Has(&u.product) {
			bought = append(bought, i)
		}
	}
	up := slices.Clone(mine) // cheapest first, ties to the earlier
	slices.SortStableFunc(up, func(i, j int) int { return cmp.Compare(base(i), base(j)) })
	down := slices.Clone(mine) // dearest first, ties to the earlier
	slices.SortStableFunc(down, func(i, j int) int { return cmp.Compare(base(j), base(i)) })
	picked := mine
	if m.PiecesMax > 0 {
		picked = down
		if m.Pick == terms.Cheapest {
			picked = up
		}
		picked = picked[:min(m.PiecesMax, len(picked))]
	}
	times := func(k int) int {
		if o.Limits.Times > 0 {
			return min(k, o.Limits.Times)
		}
		return k
	}
	amount := int64(m.Amount) / 10_000
	var who []int       // who gets something
	var weights []int64 // by what it is shared
	var total int64     // what is shared
	full := func(i int) int64 { return min(base(i), units[i].left) }
	reduce := func(of []int, off int) { // by a percentage of what they cost together
		for _, i := range of {
			who = append(who, i)
			if off == terms.PPMAll {
				weights = append(weights, full(i))
				total += full(i)
			} else {
				weights = append(weights, base(i))
			}
		}
		if off < terms.PPMAll {
			sum := int64(0)
			for _, w := range weights {
				sum += w
			}
			total = halfUp(sum, off)
		}
	}
	setsOf := func(n, reduced, off int) {
		k := times(len(mine) / n)
		if m.Pick == terms.Cheapest {
			reduce(up[:k*reduced], off)
			return
		}
		var of []int
		for s := range k {
			set := up[len(up)-(s+1)*n : len(up)-s*n]
			of = append(of, set[:reduced]...)
		}
		reduce(of, off)
	}
	switch m.Kind {
	case terms.PercentOff, terms.AmountOff, terms.FixedPrice, terms.FreeGoods:
		for _, i := range picked {
			who = append(who, i)
			w := base(i)
			switch {
			case m.Each:
				w = min(amount, full(i))
			case m.Kind == terms.FixedPrice:
				w = min(max(0, base(i)-amount), units[i].left)
			case m.Kind == terms.FreeGoods:
				w = full(i)
			}
			weights = append(weights, w)
			total += w
		}
		if m.Kind == terms.PercentOff {
			total = halfUp(total, m.OffPPM)
		} else if whole {
			total = amount
		}
	case terms.NForM:
		setsOf(m.Pieces, m.Pieces-m.Pay, terms.PPMAll)
	case terms.CheapestFree:
		setsOf(m.Pieces, 1, terms.PPMAll)
	case terms.NthOff:
		setsOf(m.Pieces, 1, m.OffPPM)
	case terms.BuyGet:
		if m.Bought.Empty() {
			setsOf(m.Pieces+m.Get, m.Get, m.OffPPM)
			break
		}
		k := min(times(len(bought)/m.Pieces), len(mine)/m.Get)
		if m.Pick == terms.Cheapest {
			reduce(up[:k*m.Get], m.OffPPM)
		} else {
			reduce(down[:k*m.Get], m.OffPPM)
		}
	case terms.MultiBuy:
		for s := range times(len(mine) / m.Pieces) {
			set, sum := down[s*m.Pieces:(s+1)*m.Pieces], -amount
			for _, i := range set {
				sum += base(i)
			}
			if sum <= 0 {
				break
			}
			total += sum
			for _, i := range set {
				who, weights = append(who, i), append(weights, base(i))
			}
		}
	}
	room := int64(0)
	for _, i := range who {
		room += units[i].left
	}
	total = min(total, room)
	if most := int64(o.Limits.Discount) / 10_000; most > 0 {
		total = min(total, most)
	}
	if budget >= 0 && total > budget {
		if !o.Limits.Trim {
			return out
		}
		total = budget
	}
	if total == 0 {
		return out
	}
	share(out, units, who, weights, total)
	return out
}

// share splits first by article, then by piece.
func share(out []int64, units []unit, who []int, weights []int64, total int64) {
	type member struct {
		i int
		w int64
	}
	by := map[string][]member{}
	var order []string
	for n, i := range who {
		a := units[i].article
		if by[a] == nil {
			order = append(order, a)
		}
		by[a] = append(by[a], member{i, weights[n]})
	}
	slices.Sort(order)
	var sums, rooms []int64
	for _, a := range order {
		w, r := int64(0), int64(0)
		for _, m := range by[a] {
			w += m.w
			r += units[m.i].left
		}
		sums, rooms = append(sums, w), append(rooms, r)
	}
	for n, part := range within(total, sums, rooms) {
		members := by[order[n]]
		slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.i, b.i) })
		var ws, rs []int64
		for _, m := range members {
			ws, rs = append(ws, m.w), append(rs, units[m.i].left)
		}
		for x, s := range within(part, ws, rs) {
			out[members[x].i] += s
		}
	}
}

// outcome is what a choice of offers is worth, with its lines.
type outcome struct {
	total int64
	ids   []terms.ID
	lines map[string]int64 // "offer line" → cents
}

// apart reports whether two offers may not share a basket.
func apart(a, b *terms.Offer) bool {
	shuts := func(x, y *terms.Offer) bool {
		return slices.Contains(x.Stacking.Excludes, terms.AllGroups) || slices.Contains(x.Stacking.Excludes, y.Stacking.Group)
	}
	return shuts(a, b) || shuts(b, a)
}

// tryAll evaluates one choice; ok is false where two of it may not stand beside each
// other or one takes nothing off.
func tryAll(choice []*terms.Offer, k *offer.Basket, budgets map[terms.ID]int64) (got outcome, ok bool) {
	units := unitsOf(k)
	owner := map[string]bool{} // group and product, by article
	got.lines = map[string]int64{}
	for n, o := range choice {
		for _, p := range choice[:n] {
			if apart(o, p) {
				return outcome{}, false
			}
		}
		budget, limited := budgets[o.ID]
		if !limited {
			budget = -1
		}
		group := o.Stacking.Group + "\x00"
		shares := give(o, units, func(u unit) bool { return !owner[group+u.article] }, budget)
		sum := int64(0)
		for i, s := range shares {
			sum += s
			if s > 0 {
				got.lines[string(o.ID)+" "+string(units[i].line)] += s
			}
			if !o.Credit {
				units[i].left -= s
			}
		}
		if sum == 0 {
			return outcome{}, false
		}
		for _, u := range units {
			if covers(o, &u.product) || o.Mechanic.Bought.Matcher().Has(&u.product) && !o.Mechanic.Except.Matcher().Has(&u.product) {
				owner[group+u.article] = true
			}
		}
		got.total += sum
		got.ids = append(got.ids, o.ID)
	}
	return got, true
}

// bruteForce tries every choice of offers. Of choices that are worth the same it
// takes the one that has the offer which comes first where they differ.
func bruteForce(offers []terms.Offer, k *offer.Basket, budgets map[terms.ID]int64) outcome {
	var all []*terms.Offer
	for i := range offers {
		all = append(all, &offers[i])
	}
	slices.SortFunc(all, func(a, b *terms.Offer) int {
		return cmp.Or(cmp.Compare(a.Stacking.Order, b.Stacking.Order), cmp.Compare(a.ID, b.ID))
	})
	best := outcome{lines: map[string]int64{}}
	n := len(all)
	for bits := 1<<n - 1; bits > 0; bits-- { // the first offer is the highest bit: earlier offers first
		var choice []*terms.Offer
		for i := range n {
			if bits>>(n-1-i)&1 == 1 {
				choice = append(choice, all[i])
			}
		}
		if got, ok := tryAll(choice, k, budgets); ok && got.total > best.total {
			best = got
		}
	}
	return best
}
