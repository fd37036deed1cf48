package assortment_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"endcap/keep/stream"
	"endcap/know/assortment"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/event"
)

// fill folds bodies into a shelf as consecutive batches of one partition.
func fill(tb testing.TB, s *assortment.Shelf, bodies ...event.Body) {
	tb.Helper()
	f := s.Follower()
	for _, body := range bodies {
		at, err := f.Cursor(tb.Context(), 0)
		if err != nil {
			tb.Fatal(err)
		}
		b := stream.Batch{Next: at + "x", Facts: []event.Fact{{Body: body}}}
		if err := f.Fold(tb.Context(), b); err != nil {
			tb.Fatal(err)
		}
	}
}

func product(id, category string) event.Product {
	return event.Product{Product: catalog.Product{ID: catalog.ProductID(id), Category: catalog.Category(category), Name: "the " + id}}
}

func stock(id, store string, n int64) event.Stock {
	return event.Stock{Stock: catalog.Stock{Product: catalog.ProductID(id), Store: catalog.StoreID(store), Count: n}}
}

func price(id, store string, cents int) event.Price {
	return event.Price{Price: catalog.Price{
		Product: catalog.ProductID(id), Store: catalog.StoreID(store),
		Amount: retail.Money{Amount: retail.Micros(cents) * retail.Cent, Currency: "EUR"},
	}}
}

func TestIsItInStock(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		rows []event.Body
		at   string
		want bool
	}{
		"nobody counted":                      {nil, "paris", true},
		"counted elsewhere only":              {[]event.Body{stock("oats", "lyon", 0)}, "paris", true},
		"general count":                       {[]event.Body{stock("oats", "", 3)}, "paris", true},
		"general count is none":               {[]event.Body{stock("oats", "", 0)}, "paris", false},
		"online is the general count":         {[]event.Body{stock("oats", "", 0), stock("oats", "paris", 4)}, "", false},
		"the store's own none wins":           {[]event.Body{stock("oats", "", 9), stock("oats", "paris", 0)}, "paris", false},
		"the store's own some wins":           {[]event.Body{stock("oats", "", 0), stock("oats", "paris", 1)}, "paris", true},
		"sold more than the books had":        {[]event.Body{stock("oats", "paris", -2)}, "paris", false},
		"the last count stands":               {[]event.Body{stock("oats", "paris", 0), stock("oats", "paris", 5)}, "paris", true},
		"another product's count is not hers": {[]event.Body{stock("milk", "paris", 0)}, "paris", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := assortment.New()
			fill(t, s, tt.rows...)
			if got := s.InStock("oats", catalog.StoreID(tt.at)); got != tt.want {
				t.Errorf("in stock at %q: got %v, want %v", tt.at, got, tt.want)
			}
			if n, counted := s.Count("oats", catalog.StoreID(tt.at)); (n > 0 || !counted) != tt.want {
				t.Errorf("counted at %q: %d, %v", tt.at, n, counted)
			}
		})
	}
}

