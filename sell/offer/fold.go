package offer

import (
	"cmp"
	"slices"

	"endcap/retail"
	terms "endcap/retail/offer"
)

// live is an offer that could apply to a basket, with what of the basket it is
// about. Amounts are in coins.
type live struct {
	*entry
	coupon *Coupon // that lets it apply, if any
	pool   int32   // its group's number among the groups in question
	// reduced and bought are articles; counts are those that count towards its
	// threshold, of which initial is the sum at the shelf.
	reduced, bought, counts []int32
	initial                 int64
	budget                  int64   // what is left of it, or none
	trim                    bool    // to the budget, instead of refusing
	most                    int64   // it never takes off more, whatever stands beside it
	caps                    []int64 // nor more off each of reduced
}

// none says that an offer has no budget.
const none = -1

// part is what an offer takes off one piece.
type part struct {
	piece  int32
	weight int64 // by which the whole is split
	amount int64
}

// fold applies offers one after another to the goods of a basket and can take them
// back in the opposite order. It keeps its memory and is not safe for concurrent
// use.
type fold struct {
	g      *goods
	left   []int64 // what is left to pay, by piece
	taken  []bool  // by pool and article: an offer of the group has it
	parts  []part  // of the offer applied last
	broke  bool    // the offer applied last was refused for its budget
	steps  int     // offers applied so far: what a search costs
	undone []undo
	sorted []int32

	weights, rooms, shares, inner []int64 // memory of split
}

// undo is one change: of a piece's left, or, with a negative piece, of taken.
type undo struct {
	piece int32
	was   int64
}

func newFold(g *goods, pools int) *fold {
	return &fold{g: g, left: slices.Clone(g.price), taken: make([]bool, pools*len(g.articles))}
}

// mark is where the fold stands; back returns to it.
func (f *fold) mark() int { return len(f.undone) }

func (f *fold) back(to int) {
	for i := len(f.undone) - 1; i >= to; i-- {
		if u := f.undone[i]; u.piece >= 0 {
			f.left[u.piece] = u.was
		} else {
			f.taken[-u.piece-1] = false
		}
	}
	f.undone = f.undone[:to]
}

// at is where taken holds an article for o's group.
func (f *fold) at(o *live, a int32) int { return int(o.pool)*len(f.g.articles) + int(a) }

func (f *fold) free(o *live, a int32) bool { return !f.taken[f.at(o, a)] }

func (f *fold) take(o *live, articles []int32) {
	for _, a := range articles {
		at := f.at(o, a)
		if !f.taken[at] {
			f.taken[at] = true
			f.undone = append(f.undone, undo{piece: int32(-at - 1)})
		}
	}
}

// apply applies o and returns what it takes off or credits in all; parts says on
// which pieces. Where that is nothing, nothing changes.
func (f *fold) apply(o *live) int64 {
	total, exact := f.gives(o)
	if total == 0 {
		f.parts = f.parts[:0]
		return 0
	}
	f.split(total, exact, o.Mechanic.Base == terms.Initial)
	f.take(o, o.reduced)
	f.take(o, o.bought)
	if o.Credit {
		return total
	}
	for _, p := range f.parts {
		if p.amount > 0 {
			f.undone = append(f.undone, undo{p.piece, f.left[p.piece]})
			f.left[p.piece] -= p.amount
		}
	}
	return total
}

// gives is what o takes off or credits now; nothing changes but parts, whose shares
// are not worked out.
func (f *fold) gives(o *live) (total int64, exact bool) {
	f.broke = false
	total, exact = f.work(o)
	f.steps += 1 + len(f.parts)/4
	return f.bound(o, total), exact
}

// bound cuts an offer's whole amount to its limits, or refuses it.
func (f *fold) bound(o *live, total int64) int64 {
	if most := int64(o.Limits.Discount) / f.g.coin; most > 0 {
		total = min(total, most)
	}
	if o.budget == none || total <= o.budget {
		return total
	}
	if o.trim && o.budget > 0 {
		return o.budget
	}
	f.broke = true
	return 0
}

// reached reports whether o's threshold is.
func (f *fold) reached(o *live) bool {
	s := &o.Spend
	if s.Pieces > 0 {
		n := 0
		for _, a := range o.counts {
			n += int(f.g.articles[a].to - f.g.articles[a].from)
		}
		if n < s.Pieces {
			return false
		}
	}
	if s.Amount == 0 {
		return true
	}
	sum := o.initial
	if s.Base == terms.After {
		sum = 0
		for _, a := range o.counts {
			for p := f.g.articles[a].from; p < f.g.articles[a].to; p++ {
				sum += f.left[p]
			}
		}
	}
	return sum >= int64(s.Amount)/f.g.coin
}

