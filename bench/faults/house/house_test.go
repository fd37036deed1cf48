package house_test

import (
	"os"
	"testing"

	"endcap/bench/faults/house"
)

// play plays a seed in memory and fails the test for what did not hold.
func play(t *testing.T, o house.Options) house.Report {
	t.Helper()
	dir, err := os.MkdirTemp(house.Scratch(), "faults")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	o.Scratch = dir
	r, err := house.Play(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range r.Violations {
		t.Errorf("seed %d: %s", r.Seed, v)
	}
	return r
}

// A few seeds run under the race detector; bench/faults plays the many without.
func TestNoPromiseIsBroken(t *testing.T) {
	t.Parallel()
	for _, o := range []house.Options{{Seed: 1}, {Seed: 2}, {Seed: 3, History: true}} {
		r := play(t, o)
		faults := 0
		for _, n := range r.Faults {
			faults += n
		}
		if r.Operations < house.OperationsMin || r.Opened < house.CutsMin || faults < house.FaultsMin+house.CutsMin {
			t.Errorf("seed %d did too little: %+v", o.Seed, r)
		}
	}
}
