package learn

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"endcap/know/recommend/internal/work"
)

// sum is the gradient and the weight of evidence of rows, as whole numbers in one:
// the gradient in the upper half, the weight in the lower. Each tree has units so
// fine that the sums over all rows just fit, so adding is exact.
type sum int64

func (s sum) parts() (g, h int64) { return int64(s) >> 32, int64(uint32(s)) }

// leaf is a node of the tree that grows: its rows, and the best question for them.
type leaf struct {
	lo, hi int // in grower.order
	node   int
	hist   []sum

	gain   float64
	column int
	cut    int // the number of the last range that stays left
}

// branch is a node of the tree that grows.
type branch struct {
	column      int // −1 for a leaf
	bin         uint8
	left, right int
	value       float32
}

// grower grows tree after tree.
type grower struct {
	s   *Settings
	t   *Table
	rnd *rand.Rand

	weights []float32 // of each list
	score   []float32 // of each row
	g, h    []float32 // of each row
	sums    []sum     // of each row
	unit    struct{ g, h float64 }
	order   []int32 // rows that the tree sees, leaf by leaf
	spare   []int32
	columns []int // that the tree sees
	free    [][]sum
	tree    []branch
	leaves  []*leaf
	aside   []int32   // lists that the tree does not see
	curve   []float64 // of curveOf
}

// Grow learns from a table: as many sums of trees as there are bags, each of draws
// of its own and of as many trees as order the held lists best; their mean is the
// score. Of a table that holds no list back all trees are kept.
func Grow(t *Table, s *Settings) (*Trees, *Held, error) {
	if err := s.Check(); err != nil {
		return nil, nil, err
	}
	t.settle()
	n := t.Rows()
	g := &grower{
		s: s, t: t, weights: make([]float32, len(t.lists)), curve: curveOf(),
		score: make([]float32, n), g: make([]float32, n), h: make([]float32, n), sums: make([]sum, n),
	}
	for i, l := range t.lists {
		g.weights[i] = float32(math.Pow(float64(max(l.truth, 1)), -s.Balance))
	}
	out := &Trees{Columns: t.columns}
	if !s.Rank {
		out.Base = g.prior()
	}
	mean := make([]float32, n)
	for bag := range s.Bags {
		g.rnd = rand.New(rand.NewPCG(s.Seed, uint64(bag)+1)) //nolint:gosec // a draw that can be repeated
		scores, err := g.bag(out)
		if err != nil {
			return nil, nil, err
		}
		for i, score := range scores {
			mean[i] += score / float32(s.Bags)
		}
	}
	best := newBest(t)
	best.enough(mean, out.Len(), s.Patience)
	return out, best.held(), nil
}

// bag appends one sum of trees, each worth its share of all bags, and returns the
// scores of rows by it alone.
func (g *grower) bag(to *Trees) ([]float32, error) {
	for i := range g.score {
		g.score[i] = to.Base
	}
	best, from := newBest(g.t), to.Len()
	for k := range g.s.Trees {
		if g.t.Rest != nil {
			if err := g.t.Rest(); err != nil {
				return nil, err
			}
		}
		if !g.grow() {
			break
		}
		g.advance()
		to.roots = append(to.roots, int32(len(to.nodes)))
		g.write(to, 0)
		if (k+1)%roundTrees == 0 && best.enough(g.score, k+1, g.s.Patience) {
			break
		}
	}
	if best.score == nil {
		return g.score, nil
	}
	to.keep(from + best.top.Trees)
	return best.score, nil
}

// prior is the log-odds of a row's being bought.
func (g *grower) prior() float32 {
	var bought, all float64
	for i, l := range g.t.lists {
		if l.held {
			continue
		}
		for _, b := range g.t.bought[l.lo:l.hi] {
			if b {
				bought += float64(g.weights[i])
				all += float64(g.weights[i])
			} else {
				all += float64(g.weights[i] / l.share)
			}
		}
	}
	p := (bought + 0.5) / (all + 1)
	return float32(math.Log(p / (1 - p)))
}

