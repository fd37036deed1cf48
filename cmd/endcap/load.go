package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"endcap/bench/load"
	"endcap/gate/cli"
	"endcap/retail"
	"endcap/simulate/grocer"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
	"endcap/simulate/traffic"
)

type loadCmd struct {
	Bodies string `arg:"" optional:"" help:"Recorded requests instead of simulated visits: a JSON object with method, path and body a line." type:"existingfile"`
	simulateFlags
	Target   string        `help:"The server." default:"http://127.0.0.1:8080"`
	Key      string        `help:"API key; simulated visits need the scopes decide, receipts and admin." env:"ENDCAP_KEY"`
	Rate     float64       `help:"Visits a second, each due whatever became of those before; 0 as fast as the clients can."`
	Clients  int           `help:"Visits under way at most." default:"64"`
	Warm     time.Duration `help:"Not measured, first." default:"2s"`
	Duration time.Duration `help:"Measured." default:"10s"`
	Page     string        `help:"Also write a page with plots to this file."`
	Failed   float64       `name:"failed-max" help:"How many of 100 requests may fail; more end with status 1."`
	JSON     bool          `name:"json" help:"Answer in JSON."`
}

// loadGrace is how long what is under way at the end may take to be counted.
const loadGrace = 10 * time.Second

// Help shows an example.
func (*loadCmd) Help() string {
	return `endcap load --scenario data/simulated/simulation.json --rate 50 --duration 1m --page load.html --key $ENDCAP_KEY
endcap load decisions.ndjson --rate 2000 --duration 30s --key $ENDCAP_KEY

Visits are those of the week after the scenario's: searches, product and basket pages, looks at adverts, clicks, and receipts, in a house that was filled with the scenario's folder. They stay in its history: load a house of its own.`
}

// Run sends the load, shows how it goes, and tells what came back.
func (c *loadCmd) Run(ctx context.Context, m *Main) error {
	if (c.Bodies == "") == (c.File == "" && c.Shoppers == nil) {
		return cli.Misused(errors.New("say --scenario FILE, for simulated visits, or name a recording"))
	}
	plan := load.Plan{
		Server: load.Server{
			Client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: c.Clients}, Timeout: time.Minute},
			Target: strings.TrimSuffix(c.Target, "/"), Key: c.Key,
		},
		Rate: c.Rate, Workers: c.Clients, Warm: c.Warm, Measure: c.Duration, Grace: loadGrace, Now: time.Now,
	}
	about, done, err := c.visits(ctx, m, &plan)
	if err != nil {
		return err
	}
	defer done()
	if err := plan.Check(); err != nil {
		return cli.Misused(err)
	}
	live := load.NewLive(m.Stderr)
	if cli.Terminal(m.Stderr) {
		plan.Watch = live.Draw
	}
	result, err := load.Run(ctx, plan)
	live.Clear()
	if err != nil {
		return err
	}
	return c.tell(m, result, about)
}

// visits says what the plan sends, once the server has answered.
func (c *loadCmd) visits(ctx context.Context, m *Main, plan *load.Plan) (about string, done func(), err error) {
	if c.Bodies != "" {
		requests, err := c.recording()
		if err != nil {
			return "", nil, err
		}
		plan.Kinds, plan.Visit = load.Recorded(requests)
		return fmt.Sprintf("%d recorded requests, again and again, %s.", len(requests), c.pace()), func() {}, plan.Reach(ctx, &requests[0])
	}
	s, err := c.scenario()
	if err != nil {
		return "", nil, cli.Misused(err)
	}
	communes, err := c.places(m)
	if err != nil {
		return "", nil, err
	}
	crowd, err := traffic.Open(ctx, traffic.Options{Scenario: s, Model: model.Fitted(), Communes: communes, Run: "load-" + strings.ToLower(rand.Text()[:12]), Now: time.Now})
	if err != nil {
		return "", nil, err
	}
	missing, err := crowd.Fit(ctx, plan.Ask)
	if err != nil {
		crowd.Close()
		return "", nil, err
	}
	if len(missing) > 0 {
		fmt.Fprintf(m.Stderr, "endcap: the house has no placement %s: nobody asks for sponsored products there\n", strings.Join(missing, ", "))
	}
	plan.Kinds = traffic.Kinds()
	plan.Visit = func(ctx context.Context, _ int64, s *load.Session) { crowd.Visit(ctx, s) }
	return fmt.Sprintf("Declared-synthetic visits of %d shoppers, %s.", s.Shoppers, c.pace()), crowd.Close, nil
}

// places are the communes of the folder that the house was filled from: where its
// simulation.json is named, no others will do, because stores, shelves and baskets
// would be others.
func (c *loadCmd) places(m *Main) ([]grocer.Commune, error) {
	var text []byte
	if c.File != "" {
		var err error
		if text, err = os.ReadFile(c.File); err != nil {
			return nil, fmt.Errorf("read scenario: %w", err)
		}
	}
	made, told := scenario.MadeWith(text)
	if told && made.Model != scenario.Sum(model.Fitted()) {
		return nil, &retail.Error{
			Kind: retail.Invalid, Field: "scenario", Say: "the folder was made by a program with another model of shoppers",
			Cure: "use that program, or make the folder and its house again",
		}
	}
	if none := []grocer.Commune(nil); told && c.Places == "" && made.Communes == scenario.Sum(none) {
		return none, nil
	}
	list, err := c.communes(m.Stderr)
	if err == nil && told && made.Communes != scenario.Sum(list) {
		return nil, &retail.Error{
			Kind: retail.Invalid, Field: "communes", Say: "the folder was made with another list of communes: its stores stand elsewhere, and its shoppers go to others",
			Cure: "name the list that it was made with: --communes FILE, or none",
		}
	}
	return list, err
}

// pace says how fast visits come.
func (c *loadCmd) pace() string {
	if c.Rate > 0 {
		return fmt.Sprintf("%g visits due each second, %d under way at most", c.Rate, c.Clients)
	}
	return fmt.Sprintf("%d clients, each as fast as it is answered", c.Clients)
}

func (c *loadCmd) recording() ([]load.Request, error) {
	f, err := os.Open(c.Bodies)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	defer func() { _ = f.Close() }()
	requests, err := load.Read(f)
	if err != nil {
		return nil, cli.Misused(err)
	}
	return requests, nil
}

// tell prints the result, and judges it.
func (c *loadCmd) tell(m *Main, r *load.Result, about string) error {
	if c.Page != "" {
		if err := writeTo(c.Page, func(w io.Writer) error { return r.Page(w, about) }); err != nil {
			return err
		}
	}
	write := r.Write
	if c.JSON {
		write = func(w io.Writer) error { return json.NewEncoder(w).Encode(r.Told()) }
	}
	if err := write(m.Stdout); err != nil {
		return err
	}
	switch share := 100 * r.FailedShare(); {
	case r.All.Requests == 0:
		return errors.New("nothing was answered within the measured time")
	case share > c.Failed:
		return fmt.Errorf("%d of %d requests failed, which is %.3g of 100; --failed-max %g allows no more", r.All.Failed, r.All.Requests, share, c.Failed)
	}
	return nil
}
