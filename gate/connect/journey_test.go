package connect_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"endcap/gate/connect"
	"endcap/gate/connect/mapping"
	"endcap/retail"
	"endcap/retail/basket"
)

// The figures are those that the publisher's own tables give; together they are
// the whole year's 1,469,307 lines, 155,848 receipts and 4,596,039.58.
func TestTheCompleteJourneyIsReadWholeFromItsParquet(t *testing.T) {
	t.Parallel()
	if !native(t) {
		return
	}
	file, m := journey(t, "transactions.parquet"), shipped(t, "complete-journey.json")
	weeks50 := retail.Date(2017, time.December, 4)
	tests := map[string]struct {
		from, until    retail.Day
		receipts, rows int
		sales          string
	}{
		"weeks 1 to 49":  {0, weeks50, 144_092, 1_355_054, "4222154.95"},
		"weeks 50 to 53": {weeks50, 0, 11_756, 114_253, "373884.63"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &sink{count: true}
			sum, err := connect.Load(t.Context(), connect.LoadOptions{
				File: file, Kind: mapping.Receipts, Mapping: m, Desk: s, Clock: noon, From: tt.from, Until: tt.until,
			})
			if err != nil {
				t.Fatal(err)
			}
			if s.whole != tt.receipts || s.faulty != 0 || s.lines != tt.rows || s.sales.String() != tt.sales {
				t.Errorf("got %d receipts, %d refused, %d lines, sales %v; want %d, none, %d, %s", s.whole, s.faulty, s.lines, s.sales, tt.receipts, tt.rows, tt.sales)
			}
			if sum.Rows != 1_469_307 || sum.SkippedLines != int64(1_469_307-tt.rows) {
				t.Errorf("read %d rows, skipped %d", sum.Rows, sum.SkippedLines)
			}
		})
	}
}

func TestTheCatalogueOfTheCompleteJourney(t *testing.T) {
	t.Parallel()
	s := &sink{}
	_, err := connect.Load(t.Context(), connect.LoadOptions{
		File: journey(t, "products.parquet"), Kind: mapping.Products, Mapping: shipped(t, "complete-journey.json"), Desk: s, Clock: noon,
	})
	if err != nil {
		t.Fatal(err)
	}
	own := 0
	for _, p := range s.products {
		if p.Fault != nil {
			t.Fatalf("row %d: %v", p.Line, p.Fault)
		}
		if p.Of.OwnLabel {
			own++
		}
	}
	if len(s.products) != 92_331 || own == 0 {
		t.Errorf("got %d products, %d own labels; want 92,331 and some", len(s.products), own)
	}
}

func BenchmarkLoadParquet(b *testing.B) { load(b, journey(b, "transactions.parquet")) }
func BenchmarkLoadCSV(b *testing.B)     { load(b, journey(b, "transactions.csv")) }

