package coupon_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"endcap/retail/coupon"
)

// ff1 encrypts digits of a radix as NIST SP 800-38G writes FF1 down, step by
// step, for any radix, length and tweak.
func ff1(t *testing.T, block cipher.Block, radix int64, tweak []byte, x []int64) []int64 {
	t.Helper()
	n := len(x)
	u := n / 2
	v := n - u
	a, b := x[:u], x[u:]
	bits := new(big.Int).Sub(new(big.Int).Exp(big.NewInt(radix), big.NewInt(int64(v)), nil), big.NewInt(1)).BitLen()
	bytes := (bits + 7) / 8
	d := 4*((bytes+3)/4) + 4
	p := []byte{1, 2, 1, byte(radix >> 16), byte(radix >> 8), byte(radix), 10, byte(u), 0, 0, 0, byte(n), 0, 0, 0, byte(len(tweak))}
	for i := range 10 {
		q := append([]byte(nil), tweak...)
		for (len(q)+bytes+1)%16 != 0 {
			q = append(q, 0)
		}
		q = append(q, byte(i))
		q = append(q, num(radix, b).FillBytes(make([]byte, bytes))...)
		r := make([]byte, 16)
		for _, chunk := range [][]byte{p, q} {
			for at := 0; at < len(chunk); at += 16 {
				for j := range r {
					r[j] ^= chunk[at+j]
				}
				block.Encrypt(r, r)
			}
		}
		s := append([]byte(nil), r...)
		for j := int64(1); len(s) < d; j++ {
			next := new(big.Int).Xor(new(big.Int).SetBytes(r), big.NewInt(j)).FillBytes(make([]byte, 16))
			block.Encrypt(next, next)
			s = append(s, next...)
		}
		y := new(big.Int).SetBytes(s[:d])
		m := u
		if i%2 == 1 {
			m = v
		}
		c := y.Add(y, num(radix, a))
		c.Mod(c, new(big.Int).Exp(big.NewInt(radix), big.NewInt(int64(m)), nil))
		a, b = b, digitsOf(radix, c, m)
	}
	return append(append([]int64(nil), a...), b...)
}

func num(radix int64, digits []int64) *big.Int {
	n := new(big.Int)
	for _, d := range digits {
		n.Add(n.Mul(n, big.NewInt(radix)), big.NewInt(d))
	}
	return n
}

func digitsOf(radix int64, n *big.Int, size int) []int64 {
	digits := make([]int64, size)
	r := new(big.Int)
	for i := size - 1; i >= 0; i-- {
		n, r = new(big.Int).QuoRem(n, big.NewInt(radix), r)
		digits[i] = r.Int64()
		r = new(big.Int)
	}
	return digits
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The step-by-step FF1 gives NIST's own samples, and a series gives what it
// gives.
func TestSeriesAreFF1(t *testing.T) {
	t.Parallel()
	const digits36 = "0123456789abcdefghijklmnopqrstuvwxyz"
	const key128, key256 = "2B7E151628AED2A6ABF7158809CF4F3C", "2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94"
	for _, sample := range []struct {
		key, tweak, plain, cipher string
		radix                     int64
	}{
		{key128, "", "0123456789", "2433477484", 10},
		{key128, "39383736353433323130", "0123456789", "6124200773", 10},
		{key128, "3737373770717273373737", "0123456789abcdefghi", "a9tv40mll9kdu509eum", 36},
		{key256, "", "0123456789", "6657667009", 10},
		{key256, "39383736353433323130", "0123456789", "1001623463", 10},
		{key256, "3737373770717273373737", "0123456789abcdefghi", "xs8a0azh2avyalyzuwd", 36},
	} {
		block, err := aes.NewCipher(unhex(t, sample.key))
		if err != nil {
			t.Fatal(err)
		}
		var x []int64
		for _, c := range []byte(sample.plain) {
			x = append(x, int64(strings.IndexByte(digits36, c)))
		}
		var got []byte
		for _, d := range ff1(t, block, sample.radix, unhex(t, sample.tweak), x) {
			got = append(got, digits36[d])
		}
		if string(got) != sample.cipher {
			t.Errorf("NIST's sample %+v: %s", sample, got)
		}
	}

	secret := secretOf(1)
	key, err := hkdf.Expand(sha256.New, secret[:], "endcap coupon series v1", 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	s := coupon.NewSeries(secret, coupon.NewCheck(secretOf(2)))
	for _, serial := range []uint64{0, 1, 2, 1 << 30, 1<<30 - 1, 4_999_999, coupon.SerialMax, 0x123456789abcdef} {
		var want strings.Builder
		for _, d := range ff1(t, block, 32, nil, digitsOf(32, new(big.Int).SetUint64(serial), 12)) {
			want.WriteByte("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[d])
		}
		c := s.Code(serial)
		if got := c.Reveal()[:12]; got != want.String() {
			t.Errorf("serial %d: %s, want %s", serial, got, want.String())
		}
		if got := s.Serial(c); got != serial {
			t.Errorf("serial %d comes back as %d", serial, got)
		}
	}
}
