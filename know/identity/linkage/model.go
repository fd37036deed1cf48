package linkage

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// model is what is known of levels: by field and level, level 0 unused. m is
// for pairs of one person, h of one household, u of strangers.
type model struct {
	m, h, u   [][]float64
	chance    [][]float64  // how often a level is among chance pairs, true ones included
	prior     float64      // share of pairs of one person among all pairs
	household float64      // share of pairs of one household
	mates     []float64    // by field: how many records of her own share a record's value
	given     []dependence // by field
	shared    []bool       // by field
	rounds    int
	weights   *weights // of the settled model
}

// dependence is that a field among strangers follows an earlier one, as a town
// follows its postcode: what both say must not count twice.
type dependence struct {
	on int           // the earlier field, -1 where there is none
	u  [16][]float64 // by the earlier field's level: u of this one
}

// pattern is the levels of one pair, four bits a field.
type pattern uint64

func (p pattern) level(field int) uint8 { return uint8(p >> (4 * field) & 15) }

// compare gives the levels of two records.
func (t *Table) compare(s *scratch, a, b uint32) pattern {
	var p pattern
	left, right := t.record(a), t.record(b)
	for f, x := range left {
		y := right[f]
		var l uint8
		switch {
		case x == 0 || y == 0:
		case x == y:
			l = 1
		default:
			l = s.levelOf(t, f, x, y)
		}
		p |= pattern(l) << (4 * f)
	}
	return p
}

// record is the codes of a record's values.
func (t *Table) record(n uint32) []uint32 {
	width := len(t.fields)
	return t.codes[int(n)*width:][:width:width]
}

// The training's bounds.
const (
	roundsMax = 200
	settled   = 1e-6 // the largest change of m and of the prior's logarithm at the end
)

// newModel learns how often levels meet by chance, and guesses the rest.
func newModel(t *Table, cfg Config) *model {
	md := &model{mates: make([]float64, len(t.fields))}
	counts := make([][16]float64, len(t.fields))
	joint := make([][16][16][16]float64, len(t.fields)) // by field, an earlier one, the levels of both
	for _, some := range chance(t, cfg) {
		for _, p := range some {
			for f := range counts {
				counts[f][p.level(f)]++
				for g := range f {
					joint[f][g][p.level(g)][p.level(f)]++
				}
			}
		}
	}
	for f, field := range t.fields {
		n := len(levelsOf(field.Kind))
		m, u := make([]float64, n+1), make([]float64, n+1)
		equal := t.columns[f].equal()
		unequal := 0.0
		for l := 2; l <= n; l++ {
			unequal += counts[f][l] + 0.5
		}
		u[1] = equal
		m[1] = 0.85
		for l := 2; l <= n; l++ {
			u[l] = (1 - equal) * (counts[f][l] + 0.5) / unequal
			m[l] = 0.15 * math.Pow(0.5, float64(l-1))
		}
		spread(m[1:])
		h := slices.Clone(u)
		if field.Shared {
			copy(h, m)
		}
		md.shared = append(md.shared, field.Shared)
		md.given = append(md.given, dependsOn(t, u, counts, joint[f][:f]))
		md.m, md.h, md.u, md.chance = append(md.m, m), append(md.h, h), append(md.u, u), append(md.chance, slices.Clone(u))
	}
	md.prior, md.household = 1/float64(t.records), 1/float64(t.records)
	if !slices.ContainsFunc(t.fields, func(f Field) bool { return f.Shared }) {
		md.household = 0
	}
	return md
}

// chance compares pairs drawn by chance, in parts; a record with itself is none.
func chance(t *Table, cfg Config) [][]pattern {
	const step = 1 << 14
	pairs := max(cfg.ChancePairs, t.records)
	var parts []int // where each begins
	for n := 0; n < pairs; n += step {
		parts = append(parts, n)
	}
	return inParallel(parts, cfg.Workers, func(s *scratch, first int) []pattern {
		rng := rand.New(rand.NewPCG(cfg.Seed, 0x11ca9e+uint64(first))) //nolint:gosec // a seeded sample that can be drawn again, no secret
		out := make([]pattern, 0, step)
		for range min(step, pairs-first) {
			if a, b := rng.Uint32N(uint32(t.records)), rng.Uint32N(uint32(t.records)); a != b {
				out = append(out, t.compare(s, a, b))
			}
		}
		return out
	})
}

