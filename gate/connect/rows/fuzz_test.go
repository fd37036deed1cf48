package rows_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	pq "github.com/parquet-go/parquet-go"

	"endcap/gate/connect/mapping"
	"endcap/gate/connect/rows"
)

// one reads two columns of text as they stand.
const one = `{"name":"fuzz","zone":"UTC","currency":"EUR","feeds":{"products":{"columns":{"product":"a","name":"b"}}}}`

func texts(tb testing.TB, text string) *mapping.Feed {
	tb.Helper()
	m, err := mapping.Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	f, err := m.Feed(mapping.Products)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// Where encoding/csv reads a file without complaint, we read the same.
func FuzzCSVSaysWhatEncodingCSVSays(f *testing.F) {
	for _, s := range []string{"1,2\n", "\"x\"\"y\",\"a\nb\"\r\n3,\n", "a,\"b\r\nc\"", "\n\n1,2", "\"\",\"\"\n", "é,1\n"} {
		f.Add(s)
	}
	feed := texts(f, one)
	f.Fuzz(func(t *testing.T, body string) {
		src := "a,b\n" + body
		got, err := rows.ReadRaw([]byte(src), feed, true)
		if err != nil && !errors.Is(err, io.EOF) {
			return // such as a header that does not end
		}
		r := csv.NewReader(strings.NewReader(src))
		r.FieldsPerRecord = 2
		want, csvErr := r.ReadAll()
		if csvErr != nil || !utf8.ValidString(body) || strings.ContainsAny(body, "\x00") || len(body) > 60_000 {
			return
		}
		var have [][]string
		if got != nil {
			for i := range got.N {
				have = append(have, []string{got.Text[mapping.Product][i], got.Text[mapping.Title][i]})
			}
			for _, x := range got.Faults {
				if x.Reason != rows.MissingID {
					t.Fatalf("%q: %+v", src, x)
				}
			}
		}
		if !slices.EqualFunc(want[1:], have, slices.Equal) {
			t.Fatalf("%q: got %q, want %q", src, have, want[1:])
		}
	})
}

// What we read of an object is what encoding/json reads; what is no object, or
// says a thing twice, is a fault.
func FuzzNDJSONSaysWhatEncodingJSONSays(f *testing.F) {
	for _, s := range []string{`{"a":"1","b":"x"}`, `{"a":"\u00e9","b":null,"c":[{"d":1e5}]}`, `{"a":1,"a":2}`, `{"a":"1",}`, `{"a":-0.5e+3}`, `{"\u0061":"1"}`} {
		f.Add(s)
	}
	feed := texts(f, one)
	f.Fuzz(func(t *testing.T, line string) {
		if strings.ContainsAny(line, "\n\x00") || strings.Trim(line, "\r \t") == "" || len(line) > 60_000 || !utf8.ValidString(line) {
			return
		}
		b, err := rows.ReadRaw([]byte(line), feed, false)
		if err != nil {
			return // the columns are missing
		}
		if b.N != 1 {
			t.Fatalf("%q is %d rows", line, b.N)
		}
		var want map[string]any
		dec := json.NewDecoder(strings.NewReader(line))
		dec.UseNumber()
		if err := dec.Decode(&want); (err != nil || want == nil) && len(b.Faults) == 0 {
			t.Fatalf("%q is read, but is no object: %v", line, err)
		}
		if len(b.Faults) > 0 {
			return
		}
		text := b.Text[mapping.Product][0]
		switch v := want["a"].(type) {
		case string:
			if v != text {
				t.Fatalf("%q: got %q, want %q", line, text, v)
			}
		case json.Number:
			if v.String() != text {
				t.Fatalf("%q: got %q, want %v", line, text, v)
			}
		case bool:
		default:
			t.Fatalf("%q: got %q, want %v", line, text, v)
		}
	})
}

// A time that time.Parse reads, we read the same; others are refused.
func FuzzTimes(f *testing.F) {
	for _, s := range []string{"2017-10-29 02:30:00", "2017-01-01T00:00:00Z", "2017-02-30 00:00:00", "2017-01-01 23:59:59.123456", "2017-01-01"} {
		f.Add(s)
	}
	m, err := mapping.Parse([]byte(`{"name":"f","zone":"Australia/Lord_Howe","currency":"EUR","feeds":{"stock":{"columns":{"product":"p","count":"c","time":"t"}}}}`))
	if err != nil {
		f.Fatal(err)
	}
	feed, err := m.Feed(mapping.Stock)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, ",\"\r\n") || text == "" || len(text) > 10 && (len(text) < 19 || text[13] != ':' || text[11] == ' ') {
			return // time.Parse takes an hour of one digit
		}
		b, err := rows.ReadRaw([]byte("p,c,t\nx,1,"+text+"\n"), feed, true)
		if err != nil || b.N != 1 {
			t.Fatalf("%q: %v", text, err)
		}
		for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05Z07:00", "2006-01-02"} {
			want, err := time.ParseInLocation(layout, text, m.Zone)
			if err != nil || want.UTC().Year() < 1991 || want.UTC().Year() > 2099 || len(text) > 29 {
				continue
			}
			if got := b.Num[mapping.Time][0]; len(b.Faults) > 0 || got != want.UnixMicro() {
				t.Fatalf("%q: got %v %v, want %v", text, time.UnixMicro(got).UTC(), b.Faults, want.UTC())
			}
			return
		}
	})
}

// A damaged Parquet file gives an error or rows, never a panic.
func FuzzDamagedParquet(f *testing.F) {
	type line struct {
		A string  `parquet:"a,dict,optional"`
		B string  `parquet:"b,snappy"`
		C float64 `parquet:"c"`
	}
	var good bytes.Buffer
	w := pq.NewGenericWriter[line](&good)
	for i := range 300 {
		if _, err := w.Write([]line{{A: strings.Repeat("x", i%7), B: "é", C: float64(i)}}); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(10, byte(0xff), 900, byte(0x01))
	f.Add(40, byte(0x00), 41, byte(0x7f))
	for i := range 64 {
		f.Add(i*good.Len()/64, byte(0x80>>(i%8)), good.Len()-1-i*3, byte(i))
	}
	feed := texts(f, one)
	f.Fuzz(func(t *testing.T, at1 int, xor1 byte, at2 int, xor2 byte) {
		b := bytes.Clone(good.Bytes())
		b[uint(at1)%uint(len(b))] ^= xor1
		b[uint(at2)%uint(len(b))] ^= xor2
		src, err := rows.Open(file(t, "x.parquet", b), feed)
		if err != nil {
			return
		}
		defer src.Close()
		for range 1_000 {
			if _, err := src.Next(); err != nil {
				return
			}
		}
		t.Fatal("it does not end")
	})
}
