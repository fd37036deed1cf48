package event

// Why a line item did not get a slot.
const (
	OutOfStock       Refusal = "out_of_stock"        // none of its products is in stock there
	BelowFloor       Refusal = "below_floor"         // it bids less than the placement's floor
	WrongCurrency    Refusal = "wrong_currency"      // the placement sells in another currency
	FrequencyCap     Refusal = "frequency_cap"       // she was shown it as often as it may be today
	NoConsent        Refusal = "no_consent"          // it targets an audience, and she allows no personal adverts
	NotInAudience    Refusal = "not_in_audience"     // she is not in its audience
	BudgetSpent      Refusal = "budget_spent"        // what is set aside for the day, less what is out, is below the floor
	NotInFlight      Refusal = "not_in_flight"       // today is outside its flight
	Paused           Refusal = "paused"              // its advertiser holds it
	WrongPlacement   Refusal = "wrong_placement"     // it does not run there
	NoMatch          Refusal = "no_match"            // it targets other searches or categories
	Outbid           Refusal = "outbid"              // others ranked higher
	DuplicateProduct Refusal = "duplicate_product"   // its product already has a slot of this answer
	DuplicateLine    Refusal = "duplicate_line_item" // it already has a slot of this answer, or would but for the control group
)

// Why a click was delivered free; BudgetSpent is one more.
const (
	Repeat       Refusal = "repeat"        // the token was clicked before, or the shopper clicks the line item too often
	Bot          Refusal = "bot"           // no person made the request
	TooLate      Refusal = "too_late"      // the token had expired
	NoImpression Refusal = "no_impression" // the token was never reported as seen
)
