package merchandising

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent/policy"
	"endcap/retail/media"
	"endcap/retail/visit"
)

// Store is where rules are kept: a registry, and the ledger that alone writes to it.
type Store interface {
	Get(ctx context.Context, kind registry.Kind, id string) (registry.Row, error)
	List(ctx context.Context, kind registry.Kind, after string, limit int) ([]registry.Row, error)
	Versions(ctx context.Context, kind registry.Kind, id string) ([]registry.Row, error)
	Commit(ctx context.Context, deeds ...ledger.Deed) ([]ledger.Answer, error)
}

// Range is what Terms must know of the assortment.
type Range interface{ Products() []*catalog.Product }

// Config is what Terms stands on. Shield may be nil; the rest is required.
type Config struct {
	Store  Store
	Range  Range
	Shield *policy.Shield
	Now    retail.Clock
	Zone   *time.Location
}

// Terms keeps the rules that people set up. Make one with NewTerms.
type Terms struct{ cfg Config }

// NewTerms keeps rules in a store.
func NewTerms(cfg Config) *Terms { return &Terms{cfg} }

// Held is one rule with its version.
type Held struct {
	Named
	Version uint64
}

// Edit says who changes which version, and once.
type Edit struct {
	By      string
	Version uint64 // 0 makes something new
	Once    string // idempotency key; may be empty
}

// Put makes or changes a rule and returns its new version. Warnings are sentences
// that say what it may not be meant to do.
func (t *Terms) Put(ctx context.Context, id ID, r Rule, e Edit) (version uint64, warnings []string, err error) {
	if err := media.CheckID(string(id)); err != nil {
		return 0, nil, &retail.Error{Kind: retail.Invalid, Field: "id", Say: err.Error(), Err: err}
	}
	if err := r.Check(t.cfg.Shield); err != nil {
		return 0, nil, err
	}
	doc, err := json.Marshal(r)
	if err != nil {
		return 0, nil, fmt.Errorf("encode rule %s: %w", id, err)
	}
	if len(doc) > sizeMax {
		return 0, nil, invalid("", "name brands, categories or departments instead of products", "a rule has at most %d bytes, this %d", sizeMax, len(doc))
	}
	all, err := t.all(ctx)
	if err != nil {
		return 0, nil, err
	}
	others := slices.DeleteFunc(all, func(n Named) bool { return n.ID == id })
	if e.Version == 0 && len(others) >= RulesMax {
		return 0, nil, &retail.Error{Kind: retail.Conflict, Say: fmt.Sprintf("there are %d rules already", RulesMax), Cure: "remove rules that have ended"}
	}
	warnings = t.warn(Named{id, r}, others)
	version, err = t.write(ctx, ledger.Revision{ID: string(id), Doc: doc}, e)
	return version, warnings, err
}

// all lists every rule.
func (t *Terms) all(ctx context.Context) ([]Named, error) {
	var out []Named
	after := ""
	for {
		held, err := t.List(ctx, after, registry.PageMax)
		if err != nil {
			return nil, err
		}
		for i := range held {
			out = append(out, held[i].Named)
			after = string(held[i].ID)
		}
		if len(held) < registry.PageMax {
			return out, nil
		}
	}
}

// scenesMax bounds the lists that one warning looks at.
const scenesMax = 50

// warn says what a rule may not be meant to do, beside the others.
func (t *Terms) warn(r Named, others []Named) (out []string) {
	products := t.cfg.Range.Products()
	if len(products) == 0 {
		return []string{"the catalogue is empty: what the rule is about cannot be checked"}
	}
	today := retail.DayOf(t.cfg.Now(), t.cfg.Zone)
	if r.To != nil && *r.To <= today {
		out = append(out, fmt.Sprintf("it ended before %v and changes nothing", *r.To))
	}
	alone := Compile([]Named{r}, products, t.cfg.Shield)
	if about := r.Boost != nil || r.Exclude != nil || r.Weigh != nil && len(r.Weigh.Margins) > 0; about && len(alone.touched.all) == 0 {
		out = append(out, "no product of the catalogue is meant: it changes nothing")
	}
	if r.Pin != nil && len(alone.pins) == 0 {
		out = append(out, fmt.Sprintf("product %.64q is not in the catalogue: it is not shown", string(r.Pin.Product)))
	}
	if r.Exclude == nil && r.Pin == nil {
		return out
	}
	sheet := Compile(append(slices.Clone(others), r), products, t.cfg.Shield)
	for _, c := range scenes(&r.Rule, today) {
		var d Desk
		sheet.begin(&c, &d)
		switch {
		case len(alone.pins) > 0 && sheet.barred(&d, alone.pins[0].no):
			return append(out, "another rule excludes the product: it is not shown")
		case r.Exclude != nil && sheet.bars(&d):
			return append(out, fmt.Sprintf("with the rules that count then, every product is excluded: the list %s%s is empty from %v on", c.List, atStore(c.Store), c.Day))
		}
	}
	return out
}

