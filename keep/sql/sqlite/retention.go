package sqlite

import (
	"context"
	"fmt"
	"time"

	"endcap/keep/vault"
	"endcap/retail"
)

// The statements of retention.
const (
	sqlInactive = `select shopper, active from person where (active > ? or active = ? and shopper > ?) and active >= ? and active < ?
		order by active, shopper limit ?`
	sqlNoteActive  = `update person set active = ? where shopper = ?`
	sqlCountPeople = `select count(*) from person`

	sqlPutRun = `insert into retention_run (at, doc) values (?, ?) on conflict (at) do update set doc = excluded.doc`
	sqlRuns   = `select at, doc from retention_run order by at desc limit ?`

	sqlDropRequests = `delete from request where id in (select id from request where closed > 0 and closed < ? order by closed, id limit ?)`
	sqlDropSweeps   = `delete from sweep where at < ?`
	sqlDropRuns     = `delete from retention_run where at < ?`
	sqlDropNotices  = `delete from notice where told > 0 and told < ?`
)

// Inactive implements vault.Retention.
func (v *Vault) Inactive(ctx context.Context, noted retail.Days, after vault.Activity, limit int) (out []vault.Activity, err error) {
	day, who := int64(after.Day), stored(after.Shopper)
	if after == (vault.Activity{}) { // ids are signed in a file: nobody is not the first
		day = int64(noted.From) - 1
	}
	err = v.file.read(ctx, func(c *conn) error {
		q := c.query(sqlInactive).int(day).int(day).int(who).int(int64(noted.From)).int(int64(noted.To)).int(page(limit, vault.PageMax))
		for q.next() {
			out = append(out, vault.Activity{Shopper: known(q.stmt.ColumnInt64(0)), Day: retail.Day(q.stmt.ColumnInt64(1))})
		}
		return q.done()
	})
	return out, named("list the inactive", err)
}

// NoteActivity implements vault.Retention.
func (v *Vault) NoteActivity(ctx context.Context, seen []vault.Activity) error {
	if len(seen) > vault.BatchMax {
		return fmt.Errorf("%w: activity of %d shoppers in one call, at most %d", vault.ErrLimit, len(seen), vault.BatchMax)
	}
	err := v.do(ctx, func(c *conn) error {
		for _, a := range seen {
			if err := c.query(sqlNoteActive).int(int64(a.Day)).int(stored(a.Shopper)).exec(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note the activity of %d shoppers: %w", len(seen), err)
	}
	return nil
}

// People implements vault.Retention.
func (v *Vault) People(ctx context.Context) (n int, err error) {
	err = v.file.read(ctx, func(c *conn) error {
		count, _, err := c.query(sqlCountPeople).one()
		n = int(count)
		return err
	})
	return n, named("count shoppers", err)
}

// PutRun implements vault.Retention.
func (v *Vault) PutRun(ctx context.Context, run vault.Sweep) error {
	return named("store the record of a run of retention", v.putRecord(ctx, sqlPutRun, run))
}

// Runs implements vault.Retention.
func (v *Vault) Runs(ctx context.Context, limit int) ([]vault.Sweep, error) {
	out, err := v.records(ctx, sqlRuns, limit)
	return out, named("list runs of retention", err)
}

// ExpireRequests implements vault.Retention.
func (v *Vault) ExpireRequests(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = v.do(ctx, func(c *conn) error {
		if err := c.query(sqlDropRequests).int(micros(before)).int(page(limit, vault.PageMax)).exec(); err != nil {
			return err
		}
		if n = int(c.db.Changes()); n > 0 {
			return nil
		}
		for _, sql := range []string{sqlDropSweeps, sqlDropRuns, sqlDropNotices} {
			if err := c.query(sql).int(micros(before)).exec(); err != nil {
				return err
			}
		}
		return nil
	})
	return n, named("expire requests", err)
}
