// Package world plays one world of some fifty campaigns at once against a house of
// its own, through decisions, events and receipts, reads each campaign's interval
// from its report, and puts beside it what the play knows of those who won its
// adverts, or would have. It does not judge: bench/coverage does, as often as it
// likes, on what a world gave once.
//
// It stands outside the road of a receipt and looks at its end.
package world

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
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

// Options say which world is played, and with what.
type Options struct {
	Bin      string // the program
	Dir      string // an empty folder for the house and the truth, which is removed
	Scenario scenario.Scenario
}

// shoppersMin is from how many shoppers on reports tell figures: fewer than a brand
// is ever told, because what is asked here is whether intervals are right.
const shoppersMin = "2"

// decisionsMax bounds decisions under way.
const decisionsMax = 16

// Play plays a world and gives what each of its campaigns gave.
func Play(ctx context.Context, o Options) (all []Outcome, err error) {
	defer func() { err = errors.Join(err, os.RemoveAll(o.Dir)) }()
	s := &o.Scenario
	house := filepath.Join(o.Dir, "house")
	out, err := exec.CommandContext(ctx, o.Bin, "init", "--dir", house, "--zone", s.Zone, "--currency", s.Currency, "--demo",
		"--seed", strconv.FormatUint(s.Seed, 10), "--shoppers-min", shoppersMin, "--clock-start", s.Start+"T00:00:00+01:00", "--dataset", play.Declared).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("endcap init: %w: %s", err, out)
	}
	listen, err := free(ctx)
	if err != nil {
		return nil, err
	}
	h, stop, err := served.Serve(ctx, o.Bin, house, "--clock", "replay", "--listen", listen)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	var key struct {
		Secret string `json:"secret"`
	}
	if err := h.Ask(ctx, "POST /v1/keys", map[string]any{"name": "coverage", "scopes": strings.Split(play.Scopes, ",")}, &key); err != nil {
		return nil, err
	}
	p := play.Options{
		Scenario: *s, Model: model.Fitted(), Server: "http://" + listen, Key: key.Secret, Truth: filepath.Join(o.Dir, "truth"),
		Visits: decisionsMax, Drift: drift, Now: time.Now,
		Client: &http.Client{Timeout: 10 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: decisionsMax}},
	}
	defer p.Client.CloseIdleConnections()
	if _, err := play.Run(ctx, p); err != nil {
		return nil, err
	}
	return outcomes(ctx, h, p)
}

// drift lets all of a day happen side by side that may: adverts move shoppers by
// the day, and nobody comes again before her last receipt is in her profile.
const drift = 24 * time.Hour

// free is an address that nobody listens on.
func free(ctx context.Context) (string, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// outcomes reads every campaign's report and puts the truth through the day of
// which it tells beside it.
func outcomes(ctx context.Context, h *served.House, p play.Options) ([]Outcome, error) {
	campaigns := p.Scenario.Play.Campaigns
	reports := make([]report, len(campaigns))
	through := make(map[string]retail.Day)
	for i := range campaigns {
		c := &campaigns[i]
		// Nobody clicks in the aisle, so impressions claim sales.
		if err := h.Ask(ctx, "GET /v1/reports/campaigns/"+c.Name+"?model=last_touch_impression", nil, &reports[i]); err != nil {
			return nil, err
		}
		if edition := reports[i].Report.Edition; edition != "" {
			day, err := retail.ParseDay(edition)
			if err != nil {
				return nil, fmt.Errorf("read report: %w", err)
			}
			through[c.Name] = day
		}
	}
	found, err := play.Truth(ctx, p, through)
	if err != nil {
		return nil, err
	}
	all := make([]Outcome, len(found))
	for i := range found {
		if all[i], err = outcome(&reports[i], &found[i], &campaigns[i]); err != nil {
			return nil, fmt.Errorf("campaign %s: %w", found[i].Name, err)
		}
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
			Amount string `json:"amount"`
			Low    string `json:"low"`
			High   string `json:"high"`
			Reason string `json:"reason"`
		} `json:"value"`
	} `json:"figures"`
}
