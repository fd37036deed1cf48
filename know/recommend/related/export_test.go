package related

import (
	"bytes"
	"crypto/sha256"
)

// CountedMax is how many products pairs are counted of.
const CountedMax = countedMax

// Pairs is a counter of pairs for tests.
type Pairs struct{ c *counter }

// NewPairs makes one with room for so many pairs.
func NewPairs(room int) Pairs { return Pairs{newCounter(room)} }

// Add counts a pair.
func (p Pairs) Add(a, b int32) { p.c.add(a, b) }

// Each lists the pairs.
func (p Pairs) Each(f func(a, b int32, count uint32)) { p.c.each(f) }

// Lost is the most by which a count is too low.
func (p Pairs) Lost() uint32 { return p.c.lost }

// Of is how often a pair was counted.
func (p Pairs) Of(a, b int32) uint32 { return p.c.of(a, b) }

// SizeOf reads a size.
func SizeOf(text string) (float64, byte) { return sizeOf(text) }

// Sealed makes a file of any body, with the head and checksum of a whole one.
func Sealed(file []byte) []byte {
	b := append([]byte(magic), layout)
	if len(file) > len(b)+sha256.Size && bytes.HasPrefix(file, b) {
		file = file[len(b) : len(file)-sha256.Size]
	}
	b = append(b, file...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}
