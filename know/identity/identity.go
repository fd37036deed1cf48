// Package identity turns the keys of a shopper (card, account, hashed e-mail,
// device) into the one ID under which facts know her, and knows what she
// allows. The vault holds the truth; this package asks it in batches and keeps
// bounded, short-lived copies, so that a load of a year's receipts asks it once
// per card and a decision not at all. Keys and IDs never reach a log or an
// error here.
//
// On the road of a receipt, know/ingest asks Name whose card it was, and
// Follower writes what she allows into her profile, where every use asks.
package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"endcap/keep/vault"
	"endcap/know/identity/graph"
	"endcap/retail"
	"endcap/retail/consent"
	"endcap/retail/shopper"
)

// People is what this package needs of keep/vault.
type People interface {
	vault.Identities
	vault.Consents
	vault.Forgetting
}

// Config bounds the copies an Identity keeps.
type Config struct {
	// Clock tells how old a copy is. It is the wall clock even where a
	// demonstration replays past weeks: a copy must not live for ever because
	// the replay stands still.
	Clock retail.Clock
	// KeysMax and ShoppersMax are how many keys and shoppers are remembered.
	KeysMax, ShoppersMax int
	// MergedMax is how many shoppers may be merged with others: all are kept at
	// hand, at about 100 bytes each.
	MergedMax int
	// ProfilesMax is how many bytes of merged profiles are kept at hand.
	ProfilesMax int
	// Rules say what evidence is enough to merge. After a change of theirs,
	// Settle works out anew who is who.
	Rules graph.Rules
	// Life is how long an answer of Find, Allowed and Gone may be a copy.
	Life time.Duration
	// MonthsMax is how old a yes may be anywhere; 0 does not look.
	MonthsMax int
}

// LifeMax is the longest Life: a withdrawal counts within 60 seconds, of which
// half is left to the other steps on the way.
const LifeMax = 30 * time.Second

// holdLocks is of how many shoppers what they allow can be remembered at once.
const holdLocks = 64

// askMax is how many shoppers the vault is asked to name at once.
const askMax = 1_024

// SetMax is the most keys one shopper may be named by at once.
const SetMax = 16

// Defaults remembers half a million keys (about 60 MB when full) for at most
// LifeMax.
func Defaults(clock retail.Clock) Config {
	return Config{Clock: clock, KeysMax: 500_000, ShoppersMax: 500_000, MergedMax: 10_000_000, ProfilesMax: 64 << 20, Rules: graph.Defaults(), Life: LifeMax}
}

// ErrConfig is returned by Check.
var ErrConfig = errors.New("identity cannot run like this")

// Check returns ErrConfig for bounds that cannot hold.
func (c Config) Check() error {
	switch {
	case c.Clock == nil:
		return fmt.Errorf("%w: no clock", ErrConfig)
	case c.KeysMax < 1 || c.ShoppersMax < 1 || c.MergedMax < 0 || c.ProfilesMax < 0:
		return fmt.Errorf("%w: room for %d keys, %d shoppers, %d merged ones and %d bytes of profiles", ErrConfig, c.KeysMax, c.ShoppersMax, c.MergedMax, c.ProfilesMax)
	case c.Rules.Check() != nil:
		return fmt.Errorf("%w: %w", ErrConfig, c.Rules.Check())
	case c.Life < 0 || c.Life > LifeMax:
		return fmt.Errorf("%w: a life of %v, at most %v", ErrConfig, c.Life, LifeMax)
	}
	for kind, l := range c.Rules.Keys {
		if l.Shoppers >= followedMax {
			return fmt.Errorf("%w: %s shared by %d shoppers, below %d", ErrConfig, kind, l.Shoppers, followedMax)
		}
	}
	return nil
}

