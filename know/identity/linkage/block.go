package linkage

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
)

// rule is one way to find candidates: records that agree in all its parts are
// in one block.
type rule struct {
	parts  []part
	keys   []uint32 // by record: its block, 0 for none; until the rule is chosen
	blocks []uint32 // records in order of their blocks
	ends   []uint32 // where each block of two and more ends in blocks
	pairs  int
	partly bool // some blocks were too large to be looked at
	mostly bool // most records with a value are in blocks that are looked at
}

// blocking is the rules chosen for a table.
type blocking struct {
	rules []rule
	keys  []uint32 // the block of each record by each rule; a record's lie together
}

// rulesMax is the most rules chosen for a table: a record's keys are one line of
// a cache. A table of at most fewRecords, whose keys are at hand anyway, has
// twice as many.
const (
	rulesMax   = 16
	fewRecords = 250_000
)

// learntPairs is how many candidates a small table's model is learnt from, by
// rules as narrow as a large table's are: among all the pairs that share one
// common value, expectation maximisation may take namesakes for persons.
const learntPairs = 2_000_000

// chooseBlocks gives the blocks to learn from and those to look for people in;
// for a large table they are the same.
func chooseBlocks(t *Table, cfg Config) (learn, look *blocking) {
	most := cfg.PairsPerRecord * t.records
	narrow := max(most, min(cfg.PairsMin, learntPairs))
	learn = chooseRules(t, cfg, narrow, rulesMax)
	if t.records > fewRecords {
		return learn, learn
	}
	return learn, chooseRules(t, cfg, max(most, cfg.PairsMin), 2*rulesMax)
}

// part is a field, or its beginning.
type part struct {
	field int
	form  form
}

// form is what of a value is looked at.
type form int

const (
	whole form = iota
	start      // the first letters of a name or a code, the year of a date
	forms
)

// of is what form leaves of a value.
func (f form) of(kind Kind, value string) string {
	if f == whole || value == "" {
		return value
	}
	switch kind {
	case Name:
		return value[:min(3, len(value))]
	case Date:
		return value[:min(4, len(value))]
	case Email:
		local, _, _ := strings.Cut(value, "@")
		return local
	case Code:
		if len(value) > 4 {
			return value[:len(value)/2]
		}
	case Place:
		return value[:min(4, len(value))]
	case Category:
	}
	return ""
}

// chooseRules picks at most most blocking rules for a table: first every field, or beginning
// of one, that by itself makes few enough pairs, then pairs of fields, those
// first whose fields were used least, until the budget is spent. A rule that
// only narrows a chosen one is left out, and so is one that misses most records
// because its values are too common. A small table is one block.
func chooseRules(t *Table, cfg Config, budget, most int) *blocking {
	if t.records*(t.records-1)/2 <= budget {
		return everybody(t.records)
	}
	c := &choice{cfg: cfg, left: budget, share: budget / 5, used: make([]int, len(t.fields)), keys: make(map[part][]uint32)}
	var parts []part
	var found []rule
	for f := range t.fields {
		for form := range forms {
			p := part{f, form}
			k := partKeys(t, p)
			if k == nil {
				continue
			}
			parts, c.keys[p] = append(parts, p), k
			if t.fields[f].Kind != Category {
				found = append(found, newRule([]part{p}, k, cfg.BlockMax))
			}
		}
	}
	c.take(found, most/2)
	var pairs [][]part
	for i, p := range parts {
		for _, q := range parts[i+1:] {
			two := []part{p, q}
			if q.field != p.field && !slices.ContainsFunc(c.chosen, rule{parts: two}.narrows) {
				pairs = append(pairs, two)
			}
		}
	}
	c.take(inParallel(pairs, cfg.Workers, func(_ *scratch, two []part) rule {
		return guessRule(two, c.keys[two[0]], c.keys[two[1]], cfg.BlockMax)
	}), most)
	return c.lay(t.records)
}

