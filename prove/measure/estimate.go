package measure

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"endcap/retail"
	"endcap/retail/trial"
)

// Confidence is that of every interval.
const Confidence = 0.95

// Absent says why an experiment gives no interval. Words cross the wire.
type Absent string

// The reasons.
const (
	FewShoppers    Absent = "few_shoppers"          // an arm has fewer than ShoppersMin shoppers
	FewBuyers      Absent = "few_buyers"            // an arm has fewer than BuyersMin who bought the range
	NoEstimate     Absent = "no_estimate"           // of a pool: none of its campaigns has one, each for its own reason
	NoControl      Absent = "no_control"            // the campaign holds nobody out
	RatioMismatch  Absent = "sample_ratio_mismatch" // the arms' sizes contradict the plan (p < RatioAlarm)
	ControlChanged Absent = "control_changed"       // too many recorded arms contradict the terms
)

// Limits below which an interval would pretend.
const (
	ShoppersMin = 30
	BuyersMin   = 5
	RatioAlarm  = 0.001
)

// Unit is one shopper of the experiment: her arm, what she spent on the range
// before her first (ghost) win and since, in currency units.
type Unit struct {
	Arm    trial.Arm
	Before float64
	Since  float64
}

// Side is what one arm looks like.
type Side struct {
	Shoppers int
	Buyers   int     // who spent since exposure
	Earlier  int     // who had spent before it
	Mean     float64 // spend a shopper since exposure, not adjusted
}

// Effect is what a campaign caused, or why that cannot be said. Money is in
// whole cents; Variance is kept so that effects can be pooled.
type Effect struct {
	Treated Side
	Control Side
	RatioP  float64 // probability of arms so unequal if the split was as planned
	Absent  Absent  // why there is no estimate; empty where there is one
	Left    int     // shoppers left out, whose recorded arm contradicts the hash

	Total     retail.Micros // extra sales among all treated shoppers who were exposed
	Low, High retail.Micros // its 95 % interval
	PerHead   float64       // extra sales per treated exposed shopper
	Variance  float64       // of Total, in squared currency units
	DF        float64       // degrees of freedom
	Theta     float64       // slope of the covariate
	Explained float64       // share of the variance that the covariate took away
}

// Known reports whether there is an estimate with an interval.
func (e *Effect) Known() bool { return e.Absent == "" }

// Includes reports whether an amount lies in the interval.
func (e *Effect) Includes(a retail.Micros) bool { return e.Known() && e.Low <= a && a <= e.High }

// moments are the sums that the estimator needs of one arm.
type moments struct {
	n, buyers     float64
	earlier       int
	x, y          float64 // means
	xx, yy, xy    float64 // centred sums of squares and products
	before, since []float64
}

// take computes the moments in two passes, which keeps small variances exact.
func (m *moments) take() {
	m.n = float64(len(m.since))
	for i, y := range m.since {
		m.x += m.before[i]
		m.y += y
		if y > 0 {
			m.buyers++
		}
		if m.before[i] != 0 {
			m.earlier++
		}
	}
	if m.n == 0 {
		return
	}
	m.x, m.y = m.x/m.n, m.y/m.n
	for i, y := range m.since {
		dx, dy := m.before[i]-m.x, y-m.y
		m.xx, m.yy, m.xy = m.xx+dx*dx, m.yy+dy*dy, m.xy+dx*dy
	}
}

func (m *moments) side() Side {
	return Side{Shoppers: int(m.n), Buyers: int(m.buyers), Earlier: m.earlier, Mean: m.y}
}

// Estimate compares treated with control shoppers who were, or would have been,
// exposed. controlPPM is the planned share of the control group.
//
// With Y the spend since exposure, X the spend before it, a the arm, and
//
//	θ = (Sxy,t + Sxy,c) / (Sxx,t + Sxx,c)     slope within arms, 0 where X never varies
//	δ = (Ȳt − Ȳc) − θ (X̄t − X̄c)               difference in means, adjusted (CUPED)
//	v = s²t/nt + s²c/nc                       s²a: variance of Y − θX in arm a
//
// the total is nt·δ with variance nt²·v; its interval takes Student's t with
// Welch's degrees of freedom. X lies before exposure, so it cannot be an effect
// of it and the adjustment cannot bias δ beyond the order of 1/n. One degree of
// freedom is spent on θ where X varies.
func Estimate(units []Unit, controlPPM int) Effect {
	var t, c moments
	for _, u := range units {
		m := &t
		if u.Arm == trial.Control {
			m = &c
		}
		m.before, m.since = append(m.before, u.Before), append(m.since, u.Since)
	}
	t.take()
	c.take()
	e := Effect{Treated: t.side(), Control: c.side(), RatioP: 1}
	if controlPPM <= 0 {
		e.Absent = NoControl
		return e
	}
	share := float64(controlPPM) / trial.ShareAll
	e.RatioP = RatioTest([]float64{t.n, c.n}, []float64{1 - share, share})
	switch {
	case min(t.n, c.n) < ShoppersMin:
		e.Absent = FewShoppers
	case min(t.buyers, c.buyers) < BuyersMin:
		e.Absent = FewBuyers
	case e.RatioP < RatioAlarm:
		e.Absent = RatioMismatch
	default:
		e.compare(&t, &c)
	}
	return e
}

