package trade

import (
	"context"
	"net/http"

	"endcap/gate/api"
	"endcap/prove/cleanroom"
	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/catalog"
	"endcap/retail/media"
	"endcap/sell/campaign"
)

// Campaign is what an advertiser wants to reach, on the wire.
type Campaign struct {
	ID         string      `json:"id,omitempty" readOnly:"true"`
	Advertiser string      `json:"advertiser" maxLength:"64"`
	Name       string      `json:"name" maxLength:"200"`
	Flight     Flight      `json:"flight"`
	Halo       catalog.Set `json:"halo,omitzero" doc:"products whose sales it may claim beside the advertised ones, usually the brand"`
	ControlPPM *int        `json:"control_ppm,omitempty" minimum:"0" maximum:"500000" doc:"share of shoppers held out, parts per million; 100000 where absent, because every campaign proves itself"`
	WindowDays int         `json:"window_days,omitempty" minimum:"1" maximum:"90" default:"14" doc:"how long after a touch a sale may be attributed"`
}

// controlDefault is the share held out where a campaign says nothing.
const controlDefault = 100_000

// LineItem is one bookable part of a campaign, on the wire.
type LineItem struct {
	ID          string    `json:"id,omitempty" readOnly:"true"`
	Campaign    string    `json:"campaign" maxLength:"64"`
	Name        string    `json:"name" maxLength:"200"`
	Products    []string  `json:"products" minItems:"1" maxItems:"500" doc:"the advertised products"`
	Placements  []string  `json:"placements,omitempty" doc:"where it may run; absent for every placement"`
	Keywords    []string  `json:"keywords,omitempty" doc:"searches it targets"`
	Categories  []string  `json:"categories,omitempty" doc:"category pages it targets"`
	Audience    string    `json:"audience,omitempty" maxLength:"64" doc:"who may see it; absent for everybody"`
	Bid         api.Money `json:"bid" doc:"the most it pays for a click"`
	BudgetDaily api.Money `json:"budget_daily"`
	BudgetTotal api.Money `json:"budget_total"`
	CapPerDay   int       `json:"cap_per_day,omitempty" minimum:"0" maximum:"1000" doc:"most times one shopper may be shown it in a day; 0 for no cap"`
	Flight      Flight    `json:"flight"`
	Paused      bool      `json:"paused,omitempty"`
	Left        *Left     `json:"today,omitempty" readOnly:"true" doc:"how it stands today; absent in the moment before it is known"`
}

// Left is how a line item stands today.
type Left struct {
	Day   string             `json:"day" format:"date"`
	State string             `json:"state" enum:"running,paused,not_in_flight"`
	Left  cleanroom.Delivery `json:"left" doc:"what it can still promise today"`
	Short bool               `json:"short,omitempty" doc:"its wallet could not pay for the whole day"`
}

func writeCampaign(h campaign.Held[media.Campaign]) Campaign {
	c := &h.Terms
	return Campaign{string(c.ID), string(c.Advertiser), c.Name, flightOf(c.Flight), c.Halo, &c.ControlPPM, c.WindowDays}
}

func mountCampaigns(s *api.Server, h *handler) {
	register(s, operation("list-campaigns", http.MethodGet, "/v1/campaigns", "List campaigns."), h.listCampaigns)
	register(s, operation("get-campaign", http.MethodGet, "/v1/campaigns/{id}", "Read a campaign."), h.getCampaign)
	register(s, operation("put-campaign", http.MethodPut, "/v1/campaigns/{id}", "Make or change a campaign."), h.putCampaign)
	register(s, operation("remove-campaign", http.MethodDelete, "/v1/campaigns/{id}", "Remove a campaign."), h.removeCampaign)
}

func (h *handler) listCampaigns(ctx context.Context, in *Page) (*many[Campaign], error) {
	who := api.Caller(ctx)
	held, err := h.Book.Campaigns(ctx, campaign.Page{After: in.After, Limit: in.size(h.pageMax) + 1, Advertiser: who.Advertiser})
	if err != nil {
		return nil, err
	}
	return manyOf(held, in.size(h.pageMax), writeCampaign, func(c campaign.Held[media.Campaign]) string { return string(c.Terms.ID) }), nil
}

// campaignOf finds a campaign that the caller may know of.
func (h *handler) campaignOf(ctx context.Context, id string) (campaign.Held[media.Campaign], error) {
	held, err := h.Book.Campaign(ctx, media.CampaignID(id))
	if err != nil {
		return held, err
	}
	if who := api.Caller(ctx); !who.Sees(held.Terms.Advertiser) {
		return campaign.Held[media.Campaign]{}, missing("campaign")
	}
	return held, nil
}

func (h *handler) getCampaign(ctx context.Context, in *Read) (*one[Campaign], error) {
	held, err := h.campaignOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := in.unless(held.Version); err != nil {
		return nil, err
	}
	return &one[Campaign]{etag(held.Version), writeCampaign(held)}, nil
}

