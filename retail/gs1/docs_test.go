package gs1_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"endcap/retail"
	"endcap/retail/gs1"
)

// Every coupon in docs/coupons.md is what the page says it is.
func TestCouponsOfTheDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/coupons.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## What tills read of other issuers")
	n := 0
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 4 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		n++
		text, want := strings.Trim(cells[1], " `"), strings.TrimSpace(cells[2])
		got, err := told(text)
		if err != nil || got != want {
			t.Errorf("%s\nis:   %s %v\nsaid: %s", text, got, err, want)
		}
	}
	if n != 13 {
		t.Errorf("%d coupons stand on the page", n)
	}
	if _, err := gs1.ParseCoupon8110("01234561234561111012310110123012", nil); err == nil || !strings.Contains(string(page), err.Error()) {
		t.Errorf("the page does not show this error: %v", err)
	}
}

// told says in words what stands on a coupon.
func told(text string) (string, error) {
	if strings.HasPrefix(text, "98") {
		c, err := gs1.ParseEuroCoupon(text)
		gives := c.Amount().String() + " off"
		if c.FreeGoods() {
			gives = "free goods"
		}
		return fmt.Sprintf("Euro coupon of issuer %s, promotion %s: %s", c.Issuer, c.Reference, gives), err
	}
	var all gs1.Elements
	var err error
	if strings.HasPrefix(text, "http") {
		var l gs1.Link
		l, err = gs1.ParseLink(text)
		all = l.Elements()
	} else {
		all, err = gs1.ParseBracketed(text)
	}
	if err != nil {
		return "", err
	}
	if value, ok := all.Get("8110"); ok {
		c, err := gs1.ParseCoupon8110(value, nil)
		buys := purchase(&c.First)
		if c.Second != nil && c.Rule == gs1.AnyRequirement {
			buys += " or " + purchase(c.Second)
		}
		return fmt.Sprintf("North American coupon of funder %s, offer %s%s: %v off when she buys %s", c.Funder, c.OfferCode, until(c.Expires), c.Amount(), buys), err
	}
	if value, ok := all.Get("8112"); ok {
		c, err := gs1.ParseCoupon8112(value)
		return fmt.Sprintf("coupon of an offer file: funder %s, offer %s, copy %s", c.Funder, c.OfferCode, c.Serial), err
	}
	c, err := all.GlobalCoupon()
	which := "global coupon " + c.GCN.Number
	if c.GCN.Serial != "" {
		which += ", copy " + c.GCN.Serial
	}
	return which + until(c.Expires) + ": " + map[gs1.Gives]string{
		gs1.NotSaid: "the issuer knows what it gives", gs1.AmountOf: c.Amount.String() + " off", gs1.GoodsFree: "free goods",
		gs1.PercentOf: strings.TrimSuffix(fmt.Sprintf("%d.%d", c.Percent/1_000, c.Percent%1_000/100), ".0") + " % off",
		gs1.PointsOf:  fmt.Sprintf("%d points", c.Points),
	}[c.Gives], err
}

func purchase(r *gs1.Requirement) string {
	return fmt.Sprintf("%d of family %s", r.Quantity.Int(), r.Family)
}

func until(d gs1.Date) string {
	if d == "" {
		return ""
	}
	return ", until " + d.Day(retail.Date(2026, 11, 23)).String()
}
