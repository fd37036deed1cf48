package ingest

import (
	"context"
	"fmt"
	"time"

	"endcap/keep/stream"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

// Touch is what the shop saw a shopper do with a sponsored product. Its Token
// was opened at the gate, so it is genuine.
type Touch struct {
	ID      string     // the caller's id of the event, unique within its Kind
	Kind    event.Kind // KindShown, KindClicked, KindBasketed or KindPurchased
	At      time.Time  // zero means now; a time before Token was issued is taken as that
	Token   media.Token
	Bot     bool             // for KindClicked: the request itself told that no person made it
	Receipt basket.ReceiptID // for KindPurchased: the online order; sales come from the receipt alone
	Raw     []byte
	Fault   *Fault
}

// Touches takes impressions, clicks, baskets and purchases in. The same id with
// the same token is a Repeat, whenever it is sent again; with another token it
// is a conflict. Whether a click is billed is not decided here: every
// well-formed one is a fact.
func (d *Desk) Touches(ctx context.Context, ts []Touch, from From) (Result, error) {
	if err := checkBatch(len(ts)); err != nil {
		return Result{}, err
	}
	d.forgetting.RLock()
	defer d.forgetting.RUnlock()
	now := micro(d.Clock())
	answers := make([]Answer, len(ts))
	who := make([]shopper.ID, len(ts))
	for i := range ts {
		if f := d.cfg.checkTouch(&ts[i], now); f != nil {
			answers[i] = Answer{Outcome: Quarantined, Fault: f}
			continue
		}
		who[i] = ts[i].Token.Shopper
	}
	facts, places, err := d.packTouches(ctx, ts, who, answers, stamp{from.Door, now})
	if err != nil {
		return Result{}, err
	}
	done, err := d.appendAll(ctx, facts)
	if err != nil {
		return Result{}, err
	}
	refused := newRefusals(0, from, now)
	for n, i := range places {
		answers[i] = judge(done[n].Outcome, 0, ts[i].ID)
		if done[n].Outcome != stream.Conflict {
			continue
		}
		answers[i].Fault.Cure = "give each event an id of its own"
		if answers[i].stored, err = d.stored(ctx, done[n]); err != nil {
			return Result{}, err
		}
	}
	for i := range answers {
		if f := answers[i].Fault; f != nil {
			refused.kind = ts[i].Kind
			refused.add(0, f, rawOr(ts[i].Raw, &ts[i]), answers[i].stored)
		}
	}
	res := Result{Answers: answers}
	res.Summary.count(answers)
	return res, d.refuse(ctx, refused)
}

// packTouches encodes the touches without a fault and says where each stood. A
// shopper who was forgotten since her token was issued is nobody.
func (d *Desk) packTouches(ctx context.Context, ts []Touch, who []shopper.ID, answers []Answer, stamp stamp) ([]event.Packed, []int, error) {
	allowed, err := d.People.Allowed(ctx, who)
	if err != nil {
		return nil, nil, err
	}
	gone, err := d.People.Gone(ctx, who)
	if err != nil {
		return nil, nil, err
	}
	var a arena
	facts := make([]event.Packed, 0, len(ts))
	places := make([]int, 0, len(ts))
	for i := range ts {
		if answers[i].Fault != nil {
			continue
		}
		f := event.Fact{
			ID: ts[i].ID, At: stamp.now, Arrived: stamp.now, Shopper: who[i], Consent: allowed[i], Source: stamp.door, Body: bodyOf(&ts[i]),
		}
		if !ts[i].At.IsZero() {
			f.At = micro(ts[i].At)
		}
		if issued := micro(ts[i].Token.Issued); f.At.Before(issued) {
			f.At = issued // nobody sees or clicks what was not yet answered
		}
		if gone[i] {
			f.Shopper = shopper.ID{}
		}
		f.Day = retail.DayOf(f.At, d.cfg.Zone)
		p, err := packTouch(&a, f, ts[i].Token.Issued)
		if err != nil {
			return nil, nil, fmt.Errorf("pack event %.64q: %w", ts[i].ID, err)
		}
		facts, places = append(facts, p), append(places, i)
	}
	return facts, places, nil
}

// packTouch encodes f with the sum of the same fact at the token's own instant
// and of nobody: a caller who sends an event again may stamp it anew, and the
// shopper may be forgotten meanwhile.
func packTouch(a *arena, f event.Fact, issued time.Time) (event.Packed, error) {
	p, err := a.pack(&f, 1_024)
	if err != nil {
		return p, err
	}
	f.At, f.Day, f.Shopper = issued, 0, shopper.ID{}
	said, err := event.Pack(nil, &f)
	p.Sum = said.Sum
	return p, err
}

func bodyOf(t *Touch) event.Body {
	touch := event.TouchOf(&t.Token)
	switch t.Kind {
	case event.KindClicked:
		return event.Clicked{Touch: touch, Bot: t.Bot}
	case event.KindBasketed:
		return event.Basketed{Touch: touch}
	case event.KindPurchased:
		return event.Purchased{Touch: touch, Receipt: t.Receipt}
	default:
		return event.Shown{Touch: touch}
	}
}

func (c *Config) checkTouch(t *Touch, now time.Time) *Fault {
	if t.Fault != nil {
		return t.Fault
	}
	switch t.Kind {
	case event.KindShown, event.KindClicked, event.KindBasketed, event.KindPurchased:
	default:
		return fault(BadValue, "type", "unknown kind of event", "say impression, click, basket or purchase")
	}
	if say := wordFault(t.ID, event.SourceIDMax); say != "" {
		return fault(NoID, "id", say, "give each event an id, unique for ever")
	}
	if t.Kind == event.KindPurchased {
		if say := wordFault(string(t.Receipt), event.SourceIDMax); say != "" {
			return fault(BadValue, "receipt", say, "name the receipt of the order")
		}
	} else if t.Receipt != "" {
		return fault(BadValue, "receipt", "only a purchase names a receipt", "leave it out")
	}
	switch {
	case t.At.IsZero():
	case t.At.After(now.Add(c.TouchAheadMax)):
		return fault(InFuture, "at", "the time "+t.At.UTC().Format(time.RFC3339)+" lies ahead of the clock", fmt.Sprintf("send events as they happen; %v ahead are allowed", c.TouchAheadMax))
	case t.At.Before(now.Add(-c.TouchBehindMax)):
		return fault(TooOld, "at", "the time "+t.At.UTC().Format(time.RFC3339)+" is long past", fmt.Sprintf("send events as they happen; %v behind are allowed", c.TouchBehindMax))
	}
	return nil
}
