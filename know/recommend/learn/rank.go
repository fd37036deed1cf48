package learn

import (
	"math"
	"slices"
)

// rankMost is down to which place of a list the order is worth anything.
const rankMost = 20

// ranker works out the gradients of LambdaRank: each pair of a bought and another
// product pulls by how much NDCG changes where they swap places.
type ranker struct {
	order  []uint64 // score and row, the best first
	place  []int32  // of each row
	bought []int32
	worths []float64 // of places
	curve  []float64 // of curveOf
}

func (r *ranker) slopes(g *grower, i int32) {
	l := &g.t.lists[i]
	n := int(l.hi - l.lo)
	score, gs, hs := g.score[l.lo:l.hi], g.g[l.lo:l.hi], g.h[l.lo:l.hi]
	clear(gs)
	clear(hs)
	r.sort(score)
	r.place, r.bought = slices.Grow(r.place[:0], n)[:n], r.bought[:0]
	ideal := 0.0
	for at, o := range r.order {
		row := int32(uint32(o)) // the lower half is the row
		r.place[row] = int32(at)
		if g.t.bought[l.lo+row] {
			ideal += r.worth(len(r.bought))
			r.bought = append(r.bought, row)
		}
	}
	r.worth(n)
	scale := float64(g.weights[i]) / ideal
	for _, b := range r.bought {
		worth := r.worths[r.place[b]]
		var slope, evidence float32
		for at, o := range r.order {
			row := int32(uint32(o)) // the lower half is the row
			if at >= rankMost && r.place[b] >= rankMost {
				break
			}
			if g.t.bought[l.lo+row] {
				continue
			}
			swap := math.Abs(worth-r.worths[at]) * scale
			p := r.logistic(score[row] - score[b])
			pull, weight := float32(p*swap), float32(p*(1-p)*swap)
			slope, evidence = slope-pull, evidence+weight
			gs[row] += pull
			hs[row] += weight
		}
		gs[b] += slope
		hs[b] += evidence
	}
}

// sort puts rows in order of their score, the best first, then of their place in
// the list.
func (r *ranker) sort(score []float32) {
	r.order = r.order[:0]
	for row, s := range score {
		r.order = append(r.order, uint64(descending(s))<<32|uint64(row))
	}
	slices.Sort(r.order)
}

// descending maps numbers to whole ones in the opposite order.
func descending(x float32) uint32 {
	b := math.Float32bits(x)
	if b>>31 == 0 {
		return ^(b | 1<<31)
	}
	return b
}

// worth is what a hit at a place, from 0, adds to DCG.
func (r *ranker) worth(place int) float64 {
	for n := len(r.worths); n <= place; n++ {
		r.worths = append(r.worths, 1/math.Log2(float64(n)+2))
	}
	return r.worths[place]
}

// How finely the logistic curve is known.
const (
	curveEnd   = 16 // beyond it the curve is level
	curveSteps = 256
)

// curveOf is the logistic curve at equal steps.
func curveOf() []float64 {
	curve := make([]float64, 2*curveEnd*curveSteps+1)
	for i := range curve {
		curve[i] = logistic(float64(i)/curveSteps - curveEnd)
	}
	return curve
}

// logistic is as near to 1 ÷ (1 + e^−x) as slopes need.
func (r *ranker) logistic(x float32) float64 {
	return r.curve[int((min(max(x, -curveEnd), curveEnd)+curveEnd)*curveSteps+0.5)]
}
