package main

import (
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"

	"endcap/bench/figure"
	"endcap/know/recommend/related"
	"endcap/retail"
	"endcap/retail/catalog"
)

// The lengths of lists that are judged, and the days that products may be due in.
const (
	togetherTop = 10
	insteadTop  = 5
	dueDays     = 7
)

// sold counts on how many receipts each product was up to the cut.
func (j *journey) sold() map[catalog.ProductID]int {
	n := make(map[catalog.ProductID]int)
	for i := range j.receipts {
		if r := &j.receipts[i]; r.day <= cut {
			for _, p := range r.products {
				n[p]++
			}
		}
	}
	return n
}

// together takes one product out of each receipt after the cut.
func (j *journey) together(out io.Writer, m *related.Model) {
	rng := rand.New(rand.NewPCG(6, 6))
	popular := make([]int32, 0, 200)
	for no := range int32(min(m.Products(), 200)) { // numbers go by sales
		popular = append(popular, no)
	}
	var asked, ours, theirs int
	for i := range j.receipts {
		r := &j.receipts[i]
		var known []int32
		for _, p := range r.products {
			if no, ok := m.Number(p.Hash()); ok {
				known = append(known, no)
			}
		}
		if r.day <= cut || len(known) < 2 {
			continue
		}
		out := rng.IntN(len(known))
		gone := known[out]
		rest := slices.Delete(known, out, out+1)
		asked++
		ours += hit(gone, best(m, rest), togetherTop)
		theirs += hit(gone, slices.DeleteFunc(slices.Clone(popular), func(no int32) bool { return slices.Contains(rest, no) }), togetherTop)
	}
	figure.Print(out, "related.together_receipts", asked, "receipts")
	figure.Print(out, "related.together_hit10", float64(ours)/float64(asked), "share")
	figure.Print(out, "related.together_hit10_popular", float64(theirs)/float64(asked), "share")
}

func hit(want int32, list []int32, top int) int {
	if slices.Contains(list[:min(len(list), top)], want) {
		return 1
	}
	return 0
}

// best lists what goes best with some products: by the sum of their scores.
func best(m *related.Model, with []int32) []int32 {
	sum := make(map[int32]float64)
	for _, no := range with {
		for _, n := range m.Complements(no) {
			sum[n.No] += float64(n.Score)
		}
	}
	var list []int32
	for no := range sum {
		if !slices.Contains(with, no) {
			list = append(list, no)
		}
	}
	slices.SortFunc(list, func(a, b int32) int { return cmp.Or(cmp.Compare(sum[b], sum[a]), cmp.Compare(a, b)) })
	return list
}

// hers is one product of one household: when it was bought up to the cut, and
// whether within days after it.
type hers struct {
	days  []retail.Day
	again bool
}

// due asks of every product that a household ever bought whether it is bought
// again within a week of the cut.
func (j *journey) due(out io.Writer, m *related.Model) {
	type key struct {
		household uint64
		product   catalog.ProductID
	}
	all := make(map[key]*hers)
	for i := range j.receipts {
		r := &j.receipts[i]
		for _, p := range r.products {
			if _, ok := m.Number(p.Hash()); !ok {
				continue
			}
			k := key{r.household, p}
			h := all[k]
			switch {
			case r.day > cut+dueDays, r.day > cut && h == nil:
			case r.day > cut:
				h.again = true
			case h == nil:
				all[k] = &hers{days: []retail.Day{r.day}}
			case h.days[len(h.days)-1] != r.day:
				h.days = append(h.days, r.day)
			}
		}
	}
	type judged struct {
		chance float64
		again  bool
	}
	var cases []judged
	for k, h := range all {
		d, _ := m.Due(j.row(k.product), h.days, cut+1)
		cases = append(cases, judged{d.Within(dueDays), h.again})
	}
	slices.SortFunc(cases, func(a, b judged) int { return cmp.Compare(a.chance, b.chance) })
	said, was := 0.0, 0.0
	const parts = 10
	for part := range parts {
		s, w, n := 0.0, 0.0, 0
		for _, c := range cases[part*len(cases)/parts : (part+1)*len(cases)/parts] {
			s += c.chance
			if c.again {
				w++
			}
			n++
		}
		fmt.Fprintf(out, "due within %d days, decile %d: said %.4f, was %.4f of %d\n", dueDays, part+1, s/float64(n), w/float64(n), n)
		said, was = said+s, was+w
	}
	for _, tail := range []int{100, 1_000} {
		s, w := 0.0, 0.0
		top := cases[len(cases)-len(cases)/tail:]
		for _, c := range top {
			s += c.chance
			if c.again {
				w++
			}
		}
		fmt.Fprintf(out, "the highest one in %d: said %.4f, was %.4f of %d\n", tail, s/float64(len(top)), w/float64(len(top)), len(top))
	}
	figure.Print(out, "related.due_observed_by_said", was/said, "ratio")
}

func (j *journey) row(id catalog.ProductID) *catalog.Product {
	if p := j.products[id]; p != nil {
		return p
	}
	return &catalog.Product{ID: id}
}

// instead asks what households took of a need after the cut when it was not the
// product that they had bought of it most: is it among that product's first
// substitutes?
func (j *journey) instead(out io.Writer, m *related.Model) {
	type need struct {
		household uint64
		kind      catalog.Type
	}
	counts := make(map[need]map[catalog.ProductID]int)
	sold := j.sold()
	byKind := make(map[catalog.Type][]catalog.ProductID)
	for id := range sold {
		if p := j.row(id); p.Type != "" {
			byKind[p.Type] = append(byKind[p.Type], id)
		}
	}
	for _, list := range byKind {
		slices.SortFunc(list, func(a, b catalog.ProductID) int { return cmp.Or(cmp.Compare(sold[b], sold[a]), cmp.Compare(a, b)) })
	}
	var asked, ours, theirs int
	for i := range j.receipts {
		r := &j.receipts[i]
		for _, id := range r.products {
			p := j.row(id)
			k := need{r.household, p.Type}
			if r.day <= cut {
				if counts[k] == nil {
					counts[k] = make(map[catalog.ProductID]int)
				}
				counts[k][id]++
				continue
			}
			first, most := catalog.ProductID(""), 0
			for other, n := range counts[k] {
				if n > most || n == most && other < first {
					first, most = other, n
				}
			}
			no, ok := m.Number(first.Hash())
			if most == 0 || first == id || !ok || sold[id] == 0 || counts[k][id] > 0 {
				continue // not instead, or it was hers before
			}
			asked++
			for at, n := range m.Substitutes(no) {
				if at < insteadTop && m.ID(n.No) == id {
					ours++
				}
			}
			list := slices.DeleteFunc(slices.Clone(byKind[p.Type][:min(len(byKind[p.Type]), insteadTop+1)]), func(x catalog.ProductID) bool { return x == first })
			if slices.Contains(list[:min(len(list), insteadTop)], id) {
				theirs++
			}
		}
	}
	figure.Print(out, "related.instead_cases", asked, "purchases")
	figure.Print(out, "related.instead_hit5", float64(ours)/float64(max(asked, 1)), "share")
	figure.Print(out, "related.instead_hit5_popular", float64(theirs)/float64(max(asked, 1)), "share")
}
