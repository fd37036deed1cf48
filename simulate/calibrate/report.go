package calibrate

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"endcap/simulate/model"
)

// Report is one comparison, told as tables or as a page.
type Report struct {
	Distances []Distance
	Simulated *Measures
	Held      *Measures // of the real half on which the model was not fitted
	Fitted    *Measures // of the other
	Spread    *Spread   // for the page's map; nil where outlines or communes are not at hand
	brands    [2][]Brand
}

// Compare compares a simulated log with a real one.
func Compare(simulated, journey *Log) *Report {
	fitted, held := journey.Half(HalfSeed, 0), journey.Half(HalfSeed, 1)
	r := &Report{Simulated: Measure(simulated), Held: Measure(held), Fitted: Measure(fitted)}
	r.Distances = Distances(r.Simulated, r.Held, r.Fitted)
	r.brands = [2][]Brand{Brands(simulated), Brands(held)}
	return r
}

// Write tells the report as tables, and each distance as figures.
func (r *Report) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "declared-synthetic: %d simulated households beside %d real ones that the model has not seen\n\n", r.Simulated.Households, r.Held.Households)
	_, _ = fmt.Fprintln(t, "distance\tsimulated\ttwo real halves\tat most")
	for i := range r.Distances {
		d := &r.Distances[i]
		_, _ = fmt.Fprintf(t, "%s\t%.4f\t%.4f\t%s\n", d.Means, d.Simulated, d.Halves, d.verdict())
	}
	_, _ = fmt.Fprintln(t, "\nmeasure\tsimulated\treal, held out\treal, fitted on")
	for _, row := range r.measures() {
		_, _ = fmt.Fprintf(t, "%s\t%.4g\t%.4g\t%.4g\n", row.name, row.of[0], row.of[1], row.of[2])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i := range r.Distances {
		if _, err := io.WriteString(w, r.Distances[i].figures()); err != nil {
			return err
		}
	}
	return nil
}

// figures are two lines as docs/figures.md describes them: the distance, and the
// same between the two real halves.
func (d *Distance) figures() string {
	name := "simulate.check." + strings.ToLower(strings.ReplaceAll(d.Name, " ", "_"))
	goal := ""
	if d.Goal > 0 {
		goal = " goal <=" + d.verdict()
	}
	return fmt.Sprintf("figure %s %v distance%s\nfigure %s.real_halves %v distance\n", name, rounded(d.Simulated), goal, name, rounded(d.Halves))
}

// rounded is x to four decimals.
func rounded(x float64) float64 { return math.Round(x*10_000) / 10_000 }

func (d *Distance) verdict() string {
	switch {
	case d.Goal == 0:
		return ""
	case d.Reached():
		return fmt.Sprintf("%v ok", d.Goal)
	}
	return fmt.Sprintf("%v short", d.Goal)
}

// measured is one measure of the three logs.
type measured struct {
	name string
	of   [3]float64
}

func (r *Report) measures() []measured {
	all := [3]*Measures{r.Simulated, r.Held, r.Fitted}
	var out []measured
	add := func(name string, of func(m *Measures) float64) {
		row := measured{name: name}
		for i, m := range all {
			row.of[i] = of(m)
		}
		out = append(out, row)
	}
	add("spend of a household, median", func(m *Measures) float64 { return median(m.Spend) })
	add("trips of a household, median", func(m *Measures) float64 { return median(m.Trips) })
	add("lines of a basket, mean", func(m *Measures) float64 { return mean(m.Size) })
	add("value of a basket, mean", func(m *Measures) float64 { return mean(m.Value) })
	add("days between trips, mean", func(m *Measures) float64 { return mean(m.Gaps) })
	add("repeat ratio of baskets", func(m *Measures) float64 { return m.Repeat })
	add("share of the favourite product in a category", func(m *Measures) float64 { return m.Loyalty })
	add("slope of frequency on penetration", func(m *Measures) float64 { return m.Slope })
	add("lines below the shelf price", func(m *Measures) float64 { return m.Deals })
	add("discount's part of their price", func(m *Measures) float64 { return m.Depth })
	add("uplift of promoted weeks", func(m *Measures) float64 { return m.Uplift })
	for _, t := range sortedKeys(r.Held.Redeem) {
		add("targeted households that redeem, "+t, func(m *Measures) float64 { return m.Redeem[t] })
	}
	for d := range model.Departments {
		add("share of sales, "+names[d], func(m *Measures) float64 { return m.Department[d] })
	}
	return out
}

// median is that of sorted values.
func median(sorted []float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)/2]
}
