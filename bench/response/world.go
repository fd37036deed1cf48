package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"endcap/know/recommend/response"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/media"
	"endcap/simulate/draw"
	"endcap/simulate/life"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
	"endcap/simulate/wire"
)

// shown is one showing with what became of it, and the truth about it.
type shown struct {
	response.Outcome
	no              int32   // of the product
	click, purchase float64 // true chances
}

// search is one search on the site with all that was shown beside it.
type search struct {
	week, shopper, category int
	known                   bool // who searches is known, and allows personal offers
	query                   string
	before                  []stat // what was remembered of her and the category
	shown                   []shown
}

// The placements of a search: what the site found, what is booked beside it, and
// proposals.
const (
	results   = "results"
	sponsored = "search"
	banner    = "banner"
	proposals = "proposals"
)

// place is a placement with its slots.
type place struct {
	id    media.PlacementID
	slots int
}

// The numbers of the placements, under which their looks are drawn.
const (
	inSponsored = iota
	inBanner
	inResults
	inProposals
)

// places are the placements by their numbers.
var places = [...]place{inSponsored: {sponsored, 4}, inBanner: {banner, 1}, inResults: {results, life.Results}, inProposals: {proposals, 4}}

// addsOf is the chance that a product that was clicked is put into the basket: the
// simulator's, of results.
const addsOf = 0.3

// stat is what the retailer remembers of a shopper and a product of a category.
type stat struct {
	product                  int32
	last                     int32 // day of the last receipt
	receipts, shown, clicked uint16
	odds                     float32 // for the bench alone: the log of how much likelier what she clicked and did not is, if she knows it
}

// shop is the retailer's side of a simulated world: what it has seen, and what it
// shows to whom.
type shop struct {
	world   *life.World
	memory  [][]stat // by shopper and category
	brands  map[uint64]uint16
	sold    []float64 // receipts by product
	soldIn  []float64 // by category
	ids     []catalog.ProductID
	names   []string // in small letters
	usual   []float64
	booked  [][]booking // by category
	allowed []allowed
	zone    *time.Location
}

// booking is one line item: a brand's products in a category.
type booking struct {
	id       media.LineItemID
	by       media.AdvertiserID
	products []int32
	bid      draw.Key
}

// allowed is before which day a shopper allows personal offers and ads; 0 is never.
type allowed struct{ offers, ads int }

// bookings is how many brands advertise in a category, at most.
const bookings = 8

func open(ctx context.Context, o *options) (*shop, error) {
	s := scenario.Defaults()
	s.Shoppers, s.Weeks, s.Seed = o.shoppers, o.quiet+o.learn+o.judge, o.seed
	s.Account, s.CardShared, s.CardWrong = 1, 0, 0
	w, err := life.Open(ctx, &s, model.Fitted(), nil)
	if err != nil {
		return nil, err
	}
	n := len(w.Grocer.Products)
	sh := &shop{
		world: w, memory: make([][]stat, s.Shoppers*len(w.Grocer.Categories)), brands: make(map[uint64]uint16), zone: w.Zone(),
		sold: make([]float64, n), soldIn: make([]float64, len(w.Grocer.Categories)), ids: make([]catalog.ProductID, n), names: make([]string, n),
		usual: make([]float64, len(w.Grocer.Categories)),
	}
	for i := range n {
		sh.ids[i] = catalog.ProductID(wire.GTIN(w, int32(i)))
		sh.names[i] = strings.ToLower(w.Grocer.Name(int32(i)))
	}
	for c, span := range w.Grocer.Spans {
		prices := make([]float64, 0, span.Len())
		for i := span.From; i < span.To; i++ {
			prices = append(prices, float64(w.Grocer.Products[i].Price))
		}
		slices.Sort(prices)
		sh.usual[c] = prices[len(prices)/2]
		sh.booked = append(sh.booked, sh.book(c))
	}
	for i := range s.Shoppers {
		say := w.Crowd.Saying(i)
		until := say.Withdraw
		if until < 0 {
			until = math.MaxInt32
		}
		var a allowed
		if strings.Contains(say.Allowed, "personal_offers") {
			a.offers = until
		}
		if strings.Contains(say.Allowed, "personal_ads") {
			a.ads = until
		}
		sh.allowed = append(sh.allowed, a)
	}
	return sh, nil
}

