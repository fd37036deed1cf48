package main

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ncruces/go-sqlite3"

	"endcap/keep/ledger"
	"endcap/keep/sql/group"
	"endcap/keep/sql/sqlite"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

// lineItems is over how many line items the clicks spread; each has one budget.
const lineItems = 200

const price = 37 * retail.Cent

func lineItem(n uint64) media.LineItemID {
	return media.LineItemID(fmt.Sprintf("li-%05d", n%lineItems))
}

// charge is a click as sell/billing books it: unique by its token, guarded by
// the day's budget, with a Billed fact for the stream and an answer to store.
func charge(caller, n uint64) ledger.Deed {
	chance := rand.New(rand.NewPCG(caller, n))
	var body [16]byte
	binary.BigEndian.PutUint64(body[:], chance.Uint64())
	binary.BigEndian.PutUint64(body[8:], chance.Uint64())
	var decision media.DecisionID
	binary.BigEndian.PutUint64(decision[:], chance.Uint64())
	binary.BigEndian.PutUint64(decision[8:], chance.Uint64())
	line, day := lineItem(chance.Uint64()), retail.Date(2017, 12, 4)
	at := time.Date(2017, 12, 4, 9, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Millisecond)
	key := fmt.Sprintf("click/%x/%d", decision, n%4)
	flight := ledger.Flight(line, day)
	return ledger.Deed{
		Key: key, Body: body, At: at, Answer: []byte("charged"),
		Entries: []ledger.Entry{{Account: flight, Amount: -price, Currency: "EUR"}, {Account: ledger.Revenue, Amount: price, Currency: "EUR"}},
		Limits:  []ledger.Limit{{Name: "budget_spent", Account: flight, Currency: "EUR"}},
		Facts: []event.Fact{{
			ID: key, At: at, Arrived: at, Day: day, Source: "ledger", Shopper: shopper.FromUint64(chance.Uint64()),
			Body: event.Billed{
				Click: hex.EncodeToString(body[:]), Decision: decision, Slot: uint8(n % 4), Advertiser: "adv-1", Campaign: "camp-0001",
				LineItem: line, Charge: media.PerClick, Amount: price, Currency: "EUR", Day: day,
			},
		}},
	}
}

// book is our side.
type book struct{ *sqlite.Book }

func openBook(ctx context.Context, path string) (charger, error) {
	b, err := sqlite.OpenBook(ctx, sqlite.Options{Path: path, VFS: "counted"})
	if err != nil {
		return nil, err
	}
	for i := range uint64(lineItems) {
		_, err := b.Commit(ctx, ledger.Deed{Key: fmt.Sprintf("open/%d", i), Entries: []ledger.Entry{
			{Account: ledger.Outside, Amount: -retail.MicrosMax, Currency: "EUR"},
			{Account: ledger.Flight(lineItem(i), retail.Date(2017, 12, 4)), Amount: retail.MicrosMax, Currency: "EUR"},
		}})
		if err != nil {
			return nil, err
		}
	}
	return book{b}, nil
}

func (b book) charge(ctx context.Context, deeds []ledger.Deed) error {
	answers, err := b.Commit(ctx, deeds...)
	for _, a := range answers {
		if !a.Done {
			return fmt.Errorf("a charge was not done: %+v", a)
		}
	}
	return err
}

// finish proves that what was measured is also right.
func (b book) finish(ctx context.Context, charges int64) error {
	revenue, err := b.Balances(ctx, string(ledger.Revenue))
	if err == nil && (len(revenue) != 1 || revenue[0].Amount != retail.Micros(charges)*price) {
		err = fmt.Errorf("revenue is %v after %d charges", revenue, charges)
	}
	return errors.Join(err, b.Check(ctx), b.Close())
}

// bare is the reference: the same rows and bytes into tables with a primary
// key, and nothing asked. A charge writes four rows of its own (deed, two
// postings, outbox); the budgets' rows, written once a group by the book, are
// left out here, to the reference's favour.
type bare struct {
	db     *sqlite3.Conn
	writer *group.Writer[[]ledger.Deed]
	seq    [3]int64

	deed, posting, outbox, begin, commit *sqlite3.Stmt
}

const bareTables = `
create table deed (seq integer primary key, key text not null unique, body blob not null, answer blob not null, at bigint not null);
create table posting (seq integer primary key, deed bigint not null, account text not null, currency text not null, amount bigint not null);
create table outbox (seq integer primary key, fact blob not null)`

func openBare(ctx context.Context, path string) (charger, error) {
	db, err := sqlite3.OpenContext(ctx, sqlite.DSN(path, "counted", sqlite.Settings()))
	if err != nil {
		return nil, err
	}
	b := &bare{db: db}
	if err := db.Exec(bareTables); err != nil {
		return nil, err
	}
	for sql, to := range map[string]**sqlite3.Stmt{
		`insert into deed values (?, ?, ?, ?, ?)`:    &b.deed,
		`insert into posting values (?, ?, ?, ?, ?)`: &b.posting,
		`insert into outbox values (?, ?)`:           &b.outbox,
		`begin immediate`:                            &b.begin,
		`commit`:                                     &b.commit,
	} {
		if *to, _, err = db.Prepare(sql); err != nil {
			return nil, err
		}
	}
	b.writer = group.New(256, b.write)
	return b, nil
}

// charge encodes the fact on the caller's side, as the book does.
func (b *bare) charge(ctx context.Context, deeds []ledger.Deed) error {
	for i := range deeds {
		facts, err := deeds[i].Pack(time.UTC)
		if err != nil {
			return err
		}
		deeds[i].Rows, deeds[i].Limits, deeds[i].Facts = nil, nil, nil
		deeds[i].Answer = append(slices.Clip(deeds[i].Answer), facts[0]...)
	}
	return b.writer.Do(ctx, deeds, len(deeds))
}

func (b *bare) write(calls [][]ledger.Deed) error {
	if err := b.begin.Exec(); err != nil {
		return err
	}
	for _, deeds := range calls {
		for i := range deeds {
			if err := b.insert(&deeds[i]); err != nil {
				return err
			}
		}
	}
	return b.commit.Exec()
}

func (b *bare) insert(d *ledger.Deed) error {
	answer, fact := d.Answer[:len("charged")], d.Answer[len("charged"):]
	b.seq[0]++
	err := errors.Join(
		b.deed.BindInt64(1, b.seq[0]), b.deed.BindText(2, d.Key), b.deed.BindBlob(3, d.Body[:]),
		b.deed.BindBlob(4, answer), b.deed.BindInt64(5, d.At.UnixMicro()), b.deed.Exec(),
	)
	for i := range d.Entries {
		e := &d.Entries[i]
		b.seq[1]++
		err = errors.Join(err, b.posting.BindInt64(1, b.seq[1]), b.posting.BindInt64(2, b.seq[0]), b.posting.BindText(3, string(e.Account)),
			b.posting.BindText(4, string(e.Currency)), b.posting.BindInt64(5, int64(e.Amount)), b.posting.Exec())
	}
	b.seq[2]++
	return errors.Join(err, b.outbox.BindInt64(1, b.seq[2]), b.outbox.BindBlob(2, fact), b.outbox.Exec())
}

func (b *bare) finish(context.Context, int64) error {
	b.writer.Close()
	for _, s := range []*sqlite3.Stmt{b.deed, b.posting, b.outbox, b.begin, b.commit} {
		if err := s.Close(); err != nil {
			return err
		}
	}
	return b.db.Close()
}
