package merchandising

import (
	"cmp"
	"math"
	"slices"

	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/visit"
)

// Stock is what must be known of the assortment. know/assortment's Shelf fits it.
type Stock interface {
	// InStock reports whether a store has a product.
	InStock(id catalog.ProductID, at catalog.StoreID) bool
	// Count is how many of a product a store has, where somebody counted.
	Count(id catalog.ProductID, at catalog.StoreID) (int64, bool)
}

// Candidate is a product that a model found, by its place in the range. Its score
// is 0 or more; what is less, or no number, counts as 0.
type Candidate struct {
	No    int32
	Score float64
}

// Scene is where a list is shown.
type Scene struct {
	List     visit.ListName
	Store    catalog.StoreID
	Day      retail.Day
	Country  string // empty where it is not known
	Personal bool   // the list is made from what she bought
	Length   int    // of the list, at most SlotMax+1
	Stock    Stock
}

// Placed is one product of a finished list.
type Placed struct {
	No    int32
	Score float64 // after the rules
	From  int     // its place among the candidates, -1 where a pin alone put it here
}

// Effect is one thing that a rule did to a list. From and To are places in the list
// without the rules and with them; -1 is none.
type Effect struct {
	Rule     ID
	Did      Deed
	No       int32
	From, To int
}

// Deed is what a rule did. Words cross the wire and never change.
type Deed string

// The deeds.
const (
	Pinned   Deed = "pinned"
	Boosted  Deed = "boosted"
	Buried   Deed = "buried"
	Excluded Deed = "excluded"
	Spreads  Deed = "spread" // taken out because the list has enough of its brand or category
	Weighed  Deed = "weighed"
)

// The words for why a list is empty. They cross the wire and never change.
const (
	NoCandidates = "no_candidates"
	AllExcluded  = "all_excluded_by_rules"
)

// EffectsMax bounds what one list tells of its rules.
const EffectsMax = 100

// Desk is the memory of Arrange; the zero Desk is ready. It is not safe for
// concurrent use.
type Desk struct {
	List    []Placed
	Effects []Effect
	Empty   string // why the list is empty, if it is

	standing []standing // by place among the candidates
	order    []int32    // of those that are not out: their places, the best first
	pins     []pin
	pinned   int    // pins that are on the list
	counts   []bool // by rule: it counts in this scene
	spreads  [2]spread
	scene    uint32             // counts scenes, so that verdicts of another are told from this one's
	verdicts []verdict          // by class
	scarce   []int32            // the rules that count and weigh availability
	stocks   [stocksMax]verdict // by pieces
}

// stocksMax is below how many pieces a verdict is kept by stock.
const stocksMax = 64

// standing is a candidate on its way.
type standing struct {
	no, rule int32 // rule changed its score most, or excluded it; -1 for none
	to       int32 // its place on the list; -1 for none
	score    float64
	out      bool
	pinned   bool
}

// verdict is what the rules of a scene say of a class, or of a stock.
type verdict struct {
	scene  uint32
	rule   int32   // that weighs most, or excludes; -1 for none
	weight float64 // what all of them multiply scores by
	most   float64 // what rule does, upwards
	out    bool
}

func (v *verdict) take(rule int32, by float64) {
	v.weight *= by
	if far := max(by, 1/max(by, 1e-9)); far > v.most {
		v.most, v.rule = far, rule
	}
}

type pin struct {
	no, from, rule int32 // from is its place among the candidates, -1 for none
	slot           int
}

// spread bounds how many products with one word, a brand or a category, are on a
// list.
type spread struct {
	most int     // 0 for no bound
	of   []int32 // the sheet's words, by product
	held []int32 // words of what is on the list and of the pins to come
}

// take counts a product.
func (s *spread) take(no int32) {
	if s.most > 0 && s.of[no] >= 0 {
		s.held = append(s.held, s.of[no])
	}
}

// full reports whether there are enough of a product's word.
func (s *spread) full(no int32) bool {
	if s.most == 0 || s.of[no] < 0 {
		return false
	}
	n := 0
	for _, word := range s.held {
		if word == s.of[no] {
			n++
		}
	}
	return n >= s.most
}

