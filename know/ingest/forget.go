package ingest

import (
	"context"
	"fmt"
	"slices"

	"endcap/keep/stream"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// Forget forgets a shopper, with all shoppers who are one person with her: at
// once in the vault and in the copies of know/identity, and through a Forgotten
// fact of each in every fold. No fact that was under way then names her behind
// it. Forgetting her again does nothing.
func (d *Desk) Forget(ctx context.Context, who shopper.ID, from From) error {
	return d.ForgetAll(ctx, []shopper.ID{who}, from)
}

// ForgetAll is Forget of several people in one step.
func (d *Desk) ForgetAll(ctx context.Context, who []shopper.ID, from From) error {
	d.forgetting.Lock()
	defer d.forgetting.Unlock()
	var members []shopper.ID
	for _, id := range who {
		if !id.Known() {
			return &retail.Error{Kind: retail.NotFound, Say: "no such shopper"}
		}
		of, err := d.People.Members(ctx, id)
		if err != nil {
			return err
		}
		for _, member := range of {
			if !slices.Contains(members, member) {
				members = append(members, member)
			}
		}
	}
	var err error
	if err = d.People.Forget(ctx, members...); err != nil {
		return err
	}
	now := micro(d.Clock())
	facts := make([]event.Packed, len(members))
	for n, id := range members {
		if facts[n], err = event.Pack(nil, &event.Fact{
			ID: veiled(id, "forgotten"), At: now, Arrived: now, Day: retail.DayOf(now, d.cfg.Zone),
			Shopper: id, Source: from.Door, Body: event.Forgotten{},
		}); err != nil {
			return fmt.Errorf("pack a forgetting: %w", err)
		}
	}
	_, err = d.appendAll(ctx, facts)
	return err
}

// Registrations takes in shoppers who registered by an act of their own, with
// what they allow: Consents that also ends the suppression of their keys, should
// one have belonged to somebody who was forgotten. She is somebody new then.
// Unlike a feed, which repeats what its source holds, a registration says which
// text she was shown and when.
func (d *Desk) Registrations(ctx context.Context, rows []Consent, from From) (Result, error) {
	if err := checkBatch(len(rows)); err != nil {
		return Result{}, err
	}
	now := micro(d.Clock())
	for i := range rows {
		r := &rows[i]
		switch {
		case r.Fault != nil:
		case r.Wording == "":
			r.Fault = fault(BadValue, "wording", "no text", "name the text by which she registered")
		case r.At.IsZero():
			r.Fault = fault(BadValue, "at", "no time", "say when she registered")
		default:
			r.Fault = d.cfg.checkConsent(r, now)
		}
		if r.Fault != nil {
			continue
		}
		if err := d.People.Lift(ctx, r.Keys); err != nil {
			return Result{}, err
		}
	}
	return d.Consents(ctx, rows, from)
}

// suppress answers those of n rows that name somebody who was forgotten. Nothing
// of them may be kept, whatever else is wrong with them.
func (d *Desk) suppress(ctx context.Context, n int, keys func(int) []shopper.Key) ([]Answer, error) {
	marked, err := d.marked(ctx, n, keys)
	if err != nil {
		return nil, err
	}
	answers := make([]Answer, n)
	for i := range answers {
		if marked[i] {
			answers[i] = Answer{Outcome: Suppressed, Fault: fault(
				WasForgot, "keys", "a key belonged to somebody who was forgotten; nothing of the row was kept",
				"take it out of the source; if she registered anew, send it with PUT /v1/registrations",
			)}
		}
	}
	return answers, nil
}

// marked says of each row whether one of its keys is suppressed.
func (d *Desk) marked(ctx context.Context, n int, keys func(int) []shopper.Key) ([]bool, error) {
	var all []shopper.Key
	for i := range n {
		all = append(all, keys(i)...)
	}
	suppressed, err := d.People.Suppressed(ctx, all)
	if err != nil {
		return nil, err
	}
	out := make([]bool, n)
	for i := range out {
		hers := suppressed[:len(keys(i))]
		suppressed = suppressed[len(hers):]
		out[i] = slices.Contains(hers, true)
	}
	return out, nil
}

// scrub takes what could name a forgotten shopper out of receipts that are about
// to lie in quarantine: they are kept as they were read, without keys.
func (d *Desk) scrub(ctx context.Context, rs []Receipt, answers []Answer) error {
	var at []int
	for i := range rs {
		if answers[i].Outcome == Quarantined && len(rs[i].Keys) > 0 {
			at = append(at, i)
		}
	}
	marked, err := d.marked(ctx, len(at), func(n int) []shopper.Key { return rs[at[n]].Keys })
	if err != nil {
		return err
	}
	for n, i := range at {
		if marked[n] {
			rs[i].Keys, rs[i].Raw = nil, nil
		}
	}
	return nil
}

// cameBefore says whether a receipt that conflicts is the stored one, but for
// its shopper, who was forgotten since: the source sends it again as it was. Of
// a stored receipt that was trimmed nothing else is known, so it counts as that.
func (d *Desk) cameBefore(ctx context.Context, r *Receipt, met stream.Appended) (bool, error) {
	if r.Version != met.Version {
		return false, nil
	}
	f, ok, err := d.fetch(ctx, met)
	if err != nil || !ok {
		return err == nil, err
	}
	was, ok := f.Body.(event.Receipt)
	return ok && sameSale(&was.Receipt, &r.Receipt), nil
}

// sameSale compares what the source said of two receipts, leaving out what the
// catalogue knew of them on arrival.
func sameSale(a, b *basket.Receipt) bool {
	if a.Store != b.Store || a.Channel != b.Channel || !a.At.Equal(b.At) || a.Currency != b.Currency || (a.Marks^b.Marks)&^lookedUp != 0 {
		return false
	}
	return slices.EqualFunc(a.Lines, b.Lines, func(x, y basket.Line) bool {
		x.Marks &^= basket.ProductUnknown
		y.Marks &^= basket.ProductUnknown
		return x == y
	})
}
