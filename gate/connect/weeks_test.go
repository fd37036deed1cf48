package connect_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"endcap/gate/connect"
	"endcap/gate/connect/mapping"
	"endcap/keep/stream"
	"endcap/keep/vault"
	"endcap/keep/warehouse"
	"endcap/know/history"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/catalog"
)

const leaflets = `{"name":"corner-shop","zone":"Europe/Paris","currency":"EUR","feeds":{"promotions":{"columns":{
	"store":{"column":"shop","prefix":"s"},"week":{"column":"kw","format":"week_number","first":"2017-01-02"},"product":"sku",
	"display":{"column":"place","optional":true,"words":{"0":"","E":"front end cap"%s}},"mailer":{"column":"leaflet","optional":true},
	"version":{"column":"version","optional":true}}}}}`

// loadWeeks loads a file of promotions of the corner shop.
func loadWeeks(t *testing.T, desk connect.Desk, content string) connect.Summary {
	t.Helper()
	sum, err := connect.Load(t.Context(), connect.LoadOptions{
		File: write(t, "leaflet.csv", content), Kind: mapping.Promotions, Mapping: parse(t, fmt.Sprintf(leaflets, "")), Desk: desk, Clock: noon, Temp: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// tellWeek writes a store's week in one line.
func tellWeek(w *ingest.Promotions) string {
	if w.Fault != nil {
		return fmt.Sprintf("line %d: %s %s", w.Line, w.Fault.Reason, w.Fault.Field)
	}
	out := fmt.Sprintf("%s %v v%d", w.Store, w.Week, w.Version)
	for _, p := range w.Products {
		out += fmt.Sprintf(" %s=%s/%s", p.Product, p.Display, p.Mailer)
	}
	return out
}

func TestHowRowsBecomeStoresWeeks(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		content string
		want    []string
	}{
		"rows between each other": {
			"shop,kw,sku,place,leaflet\n1,1,a,E,front\n2,1,a,0,\n1,1,b,0,back\n1,2,a,E,\n1,1,a,0,back\n",
			[]string{"s1 2017-01-02 v0 a=front end cap/front b=/back a=/back", "s2 2017-01-02 v0 a=/", "s1 2017-01-09 v0 a=front end cap/"},
		},
		"no places":                      {"shop,kw,sku\n1,52,a\n", []string{"s1 2017-12-25 v0 a=/"}},
		"a version":                      {"shop,kw,sku,version\n1,1,a,3\n1,1,b,3\n", []string{"s1 2017-01-02 v3 a=/ b=/"}},
		"two versions":                   {"shop,kw,sku,version\n1,1,a,3\n1,1,b,4\n2,1,b,4\n", []string{"line 2: two_versions version", "s2 2017-01-02 v4 b=/"}},
		"a version below the first":      {"shop,kw,sku,version\n1,1,a,-1\n", []string{"line 2: bad_value version"}},
		"a bad row refuses its week":     {"shop,kw,sku,place\n1,1,a,E\n1,1,,E\n1,1,c,E\n1,2,a,E\n", []string{"line 3: missing_id sku", "s1 2017-01-09 v0 a=front end cap/"}},
		"a place the mapping lacks":      {"shop,kw,sku,place\n1,1,a,Q\n1,1,b,E\n", []string{"line 2: bad_value place"}},
		"a row without a store":          {"shop,kw,sku\n,1,a\n1,1,b\n", []string{"line 2: missing_id shop", "s1 2017-01-02 v0 b=/"}},
		"a row without a week":           {"shop,kw,sku\n1,,a\n1,1,b\n", []string{"line 2: missing_value kw", "s1 2017-01-02 v0 b=/"}},
		"a week that is no number":       {"shop,kw,sku\n1,first,a\n1,0,a\n1,-3,a\n1,99999999,a\n1,1.5,a\n1,1,b\n", []string{"line 2: bad_time kw", "line 3: bad_time kw", "line 4: bad_time kw", "line 5: bad_time kw", "line 6: bad_time kw", "s1 2017-01-02 v0 b=/"}},
		"a store with the other's digit": {"shop,kw,sku\n1,11,a\n11,1,b\n", []string{"s1 2017-03-13 v0 a=/", "s11 2017-01-02 v0 b=/"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &sink{}
			loadWeeks(t, s, tt.content)
			var got []string
			for i := range s.weeks {
				got = append(got, tellWeek(&s.weeks[i]))
			}
			slices.Sort(got)
			slices.Sort(tt.want)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMoreProductsThanAWeekMayHaveAreRefusedWithAllTheirRows(t *testing.T) {
	t.Parallel()
	var csv strings.Builder
	csv.WriteString("shop,kw,sku\n")
	for i := range catalog.PromotionsMax + 1 {
		fmt.Fprintf(&csv, "1,1,%d\n", i)
	}
	s := &sink{}
	loadWeeks(t, s, csv.String())
	var raw strings.Builder
	for i := range s.weeks {
		if f := s.weeks[i].Fault; f == nil || i == 0 && f.Reason != ingest.TooManyRows || i > 0 && f.Reason != "in_parts" {
			t.Fatalf("part %d: %v", i, f)
		}
		raw.Write(s.weeks[i].Raw[:min(len(s.weeks[i].Raw), vault.RawMax)])
	}
	if raw.String() != strings.TrimSuffix(csv.String(), "\n") {
		t.Errorf("%d bytes of %d are kept, in %d parts", raw.Len(), csv.Len(), len(s.weeks))
	}
}

// However the rows of a file are shuffled, it says the same: the desk answers
// with repeats, and one row more is a conflict that can be replayed as a
// correction once the file says so.
func TestAShuffledFileOfPromotionsIsARepeat(t *testing.T) {
	t.Parallel()
	var lines []string
	for i := range 20_000 {
		lines = append(lines, fmt.Sprintf("%d,%d,p%d,E,page %d", i%7, 1+i%5, i, i%3))
	}
	desk := realDesk(t)
	const header = "shop,kw,sku,place,leaflet\n"
	random := rand.New(rand.NewPCG(5, 6))
	for run, want := range []ingest.Summary{{New: 35, Promotions: 20_000}, {Repeat: 35, Promotions: 20_000}} {
		random.Shuffle(len(lines), func(i, k int) { lines[i], lines[k] = lines[k], lines[i] })
		got := loadWeeks(t, desk, header+strings.Join(lines, "\n")).Desk
		if got.New != want.New || got.Repeat != want.Repeat || got.Promotions != want.Promotions || got.Quarantined != 0 {
			t.Errorf("run %d: %d new, %d repeats, %d refused of %d products", run, got.New, got.Repeat, got.Quarantined, got.Promotions)
		}
	}
	got := loadWeeks(t, desk, "shop,kw,sku,place\n1,1,p0,E\n1,2,p0,N\n9,1,p0,N\n")
	if got.Desk.QuarantinedByWhy[ingest.Conflict] != 1 || got.Desk.QuarantinedByWhy[ingest.BadValue] != 2 {
		t.Fatalf("refused %v", got.Desk.QuarantinedByWhy)
	}
	mended := parse(t, fmt.Sprintf(leaflets, `,"N":"entrance"`))
	done, err := desk.Replay(t.Context(), func(ctx context.Context, row vault.Refused) error {
		return connect.Replay(ctx, desk, func(string) (*mapping.Mapping, error) { return mended, nil },
			connect.Refused{Source: row.Source, Line: row.Line, Reason: row.Reason, Raw: row.Raw})
	})
	if err != nil || done.Taken != 1 || done.Kept != 2 {
		t.Errorf("replayed %+v, %v; want the new store's week taken in, both others kept as conflicts", done, err)
	}
}

// A load of promotions that was broken off starts over, and what is stored is
// known.
func TestALoadOfPromotionsStartsOver(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is full")
	s := &sink{fail: func(call int) error {
		if call == 3 {
			return broken
		}
		return nil
	}}
	var csv strings.Builder
	csv.WriteString("shop,kw,sku\n")
	for i := range 2_000 {
		fmt.Fprintf(&csv, "%d,1,a\n%d,1,b\n", i, i)
	}
	o := connect.LoadOptions{
		File: write(t, "leaflet.csv", csv.String()), Kind: mapping.Promotions, Mapping: parse(t, fmt.Sprintf(leaflets, "")), Desk: s, Clock: noon,
		Temp: t.TempDir(), State: t.TempDir() + "/state",
	}
	if _, err := connect.Load(t.Context(), o); !errors.Is(err, broken) {
		t.Fatalf("got %v, want %v", err, broken)
	}
	s.weeks, s.fail = nil, nil
	if sum, err := connect.Load(t.Context(), o); err != nil || sum.Rows != 4_000 || len(s.weeks) != 2_000 {
		t.Errorf("%d rows, %d weeks (%v)", sum.Rows, len(s.weeks), err)
	}
	if sum, err := connect.Load(t.Context(), o); err != nil || !sum.Whole {
		t.Errorf("a third load read the file again (%v)", err)
	}
}

// Ten stores of The Complete Journey from CSV to history, sealed, filled again
// and asked; the counts are the data's README's.
func TestThePromotionsOfTenStores(t *testing.T) {
	t.Parallel()
	if !native(t) {
		return
	}
	file := beside(t, "complete-journey", "v2", "promotions_10stores.csv.gz")
	desk, log, past := realHouse(t)
	sum, err := connect.Load(t.Context(), connect.LoadOptions{
		File: file, Kind: mapping.Promotions, Mapping: shipped(t, "complete-journey.json"), Desk: desk, Clock: noon, Temp: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Rows != 1_948_597 || sum.Desk.Promotions != 1_948_597 || sum.Desk.Quarantined != 0 || sum.Desk.New != sum.Desk.Items {
		t.Errorf("%d rows, %d products kept of %d weeks, %d refused", sum.Rows, sum.Desk.Promotions, sum.Desk.New, sum.Desk.Quarantined)
	}
	if err := stream.CatchUp(t.Context(), log, history.Follower(past, 0)); err != nil {
		t.Fatal(err)
	}
	for step, do := range []func() error{
		func() error { return nil },
		func() error { _, err := past.Seal(t.Context(), retail.Date(2018, 1, 2)); return err },
		func() error { return past.Reset(t.Context()) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		for sql, want := range map[string]string{
			"select count(*), count(distinct product), count(distinct store), min(week), max(week) from promotions": "1948597 42757 10 2016-12-26 2017-12-25",
			"select count(*) from promotions where display = ''":                                                    "1125452",
			"select count(*) from promotions where mailer = ''":                                                     "616331",
			"select count(*) from promotions where mailer = 'interior feature'":                                     "893337",
			"select sum(product_count), count(*) from promotion_weeks":                                              fmt.Sprint("1948597 ", sum.Desk.New),
		} {
			got, err := history.Analyse(t.Context(), past, warehouse.Analysis{Purpose: "measurement", SQL: sql, Limit: 10, Deadline: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			if have := strings.Join(got.Rows[0], " "); have != want {
				t.Errorf("step %d: %s gives %s, want %s", step, sql, have, want)
			}
		}
	}
}

// Half past seven is half past seven by the clock on the wall, also on the days
// on which the clocks change.
func TestTimesOfDayWhereTheClocksChange(t *testing.T) {
	t.Parallel()
	s := &sink{}
	const header = "household_key,BASKET_ID,DAY,PRODUCT_ID,QUANTITY,SALES_VALUE,STORE_ID,RETAIL_DISC,TRANS_TIME,WEEK_NO,COUPON_DISC,COUPON_MATCH_DISC\n"
	_, err := connect.Load(t.Context(), connect.LoadOptions{
		File: write(t, "transaction_data.csv", header+"1,a,354,9,1,1,1,0,730,1,0,0\n1,b,355,9,1,1,1,0,0730,1,0,0\n1,c,593,9,1,1,1,0,730,1,0,0\n1,c,593,9,1,1,1,0,729,1,0,0\n"),
		Kind: mapping.Receipts, Mapping: shipped(t, "complete-journey-original.json"), Desk: s, Clock: noon,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a 2017-03-11T12:30:00Z", "b 2017-03-12T11:30:00Z", "c 2017-11-05T12:29:00Z"}
	var got []string
	for i := range s.receipts {
		got = append(got, string(s.receipts[i].ID)+" "+s.receipts[i].At.Format(time.RFC3339))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The original layout's weeks are the same weeks: 41 is 2.0's first.
func TestPromotionsInTheOriginalLayout(t *testing.T) {
	t.Parallel()
	s := &sink{}
	_, err := connect.Load(t.Context(), connect.LoadOptions{
		File: write(t, "causal_data.csv", "PRODUCT_ID,STORE_ID,WEEK_NO,display,mailer\n26190,286,9,0,A\n26190,286,41,3,D\n"), Kind: mapping.Promotions,
		Mapping: shipped(t, "complete-journey-original.json"), Desk: s, Clock: noon, Temp: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range s.weeks {
		got = append(got, tellWeek(&s.weeks[i]))
	}
	slices.Sort(got)
	want := []string{"286 2016-05-16 v0 26190=/interior feature", "286 2016-12-26 v0 26190=front end cap/front page"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if w := retail.Date(2016, 12, 26); w+7 != retail.Date(2017, 1, 2) {
		t.Error("weeks begin on Mondays")
	}
}
