package training

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"endcap/keep/stream"
	"endcap/know/recommend/nextbasket"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// FollowerName is the name of the follower by which shoppers leave what is served.
const FollowerName = "crowd"

// leavers are shoppers of whom a fact said of late that they are forgotten, or allow no
// offers from what they bought. Profiles may say so a moment later, so whoever asks them
// asks here too.
type leavers struct {
	mu      sync.Mutex
	gone    map[uint64]bool
	cursors map[int]event.Cursor
}

// leaversMost is how many are remembered; then all are let go, because profiles know of
// them by then.
const leaversMost = 100_000

// Follower has those leave the version that serves who are forgotten or withdraw, as
// soon as the fact is in the stream. Its state lives and dies with the Keeper, so it
// follows from where the stream ends when its Cursor is first asked, which should be
// before the first version is served: that one is served without whom profiles already
// miss. end is the stream's End, and canonical as whom a shopper is known.
func (k *Keeper) Follower(end func(ctx context.Context, partition int) (event.Cursor, error), canonical func(shopper.ID) shopper.ID) stream.Follower {
	l := &k.leaving
	return stream.Follower{
		Name: FollowerName, Kinds: []event.Kind{event.KindConsent, event.KindForgotten}, Together: true,
		Cursor: func(ctx context.Context, partition int) (event.Cursor, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			if at, ok := l.cursors[partition]; ok {
				return at, nil
			}
			at, err := end(ctx, partition)
			if err == nil {
				l.cursors[partition] = at
			}
			return at, err
		},
		Fold: func(_ context.Context, b stream.Batch) error {
			k.part(l.take(&b, canonical))
			return nil
		},
	}
}

// take notes who leaves by a batch, or comes back.
func (l *leavers) take(b *stream.Batch, canonical func(shopper.ID) shopper.ID) map[uint64]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	gone := make(map[uint64]bool)
	for i := range b.Facts {
		f := &b.Facts[i]
		key := canonical(f.Shopper).Reveal()
		switch body := f.Body.(type) {
		case event.Forgotten:
			gone[key], gone[f.Shopper.Reveal()] = true, true
		case event.Consent:
			if body.Allowed.Allows(consent.PersonalOffers) {
				delete(gone, key)
				delete(l.gone, key)
			} else {
				gone[key] = true
			}
		}
	}
	if len(l.gone) > leaversMost {
		clear(l.gone)
	}
	maps.Copy(l.gone, gone)
	l.cursors[b.Partition] = b.Next
	return gone
}

// has says whether a fact said of late that somebody leaves.
func (l *leavers) has(key uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gone[key]
}

// part takes shoppers out of what serves.
func (k *Keeper) part(gone map[uint64]bool) {
	for len(gone) > 0 {
		s := k.now.Load()
		if s == nil || !s.Model.Has(gone) || k.now.CompareAndSwap(s, &Served{s.Version, without(s.Model, gone)}) {
			return
		}
	}
}

// permitted is a model without those who do not allow it; the model itself where all
// do.
func (k *Keeper) permitted(ctx context.Context, m *nextbasket.Model) (*nextbasket.Model, error) {
	if k.allow == nil {
		return m, nil
	}
	gone := make(map[uint64]bool)
	for _, key := range m.Keys() {
		ok, err := k.allow(ctx, shopper.FromUint64(key))
		if err != nil {
			return nil, fmt.Errorf("ask who may stand in the crowd: %w", err)
		}
		if !ok || k.leaving.has(key) {
			gone[key] = true
		}
	}
	return without(m, gone), nil
}

// without is a model without some shoppers.
func without(m *nextbasket.Model, gone map[uint64]bool) *nextbasket.Model {
	if !m.Has(gone) {
		return m
	}
	return m.Without(func(key uint64) bool { return gone[key] })
}
