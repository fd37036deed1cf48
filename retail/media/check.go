package media

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"endcap/retail"
	"endcap/retail/catalog"
)

// Limits of what people may set up.
const (
	NameMax       = 200
	ProductsMax   = 500 // products of one line item
	KeywordsMax   = 200
	KeywordMax    = 80 // bytes of one keyword
	CategoriesMax = 200
	PlacementsMax = 100
	SlotsMax      = 20
	CapMax        = 1_000
	FlightDaysMax = 1_098
	BidMax        = 10_000 * retail.Unit
)

func wrong(field, format string, args ...any) error {
	return &retail.Error{Kind: retail.Invalid, Field: field, Say: fmt.Sprintf(format, args...), Err: ErrTerms}
}

func checkNamed(id, name string) error {
	if err := CheckID(id); err != nil {
		return &retail.Error{
			Kind: retail.Invalid, Field: "id", Say: "not an id",
			Cure: fmt.Sprintf("use 1 to %d letters, digits, '-', '_' and '.'", IDMax), Err: err,
		}
	}
	if len(name) > NameMax || !utf8.ValidString(name) || strings.TrimSpace(name) == "" {
		return wrong("name", "a name has 1 to %d bytes of text", NameMax)
	}
	return nil
}

func checkFlight(f retail.Days) error {
	if n := f.Len(); n < 1 || n > FlightDaysMax {
		return wrong("flight", "a flight has 1 to %d days, this %d", FlightDaysMax, n)
	}
	return nil
}

// Check returns a *retail.Error that wraps ErrTerms and names the first field
// that cannot hold.
func (a *Advertiser) Check() error {
	if err := checkNamed(string(a.ID), a.Name); err != nil {
		return err
	}
	if err := a.Currency.Check(); err != nil {
		return wrong("currency", "unknown currency %.8q", string(a.Currency))
	}
	return nil
}

// Check returns a *retail.Error that wraps ErrTerms and names the first field
// that cannot hold.
func (c *Campaign) Check() error {
	if err := checkNamed(string(c.ID), c.Name); err != nil {
		return err
	}
	if err := CheckID(string(c.Advertiser)); err != nil {
		return wrong("advertiser", "not an advertiser's id")
	}
	if err := checkFlight(c.Flight); err != nil {
		return err
	}
	if err := c.Halo.Check(); err != nil {
		return &retail.Error{Kind: retail.Invalid, Field: "halo", Say: err.Error(), Err: ErrTerms}
	}
	switch {
	case c.ControlPPM < 0 || c.ControlPPM > ControlPPMMax:
		return wrong("control_ppm", "a control group holds out 0 to %d parts per million", ControlPPMMax)
	case c.WindowDays < 1 || c.WindowDays > WindowDaysMax:
		return wrong("window_days", "a window has 1 to %d days", WindowDaysMax)
	}
	return nil
}

// Check returns a *retail.Error that wraps ErrTerms and names the first field
// that cannot hold. Amounts are checked against the advertiser's currency by
// CheckMoney.
func (l *LineItem) Check() error {
	if err := checkNamed(string(l.ID), l.Name); err != nil {
		return err
	}
	if CheckID(string(l.Advertiser)) != nil {
		return wrong("advertiser", "not an advertiser's id")
	}
	if CheckID(string(l.Campaign)) != nil {
		return wrong("campaign", "not a campaign's id")
	}
	if err := checkFlight(l.Flight); err != nil {
		return err
	}
	if l.CapPerDay < 0 || l.CapPerDay > CapMax {
		return wrong("cap_per_day", "a cap is 0 (none) to %d a day", CapMax)
	}
	if l.Audience != "" && CheckID(string(l.Audience)) != nil {
		return wrong("audience", "not an audience's id")
	}
	return l.checkTargets()
}

func (l *LineItem) checkTargets() error {
	if len(l.Products) == 0 {
		return wrong("products", "it advertises nothing: name at least one product")
	}
	if err := checkWords("products", l.Products, ProductsMax, catalog.IDMax); err != nil {
		return err
	}
	if err := checkWords("placements", l.Placements, PlacementsMax, IDMax); err != nil {
		return err
	}
	if err := checkWords("keywords", l.Keywords, KeywordsMax, KeywordMax); err != nil {
		return err
	}
	return checkWords("categories", l.Categories, CategoriesMax, catalog.TextMax)
}

func checkWords[T ~string](field string, words []T, most, bytes int) error {
	if len(words) > most {
		return wrong(field, "at most %d, not %d", most, len(words))
	}
	seen := make(map[T]bool, len(words))
	for i, w := range words {
		at := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case strings.TrimSpace(string(w)) == "" || len(w) > bytes || !utf8.ValidString(string(w)):
			return wrong(at, "1 to %d bytes of text", bytes)
		case seen[w]:
			return wrong(at, "listed twice")
		}
		seen[w] = true
	}
	return nil
}

// CheckMoney returns a *retail.Error unless bid and budgets are positive whole
// coins of c and the daily budget lies between the bid and the total.
func (l *LineItem) CheckMoney(c retail.Currency) error {
	for _, m := range [...]struct {
		field  string
		amount retail.Micros
	}{{"bid", l.Bid}, {"budget_daily", l.BudgetDaily}, {"budget_total", l.BudgetTotal}} {
		if m.amount <= 0 || m.amount > retail.MicrosMax || m.amount%c.Minor() != 0 {
			return wrong(m.field, "an amount above zero in whole coins of %s", c)
		}
	}
	switch {
	case l.Bid > BidMax:
		return wrong("bid", "a bid is at most %s", BidMax.Format(c))
	case l.BudgetDaily > l.BudgetTotal:
		return wrong("budget_daily", "the daily budget %s exceeds the total %s", l.BudgetDaily.Format(c), l.BudgetTotal.Format(c))
	case l.Bid > l.BudgetDaily:
		return wrong("bid", "the bid %s exceeds the daily budget %s, so it could never be shown", l.Bid.Format(c), l.BudgetDaily.Format(c))
	}
	return nil
}

// Check returns a *retail.Error that wraps ErrTerms and names the first field
// that cannot hold.
func (p *Placement) Check() error {
	if err := checkNamed(string(p.ID), p.Name); err != nil {
		return err
	}
	if err := p.Currency.Check(); err != nil {
		return wrong("currency", "unknown currency %.8q", string(p.Currency))
	}
	switch {
	case p.SlotsMax < 1 || p.SlotsMax > SlotsMax:
		return wrong("slots_max", "a placement has 1 to %d slots", SlotsMax)
	case p.Floor <= 0 || p.Floor > BidMax || p.Floor%p.Currency.Minor() != 0:
		return wrong("floor", "an amount above zero in whole coins of %s", p.Currency)
	}
	return nil
}
