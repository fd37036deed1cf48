package rows_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pq "github.com/parquet-go/parquet-go"

	"endcap/gate/connect/mapping"
	"endcap/gate/connect/rows"
	"endcap/retail"
)

// days is a mapping of receipts by numbered days with a time of day of its own.
const days = `{"name":"d","zone":"America/New_York","currency":"USD","feeds":{
	"receipts":{"columns":{"receipt":"id","product":"p","sales":"s","time":{"column":"day","format":"day_number","first":"2016-03-23"},"time_of_day":"t"}},
	"promotions":{"columns":{"store":"shop","product":"p","week":%s}}}}`

func feedOf(tb testing.TB, kind mapping.Kind, week string) *mapping.Feed {
	tb.Helper()
	m, err := mapping.Parse(fmt.Appendf(nil, days, week))
	if err != nil {
		tb.Fatal(err)
	}
	f, err := m.Feed(kind)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// midnight of numbered days in their zone, and what the clock says, in minutes;
// -1 for a fault.
func TestHowDaysAndTimesOfDayAreRead(t *testing.T) {
	t.Parallel()
	f := feedOf(t, mapping.Receipts, `"w"`)
	for text, want := range map[string]string{
		"285,0730":    "2017-01-01T05:00:00Z 450m0s",
		"285,730":     "2017-01-01T05:00:00Z 450m0s",
		"285,5":       "2017-01-01T05:00:00Z 5m0s",
		"285,7:30":    "2017-01-01T05:00:00Z 450m0s",
		"285,7:30:15": "2017-01-01T05:00:00Z 450m15s",
		"285,073015":  "2017-01-01T05:00:00Z 450m15s",
		"285,73015":   "2017-01-01T05:00:00Z 450m15s",
		"1,0":         "2016-03-23T04:00:00Z 0m0s",
		"711,2359":    "2018-03-03T05:00:00Z 1439m0s",
		"285,2400":    "bad_time t", "285,0760": "bad_time t", "285,12:3x": "bad_time t", "285,-1:30": "bad_time t", "285,1:2:3:4": "bad_time t",
		"285,:30": "bad_time t", "285,1234567": "bad_time t", "285,": "missing_value t",
		"0,730": "bad_time day", "-4,730": "bad_time day", "1e3,730": "bad_time day", "99999999999,730": "bad_time day", "40000,730": "bad_time day",
	} {
		b, err := rows.ReadRaw([]byte("id,p,s,day,t\n1,a,1,"+text+"\n"), f, true)
		if err != nil || b.N != 1 {
			t.Fatalf("%s: %d rows (%v)", text, b.N, err)
		}
		var got string
		if len(b.Faults) > 0 {
			got = string(b.Faults[0].Reason) + " " + b.Faults[0].Field
		} else {
			clock := b.Num[mapping.TimeOfDay][0] / 1e6
			got = fmt.Sprintf("%s %dm%ds", time.UnixMicro(b.Num[mapping.Time][0]).UTC().Format(time.RFC3339), clock/60, clock%60)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestHowWeeksAreRead(t *testing.T) {
	t.Parallel()
	const number, german, iso = `{"column":"w","format":"week_number","first":"2016-12-26"}`, `{"column":"w","format":"%d.%m.%Y"}`, `"w"`
	tests := []struct{ week, text, want string }{
		{number, "1", "2016-12-26"},
		{number, "53", "2017-12-25"},
		{number, "0", "bad_time"},
		{number, "5000", "bad_time"},
		{number, "2017-01-02", "bad_time"},
		{german, "02.01.2017", "2017-01-02"},
		{german, "2017-01-02", "bad_time"},
		{german, "30.02.2017", "bad_time"},
		{iso, "2017-01-02", "2017-01-02"},
		{iso, "2017-01-02T00:00:00Z", "bad_time"},
		{iso, "1817-01-02", "bad_time"},
	}
	for _, tt := range tests {
		f := feedOf(t, mapping.Promotions, tt.week)
		b, err := rows.ReadRaw([]byte("shop,p,w\n1,a,"+tt.text+"\n"), f, true)
		if err != nil || b.N != 1 {
			t.Fatalf("%s: %v", tt.text, err)
		}
		got := retail.Day(b.Num[mapping.Week][0]).String()
		if len(b.Faults) > 0 {
			got = string(b.Faults[0].Reason)
		}
		if got != tt.want {
			t.Errorf("%s as %s: %s, want %s", tt.text, tt.week, got, tt.want)
		}
	}
}

// Parquet holds numbers, dates or texts; each says the same week, and its row
// kept as CSV reads back the same.
func TestWeeksInParquet(t *testing.T) {
	t.Parallel()
	type number struct {
		Shop int64  `parquet:"shop"`
		P    string `parquet:"p"`
		W    int64  `parquet:"w"`
	}
	type double struct {
		Shop string  `parquet:"shop"`
		P    string  `parquet:"p"`
		W    float64 `parquet:"w"`
	}
	type date struct {
		Shop string `parquet:"shop"`
		P    string `parquet:"p"`
		W    int32  `parquet:"w,date"`
	}
	const numbered = `{"column":"w","format":"week_number","first":"2016-12-26"}`
	week := retail.Date(2017, 1, 9)
	checkWeek(t, numbered, []number{{7, "a", 3}, {7, "a", 0}})
	checkWeek(t, numbered, []double{{"7", "a", 3}, {"7", "a", 2.5}})
	checkWeek(t, `"w"`, []date{{"7", "a", int32(week)}, {"7", "a", -70_000}})
	checkWeek(t, `{"column":"w","format":"%d,%m,%Y"}`, []date{{"7", "a", int32(week)}, {"7", "a", 1 << 30}})
}

// checkWeek writes two rows, of which the first is good.
func checkWeek[T any](t *testing.T, week string, all []T) {
	t.Helper()
	m, err := mapping.Parse([]byte(promotionsOf(week)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.Feed(mapping.Promotions)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := pq.Write(&buf, all); err != nil {
		t.Fatal(err)
	}
	src, err := rows.Open(file(t, "w.parquet", buf.Bytes()), f)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	b, err := src.Next()
	if err != nil {
		t.Fatal(err)
	}
	if got := retail.Day(b.Num[mapping.Week][0]); b.N != 2 || got != retail.Date(2017, 1, 9) || len(b.Faults) != 1 || b.Faults[0].Row != 1 {
		t.Errorf("%T as %s: %v, faults %v", all[0], week, got, b.Faults)
	}
	raw := b.RawRange(bytes.Clone(b.Header()), 0, 1)
	again, err := rows.ReadRaw(raw, f, true)
	if err != nil || again.N != 1 || len(again.Faults) > 0 {
		t.Fatalf("%s: %v %v", raw, again.Faults, err)
	}
	for _, name := range []mapping.Name{mapping.Store, mapping.Product} {
		if diff := cmp.Diff(b.Text[name][:1], again.Text[name]); diff != "" {
			t.Errorf("%s: %s", raw, diff)
		}
	}
	if b.Num[mapping.Week][0] != again.Num[mapping.Week][0] {
		t.Errorf("%s reads back as %v", raw, retail.Day(again.Num[mapping.Week][0]))
	}
}

func promotionsOf(week string) string {
	return `{"name":"d","zone":"UTC","currency":"EUR","feeds":{"promotions":{"columns":{"store":"shop","product":"p","week":` + week + `}}}}`
}

func FuzzTimesOfDay(f *testing.F) {
	for _, s := range []string{"0730", "7:30:15", "5", "235959", "24:00", "::"} {
		f.Add(s)
	}
	feed := feedOf(f, mapping.Receipts, `"w"`)
	f.Fuzz(func(t *testing.T, text string) {
		if bytes.ContainsAny([]byte(text), ",\"\r\n") || text == "" {
			return
		}
		b, err := rows.ReadRaw([]byte("id,p,s,day,t\n1,a,1,285,"+text+"\n"), feed, true)
		if err != nil || b.N != 1 {
			t.Fatalf("%q: %v", text, err)
		}
		if v := b.Num[mapping.TimeOfDay][0]; len(b.Faults) == 0 && (v < 0 || v >= 86_400e6 || v%1e6 != 0) {
			t.Fatalf("%q is %d microseconds", text, v)
		}
	})
}
