package ingest_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"endcap/keep/profile"
	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/stream"
	"endcap/keep/warehouse"
	"endcap/know/audience"
	"endcap/know/history"
	"endcap/know/ingest"
	"endcap/know/recommend"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// profiles opens a profile store of its own.
func profiles(t *testing.T, name string) *pebbleshelf.Store {
	t.Helper()
	s, err := pebbleshelf.Open(t.Context(), filepath.Join(t.TempDir(), name), pebbleshelf.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, s.Close) })
	return s
}

// fold brings profiles up to the stream, some facts at a time.
func (h *house) fold(t *testing.T, into *pebbleshelf.Store, atOnce int) {
	t.Helper()
	whole := history.NewWhole(h.log, h.past())
	for _, f := range []stream.Follower{history.Follower(h.past(), 0), audience.Follower(into), recommend.Follower(into)} {
		if f.BatchMax = atOnce; f.Name == history.FollowerName {
			f.BatchMax = 0
		}
		if err := stream.CatchUp(t.Context(), whole, f); err != nil {
			t.Fatal(err)
		}
	}
}

// dump is every section of every shopper.
func dump(t *testing.T, s *pebbleshelf.Store) string {
	t.Helper()
	var out strings.Builder
	err := s.Dump(t.Context(), func(who shopper.ID, section profile.Section, value []byte) error {
		_, err := fmt.Fprintf(&out, "%x %s %x\n", who.Reveal(), section, value)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// seal seals the past and lets the stream forget what it may.
func (h *house) seal(t *testing.T) {
	t.Helper()
	read := func(context.Context, int) (event.Cursor, error) { return "\xff", nil }
	if _, err := history.SealThrough(t.Context(), h.past(), h.log, read, retail.DayOf(h.clock(), time.UTC)); err != nil {
		t.Fatal(err)
	}
}

// trimmed is how many partitions have forgotten something.
func (h *house) trimmed(t *testing.T) int {
	t.Helper()
	n := 0
	for p := range h.log.Partitions() {
		first, err := h.log.First(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if first != "" {
			n++
		}
	}
	return n
}

// holder is whose a receipt is in history, by the card's place among cards; -1
// for nobody's.
func (h *house) holders(t *testing.T, cards []shopper.Key) map[string]int {
	t.Helper()
	of := map[shopper.ID]int{}
	for i := range cards {
		who, err := h.people.Find(t.Context(), cards[i:i+1])
		if err != nil {
			t.Fatal(err)
		}
		of[who] = i
	}
	got, err := h.past().Query(t.Context(), warehouse.Query{Purpose: warehouse.Accounting, SQL: "select receipt, shopper from receipts"})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for i := range got.Len {
		out[got.Columns[0].Texts[i]] = -1
		if c := got.Columns[1]; c.Nulls == nil || !c.Nulls[i] {
			out[got.Columns[0].Texts[i]] = of[shopper.FromUint64(uint64(c.Ints[i]))]
		}
	}
	return out
}

// Corrections name other shoppers, nobody, and the first one again, while days
// are sealed and the stream forgets. Is each purchase in the one profile it
// belongs to, and are profiles that are folded again from the start the same?
func TestACorrectionThatNamesAnotherShopperMovesTheReceipt(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 17))
			h, live := open(t), profiles(t, "live")
			cards := []shopper.Key{card(t, "ana"), card(t, "bea"), card(t, "cleo")}
			want, versions := map[string]int{}, map[string]uint32{}
			for range 30 {
				var batch []ingest.Receipt
				for range 1 + rng.IntN(6) {
					id := fmt.Sprint("r", rng.IntN(25))
					r := receipt(t, id, line("of "+id, 100+rng.IntN(9)))
					r.At = h.clock().Add(-time.Duration(rng.IntN(200)) * time.Hour)
					if v, ok := versions[id]; ok {
						r.Version = v + 1 + uint32(rng.IntN(2))
					}
					want[id], versions[id] = -1, r.Version
					if n := rng.IntN(len(cards) + 1); n < len(cards) {
						r.Keys, want[id] = cards[n:n+1], n
					}
					batch = append(batch, r)
				}
				if got := said(h.receipts(t, batch...)); strings.Contains(got, "conflict") {
					t.Fatalf("a correction is a conflict: %s", got)
				}
				if rng.IntN(3) == 0 {
					h.fold(t, live, 1+rng.IntN(5))
				}
				if rng.IntN(4) == 0 {
					h.fold(t, live, 100)
					h.seal(t)
				}
				h.pass(time.Duration(rng.IntN(5*24)) * time.Hour)
			}
			h.fold(t, live, 3)
			if h.trimmed(t) == 0 {
				t.Fatal("the stream has forgotten nothing")
			}
			for id, n := range h.holders(t, cards) {
				if want[id] != n {
					t.Errorf("history says %s is of %d, want %d", id, n, want[id])
				}
			}
			checkHabits(t, h, live, cards, want)
			for _, atOnce := range []int{1, 4, 1_000} {
				again := profiles(t, fmt.Sprint("again", atOnce))
				h.fold(t, again, atOnce)
				if a, b := dump(t, live), dump(t, again); a != b {
					t.Fatalf("folded again by %d:\n%s\nwas\n%s", atOnce, b, a)
				}
			}
			if err := h.past().Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			again := profiles(t, "after a reset")
			h.fold(t, again, 50)
			if a, b := dump(t, live), dump(t, again); a != b {
				t.Fatalf("folded again after history was:\n%s\nwas\n%s", b, a)
			}
		})
	}
}

