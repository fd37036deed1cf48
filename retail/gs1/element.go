package gs1

import (
	"slices"
	"strings"
)

// Limits on what is read: far above any symbol, far below what could hurt.
const (
	TextMax     = 8_191 // bytes of an element string or a link
	ElementsMax = 64    // elements of one
)

// fnc1 separates elements: as text, and as a scanner sends it.
const (
	fnc1     = '^'
	fnc1Sent = '\x1d'
)

// symbologies are the identifiers that a scanner puts in front of what holds
// element strings (GS1 General Specifications, section 5.1.3).
var symbologies = []string{"]C1", "]e0", "]d2", "]Q3", "]J1"}

// Element is one Application Identifier with its value, e.g. "01" and
// "09520123456788".
type Element struct{ AI, Value string }

// Elements are elements in the order in which they were read.
type Elements []Element

// ParseElements reads an element string: FNC1, as ^ or as the byte 1D, or a
// symbology identifier in front, and elements after one another, those of
// variable length ended by FNC1. Every value is verified by all syntax tests that
// the dictionary names for its AI. Errors are *Error.
func ParseElements(text string) (Elements, error) {
	all, err := parseElements(text)
	return all, err.orNil()
}

func parseElements(text string) (Elements, *Error) {
	if len(text) > TextMax {
		return nil, fault(TextTooLong, TextMax, len(text)-TextMax)
	}
	at := 0
	switch i := slices.IndexFunc(symbologies, func(s string) bool { return strings.HasPrefix(text, s) }); {
	case i >= 0:
		at = len(symbologies[i])
	case text != "" && ends(text[0]):
		at = 1
	default:
		return nil, fault(NoStart, 0, 0)
	}
	var all Elements
	for {
		e := leading(text[at:])
		if e == nil {
			return nil, fault(UnknownAI, at, min(4, len(text)-at))
		}
		at += len(e.ai)
		value := valueAt(text[at:], e)
		if err := e.check(value); err != nil {
			return nil, err.shift(at)
		}
		if len(all) == ElementsMax {
			return nil, fault(TooManyElements, at-len(e.ai), len(e.ai))
		}
		all = append(all, Element{e.ai, value})
		at += len(value)
		if at == len(text) {
			return all, nil
		}
		if ends(text[at]) {
			at++ // it may also follow a value that needs none
		}
	}
}

func ends(c byte) bool { return c == fnc1 || c == fnc1Sent }

// valueAt is what of text belongs to e.
func valueAt(text string, e *entry) string {
	end := strings.IndexAny(text, string([]byte{fnc1, fnc1Sent}))
	if end < 0 {
		end = len(text)
	}
	if e.fixed {
		end = min(end, e.size())
	}
	return text[:end]
}

// ParseBracketed reads elements as people write them below a symbol, with the AIs
// in brackets: "(01)09520123456788(10)ABC123". An opening bracket of a value is
// written \(. Errors are *Error.
func ParseBracketed(text string) (Elements, error) {
	all, err := parseBracketed(text)
	return all, err.orNil()
}

func parseBracketed(text string) (Elements, *Error) {
	if len(text) > TextMax {
		return nil, fault(TextTooLong, TextMax, len(text)-TextMax)
	}
	var all Elements
	for at := 0; at < len(text) || at == 0; {
		if at == len(text) || text[at] != '(' {
			return nil, fault(NoStart, at, min(1, len(text)-at))
		}
		shut := strings.IndexByte(text[at:], ')')
		if shut < 0 {
			return nil, fault(BracketOpen, at, len(text)-at)
		}
		e := lookup(text[at+1 : at+shut])
		if e == nil {
			return nil, fault(UnknownAI, at+1, shut-1)
		}
		if len(all) == ElementsMax {
			return nil, fault(TooManyElements, at, shut+1)
		}
		at += shut + 1
		raw := text[at : at+bracketed(text[at:])]
		value := strings.ReplaceAll(raw, `\(`, "(")
		if err := e.check(value); err != nil {
			return nil, err.within(value, raw).shift(at)
		}
		all = append(all, Element{e.ai, value})
		at += len(raw)
	}
	return all, nil
}

// bracketed is the length of the value that text begins with.
func bracketed(text string) int {
	for i := range len(text) {
		if text[i] == '(' && (i == 0 || text[i-1] != '\\') {
			return i
		}
	}
	return len(text)
}

// Get gives the value of an AI; ok is false where there is none.
func (all Elements) Get(ai string) (value string, ok bool) {
	i := slices.IndexFunc(all, func(e Element) bool { return e.AI == ai })
	if i < 0 {
		return "", false
	}
	return all[i].Value, true
}

// String gives the element string, with ^ for FNC1.
func (all Elements) String() string {
	var b strings.Builder
	separate := true
	for _, e := range all {
		if separate {
			b.WriteByte(fnc1)
		}
		b.WriteString(e.AI)
		b.WriteString(e.Value)
		known := lookup(e.AI)
		separate = known == nil || !known.fixed
	}
	return b.String()
}

// Bracketed writes elements as ParseBracketed reads them.
func (all Elements) Bracketed() string {
	var b strings.Builder
	for _, e := range all {
		b.WriteString("(" + e.AI + ")" + strings.ReplaceAll(e.Value, "(", `\(`))
	}
	return b.String()
}

// Check verifies what the dictionary says of elements beside one another: none
// twice with different values, none with one that excludes it, and each with those
// that it requires. Elements of several symbols on one pack are checked together,
// so reading does not check. The place in an error is the element's number.
func (all Elements) Check() error {
	for i, el := range all {
		e := lookup(el.AI)
		if e == nil {
			return fault(UnknownAI, i, 1)
		}
		for j, other := range all {
			if other.AI == el.AI {
				if other.Value != el.Value {
					return fault(RepeatedAI, max(i, j), 1)
				}
				continue
			}
			if slices.ContainsFunc(e.excluded, func(p string) bool { return matches(p, other.AI) }) {
				return fault(AIExcluded, j, 1)
			}
		}
		for _, groups := range e.required {
			if !slices.ContainsFunc(groups, all.haveAll) {
				return fault(AIMissing, i, 1)
			}
		}
	}
	return nil
}

// haveAll reports whether each pattern is matched by an element.
func (all Elements) haveAll(patterns []string) bool {
	for _, p := range patterns {
		if !slices.ContainsFunc(all, func(e Element) bool { return matches(p, e.AI) }) {
			return false
		}
	}
	return true
}