// Identity names shoppers. Make one with New; it is safe for concurrent use.
type Identity struct {
	vault vault.Vault
	mint  vault.Mint
	cfg   Config
	ids   *cache[shopper.Key, shopper.ID] // the zero ID where the vault knew none
	says  *cache[shopper.ID, consent.Set] // by canonical shopper
	gone  *cache[shopper.ID, bool]

	held    *cache[shopper.ID, consent.Set] // what those allow who spoke lately, by canonical shopper
	holding [holdLocks]sync.Mutex

	clusters clusters
	recent   *recent    // profiles of people who are several shoppers
	merging  sync.Mutex // held by one change of who is one person
}

// New makes an Identity over a vault, which knows of merges once it was loaded.
// mint draws the ids of new shoppers:
// Random, or Seeded for a demonstration.
func New(v vault.Vault, mint vault.Mint, cfg Config) (*Identity, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	return &Identity{
		vault: v, mint: mint, cfg: cfg,
		ids:  newCache[shopper.Key, shopper.ID](cfg.KeysMax),
		says: newCache[shopper.ID, consent.Set](cfg.ShoppersMax),
		gone: newCache[shopper.ID, bool](cfg.ShoppersMax),
		held: newCache[shopper.ID, consent.Set](cfg.ShoppersMax),

		clusters: clusters{most: cfg.MergedMax, of: make(map[shopper.ID]*cluster)},
		recent:   newRecent(cfg.ProfilesMax),
	}, nil
}

// Name returns the shopper of each set of keys and mints one where none is
// known. An empty set is nobody and gives the zero ID; so does a set that joins
// two people, of which nothing is changed in the vault. Keys of several shoppers
// who are one person name the one as whom she is known. Keys of known
// shoppers cost one look-up in memory: a key leaves its shopper only by
// Forget, which drops the copy.
func (i *Identity) Name(ctx context.Context, sets [][]shopper.Key) ([]shopper.ID, error) {
	out := make([]shopper.ID, len(sets))
	var ask []int // places in sets that the copies cannot answer
	for n, set := range sets {
		if len(set) == 0 {
			continue
		}
		who, ok := i.remembered(set)
		if !ok {
			ask = append(ask, n)
		}
		out[n] = who
	}
	if len(ask) == 0 {
		return out, nil
	}
	return out, i.resolve(ctx, sets, ask, out)
}

// remembered is the shopper to whom every key of set is known to belong.
func (i *Identity) remembered(set []shopper.Key) (shopper.ID, bool) {
	var who shopper.ID
	for n, key := range set {
		id, ok := i.ids.get(key, time.Time{})
		if !ok || !id.Known() {
			return shopper.ID{}, false
		}
		if n == 0 {
			who = id
		} else if who, ok = i.same(who, id); !ok {
			return shopper.ID{}, false
		}
	}
	return who, true
}

// same is as whom two shoppers are known who are one person.
func (i *Identity) same(a, b shopper.ID) (shopper.ID, bool) {
	if a == b {
		return a, true
	}
	one := i.clusters.get(a)
	if one == nil || one != i.clusters.get(b) {
		return shopper.ID{}, false
	}
	return one.canonical, true
}

// resolve asks the vault for the sets at the places in ask, each different
// single key once.
func (i *Identity) resolve(ctx context.Context, sets [][]shopper.Key, ask []int, out []shopper.ID) error {
	places := make([]int, len(ask)) // for ask[n], where its answer will be
	var distinct [][]shopper.Key
	var marks []uint64
	single := make(map[shopper.Key]int)
	for n, at := range ask {
		set := sets[at]
		if len(set) == 1 {
			if p, ok := single[set[0]]; ok {
				places[n] = p
				continue
			}
			single[set[0]] = len(distinct)
		}
		places[n] = len(distinct)
		distinct = append(distinct, set)
		for _, key := range set {
			marks = append(marks, i.ids.mark(key))
		}
	}
	now := i.cfg.Clock()
	ids := make([]shopper.ID, 0, len(distinct))
	for some := range slices.Chunk(distinct, askMax) {
		got, err := i.vault.Resolve(ctx, some, i.mint)
		if err != nil {
			return fmt.Errorf("name %d shoppers: %w", len(some), err)
		}
		ids = append(ids, got...)
	}
	if len(ids) != len(distinct) {
		return fmt.Errorf("name %d shoppers: the vault answered %d", len(distinct), len(ids))
	}
	for n, set := range distinct {
		for _, key := range set {
			if ids[n].Known() {
				i.ids.put(own(key), ids[n], now, marks[0])
			}
			marks = marks[1:]
		}
	}
	for n, at := range ask {
		if out[at] = ids[places[n]]; out[at].Known() {
			continue
		}
		var err error
		if out[at], err = i.Find(ctx, sets[at]); err != nil { // several shoppers may be one person
			return err
		}
	}
	return nil
}

