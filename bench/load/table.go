package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Write writes a table a person can read.
func (r *Result) Write(w io.Writer) error {
	width := len("kind")
	for _, k := range r.Kinds {
		width = max(width, len(k.Name))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s %11s %8s %9s %9s %9s %9s %9s\n", width, "kind", "requests", "failed", "a second", "p50 ms", "p90 ms", "p99 ms", "max ms")
	for _, k := range append(slices.Clone(r.Kinds), r.All) {
		fmt.Fprintf(&b, "%-*s %11s %8s %9.1f", width, k.Name, thousands(k.Requests), thousands(k.Failed), r.per(k.Requests))
		for _, q := range []float64{50, 90, 99, 100} {
			fmt.Fprintf(&b, " %9s", millis(Millis(k.Latency, q)))
		}
		b.WriteByte('\n')
	}
	for _, note := range r.notes() {
		b.WriteString(note + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// notes say what the table does not.
func (r *Result) notes() []string {
	all := []string{fmt.Sprintf("%s visits in %.1f s, %.1f a second; half of all requests took the server at most %s ms once they were sent",
		thousands(r.Visits), r.Took.Seconds(), r.per(r.Visits), millis(Millis(r.Service, 50)))}
	for _, k := range r.Kinds {
		for _, status := range slices.Sorted(maps.Keys(k.Status)) {
			switch {
			case status == 0:
				all = append(all, fmt.Sprintf("%s: %s had no answer", k.Name, thousands(k.Status[status])))
			case status < 200 || status > 299:
				all = append(all, fmt.Sprintf("%s: %s were answered with status %d", k.Name, thousands(k.Status[status]), status))
			}
		}
		if n := k.Failed - k.unsuccessful(); n > 0 {
			all = append(all, fmt.Sprintf("%s: %s were answered with success and refused within", k.Name, thousands(n)))
		}
	}
	if r.Cut > 0 {
		all = append(all, fmt.Sprintf("%s requests were under way at the end and are not counted; the longest was due for %s", thousands(r.Cut), r.Oldest.Round(time.Millisecond)))
	}
	if r.Unbegun > 0 {
		all = append(all, thousands(r.Unbegun)+" visits were due and had not begun: the server, or the number of visits that may be under way, was not up to the rate")
	}
	return all
}

// unsuccessful counts answers that were no success, and requests without one.
func (k *Kind) unsuccessful() (n int64) {
	for status, count := range k.Status {
		if status < 200 || status > 299 {
			n += count
		}
	}
	return n
}

// FailedShare is the share of all requests that failed.
func (r *Result) FailedShare() float64 {
	return float64(r.All.Failed) / float64(max(r.All.Requests, 1))
}

// millis writes milliseconds with three digits, and more where they are whole.
func millis(ms float64) string {
	switch {
	case ms >= 100:
		return thousands(int64(ms + 0.5))
	case ms >= 10:
		return fmt.Sprintf("%.1f", ms)
	default:
		return fmt.Sprintf("%.2f", ms)
	}
}

func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Live is a view that is drawn over and over in the same place of a terminal.
type Live struct {
	w     io.Writer
	lines int
}

// NewLive draws on a terminal.
func NewLive(w io.Writer) *Live { return &Live{w: w} }

// Draw shows a view in place of the last one; an error of the terminal is dropped.
func (l *Live) Draw(v *View) {
	const bar = 30
	full := int(bar * float64(v.Elapsed) / float64(max(v.Whole, 1)))
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s %s of %s, %s visits", strings.Repeat("█", full), strings.Repeat("░", bar-full),
		v.Elapsed.Round(time.Second), v.Whole.Round(time.Second), thousands(v.Visits))
	if v.Behind > 10*time.Millisecond {
		fmt.Fprintf(&b, ", %s behind", v.Behind.Round(10*time.Millisecond))
	}
	fmt.Fprintf(&b, "\n%-12s %11s %8s %9s %9s %9s\n", "", "requests", "failed", "a second", "p50 ms", "p99 ms")
	for _, r := range v.Rows {
		if r.Requests == 0 && r.Name != "all" {
			continue
		}
		fmt.Fprintf(&b, "%-12.12s %11s %8s %9.1f %9s %9s\n", r.Name, thousands(r.Requests), thousands(r.Failed),
			float64(r.Last.Requests)/max(r.Last.For.Seconds(), 1e-9), millis(r.Last.P50), millis(r.Last.P99))
	}
	text := b.String()
	l.Clear()
	l.lines = strings.Count(text, "\n")
	_, _ = io.WriteString(l.w, text)
}

// Clear takes the view off the terminal.
func (l *Live) Clear() {
	if l.lines > 0 {
		_, _ = fmt.Fprintf(l.w, "\x1b[%dA\x1b[J", l.lines)
	}
	l.lines = 0
}

// Told is a result for machines.
type Told struct {
	Visits    int64              `json:"visits"`
	Requests  int64              `json:"requests"`
	Failed    int64              `json:"failed"`
	Rate      float64            `json:"rate"` // requests a second
	Seconds   float64            `json:"seconds"`
	Cut       int64              `json:"under_way_at_the_end"`
	Unbegun   int64              `json:"visits_not_begun"`
	Latency   map[string]float64 `json:"latency_ms"`
	Service50 float64            `json:"service_p50_ms"`
	Kinds     []ToldKind         `json:"kinds"`
	Points    []Point            `json:"points"`
}

// ToldKind is one kind of request of Told.
type ToldKind struct {
	Kind     string             `json:"kind"`
	Requests int64              `json:"requests"`
	Failed   int64              `json:"failed"`
	Rate     float64            `json:"rate"`
	Status   map[int]int64      `json:"status"` // 0 counts requests without an answer
	Latency  map[string]float64 `json:"latency_ms"`
}

// Told gives the result as JSON has it.
func (r *Result) Told() Told {
	out := Told{
		Visits: r.Visits, Requests: r.All.Requests, Failed: r.All.Failed, Rate: r.Rate(), Seconds: r.Took.Seconds(), Cut: r.Cut, Unbegun: r.Unbegun,
		Latency: r.All.quantiles(), Service50: Millis(r.Service, 50), Points: r.All.Points,
	}
	for i := range r.Kinds {
		k := &r.Kinds[i]
		out.Kinds = append(out.Kinds, ToldKind{k.Name, k.Requests, k.Failed, r.per(k.Requests), k.Status, k.quantiles()})
	}
	return out
}

func (k *Kind) quantiles() map[string]float64 {
	return map[string]float64{
		"p50": Millis(k.Latency, 50), "p90": Millis(k.Latency, 90), "p99": Millis(k.Latency, 99), "p999": Millis(k.Latency, 99.9), "max": Millis(k.Latency, 100),
	}
}
