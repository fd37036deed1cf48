package ingest_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"endcap/keep/stream"
	"endcap/know/history"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/event"
)

func price(product, store string, cents int) catalog.Price {
	return catalog.Price{Product: catalog.ProductID(product), Store: catalog.StoreID(store), Amount: retail.Money{Amount: retail.Micros(cents) * retail.Cent}}
}

func TestAPriceGoesUpAndDownAndUpAgain(t *testing.T) {
	t.Parallel()
	h := open(t)
	put := func(want string, of ...catalog.Price) {
		t.Helper()
		res, err := h.Prices(t.Context(), rows(of...), file)
		if err != nil {
			t.Fatal(err)
		}
		if got := said(res); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		h.follow(t)
	}
	cost := func(at catalog.StoreID) string {
		f, _ := h.shelf.Standing(event.Price{Price: catalog.Price{Product: "oats", Store: at}})
		return f.Body.(event.Price).Amount.String()
	}
	put("new", price("oats", "", 250))
	put("repeat", price("oats", "", 250))
	put("new", price("oats", "", 199)) // the clock stands still
	put("new", price("oats", "", 250))
	if cost("") != "2.50 EUR" {
		t.Errorf("after up, down, up it costs %s", cost(""))
	}
	h.pass(time.Hour)
	put("repeat repeat", price("oats", "", 250), price("oats", "", 250))
	put("new repeat new new repeat", price("oats", "paris", 1), price("oats", "paris", 1), price("oats", "paris", 2), price("oats", "paris", 1), price("oats", "", 250))
	if cost("paris") != "0.01 EUR" {
		t.Errorf("the last row of the batch does not stand: %s", cost("paris"))
	}
	if got := len(h.facts(t, event.KindPrice)); got != 6 {
		t.Errorf("%d price facts, want 6", got)
	}
}

