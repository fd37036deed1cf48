package connect_test

import (
	"syscall"
	"testing"
	"time"

	"endcap/gate/connect"
	"endcap/gate/connect/mapping"
	"endcap/retail"
)

// The figures are those that the publisher's own tables give.
func TestTheCompleteJourneyIsReadWholeFromItsParquet(t *testing.T) {
	t.Parallel()
	file, m := journey(t, "transactions.parquet"), shipped(t, "complete-journey.json")
	weeks50 := retail.Date(2017, time.December, 4)
	tests := map[string]struct {
		from, until    retail.Day
		receipts, rows int
		sales          string
	}{
		"the whole year": {0, 0, 155_848, 1_469_307, "4596039.58"},
		"weeks 1 to 49":  {0, weeks50, 144_092, 1_355_054, "4222154.95"},
		"weeks 50 to 53": {weeks50, 0, 11_756, 114_253, "373884.63"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &sink{}
			sum, err := connect.Load(t.Context(), connect.LoadOptions{
				File: file, Kind: mapping.Receipts, Mapping: m, Desk: s, Clock: noon, From: tt.from, Until: tt.until,
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(s.receipts) != tt.receipts || s.lines != tt.rows || s.sales.String() != tt.sales {
				t.Errorf("got %d receipts, %d lines, sales %v; want %d, %d, %s", len(s.receipts), s.lines, s.sales, tt.receipts, tt.rows, tt.sales)
			}
			if sum.Rows != 1_469_307 || sum.SkippedLines != int64(1_469_307-tt.rows) {
				t.Errorf("read %d rows, skipped %d", sum.Rows, sum.SkippedLines)
			}
			for _, r := range s.receipts {
				if r.Fault != nil {
					t.Fatalf("receipt of line %d is refused: %v", r.Line, r.Fault)
				}
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
