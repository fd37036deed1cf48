// Package learn grows boosted trees from lists of products of which some were
// bought: histograms of ranges, the leaf that gains most first, log loss or
// LambdaRank (Burges, "From RankNet to LambdaRank to LambdaMART", 2010). Equal
// tables, settings and seeds give equal trees, on any number of processors,
// because sums are of whole numbers.
//
// Some lists are held back. They say how many trees are enough, how good the
// order is, and how likely a product with some score is bought.
//
// On the road of a receipt, know/recommend/nextbasket learns here from what was
// bought after what.
package learn

import "math"

// Trees is a sum of trees. Its score orders products; Calibration makes a
// probability of it.
type Trees struct {
	Columns int // signals of a row
	Base    float32
	nodes   []node
	roots   []int32 // the first node of each tree, ascending
}

// node is one question of a tree, or a leaf. A value above cut goes right more
// nodes on; any other, and what is no number, to the next one.
type node struct {
	cut    float32 // or a leaf's value
	column int16   // −1 for a leaf
	right  uint16
}

// Len is how many trees there are.
func (f *Trees) Len() int { return len(f.roots) }

// Score writes the score of each row, as many as scores has.
func (f *Trees) Score(signals, scores []float32) {
	if len(signals) != len(scores)*f.Columns {
		panic("learn: bug: rows that do not fit the trees")
	}
	for i := range scores {
		scores[i] = f.Base
	}
	for k, root := range f.roots { // a tree stays at hand while all rows pass
		end := len(f.nodes)
		if k+1 < len(f.roots) {
			end = int(f.roots[k+1])
		}
		tree := f.nodes[root:end]
		for i := range scores {
			row := signals[i*f.Columns:][:f.Columns]
			at := 0
			n := tree[0]
			for n.column >= 0 {
				if row[n.column] > n.cut {
					at += int(n.right)
				} else {
					at++
				}
				n = tree[at]
			}
			scores[i] += n.cut
		}
	}
}

// Uses counts by column in how many questions it is asked about.
func (f *Trees) Uses() []int {
	out := make([]int, f.Columns)
	for _, n := range f.nodes {
		if n.column >= 0 {
			out[n.column]++
		}
	}
	return out
}

// keep drops all but the first n trees.
func (f *Trees) keep(n int) {
	if n < len(f.roots) {
		f.nodes, f.roots = f.nodes[:f.roots[n]], f.roots[:n]
	}
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
