package sqlite

import (
	"errors"
	"fmt"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/retail"
)

// ready is a deed with all that can be done to it before its turn comes.
type ready struct {
	*ledger.Deed
	facts [][]byte // as the outbox keeps them
	never error    // why the deed can never be carried out; nil if it may be
}

func (b *Book) ready(d *ledger.Deed) ready {
	if err := d.Check(); err != nil {
		return ready{never: err}
	}
	facts, err := d.Pack(b.zone)
	return ready{d, facts, err}
}

// The statements of a commit.
const (
	sqlLast = `select coalesce((select max(seq) from deed), 0), coalesce((select max(seq) from posting), 0),
		max(coalesce((select max(seq) from outbox), 0), coalesce((select value from mark where name = 'sent'), 0)),
		coalesce((select max(seq) from terms), 0)`
	sqlBalance    = `select amount from balance where account = ? and currency = ?`
	sqlNewest     = `select version from newest where kind = ? and id = ?`
	sqlStored     = `select body, answer from deed where key = ?`
	sqlAddDeed    = `insert into deed (seq, key, body, answer, at) values (?, ?, ?, ?, ?) on conflict (key) do nothing`
	sqlAddPosting = `insert into posting (seq, deed, account, currency, amount) values (?, ?, ?, ?, ?)`
	sqlAddOutbox  = `insert into outbox (seq, fact) values (?, ?)`
	sqlAddTerms   = `insert into terms (seq, kind, id, version, doc, removed, author, at) values (?, ?, ?, ?, ?, ?, ?, ?)`
	sqlSetNewest  = `insert into newest (kind, id, version, removed, seq) values (?, ?, ?, ?, ?)
		on conflict (kind, id) do update set version = excluded.version, removed = excluded.removed, seq = excluded.seq`
	sqlSetBalance = `insert into balance (account, currency, amount) values (?, ?, ?)
		on conflict (account, currency) do update set amount = excluded.amount`
)

// transaction is the state of one group of deeds. Balances are read at their
// first use and written once, at the end, however many deeds moved them.
type transaction struct {
	c        *conn
	last     struct{ deed, posting, outbox, terms int64 } // the highest numbers given out
	balances map[pot]*balance
	touched  []*balance // in the order of first use, so that runs are alike
}

type pot struct {
	account  ledger.Account
	currency retail.Currency
}

type balance struct {
	pot
	now   retail.Micros
	moved bool
}

func begin(c *conn) (*transaction, error) {
	t := &transaction{c: c, balances: make(map[pot]*balance)}
	q := c.query(sqlLast)
	if q.next() {
		s := q.stmt
		t.last.deed, t.last.posting = s.ColumnInt64(0), s.ColumnInt64(1)
		t.last.outbox, t.last.terms = s.ColumnInt64(2), s.ColumnInt64(3)
	}
	return t, q.done()
}

// finish writes what the deeds left for the end.
func (t *transaction) finish() error {
	for _, b := range t.touched {
		if !b.moved {
			continue
		}
		if err := t.c.query(sqlSetBalance).text(string(b.account)).text(string(b.currency)).int(int64(b.now)).exec(); err != nil {
			return fmt.Errorf("set a balance: %w", err)
		}
	}
	return nil
}

// carryOut does one deed or says why not. Its error is a fault of the file, not
// of the deed, and ends the whole transaction.
func (t *transaction) carryOut(d *ready) (ledger.Answer, error) {
	if d.never != nil {
		return ledger.Answer{Err: d.never}, nil //nolint:nilerr // the deed's fault is its answer
	}
	moved, refusal, err := t.judge(d)
	if err != nil {
		return ledger.Answer{}, err
	}
	if refusal.Err == nil && refusal.Refused == "" {
		claimed, err := t.claim(d)
		if err != nil {
			return ledger.Answer{}, err
		}
		if claimed {
			return ledger.Answer{Done: true, Stored: d.Answer}, t.record(d)
		}
	}
	for i := range moved {
		t.balances[pot{d.Entries[i].Account, d.Entries[i].Currency}].now -= d.Entries[i].Amount
	}
	return t.recall(d, refusal)
}

