package training

import (
	"context"
	"errors"
	"time"

	"endcap/retail"
)

// What a shopper who is drawn takes of memory while a model is made, and which share of
// a machine's that may be.
const (
	shopperBytes  = 40 << 10
	memoryShare   = 8
	shoppersLeast = 2_000 // every machine has room for so many
)

// Within are settings for a machine, or a container, with so many bytes of memory; 0
// is not known.
func (s Settings) Within(memory uint64) Settings {
	if memory > 0 {
		s.Shoppers = int(min(max(memory/memoryShare/shopperBytes, shoppersLeast), uint64(s.Shoppers)))
	}
	return s
}

// How many shoppers are drawn in haste, and trees grown.
const (
	hastyShoppers = 1_000
	hastyTrees    = 100
)

// Hasty are settings for a clock whose nights pass in seconds: few shoppers and trees,
// and the defaults of the method instead of a search.
func (s Settings) Hasty() Settings {
	s.Trials, s.Trees, s.Shoppers = 0, hastyTrees, min(s.Shoppers, hastyShoppers)
	return s
}

// restMost is how long a part of the work waits for visits.
const restMost = 100 * time.Millisecond

// Beside gives way to visits: where asked has risen while a part of the work was done,
// the next part waits for as long as that took. What it returns is a Config's Rest.
func Beside(now retail.Clock, asked func() uint64) func(context.Context) error {
	var seen uint64
	last := now()
	return func(ctx context.Context) error {
		took := now().Sub(last)
		if n := asked(); n != seen {
			seen = n
			select {
			case <-time.After(min(took, restMost)):
			case <-ctx.Done():
			}
		}
		last = now()
		return ctx.Err()
	}
}

// Nights says when a Trainer trains by itself.
type Nights struct {
	Every time.Duration // between two looks
	// Kept is the last business day for which all that a training reads is there; 0
	// before the first.
	Kept  func() retail.Day
	Apart retail.Day // business days between two trainings
	Idle  bool       // it does not train on the first day that it sees
	Now   retail.Clock
	// Done is told of a training, and Failed of what went wrong; it is tried again on
	// the next day.
	Done   func(Outcome)
	Failed func(error)
}

// Run trains through the day before each that is kept, until ctx ends.
func (t *Trainer) Run(ctx context.Context, n Nights) {
	tick := time.NewTicker(n.Every)
	defer tick.Stop()
	var tried retail.Day
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		today := n.Kept()
		if today == 0 || today == tried || !t.due(today, n.Apart) {
			continue
		}
		first := tried == 0
		if tried = today; first && n.Idle {
			continue
		}
		out, err := t.Train(ctx, Order{Through: today - 1, At: n.Now()})
		switch {
		case err == nil:
			n.Done(out)
		case ctx.Err() == nil && !errors.Is(err, ErrBusy): // an operator trains now
			n.Failed(err)
		}
	}
}

// due says whether the last training is old enough.
func (t *Trainer) due(today, apart retail.Day) bool {
	last := t.cfg.Keeper.Register().Outcome
	return last == nil || last.Day+apart < today
}
