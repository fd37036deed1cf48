package measure_test

import (
	"compress/gzip"
	"encoding/csv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"endcap/prove/measure"
	"endcap/retail"
	"endcap/retail/trial"
)

// sample makes n values with a given sum and sum of squares: half of them
// above the mean by as much as the others lie below.
func sample(arm trial.Arm, n int, sum, squares float64) []measure.Unit {
	mean := sum / float64(n)
	even := n - n%2
	off := math.Sqrt((squares - float64(n)*mean*mean) / float64(even))
	out := make([]measure.Unit, n)
	for i := range out {
		out[i] = measure.Unit{Arm: arm, Since: mean}
		if i < even {
			out[i].Since += off * float64(1-2*(i%2))
		}
	}
	return out
}

// TestWelchAgreesWithAPublishedCase holds the plain difference of means against
// GrowthBook's published test of its frequentist engine (absolute effect).
func TestWelchAgreesWithAPublishedCase(t *testing.T) {
	t.Parallel()
	units := append(sample(trial.Control, 3407, 1396.87, 52377.9767), sample(trial.Treated, 3461, 2422.7, 134698.29)...)
	e := measure.Estimate(units, 500_000)
	if !e.Known() {
		t.Fatalf("no estimate: %s", e.Absent)
	}
	n := 3461.0
	se := math.Sqrt(e.Variance) / n
	low, high := float64(e.Low)/1e6/n, float64(e.High)/1e6/n
	for name, pair := range map[string][2]float64{
		"effect": {e.PerHead, .29}, "standard error": {se, .12478}, "low": {low, .04538}, "high": {high, .53462},
	} {
		if math.Abs(pair[0]-pair[1]) > 1.5e-5 {
			t.Errorf("%s is %.6f, published %.5f", name, pair[0], pair[1])
		}
	}
}

func TestUnevenArmsAreNoticed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		a, b, p, within float64
	}{
		"the book's case":        {821_588, 815_482, 1.8e-6, 5e-8},
		"a weak mismatch":        {50_440, 49_560, .005389, 1e-6},
		"far out in the tail":    {8_101, 9_919, 8.7096e-42, 1e-45},
		"exactly as was planned": {500, 500, 1, 1e-12},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := measure.RatioTest([]float64{tc.a, tc.b}, []float64{.5, .5}); math.Abs(got-tc.p) > tc.within {
				t.Errorf("p = %g, want %g", got, tc.p)
			}
		})
	}
}

func TestFewObservationsGiveNoInterval(t *testing.T) {
	t.Parallel()
	arm := func(a trial.Arm, n, buyers int) []measure.Unit {
		out := make([]measure.Unit, n)
		for i := range out {
			out[i].Arm = a
			if i < buyers {
				out[i].Since = 3
			}
		}
		return out
	}
	tests := map[string]struct {
		nt, bt, nc, bc, ppm int
		want                measure.Absent
	}{
		"enough of all":            {300, 30, 30, 5, 100_000, ""},
		"29 in the control group":  {261, 30, 29, 5, 100_000, measure.FewShoppers},
		"four buyers in control":   {300, 30, 30, 4, 100_000, measure.FewBuyers},
		"nobody held out":          {300, 30, 0, 0, 0, measure.NoControl},
		"half of the group is out": {3000, 300, 150, 50, 100_000, measure.RatioMismatch},
		"nobody at all":            {0, 0, 0, 0, 100_000, measure.FewShoppers},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := measure.Estimate(append(arm(trial.Treated, tc.nt, tc.bt), arm(trial.Control, tc.nc, tc.bc)...), tc.ppm)
			if e.Absent != tc.want {
				t.Errorf("absent = %q, want %q", e.Absent, tc.want)
			}
			if !e.Known() && (e.Low != 0 || e.High != 0 || e.Total != 0) {
				t.Errorf("an absent estimate holds numbers: %+v", e)
			}
		})
	}
}

