// Package shop is the door for the shop's site, app and screens: a decision for
// each visit, and what the shopper did with what she was shown.
//
// On the road of a receipt, a visit asks here, and a click comes back here.
package shop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/visit"
	"endcap/sell/decide"
)

// Ports are what the door speaks to.
type Ports struct {
	Desk    Desk
	People  People
	Decider Decider
	Booked  Booked
	Tokens  func() media.Keyring // as they are now: they are rotated meanwhile
	Names   Names
	Zone    *time.Location // of business days
}

// People finds a shopper by her keys without making one; know/identity fits it.
type People interface {
	Find(ctx context.Context, keys []shopper.Key) (shopper.ID, error)
}

// Decider answers a visit; sell/decide fits it.
type Decider interface {
	Decide(ctx context.Context, r *decide.Request) (*decide.Answer, error)
}

// Booked says which placements there are; sell/campaign fits it.
type Booked interface {
	Booked(id media.PlacementID) bool
	// Refresh takes in what was booked before the call.
	Refresh(ctx context.Context) error
}

// Names says what a product is called; know/assortment fits it.
type Names interface {
	Product(id catalog.ProductID) (*catalog.Product, bool)
}

// Limits of one request.
const (
	PlacementsMax = decide.PlacementsMax
	ProposalsMax  = decide.ProposalsMax
)

// Visit is the body of POST /v1/decisions.
type Visit struct {
	Shopper    *api.Shopper `json:"shopper,omitempty" doc:"absent for an anonymous visit"`
	Channel    string       `json:"channel,omitempty" enum:"online,in_store" doc:"online where absent"`
	Store      string       `json:"store,omitempty" maxLength:"64" doc:"the store she shops at or orders from: its stock counts"`
	Page       Page         `json:"page,omitzero"`
	Basket     []string     `json:"basket,omitempty" maxItems:"500" doc:"products that lie in her basket, the last added last"`
	Viewed     []string     `json:"viewed,omitempty" maxItems:"100" doc:"products that she looked at in this visit, the last last"`
	List       string       `json:"list,omitempty" enum:"for_you,next_basket,buy_again,complements,substitutes,discovery,search,category,trending" doc:"which list the proposals are; for_you where absent"`
	Placements []Placement  `json:"placements,omitempty" maxItems:"5" doc:"where sponsored products may stand"`
	Proposals  int          `json:"proposals,omitempty" minimum:"0" maximum:"50" doc:"how many proposals are wanted"`
	UserAgent  string       `json:"user_agent,omitempty" maxLength:"1000" doc:"the visitor's User-Agent, to tell robots that say so"`
}

// Page is what the shopper looks at.
type Page struct {
	Query    string `json:"query,omitempty" maxLength:"200" doc:"what she searched, as typed"`
	Category string `json:"category,omitempty" maxLength:"400"`
	Product  string `json:"product,omitempty" maxLength:"64"`
}

// Placement asks for sponsored products.
type Placement struct {
	Placement string `json:"placement" maxLength:"64"`
	Slots     int    `json:"slots" minimum:"1" maximum:"20"`
}

// Decision is the answer of POST /v1/decisions.
type Decision struct {
	Decision  string      `json:"decision" doc:"names this answer; GET /v1/decisions/{id}/explain tells why"`
	Proposals []Proposal  `json:"proposals"`
	Empty     string      `json:"empty,omitempty" doc:"why there is no proposal: no_candidates, all_excluded_by_rules"`
	Sponsored []Sponsored `json:"sponsored" doc:"one for each placement asked for"`
}

// Proposal is one product proposed, unpaid.
type Proposal struct {
	Product string `json:"product"`
	Name    string `json:"name,omitempty"`
	Reason  string `json:"reason" doc:"bought_often, due_again, goes_with, instead_of, looked_at, trending, popular_store, popular_category, popular, matches_search, chosen"`
	Because string `json:"because" doc:"the reason as a shopper understands it"`
	Count   int    `json:"count,omitempty" doc:"on how many of her receipts"`
	Every   int    `json:"every_days,omitempty" doc:"days between her purchases, usually"`
	Due     string `json:"due,omitempty" format:"date" doc:"when she needs it again"`
	Other   string `json:"other,omitempty" doc:"the product that it goes with or stands in for"`
}

