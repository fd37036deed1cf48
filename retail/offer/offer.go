// Package offer holds the terms of promotions: which products get what off, who
// pays for it, for whom, where and when it holds, beside which others, how often
// and up to what amount. It is plain data that people set up; sell/offer works out
// by it what a basket gets, history keeps it, and reports read that history. Here
// too stands the one closed list of reasons for which an offer or a coupon does not
// count.
//
// An offer is the terms, a coupon one shopper's instance of it, a redemption its
// use.
//
// On the road of a receipt, offers decide what the shopper pays and which brand
// pays the rest.
package offer

import (
	"time"

	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/catalog"
	"endcap/retail/media"
)

// ID names an offer. It is 1 to media.IDMax bytes of [A-Za-z0-9._-].
type ID string

// Offer is the terms of one promotion, in one version. Amounts are whole minor
// units of its currency.
type Offer struct {
	ID       ID              `json:"id"`
	Version  uint64          `json:"version"` // counts from 1; every discount names the version it was given by
	Name     string          `json:"name"`
	Currency retail.Currency `json:"currency"`
	Since    time.Time       `json:"since,omitzero"` // the instant from which the offer exists, whatever its days say
	Disabled bool            `json:"disabled,omitempty"`
	Funding  Funding         `json:"funding"`
	Mechanic Mechanic        `json:"mechanic"`
	// Spend is the threshold: what the basket must hold for the offer to apply.
	Spend Spend `json:"spend,omitzero"`
	// Credit has the amount credited to the shopper's loyalty card instead of
	// taken off what she pays.
	Credit   bool        `json:"credit,omitempty"`
	Eligible Eligibility `json:"eligible"`
	Stacking Stacking    `json:"stacking,omitzero"`
	Limits   Limits      `json:"limits,omitzero"`
	Coupon   Coupon      `json:"coupon,omitzero"`
}

// Funding says who pays for an offer: the advertiser pays BrandPPM parts per
// million of each discount, the retailer the rest.
type Funding struct {
	Advertiser media.AdvertiserID `json:"advertiser,omitempty"` // empty where the retailer pays all
	BrandPPM   int                `json:"brand_ppm,omitempty"`  // 0 to PPMAll
}

// PPMAll is the whole, in parts per million.
const PPMAll = 1_000_000

// Base says on which prices percents and thresholds are counted.
type Base string

// The bases.
const (
	Initial Base = "initial" // the prices at the shelf
	After   Base = "after"   // what is left after the offers that come before in order
)

// Spend is a threshold. The zero Spend asks for nothing.
type Spend struct {
	// Products are what counts towards it; everything where it is empty.
	Products catalog.Set   `json:"products,omitzero"`
	Amount   retail.Micros `json:"amount_micros,omitempty"` // at least so much in all
	Pieces   int           `json:"pieces,omitempty"`        // at least so many pieces; a weighed line is one
	Base     Base          `json:"base,omitempty"`          // of Amount
}

// Eligibility says for whom, where and when an offer holds. Each empty part means
// no restriction; days must be said.
type Eligibility struct {
	Days     retail.Days       `json:"days"`                // business days, in the store's own zone
	Weekdays []Weekday         `json:"weekdays,omitempty"`  // of the local day, or of the evening on which hours past midnight began
	Hours    []Hours           `json:"hours,omitempty"`     // by the store's clock on the wall
	Stores   []catalog.StoreID `json:"stores,omitempty"`    // none but these
	Channel  string            `json:"channel,omitempty"`   // as catalog.ParseChannel reads it
	Audience []audience.ID     `json:"audiences,omitempty"` // she is in one of them
	// FirstPurchase is for shoppers who have bought nothing yet.
	FirstPurchase bool `json:"first_purchase,omitempty"`
}

// Stacking says beside which others an offer may stand. Of one group a product
// takes part in one offer at most; offers of different groups come on top of each
// other, in order.
type Stacking struct {
	Order int    `json:"order,omitempty"` // lower comes first; ties by id
	Group string `json:"group,omitempty"` // empty is a group too
	// Excludes names groups none of whose offers may apply in the same basket;
	// its own group for one offer of it a basket, AllGroups for none beside it.
	Excludes []string `json:"excludes,omitempty"`
}

// AllGroups means every offer, in Excludes.
const AllGroups = "*"

// Limits say how often an offer may be used and for how much; 0 means no limit. A
// use is one basket to which it applied.
type Limits struct {
	Shopper   int64 `json:"shopper,omitempty"`   // uses by one shopper
	Household int64 `json:"household,omitempty"` // uses by one household
	Day       int64 `json:"day,omitempty"`       // uses in one business day, by everybody
	Total     int64 `json:"total,omitempty"`     // uses in all
	// Times is how often the mechanic repeats in one basket: sets of pieces.
	Times int `json:"times,omitempty"`
	// Discount is the most that one basket gets; more is cut to it.
	Discount retail.Micros `json:"discount_micros,omitempty"`
	// Budget is the most that all baskets together get. A discount larger than
	// what is left of it is refused whole, or cut to it where Trim says so.
	Budget retail.Micros `json:"budget_micros,omitempty"`
	Trim   bool          `json:"trim,omitempty"`
}

// Coupon says how an offer stands to coupons.
type Coupon struct {
	// Required has the offer apply only where a coupon of it is presented.
	Required bool `json:"required,omitempty"`
	// Returns makes a single-use code usable again when all it gave was reversed.
	Returns bool `json:"returns,omitempty"`
	// Always uses the coupon up even where it takes nothing off, as long as its
	// threshold is reached and its products are in the basket.
	Always bool `json:"always,omitempty"`
}
