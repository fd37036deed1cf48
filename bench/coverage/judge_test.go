package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"endcap/bench/coverage/world"
	"endcap/prove/measure"
	"endcap/retail"
	"endcap/retail/trial"
)

// shopper is what one of them spends, in cents.
type shopper struct{ before, with, without int64 }

func add(a *world.Arm, x *shopper) {
	a.Shoppers++
	a.Before, a.With, a.Without = a.Before+x.before, a.With+x.with, a.Without+x.without
	a.BeforeSquared, a.WithSquared, a.WithoutSquared = a.BeforeSquared+x.before*x.before, a.WithSquared+x.with*x.with, a.WithoutSquared+x.without*x.without
	a.BeforeWith, a.BeforeWithout, a.Between = a.BeforeWith+x.before*x.with, a.BeforeWithout+x.before*x.without, a.Between+x.with*x.without
}

// An oracle's variance is that of the product's estimate around the truth over many
// draws of the arms, whether the effect is none, the same for all, or differs much.
func TestTheOracleKnowsTheVarianceOfTheEstimate(t *testing.T) {
	t.Parallel()
	const n, draws = 400, 3_000
	for name, effect := range map[string]func(r *rand.Rand) int64{
		"none":      func(*rand.Rand) int64 { return 0 },
		"the same":  func(*rand.Rand) int64 { return 300 },
		"different": func(r *rand.Rand) int64 { return int64(r.ExpFloat64() * 1_500) },
	} {
		r := rand.New(rand.NewPCG(1, 2))
		all := make([]shopper, n)
		for i := range all {
			before := int64(r.ExpFloat64() * 1_000)
			without := before/2 + int64(r.ExpFloat64()*500)
			all[i] = shopper{before, without + effect(r), without}
		}
		var mean, square, want float64
		for range draws {
			var o world.Outcome
			units := make([]measure.Unit, n)
			for nth, i := range r.Perm(n) {
				x := &all[i]
				if nth < n/2 {
					add(&o.Held, x)
					units[i] = measure.Unit{Arm: trial.Control, Before: float64(x.before), Since: float64(x.without)}
				} else {
					add(&o.Treated, x)
					units[i] = measure.Unit{Arm: trial.Treated, Before: float64(x.before), Since: float64(x.with)}
				}
			}
			j := judge([]world.Outcome{o})[0]
			told := measure.Estimate(units, trial.ShareAll/2) // in units of a cent
			if !told.Known() {
				t.Fatal(told.Absent)
			}
			off := float64(told.Total/retail.Unit) - float64(j.truth)
			mean, square, want = mean+off/draws, square+off*off/draws, want+variance(&o.Treated, &o.Held)/draws
		}
		if got := square - mean*mean; math.Abs(got/want-1) > 0.1 {
			t.Errorf("%s: the estimate varies by %.0f, the oracle says %.0f: seed 1, 2", name, got, want)
		}
	}
}

// Sums that are kept outlive how they are judged: a truth and a variance by hand.
func TestTheTruthIsOfTheTreatedAlone(t *testing.T) {
	t.Parallel()
	var o world.Outcome
	for _, x := range []shopper{{0, 500, 100}, {0, 300, 300}} {
		add(&o.Treated, &x)
	}
	for _, x := range []shopper{{0, 9_000, 200}, {0, 400, 400}} {
		add(&o.Held, &x)
	}
	o.Low, o.High = 400, 400
	j := judge([]world.Outcome{o})[0]
	if j.truth != 400 || !j.inside() {
		t.Errorf("the truth is %d, want 400", j.truth)
	}
	// Without adverts 100, 300, 200, 400: S² is 50,000/3, and V = 4·S²·(1/2 + 1/2).
	if got, want := variance(&o.Treated, &o.Held), 200_000.0/3; math.Abs(got-want) > 1e-6 {
		t.Errorf("the oracle's variance is %v, want %v", got, want)
	}
}
