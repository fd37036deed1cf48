package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	terms "endcap/retail/offer"
	"endcap/sell/offer"
)

// grocer draws a range of products, offers on it, and baskets from it.
type grocer struct {
	r     *rand.Rand
	goods []catalog.Product
	price []retail.Micros
}

// The range: products in categories, each with a few brands.
const (
	productsAll   = 20_000
	categoriesAll = 200
	brandsAll     = 600
	popularity    = 0.5 // exponent of Zipf's law by which products come into baskets; offers are on any
)

func newGrocer(seed uint64) *grocer {
	g := &grocer{r: rand.New(rand.NewPCG(seed, 0))}
	for i := range productsAll {
		category := g.r.IntN(categoriesAll)
		g.goods = append(g.goods, catalog.Product{
			ID: catalog.ProductID(fmt.Sprintf("p%05d", i)), Brand: catalog.Brand(fmt.Sprintf("b%03d", (category*3+g.r.IntN(9))%brandsAll)),
			Category: catalog.Category(fmt.Sprintf("c%03d", category)), Department: catalog.Department(fmt.Sprintf("d%02d", category/10)),
		})
		g.price = append(g.price, retail.Micros(50+int64(math.Exp(g.r.NormFloat64()*0.7+5.4)))*retail.Cent)
	}
	return g
}

// popular draws a product, the first ones more often.
func (g *grocer) popular() int {
	u := g.r.Float64()
	return min(productsAll-1, int(productsAll*math.Pow(u, 1/(1-popularity))))
}

// basket draws one of so many different lines, one to four pieces each.
func (g *grocer) basket(lines int) offer.Basket {
	k := offer.Basket{Currency: "EUR"}
	taken := map[int]bool{}
	for len(k.Lines) < lines {
		i := g.popular()
		if lines > 100 {
			i = g.r.IntN(productsAll)
		}
		if taken[i] {
			continue
		}
		taken[i] = true
		l := offer.Line{ID: offer.LineID(fmt.Sprintf("%04d", len(k.Lines))), Product: g.goods[i], Price: g.price[i], Quantity: basket.Piece, VATPPM: 55_000}
		switch n := g.r.IntN(20); {
		case n == 0:
			l.Weighed, l.Quantity = true, basket.Quantity(100+g.r.IntN(2_000))
		case n < 8:
			l.Quantity = basket.Quantity(2+g.r.IntN(3)) * basket.Piece
		}
		k.Lines = append(k.Lines, l)
	}
	return k
}

func (g *grocer) context() offer.Context {
	return offer.Context{At: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), Zone: time.UTC, Store: "city", Channel: catalog.InStore, Shopper: true, Household: true}
}

// set draws what an offer is about: mostly some products, a brand in a category,
// a category; seldom a department.
func (g *grocer) set() catalog.Set {
	i := g.r.IntN(productsAll)
	p := g.goods[i]
	switch n := g.r.IntN(100); {
	case n < 45:
		var s catalog.Set
		for range 1 + g.r.IntN(12) {
			s.Products = append(s.Products, g.goods[g.r.IntN(productsAll)].ID)
		}
		return s
	case n < 75:
		return catalog.Set{Brands: []catalog.Brand{p.Brand}, Categories: []catalog.Category{p.Category}}
	case n < 90:
		return catalog.Set{Brands: []catalog.Brand{p.Brand}}
	case n < 99:
		return catalog.Set{Categories: []catalog.Category{p.Category}}
	default:
		return catalog.Set{Departments: []catalog.Department{p.Department}}
	}
}

// offers draws so many: nine in ten of a promotion group, in which a product takes
// part in one; coupons on top of them; a few on the whole basket.
func (g *grocer) offers(n int) []terms.Offer {
	out := make([]terms.Offer, n)
	for i := range out {
		o := &out[i]
		*o = terms.Offer{
			ID: terms.ID(fmt.Sprintf("o%04d", i)), Version: 1, Name: "drawn", Currency: "EUR",
			Funding:  terms.Funding{Advertiser: "acme", BrandPPM: 10_000 * (1 + g.r.IntN(100))},
			Eligible: terms.Eligibility{Days: retail.Days{From: retail.Date(2026, 1, 1), To: retail.Date(2027, 1, 1)}},
			Stacking: terms.Stacking{Group: "promotion", Order: g.r.IntN(10)},
		}
		switch kind := g.r.IntN(100); {
		case i < 6:
			g.whole(o, i)
		case kind < 10:
			o.Stacking.Group, o.Stacking.Order = "coupon", 20+g.r.IntN(3)
			fallthrough
		default:
			g.mechanic(o)
		}
		if g.r.IntN(20) == 0 {
			o.Stacking.Excludes = []string{"coupon"}
		}
		if g.r.IntN(10) == 0 {
			o.Limits.Discount = retail.Micros(100+g.r.IntN(900)) * retail.Cent
		}
	}
	return out
}

// whole makes an offer for the whole basket, from a threshold on.
func (g *grocer) whole(o *terms.Offer, i int) {
	o.Stacking.Group, o.Stacking.Order = "basket", 30+i
	o.Mechanic = terms.Mechanic{Kind: terms.PercentOff, Products: catalog.Set{Everything: true}, OffPPM: 30_000 + 10_000*i, Base: terms.After}
	o.Spend = terms.Spend{Amount: retail.Micros(40+20*i) * retail.Unit, Base: terms.After}
	if i%2 == 1 {
		o.Mechanic = terms.Mechanic{Kind: terms.AmountOff, Products: catalog.Set{Everything: true}, Amount: retail.Micros(2+2*i) * retail.Unit}
	}
	if i == 5 {
		o.Credit, o.Stacking.Group = true, "card"
	}
}

func (g *grocer) mechanic(o *terms.Offer) {
	m := terms.Mechanic{Products: g.set(), Pick: terms.Dearest}
	switch g.r.IntN(9) {
	case 0, 1:
		m.Kind, m.OffPPM, m.Base, m.Pick = terms.PercentOff, 50_000*(1+g.r.IntN(8)), terms.After, ""
	case 2:
		m.Kind, m.Amount, m.Each, m.Pick = terms.AmountOff, retail.Micros(20+g.r.IntN(100))*retail.Cent, true, ""
	case 3:
		m.Kind, m.Amount, m.Pick = terms.AmountOff, retail.Micros(50+g.r.IntN(250))*retail.Cent, ""
	case 4:
		m.Kind, m.Pieces, m.Pay = terms.NForM, 3, 2
	case 5:
		m.Kind, m.Pieces, m.OffPPM = terms.NthOff, 2, 500_000
	case 6:
		m.Kind, m.Pieces, m.Get, m.OffPPM = terms.BuyGet, 1+g.r.IntN(2), 1, terms.PPMAll
	case 7:
		m.Kind, m.Pieces, m.Amount, m.Pick = terms.MultiBuy, 2+g.r.IntN(2), retail.Micros(200+g.r.IntN(400))*retail.Cent, ""
	case 8:
		m.Kind, m.Amount, m.Pick = terms.FixedPrice, retail.Micros(80+g.r.IntN(200))*retail.Cent, ""
	}
	o.Mechanic = m
}
