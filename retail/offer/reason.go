package offer

import "slices"

// Reason says why an offer or a coupon does not count. A reason is a result, never
// an error. The list is closed: its words are stored and cross the wire.
type Reason string

// The reasons. ExcludedBy and LowerValueThan name the other offer.
const (
	Unknown         Reason = "unknown"          // no such offer or code
	NotStarted      Reason = "not_started"      // its first day has not begun, or it did not exist then
	Expired         Reason = "expired"          // its last day is over, or a hold's time is
	Disabled        Reason = "disabled"         // it is switched off
	WrongTime       Reason = "wrong_time"       // not on this weekday or at this hour; dated in the future
	WrongShopper    Reason = "wrong_shopper"    // not for her: audience, first purchase, another's coupon, nobody known
	WrongStore      Reason = "wrong_store"      // not in this store
	WrongChannel    Reason = "wrong_channel"    // not in the store, or not online
	WrongCurrency   Reason = "wrong_currency"   // the store sells in another currency
	BasketNotMet    Reason = "basket_not_met"   // the basket lacks its products, pieces or amount
	LimitCode       Reason = "limit_code"       // every use of the code is taken
	LimitShopper    Reason = "limit_shopper"    // every use she has is taken
	LimitHousehold  Reason = "limit_household"  // every use her household has is taken
	LimitDay        Reason = "limit_day"        // every use of the day is taken
	LimitCampaign   Reason = "limit_campaign"   // every use of the offer is taken
	BudgetExhausted Reason = "budget_exhausted" // the discount is larger than what is left of the budget
	ExcludedBy      Reason = "excluded_by"      // another offer that applies leaves no room for it
	LowerValueThan  Reason = "lower_value_than" // another that cannot stand beside it is worth more
	AlreadyRedeemed Reason = "already_redeemed" // the code was used
	Reversed        Reason = "reversed"         // it was given back already
	InProgress      Reason = "in_progress"      // the same is being done now
	Malformed       Reason = "malformed"        // not a code
	Checksum        Reason = "checksum"         // a code with a wrong check symbol
)

var reasons = []Reason{
	Unknown, NotStarted, Expired, Disabled, WrongTime, WrongShopper, WrongStore, WrongChannel, WrongCurrency, BasketNotMet,
	LimitCode, LimitShopper, LimitHousehold, LimitDay, LimitCampaign, BudgetExhausted, ExcludedBy, LowerValueThan,
	AlreadyRedeemed, Reversed, InProgress, Malformed, Checksum,
}

// Reasons lists every reason.
func Reasons() []Reason { return slices.Clone(reasons) }

// Verdict is a reason with the offer it names, if it names one. The zero Verdict
// is no reason: it counts.
type Verdict struct {
	Reason Reason
	By     ID // of ExcludedBy and LowerValueThan
}

// String gives the reason, with the other offer's id after a colon:
// "excluded_by:oats-half".
func (v Verdict) String() string {
	if v.By == "" {
		return string(v.Reason)
	}
	return string(v.Reason) + ":" + string(v.By)
}
