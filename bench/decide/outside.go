package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"endcap/bench/figure"
	"endcap/bench/load"
)

// The samples that are kept.
const (
	answersCount = 1_024
	explainCount = 200
)

// overHTTP measures the server and the reference.
func overHTTP(ctx context.Context, out io.Writer, o *options) error {
	bodies, err := readBodies(o)
	if err != nil {
		return err
	}
	s, err := startEndcap(ctx, o)
	if err != nil {
		return err
	}
	running := s
	defer func() {
		if running != nil {
			_ = running.stop()
		}
	}()
	earlier, err := recorded(ctx, s)
	if err != nil {
		return fmt.Errorf("count earlier records: %w", err)
	}
	decisions, err := recordAnswers(ctx, o, s, bodies)
	if err != nil {
		return fmt.Errorf("record answers: %w", err)
	}
	if err := race(ctx, out, o, s, bodies); err != nil {
		return err
	}
	if err := records(ctx, out, s, earlier); err != nil {
		return fmt.Errorf("count records: %w", err)
	}
	before, err := explain(ctx, s, decisions)
	if err != nil {
		return err
	}
	running = nil
	if err := s.stop(); err != nil {
		return fmt.Errorf("stop the server: %w", err)
	}
	if running, err = startEndcap(ctx, o); err != nil {
		return err
	}
	after, err := explain(ctx, running, decisions)
	if err != nil {
		return err
	}
	equal := 0
	for i := range before {
		if bytes.Equal(before[i], after[i]) {
			equal++
		}
	}
	figure.Goal(out, "decide.explain_equal", equal, "of "+strconv.Itoa(len(before))+" decisions", "="+strconv.Itoa(len(before)))
	if o.grocer.world == nil {
		return nil
	}
	return fresh(ctx, out, o, running)
}

