package retail

import (
	"cmp"
	"math/bits"
	"slices"
)

// Apportion splits total over weights in proportion, by largest remainder
// (Hamilton's method): each share is its exact quota rounded down, and what is
// left goes, one each, to the largest remainders, ties to the earlier. Shares sum
// to total and differ from their quotas by less than one; where total is at most
// the sum of the weights no share exceeds its weight. total and weights are whole
// numbers of any one unit and not negative; the weights' sum must fit int64. Where
// all weights are 0, total must be 0: anything else is a bug. Apportion writes
// shares to dst[:len(weights)], growing it as append does, and returns it.
func Apportion(dst []int64, total int64, weights []int64) []int64 {
	dst = slices.Grow(dst[:0], len(weights))[:len(weights)]
	var sum uint64
	for _, w := range weights {
		if w < 0 {
			panic("retail: bug: Apportion by a negative weight")
		}
		sum += uint64(w)
	}
	if total < 0 || sum > 1<<63-1 || sum == 0 && total != 0 {
		panic("retail: bug: Apportion of what cannot be split")
	}
	if total == int64(sum) {
		copy(dst, weights)
		return dst
	}
	if len(weights) == 1 {
		dst[0] = total
		return dst
	}
	if total == 0 {
		clear(dst)
		return dst
	}
	left := total
	rests := make([]rest, len(weights))
	for i, w := range weights {
		hi, lo := bits.Mul64(uint64(total), uint64(w))
		q, r := bits.Div64(hi, lo, sum) // hi < sum because w ≤ sum and total < 2⁶³
		dst[i], rests[i] = int64(q), rest{r, i}
		left -= int64(q)
	}
	if left > 0 {
		slices.SortFunc(rests, func(a, b rest) int {
			return cmp.Or(cmp.Compare(b.r, a.r), cmp.Compare(a.at, b.at))
		})
	}
	for _, r := range rests[:left] {
		dst[r.at]++
	}
	return dst
}

// rest is what the rounding of one quota left.
type rest struct {
	r  uint64
	at int
}

// ApportionWithin is Apportion where no share may exceed its room: what does not
// fit is apportioned again, by the same weights, over those that have room left,
// and where none of these has a weight, by the room itself. total must be at most
// the sum of the rooms.
func ApportionWithin(dst []int64, total int64, weights, rooms []int64) []int64 {
	dst = Apportion(dst, 0, weights)
	open := slices.Clone(weights)
	free := slices.Clone(rooms)
	var shares []int64
	for left := total; left > 0; {
		var sum int64
		for i := range open {
			if free[i] == 0 {
				open[i] = 0
			}
			sum += open[i]
		}
		if sum == 0 {
			copy(open, free)
		}
		shares = Apportion(shares, left, open)
		for i, s := range shares {
			s = min(s, free[i])
			dst[i] += s
			free[i] -= s
			left -= s
		}
	}
	return dst
}
