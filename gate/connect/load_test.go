package connect_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"endcap/gate/connect"
	"endcap/gate/connect/mapping"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/basket"
)

const corner = `{"name":"corner-shop","zone":"Europe/Paris","currency":"EUR","feeds":{
	"receipts":{"sorted":%s,"columns":{"receipt":"id","time":"at","product":"sku","sales":"total","store":{"column":"store","optional":true},
		"line":{"column":"line","optional":true},"card":{"column":"card","optional":true},"version":{"column":"version","optional":true},
		"currency":{"column":"money","optional":true},
		"channel":{"column":"where","optional":true,"words":{"T":"in_store","W":"online"}},"retail_discount":{"column":"disc","optional":true,"sign":"negative"}}},
	"products":{"columns":{"product":{"column":"sku","prefix":"p-"},"name":"name","gtin":{"column":"ean","optional":true},"own_label":{"column":"own","optional":true}}},
	"stores":{"columns":{"store":"id","name":"name","channel":{"column":"ch","words":{"T":"in_store","W":"online"}}}},
	"prices":{"delimiter":";","decimal":",","columns":{"product":"sku","amount":"price","time":{"column":"from","format":"%%d/%%m/%%Y %%H:%%M"}}},
	"stock":{"header":["sku","n"],"columns":{"product":"sku","count":"n"}},
	"shoppers":{"columns":{"card":"card","email_sha256":"mail"}},
	"consents":{"columns":{"card":"card","allowed":"yes","time":"at","wording":"text"}}}}`

func cornerShop(tb testing.TB, sorted string) *mapping.Mapping {
	tb.Helper()
	return parse(tb, fmt.Sprintf(corner, sorted))
}

