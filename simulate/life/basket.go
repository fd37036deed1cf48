package life

import (
	"math"

	"endcap/simulate/draw"
	"endcap/simulate/grocer"
	"endcap/simulate/model"
	"endcap/simulate/people"
)

// Receipt is one receipt, or the slip of a return.
type Receipt struct {
	ID       int64
	At       int64 // microseconds since 1970
	Shopper  int32
	Store    uint16
	Online   bool
	Return   bool
	From, To int32 // its lines
	Card     int64 // that was read; 0 where none was
	Account  int64 // that ordered; 0 at a till
}

// Line is one row of a receipt, amounts in cents.
type Line struct {
	Product  int32
	Quantity int32 // thousandths
	Sales    int32
	Discount int32
	Coupon   int32
	Match    int32
}

// Redemption is one coupon that was redeemed.
type Redemption struct {
	Receipt  int32 // of the batch
	Campaign int32
	Coupon   int32
}

// Batch is a run of receipts in the order of time, with their lines.
type Batch struct {
	Week        int
	Receipts    []Receipt
	Lines       []Line
	Redemptions []Redemption
	Moved       []Moved // what coupons changed
}

// place is where and when a basket is filled.
type place struct {
	week  *grocer.Week
	store int
	day   int // of the simulation
}

// weekReceipts is how many receipts a week may number.
const weekReceipts = 10_000_000_000

// Fill makes the receipts of a plan's visits from one up to another. It may run
// beside other Fills of the same week.
func (w *World) Fill(p *Plan, from, to int, b *Batch) {
	b.Week, b.Receipts, b.Lines, b.Redemptions, b.Moved = p.Week, b.Receipts[:0], b.Lines[:0], b.Redemptions[:0], b.Moved[:0]
	planned := 7*p.Week + 6
	for n := from; n < to; n++ {
		v := p.Visits[n]
		r := Receipt{
			ID: int64(p.Week+1)*weekReceipts + 2*int64(n), At: p.At(v.Second()), Shopper: int32(v.Shopper()), From: int32(len(b.Lines)),
		}
		day := 7*p.Week + v.day()
		s, at, shops := w.compose(&r, b, day, v.nth())
		if shops && v.nth() == 0 {
			w.apply(&r, b, int(r.From), at, planned)
		}
		r.To = int32(len(b.Lines))
		if r.To > r.From {
			w.identify(&s, &r)
			b.Receipts = append(b.Receipts, r)
		}
		if gap := v.gap(); gap >= 1 && gap <= 14 && day-gap >= 0 && v.nth() == 0 && s.Unit() < w.Scenario.Returns {
			w.bringBack(&s, &r, b, day-gap, planned)
		}
	}
}

// compose fills the basket of a visit as it is without coupons, which matter where
// it shops and is not for fuel alone. It depends on seed, shopper, day and number
// alone, so that a return finds what was bought.
func (w *World) compose(r *Receipt, b *Batch, day, nth int) (s draw.Stream, at place, shops bool) {
	sh := &w.Crowd.Shoppers[r.Shopper]
	s = w.basketStream(int(r.Shopper), day, nth)
	at = place{week: w.weeks[day/7], day: day}
	r.Store = sh.Store
	if w.forFuel(&s, sh) {
		w.refuel(&s, sh, b)
		return s, at, false
	}
	switch {
	case w.orders(&s, sh):
		r.Online, r.Store = true, uint16(w.Grocer.OnlineShop())
	case s.Unit() < 0.2:
		r.Store = sh.Second
	}
	at.store = int(r.Store)
	n := w.size(&s, sh)
	step := model.SizeStep(n)
	who := w.key.For(forTaste).For(uint64(r.Shopper))
	from := len(b.Lines)
	for range n {
		c := w.wish(&s, who, step)
		for range 4 {
			i, ok := w.choose(&s, who, sh, c, at)
			if ok && !holds(b.Lines[from:], i) {
				b.Lines = append(b.Lines, w.line(&s, i, at.week))
				break
			}
		}
	}
	return s, at, true
}

// basketStream is the chance of one visit.
func (w *World) basketStream(shopper, day, nth int) draw.Stream {
	return w.key.For(forBasket).For(uint64(shopper)).For(uint64(day)<<3 | uint64(nth)).Stream()
}

// forFuel decides whether the visit is for fuel: the visit's first draw.
func (w *World) forFuel(s *draw.Stream, sh *people.Shopper) bool { return s.Unit() < float64(sh.Fuel) }

// orders decides whether the visit is an order online: its second.
func (w *World) orders(s *draw.Stream, sh *people.Shopper) bool {
	return sh.Has&people.Account != 0 && s.Unit() < w.Scenario.Online
}

