package decide

import (
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"endcap/retail/catalog"
	"endcap/retail/visit"
	"endcap/sell/campaign"
)

// page is what a search or a category alone decides, before anything is known of
// the shopper: which line items fit, and how well their products do. Many visits
// see the same page, so it is made once and kept for as long as nothing that it
// follows from has changed.
type page struct {
	query    string
	category catalog.Category
	book     uint64 // the snapshot's serial
	revision uint64 // of the recommender

	lines   []pageLine
	pairs   []int32 // for each line in turn, its products, by number in the snapshot
	weigher visit.Weigher
}

// pageLine is a line item as a decision looks at it.
type pageLine struct {
	campaign.Promise
	bid      int64 // its terms', in the smallest coins
	line     int32
	audience int32
	from, to int32 // its part of pairs
	why      campaign.Why
	refusal  reason // why it bids for nobody, if so
	currency int8
	capped   bool
}

// What is kept: each page has one of two places, and all of them together have at most
// pagesLong lines and products; then all are made anew.
const (
	pagesKept = 1 << 12
	pagesLong = 1 << 21 // of 24 to 56 bytes
	pairLong  = 6       // what is prepared of a pair weighs as much as so many lines
)

// pages are those kept.
type pages struct {
	long atomic.Int64 // their lines and products
	at   [pagesKept]atomic.Pointer[page]
}

// places are the two where a page may be.
func (p *pages) places(query string, category catalog.Category) [2]*atomic.Pointer[page] {
	h := xxhash.Sum64String(query) ^ xxhash.Sum64String(string(category))>>1
	return [2]*atomic.Pointer[page]{&p.at[h%pagesKept], &p.at[h>>32%pagesKept]}
}

// find gives the page that is wanted, nil where it is not kept.
func (p *pages) find(want *page) *page {
	for _, at := range p.places(want.query, want.category) {
		if k := at.Load(); k != nil && k.revision == want.revision && k.book == want.book && k.category == want.category && k.query == want.query {
			return k
		}
	}
	return nil
}

func (p *pages) keep(one *page) {
	if p.long.Add(one.long()) > pagesLong {
		for i := range p.at {
			p.forget(p.at[i].Swap(nil))
		}
	}
	places := p.places(one.query, one.category)
	to := places[0]
	if k := to.Load(); k != nil && k.revision == one.revision && k.book == one.book && (k.query != one.query || k.category != one.category) {
		to = places[1] // another page that is current stands there
	}
	p.forget(to.Swap(one))
}

func (p *pages) forget(old *page) {
	if old != nil {
		p.long.Add(-old.long())
	}
}

func (p *page) long() int64 { return int64(len(p.lines) + len(p.pairs)*pairLong) }

// page gives the page that s is on.
func (d *Decider) page(s *sale) *page {
	v := &s.request.Visit
	want := page{query: v.Query, category: v.Category, book: s.snap.Serial, revision: d.cfg.Recommender.Revision()}
	if k := d.pages.find(&want); k != nil {
		return k
	}
	p := &want
	s.draw(p)
	p.weigher = d.cfg.Recommender.Weigher(v, s.candidates(p))
	d.pages.keep(p)
	return p
}

// candidates are the page's pairs of a line item and a product.
func (s *sale) candidates(p *page) []visit.Candidate {
	out := make([]visit.Candidate, len(p.pairs))
	for i := range p.lines {
		l := &p.lines[i]
		item := s.snap.Lines[l.line].Item
		for at := l.from; at < l.to; at++ {
			out[at] = visit.Candidate{
				Product: s.snap.Products[p.pairs[at]], Advertiser: item.Advertiser, LineItem: item.ID, Booked: l.why != campaign.ByPlacement,
			}
		}
	}
	return out
}

// draw lists the line items that fit the page, and their products.
func (s *sale) draw(p *page) {
	s.snap.Match(&s.request.Visit, &s.matching)
	p.lines = make([]pageLine, 0, len(s.matching.Found))
	for _, match := range s.matching.Found {
		l := &s.snap.Lines[match.Line]
		one := pageLine{
			Promise: l.Promise, bid: l.Bid, line: match.Line, audience: l.AudienceNo, why: match.Why, currency: l.CurrencyNo, capped: l.Capped,
			from: int32(len(p.pairs)),
		}
		switch l.State {
		case campaign.NotInFlight:
			one.refusal = notInFlight
		case campaign.Paused:
			one.refusal = paused
		case campaign.Running:
			p.pairs = append(p.pairs, l.Products...)
		}
		one.to = int32(len(p.pairs))
		p.lines = append(p.lines, one)
	}
}
