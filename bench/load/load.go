// Package load drives a server and measures how long its answers take: with
// recorded requests, or with visits that react to what they are answered. At a
// set rate it is an open loop: every visit has an instant at which it is due, and
// its first request's time counts from then, however late the server's earlier
// answers made it start, so a slow server cannot hide behind its own slowness (no
// coordinated omission). Later requests of a visit are due when what they react
// to is there. Times go into HDR histograms, one for each kind of request.
//
// It stands outside the road of a receipt and looks at how fast it is.
package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"endcap/retail"
)

// Plan says what to send.
type Plan struct {
	Server
	Kinds   []string // of requests, in the order in which they are told
	Visit   Visit
	Rate    float64 // visits a second; 0 means as fast as Workers can
	Workers int     // visits under way at most
	Warm    time.Duration
	Measure time.Duration
	Grace   time.Duration // for what is under way at the end of it; a request that takes longer is cut off
	Watch   func(*View)   // called after each window, and not again after Run returned; may be nil
	Now     retail.Clock
}

// Visit makes the nth visit, from 0, and returns when it is over or ctx ends.
// Visits of many workers run side by side.
type Visit func(ctx context.Context, n int64, s *Session)

// Limits of a plan.
const (
	workersMax = 10_000
	rateMax    = 10_000_000
	kindsMax   = 20
)

// Check returns what is wrong with a plan.
func (p *Plan) Check() error {
	switch {
	case p.Visit == nil || len(p.Kinds) == 0 || len(p.Kinds) > kindsMax:
		return fmt.Errorf("a load needs visits of 1 to %d kinds of request", kindsMax)
	case p.Workers < 1 || p.Workers > workersMax:
		return errors.New("a load has 1 to 10,000 workers")
	case !(p.Rate >= 0 && p.Rate <= rateMax):
		return errors.New("a load has 0 to 10,000,000 visits a second")
	case p.Warm < 0 || p.Measure <= 0 || p.Grace < 0:
		return errors.New("a load measures for some time")
	}
	return nil
}

// Windows of a run: how many there are, and how long one is at least.
const (
	windowsMost = 240
	windowLeast = 250 * time.Millisecond
)

// Window is for how long the points of a series and the live view count.
func (p *Plan) Window() time.Duration { return max(windowLeast, p.Measure/windowsMost) }

// Run carries a plan out. It returns early, with what was measured, when ctx ends.
func Run(ctx context.Context, p Plan) (*Result, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.Warm+p.Measure+p.Grace)
	defer cancel()
	begin, enough := context.WithTimeout(ctx, p.Warm+p.Measure)
	defer enough()
	d := &drive{Plan: &p, start: p.Now(), kinds: make(map[string]*tally), all: newTally("all"), service: newHistogram()}
	for _, name := range p.Kinds {
		d.kinds[name] = newTally(name)
	}
	var watching, working sync.WaitGroup
	over := make(chan struct{})
	watching.Go(func() { d.watch(over) })
	for range p.Workers {
		working.Go(func() { d.work(ctx, begin) })
	}
	working.Wait()
	close(over)
	watching.Wait()
	return d.result(), nil
}

// drive is a plan under way.
type drive struct {
	*Plan
	start   time.Time
	next    atomic.Int64
	visits  atomic.Int64 // measured and over
	kinds   map[string]*tally
	all     *tally
	mu      sync.Mutex // guards the rest
	service *histogram
	cut     int64         // requests that the end cut off
	oldest  time.Duration // how long the longest of them had been due
}

// work makes every visit it can claim until begin ends, or the next is due later
// than that: where the machine is slow, begin is told of its end late. ctx ends
// those under way.
func (d *drive) work(ctx, begin context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for begin.Err() == nil {
		n := d.next.Add(1) - 1
		due := d.Now()
		if d.Rate > 0 {
			due = d.due(n)
			if wait := due.Sub(d.Now()); wait > 0 {
				timer.Reset(wait)
				select {
				case <-begin.Done():
					return
				case <-timer.C:
				}
			}
		}
		if due.Sub(d.start) >= d.Warm+d.Measure {
			return
		}
		s := Session{drive: d, due: due, measured: due.Sub(d.start) >= d.Warm}
		d.Visit(ctx, n, &s)
		if ctx.Err() == nil && s.measured {
			d.visits.Add(1)
		}
	}
}

func (d *drive) due(n int64) time.Time {
	return d.start.Add(time.Duration(float64(n) / d.Rate * float64(time.Second)))
}

// Session is one visit as the driver sees it.
type Session struct {
	*drive
	due      time.Time // of the next request; zero for when it is sent
	measured bool
}

// Send makes a request such as "POST /v1/decisions" with a JSON body and measures
// it as one of a kind. Without an answer of success it gives false. Headers come
// as name and value in turn.
func (s *Session) Send(ctx context.Context, kind, route string, body []byte) (answer []byte, ok bool) {
	return s.SendWith(ctx, kind, route, body, nil)
}

// SendWith is Send with headers.
func (s *Session) SendWith(ctx context.Context, kind, route string, body []byte, header http.Header) (answer []byte, ok bool) {
	var b bytes.Buffer
	status := s.send(ctx, kind, func() int { return s.request(ctx, route, body, header, &b) })
	return b.Bytes(), status >= 200 && status < 300
}

// Fail counts the last answer of a kind as a failure after all.
func (s *Session) Fail(kind string) {
	if s.measured {
		s.all.fail()
		s.kinds[kind].fail()
	}
}

// Note measures something that took a while beside requests, such as until what
// was sent is seen elsewhere, as one of a kind.
func (s *Session) Note(kind string, took time.Duration) {
	if s.measured {
		s.kinds[kind].add(took, http.StatusOK)
	}
}

// send does one request and counts it.
func (s *Session) send(ctx context.Context, kind string, do func() (status int)) int {
	began := s.Now()
	due := s.due
	if s.due = (time.Time{}); due.IsZero() {
		due = began
	}
	status := do()
	done := s.Now()
	if ctx.Err() != nil { // cut off by the end, not by the server
		s.mu.Lock()
		s.cut, s.oldest = s.cut+1, max(s.oldest, done.Sub(due))
		s.mu.Unlock()
		return 0
	}
	if s.measured {
		s.kinds[kind].add(done.Sub(due), status)
		s.all.add(done.Sub(due), status)
		s.mu.Lock()
		s.service.record(done.Sub(began))
		s.mu.Unlock()
	}
	return status
}

// answerMax is how many bytes of an answer are read.
const answerMax = 16 << 20

// request returns the answer's status, or 0 for none; into may be nil.
func (s *Server) request(ctx context.Context, route string, body []byte, header http.Header, into *bytes.Buffer) int {
	answer, err := s.do(ctx, route, body, header)
	if err != nil {
		return 0
	}
	defer func() { _ = answer.Body.Close() }()
	to := io.Discard
	if into != nil {
		to = into
	}
	if _, err := io.Copy(to, io.LimitReader(answer.Body, answerMax)); err != nil {
		return 0
	}
	return answer.StatusCode
}

func (s *Server) do(ctx context.Context, route string, body []byte, header http.Header) (*http.Response, error) {
	method, path, _ := strings.Cut(route, " ")
	req, err := http.NewRequestWithContext(ctx, method, s.Target+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	if len(body) > 0 {
		req.Header["Content-Type"] = []string{"application/json"}
	}
	if s.Key != "" {
		req.Header["Authorization"] = []string{"Bearer " + s.Key}
	}
	return s.Client.Do(req)
}
