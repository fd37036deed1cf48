// Package auction ranks eligible line items for the slots of a visit and prices
// the winners. It is arithmetic: no clock, no I/O, no chance of its own, so any
// past decision can be run again and explained.
//
// A candidate's score is quality × bid. Each slot goes to the best score left
// (generalised second price), and its winner pays the least whole coin that
// still keeps the slot from the next, at least the floor and never more than
// its bid. Ties go to the lower line item. Within one answer a line item and a
// product get one slot.
//
// Line items of one advertiser compete with each other like any others: who does
// not want that books one line item with several products.
//
// A candidate whose shopper is in its campaign's control group wins as a ghost
// where it would have won: the win is kept for the proof, the slot goes on to
// the next, and nobody's price feels it, as if the campaign did not run.
//
// On the road of a receipt, sell/decide asks here who may have which slot.
package auction

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"endcap/retail/event"
	"endcap/retail/trial"
)

// QualityAll is a quality of one: parts per million.
const QualityAll = 1_000_000

// Candidate is one line item that may have a slot. Line, Product and Campaign
// are numbers of the caller's choosing; the numbers of line items follow the
// order of their ids, because ties go to the lower one.
type Candidate struct {
	Line     int32
	Product  int32
	Campaign int32
	Quality  int32 // how well the product fits the visit, parts per million, 1 to QualityAll
	Bid      int64 // the most it pays, in the smallest coins, 1 to BidMax
	Arm      trial.Arm
}

// BidMax keeps a score within 63 bits.
const BidMax = math.MaxInt64 / QualityAll

// Score is what candidates are ranked by.
func (c *Candidate) Score() int64 { return int64(c.Quality) * c.Bid }

// Before reports whether c ranks before d.
func (c *Candidate) Before(d *Candidate) bool {
	if s, t := c.Score(), d.Score(); s != t {
		return s > t
	}
	return c.Line < d.Line
}

// Verdict is what became of one candidate in one place. Refusal is empty for
// those that won; a candidate of a control group that won is a ghost.
type Verdict struct {
	Candidate
	Refusal event.Refusal
	Slot    int   // of a winner; of a ghost, the slot it would have had
	Price   int64 // of a winner; of a ghost, what it would have paid
}

// Won reports whether v has a slot, or would have.
func (v *Verdict) Won() bool { return v.Refusal == "" }

// Sale awards the slots of one answer, place by place: Open, Offer the
// candidates in ranking order, Close. What was won in earlier places stays won.
// The zero Sale is ready for an answer's first place; Reset makes it so again.
// A Sale keeps its memory and is not safe for concurrent use.
type Sale struct {
	slots, placed int
	floor         int64
	enough        bool
	verdicts      []Verdict
	blocked       []int32 // for each verdict, the verdict whose product it shares, or notBlocked or blockedBefore
	lines         []int32 // line items that won in earlier places, ghosts too
	products      []int32 // products that won in earlier places
}

const (
	notBlocked    = -1
	blockedBefore = -2
)

// Reset forgets everything.
func (s *Sale) Reset() {
	s.lines, s.products = s.lines[:0], s.products[:0]
	s.Open(0, 0)
}

// Open begins the sale of one place.
func (s *Sale) Open(slots int, floor int64) {
	s.slots, s.floor, s.placed, s.enough = slots, floor, 0, slots <= 0
	s.verdicts, s.blocked = s.verdicts[:0], s.blocked[:0]
}

// Offer judges the next candidate in ranking order, which must bid at least the
// floor. It reports whether more candidates could change who wins or what they
// pay; when not, the rest may be left out without any effect on the others.
func (s *Sale) Offer(c Candidate) (more bool) {
	n := len(s.verdicts)
	if n > 0 && !s.verdicts[n-1].Before(&c) || c.Quality < 1 || c.Quality > QualityAll || c.Bid < max(s.floor, 1) || c.Bid > BidMax {
		panic(fmt.Sprintf("auction: bug: candidate %+v offered out of order or out of range", c))
	}
	v := Verdict{Candidate: c}
	blocked := s.block(&c)
	switch {
	case slices.Contains(s.lines, c.Line):
		v.Refusal = event.DuplicateLine
	case blocked != notBlocked:
		v.Refusal = event.DuplicateProduct
	case c.Arm == trial.Control:
		v.Slot = s.placed + s.ghosts(c.Campaign)
		if v.Slot >= s.slots {
			v.Refusal, v.Slot = event.Outbid, 0
		}
	case s.placed < s.slots:
		v.Slot = s.placed
		s.placed++
	default:
		v.Refusal = event.Outbid
	}
	s.verdicts, s.blocked = append(s.verdicts, v), append(s.blocked, blocked)
	if s.placed == s.slots && !s.enough {
		last := s.lastWinner()
		s.enough = last != n && s.rivals(last, n)
	}
	return !s.enough
}

// block finds what keeps c's product from a slot.
func (s *Sale) block(c *Candidate) int32 {
	if slices.Contains(s.products, c.Product) || slices.Contains(s.lines, c.Line) {
		return blockedBefore
	}
	for i := range s.verdicts {
		if w := &s.verdicts[i]; w.Won() && w.Arm == trial.Treated && w.Product == c.Product {
			return int32(i)
		}
	}
	return notBlocked
}

// ghosts counts the ghost wins of a campaign in this place: were it not held
// out, they would fill slots, so its further candidates stand behind them.
func (s *Sale) ghosts(campaign int32) int {
	n := 0
	for i := range s.verdicts {
		if w := &s.verdicts[i]; w.Won() && w.Arm == trial.Control && w.Campaign == campaign {
			n++
		}
	}
	return n
}

func (s *Sale) lastWinner() int {
	for i := len(s.verdicts) - 1; i >= 0; i-- {
		if w := &s.verdicts[i]; w.Won() && w.Arm == trial.Treated {
			return i
		}
	}
	return -1
}

// rivals reports whether candidate j could take the slot of winner i if i bid
// less: it is not held out (for a ghost: but by the same campaign), and its
// product is free once i is gone.
func (s *Sale) rivals(i, j int) bool {
	v, w := &s.verdicts[i], &s.verdicts[j]
	if w.Arm == trial.Control && (v.Arm != trial.Control || v.Campaign != w.Campaign) {
		return false
	}
	return s.blocked[j] == notBlocked || s.blocked[j] == int32(i)
}

// Close prices the winners and ends the place. The verdicts are the Sale's and
// stand until the next Open.
func (s *Sale) Close() []Verdict {
	for i := range s.verdicts {
		v := &s.verdicts[i]
		if !v.Won() {
			continue
		}
		v.Price = s.floor
		for j := i + 1; j < len(s.verdicts); j++ {
			if s.rivals(i, j) {
				v.Price = max(s.floor, PriceOver(&v.Candidate, &s.verdicts[j].Candidate))
				break
			}
		}
		s.lines = append(s.lines, v.Line)
		if v.Arm == trial.Treated {
			s.products = append(s.products, v.Product)
		}
	}
	return s.verdicts
}

// PriceOver is the least whole coin with which winner still ranks before next:
// next's score divided by winner's quality, rounded up, and one more where that
// would only tie and the tie would go to next.
func PriceOver(winner, next *Candidate) int64 {
	hi, lo := bits.Mul64(uint64(next.Quality), uint64(next.Bid))
	q, r := bits.Div64(hi, lo, uint64(winner.Quality))
	if r > 0 || next.Line < winner.Line {
		q++
	}
	return int64(q)
}
