package sqlite

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"endcap/keep/vault"
	"endcap/retail/shopper"
)

// The statements of forgetting.
const (
	sqlTombstone    = `select 1 from tombstone where sum = ?`
	sqlAddTombstone = `insert into tombstone (sum) values (?) on conflict (sum) do nothing`
	sqlTombstones   = `select sum from tombstone order by sum`
	sqlEverybody    = `select shopper from person`
	sqlLift         = `delete from tombstone where sum = ?`
	sqlDropKeys     = `delete from identifier where shopper = ?`
	sqlDropSayings  = `delete from saying where shopper = ?`
	sqlDropOrdinal  = `delete from ordinal where shopper = ?`
	sqlDropPerson   = `delete from person where shopper = ?`
	sqlDropAsker    = `update request set shopper = 0, doc = x'' where shopper = ?`

	sqlAllKeys   = `select kind, value from identifier`
	sqlAllPeople = `select shopper from identifier union select shopper from person union select shopper from ordinal
		union select shopper from saying union select shopper from request where shopper <> 0 union select shopper from told where shopper <> 0
		union select shopper from disclosure`

	markTombstones = "tombstones" // counts their changes
)

// Forget implements vault.Forgetting. When it returns, no byte of her keys is
// left in the file or in its log. After an error, forget her again.
func (v *Vault) Forget(ctx context.Context, who ...shopper.ID) error {
	err := v.do(ctx, func(c *conn) error {
		for _, id := range who {
			if !id.Known() {
				continue
			}
			if err := v.forget(c, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = v.truncateLog(ctx)
	}
	return named("forget a shopper", err)
}

// forget marks her keys and her id, then deletes what names her.
func (v *Vault) forget(c *conn, who shopper.ID) error {
	hers, err := keysOf(c, who)
	if err != nil {
		return err
	}
	for _, key := range hers {
		if err := c.query(sqlAddTombstone).blob(suppression(v.newestMark(), key)).exec(); err != nil {
			return err
		}
	}
	if err := forgetMerges(c, who); err != nil { // it looks for evidence by her keys
		return err
	}
	if err := dropPseudonyms(c, who); err != nil {
		return err
	}
	if _, err := notify(c, []shopper.ID{who}, vault.Notice{Cause: forgottenCause}); err != nil { // of what nobody told before
		return err
	}
	for _, sql := range []string{sqlDropKeys, sqlGoneLinks, sqlDropSayings, sqlDropOrdinal, sqlDropPerson, sqlDropAsker, sqlDropDisclosures} {
		if err := c.query(sql).int(stored(who)).exec(); err != nil {
			return err
		}
	}
	if _, err := step(c, markTombstones); err != nil {
		return err
	}
	return c.query(sqlAddTombstone).blob(tombstone(v.newestMark(), who)).exec()
}

// Forgotten implements vault.Forgetting.
func (v *Vault) Forgotten(ctx context.Context, who shopper.ID) (gone bool, err error) {
	err = v.file.read(ctx, func(c *conn) (err error) {
		gone, err = v.forgotten(c, who)
		return err
	})
	return gone, named("look for a tombstone", err)
}

// Gone implements vault.Forgetting.
func (v *Vault) Gone(ctx context.Context, who []shopper.ID) (gone []shopper.ID, err error) {
	if len(who) > vault.BatchMax {
		return nil, fmt.Errorf("%w: tombstones of %d shoppers in one call, at most %d", vault.ErrLimit, len(who), vault.BatchMax)
	}
	err = v.file.read(ctx, func(c *conn) error {
		for _, id := range who {
			yes, err := v.forgotten(c, id)
			if err != nil {
				return err
			}
			if yes {
				gone = append(gone, id)
			}
		}
		return nil
	})
	return gone, named("look for tombstones", err)
}

// Suppressed implements vault.Forgetting.
func (v *Vault) Suppressed(ctx context.Context, keys []shopper.Key) ([]bool, error) {
	if len(keys) > vault.BatchMax {
		return nil, fmt.Errorf("%w: marks of %d keys in one call, at most %d", vault.ErrLimit, len(keys), vault.BatchMax)
	}
	out := make([]bool, len(keys))
	err := v.file.read(ctx, func(c *conn) (err error) {
		for i, key := range keys {
			if out[i], err = v.suppressed(c, key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for marks of %d keys: %w", len(keys), err)
	}
	return out, nil
}

// Lift implements vault.Forgetting.
func (v *Vault) Lift(ctx context.Context, keys []shopper.Key) (n int, err error) {
	err = v.do(ctx, func(c *conn) error {
		n = 0
		for _, key := range keys {
			lifted := 0
			for _, with := range *v.tombs.Load() {
				if err := c.query(sqlLift).blob(suppression(with, key)).exec(); err != nil {
					return err
				}
				lifted += int(c.db.Changes())
			}
			n += min(1, lifted) // one key, under however many secrets it was marked
		}
		if n == 0 {
			return nil
		}
		_, err := step(c, markTombstones)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("lift the marks of %d keys: %w", len(keys), err)
	}
	return n, nil
}

// Remains implements vault.Forgetting.
func (v *Vault) Remains(ctx context.Context) (n int, err error) {
	err = v.file.read(ctx, func(c *conn) error {
		people, keys := c.query(sqlAllPeople), c.query(sqlAllKeys)
		for people.next() {
			gone, err := v.forgotten(c, known(people.stmt.ColumnInt64(0)))
			if err != nil {
				return errors.Join(err, people.done())
			}
			if gone {
				n++
			}
		}
		if err := people.done(); err != nil {
			return err
		}
		for keys.next() {
			key, err := shopper.ParseKey(shopper.KeyKind(keys.stmt.ColumnText(0)), keys.stmt.ColumnText(1))
			var marked bool
			if err == nil {
				marked, err = v.suppressed(c, key)
			}
			if err != nil {
				return errors.Join(err, keys.done())
			}
			if marked {
				n++
			}
		}
		return keys.done()
	})
	return n, named("look for what remains", err)
}

// Marks implements vault.Forgetting.
func (v *Vault) Marks(ctx context.Context) (marks []vault.Mark, err error) {
	err = v.file.read(ctx, func(c *conn) error {
		q := c.query(sqlTombstones)
		for q.next() {
			var m vault.Mark
			if b := q.bytes(0); copy(m[:], b) != len(b) || len(b) != len(m) {
				return errors.Join(errors.New("a tombstone is damaged"), q.done())
			}
			marks = append(marks, m)
		}
		return q.done()
	})
	return marks, named("read the tombstones", err)
}

// MarkChanges implements vault.Forgetting.
func (v *Vault) MarkChanges(ctx context.Context) (n int64, err error) {
	err = v.file.read(ctx, func(c *conn) error {
		n, _, err = c.query(sqlMark).text(markTombstones).one()
		return err
	})
	return n, named("count the changes of tombstones", err)
}

// Bury implements vault.Forgetting. It reads everybody once: callers are rare.
func (v *Vault) Bury(ctx context.Context, marks []vault.Mark) (risen []shopper.ID, err error) {
	set := make(map[vault.Mark]bool, len(marks))
	for _, m := range marks {
		set[m] = true
	}
	err = v.do(ctx, func(c *conn) error {
		for i := range marks {
			if err := c.query(sqlAddTombstone).blob(marks[i][:]).exec(); err != nil {
				return err
			}
		}
		if _, err := step(c, markTombstones); err != nil {
			return err
		}
		risen = risen[:0]
		q := c.query(sqlEverybody)
		for q.next() {
			who := known(q.stmt.ColumnInt64(0))
			if slices.ContainsFunc(*v.tombs.Load(), func(key []byte) bool { return set[vault.Mark(tombstone(key, who))] }) {
				risen = append(risen, who)
			}
		}
		return q.done()
	})
	return risen, named("set up tombstones", err)
}

func (v *Vault) forgotten(c *conn, who shopper.ID) (bool, error) {
	return v.marked(c, func(key []byte) []byte { return tombstone(key, who) })
}

func (v *Vault) suppressed(c *conn, key shopper.Key) (bool, error) {
	return v.marked(c, func(with []byte) []byte { return suppression(with, key) })
}

// marked reports whether a mark stands, as it is made under any of the keys.
func (v *Vault) marked(c *conn, mark func(key []byte) []byte) (bool, error) {
	for _, key := range *v.tombs.Load() {
		if _, found, err := c.query(sqlTombstone).blob(mark(key)).one(); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// newestMark is the key under which new marks are made.
func (v *Vault) newestMark() []byte { return (*v.tombs.Load())[0] }

// tombstone is HMAC-SHA256 of a shopper's id, 8 bytes big-endian.
func tombstone(key []byte, who shopper.ID) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, who.Reveal()))
	return mac.Sum(nil)
}

// suppression is HMAC-SHA256 of a key's kind, a zero byte and its value.
func suppression(with []byte, key shopper.Key) []byte {
	mac := hmac.New(sha256.New, with)
	mac.Write([]byte(key.Kind()))
	mac.Write([]byte{0})
	mac.Write([]byte(key.Reveal()))
	return mac.Sum(nil)
}
