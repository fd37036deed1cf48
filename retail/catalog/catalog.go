// Package catalog names what a retailer sells and where: products by GTIN or
// by the retailer's own SKU, stores, prices, stock, and the product Set by which
// adverts, audiences and offers say what they are about.
//
// On the road of a receipt, lines name a ProductID; a Set's Matcher decides
// which brand or category the line belongs to.
package catalog

import (
	"endcap/retail"
)

// ProductID is the retailer's own identifier of a product (its SKU), or the
// GTIN where it has none. It is opaque to Endcap.
type ProductID string

// Hash stands for a product where a fixed width is wanted: in profiles and in the
// tables that decisions look into. It is FNV-1a (Fowler, Noll, Vo) and a
// finaliser that spreads its bits; it is stored and never changes. Two products
// of one hash are as likely as guessing 64 bits once per pair, and are taken for
// one where a hash is all there is.
func (id ProductID) Hash() uint64 {
	h := uint64(14695981039346656037)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return h ^ h>>32
}

// StoreID is the retailer's own identifier of a store. The online shop is a
// store too.
type StoreID string

// Brand is what stands on the pack, Department, Category and Type are the three
// levels of the retailer's range, widest first. All are the retailer's words.
type (
	Brand      string
	Department string
	Category   string
	Type       string
)

// IDMax is the longest identifier accepted for a product or a store, in bytes;
// TextMax the longest name.
const (
	IDMax   = 64
	TextMax = 400
)

// Product is one row of the catalogue. Only ID is required.
type Product struct {
	ID         ProductID
	GTIN       GTIN // zero where the retailer gives none
	Name       string
	Brand      Brand
	Department Department
	Category   Category
	Type       Type
	Size       string // as the retailer writes it, e.g. "500 g"
	OwnLabel   bool   // the retailer's own brand
}

// Called is what a product is called: its name, or its type and size where the
// retailer gives none; empty where it says neither.
func (p *Product) Called() string {
	switch {
	case p.Name != "":
		return p.Name
	case p.Size != "":
		return string(p.Type) + ", " + p.Size
	default:
		return string(p.Type)
	}
}

// Store is one row of the store list. Only ID is required.
type Store struct {
	ID      StoreID
	Name    string
	Channel Channel
	Zone    string // IANA zone; empty means the retailer's
}

// Channel says where a sale or a visit takes place.
type Channel uint8

// The channels. Their numbers are stored.
const (
	AnyChannel Channel = iota // in a rule: both; on a sale: not known
	InStore
	Online
)

// String gives "any", "in_store" or "online".
func (c Channel) String() string {
	switch c {
	case InStore:
		return "in_store"
	case Online:
		return "online"
	default:
		return "any"
	}
}

// ParseChannel reads what String writes; the empty string is AnyChannel.
func ParseChannel(s string) (Channel, bool) {
	switch s {
	case "", "any":
		return AnyChannel, true
	case "in_store":
		return InStore, true
	case "online":
		return Online, true
	}
	return AnyChannel, false
}

// Price is what a product costs at a store from an instant on. An empty Store
// means every store without a price of its own.
type Price struct {
	Product ProductID
	Store   StoreID
	Amount  retail.Money
}

// Stock is how many of a product a store has. An empty Store means the online
// shop and every store without a count of its own.
type Stock struct {
	Product ProductID
	Store   StoreID
	Count   int64
}
