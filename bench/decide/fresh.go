package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"endcap/bench/figure"
	"endcap/bench/load"
	"endcap/retail"
	"endcap/simulate/model"
	"endcap/simulate/traffic"
	"endcap/simulate/wire"
)

// How freshness is probed beside the load: so often a second, for so many rounds.
const (
	receiptProbes = 10
	clickProbes   = 4
	freshRounds   = 6
)

// freshness serves the house for freshness alone.
func freshness(ctx context.Context, out io.Writer, o *options) error {
	p, err := startEndcap(ctx, o)
	if err != nil {
		return err
	}
	err = p.settle(ctx)
	if err == nil {
		err = fresh(ctx, out, o, p)
	}
	return errors.Join(err, p.stop())
}

// fresh drives the server with simulated visits at half of what it can do for
// long, which is what it answers in a burst until everybody within has read
// it, and looks meanwhile how long it takes until a receipt is in its shopper's
// profile, and until a click's price is in history.
func fresh(ctx context.Context, out io.Writer, o *options, p *process) error {
	bodies, err := readBodies(o)
	if err != nil {
		return err
	}
	if o.calls, err = callsOfBodies(bodies); err != nil {
		return err
	}
	crowd, err := traffic.Open(ctx, traffic.Options{Scenario: *o.grocer.world, Model: model.Fitted(), Run: runOf("visits"), Now: time.Now})
	if err != nil {
		return err
	}
	defer crowd.Close()
	if missing, err := crowd.Fit(ctx, p.Ask); err != nil || len(missing) > 0 {
		return fmt.Errorf("placements %v are missing: %w", missing, err)
	}
	plan := load.Plan{
		Server: p.Server, Kinds: traffic.Kinds(), Workers: clients, Measure: o.length, Grace: spendMax, Now: time.Now,
		Visit: func(ctx context.Context, _ int64, s *load.Session) { crowd.Visit(ctx, s) },
	}
	burst, err := load.Run(ctx, plan)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := p.settle(ctx); err != nil {
		return err
	}
	settling := time.Since(began)
	rate := float64(burst.Visits) / (burst.Took + settling).Seconds()
	figure.Print(out, "decide.visits_burst", float64(burst.Visits)/burst.Took.Seconds(), "visits/s")
	figure.Print(out, "decide.visits_settling", settling.Seconds(), "s")
	figure.Print(out, "decide.visits_rate", rate, "visits/s")
	plan.Rate, plan.Workers, plan.Warm, plan.Measure = rate/2, openClients, o.length/4, freshRounds*o.length
	r, probes, err := besides(ctx, &plan, o)
	if err != nil {
		return err
	}
	for name, one := range map[string]*load.Result{"visits": r, "probes": probes} {
		if err := one.Write(o.told); err != nil {
			return err
		}
		if err := drawn(filepath.Join(o.dir, "bench."+name+".html"), one, "Half of the visits that the server can answer, and probes of freshness: "+name+"."); err != nil {
			return err
		}
	}
	return tellFresh(out, r, probes)
}

// drawn writes a result's page.
func drawn(name string, r *load.Result, about string) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return r.Page(f, about)
}

// besides carries out a load, and probes at the same time.
func besides(ctx context.Context, plan *load.Plan, o *options) (r, probes *load.Result, err error) {
	p := &prober{o: o, run: runOf("probe")}
	p.charges = &charges{server: plan.Server, run: p.run, waiting: map[string]chan time.Time{}}
	probe := *plan
	probe.Kinds, probe.Rate, probe.Visit, probe.Workers = probeKinds(), receiptProbes+clickProbes, p.visit, openClients
	watching, stop := context.WithCancel(ctx)
	watched := make(chan error, 1)
	go func() { watched <- p.charges.watch(watching) }()
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() (err error) { r, err = load.Run(ctx, *plan); return err })
	both.Go(func() (err error) { probes, err = load.Run(ctx, probe); return err })
	err = both.Wait()
	stop()
	return r, probes, errors.Join(err, <-watched)
}

// tellFresh prints what was found.
func tellFresh(out io.Writer, r, probes *load.Result) error {
	figure.Print(out, "decide.visits_at_half", float64(r.Visits)/r.Took.Seconds(), "visits/s")
	figure.Print(out, "decide.requests_at_half", r.Rate(), "requests/s")
	figure.Print(out, "decide.visits_p99_at_half", load.Millis(r.All.Latency, 99), "ms")
	if failed := r.All.Failed + probes.All.Failed + r.Cut + probes.Cut; failed > 0 {
		return fmt.Errorf("%d requests failed, or took longer than %s", failed, spendMax)
	}
	found := 0
	for _, k := range probes.Kinds {
		for kind, name := range map[string]string{receiptSeen: "decide.fresh_receipt", spendSeen: "decide.fresh_click"} {
			if k.Name == kind {
				found++
				figure.Print(out, name+"_count", k.Requests, "probes")
				figure.Print(out, name+"_p50", load.Millis(k.Latency, 50), "ms")
				figure.Goal(out, name+"_p99", load.Millis(k.Latency, 99), "ms", "<=1000")
			}
		}
	}
	if found != 2 {
		return fmt.Errorf("%d kinds of probe were answered, want 2", found)
	}
	return nil
}

