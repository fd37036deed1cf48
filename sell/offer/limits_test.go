package offer_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	terms "endcap/retail/offer"
	"endcap/sell/offer"
)

func simple(id string, m terms.Mechanic) terms.Offer {
	return terms.Offer{ID: terms.ID(id), Version: 3, Name: id, Currency: "EUR", Mechanic: m, Eligible: validOn(today, 1)}
}

func one(id string, price retail.Micros) offer.Line {
	return offer.Line{ID: offer.LineID(id), Product: catalog.Product{ID: "oats"}, Quantity: basket.Piece, Price: price, VATPPM: 200_000}
}

// What a till may not send is refused, and the field is named.
func TestBasketsThatCannotBe(t *testing.T) {
	t.Parallel()
	book, err := offer.NewBook(nil, offer.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		change func(*offer.Basket, *offer.Context)
		field  string
		kind   retail.Kind
	}{
		"no currency":        {func(k *offer.Basket, _ *offer.Context) { k.Currency = "" }, "currency", retail.Invalid},
		"no zone":            {func(_ *offer.Basket, c *offer.Context) { c.Zone = nil }, "zone", retail.Invalid},
		"a line without id":  {func(k *offer.Basket, _ *offer.Context) { k.Lines[0].ID = "" }, "lines[0].id", retail.Invalid},
		"one id twice":       {func(k *offer.Basket, _ *offer.Context) { k.Lines = append(k.Lines, k.Lines[0]) }, "lines", retail.Invalid},
		"nothing of it":      {func(k *offer.Basket, _ *offer.Context) { k.Lines[0].Quantity = 0 }, "lines[0].quantity", retail.Invalid},
		"a return":           {func(k *offer.Basket, _ *offer.Context) { k.Lines[0].Quantity = -basket.Piece }, "lines[0].quantity", retail.Invalid},
		"half a piece":       {func(k *offer.Basket, _ *offer.Context) { k.Lines[0].Quantity = 500 }, "lines[0].quantity", retail.Invalid},
		"half a cent":        {func(k *offer.Basket, _ *offer.Context) { k.Lines[0].Price = 5_000 }, "lines[0].price", retail.Invalid},
		"a price below zero": {func(k *offer.Basket, _ *offer.Context) { k.Lines[0].Price = -retail.Unit }, "lines[0].price", retail.Invalid},
		"a price beyond all": {func(k *offer.Basket, _ *offer.Context) { k.Lines[0].Price = 1 << 62 }, "lines[0].price", retail.Invalid},
		"a VAT above all":    {func(k *offer.Basket, _ *offer.Context) { k.Lines[0].VATPPM = offer.VATMax + 1 }, "lines[0].vat", retail.Invalid},
		"an unknown kind":    {func(k *offer.Basket, _ *offer.Context) { k.Lines[0].Kind = 9 }, "lines[0].kind", retail.Invalid},
		"too many pieces":    {func(k *offer.Basket, _ *offer.Context) { k.Lines[0].Quantity = (offer.PiecesMax + 1) * basket.Piece }, "lines[0].quantity", retail.TooLarge},
		"too many pieces in all": {func(k *offer.Basket, _ *offer.Context) {
			k.Lines[0].Quantity = offer.PiecesMax * basket.Piece
			k.Lines = append(k.Lines, one("2", 0))
		}, "lines", retail.TooLarge},
		"too many lines": {func(k *offer.Basket, _ *offer.Context) { k.Lines = make([]offer.Line, offer.LinesMax+1) }, "lines", retail.TooLarge},
		"more than money can pay": {func(k *offer.Basket, _ *offer.Context) {
			k.Lines[0].Price, k.Lines[0].Quantity = offer.TotalMax, 2*basket.Piece
		}, "lines", retail.TooLarge},
		"too many coupons": {func(_ *offer.Basket, c *offer.Context) { c.Coupons = make([]offer.Coupon, offer.CouponMax+1) }, "coupons", retail.TooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, c := offer.Basket{Currency: "EUR", Lines: []offer.Line{one("1", retail.Unit)}}, here()
			tt.change(&k, &c)
			_, err := book.Evaluate(&k, &c)
			e, ok := errors.AsType[*retail.Error](err)
			if !ok || e.Field != tt.field || e.Kind != tt.kind {
				t.Errorf("got %v, want %s of %s", err, tt.kind, tt.field)
			}
		})
	}
	k, c := offer.Basket{Currency: "EUR"}, here()
	if a, err := book.Evaluate(&k, &c); err != nil || a.Paid != 0 {
		t.Errorf("an empty basket: %v, %v", a.Paid, err)
	}
}

