// Package training is the life of the next-basket model: it reads receipts of those
// who allow it, searches settings for the retailer, trains, judges by what was bought
// since, publishes what is not worse than what serves, keeps the last versions, and
// has the forgotten leave all of them.
//
// What a version learnt from is bounded: some shoppers, drawn evenly by their ids, and
// some days. A search that is broken off goes on where it was. What cannot be read is
// reported each time, and what was served before serves on.
//
// On the road of a receipt, it becomes part of a model here at night, which
// know/recommend asks while a shopper waits.
package training

import (
	"context"
	"errors"
	"fmt"
	"time"

	"endcap/keep/warehouse"
	"endcap/know/recommend/nextbasket"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent/policy"
)

// Settings bound what is read and how long is searched.
type Settings struct {
	Days       int // of history that are read
	Shoppers   int // at most; more are drawn evenly
	Trials     int // of a search, for neighbours, and as many for trees; 0 keeps to the defaults of nextbasket
	Trees      int // of each of a model's sums, at most; 0 is as many as by default
	SearchDays int // business days after which settings are searched anew
	Seed       uint64
}

// Limits of Settings, and the shares of its days.
const (
	DaysMin     = 70
	DaysMax     = 1_098  // as long as habits are remembered
	ShoppersMax = 40_000 // of whom a crowd takes the half
	TrialsMax   = 50
	holdoutDays = 7         // the newest, by which versions are judged
	cutsMost    = 5         // weeks before them whose first baskets teach
	warmDays    = 28        // of history before the earliest question
	casesMin    = 100       // questions that teach, fewer make no model
	holdoutMin  = 50        // questions that judge, likewise
	judgedMost  = 5_000     // questions that judge at most
	buyersMin   = 3         // shoppers drawn who bought a product, so that it has a number
	numbersMost = 60_000    // products with a number, those with most buyers
	linesChunk  = 1_000_000 // lines read at once, about
)

// Defaults are a year of 20,000 shoppers, and a search of twelve trials every four
// weeks.
func Defaults() Settings {
	return Settings{Days: 364, Shoppers: 20_000, Trials: 6, SearchDays: 28, Seed: 1}
}

// ErrSettings is returned for settings that nothing can be trained with.
var ErrSettings = errors.New("settings that train nothing")

// Check says what is wrong with settings.
func (s *Settings) Check() error {
	switch {
	case s.Days < DaysMin || s.Days > DaysMax:
		return fmt.Errorf("%w: %d days; %d to %d", ErrSettings, s.Days, DaysMin, DaysMax)
	case s.Shoppers < 1 || s.Shoppers > ShoppersMax:
		return fmt.Errorf("%w: %d shoppers; 1 to %d", ErrSettings, s.Shoppers, ShoppersMax)
	case s.Trials < 0 || s.Trials > TrialsMax:
		return fmt.Errorf("%w: %d trials; 0 to %d", ErrSettings, s.Trials, TrialsMax)
	case s.Trees < 0:
		return fmt.Errorf("%w: %d trees", ErrSettings, s.Trees)
	case s.SearchDays < 1:
		return fmt.Errorf("%w: searched every %d days", ErrSettings, s.SearchDays)
	}
	return nil
}

// Asker is what must be known of the warehouse.
type Asker interface {
	Query(ctx context.Context, q warehouse.Query) (*warehouse.Result, error)
}

// Config is what a Trainer works with.
type Config struct {
	From     Asker
	Keeper   *Keeper
	Settings Settings
	// Never is proposed to nobody and learnt of nobody.
	Never catalog.Set
	// Sensitive products are learnt of nobody; nil has none.
	Sensitive *policy.Shield
	// Rest is called between the parts of the work. It may wait, so that the work
	// gives way, and its error ends the work; nil never does.
	Rest func(ctx context.Context) error
}

// Trainer trains. One training, or one evaluation, runs at a time: whoever comes
// second is refused.
type Trainer struct {
	cfg  Config
	busy chan struct{} // holds one while nobody works
}

// ErrBusy is returned to whoever wants to train while somebody does.
var ErrBusy = &retail.Error{Kind: retail.Conflict, Say: "a training or an evaluation is under way", Cure: "wait until it has ended"}

// New makes a Trainer.
func New(cfg Config) (*Trainer, error) {
	if err := cfg.Settings.Check(); err != nil {
		return nil, err
	}
	t := &Trainer{cfg: cfg, busy: make(chan struct{}, 1)}
	t.busy <- struct{}{}
	return t, nil
}

// rest gives way, and ends the work where ctx has ended.
func (t *Trainer) rest(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if t.cfg.Rest == nil {
		return nil
	}
	return t.cfg.Rest(ctx)
}

// alone takes the Trainer until release is called.
func (t *Trainer) alone() (release func(), err error) {
	select {
	case <-t.busy:
		return func() { t.busy <- struct{}{} }, nil
	default:
		return nil, ErrBusy
	}
}

