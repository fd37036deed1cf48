// Package warehousetest is the suite that every warehouse passes: what stands,
// who is seen under which purpose, sealing, resetting, forgetting and giving
// facts back, on small hand-made days and on random histories against a plain
// model.
//
// On the road of a receipt, it stands behind keep/warehouse's promises.
package warehousetest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

// Store is a warehouse that can be closed and opened again.
type Store interface {
	warehouse.Warehouse
	io.Closer
}

// Suite says how to open a store and how facts become rows.
type Suite struct {
	// Open opens the store of a directory; fresh removes its working copy
	// first, as a disaster or a rebuild would.
	Open func(ctx context.Context, dir string, fresh bool) (Store, error)
	Rows func(facts []event.Fact) []warehouse.Rows
}

// Run runs the whole suite.
func Run(t *testing.T, s Suite) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, *shop){
		"a correction replaces the receipt, whatever comes first":   corrections,
		"a purpose sees only who allows it now":                     purposes,
		"the newest row of the catalogue stands":                    catalogue,
		"a batch that comes twice counts once":                      twice,
		"sealing changes no answer, and damage is found":            sealing,
		"a late receipt is sealed the next time":                    late,
		"forgetting keeps the totals and loses the shopper":         forgetting,
		"who is one person counts as one, until she is two again":   merging,
		"a decision's record is kept only so long":                  expiry,
		"who is inactive allows nothing, whatever ran":              inactive,
		"what is too old is nobody's, and then loses its shopper":   stripping,
		"sealed facts can be given back":                            replay,
		"random histories agree with a plain model after any crash": random,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newShop(t, s))
		})
	}
}

// shop is a store under test with short words for what is done to it.
type shop struct {
	t     *testing.T
	suite Suite
	dir   string
	store Store
	next  map[int]int
}

