// Package model holds what the simulator knows of how people shop: numbers that
// were fitted on one random half of the households of The Complete Journey 2.0
// and are checked against the other half (simulate/calibrate). They are
// quantiles, shares and rates, never rows: no purchase of anybody is in here.
//
// It is before the road of a receipt: simulated shoppers follow it.
package model

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"math"

	"endcap/simulate/draw"
)

// Departments is how many departments the model has; their names and order are
// those of the grocer's range, and the last is fuel.
const Departments = 17

// Fuel is the department of fuel, which is bought on trips of its own.
const Fuel = Departments - 1

// SizeSteps is how many classes of basket size tell which departments are bought.
const SizeSteps = 6

// SizeStep is the class of a basket of n lines: 1, 2–3, 4–7, 8–15, 16–31, 32 and more.
func SizeStep(n int) int {
	step := 0
	for n > 1 && step < SizeSteps-1 {
		n >>= 1
		step++
	}
	return step
}

// GapMax is the longest gap between trips, in days, that the model tells apart.
const GapMax = 29

// Parameters is the model.
type Parameters struct {
	About       string           `json:"about"`
	Households  int              `json:"households"`  // fitted on
	Days        int              `json:"days"`        // over how many days
	Trips       draw.Quantiles   `json:"trips"`       // of a household in those days
	Lines       draw.Quantiles   `json:"lines"`       // a household's mean of a basket without fuel
	Worth       draw.Quantiles   `json:"worth"`       // a household's mean value of a line ÷ the mean of all, as a logarithm
	Correlation [3]float64       `json:"correlation"` // of normal scores: trips and lines, trips and worth, lines and worth
	FuelShare   draw.Quantiles   `json:"fuel_share"`  // of a household's trips
	FuelLink    float64          `json:"fuel_link"`   // correlation of normal scores: trips and the share of them that is for fuel
	FuelValue   draw.Quantiles   `json:"fuel_value"`  // of a line of fuel
	GapFrom     []float64        `json:"gap_from"`    // trips from which each row of Gaps counts
	Gaps        [][]float64      `json:"gaps"`        // how much likelier a trip is, by days since the last
	SizeMean    []float64        `json:"size_mean"`   // the mean lines of each row of Sizes
	Sizes       []draw.Quantiles `json:"sizes"`       // lines of a basket, by the household's mean
	Range       []Department     `json:"departments"`
	Hours       [7][24]float64   `json:"hours"`  // trips by weekday from Monday, and hour
	Season      []float64        `json:"season"` // trips by week of the year ÷ their mean
	Uplift      float64          `json:"uplift"` // odds that a line is of a promoted product ÷ odds that a product is promoted
	Repertoire  Repertoire       `json:"repertoire"`
	Coupons     []CouponType     `json:"coupons"`
	Tuning      Tuning           `json:"tuning"`
}

// Department is what the model knows of one department.
type Department struct {
	Name     string             `json:"name"`
	Share    [SizeSteps]float64 `json:"share"`    // of the lines of a basket, by class of size
	Price    draw.Quantiles     `json:"price"`    // of a piece on the shelf
	Pieces   []float64          `json:"pieces"`   // share of lines of 1, 2, … pieces
	Promoted float64            `json:"promoted"` // share of lines bought below the shelf price
	Depth    draw.Quantiles     `json:"depth"`    // of those: the discount's part of the price
}

// Repertoire says how a household comes back to what it knows.
type Repertoire struct {
	Novelty  float64 `json:"novelty"`  // chance that a line is drawn from all products of its category
	Exponent float64 `json:"exponent"` // how fast the household's own products fall off, by rank
	Own      float64 `json:"own"`      // chance that a category is one of the household's own
}

// CouponType is one kind of coupon campaign.
type CouponType struct {
	Name        string  `json:"name"`
	Campaigns   float64 `json:"campaigns"`   // a year
	Days        int     `json:"days"`        // a campaign lasts
	Targeted    float64 `json:"targeted"`    // share of households that get one
	Redeem      float64 `json:"redeem"`      // share of those that redeem at least one
	Redemptions float64 `json:"redemptions"` // of a household that redeems
}

// Tuning holds what no statistic gives by itself: it is found by simulating.
type Tuning struct {
	Worth float64 `json:"worth"` // spread of shoppers' choice between cheap and dear
	Price float64 `json:"price"` // by which prices are multiplied
	Trips float64 `json:"trips"` // by which rates of trips are multiplied
}

//go:embed parameters.json
var fitted []byte

// Fitted is the model that this program carries.
func Fitted() *Parameters {
	p, err := Parse(fitted)
	if err != nil {
		panic("model: bug: " + err.Error())
	}
	return p
}

