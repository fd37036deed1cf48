// Package gs1 reads and writes what GS1 standards print on packs, shelves and
// coupons: check digits, element strings with their Application Identifiers,
// GS1 Digital Links, and the four forms of coupon that tills meet, which are AI
// (8110), AI (8112), the Global Coupon Number of AI (255) and the Euro coupons
// under the prefixes 981 and 982. It is text in, nouns out: no clock, no
// product, no offer. Reading is strict, and what was read prints as it was.
//
// On the road of a receipt, a till scans a coupon, and this package says what is
// printed on it; sell/offer says what it is worth.
package gs1

import (
	"strconv"
	"strings"
)

// Fault names what is wrong with a text, from a closed list: the names of the
// GS1 syntax tests ("coupon_truncated_gcp", "incorrect_check_digit"), and those
// below for what these tests do not cover. They may cross the wire and are never
// renamed.
type Fault string

// Faults of the form of an element string, a link or a Euro coupon.
const (
	TextTooLong         Fault = "text_too_long"            // longer than TextMax
	TooManyElements     Fault = "too_many_elements"        // more than ElementsMax
	NoStart             Fault = "no_start"                 // neither FNC1 nor a symbology identifier in front, or no bracket
	BracketOpen         Fault = "bracket_open"             // an AI that does not end
	UnknownAI           Fault = "unknown_ai"               // not in the dictionary
	RepeatedAI          Fault = "repeated_ai"              // the same AI twice
	ValueTooShort       Fault = "value_too_short"          // for its AI
	ValueTooLong        Fault = "value_too_long"           // for its AI
	AIExcluded          Fault = "ai_excluded"              // two AIs that may not stand together
	AIMissing           Fault = "ai_missing"               // an AI without one that must stand beside it
	IllegalURICharacter Fault = "illegal_uri_character"    // RFC 3986 has no such character here
	IllegalScheme       Fault = "illegal_scheme"           // only http and https, in one case
	IllegalDomain       Fault = "illegal_domain"           // empty, or with a character no host has
	NoPrimaryKey        Fault = "no_primary_key"           // no primary key in the path of a link
	InvalidPercent      Fault = "invalid_percent_sequence" // a % without two hex digits
	NotInPath           Fault = "ai_not_in_path"           // no qualifier of its key, or in the wrong order
	BelongsInPath       Fault = "ai_belongs_in_path"       // an attribute that should be a qualifier
	NotAttribute        Fault = "ai_not_an_attribute"      // may not stand in a link's query
	NotEuroCoupon       Fault = "not_a_euro_coupon"        // not 13 digits from 981 or 982 on
	UnknownPrefix       Fault = "invalid_gcp_prefix"       // a company prefix that is nobody's
	PrefixesOffline     Fault = "gcp_datasource_offline"   // whether it is somebody's cannot be said
)

// Error says what is wrong with a text, and where. It does not hold the text, so
// that it can be logged whatever a stranger sent.
type Error struct {
	Fault Fault
	At    int // the first byte that is wrong, from 0
	Len   int // how many are; 0 where something is missing
}

// Error gives the fault in words and its place, counted from 1 as people do.
func (e *Error) Error() string {
	return "gs1: " + strings.ReplaceAll(string(e.Fault), "_", " ") + " at position " + strconv.Itoa(e.At+1)
}

func fault(f Fault, at, n int) *Error { return &Error{f, at, n} }

// shift moves e by at bytes; nil stays nil.
func (e *Error) shift(at int) *Error {
	if e == nil {
		return nil
	}
	return &Error{e.Fault, e.At + at, e.Len}
}

// within gives the place of a fault of value in raw, of which value was decoded:
// all of raw where the two differ.
func (e *Error) within(value, raw string) *Error {
	if value == raw {
		return e
	}
	return &Error{e.Fault, 0, len(raw)}
}

// orNil makes an error of e, and a true nil of none.
func (e *Error) orNil() error {
	if e == nil {
		return nil
	}
	return e
}
