package gs1_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/gs1"
)

// today is a day on which the coupons below are read.
var today = retail.Date(2026, time.March, 31)

func TestWhatDoesAPaperCouponOfBrandXGive(t *testing.T) {
	t.Parallel()
	// Two coupons that the guideline's practitioners print as examples.
	tests := map[string]struct {
		value  string
		want   gs1.Coupon8110
		amount retail.Micros
	}{
		"2.50 off when you buy one, until 31 January 2014": {
			"1061414165432132501101203140131",
			gs1.Coupon8110{
				Funder: "0614141", OfferCode: "654321", SaveValue: "250",
				First: gs1.Requirement{Quantity: "1", Basis: gs1.Units, Family: "120"}, Expires: "140131",
			},
			2*retail.Unit + 50*retail.Cent,
		},
		"0.75 off one bundle or three boxes": {
			"106141411234562751106501013085093140131",
			gs1.Coupon8110{
				Funder: "0614141", OfferCode: "123456", SaveValue: "75",
				First:   gs1.Requirement{Quantity: "1", Family: "650"},
				Rule:    gs1.AnyRequirement,
				Second:  &gs1.Requirement{Quantity: "3", Family: "850"},
				Expires: "140131",
			},
			75 * retail.Cent,
		},
		"10 % off, at one retailer, from 1 March on": {
			"0123456654321210" + "110000" + "4260301" + "50123456" + "611234567" + "95030",
			gs1.Coupon8110{
				Funder: "123456", OfferCode: "654321", SaveValue: "10",
				First: gs1.Requirement{Quantity: "1", Family: "000"}, Starts: "260301", Serial: "123456", Retailer: "1234567",
				Saving: &gs1.Saving{Code: gs1.PercentOff, StoreCoupon: 3},
			},
			0,
		},
		"one free up to 4.00, of the second item": {
			"01234566543213400" + "110120" + "1" + "1" + "110850" + "9" + "91101",
			gs1.Coupon8110{
				Funder: "123456", OfferCode: "654321", SaveValue: "400",
				First:  gs1.Requirement{Quantity: "1", Family: "120"},
				Rule:   gs1.AllRequirements,
				Second: &gs1.Requirement{Quantity: "1", Family: "850"},
				Saving: &gs1.Saving{Code: gs1.FreeItem, Item: 1, NotMultiply: true},
			},
			4 * retail.Unit,
		},
		"20 hundredths off": {
			"0123456654321220" + "110120" + "95000",
			gs1.Coupon8110{
				Funder: "123456", OfferCode: "654321", SaveValue: "20",
				First:  gs1.Requirement{Quantity: "1", Family: "120"},
				Saving: &gs1.Saving{Code: gs1.PercentOff},
			},
			0,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := gs1.ParseCoupon8110(tt.value, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if got.Amount() != tt.amount {
				t.Errorf("amount %v, want %v", got.Amount(), tt.amount)
			}
			if got.String() != tt.value {
				t.Errorf("prints as %s, was %s", got.String(), tt.value)
			}
		})
	}
}

// A coupon of a funder who has no account here is refused at its prefix.
func TestACouponOfNobodyWePayFor(t *testing.T) {
	t.Parallel()
	ours := func(digits string) gs1.Fault {
		if digits == "0614141" {
			return ""
		}
		return gs1.UnknownPrefix
	}
	if _, err := gs1.ParseCoupon8110("1061414165432132501101203140131", ours); err != nil {
		t.Errorf("a coupon of a funder of ours: %v", err)
	}
	_, err := gs1.ParseCoupon8110("1061414265432132501101203140131", ours)
	if want := (&gs1.Error{Fault: gs1.UnknownPrefix, At: 1, Len: 7}); !cmp.Equal(err, error(want)) {
		t.Errorf("got %v, want %v", err, want)
	}
	if _, err := gs1.ParseCoupon8110("1061414165432132501101203140131"+"6"+"11234567", ours); err == nil {
		t.Error("a coupon for another retailer's tills is taken")
	}
}

