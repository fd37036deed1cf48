// Package advert is what adverts truly do to simulated shoppers, so that what the
// product finds can be held against it. An advert that was shown adds to a
// shopper's ad-stock for a brand in a category, by placement and position; the
// stock fades; on a later trip it may put the brand into her basket, by her own
// susceptibility to that brand. Some of what it puts there is taken from another
// brand, some from the brand itself, and some from her next trips.
//
// A Book changes filled baskets and nothing else: the basket without adverts is
// the one that simulate/life filled, so each receipt knows both of its ends.
//
// It is before the road of a receipt: the receipt shows what the advert did.
package advert

import (
	"fmt"
	"math"
	"slices"

	"endcap/retail"
	"endcap/simulate/draw"
	"endcap/simulate/life"
)

// Terms are the planted effect.
type Terms struct {
	Effect     float64   `json:"effect"`     // purchases that a unit of fresh ad-stock makes on a trip, on average over shoppers
	Spread     float64   `json:"spread"`     // of susceptibility: the deviation of its logarithm; 0 makes all alike
	HalfLife   float64   `json:"half_life"`  // days in which ad-stock halves
	Saturation float64   `json:"saturation"` // ad-stock at which another advert does half as much
	Placements []float64 `json:"placements"` // what one advert adds at the first position, by placement
	Position   float64   `json:"position"`   // exponent by which that falls with the position
	Switch     float64   `json:"switch"`     // chance that what it makes is taken from another brand's line
	Cannibal   float64   `json:"cannibal"`   // chance that it is taken from the brand's own line
	Stockpile  float64   `json:"stockpile"`  // chance that a purchase that was made is missing later
}

// Defaults are the terms of an effect on the placements search, banner and screen.
func Defaults(effect float64) Terms {
	return Terms{Effect: effect, Spread: 0.8, HalfLife: 7, Saturation: 3, Placements: []float64{1, 0.5, 0.3}, Position: 0.7, Switch: 0.4, Cannibal: 0.15, Stockpile: 0.2}
}

// placementsMax bounds the list of placements.
const placementsMax = 1_000

// Check says what cannot be planted.
func (t *Terms) Check() error {
	for _, x := range []struct {
		name          string
		is, least, up float64
	}{
		{"effect", t.Effect, 0, 1},
		{"spread", t.Spread, 0, 3},
		{"half_life", t.HalfLife, 0.01, 365},
		{"saturation", t.Saturation, 0.01, 1_000},
		{"position", t.Position, 0, 5},
		{"switch", t.Switch, 0, 1},
		{"cannibal", t.Cannibal, 0, 1},
		{"stockpile", t.Stockpile, 0, 1},
		{"switch and cannibal", t.Switch + t.Cannibal, 0, 1},
		{"placements", float64(len(t.Placements)), 1, placementsMax},
		{"placements, least", slices.Min(append([]float64{0}, t.Placements...)), 0, 0},
		{"placements, most", slices.Max(append([]float64{0}, t.Placements...)), 0, 100},
	} {
		if !(x.is >= x.least && x.is <= x.up) {
			return &retail.Error{Kind: retail.Invalid, Field: x.name, Say: fmt.Sprintf("%s is %v", x.name, x.is), Cure: fmt.Sprintf("from %v to %v", x.least, x.up)}
		}
	}
	return nil
}

// forAdvert is what the book's chance is for; it differs from the numbers of the
// simulator's other rooms.
const forAdvert = 301

// stock is what adverts have left with one shopper.
type stock struct {
	about life.About
	level float64
	day   int // to which level is faded
	ahead int // purchases that adverts made and that may be missing later
}

// Book keeps the ad-stock of those who saw adverts. It is not safe for
// concurrent use. To know what adverts would have done to shoppers who were held
// out, keep a second book in which they saw them.
type Book struct {
	terms  map[life.About]*Terms // what moves nobody has none
	world  *life.World
	stocks map[int][]stock // by shopper
	key    draw.Key
}

// Open begins a book, in which no advert moves anybody yet.
func Open(w *life.World) *Book {
	return &Book{terms: make(map[life.About]*Terms), world: w, stocks: make(map[int][]stock), key: w.Crowd.Key().For(forAdvert)}
}

