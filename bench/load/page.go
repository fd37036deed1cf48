package load

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

//go:embed page.html
var pageText string

// The planes of the page's plots, in units of the drawing.
const (
	planeWidth  = 900.0
	seriesTall  = 240.0
	rateTall    = 70.0
	ridgeWidth  = 600.0
	ridgeTall   = 46.0
	smallWidth  = 280.0
	smallTall   = 110.0
	densityBins = 140
)

// mark is a word, or a thin line, at a place of an axis.
type mark struct {
	At   float64
	Text string
}

// series is latency over time: half of the requests below one line, all but the
// slowest hundredth below the other.
type series struct {
	Name           string
	Width, Tall    float64
	P50, P99, Band string
	Max            []dot
	Times, Scale   []mark
}

type dot struct{ X, Y float64 }

// strip is what was answered by the second.
type strip struct {
	Area   string
	Failed []column
	Top    mark
}

type column struct{ X, Y, W, H float64 }

// ridge is how latencies of one kind are spread over a logarithmic axis.
type ridge struct {
	Name, Requests string
	Y              float64
	Area           string
	Marks          []mark
}

// Page tells the result as a page that stands by itself. About says what was
// loaded, and by what.
func (r *Result) Page(w io.Writer, about string) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"ms": millis, "n": thousands, "one": func(f float64) string { return fmt.Sprintf("%.1f", f) },
		"rate": r.per, "quantile": Millis, "tall": func(n int) float64 { return ridgeTall * float64(n) },
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("parse page: %w", err)
	}
	ridges, axis := r.ridges()
	var small []series
	for i := range r.Kinds {
		small = append(small, r.series(&r.Kinds[i], smallWidth, smallTall))
	}
	return t.Execute(w, map[string]any{
		"Result": r, "About": about, "Notes": r.notes(), "Series": r.series(&r.All, planeWidth, seriesTall), "Strip": r.strip(),
		"Ridges": ridges, "Axis": axis, "Small": small, "Took": r.Took.Round(100 * time.Millisecond),
	})
}

// decades are the powers of ten, in milliseconds, between which all of a result's
// times lie: its axes are alike, so that plots can be compared.
func (r *Result) decades() (low, high float64) {
	low, high = 0, 0
	if r.All.Requests > 0 {
		low = math.Floor(math.Log10(math.Max(Millis(r.All.Latency, 1), 0.01)))
		high = math.Ceil(math.Log10(math.Max(Millis(r.All.Latency, 100), 0.01)))
	}
	return low, math.Max(high, low+1)
}

// decade names a power of ten of milliseconds.
func decade(power float64) string {
	if power >= 3 {
		return fmt.Sprintf("%g s", math.Pow(10, power-3))
	}
	return fmt.Sprintf("%g ms", math.Pow(10, power))
}

// series draws a kind's latency over time.
func (r *Result) series(k *Kind, width, tall float64) series {
	s := series{Name: k.Name, Width: width, Tall: tall}
	low, high := r.decades()
	x := func(at time.Duration) float64 { return width * at.Seconds() / math.Max(r.Took.Seconds(), 1e-9) }
	y := func(ms float64) float64 {
		part := (math.Log10(math.Max(ms, 1e-3)) - low) / (high - low)
		return tall * (1 - math.Min(math.Max(part, 0), 1))
	}
	var p50, p99, back strings.Builder
	for i := range k.Points {
		p := &k.Points[i]
		if p.Requests == 0 {
			continue
		}
		at := math.Min(x(p.At-p.For/2), width)
		fmt.Fprintf(&p50, "%.1f,%.1f ", at, y(p.P50))
		fmt.Fprintf(&p99, "%.1f,%.1f ", at, y(p.P99))
		s.Max = append(s.Max, dot{at, y(p.Max)})
	}
	for i := len(k.Points) - 1; i >= 0; i-- {
		if p := &k.Points[i]; p.Requests > 0 {
			fmt.Fprintf(&back, "%.1f,%.1f ", math.Min(x(p.At-p.For/2), width), y(p.P50))
		}
	}
	s.P50, s.P99, s.Band = p50.String(), p99.String(), p99.String()+back.String()
	for power := low; power <= high; power++ {
		s.Scale = append(s.Scale, mark{y(math.Pow(10, power)), decade(power)})
	}
	step := stepOf(r.Took, int(width/90))
	for at := time.Duration(0); at <= r.Took; at += step {
		s.Times = append(s.Times, mark{x(at), at.String()})
	}
	return s
}

