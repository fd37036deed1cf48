package offer

import (
	"math/bits"
	"slices"

	"endcap/retail"
	terms "endcap/retail/offer"
)

// set is a choice among live offers, by place.
type set []uint64

func newSet(n int) set { return make(set, (n+63)/64) }

func (s set) has(i int) bool { return s[i/64]>>(i%64)&1 != 0 }
func (s set) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s set) drop(i int)     { s[i/64] &^= 1 << (i % 64) }

func (s set) size() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// search chooses among live offers, which are in order.
type search struct {
	f     *fold
	all   []live
	limit int // steps of the fold after which only what is promised goes on

	// exhaust's own
	list   []int
	chosen []int
	best   int64
	found  []int
	cut    bool // limit ended it
}

// choose finds the set worth most. Of sets that are worth the same it is, as long as
// the search is exhaustive, the one that has the offer which comes first where they
// differ. exact says that the search was exhaustive, as it is for up to ExactMax
// offers.
func choose(f *fold, all []live, effort int) (chosen set, exact bool) {
	s := &search{f: f, all: all, limit: f.steps + effort}
	everything := make([]int, len(all))
	for i := range everything {
		everything[i] = i
	}
	if len(all) <= ExactMax {
		chosen, _ = s.exhaust(everything, true)
		return chosen, true
	}
	wide := s.wide()
	chosen, exact = newSet(len(all)), true
	for _, room := range s.rooms(wide) {
		sure := len(room) <= ExactMax
		part, ok := s.exhaust(room, sure)
		exact = exact && ok
		for i := range part {
			chosen[i] |= part[i]
		}
	}
	if exact && len(wide) == 0 {
		return chosen, true
	}
	return s.improve(chosen, wide), false
}

// worth applies what of a set may stand together, in order, and gives what that
// takes off, with those that were applied. Members that take nothing off, or that
// one before them excludes, are left out.
func (s *search) worth(of set) (total int64, applied set) {
	applied = newSet(len(s.all))
	at := s.f.mark()
	for i := range s.all {
		if !of.has(i) || s.excluded(i, applied) {
			continue
		}
		if got := s.f.apply(&s.all[i]); got > 0 {
			total += got
			applied.add(i)
		}
	}
	s.f.back(at)
	return total, applied
}

// excluded reports whether one of a set may not stand beside offer i.
func (s *search) excluded(i int, by set) bool {
	for j := range s.all {
		if by.has(j) && s.all[i].conflict(s.all[j].entry) {
			return true
		}
	}
	return false
}

// exhaust finds the best choice among the offers of list by going through all of
// them, those first that have the earlier offer, but for choices that cannot be
// worth more than the best so far. Unless sure, it gives up when the limit is
// reached, and says so.
func (s *search) exhaust(list []int, sure bool) (found set, whole bool) {
	s.list, s.chosen, s.found, s.best, s.cut = list, s.chosen[:0], s.found[:0], 0, false
	limit := s.limit
	if sure {
		s.limit = int(^uint(0) >> 1)
	}
	s.descend(0, 0)
	s.limit = limit
	found = newSet(len(s.all))
	for _, i := range s.found {
		found.add(i)
	}
	return found, !s.cut
}

func (s *search) descend(depth int, worth int64) {
	if worth > s.best {
		s.best, s.found = worth, append(s.found[:0], s.chosen...)
	}
	if s.cut || worth+s.promise(depth) <= s.best {
		return
	}
	if s.f.steps > s.limit {
		s.cut = true
		return
	}
	i := s.list[depth]
	if o := &s.all[i]; !slices.ContainsFunc(s.chosen, func(j int) bool { return o.conflict(s.all[j].entry) }) {
		at := s.f.mark()
		if got := s.f.apply(o); got > 0 {
			s.chosen = append(s.chosen, i)
			s.descend(depth+1, worth+got)
			s.chosen = s.chosen[:len(s.chosen)-1]
			s.f.back(at)
		}
	}
	s.descend(depth+1, worth)
}

// promise is more than the offers from depth on can add.
func (s *search) promise(depth int) (sum int64) {
	for _, i := range s.list[depth:] {
		o := &s.all[i]
		if !slices.ContainsFunc(s.chosen, func(j int) bool { return o.conflict(s.all[j].entry) }) {
			sum += o.most
		}
	}
	return sum
}

