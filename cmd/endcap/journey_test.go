package main_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"endcap/keep/profile"
	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/warehouse/duck"
	"endcap/know/history"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// The Complete Journey, as `make data` fetches it, and its mapping; as seen
// from the module's folder, where the program runs.
const (
	journeyDir      = "data/complete-journey"
	journeyProducts = journeyDir + "/products.parquet"
	journeyLines    = journeyDir + "/transactions.parquet"
	journeyMapping  = "mappings/complete-journey.json"
)

// needJourney skips where the data was not fetched.
func needJourney(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("the whole of The Complete Journey is not for -short")
	}
	if _, err := os.Stat(filepath.Join(root, journeyLines)); errors.Is(err, fs.ErrNotExist) {
		t.Skip(journeyLines + " is not there; make data fetches it")
	}
}

// loaded is what a load's summary says of facts, without its seconds.
type loaded struct {
	Rows            int64             `json:"rows"`
	New             int64             `json:"new"`
	Repeat          int64             `json:"repeat"`
	Corrected       int64             `json:"corrected"`
	Quarantined     int64             `json:"quarantined"`
	Receipts        int64             `json:"receipts"`
	Lines           int64             `json:"lines"`
	SkippedReceipts int64             `json:"skipped_receipts"`
	SkippedLines    int64             `json:"skipped_lines"`
	Sales           map[string]string `json:"sales"`
	LineMarks       map[string]int64  `json:"line_marks"`
	ReceiptMarks    map[string]int64  `json:"receipt_marks"`
	UnknownProducts int               `json:"unknown_products"`
	UnknownStores   int               `json:"unknown_stores"`
}

// The loads as the data's own sums say they must be.
var (
	weeks1to49 = loaded{
		Rows: 1_469_307, New: 144_092, Receipts: 144_092, Lines: 1_355_054, SkippedReceipts: 11_756, SkippedLines: 114_253,
		Sales:        map[string]string{"USD": "4222154.95"},
		LineMarks:    map[string]int64{"product_unknown": 4_462, "discount_over_sales": 3_254, "quantity_zero": 8_156},
		ReceiptMarks: map[string]int64{"store_unknown": 144_092}, UnknownProducts: 17, UnknownStores: 446,
	}
	wholeYear = loaded{
		Rows: 1_469_307, New: 11_756, Repeat: 144_092, Receipts: 155_848, Lines: 1_469_307,
		Sales:        map[string]string{"USD": "4596039.58"},
		LineMarks:    map[string]int64{"product_unknown": 4_836, "discount_over_sales": 3_507, "quantity_zero": 8_869},
		ReceiptMarks: map[string]int64{"store_unknown": 155_848}, UnknownProducts: 17, UnknownStores: 457,
	}
)

// Sums of the lines and receipts in history.
const (
	sumsSQL = `select count(*) as lines, count(distinct receipt) as baskets, count(distinct product) as products,
		count(distinct store) as stores, sum(sales) as sales, sum(retail_discount) as retail_discount, sum(coupon_discount) as coupon_discount, sum(coupon_match) as coupon_match from lines`
	sums1to49 = "1355054 144092 2464"
	sumsYear  = "1469307 155848 2469 68509 457 4596039.580000 791650.640000 26359.900000 4542.650000"
)

// ingest loads a file and returns its summary.
func ingest(t *testing.T, dir, kind, file string, more ...string) loaded {
	t.Helper()
	var got loaded
	text := must(t, append([]string{"ingest", "--dir", dir, "--kind", kind, "--mapping", journeyMapping, "--json", file}, more...)...)
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("summary of %s: %v\n%s", file, err, text)
	}
	return got
}

