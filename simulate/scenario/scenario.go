// Package scenario says which retailer is simulated: how many shoppers for how
// many weeks under which seed, and the knobs that a scenario file may turn. What
// stands in no file has a default; what is no knob is refused by its name.
//
// It is before the road of a receipt: it says how many there will be.
package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"endcap/retail"
)

// Limits of a simulation.
const (
	ShoppersMax = 100_000_000
	WeeksMax    = 520
	StoresMax   = 2_000
	ProductsMax = 200_000
	ProductsMin = 1_000
	textMax     = 1 << 20
)

// Scenario is everything that a simulation depends on, beside the model and the
// list of communes. Shares are between 0 and 1.
type Scenario struct {
	Shoppers int    `json:"shoppers"`
	Weeks    int    `json:"weeks"`
	Seed     uint64 `json:"seed"`

	Start    string `json:"start"`    // the first day, a Monday
	Zone     string `json:"zone"`     // of the shops
	Currency string `json:"currency"` // prices are the model's, unit for unit
	Stores   int    `json:"stores"`   // beside the online shop; 0 is one for 2,500 shoppers, at least 3
	Products int    `json:"products"`

	Card        float64 `json:"card"`         // shoppers with a loyalty card
	Account     float64 `json:"account"`      // shoppers with an account online
	Online      float64 `json:"online"`       // trips of those that are orders online
	CardShown   float64 `json:"card_shown"`   // receipts at a till on which the card was read
	CardShared  float64 `json:"card_shared"`  // shoppers who use another's card
	CardWrong   float64 `json:"card_wrong"`   // receipts that carry somebody else's card
	EmailWrong  float64 `json:"email_wrong"`  // e-mail addresses at the till desk that were misheard
	NoAddress   float64 `json:"no_address"`   // cards whose holder told the desk no e-mail address
	TwoDevices  float64 `json:"two_devices"`  // of those with an account who browse with a second device, which no system knows
	Consent     float64 `json:"consent"`      // shoppers with a key who allow personal offers
	Withdraw    float64 `json:"withdraw"`     // of those who withdraw within a year
	Returns     float64 `json:"returns"`      // trips at which something comes back
	OutOfStock  float64 `json:"out_of_stock"` // products of a store that are missing on a day
	Browse      float64 `json:"browse"`       // visits to the site a week without an order, by shopper with an account
	Promotions  float64 `json:"promotions"`   // by which the model's share of promoted products is multiplied
	CouponReach float64 `json:"coupon_reach"` // by which the model's share of targeted shoppers is multiplied

	Play *Play `json:"play,omitempty"` // for a simulation that is played against a server; a folder has none
}

// Defaults is the scenario of a file that says nothing, without shoppers, weeks
// and seed.
func Defaults() Scenario {
	return Scenario{
		Start: "2025-01-06", Zone: "Europe/Paris", Currency: "EUR", Products: 20_000,
		Card: 0.85, Account: 0.4, Online: 0.15, CardShown: 0.93, CardShared: 0.05, CardWrong: 0.004, EmailWrong: 0.03, NoAddress: 0.2, TwoDevices: 0.35,
		Consent: 0.7, Withdraw: 0.05, Returns: 0.006, OutOfStock: 0.02, Browse: 0.3, Promotions: 1, CouponReach: 1,
	}
}

// Read reads a scenario file, JSON, over s: what it does not name stays. A name that
// is no knob's, to the letter, or comes twice in one object is refused. A folder's
// simulation.json is one too, for the scenario that it was made from.
func Read(r io.Reader, s *Scenario) error {
	text, err := io.ReadAll(io.LimitReader(r, textMax+1))
	if err != nil {
		return fmt.Errorf("read scenario: %w", err)
	}
	if len(text) > textMax {
		return bad("", fmt.Sprintf("the scenario file has more than %d bytes", textMax), "name the knobs alone")
	}
	if err := strict(text, false); err != nil {
		return err
	}
	text = within(text)
	if err := strict(text, true); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(s); err != nil {
		return bad("", "the scenario file is not understood: "+err.Error(), knobsCure)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return bad("", "the scenario file goes on after its object", "keep one object")
	}
	return nil
}

// within is the scenario in what a folder says of itself, or the text as it is.
func within(text []byte) []byte {
	var told map[string]json.RawMessage // exact names, where a struct would take others for them
	if json.Unmarshal(text, &told) == nil && told["declared"] != nil && told["scenario"] != nil {
		return told["scenario"]
	}
	return text
}

// Check says what cannot be simulated.
func (s *Scenario) Check() error {
	for _, n := range []struct {
		name         string
		is, min, max int
	}{
		{"shoppers", s.Shoppers, 1, ShoppersMax},
		{"weeks", s.Weeks, 1, WeeksMax},
		{"stores", s.Stores, 0, StoresMax},
		{"products", s.Products, ProductsMin, ProductsMax},
	} {
		if n.is < n.min || n.is > n.max {
			return bad(n.name, fmt.Sprintf("%s is %d", n.name, n.is), fmt.Sprintf("from %d to %d", n.min, n.max))
		}
	}
	for _, share := range []struct {
		name string
		is   float64
		max  float64
	}{
		{"card", s.Card, 1},
		{"account", s.Account, 1},
		{"online", s.Online, 1},
		{"card_shown", s.CardShown, 1},
		{"card_shared", s.CardShared, 0.5},
		{"card_wrong", s.CardWrong, 0.5},
		{"email_wrong", s.EmailWrong, 0.5},
		{"no_address", s.NoAddress, 1},
		{"two_devices", s.TwoDevices, 1},
		{"consent", s.Consent, 1},
		{"withdraw", s.Withdraw, 1},
		{"returns", s.Returns, 0.5},
		{"out_of_stock", s.OutOfStock, 0.5},
		{"browse", s.Browse, 7},
		{"promotions", s.Promotions, 1.5},
		{"coupon_reach", s.CouponReach, 2},
	} {
		if !(share.is >= 0 && share.is <= share.max) {
			return bad(share.name, fmt.Sprintf("%s is %v", share.name, share.is), fmt.Sprintf("from 0 to %v", share.max))
		}
	}
	if s.Play != nil {
		if err := s.Play.check(s.Weeks); err != nil {
			return err
		}
	}
	day, err := retail.ParseDay(s.Start)
	if err != nil || day.UTC().Weekday() != time.Monday || day.UTC().Year() < 1991 || day.UTC().Year() > 2080 {
		return bad("start", fmt.Sprintf("start is %.20q", s.Start), "a Monday from 1991 to 2080, as 2025-01-06")
	}
	if _, err := time.LoadLocation(s.Zone); err != nil || s.Zone == "" {
		return bad("zone", fmt.Sprintf("there is no zone %.40q", s.Zone), "an IANA zone such as Europe/Paris")
	}
	if err := retail.Currency(s.Currency).Check(); err != nil {
		return bad("currency", fmt.Sprintf("currency is %.10q", s.Currency), "an ISO 4217 code such as EUR")
	}
	return nil
}

// StoreCount is how many stores there are beside the online shop.
func (s *Scenario) StoreCount() int {
	if s.Stores > 0 {
		return s.Stores
	}
	return min(max(s.Shoppers/2_500, 3), 400)
}

// First is the first day.
func (s *Scenario) First() retail.Day {
	day, err := retail.ParseDay(s.Start)
	if err != nil {
		panic("scenario: bug: First before Check")
	}
	return day
}

func bad(field, say, cure string) error {
	return &retail.Error{Kind: retail.Invalid, Field: field, Say: say, Cure: cure}
}
