// Package tcf reads consent strings of IAB Europe's Transparency and Consent
// Framework (TC strings, version 2 up to TCF 2.3) and says which of our
// purposes one allows. It follows "Consent string and vendor list formats v2"
// of IAB Tech Lab: the core, then in any order DisclosedVendors and
// PublisherTC. A string comes from a stranger's browser, so a bit that the
// format does not explain makes the whole string invalid, and an invalid
// string allows nothing. Only a registered consent platform may write such
// strings; nothing here does.
//
// On the road of a receipt, the gate reads a visit's string here, and what it
// allows becomes a consent that is kept with the string as its proof.
package tcf

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// ErrString is returned for text that is no valid TC string.
var ErrString = errors.New("not a valid TC string")

// LengthMax is the longest string that is read, in bytes. The longest in use
// have about 2,000; two bitfields of every vendor that can be numbered, 22,000.
const LengthMax = 32 << 10

// Numbers is a set of small numbers from 1: purposes, special features or the
// publisher's own purposes. Bit n-1 stands for n.
type Numbers uint64

// NumbersOf is the set of the given numbers; those outside 1 to 64 are dropped.
func NumbersOf(ns ...int) Numbers {
	var s Numbers
	for _, n := range ns {
		if n >= 1 && n <= 64 {
			s |= 1 << (n - 1)
		}
	}
	return s
}

// Has reports whether n is in the set.
func (s Numbers) Has(n int) bool { return n >= 1 && n <= 64 && s&(1<<(n-1)) != 0 }

// List gives the numbers in order.
func (s Numbers) List() []int {
	var out []int
	for left := s; left != 0; left &= left - 1 {
		out = append(out, bits.TrailingZeros64(uint64(left))+1)
	}
	return out
}

// RestrictionKind says what a publisher decided against a vendor's wish.
type RestrictionKind uint8

// The kinds of restriction, by their numbers in the format.
const (
	NotAllowed      RestrictionKind = 0 // the vendor may not use the purpose
	RequireConsent  RestrictionKind = 1 // only on consent
	RequireInterest RestrictionKind = 2 // only on legitimate interest
)

// Restriction is what a publisher decided about some vendors for one purpose.
type Restriction struct {
	Purpose int
	Kind    RestrictionKind
	Vendors Vendors
}

// Publisher is the PublisherTC segment: what was agreed with the publisher
// itself, here the retailer.
type Publisher struct {
	Purposes  Numbers // agreed to
	Interests Numbers // told of as legitimate interest, and not objected to
	// CustomCount is how many purposes of its own the publisher asked about;
	// Custom and CustomInterests are sets of numbers up to it.
	CustomCount             int
	Custom, CustomInterests Numbers
}

// Consent is what one TC string says. Treat it as read-only.
type Consent struct {
	Created, LastUpdated time.Time // in UTC, to a tenth of a second; whole days since 2.2
	CMP, CMPVersion      uint16
	Screen               uint8
	Language             string // two capital letters, ISO 639-1
	VendorListVersion    uint16
	PolicyVersion        uint8
	ServiceSpecific      bool
	NonStandardTexts     bool
	SpecialFeatures      Numbers // opted in to
	Purposes             Numbers // agreed to
	Interests            Numbers // told of as legitimate interest, and not objected to
	// PurposeOneUntold is set where purpose 1, storing on the device, was not
	// asked about because the law of Country does not want it.
	PurposeOneUntold bool
	Country          string // two capital letters: whose law the publisher follows
	VendorConsents   Vendors
	VendorInterests  Vendors
	Restrictions     []Restriction
	Disclosed        *Vendors   // nil where the string has no such segment
	Publisher        *Publisher // nil where the string has no such segment
}

// The segments after the core, by their numbers in the format.
const (
	segmentDisclosed = 1
	segmentPublisher = 3
)

