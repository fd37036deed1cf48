package nextbasket

import (
	"cmp"
	"math"
	"slices"
)

// Decay is how a history becomes a vector: TIFUKNN (Hu et al., SIGIR 2020) divides
// it into groups of baskets, the newer of more weight. With BlockDays 0 a history
// of n baskets has Groups groups of as many baskets each; basket j weighs
// Basket^(n−j). Otherwise groups are blocks of so many days back from the last
// basket, and a basket d days before it weighs Basket^ln(1+d).
type Decay struct {
	Basket, Group float64
	Groups        int
	BlockDays     int
}

// weighed is a product with its weight.
type weighed struct {
	product Product
	weight  float32
}

// scratch adds weights by product.
type scratch struct {
	weight  []float64
	touched []Product // those that may weigh something; each once while weights are above 0
}

func newScratch(products int) *scratch { return &scratch{weight: make([]float64, products)} }

func (s *scratch) add(p Product, w float64) {
	if s.weight[p] == 0 {
		s.touched = append(s.touched, p)
	}
	s.weight[p] += w
}

func (s *scratch) reset() {
	for _, p := range s.touched {
		s.weight[p] = 0
	}
	s.touched = s.touched[:0]
}

// take appends what was added, by product, and forgets it.
func (s *scratch) take(out []weighed) []weighed {
	slices.Sort(s.touched)
	for _, p := range s.touched {
		if s.weight[p] != 0 {
			out = append(out, weighed{p, float32(s.weight[p])})
		}
		s.weight[p] = 0
	}
	s.touched = s.touched[:0]
	return out
}

// heaviest returns the k products of most weight, of equals the higher number
// first, and forgets what was added.
func (s *scratch) heaviest(k int) []Product {
	out := least(s.touched, k, func(a, b Product) int { return cmp.Or(cmp.Compare(s.weight[b], s.weight[a]), cmp.Compare(b, a)) })
	out = slices.Clone(out)
	s.reset()
	return out
}

// vector appends a history's vector, by product.
func (d *Decay) vector(h History, s *scratch, out []weighed) []weighed {
	if d.BlockDays > 0 {
		d.byDays(h, s)
	} else {
		d.byBaskets(h, s)
	}
	return s.take(out)
}

func (d *Decay) byBaskets(h History, s *scratch) {
	n := len(h)
	groups := min(d.Groups, n)
	at := 0
	for g := range groups {
		in := n / groups
		if g >= groups-n%groups { // the last of them have one basket more
			in++
		}
		group := math.Pow(d.Group, float64(d.Groups-1-g))
		for j := range in {
			w := group * math.Pow(d.Basket, float64(n-1-at-j)) / float64(in) / float64(groups)
			for _, p := range h[at+j].Products {
				s.add(p, w)
			}
		}
		at += in
	}
}

func (d *Decay) byDays(h History, s *scratch) {
	if len(h) == 0 {
		return
	}
	last := h[len(h)-1].Day
	block := func(i int) int { return (int(last) - int(h[i].Day)) / d.BlockDays }
	blocks := 0
	for i := range h {
		if i == 0 || block(i) != block(i-1) {
			blocks++
		}
	}
	for lo := 0; lo < len(h); {
		hi := lo + 1
		for hi < len(h) && block(hi) == block(lo) {
			hi++
		}
		group := math.Pow(d.Group, float64(block(lo))) / float64(hi-lo) / float64(blocks)
		for ; lo < hi; lo++ {
			w := group * math.Pow(d.Basket, math.Log1p(float64(last)-float64(h[lo].Day)))
			for _, p := range h[lo].Products {
				s.add(p, w)
			}
		}
	}
}
