package outreach

import (
	"context"
	"sync"
	"time"

	"endcap/keep/stream"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// FollowerName is the follower's name.
const FollowerName = "outreach"

// offers is the purpose that batches are for.
const offers = consent.PersonalOffers

// gather is how long consents gather, so that a file is written anew once for many.
const gather = 5 * time.Second

// Follower takes out of the house's batches whoever says no. Its place lives in
// memory and begins at the stream's end, so that Settle is to be called after its
// Cursor was first asked. end is the stream's End.
func Follower(f *Folder, end func(ctx context.Context, partition int) (event.Cursor, error)) stream.Follower {
	var mu sync.Mutex
	at := make(map[int]event.Cursor)
	return stream.Follower{
		Name: FollowerName, Kinds: []event.Kind{event.KindConsent}, Pause: gather, Together: true,
		Cursor: func(ctx context.Context, partition int) (event.Cursor, error) {
			mu.Lock()
			defer mu.Unlock()
			if c, ok := at[partition]; ok {
				return c, nil
			}
			c, err := end(ctx, partition)
			if err == nil {
				at[partition] = c
			}
			return c, err
		},
		Fold: func(ctx context.Context, b stream.Batch) error {
			var who []shopper.ID
			for i := range b.Facts {
				if b.Facts[i].Shopper.Known() {
					who = append(who, b.Facts[i].Shopper)
				}
			}
			if err := f.Withdrawn(ctx, who); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			at[b.Partition] = max(at[b.Partition], b.Next)
			return nil
		},
	}
}
