package nextbasket

import (
	"cmp"
	"math"
	"slices"
)

// index finds vectors near to another.
type index struct {
	start []int32 // of each vector in all, and the end
	all   []weighed
	norm  []float64 // squared length of each vector
	first []int32   // of each product's postings, and the end
	posts []posting
	short []int32 // vectors, the shortest first; without empty ones
}

// posting is a vector in which a product has a weight.
type posting struct {
	who    int32
	weight float32
}

// newIndex puts histories' vectors into an index.
func newIndex(products int, d *Decay, histories []History) *index {
	ix := &index{start: make([]int32, 1, len(histories)+1)}
	s := newScratch(products)
	for _, h := range histories {
		ix.all = d.vector(h, s, ix.all)
		ix.start = append(ix.start, int32(len(ix.all)))
	}
	ix.finish(products)
	return ix
}

// finish works out what follows from the vectors.
func (ix *index) finish(products int) {
	n := len(ix.start) - 1
	ix.norm, ix.first, ix.posts, ix.short = make([]float64, n), make([]int32, products+1), make([]posting, len(ix.all)), make([]int32, 0, n)
	for _, v := range ix.all {
		ix.first[v.product+1]++
	}
	for p := range products {
		ix.first[p+1] += ix.first[p]
	}
	next := slices.Clone(ix.first)
	for who := range int32(n) {
		for _, v := range ix.of(who) {
			ix.norm[who] += float64(v.weight) * float64(v.weight)
			ix.posts[next[v.product]] = posting{who, v.weight}
			next[v.product]++
		}
		if ix.norm[who] > 0 {
			ix.short = append(ix.short, who)
		}
	}
	slices.SortFunc(ix.short, func(a, b int32) int { return cmp.Or(cmp.Compare(ix.norm[a], ix.norm[b]), cmp.Compare(a, b)) })
}

// of is one vector.
func (ix *index) of(who int32) []weighed { return ix.all[ix.start[who]:ix.start[who+1]] }

// neighbour is a vector and how near it is.
type neighbour struct {
	who  int32
	far  float64 // what it is sorted by, the least first
	like float64 // cosine
}

func nearer(a, b neighbour) int {
	switch {
	case a.far < b.far:
		return -1
	case a.far > b.far:
		return 1
	}
	return int(a.who) - int(b.who)
}

// finder looks for neighbours in an index; one goroutine at a time.
type finder struct {
	ix          *index
	dots        []float64 // fine enough that equal distances come out equal
	met         []int32   // vectors with a product in common
	near, alike []neighbour
}

func newFinder(ix *index) *finder { return &finder{ix: ix, dots: make([]float64, len(ix.norm))} }

// find leaves in near those least far away (by Euclid), and in alike those that
// point the same way, the first first; without self, which may be −1.
func (f *finder) find(vector []weighed, self int32, near, alike int) {
	ix := f.ix
	f.met, f.near, f.alike = f.met[:0], f.near[:0], f.alike[:0]
	var norm float64
	for _, v := range vector {
		norm += float64(v.weight) * float64(v.weight)
		for _, p := range ix.posts[ix.first[v.product]:ix.first[v.product+1]] {
			if f.dots[p.who] == 0 {
				f.met = append(f.met, p.who)
			}
			f.dots[p.who] += float64(p.weight) * float64(v.weight)
		}
	}
	for _, who := range f.met {
		if who == self {
			continue
		}
		like := f.dots[who] / math.Sqrt(norm*ix.norm[who])
		f.near = append(f.near, neighbour{who, ix.norm[who] - 2*f.dots[who], like})
		f.alike = append(f.alike, neighbour{who, -like, like})
	}
	others := 0 // with nothing in common the shorter is the nearer, so as many as are wanted are enough
	for _, who := range ix.short {
		if others == near {
			break
		}
		if f.dots[who] == 0 && who != self {
			f.near = append(f.near, neighbour{who, ix.norm[who], 0})
			others++
		}
	}
	for _, who := range f.met {
		f.dots[who] = 0
	}
	f.near, f.alike = least(f.near, near, nearer), least(f.alike, alike, nearer)
}

// least keeps the k least, in order. The order must leave no two equal.
func least[T any](all []T, k int, order func(a, b T) int) []T {
	if k <= 0 {
		return all[:0]
	}
	if len(all) > k {
		part(all, k, order)
		all = all[:k]
	}
	slices.SortFunc(all, order)
	return all
}

// part brings the k least to the front (Hoare's selection).
func part[T any](a []T, k int, order func(a, b T) int) {
	for lo, hi := 0, len(a)-1; lo < hi; {
		pivot := a[(lo+hi)/2]
		i, j := lo, hi
		for i <= j {
			for order(a[i], pivot) < 0 {
				i++
			}
			for order(pivot, a[j]) < 0 {
				j--
			}
			if i <= j {
				a[i], a[j] = a[j], a[i]
				i++
				j--
			}
		}
		switch {
		case k-1 <= j:
			hi = j
		case k-1 >= i:
			lo = i
		default:
			return
		}
	}
}
