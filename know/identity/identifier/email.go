package identifier

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"endcap/retail/shopper"
)

// Email is an e-mail address in clear. It does not print; Reveal is the one
// door to its forms. The zero Email is none.
type Email struct {
	typed  string // without blanks, in NFC
	local  string // ours: lower case
	domain string // ours: lower case, in ASCII
}

// ParseEmail reads one bare address, without a name or brackets. The domain may
// be international; it has at least two labels.
func ParseEmail(text string) (Email, error) {
	text, err := clean("an e-mail address", text, false)
	if err != nil {
		return Email{}, err
	}
	at := strings.LastIndexByte(text, '@')
	if at < 1 || at == len(text)-1 {
		return Email{}, fmt.Errorf("%w: an e-mail address is name@domain", ErrIdentifier)
	}
	local, domain := text[:at], text[at+1:]
	if why := badLocal(local); why != "" {
		return Email{}, fmt.Errorf("%w: the name of an e-mail address %s", ErrIdentifier, why)
	}
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(domain, "."))
	if err != nil || badDomain(ascii) {
		return Email{}, fmt.Errorf("%w: the domain of an e-mail address is not one", ErrIdentifier)
	}
	return Email{typed: text, local: strings.ToLower(local), domain: strings.ToLower(ascii)}, nil
}

// badDomain reports whether an ASCII domain has fewer than two labels, or one
// that is empty or too long.
func badDomain(ascii string) bool {
	labels := strings.Split(ascii, ".")
	return len(labels) < 2 || len(ascii) > domainMax ||
		slices.ContainsFunc(labels, func(l string) bool { return l == "" || len(l) > labelMax })
}

// The limits of RFC 5321, in bytes.
const (
	localMax  = 64
	domainMax = 253
	labelMax  = 63
)

// badLocal says what is wrong with the part before the @: it is an RFC 5322
// dot-atom, which may hold letters of any script (RFC 6532). Quoted ones, which
// nobody has, are refused.
func badLocal(local string) string {
	switch {
	case len(local) > localMax:
		return fmt.Sprintf("has more than %d bytes", localMax)
	case !utf8.ValidString(local):
		return "is not UTF-8"
	case strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, ".."):
		return "has a dot where none may be"
	case strings.ContainsFunc(local, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`()<>[]:;@\,"`, r) || r > 0x7f && !unicode.In(r, unicode.L, unicode.M, unicode.N)
	}):
		return "has a character that may not be there"
	}
	return ""
}

// Key is the address as we compare it: lower case, the domain in ASCII, hashed.
// Dots and what follows a plus count, because only her provider knows whether
// they matter.
func (e Email) Key() shopper.Key {
	key, err := keyOf(shopper.EmailHash, hexHash(e.local+"@"+e.domain))
	if err != nil {
		panic("identifier: bug: a hash is no key")
	}
	return key
}

// Reveal is the address in clear, in the form that the destination hashes.
//
//   - UID2: lower case; at gmail.com without dots and without what follows a
//     plus.
//   - Google: the same, and at googlemail.com too.
//   - PAIR: ASCII letters in lower case, nothing else.
//
// None of them speaks of international domains: those stay as they were typed,
// in lower case.
func (e Email) Reveal(d Destination) string {
	if d == PAIR {
		return strings.Map(func(r rune) rune {
			if r >= 'A' && r <= 'Z' {
				return r + 'a' - 'A'
			}
			return r
		}, e.typed)
	}
	text := strings.ToLower(e.typed)
	local, domain, _ := strings.Cut(text, "@")
	if domain == "gmail.com" || d == Google && domain == "googlemail.com" {
		local, _, _ = strings.Cut(local, "+")
		local = strings.ReplaceAll(local, ".", "")
	}
	return local + "@" + domain
}

// Hash is what the destination is sent: SHA-256 of Reveal, for UID2 in base64,
// for the others in lower-case hex. Whoever holds a list of addresses can undo
// it, so it is personal data as the address is.
func (e Email) Hash(d Destination) string { return hashFor(d, e.Reveal(d)) }

// Known reports whether e is an address.
func (e Email) Known() bool { return e.typed != "" }

// Format implements fmt.Formatter for every verb; it prints no address.
func (e Email) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden("email"))) }

// LogValue implements slog.LogValuer.
func (e Email) LogValue() slog.Value { return hiddenValue("email") }

// MarshalJSON refuses to leak the address into a document by accident.
func (e Email) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden("email") + `"`), nil }

func hexHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func hashFor(d Destination, text string) string {
	if d == UID2 {
		sum := sha256.Sum256([]byte(text))
		return base64.StdEncoding.EncodeToString(sum[:])
	}
	return hexHash(text)
}
