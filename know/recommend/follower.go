package recommend

import (
	"context"
	"time"

	"endcap/keep/profile"
	"endcap/keep/stream"
	"endcap/retail/event"
)

// A bulk load writes each shopper's whole section once a batch, so batches are
// large then and facts may gather.
const (
	batchMax = 16_384
	gather   = 750 * time.Millisecond // profiles are to be live within a second
)

// Follower folds receipts, their corrections and Forgotten into the habits
// section of profiles.
//
// A correction replaces the receipt where it names the same shopper. One that
// names another leaves the old lines where they were: its fact does not say
// whose they had been.
func Follower(store profile.Store) stream.Follower {
	section := profile.Folding{Follower: FollowerName, Section: Section, Fold: Fold}
	return stream.Follower{
		Name: FollowerName, Kinds: []event.Kind{event.KindReceipt, event.KindForgotten}, BatchMax: batchMax,
		Together: true, Gather: gather,
		Cursor: func(ctx context.Context, partition int) (event.Cursor, error) {
			return store.Cursor(ctx, FollowerName, partition)
		},
		Fold: func(ctx context.Context, b stream.Batch) error {
			return section.Apply(ctx, store, b.Partition, b.Facts, b.Next)
		},
	}
}
