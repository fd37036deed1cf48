package calibrate

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"

	"endcap/simulate/model"
)

//go:embed page.html
var pageText string

// plot is one chart, laid out in plain numbers; page.html draws it.
type plot struct {
	Title  string
	Lines  []line
	Dots   []dot
	Bars   []bar
	Ticks  []mark
	Height float64
}

type line struct{ Class, Points string }

type dot struct {
	Class string
	X, Y  float64
}

type bar struct {
	Class      string
	X, Y, W, H float64
	Hint       string
}

type mark struct {
	X, Y float64
	Text string
}

// The plane of a plot, in units of the drawing.
const (
	plotWidth  = 420.0
	plotHeight = 200.0
)

// Page tells the report as a page that stands by itself.
func (r *Report) Page(w io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"four":    func(x float64) string { return fmt.Sprintf("%.4f", x) },
		"figures": func(x float64) string { return fmt.Sprintf("%.4g", x) },
		"verdict": func(d Distance) string { return d.verdict() },
		"percent": func(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) },
		"share":   func(x, of float64) string { return fmt.Sprintf("%.1f%%", 100*x/of) },
		"stores":  stores,
		"grouped": func(n int) string { return fmt.Sprintf("%d,%03d", n/1_000, n%1_000) },
		"lens":    func(x, from float64) string { return fmt.Sprintf("%.1f", 8+4.8*(x-from)) },
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("parse page: %w", err)
	}
	type row struct {
		Name string
		Of   [3]float64
	}
	var rows []row
	for _, m := range r.measures() {
		rows = append(rows, row{m.name, m.of})
	}
	page := map[string]any{"Report": r, "Rows": rows, "Plots": r.plots()}
	if r.Spread != nil {
		page["Map"] = r.Spread.chart()
	}
	return t.Execute(w, page)
}

func (r *Report) plots() []plot {
	three := func(of func(m *Measures) []float64) [3][]float64 {
		return [3][]float64{of(r.Simulated), of(r.Held), of(r.Fitted)}
	}
	return []plot{
		cumulative("Spend per household", three(func(m *Measures) []float64 { return m.Spend })),
		cumulative("Trips per household", three(func(m *Measures) []float64 { return m.Trips })),
		cumulative("Lines per basket", three(func(m *Measures) []float64 { return m.Size })),
		cumulative("Value per basket", three(func(m *Measures) []float64 { return m.Value })),
		cumulative("Days between trips", three(func(m *Measures) []float64 { return m.Gaps })),
		r.jeopardy(),
		r.departments(),
		profile("Trips by weekday and hour, from Monday", three(func(m *Measures) []float64 { return m.Hours[:] })),
		profile("Trips by week", three(func(m *Measures) []float64 { return m.Weeks })),
	}
}

// classes colour simulated, held-out and fitted.
var classes = [3]string{"simulated", "held", "fitted"}

// cumulative draws distribution functions over a logarithmic axis.
func cumulative(title string, of [3][]float64) plot {
	p := plot{Title: title, Height: plotHeight}
	least, most := 1.0, 1.0
	for _, values := range of {
		if n := len(values); n > 0 {
			most = math.Max(most, values[n-1])
		}
	}
	x := func(v float64) float64 {
		return plotWidth * math.Log(math.Max(v, 0.5*least)/(0.5*least)) / math.Log(most/(0.5*least))
	}
	for i, values := range of {
		var b strings.Builder
		for step := range 201 {
			if len(values) == 0 {
				break
			}
			share := float64(step) / 200
			at := values[min(int(share*float64(len(values))), len(values)-1)]
			fmt.Fprintf(&b, "%.1f,%.1f ", x(at), plotHeight*(1-share))
		}
		p.Lines = append(p.Lines, line{classes[i], b.String()})
	}
	for v := least; v <= most; v *= 10 {
		p.Ticks = append(p.Ticks, mark{x(v), plotHeight + 16, fmt.Sprint(v)})
	}
	return p
}

// profile draws shares in their order.
func profile(title string, of [3][]float64) plot {
	p := plot{Title: title, Height: plotHeight}
	most := 1e-9
	for _, values := range of {
		for _, v := range values {
			most = math.Max(most, v)
		}
	}
	for i, values := range of {
		var b strings.Builder
		for j, v := range values {
			fmt.Fprintf(&b, "%.1f,%.1f ", plotWidth*(float64(j)+0.5)/float64(len(values)), plotHeight*(1-v/most))
		}
		p.Lines = append(p.Lines, line{classes[i], b.String()})
	}
	return p
}

// jeopardy draws each brand's frequency over its penetration.
func (r *Report) jeopardy() plot {
	p := plot{Title: "Brands: purchases of a buyer over penetration, both logarithmic", Height: plotHeight}
	for side, class := range classes[:2] {
		for i, b := range r.brands[side] {
			if i%3 != 0 { // a third of the dots shows the cloud
				continue
			}
			x := plotWidth * (1 + math.Log10(b.Penetration)/3)
			y := plotHeight * (1 - math.Log10(b.Frequency)/1.5)
			if x >= 0 && y >= 0 {
				p.Dots = append(p.Dots, dot{class, x, y})
			}
		}
	}
	return p
}

// departments draws shares of sales side by side.
func (r *Report) departments() plot {
	const each = 22.0
	p := plot{Title: "Shares of sales", Height: each * model.Departments}
	for d := range model.Departments {
		for i, m := range []*Measures{r.Simulated, r.Held} {
			p.Bars = append(p.Bars, bar{
				classes[i], 170, each*float64(d) + 9*float64(i), 1_600 * m.Department[d], 8,
				fmt.Sprintf("%s: %.1f %%", names[d], 100*m.Department[d]),
			})
		}
		p.Ticks = append(p.Ticks, mark{80, each*float64(d) + 13, names[d]})
	}
	return p
}
