// Package access knows who calls: principals, their API keys and what each may
// do. A key is shown once when it is made; the registry holds only its hash.
// An advertiser's key sees that advertiser's own things, and for everything
// else gets the same answer as for things that do not exist.
//
// On the road of a receipt, every door asks here before it opens.
package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/retail"
	"endcap/retail/media"
)

// Scope is one thing a key may do. Words are stored and cross the wire.
type Scope string

// The scopes.
const (
	Decide   Scope = "decide"   // ask for decisions, send events
	Receipts Scope = "receipts" // send receipts
	Feeds    Scope = "feeds"    // send catalogue, stores, prices, stock, shoppers, consents
	Trade    Scope = "trade"    // advertisers, campaigns, line items, audiences, wallets
	Reports  Scope = "reports"  // read reports
	Analyse  Scope = "analyse"  // ask history, size audiences exactly, explain decisions
	Identity Scope = "identity" // say and see who is one person
	Admin    Scope = "admin"    // keys, imports, quarantine, clock
	Privacy  Scope = "privacy"  // what shoppers ask by right of the law
	Partners Scope = "partners" // partners' names for shoppers
)

// Scopes lists every scope.
func Scopes() []Scope {
	return []Scope{Decide, Receipts, Feeds, Trade, Reports, Analyse, Identity, Admin, Privacy, Partners}
}

// Principal is an authenticated caller.
type Principal struct {
	Key        string // the key's id; "operator" for the socket
	Name       string
	Scopes     []Scope
	Advertiser media.AdvertiserID // set for an advertiser's key: it sees nothing of others
	Rate       int                // requests a second; 0 means the server's default
}

// Operator is whoever can open the data directory's socket: the machine's own
// owner, who may do everything.
func Operator() Principal { return Principal{Key: "operator", Name: "operator", Scopes: Scopes()} }

// May reports whether p holds a scope.
func (p *Principal) May(s Scope) bool { return slices.Contains(p.Scopes, s) }

// Sees reports whether p may know of an advertiser's things: the retailer's own
// keys see all, an advertiser's key only its own.
func (p *Principal) Sees(a media.AdvertiserID) bool { return p.Advertiser == "" || p.Advertiser == a }

// Retailer reports whether p belongs to the retailer rather than an advertiser.
func (p *Principal) Retailer() bool { return p.Advertiser == "" }

// Spec asks for a new key.
type Spec struct {
	Name       string             `json:"name" doc:"who will use it"`
	Scopes     []Scope            `json:"scopes" minItems:"1" doc:"what it may do: decide, receipts, feeds, trade, reports, analyse, identity, admin, privacy, partners"`
	Advertiser media.AdvertiserID `json:"advertiser,omitempty" doc:"bind the key to one advertiser"`
	Rate       int                `json:"rate,omitempty" minimum:"0" doc:"requests a second; 0 for the server's default"`
}

// doc is what the registry holds of a key.
type doc struct {
	Spec
	Hash   string    `json:"hash"`             // SHA-256 of the secret, hex
	Before *before   `json:"before,omitempty"` // the secret before it, while that is still valid
	Made   time.Time `json:"made,omitzero"`    // where the key was rotated since
}

// before is a secret that was replaced.
type before struct {
	Hash  string    `json:"hash"`
	Until time.Time `json:"until"`
}

// Known is a key without its secret.
type Known struct {
	ID      string    `json:"id"`
	Version uint64    `json:"version"`
	Created time.Time `json:"created"`
	// OldUntil is until when the secret before a rotation is valid too.
	OldUntil *time.Time `json:"old_until,omitempty" doc:"until when the secret before the last rotation is valid too"`
	Spec
}

func knownOf(row *registry.Row, d *doc, now time.Time) Known {
	known := Known{ID: row.ID, Version: row.Version, Created: row.At, Spec: d.Spec}
	if !d.Made.IsZero() {
		known.Created = d.Made
	}
	if d.Before != nil && now.Before(d.Before.Until) {
		known.OldUntil = &d.Before.Until
	}
	return known
}

// ErrUnknown is returned for credentials that open nothing.
var ErrUnknown = errors.New("unknown or revoked API key")

// cacheLife is how long an authenticated key is trusted without asking the
// registry again; a revoked key dies within it.
const cacheLife = 10 * time.Second

// cacheMax bounds the cache; it is emptied when full.
const cacheMax = 10_000

// Keeper makes, checks and revokes keys. It is safe for concurrent use.
type Keeper struct {
	rows   registry.Registry
	book   ledger.Ledger
	now    retail.Clock // the wall clock, also on a replay server: it only ages the cache
	random io.Reader

	mu    sync.Mutex
	cache map[[sha256.Size]byte]cached
}

