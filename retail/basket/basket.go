// Package basket holds what was bought: a receipt with its lines, as the till
// printed it or the online shop took it. A receipt is fact: odd lines are kept
// and marked, never corrected.
//
// A receipt is where the road begins.
package basket

import (
	"time"

	"endcap/retail"
	"endcap/retail/catalog"
)

// ReceiptID is the retailer's own identifier of a receipt.
type ReceiptID string

// LinesMax is the most lines one receipt may have.
const LinesMax = 5_000

// Receipt is one till receipt or online order. Lines with negative quantity or
// amount are returns.
type Receipt struct {
	ID       ReceiptID
	Version  uint32 // 0 for the first; a correction carries a higher one and replaces the whole receipt
	Store    catalog.StoreID
	Channel  catalog.Channel
	At       time.Time // the earliest time of its lines, to the microsecond
	Currency retail.Currency
	Lines    []Line
	Marks    Mark // what was odd about the receipt as a whole
}

// Line is one row of a receipt. Amounts are whole minor units of the receipt's
// currency, except UnitPrice.
type Line struct {
	Product        catalog.ProductID
	Quantity       Quantity
	UnitPrice      retail.Micros // as printed, up to six decimals; 0 where the source gives none
	Sales          retail.Micros // what the retailer receives, after its own discount and before coupons are refunded
	RetailDiscount retail.Micros // the retailer's own discount, a positive number
	CouponDiscount retail.Micros // paid by a manufacturer's coupon
	CouponMatch    retail.Micros // added by the retailer to a coupon
	Marks          Mark
}

// Quantity is a number of pieces in thousandths, so that 0.755 kg is exact.
type Quantity int64

// Piece is one piece.
const Piece Quantity = 1_000

// QuantityMax bounds a line's quantity either way: ten million pieces.
const QuantityMax = 10_000_000 * Piece

// Mark flags what is odd about a receipt or a line without refusing it.
type Mark uint16

// The marks. Their bits are stored.
const (
	ProductUnknown    Mark = 1 << iota // the catalogue has no such product
	StoreUnknown                       // the store list has no such store; it is derived from the receipt
	DiscountOverSales                  // discounts are larger than the price
	QuantityZero                       // a line with nothing sold
	NegativeQuantity                   // a return
	NegativeAmount                     // a refund
	TimesDiffer                        // lines of one receipt carried different times; the earliest is kept
	SalesRounded                       // the source's total was not whole cents
)

var markNames = []string{
	"product_unknown", "store_unknown", "discount_over_sales", "quantity_zero",
	"negative_quantity", "negative_amount", "times_differ", "sales_rounded",
}

// Has reports whether m holds every bit of other.
func (m Mark) Has(other Mark) bool { return m&other == other }

// Names lists the marks in m, in their stored order.
func (m Mark) Names() []string {
	var out []string
	for i, n := range markNames {
		if m.Has(1 << i) {
			out = append(out, n)
		}
	}
	return out
}

// Marks lists every mark in order.
func Marks() []Mark {
	all := make([]Mark, len(markNames))
	for i := range all {
		all[i] = 1 << i
	}
	return all
}

// LineMarks is what a line says of itself, without a catalogue.
func LineMarks(l *Line) Mark {
	var m Mark
	if l.RetailDiscount < 0 || l.CouponDiscount < 0 || l.CouponMatch < 0 || l.Sales < 0 {
		m |= NegativeAmount
	}
	if l.CouponDiscount > max(l.Sales, 0) {
		m |= DiscountOverSales
	}
	switch {
	case l.Quantity == 0:
		m |= QuantityZero
	case l.Quantity < 0:
		m |= NegativeQuantity
	}
	return m
}

// Total sums the lines' Sales.
func (r *Receipt) Total() retail.Micros {
	var t retail.Micros
	for i := range r.Lines {
		t += r.Lines[i].Sales
	}
	return t
}
