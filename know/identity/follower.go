package identity

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"endcap/keep/profile"
	"endcap/keep/stream"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// FollowerName and Section are the follower's name and the part of a profile that it
// writes.
const (
	FollowerName                 = "identity"
	Section      profile.Section = "consent"
)

// The section is one byte of layout, one of consents, and since when they hold
// in microseconds since 1970, big-endian.
const (
	sectionLayout = 1
	sectionSize   = 1 + 1 + 8
)

// AllowedIn reads the consent section of a profile. A shopper without one, or
// bytes this program did not write, allow nothing.
func AllowedIn(section []byte) consent.Set {
	if len(section) != sectionSize || section[0] != sectionLayout {
		return consent.None
	}
	return consent.Set(section[1]) & consent.All
}

func since(section []byte) int64 {
	if len(section) != sectionSize || section[0] != sectionLayout {
		return -1 << 63
	}
	return int64(binary.BigEndian.Uint64(section[2:]))
}

func sectionOf(allowed consent.Set, at time.Time) []byte {
	b := make([]byte, 2, sectionSize)
	b[0], b[1] = sectionLayout, byte(allowed)
	return binary.BigEndian.AppendUint64(b, uint64(at.UnixMicro()))
}

// Follower folds Consent and Forgotten facts into the consent section of
// profiles. The newest At counts, of equal instants the later in the stream;
// Forgotten removes the section.
func Follower(store profile.Store) stream.Follower {
	return stream.Follower{
		Name:  FollowerName,
		Kinds: []event.Kind{event.KindConsent, event.KindForgotten},
		Cursor: func(ctx context.Context, partition int) (event.Cursor, error) {
			return store.Cursor(ctx, FollowerName, partition)
		},
		Fold: func(ctx context.Context, b stream.Batch) error { return fold(ctx, store, b) },
	}
}

func fold(ctx context.Context, store profile.Store, b stream.Batch) error {
	var who []shopper.ID
	place := make(map[shopper.ID]int)
	for i := range b.Facts {
		id := b.Facts[i].Shopper
		if _, ok := place[id]; !ok && id.Known() {
			place[id] = len(who)
			who = append(who, id)
		}
	}
	var changes []profile.Change
	if len(who) > 0 {
		stored, err := store.Sections(ctx, Section, who)
		if err != nil {
			return fmt.Errorf("read consents: %w", err)
		}
		changes = foldSections(stored, who, place, b.Facts)
	}
	if err := store.Apply(ctx, FollowerName, b.Partition, b.Next, changes); err != nil {
		return fmt.Errorf("apply consents: %w", err)
	}
	return nil
}

// foldSections gives the sections that differ after the facts, in the order of
// who. stored is not kept.
func foldSections(stored [][]byte, who []shopper.ID, place map[shopper.ID]int, facts []event.Fact) []profile.Change {
	touched := make([]bool, len(who))
	for i := range facts {
		f := &facts[i]
		n, ok := place[f.Shopper]
		if !ok {
			continue
		}
		switch body := f.Body.(type) {
		case event.Consent:
			if f.At.UnixMicro() >= since(stored[n]) {
				stored[n], touched[n] = sectionOf(body.Allowed, f.At), true
			}
		case event.Forgotten:
			stored[n], touched[n] = nil, true
		}
	}
	var changes []profile.Change
	for n, id := range who {
		if touched[n] {
			changes = append(changes, profile.Change{Shopper: id, Section: Section, Value: stored[n]})
		}
	}
	return changes
}

// ForgettingName is the name of the Forgetting follower.
const ForgettingName = "forgetting"

// Forgetting drops everything that a store of profiles has of a forgotten
// shopper: the sections, which each follower drops by itself too, and the
// counters, which belong to no follower.
func Forgetting(store profile.Store) stream.Follower {
	return stream.Follower{
		Name:  ForgettingName,
		Kinds: []event.Kind{event.KindForgotten},
		Cursor: func(ctx context.Context, partition int) (event.Cursor, error) {
			return store.Cursor(ctx, ForgettingName, partition)
		},
		Fold: func(ctx context.Context, b stream.Batch) error {
			for i := range b.Facts {
				if who := b.Facts[i].Shopper; who.Known() {
					if err := store.Forget(ctx, who); err != nil {
						return fmt.Errorf("forget a profile: %w", err)
					}
				}
			}
			if err := store.Apply(ctx, ForgettingName, b.Partition, b.Next, nil); err != nil {
				return fmt.Errorf("save the place of forgetting: %w", err)
			}
			return nil
		},
	}
}
