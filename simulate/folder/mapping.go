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

// readme tells a person what lies here, and how to load it.
func (w *writer) readme() string {
	places := ""
	if len(w.Communes) > 0 {
		places = `
Communes: @etalab/decoupage-administratif 6.0.0, from open data of INSEE, IGN and
La Poste (Licence Ouverte).`
	}
	return fmt.Sprintf(`%s

This retailer does not exist. It was made by endcap simulate: shoppers %d, weeks %d,
first day %s, seed %d. Nobody in it is a real person, no product a real product,
and no figure from it says anything about a real shop.

To load it, make a house of the same zone and currency, then take in each kind in
this order, the files of a folder in the order of their names. From here, with
endcap on the path:

  D=../simulated-house
  endcap init --dir $D --name 'Simulated grocer' --zone %s --currency %s --dataset %s
  for kind in stores products shoppers consents prices stock promotions receipts; do
    for file in $kind.parquet $kind/*.parquet; do
      if [ -e $file ]; then endcap ingest --dir $D --kind $kind --mapping mapping.json $file || break 2; fi
    done
  done

The same again changes nothing; what broke off goes on.
campaigns, coupons, targets, redemptions and visits are not loaded: no kind of
endcap ingest is for them. They are here for whoever works on the files.
truth/ is what the product has to find out by itself; it is never loaded.
%s
Spread of categories and Nutri-Score: counts over Open Food Facts, © Open Food
Facts contributors (ODbL).
`, Declared, w.Scenario.Shoppers, w.Scenario.Weeks, w.Scenario.Start, w.Scenario.Seed, w.Scenario.Zone, w.Scenario.Currency, Declared, places)
}
