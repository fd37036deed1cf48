package response

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"endcap/retail/media"
)

// Scorer answers with the model as it was at one instant. It does not change and
// may be used by many at once.
type Scorer struct {
	bits          int
	clicks, buys  weights
	places        map[spot]float64 // what is looked at
	watched       []Watched
	seen, clicked uint64
	steps         steps
}

// weights are one model as it answers.
type weights struct {
	at    []float64
	curve curve
	hints [rungs]uint8 // by rung: the last knot of curve at or below its foot
}

func (h *head) freeze() weights {
	w := weights{at: make([]float64, len(h.cells)), curve: h.ladder.curve()}
	for i := range h.cells {
		w.at[i] = h.cells[i].Weight(&h.rates)
	}
	for i := range w.hints {
		foot := lowest + rungWidth*float64(i)
		for k := int(w.hints[max(i-1, 0)]); k < len(w.curve.score) && w.curve.score[k] <= foot; k++ {
			w.hints[i] = uint8(k)
		}
		w.hints[i] = max(w.hints[i], w.hints[max(i-1, 0)])
	}
	return w
}

// chance is curve.at without the search.
func (w *weights) chance(s float64) float64 {
	c := &w.curve
	n := len(c.score)
	if n < 2 || s <= c.score[0] || s >= c.score[n-1] {
		return c.at(s)
	}
	lo := int(w.hints[rung(s)])
	for lo+1 < n-1 && c.score[lo+1] <= s {
		lo++
	}
	part := (s - c.score[lo]) / (c.score[lo+1] - c.score[lo])
	return c.chance[lo] + part*(c.chance[lo+1]-c.chance[lo])
}

func (w *weights) sum(e *example) (s float64) {
	for i := range e.n {
		s += w.at[e.at[i]] * e.value[i]
	}
	return s
}

// Watched is one place with what was expected of it and what came, over recent
// showings: what a page about drift shows.
type Watched struct {
	Placement media.PlacementID
	Position  int
	Examined  float64 // the chance that it is looked at, beside the placement's first position
	Shown     float64 // recent showings; older ones count less
	Predicted float64 // clicks, each predicted before it was learned
	Observed  float64 // clicks
	Loss      float64 // log loss of these predictions, added up
	Plain     float64 // the same of who always says what mostly came at this place before
}

// Publish makes what was learned so far the model that answers, and returns it.
func (l *Learner) Publish() *Scorer {
	l.learning.Lock()
	defer l.learning.Unlock()
	s := &Scorer{
		bits: l.cfg.Bits, clicks: l.clicks.freeze(), buys: l.buys.freeze(),
		places: make(map[spot]float64, len(l.places)), seen: l.clicks.seen, clicked: l.buys.seen,
	}
	for at, p := range l.places {
		examined := habit(at.position, p.Weight(&l.cfg.Place))
		s.places[at] = examined
		s.watched = append(s.watched, Watched{at.placement, at.position, examined, p.shown, p.predicted, p.observed, p.loss, p.plain})
	}
	slices.SortFunc(s.watched, func(a, b Watched) int {
		return cmp.Or(cmp.Compare(a.Placement, b.Placement), cmp.Compare(a.Position, b.Position))
	})
	s.steps = s.lay()
	l.now.Store(s)
	return s
}

// Seen is how many showings and clicks the model has learned from. One that has
// seen few had better not price an auction.
func (s *Scorer) Seen() (showings, clicks uint64) { return s.seen, s.clicked }

// Places lists every place that the model knows, by placement and position.
func (s *Scorer) Places() []Watched { return slices.Clone(s.watched) }

// Examined is the chance that a place is looked at, beside the first position of its
// placement.
func (s *Scorer) Examined(placement media.PlacementID, position int) float64 {
	at := spot{placement, min(max(position, 1), PositionMax)}
	if v, ok := s.places[at]; ok {
		return v
	}
	if v, ok := s.places[spot{"", at.position}]; ok {
		return v
	}
	return habit(at.position, 0)
}

// Prepared is a showing of which all is worked out but how a shopper stands to it:
// what one page's products keep for its next visitor. It is the Scorer's, and as
// lasting.
type Prepared struct {
	scorer       *Scorer
	clicks, buys float64
	examined     float64
	sides        sides
}

// Prepare works a showing out; its Relation is not looked at.
func (s *Scorer) Prepare(sh *Showing) (Prepared, error) {
	common := *sh
	common.Relation = nil
	if err := common.Check(); err != nil {
		return Prepared{}, err
	}
	var e example
	sides := e.common(sh, s.bits)
	return Prepared{s, clicksPrior + s.clicks.sum(&e), buysPrior + s.buys.sum(&e), s.Examined(sh.Placement, sh.Position), sides}, nil
}

// Answer says what is expected of the showing where a shopper stands so to it; nil is
// somebody of whom nothing is known or may be used.
func (p *Prepared) Answer(r *Relation) (Answer, error) {
	if err := r.Check(); err != nil {
		return Answer{}, err
	}
	s := p.scorer
	e := example{shift: uint8(64 - s.bits)}
	e.relate(r, p.sides)
	return Answer{p.examined, s.clicks.curve.at(p.clicks + s.clicks.sum(&e)), s.buys.curve.at(p.buys + s.buys.sum(&e))}, nil
}

// Answer says what is expected of a showing. Before anything was learned that is
// worth nothing: see Seen.
func (s *Scorer) Answer(sh *Showing) (Answer, error) {
	p, err := s.Prepare(sh)
	if err != nil {
		return Answer{}, err
	}
	return p.Answer(sh.Relation)
}

// Part is what one feature adds to the logit of the chance of a click, once looked
// at.
type Part struct {
	Feature string
	Adds    float64
}

// Explain says of what a showing's appeal is made, the weightiest first. Before
// recalibration, their sum is the logit.
func (s *Scorer) Explain(sh *Showing) ([]Part, error) {
	if err := sh.Check(); err != nil {
		return nil, err
	}
	var e example
	e.read(sh, s.bits)
	adds := map[string]float64{names[always]: clicksPrior}
	for i := range e.n {
		adds[names[e.what[i]]] += s.clicks.at[e.at[i]] * e.value[i]
	}
	parts := make([]Part, 0, len(adds))
	for _, name := range slices.Sorted(maps.Keys(adds)) {
		parts = append(parts, Part{name, adds[name]})
	}
	slices.SortStableFunc(parts, func(a, b Part) int { return cmp.Compare(math.Abs(b.Adds), math.Abs(a.Adds)) })
	return parts, nil
}
