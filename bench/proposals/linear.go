package main

import (
	"cmp"
	"math"
	"slices"

	"endcap/know/recommend/judge"
	"endcap/know/recommend/learn"
	"endcap/know/recommend/nextbasket"
)

// linear is the ranker that the trees had to beat: logistic regression by Adagrad
// (Duchi et al., JMLR 2011) over each signal's range, and over pairs of ranges of
// the signals that matter most, hashed.
type linear struct {
	cuts    [][]float32
	crosses [][2]int
	weight  []float32
	square  []float32
}

const (
	linearRanges = 24
	linearBits   = 18
	linearEpochs = 6
	linearRate   = 0.05
	linearSample = 50_000 // rows that ranges are found in
)

// crossed are the columns whose pairs of ranges the linear ranker sees.
func crossed(columns []string) (out [][2]int) {
	at := func(name string) int { return slices.Index(columns, name) }
	for _, pair := range [][2]string{
		{"count", "baskets since"},
		{"count", "her baskets"},
		{"popularity", "count"},
		{"neighbours buy", "count"},
		{"rate of return", "count"},
		{"rate of return", "baskets since"},
		{"her basket size", "count"},
		{"popularity lately", "neighbours bought next"},
	} {
		out = append(out, [2]int{at(pair[0]), at(pair[1])})
	}
	return out
}

// example is a row's places in the weights.
type example struct {
	at     []int32
	bought bool
	weight float32
}

// learnLinear learns from the questions of cuts.
func learnLinear(r *nextbasket.Range, cuts []nextbasket.Cut, s *nextbasket.Settings, seed uint64) *linear {
	columns := nextbasket.Columns(len(r.Groups))
	m := &linear{crosses: crossed(columns), weight: make([]float32, 1<<linearBits), square: make([]float32, 1<<linearBits)}
	var sample []float32
	nextbasket.Lists(r, &cuts[0], s, seed, func(_ *nextbasket.Case, _ []nextbasket.Product, l *learn.List) {
		if len(sample) < linearSample*len(columns) {
			sample = append(sample, l.Signals...)
		}
	})
	m.cuts = quantiles(sample, len(columns))
	var examples []example
	for i := range cuts {
		nextbasket.Lists(r, &cuts[i], s, seed, func(c *nextbasket.Case, _ []nextbasket.Product, l *learn.List) {
			w := float32(1 / math.Sqrt(float64(max(len(c.Truth), 1))))
			for k, bought := range l.Bought {
				if bought || k%4 == 0 { // a quarter of what was not bought is enough
					row := l.Signals[k*len(columns) : (k+1)*len(columns)]
					e := example{at: m.places(row, nil), bought: bought, weight: w}
					if !bought {
						e.weight *= 4
					}
					examples = append(examples, e)
				}
			}
		})
	}
	for range linearEpochs {
		for i := range examples {
			m.step(&examples[i])
		}
	}
	return m
}

// quantiles are ranges of each column's values.
func quantiles(signals []float32, columns int) [][]float32 {
	out := make([][]float32, columns)
	for c := range out {
		var values []float32
		for i := c; i < len(signals); i += columns {
			values = append(values, signals[i])
		}
		slices.Sort(values)
		for q := 1; q < linearRanges; q++ {
			out[c] = append(out[c], values[len(values)*q/linearRanges])
		}
		out[c] = slices.Compact(out[c])
	}
	return out
}

// places hashes a row's ranges.
func (m *linear) places(row []float32, to []int32) []int32 {
	hash := func(a, b, c int) int32 {
		h := (uint64(a)<<40 ^ uint64(b)<<20 ^ uint64(c)) * 0x9e3779b97f4a7c15
		return int32(h >> (64 - linearBits))
	}
	ranges := make([]int, len(row))
	for c, v := range row {
		n, _ := slices.BinarySearch(m.cuts[c], v)
		ranges[c] = n
		to = append(to, hash(c, n, 0))
	}
	for k, x := range m.crosses {
		to = append(to, hash(len(row)+k, ranges[x[0]], ranges[x[1]]))
	}
	return to
}

func (m *linear) sum(at []int32) (sum float32) {
	for _, i := range at {
		sum += m.weight[i]
	}
	return sum
}

func (m *linear) step(e *example) {
	g := float32(1 / (1 + math.Exp(-float64(m.sum(e.at)))))
	if e.bought {
		g--
	}
	g *= e.weight
	for _, i := range e.at {
		m.square[i] += g * g
		m.weight[i] -= linearRate * g / float32(math.Sqrt(float64(m.square[i])+1e-6))
	}
}

// answers orders the products in question for a cut's cases.
func (m *linear) answers(r *nextbasket.Range, cut *nextbasket.Cut, s *nextbasket.Settings, seed uint64) []judge.Answer {
	columns := len(nextbasket.Columns(len(r.Groups)))
	var out []judge.Answer
	var at []int32
	nextbasket.Lists(r, cut, s, seed, func(c *nextbasket.Case, products []nextbasket.Product, l *learn.List) {
		type scored struct {
			product nextbasket.Product
			score   float32
		}
		all := make([]scored, len(products))
		for k, p := range products {
			at = m.places(l.Signals[k*columns:(k+1)*columns], at[:0])
			all[k] = scored{p, m.sum(at)}
		}
		slices.SortFunc(all, func(a, b scored) int { return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.product, b.product)) })
		a := judge.Answer{Truth: c.Truth, Bought: c.History.Products()}
		for _, x := range all[:min(20, len(all))] {
			a.List = append(a.List, x.product)
		}
		out = append(out, a)
	})
	return out
}
