package measure_test

import (
	"testing"

	"endcap/prove/measure"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
)

// week is a house of that many receipts a day for some days.
func week(from retail.Day, days int, receipts int64) []measure.DayCount {
	var out []measure.DayCount
	for i := range days {
		out = append(out, measure.DayCount{Day: from + retail.Day(i), Receipts: receipts})
	}
	return out
}

func TestHowFarBackDoesHistoryReach(t *testing.T) {
	t.Parallel()
	join := func(parts ...[]measure.DayCount) (out []measure.DayCount) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	tests := map[string]struct {
		days  []measure.DayCount
		first retail.Day
		some  bool
	}{
		"no receipts":                           {nil, 0, false},
		"days without any":                      {week(5, 3, 0), 0, false},
		"one day":                               {week(5, 1, 1), 5, true},
		"every day alike":                       {week(100, 300, 40), 100, true},
		"one receipt of 2010":                   {join(week(-2_800, 1, 1), week(100, 300, 40)), 100, true},
		"a till that lived in 2010 for a year":  {join(week(-2_800, 365, 5), week(100, 300, 40)), 100, true},
		"more stray days than days":             {join(week(-2_800, 900, 1), week(100, 300, 400)), 100, true},
		"a quiet first week counts":             {join(week(100, 7, 25), week(107, 300, 40)), 100, true},
		"a thin first week does not":            {join(week(100, 7, 19), week(107, 300, 40)), 107, true},
		"closed on Sundays":                     {join(week(100, 6, 40), week(106, 1, 0), week(107, 6, 40)), 100, true},
		"one huge day at the end":               {join(week(100, 30, 40), week(130, 1, 70)), 100, true},
		"the days come in any order":            {join(week(200, 50, 40), week(100, 100, 40)), 100, true},
		"three stores, then thirty: the thirty": {join(week(100, 100, 4), week(200, 300, 40)), 200, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if first, some := measure.Reach(tc.days); first != tc.first || some != tc.some {
				t.Errorf("got %d %v, want %d %v", first, some, tc.first, tc.some)
			}
		})
	}
}

// TestDoesOneTillOf2010MakeEverybodyNew asks a warehouse that holds 200 days of
// receipts and one of ten years ago: 26 weeks give an answer, 365 days none.
func TestDoesOneTillOf2010MakeEverybodyNew(t *testing.T) {
	t.Parallel()
	p, booked := house(t)
	treated, _ := treatedAndControl("oats", 1)
	ana := treated[0]
	for day := -199; day <= 20; day++ {
		for range 3 {
			p.receipt(999_999, at(day, 8), catalog.InStore, sold("x", 1, 100))
		}
	}
	p.receipt(999_999, (day0 - 2_800).UTC(), catalog.InStore, sold("x", 1, 100))
	p.add(ana, at(1, 0), event.Consent{Allowed: consent.All})
	p.visit(ana, at(3, 9), "oats", true, "")
	p.receipt(ana, at(4, 9), catalog.InStore, sold("o1", 1, 250))
	r := p.open(t)
	for lookback, want := range map[int]measure.Newness{182: measure.New, 365: measure.Unknown} {
		q := ask("oats")
		q.Lookback = lookback
		e, err := r.Evidence(t.Context(), q, booked)
		if err != nil {
			t.Fatal(err)
		}
		sales := measure.Attribute(e)
		if len(sales) != 1 || sales[0].Newness != want {
			t.Errorf("%d days of 200 and one receipt of 2010 call her %+v, want %s", lookback, sales, want)
		}
	}
}
