package privacy

import (
	"context"
	"fmt"
	"slices"

	"endcap/keep/vault"
	"endcap/retail/shopper"
)

// namedBy lists all keys of some people, by which files of proposals may name them.
func (o *Office) namedBy(ctx context.Context, who []shopper.ID) (keys []shopper.Key, err error) {
	if o.Batches == nil {
		return nil, nil
	}
	for _, id := range who {
		members, err := o.People.Members(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, member := range members {
			hers, err := o.Vault.Keys(ctx, member)
			if err != nil {
				return nil, fmt.Errorf("read the keys of who is forgotten: %w", err)
			}
			keys = append(keys, hers...)
		}
	}
	return keys, nil
}

// strike takes keys out of the files of proposals that the house keeps. Where it
// fails she is forgotten all the same, and the sweep takes them out.
func (o *Office) strike(ctx context.Context, keys []shopper.Key) error {
	if o.Batches == nil || len(keys) == 0 {
		return nil
	}
	if _, err := o.Batches.Strike(ctx, keys); err != nil {
		return fmt.Errorf("take who is forgotten out of batches: %w", err)
	}
	return nil
}

// sweepBatches takes out of files of proposals whoever is forgotten, which finds who
// was forgotten when the house was killed before it had done so.
func (o *Office) sweepBatches(ctx context.Context) (int, error) {
	if o.Batches == nil {
		return 0, nil
	}
	_, gone, err := suppressedIn(ctx, o.Vault, o.Batches)
	if err != nil {
		return 0, err
	}
	rows, err := o.Batches.Strike(ctx, gone)
	if err != nil {
		return rows, fmt.Errorf("sweep batches: %w", err)
	}
	return rows, nil
}

// suppressedIn lists the keys of batches that are suppressed, and says how many were
// looked at.
func suppressedIn(ctx context.Context, v vault.Forgetting, in Batches) (looked int64, gone []shopper.Key, err error) {
	err = in.Keys(ctx, func(keys []shopper.Key) error {
		looked += int64(len(keys))
		for some := range slices.Chunk(keys, vault.BatchMax) {
			marked, err := v.Suppressed(ctx, some)
			if err != nil {
				return err
			}
			for i, yes := range marked {
				if yes {
					gone = append(gone, some[i])
				}
			}
		}
		return nil
	})
	if err != nil {
		return looked, nil, fmt.Errorf("look for the forgotten in batches: %w", err)
	}
	return looked, gone, nil
}

func lookBatches(ctx context.Context, r Remains) ([]Place, error) {
	if r.Batches == nil {
		return nil, nil
	}
	looked, gone, err := suppressedIn(ctx, r.Vault, r.Batches)
	return []Place{{Name: "batches", Looked: looked, Found: int64(len(gone))}}, err
}