// checkHabits checks that each shopper's habits name the products of her
// receipts and no others.
func checkHabits(t *testing.T, h *house, live *pebbleshelf.Store, cards []shopper.Key, want map[string]int) {
	t.Helper()
	for n := range cards {
		who, err := h.people.Find(t.Context(), cards[n:n+1])
		if err != nil {
			t.Fatal(err)
		}
		p, err := live.Get(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		for id, of := range want {
			if has := bought(p, catalog.ProductID("of "+id)); has != (of == n) {
				t.Errorf("%s is of %d; that %d bought it is %t", id, of, n, has)
			}
		}
	}
}

// bought reports whether a profile's habits name a product.
func bought(p profile.Profile, id catalog.ProductID) bool {
	return bytes.Contains(p[recommend.Section], binary.LittleEndian.AppendUint64(nil, id.Hash()))
}

// A file of receipts and their corrections is loaded twice, then one batch
// corrects what it brought itself: are moves told once?
func TestMovesAreToldOnce(t *testing.T) {
	t.Parallel()
	h := open(t)
	ana, bea := card(t, "ana"), card(t, "bea")
	version := func(v uint32, keys ...shopper.Key) ingest.Receipt {
		r := receipt(t, "one", line("oats", 250))
		r.Version, r.Keys = v, keys
		return r
	}
	load := []ingest.Receipt{version(0, ana), version(1, bea), version(2), version(3, ana), version(4, ana)}
	if got := said(h.receipts(t, load...)); got != "new corrected corrected corrected corrected" {
		t.Fatalf("got %s", got)
	}
	if got := said(h.receipts(t, load...)); got != "repeat repeat repeat repeat repeat" {
		t.Fatalf("again: %s", got)
	}
	if got := said(h.receipts(t, version(2, bea), version(4, bea))); got != "conflict:id conflict:id" {
		t.Fatalf("what contradicts is %s", got)
	}
	var versions []uint32
	for _, f := range h.facts(t, event.KindMoved) {
		if f.ID != "one" || !f.Shopper.Known() {
			t.Errorf("moved is %q of anybody: %t", f.ID, f.Shopper.Known())
		}
		versions = append(versions, f.Version)
	}
	slices.Sort(versions)
	if !slices.Equal(versions, []uint32{1, 2}) {
		t.Errorf("moves by the versions %v, want those to bea and from bea", versions)
	}
}

// Two tills correct the same receipt at once, each for another shopper: does one
// shopper have it in the end?
func TestRacingCorrectionsLeaveOneHolder(t *testing.T) {
	t.Parallel()
	h, live := open(t), profiles(t, "live")
	const tills = 8
	var cards []shopper.Key
	for i := range tills {
		cards = append(cards, card(t, fmt.Sprint("card", i)))
	}
	done := make(chan error, tills)
	for i := range tills {
		r := receipt(t, "one", line("oats", 250))
		r.Version, r.Keys, r.Lines = uint32(i), cards[i:i+1], []basket.Line{line("oats", 250)}
		go func() {
			_, err := h.Receipts(context.WithoutCancel(t.Context()), []ingest.Receipt{r}, file)
			done <- err
		}()
	}
	for range tills {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	h.fold(t, live, 10)
	holders := 0
	for i := range cards {
		who, err := h.people.Find(t.Context(), cards[i:i+1])
		if err != nil {
			t.Fatal(err)
		}
		p, err := live.Get(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		if bought(p, "oats") {
			holders++
		}
	}
	if holders != 1 {
		t.Errorf("%d shoppers bought the oats of one receipt", holders)
	}
}

// A shopper of four years loses her newest receipt to another, or to an earlier
// day. What was dropped for its sake when it came is not in history's way back
// either: do both agree?
func TestALongHistoryIsTheSameAfterItsNewestReceiptMoved(t *testing.T) {
	t.Parallel()
	t.Run("to another shopper", func(t *testing.T) { longHistory(t, 0, "bea") })
	t.Run("to an earlier day", func(t *testing.T) { longHistory(t, 10, "ana") })
}

// longHistory corrects the newest receipt to be of so many days ago, and whose.
func longHistory(t *testing.T, ago int, whose string) {
	t.Helper()
	t.Parallel()
	h, live := open(t), profiles(t, "live")
	ana := card(t, "ana")
	send := func(id string, daysAgo int, version uint32, key shopper.Key) {
		r := receipt(t, id, line("of "+id, 100))
		r.At, r.Version, r.Keys = h.clock().AddDate(0, 0, -daysAgo), version, []shopper.Key{key}
		if got := said(h.receipts(t, r)); got != "new" && got != "corrected" {
			t.Fatalf("%s is %s", id, got)
		}
	}
	for day := 1_500; day > 0; day -= 20 {
		send(fmt.Sprint("r", day), day, 0, ana)
	}
	send("newest", 0, 0, ana)
	h.fold(t, live, 10)
	send("newest", ago, 1, card(t, whose))
	h.fold(t, live, 10)
	for range 2 {
		h.pass(20 * 24 * time.Hour)
		h.seal(t)
	}
	if h.trimmed(t) == 0 {
		t.Fatal("the stream has forgotten nothing")
	}
	again := profiles(t, "again")
	h.fold(t, again, 10)
	if a, b := dump(t, live), dump(t, again); a != b {
		t.Fatalf("folded again:\n%s\nwas\n%s", b, a)
	}
}

// A shopper was forgotten, and then a till corrects a receipt that was hers.
func TestNoMoveNamesAForgottenShopper(t *testing.T) {
	t.Parallel()
	h := open(t)
	ana, bea := []shopper.Key{card(t, "ana")}, []shopper.Key{card(t, "bea")}
	first, second := receipt(t, "one", line("oats", 250)), receipt(t, "one", line("oats", 250))
	first.Keys, second.Keys, second.Version = ana, bea, 1
	h.receipts(t, first)
	who, err := h.people.Find(t.Context(), ana)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Forget(t.Context(), who, file); err != nil {
		t.Fatal(err)
	}
	if got := said(h.receipts(t, second)); got != "corrected" {
		t.Fatalf("the correction is %s", got)
	}
	if got := h.facts(t, event.KindMoved); len(got) != 0 {
		t.Error("a move names a shopper who was forgotten")
	}
}
