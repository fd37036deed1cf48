package traffic

import (
	"context"
	"encoding/json"
	"strconv"

	"endcap/simulate/life"
	"endcap/simulate/wire"
)

// Sender sends the requests of one visit, one after the other, and measures them.
type Sender interface {
	// Send makes a request such as "POST /v1/decisions". Without an answer of
	// success, which it counts, it gives false.
	Send(ctx context.Context, kind, route string, body []byte) (answer []byte, ok bool)
	// Fail counts the last answer of a kind as a failure after all.
	Fail(kind string)
}

// proposals is how many proposals a page shows.
const proposals = 8

// Visit makes the next visit. Its requests follow one another as answers come:
// nobody clicks on what she has not been shown. A request that fails ends it.
func (t *Traffic) Visit(ctx context.Context, s Sender) {
	h, err := t.next(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.Fail(Receipts) // a world that opened once opens again
		}
		return
	}
	v := visitor{t: t, happening: h, sender: s}
	if h.session != nil && !v.browse(ctx) {
		return
	}
	if h.receipt == nil {
		return
	}
	if wire.Screened(h.world, h.receipt, h.lines) && t.shows[wire.Screen] && !v.decide(ctx, Screen, wire.Trip(h.world, h.receipt, h.receipt.At)) {
		return
	}
	v.buy(ctx)
}

// visitor is one visit under way.
type visitor struct {
	happening
	t      *Traffic
	sender Sender
	events int
}

// browse goes through a session, and reports whether all was answered.
func (v *visitor) browse(ctx context.Context) bool {
	searches := 0
	var basket []string
	for i := range v.session.Steps {
		switch step := &v.session.Steps[i]; step.Action {
		case "search":
			searches++
			if !v.decide(ctx, Search, wire.Browsing(v.world, v.session, step, searches)) {
				return false
			}
		case "click":
			if !v.look(ctx, Product, map[string]string{"product": wire.GTIN(v.world, step.Product)}, basket) {
				return false
			}
		case "add":
			basket = append(basket, wire.GTIN(v.world, step.Product))
		}
	}
	return len(basket) == 0 || v.look(ctx, Basket, nil, basket)
}

// decide asks for what a visit is shown, looks at it, and clicks.
func (v *visitor) decide(ctx context.Context, kind string, at *wire.Visit) bool {
	question := at.Question(v.world, func(placement int) bool { return v.t.shows[placement] })
	if at.Online {
		question["proposals"] = proposals
	}
	text, ok := v.send(ctx, kind, "POST /v1/decisions", question)
	if !ok {
		return false
	}
	var a wire.Answer
	if json.Unmarshal(text, &a) != nil {
		v.sender.Fail(kind)
		return false
	}
	var views, clicks []map[string]string
	a.Each(func(placement int, item *wire.Item) {
		product, known := v.t.numbers[item.Product]
		if !known {
			return // it is none of the scenario's: nobody says how she likes it
		}
		looks, clicked := wire.Glance(v.world, at, placement, item.Slot, product)
		if looks {
			views = append(views, v.event("impression", item))
		}
		if clicked {
			clicks = append(clicks, v.event("click", item))
		}
	})
	return v.tell(ctx, Views, views) && v.tell(ctx, Clicks, clicks)
}

// look asks for the proposals of a page.
func (v *visitor) look(ctx context.Context, kind string, page map[string]string, basket []string) bool {
	question := map[string]any{
		"shopper": wire.SignedIn(v.world, v.session), "channel": wire.Channel(true), "store": v.t.store, "proposals": proposals, "basket": basket,
	}
	if page != nil {
		question["page"] = page
	}
	_, ok := v.send(ctx, kind, "POST /v1/decisions", question)
	return ok
}

func (v *visitor) event(kind string, item *wire.Item) map[string]string {
	v.events++
	return map[string]string{"id": v.id + "-" + strconv.Itoa(v.events), "type": kind, "token": item.Token}
}

// tell sends events, if there are any.
func (v *visitor) tell(ctx context.Context, kind string, events []map[string]string) bool {
	if len(events) == 0 {
		return true
	}
	_, ok := v.send(ctx, kind, "POST /v1/events", map[string]any{"events": events})
	return ok
}

// buy sends the receipt, as of now.
func (v *visitor) buy(ctx context.Context) {
	r := *v.receipt
	r.At = v.t.clock().UnixMicro()
	body := wire.Receipt(v.world, &r, v.lines)
	body["id"] = v.id
	text, ok := v.send(ctx, Receipts, "POST /v1/receipts", map[string]any{"receipts": []any{body}})
	if !ok {
		return
	}
	var got struct {
		Results []struct {
			Outcome string `json:"outcome"`
		} `json:"results"`
	}
	if json.Unmarshal(text, &got) != nil || len(got.Results) != 1 || got.Results[0].Outcome != "new" {
		v.sender.Fail(Receipts)
	}
}

func (v *visitor) send(ctx context.Context, kind, route string, body any) ([]byte, bool) {
	text, err := json.Marshal(body)
	if err != nil {
		v.sender.Fail(kind)
		return nil, false
	}
	return v.sender.Send(ctx, kind, route, text)
}

// numbersOf maps products' ids to their numbers.
func numbersOf(w *life.World) map[string]int32 {
	out := make(map[string]int32, len(w.Grocer.Products))
	for i := range w.Grocer.Products {
		out[wire.GTIN(w, int32(i))] = int32(i)
	}
	return out
}
