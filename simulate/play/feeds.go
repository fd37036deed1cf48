package play

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"endcap/retail"
	"endcap/simulate/life"
	"endcap/simulate/rows"
	"endcap/simulate/wire"
)

// batchRows is how many rows of a feed one request brings.
const batchRows = 2_000

// answers is what a feed says of each row.
type answers struct {
	Results []struct {
		Outcome string `json:"outcome"`
		Field   string `json:"field"`
		Say     string `json:"say"`
	} `json:"results"`
}

// feed sends rows, as the API has them, in batches. A row that the server does
// not take in is an error: the simulation makes none that are wrong.
func feed[T any](ctx context.Context, p *player, name string, all iter.Seq[T], write func(T) map[string]any) error {
	batch := make([]map[string]any, 0, batchRows)
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		var got answers
		if err := p.client.Send(ctx, "PUT /v1/"+name, map[string]any{name: batch}, &got); err != nil {
			return err
		}
		for i, r := range got.Results {
			if r.Outcome == "quarantined" {
				return fmt.Errorf("the server refused row %d of %s: %s: %s", i, name, r.Field, r.Say)
			}
		}
		batch = batch[:0]
		return nil
	}
	for row := range all {
		if batch = append(batch, write(row)); len(batch) == batchRows {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// setUp sends what is there before the first week.
func (p *player) setUp(ctx context.Context) error {
	w := p.world
	if err := feed(ctx, p, "stores", rows.Stores(w), func(s rows.Store) map[string]any {
		return map[string]any{"id": s.Store, "name": s.Name, "channel": s.Channel}
	}); err != nil {
		return err
	}
	if err := feed(ctx, p, "products", rows.Products(w), func(r rows.Product) map[string]any {
		id := strconv.FormatInt(r.GTIN, 10)
		return map[string]any{
			"id": id, "gtin": id, "name": r.Name, "brand": r.Brand, "department": r.Department, "category": r.Category,
			"type": r.Type, "size": r.Size, "own_label": r.Own == "true",
		}
	}); err != nil {
		return err
	}
	if err := feed(ctx, p, "shoppers", rows.Shoppers(w), func(s rows.Shopper) map[string]any {
		keys := wire.Keys(s.Card, s.Account)
		for name, value := range map[string]*string{"email_sha256": s.Email, "device": s.Device} {
			if value != nil {
				keys[name] = *value
			}
		}
		return map[string]any{"keys": keys}
	}); err != nil {
		return err
	}
	if err := feed(ctx, p, "consents", rows.Consents(w), consent); err != nil {
		return err
	}
	if err := feed(ctx, p, "prices", rows.Prices(w), p.price); err != nil {
		return err
	}
	return feed(ctx, p, "stock", rows.Stocks(w), stock)
}

// monday sends what changes with a week.
func (p *player) monday(ctx context.Context, plan *life.Plan) error {
	w := p.world
	if err := feed(ctx, p, "prices", rows.PriceChanges(w, plan), p.price); err != nil {
		return err
	}
	if err := feed(ctx, p, "stock", rows.StockChanges(w, plan), stock); err != nil {
		return err
	}
	return feed(ctx, p, "promotions", storeWeeks(rows.Promotions(w, plan)), func(w storeWeek) map[string]any {
		return map[string]any{"store": w.store, "week": retail.Day(w.week).String(), "products": w.products}
	})
}

// storeWeek is what one store promotes in one week.
type storeWeek struct {
	store    string
	week     int32
	products []map[string]string
}

// storeWeeks gathers promotions, which come store by store.
func storeWeeks(all iter.Seq[rows.Promotion]) iter.Seq[storeWeek] {
	return func(yield func(storeWeek) bool) {
		var now storeWeek
		for r := range all {
			if r.Store != now.store && now.store != "" {
				if !yield(now) {
					return
				}
				now = storeWeek{}
			}
			now.store, now.week = r.Store, r.Week
			one := map[string]string{"product": strconv.FormatInt(r.Product, 10)}
			if r.Display != "" {
				one["display"] = r.Display
			}
			if r.Mailer != "" {
				one["mailer"] = r.Mailer
			}
			now.products = append(now.products, one)
		}
		if now.store != "" {
			yield(now)
		}
	}
}

func consent(c rows.Consent) map[string]any {
	row := map[string]any{
		"id": c.ID, "shopper": wire.Keys(c.Card, c.Account), "at": wire.Instant(c.Time), "wording": c.Wording, "channel": c.Channel, "allowed": []string{},
	}
	if c.Allowed != "none" {
		row["allowed"] = strings.Split(c.Allowed, ",")
	}
	return row
}

func (p *player) price(r rows.Price) map[string]any {
	return map[string]any{
		"product": strconv.FormatInt(r.Product, 10), "at": wire.Instant(r.Time),
		"price": map[string]string{"amount": wire.Decimal(int64(r.Amount)), "currency": p.world.Scenario.Currency},
	}
}

func stock(r rows.Stock) map[string]any {
	return map[string]any{"product": strconv.FormatInt(r.Product, 10), "store": r.Store, "count": r.Count, "at": wire.Instant(r.Time)}
}
