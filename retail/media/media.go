// Package media names what advertisers book: advertiser, campaign, line item,
// placement, and the signed Token that an advert carries from the auction to
// the bill. The terms here are plain data that people set up; sell decides by
// them, know keeps them as history, prove reads that history.
//
// On the road of a receipt, a decision issues Tokens and a click brings one back.
package media

import (
	"encoding/hex"
	"errors"
	"fmt"

	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/catalog"
)

// Identifiers of what is set up. They are opaque, 1 to IDMax bytes of
// [A-Za-z0-9._-].
type (
	AdvertiserID string
	CampaignID   string
	LineItemID   string
	PlacementID  string
)

// IDMax is the longest identifier accepted, in bytes.
const IDMax = 64

// ErrTerms is returned by the Check methods of what people set up.
var ErrTerms = errors.New("terms that cannot hold")

// CheckID returns ErrTerms unless s can be an identifier.
func CheckID(s string) error {
	if s == "" || len(s) > IDMax {
		return fmt.Errorf("%w: an id has 1 to %d characters", ErrTerms, IDMax)
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return fmt.Errorf("%w: an id holds only letters, digits, '-', '_' and '.'", ErrTerms)
		}
	}
	return nil
}

// DecisionID names one answer to one visit: 16 random bytes, written as 32 hex
// digits.
type DecisionID [16]byte

// ErrDecisionID is returned for text that is not a decision's id.
var ErrDecisionID = errors.New("not a decision id")

// ParseDecisionID reads 32 hex digits.
func ParseDecisionID(s string) (DecisionID, error) {
	var d DecisionID
	if len(s) != 32 {
		return d, ErrDecisionID
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil {
		return DecisionID{}, ErrDecisionID
	}
	return d, nil
}

// String gives 32 hex digits.
func (d DecisionID) String() string { return hex.EncodeToString(d[:]) }

// MarshalText and UnmarshalText write and read 32 hex digits.
func (d DecisionID) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *DecisionID) UnmarshalText(b []byte) error {
	got, err := ParseDecisionID(string(b))
	*d = got
	return err
}

// Advertiser pays, from one prepaid wallet in one currency.
type Advertiser struct {
	ID       AdvertiserID    `json:"id"`
	Name     string          `json:"name"`
	Currency retail.Currency `json:"currency"`
}

// Campaign is what an advertiser wants to reach, with the experiment that
// proves it. Its Halo is the range of products whose sales it may claim beside
// the advertised ones, usually the advertiser's brand.
type Campaign struct {
	ID         CampaignID   `json:"id"`
	Advertiser AdvertiserID `json:"advertiser"`
	Name       string       `json:"name"`
	Flight     retail.Days  `json:"flight"`
	Halo       catalog.Set  `json:"halo"`
	ControlPPM int          `json:"control_ppm"` // share of shoppers held out, parts per million
	WindowDays int          `json:"window_days"` // how long after a touch a sale may be attributed
}

// Limits of a campaign's terms.
const (
	ControlPPMMax = 500_000
	WindowDaysMax = 90
)

// LineItem is one bookable part of a campaign: which products to show, where,
// to whom, at which price, how much and how often.
type LineItem struct {
	ID          LineItemID          `json:"id"`
	Campaign    CampaignID          `json:"campaign"`
	Advertiser  AdvertiserID        `json:"advertiser"`
	Name        string              `json:"name"`
	Products    []catalog.ProductID `json:"products"`             // the advertised products, at least one
	Placements  []PlacementID       `json:"placements,omitempty"` // where it may run; empty means every placement
	Keywords    []string            `json:"keywords,omitempty"`   // searches it targets
	Categories  []catalog.Category  `json:"categories,omitempty"` // category pages it targets; with no keyword and no category it may run everywhere
	Audience    audience.ID         `json:"audience,omitempty"`   // who may see it; empty means everybody
	Bid         retail.Micros       `json:"bid_micros"`           // the most it pays for a click, whole minor units
	BudgetDaily retail.Micros       `json:"budget_daily_micros"`
	BudgetTotal retail.Micros       `json:"budget_total_micros"`
	CapPerDay   int                 `json:"cap_per_day"` // most times one shopper may be shown it in a day; 0 means no cap
	Flight      retail.Days         `json:"flight"`
	Paused      bool                `json:"paused"`
	// AudienceSize is how many shoppers the audience had when the line item was
	// booked; 0 with no audience. It is evidence, written by the door.
	AudienceSize int `json:"audience_size,omitempty"`
}

// Placement is a named place on a page, a screen or a mail, with slots.
type Placement struct {
	ID       PlacementID     `json:"id"`
	Name     string          `json:"name"`
	SlotsMax int             `json:"slots_max"`
	Floor    retail.Micros   `json:"floor_micros"` // the least a click costs here, whole minor units
	Currency retail.Currency `json:"currency"`
}

// Charge says what a token is billed for. Numbers are stored.
type Charge uint8

// The charges.
const (
	PerClick Charge = 1
)
