// Package ledger is the port to everything that is scarce: brand money now,
// coupon uses and privacy budget later. It is a double-entry book. The one way
// to write is Commit: a Deed says in data what shall be true, and happens whole
// or not at all.
//
// On the road of a receipt, sell/billing commits a Deed per click, and the
// outbox carries what happened back to the stream.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"endcap/keep/registry"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/media"
)

// Account names a pot of money. Make one with the functions of this package.
type Account string

// The accounts of the house.
const (
	// Outside is where advertisers' payments come from; its balance is minus
	// all that was ever paid in and not paid back.
	Outside Account = "outside"
	// Revenue is what the retailer has earned with adverts.
	Revenue Account = "revenue"
)

// Wallet is an advertiser's prepaid money.
func Wallet(a media.AdvertiserID) Account { return Account("wallet/" + string(a)) }

// Flight is what is set aside for one line item on one flight day.
func Flight(l media.LineItemID, d retail.Day) Account {
	return Account(fmt.Sprintf("line-item/%s/%s", l, d))
}

// Entry adds Amount (which may be negative) to an account. The entries of a
// Deed sum to zero per currency.
type Entry struct {
	Account  Account
	Amount   retail.Micros
	Currency retail.Currency
}

// Limit refuses the Deed when, after its entries, the account's balance in the
// currency would be below Min.
type Limit struct {
	Name     string // how a refusal is named, e.g. "budget_spent"
	Account  Account
	Min      retail.Micros
	Currency retail.Currency
}

// Deed is one thing to do, as data. The store reads every field before it
// writes anything.
type Deed struct {
	// Key is the deed's unique name for ever; committing it again returns the
	// stored answer, or ErrKeyReused when Body differs.
	Key  string
	Body [16]byte // hash of what was asked
	// Rows are new registry versions. Row.Version must be exactly one above the
	// stored version (1 for a new thing), else ErrStale.
	Rows    []registry.Row
	Entries []Entry
	Limits  []Limit
	Facts   []event.Fact // appended to the outbox
	Answer  []byte       // stored, and returned to repeats
	At      time.Time
}

// Limits of one deed.
const (
	KeyMax   = 200
	DeedsMax = 4_096 // deeds in one Commit
)

// Answer is what became of one deed. Exactly one of Done, Repeat, Refused and
// Err says so.
type Answer struct {
	Done    bool
	Repeat  bool   // an earlier commit of the same deed did it; Stored is its answer
	Refused string // the name of the first limit that failed; nothing was done
	Err     error  // ErrKeyReused, ErrStale, ErrUnbalanced or ErrDeed; nothing was done
	Stored  []byte
}

// The ways a deed can be wrong.
var (
	ErrKeyReused  = errors.New("the key was used for something else")
	ErrStale      = errors.New("the registry has moved on")
	ErrUnbalanced = errors.New("entries do not sum to zero")
)

// Balance is one account's balance in one currency.
type Balance struct {
	Account  Account
	Currency retail.Currency
	Amount   retail.Micros
}

// Posting is one booked entry.
type Posting struct {
	Seq   uint64 // order of booking; a deed's entries share their Deed
	Deed  string
	Entry Entry
	At    time.Time
}

// Outgoing is one fact in the outbox.
type Outgoing struct {
	Seq  uint64
	Fact event.Fact
}

// Ledger is the port. All methods are safe for concurrent use.
type Ledger interface {
	// Commit carries out deeds one after the other, each whole or not at all,
	// and returns when what was done is on disk. An error means nothing is
	// known; committing the same deeds again is safe.
	Commit(ctx context.Context, deeds ...Deed) ([]Answer, error)
	// Balances returns every balance of the accounts with a prefix, by account
	// and currency.
	Balances(ctx context.Context, prefix string) ([]Balance, error)
	// Postings returns up to limit entries booked after a position, in order.
	Postings(ctx context.Context, after uint64, limit int) ([]Posting, error)
	// Outbox returns up to limit facts not yet marked as sent, in order.
	Outbox(ctx context.Context, limit int) ([]Outgoing, error)
	// Sent marks facts up to and including seq as sent.
	Sent(ctx context.Context, upto uint64) error
	// Check proves the book: every deed balances, and every balance is the sum
	// of its postings. It returns what is wrong, nil when nothing is.
	Check(ctx context.Context) error
}
