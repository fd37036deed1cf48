package retail

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"
)

// Micros is an amount in millionths of a currency unit. It is the only type in
// which Endcap holds money; there is no float on the way from a till to a bill.
type Micros int64

// Unit is one whole currency unit in Micros, Cent its hundredth.
const (
	Unit Micros = 1_000_000
	Cent Micros = 10_000
)

// MicrosMax bounds every amount that comes in from outside: a thousand million
// units, far above any receipt, far below overflow when thousands are summed.
const MicrosMax = 1_000_000_000 * Unit

// ErrMoney is returned for text or JSON that is not an exact amount.
var ErrMoney = errors.New("not an amount of money")

// Currency is an ISO 4217 code such as "EUR".
type Currency string

// minorDigits lists the currencies Endcap accepts and how many decimal places
// their smallest coin has (ISO 4217).
var minorDigits = map[Currency]int{
	"AED": 2, "ARS": 2, "AUD": 2, "BGN": 2, "BHD": 3, "BRL": 2, "CAD": 2, "CHF": 2, "CLP": 0, "CNY": 2,
	"COP": 2, "CZK": 2, "DKK": 2, "EGP": 2, "EUR": 2, "GBP": 2, "HKD": 2, "HUF": 2, "IDR": 2, "ILS": 2,
	"INR": 2, "JOD": 3, "JPY": 0, "KES": 2, "KRW": 0, "KWD": 3, "MAD": 2, "MXN": 2, "MYR": 2, "NGN": 2,
	"NOK": 2, "NZD": 2, "OMR": 3, "PHP": 2, "PKR": 2, "PLN": 2, "QAR": 2, "RON": 2, "RSD": 2, "SAR": 2,
	"SEK": 2, "SGD": 2, "THB": 2, "TND": 3, "TRY": 2, "TWD": 2, "UAH": 2, "USD": 2, "VND": 0, "XOF": 0,
	"ZAR": 2,
}

// Check returns ErrMoney unless c is a currency Endcap knows.
func (c Currency) Check() error {
	if _, ok := minorDigits[c]; !ok {
		return fmt.Errorf("%w: unknown currency %.8q (use an ISO 4217 code)", ErrMoney, string(c))
	}
	return nil
}

// Minor is the smallest coin of c in Micros: a cent for EUR, one yen for JPY.
// For an unknown currency it is a cent.
func (c Currency) Minor() Micros {
	digits, ok := minorDigits[c]
	if !ok {
		digits = 2
	}
	m := Unit
	for range digits {
		m /= 10
	}
	return m
}

// Money is an amount with its currency. Its JSON is
// {"amount":"12.34","currency":"EUR"}.
type Money struct {
	Amount   Micros
	Currency Currency
}

// String gives the amount with at least the currency's own decimals and as many
// as are needed to be exact, then the code: "12.34 EUR".
func (m Money) String() string {
	return m.Amount.Format(m.Currency) + " " + string(m.Currency)
}

// MarshalJSON implements json.Marshaler.
func (m Money) MarshalJSON() ([]byte, error) {
	return []byte(`{"amount":"` + m.Amount.Format(m.Currency) + `","currency":"` + string(m.Currency) + `"}`), nil
}

// UnmarshalJSON implements json.Unmarshaler. It refuses unknown currencies and
// any amount that ParseMicros refuses.
func (m *Money) UnmarshalJSON(b []byte) error {
	var wire struct {
		Amount   string   `json:"amount"`
		Currency Currency `json:"currency"`
	}
	if err := json.Unmarshal(b, &wire); err != nil {
		return fmt.Errorf("%w: want {\"amount\":\"12.34\",\"currency\":\"EUR\"}", ErrMoney)
	}
	if err := wire.Currency.Check(); err != nil {
		return err
	}
	amount, err := ParseMicros(wire.Amount)
	if err != nil {
		return err
	}
	*m = Money{amount, wire.Currency}
	return nil
}

// Format writes a with at least the decimals of currency c, and up to six where
// the amount is finer than its smallest coin.
func (a Micros) Format(c Currency) string {
	digits, ok := minorDigits[c]
	if !ok {
		digits = 2
	}
	neg := a < 0
	u := uint64(a)
	if neg {
		u = -u
	}
	frac := fmt.Sprintf("%06d", u%uint64(Unit))
	for len(frac) > digits && frac[len(frac)-1] == '0' {
		frac = frac[:len(frac)-1]
	}
	var b strings.Builder
	if neg {
		b.WriteByte('-')
	}
	fmt.Fprintf(&b, "%d", u/uint64(Unit))
	if frac != "" {
		b.WriteByte('.')
		b.WriteString(frac)
	}
	return b.String()
}

