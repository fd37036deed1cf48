package response

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"endcap/know/recommend/response/ftrl"
	"endcap/retail/media"
)

// Limits of a model.
const (
	bitsMin   = 8
	bitsMax   = 24
	placesMax = 4_096 // pairs of placement and position with an examination of their own
)

// Config is how a model learns. It is part of the model and kept with it.
type Config struct {
	// Bits say how many coordinates a model has: 2^Bits for clicks and as many for
	// purchases, of 16 bytes while it learns and 8 while it answers.
	Bits       int
	Click, Buy ftrl.Rates // of the weights
	Place      ftrl.Rates // of what is looked at
	// RecentShowings are those after which one counts half in the calibration of
	// clicks; a quarter of all, while those are fewer. RecentClicks are the same of
	// purchases.
	RecentShowings, RecentClicks float64
}

// Defaults has 2^20 coordinates a model: 48 MB in all while it learns and answers.
func Defaults() Config {
	return Config{
		Bits:  20,
		Click: ftrl.Rates{Alpha: 0.02, Beta: 1, L1: 1, L2: 1}, Buy: ftrl.Rates{Alpha: 0.02, Beta: 1, L1: 1, L2: 1},
		Place:          ftrl.Rates{Alpha: 0.2, Beta: 1},
		RecentShowings: 2_000_000, RecentClicks: 200_000,
	}
}

// Check says what in a configuration is none.
func (c *Config) Check() error {
	if c.Bits < bitsMin || c.Bits > bitsMax {
		return fmt.Errorf("a model of 2^%d coordinates; the exponent is from %d to %d", c.Bits, bitsMin, bitsMax)
	}
	for _, r := range []ftrl.Rates{c.Click, c.Buy, c.Place} {
		if err := r.Check(); err != nil {
			return err
		}
	}
	for _, n := range []float64{c.RecentShowings, c.RecentClicks} {
		if !(n >= 1) || math.IsInf(n, 0) {
			return fmt.Errorf("events count half after %v of them; at least one", n)
		}
	}
	return nil
}

// spot is a place of a page: a placement and a position in it.
type spot struct {
	placement media.PlacementID
	position  int
}

// at is where a showing stands.
func at(sh *Showing) spot { return spot{sh.Placement, min(sh.Position, PositionMax)} }

// look is what is learned of a spot: a weight over what is expected of its position,
// and, of recent showings, the clicks that were predicted and those that came, and
// the log loss of these predictions and of who says what mostly came there before.
type look struct {
	ftrl.Cell
	predicted, observed, shown float64
	loss, plain                float64
}

// plainTrust is how many showings of one click in twenty the plain guess begins with.
const (
	plainTrust = 20
	plainFirst = 0.05
)

// expect notes what was predicted of a showing, p, and what came.
func (k *look) expect(p, y, fade float64) {
	plain := (k.observed + plainTrust*plainFirst) / (k.shown + plainTrust)
	k.loss = k.loss*fade + logLoss(p, y)
	k.plain = k.plain*fade + logLoss(plain, y)
	k.predicted = k.predicted*fade + p
	k.observed = k.observed*fade + y
	k.shown = k.shown*fade + 1
}

// logLoss is minus the logarithm of the chance that was given to what came.
func logLoss(p, y float64) float64 {
	p = min(max(p, least), 1-least)
	if y > 0 {
		return -math.Log(p)
	}
	return -math.Log1p(-p)
}

// habit is the chance that a position is looked at before anything is learned of
// it: one over the position.
//
//	examined = 1 / (1 + (position − 1)·e^−weight)
//
// which is 1 at the first position whatever the weight.
func habit(position int, weight float64) float64 {
	return 1 / (1 + float64(position-1)*math.Exp(-weight))
}

// Learner learns from outcomes, in their order: the same outcomes in the same order
// give the same model, to the bit, however they are parcelled. Make one with New or
// Load. It is safe for concurrent use; who asks for answers uses its Scorer, which
// no learning changes or holds up.
type Learner struct {
	now atomic.Pointer[Scorer]

	learning sync.Mutex // guards what follows
	cfg      Config
	clicks   head
	buys     head
	places   map[spot]*look
}

// head is one of the two models, with what its calibration rests on.
type head struct {
	rates  ftrl.Rates
	prior  float64 // the score before anything is learned
	cells  []ftrl.Cell
	ladder ladder
	curve  curve  // of the ladder when it was last climbed
	seen   uint64 // showings, or clicks
}

