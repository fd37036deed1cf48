package ingest

import (
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"endcap/keep/vault"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// Receipt is one receipt as a decoder read it. The desk owns its Lines from the
// call on: it rounds amounts and sets marks in them. Of Marks, a decoder sets
// only TimesDiffer and SalesRounded; the desk finds the others itself.
type Receipt struct {
	basket.Receipt
	Keys []shopper.Key // none for an anonymous receipt
	Line int64         // where it begins in its file, from 1; 0 by API
	Raw  []byte        // the rows as they came, for quarantine
	// Fault is set by a decoder that found the receipt unreadable or in
	// contradiction with itself.
	Fault *Fault
}

// Join adds what another row of the source says of the same receipt: its lines,
// its keys, the earlier of the two times with a mark where they differ. Two
// stores, currencies, versions or shoppers contradict each other and make the
// receipt faulty.
func (r *Receipt) Join(next *Receipt) {
	r.Lines = append(r.Lines, next.Lines...)
	r.Marks |= next.Marks
	if !r.At.Equal(next.At) {
		r.Marks |= basket.TimesDiffer
		if next.At.Before(r.At) {
			r.At = next.At
		}
	}
	for _, key := range next.Keys {
		if !slices.Contains(r.Keys, key) {
			r.Keys = append(r.Keys, key)
		}
	}
	if rest := vault.RawMax - len(r.Raw); len(next.Raw) > 0 && rest > 1 {
		r.Raw = append(append(r.Raw, '\n'), next.Raw[:min(len(next.Raw), rest-1)]...)
	}
	switch {
	case r.Fault != nil:
	case next.Fault != nil:
		r.Fault = next.Fault
	case r.Store != next.Store || r.Channel != next.Channel:
		r.Fault = fault(TwoStores, "store", fmt.Sprintf("one receipt is of store %.64q and of store %.64q", r.Store, next.Store), "give each sale its own receipt id")
	case r.Currency != next.Currency:
		r.Fault = fault(TwoMonies, "currency", fmt.Sprintf("one receipt is in %.8q and in %.8q", r.Currency, next.Currency), "give each currency its own receipt")
	case r.Version != next.Version:
		r.Fault = fault(TwoVersions, "version", fmt.Sprintf("one receipt is of version %d and of version %d", r.Version, next.Version), "send each version whole")
	}
}

// checkKeys refuses keys that cannot belong to one shopper: too many, or two of
// one kind.
func checkKeys(keys []shopper.Key, most int) *Fault {
	if len(keys) > most {
		return fault(TooManyRows, "keys", fmt.Sprintf("%d keys", len(keys)), fmt.Sprintf("name a shopper by at most %d", most))
	}
	for i := range keys {
		for _, other := range keys[:i] {
			if other.Kind() == keys[i].Kind() && other != keys[i] {
				return fault(TwoShoppers, "keys", fmt.Sprintf("two different keys of the kind %s", other.Kind()), "one receipt has one shopper: split it, or leave the key out")
			}
		}
	}
	return nil
}

// receiptKeysMax is how many keys one receipt may carry.
const receiptKeysMax = 8

// check finds why a receipt cannot be taken in, nil when it can.
func (c *Config) check(r *Receipt, now time.Time) *Fault {
	if r.Fault != nil {
		return r.Fault
	}
	if say := wordFault(string(r.ID), event.SourceIDMax); say != "" {
		return fault(NoID, "id", say, "give each receipt the till's own number, unique for ever")
	}
	if err := r.Currency.Check(); err != nil {
		return fault(BadValue, "currency", fmt.Sprintf("unknown currency %.8q", string(r.Currency)), "use an ISO 4217 code such as EUR")
	}
	if say := wordFault(string(r.Store), catalog.IDMax); say != "" && r.Store != "" {
		return fault(BadValue, "store", say, "name the store by its id")
	}
	if r.Channel > catalog.Online {
		return fault(BadValue, "channel", "unknown channel", "say in_store or online")
	}
	if f := c.checkTime("at", r.At, now); f != nil {
		return f
	}
	if f := checkKeys(r.Keys, receiptKeysMax); f != nil {
		return f
	}
	switch {
	case len(r.Lines) == 0:
		return fault(NoLines, "lines", "a receipt without lines", "send the receipt with what was bought")
	case len(r.Lines) > basket.LinesMax:
		return fault(TooManyRows, "lines", fmt.Sprintf("%d lines", len(r.Lines)), fmt.Sprintf("a receipt has at most %d", basket.LinesMax))
	}
	for i := range r.Lines {
		if f := c.checkLine(&r.Lines[i]); f != nil {
			f.Field = "lines[" + strconv.Itoa(i) + "]." + f.Field
			return f
		}
	}
	return nil
}

func (c *Config) checkLine(l *basket.Line) *Fault {
	if say := wordFault(string(l.Product), catalog.IDMax); say != "" {
		return fault(BadValue, "product", say, "name the product by its SKU or GTIN")
	}
	if l.Quantity > basket.QuantityMax || l.Quantity < -basket.QuantityMax {
		return fault(Absurd, "quantity", fmt.Sprintf("%d pieces", l.Quantity/basket.Piece), fmt.Sprintf("a line has at most %d either way", basket.QuantityMax/basket.Piece))
	}
	for i, a := range [...]retail.Micros{l.UnitPrice, l.Sales, l.RetailDiscount, l.CouponDiscount, l.CouponMatch} {
		if a > c.LineAmountMax || a < -c.LineAmountMax {
			return fault(Absurd, amountNames[i], fmt.Sprintf("an amount of %v", a), fmt.Sprintf("amounts of a line lie within %v either way", c.LineAmountMax))
		}
	}
	return nil
}

var amountNames = [...]string{"unit_price", "sales", "retail_discount", "coupon_discount", "coupon_match"}

// checkTime refuses an instant that is missing, ahead of the clock, or older
// than what is kept.
func (c *Config) checkTime(field string, at, now time.Time) *Fault {
	switch earliest := now.AddDate(0, 0, -c.RetentionDays); {
	case at.IsZero():
		return fault(BadValue, field, "no time", "say when it happened, as in 2017-12-04T10:00:00Z")
	case at.After(now.Add(c.AheadMax)):
		return fault(InFuture, field, "the time "+at.UTC().Format(time.RFC3339)+" lies ahead of the clock", fmt.Sprintf("check the till's clock and its zone; %v ahead are allowed", c.AheadMax))
	case at.Before(earliest):
		return fault(TooOld, field, "the time "+at.UTC().Format(time.RFC3339)+" lies before what is kept", fmt.Sprintf("check the date; %d days back are allowed", c.RetentionDays))
	}
	return nil
}

// wordFault says why s cannot be an id, "" when it can: it has 1 to most bytes
// of UTF-8 without control characters.
func wordFault(s string, most int) string {
	switch {
	case s == "":
		return "it is empty"
	case len(s) > most:
		return fmt.Sprintf("%d bytes, at most %d", len(s), most)
	}
	ascii := true
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == 0x7f:
			return "it holds a control character"
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	if !ascii && !utf8.ValidString(s) {
		return "it is not UTF-8"
	}
	return ""
}

// textFault is wordFault for a name, which may be empty.
func textFault(s string) string {
	if s == "" {
		return ""
	}
	return wordFault(s, catalog.TextMax)
}

// round brings the amounts of a receipt to whole minor units of its currency,
// marks the lines it changed, and returns how many amounts it rounded.
func round(r *basket.Receipt) int {
	step, n := r.Currency.Minor(), 0
	for i := range r.Lines {
		l := &r.Lines[i]
		for _, a := range [...]*retail.Micros{&l.Sales, &l.RetailDiscount, &l.CouponDiscount, &l.CouponMatch} {
			if *a%step != 0 {
				*a = a.RoundHalfEven(step)
				l.Marks |= basket.SalesRounded
				n++
			}
		}
	}
	return n
}

// lookedUp are the marks that say something of the catalogue at the time of
// arrival, not of the receipt.
const lookedUp = basket.ProductUnknown | basket.StoreUnknown

// mark sets the marks of a receipt that is taken in.
func mark(r *basket.Receipt, listed bool, known func(catalog.ProductID) bool) {
	r.Marks &= basket.TimesDiffer
	if !listed {
		r.Marks |= basket.StoreUnknown
	}
	for i := range r.Lines {
		l := &r.Lines[i]
		l.Marks = l.Marks&basket.SalesRounded | basket.LineMarks(l)
		if !known(l.Product) {
			l.Marks |= basket.ProductUnknown
		}
	}
}
