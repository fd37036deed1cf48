package draw_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"endcap/simulate/draw"
)

func TestTheSameKeyDrawsTheSameAndAnotherDoesNot(t *testing.T) {
	t.Parallel()
	a, b, c := draw.Seed(1).For(2).For(3).Stream(), draw.Seed(1).For(2).For(3).Stream(), draw.Seed(1).For(3).For(2).Stream()
	equal := 0
	for range 1_000 {
		x := a.Uint64()
		if x != b.Uint64() {
			t.Fatal("one key, two streams")
		}
		if x == c.Uint64() {
			equal++
		}
	}
	if equal > 0 {
		t.Errorf("two keys drew %d equal numbers of 1,000", equal)
	}
}

// The first number is written down: a change of it would change every
// simulated retailer.
func TestNumbersStayAsTheyWere(t *testing.T) {
	t.Parallel()
	s := draw.Seed(42).For(7).Stream()
	if got := [2]uint64{s.Uint64(), s.Uint64()}; got != [2]uint64{0x3b762d001c8e4ccc, 0x26fa0ff675db0af3} {
		t.Errorf("seed 42 draws %#x", got)
	}
}

func TestChoicesFollowTheirWeights(t *testing.T) {
	t.Parallel()
	weights := []float64{5, 0, 1, 3, 0.5, 0.5}
	table := draw.NewAlias(weights)
	s := draw.Seed(1).Stream()
	const n = 1_000_000
	got := make([]float64, len(weights))
	for range n {
		got[table.Of(s.Uint64())]++
	}
	for i, w := range weights {
		if p := w / 10; math.Abs(got[i]/n-p) > 5*math.Sqrt(p*(1-p)/n) {
			t.Errorf("index %d came %.4f of the time, weight %.4f", i, got[i]/n, p)
		}
	}
}

func TestEveryChoiceIsAnIndexOfPositiveWeight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.SampledFrom([]float64{0, 0, 1e-9, 1, 3, 1e9}), 1, 40).Draw(t, "weights")
		weights[rapid.IntRange(0, len(weights)-1).Draw(t, "one")] = 1
		table := draw.NewAlias(weights)
		for _, x := range append(rapid.SliceOf(rapid.Uint64()).Draw(t, "numbers"), 0, math.MaxUint64) {
			if i := table.Of(x); weights[i] == 0 {
				t.Fatalf("index %d of weight 0", i)
			}
		}
	})
}

func TestQuantilesGiveBackWhatTheySketch(t *testing.T) {
	t.Parallel()
	values := make([]float64, 1_001)
	for i := range values {
		values[i] = float64(i * i)
	}
	q := draw.Sketch(values, 100)
	for _, p := range []float64{0, 0.01, 0.37, 0.5, 0.99, 1} {
		if got, want := q.At(p), 1e6*p*p; math.Abs(got-want) > 30 {
			t.Errorf("quantile %.2f: %.0f, want %.0f", p, got, want)
		}
	}
	if got, want := q.Mean(), 1e6/3; math.Abs(got-want) > 100 {
		t.Errorf("mean %.0f, want %.0f", got, want)
	}
	if got := draw.Phi(draw.Normal(0.2)); math.Abs(got-0.2) > 1e-12 {
		t.Errorf("normal and back: %v", got)
	}
}

func TestCountsHaveTheirMean(t *testing.T) {
	t.Parallel()
	s := draw.Seed(3).Stream()
	for _, mean := range []float64{0.1, 1, 7} {
		const n = 200_000
		sum := 0
		for range n {
			sum += s.Poisson(mean)
		}
		if got := float64(sum) / n; math.Abs(got-mean) > 5*math.Sqrt(mean/n) {
			t.Errorf("mean %.3f, want %.3f", got, mean)
		}
	}
}
