// Package cleanroom decides what may be told to whom. A figure about shoppers
// leaves the house only as a Cleared value, and only this package makes one: a
// group of fewer than k shoppers is never told, nor can it be had by taking one
// told figure from another of the same report or of an earlier one.
//
// What this protects against: thresholds, complements and editions (see
// Series) stop differencing within one split of figures, over any number of
// reports of one campaign. Figures end with the last finished day, and terms
// that are edited change none that was told (see prove/measure).
//
// What it does not protect against, for that takes noise and a privacy budget:
// somebody who combines different splits; who compares the two attribution
// models of one campaign, which differ by the sales of those who saw and did not
// click; who books several campaigns for one range and compares them; or who
// watches an edition change because a receipt of a past day came late or was
// corrected, or a consent was withdrawn. Sizes of the groups of an experiment are
// rounded to tens, so that one shopper who goes is not counted; her spend still
// leaves the sums.
//
// On the road of a receipt, prove/measure's figures pass here before
// prove/insight shows them to a brand.
package cleanroom

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"endcap/retail"
)

// Policy says how small a group may be. Make one with Defaults and change it.
type Policy struct {
	ShoppersMin int           // k: the fewest shoppers behind a told figure
	Round       retail.Micros // told amounts are multiples of it, half to even; 0 or a cent means exact
	RoundCount  int64         // told counts are multiples of it; 0 or 1 means exact
}

// Limits of a policy. k of 1 would tell a single shopper's spend.
const (
	ShoppersDefault = 50
	shoppersLeast   = 2
	shoppersMost    = 10_000
)

// ErrPolicy is returned by Check.
var ErrPolicy = errors.New("not a clean-room policy")

// Defaults is k = 50 without rounding.
func Defaults() Policy { return Policy{ShoppersMin: ShoppersDefault} }

// Check returns ErrPolicy unless p can hold.
func (p Policy) Check() error {
	if p.ShoppersMin < shoppersLeast || p.ShoppersMin > shoppersMost {
		return fmt.Errorf("%w: the fewest shoppers must be %d to %d, not %d", ErrPolicy, shoppersLeast, shoppersMost, p.ShoppersMin)
	}
	if p.Round < 0 || p.RoundCount < 0 {
		return fmt.Errorf("%w: rounding cannot be negative", ErrPolicy)
	}
	return nil
}

// enough is the one comparison with k in the house.
func (p Policy) enough(shoppers int) bool { return shoppers >= max(p.ShoppersMin, shoppersLeast) }

// Reason says why a figure is withheld. Words cross the wire and never change;
// measure's reasons for an absent estimate pass through as they are.
type Reason string

// The clean room's own reasons.
const (
	Few     Reason = "k"            // fewer than k shoppers stand behind it
	Nothing Reason = "not_measured" // there is no such figure
)

type kind uint8

const (
	withheld kind = iota
	money
	count
	ratio
	estimate
)

// Cleared is a figure that may be told, or the fact that it may not. Its fields
// are closed: outside this package it can be read, passed on and written as
// JSON, and never made. The zero Cleared is withheld.
type Cleared struct {
	kind      kind
	amount    int64 // micros, pieces or thousandths
	low, high int64 // micros, of an estimate
	currency  retail.Currency
	reason    Reason
}

// Withhold is a figure that is not told, for a reason of the caller's.
func Withhold(why Reason) Cleared { return Cleared{reason: why} }

// Withheld reports whether c is not told, and why.
func (c Cleared) Withheld() (Reason, bool) {
	if c.kind != withheld {
		return "", false
	}
	if c.reason == "" {
		return Nothing, true
	}
	return c.reason, true
}

// Money is the amount of a cleared amount or estimate.
func (c Cleared) Money() (retail.Money, bool) {
	return retail.Money{Amount: retail.Micros(c.amount), Currency: c.currency}, c.kind == money || c.kind == estimate
}

// Interval is that of a cleared estimate.
func (c Cleared) Interval() (low, high retail.Money, ok bool) {
	return retail.Money{Amount: retail.Micros(c.low), Currency: c.currency},
		retail.Money{Amount: retail.Micros(c.high), Currency: c.currency}, c.kind == estimate
}

// Count is a cleared number of pieces.
func (c Cleared) Count() (int64, bool) { return c.amount, c.kind == count }

// Thousandths is a cleared ratio.
func (c Cleared) Thousandths() (int64, bool) { return c.amount, c.kind == ratio }

