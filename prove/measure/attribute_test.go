package measure_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"endcap/prove/measure"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

var day0 = retail.Date(2017, time.October, 1)

func who(n uint64) shopper.ID { return shopper.FromUint64(n) }

func at(day, hour int) time.Time {
	return (day0 + retail.Day(day-1)).UTC().Add(time.Duration(hour) * time.Hour)
}

// terms books two campaigns: oats advertises o1 with the brand OATLY as halo
// for 14 days; milk advertises m1 with category DAIRY as halo for 3 days.
func terms() measure.Terms {
	flight := retail.Days{From: day0, To: day0 + 31}
	return measure.Terms{
		Campaigns: map[media.CampaignID]media.Campaign{
			"oats": {ID: "oats", Advertiser: "A", Flight: flight, WindowDays: 14, Halo: catalog.Set{Brands: []catalog.Brand{"OATLY"}}, ControlPPM: 100_000},
			"milk": {ID: "milk", Advertiser: "B", Flight: flight, WindowDays: 3, Halo: catalog.Set{Categories: []catalog.Category{"DAIRY"}}, ControlPPM: 100_000},
		},
		LineItems: map[media.LineItemID]media.LineItem{
			"oats-1": {ID: "oats-1", Campaign: "oats", Products: []catalog.ProductID{"o1"}},
			"milk-1": {ID: "milk-1", Campaign: "milk", Products: []catalog.ProductID{"m1"}},
		},
	}
}

var products = map[catalog.ProductID]catalog.Product{
	"o1": {ID: "o1", Brand: "OATLY", Category: "DAIRY"},
	"o2": {ID: "o2", Brand: "OATLY", Category: "CEREAL"},
	"m1": {ID: "m1", Brand: "MUH", Category: "DAIRY"},
	"x":  {ID: "x"},
}

func touch(person uint64, day, hour int, campaign media.CampaignID) measure.Touch {
	when := at(day, hour)
	return measure.Touch{
		Shopper: who(person), At: when, Day: retail.DayOf(when, time.UTC), Campaign: campaign,
		LineItem: media.LineItemID(campaign) + "-1", Token: fmt.Sprintf("%d.%d.%d", person, day, hour),
	}
}

func bought(person uint64, day, hour int, product catalog.ProductID, cents int) measure.Line {
	when := at(day, hour)
	q := int64(1000)
	if cents < 0 {
		q = -q
	}
	return measure.Line{
		Shopper: who(person), Receipt: fmt.Sprintf("r%d.%d.%d", person, day, hour), At: when, Day: retail.DayOf(when, time.UTC),
		Channel: catalog.InStore, Product: products[product], Quantity: q, Sales: retail.Micros(cents) * retail.Cent,
	}
}

func ask(c media.CampaignID) measure.Ask {
	return measure.Ask{Campaign: c, Through: day0 + 60, Model: measure.LastClick, Lookback: 182, PreDays: 182, Currency: "USD"}
}

func TestWhichSalesFollowedATouch(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		touches []measure.Touch
		lines   []measure.Line
		oats    int // cents
		milk    int
	}{
		"the advertised product after a click":      {[]measure.Touch{touch(1, 3, 9, "oats")}, []measure.Line{bought(1, 4, 9, "o1", 250)}, 250, 0},
		"the brand's other product is halo":         {[]measure.Touch{touch(1, 3, 9, "oats")}, []measure.Line{bought(1, 4, 9, "o2", 250)}, 250, 0},
		"another brand is nothing":                  {[]measure.Touch{touch(1, 3, 9, "oats")}, []measure.Line{bought(1, 4, 9, "m1", 250)}, 0, 0},
		"a product nobody listed is nothing":        {[]measure.Touch{touch(1, 3, 9, "oats")}, []measure.Line{bought(1, 4, 9, "x", 250)}, 0, 0},
		"another shopper's purchase is nothing":     {[]measure.Touch{touch(1, 3, 9, "oats")}, []measure.Line{bought(2, 4, 9, "o1", 250)}, 0, 0},
		"bought before the click is nothing":        {[]measure.Touch{touch(1, 3, 9, "oats")}, []measure.Line{bought(1, 3, 8, "o1", 250)}, 0, 0},
		"bought in the second of the click counts":  {[]measure.Touch{touch(1, 3, 9, "oats")}, []measure.Line{bought(1, 3, 9, "o1", 250)}, 250, 0},
		"14 days: the 3rd still claims on the 17th": {[]measure.Touch{touch(1, 3, 9, "oats")}, []measure.Line{bought(1, 17, 23, "o1", 250)}, 250, 0},
		"14 days: the 2nd claims no more":           {[]measure.Touch{touch(1, 2, 23, "oats")}, []measure.Line{bought(1, 17, 1, "o1", 250)}, 0, 0},
		"a return in the window subtracts":          {[]measure.Touch{touch(1, 3, 9, "oats")}, []measure.Line{bought(1, 4, 9, "o1", 250), bought(1, 6, 9, "o1", -250)}, 0, 0},
		"a return after the window does not":        {[]measure.Touch{touch(1, 3, 9, "oats")}, []measure.Line{bought(1, 4, 9, "o1", 250), bought(1, 20, 9, "o1", -250)}, 250, 0},
		"the later rival takes what both claim":     {[]measure.Touch{touch(1, 3, 9, "oats"), touch(1, 4, 9, "milk")}, []measure.Line{bought(1, 5, 9, "o1", 250)}, 0, 250},
		"the rival's window is over":                {[]measure.Touch{touch(1, 3, 9, "oats"), touch(1, 4, 9, "milk")}, []measure.Line{bought(1, 8, 9, "o1", 250)}, 250, 0},
		"the rival may not claim it":                {[]measure.Touch{touch(1, 3, 9, "oats"), touch(1, 4, 9, "milk")}, []measure.Line{bought(1, 5, 9, "o2", 250)}, 250, 0},
		"touched at one instant: the greater id":    {[]measure.Touch{touch(1, 3, 9, "oats"), touch(1, 3, 9, "milk")}, []measure.Line{bought(1, 4, 9, "o1", 250)}, 250, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for campaign, want := range map[media.CampaignID]int{"oats": tc.oats, "milk": tc.milk} {
				e := measure.Evidence{Ask: ask(campaign), Terms: terms(), Touches: tc.touches, Lines: tc.lines}
				if got := measure.Total(measure.Attribute(&e)); got != retail.Micros(want)*retail.Cent {
					t.Errorf("%s got %v, want %d cents", campaign, got, want)
				}
			}
		})
	}
}

