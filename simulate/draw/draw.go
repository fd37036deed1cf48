// Package draw is the simulator's chance: streams of numbers that depend on
// what they are for and never on when, or on which core, they are drawn; tables
// from which a weighted choice costs one look; and the few distributions that
// the simulator needs. The same seed gives the same numbers on every machine.
//
// It is before the road of a receipt: simulated receipts are drawn from it.
package draw

import (
	"math"
	"math/bits"

	"endcap/retail"
)

// Key names a stream: a seed, and what it is for.
type Key uint64

// Seed is the key of everything under one seed.
func Seed(seed uint64) Key { return Key(retail.Mix(seed + retail.GoldenGamma)) }

// For is the key of one thing under k: a purpose, a shopper, a day.
func (k Key) For(what uint64) Key {
	return Key(retail.Mix(uint64(k)*0xd1342543de82ef95 + what*retail.GoldenGamma + 1))
}

// Unit is the key's own number in [0, 1).
func (k Key) Unit() float64 { return unit(retail.Mix(uint64(k) + retail.GoldenGamma)) }

// Uint64 is the key's own number.
func (k Key) Uint64() uint64 { return retail.Mix(uint64(k) + retail.GoldenGamma) }

// Stream begins the key's stream.
func (k Key) Stream() Stream { return Stream{uint64(k)} }

// Stream is SplitMix64 from a key on. It is a value: a copy draws the same.
type Stream struct{ at uint64 }

// Uint64 draws 64 bits.
func (s *Stream) Uint64() uint64 {
	s.at += retail.GoldenGamma
	return retail.Mix(s.at)
}

// Unit draws from [0, 1).
func (s *Stream) Unit() float64 { return unit(s.Uint64()) }

// Int draws from 0 to n-1, n > 0; its bias is below n/2⁶⁴.
func (s *Stream) Int(n int) int {
	hi, _ := bits.Mul64(s.Uint64(), uint64(n))
	return int(hi)
}

// Chance is true with probability p.
func (s *Stream) Chance(p float64) bool { return s.Unit() < p }

// Poisson draws a count of mean m, which is small: at most 64 are given.
func (s *Stream) Poisson(m float64) int {
	left, n := math.Exp(-m), 0
	for p := s.Unit(); p > left && n < 64; n++ {
		p *= s.Unit()
	}
	return n
}

func unit(x uint64) float64 { return float64(x>>11) * 0x1p-53 }

// Alias chooses an index by weight in one look (Walker 1977, in Vose's form).
type Alias struct {
	keep []uint64 // 32 bits of threshold, 32 bits of the other choice
}

// NewAlias makes a table of weights, none negative and one positive at least;
// it panics on others, which are a bug of the caller.
func NewAlias(weights []float64) Alias {
	var sum float64
	for _, w := range weights {
		if w < 0 || math.IsNaN(w) || math.IsInf(w, 0) {
			panic("draw: bug: a weight that is none")
		}
		sum += w
	}
	if sum <= 0 || len(weights) > math.MaxInt32 {
		panic("draw: bug: no weights")
	}
	n := len(weights)
	a := Alias{keep: make([]uint64, n)}
	scaled := make([]float64, n)
	var small, large []int
	for i, w := range weights {
		scaled[i] = w / sum * float64(n)
		if scaled[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		a.keep[s] = threshold(scaled[s])<<32 | uint64(l)
		if scaled[l] -= 1 - scaled[s]; scaled[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, rest := range [][]int{small, large} {
		for _, i := range rest {
			a.keep[i] = math.MaxUint32<<32 | uint64(i)
		}
	}
	return a
}

func threshold(p float64) uint64 { return uint64(math.Min(p*(1<<32), math.MaxUint32)) }

// Of is the index that the number x, any 64 bits, chooses.
func (a *Alias) Of(x uint64) int {
	hi, lo := bits.Mul64(x, uint64(len(a.keep)))
	k := a.keep[hi]
	if lo>>32 < k>>32 {
		return int(hi)
	}
	return int(k & math.MaxUint32)
}

// Quantiles is a distribution by its values at equal steps of probability,
// from the smallest to the largest, straight between them.
type Quantiles []float64

// At is the value below which a share p of the distribution lies.
func (q Quantiles) At(p float64) float64 {
	switch {
	case len(q) == 0:
		return 0
	case len(q) == 1 || p <= 0:
		return q[0]
	case p >= 1:
		return q[len(q)-1]
	}
	x := p * float64(len(q)-1)
	i := int(x)
	return q[i] + (q[i+1]-q[i])*(x-float64(i))
}

// Mean is the distribution's mean.
func (q Quantiles) Mean() float64 {
	if len(q) < 2 {
		return q.At(0)
	}
	sum := -(q[0] + q[len(q)-1]) / 2
	for _, v := range q {
		sum += v
	}
	return sum / float64(len(q)-1)
}

// Sketch gives steps+1 quantiles of sorted values.
func Sketch(sorted []float64, steps int) Quantiles {
	if len(sorted) == 0 {
		return nil
	}
	out := make(Quantiles, steps+1)
	for i := range out {
		out[i] = Quantiles(sorted).At(float64(i) / float64(steps))
	}
	return out
}

// Phi is the normal distribution's probability below z.
func Phi(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// Normal is the z below which the normal distribution has probability p.
func Normal(p float64) float64 {
	p = math.Min(math.Max(p, 1e-12), 1-1e-12)
	return -math.Sqrt2 * math.Erfcinv(2*p)
}
