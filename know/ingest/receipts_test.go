package ingest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

func TestWhatIsOddIsKeptAndMarked(t *testing.T) {
	t.Parallel()
	h := open(t)
	if _, err := h.Products(t.Context(), rows(catalog.Product{ID: "oats"}), file); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Stores(t.Context(), rows(catalog.Store{ID: "1", Zone: "America/New_York"}), file); err != nil {
		t.Fatal(err)
	}
	h.follow(t)
	tests := map[string]struct {
		change        func(*ingest.Receipt)
		lines, whole  basket.Mark
		wantDay       string
		wantSales     retail.Micros
		wantedRounded int64
	}{
		"nothing odd":       {change: func(*ingest.Receipt) {}, wantDay: "2017-12-04", wantSales: 250 * retail.Cent},
		"unknown product":   {change: func(r *ingest.Receipt) { r.Lines[0].Product = "bran" }, lines: basket.ProductUnknown, wantDay: "2017-12-04", wantSales: 250 * retail.Cent},
		"unknown store":     {change: func(r *ingest.Receipt) { r.Store = "9" }, whole: basket.StoreUnknown, wantDay: "2017-12-04", wantSales: 250 * retail.Cent},
		"coupon over price": {change: func(r *ingest.Receipt) { r.Lines[0].CouponDiscount = 3 * retail.Unit }, lines: basket.DiscountOverSales, wantDay: "2017-12-04", wantSales: 250 * retail.Cent},
		"quantity zero":     {change: func(r *ingest.Receipt) { r.Lines[0].Quantity = 0 }, lines: basket.QuantityZero, wantDay: "2017-12-04", wantSales: 250 * retail.Cent},
		"a return": {
			change: func(r *ingest.Receipt) { r.Lines[0].Quantity, r.Lines[0].Sales = -basket.Piece, -250*retail.Cent },
			lines:  basket.NegativeQuantity | basket.NegativeAmount, wantDay: "2017-12-04", wantSales: -250 * retail.Cent,
		},
		"times differ":        {change: func(r *ingest.Receipt) { r.Marks = basket.TimesDiffer }, whole: basket.TimesDiffer, wantDay: "2017-12-04", wantSales: 250 * retail.Cent},
		"not whole cents":     {change: func(r *ingest.Receipt) { r.Lines[0].Sales = 2_505_000 }, lines: basket.SalesRounded, wantDay: "2017-12-04", wantSales: 250 * retail.Cent, wantedRounded: 1},
		"six decimals a unit": {change: func(r *ingest.Receipt) { r.Lines[0].UnitPrice = 1_234_567 }, wantDay: "2017-12-04", wantSales: 250 * retail.Cent},
		"a caller's own marks are not believed": {
			change: func(r *ingest.Receipt) {
				r.Marks, r.Lines[0].Marks = basket.StoreUnknown, basket.QuantityZero|basket.ProductUnknown
			},
			wantDay: "2017-12-04", wantSales: 250 * retail.Cent,
		},
		"still yesterday at the store": {change: func(r *ingest.Receipt) { r.At = at(t, "2017-12-04T03:00:00Z") }, wantDay: "2017-12-03", wantSales: 250 * retail.Cent},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := receipt(t, name, line("oats", 250))
			r.Store = "1"
			tt.change(&r)
			res := h.receipts(t, r)
			if got := said(res); got != "new" {
				t.Fatalf("it is %s", got)
			}
			all := h.facts(t, event.KindReceipt)
			f := all[slices.IndexFunc(all, func(f event.Fact) bool { return f.ID == name })]
			stored := f.Body.(event.Receipt)
			if stored.Marks != tt.whole || stored.Lines[0].Marks != tt.lines {
				t.Errorf("marks %v and %v, want %v and %v", stored.Marks.Names(), stored.Lines[0].Marks.Names(), tt.whole.Names(), tt.lines.Names())
			}
			if f.Day.String() != tt.wantDay || stored.Total() != tt.wantSales || res.Summary.Sales["EUR"] != tt.wantSales {
				t.Errorf("filed under %v with %v, counted %v", f.Day, stored.Total(), res.Summary.Sales["EUR"])
			}
			if res.Summary.Rounded != tt.wantedRounded {
				t.Errorf("%d amounts rounded, want %d", res.Summary.Rounded, tt.wantedRounded)
			}
			var counted basket.Mark
			for m, n := range res.Summary.LineMarks {
				counted |= m * basket.Mark(n)
			}
			if counted != tt.lines {
				t.Errorf("the summary counts %v", counted.Names())
			}
		})
	}
}

