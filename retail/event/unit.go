package event

import "encoding/binary"

// unitOf is the Unit of a fact about nobody known. A decision and what came of it
// keep their order, so that a click follows its impression; any other fact stands
// alone.
func unitOf(body Body, key [16]byte) uint64 {
	var decision [16]byte
	switch b := body.(type) {
	case Decided:
		decision = b.Decision
	case Shown:
		decision = b.Decision
	case Clicked:
		decision = b.Decision
	case Basketed:
		decision = b.Decision
	case Purchased:
		decision = b.Decision
	default:
		return binary.BigEndian.Uint64(key[:])
	}
	return binary.BigEndian.Uint64(decision[:])
}
