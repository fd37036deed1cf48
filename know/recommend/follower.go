package recommend

import (
	"context"

	"endcap/keep/profile"
	"endcap/keep/stream"
	"endcap/retail/event"
)

// batchMax is large, because each batch writes the whole section of every
// shopper in it.
const batchMax = 16_384

// Follower folds receipts, their corrections, Moved and Forgotten into the habits
// section of profiles.
//
// A correction replaces the receipt. Where it names another shopper or an earlier
// day, Moved tells the one it was taken from; see moved.
func Follower(store profile.Store) stream.Follower {
	section := profile.Folding{Follower: FollowerName, Section: Section, Fold: Fold}
	return stream.Follower{
		Name: FollowerName, Kinds: []event.Kind{event.KindReceipt, event.KindMoved, event.KindForgotten}, BatchMax: batchMax,
		Together: true,
		Cursor: func(ctx context.Context, partition int) (event.Cursor, error) {
			return store.Cursor(ctx, FollowerName, partition)
		},
		Fold: func(ctx context.Context, b stream.Batch) error {
			return section.Apply(ctx, store, b.Partition, b.Facts, b.Next)
		},
	}
}