// Sponsored holds the sponsored products of one placement.
type Sponsored struct {
	Placement string `json:"placement"`
	Items     []Item `json:"items"`
}

// Item is one sponsored product.
type Item struct {
	Slot       int        `json:"slot"`
	Product    string     `json:"product"`
	Name       string     `json:"name,omitempty"`
	Sponsored  bool       `json:"sponsored" doc:"always true: say so beside the product"`
	Advertiser Advertiser `json:"advertiser" doc:"who pays"`
	Reasons    []string   `json:"reasons" doc:"why she sees it: keyword, category or placement; audience where one was asked for"`
	Token      string     `json:"token" doc:"send it with the events of this item"`
}

// Advertiser is who pays for an item.
type Advertiser struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Mount adds the door to a server.
func Mount(s *api.Server, p Ports) {
	h := &handler{
		Ports: p, now: s.Now, took: s.Took,
		asked:  counter(s, "endcap_slots_asked_total", "Slots for sponsored products that decisions were asked for."),
		filled: counter(s, "endcap_slots_filled_total", "Slots that decisions filled."),
	}
	api.RegisterHot(s, huma.Operation{
		OperationID: "decide", Method: http.MethodPost, Path: "/v1/decisions", Tags: []string{"shop"}, Security: api.Needs(access.Decide),
		Summary:     "Ask for proposals and sponsored products for one visit.",
		Description: "One answer for the whole page. An unknown or consent-less shopper gets contextual proposals, never an error.",
	}, h.decide)
	api.Register(s, proposalsOperation(), h.proposals)
	api.RegisterHot(s, eventsOperation(), h.events)
}

type handler struct {
	Ports
	now           retail.Clock
	took          func(kind string, sum *ingest.Summary)
	asked, filled prometheus.Counter
}

func counter(s *api.Server, name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	s.Metrics.MustRegister(c)
	return c
}

func (h *handler) decide(r *http.Request, _ *access.Principal, in *Visit) (*Decision, error) {
	req, err := h.request(r.Context(), in)
	if err != nil {
		return nil, err
	}
	answer, err := h.Decider.Decide(r.Context(), req)
	if err != nil {
		return nil, asAsked(err)
	}
	h.count(req, answer)
	return h.write(answer, req.Visit.Day), nil
}

func (h *handler) count(req *decide.Request, a *decide.Answer) {
	asked, filled := 0, 0
	for i := range req.Placements {
		asked += req.Placements[i].Slots
	}
	for i := range a.Placed {
		filled += len(a.Placed[i].Sponsored)
	}
	h.asked.Add(float64(asked))
	h.filled.Add(float64(filled))
}

// asAsked names the fields of a refusal as the request does.
func asAsked(err error) error {
	e, ok := errors.AsType[*retail.Error](err)
	if !ok || !strings.HasSuffix(e.Field, "].id") {
		return err
	}
	out := *e
	out.Field, out.Cure = strings.TrimSuffix(e.Field, "id")+"placement", cmp.Or(e.Cure, "ask for one of GET /v1/placements")
	return &out
}

// request translates a visit and finds its shopper.
func (h *handler) request(ctx context.Context, in *Visit) (*decide.Request, error) {
	req := &decide.Request{Proposals: in.Proposals}
	if err := readVisit(in, &req.Visit); err != nil {
		return nil, err
	}
	if len(in.Placements) > PlacementsMax {
		return nil, tooMany("placements", PlacementsMax)
	}
	if in.Proposals < 0 || in.Proposals > ProposalsMax {
		return nil, tooMany("proposals", ProposalsMax)
	}
	req.Visit.At = h.now()
	req.Visit.Day = retail.DayOf(req.Visit.At, h.Zone)
	req.Placements = make([]decide.Ask, len(in.Placements))
	for i, p := range in.Placements {
		if p.Slots < 1 || p.Slots > media.SlotsMax {
			return nil, tooMany(fmt.Sprintf("placements[%d].slots", i), media.SlotsMax)
		}
		req.Placements[i] = decide.Ask{ID: media.PlacementID(p.Placement), Slots: p.Slots}
	}
	if slices.ContainsFunc(req.Placements, func(a decide.Ask) bool { return !h.Booked.Booked(a.ID) }) {
		if err := h.Booked.Refresh(ctx); err != nil { // it may have been booked a moment ago
			return nil, err
		}
	}
	keys, err := in.Shopper.Keys("shopper")
	if err != nil || len(keys) == 0 {
		return req, err
	}
	req.Shopper, err = h.People.Find(ctx, keys)
	return req, err
}

