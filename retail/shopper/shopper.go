// Package shopper names a shopper without saying who she is. An ID is random
// and means nothing outside one installation; a Key is something that could
// name a person, so neither prints: every formatting verb and the structured
// log show a placeholder, and Reveal is the one door to the value. Two gaps of
// fmt remain: %w, which vet refuses here, and the unexported fields of a struct
// that is printed whole, so log attributes by name.
//
// On the road of a receipt, know/identity turns Keys into an ID at the gate,
// and only IDs travel further.
package shopper

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf8"
)

// ID is a shopper as facts and profiles know her. The zero ID is nobody.
type ID struct{ v uint64 }

// FromUint64 makes an ID of a stored or newly drawn number.
func FromUint64(v uint64) ID { return ID{v} }

// Reveal gives the number, for encoding into stores and for hashing. Every call
// is a place to look at when asking where a shopper could leak.
func (id ID) Reveal() uint64 { return id.v }

// Known reports whether id names a shopper.
func (id ID) Known() bool { return id.v != 0 }

// Format implements fmt.Formatter for every verb; it never prints the number.
func (id ID) Format(f fmt.State, _ rune) { writeHidden(f, id.Known()) }

// LogValue implements slog.LogValuer.
func (id ID) LogValue() slog.Value { return slog.StringValue(hidden(id.Known())) }

// MarshalJSON refuses to leak the number into a document by accident.
func (id ID) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden(id.Known()) + `"`), nil }

func hidden(known bool) string {
	if known {
		return "shopper(hidden)"
	}
	return "shopper(none)"
}

func writeHidden(f fmt.State, known bool) { _, _ = f.Write([]byte(hidden(known))) }

// KeyKind says what sort of identifier a Key holds.
type KeyKind string

// The kinds of key. Their names are stored and cross the wire.
const (
	Card      KeyKind = "card"         // a loyalty card's number
	Account   KeyKind = "account"      // an account of the shop's site
	EmailHash KeyKind = "email_sha256" // SHA-256 of the normalised e-mail address, lower-case hex
	PhoneHash KeyKind = "phone_sha256" // SHA-256 of the E.164 number, lower-case hex
	Device    KeyKind = "device"       // a first-party cookie or an app's install id
)

// ErrKey is returned for a key that cannot be one.
var ErrKey = errors.New("not a shopper key")

// KeyMax is the longest key value accepted, in bytes.
const KeyMax = 128

// Key is one identifier of a shopper. Like an ID it never prints.
type Key struct {
	kind  KeyKind
	value string
}

// ParseKey checks and makes a key. Hash kinds must be 64 hex digits and are
// lower-cased; other values must be 1 to KeyMax bytes of printable UTF-8
// without spaces at either end.
func ParseKey(kind KeyKind, value string) (Key, error) {
	switch kind {
	case EmailHash, PhoneHash:
		value = strings.ToLower(value)
		if len(value) != 64 || strings.Trim(value, "0123456789abcdef") != "" {
			return Key{}, fmt.Errorf("%w: %s wants 64 hex digits", ErrKey, kind)
		}
	case Card, Account, Device:
		if value == "" || len(value) > KeyMax || !utf8.ValidString(value) || strings.TrimSpace(value) != value ||
			strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return Key{}, fmt.Errorf("%w: %s wants 1 to %d printable bytes", ErrKey, kind, KeyMax)
		}
	default:
		return Key{}, fmt.Errorf("%w: unknown kind %.20q (card, account, email_sha256, phone_sha256, device)", ErrKey, string(kind))
	}
	return Key{kind, value}, nil
}

// Kind is the sort of identifier.
func (k Key) Kind() KeyKind { return k.kind }

// Reveal gives the identifier's value, for the vault alone.
func (k Key) Reveal() string { return k.value }

// Format implements fmt.Formatter for every verb; it prints the kind only.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("key(" + string(k.kind) + ")")) }

// LogValue implements slog.LogValuer.
func (k Key) LogValue() slog.Value { return slog.StringValue("key(" + string(k.kind) + ")") }

// MarshalJSON refuses to leak the value into a document by accident.
func (k Key) MarshalJSON() ([]byte, error) { return []byte(`"key(` + string(k.kind) + `)"`), nil }
