package trial_test

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"endcap/retail/trial"
)

// falseAlarm is the chance that an honest draw would fail a test here, had it
// not a fixed seed.
const falseAlarm = 1e-6

// units are shoppers, consecutive ones: the hardest for a weak hash.
const units = 200_000

func TestAsManyAreHeldOutAsWasAsked(t *testing.T) {
	t.Parallel()
	for _, ppm := range []int{1_000, 50_000, 100_000, 500_000} {
		for _, name := range []string{"spring", "spring2", "s", ""} {
			seed, held := trial.SeedOf(name), 0
			for unit := uint64(1); unit <= units; unit++ {
				if trial.Assign(seed, unit, ppm) == trial.Control {
					held++
				}
			}
			p := float64(ppm) / trial.ShareAll
			z := (float64(held) - units*p) / math.Sqrt(units*p*(1-p))
			if bound := distuv.UnitNormal.Quantile(1 - falseAlarm/2); math.Abs(z) > bound {
				t.Errorf("%d ppm of %q: %d of %d are held out (z = %.2f, bound %.2f)", ppm, name, held, units, z, bound)
			}
		}
	}
}

// Being held out of one campaign says nothing about the next.
func TestTwoCampaignsAreIndependent(t *testing.T) {
	t.Parallel()
	seeds := []trial.Seed{trial.SeedOf("spring"), trial.SeedOf("sprinh"), 0, 1, 2, 1 << 63}
	for i, a := range seeds {
		for _, b := range seeds[i+1:] {
			var table [2][2]float64
			for unit := uint64(1); unit <= units; unit++ {
				table[trial.Assign(a, unit, 300_000)][trial.Assign(b, unit, 300_000)]++
			}
			if x, bound := chiSquareOf(table), (distuv.ChiSquared{K: 1}).Quantile(1-falseAlarm); x > bound {
				t.Errorf("seeds %d and %d: chi-square %.1f, bound %.1f: %v", a, b, x, bound, table)
			}
		}
	}
}

// chiSquareOf measures the dependence of a table's rows and columns.
func chiSquareOf(table [2][2]float64) float64 {
	var x float64
	for i := range table {
		for j := range table {
			row, column := table[i][0]+table[i][1], table[0][j]+table[1][j]
			want := row * column / units
			x += (table[i][j] - want) * (table[i][j] - want) / want
		}
	}
	return x
}

// Neither consecutive units nor consecutive seeds show in the draw.
func TestDrawsAreUniform(t *testing.T) {
	t.Parallel()
	const cells = 97
	bound := (distuv.ChiSquared{K: cells - 1}).Quantile(1 - falseAlarm)
	draws := map[string]func(i uint64) uint64{
		"by unit":       func(i uint64) uint64 { return trial.Draw(7, i, cells) },
		"by high unit":  func(i uint64) uint64 { return trial.Draw(7, i<<40, cells) },
		"by seed":       func(i uint64) uint64 { return trial.Draw(trial.Seed(i), 7, cells) },
		"both the same": func(i uint64) uint64 { return trial.Draw(trial.Seed(i), i, cells) },
		"a seed and next": func(i uint64) uint64 {
			return (trial.Draw(trial.Seed(i), 9, cells) + cells - trial.Draw(trial.Seed(i+1), 9, cells)) % cells
		},
	}
	for name, draw := range draws {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var counts [cells]float64
			for i := range uint64(units) {
				counts[draw(i)]++
			}
			x, want := 0.0, float64(units)/cells
			for _, n := range counts {
				x += (n - want) * (n - want) / want
			}
			if x > bound {
				t.Errorf("chi-square %.1f, bound %.1f", x, bound)
			}
		})
	}
}

func TestAnArmIsStickyAndGrowsOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seed, unit := trial.Seed(rapid.Uint64().Draw(t, "seed")), rapid.Uint64Min(1).Draw(t, "unit")
		small := rapid.IntRange(0, trial.ShareAll).Draw(t, "small")
		large := rapid.IntRange(small, trial.ShareAll).Draw(t, "large")
		a, b := trial.Assign(seed, unit, small), trial.Assign(seed, unit, large)
		if a != trial.Assign(seed, unit, small) {
			t.Fatal("the arm changed")
		}
		if a == trial.Control && b == trial.Treated {
			t.Fatalf("held out at %d ppm and shown at %d", small, large)
		}
	})
}

func TestEdgesOfAShare(t *testing.T) {
	t.Parallel()
	for unit := range uint64(1_000) {
		if trial.Assign(1, unit, 0) != trial.Treated || trial.Assign(1, unit, -5) != trial.Treated {
			t.Fatalf("unit %d is held out of nothing", unit)
		}
		if got := trial.Assign(1, unit, trial.ShareAll); (got == trial.Control) != (unit != 0) {
			t.Fatalf("of all, unit %d is %v; nobody cannot be followed, everybody else is held out", unit, got)
		}
	}
	if trial.Treated.String() != "treated" || trial.Control.String() != "control" {
		t.Error("the arms' names changed")
	}
}

// The assignment is stored nowhere: a changed hash would move shoppers between
// arms in the middle of an experiment.
func TestTheHashNeverChanges(t *testing.T) {
	t.Parallel()
	got := [3]uint64{uint64(trial.SeedOf("spring")), trial.Draw(trial.SeedOf("spring"), 42, 1<<63), trial.Draw(0, 0, trial.ShareAll)}
	if want := [3]uint64{5813177525533919702, 931767553830038022, 860689}; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}
