package event

import (
	"time"

	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/trial"
)

// Receipt is a till receipt or online order that came in.
type Receipt struct{ basket.Receipt }

// Product, Store, Price and Stock are rows of what the retailer sells and where.
type (
	Product struct{ catalog.Product }
	Store   struct{ catalog.Store }
	Price   struct{ catalog.Price }
	Stock   struct{ catalog.Stock }
)

// Promotions is what one store promoted in one week.
type Promotions struct{ catalog.Promotions }

// Consent is what a shopper agreed to from At on; it replaces what she said
// before. Wording names the text she was shown.
type Consent struct {
	Allowed consent.Set
	Wording string
}

// Refusal says why something did not win. Words cross the wire and never change.
type Refusal string

// RefusalCount is how often one reason came up.
type RefusalCount struct {
	Reason Refusal
	Count  uint32
}

// Win is a line item that won a slot, or would have (a ghost) but for the
// shopper being in its campaign's control group.
type Win struct {
	Placement  media.PlacementID
	Slot       uint8 // of Placement, unlike a Touch's
	Advertiser media.AdvertiserID
	Campaign   media.CampaignID
	LineItem   media.LineItemID
	Product    catalog.ProductID
	Price      retail.Micros
	Currency   retail.Currency
	Arm        trial.Arm
}

// Decided is one answer to one visit. Record is what sell/decide needs to run
// the same computation again, at most RecordMax bytes; nobody else reads it.
// Basis is from what the chances of those shown were worked out, as whoever
// worked them out wrote it, at most BasisMax bytes; empty where nobody learns from
// the visit. It is not sealed: what it teaches is learned while the stream has it.
type Decided struct {
	Decision media.DecisionID
	Channel  catalog.Channel
	Store    catalog.StoreID
	Wins     []Win // shown and ghost wins, in order
	Refusals []RefusalCount
	Record   []byte
	Basis    []byte
}

// RecordMax bounds a decision's record, and BasisMax its basis.
const (
	RecordMax = 4_096
	BasisMax  = 4_096
)

// Touch is what a token said when it came back.
type Touch struct {
	Decision   media.DecisionID
	Slot       uint8 // position in the whole answer, as the token's
	Advertiser media.AdvertiserID
	Campaign   media.CampaignID
	LineItem   media.LineItemID
	Placement  media.PlacementID
	Product    catalog.ProductID
	Charge     media.Charge
	Price      retail.Micros
	Currency   retail.Currency
	Arm        trial.Arm
	Day        retail.Day // the flight day it is charged to
	Issued     time.Time
}

// TouchOf is what t says, without the shopper.
func TouchOf(t *media.Token) Touch {
	return Touch{
		t.Decision, t.Slot, t.Advertiser, t.Campaign, t.LineItem, t.Placement, t.Product,
		t.Charge, t.Price, t.Currency, t.Arm, t.Day, t.Issued,
	}
}

// Shown, Clicked and Basketed are what a shopper did with a sponsored product.
// Bot is set where the request itself told that no person made it.
type (
	Shown   struct{ Touch }
	Clicked struct {
		Touch
		Bot bool
	}
	Basketed struct{ Touch }
)

// Purchased names the receipt of an online order; it carries no money.
type Purchased struct {
	Touch
	Receipt basket.ReceiptID
}

// Billed is the answer to one click: what was charged, or nothing with the
// reason. From the ledger's outbox.
type Billed struct {
	Click      string // the Clicked fact's id
	Decision   media.DecisionID
	Slot       uint8
	Advertiser media.AdvertiserID
	Campaign   media.CampaignID
	LineItem   media.LineItemID
	Charge     media.Charge
	Amount     retail.Micros
	Currency   retail.Currency
	Day        retail.Day // the flight day charged
	Reason     Refusal    // empty where Amount was charged
}

// TermsChanged is one new version of something people set up, as JSON.
type TermsChanged struct {
	Of      string // a keep/registry kind such as "campaign"
	ID      string
	Version uint64
	Doc     []byte
	Removed bool
	By      string // the principal's name
}

// DayTurned says that the business day Day begins.
type DayTurned struct{ Day retail.Day }

// Tally counts one line item's refusals for one reason.
type Tally struct {
	LineItem media.LineItemID
	Reason   Refusal
	Count    uint32
}

// Tallied holds the refusals counted since the node's last Tallied.
type Tallied struct{ Tallies []Tally }

// Forgotten asks every fold to drop what it knows of the fact's Shopper.
type Forgotten struct{}

// Moved says that the fact's Shopper no longer has the receipt of the fact's ID as
// she had it, At and Day: the receipt's version that is the fact's Version names
// another shopper, nobody, or an earlier day. A receipt lies among its shopper's
// facts, so her folds see a correction only if it is hers, and history keeps only
// the newest; this tells the folds of whom, and from which day, it was taken.
type Moved struct{}

// Clustered says that the fact's Shopper is one person with others, who is known
// as Canonical from now on; where that is she herself, that she is no other's any
// more. Of several the one with the highest Version counts. It is evidence of
// nothing: the vault knows why.
type Clustered struct{ Canonical shopper.ID }

// Kind is KindReceipt.
func (Receipt) Kind() Kind { return KindReceipt }

// Kind is KindProduct.
func (Product) Kind() Kind { return KindProduct }

// Kind is KindStore.
func (Store) Kind() Kind { return KindStore }

// Kind is KindPrice.
func (Price) Kind() Kind { return KindPrice }

// Kind is KindStock.
func (Stock) Kind() Kind { return KindStock }

// Kind is KindPromotions.
func (Promotions) Kind() Kind { return KindPromotions }

// Kind is KindConsent.
func (Consent) Kind() Kind { return KindConsent }

// Kind is KindDecided.
func (Decided) Kind() Kind { return KindDecided }

// Kind is KindShown.
func (Shown) Kind() Kind { return KindShown }

// Kind is KindClicked.
func (Clicked) Kind() Kind { return KindClicked }

// Kind is KindBasketed.
func (Basketed) Kind() Kind { return KindBasketed }

// Kind is KindPurchased.
func (Purchased) Kind() Kind { return KindPurchased }

// Kind is KindBilled.
func (Billed) Kind() Kind { return KindBilled }

// Kind is KindTermsChanged.
func (TermsChanged) Kind() Kind { return KindTermsChanged }

// Kind is KindDayTurned.
func (DayTurned) Kind() Kind { return KindDayTurned }

// Kind is KindTallied.
func (Tallied) Kind() Kind { return KindTallied }

// Kind is KindForgotten.
func (Forgotten) Kind() Kind { return KindForgotten }

// Kind is KindMoved.
func (Moved) Kind() Kind { return KindMoved }

// Kind is KindClustered.
func (Clustered) Kind() Kind { return KindClustered }
