package coupon_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"endcap/retail/coupon"
)

// Every code in docs/coupons.md is read or refused as the page says.
func TestCodesOfTheDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/coupons.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Codes of your own")
	section, _, _ = strings.Cut(section, "\n## ")
	check := coupon.NewCheck(secretOf(1))
	n, last := 0, ""
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 4 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		n++
		text, said := strings.Trim(cells[1], " `"), strings.TrimSpace(cells[2])
		c, err := check.Parse(text)
		var right bool
		switch {
		case said == "a code":
			right, last = err == nil, c.Reveal()
		case said == "the same code":
			right = err == nil && c.Reveal() == last
		case strings.HasPrefix(said, "the code `"):
			right = err == nil && strings.HasPrefix(said, "the code `"+c.Reveal()+"`")
		case strings.HasPrefix(said, "refused, `checksum`"):
			right = errors.Is(err, coupon.ErrChecksum)
		case strings.HasPrefix(said, "refused, `malformed`"):
			right = errors.Is(err, coupon.ErrMalformed)
		}
		if !right {
			t.Errorf("%s is %q, %v; the page says: %s", text, c.Reveal(), err, said)
		}
	}
	if n != 9 {
		t.Errorf("%d codes stand on the page", n)
	}
}
