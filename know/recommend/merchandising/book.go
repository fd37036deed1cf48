package merchandising

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"endcap/keep/registry"
	"endcap/retail/consent/policy"
)

// Registry is what a Book must know of keep/registry.
type Registry interface {
	Changes(ctx context.Context, since uint64, limit int) ([]registry.Row, error)
}

// Book holds the rules as they stand. Make one with NewBook and keep it current
// with Refresh. Reading is safe beside it and takes no lock.
type Book struct {
	registry Registry
	shield   *policy.Shield
	now      atomic.Pointer[standingRules]

	refresh sync.Mutex // guards what follows
	since   uint64     // the registry's position
	rules   map[ID]Rule
}

type standingRules struct {
	rules   []Named
	version uint64
}

// NewBook makes an empty book over a registry. A rule that names a sensitive group
// which shield has no more is left out, and reported.
func NewBook(r Registry, shield *policy.Shield) *Book {
	b := &Book{registry: r, shield: shield, rules: make(map[ID]Rule)}
	b.now.Store(new(standingRules))
	return b
}

// Rules are the rules as they stand, by id, and a version that changes whenever they
// do. The slice is shared: nobody may change it.
func (b *Book) Rules() ([]Named, uint64) {
	s := b.now.Load()
	return s.rules, s.version
}

// Refresh takes in what the registry has changed since the last time. A row that
// cannot be a rule is reported, and left out until it is changed; the others take
// effect all the same.
func (b *Book) Refresh(ctx context.Context) error {
	b.refresh.Lock()
	defer b.refresh.Unlock()
	var wrong []error
	changed := false
	for {
		rows, err := b.registry.Changes(ctx, b.since, registry.PageMax)
		if err != nil {
			return errors.Join(append(wrong, fmt.Errorf("read rules: %w", err))...)
		}
		for i := range rows {
			b.since = rows[i].Seq
			if rows[i].Kind == registry.Rule {
				changed = true
				wrong = append(wrong, b.take(&rows[i]))
			}
		}
		if len(rows) < registry.PageMax {
			break
		}
	}
	if changed {
		next := &standingRules{version: b.now.Load().version + 1}
		for _, id := range slices.Sorted(maps.Keys(b.rules)) {
			next.rules = append(next.rules, Named{id, b.rules[id]})
		}
		b.now.Store(next)
	}
	return errors.Join(wrong...)
}

// take applies one version of one rule.
func (b *Book) take(row *registry.Row) error {
	id := ID(row.ID)
	delete(b.rules, id)
	if row.Removed {
		return nil
	}
	r, err := Parse(row.Doc)
	if err == nil {
		err = r.Check(b.shield)
	}
	if err != nil {
		return fmt.Errorf("rule %s, version %d: %w", row.ID, row.Version, err)
	}
	b.rules[id] = r
	return nil
}
