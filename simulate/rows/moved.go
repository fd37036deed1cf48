package rows

import (
	"endcap/simulate/life"
)

// AboutMoved says what rows of Moved are.
const AboutMoved = "What coupons changed on each receipt, before any advert: what was bought with one and what would have been there without; what is missing on a later receipt because it was bought ahead; and what was not returned because it was not bought. The sum of with less without over a shopper's rows is by how much coupons changed what she spent."

// Moved is one thing that a coupon changed, for the truth; amounts are of sales.
type Moved struct {
	Receipt  int64   `parquet:"receipt"`
	Shopper  int32   `parquet:"shopper"`
	Campaign *int32  `parquet:"campaign,optional"`
	Coupon   *int32  `parquet:"coupon,optional"`
	How      string  `parquet:"how,dict"`             // new, switched, own, ahead, missing or not returned
	Product  *int64  `parquet:"product,optional"`     // that was bought with the coupon
	Instead  *int64  `parquet:"instead_of,optional"`  // that would have been there without it
	With     int32   `parquet:"with,decimal(2:9)"`    // sales of the first
	Without  int32   `parquet:"without,decimal(2:9)"` // of the second
	Keen     float64 `parquet:"keen"`                 // how often she redeems, 1 on average
	Prone    float64 `parquet:"prone"`                // how much she is drawn to coupons of the brand, 1 on average; 0 where there is none
}

// AllMoved writes what coupons changed as rows.
func AllMoved(w *life.World, all []life.Moved) []Moved {
	out := make([]Moved, len(all))
	for i, m := range all {
		row := Moved{Receipt: m.Receipt, Shopper: m.Shopper, How: m.How.String(), With: m.With, Without: m.Without, Keen: w.Keen(int(m.Shopper))}
		if m.Campaign >= 0 {
			row.Campaign, row.Coupon = &m.Campaign, &m.Coupon
			c := &w.Campaigns()[m.Campaign].Coupons[m.Coupon]
			row.Prone = w.Prone(int(m.Shopper), life.About{Category: c.Category, Brand: c.Brand})
		}
		if m.Product >= 0 {
			row.Product = &w.Grocer.Products[m.Product].GTIN
		}
		if m.Instead >= 0 {
			row.Instead = &w.Grocer.Products[m.Instead].GTIN
		}
		out[i] = row
	}
	return out
}
