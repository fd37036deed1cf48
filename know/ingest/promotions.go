package ingest

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"endcap/keep/stream"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/event"
)

// Promotions is what one store promoted in one week, as a decoder read it. The
// desk owns its Products from the call on: it puts them in order and drops those
// named twice.
type Promotions struct {
	catalog.Promotions
	Version uint32 // a correction carries a higher one; 0 for the first
	Line    int64  // where it begins in its file, from 1; 0 by API
	Raw     []byte // the rows as they came, for quarantine
	Fault   *Fault // set by a decoder that could not read it
}

// PromotionDaysAhead is how many days ahead a week may begin.
const PromotionDaysAhead = 366

// Promotions takes in what stores promoted, a whole week of one store at a time.
// The same again is a Repeat, whatever the order of its products; other content
// is a correction when its version is higher, else a conflict. A product, store
// or week that nobody knows yet is no fault: plans come before catalogues.
func (d *Desk) Promotions(ctx context.Context, ws []Promotions, from From) (Result, error) {
	if err := checkBatch(len(ws)); err != nil {
		return Result{}, err
	}
	now := micro(d.Clock())
	res := Result{Answers: make([]Answer, len(ws))}
	var a arena
	var good []int
	var facts []event.Packed
	for i := range ws {
		f := ws[i].Fault
		if f == nil {
			f = d.cfg.checkPromotions(&ws[i].Promotions, now)
		}
		if f != nil {
			res.Answers[i] = Answer{Outcome: Quarantined, Fault: f}
			continue
		}
		ws[i].Settle()
		p, err := d.packPromotions(&a, &ws[i], from.Door, now)
		if err != nil {
			return Result{}, fmt.Errorf("pack promotions of %v in %.64q: %w", ws[i].Week, ws[i].Store, err)
		}
		good, facts = append(good, i), append(facts, p)
	}
	done, err := d.appendAll(ctx, facts)
	if err != nil {
		return Result{}, err
	}
	for n, met := range done {
		at := &res.Answers[good[n]]
		*at = judge(met.Outcome, ws[good[n]].Version, promotionsID(&ws[good[n]].Promotions))
		if met.Outcome != stream.Conflict {
			res.Summary.Promotions += int64(len(ws[good[n]].Products))
			continue
		}
		at.Fault.Field = "version"
		if at.stored, err = d.stored(ctx, met); err != nil {
			return Result{}, err
		}
	}
	refused := newRefusals(event.KindPromotions, from, now)
	for i := range res.Answers {
		if f := res.Answers[i].Fault; f != nil {
			refused.add(ws[i].Line, f, rawOr(ws[i].Raw, &ws[i].Promotions), res.Answers[i].stored)
		}
	}
	res.Summary.count(res.Answers)
	return res, d.refuse(ctx, refused)
}

// promotionsID is the id of a store's week: a date is ten letters long, so any
// two differ.
func promotionsID(p *catalog.Promotions) string { return p.Week.String() + " " + string(p.Store) }

// packPromotions encodes a store's week. It is filed under its first day, and
// one that is planned ahead under the day it came: days to come are not sealed,
// and the stream would have to keep what came since.
func (d *Desk) packPromotions(a *arena, w *Promotions, door string, now time.Time) (event.Packed, error) {
	zone, _ := d.Assortment.Listed(w.Store)
	if zone == nil {
		zone = d.cfg.Zone
	}
	at := w.Week.Start(zone)
	if at.After(now) {
		at = now
	}
	size := 256
	for i := range w.Products {
		size += 4 + len(w.Products[i].Product)
	}
	return a.pack(&event.Fact{
		ID: promotionsID(&w.Promotions), Version: w.Version, At: at, Arrived: now, Day: retail.DayOf(at, zone),
		Source: door, Body: event.Promotions{Promotions: w.Promotions},
	}, size)
}

// checkPromotions finds why a store's week cannot be taken in, nil when it can.
func (c *Config) checkPromotions(p *catalog.Promotions, now time.Time) *Fault {
	if say := wordFault(string(p.Store), catalog.IDMax); say != "" {
		return fault(NoID, "store", say, "name the store by its id")
	}
	switch today := retail.DayOf(now, c.Zone); {
	case p.Week > today+PromotionDaysAhead:
		return fault(InFuture, "week", fmt.Sprintf("it begins on %v", p.Week), fmt.Sprintf("check the date; %d days ahead are allowed", PromotionDaysAhead))
	case p.Week < today-retail.Day(c.RetentionDays):
		return fault(TooOld, "week", fmt.Sprintf("it begins on %v, before what is kept", p.Week), fmt.Sprintf("check the date; %d days back are allowed", c.RetentionDays))
	case len(p.Products) > catalog.PromotionsMax:
		return fault(TooManyRows, "products", fmt.Sprintf("%d products with their places", len(p.Products)), fmt.Sprintf("a store's week has at most %d", catalog.PromotionsMax))
	}
	places := map[string]bool{}
	for i := range p.Products {
		if f := checkPromotion(&p.Products[i], places); f != nil {
			f.Field = "products[" + strconv.Itoa(i) + "]." + f.Field
			return f
		}
	}
	return nil
}

// checkPromotion checks one product; places are the names that are known to be
// good, and gets those it names.
func checkPromotion(p *catalog.Promotion, places map[string]bool) *Fault {
	if say := wordFault(string(p.Product), catalog.IDMax); say != "" {
		return fault(NoID, "product", say, "name the product by its SKU or GTIN")
	}
	for i, name := range [...]string{p.Display, p.Mailer} {
		if name == "" || places[name] {
			continue
		}
		field := [...]string{"display", "mailer"}[i]
		if say := wordFault(name, catalog.PromotionPlaceMax); say != "" {
			return fault(BadValue, field, say, fmt.Sprintf("use up to %d bytes of UTF-8", catalog.PromotionPlaceMax))
		}
		if len(places) == catalog.PromotionPlacesMax {
			return fault(TooManyRows, field, fmt.Sprintf("more than %d different places", catalog.PromotionPlacesMax), "name displays and mailers by their kind")
		}
		places[name] = true
	}
	return nil
}
