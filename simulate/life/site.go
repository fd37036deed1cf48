package life

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"endcap/simulate/draw"
)

// Results is how many results a page of the site shows.
const Results = 24

// Chances that a result is clicked once it was looked at, by whether it is in the
// shopper's repertoire of the category.
const (
	ClickKnown   = 0.55
	ClickUnknown = 0.12
)

// Examine is the chance that a shopper looks at a position, from 1 (a position
// model with the exponent 0.7).
func Examine(position int) float64 { return math.Pow(float64(position), -0.7) }

// Session is one visit to the site.
type Session struct {
	ID      int64
	Shopper int
	Device  uint64 // chooses one of hers
	Known   bool   // she is signed in
	Order   int    // the plan's Visit that orders; -1 without an order
	Steps   []Step
}

// Step is one thing that she does.
type Step struct {
	At       int64 // microseconds since 1970
	Action   string
	Query    string // of a search
	Category int32  // of a search: of what she looks for; -1 otherwise
	Product  int32  // that is clicked or put into the basket; -1 for none
	Position int32  // of a clicked result, from 1
	Receipt  int64  // of an order
}

// begin is a session that will be told: when, and from which visit.
type begin struct {
	second int
	visit  int // index of the plan's Visits, or of Site
	order  bool
}

// orderLead is how many seconds before its order a session begins.
const orderLead = 1_500

// Sessions tells a week's visits to the site in the order in which they begin. The
// session is the callee's until it returns.
func (w *World) Sessions(p *Plan, tell func(*Session) error) (err error) {
	var told int64
	for day := range 7 {
		if told, err = w.SessionsOn(p, day, told, tell); err != nil {
			return err
		}
	}
	return nil
}

// SessionsOn tells those that begin on a day of the plan's week, from 0; told is how
// many began on the days before, and it gives how many have begun since.
func (w *World) SessionsOn(p *Plan, day int, told int64, tell func(*Session) error) (int64, error) {
	var all []begin
	var b Batch
	at := func(visits []Visit, second int) int {
		return sort.Search(len(visits), func(i int) bool { return visits[i].Second() >= second })
	}
	from := 0
	if day > 0 {
		from = at(p.Visits, day*86_400+orderLead)
	}
	for i := from; i < at(p.Visits, (day+1)*86_400+orderLead); i++ {
		if v := p.Visits[i]; w.online(p, v) {
			all = append(all, begin{max(v.Second()-orderLead, 0), i, true})
		}
	}
	for i := at(p.Site, day*86_400); i < at(p.Site, (day+1)*86_400); i++ {
		all = append(all, begin{p.Site[i].Second(), i, false})
	}
	slices.SortFunc(all, func(a, b begin) int {
		return cmp.Or(cmp.Compare(a.second, b.second), cmp.Compare(a.visit, b.visit))
	})
	var s Session
	for _, from := range all {
		s = Session{ID: int64(p.Week+1)*weekReceipts + told, Order: -1, Steps: s.Steps[:0]}
		told++
		if from.order {
			s.Order = from.visit
			w.Fill(p, from.visit, from.visit+1, &b)
			w.ordering(p, from, &b, &s)
		} else {
			w.browsing(p, from, &s)
		}
		if len(s.Steps) == 0 {
			continue
		}
		if err := tell(&s); err != nil {
			return told, err
		}
	}
	return told, nil
}

// online reports whether a visit is an order: the first choices of compose.
func (w *World) online(p *Plan, v Visit) bool {
	day := 7*p.Week + v.day()
	s := w.basketStream(v.Shopper(), day, v.nth())
	sh := &w.Crowd.Shoppers[v.Shopper()]
	return !w.forFuel(&s, sh) && w.orders(&s, sh)
}