// judge moves the balances by d's entries and says what refuses d, if anything.
// moved counts the entries that must be moved back if d is not done after all.
func (t *transaction) judge(d *ready) (moved int, refusal ledger.Answer, err error) {
	for i := range d.Rows {
		r := &d.Rows[i]
		newest, err := t.newest(d.Rows[:i], r)
		if err != nil {
			return 0, refusal, err
		}
		if r.Version != newest+1 {
			stale := fmt.Errorf("%w: %s %s is at version %d, so that %d does not follow", ledger.ErrStale, r.Kind, r.ID, newest, r.Version)
			return 0, ledger.Answer{Err: stale}, nil
		}
	}
	for i := range d.Entries {
		e := &d.Entries[i]
		b, err := t.balance(pot{e.Account, e.Currency})
		if err != nil {
			return moved, refusal, err
		}
		now, ok := ledger.Sum(b.now, e.Amount)
		if !ok {
			return moved, ledger.Answer{Err: fmt.Errorf("%w: the balance of %s would not fit", ledger.ErrDeed, e.Account)}, nil
		}
		b.now, moved = now, moved+1
	}
	for i := range d.Limits {
		l := &d.Limits[i]
		b, err := t.balance(pot{l.Account, l.Currency})
		if err != nil {
			return moved, refusal, err
		}
		if b.now < l.Min {
			return moved, ledger.Answer{Refused: l.Name}, nil
		}
	}
	return moved, refusal, nil
}

// newest is the version that r must follow: the stored one, counting the rows of
// the same deed before it.
func (t *transaction) newest(before []registry.Row, r *registry.Row) (uint64, error) {
	version, _, err := t.c.query(sqlNewest).text(string(r.Kind)).text(r.ID).one()
	if err != nil {
		return 0, fmt.Errorf("read the newest %s: %w", r.Kind, err)
	}
	for i := range before {
		if before[i].Kind == r.Kind && before[i].ID == r.ID {
			version++
		}
	}
	return number(version), nil
}

func (t *transaction) balance(p pot) (*balance, error) {
	if b := t.balances[p]; b != nil {
		return b, nil
	}
	amount, _, err := t.c.query(sqlBalance).text(string(p.account)).text(string(p.currency)).one()
	if err != nil {
		return nil, fmt.Errorf("read a balance: %w", err)
	}
	b := &balance{pot: p, now: retail.Micros(amount)}
	t.balances[p] = b
	t.touched = append(t.touched, b)
	return b, nil
}

// claim takes d's key; false if an earlier deed has it.
func (t *transaction) claim(d *ready) (bool, error) {
	err := t.c.query(sqlAddDeed).int(t.last.deed + 1).text(d.Key).blob(d.Body[:]).blob(d.Answer).int(micros(d.At)).exec()
	if err != nil {
		return false, fmt.Errorf("claim a key: %w", err)
	}
	if t.c.db.Changes() == 0 {
		return false, nil
	}
	t.last.deed++
	return true, nil
}

// recall answers a deed that was not done: from the stored deed of the same key
// if there is one, else with what refused it.
func (t *transaction) recall(d *ready, refusal ledger.Answer) (ledger.Answer, error) {
	q := t.c.query(sqlStored).text(d.Key)
	if q.next() {
		if body := q.stmt.ColumnRawBlob(0); string(body) == string(d.Body[:]) {
			refusal = ledger.Answer{Repeat: true, Stored: q.bytes(1)}
		} else {
			refusal = ledger.Answer{Err: ledger.ErrKeyReused}
		}
	}
	if err := q.done(); err != nil {
		return ledger.Answer{}, fmt.Errorf("read a stored answer: %w", err)
	}
	if refusal.Err == nil && refusal.Refused == "" && !refusal.Repeat {
		return refusal, errors.New("a deed's key is taken and yet absent")
	}
	return refusal, nil
}

// record writes all that d leaves behind, beside its key.
func (t *transaction) record(d *ready) error {
	for i := range d.Rows {
		if err := t.addTerms(&d.Rows[i]); err != nil {
			return fmt.Errorf("record terms: %w", err)
		}
	}
	for i := range d.Entries {
		e := &d.Entries[i]
		t.last.posting++
		t.balances[pot{e.Account, e.Currency}].moved = true
		err := t.c.query(sqlAddPosting).int(t.last.posting).int(t.last.deed).
			text(string(e.Account)).text(string(e.Currency)).int(int64(e.Amount)).exec()
		if err != nil {
			return fmt.Errorf("record a posting: %w", err)
		}
	}
	for _, fact := range d.facts {
		t.last.outbox++
		if err := t.c.query(sqlAddOutbox).int(t.last.outbox).blob(fact).exec(); err != nil {
			return fmt.Errorf("record a fact: %w", err)
		}
	}
	return nil
}

func (t *transaction) addTerms(r *registry.Row) error {
	t.last.terms++
	version, removed := int64(r.Version), bit(r.Removed)
	err := t.c.query(sqlAddTerms).int(t.last.terms).text(string(r.Kind)).text(r.ID).int(version).
		blob(r.Doc).int(removed).text(r.By).int(micros(r.At)).exec()
	if err != nil {
		return err
	}
	return t.c.query(sqlSetNewest).text(string(r.Kind)).text(r.ID).int(version).int(removed).int(t.last.terms).exec()
}