func TestWhatCannotBeIsQuarantined(t *testing.T) {
	t.Parallel()
	h := open(t)
	tests := map[string]struct {
		change func(*ingest.Receipt)
		want   string
	}{
		"no id":                 {func(r *ingest.Receipt) { r.ID = "" }, "no_id:id"},
		"an endless id":         {func(r *ingest.Receipt) { r.ID = basket.ReceiptID(strings.Repeat("x", 300)) }, "no_id:id"},
		"a line break in it":    {func(r *ingest.Receipt) { r.ID = "a\nb" }, "no_id:id"},
		"not UTF-8":             {func(r *ingest.Receipt) { r.Lines[0].Product = "\xff" }, "bad_value:lines[0].product"},
		"no product":            {func(r *ingest.Receipt) { r.Lines[1].Product = "" }, "bad_value:lines[1].product"},
		"no lines":              {func(r *ingest.Receipt) { r.Lines = nil }, "no_lines:lines"},
		"endless lines":         {func(r *ingest.Receipt) { r.Lines = make([]basket.Line, basket.LinesMax+1) }, "too_many:lines"},
		"no such currency":      {func(r *ingest.Receipt) { r.Currency = "XXX" }, "bad_value:currency"},
		"no time":               {func(r *ingest.Receipt) { r.At = time.Time{} }, "bad_value:at"},
		"in 1900":               {func(r *ingest.Receipt) { r.At = at(t, "1900-01-01T00:00:00Z") }, "too_old:at"},
		"tomorrow":              {func(r *ingest.Receipt) { r.At = at(t, "2017-12-05T12:00:00Z") }, "in_future:at"},
		"absurd quantity":       {func(r *ingest.Receipt) { r.Lines[1].Quantity = basket.QuantityMax + 1 }, "absurd:lines[1].quantity"},
		"absurd price":          {func(r *ingest.Receipt) { r.Lines[0].Sales = -retail.MicrosMax }, "absurd:lines[0].sales"},
		"absurd unit price":     {func(r *ingest.Receipt) { r.Lines[0].UnitPrice = 1<<63 - 1 }, "absurd:lines[0].unit_price"},
		"two cards":             {func(r *ingest.Receipt) { r.Keys = []shopper.Key{card(t, "secret-1"), card(t, "secret-2")} }, "two_shoppers:keys"},
		"a decoder's complaint": {func(r *ingest.Receipt) { r.Fault = &ingest.Fault{Reason: ingest.Unparsed, Field: "SALES"} }, "unparsed:SALES"},
	}
	var bad []ingest.Receipt
	var want []string
	for name, tt := range tests {
		r := receipt(t, name, line("oats", 250), line("milk", 99))
		tt.change(&r)
		bad, want = append(bad, r), append(want, tt.want)
	}
	bad, want = append(bad, receipt(t, "a good one", line("oats", 1))), append(want, "new")
	res := h.receipts(t, bad...)
	if got := said(res); got != strings.Join(want, " ") {
		t.Errorf("got  %s\nwant %s", got, strings.Join(want, " "))
	}
	refused := h.refused(t)
	if len(refused) != len(tests) {
		t.Fatalf("%d rows in quarantine, want %d", len(refused), len(tests))
	}
	for _, row := range refused {
		if row.Source != file.Name || row.Line != 2 || len(row.Raw) == 0 || row.Say == "" || row.Reason == "" {
			t.Errorf("the row %+v says too little", row)
		}
		if strings.Contains(row.Say, "secret") {
			t.Errorf("a shopper's key shows: %s", row.Say)
		}
	}
	if got := len(h.facts(t, event.KindReceipt)); got != 1 {
		t.Errorf("%d receipts stored, want the good one only", got)
	}
	h.receipts(t, bad...)
	if got := len(h.refused(t)); got != len(tests) {
		t.Errorf("after a second load %d rows in quarantine, want %d", got, len(tests))
	}
}

func TestTwoShoppersOnOneReceipt(t *testing.T) {
	t.Parallel()
	h := open(t)
	mail, err := shopper.ParseKey(shopper.EmailHash, strings.Repeat("ab", 32))
	if err != nil {
		t.Fatal(err)
	}
	ana, ben := receipt(t, "1", line("oats", 1)), receipt(t, "2", line("oats", 1))
	ana.Keys, ben.Keys = []shopper.Key{card(t, "ana")}, []shopper.Key{mail}
	both := receipt(t, "3", line("oats", 1))
	both.Keys = []shopper.Key{card(t, "ana"), mail}
	if got := said(h.receipts(t, ana, ben)); got != "new new" {
		t.Fatal(got)
	}
	if got := said(h.receipts(t, both)); got != "two_shoppers:keys" {
		t.Errorf("a card and an e-mail of two shoppers are %s", got)
	}
}

func TestLoadingTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	h := open(t)
	var load []ingest.Receipt
	for i := range 1_500 {
		r := receipt(t, fmt.Sprint(i), line(fmt.Sprint("p", i%7), i), line("p", i+1))
		r.Store = catalog.StoreID(fmt.Sprint("s", i%5))
		r.At = at(t, "2017-12-04T03:00:00Z") // yesterday in New York
		if i%3 > 0 {
			r.Keys = []shopper.Key{card(t, fmt.Sprint(i%11))}
		}
		load = append(load, r)
	}
	first := h.receipts(t, load...)
	if s := first.Summary; s.New != 1_500 || s.Receipts != 1_500 || s.Lines != 3_000 || s.Anonymous != 500 || len(s.StoresUnknown) != 5 || len(s.ProductsUnknown) != 8 {
		t.Errorf("the first load is %+v", s)
	}
	// The catalogue and the store list arrive in between.
	if _, err := h.Products(t.Context(), rows(catalog.Product{ID: "p"}, catalog.Product{ID: "p1"}), file); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Stores(t.Context(), rows(catalog.Store{ID: "s1", Zone: "America/New_York"}), file); err != nil {
		t.Fatal(err)
	}
	h.follow(t)
	before := len(h.facts(t))
	h.pass(time.Hour)
	second := h.receipts(t, load...)
	if s := second.Summary; s.Repeat != 1_500 || s.Sales["EUR"] != first.Summary.Sales["EUR"] {
		t.Errorf("the second load is %+v", s)
	}
	if after := len(h.facts(t)); after != before {
		t.Errorf("%d facts, then %d", before, after)
	}
	if rows := h.refused(t); len(rows) != 0 {
		t.Errorf("quarantine holds %d rows, first %s", len(rows), rows[0].Say)
	}
}

func TestCorrectionsAndConflicts(t *testing.T) {
	t.Parallel()
	h := open(t)
	first, other, better := receipt(t, "7", line("oats", 250)), receipt(t, "7", line("oats", 999)), receipt(t, "7", line("oats", 200))
	better.Version = 1
	if got := said(h.receipts(t, first, other, better, first, better)); got != "new conflict:id corrected repeat repeat" {
		t.Errorf("got %s", got)
	}
	refused := h.refused(t)
	if len(refused) != 1 || !strings.Contains(string(refused[0].Stored), `"id":"7"`) || string(refused[0].Raw) != "raw 7" || refused[0].Reason != "conflict" {
		t.Fatalf("quarantine holds %+v", refused)
	}
	for _, f := range h.facts(t, event.KindReceipt) {
		if stored := f.Body.(event.Receipt); stored.Total() == 999*retail.Cent {
			t.Error("the conflicting receipt was stored")
		}
	}
}

func TestRowsOfOneReceiptAreJoined(t *testing.T) {
	t.Parallel()
	early, late := receipt(t, "7", line("oats", 250)), receipt(t, "7", line("milk", 99))
	late.At = late.At.Add(time.Minute)
	late.Keys, early.Keys = []shopper.Key{card(t, "1")}, []shopper.Key{card(t, "1")}
	whole := late
	whole.Join(&early)
	if len(whole.Lines) != 2 || !whole.At.Equal(early.At) || whole.Marks != basket.TimesDiffer || len(whole.Keys) != 1 || whole.Fault != nil {
		t.Errorf("joined: %+v", whole.Receipt)
	}
	if string(whole.Raw) != "raw 7\nraw 7" {
		t.Errorf("raw rows are %q", whole.Raw)
	}
	for want, change := range map[ingest.Reason]func(*ingest.Receipt){
		ingest.TwoStores:   func(r *ingest.Receipt) { r.Store = "2" },
		ingest.TwoMonies:   func(r *ingest.Receipt) { r.Currency = "USD" },
		ingest.TwoVersions: func(r *ingest.Receipt) { r.Version = 3 },
	} {
		a, b := receipt(t, "7", line("oats", 250)), receipt(t, "7", line("oats", 250))
		change(&b)
		a.Join(&b)
		if a.Fault == nil || a.Fault.Reason != want {
			t.Errorf("got the fault %v, want %s", a.Fault, want)
		}
	}
}

func TestAStoreNobodyListedIsDerivedOnce(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.receipts(t, receipt(t, "1", line("oats", 1)), receipt(t, "2", line("oats", 1)))
	h.follow(t)
	res := h.receipts(t, receipt(t, "3", line("oats", 1)))
	if res.Summary.StoresUnknown["367"] != 1 {
		t.Error("a derived store counts as listed")
	}
	derived := h.facts(t, event.KindStore)
	if len(derived) != 1 || derived[0].Source != event.SourceDerived {
		t.Fatalf("%d store facts", len(derived))
	}
	list := rows(catalog.Store{ID: "367", Channel: catalog.InStore})
	for _, want := range []string{"new", "repeat"} {
		res, err := h.Stores(t.Context(), list, file)
		if err != nil {
			t.Fatal(err)
		}
		if got := said(res); got != want {
			t.Errorf("listing the store is %s, want %s", got, want)
		}
	}
	h.follow(t)
	if res := h.receipts(t, receipt(t, "4", line("oats", 1))); len(res.Summary.StoresUnknown) != 0 {
		t.Error("a listed store counts as unknown")
	}
}

func TestABatchHasABound(t *testing.T) {
	t.Parallel()
	h := open(t)
	if _, err := h.Receipts(t.Context(), make([]ingest.Receipt, ingest.BatchMax+1), file); retail.KindOf(err) != retail.TooLarge {
		t.Errorf("got %v", err)
	}
}
