package media

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/shopper"
	"endcap/retail/trial"
)

// Token is what an auction promised for one slot: who is billed how much, if a
// click comes. It travels through the shopper's browser, signed so that it
// cannot be changed, and with the shopper masked so that it names nobody.
type Token struct {
	Decision   DecisionID
	Slot       uint8 // position in the whole decision, so Decision and Slot name the token
	Advertiser AdvertiserID
	Campaign   CampaignID
	LineItem   LineItemID
	Placement  PlacementID
	Product    catalog.ProductID
	Charge     Charge
	Price      retail.Micros
	Currency   retail.Currency
	Arm        trial.Arm
	Day        retail.Day // the flight day it is charged to
	Issued     time.Time  // to the millisecond
	Shopper    shopper.ID
}

// TokenLife is how long after Issued a click on a token can arrive to be billed;
// later it is answered but delivered free, whenever its sender says it happened.
const TokenLife = 24 * time.Hour

// TokenTextMax is the longest text of a token.
const TokenTextMax = 1_024

// ErrToken is returned for text that no key of the ring signed.
var ErrToken = errors.New("not a genuine token")

// KeySize is the size in bytes of each half of a signing key.
const KeySize = 32

// Key signs tokens. Number travels in the clear, so that keys can be rotated.
type Key struct {
	Number uint8
	Sign   [KeySize]byte // authenticates
	Mask   [KeySize]byte // hides the shopper
	// Last is when it signed for the last time: no token that says it was issued
	// later is genuine. Zero for a key that still signs.
	Last time.Time
}

// Keyring holds the keys tokens may carry; the first signs. The zero Keyring
// signs nothing and opens nothing.
type Keyring struct{ keys []Key }

// NewKeyring makes a ring; signer first, then those still accepted.
func NewKeyring(signer Key, accepted ...Key) Keyring {
	return Keyring{append([]Key{signer}, accepted...)}
}

const (
	tokenVersion = 1
	macSize      = 16
	tokenMin     = 2 + 16 + 3 + 8 + 3 + 6 + macSize // of a token whose numbers and texts are as short as can be
	maskLabel    = "endcap token shopper v1"
)

// Seal writes t as base64url text. A Sealer does the same faster.
func (r Keyring) Seal(t *Token) string { return NewSealer(r).Seal(t) }

// appendBody appends what of t is signed; masked is t's shopper, hidden.
func appendBody(b []byte, t *Token, key uint8, masked uint64) []byte {
	b = append(b, tokenVersion, key)
	b = append(b, t.Decision[:]...)
	b = append(b, t.Slot, byte(t.Charge), byte(t.Arm))
	b = binary.BigEndian.AppendUint64(b, masked)
	b = binary.AppendVarint(b, int64(t.Price))
	b = binary.AppendVarint(b, int64(t.Day))
	b = binary.AppendVarint(b, t.Issued.UnixMilli())
	for _, s := range [...]string{
		string(t.Currency), string(t.Advertiser), string(t.Campaign),
		string(t.LineItem), string(t.Placement), string(t.Product),
	} {
		b = append(b, byte(len(s)))
		b = append(b, s...)
	}
	return b
}

// Open verifies and reads what Seal wrote; anything else gives ErrToken, line
// breaks that base64 would overlook included: a token has one text.
func (r Keyring) Open(text string) (Token, error) {
	if len(text) > TokenTextMax {
		return Token{}, fmt.Errorf("%w: longer than %d characters", ErrToken, TokenTextMax)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < tokenMin || b[0] != tokenVersion || base64.RawURLEncoding.EncodedLen(len(b)) != len(text) {
		return Token{}, fmt.Errorf("%w: malformed", ErrToken)
	}
	key := r.find(b[1])
	body, sum := b[:len(b)-macSize], b[len(b)-macSize:]
	if key == nil || !hmac.Equal(sum, mac(key, body)) {
		return Token{}, fmt.Errorf("%w: signature fails", ErrToken)
	}
	t, ok := parseToken(key, body[2:])
	switch {
	case !ok:
		return Token{}, fmt.Errorf("%w: malformed", ErrToken)
	case !key.Last.IsZero() && t.Issued.After(key.Last):
		return Token{}, fmt.Errorf("%w: issued after its key was retired", ErrToken)
	}
	return t, nil
}

func (r Keyring) find(number uint8) *Key {
	for i := range r.keys {
		if r.keys[i].Number == number {
			return &r.keys[i]
		}
	}
	return nil
}

// parseToken reads a body whose signature held; ok is false only for a body
// that this program never wrote.
func parseToken(k *Key, b []byte) (Token, bool) {
	var t Token
	b = b[copy(t.Decision[:], b):]
	t.Slot, t.Charge, t.Arm = b[0], Charge(b[1]), trial.Arm(b[2])
	t.Shopper = shopper.FromUint64(binary.BigEndian.Uint64(b[3:]) ^ mask(k, t.Decision))
	b = b[11:]
	var nums [3]int64
	for i := range nums {
		v, n := binary.Varint(b)
		if n <= 0 {
			return Token{}, false
		}
		nums[i], b = v, b[n:]
	}
	t.Price, t.Day, t.Issued = retail.Micros(nums[0]), retail.Day(nums[1]), time.UnixMilli(nums[2]).UTC()
	var texts [6]string
	for i := range texts {
		if len(b) == 0 || len(b) < 1+int(b[0]) {
			return Token{}, false
		}
		texts[i], b = string(b[1:1+b[0]]), b[1+b[0]:]
	}
	t.Currency, t.Advertiser, t.Campaign = retail.Currency(texts[0]), AdvertiserID(texts[1]), CampaignID(texts[2])
	t.LineItem, t.Placement, t.Product = LineItemID(texts[3]), PlacementID(texts[4]), catalog.ProductID(texts[5])
	return t, len(b) == 0
}

func mac(k *Key, body []byte) []byte {
	h := hmac.New(sha256.New, k.Sign[:])
	h.Write(body)
	return h.Sum(nil)[:macSize]
}

func mask(k *Key, d DecisionID) uint64 {
	h := hmac.New(sha256.New, k.Mask[:])
	h.Write([]byte(maskLabel))
	h.Write(d[:])
	return binary.BigEndian.Uint64(h.Sum(nil))
}
