package offer

import (
	"cmp"
	"math"
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

// barsMax is how many others an offer may exclude, or be excluded by, before it is
// looked at apart.
const barsMax = 3

// search chooses among live offers, which are in order.
type search struct {
	f      *fold
	all    []live
	bars   [][]int // by offer, those that may not stand beside it
	barred []int   // by offer, how many of those that are chosen bar it
	limit  int     // steps of the fold after which a search ends

	// exhaust's own
	list   []int
	chosen []int
	best   int64
	found  []int
	cut    bool // limit ended it

	// promise's own: by pool, what its offers promise one by one and article by
	// article; by pool and article, the most of one offer
	pools   [][2]int64
	tops    []int64
	touched []int
}

func newSearch(f *fold, all []live) *search {
	s := &search{f: f, all: all, bars: make([][]int, len(all)), barred: make([]int, len(all)), tops: make([]int64, len(f.taken))}
	for i := range all {
		for j := range i {
			if all[i].conflict(all[j].entry) {
				s.bars[i], s.bars[j] = append(s.bars[i], j), append(s.bars[j], i)
			}
		}
	}
	return s
}

// choose finds the set worth most. Of sets that are worth the same it is, as long as
// the search is exhaustive, the one that has the offer which comes first where they
// differ. exact says that the search was exhaustive, as it is for up to ExactMax
// offers.
func choose(f *fold, all []live, effort int) (chosen set, exact bool) {
	s := newSearch(f, all)
	everything := make([]int, len(all))
	for i := range everything {
		everything[i] = i
	}
	if len(all) <= ExactMax {
		s.limit = math.MaxInt
		return s.exhaust(everything)
	}
	end := f.steps + effort
	wide := s.wide()
	rooms := s.rooms(wide)
	chosen, exact = newSet(len(all)), len(wide) == 0
	share := effort
	if len(wide) > 0 {
		share /= 2
	}
	for i, room := range rooms { // the smallest first, which leave the most to the others
		s.limit = f.steps + (end-effort+share-f.steps)/(len(rooms)-i)
		limit := s.limit
		s.limit -= (limit - f.steps) / 2
		part, whole := s.exhaust(room)
		if s.limit = limit; !whole {
			exact = false
			part = s.improve(part, room)
		}
		for w := range part {
			chosen[w] |= part[w]
		}
	}
	if len(wide) > 0 {
		s.limit = end
		chosen = s.improve(s.reach(chosen, everything, wide), everything)
	}
	return chosen, exact
}

// worth applies what of a set may stand together, in order, and gives what that
// takes off, with those that were applied. Members that take nothing off, that one
// before them excludes, or that are not on the list are left out.
func (s *search) worth(of set, list []int) (total int64, applied set) {
	applied = newSet(len(s.all))
	at := s.f.mark()
	last := len(list) - 1
	for last >= 0 && !of.has(list[last]) {
		last--
	}
	for n, i := range list[:last+1] {
		if !of.has(i) || slices.ContainsFunc(s.bars[i], applied.has) {
			continue
		}
		if got := s.next(i, n == last); got > 0 {
			total += got
			applied.add(i)
		}
	}
	s.f.back(at)
	return total, applied
}

// next applies offer i; of the last one only its worth is of interest.
func (s *search) next(i int, last bool) int64 {
	if last {
		got, _ := s.f.gives(&s.all[i])
		return got
	}
	return s.f.apply(&s.all[i])
}

// exhaust finds the best choice among the offers of list by going through all of
// them, those first that have the earlier offer, but for choices that cannot be
// worth more than the best so far. It gives up when the limit is reached, and says
// so.
func (s *search) exhaust(list []int) (found set, whole bool) {
	s.list, s.chosen, s.found, s.best, s.cut = list, s.chosen[:0], s.found[:0], 0, false
	s.descend(0, 0)
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
	if s.f.steps++; s.f.steps > s.limit {
		s.cut = true
		return
	}
	i := s.list[depth]
	if s.barred[i] == 0 {
		at := s.f.mark()
		if got := s.next(i, depth == len(s.list)-1); got > 0 {
			s.bar(i, 1)
			s.chosen = append(s.chosen, i)
			s.descend(depth+1, worth+got)
			s.chosen = s.chosen[:len(s.chosen)-1]
			s.bar(i, -1)
			s.f.back(at)
		}
	}
	s.descend(depth+1, worth)
}

// bar counts offer i as chosen, or no longer.
func (s *search) bar(i, by int) {
	for _, j := range s.bars[i] {
		s.barred[j] += by
	}
}

// promise is at least what the offers from depth on can add: of each group no more
// than they promise one by one, and no more than the best of them promises for each
// article that the group has free.
func (s *search) promise(depth int) (sum int64) {
	s.pools = s.pools[:0]
	for _, i := range s.list[depth:] {
		if s.barred[i] > 0 {
			continue
		}
		o := &s.all[i]
		for int(o.pool) >= len(s.pools) {
			s.pools = append(s.pools, [2]int64{})
		}
		one := int64(0)
		for k, a := range o.reduced {
			at := s.f.at(o, a)
			if s.f.taken[at] {
				continue
			}
			c := o.caps[k]
			one += c
			if more := c - s.tops[at]; more > 0 {
				if s.tops[at] == 0 {
					s.touched = append(s.touched, at)
				}
				s.tops[at] = c
				s.pools[o.pool][1] += more
			}
		}
		s.pools[o.pool][0] += min(one, o.most)
	}
	for _, at := range s.touched {
		s.tops[at] = 0
	}
	s.touched = s.touched[:0]
	for _, p := range s.pools {
		sum += min(p[0], p[1])
	}
	return sum
}

// wide lists the offers that touch much of the basket or exclude many others: with
// them everything hangs together.
func (s *search) wide() (wide []int) {
	most := max(4, len(s.f.g.articles)/4)
	for i := range s.all {
		o := &s.all[i]
		n := len(o.reduced) + len(o.bought)
		if o.Spend.Amount > 0 && o.Spend.Base == terms.After {
			n += len(o.counts)
		}
		if n > most || len(s.bars[i]) > barsMax {
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
		for _, j := range s.bars[i] {
			if !slices.Contains(wide, j) {
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
	slices.SortStableFunc(out, func(a, b []int) int { return cmp.Compare(len(a), len(b)) })
	return out
}

// reach adds those of the wide offers that are worth it, also where another must make
// room first: where a threshold would be missed by what that one takes off.
func (s *search) reach(from set, list, wide []int) set {
	total, now := s.climb(from, list, wide)
	for _, w := range wide {
		if now.has(w) {
			continue
		}
		from := s.with(now, w)
		for _, i := range list {
			if !from.has(i) || i == w {
				continue
			}
			if s.f.steps > s.limit {
				return now
			}
			near := slices.Clone(from)
			near.drop(i)
			if more, with := s.worth(near, list); more > total {
				total, now = more, with
			}
		}
	}
	return now
}

// improve looks among the offers of list for a better choice near the given one
// until nothing near is better, then from places a little further, as long as the
// limit allows.
func (s *search) improve(from set, list []int) set {
	best, found := s.climb(from, list, list)
	for round := uint64(1); s.f.steps < s.limit; round++ {
		shaken := slices.Clone(found)
		for k := range 2 + round%3 {
			if i := list[retail.Mix(round*retail.GoldenGamma+k)%uint64(len(list))]; shaken.has(i) {
				shaken.drop(i)
			} else {
				shaken = s.with(shaken, i)
			}
		}
		if more, with := s.climb(shaken, list, list); more > best {
			best, found = more, with
		}
	}
	return found
}

// with adds offer i to a choice and takes away those that leave it no room: what it
// may not stand beside, and what of its group comes before it on its products.
func (s *search) with(of set, i int) set {
	out := slices.Clone(of)
	for _, j := range s.bars[i] {
		out.drop(j)
	}
	o := &s.all[i]
	for j := range i {
		if p := &s.all[j]; out.has(j) && p.group == o.group && overlap(o.reduced, p.reduced) {
			out.drop(j)
		}
	}
	out.add(i)
	return out
}

// climb adds and drops one offer of those to try at a time, for as long as the choice
// among the list is worth more.
func (s *search) climb(from set, list, try []int) (int64, set) {
	total, now := s.worth(from, list)
	for better := true; better; {
		better = false
		for _, i := range try {
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
			s.f.steps++
			if more, with := s.worth(near, list); more > total {
				total, now, better = more, with, true
			}
		}
	}
	return total, now
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

// ordered takes each offer in order that may stand beside those taken before it.
func ordered(f *fold, all []live) set {
	every, list := newSet(len(all)), make([]int, len(all))
	for i := range all {
		every.add(i)
		list[i] = i
	}
	_, applied := newSearch(f, all).worth(every, list)
	return applied
}
