package rows_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"endcap/gate/connect/mapping"
	"endcap/gate/connect/rows"
	"endcap/retail"
)

// till is a mapping of a small shop whose times are its own.
const till = `{"name":"corner-shop","zone":"Europe/Paris","currency":"EUR","feeds":{"receipts":{"columns":{
	"receipt":"id","time":"at","product":"sku","sales":"total","quantity":{"column":"n","optional":true},"card":{"column":"card","optional":true}}}}}`

func feed(tb testing.TB, text string) *mapping.Feed {
	tb.Helper()
	m, err := mapping.Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	f, err := m.Feed(mapping.Receipts)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func file(tb testing.TB, name string, content []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// told reads a file and tells each row in a line: its number, values or fault.
func told(tb testing.TB, path string, feed *mapping.Feed) ([]string, error) {
	tb.Helper()
	src, err := rows.Open(path, feed)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	var out []string
	for {
		b, err := src.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		faults := map[int]rows.Fault{}
		for _, f := range b.Faults {
			faults[f.Row] = f
		}
		for i := range b.N {
			if f, ok := faults[i]; ok {
				out = append(out, fmt.Sprintf("%d %s %s", b.Line[i], f.Reason, f.Field))
				continue
			}
			at := time.UnixMicro(b.Num[mapping.Time][i]).UTC().Format(time.RFC3339Nano)
			out = append(out, fmt.Sprintf("%d %s %s %s %v", b.Line[i], b.Text[mapping.Receipt][i], at, b.Text[mapping.Product][i], retail.Micros(b.Num[mapping.Sales][i])))
		}
	}
}

func TestWhatBecomesOfARow(t *testing.T) {
	t.Parallel()
	const head, js = "id,at,sku,total\n", `{"id":"1","at":"2017-01-01 10:00:00","sku":"a","total":`
	tests := map[string]struct {
		name, content string
		want          []string
	}{
		"a plain row, in the shop's zone": {"t.csv", head + "1,2017-07-01 10:00:00,oats,1.50\n", []string{"2 1 2017-07-01T08:00:00Z oats 1.50"}},
		"windows line ends and a mark":    {"t.csv", "\ufeffid,at,sku,total\r\n1,2017-01-01 10:00:00,a,1\r\n", []string{"2 1 2017-01-01T09:00:00Z a 1.00"}},
		"a quoted newline": {"t.csv", head + "1,2017-01-01 10:00:00,\"a\"\"b,\nc\",1\n2,2017-01-01 10:00:00,d,1", []string{
			"2 1 2017-01-01T09:00:00Z a\"b,\nc 1.00", "4 2 2017-01-01T09:00:00Z d 1.00",
		}},
		"a quote that is never closed takes one line": {"t.csv", head + "1,2017-01-01 10:00:00,\"a,1\n2,2017-01-01 10:00:00,b,1\n", []string{
			"2 bad_quotes ", "3 2 2017-01-01T09:00:00Z b 1.00",
		}},
		"a stray quote takes one line": {"t.csv", head + "1,2017-01-01 10:00:00,\"a,1\n2,2017-01-01 10:00:00,\"b\",1\n", []string{
			"2 bad_quotes ", "3 2 2017-01-01T09:00:00Z b 1.00",
		}},
		"too few columns":        {"t.csv", head + "1,2017-01-01 10:00:00,a\n", []string{"2 wrong_column_count "}},
		"not a number":           {"t.csv", head + "1,2017-01-01 10:00:00,a,NaN\n2,2017-01-01 10:00:00,a,inf\n3,2017-01-01 10:00:00,a,1.2.3\n", []string{"2 bad_number total", "3 bad_number total", "4 bad_number total"}},
		"a double's tail":        {"t.csv", head + "1,2017-01-01 10:00:00,a,0.30000000000000004\n2,2017-01-01 10:00:00,a,1e-2\n", []string{"2 1 2017-01-01T09:00:00Z a 0.30", "3 2 2017-01-01T09:00:00Z a 0.01"}},
		"an absurd amount":       {"t.csv", head + "1,2017-01-01 10:00:00,a,99999999999999\n", []string{"2 bad_number total"}},
		"no such day":            {"t.csv", head + "1,2017-02-29 10:00:00,a,1\n2,1900-01-01 10:00:00,a,1\n3,2017-01-01 25:00:00,a,1\n", []string{"2 bad_time at", "3 bad_time at", "4 bad_time at"}},
		"an offset of its own":   {"t.csv", head + "1,2017-01-01T10:00:00.5-05:00,a,1\n", []string{"2 1 2017-01-01T15:00:00.5Z a 1.00"}},
		"no id, no amount":       {"t.csv", head + ",2017-01-01 10:00:00,a,1\n2,2017-01-01 10:00:00,a,\n", []string{"2 missing_id id", "3 missing_value total"}},
		"text that is not UTF-8": {"t.csv", head + "1,2017-01-01 10:00:00,caf\xe9,1\n", []string{"2 bad_text sku"}},
		"empty lines":            {"t.csv", head + "\n\r\n1,2017-01-01 10:00:00,a,1\n\n", []string{"4 1 2017-01-01T09:00:00Z a 1.00"}},
		"an object a line":       {"t.ndjson", js + "1.5}\n" + `{"total":"2","sku":"caf\u00e9","at":"2017-01-01T10:00:00Z","id":"2","more":{"x":[1,"}"]}}`, []string{"1 1 2017-01-01T09:00:00Z a 1.50", "2 2 2017-01-01T10:00:00Z café 2.00"}},
		"a field twice":          {"t.ndjson", js + `1,"total":2}` + "\n" + js + `1,"x":1,"\u0078":2}`, []string{"1 duplicate_field ", "2 duplicate_field "}},
		"broken objects":         {"t.ndjson", js + "1}\n" + js + "NaN}\n" + js + "1\n" + js + "01}\n[]\n" + js + "1}}\n", []string{"1 1 2017-01-01T09:00:00Z a 1.00", "2 bad_json ", "3 bad_json ", "4 bad_json ", "5 bad_json ", "6 bad_json "}},
		"a null id":              {"t.ndjson", js + "1}\n" + `{"id":null,"at":"2017-01-01 10:00:00","sku":"a","total":1}`, []string{"1 1 2017-01-01T09:00:00Z a 1.00", "2 missing_id id"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := told(t, file(t, tt.name, []byte(tt.content)), feed(t, till))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatBecomesOfAFile(t *testing.T) {
	t.Parallel()
	csv := []byte("id,at,sku,total\n" + strings.Repeat("1,2017-01-01 10:00:00,a,1\n", 5_000))
	var gz, bomb, zs bytes.Buffer
	pack(t, &gz, csv)
	pack(t, &bomb, append([]byte("id,at,sku,total\n"), bytes.Repeat([]byte{'x'}, 40<<20)...))
	zw, err := zstd.NewWriter(&zs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zw.Write(csv); err != nil || zw.Close() != nil {
		t.Fatal("cannot pack")
	}
	tests := map[string]struct {
		name    string
		content []byte
		rows    int
		say     string // in the error; empty for none
	}{
		"gzip is told by its content":  {"lines", gz.Bytes(), 5_000, ""},
		"zstd too":                     {"lines.csv", zs.Bytes(), 5_000, ""},
		"a download that broke off":    {"lines.csv.gz", gz.Bytes()[:gz.Len()/2], -1, "breaks off"},
		"a damaged package":            {"lines.csv.gz", append(bytes.Clone(gz.Bytes()[:gz.Len()-6]), 1, 2, 3, 4, 5, 6), -1, "damaged"},
		"a bomb":                       {"lines.csv.gz", bomb.Bytes(), -1, "unpacks to far more"},
		"nothing":                      {"lines.csv", nil, 0, "empty"},
		"another shop's columns":       {"lines.csv", []byte("a,b\n1,2\n"), 0, "no such column"},
		"another shop's objects":       {"lines.ndjson", []byte(`{"a":1}`), -1, "no such column"},
		"a till that separates by ;":   {"lines.csv", []byte("id;at;sku;total\n1;2;3;4\n"), 0, `separated by ";", not by ","`},
		"a till that separates by tab": {"lines.csv", []byte("id\tat\tsku\ttotal\n1\t2\t3\t4\n"), 0, `separated by "\t", not by ","`},
		"one column, and not ours":     {"lines.csv", []byte("a;b\n1;2\n"), 0, `the file has ["a;b"]`},
		"a broken line, then no field": {"lines.ndjson", []byte("{\"id\": nonsense\n{\"a\":1}\n"), -1, `the file has ["a"]`},
		"a name that is no Parquet":    {"lines.parquet", []byte("PAR1 but nothing else"), 0, "damaged, or not Parquet"},
		"a column that is there twice": {"lines.csv", []byte("id,at,sku,total,id\n"), 0, "two columns"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := told(t, file(t, tt.name, tt.content), feed(t, till))
			said := ""
			if e, ok := errors.AsType[*retail.Error](err); ok && e.Cure != "" {
				said = e.Error() + "; " + e.Cure
			} else if err != nil {
				t.Errorf("error %v has no cure", err)
			}
			if tt.say == "" && err != nil || !strings.Contains(said, tt.say) {
				t.Errorf("got error %q, want %q", said, tt.say)
			}
			if tt.rows >= 0 && len(got) != tt.rows {
				t.Errorf("got %d rows, want %d", len(got), tt.rows)
			}
		})
	}
}

// A line that is no JSON says nothing about the mapping, also where it is the
// whole file, or ends in the middle of a column's value.
func TestIsALineThatIsNoJSONCalledThat(t *testing.T) {
	t.Parallel()
	for _, line := range []string{`{"id": nonsense`, `{"sku":"a","id":`, `nonsense`, `["id"]`} {
		got, err := told(t, file(t, "lines.ndjson", []byte(line+"\n")), feed(t, till))
		if err != nil || len(got) != 1 || !strings.Contains(got[0], "bad_json") {
			t.Errorf("a file of %s gives %q and error %v, want one row that is bad_json", line, got, err)
		}
	}
}

func pack(tb testing.TB, to io.Writer, content []byte) {
	tb.Helper()
	w := gzip.NewWriter(to)
	if _, err := w.Write(content); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
}

// A line far longer than memory should hold is refused with its beginning, and
// its neighbours are read.
func TestALineThatNeverEndsIsSkipped(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("y", 9<<20)
	path := file(t, "t.csv", []byte("id,at,sku,total\n1,2017-01-01 10:00:00,a,1\n"+long+"\n3,2017-01-01 10:00:00,b,1\n"))
	got, err := told(t, path, feed(t, till))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"2 1 2017-01-01T09:00:00Z a 1.00", "3 line_too_long ", "4 3 2017-01-01T09:00:00Z b 1.00"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	src, err := rows.Open(path, feed(t, till))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	for {
		b, err := src.Next()
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Faults) == 0 {
			continue
		}
		if raw := b.Raw(nil, b.Faults[0].Row); len(raw) != rows.RawMax || raw[0] != 'y' {
			t.Errorf("%d bytes of it are kept, want %d", len(raw), rows.RawMax)
		}
		return
	}
}

// Reading from the position of any row gives the rows that follow it.
func TestReadingGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	var csv strings.Builder
	csv.WriteString("id,at,sku,total\r\n")
	for i := range 12_000 {
		fmt.Fprintf(&csv, "%d,2017-01-01 10:00:00,\"a\n%d\",1\r\n\n", i, i)
	}
	path, f := file(t, "t.csv", []byte(csv.String())), feed(t, till)
	all, err := told(t, path, f)
	if err != nil {
		t.Fatal(err)
	}
	src, err := rows.Open(path, f)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	row := 0
	for {
		b, err := src.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range []int{0, 1, b.N / 2, b.N} {
			if got, want := restFrom(t, path, f, b.Position(i)), all[row+i:]; len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
				t.Fatalf("from row %d: %d rows, want %d", row+i, len(got), len(want))
			}
		}
		row += b.N
	}
}

func restFrom(t *testing.T, path string, f *mapping.Feed, at rows.Position) []string {
	t.Helper()
	src, err := rows.Open(path, f)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if err := src.Seek(at); err != nil {
		t.Fatal(err)
	}
	var out []string
	for {
		b, err := src.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.N {
			at := time.UnixMicro(b.Num[mapping.Time][i]).UTC().Format(time.RFC3339Nano)
			out = append(out, fmt.Sprintf("%d %s %s %s %v", b.Line[i], b.Text[mapping.Receipt][i], at, b.Text[mapping.Product][i], retail.Micros(b.Num[mapping.Sales][i])))
		}
	}
}

// Rows of Parquet are kept as CSV; that CSV says the same as the file.
func TestRawRowsOfParquetReadBackEqual(t *testing.T) {
	t.Parallel()
	f := completeJourney(t, mapping.Receipts)
	src, err := rows.Open(journey(t, "transactions.parquet"), f)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	const skip = 1_000_003 // into the part whose receipt ids have no dictionary
	if err := src.Seek(rows.Position{Line: skip}); err != nil {
		t.Fatal(err)
	}
	b, err := src.Next()
	if err != nil {
		t.Fatal(err)
	}
	if b.Line[0] != skip+1 {
		t.Errorf("reading went on at row %d, want %d", b.Line[0], skip+1)
	}
	n := 400 // what fits into one piece
	raw := b.RawRange(bytes.Clone(b.Header()), 0, n)
	again, err := rows.ReadRaw(raw, f, true)
	if err != nil || again.N != n || len(again.Faults) > 0 {
		t.Fatalf("%d rows, faults %v, error %v", again.N, again.Faults, err)
	}
	for name := range mapping.NameCount {
		if b.Text[name] != nil && !cmp.Equal(b.Text[name][:n], again.Text[name][:n]) || b.Num[name] != nil && !cmp.Equal(b.Num[name][:n], again.Num[name][:n]) {
			t.Errorf("%v differs", name)
		}
	}
}