// Arrange puts candidates, which are in the order of the model, in the order of the
// rules. What it answers is in d until its next call.
func (s *Sheet) Arrange(c *Scene, candidates []Candidate, d *Desk) {
	d.List, d.Effects, d.Empty = d.List[:0], d.Effects[:0], ""
	d.standing, d.order, d.pins, d.pinned = d.standing[:0], d.order[:0], d.pins[:0], 0
	s.begin(c, d)
	if moved := s.judge(c, candidates, d); moved {
		slices.SortFunc(d.order, func(a, b int32) int {
			x, y := d.standing[a].score, d.standing[b].score
			switch {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return cmp.Compare(a, b)
		})
	}
	s.pin(c, d)
	s.fill(c, d)
	s.tell(c, d)
	if len(d.List) == 0 && c.Length > 0 {
		d.Empty = NoCandidates
		if len(d.order) < len(d.standing) {
			d.Empty = AllExcluded
		}
	}
}

// begin finds the rules that count in a scene.
func (s *Sheet) begin(c *Scene, d *Desk) {
	d.scarce = d.scarce[:0]
	for j := range d.spreads {
		d.spreads[j] = spread{held: d.spreads[j].held[:0]}
	}
	if s == nil {
		return
	}
	d.spreads[0].of, d.spreads[1].of = s.brands, s.kinds
	if d.scene++; d.scene == 0 { // it is round: forget them all
		clear(d.verdicts[:cap(d.verdicts)])
		clear(d.stocks[:])
		d.scene = 1
	}
	d.verdicts = slices.Grow(d.verdicts[:0], len(s.touched.start))[:len(s.touched.start)]
	d.counts = slices.Grow(d.counts[:0], len(s.rules))[:len(s.rules)]
	for i := range s.rules {
		r := &s.rules[i]
		d.counts[i] = r.counts(c)
		if !d.counts[i] {
			continue
		}
		if r.Weigh != nil && r.Weigh.Availability > 0 {
			d.scarce = append(d.scarce, int32(i))
		}
		if r.Spread != nil {
			for j, most := range [2]int{r.Spread.PerBrand, r.Spread.PerCategory} {
				if at := &d.spreads[j].most; most > 0 && (*at == 0 || most < *at) {
					*at = most
				}
			}
		}
	}
}

// counts reports whether a rule counts in a scene.
func (r *Rule) counts(c *Scene) bool {
	if len(r.Lists) > 0 && !slices.Contains(r.Lists, c.List) || len(r.Stores) > 0 && !slices.Contains(r.Stores, c.Store) {
		return false
	}
	if r.From != nil && c.Day < *r.From || r.To != nil && c.Day >= *r.To {
		return false
	}
	if e := r.Exclude; e != nil {
		return (e.Purpose == "" || c.Personal) && (len(e.Countries) == 0 || c.Country == "" || slices.Contains(e.Countries, c.Country))
	}
	return true
}

// judge lays the candidates out with their scores by the rules; true where any
// changed.
func (s *Sheet) judge(c *Scene, candidates []Candidate, d *Desk) (moved bool) {
	for i := range candidates {
		x := standing{no: candidates[i].No, score: candidates[i].Score, rule: -1, to: -1}
		if !(x.score >= 0 && x.score <= math.MaxFloat64) {
			x.score, moved = 0, true
		}
		if s != nil {
			moved = s.weigh(c, d, &x) || moved
		}
		if !x.out {
			d.order = append(d.order, int32(i))
		}
		d.standing = append(d.standing, x)
	}
	return moved
}

// weigh multiplies a candidate's score by what the rules say, or takes it out; true
// where its score is another.
func (s *Sheet) weigh(c *Scene, d *Desk, x *standing) bool {
	v := s.verdict(d, s.classes[x.no])
	x.rule, x.out = v.rule, v.out
	weight := v.weight
	if !v.out && len(d.scarce) > 0 {
		if n, known := c.Stock.Count(s.products[x.no].ID, c.Store); known {
			by := s.stocked(d, max(n, 0))
			weight *= by.weight
			if by.most > v.most {
				x.rule = by.rule
			}
		}
	}
	x.score *= weight
	return weight != 1
}

// verdict is what the rules say of a class.
func (s *Sheet) verdict(d *Desk, class int32) verdict {
	at := &d.verdicts[class]
	if at.scene == d.scene {
		return *at
	}
	v := verdict{scene: d.scene, rule: -1, weight: 1, most: 1}
	for _, t := range s.touched.of(class) {
		if !d.counts[t.rule] {
			continue
		}
		switch r := &s.rules[t.rule]; {
		case r.Exclude != nil:
			v.out, v.rule, v.weight = true, t.rule, 1
			*at = v
			return v
		case r.Boost != nil:
			v.take(t.rule, r.Boost.Factor)
		case r.Weigh != nil && r.Weigh.Margin > 0:
			v.take(t.rule, max(0, 1+r.Weigh.Margin*(float64(t.value)-r.Weigh.Usual)))
		}
	}
	*at = v
	return v
}

// stocked is what the rules say of a stock.
func (s *Sheet) stocked(d *Desk, n int64) verdict {
	if n < stocksMax && d.stocks[n].scene == d.scene {
		return d.stocks[n]
	}
	v := verdict{scene: d.scene, rule: -1, weight: 1, most: 1}
	for _, rule := range d.scarce {
		if w := s.rules[rule].Weigh; n < w.Full {
			v.take(rule, 1-w.Availability*(1-float64(n)/float64(w.Full)))
		}
	}
	if n < stocksMax {
		d.stocks[n] = v
	}
	return v
}
