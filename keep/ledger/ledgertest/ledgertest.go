// Package ledgertest is the suite that every book passes: order, retries,
// reopening, kills, limits, races, and random histories beside a plain model.
//
// It is beside the road of a receipt: it says what billing may rely on.
package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

// Store is what a suite opens: a book with its registry.
type Store interface {
	ledger.Ledger
	registry.Registry
	Close() error
}

// Open opens the book that lies in dir, making it the first time. The suite
// closes it, and may open it again.
type Open func(t *testing.T, dir string) Store

// Run runs the suite.
func Run(t *testing.T, open Open) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Open){
		"a charge moves money once, however often it is asked":    testRetries,
		"a key that meant something else is refused":              testReusedKeys,
		"a budget stops at its limit and says which":              testLimits,
		"a deed that fails costs its neighbours nothing":          testNeighbours,
		"what cannot be a deed is refused by name":                testMalformed,
		"entries and facts come back in the order they were made": testOrder,
		"terms change in step with money":                         testTerms,
		"what was sent leaves the outbox for ever":                testOutbox,
		"64 clients on one budget never overspend a cent":         testRaces,
		"only one of two editors wins":                            testEditors,
		"any history is the model's history":                      testHistories,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open)
		})
	}
}

var (
	noon   = time.Date(2017, 12, 4, 12, 0, 0, 0, time.UTC)
	today  = retail.Date(2017, 12, 4)
	budget = ledger.Flight("oats", today)
)

