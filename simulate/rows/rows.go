// Package rows is what a simulated retailer's systems say beside their receipts:
// stores, products, shoppers with their keys, consents, prices, stock and
// promotions, row by row. simulate/folder writes them to files and simulate/play
// sends them to a server, so both tell the same.
//
// It is before the road of a receipt: it says what the receipts are about.
package rows

import (
	"encoding/hex"
	"fmt"
	"iter"
	"strconv"

	"endcap/simulate/grocer"
	"endcap/simulate/life"
	"endcap/simulate/people"
)

// Store is a store, or the online shop.
type Store struct {
	Store      string `parquet:"store"`
	Name       string `parquet:"name"`
	Channel    string `parquet:"channel"`
	Commune    string `parquet:"commune_code,optional"`
	Town       string `parquet:"commune,optional"`
	Department string `parquet:"department_code,optional"`
	Region     string `parquet:"region_code,optional"`
	Population int32  `parquet:"commune_population,optional"`
}

// Stores lists the stores; the last is the online shop.
func Stores(w *life.World) iter.Seq[Store] {
	return func(yield func(Store) bool) {
		for i := range w.Grocer.Stores {
			s := &w.Grocer.Stores[i]
			row := Store{
				Store: s.ID, Name: s.Name, Channel: "in_store", Commune: s.Commune.Code, Town: s.Commune.Name,
				Department: s.Commune.Department, Region: s.Commune.Region, Population: int32(s.Commune.Population),
			}
			if s.Online {
				row.Channel = "online"
			}
			if !yield(row) {
				return
			}
		}
	}
}

// Product is one product of the catalogue; amounts are cents.
type Product struct {
	GTIN       int64  `parquet:"gtin"`
	Name       string `parquet:"name"`
	Brand      string `parquet:"brand,dict"`
	Department string `parquet:"department,dict"`
	Category   string `parquet:"category,dict"`
	Type       string `parquet:"type,dict"`
	Size       string `parquet:"size,dict"`
	Own        string `parquet:"own_label,dict"`
	Price      int32  `parquet:"price,decimal(2:9)"` // on the shelf, tax included
	Cost       int32  `parquet:"cost,decimal(2:9)"`  // without tax
	VAT        int32  `parquet:"vat_percent,decimal(1:9)"`
	NutriScore string `parquet:"nutri_score,optional,dict"`
}

// Products lists the catalogue.
func Products(w *life.World) iter.Seq[Product] {
	g := w.Grocer
	return func(yield func(Product) bool) {
		for i := range g.Products {
			p := &g.Products[i]
			c := &g.Categories[p.Category]
			row := Product{
				GTIN: p.GTIN, Name: g.Name(int32(i)), Brand: g.Brands[p.Brand], Department: c.Department, Category: c.Name, Type: c.Heads[p.Head],
				Size: g.Size(int32(i)), Own: strconv.FormatBool(p.Brand == 0), Price: p.Price, Cost: p.Cost, VAT: int32(c.VAT),
			}
			if p.Grade > 0 {
				row.NutriScore = string(rune('A' + p.Grade - 1))
			}
			if !yield(row) {
				return
			}
		}
	}
}

// Shopper is what one system of the retailer knows of one person.
type Shopper struct {
	System  string  `parquet:"system,dict"`
	Card    *int64  `parquet:"card,optional"`
	Account *int64  `parquet:"account,optional"`
	Email   *string `parquet:"email_sha256,optional"`
	Device  *string `parquet:"device,optional"`
}

// Shoppers lists the rows of the till desk (card and, for most, e-mail) and of
// the online shop (account, e-mail, device). Only the e-mail links the two.
func Shoppers(w *life.World) iter.Seq[Shopper] {
	return func(yield func(Shopper) bool) {
		for i := range w.Crowd.Shoppers {
			for _, row := range Known(w, i) {
				if !yield(row) {
					return
				}
			}
		}
	}
}

// Known is what the systems know of shopper i, a row each.
func Known(w *life.World, i int) []Shopper {
	c := w.Crowd
	account, desk := c.Email(i)
	mail, heard := hex.EncodeToString(account[:]), hex.EncodeToString(desk[:])
	var known []Shopper
	if card, _, has := c.Card(i); has && c.Shoppers[i].Has&people.Card != 0 {
		row := Shopper{System: "till desk", Card: &card}
		if c.Told(i) {
			row.Email = &heard
		}
		known = append(known, row)
	}
	if number, has := c.Account(i); has {
		device := c.Device(i, 1)
		known = append(known, Shopper{System: "online shop", Account: &number, Email: &mail, Device: &device})
	}
	return known
}

// Consent is what one shopper says; Allowed names purposes, comma-separated, or
// is "none".
type Consent struct {
	ID      string `parquet:"id"`
	Time    int64  `parquet:"time,timestamp(microsecond)"`
	Card    *int64 `parquet:"card,optional"`
	Account *int64 `parquet:"account,optional"`
	Allowed string `parquet:"allowed,dict"`
	Wording string `parquet:"wording,dict"`
	Channel string `parquet:"channel,dict"`
}

