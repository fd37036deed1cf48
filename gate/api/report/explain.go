package report

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/history"
	"endcap/retail"
	"endcap/retail/media"
	"endcap/retail/trial"
	"endcap/retail/visit"
	"endcap/sell/auction"
	"endcap/sell/decide"
)

func mountExplain(s *api.Server, h *handler) {
	api.Register(s, huma.Operation{
		OperationID: "explain", Method: http.MethodGet, Path: "/v1/decisions/{id}/explain", Tags: []string{"history"}, Security: api.Needs(access.Analyse, access.Reports, access.Trade),
		Summary:     "See why a decision was as it was.",
		Description: "The auction is run again on the decision's record, which is kept 35 days; for the retailer's roles only.",
	}, h.explain)
}

// Explained is one decision told again.
type Explained struct {
	Decision   string            `json:"decision"`
	At         time.Time         `json:"at"`
	Channel    string            `json:"channel"`
	Store      string            `json:"store,omitempty"`
	Query      string            `json:"query,omitempty"`
	Category   string            `json:"category,omitempty"`
	Product    string            `json:"product,omitempty"`
	Known      bool              `json:"known" doc:"the visitor was a shopper whom the house knows"`
	Bot        bool              `json:"bot,omitempty"`
	Consent    string            `json:"consent" doc:"what she allowed at that moment"`
	Audiences  []string          `json:"audiences" doc:"of those that were asked for, the ones she was in"`
	Versions   map[string]uint64 `json:"versions" doc:"of terms, assortment, model and her habits, and of the model of clicks in chances: how many showings it had learned from, 0 before its chances ranked auctions"`
	List       string            `json:"list" doc:"the list that was asked for"`
	Proposals  []ProposedBy      `json:"proposals"`
	Rules      []RuleEffect      `json:"rules" doc:"what merchandising rules did to the proposals"`
	Empty      string            `json:"empty,omitempty" doc:"why there was no proposal"`
	Placements []PlaceExplained  `json:"placements"`
	Refusals   map[string]uint32 `json:"refusals" doc:"how many line items were refused for each reason"`
	Shortened  bool              `json:"shortened,omitempty" doc:"the whole did not fit the record: early refusals are counted only"`
}

// ProposedBy is one proposal with its reason.
type ProposedBy struct {
	Product string `json:"product"`
	Reason  string `json:"reason"`
	Count   int    `json:"count,omitempty" doc:"on how many of her receipts"`
}

// RuleEffect is one thing that a merchandising rule did: it took a product from one
// place of the list to another.
type RuleEffect struct {
	Rule    string `json:"rule"`
	Did     string `json:"did" enum:"pinned,boosted,buried,excluded,spread,weighed"`
	Product string `json:"product"`
	From    *int   `json:"from,omitempty" doc:"its place without the rules, from 0; absent where it had none"`
	To      *int   `json:"to,omitempty" doc:"its place with them; absent where it has none"`
}

// PlaceExplained is one placement's auction.
type PlaceExplained struct {
	Placement string     `json:"placement"`
	Slots     int        `json:"slots"`
	Floor     api.Money  `json:"floor"`
	Finalists []Finalist `json:"finalists" doc:"best first"`
}

// Finalist is one line item that was looked at closely.
type Finalist struct {
	LineItem   string     `json:"line_item"`
	Campaign   string     `json:"campaign"`
	Advertiser string     `json:"advertiser"`
	Product    string     `json:"product"`
	Why        string     `json:"why"`
	QualityPPM int32      `json:"quality_ppm" doc:"what the bid was multiplied by, in parts per million: the chance, or how well the product fits"`
	Chance     *float64   `json:"chance,omitempty" doc:"that the product is clicked once it is looked at; absent where the auction ranked by fit"`
	Bid        api.Money  `json:"bid"`
	BidBooked  api.Money  `json:"bid_booked" doc:"what its terms allow; it bids less when its budget is nearly spent"`
	Score      int64      `json:"score" doc:"quality × bid in the smallest coins"`
	Arm        string     `json:"arm" enum:"treated,control"`
	Refusal    string     `json:"refusal,omitempty" doc:"absent where it won, or would have but for being held out"`
	Slot       int        `json:"slot"`
	Price      *api.Money `json:"price,omitempty" doc:"of a winner"`
}

