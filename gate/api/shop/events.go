package shop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/event"
	"endcap/retail/media"
)

// Desk is what the door hands events to; know/ingest fits it.
type Desk interface {
	Touches(ctx context.Context, ts []ingest.Touch, from ingest.From) (ingest.Result, error)
	Refuse(ctx context.Context, bad []ingest.Bad, from ingest.From) error
}

// EventsMax is how many events one request may bring.
const EventsMax = 1_000

// Events is the body of POST /v1/events.
type Events struct {
	Events    []api.Each[Event] `json:"events" minItems:"1" maxItems:"1000"`
	UserAgent string            `json:"user_agent,omitempty" maxLength:"1000" doc:"the visitor's User-Agent, to tell robots that say so"`
}

// Event is what a shopper did with one sponsored product.
type Event struct {
	ID      string `json:"id" maxLength:"128" doc:"the caller's id of the event; sending it again changes nothing"`
	Type    string `json:"type" enum:"impression,click,basket,purchase"`
	Token   string `json:"token" doc:"the sponsored item's token, as the decision gave it"`
	At      string `json:"at,omitempty" format:"date-time" doc:"when it happened; now where absent"`
	Receipt string `json:"receipt,omitempty" maxLength:"128" doc:"of a purchase: the order's receipt id; sales come from the receipt alone"`
}

var kinds = map[string]event.Kind{
	"impression": event.KindShown, "click": event.KindClicked, "basket": event.KindBasketed, "purchase": event.KindPurchased,
}

// events takes a batch in. One event that is malformed, or whose token nobody
// signed, refuses the whole request and names itself; a row of it lies in
// quarantine. Everything else is 204: whether a click costs anything is told by
// its charge.
func (h *handler) events(r *http.Request, who *access.Principal, in *Events) (*api.None, error) {
	if len(in.Events) == 0 || len(in.Events) > EventsMax {
		return nil, &retail.Error{Kind: retail.Invalid, Field: "events", Say: fmt.Sprintf("a request brings 1 to %d events", EventsMax), Cure: "split the batch"}
	}
	from := ingest.From{Door: "api", Name: who.Name}
	bot := isBot(in.UserAgent)
	touches := make([]ingest.Touch, len(in.Events))
	var bad []ingest.Bad
	var first *retail.Error
	for i, raw := range in.Events {
		if err := h.readEvent(raw, &touches[i]); err != nil {
			e := named(err, "events["+strconv.Itoa(i)+"]")
			if bad = append(bad, badOf(touches[i].Kind, e, raw)); first == nil {
				first = e
			}
		}
		touches[i].Bot, touches[i].Raw = bot, raw
	}
	if first != nil {
		h.took("events", refusedOf(bad))
		if err := h.Desk.Refuse(r.Context(), bad, from); err != nil {
			return nil, err
		}
		return nil, first
	}
	res, err := h.Desk.Touches(r.Context(), touches, from)
	if err != nil {
		return nil, err
	}
	h.took("events", &res.Summary)
	for i := range res.Answers {
		if f := res.Answers[i].Fault; f != nil {
			return nil, &retail.Error{
				Kind: retail.Invalid, Field: "events[" + strconv.Itoa(i) + "]." + f.Field, Say: f.Say,
				Cure: f.Cure + "; the events without a fault were taken in, and sending them again changes nothing",
			}
		}
	}
	return nil, nil
}

// refusedOf counts what a request was refused for.
func refusedOf(bad []ingest.Bad) *ingest.Summary {
	sum := &ingest.Summary{QuarantinedByWhy: make(map[ingest.Reason]int64)}
	for i := range bad {
		sum.QuarantinedByWhy[bad[i].Fault.Reason]++
	}
	return sum
}

// readEvent reads one event of the wire.
func (h *handler) readEvent(raw []byte, out *ingest.Touch) (err error) {
	var w Event
	if err := api.Decode(raw, &w); err != nil {
		return err
	}
	out.ID, out.Receipt = w.ID, basket.ReceiptID(w.Receipt)
	out.Kind = kinds[w.Type]
	switch {
	case out.Kind == 0:
		return &retail.Error{Kind: retail.Invalid, Field: "type", Say: fmt.Sprintf("%.20q is no type of event", w.Type), Cure: "send impression, click, basket or purchase"}
	case w.ID == "" || len(w.ID) > event.SourceIDMax:
		return &retail.Error{Kind: retail.Invalid, Field: "id", Say: fmt.Sprintf("an event's id has 1 to %d bytes", event.SourceIDMax), Cure: "send one id per event"}
	case w.Receipt != "" && out.Kind != event.KindPurchased:
		return &retail.Error{Kind: retail.Invalid, Field: "receipt", Say: "only a purchase names a receipt", Cure: "leave it out"}
	case w.Receipt == "" && out.Kind == event.KindPurchased:
		return &retail.Error{Kind: retail.Invalid, Field: "receipt", Say: "a purchase names the receipt of its order", Cure: "send the receipt's id"}
	}
	if w.At != "" {
		if out.At, err = api.Instant("at", w.At); err != nil {
			return err
		}
	}
	if out.Token, err = h.Tokens().Open(w.Token); err != nil {
		return &retail.Error{Kind: retail.Invalid, Field: "token", Say: err.Error(), Cure: "send the token as the decision gave it", Err: media.ErrToken}
	}
	return nil
}

// named puts an element's place before the field of an error.
func named(err error, at string) *retail.Error {
	e, ok := errors.AsType[*retail.Error](err)
	if !ok {
		return &retail.Error{Kind: retail.Invalid, Field: at, Say: err.Error()}
	}
	out := *e
	if out.Field = at; e.Field != "" && e.Field != "body" {
		out.Field += "." + e.Field
	}
	return &out
}

// forgedToken is why an event with a token that this house did not sign lies in
// quarantine.
const forgedToken ingest.Reason = "forged_token"

func badOf(kind event.Kind, e *retail.Error, raw []byte) ingest.Bad {
	if kind == 0 {
		kind = event.KindClicked
	}
	f := api.FaultOf(e)
	switch {
	case errors.Is(e, media.ErrToken):
		f.Reason = forgedToken
	case strings.HasSuffix(e.Field, "]"): // the whole event
		f.Reason = ingest.Unparsed
	}
	return ingest.Bad{Kind: kind, Raw: raw, Fault: f}
}

// bots are words of User-Agent headers by which programs name themselves, after
// the IAB's rule to leave declared robots out of counts.
var bots = []string{"bot", "crawl", "spider", "slurp", "headless", "curl/", "wget/", "python-requests", "scrapy", "lighthouse", "preview"}

func isBot(userAgent string) bool {
	agent := strings.ToLower(userAgent)
	for _, word := range bots {
		if strings.Contains(agent, word) {
			return true
		}
	}
	return false
}

func eventsOperation() huma.Operation {
	return huma.Operation{
		OperationID: "send-events", Method: http.MethodPost, Path: "/v1/events", Tags: []string{"shop"}, Security: api.Needs(access.Decide),
		Summary:     "Say what a shopper did with sponsored products.",
		Description: "Answered 204 once it is on disk. A malformed event, or a token that nobody signed, refuses the request and names the event. A replayed, late or filtered click is answered 204 too and billed nothing.",
	}
}
