package catalog

import (
	"cmp"
	"slices"

	"endcap/retail"
)

// Promotions is what one store promoted in one week: all of it, so that a
// product that is not named was not promoted. An empty list says that nothing
// was.
type Promotions struct {
	Store    StoreID
	Week     retail.Day // the first of its seven days
	Products []Promotion
}

// Promotion is one product with the places where it was promoted, in the
// retailer's own words or codes. Empty means that it stood on no display, or was
// in no mailer. A product in several places has several.
type Promotion struct {
	Product ProductID
	Display string // where in the store, e.g. "front end cap"
	Mailer  string // where in the leaflet, e.g. "front page"
}

// Limits of one store's week: so it always fits into one fact.
const (
	PromotionsMax      = 50_000 // products with their places
	PromotionPlaceMax  = 64     // bytes of a display's or mailer's name
	PromotionPlacesMax = 1_000  // different names
)

// Settle puts p's products into their one order and drops those named twice, so
// that files that list them otherwise say the same.
func (p *Promotions) Settle() {
	if !slices.IsSortedFunc(p.Products, comparePromotions) {
		slices.SortFunc(p.Products, comparePromotions)
	}
	p.Products = slices.Compact(p.Products)
}

func comparePromotions(a, b Promotion) int {
	if c := cmp.Compare(a.Product, b.Product); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.Display, b.Display), cmp.Compare(a.Mailer, b.Mailer))
}
