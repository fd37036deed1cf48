package measure

import (
	"endcap/retail"
	"endcap/retail/media"
	"endcap/retail/trial"
)

// How many recorded arms may contradict the hash before the whole comparison
// falls: more than DisagreeFew shoppers and more than one of DisagreeOneIn.
// Fewer are strays (two records of one merged shopper, a share that was moved a
// little); they are left out and counted.
const (
	DisagreeFew   = 5
	DisagreeOneIn = 100
)

// Units puts every exposed shopper into her arm by the campaign's hash. It
// leaves out those whose wins say another arm: what they saw is not what their
// arm was to see. Whom it leaves out depends on her id alone, never on what she
// bought, so those who stay can still be compared.
func Units(c *media.Campaign, exposed []Exposed) (units []Unit, left int) {
	seed := trial.SeedOf(string(c.ID))
	units = make([]Unit, 0, len(exposed))
	for i := range exposed {
		x := &exposed[i]
		arm := trial.Assign(seed, x.Shopper.Reveal(), c.ControlPPM)
		if x.Both || arm != x.Recorded {
			left++
			continue
		}
		units = append(units, Unit{Arm: arm, Before: units64(x.Before), Since: units64(x.Since)})
	}
	return units, left
}

// units64 is an amount in currency units, for estimators only.
func units64(a retail.Micros) float64 { return float64(a) / float64(retail.Unit) }

// Incremental is what the campaign of the evidence caused.
func Incremental(e *Evidence) Effect {
	c := e.Terms.campaignAt(e.Ask.Campaign, SettledBefore(e.Settled))
	units, left := Units(&c, e.Exposed)
	effect := Estimate(units, c.ControlPPM)
	changed := left > DisagreeFew && left*DisagreeOneIn > len(e.Exposed)
	if changed && c.ControlPPM > 0 {
		effect = Effect{Treated: effect.Treated, Control: effect.Control, RatioP: effect.RatioP, Absent: ControlChanged}
	}
	effect.Left = left
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