// book books the brands with most products in a category.
func (s *shop) book(c int) []booking {
	g := s.world.Grocer
	of := make(map[uint16][]int32)
	for i := g.Spans[c].From; i < g.Spans[c].To; i++ {
		of[g.Products[i].Brand] = append(of[g.Products[i].Brand], i)
	}
	brands := make([]uint16, 0, len(of))
	for b := range of {
		brands = append(brands, b)
	}
	slices.SortFunc(brands, func(a, b uint16) int { return cmp.Or(cmp.Compare(len(of[b]), len(of[a])), cmp.Compare(a, b)) })
	var out []booking
	for _, b := range brands[:min(len(brands), bookings)] {
		id := fmt.Sprintf("%d-%d", c, b)
		out = append(out, booking{media.LineItemID(id), media.AdvertiserID(g.Brands[b]), of[b], s.key(uint64(c)<<16 | uint64(b))})
	}
	return out
}

// What chance is drawn for; the numbers differ from those of the simulator's rooms.
const (
	forBids = iota + 501
	forAdds
)

func (s *shop) key(what uint64) draw.Key { return s.world.Crowd.Key().For(forBids).For(what) }

// moment is a receipt or a search, in the order of time.
type moment struct {
	at      int64
	receipt int32
	steps   []life.Step // of a search: itself and what was done with its results
	session int64
	who     int
	known   bool
	nth     int
}

// play lives the world and tells of every search, from week quiet on.
func (s *shop) play(o *options, tell func(*search) error) error {
	var b life.Batch
	for week := range s.world.Scenario.Weeks {
		plan := s.world.Plan(week)
		s.world.Fill(plan, 0, len(plan.Visits), &b)
		all := make([]moment, 0, len(b.Receipts))
		for i := range b.Receipts {
			all = append(all, moment{at: b.Receipts[i].At, receipt: int32(i)})
		}
		if week >= o.quiet {
			if err := s.world.Sessions(plan, func(v *life.Session) error {
				all = searches(all, v)
				return nil
			}); err != nil {
				return err
			}
		}
		slices.SortStableFunc(all, func(x, y moment) int { return cmp.Compare(x.at, y.at) })
		for i := range all {
			m := &all[i]
			if m.steps == nil {
				r := &b.Receipts[m.receipt]
				s.sell(r, b.Lines[r.From:r.To], s.day(m.at))
				continue
			}
			if err := tell(s.serve(m, week)); err != nil {
				return err
			}
		}
	}
	return nil
}

// searches adds those of a session that is not for an order: of one that is, the
// simulator does not say what was clicked.
func searches(all []moment, v *life.Session) []moment {
	if v.Order >= 0 {
		return all
	}
	nth := 0
	for i := range v.Steps {
		if v.Steps[i].Action == "search" {
			nth++
			all = append(all, moment{at: v.Steps[i].At, session: v.ID, who: v.Shopper, known: v.Known, nth: nth})
		}
		last := &all[len(all)-1]
		last.steps = append(last.steps, v.Steps[i])
	}
	return all
}

// day is the shop's day of an instant, from 0.
func (s *shop) day(micros int64) int {
	return int(retail.DayOf(time.UnixMicro(micros), s.zone) - s.world.Scenario.First())
}

func (s *shop) of(shopper, category int) *[]stat {
	return &s.memory[shopper*len(s.world.Grocer.Categories)+category]
}

// remember is what is known of a shopper and a product, which it takes in.
func (s *shop) remember(shopper int, product int32) *stat {
	all := s.of(shopper, int(s.world.Grocer.Products[product].Category))
	if i := slices.IndexFunc(*all, func(x stat) bool { return x.product == product }); i >= 0 {
		return &(*all)[i]
	}
	*all = append(*all, stat{product: product})
	return &(*all)[len(*all)-1]
}

