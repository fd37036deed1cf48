// Package feed is the door for back offices: what is sold, where, at which
// price and in which number, what stores promote, who the shoppers are and what they allow. Every
// route takes a batch, answers each row, and can be called again with the same
// rows without effect.
//
// On the road of a receipt, feeds tell what its lines mean.
package feed

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/identity/graph"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/event"
)

// Trade is what the door hands rows of what is sold to.
type Trade interface {
	Products(ctx context.Context, rows []ingest.Row[catalog.Product], from ingest.From) (ingest.Result, error)
	Stores(ctx context.Context, rows []ingest.Row[catalog.Store], from ingest.From) (ingest.Result, error)
	Prices(ctx context.Context, rows []ingest.Row[catalog.Price], from ingest.From) (ingest.Result, error)
	Stock(ctx context.Context, rows []ingest.Row[catalog.Stock], from ingest.From) (ingest.Result, error)
	Promotions(ctx context.Context, weeks []ingest.Promotions, from ingest.From) (ingest.Result, error)
}

// Desk is what the door hands everything to; know/ingest fits it.
type Desk interface {
	Trade
	Shoppers(ctx context.Context, rows []ingest.Shopper, from ingest.From) (ingest.Result, error)
	Consents(ctx context.Context, rows []ingest.Consent, from ingest.From) (ingest.Result, error)
	Registrations(ctx context.Context, rows []ingest.Consent, from ingest.From) (ingest.Result, error)
}

// BatchMax is how many rows one request may bring.
const BatchMax = 5_000

// The rows on the wire.
type (
	// Product is one row of the catalogue.
	Product struct {
		ID         string `json:"id" maxLength:"64" doc:"the retailer's product id"`
		GTIN       string `json:"gtin,omitempty" doc:"8, 12, 13 or 14 digits with their check digit"`
		Name       string `json:"name,omitempty"`
		Brand      string `json:"brand,omitempty" doc:"what stands on the pack"`
		Department string `json:"department,omitempty"`
		Category   string `json:"category,omitempty"`
		Type       string `json:"type,omitempty"`
		Size       string `json:"size,omitempty"`
		OwnLabel   bool   `json:"own_label,omitempty" doc:"the retailer's own brand"`
	}
	// Store is one row of the store list.
	Store struct {
		ID      string `json:"id" maxLength:"64"`
		Name    string `json:"name,omitempty"`
		Channel string `json:"channel,omitempty" enum:"in_store,online"`
		Zone    string `json:"zone,omitempty" doc:"IANA time zone; the house's where absent"`
	}
	// Price is what a product costs.
	Price struct {
		Product string    `json:"product" maxLength:"64"`
		Store   string    `json:"store,omitempty" doc:"absent for every store without a price of its own"`
		Price   api.Money `json:"price"`
		At      string    `json:"at,omitempty" format:"date-time" doc:"from when on; now where absent"`
	}
	// Stock is how many of a product there are.
	Stock struct {
		Product string `json:"product" maxLength:"64"`
		Store   string `json:"store,omitempty" doc:"absent for the online shop and every store without a count of its own"`
		Count   int64  `json:"count"`
		At      string `json:"at,omitempty" format:"date-time"`
	}
	// StoreWeek is what one store promoted in one week, all of it.
	StoreWeek struct {
		Store    string      `json:"store" maxLength:"64"`
		Week     string      `json:"week" format:"date" doc:"the first of its seven days; up to 366 days ahead"`
		Version  uint32      `json:"version,omitempty" doc:"higher for a correction, which replaces the whole week"`
		Products []Promotion `json:"products" maxItems:"50000" doc:"in any order; empty where nothing was promoted"`
	}
	// Promotion is one product of a StoreWeek.
	Promotion struct {
		Product string `json:"product" maxLength:"64"`
		Display string `json:"display,omitempty" maxLength:"64" doc:"where in the store, in your own words or codes; at most 1,000 different places a week"`
		Mailer  string `json:"mailer,omitempty" maxLength:"64" doc:"where in the leaflet"`
	}
	// Shopper ties keys of one person together.
	Shopper struct {
		Keys  api.Shopper `json:"keys" doc:"all keys known of one person"`
		Basis string      `json:"basis,omitempty" enum:"declared,login,confirmed,observed" doc:"on what it rests that they are hers: the retailer's records (where absent), a login, an answer at the address; what was only observed together merges nobody"`
	}
)