type putCampaign struct {
	Edit
	Body Campaign
}

func (h *handler) putCampaign(ctx context.Context, in *putCampaign) (*stored[Campaign], error) {
	e, err := in.make(ctx)
	if err != nil {
		return nil, err
	}
	if who := api.Caller(ctx); !who.Sees(media.AdvertiserID(in.Body.Advertiser)) {
		return nil, &retail.Error{Kind: retail.Invalid, Field: "advertiser", Say: "no such advertiser"}
	}
	if _, err := h.campaignOf(ctx, in.ID); err != nil && (e.Version > 0 || retail.KindOf(err) != retail.NotFound) {
		return nil, err
	}
	c := media.Campaign{
		ID: media.CampaignID(in.ID), Advertiser: media.AdvertiserID(in.Body.Advertiser), Name: in.Body.Name,
		Halo: in.Body.Halo, ControlPPM: controlDefault, WindowDays: in.Body.WindowDays,
	}
	if in.Body.ControlPPM != nil {
		c.ControlPPM = *in.Body.ControlPPM
	}
	if c.Flight, err = in.Body.Flight.days(); err != nil {
		return nil, err
	}
	version, err := h.Book.PutCampaign(ctx, c, e)
	if err != nil {
		return nil, err
	}
	return storedAs(version, writeCampaign(campaign.Held[media.Campaign]{Terms: c})), nil
}