// The scores before anything is learned: of what is looked at one in twenty is
// clicked, of that one in five bought. Were the first guess far too high, the places
// would take the blame for it with the products, and be long in getting over it.
const (
	clicksPrior = -2.944
	buysPrior   = -1.386
)

func newHead(rates ftrl.Rates, dim int, prior float64) head {
	return head{rates: rates, prior: prior, cells: make([]ftrl.Cell, dim), curve: plainCurve()}
}

// New makes a model that has learned nothing.
func New(cfg Config) (*Learner, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	l := &Learner{cfg: cfg, places: make(map[spot]*look)}
	l.clicks, l.buys = newHead(cfg.Click, 1<<cfg.Bits, clicksPrior), newHead(cfg.Buy, 1<<cfg.Bits, buysPrior)
	l.Publish()
	return l, nil
}

// Scorer is the model as it was last published.
func (l *Learner) Scorer() *Scorer { return l.now.Load() }

// Learn takes outcomes in. Where one of them is none it learns from none of them.
func (l *Learner) Learn(all []Outcome) error {
	for i := range all {
		if err := all[i].Check(); err != nil {
			return fmt.Errorf("learn from outcome %d: %w", i, err)
		}
	}
	l.learning.Lock()
	defer l.learning.Unlock()
	var e example
	for i := range all {
		l.learn(&all[i], &e)
	}
	return nil
}

func (l *Learner) learn(o *Outcome, e *example) {
	e.read(&o.Showing, l.cfg.Bits)
	place := l.place(at(&o.Showing))
	l.click(o, e, place)
	if o.Clicked {
		s := l.buys.sum(e)
		l.buys.notice(s, 1, o.Bought, recent(l.buys.seen, l.cfg.RecentClicks))
		l.buys.step(e, logistic(s)-outcome(o.Bought))
	}
}

// click learns from whether o was clicked. With p = examined × σ(s), the slopes of
// the log loss are, at s and at the weight of the place,
//
//	(p − y)(1 − σ(s)) / (1 − p)   and   (p − y)(1 − examined) / (1 − p)
func (l *Learner) click(o *Outcome, e *example, place *look) {
	s := l.clicks.sum(e)
	weight := place.Weight(&l.cfg.Place)
	examined, appeal := habit(min(o.Position, PositionMax), weight), logistic(s)
	y := outcome(o.Clicked)
	half := recent(l.clicks.seen, l.cfg.RecentShowings)
	place.expect(examined*l.clicks.curve.at(s), y, math.Exp2(-1/half))
	l.clicks.notice(s, examined, o.Clicked, half)
	p := min(examined*appeal, 1-least)
	l.clicks.step(e, (p-y)*(1-appeal)/(1-p))
	place.Step(&l.cfg.Place, (p-y)*(1-examined)/(1-p), weight)
}

// recent is after how many events one counts half, once so many were seen. What a
// young model predicted says little of what it predicts now, so it fades sooner.
func recent(seen uint64, most float64) float64 {
	return min(most, max(float64(seen)/4, 1_000))
}

// least is how far from certain a probability stays.
const least = 1e-9

// place is what is learned of a spot. Beyond placesMax spots, those of one position
// share one.
func (l *Learner) place(s spot) *look {
	if p := l.places[s]; p != nil {
		return p
	}
	if len(l.places) >= placesMax {
		s.placement = ""
		if p := l.places[s]; p != nil {
			return p
		}
	}
	p := new(look)
	l.places[s] = p
	return p
}

// sum is the model's score of an example, the logit of a probability.
func (h *head) sum(e *example) (s float64) {
	s = h.prior
	for i := range e.n {
		s += h.cells[e.at[i]].Weight(&h.rates) * e.value[i]
	}
	return s
}

// step learns from the slope of the loss at the score.
func (h *head) step(e *example, slope float64) {
	for i := range e.n {
		c := &h.cells[e.at[i]]
		c.Step(&h.rates, slope*e.value[i], c.Weight(&h.rates))
	}
}

// climb is after how many events the calibration is worked out anew.
const climb = 1 << 15

// notice keeps what was predicted before it is learned, and what came.
func (h *head) notice(s, exposure float64, came bool, half float64) {
	h.ladder.add(s, exposure, came, half)
	if h.seen++; h.seen%climb == 0 {
		h.curve = h.ladder.curve()
	}
}

func logistic(s float64) float64 { return 1 / (1 + math.Exp(-s)) }

func outcome(came bool) float64 {
	if came {
		return 1
	}
	return 0
}
