package offer

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"endcap/retail"
	"endcap/retail/basket"
	terms "endcap/retail/offer"
)

// Purchase is a basket that was paid, as it stands now: what of it is kept, what it
// got, and which returns were taken off it.
type Purchase struct {
	ID      string
	Basket  Basket
	Context Context // as it was evaluated
	Answer  Answer
	Returns []string
}

// Return is what is given back of a purchase: goods, or the discounts of some of its
// offers while the goods are kept.
type Return struct {
	ID     string
	Of     string // the purchase
	At     time.Time
	Open   retail.Day // the first day of the settlement period that is open
	Lines  []Returned
	Offers []terms.ID
}

// Returned is how much of a line comes back; a weighed line comes back whole.
type Returned struct {
	Line     LineID
	Quantity basket.Quantity
}

// Reversal is what a return makes of a purchase.
type Reversal struct {
	ID, Of string
	// Refused says why nothing was reversed; all else is empty then.
	Refused terms.Verdict
	// Day is the business day on which the reversal is booked: the day of the
	// return, or the first of the open period where that day is settled already.
	Day  retail.Day
	Late bool // booked later than it happened
	// Refund is what the shopper gets, Due what she owes where only discounts were
	// taken back.
	Refund retail.Micros
	Due    retail.Micros
	// Back is what is taken back, by offer and line, each amount with the signs of
	// the discount that it reverses; below zero where a discount that stays has
	// moved to another line.
	Back []Discount
	// Freed are uses of offers that are given back with all they gave.
	Freed []Freed
	After Purchase
}

// Freed is a use that is given back. Usable says whether its coupon may be used
// again: where the offer says so, or where it goes back to her wallet.
type Freed struct {
	Use
	Usable bool
}

// Reverse takes a return off a purchase. What is kept is evaluated again, as at the
// time of the purchase, by those of the book's offers that had applied; each gives
// at most what it gave. She gets what she paid less what the kept goods cost now,
// never less than nothing: where lost discounts exceed what came back, so much of
// them stays with the kept goods. Brands get back the same cents that the discounts
// lose. Offers that are named are taken back alone, and the others stay to the cent.
//
// The book must hold the offers in the versions that applied. Errors are
// *retail.Error; a return of what is reversed already is refused, not an error.
func (b *Book) Reverse(p *Purchase, r *Return) (Reversal, error) {
	out := Reversal{ID: r.ID, Of: r.Of, After: *p}
	if slices.Contains(p.Returns, r.ID) || slices.Contains(p.Returns, r.Of) {
		out.Refused.Reason = terms.Reversed
		return out, nil
	}
	switch {
	case r.Of != p.ID:
		out.Refused.Reason = terms.Unknown
		return out, nil
	case r.ID == "" || r.ID == p.ID:
		return out, wrong("id", "give each return an id of its own", "not an id of a return")
	case len(r.Lines) > 0 && len(r.Offers) > 0:
		return out, wrong("offers", "send two returns", "either goods come back or discounts")
	case len(r.Lines) == 0 && len(r.Offers) == 0:
		return out, wrong("lines", "name what comes back", "nothing comes back")
	}
	if err := b.sameVersions(p); err != nil {
		return out, err
	}
	day := retail.DayOf(r.At, p.Context.Zone)
	out.Day, out.Late = max(day, r.Open), day < r.Open
	out.After.Returns = append(slices.Clone(p.Returns), r.ID)
	if len(r.Offers) > 0 {
		return b.reverseOffers(p, r, out), nil
	}
	kept, verdict, err := p.Basket.without(r.Lines)
	if err != nil || verdict != (terms.Verdict{}) {
		return Reversal{ID: r.ID, Of: r.Of, After: *p, Refused: verdict}, err
	}
	out.After.Basket = kept
	if out.After.Answer, err = b.again(p, &kept); err != nil {
		return Reversal{}, err
	}
	out.Refund = p.Answer.Paid - out.After.Answer.Paid
	out.Back = difference(p.Answer.Discounts, out.After.Answer.Discounts)
	b.freed(p, &out)
	return out, nil
}

func (b *Book) sameVersions(p *Purchase) error {
	for _, u := range p.Answer.Used {
		at, ok := b.byID[u.Offer]
		if !ok || b.entries[at].Version != u.Version {
			return &retail.Error{
				Kind: retail.Conflict, Field: "offers", Say: fmt.Sprintf("the purchase used offer %s in version %d, which the book does not hold", u.Offer, u.Version),
			}
		}
	}
	return nil
}

// without is the basket less what comes back.
func (k *Basket) without(back []Returned) (Basket, terms.Verdict, error) {
	gone := map[LineID]basket.Quantity{}
	for i, r := range back {
		if _, twice := gone[r.Line]; twice || r.Quantity <= 0 {
			return Basket{}, terms.Verdict{}, wrong(fmt.Sprintf("lines[%d]", i), "name each line once, with a quantity above 0", "not a line that comes back")
		}
		gone[r.Line] = r.Quantity
	}
	kept := Basket{Currency: k.Currency}
	for _, l := range k.Lines {
		q, ok := gone[l.ID]
		delete(gone, l.ID)
		switch {
		case !ok:
			kept.Lines = append(kept.Lines, l)
		case q > l.Quantity:
			return Basket{}, terms.Verdict{Reason: terms.Reversed}, nil
		case q == l.Quantity:
		case l.Weighed || q%basket.Piece != 0:
			return Basket{}, terms.Verdict{}, wrong("lines", "return the whole line", "line %.64q comes back in part, and is no whole pieces", string(l.ID))
		default:
			l.Quantity -= q
			kept.Lines = append(kept.Lines, l)
		}
	}
	if len(gone) > 0 { // lines that came back whole are no longer in the basket
		return Basket{}, terms.Verdict{Reason: terms.Reversed}, nil
	}
	return kept, terms.Verdict{}, nil
}

// again evaluates what is kept by the offers that had applied, and leaves so much of
// the lost discounts with it that it costs no more than was paid.
func (b *Book) again(p *Purchase, kept *Basket) (Answer, error) {
	g, err := b.unpack(kept)
	if err != nil {
		return Answer{}, err
	}
	c := p.Context
	c.Left = nil // its uses are its own already
	t := &table{b: b, g: g, c: &c, k: kept, most: map[terms.ID]int64{}}
	for _, u := range p.Answer.Used {
		t.most[u.Offer] = int64(u.Amount) / g.coin
	}
	t.seat()
	t.choose()
	after := t.answer()
	after.Refused = nil
	if over := after.Paid - p.Answer.Paid; over > 0 {
		return b.leave(p, g, &after, int64(over)/g.coin), nil
	}
	return b.resettle(p, g, sums(g, after.Discounts), after.Exact), nil
}

// amounts are coins by offer and line.
type amounts map[terms.ID]map[int32]int64

func sums(g *goods, discounts []Discount) amounts {
	line := make(map[LineID]int32, len(g.lines))
	for i, l := range g.lines {
		line[l.ID] = int32(i)
	}
	out := amounts{}
	for _, d := range discounts {
		at, ok := line[d.Line]
		if !ok {
			continue
		}
		if out[d.Offer] == nil {
			out[d.Offer] = map[int32]int64{}
		}
		out[d.Offer][at] += int64(d.Amount) / g.coin
	}
	return out
}

func (m amounts) of(id terms.ID) (sum int64) {
	for _, a := range m[id] {
		sum += a
	}
	return sum
}

// leave gives over coins of the discounts that were lost back to the kept goods, in
// proportion to what each offer lost and to what it had taken off each line.
func (b *Book) leave(p *Purchase, g *goods, after *Answer, over int64) Answer {
	now, before := sums(g, after.Discounts), sums(g, p.Answer.Discounts)
	rooms := make([]int64, len(g.lines))
	for i, l := range after.Lines {
		rooms[i] = int64(l.Paid) / g.coin
	}
	var losers []terms.ID
	var losses []int64
	for _, u := range p.Answer.Used {
		if loss := int64(u.Amount)/g.coin - now.of(u.Offer); loss > 0 && !u.Credit {
			losers, losses = append(losers, u.Offer), append(losses, loss)
		}
	}
	for i, part := range retail.Apportion(nil, over, losses) {
		weights := make([]int64, len(rooms))
		for line, a := range before[losers[i]] {
			weights[line] = a
		}
		for line, a := range retail.ApportionWithin(nil, part, weights, rooms) {
			if a == 0 {
				continue
			}
			if now[losers[i]] == nil {
				now[losers[i]] = map[int32]int64{}
			}
			now[losers[i]][int32(line)] += a
			rooms[line] -= a
		}
	}
	return b.resettle(p, g, now, after.Exact)
}

