package vault

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strconv"
	"time"

	"endcap/retail/shopper"
)

// PartnerRing names the ring whose secrets make a partner's pseudonyms.
func PartnerRing(partner string) string { return PartnerRings + partner }

var pseudonymText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// pseudonymSize is how many bytes of the hash a pseudonym holds.
const pseudonymSize = 16

// Pseudonym is the name by which one partner knows a shopper: the generation's
// number, a dot, and HMAC-SHA256 of a label and her id under the partner's own
// secret, cut to 16 bytes, in base32. Without that secret nobody can tell whose it
// is, nor that a pseudonym of another partner is the same person's.
func Pseudonym(g Generation, who shopper.ID) string {
	mac := hmac.New(sha256.New, g.Value)
	mac.Write([]byte("endcap pseudonym 1"))
	mac.Write(binary.BigEndian.AppendUint64(nil, who.Reveal()))
	return strconv.Itoa(g.Number) + "." + pseudonymText.EncodeToString(mac.Sum(nil)[:pseudonymSize])
}

// Told is that a partner was told of a shopper. Once she is forgotten Shopper is
// nobody, and Names are the pseudonyms that the partner is to delete.
type Told struct {
	ID      uint64
	Partner string
	Shopper shopper.ID
	Names   []string
	First   time.Time
	Last    time.Time
}

// Partners remembers which partner was told a pseudonym of whom, so that the
// partner can be told when it may use it no longer.
type Partners interface {
	// Tell notes that a partner is told of shoppers; BatchMax at most. Nobody and
	// the forgotten are left out.
	Tell(ctx context.Context, partner string, who []shopper.ID, at time.Time) error
	// ToldOf returns which partners were told of a shopper.
	ToldOf(ctx context.Context, who shopper.ID) ([]Told, error)
	// ToldTo returns up to limit rows of one partner with ids above after, in order.
	ToldTo(ctx context.Context, partner string, after uint64, limit int) ([]Told, error)
}
