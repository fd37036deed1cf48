package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"endcap/keep/vault"
	"endcap/retail/event"
)

// The statements of quarantine.
const (
	sqlAddRefusal = `insert into refusal (id, sum, kind, source, line, reason, say, raw, stored, at)
		values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (sum) do nothing`
	sqlRefusals    = `select id, kind, source, line, reason, say, raw, stored, at from refusal where id > ? order by id limit ?`
	sqlDropRefusal = `delete from refusal where id = ?`
	sqlExpire      = `delete from refusal where at < ?`
)

// Refuse implements vault.Quarantine. Ids grow for ever, released rows or not,
// so that a reader's place in Refusals stays right.
func (v *Vault) Refuse(ctx context.Context, rows []vault.Refused) error {
	for i := range rows {
		if err := rows[i].Check(); err != nil {
			return fmt.Errorf("refused row %d: %w", i, err)
		}
	}
	err := v.do(ctx, func(c *conn) error {
		last, _, err := c.query(sqlMark).text("refusals").one()
		if err != nil {
			return err
		}
		before := last
		for i := range rows {
			r := &rows[i]
			err := c.query(sqlAddRefusal).int(last + 1).blob(refusalSum(r)).int(int64(r.Kind)).text(r.Source).int(r.Line).
				text(r.Reason).text(cut(r.Say, vault.TextMax)).blob(r.Raw[:min(len(r.Raw), vault.RawMax)]).blob(r.Stored).int(micros(r.At)).exec()
			if err != nil {
				return err
			}
			last += c.db.Changes()
		}
		if last == before {
			return nil
		}
		return c.query(sqlSetMark).text("refusals").int(last).exec()
	})
	if err != nil {
		return fmt.Errorf("quarantine %d rows: %w", len(rows), err)
	}
	return nil
}

// refusalSum is what two refusals of the same row have in common: where it
// stood, why it was refused, and all of its bytes.
func refusalSum(r *vault.Refused) []byte {
	h := sha256.New()
	for _, part := range []string{r.Source, r.Reason} {
		h.Write(binary.AppendUvarint(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	h.Write(binary.AppendVarint(nil, r.Line))
	h.Write(r.Raw)
	return h.Sum(nil)
}

// Refusals implements vault.Quarantine.
func (v *Vault) Refusals(ctx context.Context, after uint64, limit int) (out []vault.Refused, err error) {
	err = v.file.read(ctx, func(c *conn) error {
		q := c.query(sqlRefusals).int(position(after)).int(page(limit, vault.PageMax))
		for q.next() {
			s := q.stmt
			out = append(out, vault.Refused{
				ID: number(s.ColumnInt64(0)), Kind: event.Kind(s.ColumnInt64(1)),
				Source: s.ColumnText(2), Line: s.ColumnInt64(3), Reason: s.ColumnText(4), Say: s.ColumnText(5),
				Raw: q.bytes(6), Stored: q.bytes(7), At: instant(s.ColumnInt64(8)),
			})
		}
		return q.done()
	})
	if err != nil {
		return nil, fmt.Errorf("refusals after %d: %w", after, err)
	}
	return out, nil
}

// Release implements vault.Quarantine.
func (v *Vault) Release(ctx context.Context, ids []uint64) error {
	err := v.do(ctx, func(c *conn) error {
		for _, id := range ids {
			if err := c.query(sqlDropRefusal).int(position(id)).exec(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("release %d rows: %w", len(ids), err)
	}
	return nil
}

// Expire implements vault.Quarantine.
func (v *Vault) Expire(ctx context.Context, before time.Time) (n int, err error) {
	err = v.do(ctx, func(c *conn) error {
		err := c.query(sqlExpire).int(micros(before)).exec()
		n = int(c.db.Changes())
		return err
	})
	return n, named("expire refused rows", err)
}
