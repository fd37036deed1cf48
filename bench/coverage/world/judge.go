package world

import (
	"math"

	"endcap/retail"
	"endcap/simulate/play"
	"endcap/simulate/scenario"
)

// Judged is what one campaign's report says, and what is true. Amounts but for
// Oracle are cents, summed over the treated who were exposed.
type Judged struct {
	Where, Effect string
	Alike         bool   // every shopper is as susceptible as any other
	Absent        string `json:",omitempty"` // why the report gives no interval; empty where it does

	Truth, Estimate, Low, High int64
	Oracle                     float64 // the width, in cents, of the interval of an oracle who knows the variance

	Spend, Attributed int64  // through the same day
	Untold            string `json:",omitempty"` // why the report gives no attributed sales
}

// Inside reports whether the interval holds the truth.
func (j *Judged) Inside() bool { return j.Absent == "" && j.Low <= j.Truth && j.Truth <= j.High }

// judge holds what a report says against what the treated who won the advert spent
// more than they would have.
func judge(r *report, f *play.Found, c *scenario.Campaign) (Judged, error) {
	j := Judged{Where: string(c.Where), Effect: string(c.Effect), Alike: !c.Heterogeneous, Truth: f.Treated.Extra(), Oracle: 200 * normal * math.Sqrt(oracle(f))}
	for i := range r.Figures {
		v := &r.Figures[i].Value
		var err error
		switch r.Figures[i].ID {
		case "spend":
			err = cents(v.Amount, &j.Spend)
		case "attributed_sales":
			if j.Untold = v.Reason; j.Untold == "" {
				err = cents(v.Amount, &j.Attributed)
			}
		case "incremental_sales":
			if j.Absent = v.Reason; j.Absent == "" {
				for text, to := range map[string]*int64{v.Amount: &j.Estimate, v.Low: &j.Low, v.High: &j.High} {
					if err == nil {
						err = cents(text, to)
					}
				}
			}
		}
		if err != nil {
			return j, err
		}
	}
	return j, nil
}

// cents reads an amount of a report.
func cents(text string, to *int64) error {
	amount, err := retail.ParseMicros(text)
	*to = int64(amount / retail.Cent)
	return err
}

// normal is the two-sided 95 % point of the normal distribution.
const normal = 1.959964

// oracle is the variance of the treated's total, in squared currency units, for who
// knows what every exposed shopper would spend in either group: that of
// n·(Ȳt − Ȳc), both adjusted for spend before by the slope that leaves least, with
//
//	V = n²t (S²1/nt + S²0/nc)
//
// over all exposed, S²1 and S²0 the variances with and without adverts (Neyman
// 1923, without the term that nobody can know). Of the treated both are known, and
// of the held-out, because With is what they would have spent.
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
		return 0
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