// Why a training published nothing.
const (
	TooSmall    = "too_small"         // there are not enough receipts to learn from
	WorseServed = "worse_than_served" // the version that serves answers better
	WorseUsual  = "worse_than_usual"  // plain frequencies answer better
)

// Outcome is what a training came to.
type Outcome struct {
	Day       retail.Day `json:"through"` // the last business day of what was read
	Published uint64     `json:"published,omitempty"`
	Why       string     `json:"why,omitempty"` // it published nothing
	Cases     int        `json:"cases"`         // questions that judged
	Searched  bool       `json:"searched,omitempty"`

	Model  Figures `json:"model"`
	Usual  Figures `json:"usual"`
	Served Figures `json:"served"` // zero where nothing served

	AgainstUsual  Difference `json:"against_usual"`
	AgainstServed Difference `json:"against_served"`
}

// Order says what is trained, when.
type Order struct {
	Through retail.Day // the last business day that is read
	At      time.Time
	// Tell is told in what step the work is; nil tells nobody.
	Tell func(step string)
}

func (o *Order) tell(step string) {
	if o.Tell != nil {
		o.Tell(step)
	}
}

// The steps of an order.
const (
	StepReading   = "reading"
	StepSearching = "searching"
	StepTraining  = "training"
	StepJudging   = "judging"
)

// Train reads, searches settings where that is due, trains, judges, and publishes
// what is not worse than what serves and than plain frequencies. What it came to is
// noted with the versions. A house too small to learn from is an outcome and no error.
func (t *Trainer) Train(ctx context.Context, o Order) (Outcome, error) {
	release, err := t.alone()
	if err != nil {
		return Outcome{}, err
	}
	defer release()
	out := Outcome{Day: o.Through}
	if err := t.cfg.Keeper.Refresh(ctx); err != nil && !errors.Is(err, ErrModel) {
		return out, err
	}
	settings, found, err := t.settings(ctx, &o)
	if err != nil {
		return out, err
	}
	out.Searched = found != nil
	o.tell(StepReading)
	d, err := t.read(ctx, o.Through)
	if err != nil {
		return out, err
	}
	if d.small() {
		out.Why = TooSmall
		return out, t.cfg.Keeper.note(ctx, &out, nil, found)
	}
	o.tell(StepTraining)
	m, _, err := nextbasket.Train(&d.rng, d.cuts, d.holdout.Shoppers, &settings)
	if err != nil {
		return out, fmt.Errorf("train: %w", err)
	}
	o.tell(StepJudging)
	return t.publish(ctx, d, m, &candidate{out, found, o.At})
}

// candidate is what is known of a model that may be published.
type candidate struct {
	Outcome
	found *Found // by this training's own search; nil where there was none
	at    time.Time
}

// publish judges a model and publishes it where it is not worse.
func (t *Trainer) publish(ctx context.Context, d *data, m *nextbasket.Model, c *candidate) (Outcome, error) {
	k, out := t.cfg.Keeper, &c.Outcome
	ours, err := d.judge(m)
	if err != nil {
		return *out, err
	}
	usual := d.judgeUsual()
	out.Cases, out.Model, out.Usual, out.AgainstUsual = len(d.holdout.Cases), ours.Figures, usual.Figures, ours.against(usual)
	was := k.Now()
	served, err := d.judgeVersion(was)
	if err != nil {
		return *out, err
	}
	if served != nil {
		out.Served, out.AgainstServed = served.Figures, ours.against(served)
	}
	out.Why = out.worse(served != nil, k.Held())
	watch := watched(was, served, d.through)
	if out.Why != "" {
		return *out, k.note(ctx, out, watch, c.found)
	}
	fresh, err := m.Among(&d.rng, d.shoppers)
	if err != nil {
		return *out, fmt.Errorf("give a model its crowd: %w", err)
	}
	out.Published, err = k.publish(ctx, fresh, &published{Version{
		Made: c.at.UTC().Truncate(time.Second), From: d.from, Through: d.through, Shoppers: len(d.shoppers), Products: d.rng.Products, Settings: m.Settings(),
		Cases: out.Cases, Holdout: ours.Figures, Usual: usual.Figures, Spread: ours.spread(),
	}, out, watch, c.found})
	return *out, err
}

// worse is why what was judged is not published. It is not where it answers worse
// than plain frequencies, by however little, because they cost nothing; where it
// answers worse than what serves by more than chance explains; and where it is not
// better than a version that somebody went back to.
func (o *Outcome) worse(served, held bool) string {
	switch {
	case o.AgainstUsual.Mean < 0:
		return WorseUsual
	case served && o.AgainstServed.worse(), served && held && o.AgainstServed.Mean <= 0:
		return WorseServed
	}
	return ""
}
