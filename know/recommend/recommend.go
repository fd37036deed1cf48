// Package recommend proposes products to a shopper and says how well a product
// fits a visit. This first model is honest and simple: what she buys again and
// again comes first, by how often, how recently and how popular; whom nobody
// knows, or who does not allow it, gets what fits the search, the category or
// the store, and else what many buy. Every proposal says its reason.
//
// How likely an advert is clicked is package response's to say, once it has learned
// enough; before, a formula of fit stands for it.
//
// Habits are folded into her profile; popularity is counted in the warehouse,
// kept as an artefact in keep/files and held in memory. Named lists (buy again,
// complements, substitutes, discovery, trending, next basket) come from package
// related and from a Scorer; merchandising rules have the last word.
//
// On the road of a receipt, its products become habits here, and sell/decide
// asks for proposals while the shopper waits.
package recommend

import (
	"context"

	"endcap/keep/profile"
	"endcap/know/recommend/merchandising"
	"endcap/know/recommend/response"
	"endcap/know/recommend/training"
	"endcap/retail"
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
	// Count is how many of a product a store has, where somebody counted.
	Count(id catalog.ProductID, at catalog.StoreID) (int64, bool)
}

// Rules is what must be known of merchandising rules. merchandising's Book fits it.
type Rules interface {
	Refresh(ctx context.Context) error
	// Rules are the rules as they stand, and a version that changes whenever they do.
	Rules() ([]merchandising.Named, uint64)
}

// Options say what is never proposed, and what nobody's purchases of count.
type Options struct {
	// Never is proposed to nobody and counted for nothing: fuel, carrier bags,
	// lottery tickets, deposits.
	Never catalog.Set
	// Sensitive products are proposed as others are, but never because she buys
	// them; nil has none.
	Sensitive *policy.Shield
	// Rules have the last word on every list; nil has none. Country is where visits
	// are taken to be, for the rules; empty is not known.
	Rules   Rules
	Country string
	// Price is what a product costs where a store has no price of its own; nil
	// where nobody knows.
	Price func(id catalog.ProductID) (retail.Money, bool)
	// Chances is the model of clicks whose chances rank auctions once it is ready;
	// nil ranks by fit alone.
	Chances Chances
	// Next keeps the model of what is bought next; nil keeps none.
	Next *training.Keeper
}

// Chances says which response model answers now. response.Life fits it.
type Chances interface{ Served() *response.Served }
