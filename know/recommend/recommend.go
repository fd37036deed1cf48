// Package recommend proposes products to a shopper and says how well a product
// fits a visit. This first model is honest and simple: what she buys again and
// again comes first, by how often, how recently and how popular; whom nobody
// knows, or who does not allow it, gets what fits the search, the category or
// the store, and else what many buy. Every proposal says its reason.
//
// Habits are folded into her profile; popularity is counted in the warehouse,
// kept as an artefact in keep/files and held in memory. Later models stand
// behind the same two methods, Propose and Weigher.
//
// On the road of a receipt, its products become habits here, and sell/decide
// asks for proposals while the shopper waits.
package recommend

import (
	"endcap/keep/profile"
	"endcap/retail/catalog"
	"endcap/retail/consent/policy"
)

// FollowerName and Section are the follower's name and the part of a profile
// that it writes.
const (
	FollowerName                 = "recommend"
	Section      profile.Section = "habits"
)

// Shelf is what must be known of the assortment. know/assortment's Shelf fits it.
type Shelf interface {
	// Version changes whenever Products may have.
	Version() uint64
	// Products lists the rows of the catalogue; a row that changes is a new one.
	Products() []*catalog.Product
	// InStock reports whether a store has a product.
	InStock(id catalog.ProductID, at catalog.StoreID) bool
}

// Options say what is never proposed, and what nobody's purchases of count.
type Options struct {
	// Never is proposed to nobody and counted for nothing: fuel, carrier bags,
	// lottery tickets, deposits.
	Never catalog.Set
	// Sensitive products are proposed as others are, but never because she buys
	// them; nil has none.
	Sensitive *policy.Shield
}
