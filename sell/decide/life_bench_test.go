package decide_test

import (
	"fmt"
	mrand "math/rand/v2"
	"testing"
	"time"

	"endcap/keep/files/dirfiles"
	"endcap/know/recommend"
	"endcap/know/recommend/response"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/event"
)

// BenchmarkChances is BenchmarkDecide with the house's own recommender: by fit, and
// by the chances of a model that has learned. Every shopper buys some 250 products.
func BenchmarkChances(b *testing.B) {
	m := newMarket(b)
	m.buy(b)
	c := &served{&response.Served{}}
	dir, err := dirfiles.Open(b.TempDir(), nil)
	must(b, err)
	r := recommend.New(goods(), dir, recommend.Options{Chances: c})
	must(b, r.Refresh(b.Context()))
	for _, name := range []string{"fit", "chances"} {
		b.Run(name, func(b *testing.B) {
			if name == "chances" {
				c.now = m.learned(b, r)
			}
			d := m.deciderWith(b, &counter{}, r)
			for i := range m.requests { // so that pages are made
				_, err := d.Decide(b.Context(), &m.requests[i])
				must(b, err)
			}
			cpu, i := usage(b), 0
			b.ReportAllocs()
			for b.Loop() {
				_, err := d.Decide(b.Context(), &m.requests[i%len(m.requests)])
				must(b, err)
				i++
			}
			b.StopTimer()
			b.ReportMetric(float64((usage(b)-cpu).Nanoseconds())/float64(i), "cpu-ns/op")
		})
	}
	b.Run("page", func(b *testing.B) { // made anew for the first visitor after a publication
		c.now = &response.Served{Scorer: c.now.Scorer, Ready: true, Serial: 9}
		d := m.deciderWith(b, &counter{}, r)
		cpu, i := usage(b), 0
		for b.Loop() {
			c.now = &response.Served{Scorer: c.now.Scorer, Ready: true, Serial: c.now.Serial + 1}
			_, err := d.Decide(b.Context(), &m.requests[i%len(m.requests)])
			must(b, err)
			i++
		}
		b.StopTimer()
		b.ReportMetric(float64((usage(b)-cpu).Nanoseconds())/float64(i), "cpu-ns/op")
	})
}

type served struct{ now *response.Served }

func (s *served) Served() *response.Served { return s.now }

// learned is a model that saw the market's visitors 40 times and more, and some of
// what they were shown clicked.
func (m *market) learned(b *testing.B, r *recommend.Recommender) *response.Served {
	b.Helper()
	l, err := response.New(response.Defaults())
	must(b, err)
	rng := mrand.New(mrand.NewPCG(3, 3))
	for range 4 {
		rec := &recorder{}
		d := m.deciderWith(b, rec, r)
		for i := range m.requests {
			_, err := d.Decide(b.Context(), &m.requests[i])
			must(b, err)
		}
		for _, fact := range rec.decided() {
			all, err := response.Showings(&fact)
			must(b, err)
			for _, sh := range all {
				for range 10 {
					must(b, l.Learn([]response.Outcome{{Showing: sh, Clicked: rng.Float64() < 0.03}}))
				}
			}
		}
	}
	s := &response.Served{Scorer: l.Publish(), Ready: true, Version: 1, Serial: 1}
	if showings, clicks := s.Seen(); clicks < 1_000 {
		b.Fatalf("%d showings and %d clicks", showings, clicks)
	}
	return s
}

// range92k is the market's range: brands and categories of a large grocer.
type range92k []*catalog.Product

func goods() range92k {
	all := make(range92k, marketProducts)
	for i := range all {
		all[i] = &catalog.Product{
			ID: catalog.ProductID(fmt.Sprintf("product-%06d", i)), Name: fmt.Sprintf("Word%d thing", i%marketSearches),
			Brand: catalog.Brand(fmt.Sprint("brand", i%3_000)), Category: catalog.Category(fmt.Sprint("category", i%marketSections)),
		}
	}
	return all
}

func (range92k) Version() uint64                                            { return 1 }
func (g range92k) Products() []*catalog.Product                             { return g }
func (range92k) InStock(catalog.ProductID, catalog.StoreID) bool            { return true }
func (range92k) Count(catalog.ProductID, catalog.StoreID) (n int64, _ bool) { return n, false }

// buy gives every shopper of the market half a year of receipts.
func (m *market) buy(b testing.TB) {
	b.Helper()
	rng := mrand.New(mrand.NewPCG(11, 11))
	for i := range m.requests {
		who := m.requests[i].Shopper
		if !who.Known() {
			continue
		}
		var facts []*event.Fact
		for n := range 26 {
			day := today - retail.Day(7*n)
			rc := basket.Receipt{ID: basket.ReceiptID(fmt.Sprint(i, "-", n)), At: day.UTC().Add(time.Hour), Currency: "EUR"}
			for range 14 {
				rc.Lines = append(rc.Lines, basket.Line{Product: catalog.ProductID(fmt.Sprintf("product-%06d", rng.IntN(300)*rng.IntN(300))), Quantity: basket.Piece})
			}
			facts = append(facts, &event.Fact{ID: string(rc.ID), At: rc.At, Day: day, Shopper: who, Body: event.Receipt{Receipt: rc}})
		}
		section, err := recommend.Fold(nil, facts)
		must(b, err)
		must(b, m.shelf.Apply(b.Context(), fmt.Sprint("bought", i), 0, "1", []profileChange{{Shopper: who, Section: "habits", Value: section}}))
	}
}
