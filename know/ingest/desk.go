// Package ingest is the only way in for facts. It checks what came in, tells a
// repeat from a correction from a contradiction, names the shopper, stamps what
// she allowed, and appends to the stream; what cannot be taken in lies in
// quarantine with its reason, its place and its bytes, until it is replayed.
// It also carries what the house itself decides and books: the decision
// records, the ledger's outbox, the turn of each business day.
//
// Every method takes a batch and answers each item; a bad item hinders no
// other. An item that was answered as taken in is on disk. An error means that
// nothing is known of the batch, and sending it again is safe.
//
// On the road of a receipt this is where the road begins: from the gate, past
// know/identity, into keep/stream.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"endcap/keep/stream"
	"endcap/keep/vault"
	"endcap/know/identity"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent/policy"
	"endcap/retail/event"
)

// Log is what ingest needs of keep/stream.
type Log interface {
	Append(ctx context.Context, facts []event.Packed) ([]stream.Appended, error)
	// Newest says what Append would meet under each key.
	Newest(ctx context.Context, keys [][16]byte) ([]stream.Appended, error)
	// Fetch gives the entry at a place that Append or Newest named.
	Fetch(ctx context.Context, partition int, at event.Cursor) (stream.Entry, error)
}

// Assortment says what is known to be sold, and where.
type Assortment interface {
	// Known reports whether the catalogue has the product.
	Known(product catalog.ProductID) bool
	// Listed reports whether the store list has the store, other than by
	// receipts alone, and gives its zone; nil means the house's.
	Listed(store catalog.StoreID) (zone *time.Location, ok bool)
	// Standing is the row that stands under the key of a Product, Store, Price
	// or Stock: its body, At, and Source where it was derived. It holds at least
	// what the stream has trimmed.
	Standing(of event.Body) (stands event.Fact, ok bool)
}

// Ports is what a Desk works with.
type Ports struct {
	Log        Log
	People     *identity.Identity
	Quarantine vault.Quarantine
	Assortment Assortment
	Past       Past
	Clock      retail.Clock // the installation's one clock
}

// Config says what a Desk takes in.
type Config struct {
	Zone     *time.Location  // the retailer's zone, in which days are counted
	Currency retail.Currency // of amounts that come without one
	// RetentionDays is how old a receipt, a price or a consent may be.
	RetentionDays int
	// AheadMax is how far ahead of the clock a till's or a file's time may be.
	AheadMax time.Duration
	// TouchAheadMax and TouchBehindMax bound the time of an impression, click,
	// basket or purchase event against the clock.
	TouchAheadMax, TouchBehindMax time.Duration
	// LineAmountMax bounds each amount of a line either way.
	LineAmountMax retail.Micros
	// Policy says what is made of consents.
	Policy policy.Policy
}

// Defaults takes in ten years, an hour ahead for tills, and for touches two
// minutes ahead and a day behind. A line may be worth a hundred million units,
// which leaves room for currencies with small units.
func Defaults(zone *time.Location, currency retail.Currency) Config {
	return Config{
		Zone: zone, Currency: currency,
		RetentionDays: 3_653, AheadMax: time.Hour,
		TouchAheadMax: 2 * time.Minute, TouchBehindMax: 24 * time.Hour,
		LineAmountMax: 100_000_000 * retail.Unit,
		Policy:        policy.Defaults(),
	}
}

// ErrConfig is returned by Check.
var ErrConfig = errors.New("ingest cannot run like this")

// Check returns ErrConfig for bounds that cannot hold.
func (c Config) Check() error {
	switch {
	case c.Zone == nil:
		return fmt.Errorf("%w: no zone", ErrConfig)
	case c.Currency.Check() != nil:
		return fmt.Errorf("%w: unknown currency %.8q", ErrConfig, string(c.Currency))
	case c.RetentionDays < 1:
		return fmt.Errorf("%w: a retention of %d days", ErrConfig, c.RetentionDays)
	case c.AheadMax < 0 || c.TouchAheadMax < 0 || c.TouchBehindMax < 0:
		return fmt.Errorf("%w: a negative skew", ErrConfig)
	case c.LineAmountMax <= 0 || c.LineAmountMax > retail.MicrosMax:
		return fmt.Errorf("%w: line amounts up to %v", ErrConfig, c.LineAmountMax)
	}
	if err := c.Policy.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

// BatchMax is the most items one call may bring.
const BatchMax = 20_000

// Desk takes facts in. Make one with NewDesk; it is safe for concurrent use.
type Desk struct {
	Ports
	cfg        Config
	derived    *onceSet     // stores already derived from receipts
	correcting sync.RWMutex // held by a batch of corrections alone, by other receipts together
	telling    sync.Mutex   // held by one Tell
	forgetting sync.RWMutex // held by Forget alone, by others from naming a shopper until her facts are appended
}

// NewDesk makes a Desk.
func NewDesk(p Ports, cfg Config) (*Desk, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if p.Log == nil || p.People == nil || p.Quarantine == nil || p.Assortment == nil || p.Past == nil || p.Clock == nil {
		return nil, fmt.Errorf("%w: a port is missing", ErrConfig)
	}
	return &Desk{Ports: p, cfg: cfg, derived: newOnceSet()}, nil
}

// From says where a batch came from.
type From struct {
	// Door is stamped on facts: "api", "file" or another short word.
	Door string
	// Name is the file or the caller, kept with refused rows.
	Name string
	// Fields is what the door calls a field that a Fault of the desk names
	// otherwise; may be nil.
	Fields map[string]string
}

// stamp is what every fact of one batch shares.
type stamp struct {
	door string
	now  time.Time
}

// checkBatch refuses a batch that is too long.
func checkBatch(n int) error {
	if n > BatchMax {
		return &retail.Error{
			Kind: retail.TooLarge, Say: fmt.Sprintf("%d items in one batch", n), Cure: fmt.Sprintf("send at most %d at a time", BatchMax),
		}
	}
	return nil
}

// micro cuts t to the microsecond, in UTC, as facts keep it.
func micro(t time.Time) time.Time { return t.Truncate(time.Microsecond).UTC() }
