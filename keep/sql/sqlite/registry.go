package sqlite

import (
	"context"
	"fmt"

	"endcap/keep/registry"
)

// The questions of the registry.
const (
	columnsOfTerms = `t.kind, t.id, t.version, t.doc, t.removed, t.author, t.at, t.seq`

	sqlGet      = `select ` + columnsOfTerms + ` from newest n join terms t on t.seq = n.seq where n.kind = ? and n.id = ? and n.removed = 0`
	sqlList     = `select ` + columnsOfTerms + ` from newest n join terms t on t.seq = n.seq where n.kind = ? and n.id > ? and n.removed = 0 order by n.id limit ?`
	sqlVersions = `select ` + columnsOfTerms + ` from terms t where t.kind = ? and t.id = ? order by t.version`
	sqlChanges  = `select ` + columnsOfTerms + ` from terms t where t.seq > ? order by t.seq limit ?`

	sqlLease    = `select holder, fence, ends from lease where name = ?`
	sqlSetLease = `insert into lease (name, holder, fence, ends) values (?, ?, ?, ?)
		on conflict (name) do update set holder = excluded.holder, fence = excluded.fence, ends = excluded.ends`
)

// Get implements registry.Registry.
func (b *Book) Get(ctx context.Context, kind registry.Kind, id string) (registry.Row, error) {
	rows, err := b.terms(ctx, func(c *conn) *query { return c.query(sqlGet).text(string(kind)).text(id) })
	if err != nil {
		return registry.Row{}, fmt.Errorf("get %s %s: %w", kind, id, err)
	}
	if len(rows) == 0 {
		return registry.Row{}, fmt.Errorf("%s %.*q: %w", kind, registry.IDMax, id, registry.ErrNotFound)
	}
	return rows[0], nil
}

// List implements registry.Registry.
func (b *Book) List(ctx context.Context, kind registry.Kind, after string, limit int) ([]registry.Row, error) {
	rows, err := b.terms(ctx, func(c *conn) *query {
		return c.query(sqlList).text(string(kind)).text(after).int(page(limit, registry.PageMax))
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind, err)
	}
	return rows, nil
}

// Versions implements registry.Registry.
func (b *Book) Versions(ctx context.Context, kind registry.Kind, id string) ([]registry.Row, error) {
	rows, err := b.terms(ctx, func(c *conn) *query { return c.query(sqlVersions).text(string(kind)).text(id) })
	if err != nil {
		return nil, fmt.Errorf("versions of %s %s: %w", kind, id, err)
	}
	return rows, nil
}

// Changes implements registry.Registry.
func (b *Book) Changes(ctx context.Context, since uint64, limit int) ([]registry.Row, error) {
	rows, err := b.terms(ctx, func(c *conn) *query {
		return c.query(sqlChanges).int(position(since)).int(page(limit, registry.PageMax))
	})
	if err != nil {
		return nil, fmt.Errorf("changes since %d: %w", since, err)
	}
	return rows, nil
}

// terms reads the rows that a query over columnsOfTerms gives.
func (b *Book) terms(ctx context.Context, ask func(*conn) *query) (out []registry.Row, err error) {
	err = b.file.read(ctx, func(c *conn) error {
		q := ask(c)
		for q.next() {
			s := q.stmt
			out = append(out, registry.Row{
				Kind: registry.Kind(s.ColumnText(0)), ID: s.ColumnText(1), Version: number(s.ColumnInt64(2)),
				Doc: q.bytes(3), Removed: s.ColumnInt64(4) != 0, By: s.ColumnText(5),
				At: instant(s.ColumnInt64(6)), Seq: number(s.ColumnInt64(7)),
			})
		}
		return q.done()
	})
	return out, err
}

// Lease implements registry.Registry. A lease that has ended is granted anew,
// with a new fence, even to its last holder: others may have seen it end.
func (b *Book) Lease(ctx context.Context, want registry.Lease) (fence uint64, ok bool, err error) {
	if err := want.Check(); err != nil {
		return 0, false, err
	}
	now, ends := micros(want.Now), micros(want.Now.Add(want.TTL))
	err = b.do(ctx, func(c *conn) error {
		holder, last, until := "", int64(0), int64(0)
		q := c.query(sqlLease).text(want.Name)
		if q.next() {
			holder, last, until = q.stmt.ColumnText(0), q.stmt.ColumnInt64(1), q.stmt.ColumnInt64(2)
		}
		if err := q.done(); err != nil {
			return err
		}
		lives := last > 0 && now < until
		if lives && holder != want.Holder || !lives && want.TTL == 0 {
			return nil
		}
		if !lives {
			last++
		}
		fence, ok = number(last), true
		return c.query(sqlSetLease).text(want.Name).text(want.Holder).int(last).int(ends).exec()
	})
	if err != nil {
		return 0, false, fmt.Errorf("lease %s: %w", want.Name, err)
	}
	return fence, ok, nil
}
