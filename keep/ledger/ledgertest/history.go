package ledgertest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/retail"
)

// model is the book as anybody would write it who need not survive anything.
type model struct {
	deeds    map[string]ledger.Deed
	balances map[ledger.Balance]retail.Micros // keyed with Amount zero
	versions map[string]uint64
	postings []string
	outbox   []string
}

func newModel() *model {
	return &model{deeds: map[string]ledger.Deed{}, balances: map[ledger.Balance]retail.Micros{}, versions: map[string]uint64{}}
}

func (m *model) commit(d ledger.Deed) string {
	sums := map[retail.Currency]retail.Micros{}
	for _, e := range d.Entries {
		sums[e.Currency] += e.Amount
	}
	for _, sum := range sums {
		if sum != 0 {
			return ledger.ErrUnbalanced.Error()
		}
	}
	if before, ok := m.deeds[d.Key]; ok {
		if before.Body != d.Body {
			return ledger.ErrKeyReused.Error()
		}
		return "repeat " + string(before.Answer)
	}
	for _, r := range d.Rows {
		if r.Version != m.versions[r.ID]+1 {
			return ledger.ErrStale.Error()
		}
	}
	after := map[ledger.Balance]retail.Micros{}
	for _, e := range d.Entries {
		after[ledger.Balance{Account: e.Account, Currency: e.Currency}] += e.Amount
	}
	for _, l := range d.Limits {
		pot := ledger.Balance{Account: l.Account, Currency: l.Currency}
		if m.balances[pot]+after[pot] < l.Min {
			return "refused " + l.Name
		}
	}
	for pot, amount := range after {
		m.balances[pot] += amount
	}
	for _, e := range d.Entries {
		m.postings = append(m.postings, fmt.Sprint(d.Key, e))
	}
	for _, r := range d.Rows {
		m.versions[r.ID] = r.Version
		m.outbox = append(m.outbox, fmt.Sprintf("campaign/%s/%d", r.ID, r.Version))
	}
	for _, f := range d.Facts {
		m.outbox = append(m.outbox, f.ID)
	}
	m.deeds[d.Key] = d
	return "done " + string(d.Answer)
}

// drawn is a random deed out of a world small enough for everything to collide.
func drawn(chance *rand.Rand) ledger.Deed {
	account := func() ledger.Account { return ledger.Account(fmt.Sprint("pot/", chance.IntN(6))) }
	currency := []retail.Currency{"EUR", "EUR", "USD"}[chance.IntN(3)]
	key := strconv.Itoa(chance.IntN(400))
	d := ledger.Deed{
		Key: key, Body: [16]byte{byte(chance.IntN(2))}, Answer: fmt.Append(nil, "answer ", chance.IntN(1000)),
		At: noon.Add(time.Duration(chance.IntN(1000)) * time.Second),
	}
	for range chance.IntN(4) {
		from, to, amount := account(), account(), retail.Micros(chance.IntN(100))
		if chance.IntN(3) == 0 {
			from = ledger.Outside
		}
		d.Entries = append(d.Entries,
			ledger.Entry{Account: from, Amount: -amount, Currency: currency}, ledger.Entry{Account: to, Amount: amount, Currency: currency})
		if from != ledger.Outside {
			d.Limits = append(d.Limits, ledger.Limit{Name: "short " + string(from), Account: from, Currency: currency})
		}
	}
	if len(d.Entries) > 0 && chance.IntN(20) == 0 {
		d.Entries[0].Amount++
	}
	if chance.IntN(4) == 0 {
		d.Rows = append(d.Rows, registry.Row{
			Kind: registry.Campaign, ID: fmt.Sprint("c", chance.IntN(4)), Version: uint64(1 + chance.IntN(8)), At: noon,
		})
	}
	if chance.IntN(2) == 0 {
		d.Facts = append(d.Facts, billed(key, 1))
	}
	return d
}

func testHistories(t *testing.T, open Open) {
	const seed = 20171204
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	s, m := open(t, dir), newModel()
	for range 60 {
		if chance.IntN(15) == 0 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir)
		}
		deeds := make([]ledger.Deed, 1+chance.IntN(20))
		want := make([]string, len(deeds))
		for i := range deeds {
			deeds[i] = drawn(chance)
			want[i] = m.commit(deeds[i])
		}
		same(t, "answers", words(commit(t, s, deeds...)), want)
		if t.Failed() {
			break
		}
	}
	defer func() { _ = s.Close() }()
	m.compare(t, s)
}

// compare finds everything the model holds in the store, and nothing else.
func (m *model) compare(t *testing.T, s Store) {
	t.Helper()
	all, err := s.Balances(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	got := map[ledger.Balance]retail.Micros{}
	for _, b := range all {
		got[ledger.Balance{Account: b.Account, Currency: b.Currency}] = b.Amount
	}
	same(t, "balances", got, m.balances)
	postings, err := s.Postings(t.Context(), 0, ledger.PageMax)
	if err != nil {
		t.Fatal(err)
	}
	var booked, sent []string
	for _, p := range postings {
		booked = append(booked, fmt.Sprint(p.Deed, p.Entry))
	}
	same(t, "postings", booked, m.postings)
	for _, o := range outboxed(t, s, ledger.PageMax) {
		sent = append(sent, o.Fact.ID)
	}
	same(t, "outbox", sent, m.outbox)
	rows, err := s.List(t.Context(), registry.Campaign, "", registry.PageMax)
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]uint64{}
	for _, r := range rows {
		versions[r.ID] = r.Version
	}
	same(t, "versions", versions, m.versions)
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
}
