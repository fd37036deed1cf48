// Package registry is the port to what people set up: advertisers, campaigns,
// line items, audiences, placements, API keys. Every version is kept with who
// made it and when. Rows are written only by keep/ledger's Commit, in the same
// transaction as the money they move.
//
// On the road of a receipt, sell/campaign and know/audience hold a snapshot of
// the registry and follow its changes.
package registry

import (
	"context"
	"errors"
	"time"
)

// Kind sorts rows.
type Kind string

// The kinds of row.
const (
	Advertiser Kind = "advertiser"
	Campaign   Kind = "campaign"
	LineItem   Kind = "line_item"
	Audience   Kind = "audience"
	Placement  Kind = "placement"
	Key        Kind = "key"  // an API key's hash, scopes and principal
	Rule       Kind = "rule" // a merchandising rule of the retailer's
)

// Row is one version of one thing. Doc is JSON, opaque to the store.
type Row struct {
	Kind    Kind
	ID      string
	Version uint64 // 1 for the first
	Doc     []byte
	Removed bool // the thing is gone since this version
	By      string
	At      time.Time
	Seq     uint64 // position among all changes of the registry; set by the store
}

// DocMax is the largest document, in bytes; PageMax the longest page.
const (
	DocMax  = 1 << 20
	PageMax = 1_000
)

// ErrNotFound is returned where nothing has that kind and id, or it was removed.
var ErrNotFound = errors.New("no such row in the registry")

// Registry is the port. All methods are safe for concurrent use.
type Registry interface {
	// Get returns the newest version; ErrNotFound when absent or removed.
	Get(ctx context.Context, kind Kind, id string) (Row, error)
	// List returns up to limit newest versions of one kind that are not
	// removed, by id, after the given id.
	List(ctx context.Context, kind Kind, after string, limit int) ([]Row, error)
	// Versions returns every version of one thing, oldest first.
	Versions(ctx context.Context, kind Kind, id string) ([]Row, error)
	// Changes returns up to limit rows with Seq above since, in order of Seq.
	Changes(ctx context.Context, since uint64, limit int) ([]Row, error)
	// Lease gives the named job to holder until now+ttl and returns a fencing
	// number that grows with every new holder; ok is false while another
	// holder's lease lives. A holder may renew its own.
	Lease(ctx context.Context, want Lease) (fence uint64, ok bool, err error)
}

// Lease asks for a named job.
type Lease struct {
	Name   string
	Holder string
	Now    time.Time
	TTL    time.Duration
}
