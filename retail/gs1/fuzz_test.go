package gs1_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"endcap/retail/gs1"
)

// What is read prints as it was, to the last digit.
func FuzzCoupon8110(f *testing.F) {
	for _, s := range []string{
		"1061414165432132501101203140131", "106141411234562890112012120850100480002140256100480003101231910" + "00", "01234561234561111012399",
		"0123456123456111101231011012301234562110123934200229420022950123456611234567" + "90000", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := gs1.ParseCoupon8110(s, nil); err == nil {
			if c.String() != s || c.Amount() < 0 {
				t.Errorf("%q is read as %+v, which prints as %s", s, c, c.String())
			}
		} else {
			placed(t, s, err)
		}
	})
}

func FuzzCoupon8112(f *testing.F) {
	f.Add("001234561234560123456")
	f.Add("061234567890121234569123456789012345")
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := gs1.ParseCoupon8112(s); err == nil {
			if c.String() != s || !strings.HasPrefix(s, c.Base()) {
				t.Errorf("%q is read as %+v, which prints as %s", s, c, c)
			}
		} else {
			placed(t, s, err)
		}
	})
}

func FuzzKeys(f *testing.F) {
	f.Add("9828508010106")
	f.Add("9501101530003123")
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := gs1.ParseEuroCoupon(s); err == nil {
			if c.String() != s || c.Amount().Amount < 0 || c.FreeGoods() != (c.Amount().Amount == 0) {
				t.Errorf("%q is read as %+v", s, c)
			}
		}
		if g, err := gs1.ParseGCN(s); err == nil && g.String() != s {
			t.Errorf("%q is read as %+v", s, g)
		}
	})
}

// An element string, its bracketed form and its link say the same.
func FuzzElements(f *testing.F) {
	for _, s := range []string{
		"^0112312312312333", "]d20109520123456788\x1d10ABC", "^011231231231233322TEST^10ABC^21XYZ", "^81101061414165432132501101203140131^2559501101530003",
		"^1012345(11)991225", "^4300A%20B^00006141411234567890", "^8007BE71096123456769", "^8030AAA=", "^39100089^3103000195",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		all, err := gs1.ParseElements(s)
		if err != nil {
			placed(t, s, err)
			return
		}
		if again, err := gs1.ParseElements(all.String()); err != nil || !cmp.Equal(all, again) {
			t.Errorf("%q is %v; printed and read again %v, %v", s, all, again, err)
		}
		if again, err := gs1.ParseBracketed(all.Bracketed()); err != nil || !cmp.Equal(all, again) {
			t.Errorf("%q is %v; in brackets %v, %v", s, all, again, err)
		}
		if c, err := all.GlobalCoupon(); err == nil && (c.Amount < 0 || c.Percent < 0 || c.Points < 0) {
			t.Errorf("%q gives %+v", s, c)
		}
		if l, err := all.Link(gs1.Stem); err == nil {
			again, err := gs1.ParseLink(l.String())
			if err != nil || !cmp.Equal(l, again) {
				t.Errorf("%q is link %s, read again %v, %v", s, l.String(), again, err)
			}
		}
	})
}

func FuzzBracketed(f *testing.F) {
	f.Add("(01)12345678901231(10)12345")
	f.Add(`(10)12345\(11)991225`)
	f.Add("(10)")
	f.Fuzz(func(t *testing.T, s string) {
		all, err := gs1.ParseBracketed(s)
		if err != nil {
			placed(t, s, err)
		} else if all.Bracketed() != s {
			t.Errorf("%q is %v, which prints as %s", s, all, all.Bracketed())
		}
	})
}

func FuzzLink(f *testing.F) {
	for _, s := range []string{
		"https://id.gs1.org/01/09520123456788/10/ABC1/21/12345?17=180426", "HTTPS://a/b/gtin/02345673/ser/A%2FB?x&&y=1&99=A%2bB#f",
		"https://a/00/faux/00/006141411234567890", "https://a/8004/9520614141234567?01=2112345678900", "http://[2001:db8::1]/414/9520123456788/254/32a%2Fb",
		"https://a/01/12312312312333?99=ABC%00DEF", "https://a//01/12312312312333",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := gs1.ParseLink(s)
		if err != nil {
			placed(t, s, err)
			return
		}
		again, err := gs1.ParseLink(l.String())
		if err != nil || !cmp.Equal(l, again) {
			t.Errorf("%q is %+v; printed and read again %+v, %v", s, l, again, err)
		}
		if again.String() != l.String() {
			t.Errorf("%q prints as %s and then as %s", s, l.String(), again.String())
		}
		elements, err := gs1.ParseElements(l.Elements().String())
		if err != nil || !cmp.Equal(elements, l.Elements()) {
			t.Errorf("%q says %v, as an element string %v, %v", s, l.Elements(), elements, err)
		}
	})
}

// placed verifies that an error lies within the text.
func placed(t *testing.T, s string, err error) {
	t.Helper()
	e, ok := err.(*gs1.Error) //nolint:errorlint // promised to be one itself
	if !ok || e.Fault == "" || e.At < 0 || e.Len < 0 || e.At+e.Len > len(s) {
		t.Errorf("%q: %#v", s, err)
	}
}
