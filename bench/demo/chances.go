package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"endcap/bench/figure"
)

// clicksTruth is what the simulation knows of clicks.
type clicksTruth struct {
	Looks   map[string][]float64 `json:"looks"` // by placement, the chance of each slot that it is looked at
	Known   float64              `json:"known"`
	Unknown float64              `json:"unknown"`
}

// sample is one line of the server's metrics.
type sample struct {
	labels map[string]string
	value  float64
}

// metricsMax is the longest answer that is read of the server's metrics.
const metricsMax = 8 << 20

var (
	sampleLine = regexp.MustCompile(`(?m)^(endcap_response_[a-z_]+)(?:\{(.*)\})? ([0-9.eE+-]+)$`)
	labelPair  = regexp.MustCompile(`([a-z]+)="([^"]*)"`)
)

// readSamples takes what the server tells of its model of clicks, by metric.
func readSamples(text []byte) map[string][]sample {
	out := make(map[string][]sample)
	for _, m := range sampleLine.FindAllSubmatch(text, -1) {
		s := sample{labels: make(map[string]string)}
		for _, pair := range labelPair.FindAllSubmatch(m[2], -1) {
			s.labels[string(pair[1])] = string(pair[2])
		}
		s.value, _ = strconv.ParseFloat(string(m[3]), 64) // the pattern is of numbers
		out[string(m[1])] = append(out[string(m[1])], s)
	}
	return out
}

// compareChances shows what the house has learned of clicks beside the truth.
func compareChances(ctx context.Context, c *client, truth string, w io.Writer) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Target+"/metrics", nil)
	if err != nil {
		return fmt.Errorf("ask for metrics: %w", err)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("ask for metrics: %w", err)
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(res.Body, metricsMax))
	if err != nil {
		return fmt.Errorf("read metrics: %w", err)
	}
	var known clicksTruth
	if err := readJSON(filepath.Join(truth, "clicks.json"), &known); err != nil {
		return err
	}
	return printChances(w, readSamples(text), &known)
}

// printChances prints a line for each placement: how well clicks were predicted, and
// how likely each of its slots is looked at beside the first, as learned and in truth.
func printChances(w io.Writer, all map[string][]sample, truth *clicksTruth) error {
	one := func(metric, placement, of string) float64 {
		for _, s := range all[metric] {
			if s.labels["placement"] == placement && s.labels["of"] == of {
				return s.value
			}
		}
		return 0
	}
	fmt.Fprintln(w, "\nWhat the house learned of clicks, beside the truth (a slot is looked at so often, beside the first of its placement):")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "placement\trecent showings\tclicks ÷ predicted\tlog loss\tof a constant\tslots: learned (true)")
	for _, s := range all["endcap_response_showings"] {
		name := s.labels["placement"]
		looks := truth.Looks[name]
		var line strings.Builder
		for i, look := range looks {
			at := slices.IndexFunc(all["endcap_response_examined"], func(s sample) bool {
				return s.labels["placement"] == name && s.labels["position"] == strconv.Itoa(i+1)
			})
			if at >= 0 && looks[0] > 0 {
				fmt.Fprintf(&line, " %.2f (%.2f)", all["endcap_response_examined"][at].value, look/looks[0])
			}
		}
		fmt.Fprintf(t, "%s\t%.0f\t%.2f\t%.4f\t%.4f\t%s\n", name, s.value, one("endcap_response_calibration", name, ""),
			one("endcap_response_log_loss", name, "model"), one("endcap_response_log_loss", name, "constant"), line.String())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "She clicks %.2f of what she looks at and knows, %.2f of the rest.\n", truth.Known, truth.Unknown)
	for _, s := range all["endcap_response_learned"] {
		figure.Print(w, "demo.simulated_learned_"+s.labels["of"], s.value, "learned from")
	}
	for _, s := range all["endcap_response_ready"] {
		figure.Print(w, "demo.simulated_chances_rank", s.value, "1 where auctions rank by chances")
	}
	return nil
}