// sell takes in a receipt. Whose it is, is known where a card was read or an account
// ordered.
func (s *shop) sell(r *life.Receipt, lines []life.Line, day int) {
	if r.Return {
		return
	}
	for i := range lines {
		p := &s.world.Grocer.Products[lines[i].Product]
		s.sold[lines[i].Product]++
		s.soldIn[p.Category]++
		if r.Card == 0 && r.Account == 0 {
			continue
		}
		m := s.remember(int(r.Shopper), lines[i].Product)
		m.receipts++
		m.last = int32(day)
		s.brands[uint64(r.Shopper)<<16|uint64(p.Brand)]++
	}
}

// serve is a search: what is shown, and what becomes of it.
func (s *shop) serve(m *moment, week int) *search {
	day := s.day(m.at)
	category := int(m.steps[0].Category)
	a := s.allowed[m.who]
	out := &search{week: week, shopper: m.who, category: category, known: m.known && day < a.offers, query: m.steps[0].Query}
	out.before = slices.Clone(*s.of(m.who, category))
	ads := m.known && day < a.ads
	c := s.page(m, category, week)
	span := s.world.Grocer.Spans[category]
	for i := range min(places[inResults].slots, span.Len()) {
		out.add(s, c, &slot{placement: inResults, position: i + 1, product: span.From + int32(i), known: out.known})
	}
	for i, p := range s.proposed(m.who, category, out.known) {
		out.add(s, c, &slot{placement: inProposals, position: i + 1, product: p, known: out.known})
	}
	for i, w := range s.auction(m.who, category, week, ads) {
		at := &slot{placement: inSponsored, position: i + 1, product: w.product, item: w.item, known: ads}
		if i == places[inSponsored].slots {
			at.placement, at.position = inBanner, 1
		}
		out.add(s, c, at)
	}
	s.react(m, out)
	for i := range out.shown {
		x := &out.shown[i]
		if x.Relation == nil {
			continue
		}
		r := s.remember(m.who, x.no)
		r.shown++
		look := life.Examine(x.Position)
		if x.Clicked {
			r.clicked++
			r.odds += float32(math.Log(life.ClickKnown / life.ClickUnknown))
		} else {
			r.odds += float32(math.Log((1 - look*life.ClickKnown) / (1 - look*life.ClickUnknown)))
		}
	}
	return out
}

// react is what she does: of results what the simulator says, of the rest what its
// click model draws.
func (s *shop) react(m *moment, out *search) {
	v := &wire.Visit{ID: fmt.Sprintf("site-%d-%d", m.session, m.nth), Shopper: m.who, Online: true}
	chance := s.world.Crowd.Key().For(forAdds).For(uint64(m.session)).For(uint64(m.nth)).Stream()
	for i := range out.shown {
		x := &out.shown[i]
		at := slices.IndexFunc(places[:], func(p place) bool { return p.id == x.Placement })
		appeal := s.world.Clicks(m.who, x.no)
		x.click = life.Examine(x.Position) * appeal
		x.purchase = x.click * addsOf
		if x.Placement != results {
			_, x.Clicked = wire.Glance(s.world, v, at, x.Position-1, x.no)
			x.Bought = x.Clicked && chance.Chance(addsOf)
			continue
		}
		for j := 1; j < len(m.steps); j++ {
			if m.steps[j].Action == "click" && m.steps[j].Product == x.no {
				x.Clicked = true
				x.Bought = j+1 < len(m.steps) && m.steps[j+1].Action == "add"
			}
		}
	}
}

// page is what all that is shown beside a search has in common.
type page struct {
	words    []string
	hour     int
	regulars int
	bought   int // purchases
	products int
	day      int
	promoted func(int32) (cut float64, mailer bool)
}

func (s *shop) page(m *moment, category, week int) *page {
	at := time.UnixMicro(m.at).In(s.zone)
	c := &page{words: strings.Fields(m.steps[0].Query), hour: at.Hour(), day: s.day(m.at)}
	for _, x := range *s.of(m.who, category) {
		if x.receipts == 0 {
			continue
		}
		c.products++
		c.bought += int(x.receipts)
		if x.receipts > 1 {
			c.regulars++
		}
	}
	promotions := s.world.Promotions(week)
	c.promoted = func(i int32) (float64, bool) {
		cut := promotions.Cut(i)
		if cut == 0 {
			return 0, false
		}
		_, mailer := promotions.Place(s.world.Grocer.OnlineShop(), i)
		return float64(cut) / float64(s.world.Grocer.Products[i].Price), mailer != ""
	}
	return c
}

