// Package trial assigns shoppers to the arms of an experiment. An arm is a
// pure hash of the experiment's seed and the unit, so it is sticky without
// being stored, and billing, proof and a replay all find the same arm again.
//
// On the road of a receipt, sell/auction asks for the arm of each campaign and
// prove/measure recomputes it.
package trial

import "endcap/retail"

// Arm is a unit's side in an experiment.
type Arm uint8

// The arms. Their numbers are stored.
const (
	Treated Arm = 0 // may be shown the advert
	Control Arm = 1 // is held out: a win is recorded as a ghost and not shown
)

// String gives "treated" or "control".
func (a Arm) String() string {
	if a == Control {
		return "control"
	}
	return "treated"
}

// ShareAll is the whole of a share in parts per million.
const ShareAll = 1_000_000

// Seed is an experiment's seed. Two seeds give independent assignments.
type Seed uint64

// SeedOf derives a seed from a name (FNV-1a, then mixed), such as a campaign's id.
func SeedOf(name string) Seed {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return Seed(step(h))
}

// Assign puts unit into Control with probability controlPPM parts per million,
// else into Treated. A unit of zero (nobody) is always Treated: it cannot be
// followed, so holding it out would prove nothing.
func Assign(seed Seed, unit uint64, controlPPM int) Arm {
	if unit == 0 || controlPPM <= 0 {
		return Treated
	}
	if Draw(seed, unit, ShareAll) < uint64(controlPPM) {
		return Control
	}
	return Treated
}

// Draw gives a number in [0, n) that is a pure function of seed and unit; n
// must be positive. The bias of the modulus is below n/2^64.
func Draw(seed Seed, unit, n uint64) uint64 {
	return step(step(uint64(seed))^step(unit+retail.GoldenGamma)) % n
}

// step is that of SplitMix64.
func step(x uint64) uint64 { return retail.Mix(x + retail.GoldenGamma) }
