package sqlite

import (
	"context"
	"errors"
	"fmt"

	"endcap/keep/vault"
)

// The statements of rings.
const (
	sqlRing      = `select number, value, made from generation where ring = ? order by number desc`
	sqlTurn      = `insert into generation (ring, number, value, made) values (?, ?, ?, ?)`
	sqlRetire    = `delete from generation where ring = ? and number < ?`
	sqlRingNames = `select distinct ring from generation where ring > ? order by ring limit ?`
)

// Ring implements vault.Rings.
func (v *Vault) Ring(ctx context.Context, name string) (ring []vault.Generation, err error) {
	err = v.file.read(ctx, func(c *conn) (err error) {
		ring, err = ringOf(c, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ring %s: %w", name, err)
	}
	return ring, nil
}

func ringOf(c *conn, name string) (ring []vault.Generation, err error) {
	q := c.query(sqlRing).text(name)
	for q.next() {
		ring = append(ring, vault.Generation{Number: q.stmt.ColumnInt(0), Value: q.bytes(1), Made: instant(q.stmt.ColumnInt64(2))})
	}
	return ring, q.done()
}

// Turn implements vault.Rings.
func (v *Vault) Turn(ctx context.Context, name string, next vault.Generation) (ring []vault.Generation, err error) {
	if err := vault.CheckTurn(name, &next); err != nil {
		return nil, err
	}
	err = v.do(ctx, func(c *conn) (err error) {
		if ring, err = ringOf(c, name); err != nil {
			return err
		}
		newest := 0
		if len(ring) > 0 {
			newest = ring[0].Number
		}
		switch {
		case next.Number != newest+1:
			return nil
		case len(ring) >= vault.RingMax:
			return vault.ErrRing
		}
		if err := c.query(sqlTurn).text(name).int(int64(next.Number)).blob(next.Value).int(micros(next.Made)).exec(); err != nil {
			return err
		}
		ring, err = ringOf(c, name)
		return err
	})
	if err == nil && name == vault.TombstoneRing {
		v.keyMarks(ring)
	}
	if err != nil {
		return nil, fmt.Errorf("turn ring %s: %w", name, err)
	}
	return ring, nil
}

// keyMarks makes a ring the one by which marks are made and recognised, unless a
// newer one is.
func (v *Vault) keyMarks(ring []vault.Generation) {
	for {
		old := v.tombs.Load()
		if old != nil && len(*old) >= len(ring) { // generations are only ever added
			return
		}
		keys := make([][]byte, len(ring))
		for i := range ring {
			keys[i] = ring[i].Value
		}
		if v.tombs.CompareAndSwap(old, &keys) {
			return
		}
	}
}

// Retire implements vault.Rings.
func (v *Vault) Retire(ctx context.Context, name string, below int) (n int, err error) {
	if name == vault.TombstoneRing {
		return 0, errors.New("without its secrets nobody could say who was forgotten: they are kept")
	}
	err = v.do(ctx, func(c *conn) error {
		n = 0
		err := c.query(sqlRetire).text(name).int(int64(below)).exec()
		if err == nil {
			n = int(c.db.Changes())
		}
		return err
	})
	if err == nil && n > 0 {
		err = v.truncateLog(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("retire generations of ring %s: %w", name, err)
	}
	return n, nil
}

// Rings implements vault.Rings.
func (v *Vault) Rings(ctx context.Context, after string, limit int) (names []string, err error) {
	err = v.file.read(ctx, func(c *conn) error {
		q := c.query(sqlRingNames).text(after).int(page(limit, vault.PageMax))
		for q.next() {
			names = append(names, q.stmt.ColumnText(0))
		}
		return q.done()
	})
	return names, named("list rings", err)
}
