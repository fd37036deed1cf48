// Package identifier brings what a person typed, or what her card shows, into
// the one form under which it is compared: ours, which becomes a shopper.Key,
// and that of each destination that takes hashed identifiers. Everybody hashes,
// so a single blank decides whether two sides find each other: the rules here
// are each destination's own, word for word. The clear forms do not print, and
// errors say what is wrong and never what was typed. It is arithmetic: no
// store, no clock.
//
// On the road of a receipt, clear identifiers end at the gate, where they
// become keys; audiences that leave are hashed here for where they go.
package identifier

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"endcap/retail/shopper"
)

// ErrIdentifier is returned for text that cannot identify anybody: malformed,
// or one of the words that forms and imports put where nothing is known.
var ErrIdentifier = errors.New("not an identifier")

// InputMax is the longest text that is looked at, in bytes.
const InputMax = 512

// Destination says whose rules a hashed identifier follows.
type Destination string

// The destinations.
const (
	UID2   Destination = "uid2"   // Unified ID 2.0, and its European twin EUID
	Google Destination = "google" // Google Ads and the Data Manager API
	PAIR   Destination = "pair"   // IAB Tech Lab's Publisher Advertiser Identity Reconciliation
)

// Destinations lists all of them.
func Destinations() []Destination { return []Destination{UID2, Google, PAIR} }

// placeholders stand where nothing is known; they are not the key of the
// thousands of shoppers who bear them.
func placeholders() []string {
	return []string{
		"null", "nil", "none", "nan", "n/a", "na", "n.a.", "undefined", "unknown", "anonymous", "anonyme",
		"guest", "test", "default", "empty", "-1", "inconnu", "xxx",
	}
}

// placeholder reports whether text names nobody: such a word, or nothing but
// zeros and hyphens.
func placeholder(text string) bool {
	return strings.Trim(text, "0-") == "" || slices.Contains(placeholders(), strings.ToLower(text))
}

// clean composes and trims text; compatible forms, such as full-width digits,
// become the plain ones where plain is set.
func clean(what, text string, plain bool) (string, error) {
	if len(text) > InputMax {
		return "", fmt.Errorf("%w: %s of %d bytes, at most %d", ErrIdentifier, what, len(text), InputMax)
	}
	form := norm.NFC
	if plain {
		form = norm.NFKC
	}
	text = strings.TrimSpace(form.String(text))
	if placeholder(text) {
		return "", fmt.Errorf("%w: %s stands for nobody", ErrIdentifier, what)
	}
	return text, nil
}

// Card is the key of a loyalty card as it is printed, typed or scanned: blanks,
// hyphens and dots between the characters are not part of the number, letters
// are capital, leading zeros count.
func Card(text string) (shopper.Key, error) {
	text, err := clean("a card's number", text, true)
	if err != nil {
		return shopper.Key{}, err
	}
	text = strings.ToUpper(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -.\u00a0\u2010\u2011\u2012\u2013", r) {
			return -1
		}
		return r
	}, text))
	if placeholder(text) {
		return shopper.Key{}, fmt.Errorf("%w: a card's number stands for nobody", ErrIdentifier)
	}
	if len(text) < cardMin || strings.ContainsFunc(text, func(r rune) bool { return (r < '0' || r > '9') && (r < 'A' || r > 'Z') }) {
		return shopper.Key{}, fmt.Errorf("%w: a card's number has %d or more letters and digits", ErrIdentifier, cardMin)
	}
	return keyOf(shopper.Card, text)
}

// cardMin is the shortest card number; shorter ones are tills' shortcuts.
const cardMin = 4

// Account is the key of an account of the shop's site. Accounts are the site's
// own ids, so nothing but blanks around them is taken away: capital letters may
// count.
func Account(text string) (shopper.Key, error) {
	text, err := clean("an account", text, false)
	if err != nil {
		return shopper.Key{}, err
	}
	return keyOf(shopper.Account, text)
}

// Device is the key of a first-party cookie or an app's install id. A UUID is
// lower-cased, because platforms write it either way; the one of zeros is what
// they give where tracking is switched off.
func Device(text string) (shopper.Key, error) {
	text, err := clean("a device's id", text, false)
	if err != nil {
		return shopper.Key{}, err
	}
	if isUUID(text) {
		text = strings.ToLower(text)
	}
	return keyOf(shopper.Device, text)
}

func isUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range []byte(text) {
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if hyphen != (c == '-') || !hyphen && !hex {
			return false
		}
	}
	return true
}

// keyOf makes a key of text that was brought into our form.
func keyOf(kind shopper.KeyKind, text string) (shopper.Key, error) {
	key, err := shopper.ParseKey(kind, text)
	if err != nil {
		return shopper.Key{}, fmt.Errorf("%w: %w", ErrIdentifier, err)
	}
	return key, nil
}

// hidden prints in the place of a clear identifier.
func hidden(what string) string { return what + "(hidden)" }

// hiddenValue is hidden for the structured log.
func hiddenValue(what string) slog.Value { return slog.StringValue(hidden(what)) }
