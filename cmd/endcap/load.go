package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"endcap/bench/load"
	"endcap/gate/cli"
)

type loadCmd struct {
	Bodies   string        `arg:"" help:"Recorded requests: a JSON object with method, path and body a line." type:"existingfile"`
	Target   string        `help:"The server." default:"http://127.0.0.1:8080"`
	Key      string        `help:"API key." env:"ENDCAP_KEY"`
	Rate     float64       `help:"Requests a second; 0 as fast as the workers can."`
	Workers  int           `help:"Requests under way at most." default:"64"`
	Warm     time.Duration `help:"Not measured, first." default:"2s"`
	Duration time.Duration `help:"Measured." default:"10s"`
	JSON     bool          `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*loadCmd) Help() string {
	return "endcap load decisions.ndjson --rate 2000 --duration 30s --key $ENDCAP_KEY"
}

// Run sends the load and prints what came back.
func (c *loadCmd) Run(ctx context.Context, m *Main) error {
	f, err := os.Open(c.Bodies)
	if err != nil {
		return fmt.Errorf("open recording: %w", err)
	}
	defer func() { _ = f.Close() }()
	requests, err := load.Read(f)
	if err != nil {
		return cli.Misused(err)
	}
	result, err := load.Run(ctx, load.Plan{
		Client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: c.Workers}, Timeout: time.Minute},
		Target: c.Target, Key: c.Key, Requests: requests, Rate: c.Rate, Workers: c.Workers, Warm: c.Warm, Measure: c.Duration, Now: time.Now,
	})
	if err != nil {
		return cli.Misused(err)
	}
	if !c.JSON {
		return result.Write(m.Stdout)
	}
	return json.NewEncoder(m.Stdout).Encode(map[string]any{
		"sent": result.Sent, "failed": result.Failed(), "rate": result.Rate, "seconds": result.Took.Seconds(), "status": result.Status,
		"latency_ms": quantiles(&result), "service_p50_ms": load.Millis(result.Service, 50),
	})
}

func quantiles(r *load.Result) map[string]float64 {
	return map[string]float64{"p50": load.Millis(r.Latency, 50), "p90": load.Millis(r.Latency, 90), "p99": load.Millis(r.Latency, 99), "p999": load.Millis(r.Latency, 99.9), "max": load.Millis(r.Latency, 100)}
}
