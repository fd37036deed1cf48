package gs1

import (
	"strings"

	"endcap/retail"
)

// Digits is a number as it is printed, zeros in front included.
type Digits string

// Int is the number; of at most five digits, as coupons print them.
func (d Digits) Int() int { return number(string(d)) }

// Basis says in what a purchase requirement counts.
type Basis uint8

// The bases, by their code in AI (8110).
const (
	Units        Basis = 0 // so many units
	ItemsValue   Basis = 1 // so many cents of the named family
	ReceiptValue Basis = 2 // so many cents of the whole receipt
	Pounds       Basis = 3 // so much weight
	Kilograms    Basis = 4 // so much weight
	NotCounted   Basis = 9 // nothing that a till could count
)

// PurchaseRule says how the purchase requirements of a coupon go together.
type PurchaseRule uint8

// The rules, by their code in AI (8110).
const (
	AnyRequirement  PurchaseRule = 0 // one of them
	AllRequirements PurchaseRule = 1 // each of them
	FirstAndAnother PurchaseRule = 2 // the first, and the second or the third
	AnyFamily       PurchaseRule = 3 // the first, from any of the families and prefixes named
)

// Requirement is one purchase that a coupon asks for.
type Requirement struct {
	Quantity Digits
	Basis    Basis
	Family   string // the funder's family code, three digits; 000 is everything of the prefix, 992 nothing a till can verify
	Prefix   string // whose family it is; empty for the first requirement, and where the coupon names none
}

// SaveCode says what the save value means.
type SaveCode uint8

// The codes, by their number in AI (8110).
const (
	AmountOff     SaveCode = 0 // so many cents off the item
	FreeItem      SaveCode = 1 // one item free; the value, where not 0, is the most it may cost, in cents
	FreeItems     SaveCode = 2 // so many items free
	PercentOff    SaveCode = 5 // so many hundredths off the item
	ReceiptAmount SaveCode = 6 // so many cents off the receipt
)

// Saving says what a coupon gives, on which of the required items, and what a
// till may do with it; where a coupon does not say, it is the zero Saving.
type Saving struct {
	Code        SaveCode
	Item        uint8 // 0, 1 or 2: the first, second or third requirement's
	StoreCoupon uint8 // a flag of the issuer, 0 to 9
	NotMultiply bool  // no "double coupons" on it
}

// Coupon8110 is a North American coupon as AI (8110) carries it (North American
// Coupon Application Guideline Using GS1 DataBar Expanded Symbols). It says
// everything itself: no file of offers is needed to read it.
type Coupon8110 struct {
	Funder        string // the company prefix of who pays, 6 to 12 digits
	OfferCode     string // the funder's, six digits
	SaveValue     Digits
	First         Requirement
	Rule          PurchaseRule // with Second
	Second, Third *Requirement
	Expires       Date // last day; empty where it never does
	Starts        Date // first day; empty for at once
	Serial        string
	Retailer      string // prefix or GLN of the only retailer who may take it; empty for all
	Saving        *Saving
}

// ParseCoupon8110 reads the value of AI (8110). known says whose prefixes are
// somebody's; nil takes all. Errors are *Error, under GS1's names.
func ParseCoupon8110(value string, known Prefixes) (Coupon8110, error) {
	c, err := readCoupon8110(value, known)
	if err != nil {
		return Coupon8110{}, err
	}
	return c, nil
}

// Save gives what the coupon saves; the zero Saving where it does not say.
func (c *Coupon8110) Save() Saving {
	if c.Saving == nil {
		return Saving{}
	}
	return *c.Saving
}

// Amount is the save value as money, in units of the currency that the coupon is
// redeemed in, and 0 where it counts items or hundredths. Of a free item it is
// the most that it may cost, 0 for any price.
func (c *Coupon8110) Amount() retail.Micros {
	switch c.Save().Code {
	case AmountOff, FreeItem, ReceiptAmount:
		return retail.Micros(c.SaveValue.Int()) * retail.Cent
	case FreeItems, PercentOff:
	}
	return 0
}

// fields reads a coupon's digits one after the other. The first fault stays;
// what is read after it is empty.
type fields struct {
	text string
	at   int
	err  *Error
}

func newFields(text string) *fields {
	f := &fields{text: text}
	switch {
	case len(text) > 70:
		f.err = fault(ValueTooLong, 70, len(text)-70)
	default:
		f.err = onlyDigits(text)
	}
	return f
}

func (f *fields) left() int { return len(f.text) - f.at }

// missing is the fault of a text that ends too early: all of it is marked.
func (f *fields) missing(what string) {
	f.err = fault(Fault("coupon_missing_"+what), 0, len(f.text))
}

// take reads n digits.
func (f *fields) take(n int, tooFew Fault) string {
	switch {
	case f.err != nil:
		return ""
	case f.left() == 0 && n > 0:
		f.err = fault(tooFew, 0, len(f.text))
		return ""
	case f.left() < n:
		f.err = fault(tooFew, f.at, f.left())
		return ""
	}
	f.at += n
	return f.text[f.at-n : f.at]
}

// one reads a digit that must be among allowed.
func (f *fields) one(what, allowed string) byte {
	switch {
	case f.err != nil:
		return '0'
	case f.left() == 0:
		f.missing(what)
		return '0'
	case strings.IndexByte(allowed, f.text[f.at]) < 0:
		f.err = fault(Fault("coupon_invalid_"+what), f.at, 1)
		return '0'
	}
	f.at++
	return f.text[f.at-1]
}