// say is one row of shopper i, under the key by which she says it.
func say(w *life.World, i int, id, allowed string, at int64) Consent {
	row := Consent{ID: fmt.Sprintf("%s-%d", id, i), Time: at, Allowed: allowed, Wording: "simulated", Channel: "account"}
	if account, has := w.Crowd.Account(i); has {
		row.Account = &account
		return row
	}
	card, _, _ := w.Crowd.Card(i)
	row.Card, row.Channel = &card, "till desk"
	return row
}

// Consents lists what shoppers said on the day before the first.
func Consents(w *life.World) iter.Seq[Consent] {
	at := w.Scenario.First().UTC().UnixMicro() - 86_400_000_000
	return func(yield func(Consent) bool) {
		for i := range w.Crowd.Shoppers {
			if s := w.Crowd.Saying(i); s.Said && !yield(say(w, i, "first", s.Allowed, at)) {
				return
			}
		}
	}
}

// Withdrawals lists who withdraws consent in a plan's week, day by day at noon.
func Withdrawals(w *life.World, plan *life.Plan) iter.Seq[Consent] {
	return func(yield func(Consent) bool) {
		var byDay [7][]int32
		for i := range w.Crowd.Shoppers {
			if day := w.Crowd.Saying(i).Withdraw - 7*plan.Week; day >= 0 && day < 7 {
				byDay[day] = append(byDay[day], int32(i))
			}
		}
		for day, who := range byDay {
			for _, i := range who {
				if !yield(say(w, int(i), "withdrawn", "none", plan.At(day*86_400+12*3_600))) {
					return
				}
			}
		}
	}
}

// Price is what a product costs from an instant on, in cents.
type Price struct {
	Product int64 `parquet:"product"`
	Time    int64 `parquet:"time,timestamp(microsecond)"`
	Amount  int32 `parquet:"amount,decimal(2:9)"`
}

// start is the first instant of the simulation.
func start(w *life.World) int64 { return w.Scenario.First().Start(w.Zone()).UnixMicro() }

// Prices lists what every product costs on the first day.
func Prices(w *life.World) iter.Seq[Price] {
	return prices(w, w.Grocer.Week(0), nil, start(w))
}

// PriceChanges lists what costs something else in a plan's week than in the one
// before. Of the first week there are none: Prices tells them.
func PriceChanges(w *life.World, plan *life.Plan) iter.Seq[Price] {
	if plan.Week == 0 {
		return func(func(Price) bool) {}
	}
	return prices(w, w.Promotions(plan.Week), w.Promotions(plan.Week-1), plan.At(0))
}

func prices(w *life.World, now, before *grocer.Week, at int64) iter.Seq[Price] {
	g := w.Grocer
	return func(yield func(Price) bool) {
		for i := range g.Products {
			cut := now.Cut(int32(i))
			if before != nil && before.Cut(int32(i)) == cut {
				continue
			}
			if !yield(Price{g.Products[i].GTIN, at, g.Products[i].Price - cut}) {
				return
			}
		}
	}
}

// Stock is how many pieces of a product a store has.
type Stock struct {
	Product int64  `parquet:"product"`
	Store   string `parquet:"store,dict"`
	Time    int64  `parquet:"time,timestamp(microsecond)"`
	Count   int32  `parquet:"count"`
}

// Stocks lists what every store has of its range on the first day.
func Stocks(w *life.World) iter.Seq[Stock] {
	return stocks(w, start(w), 0, func(int, int32) bool { return true })
}

// StockChanges lists what went missing from shelves, or came back, by the Monday
// of a plan's week. Of the first week there are none: Stocks tells them.
func StockChanges(w *life.World, plan *life.Plan) iter.Seq[Stock] {
	if plan.Week == 0 {
		return func(func(Stock) bool) {}
	}
	day := 7 * plan.Week
	return stocks(w, plan.At(0), day, func(store int, i int32) bool {
		return w.Grocer.Missing(store, i, day) != w.Grocer.Missing(store, i, day-7)
	})
}

func stocks(w *life.World, at int64, day int, told func(store int, i int32) bool) iter.Seq[Stock] {
	g := w.Grocer
	return func(yield func(Stock) bool) {
		for s := range g.Stores {
			for i := range g.Products {
				p := int32(i)
				if !told(s, p) || !g.Carries(s, p) {
					continue
				}
				if !yield(Stock{g.Products[i].GTIN, g.Stores[s].ID, at, int32(g.Count(s, p, day))}) {
					return
				}
			}
		}
	}
}

// Promotion is one product that a store promotes in a week.
type Promotion struct {
	Store   string `parquet:"store,dict"`
	Week    int32  `parquet:"week,date"` // its Monday
	Product int64  `parquet:"product"`
	Display string `parquet:"display,dict"`
	Mailer  string `parquet:"mailer,dict"`
}

// Promotions lists what stands on a display or in the leaflet in a plan's week,
// store by store.
func Promotions(w *life.World, plan *life.Plan) iter.Seq[Promotion] {
	g := w.Grocer
	now := w.Promotions(plan.Week)
	day := int32(w.Scenario.First()) + int32(7*plan.Week)
	return func(yield func(Promotion) bool) {
		for s := range g.Stores {
			for c := range g.Categories {
				for _, i := range now.Promoted(c) {
					display, mailer := now.Place(s, i)
					if display == "" && mailer == "" || !g.Carries(s, i) {
						continue
					}
					if !yield(Promotion{g.Stores[s].ID, day, g.Products[i].GTIN, display, mailer}) {
						return
					}
				}
			}
		}
	}
}
