package related

import (
	"math/bits"
)

// counter counts pairs of numbered things in bounded memory. When there are more
// pairs than it has room for, those counted least leave, and what they were
// counted is the most by which any pair may be counted too little from then on
// (Manku and Motwani, Approximate Frequency Counts over Data Streams, VLDB 2002,
// section 4.2, with room in the place of time). It is deterministic.
type counter struct {
	keys   []uint32 // of a pair, plus one; 0 is free
	counts []uint32
	used   int
	lost   uint32 // the most by which a count may be too low
}

// counterLeast is the smallest room of a counter.
const counterLeast = 1 << 10

// newCounter makes room for about three quarters of a number of pairs, of which
// each takes eight bytes.
func newCounter(room int) *counter {
	size := 1 << bits.Len(uint(max(room, counterLeast)-1))
	return &counter{keys: make([]uint32, size), counts: make([]uint32, size)}
}

// triangle numbers the pairs of things below countedMax; b is not a.
func triangle(a, b int32) uint32 {
	if a > b {
		a, b = b, a
	}
	return uint32(uint64(b)*uint64(b-1)/2) + uint32(a)
}

// find is the place of a pair's key: where it is, or where it would be.
func (c *counter) find(key uint32) int {
	mask := uint32(len(c.keys) - 1)
	at := (key * 0x9e3779b1) >> (32 - bits.Len32(mask))
	for c.keys[at] != 0 && c.keys[at] != key+1 {
		at = (at + 1) & mask
	}
	return int(at)
}

// add counts a pair once more.
func (c *counter) add(a, b int32) {
	key := triangle(a, b)
	at := c.find(key)
	if c.keys[at] == 0 {
		if c.used >= len(c.keys)/4*3 {
			c.thin()
			at = c.find(key)
		}
		c.keys[at] = key + 1
		c.used++
	}
	c.counts[at]++
}

// of is how often a pair was counted.
func (c *counter) of(a, b int32) uint32 {
	if at := c.find(triangle(a, b)); c.keys[at] != 0 {
		return c.counts[at]
	}
	return 0
}

// thin removes the pairs that were counted least, half of all at least.
func (c *counter) thin() {
	const most = 1 << 12
	var having [most]int // how many pairs were counted so often
	for i, key := range c.keys {
		if key != 0 {
			having[min(c.counts[i], most-1)]++
		}
	}
	gone, floor := 0, uint32(0)
	for gone < c.used/2 && floor < most-1 {
		floor++
		gone += having[floor]
	}
	old := *c
	*c = counter{keys: make([]uint32, len(old.keys)), counts: make([]uint32, len(old.keys)), lost: old.lost + floor}
	for i, key := range old.keys {
		if key != 0 && old.counts[i] > floor {
			at := c.find(key - 1)
			c.keys[at], c.counts[at] = key, old.counts[i]
			c.used++
		}
	}
}

// each calls f with every pair of numbers below n that was counted, by the larger
// number first; a is below b.
func (c *counter) each(f func(a, b int32, count uint32)) {
	for i, key := range c.keys {
		if key == 0 {
			continue
		}
		b := rootOf(key - 1)
		f(int32(key-1-uint32(uint64(b)*uint64(b-1)/2)), b, c.counts[i])
	}
}

// rootOf is the larger number of a pair.
func rootOf(key uint32) int32 {
	lo, hi := int32(1), int32(countedMax)
	for hi-lo > 1 {
		if mid := lo + (hi-lo)/2; uint64(mid)*uint64(mid-1)/2 <= uint64(key) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}