// The bodies.
type (
	// Products is the body of PUT /v1/products, and so on.
	Products struct {
		Products []api.Each[Product] `json:"products" minItems:"1" maxItems:"5000"`
	}
	Stores struct {
		Stores []api.Each[Store] `json:"stores" minItems:"1" maxItems:"5000"`
	}
	Prices struct {
		Prices []api.Each[Price] `json:"prices" minItems:"1" maxItems:"5000"`
	}
	StockCounts struct {
		Stock []api.Each[Stock] `json:"stock" minItems:"1" maxItems:"5000"`
	}
	Promotions struct {
		Promotions []api.Each[StoreWeek] `json:"promotions" minItems:"1" maxItems:"5000"`
	}
	Shoppers struct {
		Shoppers []api.Each[Shopper] `json:"shoppers" minItems:"1" maxItems:"5000"`
	}
	Consents struct {
		Consents []api.Each[Consent] `json:"consents" minItems:"1" maxItems:"5000"`
	}
	Registrations struct {
		Registrations []api.Each[Consent] `json:"registrations" minItems:"1" maxItems:"5000"`
	}
)

// Answer says what became of each row.
type Answer struct {
	Results []Result `json:"results"`
}

// Result is what became of one row.
type Result struct {
	Outcome string `json:"outcome" enum:"new,repeat,corrected,quarantined,suppressed"`
	Reason  string `json:"reason,omitempty"`
	Field   string `json:"field,omitempty"`
	Say     string `json:"say,omitempty"`
	// Withheld is of consents alone.
	Withheld map[string]string `json:"withheld,omitempty" doc:"purposes of a consent that was taken in and which do not count, each with why: under_age, purpose_not_asked, or what is wrong with the consent string"`
}

// Mount adds the door to a server.
func Mount(s *api.Server, desk Desk, permits Permits) {
	mount(s, words{"products", "Put products."}, func(in *Products) []api.Each[Product] { return in.Products }, readProduct, desk.Products)
	mount(s, words{"stores", "Put stores."}, func(in *Stores) []api.Each[Store] { return in.Stores }, readStore, desk.Stores)
	mount(s, words{"prices", "Put prices."}, func(in *Prices) []api.Each[Price] { return in.Prices }, readPrice, desk.Prices)
	mount(s, words{"stock", "Put counts of stock."}, func(in *StockCounts) []api.Each[Stock] { return in.Stock }, readStock, desk.Stock)
	mount(s, words{"promotions", "Put what stores promote in a week."}, func(in *Promotions) []api.Each[StoreWeek] { return in.Promotions }, readWeek, desk.Promotions)
	mount(s, words{"shoppers", "Put shoppers with their keys."}, func(in *Shoppers) []api.Each[Shopper] { return in.Shoppers }, readShopper, desk.Shoppers)
	mount(s, words{"consents", "Put what shoppers allow."}, func(in *Consents) []api.Each[Consent] { return in.Consents }, readConsent, desk.Consents)
	mount(s, words{"registrations", "Put shoppers who registered by an act of their own, with what they allow; a key of somebody who was forgotten may come back this way alone."},
		func(in *Registrations) []api.Each[Consent] { return in.Registrations }, readConsent, desk.Registrations)
	mountConsent(s, permits)
}

// words are what a route is called and what it does.
type words struct{ name, summary string }