func atStore(at catalog.StoreID) string {
	if at == "" {
		return ""
	}
	return fmt.Sprintf(" at store %.64q", string(at))
}

// bars reports whether the rules that count exclude every product.
func (s *Sheet) bars(d *Desk) bool {
	for class := range len(s.touched.start) - 1 {
		if !s.verdict(d, int32(class)).out {
			return false
		}
	}
	return true
}

// scenes are those in which a rule is looked at: each list and store it names, on
// its first day.
func scenes(r *Rule, today retail.Day) (out []Scene) {
	lists, stores, day, country := r.Lists, r.Stores, today, ""
	if len(lists) == 0 {
		lists = []visit.ListName{visit.ForYou}
	}
	if len(stores) == 0 {
		stores = []catalog.StoreID{""}
	}
	if r.From != nil {
		day = max(day, *r.From)
	}
	if r.Exclude != nil && len(r.Exclude.Countries) > 0 {
		country = r.Exclude.Countries[0]
	}
	for _, l := range lists {
		for _, s := range stores {
			if len(out) < scenesMax {
				out = append(out, Scene{List: l, Store: s, Day: day, Country: country, Personal: true})
			}
		}
	}
	return out
}

// Remove ends a rule.
func (t *Terms) Remove(ctx context.Context, id ID, e Edit) (uint64, error) {
	row, err := t.row(ctx, id)
	if err != nil {
		return 0, err
	}
	return t.write(ctx, ledger.Revision{ID: string(id), Doc: row.Doc, Removed: true}, e)
}

func (t *Terms) write(ctx context.Context, r ledger.Revision, e Edit) (uint64, error) {
	r.Kind, r.From, r.By, r.Once, r.At = registry.Rule, e.Version, e.By, e.Once, t.cfg.Now()
	return ledger.Revise(ctx, t.cfg.Store, r)
}

func (t *Terms) row(ctx context.Context, id ID) (registry.Row, error) {
	row, err := t.cfg.Store.Get(ctx, registry.Rule, string(id))
	if errors.Is(err, registry.ErrNotFound) {
		return row, &retail.Error{Kind: retail.NotFound, Say: "no such rule", Err: err}
	}
	if err != nil {
		return row, fmt.Errorf("look up rule %s: %w", id, err)
	}
	return row, nil
}

// Get returns a rule; a retail.Error of kind NotFound where absent.
func (t *Terms) Get(ctx context.Context, id ID) (Held, error) {
	row, err := t.row(ctx, id)
	if err != nil {
		return Held{}, err
	}
	return heldOf(&row)
}

// List returns up to limit rules by id, after one.
func (t *Terms) List(ctx context.Context, after string, limit int) ([]Held, error) {
	rows, err := t.cfg.Store.List(ctx, registry.Rule, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	out := make([]Held, len(rows))
	for i := range rows {
		if out[i], err = heldOf(&rows[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Version is one version of a rule, for the audit.
type Version struct {
	Held
	Removed bool // the rule is gone since this version
	By      string
	At      time.Time
}

// Versions returns every version of a rule, also of a removed one, oldest first; a
// retail.Error of kind NotFound where there never was one.
func (t *Terms) Versions(ctx context.Context, id ID) ([]Version, error) {
	rows, err := t.cfg.Store.Versions(ctx, registry.Rule, string(id))
	if err != nil {
		return nil, fmt.Errorf("look up versions of rule %s: %w", id, err)
	}
	if len(rows) == 0 {
		return nil, &retail.Error{Kind: retail.NotFound, Say: "no such rule"}
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

func heldOf(row *registry.Row) (Held, error) {
	r, err := Parse(row.Doc)
	if err != nil {
		return Held{}, fmt.Errorf("rule %s, version %d: %w", row.ID, row.Version, err)
	}
	return Held{Named{ID(row.ID), r}, row.Version}, nil
}
