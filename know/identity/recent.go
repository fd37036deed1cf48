package identity

import (
	"slices"
	"sync"

	"endcap/keep/profile"
	"endcap/retail/shopper"
)

// merged is a profile put together, and of what.
type merged struct {
	who     shopper.ID
	of      []profile.Profile
	profile profile.Profile
}

// holds reports whether m was made of just these sections, which nobody changes
// as long as they are held here.
func (m *merged) holds(of []profile.Profile) bool {
	if m == nil || len(m.of) != len(of) {
		return false
	}
	for i := range of {
		if len(of[i]) != len(m.of[i]) {
			return false
		}
		for name, section := range of[i] {
			before, ok := m.of[i][name]
			if !ok || len(before) != len(section) || len(section) > 0 && &before[0] != &section[0] {
				return false
			}
		}
	}
	return true
}

// sectionOverhead is what a section costs beside its bytes, about.
const sectionOverhead = 64

// size is about how many bytes m keeps in memory.
func (m *merged) size() int {
	n := 2 * sectionOverhead
	for _, of := range append(slices.Clip(m.of), m.profile) {
		for name, section := range of {
			n += sectionOverhead + len(name) + len(section)
		}
	}
	return n
}

// recent keeps the merged profiles that were asked for last, up to a number of
// bytes. It holds two generations: a full young one becomes the old one, whose
// unused rest is dropped.
type recent struct {
	mu         sync.RWMutex
	half       int // bytes of one generation
	bytes      int // of the young one
	young, old map[shopper.ID]*merged
	dropped    uint64 // grows with every drop; a profile read before it is not kept
}

func newRecent(most int) *recent {
	return &recent{half: most / 2, young: make(map[shopper.ID]*merged)}
}

// get is the profile kept of who, nil where there is none, and the mark to be
// handed to put.
func (r *recent) get(who shopper.ID) (*merged, uint64) {
	r.mu.RLock()
	m, young := r.young[who]
	if !young {
		m = r.old[who]
	}
	mark := r.dropped
	r.mu.RUnlock()
	if m != nil && !young {
		r.put(m, mark)
	}
	return m, mark
}

// put keeps m in the place of what was kept of its shopper, unless something was
// dropped after mark, or m alone is too large.
func (r *recent) put(m *merged, mark uint64) {
	size := m.size()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dropped != mark || size > r.half {
		return
	}
	if before := r.young[m.who]; before != nil {
		r.bytes -= before.size()
	}
	delete(r.old, m.who)
	delete(r.young, m.who)
	if r.bytes+size > r.half {
		r.old, r.young, r.bytes = r.young, make(map[shopper.ID]*merged), 0
	}
	r.young[m.who] = m
	r.bytes += size
}

// drop removes what is kept of some shoppers.
func (r *recent) drop(who []shopper.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped++
	for _, id := range who {
		if m := r.young[id]; m != nil {
			r.bytes -= m.size()
		}
		delete(r.young, id)
		delete(r.old, id)
	}
}

// kept is how many profiles are kept, and their bytes.
func (r *recent) kept() (n, bytes int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, generation := range []map[shopper.ID]*merged{r.young, r.old} {
		for _, m := range generation {
			n, bytes = n+1, bytes+m.size()
		}
	}
	return n, bytes
}