// basis is the price on which o counts a piece.
func (f *fold) basis(o *live, p int32) int64 {
	if o.Mechanic.Base == terms.Initial {
		return f.g.price[p]
	}
	return f.left[p]
}

// work finds what o takes off in all and fills parts with the pieces and their
// weights. exact says that each piece's weight is its amount.
func (f *fold) work(o *live) (total int64, exact bool) {
	f.parts = f.parts[:0]
	if !f.reached(o) {
		return 0, true
	}
	m := &o.Mechanic
	amount := int64(m.Amount) / f.g.coin
	switch m.Kind {
	case terms.AmountOff, terms.PercentOff, terms.FixedPrice, terms.FreeGoods:
		whole := m.Kind == terms.AmountOff && !m.Each || m.Kind == terms.PercentOff
		f.gather(o, o.reduced, whole, m.Pick)
		if m.PiecesMax > 0 && len(f.sorted) > m.PiecesMax {
			f.sorted = f.sorted[:m.PiecesMax]
		}
		for _, p := range f.sorted {
			w := f.basis(o, p)
			switch {
			case m.Kind == terms.FixedPrice:
				w = min(max(0, w-amount), f.left[p])
			case m.Each:
				w = min(w, amount, f.left[p])
			case !whole:
				w = min(w, f.left[p])
			}
			f.parts = append(f.parts, part{piece: p, weight: w})
		}
		switch {
		case m.Kind == terms.PercentOff:
			return min(percent(f.weight(), m.OffPPM), f.room()), false
		case whole:
			return min(amount, f.room()), false
		}
		return f.weight(), true
	case terms.MultiBuy:
		return f.bundles(o, amount), false
	case terms.BuyGet:
		f.got(o)
	default:
		f.sets(o)
	}
	if off := m.OffPPM; off > 0 && off < terms.PPMAll {
		return min(percent(f.weight(), off), f.room()), false
	}
	for i := range f.parts {
		f.parts[i].weight = min(f.parts[i].weight, f.left[f.parts[i].piece])
	}
	return f.weight(), true
}

func (f *fold) weight() (sum int64) {
	for _, p := range f.parts {
		sum += p.weight
	}
	return sum
}

func (f *fold) room() (sum int64) {
	for _, p := range f.parts {
		sum += f.left[p.piece]
	}
	return sum
}

// percent is ppm parts per million of a, half a coin rounded up: to the shopper.
func percent(a int64, ppm int) int64 { return (2*a*int64(ppm) + terms.PPMAll) / (2 * terms.PPMAll) }

// gather fills sorted with the pieces of the articles that the offer's group leaves
// it, in the order in which pick takes them; in the order of the lines where it says
// nothing. Ties go to the lower piece.
func (f *fold) gather(o *live, articles []int32, weighed bool, pick terms.Pick) {
	f.sorted = f.sorted[:0]
	for _, a := range articles {
		if art := &f.g.articles[a]; f.free(o, a) && (weighed || !art.weighed) {
			for p := art.from; p < art.to; p++ {
				f.sorted = append(f.sorted, p)
			}
		}
	}
	if pick == "" {
		return
	}
	slices.SortFunc(f.sorted, func(p, q int32) int {
		c := cmp.Compare(f.basis(o, p), f.basis(o, q))
		if pick == terms.Dearest {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(p, q))
	})
}

// times is how many sets of n pieces there are among so many.
func (o *live) times(pieces, n int) int {
	k := pieces / n
	if o.Limits.Times > 0 {
		k = min(k, o.Limits.Times)
	}
	return k
}

// sets reduces the cheapest pieces of each set of pieces: of sets made of the
// dearest first, or of all pieces together. Of pieces that tie the lower is reduced.
func (f *fold) sets(o *live) {
	m := &o.Mechanic
	reduced := 1
	if m.Kind == terms.NForM {
		reduced = m.Pieces - m.Pay
	}
	f.gather(o, o.reduced, false, terms.Cheapest)
	n := len(f.sorted)
	k := o.times(n, m.Pieces)
	if m.Pick == terms.Cheapest {
		for _, p := range f.sorted[:k*reduced] {
			f.parts = append(f.parts, part{piece: p, weight: f.basis(o, p)})
		}
		return
	}
	for s := 1; s <= k; s++ {
		set := f.sorted[n-s*m.Pieces:]
		for _, p := range set[:reduced] {
			f.parts = append(f.parts, part{piece: p, weight: f.basis(o, p)})
		}
	}
}