func TestWhichOfferAndWhichCopyIsACouponOfAnOfferFile(t *testing.T) {
	t.Parallel()
	got, err := gs1.ParseCoupon8112("112345678000111" + "9" + "123456789012345")
	want := gs1.Coupon8112{Format: '1', Funder: "2345678", OfferCode: "000111", Serial: "123456789012345"}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if got.Base() != "112345678000111" {
		t.Errorf("base %s", got.Base())
	}
	if _, err := gs1.ParseCoupon8112("1" + "1"); err == nil || !strings.Contains(err.Error(), "truncated funder") {
		t.Errorf("a cut coupon: %v", err)
	}
}

// Edge case 4 of the notes, and the printed examples of GS1 Greece.
func TestEuroCoupons(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		digits string // without the check digit
		want   gs1.EuroCoupon
		free   bool
		amount retail.Micros
	}{
		"982 counts cents":               {"982850801010", gs1.EuroCoupon{Prefix: "982", Issuer: "8508", Reference: "01", Value: "010"}, false, 10 * retail.Cent},
		"981 counts tenths":              {"981376503001", gs1.EuroCoupon{Prefix: "981", Issuer: "3765", Reference: "03", Value: "001"}, false, 10 * retail.Cent},
		"982 up to 9.99":                 {"982850801999", gs1.EuroCoupon{Prefix: "982", Issuer: "8508", Reference: "01", Value: "999"}, false, 999 * retail.Cent},
		"981 up to 99.90":                {"981850801999", gs1.EuroCoupon{Prefix: "981", Issuer: "8508", Reference: "01", Value: "999"}, false, 9_990 * retail.Cent},
		"000 is free goods, no 0.00 off": {"982850801000", gs1.EuroCoupon{Prefix: "982", Issuer: "8508", Reference: "01", Value: "000"}, true, 0},
		"000 under 981 too":              {"981850801000", gs1.EuroCoupon{Prefix: "981", Issuer: "8508", Reference: "01", Value: "000"}, true, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := tt.digits + string(gs1.CheckDigit(tt.digits))
			got, err := gs1.ParseEuroCoupon(text)
			if err != nil || got != tt.want {
				t.Fatalf("got %+v, %v; want %+v", got, err, tt.want)
			}
			if got.FreeGoods() != tt.free || got.Amount() != (retail.Money{Amount: tt.amount, Currency: "EUR"}) || got.String() != text {
				t.Errorf("free goods %v, amount %v, prints as %s", got.FreeGoods(), got.Amount(), got)
			}
		})
	}
	for text, want := range map[string]gs1.Fault{
		"9828508010107":  "incorrect_check_digit",
		"9838508010105":  gs1.NotEuroCoupon,
		"982850801010":   gs1.NotEuroCoupon,
		"98285080101066": gs1.NotEuroCoupon,
		"982850801O106":  "non_digit_character",
		"":               gs1.NotEuroCoupon,
	} {
		_, err := gs1.ParseEuroCoupon(text)
		if found, ok := errors.AsType[*gs1.Error](err); !ok || found.Fault != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	for _, printed := range []string{"9813765030011", "9828508010106"} {
		if _, err := gs1.ParseEuroCoupon(printed); err != nil {
			t.Errorf("%s: %v", printed, err)
		}
	}
}

