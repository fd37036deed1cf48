package sqlite

import (
	"context"
	"fmt"

	"endcap/keep/vault"
)

// The statements of requests and sweeps.
const (
	sqlPutRequest = `insert into request (id, kind, state, received, due, extended, closed, reason, shopper, doc)
		values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do update set state = excluded.state, due = excluded.due,
		extended = excluded.extended, closed = excluded.closed, reason = excluded.reason, shopper = excluded.shopper, doc = excluded.doc`
	sqlRequestColumns = `select id, kind, state, received, due, extended, closed, reason, shopper, doc from request`
	sqlRequest        = sqlRequestColumns + ` where id = ?`
	sqlRequests       = sqlRequestColumns + ` where id > ? order by id limit ?`
	sqlOpenRequests   = sqlRequestColumns + ` where closed = 0 and id > ? order by id limit ?`

	sqlPutSweep = `insert into sweep (at, doc) values (?, ?) on conflict (at) do update set doc = excluded.doc`
	sqlSweeps   = `select at, doc from sweep order by at desc limit ?`
)

// PutRequest implements vault.Requests.
func (v *Vault) PutRequest(ctx context.Context, r vault.Request) error {
	err := r.Check()
	if err == nil {
		err = v.do(ctx, func(c *conn) error {
			return c.query(sqlPutRequest).text(r.ID).text(r.Kind).text(r.State).int(micros(r.Received)).int(micros(r.Due)).
				int(micros(r.Extended)).int(micros(r.Closed)).text(r.Reason).int(stored(r.Shopper)).blob(r.Doc).exec()
		})
	}
	return named("store a request", err)
}

// Request implements vault.Requests.
func (v *Vault) Request(ctx context.Context, id string) (vault.Request, error) {
	var found []vault.Request
	err := v.file.read(ctx, func(c *conn) (err error) {
		found, err = requests(c.query(sqlRequest).text(id))
		return err
	})
	switch {
	case err != nil:
		return vault.Request{}, fmt.Errorf("read a request: %w", err)
	case len(found) == 0:
		return vault.Request{}, vault.ErrNotFound
	}
	return found[0], nil
}

// Requests implements vault.Requests.
func (v *Vault) Requests(ctx context.Context, open bool, after string, limit int) (out []vault.Request, err error) {
	sql := sqlRequests
	if open {
		sql = sqlOpenRequests
	}
	err = v.file.read(ctx, func(c *conn) (err error) {
		out, err = requests(c.query(sql).text(after).int(page(limit, vault.PageMax)))
		return err
	})
	return out, named("list requests", err)
}

func requests(q *query) (out []vault.Request, err error) {
	for q.next() {
		s := q.stmt
		out = append(out, vault.Request{
			ID: s.ColumnText(0), Kind: s.ColumnText(1), State: s.ColumnText(2), Received: instant(s.ColumnInt64(3)), Due: instant(s.ColumnInt64(4)),
			Extended: instant(s.ColumnInt64(5)), Closed: instant(s.ColumnInt64(6)), Reason: s.ColumnText(7), Shopper: known(s.ColumnInt64(8)), Doc: q.bytes(9),
		})
	}
	return out, q.done()
}

// PutSweep implements vault.Requests.
func (v *Vault) PutSweep(ctx context.Context, s vault.Sweep) error {
	return named("store the record of a sweep", v.putRecord(ctx, sqlPutSweep, s))
}

// putRecord stores a dated document.
func (v *Vault) putRecord(ctx context.Context, sql string, s vault.Sweep) error {
	if len(s.Doc) > vault.DocMax {
		return fmt.Errorf("%w: a record has at most %d bytes, this %d", vault.ErrLimit, vault.DocMax, len(s.Doc))
	}
	return v.do(ctx, func(c *conn) error { return c.query(sql).int(micros(s.At)).blob(s.Doc).exec() })
}

// Sweeps implements vault.Requests.
func (v *Vault) Sweeps(ctx context.Context, limit int) ([]vault.Sweep, error) {
	out, err := v.records(ctx, sqlSweeps, limit)
	return out, named("list sweeps", err)
}

// records reads dated documents.
func (v *Vault) records(ctx context.Context, sql string, limit int) (out []vault.Sweep, err error) {
	err = v.file.read(ctx, func(c *conn) error {
		q := c.query(sql).int(page(limit, vault.PageMax))
		for q.next() {
			out = append(out, vault.Sweep{At: instant(q.stmt.ColumnInt64(0)), Doc: q.bytes(1)})
		}
		return q.done()
	})
	return out, err
}