type explainIn struct {
	ID string `path:"id" maxLength:"64"`
}

type explainOut struct{ Body Explained }

func (h *handler) explain(ctx context.Context, in *explainIn) (*explainOut, error) {
	missing := &retail.Error{Kind: retail.NotFound, Say: "no such decision", Cure: "decisions are kept 35 days; one that was just made shows within a second"}
	who := api.Caller(ctx)
	id, err := media.ParseDecisionID(in.ID)
	if err != nil || !who.Retailer() {
		return nil, missing // an advertiser learns her refusals as counts, in her report
	}
	record, ok, err := history.DecisionRecord(ctx, h.History, id, h.now())
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, missing
	}
	e, err := decide.Explain(record)
	if err != nil {
		return nil, err
	}
	return &explainOut{explained(in.ID, &e)}, nil
}

func explained(id string, e *decide.Explanation) Explained {
	out := Explained{
		Decision: id, At: e.At, Channel: e.Channel.String(), Store: string(e.Store), Query: e.Query, Category: string(e.Category), Product: string(e.Product),
		Known: e.Known, Bot: e.Bot, Consent: e.Consent.String(), Audiences: []string{}, Shortened: e.Shortened,
		Versions: map[string]uint64{"terms": e.Terms, "assortment": e.Assortment, "model": e.Model, "habits": e.Habits, "chances": e.Chances},
		Refusals: make(map[string]uint32), Proposals: []ProposedBy{}, Placements: []PlaceExplained{},
		List: string(cmp.Or(e.List, visit.ForYou)), Rules: []RuleEffect{}, Empty: e.Empty,
	}
	for _, a := range e.Audiences {
		out.Audiences = append(out.Audiences, string(a))
	}
	for _, p := range e.Proposals {
		out.Proposals = append(out.Proposals, ProposedBy{string(p.Product), string(p.Reason), p.Count})
	}
	for _, f := range e.Effects {
		out.Rules = append(out.Rules, RuleEffect{f.Rule, f.Did, string(f.Product), place(f.From), place(f.To)})
	}
	for _, r := range e.Refusals {
		out.Refusals[string(r.Reason)] += r.Count
	}
	for i := range e.Places {
		place := &e.Places[i]
		p := PlaceExplained{Placement: string(place.ID), Slots: place.Slots, Floor: moneyOf(place.Floor), Finalists: []Finalist{}}
		for j := range place.Finalists {
			f := finalistOf(&place.Finalists[j])
			if e.Chances > 0 {
				chance := float64(f.QualityPPM) / auction.QualityAll
				f.Chance = &chance
			}
			p.Finalists = append(p.Finalists, f)
		}
		out.Placements = append(out.Placements, p)
	}
	return out
}

// place is a place of a list; nil for none.
func place(at int) *int {
	if at < 0 {
		return nil
	}
	return &at
}

func moneyOf(m retail.Money) api.Money { return api.MoneyOf(m.Amount, m.Currency) }

func finalistOf(f *decide.Finalist) Finalist {
	out := Finalist{
		LineItem: string(f.LineItem), Campaign: string(f.Campaign), Advertiser: string(f.Advertiser), Product: string(f.Product), Why: f.Why,
		QualityPPM: f.Quality, Bid: moneyOf(f.Bid), BidBooked: moneyOf(f.BidBooked), Score: f.Score, Arm: f.Arm.String(), Refusal: string(f.Refusal), Slot: f.Slot,
	}
	if f.Refusal == "" {
		price := moneyOf(f.Price)
		out.Price = &price
	}
	if f.Arm == trial.Control && f.Refusal == "" {
		out.Why += ", held out"
	}
	return out
}
