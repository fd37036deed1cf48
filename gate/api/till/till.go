// Package till is the door for tills and order systems: receipts in batches.
// It reads each receipt on its own, so that one that is malformed lies in
// quarantine while its neighbours are taken in.
//
// On the road of a receipt, this is the first step.
package till

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
)

// Desk is what the door hands receipts to; know/ingest fits it.
type Desk interface {
	Receipts(ctx context.Context, rs []ingest.Receipt, from ingest.From) (ingest.Result, error)
}

// Ports is what the door works with.
type Ports struct {
	Desk Desk
	// Came is called as a batch comes, so that work that can wait gives way.
	Came func()
	// Seen returns when every profile holds all facts appended before the call, or
	// with ctx's error when that ends first.
	Seen func(ctx context.Context) error
}

// BatchMax is how many receipts one request may bring.
const BatchMax = 1_000

// Receipts is the body of POST /v1/receipts.
type Receipts struct {
	Receipts []api.Each[Receipt] `json:"receipts" minItems:"1" maxItems:"1000" doc:"receipts; each is taken in or refused on its own"`
}

// Receipt is one receipt on the wire. Amounts are decimal strings in the
// receipt's currency.
type Receipt struct {
	ID       string       `json:"id" maxLength:"128" doc:"the retailer's id of the receipt"`
	Version  uint32       `json:"version,omitempty" doc:"0 for the first; a correction carries a higher one and replaces the whole receipt"`
	Store    string       `json:"store" maxLength:"64"`
	Channel  string       `json:"channel,omitempty" enum:"in_store,online" doc:"in_store where absent"`
	At       string       `json:"at" format:"date-time" doc:"when it was rung up"`
	Currency string       `json:"currency,omitempty" doc:"ISO 4217; the house's where absent"`
	Shopper  *api.Shopper `json:"shopper,omitempty" doc:"absent for an anonymous sale"`
	Lines    []Line       `json:"lines" minItems:"1" maxItems:"5000"`
}

// Line is one line of a receipt.
type Line struct {
	Product        string        `json:"product" maxLength:"64" doc:"the retailer's product id"`
	Quantity       *api.Quantity `json:"quantity,omitempty" doc:"pieces, at most three decimals; negative for a return; one piece where absent"`
	UnitPrice      string        `json:"unit_price,omitempty" doc:"as printed, up to six decimals"`
	Sales          string        `json:"sales" doc:"what the retailer receives for the line"`
	RetailDiscount string        `json:"retail_discount,omitempty" doc:"the retailer's own discount, positive"`
	CouponDiscount string        `json:"coupon_discount,omitempty" doc:"paid by a manufacturer's coupon, positive"`
	CouponMatch    string        `json:"coupon_match,omitempty" doc:"added by the retailer to a coupon, positive"`
}

// Answer is the answer of POST /v1/receipts.
type Answer struct {
	Results []Result `json:"results" doc:"one for each receipt, in order"`
	Profile string   `json:"profile,omitempty" enum:"seen,pending" doc:"with Prefer: wait=N, whether her profile holds the receipts already"`
}

// Result is what became of one receipt.
type Result struct {
	ID      string   `json:"id,omitempty"`
	Outcome string   `json:"outcome" enum:"new,repeat,corrected,quarantined"`
	Marks   []string `json:"marks,omitempty" doc:"what was odd about it or its lines, and kept"`
	Reason  string   `json:"reason,omitempty" doc:"why it lies in quarantine"`
	Field   string   `json:"field,omitempty"`
	Say     string   `json:"say,omitempty" doc:"what is wrong and how to put it right"`
}

// Mount adds the door to a server.
func Mount(s *api.Server, p Ports) {
	h := handler{p, s.Took}
	api.RegisterHot(s, huma.Operation{
		OperationID: "send-receipts", Method: http.MethodPost, Path: "/v1/receipts", Tags: []string{"till"}, Security: api.Needs(access.Receipts),
		Summary: "Take in receipts.",
		Description: "Each is answered on its own and is on disk when the answer comes. Sending one again changes nothing. " +
			"With the header Prefer: wait=N (RFC 7240) the answer is held up to N seconds (30 at most) until the shoppers' profiles hold the receipts.",
	}, h.receipts)
}

type handler struct {
	Ports
	took func(kind string, sum *ingest.Summary) // counts
}

