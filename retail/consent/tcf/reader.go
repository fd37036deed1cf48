package tcf

import (
	"fmt"
	"time"
)

// reader takes fields off one segment, most significant bit first. Its first
// error stays, and what is read after it is zero.
type reader struct {
	name string // of the segment
	text string // base64url without padding, six bits a character
	at   int    // bits read
	err  error
}

func newReader(name, text string) *reader { return &reader{name: name, text: text} }

// fail records what is wrong with a field. It says nothing of the content.
func (r *reader) fail(field, why string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s of the %s %s", ErrString, field, r.name, why)
	}
}

// sixBits is the value of a base64url character.
func sixBits(c byte) (uint64, bool) {
	switch {
	case c >= 'A' && c <= 'Z':
		return uint64(c - 'A'), true
	case c >= 'a' && c <= 'z':
		return uint64(c-'a') + 26, true
	case c >= '0' && c <= '9':
		return uint64(c-'0') + 52, true
	case c == '-':
		return 62, true
	case c == '_':
		return 63, true
	}
	return 0, false
}

// number reads width bits, at most 57.
func (r *reader) number(field string, width int) uint64 {
	if r.err != nil {
		return 0
	}
	if r.at+width > 6*len(r.text) {
		r.fail(field, fmt.Sprintf("is cut short: it ends at bit %d, and there are %d", r.at+width, 6*len(r.text)))
		return 0
	}
	var v uint64
	end := r.at + width
	for r.at < end {
		six, ok := sixBits(r.text[r.at/6])
		if !ok {
			r.fail(field, "has a character that base64url has not")
			return 0
		}
		take := min(6-r.at%6, end-r.at)
		six >>= 6 - r.at%6 - take
		v = v<<take | six&(1<<take-1)
		r.at += take
	}
	return v
}

func (r *reader) flag(field string) bool { return r.number(field, 1) == 1 }

// instant reads tenths of a second since 1970.
func (r *reader) instant(field string) time.Time {
	return time.UnixMilli(int64(r.number(field, 36)) * 100).UTC()
}

// letters reads two letters of six bits each, a = 0.
func (r *reader) letters(field string) string {
	a, b := r.number(field, 6), r.number(field, 6)
	if a > 25 || b > 25 {
		r.fail(field, "is not two letters")
	}
	if r.err != nil {
		return ""
	}
	return string([]byte{byte('A' + a), byte('A' + b)})
}

// numbers reads a bit for each number from 1 to width, at most 63.
func (r *reader) numbers(field string, width int) Numbers {
	var s Numbers
	for n := 1; n <= width; n++ {
		if r.flag(field) {
			s |= 1 << (n - 1)
		}
	}
	return s
}

// vendors reads the highest vendor and then the set, as bits or as ranges.
func (r *reader) vendors(field string) Vendors {
	highest := uint16(r.number(field, 16))
	if r.flag(field) {
		return r.ranges(field, highest)
	}
	if r.err == nil && r.at+int(highest) > 6*len(r.text) {
		r.fail(field, "is cut short inside its bits")
		return Vendors{}
	}
	var v Vendors
	for n := 1; n <= int(highest) && r.err == nil; n++ {
		switch at := len(v.ranges) - 1; {
		case !r.flag(field):
		case at >= 0 && int(v.ranges[at].Last) == n-1:
			v.ranges[at].Last = uint16(n)
		default:
			v.ranges = append(v.ranges, Range{uint16(n), uint16(n)})
		}
	}
	return v
}

// ranges reads a counted list of single vendors and ranges up to highest.
func (r *reader) ranges(field string, highest uint16) Vendors {
	var list []Range
	for range r.number(field, 12) {
		long := r.flag(field)
		one := Range{First: uint16(r.number(field, 16))}
		one.Last = one.First
		if long {
			one.Last = uint16(r.number(field, 16))
		}
		switch {
		case r.err != nil:
			return Vendors{}
		case one.First == 0 || one.First > one.Last || one.Last > highest:
			r.fail(field, fmt.Sprintf("has vendors %d to %d, of 1 to %d", one.First, one.Last, highest))
			return Vendors{}
		}
		list = append(list, one)
	}
	return VendorsOf(list...)
}

// end is the reader's error, or what is wrong with the bits that are left: an
// encoder fills up with zeros to whole bytes and characters, and no further
// than to a multiple of both.
func (r *reader) end() error {
	if left := 6*len(r.text) - r.at; r.err == nil && left > fillMax {
		r.fail("end", fmt.Sprintf("is followed by %d bits", left))
	}
	for r.err == nil && r.at < 6*len(r.text) {
		if r.number("end", min(6*len(r.text)-r.at, 32)) != 0 {
			r.fail("end", "is followed by bits that are not zero")
		}
	}
	return r.err
}

// fillMax is how many zero bits may follow the last field: encoders fill up to a
// multiple of 24, or first to whole bytes and then to that.
const fillMax = 31