func TestWhichRowsStand(t *testing.T) {
	t.Parallel()
	s := assortment.New()
	ask := []event.Body{product("oats", ""), event.Store{Store: catalog.Store{ID: "paris"}}, price("oats", "", 0), price("oats", "paris", 0), stock("oats", "", 0), stock("oats", "paris", 0)}
	for _, of := range ask {
		if f, ok := s.Standing(of); ok {
			t.Errorf("before anything was sent stands %+v", f.Body)
		}
	}
	rows := []event.Body{
		product("oats", "CEREAL"),
		event.Store{Store: catalog.Store{ID: "paris", Name: "Paris"}},
		price("oats", "", 250), price("oats", "paris", 199), stock("oats", "", 3), stock("oats", "paris", 4),
	}
	b := stream.Batch{Next: "1"}
	for i, row := range rows {
		b.Facts = append(b.Facts, event.Fact{At: time.Date(2017, 12, 4, i, 0, 0, 0, time.UTC), Body: row})
	}
	if err := s.Follower().Fold(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i, of := range ask {
		if f, ok := s.Standing(of); !ok || f.Body != rows[i] || !f.At.Equal(b.Facts[i].At) {
			t.Errorf("%+v stands since %v (%v), want %+v since %v", f.Body, f.At, ok, rows[i], b.Facts[i].At)
		}
	}
	for _, of := range []event.Body{price("oats", "lyon", 0), stock("milk", "", 0), event.Store{Store: catalog.Store{ID: "lyon"}}} {
		if f, ok := s.Standing(of); ok {
			t.Errorf("where nothing was sent stands %+v", f.Body)
		}
	}
}

func TestDoesTheCatalogueKnowIt(t *testing.T) {
	t.Parallel()
	s := assortment.New()
	fill(t, s, stock("oats", "", 1))
	if s.Known("oats") {
		t.Error("a stock row alone makes a product known")
	}
	if _, ok := s.Product("oats"); ok {
		t.Error("a product without a row has one")
	}
	fill(t, s, product("oats", "CEREAL"))
	if p, ok := s.Product("oats"); !s.Known("oats") || !ok || p.Name != "the oats" {
		t.Errorf("got %v %v", p, ok)
	}
}

func TestIsTheStoreOnTheList(t *testing.T) {
	t.Parallel()
	s := assortment.New()
	f := s.Follower()
	fold := func(next string, source string, row catalog.Store) {
		t.Helper()
		if err := f.Fold(t.Context(), stream.Batch{Next: event.Cursor(next), Facts: []event.Fact{{Source: source, Body: event.Store{Store: row}}}}); err != nil {
			t.Fatal(err)
		}
	}
	fold("1", event.SourceDerived, catalog.Store{ID: "7", Channel: catalog.InStore})
	if _, ok := s.Listed("7"); ok {
		t.Error("a store that only receipts name is listed")
	}
	if f, ok := s.Standing(event.Store{Store: catalog.Store{ID: "7"}}); !ok || f.Source != event.SourceDerived || f.Body.(event.Store).Channel != catalog.InStore {
		t.Errorf("a derived store is %+v %v", f, ok)
	}
	fold("2", "api", catalog.Store{ID: "7", Zone: "America/New_York"})
	zone, ok := s.Listed("7")
	if !ok || zone == nil || zone.String() != "America/New_York" {
		t.Errorf("listed %v in %v", ok, zone)
	}
	fill(t, s, stock("oats", "8", 1))
	if _, ok := s.Standing(event.Store{Store: catalog.Store{ID: "8"}}); ok {
		t.Error("a stock row alone makes a store")
	}
}

func TestFoldingABatchAgainDoesNothing(t *testing.T) {
	t.Parallel()
	s := assortment.New()
	f := s.Follower()
	b := stream.Batch{Next: "1", Facts: []event.Fact{{Body: product("oats", "CEREAL")}}}
	for range 3 {
		if err := f.Fold(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if s.Version() != 1 {
		t.Errorf("version %d after one fact, want 1", s.Version())
	}
}

// Readers beside a folding writer never miss what was there before.
func TestReadingWhileACatalogueLoads(t *testing.T) {
	t.Parallel()
	s := assortment.New()
	fill(t, s, product("oats", "CEREAL"), price("oats", "", 100), stock("oats", "paris", 0))
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				_, priced := s.Standing(price("oats", "", 0))
				if !s.Known("oats") || !priced || s.InStock("oats", "paris") || len(s.Products()) == 0 {
					t.Error("a reader missed what was on the shelf")
					return
				}
			}
		})
	}
	f := s.Follower()
	for n := range 40 {
		b := stream.Batch{Partition: 1, Next: event.Cursor(fmt.Sprintf("%03d", n))}
		for i := range 200 {
			id := fmt.Sprintf("p%05d", n*200+i)
			b.Facts = append(b.Facts, event.Fact{Body: product(id, "CEREAL")}, event.Fact{Body: stock(id, fmt.Sprint(i), 1)})
		}
		if err := f.Fold(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	readers.Wait()
	if got := len(s.Products()); got != 8_001 {
		t.Fatalf("%d products after the load, want 8001", got)
	}
}

func BenchmarkAskShelf(b *testing.B) {
	s := assortment.New()
	f := s.Follower()
	ids := make([]catalog.ProductID, 92_000)
	began := time.Now()
	for i := 0; i < len(ids); i += 4_096 {
		batch := stream.Batch{Next: event.Cursor(fmt.Sprintf("%08d", i))}
		for j := i; j < min(i+4_096, len(ids)); j++ {
			ids[j] = catalog.ProductID(fmt.Sprint(1_000_000 + j))
			batch.Facts = append(batch.Facts, event.Fact{Body: product(string(ids[j]), "C"+strings.Repeat("x", j%300))})
		}
		if err := f.Fold(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(time.Since(began).Milliseconds()), "load-ms")
	n := 0
	b.Run("known", func(b *testing.B) {
		for b.Loop() {
			n = (n + 7919) % len(ids)
			if !s.Known(ids[n]) {
				b.Fatal("missing")
			}
		}
	})
	b.Run("in_stock", func(b *testing.B) {
		for b.Loop() {
			n = (n + 7919) % len(ids)
			if !s.InStock(ids[n], "paris") {
				b.Fatal("out")
			}
		}
	})
}
