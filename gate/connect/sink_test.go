package connect_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"endcap/gate/connect"
	"endcap/gate/connect/mapping"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/catalog"
)

// sink is a desk that keeps what it is handed, in memory. The real desk is
// tried in desk_test.go.
type sink struct {
	mu       sync.Mutex
	calls    int
	fail     func(call int) error // may refuse a call
	receipts []ingest.Receipt
	products []ingest.Row[catalog.Product]
	stores   []ingest.Row[catalog.Store]
	prices   []ingest.Row[catalog.Price]
	stock    []ingest.Row[catalog.Stock]
	shoppers []ingest.Shopper
	consents []ingest.Consent
	count    bool // count only
	whole    int  // receipts taken in
	faulty   int
	lines    int
	sales    retail.Micros
	weeks    []ingest.Promotions
	places   map[string]int // rows of promotions by place
	inStore  map[catalog.StoreID]int
}

func (s *sink) answer(n int) (ingest.Result, error) {
	s.calls++
	if s.fail != nil {
		if err := s.fail(s.calls); err != nil {
			return ingest.Result{}, err
		}
	}
	answers := make([]ingest.Answer, n)
	for i := range answers {
		answers[i].Outcome = ingest.New
	}
	return ingest.Result{Answers: answers, Summary: ingest.Summary{Items: int64(n)}}, nil
}

func (s *sink) Receipts(_ context.Context, rs []ingest.Receipt, _ ingest.From) (ingest.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	res, err := s.answer(len(rs))
	if err != nil {
		return res, err
	}
	for i := range rs {
		if f := rs[i].Fault; f != nil {
			res.Answers[i] = ingest.Answer{Outcome: ingest.Quarantined, Fault: f}
			s.faulty++
		} else {
			s.whole++
		}
		if !s.count {
			rs[i].Raw = bytes.Clone(rs[i].Raw) // ours only until we return
		}
		s.lines += len(rs[i].Lines)
		s.sales += rs[i].Total()
	}
	if s.count {
		rs = nil
	}
	s.receipts = append(s.receipts, rs...)
	return res, nil
}

func (s *sink) Products(_ context.Context, rs []ingest.Row[catalog.Product], _ ingest.From) (ingest.Result, error) {
	s.products = append(s.products, rs...)
	return s.answer(len(rs))
}

func (s *sink) Stores(_ context.Context, rs []ingest.Row[catalog.Store], _ ingest.From) (ingest.Result, error) {
	s.stores = append(s.stores, rs...)
	return s.answer(len(rs))
}

func (s *sink) Prices(_ context.Context, rs []ingest.Row[catalog.Price], _ ingest.From) (ingest.Result, error) {
	s.prices = append(s.prices, rs...)
	return s.answer(len(rs))
}

func (s *sink) Stock(_ context.Context, rs []ingest.Row[catalog.Stock], _ ingest.From) (ingest.Result, error) {
	s.stock = append(s.stock, rs...)
	return s.answer(len(rs))
}

// Promotions keeps weeks, or counts their rows by place.
func (s *sink) Promotions(_ context.Context, ws []ingest.Promotions, _ ingest.From) (ingest.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	res, err := s.answer(len(ws))
	if err != nil {
		return res, err
	}
	for i := range ws {
		if ws[i].Fault != nil {
			s.faulty++
		} else {
			s.whole++
		}
		s.lines += len(ws[i].Products)
		if !s.count {
			ws[i].Raw = bytes.Clone(ws[i].Raw)
			s.weeks = append(s.weeks, ws[i])
			continue
		}
		if s.places == nil {
			s.places, s.inStore = map[string]int{}, map[catalog.StoreID]int{}
		}
		s.inStore[ws[i].Store]++
		for _, p := range ws[i].Products {
			s.places["display "+p.Display]++
			s.places["mailer "+p.Mailer]++
		}
	}
	return res, nil
}

func (s *sink) Shoppers(_ context.Context, rs []ingest.Shopper, _ ingest.From) (ingest.Result, error) {
	s.shoppers = append(s.shoppers, rs...)
	return s.answer(len(rs))
}

func (s *sink) Consents(_ context.Context, rs []ingest.Consent, _ ingest.From) (ingest.Result, error) {
	s.consents = append(s.consents, rs...)
	return s.answer(len(rs))
}

var _ connect.Desk = (*ingest.Desk)(nil)

func read(tb testing.TB, path ...string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func parse(tb testing.TB, text string) *mapping.Mapping {
	tb.Helper()
	m, err := mapping.Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func shipped(tb testing.TB, name string) *mapping.Mapping {
	tb.Helper()
	return parse(tb, string(read(tb, "..", "..", "mappings", name)))
}

// write makes a file in a folder of the test.
func write(tb testing.TB, name, content string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// journey finds The Complete Journey where `make data` puts it.
func journey(tb testing.TB, name string) string {
	tb.Helper()
	path := filepath.Join("..", "..", "data", "complete-journey", name)
	if _, err := os.Stat(path); err != nil {
		tb.Skipf("%s is not under data/complete-journey: run `make data`", name)
	}
	return path
}

// noon is a clock that stands still.
func noon() time.Time { return time.Date(2018, 1, 2, 12, 0, 0, 0, time.UTC) }
