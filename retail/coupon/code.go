// Package coupon makes and reads the codes that stand on a retailer's own
// coupons. A code is twelve symbols that nobody can guess, drawn from a secret
// and a serial number so that none comes twice and none need be kept in a table,
// and a check symbol by which a till finds every mistyped or swapped symbol
// without asking anybody. docs/decisions/codes.md says why it is made so, and
// what each secret protects. What other issuers print is read by retail/gs1.
//
// On the road of a receipt, a shopper brings a code to a till or a basket; this
// package says which batch it is of, and sell/offer what it gives.
package coupon

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// Sizes of a code, in symbols.
const (
	RandomSymbols = 12 // 60 bits
	Size          = RandomSymbols + 1
)

// TextMax is the longest text that is looked at as a code, in bytes: room for
// spaces and hyphens wherever somebody puts them.
const TextMax = 64

// Errors of Check.Parse. Neither repeats the text, so that both can be logged.
var (
	ErrMalformed = errors.New("not a coupon code: thirteen digits and letters without I, L, O and U")
	ErrChecksum  = errors.New("not a coupon code: a symbol is wrong, or two are swapped")
)

// alphabet is Crockford's: digits, and letters without those that are read as
// others (I, L, O) or make words (U). A symbol's place is its value.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// values gives the value of a symbol as people write it, or 255: both cases, O
// for 0, I and L for 1.
var values = func() (v [256]byte) {
	for i := range v {
		v[i] = 255
	}
	for i, c := range []byte(alphabet) {
		v[c], v[c|0x20] = byte(i), byte(i) // the small letter; of a digit, itself
	}
	v['O'], v['o'] = 0, 0
	v['I'], v['i'], v['L'], v['l'] = 1, 1, 1, 1
	return v
}()

// Code is a coupon's code: whoever knows it may use it, so it does not print. The
// zero Code is none. Codes can be compared.
type Code struct{ symbols [Size]byte }

// Reveal gives the one stored form: thirteen capitals and digits.
func (c Code) Reveal() string { return string(c.symbols[:]) }

// Print gives the code as a coupon shows it: 4F7K-90QZ-T2M8B.
func (c Code) Print() string {
	s := c.Reveal()
	return s[:4] + "-" + s[4:8] + "-" + s[8:]
}

// AppendLine appends the stored form and a line break.
func (c Code) AppendLine(b []byte) []byte { return append(append(b, c.symbols[:]...), '\n') }

const hidden = "coupon code(hidden)"

// Format implements fmt.Formatter for every verb; it never prints the code.
func (c Code) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// LogValue implements slog.LogValuer.
func (c Code) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalJSON refuses to leak the code into a document by accident.
func (c Code) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// Kind says who may use a code, and how often.
type Kind uint8

// The kinds. Their numbers are stored.
const (
	Unbound   Kind = iota + 1 // anybody's, as often as the offer's limits allow: one code on a leaflet
	Bound                     // the shopper's to whom it was given, within the offer's limits
	SingleUse                 // anybody's, once and never again
)

var kinds = [...]string{Unbound: "unbound", Bound: "bound", SingleUse: "single_use"}

// String gives "unbound", "bound" or "single_use".
func (k Kind) String() string {
	if k < Unbound || k > SingleUse {
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
	return kinds[k]
}

// ParseKind reads what String writes.
func ParseKind(s string) (Kind, bool) {
	for k := Unbound; k <= SingleUse; k++ {
		if kinds[k] == s {
			return k, true
		}
	}
	return 0, false
}

// normalise reads thirteen symbols with spaces and hyphens anywhere between.
func normalise(text string) ([Size]byte, error) {
	var digits [Size]byte
	if len(text) > TextMax {
		return digits, ErrMalformed
	}
	n := 0
	for i := range len(text) {
		c := text[i]
		if c == ' ' || c == '-' {
			continue
		}
		v := values[c]
		if v == 255 || n == Size {
			return digits, ErrMalformed
		}
		digits[n] = v
		n++
	}
	if n < Size {
		return digits, ErrMalformed
	}
	return digits, nil
}

// codeOf writes values as symbols.
func codeOf(digits *[Size]byte) Code {
	var c Code
	for i, d := range digits {
		c.symbols[i] = alphabet[d]
	}
	return c
}

// value is the value of the symbol at i.
func (c Code) value(i int) byte { return byte(strings.IndexByte(alphabet, c.symbols[i])) }
