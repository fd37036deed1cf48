// Package consent names the purposes for which a shopper's data may be used.
// Absence is a no: the zero Set allows nothing. What the shopper said is kept
// in keep/vault; a Set stamped on a fact is evidence of what was known when it
// arrived and never permission to use it later.
//
// On the road of a receipt every use asks a Set first.
package consent

import (
	"errors"
	"fmt"
	"strings"
)

// Purpose is one reason to use a shopper's data.
type Purpose uint8

// The purposes. Their numbers are stored and never reordered.
const (
	PersonalOffers  Purpose = iota // proposals and coupons chosen from her own history
	PersonalAds                    // sponsored products chosen by audience or profile
	Measurement                    // her touches joined with her purchases to prove effect
	OffsiteMatching                // her identifiers matched with another site's
	Pooling                        // her data used in a pool of retailers
	purposeCount
)

var names = [purposeCount]string{"personal_offers", "personal_ads", "measurement", "offsite_matching", "pooling"}

// ErrPurpose is returned for a word that names no purpose.
var ErrPurpose = errors.New("unknown consent purpose")

// String gives the purpose's name, e.g. "personal_ads".
func (p Purpose) String() string {
	if p >= purposeCount {
		return fmt.Sprintf("purpose(%d)", uint8(p))
	}
	return names[p]
}

// ParsePurpose reads a purpose's name.
func ParsePurpose(s string) (Purpose, error) {
	for i, n := range names {
		if n == s {
			return Purpose(i), nil
		}
	}
	return 0, fmt.Errorf("%w: %.40q (one of %s)", ErrPurpose, s, strings.Join(names[:], ", "))
}

// Purposes lists every purpose in order.
func Purposes() []Purpose {
	all := make([]Purpose, purposeCount)
	for i := range all {
		all[i] = Purpose(i)
	}
	return all
}

// Set is a set of purposes. Bit i stands for Purpose i; bits beyond the known
// purposes are ignored.
type Set uint8

// None allows nothing, All every purpose.
const (
	None Set = 0
	All  Set = 1<<purposeCount - 1
)

// Of is the set of the given purposes.
func Of(ps ...Purpose) Set {
	var s Set
	for _, p := range ps {
		s |= 1 << p
	}
	return s & All
}

// Allows reports whether s holds p.
func (s Set) Allows(p Purpose) bool { return p < purposeCount && s&(1<<p) != 0 }

// With is s with p added.
func (s Set) With(p Purpose) Set { return s | Of(p) }

// Without is s with p removed.
func (s Set) Without(p Purpose) Set { return s &^ Of(p) }

// Purposes lists what s allows, in order.
func (s Set) Purposes() []Purpose {
	var out []Purpose
	for _, p := range Purposes() {
		if s.Allows(p) {
			out = append(out, p)
		}
	}
	return out
}

// String lists the purposes, comma-separated, or "none".
func (s Set) String() string {
	var out []string
	for i, n := range names {
		if s.Allows(Purpose(i)) {
			out = append(out, n)
		}
	}
	if out == nil {
		return "none"
	}
	return strings.Join(out, ",")
}

// ParseSet reads what String writes.
func ParseSet(text string) (Set, error) {
	if text == "none" || text == "" {
		return None, nil
	}
	var s Set
	for word := range strings.SplitSeq(text, ",") {
		p, err := ParsePurpose(word)
		if err != nil {
			return None, err
		}
		s = s.With(p)
	}
	return s, nil
}