// TestTheWholeJourneyIsTakenInOnce loads a year of real receipts in two parts
// and again as a whole, throws everything derived away, and finds the same sums,
// rows and bytes each time.
func TestTheWholeJourneyIsTakenInOnce(t *testing.T) {
	needJourney(t)
	t.Parallel()
	home := t.TempDir()
	dir := filepath.Join(home, "house")
	must(t, "init", "--dir", dir, "--zone", "America/New_York", "--currency", "USD")

	catalogue := ingest(t, dir, "products", journeyProducts)
	if catalogue.New != 92_331 || catalogue.Quarantined != 0 {
		t.Errorf("catalogue: %+v, want 92331 new products", catalogue)
	}
	part := ingest(t, dir, "receipts", journeyLines, "--until", "2017-12-04")
	if diff := cmp.Diff(weeks1to49, part); diff != "" {
		t.Errorf("weeks 1–49 (-want +got)\n%s", diff)
	}
	if got := sums(t, dir); !strings.HasPrefix(got, sums1to49) || !strings.Contains(got, " 4222154.950000 ") {
		t.Errorf("history after weeks 1–49: %s, want %s … 4222154.95", got, sums1to49)
	}
	whole := ingest(t, dir, "receipts", journeyLines)
	if diff := cmp.Diff(wholeYear, whole); diff != "" {
		t.Errorf("the whole year (-want +got)\n%s", diff)
	}
	if got := sums(t, dir); got != sumsYear {
		t.Errorf("history after the whole year: %s, want %s", got, sumsYear)
	}
	rows, profiles := rowsOf(t, dir), profilesOf(t, dir)

	// Nothing changes when the same rows come again, under another file's name
	// too, so that every receipt is looked at.
	if text := must(t, "ingest", "--dir", dir, "--kind", "receipts", "--mapping", journeyMapping, journeyLines); !strings.Contains(text, "nothing to do") {
		t.Errorf("the same file again: %s, want nothing to do", text)
	}
	again := filepath.Join(home, "again.parquet")
	copyFile(t, filepath.Join(root, journeyLines), again)
	repeated := wholeYear
	repeated.New, repeated.Repeat = 0, 155_848
	if diff := cmp.Diff(repeated, ingest(t, dir, "receipts", again)); diff != "" {
		t.Errorf("the whole year again (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(rows, rowsOf(t, dir)); diff != "" {
		t.Errorf("rows after loading again (-before +after)\n%s", diff)
	}
	if got := profilesOf(t, dir); got != profiles {
		t.Errorf("profiles changed by loading again: %s, were %s", got, profiles)
	}

	if text := must(t, "rebuild", "--dir", dir); !strings.Contains(text, "the same bytes and the same rows") {
		t.Errorf("rebuild: %s", text)
	}
	if diff := cmp.Diff(rows, rowsOf(t, dir)); diff != "" {
		t.Errorf("rows after rebuild (-before +after)\n%s", diff)
	}
	if got := profilesOf(t, dir); got != profiles {
		t.Errorf("profiles after rebuild: %s, were %s", got, profiles)
	}
	verified(t, dir)
}

// verified runs endcap verify and wants every proof ok.
func verified(t *testing.T, dir string) {
	t.Helper()
	text := must(t, "verify", "--dir", dir)
	if ok := regexp.MustCompile(`(?m) ok$`).FindAllString(text, -1); len(ok) < 3 || len(ok) != strings.Count(text, "\n") {
		t.Errorf("verify:\n%s", text)
	}
}

// sums are the control sums as history tells them. An analyst cannot count
// households under accounting, so the product's own question does.
func sums(t *testing.T, dir string) string {
	t.Helper()
	text := must(t, "query", "--dir", dir, "--format", "csv", sumsSQL)
	_, values, _ := strings.Cut(strings.TrimSpace(text), "\n")
	told := strings.Split(values, ",")
	w, err := duck.Open(t.Context(), filepath.Join(dir, "history"), duck.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	controls, err := history.ControlSums(t.Context(), w)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return strings.Join(slices.Insert(told, 2, strconv.FormatInt(controls.Households, 10)), " ")
}

// rowsOf is, for each table of history, the number of its rows and a hash of
// them that does not depend on their order.
func rowsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	s := serve(t, dir)
	defer s.stop(t)
	out := make(map[string]string)
	for _, table := range event.Views() {
		// Days begin, and are no row of what was loaded.
		got := s.query(t, fmt.Sprintf("select count(*) as n, bit_xor(hash(r)) as h, sum(hash(r) %% 1000000007) as s from %s r", table.Name))
		out[table.Name] = strings.Join(got[0], " ")
	}
	return out
}

// profilesOf is a hash of every byte of every profile.
func profilesOf(t *testing.T, dir string) string {
	t.Helper()
	store, err := pebbleshelf.Open(t.Context(), filepath.Join(dir, "profiles"), pebbleshelf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	hash, sections := sha256.New(), 0
	err = store.Dump(t.Context(), func(who shopper.ID, section profile.Section, value []byte) error {
		sections++
		_, err := fmt.Fprintf(hash, "%d %s %d %s", who.Reveal(), section, len(value), value)
		return err
	})
	if err != nil || sections == 0 {
		t.Fatalf("profiles: %d sections, %v", sections, err)
	}
	return fmt.Sprintf("%d sections %s", sections, hex.EncodeToString(hash.Sum(nil)))
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	src, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = src.Close() }()
	dst, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(dst, src); err != nil {
		t.Fatal(err)
	}
	if err := dst.Close(); err != nil {
		t.Fatal(err)
	}
}
