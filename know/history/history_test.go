package history_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"endcap/keep/stream"
	"endcap/keep/warehouse"
	"endcap/keep/warehouse/subset"
	"endcap/know/history"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/trial"
)

var (
	monday = retail.Date(2017, time.December, 4)
	ana    = shopper.FromUint64(0xF00000000000000A)
	bea    = shopper.FromUint64(22)
)

func fact(id string, who shopper.ID, day retail.Day, body event.Body) event.Fact {
	at := day.UTC().Add(9 * time.Hour)
	if r, ok := body.(event.Receipt); ok {
		r.At = at
		body = r
	}
	return event.Fact{ID: id, At: at, Arrived: at.Add(time.Second), Day: day, Shopper: who, Consent: consent.All, Source: "till", Body: body}
}

func receipt(id string, products ...string) event.Receipt {
	r := event.Receipt{Receipt: basket.Receipt{ID: basket.ReceiptID(id), Store: "s1", Channel: catalog.Online, Currency: "EUR", Marks: basket.TimesDiffer}}
	for i, p := range products {
		r.Lines = append(r.Lines, basket.Line{
			Product: catalog.ProductID(p), Quantity: basket.Quantity(755 * (i + 1)), UnitPrice: 1_234_567, Sales: retail.Micros(i+1) * retail.Unit,
			RetailDiscount: retail.Cent, CouponDiscount: 2 * retail.Cent, CouponMatch: 3 * retail.Cent, Marks: basket.ProductUnknown,
		})
	}
	return r
}

func terms(t *testing.T, of, id string, doc any) event.TermsChanged {
	t.Helper()
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return event.TermsChanged{Of: of, ID: id, Version: 1, Doc: b, By: "root"}
}

// oneOfEach is a fact of every kind that history keeps.
func oneOfEach(t *testing.T) []event.Fact {
	t.Helper()
	touch := event.Touch{Decision: media.DecisionID{1}, Slot: 2, Advertiser: "adv", Campaign: "camp", LineItem: "li", Placement: "top", Product: "oats", Price: retail.Unit, Currency: "EUR", Arm: trial.Control, Day: monday}
	flight := retail.Days{From: monday, To: monday + 7}
	return []event.Fact{
		fact("c1", ana, monday, event.Consent{Allowed: consent.All, Wording: "the long wording of 2017"}),
		fact("p1", shopper.ID{}, monday, event.Product{Product: catalog.Product{ID: "oats", GTIN: 4006381333931, Name: "Oats with a long name", Brand: "B", Department: "D", Category: "C", Type: "T", Size: "500 g", OwnLabel: true}}),
		fact("s1", shopper.ID{}, monday, event.Store{Store: catalog.Store{ID: "s1", Name: "High Street", Channel: catalog.Online, Zone: "Europe/Paris"}}),
		fact("pr1", shopper.ID{}, monday, event.Price{Price: catalog.Price{Product: "oats", Store: "s1", Amount: retail.Money{Amount: 1_990_000, Currency: "EUR"}}}),
		fact("st1", shopper.ID{}, monday, event.Stock{Stock: catalog.Stock{Product: "oats", Store: "s1", Count: 3}}),
		fact("r1", ana, monday, receipt("r1", "oats", "milk")),
		fact("r2", shopper.ID{}, monday, receipt("r2")),
		fact("r3", ana, monday, event.Moved{}),
		fact("d1", ana, monday, event.Decided{Decision: media.DecisionID{1}, Channel: catalog.Online, Store: "s1", Record: []byte("record"), Wins: []event.Win{{Placement: "top", Advertiser: "adv", Campaign: "camp", LineItem: "li", Product: "oats", Price: retail.Unit, Currency: "EUR"}}}),
		fact("e1", ana, monday, event.Shown{Touch: touch}), fact("e2", ana, monday, event.Clicked{Touch: touch}),
		fact("e3", ana, monday, event.Basketed{Touch: touch}), fact("e4", ana, monday, event.Purchased{Touch: touch, Receipt: "r1"}),
		fact("b1", shopper.ID{}, monday, event.Billed{Click: "e2", Advertiser: "adv", Campaign: "camp", LineItem: "li", Amount: retail.Unit, Currency: "EUR", Day: monday}),
		fact("t1", shopper.ID{}, monday, event.Tallied{Tallies: []event.Tally{{LineItem: "li", Reason: "below_floor", Count: 4}}}),
		fact("a1", shopper.ID{}, monday, terms(t, "advertiser", "adv", media.Advertiser{ID: "adv", Name: "Oaty", Currency: "EUR"})),
		fact("a2", shopper.ID{}, monday, terms(t, "campaign", "camp", media.Campaign{ID: "camp", Advertiser: "adv", Name: "Spring", Flight: flight, ControlPPM: 100_000, WindowDays: 14})),
		fact("a3", shopper.ID{}, monday, terms(t, "line_item", "li", media.LineItem{ID: "li", Campaign: "camp", Advertiser: "adv", Name: "L", Bid: retail.Unit, BudgetTotal: 9 * retail.Unit, CapPerDay: 3})),
		fact("a4", shopper.ID{}, monday, terms(t, "audience", "aud", map[string]string{"name": "Oat lovers", "sentence": "bought oats"})),
		fact("a5", shopper.ID{}, monday, terms(t, "placement", "top", media.Placement{ID: "top", Name: "Top", SlotsMax: 4, Floor: retail.Cent, Currency: "EUR"})),
		promoted(0, monday, "oats", "milk"),
		fact("a6", shopper.ID{}, monday, terms(t, "key", "k", map[string]string{"name": "a key"})),
	}
}

