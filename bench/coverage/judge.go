package main

import (
	"math"

	"endcap/simulate/play"
)

// judged is what one campaign's interval is worth. Amounts are currency units.
type judged struct {
	cell   string
	told   bool   // the report gives an interval
	why    string // it does not
	inside bool   // it holds the truth
	width  float64
	oracle float64 // the width of an oracle's interval
	roas   string
	truth  float64
}

// normal is the two-sided 95 % point of the normal distribution.
const normal = 1.959964

// judge holds an interval against the truth: what the treated who won the advert
// spent more than they would have.
func judge(f *play.Found, low, high float64) judged {
	truth := float64(f.Treated.Extra()) / 100
	return judged{
		told: true, inside: low <= truth && truth <= high, width: high - low, oracle: 2 * normal * math.Sqrt(oracle(f)), truth: truth,
	}
}

// oracle is the variance of the treated's total for who knows what every exposed
// shopper would spend in either group: that of n·(Ȳt − Ȳc), both adjusted for
// spend before by the slope that leaves least, with
//
//	V = n²t (S²1/nt + S²0/nc)
//
// over all exposed, S²1 and S²0 the variances with and without adverts. Of the
// treated both are known, and of the held-out, because With is what they would
// have spent.
func oracle(f *play.Found) float64 {
	var before, with, without []float64
	for i := range f.Exposed {
		if x := &f.Exposed[i]; x.Measured {
			before = append(before, float64(x.Before)/100)
			with = append(with, float64(x.With())/100)
			without = append(without, float64(x.Without())/100)
		}
	}
	nt, nc := float64(f.Treated.Shoppers), float64(f.Held.Shoppers)
	if nt < 1 || nc < 1 {
		return math.NaN()
	}
	return nt * nt * (residual(before, with)/nt + residual(before, without)/nc)
}

// residual is the variance of y that a straight line in x leaves.
func residual(x, y []float64) float64 {
	var mx, my, xx, yy, xy float64
	n := float64(len(x))
	for i := range x {
		mx, my = mx+x[i]/n, my+y[i]/n
	}
	for i := range x {
		dx, dy := x[i]-mx, y[i]-my
		xx, yy, xy = xx+dx*dx, yy+dy*dy, xy+dx*dy
	}
	if xx > 0 {
		yy -= xy * xy / xx
	}
	return math.Max(yy, 0) / math.Max(n-2, 1)
}