// load reads and gathers the whole year, and throws it away.
func load(b *testing.B, file string) {
	b.Helper()
	m := shipped(b, "complete-journey.json")
	b.ReportAllocs()
	lines, began := 0, spent(b)
	for b.Loop() {
		s := &sink{count: true}
		if _, err := connect.Load(b.Context(), connect.LoadOptions{File: file, Kind: mapping.Receipts, Mapping: m, Desk: s, Clock: noon}); err != nil {
			b.Fatal(err)
		}
		lines += s.lines
	}
	b.ReportMetric(float64(lines)/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(float64(lines)/(spent(b)-began).Seconds(), "lines/cpu-s")
}

// spent is the processor time of this process so far: on a shared machine it
// says more than the clock.
func spent(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// beside finds a data set beside the repository.
func beside(tb testing.TB, path ...string) string {
	tb.Helper()
	file := filepath.Join(append([]string{"..", "..", "..", "shared", "data"}, path...)...)
	if _, err := os.Stat(file); err != nil {
		tb.Skipf("%s is not beside the repository, in ../shared/data", filepath.Join(path...))
	}
	return file
}

// Real invoices of a wholesaler: returns, cancellations, unit prices, lines
// without a customer. The sums are those of the data's README.
func TestOnlineRetailIsReadFromItsPackedCSV(t *testing.T) {
	t.Parallel()
	if !native(t) {
		return
	}
	s := &sink{}
	sum, err := connect.Load(t.Context(), connect.LoadOptions{
		File: beside(t, "online-retail", "online_retail.csv.gz"), Kind: mapping.Receipts, Mapping: shipped(t, "online-retail.json"), Desk: s, Clock: noon,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.sales.RoundHalfEven(retail.Cent).String(); sum.Rows != 541_909 || s.lines != 541_909 || s.whole != 25_900 || s.faulty != 0 || got != "9747747.93" {
		t.Errorf("%d rows, %d lines, %d receipts, %d refused, sales %s; want 541,909 twice, 25,900, none, 9747747.93", sum.Rows, s.lines, s.whole, s.faulty, got)
	}
	broken, twoTimes, anonymous := 0, 0, 0
	for i := range s.receipts {
		r := &s.receipts[i]
		if r.Marks.Has(basket.TimesDiffer) {
			twoTimes++
		}
		for k := range r.Lines {
			if r.Lines[k].Sales%retail.Cent != 0 {
				broken++
			}
			if len(r.Keys) == 0 {
				anonymous++
			}
		}
		if r.ID == "536591" && r.At.Format(time.DateTime) != "2010-12-01 16:57:00" {
			t.Errorf("invoice 536591 is of %v; its earliest line of 16:57", r.At)
		}
	}
	if broken != 4 || twoTimes != 43 || anonymous != 135_080 {
		t.Errorf("%d lines are not whole cents, %d invoices have two times, %d lines no customer; want 4, 43, 135,080", broken, twoTimes, anonymous)
	}
}

// At the desk the four broken cents are rounded to the even one, which is none,
// so the sum is the README's to the cent.
func TestOnlineRetailAtTheDesk(t *testing.T) {
	t.Parallel()
	if !native(t) {
		return
	}
	file, desk := beside(t, "online-retail", "online_retail.csv.gz"), realDesk(t)
	load := func() connect.Summary {
		t.Helper()
		sum, err := connect.Load(t.Context(), connect.LoadOptions{
			File: file, Kind: mapping.Receipts, Mapping: shipped(t, "online-retail.json"), Desk: desk, Clock: noon,
		})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	d := load().Desk
	if d.New != 25_900 || d.Quarantined != 0 || d.Rounded != 4 || d.LineMarks[basket.SalesRounded] != 4 ||
		d.ReceiptMarks[basket.TimesDiffer] != 43 || d.Sales["GBP"].String() != "9747747.93" {
		t.Errorf("%d new, %d refused, %d amounts rounded on %d lines, %d with two times, sales %v", d.New, d.Quarantined, d.Rounded,
			d.LineMarks[basket.SalesRounded], d.ReceiptMarks[basket.TimesDiffer], d.Sales)
	}
	if d = load().Desk; d.Repeat != 25_900 || d.New != 0 {
		t.Errorf("loaded again: %d repeats, %d new", d.Repeat, d.New)
	}
}

// The layout in which the publisher gave the two years out: a uniform sample of
// the lines, and every product.
func TestTheCompleteJourneyInItsOriginalLayout(t *testing.T) {
	t.Parallel()
	m, s := shipped(t, "complete-journey-original.json"), &sink{}
	for kind, file := range map[mapping.Kind]string{mapping.Receipts: "transaction_data_sample100k.csv.gz", mapping.Products: "product.csv.gz"} {
		if _, err := connect.Load(t.Context(), connect.LoadOptions{File: beside(t, "complete-journey", "original", file), Kind: kind, Mapping: m, Desk: s, Clock: noon}); err != nil {
			t.Fatal(err)
		}
	}
	var quantity basket.Quantity
	var retailed, coupon, match retail.Micros
	zero := 0
	for i := range s.receipts {
		for _, l := range s.receipts[i].Lines {
			quantity += l.Quantity
			retailed, coupon, match = retailed+l.RetailDiscount, coupon+l.CouponDiscount, match+l.CouponMatch
			if l.Quantity == 0 {
				zero++
			}
		}
	}
	got := fmt.Sprintf("%d receipts, %d refused, %d lines, %d of none, quantity %d, %v, %v off, coupons %v and %v", s.whole, s.faulty, s.lines, zero, quantity/basket.Piece, s.sales, retailed, coupon, match)
	if want := "56625 receipts, 0 refused, 100000 lines, 577 of none, quantity 10572511, 312753.23, 53875.99 off, coupons 1884.79 and 318.25"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if r := s.receipts[0]; r.ID != "31198705046" || r.At.Format(time.RFC3339) != "2017-01-01T12:30:00Z" || r.Store != "319" {
		t.Errorf("the first receipt is %s of store %s at %v; want 31198705046, day 285 at 7:30 in New York", r.ID, r.Store, r.At)
	}
	own := 0
	for _, p := range s.products {
		if p.Fault != nil {
			t.Fatalf("row %d: %v", p.Line, p.Fault)
		}
		if p.Of.OwnLabel {
			own++
		}
	}
	if len(s.products) != 92_353 || own != 13_816 {
		t.Errorf("%d products, %d own labels; want 92,353 and 13,816", len(s.products), own)
	}
}

// Every display and mailer of the year: rows of a store's week lie scattered
// over up to 586,112 rows of the file. The counts are the published file's own.
func TestThePromotionsOfTheCompleteJourney(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("twenty million rows are not for -short")
	}
	if !native(t) {
		return
	}
	s := &sink{count: true}
	sum, err := connect.Load(t.Context(), connect.LoadOptions{
		File: journey(t, "promotions.parquet"), Kind: mapping.Promotions, Mapping: shipped(t, "complete-journey.json"), Desk: s, Clock: noon, Temp: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Rows != 20_940_529 || s.lines != 20_940_529 || s.whole != 5_749 || s.faulty != 0 || len(s.inStore) != 112 {
		t.Errorf("%d rows, %d kept, %d stores' weeks, %d refused, %d stores; want 20,940,529 twice, 5,749, none, 112", sum.Rows, s.lines, s.whole, s.faulty, len(s.inStore))
	}
	want := map[string]int{
		"display ": 11_937_691, "display store front": 632_040, "display store rear": 1_046_606, "display front end cap": 1_176_150,
		"display mid-aisle end cap": 342_627, "display rear end cap": 1_448_441, "display side-aisle end cap": 1_043_837,
		"display in-aisle": 1_379_279, "display secondary": 1_524_457, "display in-shelf": 409_401,
		"mailer ": 6_632_002, "mailer interior feature": 9_569_399, "mailer interior line item": 164_936, "mailer front page": 2_557_238,
		"mailer back page": 610_173, "mailer wrap front": 880_951, "mailer wrap interior coupon": 214_982, "mailer wrap back": 189_763,
		"mailer interior coupon": 569, "mailer free on interior": 109_772, "mailer free on front, back or wrap": 10_744,
	}
	if diff := cmp.Diff(want, s.places); diff != "" {
		t.Errorf("rows by place, -want +got:\n%s", diff)
	}
}