func TestBooksThatCannotBe(t *testing.T) {
	t.Parallel()
	o := simple("a", terms.Mechanic{Kind: terms.AmountOff, Products: catalog.Set{Everything: true}, Amount: retail.Unit})
	wrong := o
	wrong.Mechanic.Kind = ""
	for name, offers := range map[string][]terms.Offer{"one id twice": {o, o}, "no kind": {wrong}} {
		if _, err := offer.NewBook(offers, offer.Rules{}); retail.KindOf(err) != retail.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := offer.NewBook(nil, offer.Rules{Never: catalog.Set{Brands: []catalog.Brand{""}}}); retail.KindOf(err) != retail.Invalid {
		t.Errorf("got %v", err)
	}
}

// 7: at the largest basket that is taken, in the currency with the finest coins,
// every sum and product of every kind still fits.
func TestTheLargestBasketDoesNotOverflow(t *testing.T) {
	t.Parallel()
	all := catalog.Set{Everything: true}
	for _, currency := range []retail.Currency{"EUR", "KWD", "JPY"} {
		coin := currency.Minor()
		for _, m := range []terms.Mechanic{
			{Kind: terms.PercentOff, Products: all, OffPPM: 999_999, Base: terms.Initial},
			{Kind: terms.PercentOff, Products: all, OffPPM: 999_999, Base: terms.After},
			{Kind: terms.AmountOff, Products: all, Amount: offer.TotalMax - coin},
			{Kind: terms.NForM, Products: all, Pieces: 2, Pay: 1, Pick: terms.Dearest},
			{Kind: terms.MultiBuy, Products: all, Pieces: 2, Amount: coin},
		} {
			o := simple("a", m)
			o.Currency, o.Funding = currency, terms.Funding{Advertiser: "acme", BrandPPM: 999_999}
			k := offer.Basket{Currency: currency}
			for i, price := range []retail.Micros{offer.TotalMax - 2*coin, coin, coin} {
				l := one(fmt.Sprint(i), price)
				l.VATPPM = offer.VATMax
				k.Lines = append(k.Lines, l)
			}
			_, a := evaluate(t, []terms.Offer{o}, offer.Rules{}, k, here())
			sum := retail.Micros(0)
			for _, d := range a.Discounts {
				if d.Amount < 0 || d.Brand < 0 || d.Retailer < 0 || d.VAT < 0 || d.Amount > offer.TotalMax {
					t.Fatalf("%s %s: %+v", currency, m.Kind, d)
				}
				sum += d.Amount
			}
			if a.Gross != offer.TotalMax || a.Off != sum || a.Paid != a.Gross-sum || a.Paid < 0 || sum == 0 {
				t.Errorf("%s %s: %v of %v off", currency, m.Kind, sum, a.Gross)
			}
		}
	}
}

// 8: a thousand lines, and as many as are taken, are evaluated.
func TestThousandsOfLinesAreEvaluated(t *testing.T) {
	t.Parallel()
	var offers []terms.Offer
	for i := range 40 {
		m := terms.Mechanic{Kind: terms.NForM, Products: catalog.Set{Brands: []catalog.Brand{catalog.Brand(fmt.Sprint(i % 30))}}, Pieces: 3, Pay: 2, Pick: terms.Dearest}
		if i%5 == 0 {
			m = terms.Mechanic{Kind: terms.PercentOff, Products: catalog.Set{Everything: true}, OffPPM: 10_000 * (i + 1), Base: terms.After}
		}
		o := simple(fmt.Sprintf("o%02d", i), m)
		o.Stacking.Group = fmt.Sprint(i % 3)
		offers = append(offers, o)
	}
	for _, n := range []int{1_000, offer.LinesMax} {
		k := offer.Basket{Currency: "EUR"}
		for i := range n {
			l := one(fmt.Sprintf("%04d", i), retail.Micros(100+i%900)*retail.Cent)
			l.Product = catalog.Product{ID: catalog.ProductID(fmt.Sprint(i)), Brand: catalog.Brand(fmt.Sprint(i % 40))}
			l.Quantity = basket.Quantity(1+i%5) * basket.Piece
			k.Lines = append(k.Lines, l)
		}
		_, a := evaluate(t, offers, offer.Rules{}, k, here())
		if len(a.Lines) != n || a.Off == 0 {
			t.Errorf("%d lines, %v off", len(a.Lines), a.Off)
		}
	}
}

// What an answer is worth is what its offers are worth together, and no less than any
// one of them alone.
func TestWorthIsWhatWasChosen(t *testing.T) {
	t.Parallel()
	offers := []terms.Offer{
		simple("a", terms.Mechanic{Kind: terms.AmountOff, Products: catalog.Set{Everything: true}, Amount: retail.Unit}),
		simple("b", terms.Mechanic{Kind: terms.PercentOff, Products: catalog.Set{Everything: true}, OffPPM: 500_000, Base: terms.After}),
	}
	k, c := offer.Basket{Currency: "EUR", Lines: []offer.Line{one("1", 10*retail.Unit)}}, here()
	book, a := evaluate(t, offers, offer.Rules{}, k, c)
	if all, err := book.Worth(&k, &c, []terms.ID{"b"}); err != nil || all != a.Off || all != 5*retail.Unit {
		t.Errorf("worth %v, %v; off %v", all, err, a.Off)
	}
	if both, err := book.Worth(&k, &c, []terms.ID{"a", "b"}); err != nil || both != retail.Unit {
		t.Errorf("a comes first and has the goods: got %v, %v", both, err)
	}
}

// A return that nobody can make.
func TestReturnsThatCannotBe(t *testing.T) {
	t.Parallel()
	o := simple("a", terms.Mechanic{Kind: terms.AmountOff, Products: catalog.Set{Everything: true}, Amount: retail.Unit})
	k := offer.Basket{Currency: "EUR", Lines: []offer.Line{one("1", 10*retail.Unit)}}
	book, a := evaluate(t, []terms.Offer{o}, offer.Rules{}, k, here())
	p := offer.Purchase{ID: "p", Basket: k, Context: here(), Answer: a}
	back := []offer.Returned{{Line: "1", Quantity: basket.Piece}}
	for name, r := range map[string]offer.Return{
		"nothing":           {ID: "r", Of: "p"},
		"without an id":     {Of: "p", Lines: back},
		"goods and offers":  {ID: "r", Of: "p", Lines: back, Offers: []terms.ID{"a"}},
		"a line twice":      {ID: "r", Of: "p", Lines: append(back, back...)},
		"nothing of a line": {ID: "r", Of: "p", Lines: []offer.Returned{{Line: "1"}}},
	} {
		r.At = here().At
		if v, err := book.Reverse(&p, &r); retail.KindOf(err) != retail.Invalid || v.Refund != 0 {
			t.Errorf("%s: got %v, %v", name, v.Refund, err)
		}
	}
	o.Version = 4
	newer, err := offer.NewBook([]terms.Offer{o}, offer.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newer.Reverse(&p, &offer.Return{ID: "r", Of: "p", At: time.Unix(0, 0), Lines: back}); retail.KindOf(err) != retail.Conflict || !strings.Contains(err.Error(), "version 3") {
		t.Errorf("a book with another version: got %v", err)
	}
}
