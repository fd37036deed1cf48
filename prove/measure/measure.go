// Package measure judges what a campaign did. It reads history, never the
// seller: which touches and which receipts there were, who was held out, what
// was charged. Attribution says which sales followed a touch; the experiment
// says which sales would not have happened without it. The two are never mixed.
//
// Reader asks the warehouse and does not compute; Attribute, Estimate and the
// other functions compute and ask nobody, so any past report can be made again.
//
// On the road of a receipt, its lines come back here as proof; prove/insight
// makes a report of what is found.
package measure

import (
	"errors"
	"time"

	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/trial"
)

// Model names the rule by which a sale is attributed. Words cross the wire and
// never change.
type Model string

// The models. Under both, a receipt line goes to at most one touch of all
// touches of all campaigns of all advertisers: the last one before it whose
// campaign may claim the product and whose window is open. Touches at the same
// instant are told apart by campaign, line item and token, the greatest counts.
const (
	// LastClick counts clicks that billing accepted, once per token.
	LastClick Model = "last_touch_click"
	// LastImpression counts sponsored products that were seen, once per token.
	LastImpression Model = "last_touch_impression"
)

// Look-backs that are used where nothing else is asked.
const (
	LookbackDefault = 365 // days without a purchase of the range that make a shopper new to it
	PreDaysDefault  = 182 // days of purchases before exposure by which the experiment is adjusted
)

// Limits of one question.
const (
	LookbackMax = 1_098
	PreDaysMax  = 1_098
)

// Ask is one question about one campaign. Shoppers are counted through a day
// that is over: while a day lasts, every purchase would show in the figures of
// whoever asks before it and again after it. Delivery may be of a day that lasts.
type Ask struct {
	Campaign  media.CampaignID
	Through   retail.Day // the last business day of which shoppers are counted
	Delivered retail.Day // the last of which delivery and money are counted; Through where earlier
	Model     Model
	Lookback  int // days, see LookbackDefault
	PreDays   int // days, see PreDaysDefault
	Currency  retail.Currency
}

// Days asks as of a business day that has begun: shoppers through the day before
// it, delivery through that day itself.
func (a Ask) Days(today retail.Day) Ask {
	a.Through, a.Delivered = today-1, today
	return a
}

// LastDelivered is the last business day of which delivery and money are counted.
func (a *Ask) LastDelivered() retail.Day { return max(a.Through, a.Delivered) }

// ErrAsk is returned for a question that cannot be answered.
var ErrAsk = errors.New("not a question about a campaign")

// Touch is one touch of a treated shopper by any campaign.
type Touch struct {
	Shopper  shopper.ID
	At       time.Time
	Day      retail.Day
	Campaign media.CampaignID
	LineItem media.LineItemID
	Token    string // decision and slot
}

// Line is one receipt line of a touched shopper.
type Line struct {
	Shopper  shopper.ID
	Receipt  string
	Number   int64
	At       time.Time
	Day      retail.Day
	Channel  catalog.Channel
	Product  catalog.Product // what the catalogue says of it now
	Quantity int64
	Sales    retail.Micros
}

// Newness says whether a buyer was new to the campaign's range when touched.
type Newness string

// The answers. Unknown is neither: history does not reach back far enough.
const (
	New     Newness = "new"
	NotNew  Newness = "not_new"
	Unknown Newness = "unknown"
)

// Sale is one receipt line attributed to the campaign. Person tells buyers
// apart within one answer and means nothing outside it.
type Sale struct {
	Person   uint32
	Receipt  string
	Number   int64
	Day      retail.Day // of the receipt
	Channel  catalog.Channel
	LineItem media.LineItemID
	Token    string // the touch it is attributed to
	SameSKU  bool   // advertised by the touching line item; else the halo
	Newness  Newness
	Sales    retail.Micros // negative for a return
}

// Exposed is one shopper who was shown the campaign or, in the control group,
// would have been, with what she spent on its range before and since.
type Exposed struct {
	Shopper  shopper.ID
	First    retail.Day
	Recorded trial.Arm // as the wins said
	Both     bool      // the wins of one shopper said both arms
	Before   retail.Micros
	Since    retail.Micros
}

// Delivered is what one line item delivered on one day: exact, of all shoppers.
type Delivered struct {
	LineItem    media.LineItemID
	Day         retail.Day
	Impressions int64
	Clicks      int64 // that billing accepted: charged, or free for want of money
	Filtered    int64 // clicks that billing did not accept
	Spend       retail.Micros
}

// Basket is one put-into-basket of a sponsored product.
type Basket struct {
	Shopper shopper.ID
	Day     retail.Day
}

// Refused counts why a line item did not win on one day.
type Refused struct {
	LineItem media.LineItemID
	Day      retail.Day
	Reason   string
	Count    int64
}

// Evidence is all that was found in history about one question.
type Evidence struct {
	Ask       Ask
	Terms     Terms
	FirstDay  retail.Day // how far back history reaches, see Reach
	Receipts  bool       // history holds a receipt at all
	Touches   []Touch
	Lines     []Line
	Exposed   []Exposed
	Settled   retail.Day // the day through which Exposed was read; the terms settled before it count
	Delivered []Delivered
	Baskets   []Basket
	Refused   []Refused
}

// Campaign is the campaign asked about.
func (e *Evidence) Campaign() media.Campaign { return e.Terms.Campaigns[e.Ask.Campaign] }

// LastDay is the last business day whose sales count in c's experiment: the
// end of its window after the last day of its flight, or the day asked for.
func LastDay(c *media.Campaign, through retail.Day) retail.Day {
	return min(through, c.Flight.To-1+retail.Day(c.WindowDays))
}
