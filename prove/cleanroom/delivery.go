package cleanroom

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/media"
)

// Booking is the evidence under which a line item's delivery may be told
// exactly: how large its audience was when it was booked.
type Booking struct {
	LineItem media.LineItemID
	Audience audience.ID // empty: everybody, which is never a small group
	Shoppers int         // members when booked
}

// ErrBooking is returned for a line item whose audience was too small.
var ErrBooking = errors.New("the audience was too small when booked")

// Licence allows exact delivery figures of line items that were booked for at
// least k shoppers. Only Policy.Licence makes a useful one: the zero Licence
// gives withheld figures.
type Licence struct{ given bool }

// Licence checks every booking; one that is too small refuses them all, because
// a campaign's delivery is the sum of its line items'.
func (p Policy) Licence(bookings ...Booking) (Licence, error) {
	for _, b := range bookings {
		if b.Audience != "" && !p.enough(b.Shoppers) {
			return Licence{}, fmt.Errorf("%w: line item %s", ErrBooking, b.LineItem)
		}
	}
	return Licence{given: true}, nil
}

// Delivery is an exact figure of what was delivered and paid: impressions,
// clicks, spend. Like Cleared it can be made only here.
type Delivery struct {
	told     bool
	isMoney  bool
	amount   int64
	currency retail.Currency
}

// Count is an exact number.
func (l Licence) Count(n int64) Delivery { return Delivery{told: l.given, amount: n} }

// Money is an exact amount.
func (l Licence) Money(m retail.Money) Delivery {
	return Delivery{told: l.given, isMoney: true, amount: int64(m.Amount), currency: m.Currency}
}

// Told reports whether the figure may be told.
func (d Delivery) Told() bool { return d.told }

// Count is the number of a told count.
func (d Delivery) Count() (int64, bool) { return d.amount, d.told && !d.isMoney }

// Money is the amount of told money.
func (d Delivery) Money() (retail.Money, bool) {
	return retail.Money{Amount: retail.Micros(d.amount), Currency: d.currency}, d.told && d.isMoney
}

// String writes d as Cleared.String does.
func (d Delivery) String() string {
	switch {
	case !d.told:
		return "withheld"
	case d.isMoney:
		return retail.Micros(d.amount).Format(d.currency)
	default:
		return strconv.FormatInt(d.amount, 10)
	}
}

// MarshalJSON writes d in the forms of Cleared; what is not told has the reason
// "audience_too_small".
func (d Delivery) MarshalJSON() ([]byte, error) {
	var v any
	switch {
	case !d.told:
		v = map[string]any{"suppressed": true, "reason": "audience_too_small"}
	case d.isMoney:
		v = retail.Money{Amount: retail.Micros(d.amount), Currency: d.currency}
	default:
		v = map[string]int64{"count": d.amount}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write a delivery figure: %w", err)
	}
	return b, nil
}
