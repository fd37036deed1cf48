package connect_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"endcap/gate/connect"
	"endcap/gate/connect/mapping"
	"endcap/retail"
)

// The figures are those that the publisher's own tables give; together they are
// the whole year's 1,469,307 lines, 155,848 receipts and 4,596,039.58.
func TestTheCompleteJourneyIsReadWholeFromItsParquet(t *testing.T) {
	t.Parallel()
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

// Real invoices of a wholesaler: returns, cancellations, unit prices, lines
// without a customer. The sums are those of the data's README.
func TestOnlineRetailIsReadFromItsPackedCSV(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "..", "shared", "data", "online-retail", "online_retail.csv.gz")
	if _, err := os.Stat(file); err != nil {
		t.Skip("UCI Online Retail is not beside the repository, in ../shared/data/online-retail")
	}
	s := &sink{count: true}
	sum, err := connect.Load(t.Context(), connect.LoadOptions{
		File: file, Kind: mapping.Receipts, Mapping: shipped(t, "online-retail.json"), Desk: s, Clock: noon,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.sales.RoundHalfEven(retail.Cent).String(); sum.Rows != 541_909 || s.lines != 541_909 || s.whole != 25_900 || s.faulty != 0 || got != "9747747.93" {
		t.Errorf("%d rows, %d lines, %d receipts, %d refused, sales %s; want 541,909 twice, 25,900, none, 9747747.93", sum.Rows, s.lines, s.whole, s.faulty, got)
	}
}