// slopes draws the lists that the next tree sees, and works out the gradients of
// their rows.
func (g *grower) slopes() {
	drawn := make([]int32, 0, len(g.t.lists))
	g.order, g.aside = g.order[:0], g.aside[:0]
	for i, l := range g.t.lists {
		if l.held || g.s.Lists < 1 && g.rnd.Float64() >= g.s.Lists {
			g.aside = append(g.aside, int32(i))
			continue
		}
		drawn = append(drawn, int32(i))
		for r := l.lo; r < l.hi; r++ {
			g.order = append(g.order, r)
		}
	}
	const listsAtOnce = 128
	work.Each((len(drawn)+listsAtOnce-1)/listsAtOnce, func(chunk int) {
		r := ranker{curve: g.curve}
		for _, i := range drawn[chunk*listsAtOnce : min((chunk+1)*listsAtOnce, len(drawn))] {
			if g.s.Rank {
				r.slopes(g, i)
			} else {
				g.logLoss(i)
			}
		}
	})
	g.settleUnits()
}

// logLoss fills in the gradients of one list under log loss.
func (g *grower) logLoss(i int32) {
	l := &g.t.lists[i]
	for r := l.lo; r < l.hi; r++ {
		p := float32(logistic(float64(g.score[r])))
		if g.t.bought[r] {
			g.g[r], g.h[r] = g.weights[i]*(p-1), g.weights[i]*p*(1-p)
		} else {
			w := g.weights[i] / l.share
			g.g[r], g.h[r] = w*p, w*p*(1-p)
		}
	}
}

// settleUnits makes whole numbers of the gradients.
func (g *grower) settleUnits() {
	var sumG, sumH float64
	for _, r := range g.order {
		sumG += math.Abs(float64(g.g[r]))
		sumH += float64(g.h[r])
	}
	g.unit.g, g.unit.h = max(sumG, 1e-9)/(1<<30), max(sumH, 1e-9)/(1<<31)
	work.Each((len(g.order)+chunkRows-1)/chunkRows, func(chunk int) {
		for _, r := range g.order[chunk*chunkRows : min((chunk+1)*chunkRows, len(g.order))] {
			g.sums[r] = sum(int64(math.Round(float64(g.g[r])/g.unit.g))<<32 + int64(math.Round(float64(g.h[r])/g.unit.h)))
		}
	})
}

// grow grows one tree, the leaf that gains most first; false where there is nothing
// to learn from.
func (g *grower) grow() bool {
	g.slopes()
	if len(g.order) == 0 {
		return false
	}
	g.spare = slices.Grow(g.spare[:0], len(g.order))[:len(g.order)]
	g.columns = g.columns[:0]
	for c := range g.t.columns {
		if len(g.t.cuts[c]) > 0 && (g.s.Columns >= 1 || g.rnd.Float64() < g.s.Columns) {
			g.columns = append(g.columns, c)
		}
	}
	g.tree = append(g.tree[:0], branch{column: -1})
	root := &leaf{hi: len(g.order), hist: g.histogram()}
	all := g.count(root.hist, root.lo, root.hi)
	g.tree[0].value = g.value(all)
	g.judge(root, all)
	g.leaves = append(g.leaves[:0], root)
	for len(g.leaves) < g.s.Leaves {
		best := slices.MaxFunc(g.leaves, func(a, b *leaf) int { return cmp.Or(cmp.Compare(a.gain, b.gain), cmp.Compare(b.node, a.node)) })
		if best.gain <= 0 {
			break
		}
		g.leaves = append(g.leaves, g.split(best))
	}
	for _, l := range g.leaves {
		g.free = append(g.free, l.hist)
	}
	return true
}

// value is the step that rows with such a sum take.
func (g *grower) value(s sum) float32 {
	slope, weight := s.parts()
	return float32(-g.s.Rate * float64(slope) * g.unit.g / (float64(weight)*g.unit.h + g.s.L2))
}

func (g *grower) histogram() []sum {
	if n := len(g.free); n > 0 {
		h := g.free[n-1]
		g.free = g.free[:n-1]
		clear(h)
		return h
	}
	return make([]sum, g.t.columns*binsMax)
}

// count adds rows to a histogram, and returns the sum of all.
func (g *grower) count(hist []sum, lo, hi int) sum {
	if hi-lo < chunkRows {
		return g.countPart(hist, lo, hi)
	}
	other, mid := g.histogram(), (lo+hi)/2
	var halves [2]sum
	work.Each(2, func(i int) {
		if i == 0 {
			halves[0] = g.countPart(hist, lo, mid)
		} else {
			halves[1] = g.countPart(other, mid, hi)
		}
	})
	for i, s := range other {
		hist[i] += s
	}
	g.free = append(g.free, other)
	return halves[0] + halves[1]
}