// Plant says what adverts for a brand do, before the first is shown.
func (b *Book) Plant(a life.About, t Terms) error {
	if err := t.Check(); err != nil {
		return err
	}
	b.terms[a] = &t
	return nil
}

// Susceptibility is how much a shopper is moved by a brand, 1 on average over
// shoppers; 0 where no effect is planted.
func (b *Book) Susceptibility(shopper int, a life.About) float64 {
	t := b.terms[a]
	if t == nil {
		return 0
	}
	s := t.Spread
	return math.Exp(s*draw.Normal(b.of(shopper, a).Unit()) - s*s/2)
}

func (b *Book) of(shopper int, a life.About) draw.Key {
	return b.key.For(uint64(shopper)).For(uint64(a.Category)<<16 | uint64(a.Brand))
}

// Shown notes that a shopper looked at an advert on a day of the simulation, at a
// placement of the terms and a position from 1.
func (b *Book) Shown(shopper, day int, a life.About, placement, position int) {
	t := b.terms[a]
	if t == nil {
		return
	}
	s := b.find(shopper, a)
	b.fade(s, day)
	s.level += t.Placements[placement] * math.Pow(float64(max(position, 1)), -t.Position)
}

func (b *Book) find(shopper int, a life.About) *stock {
	all := b.stocks[shopper]
	for i := range all {
		if all[i].about == a {
			return &all[i]
		}
	}
	all = append(all, stock{about: a})
	b.stocks[shopper] = all
	return &all[len(all)-1]
}

func (b *Book) fade(s *stock, day int) {
	s.level *= math.Exp2(-float64(max(day-s.day, 0)) / b.terms[s.about].HalfLife)
	s.day = max(s.day, day)
}

// chance is how likely a shopper's ad-stock makes a purchase on a trip.
func (b *Book) chance(shopper int, s *stock) float64 {
	t := b.terms[s.about]
	felt := s.level / (1 + s.level/t.Saturation)
	return 1 - math.Exp(-t.Effect*b.Susceptibility(shopper, s.about)*felt)
}

// Sway gives the lines of a receipt as adverts have changed them; lines stay as
// they are. Receipts of a shopper are swayed in the order of time. Returns and
// trips for fuel are not moved.
func (b *Book) Sway(r *life.Receipt, lines []life.Line, day int) []life.Line {
	all := b.stocks[int(r.Shopper)]
	if len(all) == 0 || r.Return || len(lines) == 0 || b.world.IsFuel(lines[0].Product) {
		return lines
	}
	out := slices.Clone(lines)
	for i := range all {
		s := &all[i]
		b.fade(s, day)
		c := b.of(int(r.Shopper), s.about).For(uint64(r.ID)).Stream()
		out = b.later(s, out)
		if c.Chance(b.chance(int(r.Shopper), s)) {
			out = b.buy(&c, s, r, out, day)
		}
	}
	return out
}

// later takes out a line that was bought ahead.
func (b *Book) later(s *stock, lines []life.Line) []life.Line {
	if s.ahead == 0 {
		return lines
	}
	if i := b.world.Of(lines, s.about, true); i >= 0 && len(lines) > 1 {
		s.ahead--
		return slices.Delete(lines, i, i+1)
	}
	return lines
}

// buy puts a piece of what the advert is for into the basket, in the place of
// another brand's line, or of one of its own, or beside them.
func (b *Book) buy(c *draw.Stream, s *stock, r *life.Receipt, lines []life.Line, day int) []life.Line {
	line, ok := b.world.Piece(c, s.about.Category, s.about.Brand, int(r.Store), day)
	if !ok || slices.ContainsFunc(lines, func(l life.Line) bool { return l.Product == line.Product }) {
		return lines
	}
	t := b.terms[s.about]
	lines, of, _ := b.world.Graft(c, life.Sources{Switch: t.Switch, Cannibal: t.Cannibal, Stockpile: t.Stockpile}, s.about, line, lines)
	if of == life.Ahead {
		s.ahead++
	}
	return lines
}
