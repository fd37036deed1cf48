package media_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/media"
)

func advertiser() media.Advertiser {
	return media.Advertiser{ID: "dairy-co", Name: "Dairy Co", Currency: "EUR"}
}

func campaign() media.Campaign {
	return media.Campaign{
		ID: "spring", Advertiser: "dairy-co", Name: "Spring", Flight: retail.Days{From: 100, To: 128},
		Halo: catalog.Set{Brands: []catalog.Brand{"759"}}, ControlPPM: 100_000, WindowDays: 14,
	}
}

func lineItem() media.LineItem {
	return media.LineItem{
		ID: "spring-oat", Campaign: "spring", Advertiser: "dairy-co", Name: "Oat drinks", Products: []catalog.ProductID{"1029743"},
		Keywords: []string{"porridge"}, Bid: 50 * retail.Cent, BudgetDaily: 10 * retail.Unit, BudgetTotal: 100 * retail.Unit,
		Flight: retail.Days{From: 100, To: 128}, CapPerDay: 3,
	}
}

func placement() media.Placement {
	return media.Placement{ID: "search-top", Name: "Top of search", SlotsMax: 4, Floor: 5 * retail.Cent, Currency: "EUR"}
}

// refused checks that err names the field, or that there is none for "".
func refused(t *testing.T, err error, field string) {
	t.Helper()
	if field == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	said, ok := errors.AsType[*retail.Error](err)
	if !ok || !errors.Is(err, media.ErrTerms) || said.Kind != retail.Invalid || said.Field != field || said.Say == "" {
		t.Errorf("got %v, want a refusal of %s", err, field)
	}
}

func TestWhichCampaignsCanBe(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(c *media.Campaign)
		field  string
	}{
		"as it should be":          {func(*media.Campaign) {}, ""},
		"without a control group":  {func(c *media.Campaign) { c.ControlPPM = 0 }, ""},
		"with no halo":             {func(c *media.Campaign) { c.Halo = catalog.Set{} }, ""},
		"without an id":            {func(c *media.Campaign) { c.ID = "" }, "id"},
		"without a name":           {func(c *media.Campaign) { c.Name = " " }, "name"},
		"with a book for a name":   {func(c *media.Campaign) { c.Name = strings.Repeat("x", media.NameMax+1) }, "name"},
		"of nobody":                {func(c *media.Campaign) { c.Advertiser = "" }, "advertiser"},
		"that never runs":          {func(c *media.Campaign) { c.Flight.To = c.Flight.From }, "flight"},
		"that runs backwards":      {func(c *media.Campaign) { c.Flight.To = 1 }, "flight"},
		"that runs for ever":       {func(c *media.Campaign) { c.Flight.To = 1 << 30 }, "flight"},
		"with a halo of nothing":   {func(c *media.Campaign) { c.Halo.Brands = []catalog.Brand{""} }, "halo"},
		"that shows nobody":        {func(c *media.Campaign) { c.ControlPPM = media.ControlPPMMax + 1 }, "control_ppm"},
		"with a negative share":    {func(c *media.Campaign) { c.ControlPPM = -1 }, "control_ppm"},
		"that claims nothing":      {func(c *media.Campaign) { c.WindowDays = 0 }, "window_days"},
		"that claims half a year":  {func(c *media.Campaign) { c.WindowDays = media.WindowDaysMax + 1 }, "window_days"},
		"named in another charset": {func(c *media.Campaign) { c.Name = "\xe9t\xe9" }, "name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := campaign()
			tt.change(&c)
			refused(t, c.Check(), tt.field)
		})
	}
}

func TestWhichLineItemsCanBe(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(l *media.LineItem)
		field  string
	}{
		"as it should be":          {func(*media.LineItem) {}, ""},
		"for everybody everywhere": {func(l *media.LineItem) { l.Keywords = nil }, ""},
		"of no campaign":           {func(l *media.LineItem) { l.Campaign = "" }, "campaign"},
		"of nobody":                {func(l *media.LineItem) { l.Advertiser = "a b" }, "advertiser"},
		"for nothing":              {func(l *media.LineItem) { l.Products = nil }, "products"},
		"for the same twice":       {func(l *media.LineItem) { l.Products = append(l.Products, l.Products[0]) }, "products[1]"},
		"for a blank":              {func(l *media.LineItem) { l.Products[0] = " " }, "products[0]"},
		"for too much": {func(l *media.LineItem) {
			for i := range media.ProductsMax {
				l.Products = append(l.Products, catalog.ProductID(fmt.Sprint("p", i)))
			}
		}, "products"},
		"with a sentence to search": {func(l *media.LineItem) { l.Keywords[0] = strings.Repeat("x", media.KeywordMax+1) }, "keywords[0]"},
		"with an odd audience":      {func(l *media.LineItem) { l.Audience = "a/b" }, "audience"},
		"with a negative cap":       {func(l *media.LineItem) { l.CapPerDay = -1 }, "cap_per_day"},
		"with an empty flight":      {func(l *media.LineItem) { l.Flight = retail.Days{} }, "flight"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lineItem()
			tt.change(&l)
			refused(t, l.Check(), tt.field)
		})
	}
}

func TestWhichBidsAndBudgetsCanBe(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change   func(l *media.LineItem)
		currency retail.Currency
		field    string
	}{
		"as they should be":      {func(*media.LineItem) {}, "EUR", ""},
		"one click a day":        {func(l *media.LineItem) { l.BudgetDaily = l.Bid }, "EUR", ""},
		"all in a day":           {func(l *media.LineItem) { l.BudgetDaily = l.BudgetTotal }, "EUR", ""},
		"for nothing":            {func(l *media.LineItem) { l.Bid = 0 }, "EUR", "bid"},
		"with a negative budget": {func(l *media.LineItem) { l.BudgetTotal = -1 }, "EUR", "budget_total"},
		"in half cents":          {func(l *media.LineItem) { l.Bid += 5_000 }, "EUR", "bid"},
		"in cents of a yen":      {func(*media.LineItem) {}, "JPY", "bid"},
		"absurdly much": {func(l *media.LineItem) {
			l.Bid, l.BudgetDaily, l.BudgetTotal = media.BidMax+retail.Unit, retail.MicrosMax, retail.MicrosMax
		}, "EUR", "bid"},
		"more in a day than ever":  {func(l *media.LineItem) { l.BudgetDaily = l.BudgetTotal + retail.Unit }, "EUR", "budget_daily"},
		"that no day can pay":      {func(l *media.LineItem) { l.Bid = l.BudgetDaily + retail.Unit }, "EUR", "bid"},
		"that would overflow sums": {func(l *media.LineItem) { l.BudgetTotal = retail.MicrosMax + retail.Unit }, "EUR", "budget_total"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lineItem()
			tt.change(&l)
			refused(t, l.CheckMoney(tt.currency), tt.field)
		})
	}
}

func TestWhichAdvertisersAndPlacementsCanBe(t *testing.T) {
	t.Parallel()
	a := advertiser()
	refused(t, a.Check(), "")
	a.Currency = "eur"
	refused(t, a.Check(), "currency")
	for field, change := range map[string]func(p *media.Placement){
		"":          func(*media.Placement) {},
		"id":        func(p *media.Placement) { p.ID = "top/left" },
		"currency":  func(p *media.Placement) { p.Currency = "" },
		"slots_max": func(p *media.Placement) { p.SlotsMax = media.SlotsMax + 1 },
		"floor":     func(p *media.Placement) { p.Floor = 1 },
	} {
		p := placement()
		change(&p)
		refused(t, p.Check(), field)
	}
}
