package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/keep/sql/group"
	"endcap/keep/sql/schema"
)

// Options say where a store lies and how it works. Zero fields get defaults.
type Options struct {
	Path     string         // the file; its directory exists
	Readers  int            // connections that read; 4
	GroupMax int            // deeds after which a group is full; 256
	Zone     *time.Location // in which the book files changed terms under a day; UTC
	VFS      string         // the SQLite file system, for tests of failing disks; the operating system's
}

// Check says what is wrong with o.
func (o *Options) Check() error {
	switch {
	case o.Path == "":
		return errors.New("sqlite: no path")
	case o.Readers < 0 || o.Readers > 64:
		return fmt.Errorf("sqlite: readers: 1 to 64, not %d", o.Readers)
	case o.GroupMax < 0 || o.GroupMax > ledger.DeedsMax:
		return fmt.Errorf("sqlite: group max: 1 to %d, not %d", ledger.DeedsMax, o.GroupMax)
	}
	return nil
}

func (o *Options) defaults() {
	if o.Readers == 0 {
		o.Readers = 4
	}
	if o.GroupMax == 0 {
		o.GroupMax = 256
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
}

// Book is registry and ledger in one file, so that terms and the money they
// move change in one transaction.
type Book struct {
	file   *file
	zone   *time.Location
	writer *group.Writer[*call]
}

var (
	_ ledger.Ledger     = (*Book)(nil)
	_ registry.Registry = (*Book)(nil)
)

// call is what one caller asks of the writer: deeds to carry out, or other.
type call struct {
	deeds   []ready
	answers []ledger.Answer
	other   func(*conn) error
}

// OpenBook opens the book at o.Path, making or migrating it first. Close it.
func OpenBook(ctx context.Context, o Options) (*Book, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	o.defaults()
	f, err := openFile(ctx, place{o.Path, o.VFS, o.Readers, schema.Book, Settings()})
	if err != nil {
		return nil, err
	}
	b := &Book{file: f, zone: o.Zone}
	b.writer = group.New(o.GroupMax, b.write)
	return b, nil
}

// Close carries out what was asked before, and closes the file. Closing twice
// is fine.
func (b *Book) Close() error {
	b.writer.Close()
	return b.file.close()
}

// Commit implements ledger.Ledger. Each deed is judged whole before any of it
// is written, so one that fails costs its neighbours in the group nothing.
func (b *Book) Commit(ctx context.Context, deeds ...ledger.Deed) ([]ledger.Answer, error) {
	if len(deeds) > ledger.DeedsMax {
		return nil, fmt.Errorf("%w: %d deeds in one commit, at most %d", ledger.ErrDeed, len(deeds), ledger.DeedsMax)
	}
	if len(deeds) == 0 {
		return nil, nil
	}
	c := &call{deeds: make([]ready, len(deeds)), answers: make([]ledger.Answer, len(deeds))}
	for i := range deeds {
		c.deeds[i] = b.ready(&deeds[i])
	}
	if err := b.writer.Do(ctx, c, len(deeds)); err != nil {
		return nil, fmt.Errorf("commit %d deeds: %w", len(deeds), ended(err))
	}
	return c.answers, nil
}

// do has other carried out by the writer, in a group with whatever else waits.
func (b *Book) do(ctx context.Context, other func(*conn) error) error {
	return ended(b.writer.Do(ctx, &call{other: other}, 1))
}

// write is the group writer's work: all calls in one transaction.
func (b *Book) write(calls []*call) error {
	return b.file.inTransaction(func(c *conn) error {
		t, err := begin(c)
		if err != nil {
			return err
		}
		for _, call := range calls {
			if call.other != nil {
				if err := call.other(c); err != nil {
					return err
				}
				continue
			}
			for i := range call.deeds {
				if call.answers[i], err = t.carryOut(&call.deeds[i]); err != nil {
					return err
				}
			}
		}
		return t.finish()
	})
}
