package pebbleshelf

import (
	"sync/atomic"

	"endcap/keep/profile"
	"endcap/retail/shopper"
)

// recent keeps whole profiles at hand, one in each place, so that the pages of a
// visit after the first cost no search. A place's turn counts the changes of its
// shoppers: what was read before a change cannot be kept after it. It takes no
// lock, and what it holds nobody may change.
type recent struct {
	most   int64 // bytes
	bytes  atomic.Int64
	hand   atomic.Uint32 // where room is made next
	places [recentPlaces]recentPlace
}

type recentPlace struct {
	turn atomic.Uint64
	kept atomic.Pointer[keptProfile]
}

type keptProfile struct {
	who     shopper.ID
	turn    uint64
	profile profile.Profile
	size    int64
}

// What recent keeps: a profile of more than recentLong bytes is read anew.
const (
	recentPlaces = 1 << 14
	recentLong   = 256 << 10
	recentHead   = 512 // bytes around a profile, about
)

func (r *recent) place(who shopper.ID) *recentPlace {
	return &r.places[who.Reveal()*0x9e3779b97f4a7c15>>(64-14)]
}

// get gives a profile kept, or else the turn to put it with once it was read.
func (r *recent) get(who shopper.ID) (p profile.Profile, turn uint64, ok bool) {
	at := r.place(who)
	turn = at.turn.Load()
	if k := at.kept.Load(); k != nil && k.who == who && k.turn == turn {
		return k.profile, turn, true
	}
	return nil, turn, false
}

// put keeps a profile that was read after its turn was told, and makes room.
func (r *recent) put(who shopper.ID, p profile.Profile, turn uint64) {
	k := &keptProfile{who, turn, p, recentHead}
	for _, section := range p {
		k.size += int64(len(section))
	}
	if k.size > recentLong {
		return
	}
	r.swap(r.place(who), k)
	for range recentPlaces {
		if r.bytes.Load() <= r.most {
			return
		}
		r.swap(&r.places[r.hand.Add(1)%recentPlaces], nil)
	}
}

// drop forgets a shopper's profile after it changed.
func (r *recent) drop(who shopper.ID) {
	at := r.place(who)
	at.turn.Add(1)
	r.swap(at, nil)
}

// clear forgets everything.
func (r *recent) clear() {
	for i := range r.places {
		r.places[i].turn.Add(1)
		r.swap(&r.places[i], nil)
	}
}

func (r *recent) swap(at *recentPlace, k *keptProfile) {
	var change int64
	if k != nil {
		change = k.size
	}
	if old := at.kept.Swap(k); old != nil {
		change -= old.size
	}
	r.bytes.Add(change)
}
