// Package response says how likely a product that is shown is clicked, and how
// likely what is clicked is bought in the same visit. Two linear models over hashed
// features and their crosses learn online, showing by showing (package ftrl);
// what they say is recalibrated on the most recent events, each predicted before it
// was learned. So a probability can be multiplied by a bid, and a merchandiser can
// hold it against what happened.
//
// A product is clicked when its place is looked at and it appeals:
//
//	P(click) = examined(placement, position) × clicked(everything else)
//
// (the examination hypothesis: Richardson, Dominowska, Ragno, WWW 2007; Craswell
// and others, WSDM 2008). Both factors are learned together. They can be told
// apart because the first position of every placement counts as looked at, and as
// far as alike products stand at several positions; see docs/decisions/response.md.
// Appeal without the place is what an auction ranks by before it gives places out.
//
// A model holds nothing of any shopper: how she stands to a product comes in with
// the question, as counts, and not at all where she does not allow it.
//
// On the road of a receipt, what was shown, clicked and bought becomes the
// probability that the next auction ranks by.
package response

import (
	"fmt"
	"math"

	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/media"
)

// NotAsked is a match where the visit asks for nothing of the kind.
const NotAsked = -1

// PositionMax is the last position that is told apart; what stands further down
// counts as standing there.
const PositionMax = 64

// Showing is one product at one place of one answer, as far as is known when it
// is decided; whether she looks at it is for the model to say. Ids may be empty
// where there is none; an unpaid product has neither advertiser nor line item.
type Showing struct {
	Placement media.PlacementID
	Position  int // within the placement, from 1
	Channel   catalog.Channel
	Hour      int // of the shop's day, 0 to 23

	Product    catalog.ProductID
	Brand      catalog.Brand
	Category   catalog.Category
	Advertiser media.AdvertiserID
	LineItem   media.LineItemID

	Words  float64 // share of the searched words that the product has, 0 to 1; NotAsked without a search
	Within float64 // 1 where it is of the category of the page, else 0; NotAsked where the page is of none

	Price   float64 // its price over what its category mostly costs; 0 where that is not known
	Cut     float64 // share of the price that a promotion takes off, 0 to 1
	Display bool    // promoted in the store this week
	Mailer  bool    // in this week's leaflet

	Popularity float64   // its share of what is bought in its category, 0 to 1
	Score      float64   // the recommender's, at least 0; 0 where there is none
	Relation   *Relation // nil where nobody is known, or she does not allow it
}

// Relation is how a shopper stands to a product: what she did before the visit.
type Relation struct {
	Receipts         int // of hers with the product
	Days             int // since the last of them; not looked at without one
	BrandReceipts    int // purchases of its brand: over its products, the receipts with each
	CategoryReceipts int // purchases of its category, likewise
	CategoryProducts int // different products among them
	CategoryRegulars int // of which she bought more than once
	Shown            int // how often she was shown the product
	Clicked          int // how often she clicked on it
}

// Outcome is a showing with what became of it.
type Outcome struct {
	Showing
	Clicked bool
	Bought  bool // in the same visit, after the click
}

// Answer is what the model expects of a showing: three chances, each once the
// one before came true.
type Answer struct {
	Examined float64 // the place is looked at
	Clicked  float64 // the product there is clicked
	Bought   float64 // what was clicked is bought in the same visit
}

// Click is the chance of a click.
func (a Answer) Click() float64 { return a.Examined * a.Clicked }

// Purchase is the chance of a click and a purchase after it.
func (a Answer) Purchase() float64 { return a.Click() * a.Bought }

// partsMax is what an auction calls a quality of one: parts per million.
const partsMax = 1_000_000

// Quality is the chance of a click once looked at in parts per million, 1 to
// 1,000,000: what candidates are ranked by before they have a place.
func (a Answer) Quality() int32 {
	return int32(min(max(a.Clicked*partsMax+0.5, 1), partsMax))
}

// Check says what in a showing is none. Its error names the field.
func (sh *Showing) Check() error {
	for _, id := range []string{string(sh.Placement), string(sh.Product), string(sh.Brand), string(sh.Category), string(sh.Advertiser), string(sh.LineItem)} {
		if len(id) > nameMax {
			return refuse("id", "a name of %d bytes", len(id))
		}
	}
	switch {
	case sh.Position < 1:
		return refuse("position", "position %d; positions count from 1", sh.Position)
	case sh.Hour < 0 || sh.Hour > 23:
		return refuse("hour", "hour %d; hours are from 0 to 23", sh.Hour)
	}
	for _, v := range []struct {
		name string
		is   float64
		ok   bool
	}{
		{"words", sh.Words, share(sh.Words) || sh.Words == NotAsked},
		{"within", sh.Within, sh.Within == 0 || sh.Within == 1 || sh.Within == NotAsked},
		{"price", sh.Price, sh.Price >= 0 && !math.IsInf(sh.Price, 0)},
		{"cut", sh.Cut, share(sh.Cut)},
		{"popularity", sh.Popularity, share(sh.Popularity)},
		{"score", sh.Score, sh.Score >= 0 && !math.IsInf(sh.Score, 0)},
	} {
		if !v.ok {
			return refuse(v.name, "%s is %v", v.name, v.is)
		}
	}
	return sh.Relation.Check()
}

// Check says what in a relation is none; nil is one.
func (r *Relation) Check() error {
	if r != nil {
		for _, n := range []int{r.Receipts, r.Days, r.BrandReceipts, r.CategoryReceipts, r.CategoryProducts, r.CategoryRegulars, r.Shown, r.Clicked} {
			if n < 0 {
				return refuse("relation", "a count of %d", n)
			}
		}
	}
	return nil
}

// Check says what in an outcome is none.
func (o *Outcome) Check() error {
	if o.Bought && !o.Clicked {
		return refuse("bought", "bought and not clicked; what is bought without a click is no response")
	}
	return o.Showing.Check()
}

// nameMax is the longest name of a showing, in bytes.
const nameMax = 256

// share reports whether x is one; NaN is none.
func share(x float64) bool { return x >= 0 && x <= 1 }

func refuse(field, format string, args ...any) error {
	return &retail.Error{Kind: retail.Invalid, Field: field, Say: fmt.Sprintf(format, args...), Cure: "send what was known when it was decided"}
}
