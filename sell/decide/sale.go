package decide

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"endcap/keep/profile"
	"endcap/retail"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/trial"
	"endcap/retail/visit"
	"endcap/sell/auction"
	"endcap/sell/campaign"
)

// roundsMax is how often slots are sold again because a racing decision took the
// last of a budget or of a frequency cap; then those slots stay empty.
const roundsMax = 4

// sale is the memory of one decision, reused. It is not safe for concurrent use.
type sale struct {
	snap     *campaign.Snapshot
	request  *Request
	now      time.Time
	decision media.DecisionID
	seed     uint64

	allowed consent.Set
	habits  []byte
	unit    uint64   // of experiments; zero for nobody
	members []uint64 // bit i: she is in audience i of the snapshot; nil where no audience may be asked

	page     *page
	matching campaign.Matching
	bidders  []bidder
	weighing visit.Weighing // of the page's pairs, for her
	row      int            // of its answer, whose qualities bidders have; -1 for none
	asked    []media.PlacementID
	chosen   []int32 // the pairs that are shown
	basis    []byte
	counts   map[string]int // her frequency counters
	capped   bool           // some bidder has a cap that counts for her

	ranking  auction.Ranking
	auction  auction.Sale
	memory   [PlacementsMax]place
	places   []place // of memory
	refused  []refused
	sealer   *media.Sealer
	counters []profile.Counter
	bumped   []*bidder
}

// bidder is a line item that may win; best is the pair it shows.
type bidder struct {
	*pageLine
	best    int32
	quality int32
	checked bool // best is known to be in stock
	counted bool // this decision is counted against its cap
	refusal reason
	bid     int64 // what it bids: its terms' bid, or what it can still promise
}

// place is one placement while its slots are sold.
type place struct {
	*campaign.Place
	slots     int
	shown     int
	finalists []finalist
}

// finalist is a candidate that was looked at closely.
type finalist struct {
	auction.Verdict
	why    campaign.Why
	bidder int32
	pair   int32
	early  bool // refused before the auction
}

func (f *finalist) shown() bool { return f.Won() && f.Arm == trial.Treated }

type refused struct {
	line   int32
	reason reason
}

func (s *sale) reset(snap *campaign.Snapshot, r *Request, now time.Time) {
	s.snap, s.request, s.now = snap, r, now
	s.allowed, s.habits, s.unit, s.counts, s.capped = consent.None, nil, 0, nil, false
	s.bidders, s.refused = s.bidders[:0], s.refused[:0]
	s.counters, s.bumped, s.places, s.members, s.page = s.counters[:0], s.bumped[:0], nil, nil, nil
}

func (s *sale) in(no int32) bool { return s.members[no>>6]>>(no&63)&1 == 1 }

// sell finds who may bid, lets them bid, and claims what the winners promised.
func (d *Decider) sell(ctx context.Context, s *sale) error {
	if len(s.places) == 0 {
		return nil
	}
	s.page = d.page(s)
	s.find()
	s.weigh(d.cfg.Zone)
	if s.capped {
		counts, err := d.cfg.Profiles.Counts(ctx, s.request.Shopper, s.now)
		if err != nil {
			return fmt.Errorf("read frequency counters: %w", err)
		}
		s.counts = counts
	}
	early := len(s.refused)
	for round := range roundsMax {
		s.refused = s.refused[:early]
		s.auction.Reset()
		for i := range s.places {
			s.sellPlace(i, d.cfg.Assortment)
		}
		ok, err := d.claim(ctx, s)
		if err != nil {
			s.emptyAll()
			return errors.Join(err, d.uncount(ctx, s))
		}
		if ok && round == 0 {
			return nil
		}
		if ok {
			return d.uncount(ctx, s)
		}
	}
	s.emptyAll()
	return d.uncount(ctx, s)
}

// find lists the line items of the page that may bid for this shopper.
func (s *sale) find() {
	ads := s.allowed.Allows(consent.PersonalAds)
	for i := range s.page.lines {
		l := &s.page.lines[i]
		why := l.refusal
		switch {
		case why != 0 || l.audience == campaign.Nobody:
		case !ads:
			why = noConsent
		case !s.in(l.audience):
			why = notInAudience
		}
		if why != 0 {
			s.refused = append(s.refused, refused{l.line, why})
			continue
		}
		s.capped = s.capped || l.capped && ads
		s.bidders = append(s.bidders, bidder{pageLine: l, bid: min(l.bid, l.Can())})
	}
}