// dependsOn finds the earlier field that a field follows most among strangers.
// Fields whose equal values are rarer than true pairs may be are left out:
// where those agree, it is because the person is one.
func dependsOn(t *Table, u []float64, counts [][16]float64, joint [][16][16]float64) dependence {
	d := dependence{on: -1}
	best := 0.2 // of the pairs equal in the earlier field are equal in this one
	for g := range joint {
		known, drawn := 0.0, 0.0
		for _, n := range counts[g] {
			drawn += n
		}
		for l := 1; l < len(u); l++ {
			known += joint[g][1][l]
		}
		if known < 200 || counts[g][1] < 20*drawn/float64(t.records) {
			continue
		}
		if both := joint[g][1][1] / known; both > best && both > 5*u[1] {
			best, d.on = both, g
		}
	}
	if d.on < 0 {
		return d
	}
	for l := range d.u {
		row := make([]float64, len(u))
		for k := 1; k < len(u); k++ {
			row[k] = joint[d.on][l][k] + 5*u[k]
		}
		spread(row[1:])
		d.u[l] = row
	}
	return d
}

// equal is how probable it is that two records of a column that both have a
// value have the same.
func (c *column) equal() float64 {
	var pairs, present float64
	for _, n := range c.counts[1:] {
		pairs += float64(n) * (float64(n) - 1)
		present += float64(n)
	}
	if present < 2 {
		return 0.5
	}
	return max(pairs, 1) / (present * (present - 1))
}

// spread makes p sum to 1.
func spread(p []float64) {
	sum := 0.0
	for _, v := range p {
		sum += v
	}
	for i := range p {
		p[i] /= sum
	}
}

// counted is a pattern and how many candidates have it.
type counted struct {
	pattern pattern
	n       float64
}

// train settles m, h, u and the shares by expectation maximisation over the
// patterns of the candidates. Pairs that are no candidates are taken for
// strangers: they agree in next to nothing.
func (md *model) train(t *Table, patterns map[pattern]float64) {
	list := make([]counted, 0, len(patterns))
	for p, n := range patterns {
		list = append(list, counted{p, n})
	}
	slices.SortFunc(list, func(a, b counted) int { return cmp.Compare(a.pattern, b.pattern) })
	pairs := float64(t.records) * float64(t.records-1) / 2
	for md.rounds = 1; md.rounds <= roundsMax; md.rounds++ {
		person, home := newTally(t), newTally(t)
		md.weights = md.weigh()
		for _, c := range list {
			one, house := md.weights.of(c.pattern)
			p, q := shares(one, house)
			person.add(c.pattern, c.n*p)
			home.add(c.pattern, c.n*q)
		}
		if md.step(t, person, home, pairs) < settled {
			break
		}
	}
	md.weights = md.weigh()
	for f := range t.fields {
		md.mates[f] = 2 * md.prior * pairs / float64(t.records) * md.m[f][1]
		if t.fields[f].Shared {
			md.mates[f] += 2 * md.household * pairs / float64(t.records) * md.h[f][1]
		}
	}
}

// tally is how many pairs of a class there are, by field and level.
type tally struct {
	sums  [][16]float64
	total float64
}

func newTally(t *Table) *tally { return &tally{sums: make([][16]float64, len(t.fields))} }

func (y *tally) add(p pattern, n float64) {
	y.total += n
	for f := range y.sums {
		y.sums[f][p.level(f)] += n
	}
}