func fresh(t *testing.T, open Open) Store {
	t.Helper()
	s := open(t, t.TempDir())
	t.Cleanup(func() {
		if err := s.Check(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("check: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func entry(a ledger.Account, amount retail.Micros) ledger.Entry {
	return ledger.Entry{Account: a, Amount: amount, Currency: "EUR"}
}

// move is a deed that pays amount from one account to another.
func move(key string, from, to ledger.Account, amount retail.Micros) ledger.Deed {
	return ledger.Deed{Key: key, Entries: []ledger.Entry{entry(from, -amount), entry(to, amount)}, At: noon}
}

// charge is a click as billing books it.
func charge(token string, click byte, price retail.Micros) ledger.Deed {
	d := move("click/"+token, budget, ledger.Revenue, price)
	d.Body = [16]byte{click}
	d.Limits = []ledger.Limit{{Name: "budget_spent", Account: budget, Currency: "EUR"}}
	d.Answer = []byte("charged " + token)
	d.Facts = []event.Fact{billed(token, price)}
	return d
}

func billed(token string, price retail.Micros) event.Fact {
	return event.Fact{
		ID: "click/" + token, At: noon, Arrived: noon, Day: today, Source: "ledger",
		Body: event.Billed{Click: token, LineItem: "oats", Charge: media.PerClick, Amount: price, Currency: "EUR", Day: today},
	}
}

func commit(t *testing.T, s Store, deeds ...ledger.Deed) []ledger.Answer {
	t.Helper()
	answers, err := s.Commit(t.Context(), deeds...)
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	if len(answers) != len(deeds) {
		t.Fatalf("%d answers to %d deeds", len(answers), len(deeds))
	}
	return answers
}

func fund(t *testing.T, s Store, amount retail.Micros) {
	t.Helper()
	if a := commit(t, s, move("fund", ledger.Outside, budget, amount)); !a[0].Done {
		t.Fatalf("fund: %+v", a[0])
	}
}

func balance(t *testing.T, s Store, a ledger.Account) retail.Micros {
	t.Helper()
	all, err := s.Balances(t.Context(), string(a))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		if b.Account == a {
			return b.Amount
		}
	}
	return 0
}

// word says shortly what an answer is.
func word(a ledger.Answer) string {
	switch {
	case a.Done:
		return "done " + string(a.Stored)
	case a.Repeat:
		return "repeat " + string(a.Stored)
	case a.Refused != "":
		return "refused " + a.Refused
	}
	for _, err := range []error{ledger.ErrKeyReused, ledger.ErrStale, ledger.ErrUnbalanced, ledger.ErrDeed} {
		if errors.Is(a.Err, err) {
			return err.Error()
		}
	}
	return fmt.Sprint("nothing: ", a.Err)
}

func words(answers []ledger.Answer) (out []string) {
	for _, a := range answers {
		out = append(out, word(a))
	}
	return out
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(shopper.ID{})); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", what, diff)
	}
}

func testRetries(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	fund(t, s, 100)
	same(t, "first", words(commit(t, s, charge("a", 1, 60))), []string{"done charged a"})
	same(t, "again, with the budget too short for another", words(commit(t, s, charge("a", 1, 60))), []string{"repeat charged a"})
	same(t, "twice in one call", words(commit(t, s, charge("b", 2, 30), charge("b", 2, 30))), []string{"done charged b", "repeat charged b"})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer func() { _ = s.Close() }()
	same(t, "after a restart", words(commit(t, s, charge("a", 1, 60))), []string{"repeat charged a"})
	same(t, "the money", balance(t, s, budget), retail.Micros(10))
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func testReusedKeys(t *testing.T, open Open) {
	s := fresh(t, open)
	fund(t, s, 100)
	same(t, "a second click on the token", words(commit(t, s, charge("a", 1, 40), charge("a", 2, 40))),
		[]string{"done charged a", ledger.ErrKeyReused.Error()})
	same(t, "later, by its own", words(commit(t, s, charge("a", 3, 99))), []string{ledger.ErrKeyReused.Error()})
	same(t, "the money", balance(t, s, budget), retail.Micros(60))
	free := ledger.Deed{Key: "free/x", Facts: []event.Fact{billed("x", 0)}, At: noon}
	same(t, "a deed of facts alone", words(commit(t, s, free, free)), []string{"done ", "repeat "})
}

func testLimits(t *testing.T, open Open) {
	s := fresh(t, open)
	fund(t, s, 100)
	other := charge("w", 1, 1)
	other.Limits = append([]ledger.Limit{{Name: "wallet_low", Account: ledger.Wallet("acme"), Min: 1, Currency: "EUR"}}, other.Limits...)
	otherCurrency := charge("c", 1, 1)
	otherCurrency.Limits = []ledger.Limit{{Name: "budget_usd", Account: budget, Min: 1, Currency: "USD"}}
	same(t, "answers", words(commit(t, s,
		charge("a", 1, 101), charge("a", 1, 100), charge("b", 1, 1), charge("z", 1, 0), other, otherCurrency,
	)), []string{
		"refused budget_spent", "done charged a", "refused budget_spent", "done charged z", "refused wallet_low", "refused budget_usd",
	})
	same(t, "the first to refuse is named", words(commit(t, s, other)), []string{"refused wallet_low"})
	same(t, "the money", balance(t, s, budget), retail.Micros(0))
	fund2 := move("more", ledger.Outside, budget, 1)
	same(t, "with new money the same click goes", words(commit(t, s, fund2, charge("b", 1, 1))), []string{"done ", "done charged b"})
}

func testNeighbours(t *testing.T, open Open) {
	s := fresh(t, open)
	fund(t, s, 100)
	crooked := charge("x", 1, 10)
	crooked.Entries[0].Amount = -9
	overflow := charge("o", 1, 10)
	overflow.Entries = []ledger.Entry{entry(ledger.Revenue, 1<<63-1), entry(budget, -(1<<63 - 1))}
	overflow.Limits = nil
	stale := charge("s", 1, 10)
	stale.Rows = []registry.Row{{Kind: registry.Campaign, ID: "c", Version: 2, At: noon}}
	same(t, "answers", words(commit(t, s,
		charge("a", 1, 10), crooked, charge("b", 1, 10), overflow, charge("c", 1, 10), stale, charge("d", 1, 90), charge("e", 1, 10),
	)), []string{
		"done charged a", ledger.ErrUnbalanced.Error(), "done charged b", ledger.ErrDeed.Error(), "done charged c",
		ledger.ErrStale.Error(), "refused budget_spent", "done charged e",
	})
	same(t, "budget", balance(t, s, budget), retail.Micros(60))
	same(t, "revenue", balance(t, s, ledger.Revenue), retail.Micros(40))
	same(t, "the failed may come again", words(commit(t, s, charge("x", 1, 10))), []string{"done charged x"})
}

func testMalformed(t *testing.T, open Open) {
	s := fresh(t, open)
	long := strings.Repeat("x", 100_000)
	for name, spoil := range map[string]func(*ledger.Deed){
		"no key":                func(d *ledger.Deed) { d.Key = "" },
		"a long key":            func(d *ledger.Deed) { d.Key = long[:ledger.KeyMax+1] },
		"a long answer":         func(d *ledger.Deed) { d.Answer = []byte(long) },
		"an account no name":    func(d *ledger.Deed) { d.Entries[0].Account = "" },
		"a long account":        func(d *ledger.Deed) { d.Entries[0].Account = ledger.Account(long) },
		"no currency":           func(d *ledger.Deed) { d.Entries[0].Currency = "" },
		"too many entries":      func(d *ledger.Deed) { d.Entries = make([]ledger.Entry, ledger.EntriesMax+1) },
		"a nameless limit":      func(d *ledger.Deed) { d.Limits = []ledger.Limit{{Account: budget, Currency: "EUR"}} },
		"a limit on nothing":    func(d *ledger.Deed) { d.Limits = []ledger.Limit{{Name: "x", Currency: "EUR"}} },
		"a fact without an id":  func(d *ledger.Deed) { d.Facts = []event.Fact{{Body: event.DayTurned{}}} },
		"a fact without a body": func(d *ledger.Deed) { d.Facts = []event.Fact{{ID: "x"}} },
		"a row without an id":   func(d *ledger.Deed) { d.Rows = []registry.Row{{Kind: registry.Campaign, Version: 1}} },
		"a row of version 0":    func(d *ledger.Deed) { d.Rows = []registry.Row{{Kind: registry.Campaign, ID: "x"}} },
		"a huge document": func(d *ledger.Deed) {
			d.Rows = []registry.Row{{Kind: registry.Campaign, ID: "x", Version: 1, Doc: make([]byte, registry.DocMax+1)}}
		},
		"amounts that cannot be added": func(d *ledger.Deed) {
			d.Entries = []ledger.Entry{entry(budget, 1<<63-1), entry(budget, 1), entry(budget, -1<<63)}
		},
	} {
		d := move("bad", ledger.Outside, budget, 5)
		spoil(&d)
		same(t, name, words(commit(t, s, d)), []string{ledger.ErrDeed.Error()})
	}
	if _, err := s.Commit(t.Context(), make([]ledger.Deed, ledger.DeedsMax+1)...); !errors.Is(err, ledger.ErrDeed) {
		t.Errorf("too many deeds: %v", err)
	}
	if a := commit(t, s); len(a) != 0 {
		t.Errorf("no deeds: %v", a)
	}
	same(t, "the money", balance(t, s, budget), retail.Micros(0))
}
