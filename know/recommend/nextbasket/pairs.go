package nextbasket

import (
	"math"
	"slices"

	"endcap/know/recommend/internal/work"
)

// pairs count how often one product comes with another, in a sense of its own.
type pairs struct {
	first []int32 // of each product's partners, and the end
	to    []Product
	count []float32
	from  []float32 // of a product: how often it could have had a partner
}

// pairsMost is how many partners are kept of a product: those that come more often
// than their own number lets expect.
const pairsMost = 100

// meeting is products, and those that came with them.
type meeting struct{ from, to []Product }

// newPairs counts the pairs of meetings. Nothing is a partner of itself where alone
// is true.
func newPairs(products int, meetings []meeting, alone bool) *pairs {
	p := &pairs{first: make([]int32, products+1), from: make([]float32, products)}
	often := make([]float32, products)
	start := make([]int32, products+1) // of each product's meetings in list
	for _, m := range meetings {
		for _, i := range m.from {
			start[i+1]++
			p.from[i]++
		}
		for _, j := range m.to {
			often[j]++
		}
	}
	for i := range products {
		start[i+1] += start[i]
	}
	list, next := make([]int32, start[products]), slices.Clone(start)
	for k := range meetings {
		for _, i := range meetings[k].from {
			list[next[i]] = int32(k)
			next[i]++
		}
	}
	const chunk = 4_096
	parts := make([][][]weighed, (products+chunk-1)/chunk)
	work.Each(len(parts), func(c int) {
		s := newScratch(products)
		var all, lifts []weighed
		for i := c * chunk; i < min((c+1)*chunk, products); i++ {
			for _, k := range list[start[i]:start[i+1]] {
				for _, j := range meetings[k].to {
					if !alone || j != Product(i) {
						s.add(j, 1)
					}
				}
			}
			all = s.take(all[:0])
			lifts = liftsOf(all, often, lifts[:0])
			parts[c] = append(parts[c], partners(all, lifts))
		}
	})
	for i := range products {
		for _, w := range parts[i/chunk][i%chunk] {
			p.to, p.count = append(p.to, w.product), append(p.count, w.weight)
		}
		p.first[i+1] = int32(len(p.to))
	}
	return p
}

// liftsOf appends by how much more often than their own number lets expect partners
// come. It names them by their place among all.
func liftsOf(all []weighed, often []float32, lifts []weighed) []weighed {
	for k, w := range all {
		lifts = append(lifts, weighed{Product(k), w.weight / sqrt(often[w.product])})
	}
	return lifts
}

// partners copies those of most lift.
func partners(all, lifts []weighed) []weighed {
	most := least(lifts, pairsMost, heavier)
	out := make([]weighed, len(most))
	for k, w := range most {
		out[k] = all[w.product]
	}
	return out
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }
