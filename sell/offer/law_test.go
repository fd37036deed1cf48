package offer_test

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	terms "endcap/retail/offer"
	"endcap/sell/offer"
)

var shelf = []catalog.ProductID{"oats", "milk", "rye", "jam", "tea"}

// drawLine draws a line; a product has one of two prices.
func drawLine(t *rapid.T, id string) offer.Line {
	p := rapid.SampledFrom(shelf).Draw(t, "product")
	price := map[catalog.ProductID]int64{"oats": 199, "milk": 115, "rye": 249, "jam": 199, "tea": 500}[p]
	if rapid.IntRange(0, 9).Draw(t, "other price") == 0 {
		price = rapid.Int64Range(0, 600).Draw(t, "price")
	}
	l := offer.Line{
		ID: offer.LineID(id), Product: catalog.Product{ID: p}, Price: retail.Micros(price) * retail.Cent,
		Quantity: basket.Quantity(rapid.IntRange(1, 4).Draw(t, "pieces")) * basket.Piece, VATPPM: rapid.SampledFrom([]int{0, 21_000, 55_000, 200_000}).Draw(t, "vat"),
	}
	switch rapid.IntRange(0, 11).Draw(t, "sort") {
	case 0:
		l.Weighed, l.Quantity = true, 347
	case 1:
		l.Kind = offer.Deposit
	}
	return l
}

func drawBasket(t *rapid.T, least, most int) offer.Basket {
	k := offer.Basket{Currency: "EUR"}
	for i := range rapid.IntRange(least, most).Draw(t, "lines") {
		k.Lines = append(k.Lines, drawLine(t, fmt.Sprintf("%02d", i)))
	}
	return k
}

func drawSet(t *rapid.T) catalog.Set {
	if rapid.IntRange(0, 4).Draw(t, "everything") == 0 {
		return catalog.Set{Everything: true}
	}
	return catalog.Set{Products: slices.Compact(slices.Sorted(slices.Values(rapid.SliceOfN(rapid.SampledFrom(shelf), 1, 3).Draw(t, "products"))))}
}

var everyKind = []terms.Kind{
	terms.AmountOff, terms.PercentOff, terms.FixedPrice, terms.BuyGet, terms.NForM, terms.CheapestFree, terms.NthOff, terms.MultiBuy, terms.FreeGoods,
}

// drawMechanic draws one of any kind.
func drawMechanic(t *rapid.T) terms.Mechanic {
	m := terms.Mechanic{Kind: rapid.SampledFrom(everyKind).Draw(t, "kind"), Products: drawSet(t), Base: rapid.SampledFrom([]terms.Base{terms.After, terms.Initial}).Draw(t, "base")}
	pick := rapid.SampledFrom([]terms.Pick{terms.Dearest, terms.Cheapest}).Draw(t, "pick")
	cents := func(most int64) retail.Micros {
		return retail.Micros(rapid.Int64Range(1, most).Draw(t, "amount")) * retail.Cent
	}
	off := func() int { return rapid.SampledFrom([]int{100_000, 333_333, 500_000, 1_000_000}).Draw(t, "off") }
	few := func(least int) int { return rapid.IntRange(least, 3).Draw(t, "pieces") }
	most := func() {
		if rapid.Bool().Draw(t, "bounded") {
			m.PiecesMax, m.Pick = few(1), pick
		}
	}
	switch m.Kind {
	case terms.AmountOff:
		m.Amount = cents(700)
		if m.Each = rapid.Bool().Draw(t, "each"); m.Each {
			most()
		}
	case terms.PercentOff:
		m.OffPPM = off()
		most()
	case terms.FixedPrice:
		m.Amount = cents(250)
		most()
	case terms.BuyGet:
		m.Pieces, m.Get, m.OffPPM, m.Pick = few(1), rapid.IntRange(1, 2).Draw(t, "get"), off(), pick
		if rapid.Bool().Draw(t, "other") {
			m.Bought = drawSet(t)
		}
	case terms.NForM:
		m.Pieces, m.Pick = few(2), pick
		m.Pay = rapid.IntRange(1, m.Pieces-1).Draw(t, "pay")
	case terms.CheapestFree:
		m.Pieces, m.Pick = few(2), pick
	case terms.NthOff:
		m.Pieces, m.Pick, m.OffPPM = few(2), pick, off()
	case terms.MultiBuy:
		m.Pieces, m.Amount = few(1), cents(600)
	case terms.FreeGoods:
		m.PiecesMax, m.Pick = few(1), pick
	}
	if rapid.IntRange(0, 5).Draw(t, "except") == 0 {
		m.Except = catalog.Set{Products: []catalog.ProductID{rapid.SampledFrom(shelf).Draw(t, "not")}}
	}
	return m
}

func validOn(from retail.Day, days int) terms.Eligibility {
	return terms.Eligibility{Days: retail.Days{From: from, To: from + retail.Day(days)}}
}

var today = retail.Date(2026, 3, 2)

// drawOffer draws an offer; wild ones have thresholds, limits, budgets, exclusions.
func drawOffer(t *rapid.T, id string, wild bool) terms.Offer {
	o := terms.Offer{ID: terms.ID(id), Version: 3, Name: id, Currency: "EUR", Mechanic: drawMechanic(t), Eligible: validOn(today, 1)}
	o.Stacking.Order = rapid.IntRange(0, 2).Draw(t, "order")
	o.Stacking.Group = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "group")
	if rapid.Bool().Draw(t, "brand") {
		o.Funding = terms.Funding{Advertiser: "acme", BrandPPM: rapid.IntRange(1, terms.PPMAll).Draw(t, "share")}
	}
	if !wild {
		return o
	}
	one := func(what string) bool { return rapid.IntRange(0, 4).Draw(t, what) == 0 }
	if one("threshold") {
		o.Spend.Amount = retail.Micros(rapid.Int64Range(1, 2_000).Draw(t, "spend")) * retail.Cent
		o.Spend.Base = rapid.SampledFrom([]terms.Base{terms.After, terms.Initial}).Draw(t, "of")
	}
	if one("having") {
		o.Spend.Pieces = rapid.IntRange(1, 6).Draw(t, "having pieces")
	}
	if (o.Spend.Amount > 0 || o.Spend.Pieces > 0) && one("of some") {
		o.Spend.Products = drawSet(t)
	}
	if one("capped") {
		o.Limits.Discount = retail.Micros(rapid.Int64Range(1, 500).Draw(t, "cap")) * retail.Cent
	}
	if one("budget") {
		o.Limits.Budget = retail.Micros(rapid.Int64Range(1, 500).Draw(t, "budget")) * retail.Cent
		o.Limits.Trim = rapid.Bool().Draw(t, "trim")
	}
	if o.Mechanic.Kind.Sets() && one("times") {
		o.Limits.Times = rapid.IntRange(1, 2).Draw(t, "times n")
	}
	if one("excludes") {
		o.Stacking.Excludes = []string{rapid.SampledFrom([]string{"", "a", "b", terms.AllGroups}).Draw(t, "whom")}
	}
	o.Credit = one("credit")
	return o
}

func drawOffers(t *rapid.T, least, most int, wild bool) []terms.Offer {
	var all []terms.Offer
	for i := range rapid.IntRange(least, most).Draw(t, "offers") {
		all = append(all, drawOffer(t, fmt.Sprintf("o%02d", i), wild))
	}
	return all
}

func here() offer.Context {
	return offer.Context{At: today.UTC().Add(12 * time.Hour), Zone: time.UTC, Store: "city", Channel: catalog.InStore, Shopper: true, Household: true}
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func evaluate(t fataler, offers []terms.Offer, rules offer.Rules, k offer.Basket, c offer.Context) (*offer.Book, offer.Answer) {
	t.Helper()
	b, err := offer.NewBook(offers, rules)
	if err != nil {
		t.Fatalf("%v", err)
	}
	a, err := b.Evaluate(&k, &c)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return b, a
}

// 35: the choice, its worth and each line's cents are those of an independent
// program that tries every choice.
func TestTheChosenSetIsThatOfBruteForce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { asBruteForce(t, drawOffers(t, 0, 6, true), drawBasket(t, 0, 8)) })
}

// With twelve offers, on smaller baskets.
func TestTwelveOffersAreSearchedExhaustively(t *testing.T) {
	t.Parallel()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		if n++; n > 12 {
			return // each tries 4,096 choices
		}
		asBruteForce(t, drawOffers(t, 12, 12, true), drawBasket(t, 3, 6))
	})
}

// Above twelve, brute force agrees wherever the answer says that it is certain, and
// otherwise finds hardly anything better.
func TestMoreThanTwelveOffersAreSearchedWell(t *testing.T) {
	t.Parallel()
	n, certain, worth, best := 0, 0, int64(0), int64(0)
	rapid.Check(t, func(t *rapid.T) {
		if n++; n > 8 {
			return // each tries 8,192 choices
		}
		offers, k := drawOffers(t, 13, 13, n%2 == 0), drawBasket(t, 5, 8)
		for i := range offers { // each on one product, so that not everything hangs together
			offers[i].Mechanic.Products, offers[i].Mechanic.Bought = catalog.Set{Products: shelf[i%5 : i%5+1]}, catalog.Set{}
		}
		want := bruteForce(offers, &k, budgetsOf(offers))
		_, a := evaluate(t, offers, offer.Rules{}, k, here())
		got := int64((a.Off + a.Credited) / retail.Cent)
		if got > want.total || a.Exact && got < want.total {
			t.Fatalf("worth %d, brute force %d; certain: %t", got, want.total, a.Exact)
		}
		if a.Exact {
			certain++
		}
		worth, best = worth+got, best+want.total
	})
	if certain == 0 || worth*100 < best*99 {
		t.Errorf("certain %d times of %d; worth %d of %d", certain, n, worth, best)
	}
}

func budgetsOf(offers []terms.Offer) map[terms.ID]int64 {
	budgets := map[terms.ID]int64{}
	for _, o := range offers {
		if o.Limits.Budget > 0 {
			budgets[o.ID] = int64(o.Limits.Budget / retail.Cent)
		}
	}
	return budgets
}

func asBruteForce(t *rapid.T, offers []terms.Offer, k offer.Basket) {
	want := bruteForce(offers, &k, budgetsOf(offers))
	_, a := evaluate(t, offers, offer.Rules{}, k, here())
	var ids []terms.ID
	for _, u := range a.Used {
		ids = append(ids, u.Offer)
	}
	lines := map[string]int64{}
	for _, d := range a.Discounts {
		lines[string(d.Offer)+" "+string(d.Line)] += int64(d.Amount / retail.Cent)
	}
	if got := int64((a.Off + a.Credited) / retail.Cent); got != want.total || !slices.Equal(ids, want.ids) || !a.Exact {
		t.Fatalf("chose %v worth %d, brute force %v worth %d", ids, got, want.ids, want.total)
	}
	if d := cmp.Diff(want.lines, lines); d != "" {
		t.Fatalf("lines differ: %s", d)
	}
	inOrder(t, offers, k, &a)
}

// inOrder checks what must hold of every answer.
func inOrder(t *rapid.T, offers []terms.Offer, k offer.Basket, a *offer.Answer) {
	used, brand := map[terms.ID]retail.Micros{}, map[terms.ID]retail.Micros{}
	off, vat := map[offer.LineID]retail.Micros{}, map[offer.LineID]retail.Micros{}
	for _, d := range a.Discounts {
		if d.Amount <= 0 || d.Brand < 0 || d.Retailer < 0 || d.VAT < 0 || d.Brand+d.Retailer != d.Amount || d.Version != 3 {
			t.Fatalf("a discount that cannot be: %+v", d)
		}
		used[d.Offer] += d.Amount
		brand[d.Offer] += d.Brand
		if !d.Credit {
			off[d.Line] += d.Amount
		}
		vat[d.Line] += d.VAT
	}
	for _, u := range a.Used {
		i := slices.IndexFunc(offers, func(o terms.Offer) bool { return o.ID == u.Offer })
		whole := new(big.Int).Mul(big.NewInt(int64(u.Amount/retail.Cent)), big.NewInt(int64(offers[i].Funding.BrandPPM)))
		if used[u.Offer] != u.Amount || int64(brand[u.Offer]/retail.Cent) != whole.Quo(whole, big.NewInt(1_000_000)).Int64() {
			t.Fatalf("%s gives %v, its lines %v, the brand %v", u.Offer, u.Amount, used[u.Offer], brand[u.Offer])
		}
	}
	paid := retail.Micros(0)
	for _, l := range a.Lines {
		paid += l.Paid
		if l.Paid < 0 || l.Gross-off[l.Line] != l.Paid || l.VAT+vat[l.Line] != vatOf(l.Gross, l.VATPPM) || l.VAT != vatOf(l.Paid, l.VATPPM) {
			t.Fatalf("a line that does not sum: %+v, discounts %v with VAT %v", l, off[l.Line], vat[l.Line])
		}
	}
	if paid != a.Paid || a.Gross-a.Off != a.Paid || len(a.Lines) != len(k.Lines) {
		t.Fatalf("lines pay %v, all pays %v", paid, a.Paid)
	}
}

// vatOf is the VAT in a price, half a cent up, with fractions.
func vatOf(paid retail.Micros, ppm int) retail.Micros {
	exact := big.NewRat(int64(paid/retail.Cent)*int64(ppm), int64(1_000_000+ppm))
	exact.Add(exact, big.NewRat(1, 2))
	return retail.Micros(new(big.Int).Quo(exact.Num(), exact.Denom()).Int64()) * retail.Cent
}

// 27, 38: the order of the lines changes nothing, nor does asking twice.
func TestTheOrderOfLinesChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		offers, k := drawOffers(t, 1, 6, true), drawBasket(t, 1, 8)
		b, before := evaluate(t, offers, offer.Rules{}, k, here())
		k.Lines = rapid.Permutation(k.Lines).Draw(t, "order")
		c := here()
		after, err := b.Evaluate(&k, &c)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(before, after); d != "" {
			t.Fatal(d)
		}
	})
}

// 33: a line that is split into lines of one piece, where it stood, changes neither
// what is taken off in all nor what each offer takes off.
func TestSplittingALineChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		offers, k := drawOffers(t, 1, 6, true), drawBasket(t, 1, 6)
		_, before := evaluate(t, offers, offer.Rules{}, k, here())
		at := rapid.IntRange(0, len(k.Lines)-1).Draw(t, "which")
		l := k.Lines[at]
		if l.Weighed {
			return
		}
		var split offer.Basket
		split.Currency = k.Currency
		for i, other := range k.Lines {
			if i != at {
				split.Lines = append(split.Lines, other)
				continue
			}
			for n := range int(l.Quantity / basket.Piece) {
				one := l
				one.ID, one.Quantity = offer.LineID(fmt.Sprintf("%s.%d", l.ID, n)), basket.Piece
				split.Lines = append(split.Lines, one)
			}
		}
		_, after := evaluate(t, offers, offer.Rules{}, split, here())
		if d := cmp.Diff(before.Used, after.Used); d != "" || before.Paid != after.Paid {
			t.Fatalf("split, she pays %v instead of %v: %s", after.Paid, before.Paid, d)
		}
	})
}

// 34: one more piece never costs more than its price, and what no offer is about
// never changes a discount. Offers without thresholds, that take the dearest pieces
// and count what is left; those that reduce part of the range in one group, on top of
// which offers for the whole basket may come.
func TestOneMorePieceNeverTakesADiscountAway(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		offers, k := drawOffers(t, 1, 6, false), drawBasket(t, 1, 7)
		for i := range offers {
			o := &offers[i]
			o.Mechanic.Base = terms.After
			if o.Mechanic.Pick != "" {
				o.Mechanic.Pick = terms.Dearest
			}
			o.Stacking.Group, o.Stacking.Order = "", i%3
			if k := o.Mechanic.Kind; (k == terms.AmountOff || k == terms.PercentOff) && o.Mechanic.PiecesMax == 0 && !o.Mechanic.Each && i%2 == 0 {
				o.Mechanic.Products, o.Mechanic.Except = catalog.Set{Everything: true}, catalog.Set{}
				o.Stacking.Group, o.Stacking.Order = "basket", 10+i
			}
		}
		_, before := evaluate(t, offers, offer.Rules{}, k, here())
		more := drawLine(t, rapid.SampledFrom([]string{"00.5", "99"}).Draw(t, "where"))
		more.Quantity = basket.Piece
		k.Lines = append(k.Lines, more)
		_, after := evaluate(t, offers, offer.Rules{}, k, here())
		if after.Paid > before.Paid+more.Price {
			t.Fatalf("with %v for %v she pays %v instead of %v", more.Product.ID, more.Price, after.Paid, before.Paid)
		}
		k.Lines[len(k.Lines)-1].Kind = offer.GiftCard
		_, other := evaluate(t, offers, offer.Rules{}, k, here())
		if d := cmp.Diff(before.Used, other.Used); d != "" {
			t.Fatalf("a gift card changes offers: %s", d)
		}
	})
}

// 39, 40, 43: returning everything, at once or piece by piece, gives back what was
// paid and every cent of every party; no refund is below zero; what is kept never
// has more of an offer than before.
func TestReturnsGiveEveryCentBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		offers, k := drawOffers(t, 1, 6, true), drawBasket(t, 1, 6)
		b, a := evaluate(t, offers, offer.Rules{}, k, here())
		p := offer.Purchase{ID: "p", Basket: k, Context: here(), Answer: a}
		paid, refunds := a.Paid, retail.Micros(0)
		type purse struct{ brand, retailer, vat retail.Micros }
		owed := map[terms.ID]purse{}
		for _, d := range a.Discounts {
			u := owed[d.Offer]
			owed[d.Offer] = purse{u.brand + d.Brand, u.retailer + d.Retailer, u.vat + d.VAT}
		}
		for n := 0; len(p.Basket.Lines) > 0; n++ {
			r := offer.Return{ID: fmt.Sprint("r", n), Of: "p", At: here().At.Add(time.Hour)}
			for _, l := range p.Basket.Lines {
				if len(r.Lines) == 0 || rapid.Bool().Draw(t, "too") {
					q := l.Quantity
					if !l.Weighed && q > basket.Piece && rapid.Bool().Draw(t, "part") {
						q = basket.Piece
					}
					r.Lines = append(r.Lines, offer.Returned{Line: l.ID, Quantity: q})
				}
			}
			v, err := b.Reverse(&p, &r)
			if err != nil || v.Refused != (terms.Verdict{}) {
				t.Fatalf("%v, %v", v.Refused, err)
			}
			if v.Refund < 0 || v.Due != 0 {
				t.Fatalf("refund %v, due %v", v.Refund, v.Due)
			}
			for _, u := range v.After.Answer.Used {
				i := slices.IndexFunc(p.Answer.Used, func(w offer.Use) bool { return w.Offer == u.Offer })
				if i < 0 || u.Amount > p.Answer.Used[i].Amount {
					t.Fatalf("%s gives %v after a return", u.Offer, u.Amount)
				}
			}
			for _, d := range v.Back {
				u := owed[d.Offer]
				owed[d.Offer] = purse{u.brand - d.Brand, u.retailer - d.Retailer, u.vat - d.VAT}
				if d.Brand+d.Retailer != d.Amount {
					t.Fatalf("%+v does not sum", d)
				}
			}
			refunds += v.Refund
			p = v.After
			inOrder(t, offers, p.Basket, &p.Answer)
			if refunds+p.Answer.Paid != paid {
				t.Fatalf("paid %v, refunded %v, kept %v", paid, refunds, p.Answer.Paid)
			}
			if again, err := b.Reverse(&p, &r); err != nil || again.Refused.Reason != terms.Reversed {
				t.Fatalf("twice: %v, %v", again.Refused, err)
			}
		}
		for id, u := range owed {
			if u != (purse{}) {
				t.Fatalf("%s: %+v is not back", id, u)
			}
		}
		if refunds != paid || len(p.Answer.Used) != 0 {
			t.Fatalf("paid %v, refunded %v, still used %v", paid, refunds, p.Answer.Used)
		}
	})
}

// 43: offers taken back one by one give back all they gave.
func TestOffersAreTakenBackAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		offers, k := drawOffers(t, 1, 6, true), drawBasket(t, 1, 6)
		b, a := evaluate(t, offers, offer.Rules{}, k, here())
		p := offer.Purchase{ID: "p", Basket: k, Context: here(), Answer: a}
		for n, u := range a.Used {
			v, err := b.Reverse(&p, &offer.Return{ID: fmt.Sprint("r", n), Of: "p", At: here().At, Offers: []terms.ID{u.Offer}})
			if err != nil || v.Refused != (terms.Verdict{}) {
				t.Fatalf("%v, %v", v.Refused, err)
			}
			want := slices.DeleteFunc(slices.Clone(p.Answer.Discounts), func(d offer.Discount) bool { return d.Offer == u.Offer })
			if d := cmp.Diff(want, v.After.Answer.Discounts); d != "" || !u.Credit && v.Due != u.Amount {
				t.Fatalf("due %v of %v: %s", v.Due, u.Amount, d)
			}
			p = v.After
		}
		if p.Answer.Paid != p.Answer.Gross || p.Answer.Credited != 0 || p.Answer.Off != 0 {
			t.Fatalf("still: %+v", p.Answer)
		}
		for _, l := range p.Answer.Lines {
			if l.Paid != l.Gross || l.VAT != vatOf(l.Gross, l.VATPPM) {
				t.Fatalf("still: %+v", l)
			}
		}
	})
}
