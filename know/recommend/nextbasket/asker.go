package nextbasket

import (
	"math"
)

// How many products come into question.
const (
	ownMost     = 150 // of those she bought
	broughtMost = 40  // of each other source
	commonAsked = 40
	alikeMost   = 150 // shoppers who point the same way
	recentMost  = 60  // products of hers from which others are concluded
)

// own is what she did with a product.
type own struct {
	product             Product
	line                int32   // the newest of asker.lines with it
	count               float32 // baskets
	counted             float32 // of them, those in the crowd's tally
	first, last, before int32   // baskets, from 0; before is the last but one, −1 where there is none
	vector              float32
	short, middle, long float32 // decayed counts, by baskets
	week, month, season float32 // by days
	gaps, squares       float32 // days between purchases, and their squares
	priced, off         float32 // baskets whose discount is known, and the sum of their discounts
	lastOff             float32 // the newest one
	events, exposures   [gapsMax]float32
}

// line is a product in one of her baskets, and the line before it with the same.
type line struct{ basket, before int32 }

// asker works out signals, for one query at a time.
type asker struct {
	c      *Crowd
	q      *Query
	self   int32 // her number in the crowd, −1 where she does not stand in it
	past   int   // how many of her baskets the crowd counts
	hers   []own
	place  []int32 // of a product in hers, from 1; −1 once it is listed without standing there
	lines  []line
	list   []Product // in question
	of     []int32   // of each of them, its place in hers from 0, or −1
	rows   []float32
	vector []weighed
	ranked []weighed

	find                                 *finder
	own                                  *scratch
	mean, then, like, follow, lead, with *scratch // what others bring
	mine                                 []float32
	groups                               []groupScratch
	habits                               habits
}

func newAsker(c *Crowd) *asker {
	n := c.products
	a := &asker{
		c: c, place: make([]int32, n), find: newFinder(c.pasts), own: newScratch(n), mean: newScratch(n), then: newScratch(n), like: newScratch(n),
		follow: newScratch(n), lead: newScratch(n), with: newScratch(n),
	}
	for _, g := range c.groups {
		a.groups = append(a.groups, newGroupScratch(g))
	}
	return a
}

// ask works out the products in question for a query and a row of signals of each.
// Both hold until the next call.
func (a *asker) ask(q *Query) ([]Product, []float32) {
	a.begin(q)
	a.readHistory()
	a.askNeighbours()
	a.askPairs()
	for g := range a.groups {
		a.groups[g].read(q)
	}
	a.habits = habitsOf(q, len(a.hers))
	a.choose()
	a.rows = a.rows[:0]
	for i, p := range a.list {
		o := &own{first: -1, last: -1, before: -1}
		if a.of[i] >= 0 {
			o = &a.hers[a.of[i]]
		}
		a.row(p, o)
	}
	for i := range a.hers {
		a.place[a.hers[i].product] = 0
	}
	for _, p := range a.list {
		a.place[p] = 0
	}
	for _, s := range []*scratch{a.mean, a.then, a.like, a.follow, a.lead, a.with} {
		s.reset()
	}
	for g := range a.groups {
		a.groups[g].reset()
	}
	return a.list, a.rows
}

// begin finds out whether she stands in the crowd.
func (a *asker) begin(q *Query) {
	a.q, a.self, a.past = q, -1, 0
	a.list, a.of, a.hers, a.lines = a.list[:0], a.of[:0], a.hers[:0], a.lines[:0]
	if who, ok := a.c.members[q.Key]; ok && q.Key != 0 {
		a.self = who
		for a.past < len(q.History) && q.History[a.past].Day <= a.c.through[who] {
			a.past++
		}
	}
}

// readHistory takes apart what she bought.
func (a *asker) readHistory() {
	n := len(a.q.History)
	for t, b := range a.q.History {
		back, days := float64(n-1-t), max(float64(a.q.Day)-float64(b.Day), 0)
		short, middle, long := exp(back/2), exp(back/6), exp(back/20)
		week, month, season := exp(days/10), exp(days/35), exp(days/120)
		for k, p := range b.Products {
			at := a.place[p]
			if at == 0 {
				a.hers = append(a.hers, own{product: p, line: -1, first: int32(t), last: -1, before: -1})
				at = int32(len(a.hers))
				a.place[p] = at
			}
			o := &a.hers[at-1]
			if o.last >= 0 {
				gap := float32(b.Day - a.q.History[o.last].Day)
				o.gaps, o.squares = o.gaps+gap, o.squares+gap*gap
			}
			if t < a.past {
				o.counted++
				o.tally(o.last, int32(t), true)
			}
			if off, ok := b.off(k); ok {
				o.priced, o.off, o.lastOff = o.priced+1, o.off+off, off
			}
			o.before, o.last = o.last, int32(t)
			a.lines = append(a.lines, line{int32(t), o.line})
			o.line = int32(len(a.lines) - 1)
			o.count++
			o.short, o.middle, o.long = o.short+short, o.middle+middle, o.long+long
			o.week, o.month, o.season = o.week+week, o.month+month, o.season+season
		}
	}
	for i := range a.hers {
		if o := &a.hers[i]; o.counted > 0 {
			o.tally(o.lastWithin(a), int32(a.past), false)
		}
	}
}

