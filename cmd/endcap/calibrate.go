package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"endcap/gate/cli"
	"endcap/simulate/calibrate"
	"endcap/simulate/life"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
)

type calibrateFlags struct {
	Data     string `help:"The Complete Journey, as make data fetches it." default:"data/complete-journey"`
	Shoppers int    `help:"How many shoppers are simulated at a time." default:"${shoppers}"`
	Seed     uint64 `help:"Of the simulation; a check takes another than the fit." default:"${seed}"`
}

// open reads the data, and makes the scenario that is held against it.
func (c *calibrateFlags) open() (scenario.Scenario, *calibrate.Log, error) {
	s := calibrate.Scenario(c.Shoppers, c.Seed)
	if err := s.Check(); err != nil {
		return s, nil, cli.Misused(err)
	}
	journey, err := calibrate.Journey(c.Data)
	return s, journey, err
}

type simulateCheckCmd struct {
	calibrateFlags `kong:"set='shoppers=4000',set='seed=99'"`
	Page           string `help:"Also write a page with tables and plots to this file."`
	JSON           bool   `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*simulateCheckCmd) Help() string {
	return "endcap simulate check --page calibration.html"
}

// Run simulates the weeks of the data and compares them with the half of its
// households on which the model was not fitted.
func (c *simulateCheckCmd) Run(ctx context.Context, m *Main) error {
	s, journey, err := c.open()
	if err != nil {
		return err
	}
	world, err := life.Open(ctx, &s, model.Fitted(), nil)
	if err != nil {
		return err
	}
	report := calibrate.Compare(calibrate.Simulate(world), journey)
	if c.Page != "" {
		if report.Spread, err = c.spread(ctx, s); err != nil {
			return err
		}
		if err := writeTo(c.Page, report.Page); err != nil {
			return err
		}
	}
	if c.JSON {
		return json.NewEncoder(m.Stdout).Encode(report.Distances)
	}
	return report.Write(m.Stdout)
}

// outlinesFile is where make data puts the outlines of départements.
const outlinesFile = "data/france/departements.svg"

// spread is where a grocer under the check's seed would be, for the page's map;
// nil where make data has not fetched what it takes.
func (c *simulateCheckCmd) spread(ctx context.Context, s scenario.Scenario) (*calibrate.Spread, error) {
	if _, err := os.Stat(placesFile); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	communes, err := (&simulateFlags{Places: placesFile}).communes(io.Discard)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(outlinesFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open outlines: %w", err)
	}
	outlines, err := calibrate.ReadOutlines(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	s.Shoppers = calibrate.SpreadShoppers
	return calibrate.Spreads(ctx, s, model.Fitted(), communes, outlines)
}

// writeTo writes a file anew.
func writeTo(name string, write func(io.Writer) error) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return write(f)
}

type simulateFitCmd struct {
	calibrateFlags `kong:"set='shoppers=3000',set='seed=1'"`
	Out            string `help:"The file of parameters to write." required:""`
	Rounds         int    `help:"How many rounds of simulation there are." default:"10"`
}

// Help shows an example.
func (*simulateFitCmd) Help() string {
	return "endcap simulate fit --out simulate/model/parameters.json"
}

// Run fits the model on one half of the households.
func (c *simulateFitCmd) Run(ctx context.Context, m *Main) error {
	s, journey, err := c.open()
	if err != nil {
		return err
	}
	half := journey.Half(calibrate.HalfSeed, 0)
	p := calibrate.Fit(half)
	if err := calibrate.Tune(ctx, p, half, calibrate.Tuning{Scenario: s, Rounds: c.Rounds, Tell: m.Stderr}); err != nil {
		return err
	}
	return writeTo(c.Out, func(w io.Writer) error {
		text, err := json.Marshal(p)
		if err != nil {
			return err
		}
		_, err = w.Write(append(text, '\n'))
		return err
	})
}
