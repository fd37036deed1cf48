package offer_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/catalog"
	"endcap/retail/offer"
)

const full = `{
  "id": "oats-3-for-2", "version": 4, "name": "Three oats for two", "currency": "EUR", "since": "2026-02-20T09:00:00Z",
  "funding": {"advertiser": "acme", "brand_ppm": 600000},
  "mechanic": {"kind": "n_for_m", "products": {"brands": ["759"]}, "pieces": 3, "pay": 2, "pick": "dearest"},
  "spend": {"amount_micros": 20000000, "base": "initial"},
  "eligible": {"days": {"from": "2026-03-01", "to": "2026-04-01"}, "weekdays": ["friday"], "hours": [{"from": "17:00", "to": "24:00"}], "channel": "in_store"},
  "stacking": {"order": 10, "group": "brand", "excludes": ["*"]},
  "limits": {"shopper": 1, "times": 2, "budget_micros": 1000000000, "trim": true},
  "coupon": {"required": true, "returns": true}
}`

func whole(t testing.TB) offer.Offer {
	t.Helper()
	o, err := offer.Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestAnOfferInJSON(t *testing.T) {
	t.Parallel()
	o := whole(t)
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := offer.Parse(b)
	if err != nil || cmp.Diff(o, again) != "" {
		t.Errorf("got %v, %s", err, cmp.Diff(o, again))
	}
	if o.Eligible.Hours[0].To != 24*60 || o.Eligible.Days.Len() != 31 || o.Limits.Budget != 1_000*retail.Unit {
		t.Errorf("got %+v", o)
	}
}

func TestWhatIsNoOfferInJSON(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":                 ``,
		"a field twice":           `{"id":"a","id":"b"}`,
		"in other letters":        `{"limits":{"shopper":1,"Shopper":2}}`,
		"an unknown field":        strings.Replace(full, `"trim"`, `"budget_cents"`, 1),
		"something behind it":     full + `{}`,
		"half of it":              full[:100],
		"an amount with a point":  strings.Replace(full, `20000000`, `20.5`, 1),
		"an amount in words":      strings.Replace(full, `20000000`, `"20.00"`, 1),
		"an amount beyond int64":  strings.Replace(full, `20000000`, `1e30`, 1),
		"an hour that is none":    strings.Replace(full, `17:00`, `17:60`, 1),
		"a weekday that is none":  strings.Replace(full, `friday`, `Friday`, 1),
		"ten thousand lists deep": strings.Repeat("[", 10_000),
		"too long":                `"` + strings.Repeat("x", offer.TextMax) + `"`,
	} {
		if _, err := offer.Parse([]byte(text)); !errors.Is(err, offer.ErrOffer) || retail.KindOf(err) != retail.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// What cannot hold is refused, and the field is named.
func TestTermsThatCannotHold(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*offer.Offer)
		field  string
	}{
		"no id":                           {func(o *offer.Offer) { o.ID = "" }, "id"},
		"no name":                         {func(o *offer.Offer) { o.Name = " " }, "name"},
		"no version":                      {func(o *offer.Offer) { o.Version = 0 }, "version"},
		"no currency":                     {func(o *offer.Offer) { o.Currency = "EURO" }, "currency"},
		"a share above the whole":         {func(o *offer.Offer) { o.Funding.BrandPPM = offer.PPMAll + 1 }, "funding.brand_ppm"},
		"a share that nobody pays":        {func(o *offer.Offer) { o.Funding.Advertiser = "" }, "funding.advertiser"},
		"an advertiser who pays nothing":  {func(o *offer.Offer) { o.Funding.BrandPPM = 0 }, "funding.brand_ppm"},
		"an unknown kind":                 {func(o *offer.Offer) { o.Mechanic.Kind = "half_off" }, "mechanic.kind"},
		"no products":                     {func(o *offer.Offer) { o.Mechanic.Products = catalog.Set{} }, "mechanic.products"},
		"all are paid":                    {func(o *offer.Offer) { o.Mechanic.Pay = 3 }, "mechanic.pay"},
		"sets of one":                     {func(o *offer.Offer) { o.Mechanic.Pieces, o.Mechanic.Pay = 1, 1 }, "mechanic.pieces"},
		"a field that the kind reads not": {func(o *offer.Offer) { o.Mechanic.Amount = retail.Unit }, "mechanic.amount_micros"},
		"a choice that nobody made":       {func(o *offer.Offer) { o.Mechanic.Pick = "" }, "mechanic.pick"},
		"an unknown pick":                 {func(o *offer.Offer) { o.Mechanic.Pick = "best" }, "mechanic.pick"},
		"a percent of nobody knows what": {func(o *offer.Offer) {
			o.Mechanic = offer.Mechanic{Kind: offer.PercentOff, Products: o.Mechanic.Products, OffPPM: 1}
		}, "mechanic.base"},
		"more than all off": {func(o *offer.Offer) {
			o.Mechanic = offer.Mechanic{Kind: offer.PercentOff, Products: o.Mechanic.Products, OffPPM: offer.PPMAll + 1, Base: offer.After}
		}, "mechanic.off_ppm"},
		"half a cent off": {func(o *offer.Offer) {
			o.Mechanic = offer.Mechanic{Kind: offer.AmountOff, Products: o.Mechanic.Products, Amount: 5_000}
		}, "mechanic.amount_micros"},
		"a threshold of half a cent":      {func(o *offer.Offer) { o.Spend.Amount = 5_000 }, "spend.amount_micros"},
		"a threshold on no prices":        {func(o *offer.Offer) { o.Spend.Base = "" }, "spend.base"},
		"a threshold below zero":          {func(o *offer.Offer) { o.Spend.Amount = -retail.Unit }, "spend.amount_micros"},
		"no day":                          {func(o *offer.Offer) { o.Eligible.Days.To = o.Eligible.Days.From }, "eligible.days"},
		"friday twice":                    {func(o *offer.Offer) { o.Eligible.Weekdays = append(o.Eligible.Weekdays, o.Eligible.Weekdays[0]) }, "eligible.weekdays[1]"},
		"hours of no length":              {func(o *offer.Offer) { o.Eligible.Hours[0].To = o.Eligible.Hours[0].From }, "eligible.hours[0]"},
		"an unknown channel":              {func(o *offer.Offer) { o.Eligible.Channel = "kiosk" }, "eligible.channel"},
		"an empty store":                  {func(o *offer.Offer) { o.Eligible.Stores = []catalog.StoreID{""} }, "eligible.stores[0]"},
		"an audience that is none":        {func(o *offer.Offer) { o.Eligible.Audience = []audience.ID{"a b"} }, "eligible.audiences[0]"},
		"a group that is all":             {func(o *offer.Offer) { o.Stacking.Group = "*" }, "stacking"},
		"an order beyond all":             {func(o *offer.Offer) { o.Stacking.Order = math.MaxInt }, "stacking.order"},
		"a limit below zero":              {func(o *offer.Offer) { o.Limits.Shopper = -1 }, "limits.shopper"},
		"a budget beyond all":             {func(o *offer.Offer) { o.Limits.Budget = math.MaxInt64 / 10_000 * 10_000 }, "limits.budget_micros"},
		"cut to no budget":                {func(o *offer.Offer) { o.Limits.Budget = 0 }, "limits.trim"},
		"a code that returns but is none": {func(o *offer.Offer) { o.Coupon.Required = false }, "coupon"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := whole(t)
			tt.change(&o)
			err := o.Check()
			e, ok := errors.AsType[*retail.Error](err)
			if !ok || e.Field != tt.field || !errors.Is(err, offer.ErrOffer) {
				t.Errorf("got %v, want %s", err, tt.field)
			}
		})
	}
}