// load1 loads a file of receipts of the corner shop.
func load1(t *testing.T, content string, sorted string) (*sink, connect.Summary) {
	t.Helper()
	s := &sink{}
	sum, err := connect.Load(t.Context(), connect.LoadOptions{
		File: write(t, "t.csv", content), Kind: mapping.Receipts, Mapping: cornerShop(t, sorted), Desk: s, Clock: noon, Temp: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, sum
}

// tell writes a receipt in one line.
func tell(r *ingest.Receipt) string {
	if r.Fault != nil {
		return fmt.Sprintf("line %d: %s", r.Line, r.Fault.Reason)
	}
	out := string(r.ID) + " " + r.At.Format("15:04")
	for i := range r.Lines {
		out += fmt.Sprintf(" %s=%v", r.Lines[i].Product, r.Lines[i].Sales)
	}
	for _, k := range r.Keys {
		out += fmt.Sprintf(" %v", k)
	}
	if r.Marks != 0 {
		out += " " + strings.Join(r.Marks.Names(), ",")
	}
	return out
}

// Do others come first whenever they must, with small steps between, and does a
// load end when they say so?
func TestALoadGivesWayBeforeEachStep(t *testing.T) {
	t.Parallel()
	const count, step = 10_000, 1_000
	var content strings.Builder
	content.WriteString("id,at,sku,total\n")
	for i := range count {
		fmt.Fprintf(&content, "%d,2017-01-02 10:00,a,1\n", i)
	}
	tired := errors.New("tired")
	for steps, want := range map[int]error{3: tired, count: nil} {
		s, asked := &sink{}, 0
		sum, err := connect.Load(t.Context(), connect.LoadOptions{
			File: write(t, "t.csv", content.String()), Kind: mapping.Receipts, Mapping: cornerShop(t, "true"), Desk: s, Clock: noon, Temp: t.TempDir(),
			Yield: func(context.Context) (int, error) {
				if asked++; asked > steps {
					return 0, tired
				}
				return step, nil
			},
		})
		taken := min(steps*step, count)
		if !errors.Is(err, want) || len(s.receipts) != taken || sum.Desk.Items != int64(taken) || s.calls < taken/step {
			t.Errorf("%d steps of %d: %d receipts in %d steps, %d summed up, %v", steps, step, len(s.receipts), s.calls, sum.Desk.Items, err)
		}
	}
}

func TestHowLinesBecomeReceipts(t *testing.T) {
	t.Parallel()
	const day = "2017-01-02 "
	tests := map[string]struct {
		content string
		want    []string
	}{
		"neighbours":                {"id,at,sku,total\n1," + day + "10:00,a,1\n1," + day + "10:00,b,2\n2," + day + "10:00,c,3\n", []string{"1 09:00 a=1.00 b=2.00", "2 09:00 c=3.00"}},
		"lines between each other":  {"id,at,sku,total\n1," + day + "10:00,a,1\n2," + day + "10:00,c,3\n1," + day + "10:00,b,2\n", []string{"2 09:00 c=3.00", "1 09:00 a=1.00 b=2.00"}},
		"the earliest time is kept": {"id,at,sku,total\n1," + day + "10:05,a,1\n1," + day + "10:00,b,2\n", []string{"1 09:00 a=1.00 b=2.00 times_differ"}},
		"lines in their own order":  {"id,at,sku,total,line\n1," + day + "10:00,a,1,2\n1," + day + "10:00,b,2,1\n", []string{"1 09:00 b=2.00 a=1.00"}},
		"a card on one line only":   {"id,at,sku,total,card\n1," + day + "10:00,a,1,\n1," + day + "10:00,b,2,77\n", []string{"1 09:00 a=1.00 b=2.00 key(card)"}},
		"two shoppers":              {"id,at,sku,total,card\n1," + day + "10:00,a,1,78\n1," + day + "10:00,b,2,77\n", []string{"line 2: two_shoppers"}},
		"two stores":                {"id,at,sku,total,store\n1," + day + "10:00,a,1,78\n1," + day + "10:00,b,2,77\n", []string{"line 2: two_stores"}},
		"two currencies":            {"id,at,sku,total,money\n1," + day + "10:00,a,1,EUR\n1," + day + "10:00,b,2,CHF\n", []string{"line 2: two_currencies"}},
		"one bad line refuses the receipt, not its neighbours": {
			"id,at,sku,total\n1," + day + "10:00,a,1\n1," + day + "10:00,b,x\n1," + day + "10:00,c,1\n2," + day + "10:00,c,3\n",
			[]string{"line 3: bad_number", "2 09:00 c=3.00"},
		},
		"a line one column short refuses the receipt": {
			"id,at,sku,total\n1," + day + "10:00,a,1\n1," + day + "10:00,b\n2," + day + "10:00,c,3\n",
			[]string{"line 3: wrong_column_count", "2 09:00 c=3.00"},
		},
		"a line one column long refuses the receipt": {
			"id,at,sku,total\n1," + day + "10:00,a,1,5\n1," + day + "10:00,b,1\n2," + day + "10:00,c,3\n",
			[]string{"line 2: wrong_column_count", "2 09:00 c=3.00"},
		},
		"a column missing before the id": {
			"at,sku,id,total\n" + day + "10:00,a,1,1\n" + day + "10:00,1,1\n" + day + "10:00,c,2,3\n",
			[]string{"line 3: wrong_column_count", "2 09:00 c=3.00"},
		},
		"a quote that is not closed refuses the receipt": {
			"id,at,sku,total\n1," + day + "10:00,a,1\n1," + day + "10:00,\"b,1\n2," + day + "10:00,\"c\",3\n",
			[]string{"line 3: bad_quotes", "2 09:00 c=3.00"},
		},
		"a quote that is not closed on the last line refuses the receipt": {
			"id,at,sku,total\n1," + day + "10:00,a,1\n1," + day + "10:00,\"b,1\n",
			[]string{"line 3: bad_quotes"},
		},
		"a line cut within its id": {"id,at,sku,total\n1," + day + "10:00,a,1\n1", []string{"1 09:00 a=1.00", "line 3: wrong_column_count"}},
		"a row without an id":      {"id,at,sku,total\n," + day + "10:00,a,1\n2," + day + "10:00,c,3\n", []string{"line 2: missing_id", "2 09:00 c=3.00"}},
		"a channel nobody knows":   {"id,at,sku,total,where\n1," + day + "10:00,a,1,X\n", []string{"line 2: bad_value"}},
		"a version that is no one": {"id,at,sku,total,version\n1," + day + "10:00,a,1,-4\n", []string{"line 2: bad_value"}},
	}
	for name, tt := range tests {
		for _, sorted := range []string{"true", "false"} {
			t.Run(name+", sorted "+sorted, func(t *testing.T) {
				t.Parallel()
				s, _ := load1(t, tt.content, sorted)
				got, want := map[string]bool{}, map[string]bool{}
				for i := range s.receipts {
					got[tell(&s.receipts[i])] = true
				}
				for _, w := range tt.want {
					want[w] = true
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestARefusedReceiptKeepsAllItsRows(t *testing.T) {
	t.Parallel()
	var csv strings.Builder
	csv.WriteString("id,at,sku,total,card\n")
	for i := range 3_000 {
		fmt.Fprintf(&csv, "1,2017-01-02 10:00:00,product-%d,1.00,%d\n", i, i%2)
	}
	s, _ := load1(t, csv.String(), "true")
	var raw strings.Builder
	for i := range s.receipts {
		if s.receipts[i].Fault == nil {
			t.Fatal("a part of it was taken in")
		}
		if n := len(s.receipts[i].Raw); n > 64<<10 && i > 0 {
			t.Errorf("part %d has %d bytes", i, n)
		}
	}
	raw.Write(s.receipts[0].Raw)
	if len(s.receipts) != 2 || raw.String() != strings.TrimSuffix(csv.String(), "\n") {
		t.Errorf("the first of %d parts has %d bytes of %d", len(s.receipts), raw.Len(), csv.Len())
	}
	rest := s.receipts[0].Raw[64<<10:]
	for _, part := range s.receipts[1:] {
		if part.Fault.Reason != "in_parts" || !strings.HasPrefix(string(rest), string(part.Raw)) {
			t.Fatalf("a part under %s does not follow", part.Fault.Reason)
		}
		rest = rest[len(part.Raw):]
	}
	if len(rest) > 0 {
		t.Errorf("%d bytes are lost", len(rest))
	}
}

// Lines of 5,000 receipts, shuffled over the file, come together again.
func TestScatteredReceiptsAreSorted(t *testing.T) {
	t.Parallel()
	const receipts, each = 5_000, 4
	lines := make([]string, 0, receipts*each)
	for i := range receipts {
		for k := range each {
			lines = append(lines, fmt.Sprintf("%d,2017-01-02 10:00:00,\"p\n%d\",0.25,%d", i, k, k))
		}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(lines), func(i, k int) { lines[i], lines[k] = lines[k], lines[i] })
	s, sum := load1(t, "id,at,sku,total,line\n"+strings.Join(lines, "\n"), "false")
	if len(s.receipts) != receipts || s.sales != receipts*retail.Unit || sum.Rows != receipts*each {
		t.Fatalf("%d receipts worth %v in %d rows", len(s.receipts), s.sales, sum.Rows)
	}
	for i := range s.receipts {
		r := &s.receipts[i]
		if r.Fault != nil || len(r.Lines) != each || r.Lines[0].Product != "p\n0" || r.Line < 2 {
			t.Fatalf("receipt %s of line %d: %v", r.ID, r.Line, r.Fault)
		}
	}
}

func TestTheOtherKindsOfFile(t *testing.T) {
	t.Parallel()
	m, s := cornerShop(t, "true"), &sink{}
	for kind, content := range map[mapping.Kind]string{
		mapping.Products: "sku,name,ean,own\n1,Oats,4006381333931,true\n2,Milk,123,false\n",
		mapping.Stores:   "id,name,ch\ns1,Corner,T\nweb,Shop,W\n",
		mapping.Prices:   "sku;price;from\n1;1.234,5;04/12/2017 08:00\n2;2,99;04/12/2017 08:00\n",
		mapping.Stock:    "1,12\n2,-1\n",
		mapping.Shoppers: "card,mail\n77," + strings.Repeat("ab", 32) + "\n78,nobody@example.com\n",
		mapping.Consents: "card,yes,at,text\n77,\"personal_ads,measurement\",2017-01-01,v1\n78,everything,2017-01-01,v1\n",
	} {
		if _, err := connect.Load(t.Context(), connect.LoadOptions{File: write(t, string(kind), content), Kind: kind, Mapping: m, Desk: s, Clock: noon}); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
	}
	why := func(f *ingest.Fault) string {
		if f == nil {
			return ""
		}
		return " " + string(f.Reason)
	}
	var got []string
	for _, r := range s.products {
		got = append(got, fmt.Sprintf("product %s %s %v own=%v%s", r.Of.ID, r.Of.Name, r.Of.GTIN, r.Of.OwnLabel, why(r.Fault)))
	}
	for _, r := range s.stores {
		got = append(got, fmt.Sprintf("store %s %v%s", r.Of.ID, r.Of.Channel, why(r.Fault)))
	}
	for _, r := range s.prices {
		got = append(got, fmt.Sprintf("price %s %v from %v%s", r.Of.Product, r.Of.Amount, r.At.Format(time.RFC3339), why(r.Fault)))
	}
	for _, r := range s.stock {
		got = append(got, fmt.Sprintf("stock %s %d%s", r.Of.Product, r.Of.Count, why(r.Fault)))
	}
	for _, r := range s.shoppers {
		got = append(got, fmt.Sprintf("shopper %v%s", r.Keys, why(r.Fault)))
	}
	for _, r := range s.consents {
		got = append(got, fmt.Sprintf("consent %v %v %s%s", r.Keys, r.Allowed, r.Wording, why(r.Fault)))
	}
	want := []string{
		"product p-1 Oats 04006381333931 own=true", "product p-2 Milk  own=false bad_value",
		"store s1 in_store", "store web online",
		"price 1 0.00 EUR from 2017-12-04T07:00:00Z bad_number", "price 2 2.99 EUR from 2017-12-04T07:00:00Z",
		"stock 1 12", "stock 2 -1",
		"shopper [key(card) key(email_sha256)]", "shopper [key(card)] bad_value",
		"consent [key(card)] personal_ads,measurement v1", "consent [key(card)] none v1 bad_value",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, r := range s.shoppers {
		if r.Fault != nil && strings.Contains(r.Fault.String(), "example.com") {
			t.Error("a fault names the shopper")
		}
	}
}

// A desk that fails in the middle ends the load; started again, the load goes on
// after the last stored batch and every receipt is handed over whole.
func TestALoadGoesOnWhereItWasBrokenOff(t *testing.T) {
	t.Parallel()
	var csv strings.Builder
	csv.WriteString("id,at,sku,total\n")
	for i := range 60_000 {
		fmt.Fprintf(&csv, "%d,2017-01-02 10:00:00,a,1\n%d,2017-01-02 10:00:00,b,1\n", i, i)
	}
	broken := errors.New("the disk is full")
	s := &sink{fail: func(call int) error {
		if call == 2 {
			return broken
		}
		return nil
	}}
	o := connect.LoadOptions{
		File: write(t, "t.csv", csv.String()), Kind: mapping.Receipts, Mapping: cornerShop(t, "true"), Desk: s, Clock: noon,
		State: filepath.Join(t.TempDir(), "state"),
	}
	if _, err := connect.Load(t.Context(), o); !errors.Is(err, broken) {
		t.Fatalf("got %v, want %v", err, broken)
	}
	first := len(s.receipts)
	s.fail = nil
	sum, err := connect.Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Resumed == 0 || len(s.receipts)-first >= 60_000 {
		t.Errorf("it went on after line %d and handed over %d receipts again", sum.Resumed, len(s.receipts)-first)
	}
	seen := map[basket.ReceiptID]bool{}
	for i := range s.receipts {
		if len(s.receipts[i].Lines) != 2 {
			t.Fatalf("receipt %s has %d lines", s.receipts[i].ID, len(s.receipts[i].Lines))
		}
		seen[s.receipts[i].ID] = true
	}
	if len(seen) != 60_000 {
		t.Errorf("%d receipts arrived, want 30,000", len(seen))
	}
	if sum, err = connect.Load(t.Context(), o); err != nil || !sum.Whole {
		t.Errorf("a third load read the file again: %+v, %v", sum, err)
	}
	if err := os.WriteFile(o.File, []byte(csv.String()+"x,2017-01-02 10:00:00,b,1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if sum, err = connect.Load(t.Context(), o); err != nil || sum.Whole || sum.Resumed != 0 || sum.Rows != 120_001 {
		t.Errorf("a changed file does not start over: %+v, %v", sum, err)
	}
}

// What came before the break is taken in, but for the receipt at the break.
func TestAFileThatBreaksOff(t *testing.T) {
	t.Parallel()
	var csv strings.Builder
	csv.WriteString("id,at,sku,total\n")
	for i := range 5_000 {
		fmt.Fprintf(&csv, "%d,2017-01-02 10:00:00,a,1\n%d,2017-01-02 10:00:00,b,%d\n", i, i, i*7919)
	}
	packed := gz(t, csv.String())
	s := &sink{}
	_, err := connect.Load(t.Context(), connect.LoadOptions{
		File: write(t, "t.csv.gz", packed[:len(packed)/2]), Kind: mapping.Receipts, Mapping: cornerShop(t, "true"), Desk: s, Clock: noon,
	})
	if e, ok := errors.AsType[*retail.Error](err); !ok || e.Cure == "" {
		t.Fatalf("got %v, want an error with a cure", err)
	}
	whole, faulty := 0, 0
	for i := range s.receipts {
		switch r := &s.receipts[i]; {
		case r.Fault != nil:
			faulty++
		case len(r.Lines) == 2:
			whole++
		default:
			t.Errorf("receipt %s was taken in with %d lines", r.ID, len(r.Lines))
		}
	}
	if whole < 1_000 || faulty == 0 || faulty > 2 {
		t.Errorf("%d receipts, %d refused", whole, faulty)
	}
}

func TestQuantityTimesUnitPriceIsRoundedOnce(t *testing.T) {
	t.Parallel()
	m := parse(t, `{"name":"w","zone":"UTC","currency":"EUR","feeds":{"receipts":{"columns":{"receipt":"id","time":"at","product":"p","quantity":"q","unit_price":"u"}}}}`)
	s := &sink{}
	_, err := connect.Load(t.Context(), connect.LoadOptions{
		File: write(t, "t.csv", "id,at,p,q,u\n1,2017-01-01,a,3,1.10\n2,2017-01-01,a,0.755,1.99\n3,2017-01-01,a,-2,0.333333\n4,2017-01-01,a,0.001,5.0001\n"),
		Kind: mapping.Receipts, Mapping: m, Desk: s, Clock: noon,
	})
	if err != nil {
		t.Fatal(err)
	}
	// 0.001 × 5.0001 lies above half a cent, though it is half a cent in micros
	want := []string{"3.30 EUR", "1.50 EUR", "-0.67 EUR", "0.01 EUR"}
	for i := range s.receipts {
		if got := (retail.Money{Amount: s.receipts[i].Lines[0].Sales.RoundHalfEven(retail.Cent), Currency: "EUR"}).String(); got != want[i] {
			t.Errorf("receipt %s: %s, want %s", s.receipts[i].ID, got, want[i])
		}
	}
}

func TestTheProgressLine(t *testing.T) {
	t.Parallel()
	p := connect.Progress{File: "lines.csv", Done: 1, Total: 4, Rows: 1_355_054, PerSec: 812_000.4, Left: 95 * time.Second}
	if got, want := p.Line(), "loading lines.csv ██████░░░░░░░░░░░░░░░░░░  25% 1,355,054 rows, 812,000 rows/s, 1m35s left"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var terminal, plain strings.Builder
	connect.Bar(&terminal, true, noon)(p)
	connect.Bar(&plain, false, noon)(p)
	if !strings.HasPrefix(terminal.String(), "\r") || plain.Len() != 0 {
		t.Errorf("terminal %q, plain %q", terminal.String(), plain.String())
	}
}
