package media

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
)

// Sealer seals many tokens with one ring's signer. It keeps the keyed states of
// its hashes and the mask of the last decision, so that a token costs one hash
// of its body. It is not safe for concurrent use; make one with NewSealer.
type Sealer struct {
	number   uint8
	key      [KeySize]byte
	sign     hash.Hash
	hide     hash.Hash
	decision DecisionID
	mask     uint64
	masked   bool // mask is decision's
	body     []byte
	text     []byte
}

// NewSealer makes a Sealer of r, which must have a key.
func NewSealer(r Keyring) *Sealer {
	k := &r.keys[0]
	return &Sealer{number: k.Number, key: k.Sign, sign: hmac.New(sha256.New, k.Sign[:]), hide: hmac.New(sha256.New, k.Mask[:])}
}

// Fits reports whether r's signer is the key that s seals with.
func (s *Sealer) Fits(r Keyring) bool { return s.key == r.keys[0].Sign }

// Seal writes t as base64url text, as Keyring.Seal does.
func (s *Sealer) Seal(t *Token) string {
	if !s.masked || s.decision != t.Decision {
		s.decision, s.masked = t.Decision, true
		s.hide.Reset()
		s.body = append(append(s.body[:0], maskLabel...), t.Decision[:]...)
		s.hide.Write(s.body)
		s.body = s.hide.Sum(s.body[:0])
		s.mask = binary.BigEndian.Uint64(s.body)
	}
	s.body = appendBody(s.body[:0], t, s.number, t.Shopper.Reveal()^s.mask)
	s.sign.Reset()
	s.sign.Write(s.body)
	n := len(s.body)
	s.body = s.sign.Sum(s.body)[:n+macSize]
	s.text = base64.RawURLEncoding.AppendEncode(s.text[:0], s.body)
	return string(s.text)
}