func (h *handler) receipts(r *http.Request, who *access.Principal, in *Receipts) (*Answer, error) {
	if len(in.Receipts) == 0 || len(in.Receipts) > BatchMax {
		return nil, &retail.Error{Kind: retail.Invalid, Field: "receipts", Say: fmt.Sprintf("a request brings 1 to %d receipts", BatchMax), Cure: "split the batch"}
	}
	h.Came()
	rs := make([]ingest.Receipt, len(in.Receipts))
	for i, raw := range in.Receipts {
		rs[i] = Read(raw)
	}
	res, err := h.Desk.Receipts(r.Context(), rs, From(who.Name))
	if err != nil {
		return nil, err
	}
	h.took("receipts", &res.Summary)
	answer := &Answer{Results: make([]Result, len(rs))}
	for i := range rs {
		answer.Results[i] = resultOf(&rs[i], &res.Answers[i])
	}
	if wait := waitOf(r.Header.Get("Prefer")); wait > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		defer cancel()
		switch err := h.Seen(ctx); {
		case err == nil:
			answer.Profile = "seen"
		case errors.Is(err, context.DeadlineExceeded):
			answer.Profile = "pending"
		default:
			return nil, err
		}
	}
	return answer, nil
}

func resultOf(r *ingest.Receipt, a *ingest.Answer) Result {
	out := Result{ID: string(r.ID), Outcome: string(a.Outcome)}
	if f := a.Fault; f != nil {
		out.Reason, out.Field, out.Say = string(f.Reason), f.Field, f.String()
		return out
	}
	marks := r.Marks
	for i := range r.Lines {
		marks |= r.Lines[i].Marks
	}
	out.Marks = marks.Names()
	return out
}

// waitMax is the longest Prefer: wait that is honoured.
const waitMax = 30 * time.Second

// waitOf reads "wait=N" of a Prefer header; anything else asks for nothing.
func waitOf(prefer string) time.Duration {
	for word := range strings.SplitSeq(prefer, ",") {
		if n, ok := strings.CutPrefix(strings.TrimSpace(word), "wait="); ok {
			if seconds, err := strconv.Atoi(n); err == nil && seconds > 0 {
				return min(time.Duration(seconds)*time.Second, waitMax)
			}
		}
	}
	return 0
}

// Read reads one receipt of the wire. What is wrong with it becomes its Fault,
// so that the desk puts it into quarantine with its bytes.
func Read(raw []byte) ingest.Receipt {
	out := ingest.Receipt{Raw: raw}
	var w Receipt
	if err := api.Decode(raw, &w); err != nil {
		out.Fault = api.FaultOf(err)
		return out
	}
	out.ID = basket.ReceiptID(w.ID)
	if err := w.into(&out); err != nil {
		out.Fault = api.FaultOf(err)
	}
	return out
}

func (w *Receipt) into(out *ingest.Receipt) (err error) {
	out.Version, out.Store, out.Currency = w.Version, catalog.StoreID(w.Store), retail.Currency(w.Currency)
	if out.At, err = api.Instant("at", w.At); err != nil {
		return err
	}
	if out.Channel, err = api.ChannelOf("channel", w.Channel); err != nil {
		return err
	}
	if out.Channel == catalog.AnyChannel {
		out.Channel = catalog.InStore
	}
	if out.Keys, err = w.Shopper.Keys("shopper"); err != nil {
		return err
	}
	out.Lines = make([]basket.Line, len(w.Lines))
	for i := range w.Lines {
		if err := w.Lines[i].into(&out.Lines[i], "lines["+strconv.Itoa(i)+"]."); err != nil {
			return err
		}
	}
	return nil
}

func (w *Line) into(l *basket.Line, at string) (err error) {
	l.Product = catalog.ProductID(w.Product)
	if l.Quantity = basket.Piece; w.Quantity != nil {
		if l.Quantity, err = w.Quantity.Of(at + "quantity"); err != nil {
			return err
		}
	}
	for _, a := range [...]struct {
		to          *retail.Micros
		field, text string
	}{
		{&l.UnitPrice, "unit_price", w.UnitPrice},
		{&l.Sales, "sales", w.Sales},
		{&l.RetailDiscount, "retail_discount", w.RetailDiscount},
		{&l.CouponDiscount, "coupon_discount", w.CouponDiscount},
		{&l.CouponMatch, "coupon_match", w.CouponMatch},
	} {
		if a.text == "" {
			continue
		}
		if *a.to, err = api.Amount(at+a.field, a.text); err != nil {
			return err
		}
	}
	if w.Sales == "" {
		return &retail.Error{Kind: retail.Invalid, Field: at + "sales", Say: "the amount is missing", Cure: `send a decimal string such as "12.34"`}
	}
	return nil
}

// From is where receipts of this door come from.
func From(caller string) ingest.From {
	return ingest.From{Door: "api", Name: caller, Fields: map[string]string{"keys": "shopper"}}
}

// Replay reads one refused receipt again; for ingest.Desk's Replay.
func Replay(ctx context.Context, desk Desk, raw []byte, from ingest.From) error {
	res, err := desk.Receipts(ctx, []ingest.Receipt{Read(raw)}, from)
	if err != nil {
		return err
	}
	return res.Taken()
}