// Find returns the shopper to whom the keys of one visit belong, and mints
// none: the zero ID when no key is known, or when they name two people, for then
// it cannot be said who visits. An answer may be a copy as old as
// Config.Life.
func (i *Identity) Find(ctx context.Context, keys []shopper.Key) (shopper.ID, error) {
	if len(keys) > SetMax {
		return shopper.ID{}, &retail.Error{
			Kind: retail.TooLarge, Field: "keys", Say: fmt.Sprintf("a shopper is named by at most %d keys at once", SetMax),
		}
	}
	ids, err := i.lookup(ctx, keys)
	if err != nil {
		return shopper.ID{}, err
	}
	var who shopper.ID
	for _, id := range ids {
		switch {
		case !id.Known():
		case !who.Known():
			who = id
		default:
			var ok bool
			if who, ok = i.same(who, id); !ok {
				return shopper.ID{}, nil
			}
		}
	}
	return who, nil
}

// Known says of each set of keys whether all of them belong to one person
// already, so that naming them would change nothing.
func (i *Identity) Known(ctx context.Context, sets [][]shopper.Key) ([]bool, error) {
	var keys []shopper.Key
	for _, set := range sets {
		keys = append(keys, set...)
	}
	ids, err := i.lookup(ctx, keys)
	if err != nil {
		return nil, err
	}
	out := make([]bool, len(sets))
	for n, set := range sets {
		mine := ids[:len(set)]
		ids = ids[len(set):]
		out[n] = len(mine) > 0
		for _, id := range mine {
			if out[n] = out[n] && id.Known(); out[n] {
				_, out[n] = i.same(mine[0], id)
			}
		}
	}
	return out, nil
}

// lookup gives the shopper of each key, zero where unknown.
func (i *Identity) lookup(ctx context.Context, keys []shopper.Key) ([]shopper.ID, error) {
	now := i.cfg.Clock()
	out := make([]shopper.ID, len(keys))
	var ask []shopper.Key
	var places []int
	var marks []uint64
	for n, key := range keys {
		id, ok := i.ids.get(key, now.Add(-i.cfg.Life))
		if ok {
			out[n] = id
			continue
		}
		ask, places, marks = append(ask, key), append(places, n), append(marks, i.ids.mark(key))
	}
	if len(ask) == 0 {
		return out, nil
	}
	ids, err := i.vault.Lookup(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("look up %d keys: %w", len(ask), err)
	}
	if len(ids) != len(ask) {
		return nil, fmt.Errorf("look up %d keys: the vault answered %d", len(ask), len(ids))
	}
	for n, key := range ask {
		out[places[n]] = ids[n]
		i.ids.put(own(key), ids[n], now, marks[n])
	}
	return out, nil
}

// own is key in memory of its own: a decoder's keys may be parts of a large
// buffer, which a copy kept here would keep too.
func own(key shopper.Key) shopper.Key {
	if k, err := shopper.ParseKey(key.Kind(), strings.Clone(key.Reveal())); err == nil {
		return k
	}
	return key
}
