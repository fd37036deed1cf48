package duck

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	ddb "github.com/duckdb/duckdb-go-bindings"

	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/shopper"
)

// conn is one connection to DuckDB, used by one goroutine at a time.
type conn struct {
	c      ddb.Connection
	schema string // the schema its unqualified names mean
}

func (w *Warehouse) connect() (*conn, error) {
	c := new(conn)
	if ddb.Connect(w.db, &c.c) == ddb.StateError {
		return nil, errors.New("connect to DuckDB")
	}
	return c, nil
}

func (c *conn) close() { ddb.Disconnect(&c.c) }

// connections are idle connections, to be used again.
type connections struct {
	mu   sync.Mutex
	free []*conn
}

func (p *connections) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		return nil
	}
	c := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	return c
}

func (p *connections) put(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, c)
}

func (p *connections) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.free {
		c.close()
	}
	p.free = nil
}

// with runs f on a connection whose unqualified names mean one purpose's views.
func (w *Warehouse) with(ctx context.Context, schema string, f func(*conn) error) error {
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-w.slots }()
	if err := w.opened(); err != nil {
		return err
	}
	c := w.idle.take()
	if c == nil {
		var err error
		if c, err = w.connect(); err != nil {
			return err
		}
	}
	if c.schema != schema {
		if err := c.exec(ctx, "set schema = "+quoteText(schema)); err != nil {
			c.close()
			return err
		}
		c.schema = schema
	}
	err := f(c)
	w.idle.put(c)
	return err
}

// interruptible calls f and interrupts the connection when ctx ends meanwhile.
func (c *conn) interruptible(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if ctx.Done() == nil {
		return f()
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		ddb.Interrupt(c.c)
		close(done)
	})
	err := f()
	if !stop() {
		<-done // the interrupt must not hit the next user of this connection
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// exec runs statements without arguments.
func (c *conn) exec(ctx context.Context, sql string) error {
	return c.interruptible(ctx, func() error {
		var r ddb.Result
		defer ddb.DestroyResult(&r)
		if ddb.Query(c.c, sql, &r) == ddb.StateError {
			return fmt.Errorf("duckdb: %s", firstLine(ddb.ResultError(&r)))
		}
		return nil
	})
}

// ask runs one statement and returns its whole answer.
func (c *conn) ask(ctx context.Context, sql string, args ...any) (*warehouse.Result, error) {
	var out *warehouse.Result
	err := c.interruptible(ctx, func() error {
		var p ddb.PreparedStatement
		defer ddb.DestroyPrepare(&p)
		if ddb.Prepare(c.c, sql, &p) == ddb.StateError {
			return fmt.Errorf("%w: %s", warehouse.ErrQuery, firstLine(ddb.PrepareError(p)))
		}
		if n := int(ddb.NParams(p)); n != len(args) {
			return fmt.Errorf("%w: it has %d places for %d values", warehouse.ErrQuery, n, len(args))
		}
		for i, a := range args {
			if err := bind(p, ddb.IdxT(i+1), a); err != nil {
				return err
			}
		}
		var r ddb.Result
		defer ddb.DestroyResult(&r)
		if ddb.ExecutePrepared(p, &r) == ddb.StateError {
			return refusal(ddb.ResultError(&r))
		}
		var err error
		out, err = answerOf(&r)
		return err
	})
	return out, err
}

// bind gives one value to a prepared statement.
func bind(p ddb.PreparedStatement, i ddb.IdxT, v any) error {
	var state ddb.State
	switch v := v.(type) {
	case nil:
		state = ddb.BindNull(p, i)
	case int:
		state = ddb.BindInt64(p, i, int64(v))
	case int64:
		state = ddb.BindInt64(p, i, v)
	case string:
		state = ddb.BindVarchar(p, i, v)
	case bool:
		state = ddb.BindBoolean(p, i, v)
	case []byte:
		state = ddb.BindBlob(p, i, v)
	case retail.Micros:
		state = ddb.BindDecimal(p, i, ddb.NewDecimal(18, 6, ddb.NewHugeInt(uint64(v), int64(v)>>63)))
	case retail.Day:
		state = ddb.BindDate(p, i, ddb.NewDate(int32(v)))
	case time.Time:
		state = ddb.BindTimestamp(p, i, ddb.NewTimestamp(v.UnixMicro()))
	case shopper.ID:
		state = ddb.BindInt64(p, i, int64(v.Reveal()))
	default:
		return fmt.Errorf("%w: no SQL value for a %T", warehouse.ErrQuery, v)
	}
	if state == ddb.StateError {
		return fmt.Errorf("%w: value %d does not fit", warehouse.ErrQuery, i)
	}
	return nil
}

// within runs f inside one transaction, which is undone when f fails. The
// commit is not interrupted by ctx, so that its outcome is known.
func (c *conn) within(ctx context.Context, f func() error) error {
	if err := c.exec(ctx, "begin transaction"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		err = c.exec(context.WithoutCancel(ctx), "commit")
	}
	if err != nil {
		// The rollback must happen even though ctx has ended; that there is
		// nothing left to roll back is no error worth telling.
		_ = c.exec(context.WithoutCancel(ctx), "rollback")
	}
	return err
}
