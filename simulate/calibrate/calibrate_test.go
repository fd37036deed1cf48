package calibrate_test

import (
	"bytes"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"endcap/bench/figure"
	"endcap/simulate/calibrate"
	"endcap/simulate/life"
	"endcap/simulate/model"
)

const journey = "../../data/complete-journey"

// A year of simulated shopping is as close to the held-out half of The Complete
// Journey as it must be, under a seed that the fit has not seen.
func TestSimulatedShoppingIsCloseToRealShopping(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(journey + "/transactions.parquet"); err != nil {
		t.Skip("The Complete Journey is not in data/complete-journey; make data fetches it")
	}
	l, err := calibrate.Journey(journey)
	if err != nil {
		t.Fatal(err)
	}
	s := calibrate.Scenario(1_800, 424_242)
	w, err := life.Open(t.Context(), &s, model.Fitted(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := calibrate.Compare(calibrate.Simulate(w), l)
	goals := 0
	for _, d := range r.Distances {
		if d.Goal > 0 {
			goals++
		}
		if !d.Reached() {
			t.Errorf("%s: %.4f, at most %.4f (two real halves: %.4f)", d.Means, d.Simulated, d.Goal, d.Halves)
		}
		if math.IsNaN(d.Simulated) || math.IsNaN(d.Halves) || d.Halves < 0 {
			t.Errorf("%s is %v and %v", d.Name, d.Simulated, d.Halves)
		}
	}
	if goals != 7 {
		t.Errorf("%d goals", goals)
	}
	var page, text bytes.Buffer
	if err := r.Page(&page); err != nil {
		t.Fatal(err)
	}
	if err := r.Write(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"declared-synthetic", "KS of spend", "double jeopardy"} {
		if !strings.Contains(page.String(), want) || !strings.Contains(text.String(), want) {
			t.Errorf("page or text does not say %q", want)
		}
	}
	if strings.Contains(page.String(), "ZgotmplZ") || strings.Contains(page.String(), "NaN") || strings.Count(page.String(), "<polyline") < 15 {
		t.Error("the page is not whole")
	}
}

// Each distance is a figure as bench/figure prints them, with its goal where it
// has one, and beside it the one between two real halves.
func TestDistancesAreFigures(t *testing.T) {
	t.Parallel()
	r := calibrate.Report{Simulated: &calibrate.Measures{}, Held: &calibrate.Measures{}, Fitted: &calibrate.Measures{}, Distances: []calibrate.Distance{
		{Name: "spend_ks", Simulated: 0.0512, Halves: 0.0291, Goal: 0.08},
		{Name: "repeat", Simulated: 0.0312, Halves: 0.0091, Goal: 0.03},
		{Name: "redeem Type A", Simulated: 0.0151, Halves: 0.002},
	}}
	var text, want bytes.Buffer
	if err := r.Write(&text); err != nil {
		t.Fatal(err)
	}
	figure.Goal(&want, "simulate.check.spend_ks", 0.0512, "distance", "<=0.08")
	figure.Print(&want, "simulate.check.spend_ks.real_halves", 0.0291, "distance")
	figure.Goal(&want, "simulate.check.repeat", 0.0312, "distance", "<=0.03")
	figure.Print(&want, "simulate.check.repeat.real_halves", 0.0091, "distance")
	figure.Print(&want, "simulate.check.redeem_type_a", 0.0151, "distance")
	figure.Print(&want, "simulate.check.redeem_type_a.real_halves", 0.002, "distance")
	if !strings.HasSuffix(text.String(), want.String()) || strings.Count(text.String(), "figure ") != 6 {
		t.Errorf("got\n%s\nwant at its end\n%s", text.String(), want.String())
	}
}

// A basket lies on the day, and at the minute, at which the shopper came by the
// wall clock, also in the weeks in which clocks change.
func TestBasketsKeepTheWallClock(t *testing.T) {
	t.Parallel()
	s := calibrate.Scenario(500, 5)
	s.Start, s.Weeks, s.Products = "2025-01-06", 42, 1_000
	open := func() *life.World {
		w, err := life.Open(t.Context(), &s, model.Fitted(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	const spring, autumn = 83, 293 // 30 March and 26 October, Sundays
	type came struct{ house, day, minute int32 }
	all, sundays := make(map[came]bool), make(map[int32]int)
	w := open()
	for week := range s.Weeks {
		for _, v := range w.Plan(week).Visits {
			day, minute := int32(7*week+v.Second()/86_400), int32(v.Second()%86_400/60)
			if day == spring && minute/60 == 2 {
				minute += 60 // there is no such hour
			}
			all[came{int32(v.Shopper()), day, minute}] = true
		}
	}
	for _, b := range calibrate.Simulate(open()).Baskets {
		if !all[came{b.House, b.Day, b.Minute}] {
			t.Fatalf("nobody came on day %d at minute %d", b.Day, b.Minute)
		}
		sundays[b.Day]++
	}
	if sundays[spring] == 0 || sundays[autumn] == 0 {
		t.Errorf("%d baskets in spring, %d in autumn", sundays[spring], sundays[autumn])
	}
}

// A model of the simulator's own shopping finds the simulator's own rates again.
func TestTheFitFindsAKnownModelAgain(t *testing.T) {
	t.Parallel()
	truth := model.Fitted()
	s := calibrate.Scenario(1_000, 5)
	w, err := life.Open(t.Context(), &s, truth, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := calibrate.Simulate(w)
	got := calibrate.Fit(l)
	for _, m := range []struct {
		name      string
		got, want float64
		within    float64
	}{
		{"trips, median", got.Trips.At(0.5), truth.Trips.At(0.5), 0.1},
		{"lines, median", got.Lines.At(0.5), truth.Lines.At(0.5), 0.1},
		{"fuel value", got.FuelValue.At(0.5), truth.FuelValue.At(0.5), 0.05},
		{"gap of a day, middle row", got.Gaps[3][1], truth.Gaps[3][1], 0.15},
		{"fruit and vegetables in large baskets", got.Range[0].Share[5], truth.Range[0].Share[5], 0.1},
		{"Saturdays at eleven", got.Hours[5][11], truth.Hours[5][11], 0.1},
	} {
		if math.Abs(m.got-m.want) > m.within*m.want {
			t.Errorf("%s: %.4f, want %.4f within %.0f %%", m.name, m.got, m.want, 100*m.within)
		}
	}
	// One round of tuning must run, and leave a model that can be lived.
	half := l.Half(1, 0)
	s.Shoppers = 200
	if err := calibrate.Tune(t.Context(), got, half, calibrate.Tuning{Scenario: s, Rounds: 1, Tell: io.Discard}); err != nil {
		t.Fatal(err)
	}
	if err := got.Check(); err != nil {
		t.Error(err)
	}
}

func TestKSIsTheLargestGapOfTwoDistributions(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		a, b []float64
		want float64
	}{
		"the same":     {[]float64{1, 2, 3}, []float64{1, 2, 3}, 0},
		"apart":        {[]float64{1, 2}, []float64{3, 4}, 1},
		"ties":         {[]float64{1, 1, 2, 2}, []float64{1, 2, 2, 2}, 0.25},
		"other sizes":  {[]float64{1, 2, 3, 4}, []float64{2.5}, 0.5},
		"one is empty": {nil, []float64{1}, 1},
	}
	for name, tt := range tests {
		if got := calibrate.KS(tt.a, tt.b); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(rapid.Float64Range(0, 10), 1, 30).Draw(t, "a")
		b := rapid.SliceOfN(rapid.Float64Range(0, 10), 1, 30).Draw(t, "b")
		slices.Sort(a)
		slices.Sort(b)
		want := 0.0
		for _, x := range append(append([]float64{}, a...), b...) {
			want = math.Max(want, math.Abs(below(a, x)-below(b, x)))
		}
		if got := calibrate.KS(a, b); math.Abs(got-want) > 1e-12 {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

func TestWithoutTheDataTheCheckSaysHowToGetIt(t *testing.T) {
	t.Parallel()
	if _, err := calibrate.Journey(t.TempDir()); err == nil || !strings.Contains(err.Error(), "Complete Journey") {
		t.Errorf("without data: %v", err)
	}
}

// below is the share of values that are at most x.
func below(values []float64, x float64) float64 {
	n := 0.0
	for _, v := range values {
		if v <= x {
			n++
		}
	}
	return n / float64(len(values))
}
