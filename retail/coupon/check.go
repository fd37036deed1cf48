package coupon

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
)

// SecretSize is the size in bytes of the secrets that codes are made of. They
// come from a generator of random numbers fit for keys.
const SecretSize = 32

// Secret is one of them. It does not print.
type Secret [SecretSize]byte

// Format implements fmt.Formatter for every verb; it never prints the secret.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("secret(hidden)")) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue("secret(hidden)") }

// derive stretches a secret to n bytes for one purpose (HKDF-Expand, RFC 5869).
func (s Secret) derive(purpose string, n int) []byte {
	b, err := hkdf.Expand(sha256.New, s[:], purpose, n)
	if err != nil {
		panic("coupon: bug: " + err.Error()) // more than 8,160 bytes
	}
	return b
}

// Check tells codes from typing errors by their check symbol. Whoever has the
// secret can; a till needs no more to refuse a mistyped code offline. It says
// nothing about whether a code was ever issued.
//
// The thirteen symbols x of a code, as elements of the field of 32, satisfy
// Σ aᵢ·xᵢ = k, where the aᵢ, which differ from one another and from zero, and k
// come from the secret. One wrong symbol changes the sum by aᵢ·d with d ≠ 0, two
// swapped symbols by (aᵢ−aⱼ)(xⱼ−xᵢ): never by zero, so that both are always found,
// and of all other mistakes 31 in 32.
type Check struct {
	products [Size][32]byte // aᵢ·x
	divided  [32]byte       // x ÷ a of the check symbol
	sum      byte           // k
}

// NewCheck makes the check of a secret.
func NewCheck(secret Secret) *Check {
	c := new(Check)
	random := secret.derive("endcap coupon check v1", 8*(Size+1))
	draw := func(i, below int) int {
		return int(binary.BigEndian.Uint64(random[8*i:]) % uint64(below)) // uneven by less than 1 in 2^59
	}
	var coefficients [31]byte
	for i := range coefficients {
		coefficients[i] = byte(i + 1)
	}
	for i := range Size {
		j := i + draw(i, len(coefficients)-i)
		coefficients[i], coefficients[j] = coefficients[j], coefficients[i]
		for x := range c.products[i] {
			c.products[i][x] = product(coefficients[i], byte(x))
		}
	}
	for x, p := range c.products[Size-1] {
		c.divided[p] = byte(x)
	}
	c.sum = byte(draw(Size, 32))
	return c
}

// product multiplies in the field of 32 elements, modulo x⁵+x²+1.
func product(a, b byte) byte {
	var p byte
	for ; b > 0; b >>= 1 {
		if b&1 > 0 {
			p ^= a
		}
		if a <<= 1; a&32 > 0 {
			a ^= 0b100101
		}
	}
	return p
}

// complete sets the check symbol.
func (c *Check) complete(digits *[Size]byte) {
	left := c.sum
	for i, d := range digits[:RandomSymbols] {
		left ^= c.products[i][d]
	}
	digits[RandomSymbols] = c.divided[left]
}

// Parse reads a code as somebody typed or scanned it: in capitals or not, with
// spaces and hyphens anywhere, O for 0, I and L for 1. Two texts that are read as
// one code are one code. It returns ErrMalformed or ErrChecksum.
func (c *Check) Parse(text string) (Code, error) {
	digits, err := normalise(text)
	if err != nil {
		return Code{}, err
	}
	var sum byte
	for i, d := range digits {
		sum ^= c.products[i][d]
	}
	if sum != c.sum {
		return Code{}, ErrChecksum
	}
	return codeOf(&digits), nil
}