// Does every kind of fact reach its table with what it said?
func TestEachKindOfFactReachesItsTable(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir())
	if err := w.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: monday.UTC(), Rows: history.Rows(oneOfEach(t))}}); err != nil {
		t.Fatal(err)
	}
	for sql, want := range map[string]string{
		"select product, quantity, unit_price, sales, marks, channel from lines order by line": "oats,755,1.234567,1.000000,1,online milk,1510,1.234567,2.000000,1,online",
		"select receipt, line_count, sales, shopper is null from receipts order by receipt":    "r1,2,3.000000,true r2,0,0.000000,true", // no analyst sees whose
		"select gtin, name, own_label from products":                                           "04006381333931,Oats with a long name,true",
		"select zone from stores":  "Europe/Paris",
		"select price from prices": "1.990000",
		"select count from stock":  "3",
		"select store, week, version, product_count from promotion_weeks":       "s1,2017-12-04,0,2",
		"select store, week, version, product, display, mailer from promotions": "s1,2017-12-04,0,oats,front end cap, s1,2017-12-04,0,milk,front end cap,",
		"select allowed from consents":                                          "31",
		"select receipt, version from moved":                                    "r3,0",
		"select decision, record from decisions":                                "01000000000000000000000000000000,record",
		"select line_item, arm from wins":                                       "li,treated",
		"select event, kind, arm, receipt from touches order by 1":              "e1,shown,control, e2,clicked,control, e3,basketed,control, e4,purchased,control,r1",
		"select click, amount, reason from charges":                             "e2,1.000000,",
		"select reason, count from refusals":                                    "below_floor,4",
		"select advertiser, name, currency from advertisers":                    "adv,Oaty,EUR",
		"select name, flight_to, control_ppm from campaigns":                    "Spring,2017-12-11,100000",
		"select bid, budget_total, cap_per_day from line_items":                 "1.000000,9.000000,3",
		"select name, sentence from audiences":                                  "Oat lovers,bought oats",
		"select slots_max, floor from placements":                               "4,0.010000",
	} {
		got, err := history.Analyse(t.Context(), w, warehouse.Analysis{Purpose: warehouse.Accounting, SQL: sql, Limit: 100, Deadline: time.Minute})
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		var rows []string
		for _, r := range got.Rows {
			rows = append(rows, strings.Join(r, ","))
		}
		if have := strings.Join(rows, " "); have != want {
			t.Errorf("%s:\n got %s\nwant %s", sql, have, want)
		}
	}
}

