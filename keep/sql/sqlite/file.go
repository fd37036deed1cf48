// Package sqlite keeps the transactional stores in SQLite files: OpenBook gives
// keep/registry and keep/ledger in one file, OpenVault keep/vault in another.
//
// A file has one writer, which puts what concurrent callers ask for into one
// transaction and answers after its fsync (journal_mode=WAL, synchronous=FULL),
// and a few readers, which see the last committed state and block nobody.
//
// On the road of a receipt, the vault says whose card it was, and the book says
// what a click cost.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"

	"endcap/keep/sql/group"
	"endcap/keep/sql/schema"
	"endcap/keep/sql/sqlite/disk"
)

// ErrClosed is returned by every method after Close.
var ErrClosed = errors.New("the store is closed")

// Settings are the pragmas every connection to a book runs with. They are
// exported so that bench/ledger can give its reference the same.
func Settings() []string {
	return []string{
		"busy_timeout(10000)", "journal_mode(wal)", "synchronous(full)",
		"wal_autocheckpoint(4000)", "cache_size(-32768)", "temp_store(memory)",
	}
}

// DSN is the name under which SQLite opens a file with settings, on the named
// file system (empty for the operating system's own). Files that SQLite makes
// beside it get the file's own permissions.
func DSN(path, vfs string, settings []string) string {
	q := url.Values{"_pragma": settings, "modeof": {path}, "_txlock": {"immediate"}}
	if vfs != "" {
		q.Set("vfs", vfs)
	}
	// SQLite reads %20 as a space, but not +.
	query := strings.ReplaceAll(q.Encode(), "+", "%20")
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query}
	return u.String()
}

// file is one open SQLite file: a connection for the group writer, and readers.
type file struct {
	write   *conn
	readers chan *conn
	all     int

	closing sync.Once
	closed  chan struct{}
}

// place is where a file lies and how it is opened.
type place struct {
	path     string
	vfs      string
	readers  int
	set      schema.Set
	settings []string
}

func openFile(ctx context.Context, p place) (f *file, err error) {
	if p.path, err = filepath.Abs(p.path); err != nil {
		return nil, fmt.Errorf("open %s: %w", p.set, err)
	}
	f = &file{readers: make(chan *conn, p.readers), closed: make(chan struct{})}
	if err := f.open(ctx, p); err != nil {
		_ = f.close()
		return nil, fmt.Errorf("open %s: %w", p.path, err)
	}
	return f, nil
}

// open makes the file, readable by its owner only, its tables and connections.
func (f *file) open(ctx context.Context, p place) (err error) {
	if err := disk.DirectoryOf(p.vfs).Make(p.path); err != nil {
		return err
	}
	dsn := DSN(p.path, p.vfs, p.settings)
	if f.write, err = dial(ctx, dsn); err != nil {
		return err
	}
	if err := f.migrate(ctx, p.set, dsn); err != nil {
		return err
	}
	for range p.readers {
		c, err := dial(ctx, dsn)
		if err != nil {
			return err
		}
		f.readers <- c
		f.all++
	}
	// The log was made by the first read. The driver syncs it, but not the
	// directory that names it; until that is done a power cut could lose both.
	return disk.DirectoryOf(p.vfs).SyncDirectory(filepath.Dir(p.path))
}

// migrate brings the tables to the newest version. It asks first, which is quick:
// a file is opened far more often than it is migrated.
func (f *file) migrate(ctx context.Context, set schema.Set, dsn string) error {
	newest, err := schema.Newest(set)
	if err != nil {
		return err
	}
	if _, is, err := f.write.query(newest).one(); is && err == nil {
		return nil
	}
	db, err := driver.Open(dsn)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	return errors.Join(schema.Migrate(ctx, db, schema.SQLite(), set), db.Close())
}

// read lends a reader to fn, inside one read transaction, so that all of fn's
// queries see the same state. The connection is interrupted when ctx ends.
func (f *file) read(ctx context.Context, fn func(*conn) error) error {
	select {
	case <-f.closed:
		return ErrClosed
	default:
	}
	var c *conn
	select {
	case c = <-f.readers:
	case <-f.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { f.readers <- c }()
	before := c.db.SetInterrupt(ctx)
	err := c.exec("begin")
	if err == nil {
		err = fn(c)
	}
	c.db.SetInterrupt(before)
	if !c.db.GetAutocommit() {
		err = errors.Join(err, c.exec("rollback"))
	}
	if ctx.Err() != nil && errors.Is(err, sqlite3.INTERRUPT) {
		return ctx.Err()
	}
	return err
}

// inTransaction runs fn inside a write transaction and commits it durably.
// Only the group writer's goroutine calls it. After an error nothing of fn is
// in the file.
func (f *file) inTransaction(fn func(*conn) error) error {
	if err := f.write.exec("begin immediate"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	err := fn(f.write)
	if err == nil {
		if err = f.write.exec("commit"); err != nil {
			err = fmt.Errorf("commit: %w", err)
		}
	}
	if !f.write.db.GetAutocommit() {
		err = errors.Join(err, f.write.exec("rollback"))
	}
	return err
}

// close waits for readers that are lent out and closes every connection. The
// group writer must have ended before.
func (f *file) close() error {
	var errs []error
	f.closing.Do(func() {
		close(f.closed)
		for range f.all {
			errs = append(errs, (<-f.readers).close())
		}
		if f.write != nil {
			errs = append(errs, f.write.close())
		}
	})
	return errors.Join(errs...)
}

// ended gives the group writer's way of saying closed this package's name.
func ended(err error) error {
	if errors.Is(err, group.ErrClosed) {
		return ErrClosed
	}
	return err
}