func newShop(t *testing.T, s Suite) *shop {
	t.Helper()
	h := &shop{t: t, suite: s, dir: t.TempDir(), next: map[int]int{}}
	h.open(false)
	t.Cleanup(func() {
		if err := h.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *shop) open(fresh bool) {
	h.t.Helper()
	var err error
	if h.store, err = h.suite.Open(h.t.Context(), h.dir, fresh); err != nil {
		h.t.Fatal(err)
	}
}

func (h *shop) reopen(fresh bool) {
	h.t.Helper()
	h.must(h.store.Close())
	h.open(fresh)
}

func (h *shop) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func cursor(n int) event.Cursor {
	return event.Cursor(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// add folds facts as the next batch of a partition.
func (h *shop) add(partition int, facts ...event.Fact) {
	h.t.Helper()
	h.next[partition] += len(facts)
	h.must(h.store.Append(h.t.Context(), []warehouse.Fold{{Partition: partition, Next: cursor(h.next[partition]), Through: noon, Rows: h.suite.Rows(facts)}}))
}

// ask gives an answer as lines of words.
func (h *shop) ask(purpose warehouse.Purpose, sql string) string {
	h.t.Helper()
	got, err := h.store.Query(h.t.Context(), warehouse.Query{Name: "test", Purpose: purpose, SQL: sql})
	h.must(err)
	var lines []string
	for i := range got.Len {
		var words []string
		for j := range got.Columns {
			c := &got.Columns[j]
			switch {
			case c.Nulls != nil && c.Nulls[i]:
				words = append(words, "null")
			case got.Types[j] == event.Text:
				words = append(words, c.Texts[i])
			case got.Types[j] == event.Amount:
				words = append(words, retail.Micros(c.Ints[i]).String())
			default:
				words = append(words, fmt.Sprint(c.Ints[i]))
			}
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return strings.Join(lines, "\n")
}

func (h *shop) want(purpose warehouse.Purpose, sql, want string) {
	h.t.Helper()
	if got := h.ask(purpose, sql); got != want {
		h.t.Fatalf("%s under %s:\n%s\nwant\n%s", sql, purpose, got, want)
	}
}

var (
	monday = retail.Date(2017, time.December, 4)
	noon   = monday.UTC().Add(12 * time.Hour)
	ana    = shopper.FromUint64(0xA0A0A0A0A0A0A0A1)
	bea    = shopper.FromUint64(22)
)

// bought is a receipt of two lines, 1.00 and the rest.
func bought(id string, version uint32, who shopper.ID, day retail.Day, sales retail.Micros) event.Fact {
	at := day.UTC().Add(9 * time.Hour)
	return event.Fact{
		ID: id, Version: version, At: at, Arrived: at.Add(time.Minute), Day: day, Shopper: who, Consent: consent.All, Source: "till",
		Body: event.Receipt{Receipt: basket.Receipt{
			ID: basket.ReceiptID(id), Version: version, Store: "a store with a long name", Channel: catalog.InStore, At: at, Currency: "EUR",
			Lines: []basket.Line{
				{Product: "oats", Quantity: basket.Piece, UnitPrice: retail.Unit, Sales: retail.Unit},
				{Product: "milk", Quantity: 755, UnitPrice: 1_234_567, Sales: sales - retail.Unit, RetailDiscount: retail.Cent, Marks: basket.QuantityZero},
			},
		}},
	}
}

func said(id string, who shopper.ID, day retail.Day, allowed consent.Set) event.Fact {
	at := day.UTC().Add(8 * time.Hour)
	return event.Fact{ID: id, At: at, Arrived: at, Day: day, Shopper: who, Source: "shop", Body: event.Consent{Allowed: allowed, Wording: "v1"}}
}

const totals = "select count(*), sum(sales) from lines"

func corrections(t *testing.T, h *shop) {
	t.Helper()
	h.add(0, bought("r1", 0, ana, monday, 5*retail.Unit), bought("r2", 0, bea, monday, 7*retail.Unit))
	h.add(1, bought("r1", 2, bea, monday, 6*retail.Unit))
	h.want(warehouse.Accounting, totals, "4 13.00")
	h.add(0, bought("r1", 1, ana, monday, 9*retail.Unit))
	h.add(2, bought("r3", 1, ana, monday, 3*retail.Unit))
	h.add(3, bought("r3", 0, bea, monday, 2*retail.Unit))
	h.want(warehouse.Accounting, totals, "6 16.00")
	h.want(warehouse.Accounting, "select receipt, version, sales, line_count from receipts order by receipt", "r1 2 6.00 2\nr2 0 7.00 2\nr3 1 3.00 2")
	h.reopen(false)
	h.add(4, bought("r1", 1, ana, monday, 9*retail.Unit), bought("r4", 0, ana, monday, retail.Unit), bought("r4", 1, ana, monday, 4*retail.Unit))
	h.want(warehouse.Accounting, totals, "8 20.00")
}

func purposes(t *testing.T, h *shop) {
	t.Helper()
	h.add(0, said("c1", ana, monday, consent.Of(consent.Measurement)), said("c2", bea, monday, consent.All),
		bought("r1", 0, ana, monday, 5*retail.Unit), bought("r2", 0, bea, monday, 7*retail.Unit), bought("r3", 0, shopper.ID{}, monday, 11*retail.Unit))
	h.want(warehouse.Accounting, totals, "6 23.00")
	h.want("measurement", totals, "4 12.00")
	h.want("personal_ads", totals, "2 7.00")
	h.add(0, said("c3", bea, monday+1, consent.None))
	h.want("measurement", totals, "2 5.00")
	h.want("personal_ads", "select count(*) from lines", "0")
	h.want("measurement", "select count(*) from products", "0")
	h.add(0, said("zz given", bea, monday+2, consent.All))
	h.add(0, said("aa withdrawn", bea, monday+2, consent.None)) // of one instant the later counts
	h.want("measurement", totals, "2 5.00")
	h.add(0, said("zz again", bea, monday+3, consent.None), said("aa again", bea, monday+3, consent.All))
	h.want("measurement", totals, "4 12.00")
	for purpose, want := range map[warehouse.Purpose]string{warehouse.Accounting: "3 0", "measurement": "2 2"} {
		got, err := h.store.Analyse(t.Context(), warehouse.Analysis{Purpose: purpose, SQL: "select count(*), count(shopper) from receipts"})
		h.must(err)
		if text := strings.Join(got.Rows[0], " "); text != want {
			t.Fatalf("under %s an analyst sees %s receipts and shoppers, want %s", purpose, text, want)
		}
	}
	h.want(warehouse.Accounting, "select count(distinct shopper) from receipts", "2")
	if _, err := h.store.Query(t.Context(), warehouse.Query{Purpose: "curiosity", SQL: totals}); err == nil {
		t.Fatal("a purpose nobody declared was answered")
	}
}

func catalogue(t *testing.T, h *shop) {
	t.Helper()
	product := func(id, name string, version uint32, hour int, source string) event.Fact {
		return event.Fact{
			ID: id, Version: version, At: noon.Add(time.Duration(hour) * time.Hour), Day: monday, Source: source,
			Body: event.Product{Product: catalog.Product{ID: catalog.ProductID(id), Name: name}},
		}
	}
	store := func(id, name, source string, hour int) event.Fact {
		return event.Fact{
			ID: source + id, At: noon.Add(time.Duration(hour) * time.Hour), Day: monday, Source: source,
			Body: event.Store{Store: catalog.Store{ID: catalog.StoreID(id), Name: name, Channel: catalog.InStore}},
		}
	}
	h.add(0, product("oats", "Oats", 0, 0, "file"), product("milk", "Milk", 0, 0, "file"), store("s1", "High Street", "file", 0))
	h.add(1, product("oats", "Oats 500 g", 1, -1, "file"), store("s1", "", event.SourceDerived, 5), store("s2", "", event.SourceDerived, 1))
	h.add(0, product("milk", "Milk, fresh", 0, 1, "file"), product("milk", "Milk, old", 0, -1, "file"))
	h.want(warehouse.Accounting, "select name from products order by name", "Milk, fresh\nOats 500 g")
	h.want(warehouse.Accounting, "select store, name from stores order by store", "s1 High Street\ns2 ")
}

func twice(t *testing.T, h *shop) {
	t.Helper()
	rows := h.suite.Rows([]event.Fact{bought("r1", 0, ana, monday, 5*retail.Unit)})
	for range 2 {
		h.must(h.store.Append(t.Context(), []warehouse.Fold{{Partition: 3, Next: cursor(9), Through: noon, Rows: rows}}))
	}
	h.must(h.store.Append(t.Context(), []warehouse.Fold{{Partition: 3, Next: cursor(8), Through: noon, Rows: rows}}))
	h.want(warehouse.Accounting, totals, "2 5.00")
	h.reopen(false)
	at, err := h.store.Cursor(t.Context(), 3)
	h.must(err)
	if at != cursor(9) {
		t.Fatalf("cursor is %x", string(at))
	}
	through, err := h.store.Through(t.Context())
	h.must(err)
	if !through.Equal(noon) {
		t.Fatalf("through is %v, want %v", through, noon)
	}
}

func sealing(t *testing.T, h *shop) {
	t.Helper()
	h.add(0, bought("r1", 0, ana, monday, 5*retail.Unit), bought("r2", 0, bea, monday+1, 7*retail.Unit), said("c1", ana, monday, consent.All))
	days, err := h.store.Seal(t.Context(), monday+1)
	h.must(err)
	if diff := cmp.Diff([]retail.Day{monday}, days); diff != "" {
		t.Fatal(diff)
	}
	h.want(warehouse.Accounting, totals, "4 12.00")
	h.want("measurement", totals, "2 5.00")
	h.must(h.store.Check(t.Context()))
	h.reopen(true)
	h.want(warehouse.Accounting, totals, "2 5.00") // the rest comes from the stream
	h.want("measurement", totals, "2 5.00")
}

func late(t *testing.T, h *shop) {
	t.Helper()
	h.add(0, bought("r1", 0, ana, monday, 5*retail.Unit))
	_, err := h.store.Seal(t.Context(), monday+1)
	h.must(err)
	h.add(0, bought("r2", 0, ana, monday, 7*retail.Unit))
	days, err := h.store.Seal(t.Context(), monday+1)
	h.must(err)
	if diff := cmp.Diff([]retail.Day{monday}, days); diff != "" {
		t.Fatal(diff)
	}
	days, err = h.store.Seal(t.Context(), monday+1)
	h.must(err)
	if len(days) != 0 {
		t.Fatalf("sealed %v a second time", days)
	}
	h.reopen(true)
	h.want(warehouse.Accounting, totals, "4 12.00")
	h.must(h.store.Check(t.Context()))
}

func forgetting(t *testing.T, h *shop) {
	t.Helper()
	h.add(0, said("c1", ana, monday, consent.All), said("c2", bea, monday, consent.All),
		bought("r1", 0, ana, monday, 5*retail.Unit), bought("r2", 0, bea, monday, 7*retail.Unit))
	_, err := h.store.Seal(t.Context(), monday+1)
	h.must(err)
	h.add(0, bought("r3", 0, ana, monday+1, 2*retail.Unit))
	h.must(h.store.Forget(t.Context(), []shopper.ID{ana}))
	h.want("measurement", totals, "2 7.00")
	for n, want := range []int{3, 0} { // a file each of her receipt, its lines, her consent
		files, err := h.store.Erase(t.Context(), []shopper.ID{ana})
		h.must(err)
		if files != want {
			t.Errorf("erasing her for the time %d wrote %d files anew, want %d", n+1, files, want)
		}
	}
	for range 2 {
		h.want(warehouse.Accounting, "select count(*), count(shopper), count(distinct shopper) from receipts where day <= date '2017-12-04'", "2 1 1")
		h.want("measurement", totals, "2 7.00")
		h.must(h.store.Check(t.Context()))
		h.must(h.store.Shoppers(t.Context(), func(place string, who []shopper.ID) error {
			if len(who) != 1 || who[0] != bea {
				t.Errorf("%s names %d shoppers, want bea alone", place, len(who))
			}
			return nil
		}))
		h.reopen(true)
	}
	h.add(0, bought("r4", 0, bea, monday+1, 2*retail.Unit))
	h.want("measurement", totals, "4 9.00")
}

// known says as whom a shopper is known; moves are counted by version.
func known(who, as shopper.ID, day retail.Day, version uint32) event.Fact {
	at := day.UTC().Add(7 * time.Hour)
	return event.Fact{
		ID: fmt.Sprint("merge/", version), Version: version, At: at, Arrived: at, Day: day, Shopper: who, Source: "derived",
		Body: event.Clustered{Canonical: as},
	}
}

func merging(t *testing.T, h *shop) {
	t.Helper()
	count := func(purpose warehouse.Purpose, receipts, shoppers int) {
		t.Helper()
		h.want(purpose, "select count(*), count(distinct shopper) from receipts", fmt.Sprint(receipts, " ", shoppers))
	}
	h.add(0, said("c1", ana, monday, consent.Of(consent.Measurement)), bought("r1", 0, ana, monday, 5*retail.Unit))
	h.add(1, said("c2", bea, monday+1, consent.All), bought("r2", 0, bea, monday, 7*retail.Unit))
	count("measurement", 2, 2)
	count("personal_ads", 1, 1)
	h.add(1, known(bea, ana, monday+1, 1))
	for _, fresh := range []bool{false, true, true} {
		count(warehouse.Accounting, 2, 1)
		count("measurement", 2, 1)
		count("personal_ads", 2, 1) // her newest word counts for all of her
		h.want("measurement", "select count(*), min(allowed) from consents", fmt.Sprint("1 ", int(consent.All)))
		h.want(warehouse.Accounting, "select count(*) from receipts where shopper = came_as", "1")
		h.want(warehouse.Accounting, totals, "4 12.00")
		_, err := h.store.Seal(t.Context(), monday+2)
		h.must(err)
		h.reopen(fresh)
	}
	h.add(0, said("c3", ana, monday+2, consent.None))
	count("measurement", 0, 0)
	h.add(0, said("c4", ana, monday+3, consent.Of(consent.Measurement)))
	h.add(1, said("c5", bea, monday+3, consent.Of(consent.PersonalAds)))
	count("measurement", 0, 0) // of one instant what all of her allow
	h.add(1, known(bea, bea, monday+3, 3))
	h.add(1, known(bea, ana, monday+2, 2)) // an older move that comes late
	_, err := h.store.Seal(t.Context(), monday+4)
	h.must(err)
	for range 2 {
		count(warehouse.Accounting, 2, 2)
		count("measurement", 1, 1)
		count("personal_ads", 1, 1)
		h.reopen(true)
	}
	if _, err := h.store.Analyse(t.Context(), warehouse.Analysis{Purpose: "measurement", SQL: "select * from " + event.TableMerged}); err == nil {
		t.Fatal("an analyst saw who was merged with whom")
	}
	h.add(1, known(bea, ana, monday+3, 4))
	h.must(h.store.Forget(t.Context(), []shopper.ID{ana, bea}))
	count(warehouse.Accounting, 2, 0)
}

func expiry(t *testing.T, h *shop) {
	t.Helper()
	decided := func(id byte, day retail.Day) event.Fact {
		at := day.UTC()
		return event.Fact{ID: string('a' + id), At: at, Arrived: at, Day: day, Shopper: ana, Body: event.Decided{Decision: media.DecisionID{id}, Record: []byte("how it was decided")}}
	}
	h.add(0, decided(1, monday), decided(2, monday+1), decided(3, monday+2))
	_, err := h.store.Seal(t.Context(), monday+2)
	h.must(err)
	for range 2 {
		h.must(h.store.Expire(t.Context(), monday+1))
		h.want(warehouse.Accounting, "select count(*), count(record) from decisions where day < date '2017-12-06'", "2 1")
		h.must(h.store.Check(t.Context()))
		h.reopen(true)
	}
}

func replay(t *testing.T, h *shop) {
	t.Helper()
	facts := []event.Fact{said("c1", ana, monday, consent.All), bought("r1", 0, ana, monday, 5*retail.Unit), bought("r2", 0, shopper.ID{}, monday, 2*retail.Unit)}
	h.add(5, facts...)
	h.add(6, bought("r9", 0, bea, monday, 7*retail.Unit))
	h.add(5, bought("r3", 0, ana, monday, 4*retail.Unit), bought("r4", 0, ana, monday+1, 4*retail.Unit))
	_, err := h.store.Seal(t.Context(), monday+1)
	h.must(err)
	past, err := h.store.Sealings(t.Context())
	h.must(err)
	marks := past[len(past)-1].Marks
	if len(marks) != 2 || marks[0].Cursor != cursor(3) || marks[1].Cursor != cursor(1) {
		t.Fatalf("marks are %v: the second batch of partition 5 holds an unsealed day", marks)
	}
	h.must(h.store.Release(t.Context(), marks))
	h.reopen(true)
	mark, err := h.store.Released(t.Context(), 5)
	h.must(err)
	var receipts []string
	span := warehouse.Span{Partition: 5, After: -1, Upto: mark.Fold, Limit: 1}
	for {
		got, err := h.store.Replay(t.Context(), span)
		h.must(err)
		if len(got.Rows) == 0 {
			break
		}
		for _, r := range got.Rows {
			if r.Table == event.TableReceipts {
				receipts = append(receipts, r.Columns[3].Texts...)
			}
		}
		span.Fold, span.After = got.Fold, span.After+1
	}
	if diff := cmp.Diff([]string{"r1", "r2"}, receipts); diff != "" {
		t.Fatal(diff)
	}
}

// random plays a stream of receipts, corrections and late days with sealings,
// resets, lost working copies and reopenings in between, and compares with the
// plain truth whenever everything was folded.
func random(t *testing.T, h *shop) {
	t.Helper()
	for seed := range uint64(4) {
		t.Logf("seed %d", seed)
		h := newShop(t, h.suite)
		r := rand.New(rand.NewPCG(seed, 7))
		const partitions = 3
		stream := make([][]event.Fact, partitions)
		for range 12 {
			for range r.IntN(25) {
				p := r.IntN(partitions)
				stream[p] = append(stream[p], anyFact(r, stream))
			}
			switch r.IntN(5) {
			case 0:
				h.catchUp(r, stream)
				_, err := h.store.Seal(t.Context(), monday+retail.Day(r.IntN(8)))
				h.must(err)
			case 1:
				h.must(h.store.Reset(t.Context()))
			case 2:
				h.reopen(true)
			case 3:
				h.reopen(false)
			default:
				h.fold(r, stream, r.IntN(partitions))
			}
			if r.IntN(2) == 0 {
				h.catchUp(r, stream)
				h.compare(stream)
			}
		}
		h.catchUp(r, stream)
		h.compare(stream)
		h.must(h.store.Check(t.Context()))
	}
}

// anyFact is a new receipt or a correction, often for a day gone by.
func anyFact(r *rand.Rand, stream [][]event.Fact) event.Fact {
	n := 0
	for _, p := range stream {
		n += len(p)
	}
	day := monday + retail.Day(r.IntN(7))
	sales := retail.Micros(1+r.IntN(1000)) * retail.Cent
	if n > 0 && r.IntN(4) == 0 {
		return bought(fmt.Sprintf("r%d", r.IntN(n)), uint32(n), ana, day, sales)
	}
	return bought(fmt.Sprintf("r%d", n), 0, bea, day, sales)
}

// fold appends one batch of random size from where the store stands.
func (h *shop) fold(r *rand.Rand, stream [][]event.Fact, p int) bool {
	h.t.Helper()
	at, err := h.store.Cursor(h.t.Context(), p)
	h.must(err)
	from := 0
	if at != "" {
		from = int(binary.BigEndian.Uint64([]byte(at)))
	}
	if from >= len(stream[p]) {
		return false
	}
	to := min(len(stream[p]), from+1+r.IntN(9))
	h.must(h.store.Append(h.t.Context(), []warehouse.Fold{{Partition: p, Next: cursor(to), Through: noon, Rows: h.suite.Rows(stream[p][from:to])}}))
	return true
}

func (h *shop) catchUp(r *rand.Rand, stream [][]event.Fact) {
	h.t.Helper()
	for p := range stream {
		for h.fold(r, stream, p) {
		}
	}
}

// compare holds the store to the newest version of every receipt.
func (h *shop) compare(stream [][]event.Fact) {
	h.t.Helper()
	newest := map[basket.ReceiptID]event.Fact{}
	for _, facts := range stream {
		for _, f := range facts {
			id := f.Body.(event.Receipt).ID
			if old, ok := newest[id]; !ok || f.Version > old.Version {
				newest[id] = f
			}
		}
	}
	var sales retail.Micros
	var versions uint64
	for _, f := range newest {
		b := f.Body.(event.Receipt)
		sales += b.Total()
		versions += uint64(f.Version)
	}
	if len(newest) == 0 {
		return
	}
	h.want(warehouse.Accounting, totals, fmt.Sprintf("%d %v", 2*len(newest), sales))
	h.want(warehouse.Accounting, "select count(*), sum(sales), sum(version) from receipts", fmt.Sprintf("%d %v %d", len(newest), sales, versions))
}