func (h *handler) removeCampaign(ctx context.Context, in *Edit) (*struct{}, error) {
	e, err := in.remove(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := h.campaignOf(ctx, in.ID); err != nil {
		return nil, err
	}
	_, err = h.Book.RemoveCampaign(ctx, media.CampaignID(in.ID), e)
	return nil, err
}

// writeTerms writes a line item without how it stands today.
func writeTerms(l *media.LineItem, currency retail.Currency) LineItem {
	return LineItem{
		ID: string(l.ID), Campaign: string(l.Campaign), Name: l.Name, Products: texts(l.Products), Placements: texts(l.Placements),
		Keywords: l.Keywords, Categories: texts(l.Categories), Audience: string(l.Audience), Bid: api.MoneyOf(l.Bid, currency),
		BudgetDaily: api.MoneyOf(l.BudgetDaily, currency), BudgetTotal: api.MoneyOf(l.BudgetTotal, currency),
		CapPerDay: l.CapPerDay, Flight: flightOf(l.Flight), Paused: l.Paused,
	}
}

func (h *handler) writeLineItem(l *media.LineItem, currency retail.Currency) LineItem {
	out := writeTerms(l, currency)
	if s, ok := h.Book.Standing(l.ID); ok {
		out.Left = &Left{s.Day.String(), stateOf(s.State), h.delivered(l).Money(s.Left), s.Short}
	}
	return out
}

// stateOf is a state's word.
func stateOf(s campaign.State) string {
	switch s {
	case campaign.Running:
		return "running"
	case campaign.Paused:
		return "paused"
	default:
		return "not_in_flight"
	}
}

// delivered licenses exact figures of a line item, where its audience was large
// enough when it was booked; the zero Licence withholds them.
func (h *handler) delivered(l *media.LineItem) cleanroom.Licence {
	licence, err := h.Audiences.Policy.Licence(cleanroom.Booking{LineItem: l.ID, Audience: l.Audience, Shoppers: l.AudienceSize})
	if err != nil {
		return cleanroom.Licence{}
	}
	return licence
}

func texts[T ~string](in []T) []string {
	out := make([]string, len(in))
	for i, v := range in {
		out[i] = string(v)
	}
	return out
}

func words[T ~string](in []string) []T {
	out := make([]T, len(in))
	for i, v := range in {
		out[i] = T(v)
	}
	return out
}

func mountLineItems(s *api.Server, h *handler) {
	register(s, operation("list-line-items", http.MethodGet, "/v1/line-items", "List line items."), h.listLineItems)
	register(s, operation("get-line-item", http.MethodGet, "/v1/line-items/{id}", "Read a line item."), h.getLineItem)
	register(s, operation("put-line-item", http.MethodPut, "/v1/line-items/{id}", "Make or change a line item."), h.putLineItem)
	register(s, operation("remove-line-item", http.MethodDelete, "/v1/line-items/{id}", "Remove a line item."), h.removeLineItem)
}

type lineItemPage struct {
	Page
	Campaign string `query:"campaign" maxLength:"64" doc:"only of this campaign"`
}

func (h *handler) listLineItems(ctx context.Context, in *lineItemPage) (*many[LineItem], error) {
	who := api.Caller(ctx)
	held, err := h.Book.LineItems(ctx, campaign.Page{
		After: in.After, Limit: in.size(h.pageMax) + 1, Advertiser: who.Advertiser, Campaign: media.CampaignID(in.Campaign),
	})
	if err != nil {
		return nil, err
	}
	currencies, err := h.currencies(ctx, held)
	if err != nil {
		return nil, err
	}
	return manyOf(held, in.size(h.pageMax), func(l campaign.Held[media.LineItem]) LineItem {
		return h.writeLineItem(&l.Terms, currencies[l.Terms.Advertiser])
	}, func(l campaign.Held[media.LineItem]) string { return string(l.Terms.ID) }), nil
}

// currencies maps the advertisers of line items to the currency of their money.
func (h *handler) currencies(ctx context.Context, of []campaign.Held[media.LineItem]) (map[media.AdvertiserID]retail.Currency, error) {
	out := make(map[media.AdvertiserID]retail.Currency)
	for i := range of {
		id := of[i].Terms.Advertiser
		if out[id] != "" {
			continue
		}
		payer, err := h.Book.Advertiser(ctx, id)
		if err != nil {
			return nil, err
		}
		out[id] = payer.Terms.Currency
	}
	return out, nil
}

// lineItemOf finds a line item that the caller may know of, and its currency.
func (h *handler) lineItemOf(ctx context.Context, id string) (campaign.Held[media.LineItem], retail.Currency, error) {
	held, err := h.Book.LineItem(ctx, media.LineItemID(id))
	if err != nil {
		return held, "", err
	}
	if who := api.Caller(ctx); !who.Sees(held.Terms.Advertiser) {
		return campaign.Held[media.LineItem]{}, "", missing("line item")
	}
	payer, err := h.Book.Advertiser(ctx, held.Terms.Advertiser)
	return held, payer.Terms.Currency, err
}

func (h *handler) getLineItem(ctx context.Context, in *Read) (*one[LineItem], error) {
	held, currency, err := h.lineItemOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := in.unless(held.Version); err != nil {
		return nil, err
	}
	return &one[LineItem]{etag(held.Version), h.writeLineItem(&held.Terms, currency)}, nil
}

type putLineItem struct {
	Edit
	Body LineItem
}

func (h *handler) putLineItem(ctx context.Context, in *putLineItem) (*stored[LineItem], error) {
	e, err := in.make(ctx)
	if err != nil {
		return nil, err
	}
	if _, _, err := h.lineItemOf(ctx, in.ID); err != nil && (e.Version > 0 || retail.KindOf(err) != retail.NotFound) {
		return nil, err
	}
	of, err := h.campaignOf(ctx, in.Body.Campaign)
	if retail.KindOf(err) == retail.NotFound {
		return nil, &retail.Error{Kind: retail.Invalid, Field: "campaign", Say: "no such campaign", Cure: "make it with PUT /v1/campaigns/{id} first", Err: err}
	} else if err != nil {
		return nil, err
	}
	payer, err := h.Book.Advertiser(ctx, of.Terms.Advertiser)
	if err != nil {
		return nil, err
	}
	l, err := readLineItem(in.ID, &in.Body, &payer.Terms)
	if err != nil {
		return nil, err
	}
	if l.Audience != "" {
		if l.AudienceSize, err = h.booked(ctx, l.Audience); err != nil {
			return nil, err
		}
	}
	version, err := h.Book.PutLineItem(ctx, *l, e)
	if err != nil {
		return nil, err
	}
	return storedAs(version, h.writeLineItem(l, payer.Terms.Currency)), nil
}

func readLineItem(id string, in *LineItem, payer *media.Advertiser) (*media.LineItem, error) {
	l := &media.LineItem{
		ID: media.LineItemID(id), Campaign: media.CampaignID(in.Campaign), Advertiser: payer.ID, Name: in.Name,
		Products: words[catalog.ProductID](in.Products), Placements: words[media.PlacementID](in.Placements), Keywords: in.Keywords,
		Categories: words[catalog.Category](in.Categories), Audience: audience.ID(in.Audience), CapPerDay: in.CapPerDay, Paused: in.Paused,
	}
	var err error
	for _, m := range [...]struct {
		to    *retail.Micros
		field string
		money api.Money
	}{{&l.Bid, "bid", in.Bid}, {&l.BudgetDaily, "budget_daily", in.BudgetDaily}, {&l.BudgetTotal, "budget_total", in.BudgetTotal}} {
		if *m.to, err = m.money.In(m.field, payer.Currency); err != nil {
			return nil, err
		}
	}
	l.Flight, err = in.Flight.days()
	return l, err
}

func (h *handler) removeLineItem(ctx context.Context, in *Edit) (*struct{}, error) {
	e, err := in.remove(ctx)
	if err != nil {
		return nil, err
	}
	if _, _, err := h.lineItemOf(ctx, in.ID); err != nil {
		return nil, err
	}
	_, err = h.Book.RemoveLineItem(ctx, media.LineItemID(in.ID), e)
	return nil, err
}