// Each kind asks for all that it reads, and for nothing else.
func TestEachKindReadsItsOwnFields(t *testing.T) {
	t.Parallel()
	some := catalog.Set{Everything: true}
	for _, m := range []offer.Mechanic{
		{Kind: offer.AmountOff, Amount: retail.Unit},
		{Kind: offer.AmountOff, Amount: retail.Unit, Each: true, PiecesMax: 2, Pick: offer.Dearest},
		{Kind: offer.PercentOff, OffPPM: 1, Base: offer.Initial},
		{Kind: offer.FixedPrice, Amount: retail.Unit},
		{Kind: offer.BuyGet, Pieces: 1, Get: 1, OffPPM: 1, Pick: offer.Cheapest, Bought: some},
		{Kind: offer.NForM, Pieces: 2, Pay: 1, Pick: offer.Dearest},
		{Kind: offer.CheapestFree, Pieces: 2, Pick: offer.Cheapest},
		{Kind: offer.NthOff, Pieces: 2, OffPPM: 1, Pick: offer.Dearest},
		{Kind: offer.MultiBuy, Pieces: 1, Amount: retail.Unit},
		{Kind: offer.FreeGoods, PiecesMax: 1, Pick: offer.Dearest},
	} {
		o := whole(t)
		m.Products = some
		o.Mechanic, o.Limits.Times = m, 0
		if err := o.Check(); err != nil {
			t.Errorf("%s: %v", m.Kind, err)
		}
		for field, spoil := range map[string]func(*offer.Mechanic){
			"pay": func(m *offer.Mechanic) { m.Pay ^= 1 }, "get": func(m *offer.Mechanic) { m.Get ^= 1 },
			"off_ppm": func(m *offer.Mechanic) { m.OffPPM ^= 1 }, "pieces": func(m *offer.Mechanic) { m.Pieces ^= 1 },
		} {
			o.Mechanic = m
			if spoil(&o.Mechanic); o.Check() == nil && (field != "pieces" || m.Pieces == 0) {
				t.Errorf("%s takes %s as %+v", m.Kind, field, o.Mechanic)
			}
		}
	}
}

