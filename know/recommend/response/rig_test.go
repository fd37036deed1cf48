package response_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"endcap/know/recommend/response"
	"endcap/retail/catalog"
)

// site is a page with known truth: products of different appeal, which stands over
// for those she buys, at positions that are looked at with known chances.
type site struct {
	r      *rand.Rand
	looked []float64 // by position, from 0
	appeal []float64 // by product
	fixed  bool      // every product stands at its own position
	habit  float64   // by which her habits multiply the odds
}

func newSite(seed uint64) *site {
	s := &site{r: rand.New(rand.NewPCG(seed, 1)), looked: []float64{1, 0.7, 0.4, 0.25, 0.15}, habit: 6}
	for range 20 {
		s.appeal = append(s.appeal, 0.05+0.25*s.r.Float64())
	}
	return s
}

// chances are the true ones of a showing: that it is looked at, that it is clicked
// then, that it is bought then.
func (s *site) chances(sh *response.Showing) (looked, clicked, bought float64) {
	var product int
	_, _ = fmt.Sscan(string(sh.Product), &product)
	odds := s.appeal[product] / (1 - s.appeal[product])
	bought = 0.2
	if sh.Relation != nil && sh.Relation.Receipts > 0 {
		odds *= s.habit
		bought = 0.5
	}
	return s.looked[sh.Position-1], odds / (1 + odds), bought
}

// show draws a showing.
func (s *site) show() response.Showing {
	product := s.r.IntN(len(s.appeal))
	sh := response.Showing{
		Placement: "search", Position: 1 + s.r.IntN(len(s.looked)), Channel: catalog.Online, Hour: s.r.IntN(24),
		Product: catalog.ProductID(fmt.Sprint(product)), Brand: "B", Category: "C", Words: response.NotAsked, Within: 1, Popularity: 0.05,
	}
	if s.fixed {
		sh.Position = 1 + product%len(s.looked)
	}
	if s.r.IntN(2) == 0 {
		sh.Relation = &response.Relation{CategoryReceipts: 4}
		if s.r.IntN(3) == 0 {
			sh.Relation.Receipts, sh.Relation.Days = 3, 9
		}
	}
	return sh
}

// live draws outcomes.
func (s *site) live(n int) []response.Outcome {
	out := make([]response.Outcome, n)
	for i := range out {
		o := &out[i]
		o.Showing = s.show()
		looked, clicked, bought := s.chances(&o.Showing)
		o.Clicked = s.r.Float64() < looked*clicked
		o.Bought = o.Clicked && s.r.Float64() < bought
	}
	return out
}

// small is a configuration for short lives.
func small() response.Config {
	c := response.Defaults()
	c.Bits = 12
	c.Click.Alpha, c.Buy.Alpha = 0.05, 0.05
	return c
}

func learner(t testing.TB, c response.Config, all []response.Outcome) *response.Learner {
	t.Helper()
	l, err := response.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Learn(all); err != nil {
		t.Fatal(err)
	}
	l.Publish()
	return l
}

func answer(t testing.TB, l *response.Learner, sh response.Showing) response.Answer {
	t.Helper()
	a, err := l.Scorer().Answer(&sh)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []float64{a.Examined, a.Clicked, a.Bought, a.Click(), a.Purchase()} {
		if !(p > 0 && p <= 1) || math.IsNaN(p) {
			t.Fatalf("%+v is no answer", a)
		}
	}
	return a
}
