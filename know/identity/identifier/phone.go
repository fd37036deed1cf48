package identifier

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"endcap/retail/shopper"
)

// Phone is a telephone number in clear. It does not print; Reveal is the one
// door to it. The zero Phone is none.
type Phone struct{ e164 string }

// ParsePhone reads a number as people write it, from the country (two capital
// letters) where it would be dialled without a prefix; "" reads numbers with
// their country alone. The number must be possible there, not assigned: plans
// of numbers change more often than programs. One with an extension is refused,
// because the rest is a switchboard's.
func ParsePhone(text, country string) (Phone, error) {
	text, err := clean("a telephone number", text, true)
	if err != nil {
		return Phone{}, err
	}
	if country == "" {
		country = "ZZ" // the library's word for nowhere
	}
	n, err := phonenumbers.Parse(text, country)
	switch {
	case err != nil:
		return Phone{}, fmt.Errorf("%w: a telephone number that cannot be read", ErrIdentifier) // the library's error may quote it
	case n.GetExtension() != "":
		return Phone{}, fmt.Errorf("%w: a telephone number with an extension is not one person's", ErrIdentifier)
	case !phonenumbers.IsPossibleNumber(n):
		return Phone{}, fmt.Errorf("%w: a telephone number that is too long or too short for its country", ErrIdentifier)
	}
	national := phonenumbers.GetNationalSignificantNumber(n)
	if strings.Trim(national, national[:1]) == "" {
		return Phone{}, fmt.Errorf("%w: a telephone number of one digit repeated stands for nobody", ErrIdentifier)
	}
	return Phone{phonenumbers.Format(n, phonenumbers.E164)}, nil
}

// Dialled reports whether country is one where ParsePhone reads numbers without a
// prefix.
func Dialled(country string) bool { return phonenumbers.GetCountryCodeForRegion(country) != 0 }

// Key is the number as we compare it: E.164 with its plus, hashed.
func (p Phone) Key() shopper.Key {
	key, err := keyOf(shopper.PhoneHash, hexHash(p.e164))
	if err != nil {
		panic("identifier: bug: a hash is no key")
	}
	return key
}

// Reveal is the number in clear: E.164 with its plus, as every destination
// hashes it.
func (p Phone) Reveal() string { return p.e164 }

// Hash is what the destination is sent: SHA-256 of Reveal, for UID2 in base64,
// for the others in lower-case hex. All numbers of a country can be hashed in
// minutes, so it is personal data as the number is.
func (p Phone) Hash(d Destination) string { return hashFor(d, p.e164) }

// Known reports whether p is a number.
func (p Phone) Known() bool { return p.e164 != "" }

// Format implements fmt.Formatter for every verb; it prints no number.
func (p Phone) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden("phone"))) }

// LogValue implements slog.LogValuer.
func (p Phone) LogValue() slog.Value { return hiddenValue("phone") }

// MarshalJSON refuses to leak the number into a document by accident.
func (p Phone) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden("phone") + `"`), nil }