// String writes c for people and CSV: an amount without its currency, a count,
// a ratio with three decimals, or "withheld".
func (c Cleared) String() string {
	switch c.kind {
	case money, estimate:
		return retail.Micros(c.amount).Format(c.currency)
	case count:
		return strconv.FormatInt(c.amount, 10)
	case ratio:
		return Thousandths(c.amount)
	case withheld:
	}
	return "withheld"
}

// Thousandths writes 3333 as "3.333".
func Thousandths(v int64) string {
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	return fmt.Sprintf("%s%d.%03d", sign, v/1000, v%1000)
}

// MarshalJSON writes {"amount":"12.34","currency":"EUR"} (with "low" and
// "high" for an estimate), {"count":12}, {"ratio":"3.333"} or
// {"suppressed":true,"reason":"k"}.
func (c Cleared) MarshalJSON() ([]byte, error) {
	var wire struct {
		Amount     string          `json:"amount,omitempty"`
		Low        string          `json:"low,omitempty"`
		High       string          `json:"high,omitempty"`
		Currency   retail.Currency `json:"currency,omitempty"`
		Count      *int64          `json:"count,omitempty"`
		Ratio      string          `json:"ratio,omitempty"`
		Suppressed bool            `json:"suppressed,omitempty"`
		Reason     Reason          `json:"reason,omitempty"`
	}
	switch c.kind {
	case money, estimate:
		wire.Amount, wire.Currency = c.String(), c.currency
		if c.kind == estimate {
			wire.Low, wire.High = retail.Micros(c.low).Format(c.currency), retail.Micros(c.high).Format(c.currency)
		}
	case count:
		wire.Count = &c.amount
	case ratio:
		wire.Ratio = c.String()
	case withheld:
		wire.Reason, wire.Suppressed = c.Withheld()
	}
	b, err := json.Marshal(wire)
	if err != nil {
		return nil, fmt.Errorf("write a cleared figure: %w", err)
	}
	return b, nil
}

// Money clears an amount to which that many shoppers contributed. Who was in the
// group and spent nothing is no contributor: behind her the others cannot hide.
func (p Policy) Money(m retail.Money, shoppers int) Cleared {
	if !p.enough(shoppers) {
		return Withhold(Few)
	}
	return Cleared{kind: money, amount: int64(m.Amount.RoundHalfEven(max(p.Round, 1))), currency: m.Currency}
}

// Count clears a number, such as of receipts, that came from that many shoppers.
func (p Policy) Count(n int64, shoppers int) Cleared {
	if !p.enough(shoppers) {
		return Withhold(Few)
	}
	return Cleared{kind: count, amount: int64(retail.Micros(n).RoundHalfEven(retail.Micros(max(p.RoundCount, 1))))}
}

// Shoppers clears a number of shoppers, such as an audience's size.
func (p Policy) Shoppers(n int) Cleared { return p.Count(int64(n), n) }

// Estimate is an estimated amount and its interval.
type Estimate struct {
	Amount    retail.Micros
	Low, High retail.Micros
	Currency  retail.Currency
}

// Estimate clears an estimate that compares two groups, to which that many
// shoppers of each contributed by what they bought; the smaller counts.
func (p Policy) Estimate(e Estimate, treated, control int) Cleared {
	if !p.enough(min(treated, control)) {
		return Withhold(Few)
	}
	step := max(p.Round, 1)
	return Cleared{
		kind: estimate, currency: e.Currency, amount: int64(e.Amount.RoundHalfEven(step)),
		low: int64(e.Low.RoundHalfEven(step)), high: int64(e.High.RoundHalfEven(step)),
	}
}

// Per divides a cleared amount by exact money of the same currency: a ratio in
// thousandths, rounded towards zero. What is withheld stays withheld.
func (c Cleared) Per(spend Delivery) Cleared {
	switch {
	case c.kind == withheld:
		return c
	case c.kind != money && c.kind != estimate, !spend.isMoney, spend.currency != c.currency, spend.amount <= 0:
		return Withhold(Nothing)
	}
	return Cleared{kind: ratio, amount: perMille(c.amount, spend.amount)}
}

// PerInterval divides an estimate's interval in the same way.
func (c Cleared) PerInterval(spend Delivery) (low, high Cleared) {
	if c.kind != estimate || c.Per(spend).kind != ratio {
		return Withhold(Nothing), Withhold(Nothing)
	}
	return Cleared{kind: ratio, amount: perMille(c.low, spend.amount)}, Cleared{kind: ratio, amount: perMille(c.high, spend.amount)}
}

func perMille(a, by int64) int64 {
	if a < 0 {
		return -int64(retail.Micros(-a).MulDivDown(1_000, by))
	}
	return int64(retail.Micros(a).MulDivDown(1_000, by))
}
