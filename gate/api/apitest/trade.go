package apitest

import (
	"fmt"
	"testing"
)

// Eur is an amount as it stands in requests.
func Eur(amount string) map[string]string {
	return map[string]string{"amount": amount, "currency": "EUR"}
}

// Flight is the days on which everything in a house runs.
func Flight() map[string]string { return map[string]string{"from": "2026-03-01", "to": "2026-04-01"} }

// Furnish books two advertisers, oatly and milka, with money, an audience, a
// campaign and a line item each, beside a catalogue, receipts of ten shoppers
// and their consents, and lets the house follow. key may do everything.
func (h *House) Furnish(tb testing.TB, key string) {
	tb.Helper()
	h.Do(tb, key, "PUT /v1/products", map[string]any{"products": []any{
		map[string]any{"id": "oats", "name": "Oat drink", "brand": "Oatly", "category": "DRINKS"},
		map[string]any{"id": "choc", "name": "Chocolate", "brand": "Milka", "category": "SWEETS"},
		map[string]any{"id": "bread", "name": "Bread", "category": "BREAD"},
	}})
	h.Do(tb, key, "PUT /v1/stores", map[string]any{"stores": []any{map[string]any{"id": "1", "channel": "in_store"}}})
	var receipts, consents []any
	for i := range 10 {
		card := map[string]any{"card": fmt.Sprintf("4711-%d", i)}
		consents = append(consents, map[string]any{"id": fmt.Sprintf("c%d", i), "shopper": card, "allowed": []string{"personal_offers", "personal_ads", "measurement"}, "at": "2026-03-01T08:00:00Z"})
		receipts = append(receipts, map[string]any{
			"id": fmt.Sprintf("r%d", i), "store": "1", "at": "2026-03-01T09:00:00Z", "shopper": card,
			"lines": []any{map[string]any{"product": "oats", "quantity": 1, "sales": "2.50"}, map[string]any{"product": "choc", "quantity": 2, "sales": "3.00"}},
		})
	}
	h.Do(tb, key, "PUT /v1/consents", map[string]any{"consents": consents})
	h.Do(tb, key, "POST /v1/receipts", map[string]any{"receipts": receipts})
	h.Do(tb, key, "PUT /v1/placements/search", map[string]any{"name": "Search", "slots_max": 4, "floor": Eur("0.10")})
	h.Follow(tb)
	for advertiser, product := range map[string]string{"oatly": "oats", "milka": "choc"} {
		h.Do(tb, key, "PUT /v1/advertisers/"+advertiser, map[string]any{"name": advertiser, "currency": "EUR"})
		h.Do(tb, key, "POST /v1/advertisers/"+advertiser+"/payments", map[string]any{"amount": Eur("100.00")}, "Idempotency-Key", "first")
		own := h.Key(tb, advertiser, "trade")
		h.Do(tb, own, "PUT /v1/audiences/"+advertiser+"-fans", map[string]any{"name": "fans", "sentence": fmt.Sprintf(`bought product %q`, product)})
		h.Do(tb, own, "PUT /v1/campaigns/"+advertiser+"-spring", map[string]any{"advertiser": advertiser, "name": "spring", "flight": Flight()})
		h.Do(tb, own, "PUT /v1/line-items/"+advertiser+"-one", LineItem(advertiser, product))
	}
	h.Follow(tb)
}

// LineItem is a line item of an advertiser's spring campaign as it stands in a
// request.
func LineItem(advertiser, product string) map[string]any {
	return map[string]any{
		"campaign": advertiser + "-spring", "name": "one", "products": []string{product}, "audience": advertiser + "-fans",
		"bid": Eur("0.50"), "budget_daily": Eur("10.00"), "budget_total": Eur("50.00"), "flight": Flight(),
	}
}
