// Package partner gives a partner, such as a publisher with whom audiences are
// matched or a retailer of a pool, names for the shoppers that it knows by
// identifiers of its own: pseudonyms under the partner's own secret, of those
// alone who allow it now. It remembers who was named, and tells the partner whose
// name it may use no longer.
//
// It stands beside the road of a receipt: no purchase goes with a name.
package partner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/keep/vault"
	"endcap/retail"
	"endcap/retail/consent"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

// Kinds of registry rows: what is known of a partner, and each answer it got.
const (
	Kind       registry.Kind = "partner"
	AnswerKind registry.Kind = "pseudonyms"
)

// ShoppersMax bounds one question; PageMax a page of names that ended.
const (
	ShoppersMax = 5_000
	PageMax     = 1_000
)

// Terms are what is known of a partner.
type Terms struct {
	Name    string `json:"name"`
	Purpose string `json:"purpose"` // offsite_matching or pooling; never changes
}

// Held is a partner with its version.
type Held struct {
	ID      string
	Version uint64
	Terms
}

// Book is where partners are kept: a registry, and the ledger that writes it.
type Book interface {
	ledger.Committer
	Get(ctx context.Context, kind registry.Kind, id string) (registry.Row, error)
	List(ctx context.Context, kind registry.Kind, after string, limit int) ([]registry.Row, error)
}

// People is what must be known of know/identity.
type People interface {
	Find(ctx context.Context, keys []shopper.Key) (shopper.ID, error)
	Canonical(who shopper.ID) shopper.ID
	Allowed(ctx context.Context, who []shopper.ID) ([]consent.Set, error)
}

// Ports is what a Desk works with. All of it is required.
type Ports struct {
	Book   Book
	Vault  vault.Partners
	People People
	// Ring opens a partner's ring of secrets, the newest first.
	Ring func(ctx context.Context, partner string) ([]vault.Generation, error)
	Now  retail.Clock
}

// Desk answers about partners. Make one with New; it is safe for concurrent use.
type Desk struct{ Ports }

// New makes a Desk.
func New(p Ports) *Desk { return &Desk{p} }

// Put makes a partner, or gives it another name.
func (d *Desk) Put(ctx context.Context, by, id string, t Terms) (Held, error) {
	bad := func(field, say string) (Held, error) {
		return Held{}, &retail.Error{Kind: retail.Invalid, Field: field, Say: say}
	}
	purpose, err := consent.ParsePurpose(t.Purpose)
	switch {
	case media.CheckID(id) != nil:
		return bad("id", media.CheckID(id).Error())
	case t.Name == "" || len(t.Name) > media.NameMax:
		return bad("name", fmt.Sprintf("a name has 1 to %d bytes", media.NameMax))
	case err != nil || purpose != consent.OffsiteMatching && purpose != consent.Pooling:
		return bad("purpose", "a partner is told names for offsite_matching or for pooling")
	}
	old, err := d.Get(ctx, id)
	switch {
	case retail.KindOf(err) == retail.NotFound:
	case err != nil:
		return Held{}, err
	case old.Purpose != t.Purpose:
		return bad("purpose", "a partner's purpose never changes: her consent was asked for one")
	}
	doc, err := json.Marshal(t)
	if err != nil {
		return Held{}, fmt.Errorf("write partner %s: %w", id, err)
	}
	version, err := ledger.Revise(ctx, d.Book, ledger.Revision{Kind: Kind, ID: id, From: old.Version, Doc: doc, By: by, At: d.Now()})
	if errors.Is(err, ledger.ErrStale) {
		return Held{}, &retail.Error{Kind: retail.Conflict, Say: "somebody else changed the partner meanwhile", Cure: "look at it and try again", Err: err}
	}
	if err == nil {
		_, err = d.Ring(ctx, id)
	}
	return Held{id, version, t}, err
}

// Get returns a partner; a retail.Error of kind NotFound where absent.
func (d *Desk) Get(ctx context.Context, id string) (Held, error) {
	row, err := d.Book.Get(ctx, Kind, id)
	if errors.Is(err, registry.ErrNotFound) {
		return Held{}, &retail.Error{Kind: retail.NotFound, Say: "no such partner", Err: err}
	}
	if err != nil {
		return Held{}, fmt.Errorf("look up partner %.64q: %w", id, err)
	}
	return heldOf(&row)
}

