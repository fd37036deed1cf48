package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"
)

// conn is one connection with the statements it has prepared. One goroutine at
// a time uses it.
type conn struct {
	db       *sqlite3.Conn
	prepared map[string]*query
}

func dial(ctx context.Context, dsn string) (*conn, error) {
	db, err := sqlite3.OpenContext(ctx, dsn)
	if err != nil {
		return nil, err
	}
	c := &conn{db, make(map[string]*query)}
	// The first read opens the log, and makes it where there is none.
	if err := c.exec("select count(*) from sqlite_schema"); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return c, nil
}

// close ends the connection and its statements.
func (c *conn) close() error {
	var errs []error
	for _, q := range c.prepared {
		errs = append(errs, q.stmt.Close())
	}
	return errors.Join(append(errs, c.db.Close())...)
}

// exec runs a statement without arguments or answer.
func (c *conn) exec(sql string) error { return c.query(sql).exec() }

// query is a statement being filled with arguments, in the order of its
// placeholders, and run: by exec for its effect, or by next and done for its
// rows. An error on the way is kept and returned at the end.
type query struct {
	stmt  *sqlite3.Stmt
	bound int
	err   error
}

// query starts a statement, prepared at its first use. The text is one of this
// package's constants, so there are only so many.
func (c *conn) query(sql string) *query {
	q := c.prepared[sql]
	if q == nil {
		stmt, _, err := c.db.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT)
		if err != nil {
			return &query{err: fmt.Errorf("prepare: %w", err)}
		}
		q = &query{stmt: stmt}
		c.prepared[sql] = q
	}
	q.bound, q.err = 0, nil
	return q
}

// int binds the next argument.
func (q *query) int(v int64) *query {
	if q.err == nil {
		q.bound++
		q.err = q.stmt.BindInt64(q.bound, v)
	}
	return q
}

// text binds the next argument.
func (q *query) text(v string) *query {
	if q.err == nil {
		q.bound++
		q.err = q.stmt.BindText(q.bound, v)
	}
	return q
}

// blob binds the next argument; nil is stored as no bytes.
func (q *query) blob(v []byte) *query {
	if q.err == nil {
		q.bound++
		q.err = q.stmt.BindBlob(q.bound, v)
	}
	return q
}

// exec runs the statement to its end.
func (q *query) exec() error {
	if q.err != nil {
		return q.err
	}
	return q.stmt.Exec()
}

// next goes to the next row, if there is one. Whoever has called next calls
// done too.
func (q *query) next() bool { return q.err == nil && q.stmt.Step() }

// done ends the statement and returns the first error since query.
func (q *query) done() error {
	if q.stmt == nil {
		return q.err
	}
	if q.err == nil {
		q.err = q.stmt.Err()
	}
	if err := q.stmt.Reset(); q.err == nil {
		q.err = err
	}
	return q.err
}

// one runs a query that gives at most one row of one number.
func (q *query) one() (v int64, found bool, err error) {
	if q.next() {
		v, found = q.stmt.ColumnInt64(0), true
	}
	return v, found, q.done()
}

// bytes is a column's bytes, nil where it has none, owned by the caller.
func (q *query) bytes(column int) []byte { return q.stmt.ColumnBlob(column, nil) }
