package recommend

import (
	"cmp"
	"slices"

	"endcap/retail"
	"endcap/retail/visit"
)

// Scorer says how likely products are what somebody wants next. The model that is
// trained may be one; usual is the one that needs no training.
type Scorer interface {
	// Score appends at most most products in question, each once, the likeliest
	// first: what she bought before and what is new to her. It is asked while the
	// shopper waits and is safe for concurrent use.
	Score(q *Query, most int, to []Scored) []Scored
}

// Query asks a Scorer: what is known of the shopper, and her visit.
type Query struct {
	Key   uint64 // as whom models know her; 0 where she is nobody known
	Past  Past
	Visit *visit.Visit
}

// Scored is a product in question, by the hash of its id.
type Scored struct {
	Product uint64
	Chance  float64 // the higher the likelier; 0 to 1
	New     bool    // she never bought it
}

// Past is what one shopper bought, as her section has it; the zero Past is of a
// shopper of whom nothing is known.
type Past struct {
	Receipts []Bought // the oldest first
	Habits   []Habit  // what she bought on more receipts first, then what she bought later
	places   map[uint64]int32
}

// Bought is what was bought on one receipt: different products, by the hash of
// their ids.
type Bought struct {
	Day      retail.Day
	Products []uint64
}

// Habit is one product she buys.
type Habit struct {
	Product  uint64
	Receipts int
	Days     []retail.Day // on which she bought it, rising, each once
}

// pastOf takes a section apart; bytes that are none are an empty past.
func pastOf(section []byte) Past {
	h, err := decode(section)
	if err != nil || len(h.receipts) == 0 {
		return Past{}
	}
	habits := h.habits()
	p := Past{Receipts: make([]Bought, len(h.receipts)), Habits: make([]Habit, len(habits)), places: make(map[uint64]int32, len(habits))}
	lines := 0
	of := make([]int32, len(h.products)) // by product: its place among the habits
	for i, v := range habits {
		of[v.at] = int32(i)
		lines += v.count
		p.places[h.products[v.at]] = int32(i)
	}
	days, products := make([]retail.Day, lines), make([]uint64, 0, lines)
	for i, v := range habits {
		p.Habits[i] = Habit{h.products[v.at], v.count, days[:0:v.count]}
		days = days[v.count:]
	}
	for i := range h.receipts { // the newest first
		r := &h.receipts[len(h.receipts)-1-i]
		from := len(products)
		for _, at := range r.products {
			products = append(products, h.products[at])
			d := &p.Habits[of[at]].Days
			if n := len(*d); n == 0 || (*d)[n-1] != r.day {
				*d = append(*d, r.day)
			}
		}
		p.Receipts[i] = Bought{r.day, products[from:len(products):len(products)]}
	}
	return p
}

// habit is hers of a product, nil where she has none.
func (p *Past) habit(product uint64) *Habit {
	if at, ok := p.places[product]; ok {
		return &p.Habits[at]
	}
	return nil
}

// usual orders what she bought by how often, how late and how popular, and then what
// is new to her by how popular it is. Its chances say no more than that order: of
// what she bought, the share of her receipts; of the rest, less than any of these,
// one by its place.
type usual struct{ ix *index }

// usualChance is the share of a shopper's receipts with a product, of n.
func usualChance(h *Habit, n float64) float64 { return (float64(h.Receipts) + 0.5) / (n + 1) }

// Score implements Scorer.
func (u usual) Score(q *Query, most int, to []Scored) []Scored {
	type ordered struct {
		*Habit
		last retail.Day
		rank int32
	}
	hers := make([]ordered, len(q.Past.Habits))
	for i := range hers {
		h := &q.Past.Habits[i]
		hers[i] = ordered{h, h.Days[len(h.Days)-1], u.ix.all.find(h.Product)}
	}
	slices.SortStableFunc(hers, func(a, b ordered) int {
		return cmp.Or(cmp.Compare(b.Receipts, a.Receipts), cmp.Compare(b.last, a.last), cmp.Compare(a.rank, b.rank))
	})
	from, n := len(to), float64(len(q.Past.Receipts))
	for _, h := range hers[:min(len(hers), most)] {
		to = append(to, Scored{h.Product, usualChance(h.Habit, n), false})
	}
	for no := int32(0); no < u.ix.bought && len(to) < from+most; no++ {
		if product := u.ix.hashes[no]; q.Past.habit(product) == nil {
			to = append(to, Scored{product, 0.5 / (n + 1) / float64(no+2), true})
		}
	}
	return to
}
