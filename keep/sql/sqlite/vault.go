package sqlite

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"

	"endcap/keep/sql/group"
	"endcap/keep/sql/schema"
	"endcap/keep/vault"
	"endcap/retail/shopper"
)

// vaultGroupMax is after how many calls a group of the vault is full. A call may
// itself hold thousands of rows.
const vaultGroupMax = 64

// Vault is keep/vault in a file of its own, whose deleted rows are overwritten.
// Its errors name no key and no shopper.
type Vault struct {
	file   *file
	tombs  atomic.Pointer[[][]byte] // the keys of marks, the newest first
	writer *group.Writer[*work]
}

var _ vault.Vault = (*Vault)(nil)

// work is one call's part of a group. It is kept or undone on its own.
type work struct {
	do  func(*conn) error
	err error
}

// OpenVault opens the vault at o.Path, making or migrating it first. Close it.
func OpenVault(ctx context.Context, o Options) (*Vault, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	o.defaults()
	settings := append([]string{"secure_delete(on)"}, Settings()...)
	f, err := openFile(ctx, place{o.Path, o.VFS, o.Readers, schema.Vault, settings})
	if err != nil {
		return nil, err
	}
	v := &Vault{file: f}
	v.writer = group.New(vaultGroupMax, v.write)
	ring, err := vault.OpenRing(ctx, v, vault.TombstoneRing, func() (vault.Generation, error) {
		key := make([]byte, sha256.Size)
		_, err := rand.Read(key)
		return vault.Generation{Value: key}, err
	})
	if err == nil {
		err = v.adopt(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	v.keyMarks(ring)
	return v, nil
}

// Close carries out what was asked before, and closes the file. Closing twice
// is fine.
func (v *Vault) Close() error {
	v.writer.Close()
	return v.file.close()
}

// do has fn carried out durably, whole or not at all.
func (v *Vault) do(ctx context.Context, fn func(*conn) error) error {
	w := &work{do: fn}
	if err := v.writer.Do(ctx, w, 1); err != nil {
		return ended(err)
	}
	return w.err
}

// write is the group writer's work: every call in a savepoint of its own, all
// in one transaction.
func (v *Vault) write(group []*work) error {
	return v.file.inTransaction(func(c *conn) error {
		for _, w := range group {
			if err := c.exec("savepoint call"); err != nil {
				return err
			}
			if w.err = w.do(c); w.err != nil {
				if err := c.exec("rollback to call"); err != nil {
					return errors.Join(w.err, err)
				}
			}
			if err := c.exec("release call"); err != nil {
				return err
			}
		}
		return nil
	})
}

// The statements of secrets and of the log.
const (
	sqlSecret    = `select value from secret where name = ?`
	sqlAddSecret = `insert into secret (name, value) values (?, ?)`
	sqlDestroy   = `delete from secret where name >= ? and name < ?`

	sqlTruncateLog = `pragma wal_checkpoint(truncate)`
)

// Secret implements vault.Secrets.
func (v *Vault) Secret(ctx context.Context, name string, fresh func() ([]byte, error)) (secret []byte, err error) {
	if name == "" || len(name) > vault.NameMax {
		return nil, fmt.Errorf("a secret's name has 1 to %d bytes, this %d", vault.NameMax, len(name))
	}
	stored := func(c *conn) error {
		q := c.query(sqlSecret).text(name)
		if q.next() {
			secret = q.bytes(0)
		}
		return q.done()
	}
	err = v.file.read(ctx, stored)
	if err == nil && secret == nil {
		err = v.do(ctx, func(c *conn) error {
			if err := stored(c); err != nil || secret != nil {
				return err
			}
			made, err := fresh()
			if err != nil {
				return err
			}
			if len(made) == 0 || len(made) > vault.SecretMax {
				return fmt.Errorf("it has 1 to %d bytes, the new one %d", vault.SecretMax, len(made))
			}
			secret = made
			return c.query(sqlAddSecret).text(name).blob(made).exec()
		})
	}
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	return secret, nil
}

// Destroy implements vault.Secrets.
func (v *Vault) Destroy(ctx context.Context, from, before string) (n int, err error) {
	err = v.do(ctx, func(c *conn) error {
		n = 0
		err := c.query(sqlDestroy).text(from).text(before).exec()
		if err == nil {
			n = int(c.db.Changes())
		}
		return err
	})
	if err == nil && n > 0 {
		err = v.truncateLog(ctx)
	}
	return n, named("destroy secrets", err)
}

// truncateLog empties the write-ahead log, which still holds deleted rows as
// they were. Readers that began before are waited for, up to the busy timeout.
func (v *Vault) truncateLog(ctx context.Context) error {
	select {
	case c := <-v.file.readers:
		defer func() { v.file.readers <- c }()
		blocked, _, err := c.query(sqlTruncateLog).one()
		if err == nil && blocked != 0 {
			err = errors.New("the log could not be emptied while others read it; try again")
		}
		return err
	case <-v.file.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stored is a shopper as the file keeps her: the same 64 bits, signed.
func stored(who shopper.ID) int64 { return int64(who.Reveal()) }

// known reads what stored wrote.
func known(bits int64) shopper.ID { return shopper.FromUint64(uint64(bits)) }