// market draws shoppers whose spend on a range is zero or log-normal and
// resembles what they spent before; lift multiplies what the treated buy,
// differently for each shopper. It returns the true extra sales too.
func market(rng *rand.Rand, n, controlPPM int, lift float64) (units []measure.Unit, truth float64) {
	seed := trial.Seed(rng.Uint64())
	for i := range n {
		taste := rng.NormFloat64()
		u := measure.Unit{Arm: trial.Assign(seed, uint64(i+1), controlPPM)}
		if rng.Float64() < .7 {
			u.Before = math.Exp(1.2 + .8*taste + .4*rng.NormFloat64())
		}
		if rng.Float64() < .5 {
			u.Since = math.Exp(.4 + .8*taste + .4*rng.NormFloat64())
		}
		extra := u.Since * lift * 2 * rng.Float64()
		if u.Arm == trial.Treated {
			u.Since += extra
			truth += extra
		}
		units = append(units, u)
	}
	return units, truth
}

// TestIntervalsHoldTheTruth simulates campaigns whose truth is known. The bounds
// on coverage leave a right method a false alarm below one in a million
// (binomial, 4.9 standard deviations).
func TestIntervalsHoldTheTruth(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		shoppers, ppm int
		lift          float64
	}{
		"no effect, half held out":         {400, 500_000, 0},
		"no effect, a tenth held out":      {2_000, 100_000, 0},
		"uneven effects, a fifth held out": {1_000, 200_000, .3},
		"large effects, a tenth held out":  {2_000, 100_000, .8},
	}
	const rounds = 2_000
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(20171204, uint64(tc.shoppers)))
			held, known := 0, 0
			var bias, width float64
			for range rounds {
				units, truth := market(rng, tc.shoppers, tc.ppm, tc.lift)
				e := measure.Estimate(units, tc.ppm)
				if !e.Known() {
					continue
				}
				known++
				bias += (float64(e.Total)/1e6 - truth) / math.Sqrt(e.Variance)
				width += float64(e.High-e.Low) / 1e6
				if e.Includes(retail.Micros(truth * 1e6)) {
					held++
				}
			}
			share := float64(held) / float64(known)
			slack := 4.9 * math.Sqrt(.95*.05/float64(known))
			t.Logf("%d of %d intervals hold the truth (%.4f), mean bias %.3f standard errors, mean width %.2f", held, known, share, bias/float64(known), width/float64(known))
			if known < rounds*98/100 || math.Abs(share-.95) > slack+.005 {
				t.Errorf("coverage %.4f over %d campaigns, want .95 ± %.4f", share, known, slack+.005)
			}
			if limit := 4.9/math.Sqrt(float64(known)) + .05; math.Abs(bias/float64(known)) > limit {
				t.Errorf("bias of %.3f standard errors, at most %.3f", bias/float64(known), limit)
			}
		})
	}
}

// TestHistoryNarrowsTheInterval checks that the covariate takes away the share
// of the variance that it explains.
func TestHistoryNarrowsTheInterval(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 5))
	units := make([]measure.Unit, 40_000)
	for i := range units {
		x := rng.NormFloat64()
		units[i] = measure.Unit{Arm: trial.Arm(i % 2), Before: 10 + x, Since: 10 + .8*x + .6*rng.NormFloat64()}
	}
	with := measure.Estimate(units, 500_000)
	for i := range units {
		units[i].Before = 0
	}
	without := measure.Estimate(units, 500_000)
	if ratio := with.Variance / without.Variance; math.Abs(ratio-.36) > .02 || math.Abs(with.Explained-.64) > .02 || math.Abs(with.Theta-.8) > .02 {
		t.Errorf("variance ratio %.3f, explained %.3f, θ %.3f; want .36, .64, .8", ratio, with.Explained, with.Theta)
	}
}

