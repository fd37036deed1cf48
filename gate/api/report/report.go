// Package report is the door for those who read: brand managers their
// campaigns' reports, the retailer's analysts history and the reasons of a
// decision. Advertisers get cleared and delivered figures and nothing else.
//
// On the road of a receipt, proof leaves here.
package report

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/history"
	"endcap/prove/cleanroom"
	"endcap/prove/insight"
	"endcap/prove/measure"
	"endcap/retail"
	"endcap/retail/media"
	"endcap/sell/campaign"
)

// Ports are what the door speaks to.
type Ports struct {
	Reader   *measure.Reader
	Reporter *insight.Reporter
	Book     *campaign.Book
	History  History
	Policy   cleanroom.Policy
	Frame    insight.Frame // what every report says of this house; At is set per report
	Lookback int           // days
	Zone     *time.Location
	Currency retail.Currency
}

// History answers analysts and the product's own questions.
type History interface {
	history.Analyst
	history.Asker
}

// Mount adds the door to a server.
func Mount(s *api.Server, p Ports) {
	h := &handler{p, s.Now, insight.NewPage()}
	text := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	s.Handle(huma.Operation{
		OperationID: "report-campaign", Method: http.MethodGet, Path: "/v1/reports/campaigns/{id}", Tags: []string{"reports"}, Security: api.Needs(access.Reports),
		Summary:     "Read a campaign's report.",
		Description: "What was delivered and paid is exact; figures about shoppers are cleared: none about fewer than k. Every answer leaves an audit entry.",
		Parameters: []*huma.Param{
			{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}},
			{Name: "format", In: "query", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"json", "text", "csv", "html"}}, Description: "json where absent"},
			{Name: "model", In: "query", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{string(measure.LastClick), string(measure.LastImpression)}}, Description: "which touch may claim a sale; " + string(measure.LastClick) + " where absent"},
		},
		Responses: map[string]*huma.Response{"200": {Description: "The report", Content: map[string]*huma.MediaType{
			"application/json": {Schema: s.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[insight.Report](), true, "")},
			"text/plain":       text, "text/csv": text, "text/html": text,
		}}},
	}, h.campaign)
	api.Register(s, huma.Operation{
		OperationID: "report-effect", Method: http.MethodGet, Path: "/v1/reports/effect", Tags: []string{"reports"}, Security: api.Needs(access.Analyse),
		Summary: "Read the incremental sales of all campaigns together.", Description: "Each campaign's experiment, and their pooled effect with its 95 % interval; for the retailer's roles.",
	}, h.effect)
	mountHistory(s, h)
	mountExplain(s, h)
}

type handler struct {
	Ports
	now  retail.Clock
	page *insight.Page
}

// today is the last business day that has begun; what is told of shoppers ends
// with the day before it.
func (h *handler) today() retail.Day { return retail.DayOf(h.now(), h.Zone) }

// campaign writes one campaign's report in the format that is asked for.
func (h *handler) campaign(w http.ResponseWriter, r *http.Request) error {
	who := api.Caller(r.Context())
	query := r.URL.Query()
	write, kind, err := h.writer(query.Get("format"))
	if err != nil {
		return err
	}
	model := measure.Model(query.Get("model"))
	if model == "" {
		model = measure.LastClick
	}
	if model != measure.LastClick && model != measure.LastImpression {
		return &retail.Error{Kind: retail.Invalid, Field: "query.model", Say: fmt.Sprintf("%.40q is no model", string(model)), Cure: "ask for last_touch_click or last_touch_impression"}
	}
	if model != measure.LastClick && !who.Retailer() {
		// Told under both models, the difference would be the few who saw and did not click.
		return &retail.Error{Kind: retail.Denied, Field: "query.model", Say: "advertisers are told one model", Cure: "leave it out, or ask for last_touch_click"}
	}
	report, err := h.make(r.Context(), &who, media.CampaignID(r.PathValue("id")), model)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := write(&out, report); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	w.Header().Set("Content-Type", kind)
	if kind == htmlType {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
	}
	_, err = w.Write(out.Bytes())
	return err
}

const htmlType = "text/html; charset=utf-8"

func (h *handler) writer(format string) (func(*bytes.Buffer, *insight.Report) error, string, error) {
	switch format {
	case "", "json":
		return func(b *bytes.Buffer, r *insight.Report) error { return r.WriteJSON(b) }, "application/json", nil
	case "text":
		return func(b *bytes.Buffer, r *insight.Report) error { return r.WriteText(b) }, "text/plain; charset=utf-8", nil
	case "csv":
		return func(b *bytes.Buffer, r *insight.Report) error { return r.WriteCSV(b) }, "text/csv; charset=utf-8", nil
	case "html":
		return func(b *bytes.Buffer, r *insight.Report) error { return h.page.Write(b, r) }, htmlType, nil
	}
	return nil, "", &retail.Error{Kind: retail.Invalid, Field: "query.format", Say: fmt.Sprintf("%.20q is no format", format), Cure: "ask for json, text, csv or html"}
}

