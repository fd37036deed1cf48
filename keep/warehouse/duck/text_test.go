package duck_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"endcap/keep/warehouse"
	"endcap/know/history"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/event"
)

// Does every text come back as it went in, short or long, twice in a row, and
// made readable where it was not?
func TestTextsComeBack(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir())
	var names []string
	for _, n := range []int{0, 1, 4, 8, 11, 12, 13, 64, 5_000} {
		for _, s := range []string{strings.Repeat("x", n), strings.Repeat("é", n), strings.Repeat("x", n) + "\xff", strings.Repeat("\x00", n)} {
			names = append(names, s, s)
		}
	}
	var facts []event.Fact
	for range 40 { // more than one chunk
		for _, name := range names {
			facts = append(facts, event.Fact{ID: fmt.Sprint(len(facts)), At: time.Unix(9, 0), Day: day, Body: event.Product{
				Product: catalog.Product{ID: catalog.ProductID(fmt.Sprint(len(facts))), Name: name},
			}})
		}
	}
	if err := w.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: time.Unix(1, 0), Rows: history.Rows(facts)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Seal(t.Context(), day+1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := w.Query(t.Context(), warehouse.Query{Purpose: warehouse.Accounting, SQL: "select name from products order by cast(product as bigint)"})
		if err != nil {
			t.Fatal(err)
		}
		if got.Len != len(facts) {
			t.Fatalf("%d products, want %d", got.Len, len(facts))
		}
		for i, have := range got.Columns[0].Texts {
			if want := strings.ToValidUTF8(names[i%len(names)], "\uFFFD"); have != want || !utf8.ValidString(have) {
				t.Fatalf("product %d is %.40q, want %.40q", i, have, want)
			}
		}
		if err := w.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// Do amounts and days of any size come back to the last digit?
func TestNumbersComeBack(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir())
	amounts := []retail.Micros{0, 1, -1, retail.Cent, -retail.Unit, retail.MicrosMax, -retail.MicrosMax}
	var facts []event.Fact
	for i, a := range amounts {
		facts = append(facts, event.Fact{ID: fmt.Sprint(i), At: time.UnixMicro(int64(i) + 1), Day: retail.Day(i - 3), Body: event.Price{
			Price: catalog.Price{Product: catalog.ProductID(fmt.Sprint(i)), Amount: retail.Money{Amount: a, Currency: "EUR"}},
		}})
	}
	if err := w.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: time.Unix(1, 0), Rows: history.Rows(facts)}}); err != nil {
		t.Fatal(err)
	}
	got, err := w.Query(t.Context(), warehouse.Query{
		Purpose: warehouse.Accounting, SQL: `select price, "at", sum(price) over () from prices where price >= $1 and "at" >= $2 order by product`,
		Args: []any{-retail.MicrosMax, time.UnixMicro(1)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range amounts {
		if have := retail.Micros(got.Columns[0].Ints[i]); have != want || got.Columns[1].Ints[i] != int64(i)+1 {
			t.Errorf("amount %d is %v at %d, want %v", i, have, got.Columns[1].Ints[i], want)
		}
	}
	if sum := retail.Micros(got.Columns[2].Ints[0]); sum != retail.Cent-retail.Unit {
		t.Errorf("the sum is %v", sum)
	}
}