// TestPooledEffectsHoldTheTruth pools three campaigns that share shoppers but
// draw their control groups by seeds of their own.
func TestPooledEffectsHoldTheTruth(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(11, 4))
	const rounds = 1_000
	held, known := 0, 0
	for range rounds {
		var effects []measure.Effect
		var truth float64
		for _, n := range []int{600, 900, 1500} {
			units, extra := market(rng, n, 200_000, .2)
			effects = append(effects, measure.Estimate(units, 200_000))
			truth += extra
		}
		effects = append(effects, measure.Effect{Absent: measure.FewShoppers})
		pooled, left := measure.Pool(effects)
		if left > 1 {
			continue // the split of one campaign was rightly doubted
		}
		known++
		if pooled.Includes(retail.Micros(truth * 1e6)) {
			held++
		}
	}
	share := float64(held) / float64(known)
	t.Logf("%.4f of pooled intervals hold the truth", share)
	if known < rounds*98/100 || math.Abs(share-.95) > 4.9*math.Sqrt(.95*.05/rounds)+.005 {
		t.Errorf("coverage %.4f", share)
	}
	if none, left := measure.Pool([]measure.Effect{{Absent: measure.NoControl}}); none.Known() || left != 1 || none.Absent != measure.NoEstimate {
		t.Errorf("a pool of a campaign without a control group says %q", none.Absent)
	}
}

// TestARealExperimentIsJudgedAsPublished runs Hillstrom's e-mail trial of
// 64,000 customers: spend a head and conversion of "mens" against "no e-mail".
func TestARealExperimentIsJudgedAsPublished(t *testing.T) {
	t.Parallel()
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", "hillstrom-email", "hillstrom.csv.gz"))
	if err != nil {
		t.Skipf("Hillstrom's trial is not at hand: %v", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var spend, converted []measure.Unit
	counts := map[string]float64{}
	for _, row := range rows[1:] {
		counts[row[8]]++
		arm := trial.Treated
		switch row[8] {
		case "No E-Mail":
			arm = trial.Control
		case "Mens E-Mail":
		default:
			continue
		}
		s, err1 := strconv.ParseFloat(row[11], 64)
		c, err2 := strconv.ParseFloat(row[10], 64)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		spend = append(spend, measure.Unit{Arm: arm, Since: s})
		converted = append(converted, measure.Unit{Arm: arm, Since: c})
	}
	s, c := measure.Estimate(spend, 500_000), measure.Estimate(converted, 500_000)
	z2 := c.PerHead / (math.Sqrt(c.Variance) / float64(c.Treated.Shoppers))
	p := measure.RatioTest([]float64{counts["No E-Mail"], counts["Mens E-Mail"], counts["Womens E-Mail"]}, []float64{1, 1, 1})
	for name, v := range map[string]struct{ got, want, within float64 }{
		"treated spend a head": {s.Treated.Mean, 1.422617, 1e-6}, "control spend a head": {s.Control.Mean, .652789, 1e-6},
		"conversions caused": {c.PerHead, .0068050, 5e-7}, "its z": {z2, 7.390, .01}, "split": {p, .9037, 1e-4},
	} {
		if math.Abs(v.got-v.want) > v.within {
			t.Errorf("%s is %.7f, published %.7f", name, v.got, v.want)
		}
	}
	if !s.Known() || s.Low <= 0 {
		t.Errorf("the e-mail's effect on spend is %v to %v", s.Low, s.High)
	}
}

func TestReturnOnSpendIsExact(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		sales, spend retail.Micros
		want         int64
		ok           bool
	}{
		"three for one":        {12 * retail.Unit, 4 * retail.Unit, 3_000, true},
		"rounded down":         {10 * retail.Unit, 3 * retail.Unit, 3_333, true},
		"nothing was spent":    {10 * retail.Unit, 0, 0, false},
		"more came back":       {-10 * retail.Unit, 3 * retail.Unit, -3_333, true},
		"nothing was sold":     {0, 3 * retail.Unit, 0, true},
		"large, no overflow":   {900_000_000 * retail.Unit, retail.Cent, 90_000_000_000_000, true},
		"a fraction of a cent": {1, retail.Unit, 0, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, ok := measure.Ratio(tc.sales, tc.spend); got != tc.want || ok != tc.ok {
				t.Errorf("got %d %v, want %d %v", got, ok, tc.want, tc.ok)
			}
		})
	}
}