type cached struct {
	who   Principal
	until time.Time
}

// New makes a Keeper.
func New(rows registry.Registry, book ledger.Ledger, now retail.Clock) *Keeper {
	return &Keeper{rows: rows, book: book, now: now, random: rand.Reader, cache: make(map[[sha256.Size]byte]cached)}
}

// textMax is longer than any key's secret text.
const textMax = 100

// prefix marks Endcap's keys, so that a leaked one can be recognised.
const prefix = "ec"

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Create makes a key and returns its secret text, which is not kept.
func (k *Keeper) Create(ctx context.Context, by string, spec Spec) (Known, string, error) {
	if err := checkSpec(&spec); err != nil {
		return Known{}, "", err
	}
	if spec.Advertiser != "" {
		_, err := k.rows.Get(ctx, registry.Advertiser, string(spec.Advertiser))
		if errors.Is(err, registry.ErrNotFound) {
			return Known{}, "", &retail.Error{Kind: retail.Invalid, Field: "advertiser", Say: "no such advertiser", Cure: "make it with PUT /v1/advertisers/{id} first", Err: err}
		}
		if err != nil {
			return Known{}, "", fmt.Errorf("look up an advertiser: %w", err)
		}
	}
	id, err := k.draw(idSize)
	if err != nil {
		return Known{}, "", err
	}
	return k.write(ctx, registry.Row{Kind: registry.Key, ID: id, By: by}, doc{Spec: spec})
}

// Sizes of what is drawn for a key, in bytes.
const (
	idSize     = 10
	secretSize = 25
)

func (k *Keeper) draw(size int) (string, error) {
	raw := make([]byte, size)
	if _, err := io.ReadFull(k.random, raw); err != nil {
		return "", fmt.Errorf("draw a key: %w", err)
	}
	return encoding.EncodeToString(raw), nil
}

// write stores the next version of a key, with a new secret, whose text it returns.
func (k *Keeper) write(ctx context.Context, row registry.Row, d doc) (Known, string, error) {
	secret, err := k.draw(secretSize)
	if err != nil {
		return Known{}, "", err
	}
	sum := sha256.Sum256([]byte(secret))
	d.Hash = hex.EncodeToString(sum[:])
	row.Version++
	row.At = k.now()
	if row.Doc, err = json.Marshal(d); err != nil {
		return Known{}, "", fmt.Errorf("write key: %w", err)
	}
	if err := k.commit(ctx, fmt.Sprintf("key/%s/%d", row.ID, row.Version), row); err != nil {
		return Known{}, "", err
	}
	return knownOf(&row, &d, row.At), prefix + "_" + row.ID + "_" + secret, nil
}

// OverlapMax is the longest time for which a secret is valid beside the one that
// replaced it.
const OverlapMax = 30 * 24 * time.Hour

// Rotate gives a key a new secret, whose text it returns. The one before stays
// valid for the overlap, none where that is zero; one that still was valid from an
// earlier rotation ends at once.
func (k *Keeper) Rotate(ctx context.Context, by, id string, overlap time.Duration) (Known, string, error) {
	if overlap < 0 || overlap > OverlapMax {
		return Known{}, "", &retail.Error{Kind: retail.Invalid, Field: "overlap_hours", Say: fmt.Sprintf("an overlap has 0 to %d hours", int(OverlapMax.Hours()))}
	}
	row, d, err := k.read(ctx, id)
	if err != nil {
		return Known{}, "", err
	}
	if d.Made.IsZero() {
		d.Made = row.At
	}
	d.Before, row.By = nil, by
	if overlap > 0 {
		d.Before = &before{Hash: d.Hash, Until: k.now().Add(overlap)}
	}
	known, text, err := k.write(ctx, row, d)
	if err != nil {
		return Known{}, "", err
	}
	k.forget()
	return known, text, nil
}

// read looks a key up; a retail.Error of kind NotFound where there is none.
func (k *Keeper) read(ctx context.Context, id string) (row registry.Row, d doc, err error) {
	row, err = k.rows.Get(ctx, registry.Key, id)
	if errors.Is(err, registry.ErrNotFound) {
		return row, d, &retail.Error{Kind: retail.NotFound, Say: "no such key", Cure: "list them with endcap key list, or GET /v1/keys", Err: err}
	}
	if err == nil {
		err = json.Unmarshal(row.Doc, &d)
	}
	if err != nil {
		return row, d, fmt.Errorf("read key %.64q: %w", id, err)
	}
	return row, d, nil
}