// runOf makes ids of a run that no earlier one sent.
func runOf(name string) string {
	return "bench-" + name + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
}

// Kinds of probe.
const (
	receiptSeen = "receipt in profile" // from when it is sent, so accepting it is part of it
	decided     = "decision"
	clicked     = "click"
	spendSeen   = "click in spend" // from when it is accepted
)

func probeKinds() []string { return []string{receiptSeen, decided, clicked, spendSeen} }

// prober sends receipts and clicks and looks for them.
type prober struct {
	o       *options
	run     string
	charges *charges
}

// visit is the nth probe.
func (p *prober) visit(ctx context.Context, n int64, s *load.Session) {
	id := p.run + "-" + strconv.FormatInt(n, 10)
	if n%(receiptProbes+clickProbes) < receiptProbes {
		p.receipt(ctx, n, s, id)
	} else {
		p.click(ctx, n, s, id)
	}
}

// receipt sends one of a card that came on the measured day, and has the answer
// held until her profile holds it.
func (p *prober) receipt(ctx context.Context, n int64, s *load.Session, id string) {
	c := &p.o.calls[n%int64(len(p.o.calls))]
	body, err := json.Marshal(map[string]any{"receipts": []any{map[string]any{
		"id": id, "store": c.Store, "channel": "in_store", "at": p.o.grocer.noon.UTC().Format(time.RFC3339), "shopper": c.Shopper,
		"lines": []any{map[string]any{"product": "unknown", "quantity": 1, "sales": "1.00"}},
	}}})
	if err != nil {
		s.Fail(receiptSeen)
		return
	}
	text, ok := s.SendWith(ctx, receiptSeen, "POST /v1/receipts", body, http.Header{"Prefer": {"wait=30"}})
	var answer struct {
		Profile string `json:"profile"`
	}
	if ok && (json.Unmarshal(text, &answer) != nil || answer.Profile != "seen") {
		s.Fail(receiptSeen)
	}
}

// click gets an advert, clicks on it, and waits until its charge is in history.
func (p *prober) click(ctx context.Context, n int64, s *load.Session, id string) {
	c := &p.o.calls[n%int64(len(p.o.calls))]
	question, err := json.Marshal(map[string]any{"store": c.Store, "page": c.Page, "placements": []map[string]any{{"placement": "top", "slots": 1}}})
	if err != nil {
		s.Fail(decided)
		return
	}
	text, ok := s.Send(ctx, decided, "POST /v1/decisions", question)
	var a wire.Answer
	if !ok || json.Unmarshal(text, &a) != nil || len(a.Sponsored) == 0 || len(a.Sponsored[0].Items) == 0 {
		return // nobody advertises there
	}
	seen := p.charges.of(id + "-c")
	token := a.Sponsored[0].Items[0].Token
	events := fmt.Sprintf(`{"events":[{"id":"%s-i","type":"impression","token":%q},{"id":"%s-c","type":"click","token":%q}]}`, id, token, id, token)
	if _, ok := s.Send(ctx, clicked, "POST /v1/events", []byte(events)); !ok {
		return
	}
	accepted := time.Now()
	timer := time.NewTimer(spendMax)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case at := <-seen:
		s.Note(spendSeen, at.Sub(accepted))
	case <-timer.C:
		s.Note(spendSeen, spendMax)
		s.Fail(spendSeen)
	}
}

// visitBody is what a probe reads of a recorded visit.
type visitBody struct {
	Shopper map[string]string `json:"shopper"`
	Store   string            `json:"store"`
	Page    map[string]string `json:"page"`
}

// callsOfBodies reads the recorded visits that name their shopper.
func callsOfBodies(bodies []load.Request) ([]visitBody, error) {
	var out []visitBody
	for i := range bodies {
		var v visitBody
		if err := json.Unmarshal(bodies[i].Body, &v); err != nil {
			return nil, err
		}
		if len(v.Shopper) > 0 {
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		return nil, &retail.Error{Kind: retail.Invalid, Say: "no recorded visit names its shopper"}
	}
	return out, nil
}