func TestWhoWasNewToTheBrand(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		history  int // days of receipts before day 1
		lookback int
		before   []measure.Line
		want     measure.Newness
	}{
		"never bought it in 26 weeks":                 {200, 182, nil, measure.New},
		"bought the brand last week":                  {200, 182, []measure.Line{bought(1, -6, 9, "o2", 100)}, measure.NotNew},
		"bought it, but before the look-back":         {400, 182, []measure.Line{bought(1, -182, 9, "o2", 100)}, measure.New},
		"only brought it back":                        {200, 182, []measure.Line{bought(1, -6, 9, "o2", -100)}, measure.New},
		"history is younger than the look-back":       {100, 182, nil, measure.Unknown},
		"365 days where there are 300 is unknown":     {300, 365, nil, measure.Unknown},
		"unknown also where she is known to buy":      {300, 365, []measure.Line{bought(1, -6, 9, "o2", 100)}, measure.Unknown},
		"history reaches back exactly the look-back":  {182, 182, nil, measure.New},
		"history lacks one day of the whole lookback": {181, 182, nil, measure.Unknown},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := measure.Evidence{
				Ask: ask("oats"), Terms: terms(), Touches: []measure.Touch{touch(1, 1, 9, "oats")},
				Lines: append([]measure.Line{bought(1, 2, 9, "o1", 250), bought(1, 3, 9, "o1", 250)}, tc.before...), FirstDay: day0 - retail.Day(tc.history), Receipts: true,
			}
			e.Ask.Lookback = tc.lookback
			sales := measure.Attribute(&e)
			if len(sales) != 2 || sales[0].Newness != tc.want || sales[1].Newness != tc.want {
				t.Errorf("got %+v, want two sales %q", sales, tc.want)
			}
		})
	}
}

// TestEverySaleIsAttributedOnceAndToTheCent compares the attribution of random
// histories with the rule read out slowly, and adds up all campaigns.
func TestEverySaleIsAttributedOnceAndToTheCent(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 3))
	names := slices.Sorted(maps.Keys(products))
	campaigns := []media.CampaignID{"milk", "oats"}
	for round := range 3_000 {
		e := measure.Evidence{Terms: terms()}
		for range rng.IntN(12) {
			e.Touches = append(e.Touches, touch(uint64(1+rng.IntN(3)), 1+rng.IntN(25), rng.IntN(24), campaigns[rng.IntN(2)]))
		}
		for range rng.IntN(20) {
			l := bought(uint64(1+rng.IntN(3)), 1+rng.IntN(40), rng.IntN(24), names[rng.IntN(len(names))], rng.IntN(900)-100)
			l.Number = int64(len(e.Lines))
			e.Lines = append(e.Lines, l)
		}
		want := slowly(&e)
		got := map[int64]media.CampaignID{}
		for _, c := range campaigns {
			e.Ask = ask(c)
			rng.Shuffle(len(e.Lines), func(i, j int) { e.Lines[i], e.Lines[j] = e.Lines[j], e.Lines[i] })
			rng.Shuffle(len(e.Touches), func(i, j int) { e.Touches[i], e.Touches[j] = e.Touches[j], e.Touches[i] })
			for _, s := range measure.Attribute(&e) {
				if other, twice := got[s.Number]; twice {
					t.Fatalf("round %d: line %d fell to %s and to %s", round, s.Number, other, c)
				}
				got[s.Number] = c
				if i := slices.IndexFunc(e.Lines, func(l measure.Line) bool { return l.Number == s.Number }); e.Lines[i].Sales != s.Sales {
					t.Fatalf("round %d: line %d of %v was attributed with %v", round, s.Number, e.Lines[i].Sales, s.Sales)
				}
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("round %d: got %v, want %v", round, got, want)
		}
	}
}

// slowly is the rule in its plainest form.
func slowly(e *measure.Evidence) map[int64]media.CampaignID {
	out := map[int64]media.CampaignID{}
	for _, l := range e.Lines {
		var best *measure.Touch
		for i := range e.Touches {
			c := &e.Touches[i]
			may := map[media.CampaignID]bool{
				"oats": l.Product.Brand == "OATLY", "milk": l.Product.Category == "DAIRY",
			}[c.Campaign]
			days := map[media.CampaignID]retail.Day{"oats": 14, "milk": 3}[c.Campaign]
			if c.Shopper == l.Shopper && may && !c.At.After(l.At) && l.Day-c.Day <= days &&
				(best == nil || c.At.After(best.At) || c.At.Equal(best.At) && c.Campaign > best.Campaign) {
				best = c
			}
		}
		if best != nil {
			out[l.Number] = best.Campaign
		}
	}
	return out
}