// everybody is one block of all records, for tables so small that every pair
// can be compared.
func everybody(records int) *blocking {
	b := &blocking{rules: []rule{{ends: []uint32{uint32(records)}}}, keys: make([]uint32, records)}
	for i := range records {
		b.rules[0].blocks = append(b.rules[0].blocks, uint32(i))
	}
	return b
}

// choice is rules being chosen.
type choice struct {
	cfg         Config
	left, share int   // pairs that may still be made, in all and by one rule
	used        []int // how many chosen rules ask each field
	keys        map[part][]uint32
	chosen      []rule
}

// fits reports whether a rule may still be chosen.
func (c *choice) fits(r *rule) bool {
	return r.mostly && r.pairs > 0 && r.pairs <= min(c.share, c.left) && !slices.ContainsFunc(c.chosen, r.narrows)
}

// take chooses among found until there are most rules.
func (c *choice) take(found []rule, most int) {
	for len(c.chosen) < most {
		best := -1
		for i := range found {
			r := &found[i]
			if !c.fits(r) {
				continue
			}
			if best < 0 || cmp.Or(cmp.Compare(c.uses(r), c.uses(&found[best])), cmp.Compare(r.pairs, found[best].pairs)) < 0 {
				best = i
			}
		}
		if best < 0 {
			return
		}
		r := found[best]
		if r.keys == nil { // it was guessed
			r = newRule(r.parts, joined(c.keys[r.parts[0]], c.keys[r.parts[1]]), c.cfg.BlockMax)
			if found[best].pairs = 0; !c.fits(&r) {
				continue
			}
		}
		r.sort(c.cfg.BlockMax)
		for _, p := range r.parts {
			c.used[p.field]++
		}
		c.left -= r.pairs
		c.chosen = append(c.chosen, r)
	}
}

func (c *choice) uses(r *rule) int {
	n := 0
	for _, p := range r.parts {
		n += c.used[p.field]
	}
	return n
}

// lay puts each record's keys beside one another.
func (c *choice) lay(records int) *blocking {
	b := &blocking{rules: c.chosen, keys: make([]uint32, records*len(c.chosen))}
	for n := range b.rules {
		r := &b.rules[n]
		for i, k := range r.keys {
			b.keys[i*len(b.rules)+n] = k
		}
		r.keys = nil
	}
	return b
}

// narrows reports whether whatever agrees by r was found by other too.
func (r rule) narrows(other rule) bool {
	return !other.partly && !slices.ContainsFunc(other.parts, func(o part) bool {
		return !slices.ContainsFunc(r.parts, func(p part) bool { return p.field == o.field && (p.form == o.form || p.form == whole) })
	})
}

// partKeys numbers what a part leaves of each record's value, from 1; nil where
// the part is the field itself again.
func partKeys(t *Table, p part) []uint32 {
	col, width := &t.columns[p.field], len(t.fields)
	out := make([]uint32, t.records)
	if p.form == whole {
		for i := range out {
			out[i] = t.codes[i*width+p.field]
		}
		return out
	}
	kind := t.fields[p.field].Kind
	if kind == Category {
		return nil
	}
	numbers := make(map[string]uint32)
	byCode := make([]uint32, len(col.values))
	for code, v := range col.values {
		v = p.form.of(kind, v)
		if v == "" {
			continue
		}
		n, ok := numbers[v]
		if !ok {
			n = uint32(len(numbers) + 1)
			numbers[v] = n
		}
		byCode[code] = n
	}
	for i := range out {
		out[i] = byCode[t.codes[i*width+p.field]]
	}
	return out
}