// mount adds PUT /v1/NAME: each row is read on its own and handed to put.
func mount[Body, Wire, Row any](s *api.Server, of words, rows func(*Body) []api.Each[Wire],
	read func(*Wire, error, []byte) Row, put func(context.Context, []Row, ingest.From) (ingest.Result, error),
) {
	api.RegisterHot(s, huma.Operation{
		OperationID: "put-" + of.name, Method: http.MethodPut, Path: "/v1/" + of.name, Tags: []string{"feeds"}, Summary: of.summary, Security: api.Needs(access.Feeds),
		Description: "Each row is answered on its own and is on disk when the answer comes; a row that says what stands already is a repeat.",
	}, func(r *http.Request, who *access.Principal, in *Body) (*Answer, error) {
		raw := rows(in)
		if len(raw) == 0 || len(raw) > BatchMax {
			return nil, &retail.Error{Kind: retail.Invalid, Field: of.name, Say: fmt.Sprintf("a request brings 1 to %d rows", BatchMax), Cure: "split the batch"}
		}
		items := make([]Row, len(raw))
		for i, b := range raw {
			var w Wire
			items[i] = read(&w, api.Decode(b, &w), b)
		}
		res, err := put(r.Context(), items, from(who.Name, of.name))
		if err != nil {
			return nil, err
		}
		s.Took(of.name, &res.Summary)
		return answerOf(&res), nil
	})
}

// from is where rows come from, with the names of their fields on the wire.
func from(caller, feed string) ingest.From {
	f := ingest.From{Door: "api", Name: caller}
	switch feed {
	case "prices":
		f.Fields = map[string]string{"amount": "price.amount", "currency": "price.currency"}
	case "consents", "registrations":
		f.Fields = map[string]string{"keys": "shopper"}
	}
	return f
}

func answerOf(res *ingest.Result) *Answer {
	out := &Answer{Results: make([]Result, len(res.Answers))}
	for i := range res.Answers {
		a := &res.Answers[i]
		out.Results[i].Outcome = string(a.Outcome)
		for p, why := range a.Withheld {
			if out.Results[i].Withheld == nil {
				out.Results[i].Withheld = make(map[string]string)
			}
			out.Results[i].Withheld[p.String()] = why
		}
		if a.Apart != "" {
			out.Results[i].Reason, out.Results[i].Field = string(a.Apart), "keys"
			out.Results[i].Say = "taken in, but its keys belong to shoppers who are not one person by the evidence so far: POST /v1/identity/lookups tells why"
		}
		if f := a.Fault; f != nil {
			out.Results[i] = Result{Outcome: string(a.Outcome), Reason: string(f.Reason), Field: f.Field, Say: f.String()}
		}
	}
	return out
}

func readProduct(w *Product, err error, raw []byte) ingest.Row[catalog.Product] {
	row := ingest.Row[catalog.Product]{Raw: raw}
	if err == nil && w.GTIN != "" {
		if row.Of.GTIN, err = catalog.ParseGTIN(w.GTIN); err != nil {
			err = &retail.Error{Kind: retail.Invalid, Field: "gtin", Say: err.Error(), Cure: "send the number on the pack, with its check digit"}
		}
	}
	row.Of.ID, row.Of.Name, row.Of.Brand = catalog.ProductID(w.ID), w.Name, catalog.Brand(w.Brand)
	row.Of.Department, row.Of.Category, row.Of.Type = catalog.Department(w.Department), catalog.Category(w.Category), catalog.Type(w.Type)
	row.Of.Size, row.Of.OwnLabel, row.Fault = w.Size, w.OwnLabel, api.FaultOf(err)
	return row
}

func readStore(w *Store, err error, raw []byte) ingest.Row[catalog.Store] {
	row := ingest.Row[catalog.Store]{Raw: raw, Of: catalog.Store{ID: catalog.StoreID(w.ID), Name: w.Name, Zone: w.Zone}}
	if err == nil {
		row.Of.Channel, err = api.ChannelOf("channel", w.Channel)
	}
	row.Fault = api.FaultOf(err)
	return row
}

