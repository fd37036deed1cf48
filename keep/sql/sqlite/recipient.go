package sqlite

import (
	"context"
	"fmt"
	"slices"
	"time"

	"endcap/keep/vault"
	"endcap/retail/shopper"
)

// forgottenCause is the cause of notices that Forget makes by itself.
const forgottenCause = "erasure"

// The statements of recipients.
const (
	sqlPutRecipient    = `insert into recipient (id, doc) values (?, ?) on conflict (id) do update set doc = excluded.doc`
	sqlCountRecipients = `select count(*) from recipient where id <> ?`
	sqlRecipients      = `select id, doc from recipient order by id`

	sqlDisclose = `insert into disclosure (recipient, shopper, alias, what, at) values (?, ?, ?, ?, ?)
		on conflict (recipient, alias, shopper, what) do update set at = excluded.at where excluded.at > disclosure.at`
	sqlDisclosures     = `select recipient, alias, what, at from disclosure where shopper = ? order by at, recipient, alias, what`
	sqlAliases         = `select distinct recipient, alias from disclosure where shopper = ? order by recipient, alias`
	sqlDropDisclosures = `delete from disclosure where shopper = ?`

	sqlAddNotice = `insert into notice (id, recipient, alias, cause, at, due, told) values (?, ?, ?, ?, ?, ?, 0)`
	sqlNotices   = `select id, recipient, alias, cause, at, due, told from notice where id > ? and (? = '' or recipient = ?) and (? = 0 or told = 0)
		order by id limit ?`
	sqlAcknowledge = `update notice set told = ?, alias = '' where id = ? and recipient = ? and told = 0`

	markNotices = "notices" // numbers them
)

// PutRecipient implements vault.Recipients.
func (v *Vault) PutRecipient(ctx context.Context, r vault.Recipient) error {
	err := r.Check()
	if err == nil {
		err = v.do(ctx, func(c *conn) error {
			others, _, err := c.query(sqlCountRecipients).text(r.ID).one()
			if err == nil && others >= vault.RecipientsMax {
				err = fmt.Errorf("%w: at most %d recipients", vault.ErrLimit, vault.RecipientsMax)
			}
			if err != nil {
				return err
			}
			return c.query(sqlPutRecipient).text(r.ID).blob(r.Doc).exec()
		})
	}
	return named("store a recipient", err)
}

// Recipients implements vault.Recipients.
func (v *Vault) Recipients(ctx context.Context) (out []vault.Recipient, err error) {
	err = v.file.read(ctx, func(c *conn) error {
		q := c.query(sqlRecipients)
		for q.next() {
			out = append(out, vault.Recipient{ID: q.stmt.ColumnText(0), Doc: q.bytes(1)})
		}
		return q.done()
	})
	return out, named("list recipients", err)
}

// Disclose implements vault.Recipients.
func (v *Vault) Disclose(ctx context.Context, given []vault.Disclosure) error {
	if len(given) > vault.BatchMax {
		return fmt.Errorf("%w: %d disclosures in one call, at most %d", vault.ErrLimit, len(given), vault.BatchMax)
	}
	for i := range given {
		if err := given[i].Check(); err != nil {
			return fmt.Errorf("disclosure %d: %w", i, err)
		}
	}
	err := v.do(ctx, func(c *conn) error {
		for i := range given {
			d := &given[i]
			gone, err := v.forgotten(c, d.Shopper)
			if err != nil {
				return err
			}
			if gone || !d.Shopper.Known() {
				continue
			}
			if err := c.query(sqlDisclose).text(d.Recipient).int(stored(d.Shopper)).text(d.Alias).text(d.What).int(micros(d.At)).exec(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record %d disclosures: %w", len(given), err)
	}
	return nil
}

// Disclosures implements vault.Recipients.
func (v *Vault) Disclosures(ctx context.Context, who shopper.ID) (out []vault.Disclosure, err error) {
	err = v.file.read(ctx, func(c *conn) error {
		q := c.query(sqlDisclosures).int(stored(who))
		for q.next() {
			s := q.stmt
			out = append(out, vault.Disclosure{Recipient: s.ColumnText(0), Shopper: who, Alias: s.ColumnText(1), What: s.ColumnText(2), At: instant(s.ColumnInt64(3))})
		}
		return q.done()
	})
	return out, named("what was disclosed of a shopper", err)
}

// Notify implements vault.Recipients.
func (v *Vault) Notify(ctx context.Context, who []shopper.ID, of vault.Notice, leave bool) (told []string, err error) {
	err = v.do(ctx, func(c *conn) (err error) {
		told, err = notify(c, who, of)
		if err != nil || !leave {
			return err
		}
		for _, id := range who { // so that Forget makes no second one
			if err := c.query(sqlDropDisclosures).int(stored(id)).exec(); err != nil {
				return err
			}
		}
		return nil
	})
	return told, named("make notices", err)
}

// notify makes the notices of some shoppers and gives the recipients' ids.
func notify(c *conn, who []shopper.ID, of vault.Notice) (recipients []string, err error) {
	for _, id := range who {
		var found []vault.Notice
		q := c.query(sqlAliases).int(stored(id))
		for q.next() {
			found = append(found, vault.Notice{Recipient: q.stmt.ColumnText(0), Alias: q.stmt.ColumnText(1)})
		}
		if err := q.done(); err != nil {
			return nil, err
		}
		for _, n := range found {
			seq, err := step(c, markNotices)
			if err != nil {
				return nil, err
			}
			err = c.query(sqlAddNotice).int(seq + 1).text(n.Recipient).text(n.Alias).text(of.Cause).int(micros(of.At)).int(micros(of.Due)).exec()
			if err != nil {
				return nil, err
			}
			recipients = append(recipients, n.Recipient)
		}
	}
	slices.Sort(recipients)
	return slices.Compact(recipients), nil
}

// Notices implements vault.Recipients.
func (v *Vault) Notices(ctx context.Context, recipient string, waiting bool, after uint64, limit int) (out []vault.Notice, err error) {
	err = v.file.read(ctx, func(c *conn) error {
		q := c.query(sqlNotices).int(position(after)).text(recipient).text(recipient).int(bit(waiting)).int(page(limit, vault.PageMax))
		for q.next() {
			s := q.stmt
			out = append(out, vault.Notice{
				ID: number(s.ColumnInt64(0)), Recipient: s.ColumnText(1), Alias: s.ColumnText(2), Cause: s.ColumnText(3),
				At: instant(s.ColumnInt64(4)), Due: instant(s.ColumnInt64(5)), Told: instant(s.ColumnInt64(6)),
			})
		}
		return q.done()
	})
	return out, named("list notices", err)
}

// Acknowledge implements vault.Recipients.
func (v *Vault) Acknowledge(ctx context.Context, recipient string, ids []uint64, at time.Time) (n int, err error) {
	if len(ids) > vault.BatchMax {
		return 0, fmt.Errorf("%w: %d notices in one call, at most %d", vault.ErrLimit, len(ids), vault.BatchMax)
	}
	err = v.do(ctx, func(c *conn) error {
		n = 0
		for _, id := range ids {
			if err := c.query(sqlAcknowledge).int(micros(at)).int(position(id)).text(recipient).exec(); err != nil {
				return err
			}
			n += int(c.db.Changes())
		}
		return nil
	})
	return n, named("record that a recipient was told", err)
}
