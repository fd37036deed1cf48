package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Pinned is what a file held at one instant, to be copied while others write on.
// It takes one of the readers until Release, and the file's log grows so long.
type Pinned struct {
	file *file
	conn *conn
}

// sqlPin is a transaction's first read, which fixes what it sees.
const sqlPin = `select count(*) from sqlite_schema`

// Pin holds the book still, notes what it is, and calls still, which should be
// quick: no deed is carried out until it returns. So stores that are pinned inside
// one another show one instant. What was answered before Pin is in it.
func (b *Book) Pin(ctx context.Context, still func() error) (p *Pinned, err error) {
	err = b.do(ctx, func(*conn) error {
		p, err = b.file.pin(ctx, still)
		return err
	})
	return p, err
}

// Pin holds the vault still, as Book.Pin does.
func (v *Vault) Pin(ctx context.Context, still func() error) (p *Pinned, err error) {
	err = v.do(ctx, func(*conn) error {
		p, err = v.file.pin(ctx, still)
		return err
	})
	return p, err
}

// pin is called by the group writer, so nothing is committed meanwhile.
func (f *file) pin(ctx context.Context, still func() error) (*Pinned, error) {
	p := &Pinned{file: f}
	select {
	case p.conn = <-f.readers:
	case <-f.closed:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	err := p.conn.exec("begin")
	if err == nil {
		_, _, err = p.conn.query(sqlPin).one()
	}
	if err == nil {
		err = still()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("pin: %w", err), p.Release())
	}
	return p, nil
}

// Release ends the pin. Releasing twice, or no pin, is fine.
func (p *Pinned) Release() error {
	if p == nil || p.conn == nil {
		return nil
	}
	c := p.conn
	p.conn = nil
	var err error
	if !c.db.GetAutocommit() {
		err = c.exec("rollback")
	}
	p.file.readers <- c
	return err
}

// pagesOnce is how many pages a copy takes before it looks whether it should go on.
const pagesOnce = 1_024

// Copy writes what is pinned to a new file, page by page, so that what did not
// change since an earlier copy lies where it lay. Secrets whose names begin so
// are left out, and their bytes too; "" leaves out none.
func (p *Pinned) Copy(ctx context.Context, path, without string) error {
	err := p.copyPages(ctx, path)
	if err == nil {
		err = settleCopy(ctx, path, without)
	}
	if err != nil {
		return fmt.Errorf("copy to %s: %w", path, err)
	}
	return nil
}

func (p *Pinned) copyPages(ctx context.Context, path string) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	copying, err := p.conn.db.BackupInit("main", DSN(path, "", nil))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, copying.Close()) }()
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if done, err = copying.Step(pagesOnce); err != nil {
			return err
		}
	}
	return nil
}

// settleCopy takes secrets out of a copy and makes it one file without a log.
func settleCopy(ctx context.Context, path, without string) error {
	c, err := dial(ctx, DSN(path, "", []string{"journal_mode(delete)", "secure_delete(on)"}))
	if err != nil {
		return err
	}
	if without != "" {
		err = c.query(sqlDestroy).text(without).text(without + "\xff").exec()
	}
	return errors.Join(err, c.close())
}
