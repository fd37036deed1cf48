package gs1

import (
	"strings"

	"endcap/retail"
)

// GlobalCoupon is a coupon that a Global Coupon Number names, with what may be
// printed beside it. Where neither amount, percentage nor points stand there, the
// issuer's file knows what it is worth.
type GlobalCoupon struct {
	GCN     GCN
	Expires Date // AI (17), the last day; empty where it is not said
	// Gives says which of the following is printed.
	Gives  Gives
	Amount retail.Micros // AI (390n), in the currency of the shop
	// Percent is AI (394n), in thousandths of a percent: 10 % is 10,000.
	Percent int
	Points  int // AI (8111), loyalty points
}

// Gives says what kind of worth is printed on a coupon.
type Gives uint8

// What a global coupon may say that it gives.
const (
	NotSaid   Gives = iota
	AmountOf        // an amount off
	GoodsFree       // an amount of zeros: free goods
	PercentOf       // a percentage off
	PointsOf        // loyalty points
)

// AmountOutOfRange is the fault of an amount beyond retail.MicrosMax, or with
// more decimals than money has here.
const AmountOutOfRange Fault = "amount_out_of_range"

// GlobalCoupon reads the coupon that elements name. They must agree with one
// another as Check says; a place in an error is the element's number. Errors are
// *Error.
func (all Elements) GlobalCoupon() (GlobalCoupon, error) {
	if err := all.Check(); err != nil {
		return GlobalCoupon{}, err
	}
	var c GlobalCoupon
	found := false
	for i, el := range all {
		switch {
		case el.AI == "255":
			g, err := ParseGCN(el.Value)
			if err != nil {
				return GlobalCoupon{}, err
			}
			c.GCN, found = g, true
		case el.AI == "17":
			c.Expires = Date(el.Value)
		case el.AI == "8111":
			c.Gives, c.Points = PointsOf, number(el.Value)
		case matches("390n", el.AI):
			amount, ok := decimal(el.Value, number(el.AI[3:]))
			if !ok {
				return GlobalCoupon{}, fault(AmountOutOfRange, i, 1)
			}
			if c.Gives, c.Amount = AmountOf, amount; amount == 0 {
				c.Gives = GoodsFree
			}
		case matches("394n", el.AI):
			c.Gives, c.Percent = PercentOf, number(el.Value)
			for range 3 - number(el.AI[3:]) {
				c.Percent *= 10
			}
		}
	}
	if !found {
		return GlobalCoupon{}, fault(AIMissing, 0, len(all))
	}
	return c, nil
}

// decimal reads digits of which the last so many are decimals.
func decimal(digits string, decimals int) (retail.Micros, bool) {
	digits = strings.Repeat("0", decimals+1) + digits
	point := len(digits) - decimals
	text := strings.TrimLeft(digits[:point], "0")
	if text == "" {
		text = "0"
	}
	if decimals > 0 {
		text += "." + digits[point:]
	}
	a, err := retail.ParseMicros(text)
	return a, err == nil
}
