package measure

import (
	"endcap/retail"
	"endcap/retail/media"
	"endcap/retail/trial"
)

// Units puts every exposed shopper into her arm by the campaign's hash. It
// reports false where a recorded arm disagrees: the control share was changed
// while the campaign ran, and no comparison of the two groups is fair.
func Units(c *media.Campaign, exposed []Exposed) (units []Unit, agreed bool) {
	seed := trial.SeedOf(string(c.ID))
	agreed = true
	units = make([]Unit, 0, len(exposed))
	for i := range exposed {
		x := &exposed[i]
		arm := trial.Assign(seed, x.Shopper.Reveal(), c.ControlPPM)
		if x.Both || arm != x.Recorded {
			agreed = false
		}
		units = append(units, Unit{Arm: arm, Before: units64(x.Before), Since: units64(x.Since)})
	}
	return units, agreed
}

// units64 is an amount in currency units, for estimators only.
func units64(a retail.Micros) float64 { return float64(a) / float64(retail.Unit) }

// Incremental is what the campaign of the evidence caused.
func Incremental(e *Evidence) Effect {
	c := e.Campaign()
	units, agreed := Units(&c, e.Exposed)
	effect := Estimate(units, c.ControlPPM)
	if !agreed && effect.Known() {
		effect = Effect{Treated: effect.Treated, Control: effect.Control, RatioP: effect.RatioP, Absent: ControlChanged}
	}
	return effect
}

// Ratio is an amount per amount spent in thousandths, rounded down; false where
// nothing was spent.
func Ratio(a, spend retail.Micros) (milli int64, ok bool) {
	if spend <= 0 {
		return 0, false
	}
	if a < 0 {
		return -int64((-a).MulDivDown(1_000, int64(spend))), true
	}
	return int64(a.MulDivDown(1_000, int64(spend))), true
}
