package ingest

import (
	"context"
	"fmt"
	"time"

	"endcap/keep/stream"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// Past tells of receipts that the stream has trimmed.
type Past interface {
	// Holders says whose receipts are, as they stand: facts without a body, with
	// ID, Version, At, Day and Shopper. A receipt that history lacks is left out.
	Holders(ctx context.Context, receipts []basket.ReceiptID) ([]event.Fact, error)
}

// head is the receipt that stands under an id when a batch corrects it; one of
// nobody known is no concern of anybody's profile.
type head struct {
	stored  bool
	version uint32
	at      time.Time
	day     retail.Day
	who     shopper.ID
}

// moves makes a Moved for each receipt that a correction takes from the shopper
// who has it, or to an earlier day, by its place among good: history will have the
// corrected one alone, and what was dropped from her profile for the day it takes
// away must not come back when that is folded again. The caller holds
// d.correcting, so that what it finds standing is what the stream will judge the
// corrections by.
func (d *Desk) moves(ctx context.Context, rs []Receipt, good []taken, now time.Time) (map[int]event.Packed, error) {
	heads, err := d.heads(ctx, rs, good)
	if err != nil || len(heads) == 0 {
		return nil, err
	}
	out := make(map[int]event.Packed)
	for i := range good {
		r := &rs[good[i].at].Receipt
		h, ok := heads[r.ID]
		if !ok || h.stored && r.Version <= h.version {
			continue // nobody corrects it, or it will be a repeat or a conflict
		}
		zone, _ := d.Assortment.Listed(r.Store)
		if zone == nil {
			zone = d.cfg.Zone
		}
		day := retail.DayOf(r.At, zone)
		if h.who.Known() && (h.who != good[i].who || day < h.day) {
			if out[i], err = event.Pack(nil, &event.Fact{
				ID: string(r.ID), Version: r.Version, At: h.at, Arrived: now, Day: h.day, Shopper: h.who, Source: event.SourceDerived, Body: event.Moved{},
			}); err != nil {
				return nil, fmt.Errorf("pack the move of receipt %.64q: %w", r.ID, err)
			}
		}
		heads[r.ID] = head{stored: true, version: r.Version, at: r.At, day: day, who: good[i].who}
	}
	return out, nil
}

// heads finds what stands under each id that the batch corrects. A shopper who
// was forgotten has nothing left to be taken away, and no fact may name her.
func (d *Desk) heads(ctx context.Context, rs []Receipt, good []taken) (map[basket.ReceiptID]head, error) {
	out := make(map[basket.ReceiptID]head)
	var ids []basket.ReceiptID
	var keys [][16]byte
	for i := range good {
		r := &rs[good[i].at].Receipt
		if _, twice := out[r.ID]; !twice && r.Version > 0 {
			out[r.ID] = head{}
			ids, keys = append(ids, r.ID), append(keys, good[i].packed.Key)
		}
	}
	newest, err := d.Log.Newest(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("look up %d receipts: %w", len(keys), err)
	}
	var trimmed []basket.ReceiptID
	for i, a := range newest {
		if a.Outcome == stream.New {
			continue
		}
		h := head{stored: true, version: a.Version}
		f, ok, err := d.fetch(ctx, a)
		switch {
		case err != nil:
			return nil, err
		case ok:
			h.at, h.day, h.who = f.At, f.Day, f.Shopper
		default:
			trimmed = append(trimmed, ids[i])
		}
		out[ids[i]] = h
	}
	if len(trimmed) > 0 {
		past, err := d.Past.Holders(ctx, trimmed)
		if err != nil {
			return nil, fmt.Errorf("look up %d receipts in history: %w", len(trimmed), err)
		}
		for i := range past {
			id, f := basket.ReceiptID(past[i].ID), &past[i]
			out[id] = head{stored: true, version: max(out[id].version, f.Version), at: f.At, day: f.Day, who: f.Shopper}
		}
	}
	return out, d.leaveGone(ctx, out)
}

// leaveGone takes forgotten shoppers out of heads.
func (d *Desk) leaveGone(ctx context.Context, heads map[basket.ReceiptID]head) error {
	var who []shopper.ID
	for _, h := range heads {
		who = append(who, h.who)
	}
	gone, err := d.People.Gone(ctx, who)
	if err != nil {
		return err
	}
	forgotten := make(map[shopper.ID]bool)
	for i := range who {
		forgotten[who[i]] = gone[i]
	}
	for id, h := range heads {
		if forgotten[h.who] {
			h.who = shopper.ID{}
			heads[id] = h
		}
	}
	return nil
}

// appendTogether appends facts in calls whose facts reach the disk together, and
// never parts a Moved from the receipt behind it: a crash leaves both or none.
func (d *Desk) appendTogether(ctx context.Context, facts []event.Packed) ([]stream.Appended, error) {
	out := make([]stream.Appended, 0, len(facts))
	for from := 0; from < len(facts); {
		to, size := from, 0
		for to < len(facts) {
			next := to + 1
			if facts[to].Kind == event.KindMoved {
				next++
			}
			for i := to; i < next; i++ {
				size += len(facts[i].Bytes)
			}
			if to > from && size > stream.TogetherMax {
				break
			}
			to = next
		}
		done, err := d.appendAll(ctx, facts[from:to])
		if err != nil {
			return nil, err
		}
		out, from = append(out, done...), to
	}
	return out, nil
}
