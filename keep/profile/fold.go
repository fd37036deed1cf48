package profile

import (
	"bytes"
	"context"
	"fmt"

	"endcap/retail/event"
	"endcap/retail/shopper"
)

// Folding is how one section is made of facts about its shopper.
type Folding struct {
	Follower string
	Section  Section
	// Fold gives a shopper's section after facts about her, in order; nil
	// removes it. It is pure.
	Fold func(section []byte, facts []*event.Fact) ([]byte, error)
}

// Apply folds a run of facts from one partition and saves what changed together
// with the cursor after them. Facts about nobody change nothing.
func (f *Folding) Apply(ctx context.Context, store Store, partition int, facts []event.Fact, next event.Cursor) error {
	var who []shopper.ID
	about := make(map[shopper.ID][]*event.Fact)
	for i := range facts {
		fact := &facts[i]
		if !fact.Shopper.Known() {
			continue
		}
		if about[fact.Shopper] == nil {
			who = append(who, fact.Shopper)
		}
		about[fact.Shopper] = append(about[fact.Shopper], fact)
	}
	var changes []Change
	if len(who) > 0 {
		stored, err := store.Sections(ctx, f.Section, who)
		if err != nil {
			return fmt.Errorf("read %s: %w", f.Section, err)
		}
		for i, id := range who {
			section, err := f.Fold(stored[i], about[id])
			if err != nil {
				return fmt.Errorf("fold %s: %w", f.Section, err)
			}
			if !bytes.Equal(section, stored[i]) {
				changes = append(changes, Change{Shopper: id, Section: f.Section, Value: section})
			}
		}
	}
	if err := store.Apply(ctx, f.Follower, partition, next, changes); err != nil {
		return fmt.Errorf("apply %s: %w", f.Section, err)
	}
	return nil
}