// lastWithin is the last basket with the product that the crowd counts.
func (o *own) lastWithin(a *asker) int32 {
	at := o.line
	for a.lines[at].basket >= int32(a.past) {
		at = a.lines[at].before
	}
	return a.lines[at].basket
}

// tally adds what she herself gave to the crowd's tally between two purchases, or
// after the last.
func (o *own) tally(from, to int32, again bool) {
	if from < 0 {
		return
	}
	for n := int32(1); n < to-from; n++ {
		o.exposures[gapOf(int(n))]++
	}
	if again {
		o.exposures[gapOf(int(to-from))]++
		o.events[gapOf(int(to-from))]++
	}
}

func exp(x float64) float32 { return float32(math.Exp(-x)) }

// askNeighbours gathers what shoppers near to her buy, and bought next.
func (a *asker) askNeighbours() {
	c := a.c
	a.vector = c.decay.vector(a.q.History, a.own, a.vector[:0])
	for _, v := range a.vector {
		a.hers[a.place[v.product]-1].vector = v.weight
	}
	a.find.find(a.vector, a.self, c.near, alikeMost)
	one := 1 / float64(max(len(a.find.near), 1))
	for _, n := range a.find.near {
		for _, v := range c.pasts.of(n.who) {
			a.mean.add(v.product, float64(v.weight)*one)
		}
		for _, p := range c.nexts.of(n.who) {
			a.then.add(p, one)
		}
	}
	var all float64
	for _, n := range a.find.alike {
		all += n.like
	}
	for _, n := range a.find.alike {
		for _, p := range c.nexts.of(n.who) {
			a.like.add(p, n.like/max(all, 1e-6))
		}
	}
}

// askPairs gathers what comes after and beside what she bought last.
func (a *asker) askPairs() {
	c := a.c
	a.mine = append(a.mine[:0], make([]float32, len(a.hers))...)
	asked := 0
	for t := len(a.q.History) - 1; t >= 0 && asked < recentMost; t-- {
		w := exp(float64(len(a.q.History)-1-t) / 3)
		for _, i := range a.q.History[t].Products {
			o := &a.hers[a.place[i]-1]
			if int(o.last) != t || asked == recentMost {
				continue
			}
			asked++
			a.askAfter(o, w)
			a.askAhead(o, w)
			for k := c.beside.first[i]; k < c.beside.first[i+1]; k++ {
				j := c.beside.to[k]
				a.with.add(j, float64(w*c.beside.count[k]/sqrt((c.count[i]+20)*(c.count[j]+20))))
			}
		}
	}
}

// pairsShrink is added to the number of meetings, so that a few prove little.
const pairsShrink = 10

// askAfter adds what is bought in the basket after one with the product, less what
// she taught the crowd of it herself.
func (a *asker) askAfter(o *own, w float32) {
	after := a.c.after
	own := float32(0)
	for at := o.line; at >= 0; at = a.lines[at].before {
		next := int(a.lines[at].basket) + 1
		if next >= a.past {
			continue
		}
		own++
		for _, j := range a.q.History[next].Products {
			a.mine[a.place[j]-1]++
		}
	}
	of := w / (max(after.from[o.product]-own, 0) + pairsShrink)
	for k := after.first[o.product]; k < after.first[o.product+1]; k++ {
		n, j := after.count[k], after.to[k]
		if at := a.place[j]; at > 0 {
			n -= a.mine[at-1]
		}
		if n > 0 {
			a.follow.add(j, float64(n*of))
		}
	}
	if own > 0 {
		clear(a.mine)
	}
}

// askAhead adds what shoppers who ever bought the product bought next, less her
// own.
func (a *asker) askAhead(o *own, w float32) {
	ahead := a.c.ahead
	var own []Product
	if o.counted > 0 {
		own = a.c.nexts.of(a.self)
	}
	of := ahead.from[o.product] + pairsShrink
	if len(own) > 0 {
		of--
	}
	for k := ahead.first[o.product]; k < ahead.first[o.product+1]; k++ {
		n, j := ahead.count[k], ahead.to[k]
		for _, p := range own {
			if p == j {
				n--
			}
		}
		if n > 0 {
			a.lead.add(j, float64(w*n/of))
		}
	}
}

// choose lists the products in question: hers first, then what others bring.
func (a *asker) choose() {
	a.ranked = a.ranked[:0]
	for i := range a.hers {
		a.ranked = append(a.ranked, weighed{Product(i), a.hers[i].month + a.hers[i].long})
	}
	for _, w := range least(a.ranked, ownMost, heavier) {
		a.list, a.of = append(a.list, a.hers[w.product].product), append(a.of, w.product)
	}
	for _, s := range []*scratch{a.mean, a.then, a.like, a.follow, a.lead} {
		a.ranked = a.ranked[:0]
		for _, p := range s.touched {
			a.ranked = append(a.ranked, weighed{p, float32(s.weight[p])})
		}
		for _, w := range least(a.ranked, broughtMost, heavier) {
			a.bring(w.product)
		}
	}
	for _, p := range a.c.common[:min(commonAsked, len(a.c.common))] {
		a.bring(p)
	}
}

// bring lists a product that is new to her, once.
func (a *asker) bring(p Product) {
	if a.place[p] == 0 {
		a.list, a.of = append(a.list, p), append(a.of, -1)
		a.place[p] = -1
	}
}