func TestReasonsAreAClosedList(t *testing.T) {
	t.Parallel()
	want := "unknown not_started expired disabled wrong_time wrong_shopper wrong_store wrong_channel wrong_currency basket_not_met " +
		"limit_code limit_shopper limit_household limit_day limit_campaign budget_exhausted excluded_by lower_value_than " +
		"already_redeemed reversed in_progress malformed checksum"
	var got []string
	for _, r := range offer.Reasons() {
		got = append(got, string(r))
	}
	if strings.Join(got, " ") != want {
		t.Errorf("got %s", strings.Join(got, " "))
	}
	if v := (offer.Verdict{Reason: offer.ExcludedBy, By: "oats"}); v.String() != "excluded_by:oats" {
		t.Errorf("got %v", v)
	}
}

func TestTimesOfDay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := offer.Minute(rapid.IntRange(0, 1440).Draw(t, "minute"))
		var got offer.Minute
		if err := got.UnmarshalText([]byte(m.String())); err != nil || got != m {
			t.Fatalf("%v reads back as %v, %v", m, got, err)
		}
	})
	for _, text := range []string{"", "7:00", "24:01", "12:60", "1200 ", "ab:cd", "12:0٠"} {
		var m offer.Minute
		if err := m.UnmarshalText([]byte(text)); !errors.Is(err, offer.ErrMinute) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// Whatever zone and season, an offer holds from the first instant of its first day
// to the last of its last, and neither before nor after.
func TestDaysBeginAndEndAtTheStoresMidnight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom([]string{"Europe/Paris", "Indian/Reunion", "Atlantic/Canary", "America/New_York", "Asia/Kolkata"}).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		var o offer.Offer
		o.Eligible.Days.From = retail.Date(2026, 1, 1) + retail.Day(rapid.IntRange(0, 30_000).Draw(t, "day"))
		o.Eligible.Days.To = o.Eligible.Days.From + 1
		start, end := o.Eligible.Days.From.Start(zone), o.Eligible.Days.To.Start(zone)
		at := start.Add(time.Duration(rapid.Int64Range(-int64(30*time.Hour), int64(60*time.Hour)).Draw(t, "at")))
		want := offer.Reason("")
		if at.Before(start) {
			want = offer.NotStarted
		} else if !at.Before(end) {
			want = offer.Expired
		}
		if got := o.When(at, zone); got.Reason != want {
			t.Fatalf("%v of [%v, %v): %v, want %v", at, start, end, got, want)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(`{"id":"a","version":1,"mechanic":{"kind":"percent_off"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := offer.Parse(b)
		if err != nil {
			if !errors.Is(err, offer.ErrOffer) {
				t.Fatalf("%v", err)
			}
			return
		}
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		again, err := offer.Parse(text)
		if err != nil || cmp.Diff(o, again) != "" {
			t.Fatalf("%s reads back otherwise: %v, %s", text, err, cmp.Diff(o, again))
		}
		_ = o.When(time.Unix(1_772_000_000, 0), time.UTC)
	})
}
