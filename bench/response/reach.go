package main

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"endcap/simulate/draw"
	"endcap/simulate/life"
)

// reach works out what could be known at best. Whether she clicks depends on whether
// a product is among the first ranks of the searcher's repertoire in its category,
// which the simulator draws and nobody is told. Somebody who knew the simulator's
// law but not its draws would say how likely that is, given what the retailer saw of
// her in the category: what she bought, what she was shown and clicked, what she
// searches for now; of a stranger the search alone. That is what reach says, by Gibbs
// sampling of the ranks. It knows two things that the retailer does not, the law and
// how dear she likes it, so it is a bound and not a rival.
type reach struct {
	shop    *shop
	popular [][]float64          // by category: how often its products are drawn
	tilted  map[[2]int][]float64 // by category and step of worth: how often a rank of a repertoire is drawn
	anyone  [][]float64          // by category: the same, of somebody of whom nothing is known
	weight  []float64            // of the ranks: shares of her purchases
	tail    float64              // of the ranks that are not told apart
	chance  *rand.Rand
}

const (
	ranksAll   = 256 // of a repertoire, as in life
	ranksKept  = 24  // that are told apart
	ranksKnown = 6   // whose products are clicked more, as in life
	sweeps     = 500
	burnIn     = 60
	worthSteps = 20 // a unit of worth
	little     = 1e-9
)

func newReach(s *shop) *reach {
	r := &reach{shop: s, tilted: make(map[[2]int][]float64), tail: 1, chance: rand.New(rand.NewPCG(1, 2))}
	sum := 0.0
	for k := range ranksAll {
		sum += math.Pow(float64(k+1), -s.world.Model.Repertoire.Exponent)
	}
	for k := range ranksKept {
		r.weight = append(r.weight, math.Pow(float64(k+1), -s.world.Model.Repertoire.Exponent)/sum)
		r.tail -= r.weight[k]
	}
	const draws = 400_000
	for c, span := range s.world.Grocer.Spans {
		p := make([]float64, span.Len())
		stream := draw.Seed(uint64(c)).Stream()
		for range draws {
			p[s.world.Grocer.Popular[c].Of(stream.Uint64())] += 1.0 / draws
		}
		r.popular = append(r.popular, p)
	}
	const people = 200
	for c := range s.world.Grocer.Spans {
		mean := make([]float64, len(r.popular[c]))
		for i := range people {
			for k, q := range r.taste(c, s.world.Crowd.Shoppers[i*len(s.world.Crowd.Shoppers)/people].Worth) {
				mean[k] += q / people
			}
		}
		r.anyone = append(r.anyone, mean)
	}
	return r
}

// taste is how often each product of a category is drawn for a rank of the
// repertoire of a shopper with a worth: the law of life.World's entry.
func (r *reach) taste(c int, worth float32) []float64 {
	step := int(math.Round(float64(worth) * worthSteps))
	if q := r.tilted[[2]int{c, step}]; q != nil {
		return q
	}
	g := r.shop.world.Grocer
	price := func(i int) int32 { return g.Products[g.Spans[c].From+int32(i)].Price }
	p := r.popular[c]
	q := slices.Clone(p)
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(price(a), price(b)) })
	for lean := math.Abs(float64(step)) / worthSteps; lean > 0; lean-- {
		next := make([]float64, len(p))
		var pBelow, qBelow float64
		for i := 0; i < len(order); {
			j, pAt, qAt := i, 0.0, 0.0
			for ; j < len(order) && price(order[j]) == price(order[i]); j++ {
				pAt += p[order[j]]
				qAt += q[order[j]]
			}
			for _, k := range order[i:j] {
				if step > 0 { // another wins that is dearer
					next[k] = q[k]*(pBelow+pAt) + p[k]*qBelow
				} else { // another wins that is no dearer
					next[k] = q[k]*(1-pBelow-pAt) + p[k]*(1-qBelow)
				}
			}
			pBelow, qBelow, i = pBelow+pAt, qBelow+qAt, j
		}
		part := math.Min(lean, 1)
		for k := range q {
			q[k] = (1-part)*q[k] + part*next[k]
		}
	}
	r.tilted[[2]int{c, step}] = q
	return q
}

// candidate is a product of which something was seen: what bears on its being in the
// repertoire.
type candidate struct {
	drawn    float64 // chance to be a rank's
	popular  float64
	receipts float64
	odds     float64 // how much likelier what she clicked and did not is, if it is known
	asked    float64 // chance of what she searches for now, if it is what she wants
	bought   float64 // chance that a purchase in the category is this one, by the ranks as they stand
	ranks    int     // of the first, that it has
	known    float64 // sweeps in which it had one
}

// chain is one run of the sampler, for one searcher and one category.
type chain struct {
	*reach
	all       []candidate
	rest      float64 // chance of a rank to be another product's
	restAsked float64 // chance of what she searches for, if she wants one of those
	ranks     []int   // by rank: its product, or -1 for one of the rest
	want      int     // the rank of what she wants now; ranksKept for one beyond
	novelty   float64
	pull      []float64
}

