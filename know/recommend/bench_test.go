package recommend_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"endcap/keep/files/dirfiles"
	"endcap/keep/warehouse"
	"endcap/keep/warehouse/duck"
	"endcap/know/history"
	"endcap/know/recommend"
	"endcap/know/recommend/training"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
	"endcap/retail/visit"
)

// A supermarket's range, of which few products are bought often and most seldom.
const (
	supermarketProducts = 100_000
	supermarketShoppers = 2_000
)

func supermarketID(n int) uint64 { return uint64(n+1) * 0x9e3779b97f4a7c15 }

// supermarket is a Recommender over the whole range, with a model, and some shoppers'
// sections.
func supermarket(b *testing.B) (*recommend.Recommender, [][]byte) {
	b.Helper()
	rnd := rand.New(rand.NewPCG(1, 1))
	draw := func() int { return int(math.Exp(rnd.Float64()*math.Log(supermarketProducts+1))) - 1 }
	name := func(p int) catalog.ProductID { return catalog.ProductID(fmt.Sprint("g", p)) }
	s := &shelf{version: 1, gone: map[string]bool{}}
	for p := range supermarketProducts {
		s.rows = append(s.rows, &catalog.Product{ID: name(p), Name: fmt.Sprint("Good ", p), Department: "D", Category: catalog.Category(fmt.Sprint("C", p%300)), Type: catalog.Type(fmt.Sprint("T", p%3_000))})
	}
	w, err := duck.Open(b.Context(), b.TempDir(), duck.Defaults())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	rows := history.Rows(listed(s))
	var sections [][]byte
	for n := range supermarketShoppers {
		facts := []event.Fact{{ID: fmt.Sprint("c", n), At: (today - 300).UTC(), Day: today - 300, Shopper: shopper.FromUint64(supermarketID(n)), Source: "test", Body: event.Consent{Allowed: consent.All}}}
		var staples []int
		for range 150 {
			staples = append(staples, draw())
		}
		for ago := retail.Day(97); ago >= 1; ago -= 4 {
			var goods []catalog.ProductID
			for range 10 + rnd.IntN(20) {
				goods = append(goods, name(staples[rnd.IntN(len(staples))]), name(draw()))
			}
			slices.Sort(goods)
			facts = append(facts, bought(supermarketID(n), fmt.Sprint("r", n, "-", ago), ago, "s1", slices.Compact(goods)...))
		}
		rows = append(rows, history.Rows(facts)...)
		sections = append(sections, fold(b, nil, facts[1:]...))
	}
	if err := w.Append(b.Context(), []warehouse.Fold{{Next: "1", Through: today.UTC(), Rows: rows}}); err != nil {
		b.Fatal(err)
	}
	d, err := dirfiles.Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	keeper := training.NewKeeper(d, nil)
	tr, err := training.New(training.Config{From: w, Keeper: keeper, Settings: training.Settings{Days: 98, Shoppers: 2_000, SearchDays: 28, Seed: 1}})
	if err != nil {
		b.Fatal(err)
	}
	if out, err := tr.Train(b.Context(), training.Order{Through: today - 1, At: today.UTC()}); err != nil || out.Published != 1 {
		b.Fatalf("outcome %+v, %v", out, err)
	}
	r := recommend.New(s, d, recommend.Options{Next: keeper})
	if err := r.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d of %d products have a number, %d shoppers stand in the crowd", keeper.Now().Products, supermarketProducts, keeper.Now().Members)
	return r, sections
}

// BenchmarkNextBasket proposes from a range of 100,000 products, one list after the
// other, and says how long the slowest hundredth took at least.
func BenchmarkNextBasket(b *testing.B) {
	r, sections := supermarket(b)
	v := &visit.Visit{List: visit.NextBasket, Day: today}
	var took []time.Duration
	n := 0
	for b.Loop() {
		at := n % len(sections)
		start := time.Now()
		got := r.Propose(shopper.FromUint64(supermarketID(at)), sections[at], v, 20)
		took = append(took, time.Since(start))
		if len(got.Proposals) != 20 {
			b.Fatalf("%d proposals", len(got.Proposals))
		}
		n++
	}
	slices.SortFunc(took, cmp.Compare)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1e3, "p99-ms")
}
