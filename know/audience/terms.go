package audience

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/consent/policy"
	"endcap/retail/media"
)

// Store is where definitions are kept: a registry, and the ledger that alone
// writes to it.
type Store interface {
	Get(ctx context.Context, kind registry.Kind, id string) (registry.Row, error)
	List(ctx context.Context, kind registry.Kind, after string, limit int) ([]registry.Row, error)
	Versions(ctx context.Context, kind registry.Kind, id string) ([]registry.Row, error)
	Commit(ctx context.Context, deeds ...ledger.Deed) ([]ledger.Answer, error)
}

// Terms keeps the definitions that people set up. Make one with NewTerms.
type Terms struct {
	store  Store
	now    retail.Clock
	shield *policy.Shield
}

// NewTerms keeps definitions in a store, and refuses those that ask for products
// which shield hides; nil hides none.
func NewTerms(s Store, now retail.Clock, shield *policy.Shield) *Terms { return &Terms{s, now, shield} }

// Sensitive is the word by which a sentence is refused that asks for products of
// which nothing may be concluded about who buys them.
const Sensitive = "sensitive_products"

// sensitive refuses a sentence with a rule about sensitive products.
func (t *Terms) sensitive(n *audience.Node) error {
	for _, r := range n.Rules() {
		if group := t.shield.Names(r.Set); group != "" {
			return &retail.Error{
				Kind: retail.Invalid, Field: "sentence", Say: Sensitive + ": it asks who bought " + group + ", of which nothing may be concluded about anybody",
				Cure: "leave these products out; adverts for them may still run by search, category and placement",
			}
		}
	}
	return nil
}

// Held is one definition with its version.
type Held struct {
	ID audience.ID
	Definition
	Version uint64
}

// Edit says who changes which version, and once.
type Edit struct {
	By      string
	Version uint64 // 0 makes something new
	Once    string // idempotency key; may be empty
}

// Put makes or changes an audience and returns its new version. Its owner
// never changes.
func (t *Terms) Put(ctx context.Context, id audience.ID, d Definition, e Edit) (uint64, error) {
	if err := media.CheckID(string(id)); err != nil {
		return 0, &retail.Error{Kind: retail.Invalid, Field: "id", Say: err.Error(), Err: err}
	}
	if d.Name == "" || len(d.Name) > media.NameMax {
		return 0, &retail.Error{Kind: retail.Invalid, Field: "name", Say: fmt.Sprintf("a name has 1 to %d bytes", media.NameMax)}
	}
	if err := d.Sentence.Check(); err != nil {
		return 0, &retail.Error{Kind: retail.Invalid, Field: "sentence", Say: err.Error(), Err: err}
	}
	if err := t.sensitive(&d.Sentence); err != nil {
		return 0, err
	}
	if e.Version > 0 {
		old, err := t.Get(ctx, id)
		if err != nil {
			return 0, err
		}
		if old.Owner != d.Owner {
			return 0, &retail.Error{Kind: retail.Invalid, Field: "owner", Say: "an audience's owner never changes"}
		}
	}
	doc, err := json.Marshal(d)
	if err != nil {
		return 0, fmt.Errorf("encode audience %s: %w", id, err)
	}
	return t.write(ctx, ledger.Revision{ID: string(id), Doc: doc}, e)
}

// Remove ends an audience. Line items that name it reach nobody from then on.
func (t *Terms) Remove(ctx context.Context, id audience.ID, e Edit) (uint64, error) {
	row, err := t.row(ctx, id)
	if err != nil {
		return 0, err
	}
	return t.write(ctx, ledger.Revision{ID: string(id), Doc: row.Doc, Removed: true}, e)
}

func (t *Terms) write(ctx context.Context, r ledger.Revision, e Edit) (uint64, error) {
	r.Kind, r.From, r.By, r.Once, r.At = registry.Audience, e.Version, e.By, e.Once, t.now()
	return ledger.Revise(ctx, t.store, r)
}

func (t *Terms) row(ctx context.Context, id audience.ID) (registry.Row, error) {
	row, err := t.store.Get(ctx, registry.Audience, string(id))
	if errors.Is(err, registry.ErrNotFound) {
		return row, &retail.Error{Kind: retail.NotFound, Say: "no such audience", Err: err}
	}
	if err != nil {
		return row, fmt.Errorf("look up audience %s: %w", id, err)
	}
	return row, nil
}

// Get returns an audience; a retail.Error of kind NotFound where absent.
func (t *Terms) Get(ctx context.Context, id audience.ID) (Held, error) {
	row, err := t.row(ctx, id)
	if err != nil {
		return Held{}, err
	}
	return heldOf(&row)
}

// Version is one version of a definition, for the audit.
type Version struct {
	Held
	Removed bool // the audience is gone since this version
	By      string
	At      time.Time
}

// Versions returns every version of an audience, also of a removed one, oldest
// first; a retail.Error of kind NotFound where there never was one.
func (t *Terms) Versions(ctx context.Context, id audience.ID) ([]Version, error) {
	rows, err := t.store.Versions(ctx, registry.Audience, string(id))
	if err != nil {
		return nil, fmt.Errorf("look up versions of audience %s: %w", id, err)
	}
	if len(rows) == 0 {
		return nil, &retail.Error{Kind: retail.NotFound, Say: "no such audience"}
	}
	out := make([]Version, len(rows))
	for i := range rows {
		held, err := heldOf(&rows[i])
		if err != nil {
			return nil, err
		}
		out[i] = Version{held, rows[i].Removed, rows[i].By, rows[i].At}
	}
	return out, nil
}

// List returns up to limit audiences by id, after one.
func (t *Terms) List(ctx context.Context, after string, limit int) ([]Held, error) {
	rows, err := t.store.List(ctx, registry.Audience, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list audiences: %w", err)
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
	d, err := ParseDefinition(row.Doc)
	return Held{audience.ID(row.ID), d, row.Version}, err
}
