package retail_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"endcap/retail"
)

func TestAmountsAreReadExactlyOrNotAtAll(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want retail.Micros
		ok   bool
	}{
		"an ordinary price":          {"12.34", 12_340_000, true},
		"nothing":                    {"0", 0, true},
		"minus nothing":              {"-0.00", 0, true},
		"a refund":                   {"-0.005", -5_000, true},
		"six decimals":               {"1.234567", 1_234_567, true},
		"zeros beyond six":           {"1.2345670000", 1_234_567, true},
		"a seventh decimal":          {"1.2345678", 0, false},
		"the largest":                {"1000000000", retail.MicrosMax, true},
		"the smallest":               {"-1000000000.000000", -retail.MicrosMax, true},
		"a micro too large":          {"1000000000.000001", 0, false},
		"eleven digits":              {"10000000000", 0, false},
		"far too many digits":        {strings.Repeat("9", 500), 0, false},
		"far too many zeros":         {"0." + strings.Repeat("0", 19), 0, false},
		"empty":                      {"", 0, false},
		"a sign alone":               {"-", 0, false},
		"a plus":                     {"+1", 0, false},
		"two signs":                  {"--1", 0, false},
		"no whole part":              {".5", 0, false},
		"no decimals after a point":  {"5.", 0, false},
		"a comma":                    {"12,34", 0, false},
		"thousands":                  {"1'000", 0, false},
		"an exponent":                {"1e3", 0, false},
		"not a number":               {"NaN", 0, false},
		"infinity":                   {"Inf", 0, false},
		"spaces":                     {" 1", 0, false},
		"a trailing space":           {"1 ", 0, false},
		"digits of another alphabet": {"٣", 0, false},
		"invalid UTF-8":              {"1\xff", 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := retail.ParseMicros(tt.text)
			if (err == nil) != tt.ok || got != tt.want || err != nil && !errors.Is(err, retail.ErrMoney) {
				t.Errorf("%q gives %d, %v; want %d", tt.text, got, err, tt.want)
			}
		})
	}
}

func TestAmountsAreWrittenInTheirCurrency(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		amount   retail.Micros
		currency retail.Currency
		want     string
	}{
		"euros":               {12_340_000, "EUR", "12.34"},
		"whole euros":         {12 * retail.Unit, "EUR", "12.00"},
		"finer than a cent":   {12_345_600, "EUR", "12.3456"},
		"yen":                 {12 * retail.Unit, "JPY", "12"},
		"half a yen":          {500_000, "JPY", "0.5"},
		"dinars":              {1_500_000, "KWD", "1.500"},
		"an unknown currency": {1, "", "0.000001"},
		"a refund":            {-5_000, "EUR", "-0.005"},
		"the least number":    {math.MinInt64, "EUR", "-9223372036854.775808"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tt.amount.Format(tt.currency); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func drawMicros(t *rapid.T) retail.Micros {
	return retail.Micros(rapid.Int64Range(-int64(retail.MicrosMax), int64(retail.MicrosMax)).Draw(t, "amount"))
}

func TestWhatIsWrittenReadsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := drawMicros(t)
		c := rapid.SampledFrom([]retail.Currency{"EUR", "JPY", "KWD", "USD"}).Draw(t, "currency")
		if got, err := retail.ParseMicros(a.Format(c)); err != nil || got != a {
			t.Fatalf("%d as %s gives %d, %v", a, a.Format(c), got, err)
		}
		m := retail.Money{Amount: a, Currency: c}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var back retail.Money
		if err := json.Unmarshal(b, &back); err != nil || back != m {
			t.Fatalf("%s gives %v, %v", b, back, err)
		}
	})
}

func TestMoneyInJSON(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a number":            `{"amount":12.34,"currency":"EUR"}`,
		"an unknown currency": `{"amount":"12.34","currency":"XXX"}`,
		"no currency":         `{"amount":"12.34"}`,
		"no amount":           `{"currency":"EUR"}`,
		"an exponent":         `{"amount":"1e2","currency":"EUR"}`,
		"text":                `"12.34 EUR"`,
	} {
		var m retail.Money
		if err := json.Unmarshal([]byte(text), &m); !errors.Is(err, retail.ErrMoney) {
			t.Errorf("%s: %s gives %v, %v", name, text, m, err)
		}
	}
	if got := (retail.Money{Amount: 12_340_000, Currency: "EUR"}).String(); got != "12.34 EUR" {
		t.Errorf("String gives %s", got)
	}
}

func TestCoins(t *testing.T) {
	t.Parallel()
	for c, want := range map[retail.Currency]retail.Micros{"EUR": retail.Cent, "JPY": retail.Unit, "KWD": 1_000, "???": retail.Cent} {
		if got := c.Minor(); got != want {
			t.Errorf("%s: got %v, want %v", c, got, want)
		}
	}
	all := retail.Currencies()
	if len(all) < 40 || !slices.IsSorted(all) {
		t.Errorf("Currencies gives %v", all)
	}
	for _, c := range all {
		if err := c.Check(); err != nil || retail.Unit%c.Minor() != 0 {
			t.Errorf("%s: %v", c, err)
		}
	}
	for _, c := range []retail.Currency{"", "eur", "EURO", "XAU"} {
		if err := c.Check(); !errors.Is(err, retail.ErrMoney) {
			t.Errorf("%q gives %v", c, err)
		}
	}
}

