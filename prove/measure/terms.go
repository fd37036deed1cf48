package measure

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/media"
)

// Terms is what was booked: campaigns and their line items, as history knows
// them. A campaign that was removed is still known.
//
// What a touch may claim was settled when it happened: the past versions say it.
// Terms that change afterwards change no past figure, so nobody learns what one
// shopper bought by listing her product and asking again.
type Terms struct {
	Campaigns map[media.CampaignID]media.Campaign // each in its last version
	LineItems map[media.LineItemID]media.LineItem // each in its last version

	CampaignsPast map[media.CampaignID][]Version[media.Campaign] // oldest first; none: the last was always valid
	LineItemsPast map[media.LineItemID][]Version[media.LineItem] // oldest first; none: the last was always valid
}

// Version is one version of what was booked, valid from an instant until the
// next one. The first version also covers what happened before it.
type Version[T any] struct {
	From time.Time
	Of   T
}

// validAt is the version of an instant among versions, or last where there are
// none. It reports false for an instant before the first, which it gives then.
func validAt[T any](past []Version[T], last T, when time.Time) (T, bool) {
	if len(past) == 0 {
		return last, true
	}
	for i := len(past) - 1; i > 0; i-- {
		if !past[i].From.After(when) {
			return past[i].Of, true
		}
	}
	return past[0].Of, !past[0].From.After(when)
}

// campaignAt is a campaign as it stood at an instant.
func (t *Terms) campaignAt(id media.CampaignID, when time.Time) media.Campaign {
	c, _ := validAt(t.CampaignsPast[id], t.Campaigns[id], when)
	return c
}

// SettledBefore is the instant before which terms must have been booked to
// count in an experiment that is read through a day: its midnight in UTC, which
// no zone's business day ends before. Whoever is told of that day is told later.
func SettledBefore(through retail.Day) time.Time { return through.UTC() }

// Settled gives a campaign as it stood at an instant, and the products that its
// line items had advertised at any time up to then. Of a campaign whose every
// line item is younger, the first one's first version counts.
func (t *Terms) Settled(id media.CampaignID, when time.Time) (media.Campaign, []media.LineItem) {
	var items []media.LineItem
	var first *Version[media.LineItem]
	for _, item := range sortedItems(t, id) {
		past := t.LineItemsPast[item]
		if len(past) == 0 {
			items = append(items, t.LineItems[item])
		}
		for i := range past {
			switch v := &past[i]; {
			case !v.From.After(when):
				items = append(items, v.Of)
			case first == nil || v.From.Before(first.From):
				first = v
			}
		}
	}
	if items == nil && first != nil {
		items = append(items, first.Of)
	}
	return t.campaignAt(id, when), items
}

// every gives all versions of a campaign's halo and line items.
func (t *Terms) every(id media.CampaignID) ([]media.Campaign, []media.LineItem) {
	campaigns := []media.Campaign{t.Campaigns[id]}
	for _, v := range t.CampaignsPast[id] {
		campaigns = append(campaigns, v.Of)
	}
	var items []media.LineItem
	for _, item := range sortedItems(t, id) {
		items = append(items, t.LineItems[item])
		for _, v := range t.LineItemsPast[item] {
			items = append(items, v.Of)
		}
	}
	return campaigns, items
}

// Every version of each thing that was ever booked, as history keeps it.
const (
	campaignsSQL = `select campaign, "at", doc from ` + event.TableCampaigns + ` where not removed order by campaign, version`
	lineItemsSQL = `select line_item, "at", doc from ` + event.TableLineItems + ` where not removed order by line_item, version`
)

// Terms reads what was booked from history: every campaign and line item in
// all versions, the last being that before it was removed, if it was.
func (r *Reader) Terms(ctx context.Context) (Terms, error) {
	t := Terms{
		Campaigns: make(map[media.CampaignID]media.Campaign), LineItems: make(map[media.LineItemID]media.LineItem),
		CampaignsPast: make(map[media.CampaignID][]Version[media.Campaign]), LineItemsPast: make(map[media.LineItemID][]Version[media.LineItem]),
	}
	campaigns, err := docs[media.Campaign](ctx, r.from, "measure.campaigns", campaignsSQL)
	if err != nil {
		return t, err
	}
	for _, v := range campaigns {
		t.Campaigns[v.Of.ID] = v.Of
		t.CampaignsPast[v.Of.ID] = append(t.CampaignsPast[v.Of.ID], v)
	}
	items, err := docs[media.LineItem](ctx, r.from, "measure.line_items", lineItemsSQL)
	for _, v := range items {
		t.LineItems[v.Of.ID] = v.Of
		t.LineItemsPast[v.Of.ID] = append(t.LineItemsPast[v.Of.ID], v)
	}
	return t, err
}

func docs[T any](ctx context.Context, from Asker, name, sql string) ([]Version[T], error) {
	res, err := from.Query(ctx, warehouse.Query{Name: name, Purpose: warehouse.Accounting, SQL: sql})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	out := make([]Version[T], res.Len)
	for i := range out {
		out[i].From = time.UnixMicro(res.Columns[1].Ints[i]).UTC()
		if err := json.Unmarshal([]byte(res.Columns[2].Texts[i]), &out[i].Of); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

// changes lists, in order, the instants at which a campaign or one of its line
// items got another version.
func (t *Terms) changes(id media.CampaignID) []time.Time {
	var at []time.Time
	for _, v := range t.CampaignsPast[id] {
		at = append(at, v.From)
	}
	for _, item := range sortedItems(t, id) {
		for _, v := range t.LineItemsPast[item] {
			at = append(at, v.From)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	return slices.CompactFunc(at, func(a, b time.Time) bool { return cmp.Compare(a.UnixMicro(), b.UnixMicro()) == 0 })
}
