package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"io"

	"endcap/keep/vault"
	"endcap/retail/shopper"
)

// Random mints ids from a source of chance that never fails, such as
// crypto/rand.Reader, and that is safe for concurrent use. A source that fails
// is a bug: without chance an id would say something about its shopper.
func Random(chance io.Reader) vault.Mint {
	return func(shopper.Key) shopper.ID {
		var b [8]byte
		for {
			if _, err := io.ReadFull(chance, b[:]); err != nil {
				panic("identity: bug: the source of chance failed: " + err.Error())
			}
			if v := binary.BigEndian.Uint64(b[:]); v != 0 {
				return shopper.FromUint64(v)
			}
		}
	}
}

// Seeded mints the same id for the same key whenever the seed is the same:
// HMAC-SHA256 of kind and value under the seed, its first eight bytes that are
// not all zero. It is for demonstrations, whose figures must repeat; there the
// seed is as secret as the keys are.
func Seeded(seed [32]byte) vault.Mint {
	return func(first shopper.Key) shopper.ID {
		h := hmac.New(sha256.New, seed[:])
		h.Write([]byte(first.Kind()))
		h.Write([]byte{0})
		h.Write([]byte(first.Reveal()))
		sum := h.Sum(nil)
		for ; len(sum) >= 8; sum = sum[8:] {
			if v := binary.BigEndian.Uint64(sum); v != 0 {
				return shopper.FromUint64(v)
			}
		}
		return shopper.FromUint64(1)
	}
}
