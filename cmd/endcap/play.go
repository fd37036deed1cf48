package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"endcap/simulate/model"
	"endcap/simulate/play"
	"endcap/simulate/scenario"
)

type playFlags struct {
	Server  string  `help:"Play against this server, which serves with --clock replay, instead of writing a folder."`
	Key     string  `help:"API key of the server." env:"ENDCAP_KEY"`
	Truth   string  `help:"The folder for what the server has to find out; a play that was broken off goes on in it."`
	SpeedUp float64 `help:"Simulated seconds a second; 0 is as fast as answers come."`
	Loaded  int     `help:"First weeks that the server has from a folder of the same scenario."`
	Visits  int     `help:"Visits that ask for a decision at once, at most." default:"16"`
}

// peakMemory is the most memory that this process has held at once, 0 where the
// system does not say.
func peakMemory() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return u.Maxrss // in bytes there, else in units of 1,024
	}
	return u.Maxrss * 1_024
}

// play plays the scenario against a server and writes the truth.
func (c *simulateRunCmd) play(ctx context.Context, m *Main, s scenario.Scenario) error {
	communes, err := c.communes(m.Stderr)
	if err != nil {
		return err
	}
	start := time.Now()
	draw := progress(m, c.Server, "simulating", start)
	o := play.Options{
		Scenario: s, Model: model.Fitted(), Communes: communes, Loaded: c.Loaded, Server: c.Server, Key: c.Key, Truth: c.Truth,
		SpeedUp: c.SpeedUp, Visits: c.Visits, Now: time.Now, Progress: func(p play.Progress) { draw(p.Part, p.Receipts) },
		Client: &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: c.Visits}},
	}
	sum, err := play.Run(ctx, o)
	if err != nil {
		return err
	}
	found, err := play.Truth(ctx, o, nil)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(m.Stdout).Encode(map[string]any{
			"declared": play.Declared, "receipts": sum.Receipts, "lines": sum.Lines, "sales_cents": sum.Cents, "decisions": sum.Decisions,
			"resumed_decisions": sum.Resumed, "impressions": sum.Impressions, "clicks": sum.Clicks, "campaigns": found,
			"seconds": time.Since(start).Seconds(), "peak_memory_bytes": peakMemory(),
		})
	}
	_, err = fmt.Fprintf(m.Stdout, "%s: %d receipts, %d decisions, %d impressions and %d clicks after %s; %s says what %d campaigns truly sold\n",
		play.Declared, sum.Receipts, sum.Decisions, sum.Impressions, sum.Clicks, time.Since(start).Round(100*time.Millisecond),
		filepath.Join(c.Truth, "campaigns.json"), len(found))
	return err
}