// String formats a with two decimals or more.
func (a Micros) String() string { return a.Format("") }

// ParseMicros reads a decimal such as "12.34" or "-0.005" exactly. It refuses
// more than six decimals that are not zero, exponents, signs other than a
// leading minus, spaces, and amounts beyond MicrosMax.
func ParseMicros(s string) (Micros, error) {
	return ParseMicrosBytes([]byte(s))
}

// ParseMicrosBytes is ParseMicros for a byte slice; it does not keep b.
func ParseMicrosBytes(b []byte) (Micros, error) {
	text := b
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	var whole, frac int64
	digits, i := 0, 0
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		whole = whole*10 + int64(b[i]-'0')
		if digits++; digits > 10 {
			return 0, fmt.Errorf("%w: %.40q is larger than %v", ErrMoney, text, MicrosMax)
		}
	}
	if digits == 0 {
		return 0, fmt.Errorf("%w: %.40q", ErrMoney, text)
	}
	if i < len(b) && b[i] == '.' {
		i++
		places := 0
		for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
			switch places++; {
			case places <= 6:
				frac = frac*10 + int64(b[i]-'0')
			case b[i] != '0' || places > 18:
				return 0, fmt.Errorf("%w: %.40q has more than six decimals", ErrMoney, text)
			}
		}
		if places == 0 {
			return 0, fmt.Errorf("%w: %.40q", ErrMoney, text)
		}
		for ; places < 6; places++ {
			frac *= 10
		}
	}
	if i != len(b) {
		return 0, fmt.Errorf("%w: %.40q", ErrMoney, text)
	}
	a := Micros(whole)*Unit + Micros(frac)
	if a > MicrosMax {
		return 0, fmt.Errorf("%w: %.40q is larger than %v", ErrMoney, text, MicrosMax)
	}
	if neg {
		a = -a
	}
	return a, nil
}

// FromFloat reads a floating point amount that a source such as a Parquet file
// of doubles holds, rounding half away from zero to the nearest micro. It
// returns ErrMoney for NaN, infinities and amounts beyond MicrosMax. It is for
// decoders at the gate only.
func FromFloat(f float64) (Micros, error) {
	if math.IsNaN(f) || math.Abs(f) > float64(MicrosMax/Unit) {
		return 0, fmt.Errorf("%w: %v", ErrMoney, f)
	}
	return Micros(math.Round(f * float64(Unit))), nil
}

// RoundHalfEven rounds a to a multiple of step, ties to the even multiple.
// step must be positive.
func (a Micros) RoundHalfEven(step Micros) Micros {
	q, r := a/step, a%step
	if r < 0 {
		q, r = q-1, r+step
	}
	if twice := 2 * r; twice > step || twice == step && q%2 != 0 {
		q++
	}
	return q * step
}

// RoundUp rounds a up to a multiple of step; step must be positive.
func (a Micros) RoundUp(step Micros) Micros {
	q, r := a/step, a%step
	if r > 0 {
		q++
	}
	return q * step
}

// RoundDown rounds a down (towards minus infinity) to a multiple of step.
func (a Micros) RoundDown(step Micros) Micros {
	q, r := a/step, a%step
	if r < 0 {
		q--
	}
	return q * step
}

// MulDivUp returns a×num/den rounded up. a and num must not be negative, den
// must be positive, and the result must fit; anything else is a bug.
func (a Micros) MulDivUp(num, den int64) Micros {
	q, r := a.mulDiv(num, den)
	if r > 0 {
		q++
	}
	return q
}

// MulDivDown returns a×num/den rounded down, under the terms of MulDivUp.
func (a Micros) MulDivDown(num, den int64) Micros {
	q, _ := a.mulDiv(num, den)
	return q
}

func (a Micros) mulDiv(num, den int64) (Micros, uint64) {
	if a < 0 || num < 0 || den <= 0 {
		panic("retail: bug: MulDiv of a negative amount or ratio")
	}
	hi, lo := bits.Mul64(uint64(a), uint64(num))
	if hi >= uint64(den) {
		panic("retail: bug: MulDiv overflows")
	}
	q, r := bits.Div64(hi, lo, uint64(den))
	if q > math.MaxInt64 {
		panic("retail: bug: MulDiv overflows")
	}
	return Micros(q), r
}
