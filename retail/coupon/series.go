package coupon

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// SerialMax is the highest serial number: there are as many codes as serials.
const SerialMax = 1<<(5*RandomSymbols) - 1

// Series turns serial numbers into codes and back, under a secret: a permutation
// of all codes, FF1 of NIST SP 800-38G with AES-256, radix 32, twelve symbols and
// no tweak. Different serials give different codes, and to whoever lacks the
// secret, codes look as if drawn by lot, however many others she has seen.
// Whoever has it can make every code of the series.
type Series struct {
	block cipher.Block
	first [aes.BlockSize]byte // FF1's P, encrypted
	check *Check
}

// FF1's numbers for this radix and length.
const (
	radix    = 32
	rounds   = 10
	halfBits = 5 * RandomSymbols / 2
	halfMask = 1<<halfBits - 1
)

// NewSeries makes the series of a secret whose codes end with check's symbol.
func NewSeries(secret Secret, check *Check) *Series {
	block, err := aes.NewCipher(secret.derive("endcap coupon series v1", 32))
	if err != nil {
		panic("coupon: bug: " + err.Error()) // the key has another size
	}
	s := &Series{block: block, check: check}
	p := [aes.BlockSize]byte{1, 2, 1, 0, 0, radix, rounds, RandomSymbols / 2, 0, 0, 0, RandomSymbols}
	block.Encrypt(s.first[:], p[:])
	return s
}

// Code is the code of a serial, which must not be above SerialMax.
func (s *Series) Code(serial uint64) Code {
	var m mint
	return m.code(s, serial)
}

// Serial is the serial of a code that Check.Parse read. Every code has one,
// issued or not.
func (s *Series) Serial(c Code) uint64 {
	var v uint64
	for i := range RandomSymbols {
		v = v<<5 | uint64(c.value(i))
	}
	var m mint
	a, b := v>>halfBits, v&halfMask
	for i := rounds - 1; i >= 0; i-- {
		a, b = (b-m.round(s, i, a))&halfMask, a
	}
	return a<<halfBits | b
}

// mint is the memory of one caller who makes codes.
type mint struct{ q, r [aes.BlockSize]byte }

func (m *mint) code(s *Series, serial uint64) Code {
	if serial > SerialMax {
		panic("coupon: bug: serial beyond the last")
	}
	a, b := serial>>halfBits, serial&halfMask
	for i := range rounds {
		a, b = b, (a+m.round(s, i, b))&halfMask
	}
	v := a<<halfBits | b
	var digits [Size]byte
	for i := RandomSymbols - 1; i >= 0; i-- {
		digits[i] = byte(v & 31)
		v >>= 5
	}
	s.check.complete(&digits)
	return codeOf(&digits)
}

// round is FF1's round function: the CBC-MAC of P and Q, of which the first
// eight bytes count.
func (m *mint) round(s *Series, i int, half uint64) uint64 {
	m.q = s.first
	m.q[11] ^= byte(i)
	binary.BigEndian.PutUint32(m.q[12:], binary.BigEndian.Uint32(m.q[12:])^uint32(half))
	s.block.Encrypt(m.r[:], m.q[:])
	return binary.BigEndian.Uint64(m.r[:])
}