// forget drops the copies of keys.
func (k *Keeper) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.cache)
}

func checkSpec(s *Spec) error {
	bad := func(field, say string) error {
		return &retail.Error{Kind: retail.Invalid, Field: field, Say: say}
	}
	switch {
	case strings.TrimSpace(s.Name) == "" || len(s.Name) > media.NameMax || !utf8.ValidString(s.Name):
		return bad("name", fmt.Sprintf("a key's name has 1 to %d bytes of text", media.NameMax))
	case len(s.Scopes) == 0:
		return bad("scopes", "a key needs a scope")
	case s.Rate < 0:
		return bad("rate", "a rate is zero or more requests a second")
	}
	for _, scope := range s.Scopes {
		if !slices.Contains(Scopes(), scope) {
			return bad("scopes", fmt.Sprintf("there is no scope %.20q", string(scope)))
		}
		if s.Advertiser != "" && scope != Trade && scope != Reports {
			return bad("scopes", fmt.Sprintf("an advertiser's key cannot hold %q: only trade and reports", string(scope)))
		}
	}
	if s.Advertiser != "" {
		if err := media.CheckID(string(s.Advertiser)); err != nil {
			return bad("advertiser", err.Error())
		}
	}
	return nil
}

func (k *Keeper) commit(ctx context.Context, key string, row registry.Row) error {
	answers, err := k.book.Commit(ctx, ledger.Deed{Key: key, Rows: []registry.Row{row}, At: row.At})
	if err != nil {
		return fmt.Errorf("store key: %w", err)
	}
	switch err := answers[0].Err; {
	case errors.Is(err, ledger.ErrStale):
		return &retail.Error{Kind: retail.Conflict, Say: "somebody else changed the key meanwhile", Cure: "list the keys and try again", Err: err}
	case err != nil:
		return fmt.Errorf("store key: %w", err)
	}
	return nil
}

// Authenticate names the holder of a key's secret text.
func (k *Keeper) Authenticate(ctx context.Context, text string) (Principal, error) {
	if len(text) > textMax {
		return Principal{}, ErrUnknown
	}
	sum := sha256.Sum256([]byte(text))
	now := k.now()
	k.mu.Lock()
	hit, ok := k.cache[sum]
	k.mu.Unlock()
	if ok && now.Before(hit.until) {
		return hit.who, nil
	}
	who, until, err := k.check(ctx, text)
	if err != nil {
		return Principal{}, err
	}
	if life := now.Add(cacheLife); until.IsZero() || until.After(life) {
		until = life
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.cache) >= cacheMax {
		clear(k.cache)
	}
	k.cache[sum] = cached{who, until}
	return who, nil
}

// check names the holder of a secret text, and until when it is valid; zero for
// as long as nobody revokes it.
func (k *Keeper) check(ctx context.Context, text string) (who Principal, until time.Time, err error) {
	parts := strings.Split(text, "_")
	if len(parts) != 3 || parts[0] != prefix {
		return who, until, ErrUnknown
	}
	row, d, err := k.read(ctx, parts[1])
	if errors.Is(err, registry.ErrNotFound) {
		return who, until, ErrUnknown
	} else if err != nil {
		return who, until, err
	}
	sum := sha256.Sum256([]byte(parts[2]))
	is := func(hash string) bool {
		return subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(hash)) == 1
	}
	switch old := d.Before; {
	case is(d.Hash):
	case old != nil && is(old.Hash) && k.now().Before(old.Until):
		until = old.Until
	default:
		return who, until, ErrUnknown
	}
	return Principal{row.ID, d.Name, d.Scopes, d.Advertiser, d.Rate}, until, nil
}

// List returns up to limit keys by id, after one.
func (k *Keeper) List(ctx context.Context, after string, limit int) ([]Known, error) {
	rows, err := k.rows.List(ctx, registry.Key, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	out := make([]Known, 0, len(rows))
	for _, row := range rows {
		var d doc
		if err := json.Unmarshal(row.Doc, &d); err != nil {
			return nil, fmt.Errorf("read key %s: %w", row.ID, err)
		}
		out = append(out, knownOf(&row, &d, k.now()))
	}
	return out, nil
}

// Revoke ends a key within cacheLife; at once for this Keeper.
func (k *Keeper) Revoke(ctx context.Context, by, id string) error {
	row, _, err := k.read(ctx, id)
	if err != nil {
		return err
	}
	row.Version++
	row.Removed, row.By, row.At = true, by, k.now()
	if err := k.commit(ctx, fmt.Sprintf("key/%s/%d", id, row.Version), row); err != nil {
		return err
	}
	k.forget()
	return nil
}