func TestAnOlderRowDoesNotReplaceANewerOne(t *testing.T) {
	t.Parallel()
	h := open(t)
	put := func(want string, count int64, when string) {
		t.Helper()
		row := ingest.Row[catalog.Stock]{Of: catalog.Stock{Product: "oats", Store: "1", Count: count}, At: at(t, when)}
		res, err := h.Stock(t.Context(), []ingest.Row[catalog.Stock]{row}, file)
		if err != nil {
			t.Fatal(err)
		}
		if got := said(res); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	put("new", 5, "2017-12-04T08:00:00Z")
	put("new", 0, "2017-12-04T10:00:00Z")
	put("repeat", 5, "2017-12-04T08:00:00Z")
	put("repeat(older)", 3, "2017-12-04T09:00:00Z")
	put("new", 4, "2017-12-04T11:00:00Z")
	put("too_old:at", 4, "1900-01-01T00:00:00Z")
	put("in_future:at", 4, "2018-01-01T00:00:00Z")
	h.follow(t)
	if !h.shelf.InStock("oats", "1") {
		t.Error("the newest count does not stand")
	}
}

func TestRowsThatCannotBe(t *testing.T) {
	t.Parallel()
	h := open(t)
	long := strings.Repeat("x", catalog.TextMax+1)
	products, err := h.Products(t.Context(), rows(
		catalog.Product{ID: "oats", GTIN: 4006381333931}, catalog.Product{}, catalog.Product{ID: catalog.ProductID(long)},
		catalog.Product{ID: "a", Name: long}, catalog.Product{ID: "a", Brand: "\xff"}, catalog.Product{ID: "a", Type: "\x00"},
	), file)
	if err != nil {
		t.Fatal(err)
	}
	stores, err := h.Stores(t.Context(), rows(
		catalog.Store{ID: "1", Zone: "Europe/Paris"}, catalog.Store{ID: ""}, catalog.Store{ID: "2", Zone: "Mars/Base"}, catalog.Store{ID: "2", Zone: "Local"}, catalog.Store{ID: "2", Channel: 9},
	), file)
	if err != nil {
		t.Fatal(err)
	}
	dollars := price("oats", "", 1)
	dollars.Amount.Currency = "DOL"
	prices, err := h.Prices(t.Context(), rows(price("oats", "", 0), price("", "", 1), price("oats", "\n", 1), price("oats", "", -1), dollars), file)
	if err != nil {
		t.Fatal(err)
	}
	stock, err := h.Stock(t.Context(), rows(catalog.Stock{Product: "oats", Count: -3}, catalog.Stock{Product: "oats", Count: 1 << 60}), file)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		res  ingest.Result
		want string
	}{
		{products, "new no_id:id no_id:id bad_value:name bad_value:brand bad_value:type"},
		{stores, "new no_id:id bad_value:zone bad_value:zone bad_value:channel"},
		{prices, "new no_id:product bad_value:store absurd:amount bad_value:currency"},
		{stock, "new absurd:count"},
	} {
		if got := said(c.res); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	if got := len(h.refused(t)); got != 14 {
		t.Errorf("%d rows in quarantine, want 14", got)
	}
}

func TestManyWritersOfOneRow(t *testing.T) {
	t.Parallel()
	h := open(t)
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for n := range 25 {
				if _, err := h.Stock(t.Context(), rows(catalog.Stock{Product: "oats", Count: int64(100*w + n)}), file); err != nil && retail.KindOf(err) != retail.Unavailable {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	facts := h.facts(t, event.KindStock)
	for i, f := range facts {
		if f.Version != uint32(i) {
			t.Fatalf("fact %d has version %d", i, f.Version)
		}
	}
}

func TestACatalogueReloadsQuietly(t *testing.T) {
	t.Parallel()
	h := open(t)
	var all []catalog.Product
	for i := range 5_000 {
		all = append(all, catalog.Product{ID: catalog.ProductID(fmt.Sprint(i)), Category: catalog.Category(fmt.Sprint("C", i%9))})
	}
	for n, want := range []ingest.Summary{{Items: 5_000, New: 5_000}, {Items: 5_000, Repeat: 5_000}, {Items: 5_000, New: 1, Repeat: 4_999}} {
		if n == 2 {
			all[17].Brand = "oatly"
		}
		h.pass(time.Minute)
		res, err := h.Products(t.Context(), rows(all...), file)
		if err != nil {
			t.Fatal(err)
		}
		if s := res.Summary; s.Items != want.Items || s.New != want.New || s.Repeat != want.Repeat {
			t.Errorf("load %d: %+v", n, s)
		}
	}
	h.follow(t)
	if p, _ := h.shelf.Product("17"); p == nil || p.Brand != "oatly" || len(h.shelf.Products()) != 5_000 {
		t.Errorf("the shelf has %v of %d", p, len(h.shelf.Products()))
	}
}

// Days are sealed and the stream forgets the rows' facts. Does an old price
// still not replace a newer one, and is an unchanged catalogue loaded again
// still no news, also after a start?
func TestRowsAreKnownAfterTheStreamForgotThem(t *testing.T) {
	t.Parallel()
	h := open(t)
	amount := func(cents int) retail.Money {
		return retail.Money{Amount: retail.Micros(cents) * retail.Cent, Currency: "EUR"}
	}
	catalogue := rows(catalog.Product{ID: "oats", Brand: "B"}, catalog.Product{ID: "milk"})
	stores := rows(catalog.Store{ID: "s1", Name: "High Street"})
	prices := func(cents, day int) []ingest.Row[catalog.Price] {
		out := rows(catalog.Price{Product: "oats", Amount: amount(cents)}, catalog.Price{Product: "oats", Store: "s1", Amount: amount(cents)})
		for i := range out {
			out[i].At = time.Date(2017, 11, day, 9, 0, 0, 0, time.UTC)
		}
		return out
	}
	stock := func(count int64, day int) []ingest.Row[catalog.Stock] {
		out := rows(catalog.Stock{Product: "oats", Count: count}, catalog.Stock{Product: "oats", Store: "s1", Count: count})
		for i := range out {
			out[i].At = time.Date(2017, 11, day, 9, 0, 0, 0, time.UTC)
		}
		return out
	}
	load := func(cents, day int) string {
		t.Helper()
		var all []string
		for _, put := range []func() (ingest.Result, error){
			func() (ingest.Result, error) { return h.Products(t.Context(), catalogue, file) },
			func() (ingest.Result, error) { return h.Stores(t.Context(), stores, file) },
			func() (ingest.Result, error) { return h.Prices(t.Context(), prices(cents, day), file) },
			func() (ingest.Result, error) { return h.Stock(t.Context(), stock(int64(cents), day), file) },
		} {
			res, err := put()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, said(res))
		}
		return strings.Join(all, ", ")
	}
	const none, older, fresh = "repeat repeat, repeat, ", "repeat(older) repeat(older)", "new new"
	if got := load(200, 20); got != "new new, new, new new, new new" {
		t.Fatalf("the first load: %s", got)
	}
	h.follow(t)
	for range 2 {
		h.fold(t, profiles(t, "any"), 100)
		h.pass(10 * 24 * time.Hour)
		h.seal(t)
	}
	if h.trimmed(t) == 0 {
		t.Fatal("the stream has forgotten nothing")
	}
	for _, start := range []bool{false, true} {
		if start {
			if err := stream.CatchUp(t.Context(), history.NewWhole(h.log, h.past()), h.restarted(t)); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := load(200, 20), none+"repeat repeat, repeat repeat"; got != want {
			t.Errorf("the same again: %s, want %s", got, want)
		}
		if got, want := load(190, 10), none+older+", "+older; got != want {
			t.Errorf("older rows: %s, want %s", got, want)
		}
	}
	if got, want := load(210, 25), none+fresh+", "+fresh; got != want {
		t.Errorf("newer rows: %s, want %s", got, want)
	}
	for _, f := range h.facts(t, event.KindPrice, event.KindStock) {
		if f.Version != 1 {
			t.Errorf("%s has version %d, want the one after the first", f.ID, f.Version)
		}
	}
}
