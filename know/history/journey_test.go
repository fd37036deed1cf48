package history_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // the SQL driver that reads the published file

	"endcap/keep/warehouse"
	"endcap/keep/warehouse/duck"
	"endcap/keep/warehouse/subset"
	"endcap/know/history"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// journey reads The Complete Journey as facts, one per basket, or skips.
func journey(t testing.TB) []event.Fact {
	t.Helper()
	name := filepath.Join("..", "..", "data", "complete-journey", "transactions.parquet")
	if dir := os.Getenv("ENDCAP_JOURNEY"); dir != "" {
		name = filepath.Join(dir, "transactions.parquet")
	}
	if _, err := os.Stat(name); err != nil {
		t.Skip("The Complete Journey is not here; make data brings it")
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `select household_id, store_id, basket_id, product_id, quantity, sales_value, retail_disc,
		coupon_disc, coupon_match_disc, transaction_timestamp from read_parquet('`+name+`') order by transaction_timestamp, basket_id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var facts []event.Fact
	var last int64
	for rows.Next() {
		var household, store, receipt, product, quantity int64
		var sales, discount, coupon, match float64
		var at time.Time
		if err := rows.Scan(&household, &store, &receipt, &product, &quantity, &sales, &discount, &coupon, &match, &at); err != nil {
			t.Fatal(err)
		}
		if receipt != last {
			last = receipt
			facts = append(facts, event.Fact{
				ID: fmt.Sprint(receipt), At: at, Arrived: at, Day: retail.DayOf(at, time.UTC), Source: "file",
				Shopper: shopper.FromUint64(uint64(household) * 0x9e3779b97f4a7c15),
				Body: event.Receipt{Receipt: basket.Receipt{
					ID: basket.ReceiptID(fmt.Sprint(receipt)), Store: catalog.StoreID(fmt.Sprint(store)), Channel: catalog.InStore, At: at, Currency: "USD",
				}},
			})
		}
		f := &facts[len(facts)-1]
		body := f.Body.(event.Receipt)
		body.Lines = append(body.Lines, basket.Line{
			Product: catalog.ProductID(fmt.Sprint(product)), Quantity: basket.Quantity(quantity) * basket.Piece, Sales: cents(sales),
			RetailDiscount: cents(discount), CouponDiscount: cents(coupon), CouponMatch: cents(match),
		})
		f.Body = body
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return facts
}

func cents(f float64) retail.Micros {
	m, err := retail.FromFloat(f)
	if err != nil {
		panic(err)
	}
	return m.RoundHalfEven(retail.Cent)
}

func open(t testing.TB, dir string) *duck.Warehouse {
	t.Helper()
	opts := duck.Defaults()
	opts.MemoryMB, opts.Threads, opts.Check = 512, 2, subset.Check
	w, err := duck.Open(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// Do the books of a whole year come out as published?
func TestControlSumsOfTheCompleteJourney(t *testing.T) {
	t.Parallel()
	facts := journey(t)
	w := open(t, t.TempDir())
	var build, add time.Duration
	for from, n := 0, 0; from < len(facts); from, n = from+32_768, n+1 {
		start := time.Now()
		rows := history.Rows(facts[from:min(len(facts), from+32_768)])
		build += time.Since(start)
		start = time.Now()
		if err := w.Append(t.Context(), []warehouse.Fold{{Next: event.Cursor(fmt.Sprintf("%08d", n)), Through: facts[from].Arrived, Rows: rows}}); err != nil {
			t.Fatal(err)
		}
		add += time.Since(start)
	}
	start := time.Now()
	got, err := history.ControlSums(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("rows built in %v, appended in %v (%.0f lines/s), asked in %v", build, add, float64(got.Lines)/add.Seconds(), time.Since(start))
	want := history.Controls{
		Lines: 1_469_307, Baskets: 155_848, Households: 2_469, Products: 68_509, Stores: 457,
		Sales: 4_596_039_580_000, RetailDiscount: 791_650_640_000, CouponDiscount: 26_359_900_000, CouponMatch: 4_542_650_000,
	}
	if got != want {
		t.Fatalf("got %+v\nwant %+v", got, want)
	}
	start = time.Now()
	if _, err := w.Query(t.Context(), warehouse.Query{Name: "sum", Purpose: warehouse.Accounting, SQL: "select count(*), sum(sales) from lines"}); err != nil {
		t.Fatal(err)
	}
	t.Logf("count and sum in %v", time.Since(start))
	start = time.Now()
	days, err := w.Seal(t.Context(), retail.Date(2017, time.January, 8))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d days sealed in %v", len(days), time.Since(start))
	start = time.Now()
	if err := w.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("filled again in %v", time.Since(start))
	start = time.Now()
	if err := w.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("checked in %v", time.Since(start))
}
