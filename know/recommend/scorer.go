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
	p := Past{Receipts: make([]Bought, len(h.receipts))}
	days := make([][]retail.Day, len(h.products))
	for i := range h.receipts { // the newest first
		r := &h.receipts[len(h.receipts)-1-i]
		b := Bought{Day: r.day, Products: make([]uint64, len(r.products))}
		for j, at := range r.products {
			b.Products[j] = h.products[at]
			if d := days[at]; len(d) == 0 || d[len(d)-1] != r.day {
				days[at] = append(d, r.day)
			}
		}
		p.Receipts[i] = b
	}
	for _, v := range h.habits() {
		p.Habits = append(p.Habits, Habit{h.products[v.at], v.count, days[v.at]})
	}
	return p
}

// habit is hers of a product, nil where she has none.
func (p *Past) habit(product uint64) *Habit {
	at := slices.IndexFunc(p.Habits, func(h Habit) bool { return h.Product == product })
	if at < 0 {
		return nil
	}
	return &p.Habits[at]
}

// usual orders what she bought by how often, how late and how popular, and then what
// is new to her by how popular it is. Its chances say no more than that order: of
// what she bought, the share of her receipts; of the rest, less than any of these,
// one by its place.
type usual struct{ ix *index }

// Score implements Scorer.
func (u usual) Score(q *Query, most int, to []Scored) []Scored {
	from, n := len(to), float64(len(q.Past.Receipts))
	for _, h := range q.Past.Habits {
		to = append(to, Scored{h.Product, (float64(h.Receipts) + 0.5) / (n + 1), false})
	}
	rank := func(product uint64) int32 { return u.ix.all.find(product) }
	last := func(product uint64) retail.Day {
		h := q.Past.habit(product)
		return h.Days[len(h.Days)-1]
	}
	slices.SortStableFunc(to[from:], func(a, b Scored) int {
		if a.Chance != b.Chance {
			return cmp.Compare(b.Chance, a.Chance)
		}
		return cmp.Or(cmp.Compare(last(b.Product), last(a.Product)), cmp.Compare(rank(a.Product), rank(b.Product)))
	})
	to = to[:min(len(to), from+most)]
	for no := int32(0); no < u.ix.bought && len(to) < from+most; no++ {
		if product := u.ix.hashes[no]; q.Past.habit(product) == nil {
			to = append(to, Scored{product, 0.5 / (n + 1) / float64(no+2), true})
		}
	}
	return to
}
