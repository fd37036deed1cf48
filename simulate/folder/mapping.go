package folder

import (
	"encoding/json"
	"fmt"
)

// mapping is how `endcap ingest` reads the folder.
func (w *writer) mapping() []byte {
	type columns map[string]any
	type feed struct {
		Columns columns `json:"columns"`
	}
	same := func(names ...string) columns {
		out := make(columns)
		for _, n := range names {
			out[n] = n
		}
		return out
	}
	with := func(c columns, field string, column any) columns {
		c[field] = column
		return c
	}
	products := with(same("gtin", "name", "brand", "department", "category", "type", "size", "own_label"), "product", "gtin")
	text, err := json.MarshalIndent(map[string]any{
		"name": "simulated", "about": Declared + ": made by endcap simulate; nobody in it is a real person",
		"zone": w.Scenario.Zone, "currency": w.Scenario.Currency,
		"feeds": map[string]feed{
			"receipts":   {same("receipt", "time", "store", "channel", "card", "account", "product", "quantity", "sales", "retail_discount", "coupon_discount", "coupon_match")},
			"products":   {products},
			"stores":     {same("store", "name", "channel")},
			"prices":     {same("product", "time", "amount")},
			"stock":      {same("product", "store", "time", "count")},
			"promotions": {same("store", "week", "product", "display", "mailer")},
			"shoppers":   {same("card", "account", "email_sha256", "device")},
			"consents":   {same("id", "time", "card", "account", "allowed", "wording", "channel")},
		},
	}, "", "  ")
	if err != nil {
		panic("folder: bug: " + err.Error())
	}
	return append(text, '\n')
}

// readme tells a person what lies here.
func (w *writer) readme() string {
	return fmt.Sprintf(`%s

This retailer does not exist. It was made by endcap simulate: %d shoppers, %d weeks
from %s, seed %d. Nobody in it is a real person, no product a real product, and
no figure from it says anything about a real shop.

Load it in this order, with --mapping mapping.json:
  stores.parquet (stores), products.parquet (products), shoppers.parquet (shoppers),
  consents/ (consents), prices/ (prices), stock/ (stock), promotions/ (promotions),
  receipts/ (receipts), each folder's files in the order of their names.
campaigns, coupons, targets, redemptions and visits are told over the API.
truth/ is what the product has to find out by itself; it is never loaded.

Communes: @etalab/decoupage-administratif 6.0.0, from open data of INSEE, IGN and
La Poste (Licence Ouverte). Spread of categories and Nutri-Score: counts over Open
Food Facts, © Open Food Facts contributors (ODbL).
`, Declared, w.Scenario.Shoppers, w.Scenario.Weeks, w.Scenario.Start, w.Scenario.Seed)
}