func TestDoublesOfASourceAreRoundedOnce(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]retail.Micros{
		0.1 + 0.2: 300_000, -1.005: -1_005_000, 0.000_000_5: 1, -0.000_000_5: -1, 1e9: retail.MicrosMax, 0: 0,
	} {
		if got, err := retail.FromFloat(f); err != nil || got != want {
			t.Errorf("%v gives %d, %v; want %d", f, got, err, want)
		}
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1.1e9, -1.1e9, math.MaxFloat64} {
		if got, err := retail.FromFloat(f); !errors.Is(err, retail.ErrMoney) {
			t.Errorf("%v gives %d, %v", f, got, err)
		}
	}
}

// Whatever a till prints with two decimals survives a detour over a double.
func TestCentsSurviveADouble(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cents := rapid.Int64Range(-10_000_000_000, 10_000_000_000).Draw(t, "cents")
		if got, err := retail.FromFloat(float64(cents) / 100); err != nil || got != retail.Micros(cents)*retail.Cent {
			t.Fatalf("%d cents give %v, %v", cents, got, err)
		}
	})
}

func TestRounding(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ amount, halfEven, up, down retail.Micros }{
		"exact":                    {20_000, 20_000, 20_000, 20_000},
		"below half":               {24_999, 20_000, 30_000, 20_000},
		"half of an even cent":     {25_000, 20_000, 30_000, 20_000},
		"half of an odd cent":      {15_000, 20_000, 20_000, 10_000},
		"above half":               {25_001, 30_000, 30_000, 20_000},
		"a refund, half, even":     {-25_000, -20_000, -20_000, -30_000},
		"a refund, half, odd":      {-15_000, -20_000, -10_000, -20_000},
		"a refund of hardly a mil": {-1, 0, 0, -10_000},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := [3]retail.Micros{tt.amount.RoundHalfEven(retail.Cent), tt.amount.RoundUp(retail.Cent), tt.amount.RoundDown(retail.Cent)}
			if want := [3]retail.Micros{tt.halfEven, tt.up, tt.down}; got != want {
				t.Errorf("half even, up, down: got %v, want %v", got, want)
			}
		})
	}
}

func TestRoundingStaysWithinACoin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := drawMicros(t)
		step := rapid.SampledFrom([]retail.Micros{1, 1_000, retail.Cent, 50_000, retail.Unit}).Draw(t, "step")
		even, up, down := a.RoundHalfEven(step), a.RoundUp(step), a.RoundDown(step)
		if even%step != 0 || up%step != 0 || down%step != 0 {
			t.Fatalf("%d: not whole coins of %d: %d %d %d", a, step, even, up, down)
		}
		if down > a || a > up || up-down > step || even != up && even != down || 2*max(even-a, a-even) > step {
			t.Fatalf("%d by %d: half even %d, up %d, down %d", a, step, even, up, down)
		}
	})
}

func TestSharesAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := retail.Micros(rapid.Int64Range(0, math.MaxInt64).Draw(t, "amount"))
		den := rapid.Int64Range(1, math.MaxInt64).Draw(t, "den")
		num := rapid.Int64Range(0, den).Draw(t, "num") // so that the result fits
		product := new(big.Int).Mul(big.NewInt(int64(a)), big.NewInt(num))
		q, r := new(big.Int).QuoRem(product, big.NewInt(den), new(big.Int))
		if got := a.MulDivDown(num, den); int64(got) != q.Int64() {
			t.Fatalf("%d×%d/%d down gives %d, want %v", a, num, den, got, q)
		}
		if r.Sign() > 0 {
			q.Add(q, big.NewInt(1))
		}
		if got := a.MulDivUp(num, den); int64(got) != q.Int64() {
			t.Fatalf("%d×%d/%d up gives %d, want %v", a, num, den, got, q)
		}
	})
}

func TestSharesThatMakeNoSenseAreBugs(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(){
		"of a debt":         func() { retail.Micros(-1).MulDivUp(1, 1) },
		"a negative ratio":  func() { retail.Micros(1).MulDivUp(-1, 1) },
		"by nothing":        func() { retail.Micros(1).MulDivDown(1, 0) },
		"beyond 64 bits":    func() { retail.Micros(math.MaxInt64).MulDivDown(math.MaxInt64, 1) },
		"beyond the signed": func() { retail.Micros(math.MaxInt64).MulDivDown(2, 1) },
	} {
		func() {
			defer func() {
				if said, _ := recover().(string); !strings.Contains(said, "retail: bug:") {
					t.Errorf("%s: recovered %q", name, said)
				}
			}()
			f()
		}()
	}
}

func FuzzParseMicros(f *testing.F) {
	for _, seed := range []string{"12.34", "-0.000001", "1000000000.000000000", "1e3", "", "-", "0000000001.10"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := retail.ParseMicros(text)
		if err != nil {
			if got != 0 || !errors.Is(err, retail.ErrMoney) {
				t.Fatalf("%q gives %d, %v", text, got, err)
			}
			return
		}
		want, ok := new(big.Rat).SetString(text)
		if !ok || new(big.Rat).SetFrac64(int64(got), int64(retail.Unit)).Cmp(want) != 0 {
			t.Fatalf("%q gives %v", text, got)
		}
		if again, err := retail.ParseMicros(got.String()); err != nil || again != got {
			t.Fatalf("%q gives %v, which gives %v, %v", text, got, again, err)
		}
	})
}
