package load

import (
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// latencyMax is the longest time the histograms tell apart.
const latencyMax = 60 * time.Second

// histogram holds times in microseconds.
type histogram struct{ *hdrhistogram.Histogram }

func newHistogram() *histogram {
	return &histogram{hdrhistogram.New(1, latencyMax.Microseconds(), 3)}
}

func (h *histogram) record(d time.Duration) {
	_ = h.RecordValue(max(1, min(d, latencyMax).Microseconds())) // it is within the bounds
}

// Millis is a quantile (0 to 100) in milliseconds.
func Millis(h *hdrhistogram.Histogram, quantile float64) float64 {
	return float64(h.ValueAtPercentile(quantile)) / 1000
}

// tally counts requests of one kind.
type tally struct {
	name   string
	mu     sync.Mutex
	total  *histogram
	now    *histogram // of the window under way
	status map[int]int64
	failed int64 // answers that were no success, and those that were refused within
	before int64 // failed until the window under way
	points []Point
}

// Point is one window of a series.
type Point struct {
	At       time.Duration `json:"at_ns"` // the window's end, from the first that is measured
	For      time.Duration `json:"for_ns"`
	Requests int64         `json:"requests"`
	Failed   int64         `json:"failed"`
	P50      float64       `json:"p50_ms"`
	P99      float64       `json:"p99_ms"`
	Max      float64       `json:"max_ms"`
}

func newTally(name string) *tally {
	return &tally{name: name, total: newHistogram(), now: newHistogram(), status: make(map[int]int64)}
}

func (t *tally) add(took time.Duration, status int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total.record(took)
	t.now.record(took)
	t.status[status]++
	if status < http.StatusOK || status >= http.StatusMultipleChoices {
		t.failed++
	}
}

func (t *tally) fail() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed++
}

// turn ends a window, and gives the row of a live view.
func (t *tally) turn(at, length time.Duration) Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := Point{
		At: at, For: length, Requests: t.now.TotalCount(), Failed: t.failed - t.before,
		P50: Millis(t.now.Histogram, 50), P99: Millis(t.now.Histogram, 99), Max: Millis(t.now.Histogram, 100),
	}
	t.points = append(t.points, p)
	t.now.Reset()
	t.before = t.failed
	return Row{Name: t.name, Requests: t.total.TotalCount(), Failed: t.failed, Last: p}
}

// View is what a run looks like after a window.
type View struct {
	Elapsed, Whole time.Duration // measured so far, and in the end
	Visits         int64
	Behind         time.Duration // how long the next visit has been due
	Rows           []Row         // by kind, then all
}

// Row is one kind of request.
type Row struct {
	Name             string
	Requests, Failed int64
	Last             Point
}

// watch ends each window until over, and shows it.
func (d *drive) watch(over <-chan struct{}) {
	length := d.Window()
	tick := time.NewTicker(length)
	defer tick.Stop()
	last := time.Duration(0)
	for ended := false; !ended; {
		select {
		case <-over:
			ended = true
		case <-tick.C:
		}
		at := d.Now().Sub(d.start) - d.Warm
		if at-last < length/2 {
			continue // nothing is measured yet, or hardly anything since
		}
		v := View{Elapsed: min(at, d.Measure), Whole: d.Measure, Visits: d.visits.Load()}
		if d.Rate > 0 {
			v.Behind = max(0, d.Now().Sub(d.due(d.next.Load())))
		}
		for _, name := range d.Kinds {
			v.Rows = append(v.Rows, d.kinds[name].turn(at, at-last))
		}
		v.Rows = append(v.Rows, d.all.turn(at, at-last))
		last = at
		if d.Watch != nil {
			d.Watch(&v)
		}
	}
}

// Kind is what became of the requests of one kind.
type Kind struct {
	Name     string
	Requests int64
	Failed   int64                   // answers that were not 2xx, requests without one, and rows that were refused
	Status   map[int]int64           // answers by status; 0 counts requests without an answer
	Latency  *hdrhistogram.Histogram // from the due instant, in microseconds
	Points   []Point
}

func (t *tally) kind() Kind {
	return Kind{t.name, t.total.TotalCount(), t.failed, maps.Clone(t.status), t.total.Histogram, t.points}
}

// Result is what came back, of the measured part only.
type Result struct {
	Kinds   []Kind // of which there was any request
	All     Kind
	Service *hdrhistogram.Histogram // of all, from the actual start, in microseconds
	Visits  int64                   // that were over
	Took    time.Duration           // of the measured part
	Window  time.Duration           // of points
	Cut     int64                   // requests under way at the end, of which nobody knows how long they would have taken
	Oldest  time.Duration           // how long the longest of them had been due
	Unbegun int64                   // visits that were due and that no worker was free for
}

// Rate is how many requests were answered a second.
func (r *Result) Rate() float64 { return r.per(r.All.Requests) }

func (r *Result) per(n int64) float64 {
	if r.Took <= 0 {
		return 0
	}
	return float64(n) / r.Took.Seconds()
}

func (d *drive) result() *Result {
	elapsed := min(d.Now().Sub(d.start), d.Warm+d.Measure)
	r := &Result{
		All: d.all.kind(), Service: d.service.Histogram, Visits: d.visits.Load(), Took: max(0, elapsed-d.Warm), Window: d.Window(),
		Cut: d.cut, Oldest: d.oldest,
	}
	if begun := d.next.Load(); d.Rate > 0 {
		r.Unbegun = max(0, int64(elapsed.Seconds()*d.Rate)-begun)
	}
	for _, name := range d.Kinds {
		if k := d.kinds[name].kind(); k.Requests > 0 || k.Failed > 0 {
			r.Kinds = append(r.Kinds, k)
		}
	}
	return r
}
