// Package privacy answers what people may ask by right of the law: what is known
// of them, to take it along, to be forgotten, to be left in peace, to have it put
// right. It keeps the deadlines, builds the file of an access request, sweeps
// what forgotten shoppers left in files, signs what was erased, and proves that
// nothing of them is left.
//
// On the road of a receipt it walks behind everybody: each night it goes through
// the stores to which the receipt has come, for those who asked to be forgotten.
package privacy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"endcap/keep/vault"
	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/shopper"
)

// People is what must be known of know/identity.
type People interface {
	// Known says of each set of keys whether all of them belong to one shopper.
	Known(ctx context.Context, sets [][]shopper.Key) ([]bool, error)
	// Find returns the shopper to whom keys belong.
	Find(ctx context.Context, keys []shopper.Key) (shopper.ID, error)
	// Members gives all shoppers who are one person with who, she among them.
	Members(ctx context.Context, who shopper.ID) ([]shopper.ID, error)
	// Canonical is as whom she is known.
	Canonical(who shopper.ID) shopper.ID
	// Newest returns, by shopper, the newest thing she said.
	Newest(ctx context.Context, who []shopper.ID) (map[shopper.ID]vault.Said, error)
	// Household gives, of each other person of hers, the kinds of key they share.
	Household(ctx context.Context, who shopper.ID) ([][]shopper.KeyKind, error)
}

// Profiles is what must be known of a store of profiles.
type Profiles interface {
	Forget(ctx context.Context, who shopper.ID) error
	Compact(ctx context.Context) error
	// Shoppers calls each with everybody of whom the store keeps anything.
	Shoppers(ctx context.Context, each func(who shopper.ID) error) error
}

// Models is what must be known of models that keep something of single shoppers.
type Models interface {
	// Shoppers calls each with everybody of whom a version that is kept keeps anything.
	Shoppers(ctx context.Context, each func(place string, who []shopper.ID) error) error
	// Erase writes every version anew that keeps something of some shoppers, without
	// them, and says how many those were.
	Erase(ctx context.Context, who []shopper.ID) (versions int, err error)
}

// Batches are the files of proposals that the house keeps, which name shoppers by
// their keys.
type Batches interface {
	// Keys calls each with all keys that they name.
	Keys(ctx context.Context, each func([]shopper.Key) error) error
	// Strike takes every row of some keys out, and says how many rows.
	Strike(ctx context.Context, keys []shopper.Key) (int, error)
}

// Acts are what the house does about a shopper at once.
type Acts struct {
	// Forget takes people, under all the ids they are known by, out of all live use.
	Forget func(ctx context.Context, who ...shopper.ID) error
	// Object records that she allows nothing.
	Object func(ctx context.Context, who shopper.ID, at time.Time) error
}

// Ports is what an Office works with.
type Ports struct {
	Vault    vault.Vault
	People   People
	History  warehouse.Warehouse
	Profiles Profiles
	Models   Models
	Batches  Batches // nil for a house that keeps none
	Acts     Acts
	Clock    retail.Clock
	Chance   io.Reader // of requests' ids and of the key that signs; never fails
}

// Config says what a house promises.
type Config struct {
	Retailer   string // who signs
	StreamDays int    // how long the stream keeps facts after they were sealed
	BackupDays int    // how long a backup can be read after it was made
	// Rules are the terms by which members, adverts and requests go. Retention
	// says them in words, with those of every other kind of data.
	Rules     Retention
	Retention []Kept
	Zone      *time.Location // in which days are counted
	// Alone is held by a sweep while it writes sealed files anew; may be nil.
	Alone sync.Locker
	// Derived gives what was worked out of a shopper.
	Derived func(ctx context.Context, who shopper.ID) (Derived, error)
}

// Kept says how long one kind of data is kept.
type Kept struct {
	What   string `json:"what"`
	Long   string `json:"long"`
	Source string `json:"source"` // on whose word
}

// ErrConfig is returned by New.
var ErrConfig = errors.New("the privacy office cannot run like this")

// Office answers requests. Make one with New; it is safe for concurrent use.
type Office struct {
	Ports
	cfg Config
}

// New makes an Office, and in the vault the key with which it signs, should
// there be none.
func New(ctx context.Context, p Ports, cfg Config) (*Office, error) {
	switch {
	case p.Vault == nil || p.People == nil || p.History == nil || p.Profiles == nil || p.Models == nil || p.Acts.Forget == nil || p.Acts.Object == nil || p.Clock == nil || p.Chance == nil:
		return nil, fmt.Errorf("%w: a port is missing", ErrConfig)
	case cfg.Rules.Check() != nil:
		return nil, fmt.Errorf("%w: retention: %w", ErrConfig, cfg.Rules.Check())
	case cfg.StreamDays < 1 || cfg.BackupDays < 1 || cfg.Derived == nil || cfg.Zone == nil:
		return nil, fmt.Errorf("%w: the stream keeps %d days, backups %d", ErrConfig, cfg.StreamDays, cfg.BackupDays)
	}
	if err := Publish(ctx, p.Vault, p.Chance); err != nil {
		return nil, err
	}
	return &Office{Ports: p, cfg: cfg}, nil
}

// Publish notes a new key that signs certificates: see Publish of this package.
func (o *Office) Publish(ctx context.Context) error { return Publish(ctx, o.Vault, o.Chance) }

// PublicKeys are the keys by which certificates are checked, the newest first.
func (o *Office) PublicKeys(ctx context.Context) ([]PublicKey, error) {
	return PublicKeys(ctx, o.Vault)
}