// weigh asks how good the page's pairs are for her, and lets go of bidders of whose
// products none fits the page.
func (s *sale) weigh(zone *time.Location) {
	v := &s.request.Visit
	s.asked = s.asked[:0]
	for i := range s.places {
		s.asked = append(s.asked, s.places[i].ID)
	}
	w := &s.weighing
	w.Visit, w.Hour, w.Section, w.Placements = v, v.At.In(zone).Hour(), s.habitsFor(consent.PersonalAds), s.asked
	s.page.weigher.Weigh(w)
	s.row = -1
	fits := s.bidders[:0]
	for _, b := range s.bidders {
		if slices.ContainsFunc(w.Quality[b.from:b.to], func(q int32) bool { return q != 0 }) {
			fits = append(fits, b)
		} else {
			s.refused = append(s.refused, refused{b.line, noMatch})
		}
	}
	s.bidders = fits
}

// choose has each bidder show its best product in a placement.
func (s *sale) choose(place int) {
	row := place
	if s.weighing.Alike {
		row = 0
	}
	if s.row == row {
		return
	}
	s.row = row
	quality := s.qualities()
	for i := range s.bidders {
		b := &s.bidders[i]
		b.quality, b.checked = 0, false
		from, to := s.weighed(b)
		for at := from; at < to; at++ {
			if q := fit(quality[at]); q > b.quality {
				b.best, b.quality = at, q
			}
		}
	}
}

// qualities are those of the row that was chosen, by pair.
func (s *sale) qualities() []int32 {
	n := len(s.page.pairs)
	return s.weighing.Quality[s.row*n:][:n]
}

// fit keeps a quality within what the auction takes; 0 is of what does not fit.
func fit(ppm int32) int32 { return min(max(ppm, 0), auction.QualityAll) }

// productsMax is how many products of one line item are weighed for one visit;
// of more, a window that the decision's seed moves.
const productsMax = 8

// weighed is the window of a line item's pairs that is weighed.
func (s *sale) weighed(b *bidder) (from, to int32) {
	n := b.to - b.from
	if n <= productsMax {
		return b.from, b.to
	}
	from = b.from + int32(trial.Draw(trial.Seed(s.seed), uint64(b.line)+1, uint64(n-productsMax+1)))
	return from, from + productsMax
}

// sellPlace sells the slots of one placement. Stock and caps are asked only of
// those who would win or set a price.
func (s *sale) sellPlace(no int, shelf Assortment) {
	p := &s.places[no]
	p.finalists, p.shown = p.finalists[:0], 0
	s.choose(no)
	s.ranking.Reset()
	for i := range s.bidders {
		b := &s.bidders[i]
		why := b.refusal
		switch {
		case why != 0:
		case b.quality == 0: // of many products, those weighed for this visit do not fit
			why = noMatch
		case !p.Runs(b.line):
			why = wrongPlacement
		case b.currency != p.CurrencyNo:
			why = wrongCurrency
		case b.pageLine.bid < p.Floor:
			why = belowFloor
		case b.bid < p.Floor:
			why = budgetSpent
		}
		if why != 0 {
			s.refused = append(s.refused, refused{b.line, why})
			continue
		}
		s.ranking.Push(int64(b.quality)*b.bid, b.line, int32(i))
	}
	s.auction.Open(p.slots, p.Floor)
	s.offer(p, shelf)
	for i, v := 0, s.auction.Close(); i < len(p.finalists); i++ {
		f := &p.finalists[i]
		if !f.early {
			f.Verdict, v = v[0], v[1:]
		}
		if f.shown() {
			p.shown++
		} else if !f.Won() {
			s.refused = append(s.refused, refused{f.Line, reasonOf(f.Refusal)})
		}
	}
	s.ranking.Rest(func(at int32) { s.refused = append(s.refused, refused{s.bidders[at].line, outbid}) })
}

func (s *sale) offer(p *place, shelf Assortment) {
	for at, ok := s.ranking.Pop(); ok; at, ok = s.ranking.Pop() {
		b := &s.bidders[at]
		l := &s.snap.Lines[b.line]
		f := finalist{why: b.why, bidder: at, pair: b.best}
		f.Candidate = auction.Candidate{Line: b.line, Product: s.page.pairs[b.best], Campaign: l.CampaignNo, Quality: b.quality, Bid: b.bid}
		switch {
		case l.Capped && s.counts != nil && !b.counted && s.counts[l.CapKey] >= l.Item.CapPerDay:
			b.refusal = frequencyCap
		case !b.checked && !s.stocked(b, shelf):
			b.refusal = outOfStock
		case b.best != f.pair:
			s.ranking.Push(int64(b.quality)*b.bid, b.line, at) // the next best product may rank lower
			continue
		}
		if b.refusal != 0 {
			f.early, f.Refusal = true, words[b.refusal]
			p.finalists = append(p.finalists, f)
			continue
		}
		f.Arm = trial.Assign(l.Seed, s.unit, l.Campaign.ControlPPM)
		p.finalists = append(p.finalists, f)
		if !s.auction.Offer(f.Candidate) {
			return
		}
	}
}

