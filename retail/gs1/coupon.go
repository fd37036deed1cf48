package gs1

import (
	"time"

	"endcap/retail"
)

// Date is a date of six digits, YYMMDD, as symbols carry it; day 00 is the last
// of the month.
type Date string

// Day is the business day that d means when it is read on today: of the years
// that end so, the one at most 49 before and 50 after it (GS1 General
// Specifications, section 7.12). d must have been read by this package.
func (d Date) Day(today retail.Day) retail.Day {
	now := today.UTC().Year()
	year := now - now%100 + number(string(d[:2]))
	switch gap := year - now; {
	case gap >= 51:
		year -= 100
	case gap <= -50:
		year += 100
	}
	month, day := time.Month(number(string(d[2:4]))), number(string(d[4:]))
	if last := daysIn(year, int(month)); day == 0 || day > last {
		day = last
	}
	return retail.Date(year, month, day)
}

// Coupon8112 names a coupon of a positive offer file as AI (8112) carries it
// (Coupon code identification for use in North America): who funds it, which
// offer, which copy. What it is worth stands in the funder's file.
type Coupon8112 struct {
	Format    byte   // '0' or '1'
	Funder    string // 6 to 12 digits
	OfferCode string // six digits
	Serial    string // 6 to 15 digits; fewer than 15 can be guessed
}

// ParseCoupon8112 reads the value of AI (8112). Errors are *Error, under GS1's
// names.
func ParseCoupon8112(value string) (Coupon8112, error) {
	c, err := readCoupon8112(value)
	if err != nil {
		return Coupon8112{}, err
	}
	return c, nil
}

func readCoupon8112(value string) (Coupon8112, *Error) {
	var c Coupon8112
	f := newFields(value)
	c.Format = f.one("format_code", "01")
	c.Funder = f.sized("funder", "0123456", 6)
	c.OfferCode = f.take(6, "coupon_truncated_offer_code")
	c.Serial = f.sized("serial_number", "0123456789", 6)
	return c, f.done()
}

// String gives the value of AI (8112) again.
func (c Coupon8112) String() string {
	return string([]byte{c.Format, '0' + byte(len(c.Funder)-6)}) + c.Funder + c.OfferCode +
		string('0'+byte(len(c.Serial)-6)) + c.Serial
}

// Base is what all copies of the offer share: the value up to the serial's
// length indicator, by which a positive offer file is searched.
func (c Coupon8112) Base() string {
	return string([]byte{c.Format, '0' + byte(len(c.Funder)-6)}) + c.Funder + c.OfferCode
}

// GCN is a Global Coupon Number, AI (255): which coupon of which issuer, and
// which copy.
type GCN struct {
	Number string // 13 digits, the last a check digit
	Serial string // at most 12 digits; empty where copies are not told apart
}

// ParseGCN reads the value of AI (255). Errors are *Error.
func ParseGCN(value string) (GCN, error) {
	if err := lookup("255").check(value); err != nil {
		return GCN{}, err
	}
	return GCN{value[:13], value[13:]}, nil
}

// String gives the value of AI (255) again.
func (g GCN) String() string { return g.Number + g.Serial }

// EuroCoupon is a coupon of the common currency as an EAN-13 carries it, under
// the prefixes 981 and 982 (GS1 member organisations in euro countries; see
// docs/decisions/gs1.md). It names its issuer, one of a hundred promotions and an
// amount; copies are not told apart.
type EuroCoupon struct {
	Prefix    string // 981, whose value counts tenths of a euro, or 982, hundredths
	Issuer    string // four digits
	Reference string // two digits: the issuer's promotion
	Value     Digits // three digits; 000 is free goods
}

// euroDigits is the length of a Euro coupon.
const euroDigits = 13

// ParseEuroCoupon reads the 13 digits of a Euro coupon. Errors are *Error.
func ParseEuroCoupon(ean string) (EuroCoupon, error) {
	if len(ean) != euroDigits || ean[:3] != "981" && ean[:3] != "982" {
		return EuroCoupon{}, fault(NotEuroCoupon, 0, min(len(ean), euroDigits))
	}
	if e := checked(ean); e != nil {
		return EuroCoupon{}, e
	}
	return EuroCoupon{ean[:3], ean[3:7], ean[7:9], Digits(ean[9:12])}, nil
}

// FreeGoods reports whether the coupon gives goods, whatever they cost; it has
// no amount then.
func (c EuroCoupon) FreeGoods() bool { return c.Value.Int() == 0 }

// Amount is what the coupon takes off; zero for free goods.
func (c EuroCoupon) Amount() retail.Money {
	step := retail.Cent
	if c.Prefix == "981" {
		step *= 10
	}
	return retail.Money{Amount: retail.Micros(c.Value.Int()) * step, Currency: "EUR"}
}

// String gives the 13 digits again.
func (c EuroCoupon) String() string {
	digits := c.Prefix + c.Issuer + c.Reference + string(c.Value)
	return digits + string(CheckDigit(digits))
}