// make asks for one report on behalf of a caller; a campaign of another
// advertiser is one that does not exist.
func (h *handler) make(ctx context.Context, who *access.Principal, id media.CampaignID, model measure.Model) (*insight.Report, error) {
	terms, err := h.Reader.Terms(ctx)
	if err != nil {
		return nil, err
	}
	c, ok := terms.Campaigns[id]
	if !ok || !who.Sees(c.Advertiser) {
		return nil, &retail.Error{Kind: retail.NotFound, Say: "no such campaign", Cure: "list them with GET /v1/campaigns"}
	}
	payer, err := h.Book.Advertiser(ctx, c.Advertiser)
	if err != nil {
		return nil, err
	}
	frame := h.Frame
	frame.At = h.now()
	return h.Reporter.Campaign(ctx, insight.Question{
		Ask: h.ask(id, model, payer.Terms.Currency), Terms: terms, Advertiser: payer.Terms, Policy: h.Policy,
		Bookings: bookings(&terms, id), By: who.Name, Frame: frame,
	})
}

func (h *handler) ask(id media.CampaignID, model measure.Model, currency retail.Currency) measure.Ask {
	q := measure.Ask{Campaign: id, Model: model, Lookback: h.Lookback, PreDays: measure.PreDaysDefault, Currency: currency}
	return q.Days(h.today())
}

// bookings are how large the audiences of a campaign's line items were when
// they were booked.
func bookings(t *measure.Terms, id media.CampaignID) []cleanroom.Booking {
	var out []cleanroom.Booking
	for _, l := range t.LineItems {
		if l.Campaign == id {
			out = append(out, cleanroom.Booking{LineItem: l.ID, Audience: l.Audience, Shoppers: l.AudienceSize})
		}
	}
	return out
}

// Effect is the incremental sales of all campaigns together.
type Effect struct {
	Note      string           `json:"note"`
	Pooled    Interval         `json:"pooled"`
	Left      int              `json:"without_estimate" doc:"campaigns that have no estimate and are not in the pool"`
	Apart     int              `json:"other_currencies" doc:"campaigns that are paid in another currency and are not in the pool"`
	Campaigns []CampaignEffect `json:"campaigns"`
}

// Interval is an estimate with its 95 % interval.
type Interval struct {
	Estimate   string `json:"estimate,omitempty"`
	Low        string `json:"low,omitempty"`
	High       string `json:"high,omitempty"`
	Currency   string `json:"currency"`
	Treated    int    `json:"treated_shoppers"`
	Control    int    `json:"control_shoppers"`
	Left       int    `json:"left_out" doc:"shoppers whose recorded arm contradicts the campaign's terms"`
	Absent     string `json:"absent,omitempty" doc:"why there is no estimate"`
	ZeroInside bool   `json:"zero_inside" doc:"the interval contains 0"`
}

// CampaignEffect is one campaign's experiment.
type CampaignEffect struct {
	Campaign string `json:"campaign"`
	Interval
}

type effectOut struct{ Body Effect }

func (h *handler) effect(ctx context.Context, _ *struct{}) (*effectOut, error) {
	if who := api.Caller(ctx); !who.Retailer() {
		return nil, &retail.Error{Kind: retail.Denied, Say: "this is for the retailer's roles"}
	}
	terms, err := h.Reader.Terms(ctx)
	if err != nil {
		return nil, err
	}
	var ids []media.CampaignID
	for id := range terms.Campaigns {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	out := &effectOut{Effect{Note: "estimates of what was spent on each campaign's range because of it, by its control group", Campaigns: []CampaignEffect{}}}
	var effects []measure.Effect
	for _, id := range ids {
		payer, err := h.Book.Advertiser(ctx, terms.Campaigns[id].Advertiser)
		if err != nil {
			return nil, err
		}
		currency := payer.Terms.Currency
		evidence, err := h.Reader.Evidence(ctx, h.ask(id, measure.LastClick, currency), terms)
		if err != nil {
			return nil, err
		}
		e := measure.Incremental(evidence)
		out.Body.Campaigns = append(out.Body.Campaigns, CampaignEffect{string(id), interval(&e, currency)})
		if currency != h.Currency {
			out.Body.Apart++
			continue
		}
		effects = append(effects, e)
	}
	pooled, left := measure.Pool(effects)
	out.Body.Pooled, out.Body.Left = interval(&pooled, h.Currency), left
	return out, nil
}

func interval(e *measure.Effect, in retail.Currency) Interval {
	out := Interval{Currency: string(in), Treated: e.Treated.Shoppers, Control: e.Control.Shoppers, Left: e.Left, Absent: string(e.Absent)}
	if e.Known() {
		out.Estimate, out.Low, out.High = e.Total.Format(in), e.Low.Format(in), e.High.Format(in)
		out.ZeroInside = e.Includes(0)
	}
	return out
}