func tooMany(field string, most int) error {
	return &retail.Error{Kind: retail.Invalid, Field: field, Say: "out of bounds", Cure: fmt.Sprintf("send at most %d", most)}
}

func readVisit(in *Visit, v *visit.Visit) (err error) {
	if v.Channel, err = api.ChannelOf("channel", in.Channel); err != nil {
		return err
	}
	if v.Channel == catalog.AnyChannel {
		v.Channel = catalog.Online
	}
	for _, text := range [...]struct {
		field, text string
		most        int
	}{
		{"store", in.Store, catalog.IDMax},
		{"page.product", in.Page.Product, catalog.IDMax},
		{"page.query", in.Page.Query, visit.QueryMax},
		{"page.category", in.Page.Category, catalog.TextMax},
	} {
		if len(text.text) > text.most {
			return &retail.Error{Kind: retail.Invalid, Field: text.field, Say: "it is too long", Cure: fmt.Sprintf("send at most %d bytes", text.most)}
		}
	}
	if len(in.Basket) > visit.BasketMax {
		return tooMany("basket", visit.BasketMax)
	}
	v.Store, v.Query, v.Category, v.Product = catalog.StoreID(in.Store), in.Page.Query, catalog.Category(in.Page.Category), catalog.ProductID(in.Page.Product)
	v.List = visit.ListName(in.List)
	if in.List != "" && !slices.Contains(visit.ListNames(), v.List) {
		return &retail.Error{Kind: retail.Invalid, Field: "list", Say: "there is no such list", Cure: "send one that /docs names, or none"}
	}
	if len(in.Viewed) > visit.ViewedMax {
		return tooMany("viewed", visit.ViewedMax)
	}
	v.Bot = isBot(in.UserAgent)
	v.Basket, v.Viewed = productsOf(in.Basket), productsOf(in.Viewed)
	return nil
}

func productsOf(ids []string) []catalog.ProductID {
	if len(ids) == 0 {
		return nil
	}
	out := make([]catalog.ProductID, len(ids))
	for i, id := range ids {
		out[i] = catalog.ProductID(id)
	}
	return out
}

// write translates an answer.
func (h *handler) write(a *decide.Answer, today retail.Day) *Decision {
	out := &Decision{Decision: a.Decision.String(), Proposals: make([]Proposal, len(a.Proposals)), Sponsored: make([]Sponsored, len(a.Placed))}
	out.Empty = a.Empty
	for i := range a.Proposals {
		p := &a.Proposals[i]
		out.Proposals[i] = Proposal{
			Product: string(p.Product), Name: h.name(p.Product), Reason: string(p.Reason), Because: p.Say(today, h.name),
			Count: p.Count, Every: p.Every, Other: string(p.Other),
		}
		if p.Reason == visit.DueAgain {
			out.Proposals[i].Due = p.Due.String()
		}
	}
	for i := range a.Placed {
		placed := &a.Placed[i]
		items := make([]Item, len(placed.Sponsored))
		for j := range placed.Sponsored {
			s := &placed.Sponsored[j]
			items[j] = Item{
				Slot: s.Slot, Product: string(s.Product), Name: h.name(s.Product), Sponsored: true,
				Advertiser: Advertiser{string(s.Advertiser), s.Payer}, Reasons: s.Reasons, Token: s.Token,
			}
		}
		out.Sponsored[i] = Sponsored{string(placed.ID), items}
	}
	return out
}

// name is what a product is called, empty where it is unknown.
func (h *handler) name(id catalog.ProductID) string {
	p, ok := h.Names.Product(id)
	if !ok {
		return ""
	}
	return p.Called()
}
