package recommend

import (
	"cmp"
	"slices"
	"sync"

	"endcap/know/recommend/nextbasket"
	"endcap/know/recommend/training"
	"endcap/retail"
)

// learnt asks the model that is served. Products to which it gave no number, because
// few bought them or they came after it, are left to the fallback.
type learnt struct {
	served *training.Served
	usual  usual
	pool   *sync.Pool // of *asking
}

// asking is the memory of one question.
type asking struct {
	baskets   nextbasket.History
	products  []nextbasket.Product
	proposals []nextbasket.Proposal
}

// Score implements Scorer. What she bought and the model has no number for has the
// fallback's chance, scaled as the model's are to the fallback's over the rest of what
// she buys.
func (l *learnt) Score(q *Query, most int, to []Scored) []Scored {
	a, _ := l.pool.Get().(*asking)
	from, m := len(to), l.served.Model
	query := l.query(a, q)
	a.proposals = m.Next(&query, a.proposals[:0])
	var chances, usuals float64
	n := float64(len(q.Past.Receipts))
	for i := range a.proposals {
		p := &a.proposals[i]
		s := Scored{Product: m.Hash(p.Product), Chance: float64(p.Chance), New: true}
		if h := q.Past.habit(s.Product); h != nil { // also one that she bought before the model's window
			s.New = false
			chances, usuals = chances+s.Chance, usuals+usualChance(h, n)
		}
		to = append(to, s)
	}
	l.pool.Put(a) // not after a panic: it would bring half a question along
	scale := 1.0
	if usuals > 0 {
		scale = min(chances/usuals, 1)
	}
	numbered := len(to)
	for i := range q.Past.Habits {
		h := &q.Past.Habits[i]
		if _, known := m.Number(h.Product); !known {
			to = append(to, Scored{h.Product, scale * usualChance(h, n), false})
		}
	}
	if len(to) > numbered { // they go among the others, which are in order
		slices.SortStableFunc(to[from:], func(a, b Scored) int { return cmp.Compare(b.Chance, a.Chance) })
	}
	if to = to[:min(len(to), from+most)]; len(to) == from {
		return l.usual.Score(q, most, to)
	}
	return to
}

// query is what the model is asked: her receipts of as many days as it was made from,
// with the products that have a number. It holds until a is used again.
func (l *learnt) query(a *asking, q *Query) nextbasket.Query {
	m, first := l.served.Model, q.Visit.Day-retail.Day(l.served.Days())
	a.baskets, a.products = a.baskets[:0], a.products[:0]
	lines := 0
	for i := range q.Past.Receipts {
		lines += len(q.Past.Receipts[i].Products)
	}
	a.products = slices.Grow(a.products, lines) // baskets share it
	for i := range q.Past.Receipts {
		r := &q.Past.Receipts[i]
		if r.Day < first || len(r.Products) == 0 { // nothing is left of a receipt that was another's
			continue
		}
		at := len(a.products)
		for _, product := range r.Products {
			if no, ok := m.Number(product); ok {
				a.products = append(a.products, no)
			}
		}
		a.baskets = append(a.baskets, nextbasket.Basket{Day: int32(r.Day), Products: a.products[at:len(a.products):len(a.products)]})
	}
	return nextbasket.Query{Key: q.Key, History: a.baskets, Day: int32(q.Visit.Day)}
}

// scorer is who says what is bought next: the model where there is one and she is
// known, else plain frequencies.
func (r *Recommender) scorer(from lore, q *Query) Scorer {
	if from.served == nil || q.Key == 0 {
		return usual{from.ix}
	}
	return &learnt{from.served, usual{from.ix}, &r.askings}
}