// step is one maximisation; it returns the largest change.
func (md *model) step(t *Table, person, home *tally, pairs float64) float64 {
	prior := min(max(person.total, 1)/pairs, 0.5)
	moved := math.Abs(math.Log(prior / md.prior))
	md.prior = prior
	if md.household > 0 {
		md.household = min(max(home.total, 0.01)/pairs, 0.5)
	}
	for f := range t.fields {
		m, h, u := md.m[f], md.h[f], md.u[f]
		next := person.levels(f, len(m))
		for l := 1; l < len(m); l++ {
			moved = max(moved, math.Abs(next[l]-m[l]))
			m[l] = next[l]
		}
		if t.fields[f].Shared {
			copy(h, home.levels(f, len(h)))
		}
		for l := 1; l < len(m); l++ {
			// Chance pairs hold the others too.
			others := prior * m[l]
			if t.fields[f].Shared {
				others += md.household * h[l]
			}
			u[l] = max((md.chance[f][l]-others)/(1-prior-md.household), md.chance[f][l]*0.02)
		}
		spread(u[1:])
		if !t.fields[f].Shared {
			copy(h, u)
		}
	}
	return moved
}

// levels is how probable each of a field's levels is, from 1.
func (y *tally) levels(f, n int) []float64 {
	p := make([]float64, n)
	for l := 1; l < n; l++ {
		p[l] = y.sums[f][l] + prudence/float64(n-1)
	}
	spread(p[1:])
	return p
}

// prudence is how many imagined true pairs, spread over a field's levels, keep
// a level from weighing without bound.
const prudence = 2.0

// weights is what levels weigh, in bits, for one person and for one household, each against
// strangers: the shares, and by field, the level of the field that it follows (0
// where there is none) and its own level.
type weights struct {
	shares       [2]float64
	person, home [][16][16]float64
	on           []int // by field: the one that it follows, -1 where there is none
}

// weigh writes the model down so that a pattern is weighed by looking up.
func (md *model) weigh() *weights {
	strangers := 1 - md.prior - md.household
	w := &weights{
		shares: [2]float64{math.Log2(md.prior / strangers), math.Log2(md.household / strangers)},
		person: make([][16][16]float64, len(md.m)), home: make([][16][16]float64, len(md.m)),
	}
	for f := range md.m {
		d := &md.given[f]
		w.on = append(w.on, d.on)
		for k := range d.u {
			u := md.u[f]
			if k > 0 {
				if u = d.u[k]; u == nil {
					break
				}
			}
			for l := 1; l < len(md.m[f]); l++ {
				w.person[f][k][l] = math.Log2(md.m[f][l] / u[l])
				if md.shared[f] {
					w.home[f][k][l] = math.Log2(md.h[f][l] / u[l])
				} // elsewhere a household agrees by chance, as strangers do
			}
		}
	}
	return w
}

// of is the evidence of a pattern in bits.
func (w *weights) of(p pattern) (person, home float64) {
	person, home = w.shares[0], w.shares[1]
	for f, on := range w.on {
		l, k := p.level(f), uint8(0)
		if on >= 0 {
			k = p.level(on)
		}
		person += w.person[f][k][l]
		home += w.home[f][k][l]
	}
	return person, home
}

// among is how often strangers have the level that field f has in p, given
// what an earlier field says.
func (md *model) among(f int, p pattern) float64 {
	if d := &md.given[f]; d.on >= 0 && p.level(d.on) != 0 {
		return d.u[p.level(d.on)][p.level(f)]
	}
	return md.u[f][p.level(f)]
}

// shares is how probable one person and one household are.
func shares(person, home float64) (one, house float64) {
	a, b := math.Exp2(min(person, 500)), math.Exp2(min(home, 500))
	return a / (1 + a + b), b / (1 + a + b)
}

// frequency is what the equal values of field f weigh more, or less, for being
// rarer, or commoner, than equal values are on average. Where an earlier field
// explains them they weigh no more.
func (md *model) frequency(t *Table, f int, record uint32, p pattern) float64 {
	if d := &md.given[f]; p.level(f) != 1 || d.on >= 0 && p.level(d.on) != 0 {
		return 0
	}
	c := &t.columns[f]
	present := float64(t.records) - float64(c.counts[0])
	others := max(float64(c.counts[t.record(record)[f]])-1-md.mates[f], 0.5)
	return math.Log2(md.u[f][1] / (others / present))
}