// got reduces what is got for what was bought. Where both are the same products a
// set has pieces of both and its cheapest are got.
func (f *fold) got(o *live) {
	m := &o.Mechanic
	if m.Bought.Empty() {
		f.gather(o, o.reduced, false, terms.Cheapest)
		n := len(f.sorted)
		for s := 1; s <= o.times(n, m.Pieces+m.Get); s++ {
			set := f.sorted[n-s*(m.Pieces+m.Get):]
			if m.Pick == terms.Cheapest {
				set = f.sorted[(s-1)*m.Get:]
			}
			for _, p := range set[:m.Get] {
				f.parts = append(f.parts, part{piece: p, weight: f.basis(o, p)})
			}
		}
		return
	}
	f.gather(o, o.bought, false, "")
	k := o.times(len(f.sorted), m.Pieces)
	f.gather(o, o.reduced, false, m.Pick)
	k = min(k, len(f.sorted)/m.Get)
	for _, p := range f.sorted[:k*m.Get] {
		f.parts = append(f.parts, part{piece: p, weight: f.basis(o, p)})
	}
}

// bundles takes the dearest pieces together for one amount, set by set, as long as
// a set costs more.
func (f *fold) bundles(o *live, amount int64) (total int64) {
	n := o.Mechanic.Pieces
	f.gather(o, o.reduced, false, terms.Dearest)
	for s := range o.times(len(f.sorted), n) {
		set := f.sorted[s*n : (s+1)*n]
		sum := -amount
		for _, p := range set {
			sum += f.basis(o, p)
		}
		if sum <= 0 {
			break
		}
		total += sum
		for _, p := range set {
			f.parts = append(f.parts, part{piece: p, weight: f.basis(o, p)})
		}
	}
	return min(total, f.room())
}

// split gives each piece its share of total by largest remainder: first by article,
// so that a line that is split in two changes nothing, then by piece. No piece gets
// more than is left to pay of it.
func (f *fold) split(total int64, exact, initial bool) {
	byPiece := func(p, q part) int { return cmp.Compare(p.piece, q.piece) }
	if !slices.IsSortedFunc(f.parts, byPiece) {
		slices.SortFunc(f.parts, byPiece)
	}
	if exact && total == f.weight() {
		for i := range f.parts {
			f.parts[i].amount = f.parts[i].weight
		}
		return
	}
	f.weights, f.rooms = f.weights[:0], f.rooms[:0]
	last := int32(-1)
	for _, p := range f.parts {
		if a := f.g.article[p.piece]; a != last {
			f.weights, f.rooms, last = append(f.weights, 0), append(f.rooms, 0), a
		}
		f.weights[len(f.weights)-1] += p.weight
		f.rooms[len(f.rooms)-1] += f.left[p.piece]
	}
	shares := f.apportion(total, initial)
	f.shares = append(f.shares[:0], shares...)
	for i, s := 0, 0; i < len(f.parts); s++ {
		a := f.g.article[f.parts[i].piece]
		j := i + 1
		equal := true
		for ; j < len(f.parts) && f.g.article[f.parts[j].piece] == a; j++ {
			equal = equal && f.parts[j].weight == f.parts[i].weight
		}
		f.splitArticle(f.parts[i:j], f.shares[s], equal && (!initial || j-i == 1), initial)
		i = j
	}
}

// splitArticle splits the share of one article over its pieces.
func (f *fold) splitArticle(parts []part, share int64, equal, initial bool) {
	if n := int64(len(parts)); equal { // what largest remainders come to
		for i := range parts {
			parts[i].amount = share / n
			if int64(i) < share%n {
				parts[i].amount++
			}
		}
		return
	}
	f.weights, f.rooms = f.weights[:0], f.rooms[:0]
	for _, p := range parts {
		f.weights, f.rooms = append(f.weights, p.weight), append(f.rooms, f.left[p.piece])
	}
	for i, amount := range f.apportion(share, initial) {
		parts[i].amount = amount
	}
}

// apportion splits over weights; within rooms where weights are shelf prices, which
// may be more than what is left.
func (f *fold) apportion(total int64, initial bool) []int64 {
	if initial {
		f.inner = retail.ApportionWithin(f.inner, total, f.weights, f.rooms)
	} else {
		f.inner = retail.Apportion(f.inner, total, f.weights)
	}
	return f.inner
}
