package insight

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"endcap/prove/cleanroom"
	"endcap/retail"
)

// The charts are laid out here in plain numbers; page.html draws them. Every
// chart is as wide as the page's column, 880 units.
const (
	chartWidth = 880.0
	chartLeft  = 64.0
	chartRight = 16.0
	plotWidth  = chartWidth - chartLeft - chartRight
)

// box is a rectangle with a hint for the pointer.
type box struct {
	X, Y, W, H float64
	Hint       string
	Class      string
}

// tick is a line or word on an axis.
type tick struct {
	At   float64
	Text string
}

// panel is one plot with its own vertical scale.
type panel struct {
	Title    string
	Top      float64 // of the plot area
	Height   float64
	Baseline float64
	Ticks    []tick
	Boxes    []box
	Empty    string // said instead of a plot that has nothing to show
}

// dailyChart shows what was sold and what was spent on the same days.
type dailyChart struct {
	Height float64
	Panels []panel
	Days   []tick
}

func sortTotals(t []refusalTotal) {
	slices.SortFunc(t, func(x, y refusalTotal) int {
		return cmp.Or(cmp.Compare(y.count, x.count), cmp.Compare(x.reason, y.reason))
	})
}

// units is an amount for drawing.
func units(m retail.Money) float64 { return float64(m.Amount) / float64(retail.Unit) }

// daily lays out attributed sales over spend. Sales are blocks as wide as the
// days they were joined from, as high as their daily average.
func (r *Report) daily() dailyChart {
	last := r.Head.FlightFrom
	for _, d := range r.Days {
		last = max(last, d.Day)
	}
	for _, s := range r.Spans {
		last = max(last, s.To)
	}
	count := float64(last-r.Head.FlightFrom) + 1
	x := func(d retail.Day) float64 { return chartLeft + plotWidth*float64(d-r.Head.FlightFrom)/count }
	sales := panel{Title: "Attributed sales a day (" + string(r.Head.Currency) + ")", Top: 30, Height: 150}
	var most float64
	for _, s := range r.Spans {
		if m, ok := s.Sales.Money(); ok {
			most = max(most, units(m)/float64(s.To-s.From+1))
		}
	}
	scaleSales := sales.axis(most)
	for _, s := range r.Spans {
		m, ok := s.Sales.Money()
		if !ok {
			continue
		}
		length := float64(s.To - s.From + 1)
		h := max(0, scaleSales(units(m)/length))
		hint := fmt.Sprintf("%s: %s from %s buyers", days(s.From, s.To), money(m), s.Buyers)
		sales.Boxes = append(sales.Boxes, box{X: x(s.From) + 1, Y: sales.Baseline - h, W: max(1, x(s.To+1)-x(s.From)-2), H: h, Hint: hint, Class: "sales"})
	}
	if len(sales.Boxes) == 0 {
		sales.Empty = fmt.Sprintf("Not told yet: fewer than %d buyers", r.Head.ShoppersMin)
	}
	spend := panel{Title: "Spend a day (" + string(r.Head.Currency) + ")", Top: 230, Height: 80}
	most = 0
	for _, d := range r.Days {
		if m, ok := d.Spend.Money(); ok {
			most = max(most, units(m))
		}
	}
	scaleSpend := spend.axis(most)
	for _, d := range r.Days {
		m, ok := d.Spend.Money()
		if !ok {
			continue
		}
		h := scaleSpend(units(m))
		hint := fmt.Sprintf("%v: %s for %s clicks", d.Day, money(m), d.Clicks)
		spend.Boxes = append(spend.Boxes, box{X: x(d.Day) + 1, Y: spend.Baseline - h, W: max(1, x(d.Day+1)-x(d.Day)-2), H: h, Hint: hint, Class: "spend"})
	}
	if len(spend.Boxes) == 0 {
		spend.Empty = "Withheld"
	}
	chart := dailyChart{Height: 342, Panels: []panel{sales, spend}}
	step := retail.Day(math.Ceil(count / 12))
	for d := r.Head.FlightFrom; d <= last; d += step {
		chart.Days = append(chart.Days, tick{At: (x(d) + x(d+1)) / 2, Text: d.UTC().Format("2 Jan")})
	}
	return chart
}

