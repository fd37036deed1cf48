package rows_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"endcap/gate/connect/mapping"
	"endcap/gate/connect/rows"
)

// journey finds The Complete Journey where `make data` puts it.
func journey(tb testing.TB, name string) string {
	tb.Helper()
	for _, dir := range []string{""} {
		path := filepath.Join("..", "..", "..", "data", "complete-journey", dir, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	tb.Skipf("%s is not under data/complete-journey: run `make data`", name)
	return ""
}

func completeJourney(tb testing.TB, kind mapping.Kind) *mapping.Feed {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "mappings", "complete-journey.json"))
	if err != nil {
		tb.Fatal(err)
	}
	m, err := mapping.Parse(b)
	if err != nil {
		tb.Fatal(err)
	}
	f, err := m.Feed(kind)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// drain reads a file to its end.
func drain(tb testing.TB, path string, feed *mapping.Feed) (n, faults int, sales int64) {
	tb.Helper()
	src, err := rows.Open(path, feed)
	if err != nil {
		tb.Fatal(err)
	}
	defer src.Close()
	for {
		b, err := src.Next()
		if errors.Is(err, io.EOF) {
			return n, faults, sales
		}
		if err != nil {
			tb.Fatal(err)
		}
		n += b.N
		faults += len(b.Faults)
		for _, v := range b.Num[mapping.Sales] {
			if v != rows.Absent {
				sales += v
			}
		}
	}
}

func benchmark(b *testing.B, path string) {
	b.Helper()
	feed := completeJourney(b, mapping.Receipts)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	b.ReportAllocs()
	lines := 0
	for b.Loop() {
		n, _, _ := drain(b, path, feed)
		lines += n
	}
	b.ReportMetric(float64(lines)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkCSV and BenchmarkParquet read The Complete Journey's lines into
// typed blocks, on one core when run with -cpu=1.
func BenchmarkCSV(b *testing.B)     { benchmark(b, journey(b, "transactions.csv")) }
func BenchmarkParquet(b *testing.B) { benchmark(b, journey(b, "transactions.parquet")) }