// A follower uses the memory of one batch for the next: does a later batch show
// nothing of an earlier one?
func TestBatchesOfAFollowerDoNotMix(t *testing.T) {
	t.Parallel()
	facts := oneOfEach(t)
	var batches []stream.Batch
	for i := range facts {
		batches = append(batches, stream.Batch{Facts: facts[i : i+1], Next: event.Cursor(fmt.Sprintf("%03d", i+1))})
	}
	one, many := open(t, t.TempDir()), open(t, t.TempDir())
	follower := history.Follower(many, 0)
	for _, b := range batches {
		if err := follower.Round(t.Context(), []stream.Batch{b}); err != nil {
			t.Fatal(err)
		}
	}
	if err := one.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: monday.UTC(), Rows: history.Rows(facts)}}); err != nil {
		t.Fatal(err)
	}
	for _, table := range event.Views() {
		ask := warehouse.Analysis{Purpose: warehouse.Accounting, SQL: "select * from " + table.Name + " order by all", Limit: 100, Deadline: time.Minute}
		want, err := history.Analyse(t.Context(), one, ask)
		if err != nil {
			t.Fatal(err)
		}
		got, err := history.Analyse(t.Context(), many, ask)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", table.Name, diff)
		}
	}
}

// Is a decision's record found while it is kept, and not after?
func TestADecisionsRecordIsToldWhileItIsKept(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir())
	if err := w.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: monday.UTC(), Rows: history.Rows(oneOfEach(t))}}); err != nil {
		t.Fatal(err)
	}
	for days, want := range map[int]bool{1: true, history.RecordDays: true, history.RecordDays + 1: false} {
		record, ok, err := history.DecisionRecord(t.Context(), w, media.DecisionID{1}, monday.UTC().AddDate(0, 0, days))
		if err != nil || ok != want || ok && string(record) != "record" {
			t.Errorf("after %d days: %q, %v, %v", days, record, ok, err)
		}
	}
	if _, ok, err := history.DecisionRecord(t.Context(), w, media.DecisionID{2}, monday.UTC()); ok || err != nil {
		t.Errorf("a decision nobody made: %v, %v", ok, err)
	}
}