// compare fills in the estimate of two arms that are large enough.
func (e *Effect) compare(t, c *moments) {
	spent := 1.0
	if xx := t.xx + c.xx; xx > 0 {
		e.Theta = (t.xy + c.xy) / xx
		spent = (t.n + c.n - 2) / (t.n + c.n - 3)
	}
	residual := func(m *moments) float64 {
		return max(0, m.yy-2*e.Theta*m.xy+e.Theta*e.Theta*m.xx) / (m.n - 1)
	}
	vt, vc := spent*residual(t)/t.n, spent*residual(c)/c.n
	if raw := t.yy + c.yy; raw > 0 {
		e.Explained = 1 - (residual(t)*(t.n-1)+residual(c)*(c.n-1))/raw
	}
	e.PerHead = t.y - c.y - e.Theta*(t.x-c.x)
	e.DF = welch(vt, t.n, vc, c.n)
	e.Variance = t.n * t.n * (vt + vc)
	e.bound(t.n * e.PerHead)
}

// welch is Welch's approximate degrees of freedom of the difference of two
// means with variances a and b.
func welch(a, na, b, nb float64) float64 {
	if a+b == 0 {
		return na + nb - 2
	}
	return (a + b) * (a + b) / (a*a/(na-1) + b*b/(nb-1))
}

// bound sets the total and its interval from Variance and DF.
func (e *Effect) bound(total float64) {
	half := quantile(e.DF) * math.Sqrt(e.Variance)
	e.Total, e.Low, e.High = cents(total), cents(total-half), cents(total+half)
}

// quantile is the two-sided 95 % point of Student's t.
func quantile(df float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Quantile(1 - (1-Confidence)/2)
}

// cents rounds an estimate in currency units to whole cents, half to even. It
// is the one way from an estimate to money; amounts that were paid never pass
// through here.
func cents(units float64) retail.Micros {
	return retail.Micros(math.RoundToEven(units*100)) * retail.Cent
}

// Pool adds the effects of several campaigns. Each campaign draws its control
// group by its own seed, so given what shoppers would have spent the estimates
// are uncorrelated and their variances add; degrees of freedom follow
// Satterthwaite. Campaigns without an estimate are left out and counted.
func Pool(effects []Effect) (pooled Effect, left int) {
	pooled.RatioP = 1
	var total, lost float64
	for i := range effects {
		e := &effects[i]
		if !e.Known() {
			left++
			continue
		}
		pooled.Treated.Shoppers += e.Treated.Shoppers
		pooled.Treated.Buyers += e.Treated.Buyers
		pooled.Control.Shoppers += e.Control.Shoppers
		pooled.Control.Buyers += e.Control.Buyers
		total += e.PerHead * float64(e.Treated.Shoppers)
		pooled.Variance += e.Variance
		lost += e.Variance * e.Variance / e.DF
	}
	if left == len(effects) { // also where there are none
		pooled.Absent = NoEstimate
		return pooled, left
	}
	pooled.DF = float64(pooled.Treated.Shoppers + pooled.Control.Shoppers - 2)
	if lost > 0 {
		pooled.DF = pooled.Variance * pooled.Variance / lost
	}
	pooled.PerHead = total / float64(pooled.Treated.Shoppers)
	pooled.bound(total)
	return pooled, left
}

// RatioTest is the probability, if units were split as planned, of counts at
// least as uneven (Pearson's χ²). Arms planned empty are left out.
func RatioTest(counts, plan []float64) float64 {
	var n, whole, chi, arms float64
	for i, share := range plan {
		if share > 0 {
			n, whole, arms = n+counts[i], whole+share, arms+1
		}
	}
	if n == 0 || arms < 2 {
		return 1
	}
	for i, share := range plan {
		if share > 0 {
			want := n * share / whole
			chi += (counts[i] - want) * (counts[i] - want) / want
		}
	}
	return distuv.ChiSquared{K: arms - 1}.Survival(chi)
}
