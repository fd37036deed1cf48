// Package visit holds what is known of one visit while it lasts: where the
// shopper is, what she looks at, what she searches, and what may be proposed to
// her. The wings speak of a visit in these words.
//
// On the road of a receipt, a visit asks for a decision: proposals from know,
// sponsored products from sell.
package visit

import (
	"time"

	"endcap/retail"
	"endcap/retail/catalog"
)

// Visit is the context of one request. It names nobody.
type Visit struct {
	At       time.Time
	Day      retail.Day // business day of At
	Channel  catalog.Channel
	Store    catalog.StoreID     // the store she shops at or orders from; may be empty
	Query    string              // what she searched, as typed; may be empty
	Category catalog.Category    // the category page she is on; may be empty
	Product  catalog.ProductID   // the product page she is on; may be empty
	Basket   []catalog.ProductID // what lies in her basket already, the last added last
	Viewed   []catalog.ProductID // what she looked at in this visit, the last last
	List     ListName            // which list she asks for; empty is ForYou
	Bot      bool                // the caller or its headers say that no person visits
}

// Limits of a visit.
const (
	QueryMax  = 200 // bytes
	BasketMax = 500 // products
	ViewedMax = 100 // products
)

// Reason says why a product is proposed. Words cross the wire and never change.
type Reason string

// The reasons.
const (
	BoughtOften    Reason = "bought_often"     // she buys it again and again
	PopularStore   Reason = "popular_store"    // many buy it at this store
	PopularInRange Reason = "popular_category" // many buy it in the category she looks at
	Popular        Reason = "popular"          // many buy it
	Matches        Reason = "matches_search"   // it fits what she searched
	DueAgain       Reason = "due_again"        // she buys it every so often, and it is time
	GoesWith       Reason = "goes_with"        // it is bought together with Other
	InsteadOf      Reason = "instead_of"       // it serves the need of Other
	LookedAt       Reason = "looked_at"        // she looked at it in this visit
	Rising         Reason = "trending"         // it sells more than it did
	Chosen         Reason = "chosen"           // the retailer put it there
)

// Proposal is one product proposed, unpaid, with what its reason needs to be told.
type Proposal struct {
	Product catalog.ProductID
	Reason  Reason
	Count   int               // for BoughtOften and DueAgain: on how many of her receipts
	Every   int               // likewise, where she bought it twice: days between, usually
	Due     retail.Day        // for DueAgain: when she needs it again
	Other   catalog.ProductID // for GoesWith and InsteadOf
}

// Proposed is what is proposed for a visit, and what merchandising rules did to it.
type Proposed struct {
	Proposals []Proposal
	Effects   []Effect
	Empty     string // why there is no proposal, if there is none
}

// Effect is one thing that a merchandising rule did to a list: it took a product
// from one place to another; -1 is none.
type Effect struct {
	Rule     string
	Did      string // pinned, boosted, buried, excluded, spread or weighed
	Product  catalog.ProductID
	From, To int
}

// ListName names a list of products by what it is for. Words cross the wire, stand
// in merchandising rules and never change.
type ListName string

// The lists.
const (
	ForYou      ListName = "for_you"     // whatever fits the visit: what a decision proposes
	NextBasket  ListName = "next_basket" // what she will buy next, old and new
	BuyAgain    ListName = "buy_again"   // what she is due to need again
	Complements ListName = "complements" // what goes with the basket or the product she looks at
	Substitutes ListName = "substitutes" // what may stand in for the product she looks at
	Discovery   ListName = "discovery"   // what is new to her
	Search      ListName = "search"      // what fits what she searched
	InCategory  ListName = "category"    // the category page she is on
	Trending    ListName = "trending"    // what sells more than it did
)

// ListNames lists every list.
func ListNames() []ListName {
	return []ListName{ForYou, NextBasket, BuyAgain, Complements, Substitutes, Discovery, Search, InCategory, Trending}
}
