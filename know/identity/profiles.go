package identity

import (
	"context"
	"fmt"
	"sync"
	"time"

	"endcap/keep/profile"
	"endcap/retail/shopper"
)

// Shelf is what Profiles needs of keep/profile.
type Shelf interface {
	Get(ctx context.Context, who shopper.ID) (profile.Profile, error)
	Counts(ctx context.Context, who shopper.ID, now time.Time) (map[string]int, error)
	Bump(ctx context.Context, who shopper.ID, now time.Time, counters []profile.Counter) ([]bool, error)
}

// Merge makes one section of those of several shoppers who are one person: the
// one that folding all of their facts as one shopper's gives. It changes none of
// them; nil is the section of a shopper who has none.
type Merge func(sections [][]byte) ([]byte, error)

// Profiles reads the profiles of people, who may be several shoppers. What is
// stored stays by shopper, so that a merge and its end cost nothing and need no
// repair; it is put together here, at the read. Make one with NewProfiles; it is
// safe for concurrent use.
type Profiles struct {
	shelf  Shelf
	people *Identity
	merge  map[profile.Section]Merge
	counts [countLocks]sync.Mutex
}

// countLocks is how many people's counters can be counted at once.
const countLocks = 256

// NewProfiles reads from a shelf. merge has a function for each section that
// follows merges; of other sections each shopper keeps her own.
func NewProfiles(shelf Shelf, people *Identity, merge map[profile.Section]Merge) *Profiles {
	return &Profiles{shelf: shelf, people: people, merge: merge}
}

// Get is the profile of the person who a shopper is, under the terms of
// keep/profile.
func (p *Profiles) Get(ctx context.Context, who shopper.ID) (profile.Profile, error) {
	one := p.people.clusters.get(who)
	if one == nil {
		return p.shelf.Get(ctx, who)
	}
	last, mark := p.people.recent.get(who)
	if one = p.people.clusters.get(who); one == nil { // as it is after mark
		return p.shelf.Get(ctx, who)
	}
	of := make([]profile.Profile, len(one.members))
	var hers profile.Profile
	for i, member := range one.members {
		var err error
		if of[i], err = p.shelf.Get(ctx, member); err != nil {
			return nil, err
		}
		if member == who {
			hers = of[i]
		}
	}
	if last.holds(of) {
		return last.profile, nil
	}
	out := make(profile.Profile, len(hers))
	for name, section := range hers {
		if p.merge[name] == nil {
			out[name] = section
		}
	}
	sections := make([][]byte, len(of))
	for name, merge := range p.merge {
		for i := range of {
			sections[i] = of[i][name]
		}
		section, err := merge(sections)
		if err != nil {
			return nil, fmt.Errorf("merge the %s of a person: %w", name, err)
		}
		if section != nil {
			out[name] = section
		}
	}
	p.people.recent.put(&merged{who, of, out}, mark)
	return out, nil
}

// Counts gives a person's counters: the sums over the shoppers she is.
func (p *Profiles) Counts(ctx context.Context, who shopper.ID, now time.Time) (map[string]int, error) {
	one := p.people.clusters.get(who)
	if one == nil {
		return p.shelf.Counts(ctx, who, now)
	}
	return p.sum(ctx, one.members, now)
}

func (p *Profiles) sum(ctx context.Context, who []shopper.ID, now time.Time) (map[string]int, error) {
	out := make(map[string]int)
	for _, member := range who {
		counts, err := p.shelf.Counts(ctx, member, now)
		if err != nil {
			return nil, err
		}
		for key, n := range counts {
			out[key] += n
		}
	}
	return out, nil
}

// Bump counts for the shopper who visits, against what the whole person has.
// One visit of a person is counted at a time, so that no Max is passed; of
// visits that a merge overtakes, each may still count as a shopper of her own.
func (p *Profiles) Bump(ctx context.Context, who shopper.ID, now time.Time, counters []profile.Counter) ([]bool, error) {
	one := p.people.clusters.get(who)
	if one == nil {
		return p.shelf.Bump(ctx, who, now, counters)
	}
	lock := &p.counts[one.canonical.Reveal()%countLocks]
	lock.Lock()
	defer lock.Unlock()
	var others []shopper.ID
	for _, member := range one.members {
		if member != who {
			others = append(others, member)
		}
	}
	had, err := p.sum(ctx, others, now)
	if err != nil {
		return nil, err
	}
	counted := make([]bool, len(counters))
	var left []profile.Counter // those with room
	var places []int
	for i, c := range counters {
		if c.Max > 0 && !c.Back && !c.Until.Before(now) {
			if c.Max -= had[c.Key]; c.Max <= 0 {
				continue
			}
		}
		left, places = append(left, c), append(places, i)
	}
	done, err := p.shelf.Bump(ctx, who, now, left)
	if err != nil {
		return nil, err
	}
	for n, i := range places {
		counted[i] = done[n]
	}
	return counted, nil
}

// MergeConsents is the Merge of Section: the newest saying counts, and of
// sayings of one instant what all of them allow.
func MergeConsents(sections [][]byte) ([]byte, error) {
	var out []byte
	for _, section := range sections {
		switch {
		case section == nil:
		case out == nil || since(section) > since(out):
			out = section
		case since(section) == since(out):
			both := append([]byte(nil), out...)
			if len(both) == sectionSize && len(section) == sectionSize {
				both[1] &= section[1]
			}
			out = both
		}
	}
	return out, nil
}