// Parse reads a TC string. Anything that the format does not allow gives
// ErrString with the field: other versions, characters outside base64url,
// fields cut short, vendors out of their range, numbers that mean nothing,
// unknown or repeated segments, bits after the end.
func Parse(text string) (*Consent, error) {
	if len(text) > LengthMax {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrString, len(text), LengthMax)
	}
	core, rest, more := strings.Cut(text, ".")
	c := new(Consent)
	if err := c.readCore(newReader("core", core)); err != nil {
		return nil, err
	}
	for more {
		var segment string
		segment, rest, more = strings.Cut(rest, ".")
		if err := c.readSegment(segment); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Consent) readCore(r *reader) error {
	if version := r.number("Version", 6); r.err == nil && version != 2 {
		return fmt.Errorf("%w: version %d, where 2 is read", ErrString, version)
	}
	c.Created = r.instant("Created")
	c.LastUpdated = r.instant("LastUpdated")
	c.CMP = uint16(r.number("CmpId", 12))
	c.CMPVersion = uint16(r.number("CmpVersion", 12))
	c.Screen = uint8(r.number("ConsentScreen", 6))
	c.Language = r.letters("ConsentLanguage")
	c.VendorListVersion = uint16(r.number("VendorListVersion", 12))
	c.PolicyVersion = uint8(r.number("TcfPolicyVersion", 6))
	c.ServiceSpecific = r.flag("IsServiceSpecific")
	c.NonStandardTexts = r.flag("UseNonStandardTexts")
	c.SpecialFeatures = r.numbers("SpecialFeatureOptIns", 12)
	c.Purposes = r.numbers("PurposesConsent", purposeMax)
	c.Interests = r.numbers("PurposesLITransparency", purposeMax)
	c.PurposeOneUntold = r.flag("PurposeOneTreatment")
	c.Country = r.letters("PublisherCC")
	c.VendorConsents = r.vendors("VendorConsents")
	c.VendorInterests = r.vendors("VendorLegitimateInterests")
	c.Restrictions = r.restrictions()
	if r.err == nil && c.VendorListVersion == 0 {
		r.fail("VendorListVersion", "is 0, and lists are numbered from 1")
	}
	return r.end()
}

func (c *Consent) readSegment(text string) error {
	r := newReader("segment", text)
	switch kind := r.number("SegmentType", 3); {
	case r.err != nil:
	case kind == segmentDisclosed && c.Disclosed == nil:
		r.name = "DisclosedVendors"
		v := r.vendors("vendors")
		c.Disclosed = &v
	case kind == segmentPublisher && c.Publisher == nil:
		r.name = "PublisherTC"
		p := Publisher{
			Purposes:    r.numbers("PubPurposesConsent", purposeMax),
			Interests:   r.numbers("PubPurposesLITransparency", purposeMax),
			CustomCount: int(r.number("NumCustomPurposes", 6)),
		}
		p.Custom = r.numbers("CustomPurposesConsent", p.CustomCount)
		p.CustomInterests = r.numbers("CustomPurposesLITransparency", p.CustomCount)
		c.Publisher = &p
	case kind == segmentDisclosed || kind == segmentPublisher:
		r.fail("SegmentType", fmt.Sprintf("is %d a second time", kind))
	default:
		r.fail("SegmentType", fmt.Sprintf("is %d, where 1 (DisclosedVendors) and 3 (PublisherTC) are read", kind))
	}
	return r.end()
}

// purposeMax is the highest purpose a string has room for.
const purposeMax = 24

func (r *reader) restrictions() []Restriction {
	var out []Restriction
	for range r.number("NumPubRestrictions", 12) {
		one := Restriction{
			Purpose: int(r.number("PurposeId", 6)),
			Kind:    RestrictionKind(r.number("RestrictionType", 2)),
		}
		one.Vendors = r.ranges("PubRestrictions", 1<<16-1)
		switch {
		case r.err != nil:
			return nil
		case one.Purpose < 1 || one.Purpose > purposeMax:
			r.fail("PurposeId", fmt.Sprintf("is %d, of 1 to %d", one.Purpose, purposeMax))
		case one.Kind > RequireInterest:
			r.fail("RestrictionType", "is 3, which means nothing")
		case slices.ContainsFunc(out, func(o Restriction) bool { return o.Purpose == one.Purpose && o.Kind == one.Kind }):
			r.fail("PubRestrictions", fmt.Sprintf("has purpose %d with type %d twice", one.Purpose, one.Kind))
		}
		out = append(out, one)
	}
	return out
}

// restricted reports whether the publisher decided kind about vendor and purpose.
func (c *Consent) restricted(purpose int, vendor uint16, kind RestrictionKind) bool {
	for i := range c.Restrictions {
		o := &c.Restrictions[i]
		if o.Purpose == purpose && o.Kind == kind && o.Vendors.Has(vendor) {
			return true
		}
	}
	return false
}
