package nextbasket

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"endcap/know/recommend/learn"
)

// Settings say how a model is made. Search finds them for a retailer.
type Settings struct {
	Decay      Decay
	Neighbours int
	Own        float64 // TIFUKNN's alpha: the weight of her own vector beside her neighbours'
	Negatives  float64 // share of the products not bought that trees learn from
	Trees      learn.Settings
}

// ErrSettings is returned for settings that make no model.
var ErrSettings = errors.New("settings that make no model")

// Check says what is wrong with settings.
func (s *Settings) Check() error {
	d := &s.Decay
	switch {
	case !(d.Basket > 0 && d.Basket <= 1) || !(d.Group > 0 && d.Group <= 1):
		return fmt.Errorf("%w: decay %v by basket, %v by group", ErrSettings, d.Basket, d.Group)
	case d.Groups < 1 || d.Groups > 1_000 || d.BlockDays < 0 || d.BlockDays > 10_000:
		return fmt.Errorf("%w: %d groups, blocks of %d days", ErrSettings, d.Groups, d.BlockDays)
	case s.Neighbours < 1 || s.Neighbours > membersMost:
		return fmt.Errorf("%w: %d neighbours", ErrSettings, s.Neighbours)
	case !(s.Own >= 0 && s.Own <= 1) || !(s.Negatives > 0 && s.Negatives <= 1):
		return fmt.Errorf("%w: her own part %v, negatives %v", ErrSettings, s.Own, s.Negatives)
	}
	if err := s.Trees.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrSettings, err)
	}
	return nil
}

// Defaults are settings to begin a search with.
func Defaults() Settings {
	return Settings{Decay: Decay{Basket: 0.9, Group: 0.9, Groups: 7}, Neighbours: 300, Own: 0.1, Negatives: 0.3, Trees: learn.Defaults()}
}

// Model proposes what is bought next. It is safe for concurrent use.
type Model struct {
	settings Settings
	hashes   []uint64 // of the products
	numbers  map[uint64]Product
	crowd    *Crowd
	trees    *learn.Trees
	chances  learn.Calibration
	askers   sync.Pool
}

// newModel puts the parts of a model together.
func newModel(s *Settings, hashes []uint64, c *Crowd, t *learn.Trees, chances learn.Calibration) *Model {
	m := &Model{settings: *s, hashes: hashes, crowd: c, trees: t, chances: chances, numbers: make(map[uint64]Product, len(hashes))}
	for p, hash := range hashes {
		m.numbers[hash] = Product(p)
	}
	m.askers.New = func() any { return &counter{asker: newAsker(m.crowd)} }
	return m
}

// counter is an asker with room for its answers.
type counter struct {
	*asker
	scores []float32
}

// Proposal is a product that she may buy next.
type Proposal struct {
	Product Product
	Score   float32 // by which lists are ordered
	Chance  float32 // the probability that it is in her next basket
	Baskets int32   // of hers that held it; 0 for one new to her
	Last    int32   // the day of the last of them
	Between float32 // days between them on average, 0 below two
}

// Settings are those the model was made with.
func (m *Model) Settings() Settings { return m.settings }

// Number is a product's number by the hash it was given when the model was made.
func (m *Model) Number(hash uint64) (Product, bool) {
	p, ok := m.numbers[hash]
	return p, ok
}

// Hash is the reverse of Number.
func (m *Model) Hash(p Product) uint64 { return m.hashes[p] }

// Products is how many products have a number.
func (m *Model) Products() int { return m.crowd.products }

// Next appends the products in question for a query, the likeliest first; equal ones
// by number. Every product of the history must have a number of this model.
func (m *Model) Next(q *Query, to []Proposal) []Proposal {
	a, _ := m.askers.Get().(*counter)
	list, rows := a.ask(q)
	a.scores = slices.Grow(a.scores[:0], len(list))[:len(list)]
	m.trees.Score(rows, a.scores)
	from := len(to)
	for i, p := range list {
		out := Proposal{Product: p, Score: a.scores[i], Chance: m.chances.Of(a.scores[i])}
		if a.of[i] >= 0 {
			o := &a.hers[a.of[i]]
			out.Baskets, out.Last = int32(o.count), q.History[o.last].Day
			if o.count > 1 {
				out.Between = o.gaps / (o.count - 1)
			}
		}
		to = append(to, out)
	}
	m.askers.Put(a) // not after a panic: it would bring half a question along
	slices.SortFunc(to[from:], func(x, y Proposal) int {
		return cmp.Or(cmp.Compare(y.Score, x.Score), cmp.Compare(x.Product, y.Product))
	})
	return to
}

// Without is the model without what it keeps of single shoppers: their vectors and
// next baskets. Sums over many keep their part.
func (m *Model) Without(gone func(key uint64) bool) *Model {
	c := *m.crowd
	c.keys, c.through, c.nexts = nil, nil, lists{}
	pasts := &index{start: make([]int32, 1)}
	for i, key := range m.crowd.keys {
		if gone(key) {
			continue
		}
		c.keys, c.through = append(c.keys, key), append(c.through, m.crowd.through[i])
		c.nexts.add(m.crowd.nexts.of(int32(i)))
		pasts.all = append(pasts.all, m.crowd.pasts.of(int32(i))...)
		pasts.start = append(pasts.start, int32(len(pasts.all)))
	}
	pasts.finish(c.products)
	c.pasts, c.common = pasts, nil
	c.finish()
	return newModel(&m.settings, m.hashes, &c, m.trees, m.chances)
}

// Members is how many shoppers the model keeps something of.
func (m *Model) Members() int { return len(m.crowd.keys) }

// Keys are the members' keys, the caller's to keep.
func (m *Model) Keys() []uint64 { return slices.Clone(m.crowd.keys) }

// Has says whether one of some shoppers is a member.
func (m *Model) Has(keys map[uint64]bool) bool {
	for key, in := range keys {
		if _, member := m.crowd.members[key]; in && member {
			return true
		}
	}
	return false
}

// Among is what the model learnt, with another crowd and its products. It returns
// ErrSettings where the products have other kinds of groups than those it learnt from.
func (m *Model) Among(r *Range, shoppers []Shopper) (*Model, error) {
	if n := len(Columns(len(r.Groups))); n != m.trees.Columns {
		return nil, fmt.Errorf("%w: %d signals, of which trees know %d", ErrSettings, n, m.trees.Columns)
	}
	return newModel(&m.settings, r.Hashes, newCrowd(r, shoppers, &m.settings), m.trees, m.chances), nil
}

// Signals calls each with every product in question for a query and its signals,
// in the order of Columns. What it gives holds until it returns.
func (m *Model) Signals(q *Query, each func(p Product, signals []float32)) {
	a, _ := m.askers.Get().(*counter)
	list, rows := a.ask(q)
	n := m.trees.Columns
	for i, p := range list {
		each(p, rows[i*n:][:n])
	}
	m.askers.Put(a)
}

// Kinds is how many kinds of groups its products have.
func (m *Model) Kinds() int { return len(m.crowd.groups) }

// Calibrated is how many purchases the model's probabilities add up to over the
// products in question for cases, and how many there were among them.
func (m *Model) Calibrated(cases []Case) (predicted, observed float64) {
	var all []Proposal
	for i := range cases {
		all = m.Next(&cases[i].Query, all[:0])
		for _, p := range all {
			predicted += float64(p.Chance)
			if slices.Contains(cases[i].Truth, p.Product) {
				observed++
			}
		}
	}
	return predicted, observed
}
