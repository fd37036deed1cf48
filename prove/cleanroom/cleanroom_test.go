package cleanroom_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"endcap/prove/cleanroom"
	"endcap/retail"
)

func policy(k int) cleanroom.Policy {
	p := cleanroom.Defaults()
	p.ShoppersMin = k
	return p
}

func usd(cents int64) retail.Money {
	return retail.Money{Amount: retail.Micros(cents) * retail.Cent, Currency: "USD"}
}

// TestTheLineIsDrawnAtKOnEveryPath tries k−1, k and k+1 wherever a figure comes out.
func TestTheLineIsDrawnAtKOnEveryPath(t *testing.T) {
	t.Parallel()
	for _, k := range []int{2, 10, 50} {
		p := policy(k)
		paths := map[string]func(n int) bool{
			"money":    func(n int) bool { _, ok := p.Money(usd(100), n).Money(); return ok },
			"count":    func(n int) bool { _, ok := p.Count(7, n).Count(); return ok },
			"shoppers": func(n int) bool { _, ok := p.Shoppers(n).Count(); return ok },
			"estimate, small control": func(n int) bool {
				_, _, ok := p.Estimate(cleanroom.Estimate{Amount: 1, Currency: "USD"}, 10*k, n).Interval()
				return ok
			},
			"estimate, small treated": func(n int) bool {
				_, _, ok := p.Estimate(cleanroom.Estimate{Amount: 1, Currency: "USD"}, n, 10*k).Interval()
				return ok
			},
			"delivery": func(n int) bool {
				l, _ := p.Licence(cleanroom.Booking{LineItem: "l", Audience: "a", Shoppers: n})
				_, ok := l.Count(3).Count()
				return ok
			},
			"total": func(n int) bool {
				_, ok := p.Editions([]cleanroom.Cell{cell("", 0, 0, n)}, 0, "USD").Total().Sales.Money()
				return ok
			},
			"part": func(n int) bool {
				s := p.Editions([]cleanroom.Cell{cell("", 0, 0, n)}, 0, "USD")
				_, ok := s.Split([]cleanroom.Cell{cell("x", 0, 0, n)})[0].Sales.Money()
				return ok
			},
		}
		for name, path := range paths {
			for _, n := range []int{0, 1, k - 1, k, k + 1} {
				if got, want := path(n), n >= k; got != want {
					t.Errorf("k=%d %s of %d shoppers: told %v, want %v", k, name, n, got, want)
				}
			}
		}
	}
}

func TestNobodyElseCanMakeAFigure(t *testing.T) {
	t.Parallel()
	for _, typ := range []reflect.Type{reflect.TypeFor[cleanroom.Cleared](), reflect.TypeFor[cleanroom.Delivery](), reflect.TypeFor[cleanroom.Licence]()} {
		for field := range typ.Fields() {
			if field.IsExported() {
				t.Errorf("%s.%s is open", typ, field.Name)
			}
		}
	}
	var c cleanroom.Cleared
	if err := json.Unmarshal([]byte(`{"amount":"12.34","currency":"USD","kind":1}`), &c); err != nil { //nolint:staticcheck // that nothing comes of it is the question
		t.Fatal(err)
	}
	if why, withheld := c.Withheld(); !withheld || why != cleanroom.Nothing {
		t.Errorf("JSON made a figure: %v", c)
	}
	if d := (cleanroom.Licence{}).Money(usd(1)); d.Told() {
		t.Error("the zero licence told something")
	}
}

func TestHowAFigureIsWritten(t *testing.T) {
	t.Parallel()
	p := policy(10)
	coarse := p
	coarse.Round, coarse.RoundCount = 10*retail.Unit, 5
	licence, err := p.Licence(cleanroom.Booking{LineItem: "everybody"})
	if err != nil {
		t.Fatal(err)
	}
	spend := licence.Money(usd(300))
	lift := p.Estimate(cleanroom.Estimate{Amount: 5 * retail.Unit, Low: -1 * retail.Unit, High: 11 * retail.Unit, Currency: "USD"}, 90, 10)
	low, high := lift.PerInterval(spend)
	tests := map[string]struct {
		got  any
		want string
	}{
		"money":                     {p.Money(usd(1234), 10), `{"amount":"12.34","currency":"USD"}`},
		"money, rounded":            {coarse.Money(usd(1534), 10), `{"amount":"20.00","currency":"USD"}`},
		"no sales of enough people": {p.Money(usd(0), 10), `{"amount":"0.00","currency":"USD"}`},
		"count of none":             {p.Count(0, 10), `{"count":0}`},
		"count, rounded":            {coarse.Count(13, 10), `{"count":15}`},
		"too few":                   {p.Money(usd(1234), 9), `{"suppressed":true,"reason":"k"}`},
		"not measured":              {cleanroom.Cleared{}, `{"suppressed":true,"reason":"not_measured"}`},
		"measure's own reason":      {cleanroom.Withhold("few_buyers"), `{"suppressed":true,"reason":"few_buyers"}`},
		"estimate":                  {lift, `{"amount":"5.00","low":"-1.00","high":"11.00","currency":"USD"}`},
		"return on spend":           {p.Money(usd(1000), 10).Per(spend), `{"ratio":"3.333"}`},
		"a withheld return":         {p.Money(usd(1000), 9).Per(spend), `{"suppressed":true,"reason":"k"}`},
		"return where none spent":   {p.Money(usd(1000), 10).Per(licence.Money(usd(0))), `{"suppressed":true,"reason":"not_measured"}`},
		"return, other currency":    {p.Money(usd(1000), 10).Per(licence.Money(retail.Money{Amount: 1, Currency: "EUR"})), `{"suppressed":true,"reason":"not_measured"}`},
		"lower end":                 {low, `{"ratio":"-0.333"}`},
		"upper end":                 {high, `{"ratio":"3.666"}`},
		"delivered count":           {licence.Count(12), `{"count":12}`},
		"delivered money":           {spend, `{"amount":"3.00","currency":"USD"}`},
		"delivery of a tiny group":  {cleanroom.Licence{}.Count(12), `{"reason":"audience_too_small","suppressed":true}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := json.Marshal(tc.got)
			if err != nil || string(b) != tc.want {
				t.Errorf("got %s (%v), want %s", b, err, tc.want)
			}
		})
	}
}

func TestAPolicyCannotBeLax(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]cleanroom.Policy{
		"nobody": {}, "one": policy(1), "absurd": policy(20_000), "negative rounding": {ShoppersMin: 50, Round: -1},
	} {
		if p.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := cleanroom.Defaults().Check(); err != nil {
		t.Error(err)
	}
	if _, told := (cleanroom.Policy{}).Shoppers(1).Count(); told {
		t.Error("the zero policy tells of one shopper")
	}
}
