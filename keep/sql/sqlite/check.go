package sqlite

import (
	"context"
	"errors"
	"fmt"

	"endcap/keep/ledger"
	"endcap/retail"
)

// The questions of Check.
const (
	sqlIntegrity   = `pragma integrity_check(5)`
	sqlAllPostings = `select p.seq, p.deed, p.account, p.currency, p.amount, d.seq from posting p left join deed d on d.seq = p.deed order by p.seq`
	sqlGaps        = `select 'deed', count(*), coalesce(max(seq), 0) from deed union all select 'terms', count(*), coalesce(max(seq), 0) from terms`
	sqlBadVersions = `select t.kind, t.id, count(*), max(t.version), coalesce(max(n.version), 0) from terms t
		left join newest n on n.kind = t.kind and n.id = t.id group by t.kind, t.id
		having count(*) <> max(t.version) or coalesce(max(n.version), 0) <> max(t.version) limit 5`
)

// faultsMax is after how many faults Check has seen enough.
const faultsMax = 20

// Check implements ledger.Ledger. It reads the whole book in one pass and one
// state: the file is sound, nothing booked is missing, every deed balances,
// every balance is the sum of its postings, and versions have no gaps.
func (b *Book) Check(ctx context.Context) error {
	return b.file.read(ctx, func(c *conn) error {
		a := audit{sums: make(map[pot]retail.Micros)}
		for _, step := range []func(*conn) error{a.file, a.gaps, a.versions, a.postings, a.balances} {
			if err := step(c); err != nil {
				return fmt.Errorf("check the book: %w", err)
			}
		}
		return errors.Join(a.faults...)
	})
}

type audit struct {
	sums   map[pot]retail.Micros
	faults []error
}

func (a *audit) fault(format string, args ...any) {
	if len(a.faults) < faultsMax {
		a.faults = append(a.faults, fmt.Errorf(format, args...))
	}
}

func (a *audit) file(c *conn) error {
	q := c.query(sqlIntegrity)
	for q.next() {
		if said := q.stmt.ColumnText(0); said != "ok" {
			a.fault("the file is damaged: %s", said)
		}
	}
	return q.done()
}

// gaps finds rows that are missing: numbers are given out without gaps, and
// nothing booked is ever deleted.
func (a *audit) gaps(c *conn) error {
	q := c.query(sqlGaps)
	for q.next() {
		if count, last := q.stmt.ColumnInt64(1), q.stmt.ColumnInt64(2); count != last {
			a.fault("%d rows of %s are missing", last-count, q.stmt.ColumnText(0))
		}
	}
	return q.done()
}

func (a *audit) versions(c *conn) error {
	q := c.query(sqlBadVersions)
	for q.next() {
		s := q.stmt
		a.fault("%s %s has %d versions up to %d, and %d counts as its newest",
			s.ColumnText(0), s.ColumnText(1), s.ColumnInt64(2), s.ColumnInt64(3), s.ColumnInt64(4))
	}
	return q.done()
}

// postings adds up every account, and every deed: a deed's postings lie side by
// side, so one is complete when the next begins.
func (a *audit) postings(c *conn) error {
	deed, next := int64(0), int64(1)
	open := make(map[retail.Currency]retail.Micros)
	settle := func() {
		for currency, sum := range open {
			if sum != 0 {
				a.fault("deed %d is out by %s %s", deed, sum.Format(currency), currency)
			}
		}
		clear(open)
	}
	q := c.query(sqlAllPostings)
	for q.next() {
		s := q.stmt
		seq, of := s.ColumnInt64(0), s.ColumnInt64(1)
		p := pot{ledger.Account(s.ColumnText(2)), retail.Currency(s.ColumnText(3))}
		amount := retail.Micros(s.ColumnInt64(4))
		if of != deed {
			settle()
			deed = of
		}
		if seq != next {
			a.fault("postings %d to %d are missing", next, seq-1)
		}
		if s.ColumnInt64(5) != of {
			a.fault("posting %d belongs to no deed", seq)
		}
		next = seq + 1
		sum, ok := ledger.Sum(a.sums[p], amount)
		if !ok {
			a.fault("the postings of %s do not add up to an amount", p.account)
		}
		a.sums[p] = sum
		open[p.currency] += amount
	}
	settle()
	return q.done()
}

func (a *audit) balances(c *conn) error {
	q := c.query(sqlBalancesFrom).text("")
	for q.next() {
		s := q.stmt
		p := pot{ledger.Account(s.ColumnText(0)), retail.Currency(s.ColumnText(1))}
		amount := retail.Micros(s.ColumnInt64(2))
		if want := a.sums[p]; amount != want {
			a.fault("the balance of %s is %s %s, its postings sum to %s",
				p.account, amount.Format(p.currency), p.currency, want.Format(p.currency))
		}
		delete(a.sums, p)
	}
	for p, sum := range a.sums {
		if sum != 0 {
			a.fault("%s has postings and no balance", p.account)
		}
	}
	return q.done()
}