// recordAnswers sends every body once, keeps some answers for the reference, and
// returns the decisions' ids.
func recordAnswers(ctx context.Context, o *options, s *process, bodies []load.Request) ([]string, error) {
	answers := make([][]byte, len(bodies))
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(clients)
	for i := range bodies {
		all.Go(func() (err error) {
			answers[i], err = s.Call(ctx, bodies[i].Method+" "+bodies[i].Path, bodies[i].Body)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	var ids []string
	var file bytes.Buffer
	for i, a := range answers {
		if a = bytes.TrimSpace(a); i < answersCount {
			file.Write(append(a, '\n'))
		}
		var head struct {
			Decision string `json:"decision"`
		}
		if err := json.Unmarshal(a, &head); err != nil {
			return nil, err
		}
		ids = append(ids, head.Decision)
	}
	return ids, os.WriteFile(filepath.Join(o.dir, answersFile), file.Bytes(), 0o600)
}

// round is what one round at saturation showed.
type round struct {
	rate, cpu, settled float64 // answers a second; processor µs an answer, until the last and until all is settled
}

// race alternates rounds of the server and the reference, then measures how long
// answers take at half of what the server can do.
func race(ctx context.Context, out io.Writer, o *options, s *process, bodies []load.Request) error {
	b, err := startBare(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = b.stop() }()
	var ours, theirs []round
	for range o.rounds {
		our, err := saturate(ctx, o, s, bodies, s.settle)
		if err != nil {
			return fmt.Errorf("saturate the server: %w", err)
		}
		their, err := saturate(ctx, o, b, bodies, func(context.Context) error { return nil })
		if err != nil {
			return fmt.Errorf("saturate the reference: %w", err)
		}
		ours, theirs = append(ours, our), append(theirs, their)
	}
	cpu := func(r round) float64 { return r.cpu }
	rate := func(r round) float64 { return r.rate }
	figure.Print(out, "decide.cpu_us", median(ours, cpu), "µs")
	figure.Print(out, "decide.cpu_settled_us", median(ours, func(r round) float64 { return r.settled }), "µs")
	figure.Print(out, "decide.bare_cpu_us", median(theirs, cpu), "µs")
	figure.Goal(out, "decide.ratio_vs_bare", median(theirs, cpu)/median(ours, cpu), "of bare", ">=0.3")
	figure.Print(out, "decide.rate", median(ours, rate), "decisions/s")
	figure.Print(out, "decide.bare_rate", median(theirs, rate), "answers/s")
	half := median(ours, rate) / 2
	figure.Print(out, "decide.rate_at_half", half, "decisions/s")
	return atHalf(out, [2]*process{s, b}, func(p *process) (*load.Result, error) { return drive(ctx, o, p, bodies, half) })
}

// atHalf drives the server, then the reference at the same rate: a core that waits
// between two requests is woken for each, which costs either of them time that
// neither spends when saturated.
func atHalf(out io.Writer, both [2]*process, drive func(*process) (*load.Result, error)) error {
	var cpu [2]float64
	for i, p := range both {
		before, err := p.cpu()
		if err != nil {
			return err
		}
		r, err := drive(p)
		if err != nil {
			return err
		}
		after, err := p.cpu()
		if err != nil {
			return err
		}
		cpu[i] = float64((after - before).Microseconds()) / float64(r.All.Requests)
		name := "decide."
		if i == 1 {
			name += "bare_"
		}
		figure.Print(out, name+"cpu_at_half_us", cpu[i], "µs")
		figure.Print(out, name+"p50_at_half", load.Millis(r.All.Latency, 50), "ms")
		if i == 0 {
			figure.Goal(out, "decide.p99_at_half", load.Millis(r.All.Latency, 99), "ms", "<=10")
		} else {
			figure.Print(out, "decide.bare_p99_at_half", load.Millis(r.All.Latency, 99), "ms")
		}
	}
	figure.Print(out, "decide.ratio_at_half", cpu[1]/cpu[0], "of bare")
	return nil
}

func median(all []round, of func(round) float64) float64 {
	values := make([]float64, len(all))
	for i, r := range all {
		values[i] = of(r)
	}
	slices.SortFunc(values, cmp.Compare[float64])
	return values[len(values)/2]
}

// saturate drives p for one round as fast as it answers, and lets it settle.
func saturate(ctx context.Context, o *options, p *process, bodies []load.Request, settle func(context.Context) error) (round, error) {
	before, err := p.cpu()
	if err != nil {
		return round{}, err
	}
	r, err := drive(ctx, o, p, bodies, 0)
	if err != nil {
		return round{}, err
	}
	after, err := p.cpu()
	if err != nil {
		return round{}, err
	}
	if err := settle(ctx); err != nil {
		return round{}, err
	}
	settled, err := p.cpu()
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(r.All.Requests) }
	return round{r.Rate(), each(after - before), each(settled - before)}, err
}

// drive sends load for one round; every answer must be good.
func drive(ctx context.Context, o *options, p *process, bodies []load.Request, rate float64) (*load.Result, error) {
	plan := load.Plan{Server: p.Server, Rate: rate, Workers: clients, Measure: o.length, Now: time.Now}
	plan.Kinds, plan.Visit = load.Recorded(bodies)
	if rate > 0 {
		plan.Workers = openClients
	}
	r, err := load.Run(ctx, plan)
	if err == nil && r.All.Failed > 0 {
		err = fmt.Errorf("%d of %d answers failed: %v", r.All.Failed, r.All.Requests, r.All.Status)
	}
	return r, err
}

// records compares the answers given since the server started with the records
// that history holds of them.
func records(ctx context.Context, out io.Writer, s *process, earlier int64) error {
	all, err := recorded(ctx, s)
	if err != nil {
		return err
	}
	answered, err := s.counted(ctx, `endcap_http_request_seconds_count{operation="decide",status="200"}`)
	if err != nil {
		return err
	}
	figure.Goal(out, "decide.records_written", all-earlier, "records", "="+strconv.FormatInt(answered, 10))
	return nil
}

// recorded counts the records in history, once it has everything.
func recorded(ctx context.Context, s *process) (int64, error) {
	if err := s.settle(ctx); err != nil {
		return 0, err
	}
	var t struct {
		Rows [][]*string `json:"rows"`
	}
	question := map[string]any{"sql": "select count(*) as n from decisions", "purpose": "accounting"}
	if err := s.Ask(ctx, "POST /v1/query", question, &t); err != nil {
		return 0, err
	}
	return strconv.ParseInt(*t.Rows[0][0], 10, 64)
}

// explain fetches the explanations of a sample.
func explain(ctx context.Context, s *process, decisions []string) ([][]byte, error) {
	var all [][]byte
	for i := 0; i < len(decisions) && len(all) < explainCount; i += len(decisions)/explainCount + 1 {
		b, err := s.Call(ctx, "GET /v1/decisions/"+decisions[i]+"/explain", nil)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}
