package calibrate

import (
	"maps"
	"math"
	"slices"
)

// Distance is one comparison: simulated against real, and one real half against
// the other.
type Distance struct {
	Name      string
	Means     string  // in words
	Simulated float64 // the distance
	Halves    float64
	Goal      float64 // at most; 0 where none is set
}

// Reached reports whether the distance is within its goal.
func (d *Distance) Reached() bool { return d.Goal == 0 || d.Simulated <= d.Goal }

// Distances compares simulated measures with those of the half that was held
// out, and the half that was fitted on with the same.
func Distances(simulated, held, fitted *Measures) []Distance {
	var out []Distance
	add := func(name, means string, goal float64, of func(a, b *Measures) float64) {
		out = append(out, Distance{name, means, of(simulated, held), of(fitted, held), goal})
	}
	const ksMax = 0.08
	add("spend_ks", "KS of spend per household", ksMax, func(a, b *Measures) float64 { return KS(a.Spend, b.Spend) })
	add("trips_ks", "KS of trips per household", ksMax, func(a, b *Measures) float64 { return KS(a.Trips, b.Trips) })
	add("size_ks", "KS of lines per basket", ksMax, func(a, b *Measures) float64 { return KS(a.Size, b.Size) })
	add("value_ks", "KS of value per basket", ksMax, func(a, b *Measures) float64 { return KS(a.Value, b.Value) })
	add("gaps_ks", "KS of days between trips", ksMax, func(a, b *Measures) float64 { return KS(a.Gaps, b.Gaps) })
	add("departments", "largest difference of a department's share of sales", 0.02, func(a, b *Measures) float64 {
		most := 0.0
		for d := range a.Department {
			most = math.Max(most, math.Abs(a.Department[d]-b.Department[d]))
		}
		return most
	})
	add("repeat", "difference of the repeat ratio of baskets", 0.03, func(a, b *Measures) float64 { return math.Abs(a.Repeat - b.Repeat) })
	add("jeopardy", "double jeopardy: difference of the slope of frequency on penetration", 0, func(a, b *Measures) float64 { return math.Abs(a.Slope - b.Slope) })
	add("favourite", "difference of the favourite product's share", 0, func(a, b *Measures) float64 { return math.Abs(a.Loyalty - b.Loyalty) })
	add("deals", "difference of the share of lines below the shelf price", 0, func(a, b *Measures) float64 { return math.Abs(a.Deals - b.Deals) })
	add("depth", "difference of the discount's part of the price", 0, func(a, b *Measures) float64 { return math.Abs(a.Depth - b.Depth) })
	add("uplift", "promotion response: difference of the logarithm of the uplift", 0, func(a, b *Measures) float64 { return math.Abs(math.Log(a.Uplift / b.Uplift)) })
	for _, t := range sortedKeys(held.Redeem) {
		add("redeem "+t, "difference of the share of targeted households that redeem, "+t, 0, func(a, b *Measures) float64 { return math.Abs(a.Redeem[t] - b.Redeem[t]) })
	}
	add("weeks", "total variation of trips by week", 0, func(a, b *Measures) float64 { return variation(a.Weeks, b.Weeks) })
	add("hours", "total variation of trips by weekday and hour", 0, func(a, b *Measures) float64 { return variation(a.Hours[:], b.Hours[:]) })
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