// axis sets the panel's ticks for values up to most and returns its scale.
func (p *panel) axis(most float64) func(float64) float64 {
	p.Baseline = p.Top + p.Height
	step := niceStep(most / 3)
	top := step
	for top < most {
		top += step
	}
	scale := func(v float64) float64 { return v / top * p.Height }
	for v := 0.0; v <= top*1.0001; v += step {
		p.Ticks = append(p.Ticks, tick{At: p.Baseline - scale(v), Text: label(v, step)})
	}
	return scale
}

// niceStep is 1, 2 or 5 times a power of ten, at least v.
func niceStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v {
			return m * power
		}
	}
	return 10 * power
}

// label writes an axis value with as many decimals as its step needs.
func label(v, step float64) string {
	if math.Abs(v) < step/1e6 {
		v = 0
	}
	if step >= 1 {
		return grouped(fmt.Sprintf("%.0f", v))
	}
	return grouped(fmt.Sprintf("%.*f", int(math.Ceil(-math.Log10(step))), v))
}

// stage is one step of the funnel.
type stage struct {
	Name  string
	Value string
	Rate  string // per hundred of an earlier step
	Y, W  float64
	Told  bool
}

type funnelChart struct {
	Height float64
	Stages []stage
}

// funnel lays out impressions, clicks, baskets and purchases on a square-root
// scale, so that the narrow end can be seen at all; the numbers stand beside.
func (r *Report) funnel() funnelChart {
	var out funnelChart
	var most int64
	steps := []struct{ id, of, per string }{
		{"impressions", "", ""}, {"clicks", "impressions", "for 100 impressions"}, {"baskets", "clicks", "for 100 clicks"}, {"purchases", "clicks", "for 100 clicks"},
	}
	for i, step := range steps {
		f := r.Figure(step.id)
		n, told := countOf(f.Value)
		s := stage{Name: f.Name, Value: brief(f.Value, r.Head.ShoppersMin), Y: float64(i) * 46, Told: told}
		if told {
			most = max(most, n)
			if of, ok := countOf(r.Figure(step.of).Value); ok && of > 0 {
				s.Rate = fmt.Sprintf("%.1f %s", 100*float64(n)/float64(of), step.per)
			}
			if most > 0 {
				s.W = max(2, (chartWidth-420)*math.Sqrt(float64(n)/float64(most)))
			}
		}
		out.Stages = append(out.Stages, s)
	}
	out.Height = float64(len(out.Stages)) * 46
	return out
}

func countOf(v Value) (int64, bool) {
	switch v := v.(type) {
	case cleanroom.Cleared:
		return v.Count()
	case cleanroom.Delivery:
		return v.Count()
	default:
		return 0, false
	}
}

// effectRow is one amount beside the others; a whisker where it is an estimate.
type effectRow struct {
	Name      string
	Text      string
	Number    string
	Interval  string
	Y         float64
	X, W      float64 // bar from zero
	Low, High float64 // whisker
	At        float64 // the estimate
	Estimate  bool
	Class     string
	Told      bool
}

type effectChart struct {
	Height float64
	Zero   float64
	Rows   []effectRow
	Ticks  []tick
}

