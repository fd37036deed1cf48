package main

import (
	"math"

	"endcap/bench/coverage/world"
)

// judged is what one campaign gave, held against the truth.
type judged struct {
	world.Outcome

	// truth is what the campaign sold, in cents: the sum over the treated who won
	// it of spend with adverts less spend without. Would-be-exposed are the held-out
	// too, but nothing was sold to them: a report's incremental sales are of the
	// treated alone, and so is what they are held against.
	truth  int64
	oracle float64 // the width of an oracle's interval, in cents
}

func judge(all []world.Outcome) []judged {
	out := make([]judged, len(all))
	for i := range all {
		o := &all[i]
		out[i] = judged{*o, o.Treated.With - o.Treated.Without, 2 * normal * math.Sqrt(variance(&o.Treated, &o.Held))}
	}
	return out
}

func (j *judged) inside() bool { return j.Absent == "" && j.Low <= j.truth && j.truth <= j.High }

// normal is the two-sided 95 % point of the normal distribution.
const normal = 1.959964

// variance is that of an estimate around the truth, in squared cents, over the
// drawing of arms, for an oracle who knows what each of the N = nt + nc exposed
// would have spent without adverts.
//
// The estimate is nt(Ȳt(1) − Ȳc(0)), the truth nt(Ȳt(1) − Ȳt(0)): both are of the
// same treated, so what they spent with adverts falls out, however much the effect
// differs between them, and the error is
//
//	nt(Ȳt(0) − Ȳc(0)) = nt·N/nc·(Ȳt(0) − Ȳ(0))
//
// Ȳt(0) is the mean of nt of N shoppers drawn without replacement, whose variance is
// S²·nc/(N·nt) (Cochran, Sampling Techniques, theorem 2.2). So
//
//	V = n²t·S²·(1/nt + 1/nc)
//
// exactly, S² being the variance, with N − 1, of spend without adverts over both
// arms. The product adjusts for spend before, X, and so does the oracle: by the
// slope over all exposed, which leaves the least S². It is Neyman's (1923) for an
// average over all exposed that is not: that asks for the variance of spend with
// adverts too, and for what nobody can know.
func variance(treated, held *world.Arm) float64 {
	nt, nc := float64(treated.Shoppers), float64(held.Shoppers)
	n := nt + nc
	if nt < 1 || nc < 1 {
		return 0
	}
	x, y := float64(treated.Before+held.Before), float64(treated.Without+held.Without)
	xx := float64(treated.BeforeSquared+held.BeforeSquared) - x*x/n
	yy := float64(treated.WithoutSquared+held.WithoutSquared) - y*y/n
	xy := float64(treated.BeforeWithout+held.BeforeWithout) - x*y/n
	if xx > 0 {
		yy -= xy * xy / xx
	}
	return nt * nt * math.Max(yy, 0) / (n - 1) * (1/nt + 1/nc)
}
