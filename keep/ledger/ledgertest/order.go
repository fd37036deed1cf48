package ledgertest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/retail"
	"endcap/retail/event"
)

func testOrder(t *testing.T, open Open) {
	s := fresh(t, open)
	fund(t, s, 1_000)
	var want []string
	for i := range 20 {
		commit(t, s, charge(strconv.Itoa(i), 1, retail.Micros(i)))
		want = append(want, fmt.Sprintf("click/%d %s %d", i, budget, -i), fmt.Sprintf("click/%d %s %d", i, ledger.Revenue, i))
	}
	var got []string
	last := uint64(2) // the two of the funding
	for {
		page, err := s.Postings(t.Context(), last, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, p := range page {
			if p.Seq <= last || !p.At.Equal(noon) || p.Entry.Currency != "EUR" {
				t.Errorf("posting %+v after %d", p, last)
			}
			last = p.Seq
			got = append(got, fmt.Sprintf("%s %s %d", p.Deed, p.Entry.Account, int64(p.Entry.Amount)))
		}
	}
	same(t, "postings", got, want)
	balances, err := s.Balances(t.Context(), "line-item/")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "balances with a prefix", balances, []ledger.Balance{{Account: budget, Currency: "EUR", Amount: 1_000 - 190}})
	all, err := s.Balances(t.Context(), "")
	if err != nil || len(all) != 3 {
		t.Errorf("all balances: %v, %v", all, err)
	}
}

func outboxed(t *testing.T, s Store, limit int) []ledger.Outgoing {
	t.Helper()
	out, err := s.Outbox(t.Context(), limit)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func testOutbox(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	fund(t, s, 1_000)
	for i := range 5 {
		commit(t, s, charge(strconv.Itoa(i), 1, 10))
	}
	first := outboxed(t, s, 3)
	if len(first) != 3 || first[0].Fact.ID != "click/0" || first[2].Fact.ID != "click/2" {
		t.Fatalf("the outbox starts with %+v", first)
	}
	same(t, "a fact", first[0].Fact, billed("0", 10))
	if err := s.Sent(t.Context(), first[1].Seq); err != nil {
		t.Fatal(err)
	}
	rest := outboxed(t, s, 100)
	if len(rest) != 3 || rest[0].Seq != first[2].Seq {
		t.Fatalf("after sending two: %+v", rest)
	}
	highest := rest[2].Seq
	for _, upto := range []uint64{1 << 60, 0} { // beyond the end; nothing
		if err := s.Sent(t.Context(), upto); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer func() { _ = s.Close() }()
	commit(t, s, charge("later", 1, 10))
	last := outboxed(t, s, 100)
	if len(last) != 1 || last[0].Seq <= highest {
		t.Errorf("numbers go on after a restart: %+v, want one above %d", last, highest)
	}
}

func testTerms(t *testing.T, open Open) {
	s := fresh(t, open)
	row := registry.Row{Kind: registry.Campaign, ID: "oats", Version: 1, Doc: []byte(`{"a":1}`), By: "ana", At: noon}
	d := move("create", ledger.Outside, ledger.Wallet("acme"), 500)
	d.Rows = []registry.Row{row, {Kind: registry.Key, ID: "k1", Version: 1, Doc: []byte(`{"hash":"x"}`), By: "ana", At: noon}}
	same(t, "create", words(commit(t, s, d)), []string{"done "})

	poor := move("update", ledger.Wallet("acme"), budget, 501)
	poor.Rows = []registry.Row{{Kind: registry.Campaign, ID: "oats", Version: 2, At: noon}}
	poor.Limits = []ledger.Limit{{Name: "wallet_empty", Account: ledger.Wallet("acme"), Currency: "EUR"}}
	same(t, "no money, no new terms", words(commit(t, s, poor)), []string{"refused wallet_empty"})
	got, err := s.Get(t.Context(), registry.Campaign, "oats")
	if err != nil || got.Version != 1 {
		t.Errorf("terms after a refusal: %+v, %v", got, err)
	}
	two := ledger.Deed{Key: "two steps", At: noon, Rows: []registry.Row{
		{Kind: registry.Campaign, ID: "oats", Version: 2, At: noon}, {Kind: registry.Campaign, ID: "oats", Version: 3, At: noon, Removed: true},
	}}
	same(t, "two versions in one deed", words(commit(t, s, two)), []string{"done "})
	var facts []event.Body
	for _, o := range outboxed(t, s, 100) {
		facts = append(facts, o.Fact.Body)
	}
	same(t, "each change is a fact, keys stay at home", facts, []event.Body{
		event.TermsChanged{Of: "campaign", ID: "oats", Version: 1, Doc: row.Doc, By: "ana"},
		event.TermsChanged{Of: "campaign", ID: "oats", Version: 2},
		event.TermsChanged{Of: "campaign", ID: "oats", Version: 3, Removed: true},
	})
}

func testRaces(t *testing.T, open Open) {
	s := fresh(t, open)
	const clients, each, price = 64, 6, 7
	afford := clients * each / 3
	fund(t, s, retail.Micros(afford*price+price-1))
	var done, refused, wrong atomic.Int64
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for i := range each {
				answers, err := s.Commit(t.Context(), charge(fmt.Sprintf("%d-%d", c, i), 1, price))
				switch {
				case err != nil:
					wrong.Add(1)
				case answers[0].Done:
					done.Add(1)
				case answers[0].Refused == "budget_spent":
					refused.Add(1)
				default:
					wrong.Add(1)
				}
			}
		})
	}
	all.Wait()
	same(t, "done, refused, wrong", []int64{done.Load(), refused.Load(), wrong.Load()},
		[]int64{int64(afford), int64(clients*each - afford), 0})
	same(t, "left of the budget", balance(t, s, budget), retail.Micros(price-1))
	same(t, "earned", balance(t, s, ledger.Revenue), retail.Micros(afford*price))
}

func testEditors(t *testing.T, open Open) {
	s := fresh(t, open)
	commit(t, s, ledger.Deed{Key: "v1", Rows: []registry.Row{{Kind: registry.Campaign, ID: "oats", Version: 1, At: noon}}})
	var won, stale atomic.Int64
	var all sync.WaitGroup
	for e := range 16 {
		all.Go(func() {
			answers, err := s.Commit(t.Context(), ledger.Deed{
				Key:  fmt.Sprint("edit", e),
				Rows: []registry.Row{{Kind: registry.Campaign, ID: "oats", Version: 2, By: strconv.Itoa(e), At: noon}},
			})
			switch {
			case err == nil && answers[0].Done:
				won.Add(1)
			case err == nil && errors.Is(answers[0].Err, ledger.ErrStale):
				stale.Add(1)
			}
		})
	}
	all.Wait()
	same(t, "won and lost", []int64{won.Load(), stale.Load()}, []int64{1, 15})
}
