package recommend

import (
	"math"

	"endcap/know/recommend/nextbasket"
	"endcap/retail"
	"endcap/retail/shopper"
	"endcap/retail/visit"
)

// Explanation says why a list is as it is.
type Explanation struct {
	visit.Proposed
	Products   []Explained // as Proposals
	Model      uint64      // the version that was asked what she buys next; 0 for none
	Popularity uint64      // the version of what many buy
	Related    retail.Day  // the last day that related products were counted over
}

// Explained is what the model says of a proposal. Both are empty where it was not
// asked, or does not know the product.
type Explained struct {
	Chance  float64 // that it is in her next basket
	Signals []Signal
}

// Signal is one thing that the model weighs; what does not exist is not listed.
type Signal struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// Explain is Propose with what stands behind each product. It takes longer than
// Propose, and is for people.
func (r *Recommender) Explain(who shopper.ID, section []byte, v *visit.Visit, n int) Explanation {
	out := Explanation{Proposed: r.Propose(who, section, v, n), Popularity: r.Version(), Related: r.RelatedThrough()}
	out.Products = make([]Explained, len(out.Proposals))
	p := &picker{who: who.Reveal(), v: v}
	q := p.query(section)
	l, ok := r.scorer(r.lore(), &q).(*learnt)
	if !ok || v.List != visit.NextBasket {
		return out
	}
	out.Model = l.served.Number
	m, a := l.served.Model, new(asking)
	query, names := l.query(a, &q), nextbasket.Columns(l.served.Model.Kinds())
	at := make(map[nextbasket.Product]int, len(out.Proposals))
	for i := range out.Proposals {
		if no, ok := m.Number(out.Proposals[i].Product.Hash()); ok {
			at[no] = i
		}
	}
	for _, p := range m.Next(&query, nil) {
		if i, ok := at[p.Product]; ok {
			out.Products[i].Chance = float64(p.Chance)
		}
	}
	m.Signals(&query, func(no nextbasket.Product, signals []float32) {
		i, ok := at[no]
		if !ok {
			return
		}
		for k, value := range signals {
			if x := float64(value); !math.IsNaN(x) && !math.IsInf(x, 0) {
				out.Products[i].Signals = append(out.Products[i].Signals, Signal{names[k], x})
			}
		}
	})
	return out
}

// SignalNames are those that a person understands, the first first; the rest are for
// whoever works on models.
func SignalNames() []string {
	return []string{"count", "count per basket", "days since", "days between", "days since ÷ between", "popularity", "popularity lately", "neighbours buy more", "follows", "goes with"}
}
