// Package insight makes the reports that brands and the retailer read. A report
// holds nothing but figures that prove/cleanroom has let out, each with its
// window, model, scope, interval and what of it is withheld, so that a reader
// can tell how it was made and a second reader can make it again.
//
// One report is written in four forms: text, CSV, JSON, and one self-contained
// HTML page with its charts inside, which asks nobody for anything.
//
// On the road of a receipt, this is the last stop: the brand sees what its
// money did, and never who did it.
package insight

import (
	"encoding/json"
	"time"

	"endcap/prove/cleanroom"
	"endcap/prove/measure"
	"endcap/retail"
	"endcap/retail/media"
)

// Value is one figure that may be told: cleanroom.Cleared or cleanroom.Delivery.
type Value interface {
	String() string
	json.Marshaler
}

// How says how a figure was made, in sentences a brand manager can read.
type How struct {
	Window   string `json:"window"`
	Model    string `json:"model"`
	Scope    string `json:"scope"`
	Interval string `json:"interval"`
	Withheld string `json:"withheld"`
}

// Figure is one number of a report.
type Figure struct {
	ID    string `json:"id"` // stable, e.g. "attributed_sales"
	Name  string `json:"name"`
	Value Value  `json:"value"`
	Low   Value  `json:"low,omitempty"` // of ratios that have an interval
	High  Value  `json:"high,omitempty"`
	How   How    `json:"how"`
}

// Day is what was delivered on one flight day.
type Day struct {
	Day         retail.Day         `json:"day"`
	Impressions cleanroom.Delivery `json:"impressions"`
	Clicks      cleanroom.Delivery `json:"clicks"`
	Spend       cleanroom.Delivery `json:"spend"`
}

// Span is the attributed sales of some days, joined until enough shoppers
// stand behind them.
type Span struct {
	From   retail.Day        `json:"from"`
	To     retail.Day        `json:"to"` // the last day
	Sales  cleanroom.Cleared `json:"sales"`
	Buyers cleanroom.Cleared `json:"buyers"`
}

// Part is one part of attributed sales.
type Part struct {
	Name     string            `json:"name"`    // stable, e.g. "in_store"
	Label    string            `json:"label"`   // for people
	Through  *retail.Day       `json:"through"` // null where nothing is told
	Sales    cleanroom.Cleared `json:"sales"`
	Buyers   cleanroom.Cleared `json:"buyers"`
	Receipts cleanroom.Cleared `json:"receipts"`
}

// Split tells the attributed sales apart in one way; its parts add up to the
// whole.
type Split struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Parts []Part `json:"parts"`
	How   How    `json:"how"`
}

// Arm is one side of the experiment.
type Arm struct {
	Name     string            `json:"name"`
	Shoppers cleanroom.Cleared `json:"shoppers"`
	Buyers   cleanroom.Cleared `json:"buyers"`
	PerHead  cleanroom.Cleared `json:"spend_per_shopper"`
}

// Refusal counts why the campaign's line items did not win on one day.
type Refusal struct {
	Day    retail.Day         `json:"day"`
	Reason string             `json:"reason"`
	Count  cleanroom.Delivery `json:"count"`
}

// Head says what the report is about and under which rules it was made.
type Head struct {
	Campaign       media.CampaignID   `json:"campaign"`
	Name           string             `json:"name"`
	Advertiser     media.AdvertiserID `json:"advertiser"`
	AdvertiserName string             `json:"advertiser_name"`
	FlightFrom     retail.Day         `json:"flight_from"`
	FlightLast     retail.Day         `json:"last_day"` // of the flight
	Through        retail.Day         `json:"through"`  // delivery and money are told up to this day
	Edition        *retail.Day        `json:"edition"`  // what is about shoppers is told up to this day; null where nothing is
	Currency       retail.Currency    `json:"currency"`
	ShoppersMin    int                `json:"shoppers_min"`
	ControlPPM     int                `json:"control_ppm"`
	WindowDays     int                `json:"window_days"`
	Lookback       int                `json:"new_to_brand_days"`
	Model          measure.Model      `json:"model"`
}

// Frame is what the caller says about the report as a whole.
type Frame struct {
	Dataset string    `json:"dataset"` // whose shopping this is, e.g. "The Complete Journey 2.0 …"
	Clock   string    `json:"clock"`   // "replay" or "wall"
	At      time.Time `json:"at"`      // when the report was made, by that clock
	Notices []string  `json:"notices"` // what every reader must know first
}

// Report is one campaign's report.
type Report struct {
	Head     Head      `json:"report"`
	Frame    Frame     `json:"about"`
	Figures  []Figure  `json:"figures"`
	Days     []Day     `json:"days"`
	Spans    []Span    `json:"attributed_by_days"`
	Splits   []Split   `json:"splits"`
	Arms     []Arm     `json:"experiment"`
	Refusals []Refusal `json:"refusals"`
}

// Figure finds a figure by its id; the zero Figure where there is none.
func (r *Report) Figure(id string) Figure {
	for _, f := range r.Figures {
		if f.ID == id {
			return f
		}
	}
	return Figure{Value: cleanroom.Cleared{}}
}

// cleared visits every figure about shoppers.
func (r *Report) cleared(visit func(cleanroom.Cleared)) {
	for _, f := range r.Figures {
		if c, ok := f.Value.(cleanroom.Cleared); ok {
			visit(c)
		}
	}
	for _, s := range r.Spans {
		visit(s.Sales)
		visit(s.Buyers)
	}
	for _, s := range r.Splits {
		for _, p := range s.Parts {
			visit(p.Sales)
			visit(p.Buyers)
			visit(p.Receipts)
		}
	}
	for _, a := range r.Arms {
		visit(a.Shoppers)
		visit(a.Buyers)
		visit(a.PerHead)
	}
}
