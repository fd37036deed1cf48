package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/gate/cli"
	"endcap/gate/connect"
	"endcap/retail"
	"endcap/simulate/folder"
	"endcap/simulate/grocer"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
)

type simulateCmd struct {
	Run   simulateRunCmd   `cmd:"" default:"withargs" help:"Write a retailer that does not exist, as Parquet files, or play it against a server."`
	Check simulateCheckCmd `cmd:"" help:"Show how far simulated shopping is from real shopping."`
	Fit   simulateFitCmd   `cmd:"" help:"Fit the simulator's model on The Complete Journey."`
}

type scenarioFlags struct {
	File     string  `name:"scenario" help:"Scenario file, JSON (docs/simulator.md lists its knobs), or simulation.json of a folder." type:"existingfile"`
	Shoppers *int    `help:"How many shoppers."`
	Weeks    *int    `help:"How many weeks."`
	Seed     *uint64 `help:"The same seed gives the same bytes (default 1)."`
}

type simulateFlags struct {
	scenarioFlags
	Places string `name:"communes" help:"The list of communes (default data/france/communes.json where make data put it); none gives stores without places."`
}

type simulateRunCmd struct {
	simulateFlags
	playFlags
	Out  string `help:"The folder to write, empty or not there; or one whose simulation was broken off."`
	JSON bool   `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*simulateRunCmd) Help() string {
	return `endcap simulate --shoppers 10000 --weeks 52 --seed 1 --out data/simulated
endcap simulate --scenario play.json --server http://127.0.0.1:8080 --truth data/truth`
}

// Run writes the simulation, or plays it, and shows how it goes.
func (c *simulateRunCmd) Run(ctx context.Context, m *Main) error {
	if (c.Out == "") == (c.Server == "") {
		return cli.Misused(errors.New("name one place for the simulation: --out DIR writes files, --server URL plays against a running server; such as endcap simulate --shoppers 10000 --weeks 52 --out data/simulated"))
	}
	s, err := c.scenario()
	if err != nil {
		return cli.Misused(err)
	}
	if c.Server != "" {
		return c.play(ctx, m, s)
	}
	return c.write(ctx, m, s)
}

// write writes the simulation to a folder.
func (c *simulateRunCmd) write(ctx context.Context, m *Main, s scenario.Scenario) error {
	communes, err := c.communes(m.Stderr)
	if err != nil {
		return err
	}
	out, err := filepath.Abs(c.Out)
	if err != nil {
		return fmt.Errorf("find folder: %w", err)
	}
	start := time.Now()
	limitMemory(int64(folder.Memory(&s)))
	sum, err := folder.Write(ctx, folder.Options{
		FS: vfs.Default, Dir: out, Scenario: s, Model: model.Fitted(), Communes: communes, Progress: c.bar(m, start), Now: time.Now, Memory: freeMemory(),
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(m.Stdout).Encode(map[string]any{
			"declared": folder.Declared, "receipts": sum.Receipts, "lines": sum.Lines, "resumed_weeks": sum.Resumed,
			"seconds": time.Since(start).Seconds(), "setup_seconds": sum.SetUp.Seconds(),
		})
	}
	_, err = fmt.Fprintf(m.Stdout, "%s: %d receipts, %d lines in %s after %s; %s says how to load them\n",
		folder.Declared, sum.Receipts, sum.Lines, c.Out, time.Since(start).Round(100*time.Millisecond), filepath.Join(c.Out, "README.txt"))
	return err
}

// bar draws how far a folder got: one for the set-up, and one for the weeks.
func (c *simulateRunCmd) bar(m *Main, start time.Time) func(folder.Progress) {
	draw := progress(m, c.Out, "setting up", start)
	weeks := false
	return func(p folder.Progress) {
		if p.Week > 0 && !weeks {
			weeks, draw = true, progress(m, c.Out, "simulating", time.Now())
		}
		draw(p.Part, p.Lines)
	}
}

// progress draws a bar on standard error: how much of the whole is done, and how
// many rows that was.
func progress(m *Main, name, doing string, start time.Time) func(part float64, rows int64) {
	const whole = 1_000_000
	draw := connect.Bar(m.Stderr, cli.Terminal(m.Stderr), time.Now)
	var last time.Time
	return func(part float64, rows int64) {
		now := time.Now()
		if part < 1 && now.Sub(last) < 100*time.Millisecond {
			return
		}
		last = now
		took := now.Sub(start)
		p := connect.Progress{
			File: name, Doing: doing, Done: int64(part * whole), Total: whole, Rows: rows, PerSec: float64(rows) / took.Seconds(),
			Elapsed: took, Ended: part >= 1,
		}
		if part > 0 {
			p.Left = time.Duration(float64(took) * (1 - part) / part)
		}
		draw(p)
	}
}

// scenario is what the file says, with what the command line says over it.
func (c *scenarioFlags) scenario() (scenario.Scenario, error) {
	s := scenario.Defaults()
	s.Seed = 1
	if c.File != "" {
		text, err := os.ReadFile(c.File)
		if err != nil {
			return s, fmt.Errorf("read scenario: %w", err)
		}
		if err := scenario.Read(bytes.NewReader(text), &s); err != nil {
			return s, err
		}
	}
	if c.Shoppers != nil {
		s.Shoppers = *c.Shoppers
	}
	if c.Weeks != nil {
		s.Weeks = *c.Weeks
	}
	if c.Seed != nil {
		s.Seed = *c.Seed
	}
	for _, knob := range []struct {
		name string
		is   int
		said *int
		most int
	}{{"shoppers", s.Shoppers, c.Shoppers, scenario.ShoppersMax}, {"weeks", s.Weeks, c.Weeks, scenario.WeeksMax}} {
		if knob.is == 0 && knob.said == nil {
			return s, fmt.Errorf("how many %s? say --%s N, from 1 to %d, or name %q in the scenario file", knob.name, knob.name, knob.most, knob.name)
		}
	}
	return s, s.Check()
}

// placesFile is where make data puts the list of communes, if it can be had.
const placesFile = "data/france/communes.json"

// communes reads where stores may be. Without the list that make data fetches
// they are nowhere, and warn says so; a list that is named must be there.
func (c *simulateFlags) communes(warn io.Writer) (list []grocer.Commune, err error) {
	if c.Places == "none" {
		return nil, nil
	}
	f, err := os.Open(cmp.Or(c.Places, placesFile))
	if c.Places == "" && errors.Is(err, fs.ErrNotExist) {
		_, err = fmt.Fprintf(warn, "endcap: %s is not there: stores have no places; make data fetches it\n", placesFile)
		return nil, err
	}
	if err != nil {
		return nil, &retail.Error{
			Kind: retail.NotFound, Field: "communes", Say: "the list of communes is not there", Err: err,
			Cure: "make data fetches it; --communes none gives stores without places",
		}
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return grocer.ReadCommunes(f)
}