// textMax bounds a file of parameters.
const textMax = 1 << 20

// Parse reads parameters and checks them.
func Parse(text []byte) (*Parameters, error) {
	if len(text) > textMax {
		return nil, fmt.Errorf("parameters of %d bytes; at most %d", len(text), textMax)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var p Parameters
	if err := dec.Decode(&p); err != nil {
		return nil, fmt.Errorf("read parameters: %w", err)
	}
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("check parameters: %w", err)
	}
	return &p, nil
}

// Check says what a simulation could not run with.
func (p *Parameters) Check() error {
	switch {
	case p.Households < 1 || p.Days < 7 || p.Days > 3_660:
		return fmt.Errorf("fitted on %d households and %d days", p.Households, p.Days)
	case len(p.Range) != Departments:
		return fmt.Errorf("%d departments, want %d", len(p.Range), Departments)
	case len(p.Gaps) == 0 || len(p.Gaps) != len(p.GapFrom) || len(p.Sizes) == 0 || len(p.Sizes) != len(p.SizeMean):
		return fmt.Errorf("%d and %d rows of gaps, %d and %d of sizes", len(p.Gaps), len(p.GapFrom), len(p.Sizes), len(p.SizeMean))
	case p.Uplift < 1 || p.Repertoire.Novelty < 0 || p.Repertoire.Novelty > 1 || p.Repertoire.Exponent <= 0 || p.Repertoire.Own < 0 || p.Repertoire.Own > 1:
		return fmt.Errorf("uplift %v, repertoire %+v", p.Uplift, p.Repertoire)
	case math.Abs(p.FuelLink) > 1:
		return fmt.Errorf("fuel_link is %v", p.FuelLink)
	case p.Tuning.Worth < 0 || p.Tuning.Price <= 0 || p.Tuning.Trips <= 0:
		return fmt.Errorf("tuning %+v", p.Tuning)
	}
	for i, row := range p.Gaps {
		if len(row) != GapMax+1 {
			return fmt.Errorf("row %d of gaps has %d days, want %d", i, len(row), GapMax+1)
		}
		if err := finite("gaps", row); err != nil {
			return err
		}
	}
	for name, q := range map[string]draw.Quantiles{"trips": p.Trips, "lines": p.Lines, "fuel_share": p.FuelShare, "fuel_value": p.FuelValue} {
		if err := rising(name, q); err != nil {
			return err
		}
	}
	for i := range p.Range {
		d := &p.Range[i]
		if err := finite(d.Name+".pieces", d.Pieces); err != nil {
			return err
		}
		if err := rising(d.Name+".price", d.Price); err != nil {
			return err
		}
	}
	return finite("season", p.Season)
}

// finite checks numbers that are rates or shares.
func finite(name string, values []float64) error {
	if len(values) == 0 {
		return fmt.Errorf("%s is empty", name)
	}
	for _, v := range values {
		if v < 0 || math.IsNaN(v) || v > 1e6 {
			return fmt.Errorf("%s holds %v", name, v)
		}
	}
	return nil
}

// rising checks quantiles of something that is never negative.
func rising(name string, q draw.Quantiles) error {
	if err := finite(name, q); err != nil {
		return err
	}
	for i := 1; i < len(q); i++ {
		if q[i] < q[i-1] {
			return fmt.Errorf("%s falls at %d", name, i)
		}
	}
	return nil
}

// Row is the last row whose bound is at most x.
func Row(from []float64, x float64) int {
	row := 0
	for i, f := range from {
		if x >= f {
			row = i
		}
	}
	return row
}

// Rate is the daily intensity of trips of a household that makes trips of them
// in days, under row's weights by gap: the mean gap of the renewal process with
// that hazard is the days a trip takes. Found by halving.
func (p *Parameters) Rate(trips float64) float64 {
	weights := p.Gaps[Row(p.GapFrom, trips)]
	want := float64(p.Days) / math.Max(trips, 0.2)
	lo, hi := 1e-6, 20.0
	for range 60 {
		mid := math.Sqrt(lo * hi)
		if meanGap(weights, mid) > want {
			lo = mid
		} else {
			hi = mid
		}
	}
	return math.Sqrt(lo * hi)
}

// meanGap is the mean number of days from a trip to the next.
func meanGap(weights []float64, rate float64) float64 {
	alive, mean := 1.0, 0.0
	for _, w := range weights[:GapMax] {
		alive *= math.Exp(-rate * w)
		mean += alive
	}
	p := 1 - math.Exp(-rate*weights[GapMax])
	return mean + alive*(1-p)/math.Max(p, 1e-12)
}