// stocked makes b's best product one that is in stock, if it has any.
func (s *sale) stocked(b *bidder, shelf Assortment) bool {
	store := s.request.Visit.Store
	b.checked = true
	if shelf.InStock(s.snap.Products[s.page.pairs[b.best]], store) {
		return true
	}
	found := false
	gone := b.best
	quality := s.qualities()
	from, to := s.weighed(b)
	for at := from; at < to; at++ {
		q := fit(quality[at])
		if at != gone && q > 0 && (!found || q > b.quality) && shelf.InStock(s.snap.Products[s.page.pairs[at]], store) {
			b.best, b.quality, found = at, q, true
		}
	}
	return found
}

// claim takes the winners' prices from their purses and counts their caps. When
// a racing decision was first, everything taken is given back and ok is false;
// those that lost are refused or bid less in the next round.
func (d *Decider) claim(ctx context.Context, s *sale) (ok bool, err error) {
	ok = true
	taken := 0
	s.winners(func(f *finalist, l *campaign.Line) bool {
		if f.shown() && !l.Purse.Take(retail.Micros(f.Price*l.Minor), s.now) {
			b := &s.bidders[f.bidder]
			b.bid = min(b.pageLine.bid, b.Can(), f.Price-1)
			ok = false
			return false
		}
		taken++
		return true
	})
	if ok && s.capped {
		ok, err = d.count(ctx, s)
	}
	if !ok {
		s.winners(func(f *finalist, l *campaign.Line) bool {
			if taken--; taken >= 0 && f.shown() {
				l.Purse.Return(retail.Micros(f.Price*l.Minor), s.now)
			}
			return taken > 0
		})
	}
	return ok, err
}

// winners calls f for each winner, ghosts too, until it returns false.
func (s *sale) winners(f func(*finalist, *campaign.Line) bool) {
	for i := range s.places {
		for j := range s.places[i].finalists {
			if v := &s.places[i].finalists[j]; v.Won() && !f(v, &s.snap.Lines[v.Line]) {
				return
			}
		}
	}
}

// count counts the winners against the caps of their line items, ghosts too: who
// is held out must meet the same caps as who is not.
func (d *Decider) count(ctx context.Context, s *sale) (bool, error) {
	s.counters, s.bumped = s.counters[:0], s.bumped[:0]
	until := (s.snap.Day + 1).Start(d.cfg.Zone)
	s.winners(func(f *finalist, l *campaign.Line) bool {
		if b := &s.bidders[f.bidder]; l.Capped && !b.counted {
			s.counters = append(s.counters, profile.Counter{Key: l.CapKey, Max: l.Item.CapPerDay, Until: until})
			s.bumped = append(s.bumped, b)
		}
		return true
	})
	if len(s.counters) == 0 {
		return true, nil
	}
	counted, err := d.cfg.Profiles.Bump(ctx, s.request.Shopper, s.now, s.counters)
	if err != nil {
		return false, fmt.Errorf("count frequency: %w", err)
	}
	all := true
	for i, b := range s.bumped {
		if b.counted = counted[i]; !b.counted {
			b.refusal, all = frequencyCap, false
		}
	}
	return all, nil
}

// uncount takes back what earlier rounds counted for those who win no slot in the
// end: a lost race spends no cap. Until then, for the rounds of one decision, a
// racing visit of the same shopper may meet a cap that is free again after.
func (d *Decider) uncount(ctx context.Context, s *sale) error {
	s.winners(func(f *finalist, _ *campaign.Line) bool {
		s.bidders[f.bidder].counted = false // kept: it is shown, or would be
		return true
	})
	s.counters = s.counters[:0]
	until := (s.snap.Day + 1).Start(d.cfg.Zone)
	for i := range s.bidders {
		if b := &s.bidders[i]; b.counted {
			b.counted = false
			s.counters = append(s.counters, profile.Counter{Key: s.snap.Lines[b.line].CapKey, Until: until, Back: true})
		}
	}
	if len(s.counters) == 0 {
		return nil
	}
	if _, err := d.cfg.Profiles.Bump(ctx, s.request.Shopper, s.now, s.counters); err != nil {
		return fmt.Errorf("take frequency back: %w", err)
	}
	return nil
}

// emptyAll leaves every slot empty: racing decisions were first each time.
func (s *sale) emptyAll() {
	for i := range s.places {
		p := &s.places[i]
		p.shown = 0
		for j := range p.finalists {
			f := &p.finalists[j]
			if f.early = true; f.Won() {
				f.Refusal = event.BudgetSpent
				s.refused = append(s.refused, refused{f.Line, budgetSpent})
			}
		}
	}
}