func readPrice(w *Price, err error, raw []byte) ingest.Row[catalog.Price] {
	row := ingest.Row[catalog.Price]{Raw: raw, Of: catalog.Price{Product: catalog.ProductID(w.Product), Store: catalog.StoreID(w.Store)}}
	if err == nil {
		row.Of.Amount.Currency = w.Price.Currency
		row.Of.Amount.Amount, err = api.Amount("price.amount", w.Price.Amount)
	}
	if err == nil {
		row.At, err = optional("at", w.At)
	}
	row.Fault = api.FaultOf(err)
	return row
}

func readStock(w *Stock, err error, raw []byte) ingest.Row[catalog.Stock] {
	row := ingest.Row[catalog.Stock]{Raw: raw, Of: catalog.Stock{Product: catalog.ProductID(w.Product), Store: catalog.StoreID(w.Store), Count: w.Count}}
	if err == nil {
		row.At, err = optional("at", w.At)
	}
	row.Fault = api.FaultOf(err)
	return row
}

func readWeek(w *StoreWeek, err error, raw []byte) ingest.Promotions {
	row := ingest.Promotions{Version: w.Version, Raw: raw}
	row.Store = catalog.StoreID(w.Store)
	if err == nil {
		if row.Week, err = retail.ParseDay(w.Week); err != nil {
			err = &retail.Error{Kind: retail.Invalid, Field: "week", Say: err.Error(), Cure: "send the first day of the week, as in 2017-12-04"}
		}
	}
	if err == nil && w.Products == nil {
		err = &retail.Error{Kind: retail.Invalid, Field: "products", Say: "the list is missing", Cure: "send an empty list where nothing was promoted"}
	}
	if err == nil {
		row.Products = make([]catalog.Promotion, len(w.Products))
		for i, p := range w.Products {
			row.Products[i] = catalog.Promotion{Product: catalog.ProductID(p.Product), Display: p.Display, Mailer: p.Mailer}
		}
	}
	row.Fault = api.FaultOf(err)
	return row
}

func readShopper(w *Shopper, err error, raw []byte) ingest.Shopper {
	row := ingest.Shopper{Raw: raw, Basis: graph.Basis(w.Basis)}
	if err == nil {
		row.Keys, err = w.Keys.Keys("keys")
	}
	row.Fault = api.FaultOf(err)
	return row
}

// optional reads a time that may be absent.
func optional(field, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return api.Instant(field, text)
}

// Replay reads one refused row of this door again; for ingest.Desk's Replay.
// Events are not replayed: a token that nobody signed stays one.
func Replay(ctx context.Context, desk Desk, kind event.Kind, raw []byte, from ingest.From) error {
	switch kind {
	case event.KindProduct:
		return again(ctx, raw, from, readProduct, desk.Products)
	case event.KindStore:
		return again(ctx, raw, from, readStore, desk.Stores)
	case event.KindPrice:
		return again(ctx, raw, from, readPrice, desk.Prices)
	case event.KindStock:
		return again(ctx, raw, from, readStock, desk.Stock)
	case event.KindPromotions:
		return again(ctx, raw, from, readWeek, desk.Promotions)
	case event.KindConsent:
		return again(ctx, raw, from, readConsent, desk.Consents)
	default:
		return fmt.Errorf("%w: a %s cannot be sent again from quarantine", ingest.ErrStill, kind)
	}
}

func again[Wire, Row any](ctx context.Context, raw []byte, from ingest.From, read func(*Wire, error, []byte) Row,
	put func(context.Context, []Row, ingest.From) (ingest.Result, error),
) error {
	var w Wire
	res, err := put(ctx, []Row{read(&w, api.Decode(raw, &w), raw)}, from)
	if err != nil {
		return err
	}
	return res.Taken()
}
