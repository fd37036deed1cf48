// Command coverage asks how often the product's 95 % intervals hold the truth. It
// plays worlds of fifty campaigns at once against a served house, through
// decisions, events and receipts, reads each campaign's interval from its report,
// and holds it against what the play knows that the campaign sold. Seeds follow
// from the name and the world's index; no others are tried.
//
// It stands outside the road of a receipt and judges its end: make coverage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"endcap/bench/served"
	"endcap/retail"
	"endcap/simulate/model"
	"endcap/simulate/play"
	"endcap/simulate/scenario"
)

// options are what the command line says.
type options struct {
	bin, dir, listen, name  string
	worlds, shoppers, first int
	least, most             float64 // coverage outside of which it fails
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin/endcap", "the program, as make build makes it")
	flag.StringVar(&o.dir, "dir", "", "where houses are made; the temporary directory by default")
	flag.StringVar(&o.listen, "listen", "127.0.0.1:8089", "where they are served")
	flag.StringVar(&o.name, "name", "coverage", "of the test: seeds are made of it")
	flag.IntVar(&o.worlds, "worlds", 20, "how many worlds")
	flag.IntVar(&o.first, "first", 0, "the first world's index")
	flag.IntVar(&o.shoppers, "shoppers", 20_000, "of each world")
	flag.Float64Var(&o.least, "least", 0.913, "fail below this coverage, over all campaigns")
	flag.Float64Var(&o.most, "most", 0.980, "fail above it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, &o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, o *options) error {
	dir, err := os.MkdirTemp(o.dir, "coverage")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var all []judged
	for n := o.first; n < o.first+o.worlds; n++ {
		start := time.Now()
		got, err := world(ctx, o, filepath.Join(dir, strconv.Itoa(n)), n)
		if err != nil {
			return fmt.Errorf("world %d: %w", n, err)
		}
		all = append(all, got...)
		inside, told := count(got)
		fmt.Fprintf(os.Stderr, "world %d: %d of %d intervals hold the truth, %s\n", n, inside, told, time.Since(start).Round(time.Second))
	}
	return tell(out, all, o)
}

// world plays one world in a house of its own and judges its campaigns.
func world(ctx context.Context, o *options, dir string, index int) (all []judged, err error) {
	s := worldOf(o.name, index, o.shoppers)
	house := filepath.Join(dir, "house")
	if err := endcap(ctx, o.bin, "init", "--dir", house, "--zone", s.Zone, "--currency", s.Currency, "--demo", "--seed", strconv.FormatUint(s.Seed, 10),
		"--shoppers-min", "2", "--clock-start", s.Start+"T00:00:00+01:00", "--dataset", play.Declared); err != nil {
		return nil, err
	}
	h, stop, err := served.Serve(ctx, o.bin, house, "--clock", "replay", "--listen", o.listen)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop(), os.RemoveAll(dir)) }()
	var key struct {
		Secret string `json:"secret"`
	}
	if err := h.Ask(ctx, "POST /v1/keys", map[string]any{"name": "coverage", "scopes": strings.Split(play.Scopes, ",")}, &key); err != nil {
		return nil, err
	}
	p := play.Options{
		Scenario: s, Model: model.Fitted(), Server: "http://" + o.listen, Key: key.Secret, Truth: filepath.Join(dir, "truth"), Visits: 16, Now: time.Now,
		Client: &http.Client{Timeout: 10 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 16}},
	}
	defer p.Client.CloseIdleConnections()
	if _, err := play.Run(ctx, p); err != nil {
		return nil, err
	}
	return judgeAll(ctx, h, p)
}

// judgeAll reads every campaign's report and holds it against the truth through
// the day of which it tells.
func judgeAll(ctx context.Context, h *served.House, p play.Options) ([]judged, error) {
	reports := make(map[string]*report)
	through := make(map[string]retail.Day)
	for i := range p.Scenario.Play.Campaigns {
		name := p.Scenario.Play.Campaigns[i].Name
		r := new(report)
		// Nobody clicks in the aisle, so impressions claim sales.
		if err := h.Ask(ctx, "GET /v1/reports/campaigns/"+name+"?model=last_touch_impression", nil, r); err != nil {
			return nil, err
		}
		reports[name] = r
		if r.Report.Edition != "" {
			day, err := retail.ParseDay(r.Report.Edition)
			if err != nil {
				return nil, fmt.Errorf("read report: %w", err)
			}
			c := &p.Scenario.Play.Campaigns[i]
			last := p.Scenario.First() + retail.Day(7*(c.From+c.Weeks)-1+c.WindowDays)
			through[name] = min(day, last)
		}
	}
	found, err := play.Truth(ctx, p, through)
	if err != nil {
		return nil, err
	}
	all := make([]judged, len(found))
	for i := range found {
		all[i] = reports[found[i].Name].judge(&found[i], &p.Scenario.Play.Campaigns[i])
	}
	return all, nil
}

// report is what is read of a campaign's report.
type report struct {
	Report struct {
		Edition string `json:"edition"`
	} `json:"report"`
	Figures []struct {
		ID    string `json:"id"`
		Value struct {
			Low    string `json:"low"`
			High   string `json:"high"`
			Ratio  string `json:"ratio"`
			Reason string `json:"reason"`
		} `json:"value"`
	} `json:"figures"`
}

func (r *report) judge(f *play.Found, c *scenario.Campaign) judged {
	var out judged
	roas := ""
	for i := range r.Figures {
		v := &r.Figures[i].Value
		switch r.Figures[i].ID {
		case "roas":
			roas = v.Ratio
		case "incremental_sales":
			low, errLow := strconv.ParseFloat(v.Low, 64)
			high, errHigh := strconv.ParseFloat(v.High, 64)
			if errLow == nil && errHigh == nil {
				out = judge(f, low, high)
			} else {
				out.why = v.Reason
			}
		}
	}
	out.cell, out.roas = cellOf(c), roas
	return out
}

func endcap(ctx context.Context, bin string, args ...string) error {
	if said, err := exec.CommandContext(ctx, bin, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("endcap %s: %w: %s", args[0], err, said)
	}
	return nil
}

// errCoverage says that intervals hold the truth too seldom, or too often.
var errCoverage = errors.New("the coverage of the intervals is out of bounds")