// joined numbers the pairs of two keys; 0 where either is missing.
func joined(a, b []uint32) []uint32 {
	size := 1 << bits.Len(uint(2*len(a))) // of a table that is never more than half full
	known, numbers := make([]uint64, size), make([]uint32, size)
	out := make([]uint32, len(a))
	next := uint32(0)
	for i := range a {
		if a[i] == 0 || b[i] == 0 {
			continue
		}
		both := uint64(a[i])<<32 | uint64(b[i])
		at := int(mixed(both)) & (size - 1)
		for known[at] != 0 && known[at] != both {
			at = (at + 1) & (size - 1)
		}
		if known[at] == 0 {
			next++
			known[at], numbers[at] = both, next
		}
		out[i] = numbers[at]
	}
	return out
}

// mixed spreads what is near over 32 bits.
func mixed(v uint64) uint32 {
	v *= 0x9e3779b97f4a7c15
	return uint32((v ^ v>>29) >> 32)
}

// guessedRecords is about how many records a rule of two parts is judged by,
// before it is chosen.
const guessedRecords = 1 << 17

// guessRule is newRule for two parts by some of the blocks, all records of each.
// It has no keys.
func guessRule(parts []part, a, b []uint32, blockMax int) rule {
	every := uint32(1 + len(a)/guessedRecords)
	blocks := make(map[uint64]uint32)
	for i := range a {
		if both := uint64(a[i])<<32 | uint64(b[i]); a[i] != 0 && b[i] != 0 && mixed(both)%every == 0 {
			blocks[both]++
		}
	}
	r := rule{parts: parts}
	inside, outside := 0, 0
	for _, n := range blocks {
		r.count(int(n), blockMax, &inside, &outside)
	}
	r.pairs *= int(every)
	r.partly, r.mostly = outside > 0, inside > outside
	return r
}

// count counts one block's records and pairs.
func (r *rule) count(n, blockMax int, inside, outside *int) {
	if n > blockMax {
		*outside += n
		return
	}
	*inside += n
	if n > 1 {
		r.pairs += n * (n - 1) / 2
	}
}

// newRule counts the pairs that a rule makes.
func newRule(parts []part, keys []uint32, blockMax int) rule {
	r := rule{parts: parts, keys: keys}
	inside, outside := 0, 0
	for _, n := range sizes(keys) {
		r.count(int(n), blockMax, &inside, &outside)
	}
	r.partly, r.mostly = outside > 0, inside > outside
	return r
}

// sizes is how many records each key has.
func sizes(keys []uint32) []uint32 {
	n := make([]uint32, 1+slices.Max(keys))
	for _, k := range keys {
		n[k]++
	}
	n[0] = 0
	return n
}

// sort lays the records out by block and leaves out the blocks of one record
// and those above blockMax.
func (r *rule) sort(blockMax int) {
	n := sizes(r.keys)
	kept := make([]uint32, len(n)) // the next place of each block, from 1
	total := uint32(0)
	for k, size := range n {
		if size > 1 && int(size) <= blockMax {
			kept[k] = total + 1
			total += size
			r.ends = append(r.ends, total)
		}
	}
	r.blocks = make([]uint32, total)
	clean := make([]uint32, len(r.keys))
	for i, k := range r.keys {
		if kept[k] == 0 {
			continue
		}
		clean[i] = k
		r.blocks[kept[k]-1] = uint32(i)
		kept[k]++
	}
	r.keys = clean
}

// eachPair calls f with every pair of the blocks from first to last of rule n
// that no earlier rule has, lower record first.
func (b *blocking) eachPair(n, first, last int, f func(x, y uint32)) {
	r := &b.rules[n]
	for block := first; block < last; block++ {
		from := uint32(0)
		if block > 0 {
			from = r.ends[block-1]
		}
		in := r.blocks[from:r.ends[block]]
		for i, x := range in {
			for _, y := range in[i+1:] {
				if !b.seenBefore(n, x, y) {
					f(x, y)
				}
			}
		}
	}
}

func (b *blocking) seenBefore(n int, x, y uint32) bool {
	width := len(b.rules)
	kx, ky := b.keys[int(x)*width:][:n], b.keys[int(y)*width:][:n]
	for i, k := range kx {
		if k != 0 && k == ky[i] {
			return true
		}
	}
	return false
}
