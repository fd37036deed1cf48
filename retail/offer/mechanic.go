package offer

import (
	"endcap/retail"
	"endcap/retail/catalog"
)

// Kind is what an offer does to prices. Kinds are stored and never renamed.
type Kind string

// The kinds. A *set* is so many pieces that are bought together; a weighed line is
// no piece, so kinds that count pieces into sets pass it over.
const (
	AmountOff    Kind = "amount_off"    // Amount off all of its products together, or off Each piece
	PercentOff   Kind = "percent_off"   // OffPPM off
	FixedPrice   Kind = "fixed_price"   // each piece costs Amount
	BuyGet       Kind = "buy_get"       // buy Pieces of Bought, get Get of Products at OffPPM off
	NForM        Kind = "n_for_m"       // Pieces for the price of Pay
	CheapestFree Kind = "cheapest_free" // of Pieces the cheapest is free, as Pick says
	NthOff       Kind = "nth_off"       // of Pieces the last one, which is the cheapest, has OffPPM off
	MultiBuy     Kind = "multi_buy"     // Pieces cost Amount together
	FreeGoods    Kind = "free_goods"    // PiecesMax pieces are free
)

// Pick says which pieces an offer takes where it has the choice.
type Pick string

// The picks.
const (
	// Dearest is the best for the shopper: sets are made of the dearest pieces
	// first and in each the cheapest is reduced; where PiecesMax bounds an offer it
	// takes the dearest pieces. Another product in the basket never costs a discount.
	Dearest Pick = "dearest"
	// Cheapest reduces the cheapest pieces of all that count.
	Cheapest Pick = "cheapest"
)

// Mechanic says which products get what off. Fields that a kind does not name in
// its comment must be zero.
type Mechanic struct {
	Kind      Kind          `json:"kind"`
	Products  catalog.Set   `json:"products"`                // what is reduced
	Except    catalog.Set   `json:"except,omitzero"`         // and what is not, neither bought nor reduced
	Bought    catalog.Set   `json:"bought,omitzero"`         // BuyGet: what must be bought; Products where it is empty
	Pieces    int           `json:"pieces,omitempty"`        // BuyGet: pieces bought; NForM, CheapestFree, NthOff, MultiBuy: pieces of a set
	Pay       int           `json:"pay,omitempty"`           // NForM: pieces of a set that are paid
	Get       int           `json:"get,omitempty"`           // BuyGet: pieces that are reduced
	Amount    retail.Micros `json:"amount_micros,omitempty"` // AmountOff, FixedPrice, MultiBuy
	OffPPM    int           `json:"off_ppm,omitempty"`       // PercentOff, BuyGet, NthOff: 1 to PPMAll
	Each      bool          `json:"each,omitempty"`          // AmountOff: off each piece
	PiecesMax int           `json:"pieces_max,omitempty"`    // AmountOff of each, PercentOff, FixedPrice, FreeGoods: most pieces reduced
	Pick      Pick          `json:"pick,omitempty"`          // wherever pieces are chosen
	Base      Base          `json:"base,omitempty"`          // After where nothing is said
}

// needs says which fields a kind reads.
type needs struct {
	bought, pieces, pay, get, amount, off, each, most, pick bool
}

var kinds = map[Kind]needs{
	AmountOff:    {amount: true, each: true, most: true, pick: true},
	PercentOff:   {off: true, most: true, pick: true},
	FixedPrice:   {amount: true, most: true, pick: true},
	BuyGet:       {bought: true, pieces: true, get: true, off: true, pick: true},
	NForM:        {pieces: true, pay: true, pick: true},
	CheapestFree: {pieces: true, pick: true},
	NthOff:       {pieces: true, off: true, pick: true},
	MultiBuy:     {pieces: true, amount: true},
	FreeGoods:    {most: true, pick: true},
}

// Sets reports whether the kind counts pieces into sets.
func (k Kind) Sets() bool { return kinds[k].pieces }
