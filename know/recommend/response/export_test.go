package response

// Coordinates are where a showing stands in a model of 2^dimBits, and what it counts
// for at each.
func Coordinates(sh *Showing, dimBits int) (at []uint32, value []float64) {
	var e example
	e.read(sh, dimBits)
	return e.at[:e.n], e.value[:e.n]
}

// Sealed puts a kept model's checksum beneath bytes, so that what lies behind it can
// be reached.
var Sealed = sealed