// Is a fact given back by history the fact that went in?
func TestFactsComeBackAsTheyWentIn(t *testing.T) {
	t.Parallel()
	facts := oneOfEach(t)
	got, orders := history.Facts(history.Rows(facts))
	if diff := cmp.Diff(facts[:8], got, cmp.Comparer(func(a, b shopper.ID) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int64{0, 1, 2, 3, 4, 5, 6, 7}, orders); diff != "" {
		t.Error(diff)
	}
}

func TestAForgottenShopperHasNoRowsOfTheSameBatch(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir())
	f := history.Follower(w, 0)
	batch := stream.Batch{Next: "1", Facts: []event.Fact{
		fact("c1", ana, monday, event.Consent{Allowed: consent.All}), fact("r1", ana, monday, receipt("r1", "oats")),
		fact("r2", bea, monday, receipt("r2", "oats")), fact("f1", ana, monday, event.Forgotten{}),
	}}
	if err := f.Round(t.Context(), []stream.Batch{batch}); err != nil {
		t.Fatal(err)
	}
	got, err := w.Query(t.Context(), warehouse.Query{Purpose: warehouse.Accounting, SQL: "select count(*), count(shopper), (select count(*) from consents) from receipts"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Columns[0].Ints[0] != 2 || got.Columns[1].Ints[0] != 1 || got.Columns[2].Ints[0] != 0 {
		t.Fatalf("got %+v", got.Columns)
	}
}

// tape is the least stream that Whole can decorate: one partition in memory.
type tape struct {
	stream.Stream
	facts   []event.Fact
	trimmed int
}

func at(n int) event.Cursor { return event.Cursor(binary.BigEndian.AppendUint64(nil, uint64(n))) }

func (s *tape) Read(_ context.Context, _ int, after event.Cursor, limit int) ([]stream.Entry, error) {
	from := 0
	if after != "" {
		from = int(binary.BigEndian.Uint64([]byte(after)))
	}
	var out []stream.Entry
	for i := max(from, s.trimmed); i < len(s.facts) && len(out) < limit; i++ {
		p, err := event.Pack(nil, &s.facts[i])
		if err != nil {
			return nil, err
		}
		out = append(out, stream.Entry{At: at(i + 1), Kind: p.Kind, Bytes: p.Bytes})
	}
	return out, nil
}

func (s *tape) Trim(_ context.Context, _ int, upto event.Cursor) error {
	s.trimmed = int(binary.BigEndian.Uint64([]byte(upto)))
	return nil
}

// Can everything be folded again from the start once the stream was trimmed?
func TestATrimmedStreamIsWholeAgainWithHistory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir)
	s := &tape{}
	for n := range 60 {
		s.facts = append(s.facts, fact(fmt.Sprintf("r%d", n), bea, monday+retail.Day(n/6), receipt(fmt.Sprintf("r%d", n), "oats", "milk")))
	}
	s.facts[7] = fact("r3", bea, monday+1, event.Moved{})
	s.facts[7].Version = 2
	f := history.Follower(w, 0)
	for from := 0; from < 60; from += 5 {
		if err := f.Round(t.Context(), []stream.Batch{{Facts: s.facts[from : from+5], Next: at(from + 5)}}); err != nil {
			t.Fatal(err)
		}
		// Every business day is sealed when the next begins.
		if _, err := history.SealThrough(t.Context(), w, s, everybody, monday+retail.Day((from+4)/6)); err != nil {
			t.Fatal(err)
		}
	}
	if s.trimmed == 0 || s.trimmed >= 60 {
		t.Fatalf("%d of 60 facts were trimmed", s.trimmed)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "warehouse.duckdb")); err != nil {
		t.Fatal(err)
	}
	w = open(t, dir)
	whole := history.NewWhole(s, w)
	for _, limit := range []int{1, 7, 1_000} {
		var got []event.Fact
		var last event.Cursor
		for {
			entries, err := whole.Read(t.Context(), 0, last, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(entries) == 0 {
				break
			}
			for _, e := range entries {
				if e.At <= last {
					t.Fatalf("cursor %x after %x", string(e.At), string(last))
				}
				last = e.At
				f, err := event.Unpack(e.Bytes)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, f)
			}
		}
		if diff := cmp.Diff(s.facts, got, cmp.Comparer(func(a, b shopper.ID) bool { return a == b })); diff != "" {
			t.Fatalf("limit %d: %s", limit, diff)
		}
	}
	if _, err := whole.Read(t.Context(), 0, at(1), 10); !errors.Is(err, history.ErrLate) {
		t.Fatalf("a follower that slept through trimming: %v", err)
	}
	if err := w.Append(t.Context(), []warehouse.Fold{{Next: at(60), Rows: history.Rows(s.facts[45:])}}); err != nil {
		t.Fatal(err)
	}
	sums, err := history.ControlSums(t.Context(), w)
	if err != nil || sums.Baskets != 59 || sums.Lines != 118 || sums.Sales != 177*retail.Unit {
		t.Fatalf("after filling again: %+v, %v", sums, err)
	}
}

func TestItsOwnQueriesFollowTheSubset(t *testing.T) {
	t.Parallel()
	for _, sql := range history.Queries() {
		if err := subset.Check(sql); err != nil {
			t.Error(err)
		}
	}
}
