package recommend

import (
	"cmp"
	"slices"

	"endcap/know/recommend/related"
	"endcap/retail/catalog"
	"endcap/retail/visit"
)

// How lists are made.
const (
	scoredMost   = 300  // products that a Scorer is asked for
	exploreEvery = 4    // each so many-th slot is something else than what she buys anyway
	sourcesMost  = 20   // products that complements are looked up of, the newest
	dueLeast     = 0.05 // the probability within a week from which a product is due
	dueSoon      = 7    // days
	viewedWeight = 0.5  // of a product she looked at beside one she took
	sessionLift  = 4    // how much what she does in this visit lifts a complement of it
)

// found is a product for a list, with its score and reason.
type found struct {
	no    int32
	score float64
	visit.Proposal
}

// compose gathers the candidates of the list that is asked for.
func (p *picker) compose(r *Recommender, section []byte) {
	switch p.list {
	case visit.NextBasket:
		p.nextBasket(r, section)
	case visit.BuyAgain:
		p.buyAgain(section)
	case visit.Complements:
		p.offerAll(p.beside(p.sources()))
	case visit.Substitutes:
		p.substitutes()
	case visit.Discovery:
		p.discovery(section)
	case visit.Trending:
		p.trending(nil)
	case visit.Search, visit.InCategory:
		p.page(section)
	default:
		p.forYou(section)
	}
}

// page is what fits the search or category: what she buys first, then what many buy.
func (p *picker) page(section []byte) {
	if p.v.Query != "" || p.v.Category != "" {
		p.habits(section)
	}
	p.ix.each(&p.q, func(no int32) bool { return p.offer(no, visit.Matches, 0) })
	if g := p.ix.categories[p.v.Category]; g != nil {
		p.ranked(g.ranks, visit.PopularInRange)
	}
}

// forYou is what she buys again and again, then what fits the page, the store and
// everybody. Where she is on no page, each fourth slot is what goes with what she
// does in this visit, as far as there is any.
func (p *picker) forYou(section []byte) {
	if p.v.Query == "" && p.v.Category == "" {
		p.between = p.beside(p.sources())
	}
	p.habits(section)
	p.page(nil)
	p.ranked(p.ix.stores[p.v.Store], visit.PopularStore)
	for no := int32(0); no < p.ix.bought && len(p.out) < p.n; no++ {
		p.offer(no, visit.Popular, 0)
	}
	rest := p.between
	p.between = nil
	p.offerAll(rest)
}

// source is a product that complements are looked up of.
type source struct {
	no     int32
	weight float64
}

// sources are the products of this visit: the page she is on, else what lies in her
// basket and, for less, what she looked at. What is sensitive has no complements,
// because nothing is concluded from it.
func (p *picker) sources() (out []source) {
	take := func(ids []catalog.ProductID, weight float64) {
		for i := len(ids) - 1; i >= 0 && len(out) < sourcesMost; i-- {
			if no := p.ix.rankOf(ids[i]); no >= 0 && !p.ix.shy[no] && !slices.ContainsFunc(out, func(s source) bool { return s.no == no }) {
				out = append(out, source{no, weight})
			}
		}
	}
	if p.v.Product != "" {
		take([]catalog.ProductID{p.v.Product}, 1)
		return out
	}
	take(p.v.Basket, 1)
	take(p.v.Viewed, viewedWeight)
	return out
}

// beside lists what goes with some products: the sum of its scores beside each, with
// the one it goes with best.
func (p *picker) beside(sources []source) []found {
	m := p.ix.related
	var all []found
	for _, s := range sources {
		for _, n := range m.Complements(p.ix.numbers[s.no]) {
			if no := p.ix.ranks[n.No]; no >= 0 {
				all = append(all, found{no, float64(n.Score) * s.weight, visit.Proposal{Reason: visit.GoesWith, Other: p.ix.products[s.no].ID}})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b found) int { return cmp.Or(cmp.Compare(a.no, b.no), cmp.Compare(b.score, a.score)) })
	sums := all[:0]
	for _, f := range all {
		if n := len(sums); n > 0 && sums[n-1].no == f.no {
			sums[n-1].score += f.score
			continue
		}
		sums = append(sums, f)
	}
	best(sums)
	return sums
}

// best puts the highest score first, of equal ones the more popular.
func best(all []found) {
	slices.SortFunc(all, func(a, b found) int { return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.no, b.no)) })
}

func (p *picker) offerAll(all []found) {
	for i := range all {
		if !p.add(&all[i]) {
			return
		}
	}
}