func TestAGlobalCouponNumberWithAndWithoutACopy(t *testing.T) {
	t.Parallel()
	number := "950110153000" + string(gs1.CheckDigit("950110153000"))
	for _, serial := range []string{"", "1", "123456789012"} {
		got, err := gs1.ParseGCN(number + serial)
		if err != nil || got != (gs1.GCN{Number: number, Serial: serial}) || got.String() != number+serial {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	for _, wrong := range []string{"", number[:12], number + "1234567890123", number + "A", "9501101530001"} {
		if got, err := gs1.ParseGCN(wrong); err == nil {
			t.Errorf("%q is read as %+v", wrong, got)
		}
	}
}

// Until which day is a coupon good that says 00 for the day, or only two digits
// of the year?
func TestTheDayThatSixDigitsMean(t *testing.T) {
	t.Parallel()
	tests := map[gs1.Date]retail.Day{
		"260331": retail.Date(2026, time.March, 31),
		"260200": retail.Date(2026, time.February, 28),
		"280200": retail.Date(2028, time.February, 29),
		"761231": retail.Date(2076, time.December, 31), // 50 years ahead
		"770101": retail.Date(1977, time.January, 1),   // 51 would be too many
		"000229": retail.Date(2000, time.February, 29),
	}
	for text, want := range tests {
		if got := text.Day(today); got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
	if got, want := gs1.Date("000229").Day(retail.Date(2060, time.May, 1)), retail.Date(2100, time.February, 28); got != want {
		t.Errorf("29 February of a year that has none is %v, want %v", got, want)
	}
	if got, want := gs1.Date("260331").Day(retail.Date(1970, time.May, 1)), retail.Date(1926, time.March, 31); got != want {
		t.Errorf("in 1970, 26 is %v, want %v", got, want)
	}
}

// Edge case 5 of the notes: whichever way a pack carries its number, it is one
// product, and a wrong check digit is none.
func TestAPackIsOneProductHoweverItIsCoded(t *testing.T) {
	t.Parallel()
	for _, g := range []string{"02345673", "416000336108", "2112345678900", "5412345000013", "12345678901231"} {
		want, err := catalog.ParseGTIN(g)
		if err != nil {
			t.Fatal(err)
		}
		padded := strings.Repeat("0", 14-len(g)) + g
		for _, text := range []string{"https://id.gs1.org/01/" + g, "https://id.gs1.org/01/" + padded, "https://brand.example/gtin/" + g} {
			l, err := gs1.ParseLink(text)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			value, _ := l.Elements().Get("01")
			if got, err := catalog.ParseGTIN(value); err != nil || got != want {
				t.Errorf("%s is product %v, %v; want %v", text, got, err, want)
			}
		}
		scanned, err := gs1.ParseElements("]d201" + padded)
		if value, _ := scanned.Get("01"); err != nil || value != padded {
			t.Errorf("scanned %v, %v", scanned, err)
		}
		wrong := g[:len(g)-1] + string('0'+(g[len(g)-1]-'0'+1)%10)
		if _, err := gs1.ParseLink("https://id.gs1.org/01/" + wrong); err == nil {
			t.Errorf("%s is a product", wrong)
		}
	}
}

// Edge case 6 of the notes: what no scanner sends is refused at once, and the
// error does not repeat it.
func TestWhatNoScannerSends(t *testing.T) {
	t.Parallel()
	readers := map[string]func(string) error{
		"coupon 8110": func(s string) error { _, err := gs1.ParseCoupon8110(s, nil); return err },
		"coupon 8112": func(s string) error { _, err := gs1.ParseCoupon8112(s); return err },
		"GCN":         func(s string) error { _, err := gs1.ParseGCN(s); return err },
		"Euro coupon": func(s string) error { _, err := gs1.ParseEuroCoupon(s); return err },
		"elements":    func(s string) error { _, err := gs1.ParseElements(s); return err },
		"bracketed":   func(s string) error { _, err := gs1.ParseBracketed(s); return err },
		"link":        func(s string) error { _, err := gs1.ParseLink(s); return err },
	}
	texts := map[string]string{
		"fullwidth digits": "９８２８５０８０１０１０６",
		"Arabic digits":    "٩٨٢٨٥٠٨٠١٠١٠٦",
		"NUL":              "982850801010\x00",
		"invalid UTF-8":    "^01\xff\xfe345678901231",
		"a line for a log": "9828508010106\nlevel=INFO msg=\"coupon accepted\"",
		"1 MiB of digits":  strings.Repeat("9", 1<<20),
		"1 MiB of FNC1":    strings.Repeat("^", 1<<20),
		"1 MiB of links":   "https://a" + strings.Repeat("/01/12312312312333", 1<<16),
		"1 MiB of queries": "https://a/01/12312312312333?" + strings.Repeat("&", 1<<20),
		"64 kB of slashes": "https://a" + strings.Repeat("/", 1<<16),
	}
	for reader, read := range readers {
		for what, text := range texts {
			for _, s := range []string{text, "(01)" + text, "https://a/01/" + text, "^8110" + text} {
				var err error
				quickest := time.Hour
				for range 5 { // the machine may be busy; the code is not
					start := time.Now()
					err = read(s)
					quickest = min(quickest, time.Since(start))
				}
				if err == nil {
					t.Errorf("%s takes %s", reader, what)
				} else if len(err.Error()) > 100 || strings.ContainsAny(err.Error(), "\n\x00９٩") {
					t.Errorf("%s of %s repeats it: %.200q", reader, what, err)
				}
				if quickest > 5*time.Millisecond {
					t.Errorf("%s refuses %s in %v", reader, what, quickest)
				}
			}
		}
	}
}

func TestALinkForAShelfLabel(t *testing.T) {
	t.Parallel()
	elements, err := gs1.ParseBracketed("(17)260331(01)09520123456788(21)A/1 is no serial")
	if err == nil {
		t.Fatalf("a serial with spaces is read: %v", elements)
	}
	elements, err = gs1.ParseBracketed("(17)260331(01)09520123456788(21)A/1(10)L+2")
	if err != nil {
		t.Fatal(err)
	}
	l, err := elements.Link("https://shop.example/p/")
	if err != nil {
		t.Fatal(err)
	}
	const want = "https://shop.example/p/01/09520123456788/10/L%2B2/21/A%2F1?17=260331"
	if l.String() != want {
		t.Errorf("got %s, want %s", l.String(), want)
	}
	again, err := gs1.ParseLink(want)
	if diff := cmp.Diff(l, again); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	for name, tt := range map[string]struct {
		bracketed, stem string
		want            gs1.Fault
	}{
		"no key":                      {"(10)ABC", gs1.Stem, gs1.NoPrimaryKey},
		"a serial without its key":    {"(00)006141411234567890(21)7", gs1.Stem, gs1.NotAttribute},
		"no scheme":                   {"(01)09520123456788", "shop.example", gs1.IllegalScheme},
		"a stem with a query":         {"(01)09520123456788", "https://shop.example/?a=b", gs1.IllegalURICharacter},
		"a stem with a space":         {"(01)09520123456788", "https://shop.example/a b", gs1.IllegalURICharacter},
		"an attribute of another key": {"(01)09520123456788(235)X(22)Y", gs1.Stem, gs1.NotAttribute},
	} {
		elements, err := gs1.ParseBracketed(tt.bracketed)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err = elements.Link(tt.stem)
		if found, ok := errors.AsType[*gs1.Error](err); !ok || found.Fault != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}

// Percent-encoding is decoded once: what is encoded twice is another serial.
func TestPercentEncodingIsDecodedOnce(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://a/01/12312312312333/21/A%2FB":   "A/B",
		"https://a/01/12312312312333/21/A%252FB": "A%2FB",
		"https://a/01/12312312312333/21/A+B":     "A+B",
	} {
		l, err := gs1.ParseLink(text)
		if got, _ := l.Elements().Get("21"); err != nil || got != want {
			t.Errorf("%s: serial %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"https://a/01/12312312312333/21/A%2", "https://a/01/12312312312333/21/A%zz"} {
		_, err := gs1.ParseLink(text)
		if found, ok := errors.AsType[*gs1.Error](err); !ok || found.Fault != gs1.InvalidPercent || found.At != 32 {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Which elements may one pack carry together?
func TestElementsBesideOneAnother(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]gs1.Fault{
		"(01)09520123456788(10)L1(17)260331":            "",
		"(10)L1":                                        gs1.AIMissing,
		"(01)09520123456788(37)4":                       gs1.AIExcluded,
		"(02)09520123456788(37)4":                       gs1.AIMissing, // and of which pallet
		"(02)09520123456788(37)4(00)006141411234567890": "",
		"(8111)0100":                                    gs1.AIMissing,
		"(255)9501101530003(8111)0100":                  "",
		"(255)9501101530003(01)09520123456788":          gs1.AIExcluded,
		"(255)9501101530003(3902)100(8111)0100":         gs1.AIExcluded,
		"(10)L1(01)09520123456788(10)L2":                gs1.RepeatedAI,
		"(10)L1(01)09520123456788(10)L1":                "",
		"(01)09520123456788(3103)000195(3922)0299":      "",
		"(01)09520123456788(3922)0299":                  gs1.AIMissing,
		"(01)09520123456788(3103)000195(3102)001950":    gs1.AIExcluded,
	} {
		all, err := gs1.ParseBracketed(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got gs1.Fault
		if found, ok := errors.AsType[*gs1.Error](all.Check()); ok {
			got = found.Fault
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// What does a global coupon give, by what is printed beside its number?
func TestWhatAGlobalCouponGives(t *testing.T) {
	t.Parallel()
	number := gs1.GCN{Number: "9501101530003"}
	tests := map[string]struct {
		bracketed string
		want      gs1.GlobalCoupon
		fault     gs1.Fault
	}{
		"the issuer knows":     {"(255)95011015300030042", gs1.GlobalCoupon{GCN: gs1.GCN{Number: "9501101530003", Serial: "0042"}}, ""},
		"2.50 until 31 March":  {"(17)260331(255)9501101530003(3902)250", gs1.GlobalCoupon{GCN: number, Expires: "260331", Gives: gs1.AmountOf, Amount: 250 * retail.Cent}, ""},
		"100 yen":              {"(255)9501101530003(3900)100", gs1.GlobalCoupon{GCN: number, Gives: gs1.AmountOf, Amount: 100 * retail.Unit}, ""},
		"free goods":           {"(255)9501101530003(3900)000", gs1.GlobalCoupon{GCN: number, Gives: gs1.GoodsFree}, ""},
		"10 %":                 {"(255)9501101530003(3940)0010", gs1.GlobalCoupon{GCN: number, Gives: gs1.PercentOf, Percent: 10_000}, ""},
		"12.5 %":               {"(255)9501101530003(3941)0125", gs1.GlobalCoupon{GCN: number, Gives: gs1.PercentOf, Percent: 12_500}, ""},
		"200 points":           {"(255)9501101530003(8111)0200", gs1.GlobalCoupon{GCN: number, Gives: gs1.PointsOf, Points: 200}, ""},
		"the largest amount":   {"(255)9501101530003(3902)100000000000", gs1.GlobalCoupon{GCN: number, Gives: gs1.AmountOf, Amount: retail.MicrosMax}, ""},
		"a cent too much":      {"(255)9501101530003(3902)100000000001", gs1.GlobalCoupon{}, gs1.AmountOutOfRange},
		"too fine an amount":   {"(255)9501101530003(3909)1", gs1.GlobalCoupon{}, gs1.AmountOutOfRange},
		"no coupon":            {"(01)09520123456788", gs1.GlobalCoupon{}, gs1.AIMissing},
		"points and an amount": {"(255)9501101530003(8111)0200(3902)100", gs1.GlobalCoupon{}, gs1.AIExcluded},
		"a coupon on a pack":   {"(255)9501101530003(01)09520123456788", gs1.GlobalCoupon{}, gs1.AIExcluded},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, err := gs1.ParseBracketed(tt.bracketed)
			if err != nil {
				t.Fatal(err)
			}
			got, err := all.GlobalCoupon()
			found, _ := errors.AsType[*gs1.Error](err)
			if got != tt.want || found == nil && tt.fault != "" || found != nil && found.Fault != tt.fault {
				t.Errorf("got %+v, %v; want %+v, %s", got, err, tt.want, tt.fault)
			}
		})
	}
}

// Why is this not read? The fault is named, and its place in the text.
func TestWhyATextIsRefused(t *testing.T) {
	t.Parallel()
	elements := func(s string) error { _, err := gs1.ParseElements(s); return err }
	bracketed := func(s string) error { _, err := gs1.ParseBracketed(s); return err }
	link := func(s string) error { _, err := gs1.ParseLink(s); return err }
	const key = "https://a/01/12312312312333"
	tests := map[string]struct {
		read func(string) error
		text string
		want gs1.Error
	}{
		"no FNC1 in front":            {elements, "0112312312312333", gs1.Error{Fault: gs1.NoStart}},
		"nothing":                     {elements, "", gs1.Error{Fault: gs1.NoStart}},
		"nothing behind FNC1":         {elements, "^", gs1.Error{Fault: gs1.UnknownAI, At: 1}},
		"an AI that is none":          {elements, "^0112312312312333" + "8913", gs1.Error{Fault: gs1.UnknownAI, At: 17, Len: 4}},
		"a GTIN cut short":            {elements, "^01123123123", gs1.Error{Fault: gs1.ValueTooShort, At: 3, Len: 9}},
		"a GTIN with a wrong digit":   {elements, "^0112312312312334", gs1.Error{Fault: "incorrect_check_digit", At: 16, Len: 1}},
		"a lot too long":              {elements, "^10" + strings.Repeat("A", 21), gs1.Error{Fault: gs1.ValueTooLong, At: 23, Len: 1}},
		"a day that is none":          {elements, "^17260230", gs1.Error{Fault: "illegal_day", At: 7, Len: 2}},
		"65 elements":                 {elements, strings.Repeat("^99A", 65), gs1.Error{Fault: gs1.TooManyElements, At: 64*4 + 1, Len: 2}},
		"a key of nobody":             {elements, "^8004ABC1", gs1.Error{Fault: gs1.UnknownPrefix, At: 5, Len: 1}},
		"a key without a prefix":      {elements, "^8004123", gs1.Error{Fault: "too_short_for_gcp", At: 5, Len: 3}},
		"65 elements in brackets":     {bracketed, strings.Repeat("(99)A", 65), gs1.Error{Fault: gs1.TooManyElements, At: 64 * 5, Len: 4}},
		"a bracket that stays open":   {bracketed, "(01", gs1.Error{Fault: gs1.BracketOpen, Len: 3}},
		"a coupon in brackets":        {bracketed, "(8110)0123456", gs1.Error{Fault: "coupon_truncated_offer_code", At: 6, Len: 7}},
		"a scheme in mixed case":      {link, "HtTp://a/01/12312312312333", gs1.Error{Fault: gs1.IllegalScheme, Len: 8}},
		"a user in the host":          {link, "https://b@a/01/12312312312333", gs1.Error{Fault: gs1.IllegalDomain, At: 9, Len: 1}},
		"qualifiers out of order":     {link, key + "/21/A/10/B", gs1.Error{Fault: gs1.NotInPath, At: 33, Len: 2}},
		"a qualifier in the query":    {link, key + "?10=B", gs1.Error{Fault: gs1.BelongsInPath, At: 28, Len: 2}},
		"what no query may say":       {link, key + "?03=12312312312333", gs1.Error{Fault: gs1.NotAttribute, At: 28, Len: 2}},
		"one attribute twice":         {link, key + "?99=A&99=A", gs1.Error{Fault: gs1.RepeatedAI, At: 33, Len: 2}},
		"a number that is no AI":      {link, key + "?a=b&89=A", gs1.Error{Fault: gs1.UnknownAI, At: 32, Len: 2}},
		"more parameters than 64":     {link, key + "?" + strings.Repeat("a&", 64), gs1.Error{Fault: gs1.TooManyElements, At: 28 + 2*63, Len: 1}},
		"a space for a plus":          {link, key + "?99=A+B", gs1.Error{Fault: "invalid_cset82_character", At: 31, Len: 3}},
		"a % of a value with no hex":  {link, key + "/10/A%G1", gs1.Error{Fault: gs1.InvalidPercent, At: 32, Len: 3}},
		"a path that ends in a slash": {link, key + "/", gs1.Error{Fault: gs1.NoPrimaryKey, At: 9, Len: 19}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, ok := errors.AsType[*gs1.Error](tt.read(tt.text))
			if !ok || *found != tt.want {
				t.Errorf("%.60s: got %+v, want %+v", tt.text, found, tt.want)
			}
		})
	}
}
