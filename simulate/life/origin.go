package life

import (
	"slices"

	"endcap/simulate/draw"
)

// About is what an advert or a coupon is for: a brand in a category of the
// grocer's.
type About struct {
	Category int
	Brand    uint16
}

// Origin is at whose cost a shopper buys what she was moved to buy.
type Origin uint8

// The origins.
const (
	Fresh    Origin = iota // nobody's: she buys more
	Switched               // another brand's, whose line it takes
	Own                    // the brand's own, which she would have bought anyway
	Ahead                  // a later trip's: she buys more now, and perhaps less then
)

// String is the origin's word in the truth.
func (o Origin) String() string { return [...]string{"new", "switched", "own", "ahead"}[o] }

// Sources are how likely each origin is; what remains is new. Where the basket has
// nothing that could be replaced, the line is new or from later.
type Sources struct {
	Switch    float64 // chance that it takes the line of another brand of the category
	Cannibal  float64 // chance that it takes the brand's own line
	Stockpile float64 // chance that what took no line may be missing later
}

// Graft puts a line about a brand into a basket: in place of a line without a
// coupon, which it gives, or beside the others.
func (w *World) Graft(c *draw.Stream, from Sources, a About, line Line, lines []Line) (out []Line, of Origin, instead Line) {
	u, at := c.Unit(), -1
	switch {
	case u < from.Switch:
		of, at = Switched, w.Of(lines, a, false)
	case u < from.Switch+from.Cannibal:
		of, at = Own, w.Of(lines, a, true)
	}
	if at >= 0 {
		instead, lines[at] = lines[at], line
		return lines, of, instead
	}
	if of = Fresh; c.Chance(from.Stockpile) {
		of = Ahead
	}
	return append(lines, line), of, Line{}
}

// Of is the first line of a category without a coupon that is of the brand, or is
// not; -1 where there is none.
func (w *World) Of(lines []Line, a About, own bool) int {
	return slices.IndexFunc(lines, func(l Line) bool {
		p := &w.Grocer.Products[l.Product]
		return int(p.Category) == a.Category && (p.Brand == a.Brand) == own && l.Coupon == 0
	})
}
