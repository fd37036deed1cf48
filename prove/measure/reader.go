package measure

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/trial"
)

// Asker is what a Reader must know of the warehouse.
type Asker interface {
	Query(ctx context.Context, q warehouse.Query) (*warehouse.Result, error)
}

// Reader fetches evidence. All that is about single shoppers is asked under the
// purpose measurement, so who does not allow it never enters; delivery and
// money are asked under accounting, because every click is paid for.
type Reader struct{ from Asker }

// NewReader reads from a warehouse.
func NewReader(from Asker) *Reader { return &Reader{from} }

// measurement is the purpose of every question about shoppers.
var measurement = warehouse.Purpose(consent.Measurement.String())

// shortMoney is billing's word for a good click that was free for want of money.
const shortMoney = string(event.BudgetSpent)

// Evidence fetches everything that the question needs. It returns ErrAsk for a
// campaign the terms do not hold and for limits passed.
func (r *Reader) Evidence(ctx context.Context, ask Ask, terms Terms) (*Evidence, error) {
	c, ok := terms.Campaigns[ask.Campaign]
	if !ok {
		return nil, fmt.Errorf("%w: no such campaign", ErrAsk)
	}
	if err := check(ask); err != nil {
		return nil, err
	}
	e := &Evidence{Ask: ask, Terms: terms}
	steps := []func(context.Context, *Evidence, *media.Campaign) error{
		r.first, r.touches, r.lines, r.exposed, r.delivered, r.clicks, r.baskets, r.refused,
	}
	for _, step := range steps {
		if err := step(ctx, e, &c); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// Exposed fetches only the experiment's shoppers, for a question whose other
// evidence is known.
func (r *Reader) Exposed(ctx context.Context, ask Ask, terms Terms) ([]Exposed, error) {
	c, ok := terms.Campaigns[ask.Campaign]
	if !ok {
		return nil, fmt.Errorf("%w: no such campaign", ErrAsk)
	}
	if err := check(ask); err != nil {
		return nil, err
	}
	e := &Evidence{Ask: ask, Terms: terms}
	if err := r.exposed(ctx, e, &c); err != nil {
		return nil, err
	}
	return e.Exposed, nil
}

func check(ask Ask) error {
	switch {
	case ask.Model != LastClick && ask.Model != LastImpression:
		return fmt.Errorf("%w: unknown model %.40q", ErrAsk, string(ask.Model))
	case ask.Lookback < 1 || ask.Lookback > LookbackMax || ask.PreDays < 0 || ask.PreDays > PreDaysMax:
		return fmt.Errorf("%w: look-backs are 1 to %d and 0 to %d days", ErrAsk, LookbackMax, PreDaysMax)
	}
	return nil
}

// table gives a result's values by row and column.
type table struct{ *warehouse.Result }

func (t table) int(col, row int) int64      { return t.Columns[col].Ints[row] }
func (t table) text(col, row int) string    { return orEmpty(t.Columns[col], row) }
func (t table) day(col, row int) retail.Day { return retail.Day(t.int(col, row)) }
func (t table) who(row int) shopper.ID      { return shopper.FromUint64(uint64(t.int(0, row))) } // always the first column
func (t table) at(col, row int) time.Time   { return time.UnixMicro(t.int(col, row)).UTC() }
func (t table) null(col, row int) bool      { n := t.Columns[col].Nulls; return n != nil && n[row] }

func orEmpty(c warehouse.Column, row int) string {
	if c.Nulls != nil && c.Nulls[row] {
		return ""
	}
	return c.Texts[row]
}

func (t table) micros(col, row int) retail.Micros {
	if t.null(col, row) {
		return 0
	}
	return retail.Micros(t.int(col, row))
}

func (r *Reader) ask(ctx context.Context, q warehouse.Query) (table, error) {
	res, err := r.from.Query(ctx, q)
	if err != nil {
		return table{}, fmt.Errorf("ask %s: %w", q.Name, err)
	}
	return table{res}, nil
}

// first finds how far back history reaches; see Reach.
func (r *Reader) first(ctx context.Context, e *Evidence, _ *media.Campaign) error {
	t, err := r.ask(ctx, warehouse.Query{
		Name: "measure.receipts_by_day", Purpose: warehouse.Accounting, Args: []any{e.Ask.Through},
		SQL: `select day, count(*) from receipts where day <= $1 group by day`,
	})
	if err != nil {
		return err
	}
	days := make([]DayCount, t.Len)
	for i := range days {
		days[i] = DayCount{Day: t.day(0, i), Receipts: t.int(1, i)}
	}
	e.FirstDay, e.Receipts = Reach(days)
	return nil
}

// The questions about touches. One token is one touch, at its first event; a
// click counts only when billing took its token for a good one.
const (
	touchesClicked = `
select t.shopper, min(t."at"), min(t.day), t.campaign, t.line_item, t.decision, t.slot
from touches t
join (select decision, slot from charges where coalesce(reason, '') in ('', '` + shortMoney + `') group by decision, slot) c
  on c.decision = t.decision and c.slot = t.slot
where t.kind = 'clicked' and t.arm = 'treated' and t.day >= $2 and t.day <= $3
  and t.shopper in (select u.shopper from touches u where u.kind = 'clicked' and u.campaign = $1 and u.shopper is not null)
group by t.shopper, t.campaign, t.line_item, t.decision, t.slot`
	touchesShown = `
select t.shopper, min(t."at"), min(t.day), t.campaign, t.line_item, t.decision, t.slot
from touches t
where t.kind = 'shown' and t.arm = 'treated' and t.day >= $2 and t.day <= $3
  and t.shopper in (select u.shopper from touches u where u.kind = 'shown' and u.campaign = $1 and u.shopper is not null)
group by t.shopper, t.campaign, t.line_item, t.decision, t.slot`
)

// touches fetches all touches, by any campaign, of the shoppers whom this one
// touched: the others are rivals for the last touch.
func (r *Reader) touches(ctx context.Context, e *Evidence, c *media.Campaign) error {
	q := warehouse.Query{
		Name: "measure.touches_clicked", Purpose: measurement, SQL: touchesClicked,
		Args: []any{string(c.ID), c.Flight.From, e.Ask.Through},
	}
	if e.Ask.Model == LastImpression {
		q.Name, q.SQL = "measure.touches_shown", touchesShown
	}
	t, err := r.ask(ctx, q)
	if err != nil {
		return err
	}
	e.Touches = make([]Touch, t.Len)
	for i := range e.Touches {
		e.Touches[i] = Touch{
			Shopper: t.who(i), At: t.at(1, i), Day: t.day(2, i), Campaign: media.CampaignID(t.text(3, i)),
			LineItem: media.LineItemID(t.text(4, i)), Token: t.text(5, i) + "/" + strconv.FormatInt(t.int(6, i), 10),
		}
	}
	return nil
}

// reach writes what versions of a campaign and of its line items may claim, all
// together, as a condition on lines l and products p.
func reach(campaigns []media.Campaign, items []media.LineItem, args []any) (string, []any) {
	var own catalog.Set
	for i := range items {
		own.Products = append(own.Products, items[i].Products...)
	}
	slices.Sort(own.Products)
	own.Products = slices.Compact(own.Products)
	within, args := warehouse.Within(own, "l", "p", args)
	parts := []string{within}
	for i := range campaigns {
		same := func(before media.Campaign) bool { return reflect.DeepEqual(before.Halo, campaigns[i].Halo) }
		if slices.ContainsFunc(campaigns[:i], same) {
			continue
		}
		var halo string
		halo, args = warehouse.Within(campaigns[i].Halo, "l", "p", args)
		parts = append(parts, halo)
	}
	return "(" + strings.Join(parts, " or ") + ")", args
}

// lines fetches what the touched shoppers bought of the campaign's range since
// the look-back before the flight began.
func (r *Reader) lines(ctx context.Context, e *Evidence, c *media.Campaign) error {
	kind := "clicked"
	if e.Ask.Model == LastImpression {
		kind = "shown"
	}
	args := []any{string(c.ID), kind, string(e.Ask.Currency), c.Flight.From - retail.Day(e.Ask.Lookback), e.Ask.Through}
	campaigns, items := e.Terms.every(c.ID)
	within, args := reach(campaigns, items, args)
	t, err := r.ask(ctx, warehouse.Query{Name: "measure.lines", Purpose: measurement, Args: args, SQL: `
select l.shopper, l.receipt, l.line, l."at", l.day, l.channel, l.product, l.quantity, l.sales, p.brand, p.department, p.category, p.type
from lines l left join products p on p.product = l.product
where l.shopper in (select u.shopper from touches u where u.kind = $2 and u.campaign = $1 and u.shopper is not null)
  and l.currency = $3 and l.day >= $4 and l.day <= $5 and ` + within})
	if err != nil {
		return err
	}
	e.Lines = make([]Line, t.Len)
	for i := range e.Lines {
		channel, _ := catalog.ParseChannel(t.text(5, i))
		e.Lines[i] = Line{
			Shopper: t.who(i), Receipt: t.text(1, i), Number: t.int(2, i), At: t.at(3, i), Day: t.day(4, i), Channel: channel,
			Product: catalog.Product{
				ID: catalog.ProductID(t.text(6, i)), Brand: catalog.Brand(t.text(9, i)), Department: catalog.Department(t.text(10, i)),
				Category: catalog.Category(t.text(11, i)), Type: catalog.Type(t.text(12, i)),
			},
			Quantity: t.int(7, i), Sales: t.micros(8, i),
		}
	}
	return nil
}

// exposed fetches every shopper with a win or a ghost win, with her spend on
// the range in the days before the first of them and since it. Wins decided
// while she did not allow measurement are no part of the experiment: nobody
// drew an arm for her then, she was shown whatever won.
func (r *Reader) exposed(ctx context.Context, e *Evidence, c *media.Campaign) error {
	e.Settled = e.Ask.Through
	settled, items := e.Terms.Settled(c.ID, SettledBefore(e.Settled))
	args := []any{string(c.ID), e.Ask.Through, int64(e.Ask.PreDays), LastDay(&settled, e.Ask.Through), string(e.Ask.Currency)}
	within, args := reach([]media.Campaign{settled}, items, args)
	t, err := r.ask(ctx, warehouse.Query{Name: "measure.exposed", Purpose: measurement, Args: args, SQL: `
with exposed as (
  select w.shopper, min(w."at") as first_at, min(w.day) as first_day, min(w.arm) as arm_low, max(w.arm) as arm_high
  from wins w
  where w.campaign = $1 and w.day <= $2 and w.shopper is not null and w.measurable
  group by w.shopper
), spent as (
  select x.shopper,
    cast(sum(case when l."at" < x.first_at and date_diff('day', l.day, x.first_day) <= $3 then l.sales else cast(0 as decimal(18,6)) end) as decimal(38,6)) as before,
    cast(sum(case when l."at" >= x.first_at and l.day <= $4 then l.sales else cast(0 as decimal(18,6)) end) as decimal(38,6)) as since
  from exposed x
  join lines l on l.shopper = x.shopper
  left join products p on p.product = l.product
  where l.currency = $5 and ` + within + `
  group by x.shopper
)
select x.shopper, x.first_day, x.arm_low, x.arm_high, s.before, s.since
from exposed x left join spent s on s.shopper = x.shopper
order by x.shopper`})
	if err != nil {
		return err
	}
	e.Exposed = make([]Exposed, t.Len)
	for i := range e.Exposed {
		x := Exposed{Shopper: t.who(i), First: t.day(1, i), Before: t.micros(4, i), Since: t.micros(5, i)}
		x.Both = t.text(2, i) != t.text(3, i)
		if t.text(2, i) == trial.Control.String() {
			x.Recorded = trial.Control
		}
		e.Exposed[i] = x
	}
	return nil
}

// delivered counts impressions by line item and day.
func (r *Reader) delivered(ctx context.Context, e *Evidence, c *media.Campaign) error {
	t, err := r.ask(ctx, warehouse.Query{
		Name: "measure.impressions", Purpose: warehouse.Accounting, Args: []any{string(c.ID), e.Ask.LastDelivered()},
		SQL: `
select s.line_item, s.day, count(*)
from (select line_item, decision, slot, min(day) as day from touches
      where kind = 'shown' and campaign = $1 and day <= $2 group by line_item, decision, slot) s
group by s.line_item, s.day order by s.line_item, s.day`,
	})
	if err != nil {
		return err
	}
	for i := range t.Len {
		e.Delivered = append(e.Delivered, Delivered{LineItem: media.LineItemID(t.text(0, i)), Day: t.day(1, i), Impressions: t.int(2, i)})
	}
	return nil
}

// clicks adds what billing made of the clicks, by flight day.
func (r *Reader) clicks(ctx context.Context, e *Evidence, c *media.Campaign) error {
	t, err := r.ask(ctx, warehouse.Query{
		Name: "measure.charges", Purpose: warehouse.Accounting, Args: []any{string(c.ID), e.Ask.LastDelivered(), string(e.Ask.Currency)},
		SQL: `
select line_item, day, count(*) filter (where coalesce(reason, '') in ('', '` + shortMoney + `')),
  count(*) filter (where coalesce(reason, '') not in ('', '` + shortMoney + `')), cast(sum(amount) as decimal(38,6))
from charges
where campaign = $1 and day <= $2 and currency = $3
group by line_item, day order by line_item, day`,
	})
	if err != nil {
		return err
	}
	for i := range t.Len {
		e.Delivered = append(e.Delivered, Delivered{
			LineItem: media.LineItemID(t.text(0, i)), Day: t.day(1, i), Clicks: t.int(2, i), Filtered: t.int(3, i), Spend: t.micros(4, i),
		})
	}
	return nil
}

// baskets fetches who put a sponsored product into her basket, once per token.
func (r *Reader) baskets(ctx context.Context, e *Evidence, c *media.Campaign) error {
	t, err := r.ask(ctx, warehouse.Query{
		Name: "measure.baskets", Purpose: measurement, Args: []any{string(c.ID), e.Ask.Through},
		SQL: `
select shopper, min(day) from touches
where kind = 'basketed' and campaign = $1 and day <= $2 and shopper is not null
group by shopper, decision, slot order by shopper, min(day)`,
	})
	if err != nil {
		return err
	}
	for i := range t.Len {
		e.Baskets = append(e.Baskets, Basket{Shopper: t.who(i), Day: t.day(1, i)})
	}
	return nil
}

// refused counts why the campaign's line items did not win.
func (r *Reader) refused(ctx context.Context, e *Evidence, c *media.Campaign) error {
	args := []any{e.Ask.LastDelivered()}
	var places []string
	for _, id := range sortedItems(&e.Terms, c.ID) {
		args = append(args, string(id))
		places = append(places, "$"+strconv.Itoa(len(args)))
	}
	if places == nil {
		return nil
	}
	t, err := r.ask(ctx, warehouse.Query{Name: "measure.refusals", Purpose: warehouse.Accounting, Args: args, SQL: `
select line_item, day, reason, cast(sum(count) as bigint) from refusals
where day <= $1 and line_item in (` + strings.Join(places, ", ") + `)
group by line_item, day, reason order by line_item, day, reason`})
	if err != nil {
		return err
	}
	for i := range t.Len {
		e.Refused = append(e.Refused, Refused{
			LineItem: media.LineItemID(t.text(0, i)), Day: t.day(1, i), Reason: t.text(2, i), Count: t.int(3, i),
		})
	}
	return nil
}

// sortedItems lists the line items of a campaign by id.
func sortedItems(terms *Terms, c media.CampaignID) []media.LineItemID {
	var ids []media.LineItemID
	for id, item := range terms.LineItems {
		if item.Campaign == c {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
