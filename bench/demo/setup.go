package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// brand is one advertiser of the demo: a manufacturer of the data, whose real
// name nobody knows, advertising in one category.
type brand struct {
	id, category string
	control      int // parts per million
}

// brands advertise in the demo. Their campaigns' ids are brand and category.
var brands = []brand{
	{"103", "SOFT DRINKS", 300_000},
	{"1208", "SOFT DRINKS", 300_000},
	{"544", "BAG SNACKS", 300_000},
	{"317", "CHEESE", 300_000},
	{"1251", "SOUP", 300_000},
	{"759", "YOGURT", 300_000},
	{"1487", "YOGURT", 300_000},
}

func (b *brand) campaign() string {
	return strings.ToLower(strings.ReplaceAll(b.category, " ", "-")) + "-" + b.id
}

// pages are the category pages that visitors look at, and searches what they
// type; which one a visit gets is drawn.
var (
	pages    = []string{"SOFT DRINKS", "BAG SNACKS", "CHEESE", "SOUP", "YOGURT", ""}
	searches = map[string]string{"YOGURT": "yogurt", "CHEESE": "cheese", "SOUP": "soup"}
)

func usd(whole int64) map[string]string {
	return map[string]string{"amount": cents(100 * whole), "currency": "USD"}
}

func usdCents(n int64) map[string]string {
	return map[string]string{"amount": cents(n), "currency": "USD"}
}

// setUp records the drawn consents of every card that the data knows, and makes
// placements, advertisers with money, audiences, campaigns and line items.
func setUp(ctx context.Context, c *client, cards []string) error {
	for chunk := range slices.Chunk(cards, 500) {
		if err := sendConsents(ctx, c, c.seed, chunk, replayFrom); err != nil {
			return err
		}
	}
	// Audiences are counted among those who allow personal adverts, so history
	// must know of the consents before line items are booked.
	if err := settle(ctx, c); err != nil {
		return err
	}
	for _, p := range []struct {
		id, name string
		slots    int
		floor    int64
	}{{"home", "Top of the home page", 4, 5}, {"category", "Top of a category page", 4, 8}, {"search", "Top of search results", 4, 8}} {
		doc := map[string]any{"name": p.name, "slots_max": p.slots, "floor": usdCents(p.floor)}
		if err := c.Set(ctx, "/v1/placements/"+p.id, doc); err != nil {
			return err
		}
	}
	for i := range brands {
		if err := setUpBrand(ctx, c, &brands[i], int64(i)); err != nil {
			return err
		}
	}
	return nil
}

func setUpBrand(ctx context.Context, c *client, b *brand, nth int64) error {
	products, err := bestSellers(ctx, c, b)
	if err != nil {
		return err
	}
	adv, cat := "brand-"+b.id, b.campaign()
	flight := map[string]string{"from": "2017-12-04", "to": "2018-01-01"}
	lovers := cat + "-lapsing"
	steps := []struct {
		path string
		doc  any
	}{
		{"/v1/advertisers/" + adv, map[string]any{"name": "Brand " + b.id, "currency": "USD"}},
		{"/v1/audiences/" + lovers, map[string]any{
			"name":     "Bought " + strings.ToLower(b.category) + " this year, not of brand " + b.id + " in four weeks",
			"sentence": fmt.Sprintf("bought category %q within 26 weeks and not bought brand %q in category %q within 4 weeks", b.category, b.id, b.category),
		}},
		{"/v1/campaigns/" + cat, map[string]any{
			"advertiser": adv, "name": "Brand " + b.id + " " + strings.ToLower(b.category) + ", December", "flight": flight,
			"halo": map[string]any{"brands": []string{b.id}, "categories": []string{b.category}}, "control_ppm": b.control, "window_days": 14,
		}},
		{"/v1/line-items/" + cat + "-page", map[string]any{
			"campaign": cat, "name": "Category page and search", "products": products, "placements": []string{"category", "search"},
			"categories": []string{b.category}, "keywords": keywords(b.category), "bid": usdCents(40 + 3*nth), "budget_daily": usd(12), "budget_total": usd(250), "cap_per_day": 6, "flight": flight,
		}},
		{"/v1/line-items/" + cat + "-home", map[string]any{
			"campaign": cat, "name": "Home page, win back", "products": products, "placements": []string{"home"},
			"audience": lovers, "bid": usdCents(55 - 2*nth), "budget_daily": usd(15), "budget_total": usd(300), "cap_per_day": 4, "flight": flight,
		}},
	}
	for _, s := range steps {
		if err := c.Set(ctx, s.path, s.doc); err != nil {
			return err
		}
	}
	return c.Send(ctx, "POST /v1/advertisers/"+adv+"/payments", map[string]any{"amount": usd(500)}, nil, "Idempotency-Key", "demo-"+adv)
}

func keywords(category string) []string {
	if word, ok := searches[category]; ok {
		return []string{word}
	}
	return []string{}
}

// bestSellers are the five products of the brand that most receipts hold.
func bestSellers(ctx context.Context, c *client, b *brand) ([]string, error) {
	rows, err := c.Query(ctx, fmt.Sprintf(`select l.product, count(*) as n from lines l join products p on p.product = l.product
		where p.brand = '%s' and p.category = '%s' group by l.product order by n desc, l.product limit 5`, b.id, b.category))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, row := range rows {
		out = append(out, row[0])
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("brand %s sold nothing in %s: is the catalogue loaded?", b.id, b.category)
	}
	return out, nil
}

// sendConsents records what was drawn for cards.
func sendConsents(ctx context.Context, c *client, seed string, cards []string, at time.Time) error {
	rows := make([]map[string]any, len(cards))
	for i, card := range cards {
		rows[i] = map[string]any{
			"id": "drawn-" + card, "shopper": map[string]string{"card": card}, "allowed": allowed(group(seed, card)),
			"at": at.UTC().Format(time.RFC3339), "wording": "drawn by the demo",
		}
	}
	return c.Send(ctx, "PUT /v1/consents", map[string]any{"consents": rows}, nil)
}