// clicks is, of everything that was shown, the chance of a click as it could be known
// at best.
func (r *reach) clicks(v *search) []float64 {
	of := map[bool]map[int32]float64{}
	out := make([]float64, len(v.shown))
	for i := range v.shown {
		x := &v.shown[i]
		personal := x.Relation != nil
		if of[personal] == nil {
			of[personal] = r.known(v, personal)
		}
		out[i] = life.Examine(x.Position) * (life.ClickUnknown + (life.ClickKnown-life.ClickUnknown)*of[personal][x.no])
	}
	return out
}

// known is how likely each product that is shown is in the searcher's repertoire.
func (r *reach) known(v *search, personal bool) map[int32]float64 {
	s := r.shop
	span := s.world.Grocer.Spans[v.category]
	drawn := r.anyone[v.category]
	var seen []stat
	if personal {
		drawn = r.taste(v.category, s.world.Crowd.Shoppers[v.shopper].Worth)
		seen = v.before
	}
	k := &chain{reach: r, rest: 1, novelty: s.world.Model.Repertoire.Novelty}
	at := make(map[int32]int)
	for _, x := range seen {
		at[x.product] = len(at)
		k.all = append(k.all, candidate{receipts: float64(x.receipts), odds: math.Exp(float64(x.odds))})
	}
	for i := range v.shown {
		if _, ok := at[v.shown[i].no]; !ok {
			at[v.shown[i].no] = len(at)
			k.all = append(k.all, candidate{odds: 1})
		}
	}
	for i := span.From; i < span.To; i++ {
		q, asked := drawn[i-span.From], s.asked(v.query, i)
		j, ok := at[i]
		if !ok {
			k.restAsked += q * asked
			continue
		}
		k.rest -= q
		k.all[j].drawn, k.all[j].popular, k.all[j].asked = max(q, little), max(r.popular[v.category][i-span.From], little), asked
	}
	k.rest = max(k.rest, little)
	k.restAsked = max(k.restAsked/k.rest, little)
	k.run()
	out := make(map[int32]float64, len(at))
	for i, j := range at {
		out[i] = k.all[j].known / (sweeps - burnIn)
	}
	return out
}

// asked is how often somebody who wants a product types a query.
func (s *shop) asked(query string, product int32) float64 {
	n := 0.0
	for form := range uint64(4) {
		if s.world.Grocer.Query(product, form) == query {
			n += 0.25
		}
	}
	return n
}

func (k *chain) run() {
	k.pull = make([]float64, len(k.all))
	for i := range k.all {
		k.all[i].bought = k.novelty*k.all[i].popular + (1-k.novelty)*k.tail*k.all[i].drawn
	}
	order := make([]int, len(k.all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(k.all[b].receipts, k.all[a].receipts) })
	k.ranks = make([]int, ranksKept)
	for rank := range k.ranks {
		k.ranks[rank] = -1
		if rank < len(order) && k.all[order[rank]].receipts > 1 { // begin with what she buys most
			k.put(rank, order[rank])
		}
	}
	for sweep := range sweeps {
		k.wish()
		for rank := range k.ranks {
			k.draw(rank)
		}
		for i := range k.all {
			if sweep >= burnIn && k.all[i].ranks > 0 {
				k.all[i].known++
			}
		}
	}
}

// put gives a rank to a product, or to the rest by -1.
func (k *chain) put(rank, product int) {
	k.ranks[rank] = product
	k.count(rank, 1)
}

// count adds what a rank does for its product, or takes it away.
func (k *chain) count(rank, sign int) {
	i := k.ranks[rank]
	if i < 0 {
		return
	}
	k.all[i].bought += float64(sign) * (1 - k.novelty) * k.weight[rank]
	if rank < ranksKnown {
		k.all[i].ranks += sign
	}
}

// wish draws which rank she wants now, given what is at each.
func (k *chain) wish() {
	chances, total := [ranksKept + 1]float64{}, 0.0
	beyond := k.rest * k.restAsked
	for i := range k.all {
		beyond += k.all[i].drawn * k.all[i].asked
	}
	chances[ranksKept] = k.tail * beyond
	for rank, i := range k.ranks {
		chances[rank] = k.weight[rank] * k.restAsked
		if i >= 0 {
			chances[rank] = k.weight[rank] * max(k.all[i].asked, little)
		}
	}
	for _, c := range chances {
		total += c
	}
	u := k.chance.Float64() * total
	for k.want = 0; k.want < ranksKept; k.want++ {
		if u -= chances[k.want]; u < 0 {
			return
		}
	}
}

// draw draws which product a rank has, given all other ranks, what she bought,
// clicked and searches for.
func (k *chain) draw(rank int) {
	k.count(rank, -1)
	more := (1 - k.novelty) * k.weight[rank]
	rest := k.rest
	if rank == k.want {
		rest *= k.restAsked
	}
	total := rest
	for i := range k.all {
		c := &k.all[i]
		pull := c.drawn
		if c.receipts > 0 {
			pull *= math.Exp(c.receipts * math.Log1p(more/c.bought))
		}
		if rank < ranksKnown && c.ranks == 0 {
			pull *= c.odds
		}
		if rank == k.want {
			pull *= max(c.asked, little)
		}
		k.pull[i] = pull
		total += pull
	}
	u := k.chance.Float64() * total
	for i, pull := range k.pull {
		if u -= pull; u < 0 {
			k.put(rank, i)
			return
		}
	}
	k.put(rank, -1)
}
