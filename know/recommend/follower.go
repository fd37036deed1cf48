package recommend

import (
	"bytes"
	"context"
	"fmt"

	"endcap/keep/profile"
	"endcap/keep/stream"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// batchMax is large, so that a bulk load writes each shopper's section few times.
const batchMax = 32_768

// Follower folds receipts, their corrections and Forgotten into the habits
// section of profiles.
//
// A correction replaces the receipt where it names the same shopper. One that
// names another leaves the old lines where they were: its fact does not say
// whose they had been.
func Follower(store profile.Store) stream.Follower {
	return stream.Follower{
		Name: FollowerName, Kinds: []event.Kind{event.KindReceipt, event.KindForgotten}, BatchMax: batchMax,
		Cursor: func(ctx context.Context, partition int) (event.Cursor, error) {
			return store.Cursor(ctx, FollowerName, partition)
		},
		Fold: func(ctx context.Context, b stream.Batch) error { return fold(ctx, store, b) },
	}
}

func fold(ctx context.Context, store profile.Store, b stream.Batch) error {
	var who []shopper.ID
	facts := make(map[shopper.ID][]*event.Fact)
	for i := range b.Facts {
		f := &b.Facts[i]
		if !f.Shopper.Known() {
			continue
		}
		if facts[f.Shopper] == nil {
			who = append(who, f.Shopper)
		}
		facts[f.Shopper] = append(facts[f.Shopper], f)
	}
	var changes []profile.Change
	if len(who) > 0 {
		stored, err := store.Sections(ctx, Section, who)
		if err != nil {
			return fmt.Errorf("read habits: %w", err)
		}
		for i, id := range who {
			next, err := Fold(stored[i], facts[id])
			if err != nil {
				return fmt.Errorf("fold habits: %w", err)
			}
			if !bytes.Equal(next, stored[i]) {
				changes = append(changes, profile.Change{Shopper: id, Section: Section, Value: next})
			}
		}
	}
	if err := store.Apply(ctx, FollowerName, b.Partition, b.Next, changes); err != nil {
		return fmt.Errorf("apply habits: %w", err)
	}
	return nil
}
