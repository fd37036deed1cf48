// Package load drives a server at a set rate and measures how long answers
// take. It is an open loop: every request has an instant at which it is due,
// and its time counts from then, however late the server's earlier answers made
// it start, so a slow server cannot hide behind its own slowness (no coordinated
// omission). Times go into HDR histograms.
//
// It stands outside the road of a receipt and looks at how fast it is.
package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"endcap/retail"
)

// Request is one recorded request; a file of them holds one JSON object a line.
type Request struct {
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Body   json.RawMessage `json:"body,omitempty"`
}

// Limits of a recording.
const (
	requestsMax = 1_000_000
	lineMax     = 4 << 20
)

// ErrRecording is returned for a file that is not a recording.
var ErrRecording = errors.New("not a recording of requests")

// Read reads a recording.
func Read(r io.Reader) ([]Request, error) {
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, lineMax)
	var all []Request
	for n := 1; scan.Scan(); n++ {
		if len(bytes.TrimSpace(scan.Bytes())) == 0 {
			continue
		}
		var one Request
		d := json.NewDecoder(bytes.NewReader(scan.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(&one); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrRecording, n, err)
		}
		if one.Method == "" || one.Path == "" || one.Path[0] != '/' {
			return nil, fmt.Errorf("%w: line %d lacks a method or a path", ErrRecording, n)
		}
		if all = append(all, one); len(all) > requestsMax {
			return nil, fmt.Errorf("%w: more than %d requests", ErrRecording, requestsMax)
		}
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("read recording: %w", err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrRecording)
	}
	return all, nil
}

// Plan says what to send.
type Plan struct {
	Client   *http.Client // with its own connection limits
	Target   string       // e.g. "http://127.0.0.1:8080"
	Key      string       // API key; empty sends none
	Requests []Request    // sent in order, again and again
	Rate     float64      // requests a second; 0 means as fast as Workers can
	Workers  int          // requests under way at most
	Warm     time.Duration
	Measure  time.Duration
	Now      retail.Clock
}

// Check returns what is wrong with a plan.
func (p *Plan) Check() error {
	switch {
	case len(p.Requests) == 0:
		return errors.New("a load needs requests")
	case p.Workers < 1 || p.Workers > 10_000:
		return errors.New("a load has 1 to 10,000 workers")
	case p.Rate < 0 || p.Rate > 10_000_000:
		return errors.New("a load has 0 to 10,000,000 requests a second")
	case p.Measure <= 0:
		return errors.New("a load measures for some time")
	}
	return nil
}

// Result is what came back, of the measured part only.
type Result struct {
	Sent    int64
	Rate    float64                 // answered a second
	Took    time.Duration           // of the measured part
	Status  map[int]int64           // answers by status; 0 counts requests without an answer
	Latency *hdrhistogram.Histogram // from the due instant, in microseconds
	Service *hdrhistogram.Histogram // from the actual start, in microseconds
}

// Failed counts answers that were not 2xx, and requests without one.
func (r *Result) Failed() int64 {
	var n int64
	for status, count := range r.Status {
		if status < 200 || status > 299 {
			n += count
		}
	}
	return n
}

// Write writes a table a person can read.
func (r *Result) Write(w io.Writer) error {
	fmt.Fprintf(w, "%d answered in %.1f s, %.0f a second, %d failed\n", r.Sent, r.Took.Seconds(), r.Rate, r.Failed())
	for _, status := range slices.Sorted(maps.Keys(r.Status)) {
		fmt.Fprintf(w, "  status %d: %d\n", status, r.Status[status])
	}
	_, err := fmt.Fprintf(w, "%-10s %10s %10s\n", "quantile", "latency ms", "service ms")
	for _, q := range []float64{50, 90, 99, 99.9, 100} {
		_, err = fmt.Fprintf(w, "p%-9v %10.3f %10.3f\n", q, Millis(r.Latency, q), Millis(r.Service, q))
	}
	return err
}

// Millis is a quantile (0 to 100) in milliseconds.
func Millis(h *hdrhistogram.Histogram, quantile float64) float64 {
	return float64(h.ValueAtPercentile(quantile)) / 1000
}

// latencyMax is the longest time the histograms tell apart.
const latencyMax = 60 * time.Second

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, latencyMax.Microseconds(), 3)
}

// Run carries a plan out. It returns early, with what was measured, when ctx ends.
func Run(ctx context.Context, p Plan) (Result, error) {
	if err := p.Check(); err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.Warm+p.Measure)
	defer cancel()
	var next atomic.Int64
	start := p.Now()
	parts := make([]Result, p.Workers)
	var all sync.WaitGroup
	for i := range parts {
		all.Go(func() { parts[i] = work(ctx, &p, start, &next) })
	}
	all.Wait()
	took := p.Now().Sub(start) - p.Warm
	return merge(parts, min(took, p.Measure)), nil
}

func merge(parts []Result, took time.Duration) Result {
	total := Result{Took: took, Status: make(map[int]int64), Latency: newHistogram(), Service: newHistogram()}
	for _, part := range parts {
		total.Sent += part.Sent
		total.Latency.Merge(part.Latency)
		total.Service.Merge(part.Service)
		for status, n := range part.Status {
			total.Status[status] += n
		}
	}
	if took > 0 {
		total.Rate = float64(total.Sent) / took.Seconds()
	}
	return total
}

// work sends every request it can claim until ctx ends.
func work(ctx context.Context, p *Plan, start time.Time, next *atomic.Int64) Result {
	r := Result{Status: make(map[int]int64), Latency: newHistogram(), Service: newHistogram()}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		n := next.Add(1) - 1
		due := p.Now()
		if p.Rate > 0 {
			due = start.Add(time.Duration(float64(n) / p.Rate * float64(time.Second)))
			if wait := due.Sub(p.Now()); wait > 0 {
				timer.Reset(wait)
				select {
				case <-ctx.Done():
					return r
				case <-timer.C:
				}
			}
		}
		began := p.Now()
		status := send(ctx, p, &p.Requests[n%int64(len(p.Requests))])
		if ctx.Err() != nil {
			return r // cut off by the end, not by the server
		}
		if done := p.Now(); due.Sub(start) >= p.Warm {
			r.Sent++
			r.Status[status]++
			_ = r.Latency.RecordValue(clamp(done.Sub(due)))
			_ = r.Service.RecordValue(clamp(done.Sub(began)))
		}
	}
	return r
}

func clamp(d time.Duration) int64 {
	return max(1, min(d, latencyMax).Microseconds())
}

// send returns the answer's status, or 0 for none.
func send(ctx context.Context, p *Plan, one *Request) int {
	req, err := http.NewRequestWithContext(ctx, one.Method, p.Target+one.Path, bytes.NewReader(one.Body))
	if err != nil {
		return 0
	}
	if len(one.Body) > 0 {
		req.Header["Content-Type"] = []string{"application/json"}
	}
	if p.Key != "" {
		req.Header["Authorization"] = []string{"Bearer " + p.Key}
	}
	answer, err := p.Client.Do(req)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return answer.StatusCode
}
