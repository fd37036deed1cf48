package model_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"endcap/simulate/draw"
	"endcap/simulate/model"
)

func TestTheCarriedModelIsWhole(t *testing.T) {
	t.Parallel()
	p := model.Fitted()
	for step := range model.SizeSteps {
		sum := 0.0
		for d := range p.Range {
			sum += p.Range[d].Share[step]
		}
		if math.Abs(sum-1) > 0.001 {
			t.Errorf("departments of basket size %d have %.4f of its lines", step, sum)
		}
	}
	if p.Households < 1_000 || p.Days != 364 {
		t.Errorf("fitted on %d households and %d days", p.Households, p.Days)
	}
}

// A household that is to make so many trips makes them: its days are lived by the
// same hazard.
func TestARateGivesItsTrips(t *testing.T) {
	t.Parallel()
	p := model.Fitted()
	s := draw.Seed(11).Stream()
	for _, want := range []float64{5, 30, 100, 250} {
		rate, weights := p.Rate(want), p.Gaps[model.Row(p.GapFrom, want)]
		const years = 400
		trips, gap := 0.0, 0
		for range years * p.Days {
			for s.Unit() > math.Exp(-rate*weights[min(gap, model.GapMax)]) {
				trips++
				gap = 0
			}
			gap++
		}
		if got := trips / years; math.Abs(got-want) > 0.05*want {
			t.Errorf("%.1f trips a year, want %.0f", got, want)
		}
	}
}

func TestSizesFallIntoClasses(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{1: 0, 2: 1, 3: 1, 4: 2, 7: 2, 8: 3, 15: 3, 16: 4, 31: 4, 32: 5, 400: 5} {
		if got := model.SizeStep(n); got != want {
			t.Errorf("%d lines are in class %d, want %d", n, got, want)
		}
	}
}

func TestParametersThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil func(p *model.Parameters)
		want  string
	}{
		"nobody":           {func(p *model.Parameters) { p.Households = 0 }, "0 households"},
		"no departments":   {func(p *model.Parameters) { p.Range = nil }, "0 departments"},
		"no gaps":          {func(p *model.Parameters) { p.Gaps = nil }, "rows of gaps"},
		"short gaps":       {func(p *model.Parameters) { p.Gaps[1] = p.Gaps[1][:3] }, "has 3 days"},
		"negative hazard":  {func(p *model.Parameters) { p.Gaps[0][2] = -1 }, "gaps holds -1"},
		"falling trips":    {func(p *model.Parameters) { p.Trips[5] = 1e5 }, "trips falls"},
		"falling prices":   {func(p *model.Parameters) { p.Range[2].Price[0] = 1e5 }, "price falls"},
		"a link beyond 1":  {func(p *model.Parameters) { p.FuelLink = 1.5 }, "fuel_link"},
		"a bad novelty":    {func(p *model.Parameters) { p.Repertoire.Novelty = 2 }, "repertoire"},
		"prices of nought": {func(p *model.Parameters) { p.Tuning.Price = 0 }, "tuning"},
		"no season":        {func(p *model.Parameters) { p.Season = nil }, "season is empty"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := model.Fitted()
			tt.spoil(p)
			text, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := model.Parse(text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
	if _, err := model.Parse([]byte(`{"hours": 3}`)); err == nil {
		t.Error("parameters of another form are read")
	}
}

func FuzzParametersAreReadOrRefused(f *testing.F) {
	text, err := json.Marshal(model.Fitted())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := model.Parse(text); err == nil && p.Check() != nil {
			t.Error("read, and refused by its own check")
		}
	})
}