// List returns up to limit partners by id, after one.
func (d *Desk) List(ctx context.Context, after string, limit int) ([]Held, error) {
	rows, err := d.Book.List(ctx, Kind, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list partners: %w", err)
	}
	out := make([]Held, len(rows))
	for i := range rows {
		if out[i], err = heldOf(&rows[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func heldOf(row *registry.Row) (Held, error) {
	h := Held{ID: row.ID, Version: row.Version}
	if err := json.Unmarshal(row.Doc, &h.Terms); err != nil {
		return h, fmt.Errorf("read partner %s: %w", row.ID, err)
	}
	return h, nil
}

// Name is how a partner knows one shopper: by Pseudonym, and while its secret is
// being rotated by Previous too. Both are empty for everybody who does not allow
// the partner's purpose, is forgotten, or was never known: which, is not told.
type Name struct{ Pseudonym, Previous string }

// Answer is the entry of the audit that each question leaves.
type Answer struct {
	Asked int `json:"asked"`
	Named int `json:"named"`
}

// Names gives a partner's names of shoppers, in their order; ShoppersMax at most.
// Who is named is noted, and an entry kept of who asked, before it is told.
func (d *Desk) Names(ctx context.Context, by, id string, shoppers [][]shopper.Key) ([]Name, error) {
	if len(shoppers) > ShoppersMax {
		return nil, &retail.Error{Kind: retail.TooLarge, Field: "shoppers", Say: fmt.Sprintf("at most %d shoppers in one question, not %d", ShoppersMax, len(shoppers))}
	}
	held, err := d.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	ring, err := d.Ring(ctx, id)
	if err != nil {
		return nil, err
	}
	who := make([]shopper.ID, len(shoppers))
	for i, keys := range shoppers {
		found, err := d.People.Find(ctx, keys)
		if err != nil {
			return nil, err
		}
		who[i] = d.People.Canonical(found)
	}
	if err := d.allowing(ctx, held.Purpose, who); err != nil {
		return nil, err
	}
	out, named := make([]Name, len(who)), make([]shopper.ID, 0, len(who))
	for i, one := range who {
		if one.Known() {
			out[i], named = nameOf(ring, one), append(named, one)
		}
	}
	now := d.Now()
	if err := d.Vault.Tell(ctx, id, named, now); err != nil {
		return nil, err
	}
	entry := struct {
		At      time.Time `json:"at"`
		By      string    `json:"by"`
		Partner string    `json:"partner"`
		Purpose string    `json:"purpose"`
		Answer
	}{now, by, id, held.Purpose, Answer{len(who), len(named)}}
	if err := ledger.Note(ctx, d.Book, ledger.Noted{Kind: AnswerKind, By: by, At: now, Entry: entry}); err != nil {
		return nil, err
	}
	return out, nil
}

// allowing makes nobody of everybody who does not allow a purpose now.
func (d *Desk) allowing(ctx context.Context, purpose string, who []shopper.ID) error {
	p, err := consent.ParsePurpose(purpose)
	if err != nil {
		return err
	}
	sets, err := d.People.Allowed(ctx, who)
	if err != nil {
		return err
	}
	for i := range who {
		if !sets[i].Allows(p) {
			who[i] = shopper.ID{}
		}
	}
	return nil
}

func nameOf(ring []vault.Generation, who shopper.ID) Name {
	n := Name{Pseudonym: vault.Pseudonym(ring[0], who)}
	if len(ring) > 1 {
		n.Previous = vault.Pseudonym(ring[1], who)
	}
	return n
}

// Ended returns names that a partner was told and may use no longer, because
// whoever they stand for withdrew her consent or is forgotten: those among the
// next limit it was told, after a place. next is the place to go on from, 0 at the
// end. A name that is allowed again is no longer among them.
func (d *Desk) Ended(ctx context.Context, id string, after uint64, limit int) (names []string, next uint64, err error) {
	held, err := d.Get(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	ring, err := d.Ring(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	told, err := d.Vault.ToldTo(ctx, id, after, min(limit, PageMax))
	if err != nil {
		return nil, 0, err
	}
	who := make([]shopper.ID, len(told))
	for i := range told {
		who[i] = told[i].Shopper
	}
	if err := d.allowing(ctx, held.Purpose, who); err != nil {
		return nil, 0, err
	}
	for i := range told {
		names = append(names, told[i].Names...)
		if told[i].Shopper.Known() && !who[i].Known() {
			for _, g := range ring {
				names = append(names, vault.Pseudonym(g, told[i].Shopper))
			}
		}
	}
	if len(told) == min(limit, PageMax) {
		next = told[len(told)-1].ID
	}
	return names, next, nil
}
