package identity

import (
	"context"
	"errors"
	"fmt"

	"endcap/keep/vault"
	"endcap/retail/shopper"
)

// Settled is how far Settle has come.
type Settled struct {
	Looked  int // at so many shoppers about whom there is evidence
	Moved   int // who are known as somebody else than before
	Tangled int // of whom too much evidence hangs together: they stay as they were
}

// Settle works out anew who is who, for everybody about whom there is evidence:
// what a change of Config.Rules asks for. It tells from time to time how far it
// has come. Cut short anywhere, what it did stands, and it can be run again;
// while it runs, others may change who is who between its steps.
func (i *Identity) Settle(ctx context.Context, tell func(Settled)) (Settled, error) {
	var sum Settled
	var after shopper.ID
	for {
		some, err := i.vault.Concerned(ctx, after, mergeChunk)
		if err != nil {
			return sum, fmt.Errorf("settle who is who: %w", err)
		}
		if len(some) == 0 {
			return sum, nil
		}
		after = some[len(some)-1]
		sum.Looked += len(some)
		if err := i.settleSome(ctx, some, &sum); err != nil {
			return sum, fmt.Errorf("settle who is who: %w", err)
		}
		tell(sum)
	}
}

// settleSome settles some shoppers at once, or one by one where too much hangs
// together.
func (i *Identity) settleSome(ctx context.Context, some []shopper.ID, sum *Settled) error {
	i.merging.Lock()
	defer i.merging.Unlock()
	now := i.cfg.Clock()
	again := func(who ...shopper.ID) error {
		done, err := i.change(ctx, who, func(*vault.Evidence) (vault.Merger, error) { return vault.Merger{At: now}, nil })
		sum.Moved += done.moved
		return err
	}
	err := again(some...)
	if !errors.Is(err, vault.ErrLimit) {
		return err
	}
	for _, who := range some {
		switch err := again(who); {
		case errors.Is(err, vault.ErrLimit):
			sum.Tangled++
		case err != nil:
			return err
		}
	}
	return nil
}
