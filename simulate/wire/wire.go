// Package wire is how a simulated retailer speaks to the public HTTP API: keys of
// shoppers, receipts, questions for decisions and what is done with their
// answers, as the bodies of requests. simulate/play lives weeks with it, and
// simulate/traffic loads a server with it, so both say the same.
//
// It is before the road of a receipt: it is the envelope in which one comes.
package wire

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"endcap/simulate/life"
)

// The placements on which a simulated retailer shows adverts, by their indices in
// Placements; a planted effect knows them in this order.
const (
	Search = iota
	Banner
	Screen
)

// Placement is one of them.
type Placement struct {
	ID, Name string
	Slots    int
}

// Placements are what is booked of them.
var Placements = [...]Placement{{"search", "Beside search results", 4}, {"banner", "Banner of the site", 1}, {"screen", "Screen in the aisle", 2}}

// Keys are a shopper's keys as the API has them.
func Keys(card, account *int64) map[string]string {
	keys := make(map[string]string)
	if card != nil {
		keys["card"] = strconv.FormatInt(*card, 10)
	}
	if account != nil {
		keys["account"] = strconv.FormatInt(*account, 10)
	}
	return keys
}

// GTIN is a product's id.
func GTIN(w *life.World, product int32) string {
	return strconv.FormatInt(w.Grocer.Products[product].GTIN, 10)
}

// Receipt writes a receipt with these lines.
func Receipt(w *life.World, r *life.Receipt, lines []life.Line) map[string]any {
	rows := make([]map[string]any, len(lines))
	for i := range lines {
		l := &lines[i]
		row := map[string]any{"product": GTIN(w, l.Product), "quantity": Thousandths(l.Quantity), "sales": Decimal(int64(l.Sales))}
		for name, cents := range map[string]int32{"retail_discount": l.Discount, "coupon_discount": l.Coupon, "coupon_match": l.Match} {
			if cents != 0 {
				row[name] = Decimal(int64(cents))
			}
		}
		rows[i] = row
	}
	out := map[string]any{
		"id": strconv.FormatInt(r.ID, 10), "store": w.Grocer.Stores[r.Store].ID, "channel": Channel(r.Online), "at": Instant(r.At),
		"currency": w.Scenario.Currency, "lines": rows,
	}
	switch {
	case r.Card != 0:
		out["shopper"] = Keys(&r.Card, nil)
	case r.Account != 0:
		out["shopper"] = Keys(nil, &r.Account)
	}
	return out
}

// Channel is where something is bought or seen.
func Channel(online bool) string {
	if online {
		return "online"
	}
	return "in_store"
}

// Instant writes microseconds since 1970.
func Instant(micros int64) string { return time.UnixMicro(micros).UTC().Format(time.RFC3339Nano) }

// Decimal writes cents.
func Decimal(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}

// Thousandths writes a quantity.
func Thousandths(n int32) json.Number {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return json.Number(fmt.Sprintf("%s%d.%03d", sign, n/1_000, n%1_000))
}
