package world

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"endcap/simulate/play"
)

// An oracle's variance is that of the estimate over many draws of the arms.
func TestTheOracleKnowsTheVarianceOfTheEstimate(t *testing.T) {
	t.Parallel()
	const n, draws = 400, 4_000
	r := rand.New(rand.NewPCG(1, 2))
	people := make([]play.Exposed, n)
	for i := range people {
		before := int64(r.ExpFloat64() * 1_000)
		without := before/2 + int64(r.ExpFloat64()*500)
		people[i] = play.Exposed{Measured: true, Before: before, WithoutStore: without, WithStore: without + 100}
	}
	var mean, square, want float64
	for range draws {
		f := play.Found{Exposed: people}
		var sum [2]float64
		for i := range people {
			x := &people[i]
			adjusted := float64(x.Without()-x.Before/2) / 100 // the planted slope
			if r.IntN(2) == 0 {
				f.Held.Shoppers++
				sum[0] += adjusted
			} else {
				f.Treated.Shoppers++
				sum[1] += adjusted + 1
			}
		}
		nt, nc := float64(f.Treated.Shoppers), float64(f.Held.Shoppers)
		off := nt*(sum[1]/nt-sum[0]/nc) - nt // from the truth, 1 a head
		mean, square, want = mean+off/draws, square+off*off/draws, want+oracle(&f)/draws
	}
	if got := square - mean*mean; math.Abs(got/want-1) > 0.15 {
		t.Errorf("the estimate varies by %.1f, the oracle says %.1f", got, want)
	}
}

func TestAWorldIsWhatItsSeedSays(t *testing.T) {
	t.Parallel()
	cells := make(map[string]int)
	seeds := make(map[uint64]bool)
	for index := range 20 {
		s := Of("coverage", index, Whole)
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		seeds[s.Seed] = true
		for i := range s.Play.Campaigns {
			c := &s.Play.Campaigns[i]
			cells[fmt.Sprintf("%s %s %v", c.Where, c.Effect, c.Heterogeneous)]++
		}
	}
	if len(seeds) != 20 || len(cells) != 18 {
		t.Errorf("%d seeds and %d cells", len(seeds), len(cells))
	}
	for cell, n := range cells {
		if n < 50 {
			t.Errorf("cell %s has %d campaigns of 1,000", cell, n)
		}
	}
}
