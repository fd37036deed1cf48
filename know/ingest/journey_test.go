package ingest_test

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

const journey = "../../../shared/data/complete-journey/v2"

// read reads a compressed CSV file without its header.
func read(tb testing.TB, name string) [][]string {
	tb.Helper()
	f, err := os.Open(filepath.Join(journey, name))
	if errors.Is(err, fs.ErrNotExist) {
		tb.Skipf("the sample of The Complete Journey is not at %s", journey)
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil && !errors.Is(err, io.EOF) {
		tb.Fatal(err)
	}
	return rows[1:]
}

func amount(tb testing.TB, text string) retail.Micros {
	tb.Helper()
	f, err := strconv.ParseFloat(text, 64) // the file holds numbers such as 4e-16
	if err != nil {
		tb.Fatal(err)
	}
	m, err := retail.FromFloat(f)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// sample reads the sampled receipts of 2017, one row after the other joined.
func sample(tb testing.TB) []ingest.Receipt {
	tb.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		tb.Fatal(err)
	}
	var all []ingest.Receipt
	place := make(map[string]int)
	for n, row := range read(tb, "transactions_sample_100k.csv.gz") {
		when, err := time.ParseInLocation(time.DateTime, row[10], zone)
		if err != nil {
			tb.Fatal(err)
		}
		pieces, err := strconv.ParseInt(row[4], 10, 64)
		if err != nil {
			tb.Fatal(err)
		}
		key, err := shopper.ParseKey(shopper.Card, row[0])
		if err != nil {
			tb.Fatal(err)
		}
		r := ingest.Receipt{
			Receipt: basket.Receipt{
				ID: basket.ReceiptID(row[2]), Store: catalog.StoreID(row[1]), Channel: catalog.InStore, At: when, Currency: "USD",
				Lines: []basket.Line{{
					Product: catalog.ProductID(row[3]), Quantity: basket.Quantity(pieces) * basket.Piece, Sales: amount(tb, row[5]),
					RetailDiscount: amount(tb, row[6]), CouponDiscount: amount(tb, row[7]), CouponMatch: amount(tb, row[8]),
				}},
			},
			Keys: []shopper.Key{key}, Line: int64(n + 2),
		}
		if at, ok := place[row[2]]; ok {
			all[at].Join(&r)
			continue
		}
		place[row[2]] = len(all)
		all = append(all, r)
	}
	return all
}

// The sample of the Complete Journey comes in whole, with the figures that its
// README states.
func TestTheSampleOfTheCompleteJourneyComesInWhole(t *testing.T) {
	t.Parallel()
	all := sample(t)
	h := open(t)
	h.pass(30 * 24 * time.Hour)
	products := read(t, "products.csv.gz")
	var list []catalog.Product
	for _, row := range products {
		list = append(list, catalog.Product{ID: catalog.ProductID(row[0]), Department: catalog.Department(row[2]), Category: catalog.Category(row[4])})
	}
	for n := 0; n < len(list); n += ingest.BatchMax {
		res, err := h.Products(t.Context(), rows(list[n:min(n+ingest.BatchMax, len(list))]...), file)
		if err != nil || res.Summary.New != res.Summary.Items {
			t.Fatalf("products: %+v (%v)", res.Summary, err)
		}
	}
	h.follow(t)
	load := func() ingest.Summary {
		t.Helper()
		var sum ingest.Summary
		for n := 0; n < len(all); n += 4_000 {
			res, err := h.Receipts(t.Context(), all[n:min(n+4_000, len(all))], file)
			if err != nil {
				t.Fatal(err)
			}
			sum.Add(&res.Summary)
		}
		return sum
	}
	sum := load()
	got := fmt.Sprintf("%d receipts, %d lines, %d stores, sales %v, %d lines of quantity 0, %d in quarantine, %d rounded",
		sum.New, sum.Lines, len(sum.StoresUnknown), sum.Sales["USD"], sum.LineMarks[basket.QuantityZero], sum.Quarantined, sum.Rounded)
	want := "56625 receipts, 100000 lines, 308 stores, sales 312753.23, 577 lines of quantity 0, 0 in quarantine, 0 rounded"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	t.Logf("marks: %+v", sum.Marks())
	who := make(map[shopper.ID]bool)
	var stored retail.Micros
	for _, f := range h.facts(t, event.KindReceipt) {
		who[f.Shopper] = true
		r := f.Body.(event.Receipt)
		stored += r.Total()
	}
	if len(who) != 2_405 || stored != sum.Sales["USD"] {
		t.Errorf("%d households with %v in the stream, want 2405 with %v", len(who), stored, sum.Sales["USD"])
	}
	if again := load(); again.Repeat != 56_625 || again.Sales["USD"] != sum.Sales["USD"] {
		t.Errorf("the second load: %+v", again.Marks())
	}
}

// BenchmarkReceipts takes receipts of nine lines in, by thousands; "desk" is
// what the desk costs beside the stream.
func BenchmarkReceipts(b *testing.B) {
	h := open(b)
	var list []catalog.Product
	for i := range 20_000 {
		list = append(list, catalog.Product{ID: catalog.ProductID(strconv.Itoa(800_000 + i))})
	}
	if _, err := h.Products(b.Context(), rows(list...), file); err != nil {
		b.Fatal(err)
	}
	h.follow(b)
	const batch = 4_000
	n := 0
	var inside time.Duration
	desk, err := ingest.NewDesk(ingest.Ports{
		Log: timed{h, &inside}, People: h.people, Quarantine: h.vault, Assortment: h.shelf, Past: h, Clock: h.clock,
	}, ingest.Defaults(time.UTC, "USD"))
	if err != nil {
		b.Fatal(err)
	}
	var spent time.Duration
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		rs := make([]ingest.Receipt, batch)
		for i := range rs {
			n++
			rs[i] = receipt(b, "r"+strconv.Itoa(n))
			rs[i].Keys = []shopper.Key{card(b, strconv.Itoa(n%2_469))}
			rs[i].Lines = make([]basket.Line, 9)
			for l := range rs[i].Lines {
				k := (n*31 + l*l*97) % 20_000
				rs[i].Lines[l] = line(string(list[k*k%20_000].ID), 100+k)
			}
		}
		b.StartTimer()
		began := time.Now()
		if _, err := desk.Receipts(b.Context(), rs, file); err != nil {
			b.Fatal(err)
		}
		spent += time.Since(began)
	}
	per := float64(b.N * batch)
	b.ReportMetric(float64((spent-inside).Nanoseconds())/per, "desk-ns/receipt")
	b.ReportMetric(float64(inside.Nanoseconds())/per, "append-ns/receipt")
}