// size is how many lines a shopper's basket has.
func (w *World) size(s *draw.Stream, sh *people.Shopper) int {
	n := w.taste.sizes[sh.Size].At(s.Unit()) * float64(sh.Lines) / w.Model.SizeMean[sh.Size]
	return min(max(int(n+s.Unit()), 1), 400)
}

func holds(lines []Line, i int32) bool {
	for j := range lines {
		if lines[j].Product == i {
			return true
		}
	}
	return false
}

// line buys some pieces of a product.
func (w *World) line(s *draw.Stream, i int32, week *grocer.Week) Line {
	p := &w.Grocer.Products[i]
	n := int32(1 + w.taste.pieces[w.Grocer.DepartmentOf[p.Category]].Of(s.Uint64()))
	cut := week.Cut(i)
	return Line{Product: i, Quantity: 1_000 * n, Sales: n * (p.Price - cut), Discount: n * cut}
}

// IsFuel reports whether a product is fuel.
func (w *World) IsFuel(i int32) bool {
	return w.Grocer.DepartmentOf[w.Grocer.Products[i].Category] == model.Fuel
}

// Piece is one piece of a brand in a category, as a store sells it on a day of a
// week that is under way, and whether the store has any.
func (w *World) Piece(s *draw.Stream, category int, brand uint16, store, day int) (Line, bool) {
	span := w.Grocer.Spans[category]
	from := s.Int(span.Len())
	for n := range span.Len() {
		i := span.From + int32((from+n)%span.Len())
		if w.Grocer.Products[i].Brand == brand && w.has(store, i, day) {
			cut := w.weeks[day/7].Cut(i)
			return Line{Product: i, Quantity: 1_000, Sales: w.Grocer.Products[i].Price - cut, Discount: cut}, true
		}
	}
	return Line{}, false
}

// has reports whether a store has product i on a day.
func (w *World) has(store int, i int32, day int) bool {
	return w.Grocer.Carries(store, i) && !w.Grocer.Missing(store, i, day)
}

// refuel buys fuel for an amount.
func (w *World) refuel(s *draw.Stream, sh *people.Shopper, b *Batch) {
	span := w.Grocer.Spans[len(w.Grocer.Spans)-1]
	i := span.From + int32(uint32(sh.Store)+uint32(sh.Deals))%int32(span.Len())
	price := w.Grocer.Products[i].Price
	cents := math.Max(w.Model.FuelValue.At(s.Unit())*100, float64(price))
	litres := int32(math.Round(cents / float64(price) * 1_000))
	sales := int32(math.Round(float64(litres) * float64(price) / 1_000))
	b.Lines = append(b.Lines, Line{Product: i, Quantity: litres, Sales: sales})
}

// identify says which keys the receipt carries.
func (w *World) identify(s *draw.Stream, r *Receipt) {
	if r.Online {
		r.Account, _ = w.Crowd.Account(int(r.Shopper))
		return
	}
	who := int(r.Shopper)
	if s.Unit() < w.Scenario.CardWrong {
		who = s.Int(len(w.Crowd.Shoppers))
	}
	if card, _, has := w.Crowd.Card(who); has && s.Unit() < w.Scenario.CardShown {
		r.Card = card
	}
}

// bringBack adds the slip of a return: one thing of the trip before, against what
// was paid for it. What she chooses was in the basket without coupons; where they
// kept her from buying it, nothing comes back.
func (w *World) bringBack(s *draw.Stream, r *Receipt, b *Batch, day, planned int) {
	back := Receipt{ID: r.ID + 1, At: r.At, Shopper: r.Shopper, From: int32(len(b.Lines)), Return: true, Card: r.Card, Account: r.Account}
	from, moved, redeemed := len(b.Lines), len(b.Moved), len(b.Redemptions)
	_, at, shops := w.compose(&back, b, day, 0)
	if !shops || len(b.Lines) == from {
		b.Lines = b.Lines[:from]
		return
	}
	one := b.Lines[from+s.Int(len(b.Lines)-from)]
	w.apply(&back, b, from, at, planned)
	bought := holds(b.Lines[from:], one.Product)
	b.Lines, b.Moved, b.Redemptions = b.Lines[:from], b.Moved[:moved], b.Redemptions[:redeemed]
	if !bought {
		b.Moved = append(b.Moved, Moved{
			Receipt: back.ID, Shopper: r.Shopper, Campaign: -1, Coupon: -1, How: Kept, Product: -1, Instead: one.Product, Without: -one.Sales,
		})
		return
	}
	one = Line{Product: one.Product, Quantity: -one.Quantity, Sales: -one.Sales, Discount: -one.Discount} // a coupon is not given back
	b.Lines = append(b.Lines, one)
	back.To = back.From + 1
	b.Receipts = append(b.Receipts, back)
}
