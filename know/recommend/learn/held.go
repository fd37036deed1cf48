package learn

import (
	"cmp"
	"slices"

	"endcap/know/recommend/internal/work"
)

// Held is how well the held lists were ordered, and what a score means there.
type Held struct {
	Trees       int     // how many were kept, of all bags
	NDCG        float64 // of the first ten, against all that was bought
	Recall      float64 // of the first ten
	Calibration Calibration
}

// Places and trees.
const (
	heldMost   = 10 // places that count
	roundTrees = 10 // trees between two judgements
)

// best remembers after which tree held lists were in the best order.
type best struct {
	t     *Table
	lists []int32
	top   Held
	score []float32 // of all rows, then
}

func newBest(t *Table) *best {
	b := &best{t: t}
	for i := range t.lists {
		if t.lists[i].held && t.lists[i].truth > 0 {
			b.lists = append(b.lists, int32(i))
		}
	}
	return b
}

// enough judges the order after so many trees, and says whether it has not become
// better for too long.
func (b *best) enough(score []float32, trees, patience int) bool {
	if len(b.lists) == 0 {
		b.top.Trees = trees
		return false
	}
	ndcg, recall := b.judge(score)
	if b.score == nil || ndcg+recall > b.top.NDCG+b.top.Recall {
		b.top = Held{Trees: trees, NDCG: ndcg, Recall: recall}
		b.score = append(b.score[:0], score...)
	}
	return trees-b.top.Trees >= patience
}

// judge is NDCG and recall of the first ten, as means over the held lists.
func (b *best) judge(score []float32) (ndcg, recall float64) {
	parts := make([][2]float64, len(b.lists))
	const atOnce = 64
	work.Each((len(b.lists)+atOnce-1)/atOnce, func(chunk int) {
		var r ranker
		for k := chunk * atOnce; k < min((chunk+1)*atOnce, len(b.lists)); k++ {
			l := &b.t.lists[b.lists[k]]
			r.sort(score[l.lo:l.hi])
			for at, o := range r.order[:min(heldMost, len(r.order))] {
				if b.t.bought[l.lo+int32(uint32(o))] {
					parts[k][0] += r.worth(at)
					parts[k][1]++
				}
			}
			ideal := 0.0
			for at := range l.truth {
				ideal += r.worth(int(at))
			}
			parts[k][0] /= ideal
			parts[k][1] /= float64(l.truth)
		}
	})
	for _, p := range parts {
		ndcg, recall = ndcg+p[0], recall+p[1]
	}
	return ndcg / float64(len(parts)), recall / float64(len(parts))
}

// held is what the best order was worth, and what its scores mean.
func (b *best) held() *Held {
	var seen []observation
	for _, i := range b.lists {
		l := &b.t.lists[i]
		for r := l.lo; r < l.hi; r++ {
			o := observation{score: b.score[r], weight: 1}
			if b.t.bought[r] {
				o.bought = 1
			} else {
				o.weight = float64(1 / l.share)
			}
			seen = append(seen, o)
		}
	}
	b.top.Calibration = calibrate(seen)
	return &b.top
}

// observation is a score and what came of it.
type observation struct {
	score  float32
	bought float64
	weight float64
}

// Calibration makes probabilities of scores: straight lines between points whose
// probabilities never fall. The zero value knows nothing and says 0.
type Calibration struct {
	Scores  []float32 // ascending
	Chances []float32 // of each, never falling, from 0 to 1
}

// Of is the probability that a product with a score is bought.
func (c *Calibration) Of(score float32) float32 {
	at, found := slices.BinarySearch(c.Scores, score)
	switch {
	case len(c.Scores) == 0:
		return 0
	case found || at == 0:
		return c.Chances[at]
	case at == len(c.Scores):
		return c.Chances[at-1]
	}
	share := (score - c.Scores[at-1]) / (c.Scores[at] - c.Scores[at-1])
	return c.Chances[at-1] + share*(c.Chances[at]-c.Chances[at-1])
}

// pointsMost is of how many groups of observations points are made.
const pointsMost = 100

// calibrate fits probabilities that never fall with the score, by pooling
// neighbours that do (isotonic regression; Zadrozny and Elkan, KDD 2002). The
// groups hold about as many purchases each, because few rows are bought.
func calibrate(seen []observation) Calibration {
	slices.SortFunc(seen, func(a, b observation) int { return cmp.Compare(a.score, b.score) })
	var bought float64
	for i := range seen {
		bought += seen[i].bought
	}
	type group struct{ score, bought, weight float64 }
	var groups []group
	var now group
	for i := range seen {
		o := &seen[i]
		now.score += float64(o.score) * o.weight
		now.bought += o.bought
		now.weight += o.weight
		if i+1 < len(seen) && (now.bought*pointsMost < bought || seen[i+1].score == o.score) {
			continue
		}
		groups = append(groups, now)
		now = group{}
		for n := len(groups); n > 1 && groups[n-2].bought*groups[n-1].weight >= groups[n-1].bought*groups[n-2].weight; n-- {
			a, b := groups[n-2], groups[n-1]
			groups = append(groups[:n-2], group{a.score + b.score, a.bought + b.bought, a.weight + b.weight})
		}
	}
	var c Calibration
	for _, g := range groups {
		score := float32(g.score / g.weight)
		if n := len(c.Scores); n > 0 && score <= c.Scores[n-1] {
			continue // nearer to each other than a float32 can tell
		}
		c.Scores = append(c.Scores, score)
		c.Chances = append(c.Chances, float32(g.bought/g.weight))
	}
	return c
}