// slot is a place that is filled.
type slot struct {
	placement, position int
	product             int32
	item                *booking // nil of what is not paid
	known               bool
}

// add shows a product at a place.
func (v *search) add(s *shop, c *page, at *slot) {
	g := s.world.Grocer
	p := &g.Products[at.product]
	im := response.Showing{
		Placement: places[at.placement].id, Position: at.position, Channel: catalog.Online, Hour: c.hour,
		Product: s.ids[at.product], Brand: catalog.Brand(g.Brands[p.Brand]), Category: catalog.Category(g.Categories[p.Category].Name),
		Words: s.matched(c.words, at.product), Within: 1,
		Price: float64(p.Price) / s.usual[p.Category], Popularity: s.sold[at.product] / max(s.soldIn[p.Category], 1),
	}
	im.Cut, im.Mailer = c.promoted(at.product)
	if at.item != nil {
		im.Advertiser, im.LineItem = at.item.by, at.item.id
	}
	if at.known {
		r := &response.Relation{
			BrandReceipts: int(s.brands[uint64(v.shopper)<<16|uint64(p.Brand)]), CategoryReceipts: c.bought,
			CategoryProducts: c.products, CategoryRegulars: c.regulars,
		}
		for _, x := range *s.of(v.shopper, v.category) {
			if x.product == at.product {
				r.Receipts, r.Days, r.Shown, r.Clicked = int(x.receipts), max(c.day-int(x.last), 0), int(x.shown), int(x.clicked)
			}
		}
		im.Relation = r
	}
	v.shown = append(v.shown, shown{Outcome: response.Outcome{Showing: im}, no: at.product})
}

func (s *shop) matched(words []string, product int32) float64 {
	if len(words) == 0 {
		return response.NotAsked
	}
	n := 0
	for _, w := range words {
		if strings.Contains(s.names[product], w) {
			n++
		}
	}
	return float64(n) / float64(len(words))
}

// proposed is what is proposed of a category: what she buys most there, then what
// sells best.
func (s *shop) proposed(shopper, category int, known bool) []int32 {
	var mine []stat
	if known {
		for _, x := range *s.of(shopper, category) {
			if x.receipts > 0 {
				mine = append(mine, x)
			}
		}
		slices.SortFunc(mine, func(a, b stat) int {
			return cmp.Or(cmp.Compare(b.receipts, a.receipts), cmp.Compare(b.last, a.last), cmp.Compare(a.product, b.product))
		})
	}
	out := make([]int32, 0, places[inProposals].slots)
	for _, x := range mine[:min(len(mine), cap(out))] {
		out = append(out, x.product)
	}
	for i := s.world.Grocer.Spans[category].From; len(out) < cap(out) && i < s.world.Grocer.Spans[category].To; i++ {
		if !slices.Contains(out, i) {
			out = append(out, i)
		}
	}
	return out
}

// winner is a line item that won a slot.
type winner struct {
	item    *booking
	product int32
	score   float64
}

// auction gives the slots of sponsored and banner to bookings of the category by
// quality × bid, as sell/decide does with the quality of recommend.Weigher: each
// with the product that she buys most, or sells best. Bids are 25 to 60 cents.
func (s *shop) auction(shopper, category, week int, known bool) []winner {
	var all []winner
	for i := range s.booked[category] {
		b := &s.booked[category][i]
		w := winner{item: b, product: b.products[0], score: 0.7}
		if known {
			most := uint16(0)
			for _, x := range *s.of(shopper, category) {
				if x.receipts > most && slices.Contains(b.products, x.product) {
					most, w.product = x.receipts, x.product
				}
			}
			w.score += 0.3 * float64(min(most, 5)) / 5
		}
		w.score *= 25 + 35*b.bid.For(uint64(week)).Unit()
		all = append(all, w)
	}
	slices.SortStableFunc(all, func(a, b winner) int { return cmp.Compare(b.score, a.score) })
	return all[:min(len(all), places[inSponsored].slots+places[inBanner].slots)]
}
