package judge

import (
	"math/rand/v2"
	"slices"
)

// Measure picks one figure.
type Measure func(*Figures) float64

// Interval is how many times another's a figure is, with a 95 % interval.
type Interval struct{ Ratio, Low, High float64 }

// Bootstrap says how intervals are found: of lists of K, as many questions as there
// are, drawn with replacement, Rounds times.
type Bootstrap struct {
	K, Rounds int
	Seed      uint64
}

// Compare is the ratio of a measure of ours to one of theirs, over the same
// questions in the same order, with the percentiles of a paired bootstrap.
func (b Bootstrap) Compare(ours, theirs []Answer, of Measure) Interval {
	if len(ours) != len(theirs) {
		panic("judge: bug: answers to different questions")
	}
	x, y := each(b.K, ours, of), each(b.K, theirs, of)
	rnd := rand.New(rand.NewPCG(b.Seed, 1)) //nolint:gosec // a draw that can be repeated
	ratios := make([]float64, b.Rounds)
	for r := range ratios {
		var up, down float64
		for range x {
			i := rnd.IntN(len(x))
			up, down = up+x[i], down+y[i]
		}
		ratios[r] = up / down
	}
	slices.Sort(ratios)
	var up, down float64
	for i := range x {
		up, down = up+x[i], down+y[i]
	}
	out := Interval{Ratio: up / down, Low: up / down, High: up / down}
	if b.Rounds > 0 {
		out.Low, out.High = ratios[b.Rounds*25/1000], ratios[min(b.Rounds*975/1000, b.Rounds-1)]
	}
	return out
}

// each is the measure of every answer by itself.
func each(k int, answers []Answer, of Measure) []float64 {
	out := make([]float64, len(answers))
	for i := range answers {
		f := At(k, answers[i:i+1])
		out[i] = of(&f)
	}
	return out
}
