// Package event holds every fact that Endcap keeps: what came in from a till, a
// shop or a file, and what Endcap itself did. A fact is written once and never
// changed; everything else can be folded from facts again.
//
// Each kind of body has a numbered version. Old versions are read for ever and
// only the newest is written; testdata holds a golden file of each.
//
// Facts are the road of a receipt: appended by know/ingest, kept in keep/stream,
// folded by the wings, sealed by know/history.
package event

import (
	"errors"
	"fmt"
	"time"

	"endcap/retail"
	"endcap/retail/consent"
	"endcap/retail/shopper"
)

// Kind is what a fact is about. Numbers are stored and never reused.
type Kind uint8

// The kinds of fact.
const (
	KindReceipt      Kind = 1  // a receipt, or a correction of one
	KindProduct      Kind = 2  // a row of the catalogue
	KindStore        Kind = 3  // a row of the store list
	KindPrice        Kind = 4  // a price from now on
	KindStock        Kind = 5  // a count of stock
	KindConsent      Kind = 6  // what a shopper agreed to
	KindDecided      Kind = 7  // one answer to one visit
	KindShown        Kind = 8  // a sponsored product was seen
	KindClicked      Kind = 9  // … clicked
	KindBasketed     Kind = 10 // … put into the basket
	KindPurchased    Kind = 11 // … named with a receipt
	KindBilled       Kind = 12 // what a click cost; from the ledger's outbox
	KindTermsChanged Kind = 13 // people set something up; from the ledger's outbox
	KindDayTurned    Kind = 14 // a business day begins
	KindTallied      Kind = 15 // how often line items were refused, and why
	KindForgotten    Kind = 16 // a shopper is to be forgotten
	KindMoved        Kind = 17 // a correction took a receipt from a shopper or a day
	KindPromotions   Kind = 18 // what a store promoted in a week
	KindClustered    Kind = 19 // as whom a shopper is known after merges
	kindCount        Kind = 20
)

var kindNames = [kindCount]string{
	1: "receipt", 2: "product", 3: "store", 4: "price", 5: "stock", 6: "consent", 7: "decided", 8: "shown",
	9: "clicked", 10: "basketed", 11: "purchased", 12: "billed", 13: "terms_changed", 14: "day_turned",
	15: "tallied", 16: "forgotten", 17: "moved", 18: "promotions", 19: "clustered",
}

// String gives the kind's name, e.g. "receipt".
func (k Kind) String() string {
	if k == 0 || k >= kindCount {
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// Kinds lists every kind in order.
func Kinds() []Kind {
	var all []Kind
	for k := KindReceipt; k < kindCount; k++ {
		all = append(all, k)
	}
	return all
}

// RememberDays is how long the ids of facts that are not kept for ever are
// remembered at least, so that a repeat within it is known as one.
const RememberDays = 35

// Lasting reports whether ids and content sums of this kind are remembered as
// long as the row is kept (receipts, set-up rows, consents) rather than for
// RememberDays.
func (k Kind) Lasting() bool {
	switch k {
	case KindReceipt, KindProduct, KindStore, KindPrice, KindStock, KindConsent,
		KindBilled, KindTermsChanged, KindDayTurned, KindForgotten, KindMoved, KindPromotions:
		return true
	default:
		return false
	}
}

// dated reports whether the source said when a fact of this kind happened.
// Promotions name their week; their At and Day only say where they are filed, so
// that what is planned ahead need not wait for its week to be sealed.
func (k Kind) dated() bool { return k != KindPromotions }

// Fact is one thing that came in or happened.
type Fact struct {
	ID      string      // the source's id, unique within the body's Kind; at most IDMax bytes
	Version uint32      // a correction carries a higher one; 0 for the first
	At      time.Time   // when it happened, to the microsecond
	Arrived time.Time   // when Endcap took it in, to the microsecond
	Day     retail.Day  // the business day it is filed under: that of At
	Shopper shopper.ID  // whom it is about; zero for nobody known
	Consent consent.Set // what she allowed when it arrived: evidence, not permission
	Source  string      // where it came from, e.g. "api" or "file"
	Body    Body
}

// Kind is the kind of f's body.
func (f *Fact) Kind() Kind { return f.Body.Kind() }

// SourceIDMax is the longest id, in bytes, that a source may give a receipt, an
// event or a consent; IDMax leaves room beside it.
const SourceIDMax = 128

// IDMax is the longest fact id, in bytes; FactMax the largest encoded fact.
const (
	IDMax   = 200
	FactMax = 4 << 20
)

// ErrFact is returned for bytes that are not a fact this program can read.
var ErrFact = errors.New("not a fact")

// Cursor is a place in one partition of a stream: opaque bytes, ordered as the
// facts are. The empty Cursor is before the first fact.
type Cursor string

// Body is what a fact says. Every type of this package named in body.go is one.
type Body interface {
	Kind() Kind
	// version is the newest version of this kind's encoding; encode writes it.
	version() uint8
	encode(*writer)
}
