package api

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"endcap/know/ingest"
	"endcap/retail"
)

// gauges are the server's own metrics.
type gauges struct {
	seconds *prometheus.HistogramVec
	panics  prometheus.Counter
	nowhere prometheus.Counter
	rows    *prometheus.CounterVec
}

func newGauges(r *prometheus.Registry) *gauges {
	g := &gauges{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "endcap_http_request_seconds", Help: "Duration of requests by operation and status.",
			Buckets: []float64{.0002, .0005, .001, .002, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"operation", "status"}),
		panics:  prometheus.NewCounter(prometheus.CounterOpts{Name: "endcap_http_panics_total", Help: "Panics caught while serving a request; each is a bug."}),
		nowhere: prometheus.NewCounter(prometheus.CounterOpts{Name: "endcap_http_nowhere_total", Help: "Requests for a path or a method that does not exist."}),
		rows:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "endcap_rows_total", Help: "Rows that came in at a door, by what they are, what became of them and, in quarantine, why."}, []string{"kind", "outcome", "reason"}),
	}
	r.MustRegister(g.seconds, g.panics, g.nowhere, g.rows)
	return g
}

// route gives a function that observes one operation without a look-up per call
// for the statuses it has seen.
func (g *gauges) route(operation string) func(status int, took time.Duration) {
	var known sync.Map
	return func(status int, took time.Duration) {
		o, ok := known.Load(status)
		if !ok {
			o, _ = known.LoadOrStore(status, g.seconds.WithLabelValues(operation, strconv.Itoa(status)))
		}
		o.(prometheus.Observer).Observe(took.Seconds())
	}
}

// Took counts what became of a batch of rows of a kind.
func (s *Server) Took(kind string, sum *ingest.Summary) {
	for outcome, n := range map[ingest.Outcome]int64{ingest.New: sum.New, ingest.Repeat: sum.Repeat, ingest.Corrected: sum.Corrected, ingest.Suppressed: sum.Suppressed} {
		if n > 0 {
			s.gauge.rows.WithLabelValues(kind, string(outcome), "").Add(float64(n))
		}
	}
	for reason, n := range sum.QuarantinedByWhy {
		s.gauge.rows.WithLabelValues(kind, string(ingest.Quarantined), string(reason)).Add(float64(n))
	}
}

// ratesMax bounds how many keys are counted at once; all are let start afresh
// when it is reached.
const ratesMax = 10_000

// rates holds a token bucket per key.
type rates struct {
	now retail.Clock
	mu  sync.Mutex
	of  map[string]*rate.Limiter
}

func newRates(now retail.Clock) *rates { return &rates{now: now, of: make(map[string]*rate.Limiter)} }

// take says whether a key may make one more request; a burst is one second's worth.
func (r *rates) take(key string, perSecond int) bool {
	r.mu.Lock()
	l, ok := r.of[key]
	if !ok {
		if len(r.of) >= ratesMax {
			clear(r.of)
		}
		l = rate.NewLimiter(rate.Limit(perSecond), perSecond)
		r.of[key] = l
	}
	r.mu.Unlock()
	return l.AllowN(r.now(), 1)
}