// wide lists the offers that touch much of the basket: with them everything hangs
// together.
func (s *search) wide() (wide []int) {
	most := max(4, len(s.f.g.articles)/4)
	for i := range s.all {
		o := &s.all[i]
		n := len(o.reduced) + len(o.bought)
		if o.Spend.Amount > 0 && o.Spend.Base == terms.After {
			n += len(o.counts)
		}
		if n > most || o.everyGroup {
			wide = append(wide, i)
		}
	}
	return wide
}

// rooms parts the offers that are not wide into those that have nothing to do with
// each other: no article in common and no exclusion.
func (s *search) rooms(wide []int) [][]int {
	parent := make([]int, len(s.all))
	for i := range parent {
		parent[i] = i
	}
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	first := make([]int, len(s.f.g.articles)) // an offer that touches it, plus one
	for i := range s.all {
		o := &s.all[i]
		if slices.Contains(wide, i) {
			continue
		}
		lists := [][]int32{o.reduced, o.bought}
		if o.Spend.Amount > 0 && o.Spend.Base == terms.After {
			lists = append(lists, o.counts)
		}
		for _, articles := range lists {
			for _, a := range articles {
				if first[a] == 0 {
					first[a] = i + 1
				}
				parent[root(i)] = root(first[a] - 1)
			}
		}
		for j := range i {
			if !slices.Contains(wide, j) && o.conflict(s.all[j].entry) {
				parent[root(i)] = root(j)
			}
		}
	}
	rooms := map[int][]int{}
	var order []int
	for i := range s.all {
		if slices.Contains(wide, i) {
			continue
		}
		r := root(i)
		if rooms[r] == nil {
			order = append(order, r)
		}
		rooms[r] = append(rooms[r], i)
	}
	out := make([][]int, len(order))
	for n, r := range order {
		out[n] = rooms[r]
	}
	return out
}

// improve looks for a better choice near the given one until nothing near is
// better, then from places a little further, as long as the limit allows.
func (s *search) improve(from set, wide []int) set {
	total, now := s.worth(from)
	for _, i := range wide {
		if more, with := s.worth(s.with(now, i)); more > total {
			total, now = more, with
		}
	}
	total, now = s.climb(total, now)
	best, bestTotal := now, total
	for round := uint64(1); s.f.steps < s.limit; round++ {
		shaken := slices.Clone(best)
		for k := range uint64(2 + round%3) {
			i := int(retail.Mix(round*retail.GoldenGamma+k) % uint64(len(s.all)))
			if shaken.has(i) {
				shaken.drop(i)
			} else {
				shaken = s.with(shaken, i)
			}
		}
		if total, now = s.climb(s.worth(shaken)); total > bestTotal {
			best, bestTotal = now, total
		}
	}
	return best
}

// with adds offer i to a choice and takes away those that leave it no room: what it
// may not stand beside, and what of its group comes before it on its products.
func (s *search) with(of set, i int) set {
	out := slices.Clone(of)
	o := &s.all[i]
	for j := range s.all {
		if !out.has(j) {
			continue
		}
		p := &s.all[j]
		if o.conflict(p.entry) || p.group == o.group && j < i && overlap(o.reduced, p.reduced) {
			out.drop(j)
		}
	}
	out.add(i)
	return out
}

// overlap reports whether two sorted lists have an article in common.
func overlap(x, y []int32) bool {
	for i, j := 0, 0; i < len(x) && j < len(y); {
		switch {
		case x[i] < y[j]:
			i++
		case x[i] > y[j]:
			j++
		default:
			return true
		}
	}
	return false
}

// climb adds and drops one offer at a time for as long as that is worth more.
func (s *search) climb(total int64, now set) (int64, set) {
	for better := true; better; {
		better = false
		for i := range s.all {
			if s.f.steps > s.limit {
				return total, now
			}
			var near set
			if now.has(i) {
				near = slices.Clone(now)
				near.drop(i)
			} else {
				near = s.with(now, i)
			}
			if more, with := s.worth(near); more > total {
				total, now, better = more, with, true
			}
		}
	}
	return total, now
}

// ordered takes each offer in order that may stand beside those taken before it.
func ordered(f *fold, all []live) set {
	s := &search{f: f, all: all}
	every := newSet(len(all))
	for i := range all {
		every.add(i)
	}
	_, applied := s.worth(every)
	return applied
}
