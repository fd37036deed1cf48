// Package vault is the port to who is who: the only store that can name a
// person. It holds shoppers' keys, the evidence that several shoppers are one
// person, their consents, quarantined rows (which may name somebody) and the
// secrets by which others sign and mask.
//
// On the road of a receipt, know/identity asks it whose card that was; no other
// wing sees it.
package vault

import (
	"context"
	"errors"
	"time"

	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// ErrNotFound is returned where there is no such thing.
var ErrNotFound = errors.New("not in the vault")

// ErrTwoShoppers is returned when the keys given together already belong to
// different shoppers. Nothing is changed: merging is a decision of its own.
var ErrTwoShoppers = errors.New("the keys belong to different shoppers")

// Mint draws the id of a shopper never seen before, from a key of hers. An id
// that is taken or forgotten is replaced by a free one; one that turns out not to
// be needed is dropped.
type Mint func(first shopper.Key) shopper.ID

// Vault is the port, in parts. All methods are safe for concurrent use
// and durable when they return.
type Vault interface {
	Identities
	Merges
	Proposals
	Consents
	Wordings
	Proofs
	Quarantine
	Secrets
	Rings
	Partners
	Forgetting
	Requests
	Retention
	Recipients
}

// Identities maps keys to shoppers.
type Identities interface {
	// Resolve returns the shopper of each set of keys. Where none of a set is
	// known it mints one; unknown keys beside a known one are added to that
	// shopper. A set that joins two shoppers gives the zero ID at its place,
	// and so do an empty one and one of whose keys some is suppressed and none
	// is known. A suppressed key is never added to anybody.
	Resolve(ctx context.Context, sets [][]shopper.Key, mint Mint) ([]shopper.ID, error)
	// Lookup is Resolve without minting or adding; zero where unknown.
	Lookup(ctx context.Context, keys []shopper.Key) ([]shopper.ID, error)
	// Keys returns all keys of a shopper.
	Keys(ctx context.Context, who shopper.ID) ([]shopper.Key, error)
	// Ordinals returns a dense number for each shopper, minting new ones from 0
	// upwards; for bitmaps. Nobody and the forgotten get NoOrdinal.
	Ordinals(ctx context.Context, who []shopper.ID) ([]uint32, error)
}

// Consents keeps every consent ever given, append-only.
type Consents interface {
	// Say records consents; what a forgotten shopper says is dropped. The newest
	// At counts; of equal instants the later call.
	Say(ctx context.Context, said []Said) error
	// Allowed returns what each shopper allows now; None where she said nothing.
	Allowed(ctx context.Context, who []shopper.ID) ([]consent.Set, error)
	// Sayings returns all a shopper ever said, oldest first.
	Sayings(ctx context.Context, who shopper.ID) ([]Said, error)
	// Lapsing returns up to limit sayings with a Seq above after, in order, that
	// allow something until an instant which is not after now, and which Lapsed
	// did not pass yet.
	Lapsing(ctx context.Context, now time.Time, after int64, limit int) ([]Said, error)
	// Lapsed says that everything is recorded that lapsed until an instant.
	Lapsed(ctx context.Context, until time.Time) error
}

// Refused is one row that could not be taken in.
type Refused struct {
	ID     uint64 // set by the store
	Kind   event.Kind
	Source string // file or caller
	Line   int64  // in the file, from 1; 0 where it came by API
	Reason string // a stable word, e.g. "conflict"
	Say    string // the whole story: field, what is wrong, how to fix it
	Raw    []byte // the row as it came, or its first RawMax bytes
	Stored []byte // for a conflict: the fact that is stored, as JSON
	At     time.Time
}

// RawMax is how much of a refused row is kept; RefusedDays for how long.
const (
	RawMax      = 64 << 10
	RefusedDays = 30
)

// Quarantine keeps refused rows until they are replayed or too old.
type Quarantine interface {
	// Refuse stores rows. A row with the same Source, Line, Reason and Raw as a
	// stored one is not stored twice.
	Refuse(ctx context.Context, rows []Refused) error
	// Refusals returns up to limit rows with ids above after, in order.
	Refusals(ctx context.Context, after uint64, limit int) ([]Refused, error)
	// Release removes rows that were taken in after all.
	Release(ctx context.Context, ids []uint64) error
	// Expire removes rows older than an instant and says how many.
	Expire(ctx context.Context, before time.Time) (int, error)
}

// Secrets keeps the installation's own keys.
type Secrets interface {
	// Secret returns the named secret, making it from fresh() on first use.
	Secret(ctx context.Context, name string, fresh func() ([]byte, error)) ([]byte, error)
	// Destroy removes the secrets whose names are not below from and below
	// before, leaving no byte of them, and says how many there were.
	Destroy(ctx context.Context, from, before string) (int, error)
}

// Mark is what stays of somebody forgotten: a hash of her id, or of a key
// of hers, under a key that is the vault's own. It names nobody and recognises
// the id, or the key.
type Mark [32]byte

// Forgetting removes a person, and remembers that it did by keyed hashes that
// name nobody: a tombstone recognises her id, a mark a key that was hers.
type Forgetting interface {
	// Forget deletes shoppers' keys, consents and all evidence about who they are
	// or about their keys, in one step. It leaves a tombstone of each id, so that Resolve never gives
	// it again, and a mark of each key, which is suppressed from then on.
	Forget(ctx context.Context, who ...shopper.ID) error
	// Forgotten reports whether a tombstone stands for a shopper.
	Forgotten(ctx context.Context, who shopper.ID) (bool, error)
	// Marks returns every tombstone and every mark of a key, so that they can be kept apart from the
	// vault: a vault restored from a backup has lost those made since.
	Marks(ctx context.Context) ([]Mark, error)
	// MarkChanges grows with every change of them, one that is lifted too.
	MarkChanges(ctx context.Context) (int64, error)
	// Bury sets up tombstones that were kept apart, and returns the shoppers
	// whom this vault knows and who are under one of them: forget each.
	Bury(ctx context.Context, marks []Mark) ([]shopper.ID, error)
	// Gone returns those for whom a tombstone stands; BatchMax at most.
	Gone(ctx context.Context, who []shopper.ID) ([]shopper.ID, error)
	// Suppressed says of each key whether it was a forgotten shopper's and may
	// not come back; BatchMax at most.
	Suppressed(ctx context.Context, keys []shopper.Key) ([]bool, error)
	// Lift ends the suppression of keys, and says of how many: somebody
	// registered anew, of her own will. The tombstones stay.
	Lift(ctx context.Context, keys []shopper.Key) (int, error)
	// Remains counts the rows of the vault that name somebody who is forgotten,
	// by her id or by a suppressed key. It reads them all, and should find none.
	Remains(ctx context.Context) (int, error)
}

// Request is what somebody asked by right of the law. Words and documents are
// know/privacy's.
type Request struct {
	ID       string
	Kind     string
	State    string
	Received time.Time
	Due      time.Time // the day by which it must be answered
	Extended time.Time // when she was told that Due was put off; zero if it was not
	Closed   time.Time // zero while it is open
	Reason   string    // of an extension or a refusal
	Shopper  shopper.ID
	Doc      []byte // at most DocMax bytes
}

// DocMax bounds a request's and a sweep's document.
const DocMax = 64 << 10

// Sweep is the record of one nightly erasure.
type Sweep struct {
	At  time.Time
	Doc []byte
}

// Requests keeps what people asked and the records of erasures.
type Requests interface {
	// PutRequest stores a request in the place of the one with its ID.
	PutRequest(ctx context.Context, r Request) error
	// Request returns one, ErrNotFound where there is none.
	Request(ctx context.Context, id string) (Request, error)
	// Requests returns up to limit requests in the order of their ids, after
	// one; those that are open alone, or all.
	Requests(ctx context.Context, open bool, after string, limit int) ([]Request, error)
	// PutSweep stores a record.
	PutSweep(ctx context.Context, s Sweep) error
	// Sweeps returns up to limit records, the newest first.
	Sweeps(ctx context.Context, limit int) ([]Sweep, error)
}