// ordering is a session that ends with an order: what is ordered is searched for
// or put into the basket from a list.
func (w *World) ordering(p *Plan, from begin, b *Batch, s *Session) {
	if len(b.Receipts) == 0 || !b.Receipts[0].Online {
		return
	}
	r := &b.Receipts[0]
	s.Shopper, s.Known = int(r.Shopper), true
	c := w.key.For(forSession).For(uint64(r.Shopper)).For(uint64(r.ID)).Stream()
	s.Device = c.Uint64()
	lines := b.Lines[r.From:r.To]
	at := p.At(from.second)
	pause := (r.At - at) / int64(2*len(lines)+1)
	for i := range lines {
		if c.Chance(0.4) {
			at += pause
			s.Steps = append(s.Steps, Step{At: at, Action: "search", Query: w.Grocer.Query(lines[i].Product, c.Uint64()), Category: int32(w.Grocer.Products[lines[i].Product].Category), Product: -1})
		}
		at += pause
		s.Steps = append(s.Steps, Step{At: at, Action: "add", Category: -1, Product: lines[i].Product})
	}
	s.Steps = append(s.Steps, Step{At: r.At, Action: "order", Category: -1, Product: -1, Receipt: r.ID})
}

// browsing is a session without an order: some searches, their results looked
// through by the position model, and now and then something put into the basket.
func (w *World) browsing(p *Plan, from begin, s *Session) {
	v := p.Site[from.visit]
	s.Shopper = v.Shopper()
	c := w.key.For(forSession).For(uint64(v.Shopper())).For(uint64(7*p.Week + v.day())).For(uint64(v.nth()) | 1<<8).Stream()
	s.Device, s.Known = c.Uint64(), c.Chance(0.7)
	who := w.key.For(forTaste).For(uint64(s.Shopper))
	at := p.At(v.Second())
	for range 1 + c.Int(3) {
		category := w.wish(&c, who, 3)
		want := w.entry(who, w.Crowd.Shoppers[s.Shopper].Worth, category, w.taste.rank.Of(c.Uint64()))
		s.Steps = append(s.Steps, Step{At: at, Action: "search", Query: w.Grocer.Query(want, c.Uint64()), Category: int32(category), Product: -1})
		at = w.lookThrough(&c, who, category, s, at)
		at += int64(20+c.Int(60)) * 1_000_000
	}
}

// lookThrough clicks on results of a category, the best sellers first.
func (w *World) lookThrough(c *draw.Stream, who draw.Key, category int, s *Session, at int64) int64 {
	span := w.Grocer.Spans[category]
	repertoire := w.repertoire(who, w.Crowd.Shoppers[s.Shopper].Worth, category)
	for position := 1; position <= min(Results, span.Len()); position++ {
		product := span.From + int32(position) - 1
		chance := ClickUnknown
		if slices.Contains(repertoire[:], product) {
			chance = ClickKnown
		}
		if !c.Chance(w.examine[position] * chance) {
			continue
		}
		at += int64(3+c.Int(20)) * 1_000_000
		s.Steps = append(s.Steps, Step{At: at, Action: "click", Category: -1, Product: product, Position: int32(position)})
		if c.Chance(0.3) {
			at += 4_000_000
			s.Steps = append(s.Steps, Step{At: at, Action: "add", Category: -1, Product: product})
		}
	}
	return at
}

// repertoire is what a shopper knows of a category: the first ranks.
func (w *World) repertoire(who draw.Key, worth float32, category int) (out [known]int32) {
	for rank := range out {
		out[rank] = w.entry(who, worth, category, rank)
	}
	return out
}

// Clicks is the chance that a shopper clicks on a product at which she looks.
func (w *World) Clicks(shopper int, product int32) float64 {
	who := w.key.For(forTaste).For(uint64(shopper))
	all := w.repertoire(who, w.Crowd.Shoppers[shopper].Worth, int(w.Grocer.Products[product].Category))
	if slices.Contains(all[:], product) {
		return ClickKnown
	}
	return ClickUnknown
}

// Aisle is a category by whose shelf a shopper comes on a trip: what she is wont
// to buy, whether or not she buys it this time.
func (w *World) Aisle(r *Receipt) int {
	s := w.key.For(forAisle).For(uint64(r.Shopper)).For(uint64(r.ID)).Stream()
	return w.wish(&s, w.key.For(forTaste).For(uint64(r.Shopper)), 3)
}