// stepOf is a round distance between at most so many marks of a time axis.
func stepOf(whole time.Duration, most int) time.Duration {
	for _, step := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour} {
		if whole <= step*time.Duration(most) {
			return step
		}
	}
	return (whole / time.Duration(most)).Truncate(time.Hour) + time.Hour
}

// strip draws what was answered a second, and what of it failed.
func (r *Result) strip() strip {
	var out strip
	perSecond := func(p *Point, n int64) float64 { return float64(n) / math.Max(p.For.Seconds(), 1e-9) }
	top := 1.0
	for i := range r.All.Points {
		top = math.Max(top, perSecond(&r.All.Points[i], r.All.Points[i].Requests))
	}
	x := func(at time.Duration) float64 {
		return math.Min(planeWidth, planeWidth*math.Max(at.Seconds(), 0)/math.Max(r.Took.Seconds(), 1e-9))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "0,%g ", rateTall)
	end := 0.0
	for i := range r.All.Points {
		p := &r.All.Points[i]
		from, to, tall := x(p.At-p.For), x(p.At), rateTall*perSecond(p, p.Requests)/top
		fmt.Fprintf(&b, "%.1f,%.1f %.1f,%.1f ", from, rateTall-tall, to, rateTall-tall)
		if p.Failed > 0 {
			failed := math.Max(rateTall*math.Min(perSecond(p, p.Failed)/top, 1), 2)
			out.Failed = append(out.Failed, column{from, rateTall - failed, math.Max(to-from, 1), failed})
		}
		end = to
	}
	fmt.Fprintf(&b, "%.1f,%g", end, rateTall)
	out.Area, out.Top = b.String(), mark{0, thousands(int64(top + 0.5))}
	return out
}

// ridges draws how the times of each kind are spread, each as high as its peak.
func (r *Result) ridges() (all []ridge, axis []mark) {
	low, high := r.decades()
	x := func(ms float64) float64 {
		part := (math.Log10(math.Max(ms, 1e-3)) - low) / (high - low)
		return ridgeWidth * math.Min(math.Max(part, 0), 1)
	}
	for i, k := range r.Kinds {
		one := ridge{Name: k.Name, Requests: thousands(k.Requests), Y: ridgeTall * float64(i)}
		one.Area = densityOf(k.Latency, x)
		for _, q := range []float64{50, 99} {
			ms := Millis(k.Latency, q)
			one.Marks = append(one.Marks, mark{x(ms), fmt.Sprintf("p%g %s ms", q, millis(ms))})
		}
		all = append(all, one)
	}
	for power := low; power <= high; power++ {
		axis = append(axis, mark{x(math.Pow(10, power)), decade(power)})
	}
	return all, axis
}

// densityOf is the outline of a histogram over an axis, smoothed a little, for
// neighbouring bins of a logarithmic axis hold unlike numbers of whole
// microseconds.
func densityOf(h *hdrhistogram.Histogram, x func(ms float64) float64) string {
	var bins [densityBins + 1]float64
	for _, bar := range h.Distribution() {
		if bar.Count > 0 {
			at := x(float64(bar.From+bar.To) / 2_000)
			bins[int(densityBins*at/ridgeWidth)] += float64(bar.Count)
		}
	}
	var smooth [densityBins + 1]float64
	peak := 1e-9
	for i := range bins {
		for near, weight := range map[int]float64{-2: 1, -1: 2, 0: 3, 1: 2, 2: 1} {
			if j := i + near; j >= 0 && j < len(bins) {
				smooth[i] += weight * bins[j]
			}
		}
		peak = math.Max(peak, smooth[i])
	}
	const floor = ridgeTall - 6
	var b strings.Builder
	fmt.Fprintf(&b, "0,%g ", floor)
	for i, v := range smooth {
		fmt.Fprintf(&b, "%.1f,%.1f ", ridgeWidth*float64(i)/densityBins, floor-(floor-8)*v/peak)
	}
	fmt.Fprintf(&b, "%g,%g", ridgeWidth, floor)
	return b.String()
}
