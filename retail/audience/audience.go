// Package audience holds the sentence that says who belongs to an audience: a
// tree of purchase rules joined by and, or and not. It is data; know/audience
// evaluates it over one shopper's purchases and over the warehouse, and both
// must agree.
//
// On the road of a receipt, a line item names an audience and the shopper's
// profile says whether she is in it.
package audience

import (
	"endcap/retail"
	"endcap/retail/catalog"
)

// ID names an audience.
type ID string

// Op is what a Node does with its children.
type Op uint8

// The operations. Their numbers are stored.
const (
	Bought Op = iota // a leaf: Rule holds
	And              // every child holds
	Or               // some child holds
	Not              // the only child does not hold
)

// Node is a sentence, or a part of one.
type Node struct {
	Op   Op
	Rule Rule   // of a Bought
	Of   []Node // of And, Or (two or more) and Not (exactly one)
}

// Rule holds for a shopper who, within the last Days business days (today
// included; 0 means ever), on Channel, bought products of Set on at least Times
// receipts (at least 1) for at least Spend in all. A receipt counts once however
// many of its lines match; returned lines (quantity below zero) subtract their
// amount from the spend and make no time.
type Rule struct {
	Set     catalog.Set
	Days    int
	Times   int
	Spend   retail.Micros
	Channel catalog.Channel
}

// Limits of a sentence.
const (
	NodesMax = 64    // nodes in one sentence
	DepthMax = 8     // nesting
	DaysMax  = 1_098 // the longest look-back, three years
	TextMax  = 8_192 // bytes of a written sentence
)
