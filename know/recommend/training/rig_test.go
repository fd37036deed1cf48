package training_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"endcap/keep/files/dirfiles"
	"endcap/keep/stream"
	"endcap/keep/warehouse"
	"endcap/keep/warehouse/duck"
	"endcap/keep/warehouse/subset"
	"endcap/know/history"
	"endcap/know/recommend/training"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

const seed = 11

var today = retail.Date(2017, time.December, 4)

// Shoppers of the town have staples of their own, five of which they buy every third
// day. Where they go round, these are the five that they bought longest ago; where
// they cling, those that they bought last.
const (
	townShoppers = 70
	townDays     = 98
	townStaples  = 25
	townProducts = 200
	goods        = 5
)

// clings says on which days, counted back from the last, shoppers cling.
type clings func(ago retail.Day) bool

func never(retail.Day) bool        { return false }
func lastWeek(ago retail.Day) bool { return ago < 7 }
func mondays(ago retail.Day) bool  { return ago >= 7 && ago%7 >= 4 } // the first basket of a week, but of the last

func idOf(n int) shopper.ID {
	return shopper.FromUint64(uint64(n+1) * 0x9e3779b97f4a7c15) // spread over the whole range, as ids are
}

// town is the facts of some shoppers; of the last, none allow offers.
func town(shoppers int, cling clings) []event.Fact {
	rnd := rand.New(rand.NewPCG(seed, 0))
	var facts []event.Fact
	for p := range townProducts {
		facts = append(facts, event.Fact{ID: fmt.Sprint("p", p), At: (today - 400).UTC(), Source: "test", Body: event.Product{Product: catalog.Product{
			ID: productOf(p), Department: "GROCERY", Category: catalog.Category(fmt.Sprint("C", p/20)), Type: catalog.Type(fmt.Sprint("T", p/5)), Brand: catalog.Brand(fmt.Sprint("B", p%7)),
		}}})
	}
	for n := range shoppers {
		allowed := consent.All
		if n == shoppers-1 {
			allowed = allowed.Without(consent.PersonalOffers)
		}
		facts = append(facts, allows(n, today-400, allowed))
		staples := rnd.Perm(townProducts)[:townStaples]
		for ago := retail.Day(townDays - n%3); ago >= 0; ago -= 3 {
			if !cling(ago) { // the oldest come first, and go last
				staples = append(slices.Clone(staples[goods:]), staples[:goods]...)
			}
			bought := slices.Clone(staples[townStaples-goods:])
			if rnd.IntN(3) == 0 {
				bought = append(bought, 0) // what everybody buys, and is never proposed
			}
			if n == 3 && ago%2 == 0 {
				bought = append(bought, 1) // sensitive
			}
			facts = append(facts, buys(n, today-ago, bought))
		}
	}
	return facts
}

func productOf(p int) catalog.ProductID { return catalog.ProductID(fmt.Sprint("p", p)) }

func allows(n int, day retail.Day, set consent.Set) event.Fact {
	return event.Fact{ID: fmt.Sprint("c", n, day), At: day.UTC(), Arrived: day.UTC(), Day: day, Shopper: idOf(n), Source: "test", Body: event.Consent{Allowed: set}}
}

func buys(n int, day retail.Day, products []int) event.Fact {
	r := basket.Receipt{ID: basket.ReceiptID(fmt.Sprint("r", n, "-", day)), Store: "s1", Channel: catalog.InStore, At: day.UTC().Add(12 * time.Hour), Currency: "EUR"}
	slices.Sort(products)
	for _, p := range slices.Compact(products) {
		r.Lines = append(r.Lines, basket.Line{Product: productOf(p), Quantity: basket.Piece, Sales: 2 * retail.Unit})
	}
	return event.Fact{ID: string(r.ID), At: r.At, Arrived: r.At, Day: day, Shopper: idOf(n), Source: "test", Body: event.Receipt{Receipt: r}}
}

// house is a warehouse and the versions that were trained from it.
type house struct {
	tb     testing.TB
	past   *duck.Warehouse
	dir    string
	files  *dirfiles.Dir
	keeper *training.Keeper
	set    training.Settings

	mu   sync.Mutex
	left map[shopper.ID]bool // who allows it no more
	rest func() error
}

func open(tb testing.TB, facts []event.Fact) *house {
	tb.Helper()
	h := &house{tb: tb, dir: tb.TempDir(), left: map[shopper.ID]bool{}}
	var err error
	if h.files, err = dirfiles.Open(h.dir, nil); err != nil {
		tb.Fatal(err)
	}
	h.past = pastOf(tb, facts)
	h.keeper = training.NewKeeper(h.files, h.allow)
	h.set = training.Settings{Days: 98, Shoppers: 1_000, Trees: 30, SearchDays: 28, Seed: seed}
	return h
}

func pastOf(tb testing.TB, facts []event.Fact) *duck.Warehouse {
	tb.Helper()
	o := duck.Defaults()
	o.Check = subset.Check
	w, err := duck.Open(tb.Context(), tb.TempDir(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := w.Close(); err != nil {
			tb.Error(err)
		}
	})
	if len(facts) > 0 {
		if err := w.Append(tb.Context(), []warehouse.Fold{{Next: "1", Through: today.UTC(), Rows: history.Rows(facts)}}); err != nil {
			tb.Fatal(err)
		}
	}
	return w
}

func (h *house) allow(_ context.Context, who shopper.ID) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.left[who], nil
}

func (h *house) leaves(who shopper.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left[who] = true
}

// told lets facts come through the stream.
func (h *house) told(facts ...event.Fact) {
	h.tb.Helper()
	f := h.keeper.Follower(func(context.Context, int) (event.Cursor, error) { return "", nil }, func(id shopper.ID) shopper.ID { return id })
	if err := f.Fold(h.tb.Context(), stream.Batch{Facts: facts, Next: "1"}); err != nil {
		h.tb.Fatal(err)
	}
}

func (h *house) trainer() *training.Trainer {
	h.tb.Helper()
	rest := func(context.Context) error {
		if h.rest == nil {
			return nil
		}
		return h.rest()
	}
	t, err := training.New(training.Config{
		From: h.past, Keeper: h.keeper, Settings: h.set, Rest: rest, Never: catalog.Set{Products: []catalog.ProductID{productOf(0)}}, Sensitive: shield(),
	})
	if err != nil {
		h.tb.Fatal(err)
	}
	return t
}

func (h *house) train() training.Outcome {
	h.tb.Helper()
	out, err := h.trainer().Train(h.tb.Context(), training.Order{Through: today, At: today.UTC()})
	if err != nil {
		h.tb.Fatal(err)
	}
	return out
}

// holds says in which files some bytes are.
func (h *house) holds(needle []byte) (found []string) {
	h.tb.Helper()
	err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, needle) {
			rel, _ := filepath.Rel(h.dir, path)
			found = append(found, rel)
		}
		return err
	})
	if err != nil {
		h.tb.Fatal(err)
	}
	return found
}

// newest is the path of the newest file of a version.
func (h *house) newest(number uint64) string {
	h.tb.Helper()
	all, err := filepath.Glob(filepath.Join(h.dir, "nextbasket", fmt.Sprint("v", number), "0*"))
	if err != nil || len(all) == 0 {
		h.tb.Fatalf("version %d has no file: %v", number, err)
	}
	return all[len(all)-1]
}
