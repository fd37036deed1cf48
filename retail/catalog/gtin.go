package catalog

import (
	"errors"
	"fmt"

	"endcap/retail/gs1"
)

// GTIN is a Global Trade Item Number in its 14-digit form, as a number. The
// zero GTIN means none.
type GTIN uint64

// ErrGTIN is returned for text that is not a GTIN-8, -12, -13 or -14 with a
// right check digit.
var ErrGTIN = errors.New("not a GTIN")

// ParseGTIN reads a GTIN of 8, 12, 13 or 14 digits and verifies its check digit
// (GS1 General Specifications, section 7.9). A GTIN of all zeros is refused.
func ParseGTIN(s string) (GTIN, error) {
	switch len(s) {
	case 8, 12, 13, 14:
	default:
		return 0, fmt.Errorf("%w: %.20q (want 8, 12, 13 or 14 digits)", ErrGTIN, s)
	}
	var n uint64
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return 0, fmt.Errorf("%w: %.20q (want digits only)", ErrGTIN, s)
		}
		n = n*10 + uint64(d)
	}
	last := len(s) - 1
	if want := gs1.CheckDigit(s[:last]); s[last] != want {
		return 0, fmt.Errorf("%w: %s has check digit %c, want %c", ErrGTIN, s, s[last], want)
	}
	if n == 0 {
		return 0, fmt.Errorf("%w: all zeros", ErrGTIN)
	}
	return GTIN(n), nil
}

// String gives the 14-digit form, or "" for none.
func (g GTIN) String() string {
	if g == 0 {
		return ""
	}
	return fmt.Sprintf("%014d", uint64(g))
}

// MarshalText implements encoding.TextMarshaler: GTINs are strings in JSON.
func (g GTIN) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; empty text is no GTIN.
func (g *GTIN) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*g = 0
		return nil
	}
	got, err := ParseGTIN(string(b))
	if err != nil {
		return err
	}
	*g = got
	return nil
}