// nextBasket blends what she will buy again with what is new to her: each fourth slot
// is new. What she took or looked at in this visit lifts what goes with it, and what
// she looked at is in question itself.
func (p *picker) nextBasket(r *Recommender, section []byte) {
	q := p.query(section)
	with := p.beside(p.sources())
	var repeat, explore []found
	most := 0.0
	for _, s := range r.scorer(p.lore, &q).Score(&q, scoredMost, nil) {
		no := p.ix.all.find(s.Product)
		if no < 0 || p.ix.shy[no] && !s.New || !(s.Chance >= 0 && s.Chance <= 1) {
			continue // gone from the catalogue, sensitive, or no number
		}
		f := found{no: no, score: s.Chance}
		if s.New {
			f.Reason = visit.Popular
			most = max(most, s.Chance)
			explore = append(explore, f)
			continue
		}
		if h := q.Past.habit(s.Product); h != nil {
			f.Proposal = p.often(h, no, visit.BoughtOften)
		}
		repeat = append(repeat, f)
	}
	for _, f := range with {
		if q.Past.habit(p.ix.hashes[f.no]) == nil {
			f.score = most * (1 + sessionLift*f.score)
			explore = append(explore, f)
		}
	}
	for _, id := range p.v.Viewed {
		if no := p.ix.rankOf(id); no >= 0 && q.Past.habit(p.ix.hashes[no]) == nil {
			explore = append(explore, found{no, most * (1 + sessionLift), visit.Proposal{Reason: visit.LookedAt}})
		}
	}
	best(repeat)
	best(explore)
	p.between = explore
	p.offerAll(repeat)
	p.offerAll(explore)
}

// query is what a Scorer is asked for her; without habits she is nobody known.
func (p *picker) query(section []byte) Query {
	q := Query{Past: pastOf(section), Visit: p.v}
	if section != nil {
		q.Key = p.who
	}
	return q
}

// often is the reason of something she buys.
func (p *picker) often(h *Habit, no int32, why visit.Reason) visit.Proposal {
	out := visit.Proposal{Reason: why, Count: h.Receipts}
	if d, ok := p.ix.related.Due(p.ix.products[no], h.Days, p.v.Day); ok {
		out.Due = d.On
		if len(h.Days) > 1 {
			out.Every = max(int(d.Every+0.5), 1)
		}
	}
	if why != visit.DueAgain {
		out.Due = 0
	}
	return out
}

// buyAgain is what she is due to need, the likeliest within a week first.
func (p *picker) buyAgain(section []byte) {
	past := pastOf(section)
	var all []found
	for i := range past.Habits {
		h := &past.Habits[i]
		no := p.ix.all.find(h.Product)
		if no < 0 || p.ix.shy[no] {
			continue
		}
		if d, ok := p.ix.related.Due(p.ix.products[no], h.Days, p.v.Day); ok {
			if chance := d.Within(dueSoon); chance >= dueLeast {
				all = append(all, found{no, chance, p.often(h, no, visit.DueAgain)})
			}
		}
	}
	best(all)
	p.offerAll(all)
}

// substitutes is what may stand in for the product she looks at.
func (p *picker) substitutes() {
	at := p.ix.rankOf(p.v.Product)
	if at < 0 {
		return
	}
	for _, n := range p.ix.related.Substitutes(p.ix.numbers[at]) {
		if no := p.ix.ranks[n.No]; no >= 0 {
			p.add(&found{no, float64(n.Score), visit.Proposal{Reason: visit.InsteadOf, Other: p.v.Product}})
		}
	}
}

// discovery is what she never bought: what goes with what she buys most, what rises,
// what many buy.
func (p *picker) discovery(section []byte) {
	past := pastOf(section)
	sources := p.sources()
	for i := range past.Habits {
		no := p.ix.all.find(past.Habits[i].Product)
		if no >= 0 && !p.ix.shy[no] && len(sources) < sourcesMost {
			sources = append(sources, source{no, 1})
		}
	}
	hers := func(no int32) bool { return past.habit(p.ix.hashes[no]) != nil }
	for _, f := range p.beside(sources) {
		if !hers(f.no) {
			p.add(&f)
		}
	}
	p.trending(hers)
	for no := int32(0); no < p.ix.bought && len(p.out) < p.n; no++ {
		if !hers(no) {
			p.offer(no, visit.Popular, 0)
		}
	}
}

// trending is what sells more than it did at her store, but what is left out.
func (p *picker) trending(but func(no int32) bool) {
	for _, r := range p.ix.related.Trending(p.v.Store) {
		if no := p.ix.ranks[r.No]; no >= 0 && (but == nil || !but(no)) {
			p.add(&found{no, float64(r.Score), visit.Proposal{Reason: visit.Rising}})
		}
	}
}

// relate finds the index's products in a model and the reverse.
func (ix *index) relate(m *related.Model) {
	ix.related = m
	ix.numbers, ix.ranks = make([]int32, len(ix.products)), make([]int32, m.Products())
	for i := range ix.ranks {
		ix.ranks[i] = -1
	}
	for rank, hash := range ix.hashes {
		no, ok := m.Number(hash)
		if !ok {
			ix.numbers[rank] = -1
			continue
		}
		ix.numbers[rank], ix.ranks[no] = no, int32(rank)
	}
}