// effect lays out spend, attributed and incremental sales on one scale.
func (r *Report) effect() effectChart {
	low, high := 0.0, 0.0
	for _, id := range []string{"spend", "attributed_sales", "incremental_sales"} {
		if e, ok := extent(r.Figure(id).Value); ok {
			low, high = min(low, e.low), max(high, e.high)
		}
	}
	if high-low == 0 {
		high = 1
	}
	step := niceStep((high - low) / 6)
	low, high = math.Floor(low/step)*step, math.Ceil(high/step)*step
	const left, right = 160.0, 250.0
	x := func(v float64) float64 { return left + (chartWidth-left-right)*(v-low)/(high-low) }
	out := effectChart{Zero: x(0)}
	for i, id := range []string{"spend", "attributed_sales", "incremental_sales"} {
		f := r.Figure(id)
		e, ok := extent(f.Value)
		row := effectRow{Name: f.Name, Y: float64(i)*52 + 10, Told: ok, Class: id, Text: shown(f.Value, r.Head.ShoppersMin)}
		row.Number = row.Text
		if ok && e.low == e.high {
			row.X, row.W = min(x(0), x(e.at)), math.Abs(x(e.at)-x(0))
		}
		if c, is := f.Value.(cleanroom.Cleared); is && ok {
			if _, _, est := c.Interval(); est {
				row.Interval = r.intervalText(&f)
				row.Estimate, row.Low, row.High, row.At = true, x(e.low), x(e.high), x(e.at)
				row.Text += ", " + row.Interval
			}
		}
		out.Rows = append(out.Rows, row)
	}
	out.Height = float64(len(out.Rows))*52 + 34
	for v := low; v <= high+step/1e6; v += step {
		out.Ticks = append(out.Ticks, tick{At: x(v), Text: label(v, step)})
	}
	return out
}

// span is what a value covers on a money axis.
type span struct{ low, high, at float64 }

func extent(v Value) (span, bool) {
	switch v := v.(type) {
	case cleanroom.Cleared:
		m, told := v.Money()
		if a, b, est := v.Interval(); est {
			return span{units(a), units(b), units(m)}, true
		}
		return span{units(m), units(m), units(m)}, told
	case cleanroom.Delivery:
		m, told := v.Money()
		return span{units(m), units(m), units(m)}, told
	default:
		return span{}, false
	}
}

// refusalChart is a field of days and reasons, darker where there were more.
type refusalChart struct {
	Height float64
	Rows   []refusalRow
	Days   []tick
}

type refusalRow struct {
	Reason string
	Total  string
	Y      float64
	Boxes  []box
}

// reasonsMax is how many reasons the chart shows; the table holds all.
const reasonsMax = 12

func (r *Report) refused() refusalChart {
	var out refusalChart
	if len(r.Refusals) == 0 {
		return out
	}
	first, last := r.Refusals[0].Day, r.Refusals[len(r.Refusals)-1].Day
	most := int64(1)
	byReason := make(map[string][]Refusal)
	for _, x := range r.Refusals {
		n, _ := x.Count.Count()
		most = max(most, n)
		byReason[x.Reason] = append(byReason[x.Reason], x)
	}
	const left, right, rowHeight = 190.0, 90.0, 26.0
	count := float64(last-first) + 1
	x := func(d retail.Day) float64 { return left + (chartWidth-left-right)*float64(d-first)/count }
	for i, total := range r.refusalTotals() {
		if i == reasonsMax {
			break
		}
		row := refusalRow{Reason: total.reason, Total: counted(total.count), Y: float64(i) * rowHeight}
		for _, cell := range byReason[total.reason] {
			n, told := cell.Count.Count()
			if !told || n == 0 {
				continue
			}
			shade := 1 + int(6*math.Log1p(float64(n))/math.Log1p(float64(most)))
			row.Boxes = append(row.Boxes, box{
				X: x(cell.Day) + .75, Y: row.Y + 2, W: max(1, x(cell.Day+1)-x(cell.Day)-1.5), H: rowHeight - 4,
				Hint: fmt.Sprintf("%v: %s %s times", cell.Day, cell.Reason, counted(n)), Class: fmt.Sprintf("shade%d", min(shade, 7)),
			})
		}
		out.Rows = append(out.Rows, row)
	}
	out.Height = float64(len(out.Rows))*rowHeight + 24
	step := retail.Day(math.Ceil(count / 10))
	for d := first; d <= last; d += step {
		out.Days = append(out.Days, tick{At: (x(d) + x(d+1)) / 2, Text: d.UTC().Format("2 Jan")})
	}
	return out
}
