// Package tcftest writes TC strings for the tests of those who read them. It
// is a suite's tool and no part of the program: only a consent platform
// registered with IAB Europe may write strings that others see.
//
// It is beside the road of a receipt, where tests are made.
package tcftest

import (
	"strings"

	"endcap/retail/consent/tcf"
)

// Form says how sets of vendors are written; a reader must not care.
type Form int

// The forms.
const (
	Shorter Form = iota // what takes fewer bits, as the format advises
	Bits                // a bit for each vendor
	Ranges              // a list of ranges
)

// Encode writes c with its segments in the order core, DisclosedVendors,
// PublisherTC. Fields outside their bits are cut, and so are lists of more than
// 4,095 ranges.
func Encode(c *tcf.Consent, form Form) string {
	w := &writer{form: form}
	w.number(2, 6)
	w.number(uint64(c.Created.UnixMilli()/100), 36)
	w.number(uint64(c.LastUpdated.UnixMilli()/100), 36)
	w.number(uint64(c.CMP), 12)
	w.number(uint64(c.CMPVersion), 12)
	w.number(uint64(c.Screen), 6)
	w.letters(c.Language)
	w.number(uint64(c.VendorListVersion), 12)
	w.number(uint64(c.PolicyVersion), 6)
	w.flag(c.ServiceSpecific)
	w.flag(c.NonStandardTexts)
	w.numbers(c.SpecialFeatures, 12)
	w.numbers(c.Purposes, 24)
	w.numbers(c.Interests, 24)
	w.flag(c.PurposeOneUntold)
	w.letters(c.Country)
	w.vendors(c.VendorConsents)
	w.vendors(c.VendorInterests)
	w.number(uint64(len(c.Restrictions)), 12)
	for _, r := range c.Restrictions {
		w.number(uint64(r.Purpose), 6)
		w.number(uint64(r.Kind), 2)
		w.ranges(r.Vendors.Ranges())
	}
	segments := []string{w.take()}
	if c.Disclosed != nil {
		w.number(1, 3)
		w.vendors(*c.Disclosed)
		segments = append(segments, w.take())
	}
	if p := c.Publisher; p != nil {
		w.number(3, 3)
		w.numbers(p.Purposes, 24)
		w.numbers(p.Interests, 24)
		w.number(uint64(p.CustomCount), 6)
		w.numbers(p.Custom, p.CustomCount)
		w.numbers(p.CustomInterests, p.CustomCount)
		segments = append(segments, w.take())
	}
	return strings.Join(segments, ".")
}

// writer gathers bits, most significant first.
type writer struct {
	form Form
	bits []byte // 0 or 1
}

func (w *writer) number(v uint64, width int) {
	for i := width - 1; i >= 0; i-- {
		w.bits = append(w.bits, byte(v>>i&1))
	}
}

func (w *writer) flag(v bool) {
	if v {
		w.number(1, 1)
	} else {
		w.number(0, 1)
	}
}

func (w *writer) letters(two string) {
	for _, c := range two {
		w.number(uint64(c-'A'), 6)
	}
}

func (w *writer) numbers(s tcf.Numbers, width int) {
	for n := 1; n <= width; n++ {
		w.flag(s.Has(n))
	}
}

func (w *writer) vendors(v tcf.Vendors) {
	list := v.Ranges()
	listed := 12
	for _, r := range list {
		listed += 17
		if r.First != r.Last {
			listed += 16
		}
	}
	w.number(uint64(v.Max()), 16)
	asRanges := w.form == Ranges || w.form == Shorter && listed < int(v.Max())
	w.flag(asRanges)
	if asRanges {
		w.ranges(list)
		return
	}
	for n := 1; n <= int(v.Max()); n++ {
		w.flag(v.Has(uint16(n)))
	}
}

func (w *writer) ranges(list []tcf.Range) {
	list = list[:min(len(list), 4_095)]
	w.number(uint64(len(list)), 12)
	for _, r := range list {
		w.flag(r.First != r.Last)
		w.number(uint64(r.First), 16)
		if r.First != r.Last {
			w.number(uint64(r.Last), 16)
		}
	}
}

// take fills up to whole bytes and characters, and starts anew.
func (w *writer) take() string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for len(w.bits)%8 != 0 || len(w.bits)%6 != 0 && len(w.bits)%8 == 0 && w.form == Bits {
		w.bits = append(w.bits, 0)
	}
	for len(w.bits)%6 != 0 {
		w.bits = append(w.bits, 0)
	}
	var out strings.Builder
	for i := 0; i < len(w.bits); i += 6 {
		var v int
		for _, b := range w.bits[i : i+6] {
			v = v<<1 | int(b)
		}
		out.WriteByte(alphabet[v])
	}
	w.bits = nil
	return out.String()
}
