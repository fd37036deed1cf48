package tcf

import (
	"cmp"
	"slices"
)

// Range is vendors from First to Last, both included.
type Range struct{ First, Last uint16 }

// Vendors is a set of vendor numbers, from 1 to 65,535. The zero value is empty.
type Vendors struct{ ranges []Range } // in order, apart by at least one number

// VendorsOf is the union of ranges. Number 0 is nobody and is left out, and so
// is a range whose end is before its start.
func VendorsOf(ranges ...Range) Vendors {
	var in []Range
	for _, r := range ranges {
		if r.First = max(r.First, 1); r.Last >= r.First {
			in = append(in, r)
		}
	}
	slices.SortFunc(in, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	var v Vendors
	for _, r := range in {
		if n := len(v.ranges); n > 0 && int(r.First) <= int(v.ranges[n-1].Last)+1 {
			v.ranges[n-1].Last = max(v.ranges[n-1].Last, r.Last)
			continue
		}
		v.ranges = append(v.ranges, r)
	}
	return v
}

// Has reports whether the vendor is in the set.
func (v Vendors) Has(vendor uint16) bool {
	at, found := slices.BinarySearchFunc(v.ranges, vendor, func(r Range, n uint16) int { return cmp.Compare(r.First, n) })
	return found || at > 0 && v.ranges[at-1].Last >= vendor
}

// Ranges gives the set as the fewest ranges, in order. It is a copy.
func (v Vendors) Ranges() []Range { return slices.Clone(v.ranges) }

// Max is the highest vendor of the set, 0 where it is empty.
func (v Vendors) Max() uint16 {
	if len(v.ranges) == 0 {
		return 0
	}
	return v.ranges[len(v.ranges)-1].Last
}
