package sqlite

import (
	"context"
	"fmt"

	"endcap/keep/ledger"
	"endcap/retail"
	"endcap/retail/event"
)

// The questions of the ledger.
const (
	sqlBalances     = `select account, currency, amount from balance where account >= ? and account < ? order by account, currency`
	sqlBalancesFrom = `select account, currency, amount from balance where account >= ? order by account, currency`
	sqlPostings     = `select p.seq, d.key, p.account, p.currency, p.amount, d.at from posting p join deed d on d.seq = p.deed
		where p.seq > ? order by p.seq limit ?`
	sqlOutbox  = `select seq, fact from outbox order by seq limit ?`
	sqlMarkOut = `insert into mark (name, value) select 'sent', max(seq) from outbox where seq <= ? having max(seq) is not null
		on conflict (name) do update set value = excluded.value`
	sqlDropSent = `delete from outbox where seq <= ?`
)

// Balances implements ledger.Ledger.
func (b *Book) Balances(ctx context.Context, prefix string) (out []ledger.Balance, err error) {
	err = b.file.read(ctx, func(c *conn) error {
		q := c.query(sqlBalancesFrom).text(prefix)
		if next, ok := after(prefix); ok {
			q = c.query(sqlBalances).text(prefix).text(next)
		}
		for q.next() {
			out = append(out, ledger.Balance{
				Account:  ledger.Account(q.stmt.ColumnText(0)),
				Currency: retail.Currency(q.stmt.ColumnText(1)),
				Amount:   retail.Micros(q.stmt.ColumnInt64(2)),
			})
		}
		return q.done()
	})
	return out, named("balances", err)
}

// Postings implements ledger.Ledger.
func (b *Book) Postings(ctx context.Context, after uint64, limit int) (out []ledger.Posting, err error) {
	err = b.file.read(ctx, func(c *conn) error {
		q := c.query(sqlPostings).int(position(after)).int(page(limit, ledger.PageMax))
		for q.next() {
			s := q.stmt
			out = append(out, ledger.Posting{
				Seq: number(s.ColumnInt64(0)), Deed: s.ColumnText(1), At: instant(s.ColumnInt64(5)),
				Entry: ledger.Entry{
					Account: ledger.Account(s.ColumnText(2)), Currency: retail.Currency(s.ColumnText(3)),
					Amount: retail.Micros(s.ColumnInt64(4)),
				},
			})
		}
		return q.done()
	})
	if err != nil {
		return nil, fmt.Errorf("postings after %d: %w", after, err)
	}
	return out, nil
}

// Outbox implements ledger.Ledger.
func (b *Book) Outbox(ctx context.Context, limit int) (out []ledger.Outgoing, err error) {
	err = b.file.read(ctx, func(c *conn) error {
		q := c.query(sqlOutbox).int(page(limit, ledger.PageMax))
		for q.next() {
			seq := number(q.stmt.ColumnInt64(0))
			fact, err := event.Unpack(q.stmt.ColumnRawBlob(1))
			if err != nil {
				_ = q.done()
				return fmt.Errorf("fact %d: %w", seq, err)
			}
			out = append(out, ledger.Outgoing{Seq: seq, Fact: fact})
		}
		return q.done()
	})
	return out, named("outbox", err)
}

// Sent implements ledger.Ledger. What was sent lies in the stream, so the
// outbox drops it; a mark keeps its numbers from being given out again.
func (b *Book) Sent(ctx context.Context, upto uint64) error {
	err := b.do(ctx, func(c *conn) error {
		if err := c.query(sqlMarkOut).int(position(upto)).exec(); err != nil {
			return err
		}
		return c.query(sqlDropSent).int(position(upto)).exec()
	})
	if err != nil {
		return fmt.Errorf("mark facts up to %d as sent: %w", upto, err)
	}
	return nil
}