// sized reads a field behind its length indicator, to which least is added.
func (f *fields) sized(what, allowed string, least int) string {
	if f.err == nil && f.left() == 0 {
		f.missing(what + "_vli")
	}
	indicator := f.one(what+"_length", allowed)
	if indicator == '9' && !strings.Contains(allowed, "8") {
		return "" // of a prefix: none
	}
	return f.take(int(indicator-'0')+least, Fault("coupon_truncated_"+what))
}

// next reports whether the optional field with this indicator follows, and
// passes the indicator.
func (f *fields) next(indicator byte) bool {
	if f.err != nil || f.left() == 0 || f.text[f.at] != indicator {
		return false
	}
	f.at++
	return true
}

// prefix reads a company prefix, verified.
func (f *fields) prefix(what, allowed string, known Prefixes) string {
	digits := f.sized(what, allowed, 6)
	if f.err == nil && digits != "" {
		f.err = prefixed(digits, known).shift(f.at - len(digits))
	}
	return digits
}

func (f *fields) requirement(nth string) Requirement {
	var r Requirement
	r.Quantity = Digits(f.sized(nth+"_purchase_requirement", "12345", 0))
	r.Basis = Basis(f.one(nth+"_purchase_requirement_code", "012349") - '0')
	r.Family = f.take(3, Fault("coupon_truncated_"+nth+"_purchase_family_code"))
	return r
}

// day reads a date.
func (f *fields) day(short, wrong Fault) Date {
	d := f.take(6, short)
	if f.err == nil && date(d, 6, false) != nil {
		f.err = fault(wrong, f.at-6, 6)
	}
	return Date(d)
}

// done refuses what is left over.
func (f *fields) done() *Error {
	if f.err == nil && f.left() > 0 {
		f.err = fault("coupon_excess_data", f.at, f.left())
	}
	return f.err
}

func readCoupon8110(value string, known Prefixes) (Coupon8110, *Error) {
	var c Coupon8110
	f := newFields(value)
	c.Funder = f.prefix("gcp", "0123456", known)
	c.OfferCode = f.take(6, "coupon_truncated_offer_code")
	c.SaveValue = Digits(f.sized("save_value", "12345", 0))
	c.First = f.requirement("1st")
	if f.next('1') {
		c.Rule = PurchaseRule(f.one("additional_purchase_rules_code", "0123") - '0')
		second := f.requirement("2nd")
		second.Prefix = f.prefix("2nd_purchase_gcp", "01234569", known)
		c.Second = &second
	}
	if f.next('2') {
		third := f.requirement("3rd")
		third.Prefix = f.prefix("3rd_purchase_gcp", "01234569", known)
		c.Third = &third
	}
	if f.next('3') {
		c.Expires = f.day("coupon_too_short_for_expiration_date", "coupon_invalid_expiration_date")
	}
	if f.next('4') {
		c.Starts = f.day("coupon_too_short_for_start_date", "coupon_invalid_start_date")
		if f.err == nil && c.Expires != "" && c.Starts > c.Expires {
			f.err = fault("coupon_expiration_before_start", f.at-14, 14)
		}
	}
	if f.next('5') {
		c.Serial = f.sized("serial_number", "0123456789", 6)
	}
	if f.next('6') {
		c.Retailer = f.prefix("retailer_gcp_or_gln", "1234567", known)
	}
	if f.next('9') {
		c.Saving = f.saving()
	}
	return c, f.done()
}

func (f *fields) saving() *Saving {
	var s Saving
	s.Code = SaveCode(f.one("save_value_code", "01256") - '0')
	s.Item = f.one("save_value_applies_to_item", "012") - '0'
	s.StoreCoupon = f.one("store_coupon_flag", "0123456789") - '0'
	s.NotMultiply = f.one("dont_multiply_flag", "01") == '1'
	return &s
}

// String gives the value of AI (8110) again, digit by digit.
func (c *Coupon8110) String() string {
	var b strings.Builder
	sized := func(digits string, least int) {
		b.WriteByte('0' + byte(len(digits)-least))
		b.WriteString(digits)
	}
	requirement := func(r *Requirement, first bool) {
		sized(string(r.Quantity), 0)
		b.WriteByte('0' + byte(r.Basis))
		b.WriteString(r.Family)
		switch {
		case first:
		case r.Prefix == "":
			b.WriteByte('9')
		default:
			sized(r.Prefix, 6)
		}
	}
	sized(c.Funder, 6)
	b.WriteString(c.OfferCode)
	sized(string(c.SaveValue), 0)
	requirement(&c.First, true)
	if c.Second != nil {
		b.Write([]byte{'1', '0' + byte(c.Rule)})
		requirement(c.Second, false)
	}
	if c.Third != nil {
		b.WriteByte('2')
		requirement(c.Third, false)
	}
	if c.Expires != "" {
		b.WriteString("3" + string(c.Expires))
	}
	if c.Starts != "" {
		b.WriteString("4" + string(c.Starts))
	}
	if c.Serial != "" {
		b.WriteByte('5')
		sized(c.Serial, 6)
	}
	if c.Retailer != "" {
		b.WriteByte('6')
		sized(c.Retailer, 6)
	}
	if s := c.Saving; s != nil {
		b.Write([]byte{'9', '0' + byte(s.Code), '0' + s.Item, '0' + s.StoreCoupon, '0'})
		if s.NotMultiply {
			text := b.String()
			return text[:len(text)-1] + "1"
		}
	}
	return b.String()
}