func (g *grower) countPart(hist []sum, lo, hi int) (all sum) {
	n := g.t.columns
	for _, r := range g.order[lo:hi] {
		row, s := g.t.bins[int(r)*n:][:n], g.sums[r]
		all += s
		for _, c := range g.columns {
			hist[c*binsMax+int(row[c])] += s
		}
	}
	return all
}

// judge finds the best question for the rows of a leaf, whose sum is all.
func (g *grower) judge(l *leaf, all sum) {
	l.gain = 0
	slope, weight := all.parts()
	gain := func(slope, weight int64) float64 {
		s := float64(slope) * g.unit.g
		return s * s / (float64(weight)*g.unit.h + g.s.L2)
	}
	whole, weightMin := gain(slope, weight), int64(g.s.LeafMin/g.unit.h)
	for _, c := range g.columns {
		var left sum
		hist := l.hist[c*binsMax:][:binsMax]
		for b := range g.t.cuts[c] {
			left += hist[b]
			ls, lw := left.parts()
			if lw < weightMin {
				continue
			}
			if weight-lw < weightMin {
				break
			}
			if more := gain(ls, lw) + gain(slope-ls, weight-lw) - whole; more > l.gain+1e-9 {
				l.gain, l.column, l.cut = more, c, b
			}
		}
	}
}

// split divides a leaf; l stays its left part, the right one is returned.
func (g *grower) split(l *leaf) *leaf {
	n := g.t.columns
	at, other := l.lo, 0
	for _, r := range g.order[l.lo:l.hi] {
		if int(g.t.bins[int(r)*n+l.column]) <= l.cut {
			g.order[at] = r
			at++
		} else {
			g.spare[other] = r
			other++
		}
	}
	copy(g.order[at:l.hi], g.spare[:other])
	left, right := len(g.tree), len(g.tree)+1
	g.tree = append(g.tree, branch{column: -1}, branch{column: -1})
	g.tree[l.node] = branch{column: l.column, bin: uint8(l.cut), left: left, right: right}
	r := &leaf{lo: at, hi: l.hi, node: right, hist: g.histogram()}
	l.hi, l.node = at, left
	few := r
	if l.hi-l.lo < r.hi-r.lo {
		few = l
	}
	var all sum // of both parts: any column's ranges add up to it
	for _, s := range l.hist[l.column*binsMax:][:binsMax] {
		all += s
	}
	fewSum := g.count(r.hist, few.lo, few.hi)
	for i, s := range r.hist {
		l.hist[i] -= s
	}
	leftSum, rightSum := all-fewSum, fewSum
	if few == l {
		l.hist, r.hist = r.hist, l.hist
		leftSum, rightSum = rightSum, leftSum
	}
	g.tree[left].value, g.tree[right].value = g.value(leftSum), g.value(rightSum)
	g.judge(l, leftSum)
	g.judge(r, rightSum)
	return r
}

// advance adds the new tree to every row's score. The rows that it saw lie leaf by
// leaf.
func (g *grower) advance() {
	work.Each(len(g.leaves), func(i int) {
		l := g.leaves[i]
		value := g.tree[l.node].value
		for _, r := range g.order[l.lo:l.hi] {
			g.score[r] += value
		}
	})
	n := g.t.columns
	work.Each(len(g.aside), func(k int) {
		l := &g.t.lists[g.aside[k]]
		for i := int(l.lo); i < int(l.hi); i++ {
			row, at := g.t.bins[i*n:][:n], &g.tree[0]
			for at.column >= 0 {
				if row[at.column] > at.bin {
					at = &g.tree[at.right]
				} else {
					at = &g.tree[at.left]
				}
			}
			g.score[i] += at.value
		}
	})
}

// write appends a branch and what is under it, the left side first.
func (g *grower) write(f *Trees, at int) {
	b := &g.tree[at]
	if b.column < 0 {
		f.nodes = append(f.nodes, node{cut: b.value / float32(g.s.Bags), column: -1})
		return
	}
	me := len(f.nodes)
	f.nodes = append(f.nodes, node{cut: g.t.cuts[b.column][b.bin], column: int16(b.column)})
	g.write(f, b.left)
	f.nodes[me].right = uint16(len(f.nodes) - me)
	g.write(f, b.right)
}
