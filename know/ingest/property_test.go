package ingest_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// anyReceipt draws a receipt that may be odd in every way at once.
func anyReceipt(t *rapid.T, h *house, id string) ingest.Receipt {
	number := func(name string) retail.Micros {
		return retail.Micros(rapid.OneOf(rapid.Int64Range(-5_000_000, 50_000_000), rapid.Int64()).Draw(t, name))
	}
	r := ingest.Receipt{Raw: []byte(id), Receipt: basket.Receipt{
		ID: basket.ReceiptID(id), Version: uint32(rapid.IntRange(0, 2).Draw(t, "version")),
		Store: catalog.StoreID(rapid.SampledFrom([]string{"", "1", "2", "\x00"}).Draw(t, "store")), Channel: catalog.Channel(rapid.IntRange(0, 3).Draw(t, "channel")),
		At:       h.clock().Add(time.Duration(rapid.IntRange(-100, 2).Draw(t, "hours")) * time.Hour),
		Currency: rapid.SampledFrom([]retail.Currency{"", "EUR", "JPY", "TND", "???"}).Draw(t, "currency"),
		Marks:    basket.Mark(rapid.Uint16().Draw(t, "marks")),
	}}
	for range rapid.IntRange(0, 4).Draw(t, "lines") {
		r.Lines = append(r.Lines, basket.Line{
			Product: catalog.ProductID(rapid.SampledFrom([]string{"oats", "milk", "", "été", "\xff"}).Draw(t, "product")), Quantity: basket.Quantity(number("quantity")),
			UnitPrice: number("unit"), Sales: number("sales"), RetailDiscount: number("retail"), CouponDiscount: number("coupon"), CouponMatch: number("match"),
			Marks: basket.Mark(rapid.Uint16().Draw(t, "line marks")),
		})
	}
	for n := range rapid.IntRange(0, 2).Draw(t, "keys") {
		key, err := shopper.ParseKey([]shopper.KeyKind{shopper.Card, shopper.Account}[n], rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"))
		if err != nil {
			t.Fatal(err)
		}
		r.Keys = append(r.Keys, key)
	}
	return r
}

// Whatever comes, each receipt is answered once, nothing is lost or counted
// twice, money is conserved to the smallest coin, and loading it all again
// changes nothing.
func TestWhateverComesNothingIsLost(t *testing.T) {
	t.Parallel()
	h := open(t)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		var load []ingest.Receipt
		for n := range rapid.IntRange(1, 6).Draw(rt, "receipts") {
			load = append(load, anyReceipt(rt, h, fmt.Sprint(run, ".", n)))
		}
		before := total(h.facts(t, event.KindReceipt))
		quarantine := countRefused(t, h)
		first := h.receipts(t, load...)
		s := first.Summary
		if s.Items != int64(len(load)) || s.New+s.Corrected+s.Repeat+s.Quarantined != s.Items || s.Receipts != s.Items-s.Quarantined {
			rt.Fatalf("%d items answered as %+v", len(load), s)
		}
		if got := countRefused(t, h) - quarantine; int64(got) != s.Quarantined {
			rt.Fatalf("%d rows more in quarantine, %d said to be", got, s.Quarantined)
		}
		after := total(h.facts(t, event.KindReceipt))
		for _, c := range []retail.Currency{"EUR", "JPY", "TND"} {
			if after[c]-before[c] != s.Sales[c] || s.Sales[c]%c.Minor() != 0 {
				rt.Fatalf("%s: stored %v, said %v", c, after[c]-before[c], s.Sales[c])
			}
		}
		if again := h.receipts(t, load...).Summary; again.New+again.Corrected != 0 || again.Quarantined != s.Quarantined {
			rt.Fatalf("again: %+v", again)
		}
	})
}

func total(facts []event.Fact) map[retail.Currency]retail.Micros {
	sum := make(map[retail.Currency]retail.Micros)
	for i := range facts {
		r := facts[i].Body.(event.Receipt)
		sum[r.Currency] += r.Total()
	}
	return sum
}

func countRefused(t *testing.T, h *house) int {
	t.Helper()
	n := 0
	for after := uint64(0); ; {
		page, err := h.Refused(t.Context(), after, ingest.QuarantineMax)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return n
		}
		n += len(page)
		after = page[len(page)-1].ID
	}
}
