package api

import (
	"bytes"
	"fmt"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/shopper"
)

// Shopper is how a caller says who the shopper is: by any keys it knows. All
// may be absent; then she is anonymous.
type Shopper struct {
	Card    string `json:"card,omitempty" doc:"loyalty card number"`
	Account string `json:"account,omitempty" doc:"account of the shop's site"`
	Email   string `json:"email_sha256,omitempty" doc:"SHA-256 of the normalised e-mail address, hex"`
	Phone   string `json:"phone_sha256,omitempty" doc:"SHA-256 of the E.164 phone number, hex"`
	Device  string `json:"device,omitempty" doc:"first-party cookie or install id"`
}

// Keys are the shopper's keys, checked. field is the place in the request.
func (s *Shopper) Keys(field string) ([]shopper.Key, error) {
	if s == nil {
		return nil, nil
	}
	var keys []shopper.Key
	for _, k := range [...]struct {
		kind        shopper.KeyKind
		name, value string
	}{
		{shopper.Card, "card", s.Card},
		{shopper.Account, "account", s.Account},
		{shopper.EmailHash, "email_sha256", s.Email},
		{shopper.PhoneHash, "phone_sha256", s.Phone},
		{shopper.Device, "device", s.Device},
	} {
		if k.value == "" {
			continue
		}
		key, err := shopper.ParseKey(k.kind, k.value)
		if err != nil {
			return nil, &retail.Error{Kind: retail.Invalid, Field: field + "." + k.name, Say: err.Error(), Cure: "see /docs for how keys are written; hashes are SHA-256 in hex", Err: err}
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// Quantity is a number of pieces in JSON, exact to the thousandth. What cannot
// be one is told by Of, which knows the field.
type Quantity struct {
	pieces basket.Quantity
	bad    string
}

// UnmarshalJSON reads any value.
func (q *Quantity) UnmarshalJSON(b []byte) error {
	*q = Quantity{}
	a, err := retail.ParseMicrosBytes(bytes.TrimSpace(b))
	if err != nil || a%1000 != 0 {
		q.bad = fmt.Sprintf("%.40q is not a quantity", b)
	}
	q.pieces = basket.Quantity(a / 1000)
	return nil
}

// Of is the quantity; field is its place in the request.
func (q *Quantity) Of(field string) (basket.Quantity, error) {
	if q.bad != "" {
		return 0, &retail.Error{Kind: retail.Invalid, Field: field, Say: q.bad, Cure: "send a number with at most three decimals"}
	}
	return q.pieces, nil
}

// Amount parses a decimal string of the request; empty is zero.
func Amount(field, text string) (retail.Micros, error) {
	if text == "" {
		return 0, nil
	}
	a, err := retail.ParseMicros(text)
	if err != nil {
		return 0, &retail.Error{Kind: retail.Invalid, Field: field, Say: err.Error(), Cure: `send a decimal string such as "12.34"`, Err: err}
	}
	return a, nil
}

// Instant parses an RFC 3339 time of the request, to the microsecond.
func Instant(field, text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, &retail.Error{Kind: retail.Invalid, Field: field, Say: fmt.Sprintf("%.40q is not a time", text), Cure: "send RFC 3339, such as 2017-12-04T09:00:00Z"}
	}
	return t.UTC().Truncate(time.Microsecond), nil
}

// ChannelOf parses a channel of the request.
func ChannelOf(field, text string) (catalog.Channel, error) {
	c, ok := catalog.ParseChannel(text)
	if !ok {
		return 0, &retail.Error{Kind: retail.Invalid, Field: field, Say: fmt.Sprintf("%.20q is not a channel", text), Cure: "send in_store or online"}
	}
	return c, nil
}

// Money is an amount in a request or an answer of a management route.
type Money struct {
	Amount   string          `json:"amount" example:"12.34" doc:"decimal string"`
	Currency retail.Currency `json:"currency" example:"EUR" doc:"ISO 4217"`
}

// MoneyOf writes an amount.
func MoneyOf(a retail.Micros, c retail.Currency) Money { return Money{a.Format(c), c} }

// In reads the amount and checks that it is in the expected currency.
func (m Money) In(field string, want retail.Currency) (retail.Micros, error) {
	if m.Currency != want {
		return 0, &retail.Error{Kind: retail.Invalid, Field: field + ".currency", Say: fmt.Sprintf("the currency is %.8q, not %s", string(m.Currency), want), Cure: "send amounts in " + string(want)}
	}
	a, err := Amount(field+".amount", m.Amount)
	if err == nil && a%want.Minor() != 0 {
		err = &retail.Error{Kind: retail.Invalid, Field: field + ".amount", Say: m.Amount + " is finer than the smallest coin of " + string(want), Cure: "send whole cents"}
	}
	return a, err
}

// Schema documents a Quantity as a number.
func (Quantity) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Description: "pieces, at most three decimals"}
}

// Each is one element of a batch, left unread so that a malformed one does not
// spoil its neighbours. It is documented as T.
type Each[T any] []byte

// UnmarshalJSON keeps a copy of the element.
func (e *Each[T]) UnmarshalJSON(b []byte) error {
	*e = bytes.Clone(b)
	return nil
}

// MarshalJSON writes the element as it came.
func (e Each[T]) MarshalJSON() ([]byte, error) { return e, nil }

// Schema documents the element as T.
func (Each[T]) Schema(r huma.Registry) *huma.Schema { return r.Schema(reflect.TypeFor[T](), true, "") }

// unread marks types like Each.
type unread interface{ unread() }

func (Each[T]) unread() {}