// resettle writes the answer of a purchase whose offers take off the given amounts.
func (b *Book) resettle(p *Purchase, g *goods, of amounts, exact bool) Answer {
	a := Answer{Currency: p.Answer.Currency, Exact: exact}
	s := newSettler(g)
	for _, u := range p.Answer.Used {
		sum := of.of(u.Offer)
		if sum == 0 && (u.Amount > 0 || len(g.lines) == 0) {
			continue
		}
		s.add(&a, b.entries[b.byID[u.Offer]].Offer, u.Coupon, of[u.Offer])
		u.Amount = retail.Micros(sum * g.coin)
		a.Used = append(a.Used, u)
	}
	s.close(&a)
	return a
}

// reverseOffers takes the discounts of single offers back, each cent as it was given.
func (b *Book) reverseOffers(p *Purchase, r *Return, out Reversal) Reversal {
	a := p.Answer
	gone := func(id terms.ID) bool { return slices.Contains(r.Offers, id) }
	for _, id := range r.Offers {
		if !slices.ContainsFunc(a.Used, func(u Use) bool { return u.Offer == id }) {
			return Reversal{ID: r.ID, Of: r.Of, After: *p, Refused: terms.Verdict{Reason: terms.Reversed}}
		}
	}
	a.Lines = slices.Clone(a.Lines)
	for _, d := range a.Discounts {
		if !gone(d.Offer) {
			continue
		}
		out.Back = append(out.Back, d)
		if d.Credit {
			a.Credited -= d.Amount
			continue
		}
		i := slices.IndexFunc(a.Lines, func(l Bill) bool { return l.Line == d.Line })
		a.Lines[i].Paid += d.Amount
		a.Lines[i].VAT += d.VAT
		a.Off -= d.Amount
		a.Paid += d.Amount
		out.Due += d.Amount
	}
	a.Discounts = slices.DeleteFunc(slices.Clone(a.Discounts), func(d Discount) bool { return gone(d.Offer) })
	a.Used = slices.DeleteFunc(slices.Clone(a.Used), func(u Use) bool { return gone(u.Offer) })
	out.After.Answer = a
	b.freed(p, &out)
	return out
}

// freed lists the uses that stood before and no longer stand.
func (b *Book) freed(p *Purchase, out *Reversal) {
	for _, u := range p.Answer.Used {
		if !slices.ContainsFunc(out.After.Answer.Used, func(v Use) bool { return v.Offer == u.Offer }) {
			o := b.entries[b.byID[u.Offer]].Offer
			out.Freed = append(out.Freed, Freed{u, u.Clipped || u.Coupon != "" && o.Coupon.Returns})
		}
	}
}

// difference is what before held more than after, by offer and line, in the order of
// before; what after alone holds comes last.
func difference(before, after []Discount) []Discount {
	type key struct {
		offer terms.ID
		line  LineID
	}
	now := make(map[key]Discount, len(after))
	for _, d := range after {
		now[key{d.Offer, d.Line}] = d
	}
	var out []Discount
	for _, d := range before {
		at := key{d.Offer, d.Line}
		n := now[at]
		delete(now, at)
		d.Amount, d.Brand, d.Retailer, d.VAT = d.Amount-n.Amount, d.Brand-n.Brand, d.Retailer-n.Retailer, d.VAT-n.VAT
		if d.Amount != 0 || d.Brand != 0 || d.VAT != 0 {
			out = append(out, d)
		}
	}
	rest := slices.Collect(maps.Values(now))
	slices.SortFunc(rest, func(a, b Discount) int {
		return slices.Compare([]string{string(a.Offer), string(a.Line)}, []string{string(b.Offer), string(b.Line)})
	})
	for _, d := range rest {
		d.Amount, d.Brand, d.Retailer, d.VAT = -d.Amount, -d.Brand, -d.Retailer, -d.VAT
		out = append(out, d)
	}
	return out
}
