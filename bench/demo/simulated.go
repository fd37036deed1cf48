package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"endcap/bench/figure"
	"endcap/retail"
	"endcap/simulate/grocer"
	"endcap/simulate/model"
	"endcap/simulate/play"
)

// simulation is what `endcap simulate` says of the weeks it wrote to a folder.
type simulation struct {
	Declared string `json:"declared"`
	Weeks    []struct {
		Receipts int64 `json:"receipts"`
		Lines    int64 `json:"lines"`
		Cents    int64 `json:"cents"`
	} `json:"weeks"`
}

// played is what `endcap simulate --server --json` says of the weeks it played.
type played struct {
	Declared string `json:"declared"`
	Receipts int64  `json:"receipts"`
	Lines    int64  `json:"lines"`
	Cents    int64  `json:"sales_cents"`
	Peak     int64  `json:"peak_memory_bytes"`
}

func readJSON(path string, out any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read what the simulation says: %w", err)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read what the simulation says: %s: %w", path, err)
	}
	return nil
}

// judgeSimulated compares what the simulation made with what history holds, and
// what reports say of its campaigns with the truth.
func judgeSimulated(ctx context.Context, c *client, o *options, w io.Writer) error {
	var made simulation
	if err := readJSON(filepath.Join(o.folder, "simulation.json"), &made); err != nil {
		return err
	}
	var p played
	if err := readJSON(o.played, &p); err != nil {
		return err
	}
	if made.Declared != play.Declared || p.Declared != play.Declared {
		return errors.New("what the simulation says is not understood")
	}
	scenario, loaded, err := play.Played(o.truth)
	if err != nil {
		return err
	}
	receipts, lines, sales := p.Receipts, p.Lines, p.Cents
	for _, week := range made.Weeks[:min(loaded, len(made.Weeks))] {
		receipts, lines, sales = receipts+week.Receipts, lines+week.Lines, sales+week.Cents
	}
	if err := settle(ctx, c); err != nil {
		return err
	}
	communes, err := readCommunes(o.communes)
	if err != nil {
		return err
	}
	told, err := hold(ctx, c, play.Options{
		Scenario: scenario, Loaded: loaded, Model: model.Fitted(), Communes: communes, Client: c.HTTP, Server: c.Target, Key: c.Key, Truth: o.truth,
	})
	if err != nil {
		return err
	}
	if err := printTruth(w, told); err != nil {
		return err
	}
	if err := compareChances(ctx, c, o.truth, w); err != nil {
		return err
	}
	figure.Print(w, "demo.simulated_rss", (p.Peak+1<<19)>>20, "MB")
	return printControls(ctx, c, "simulated", []control{
		{"lines", "lines", text(lines)}, {"baskets", "baskets", text(receipts)}, {"sales", "EUR", cents(sales)},
	}, w)
}

// readCommunes reads where the folder's stores are; none is nowhere.
func readCommunes(file string) (list []grocer.Commune, err error) {
	if file == "none" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read communes: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return grocer.ReadCommunes(f)
}

// value is a figure of a report.
type value struct {
	Amount, Low, High, Ratio string
	Suppressed               bool
	Reason                   string
}

func (v *value) String() string {
	switch {
	case v.Reason != "":
		return "(" + v.Reason + ")"
	case v.Low != "":
		return v.Amount + " (" + v.Low + " to " + v.High + ")"
	default:
		return v.Amount + v.Ratio
	}
}

// held is what a campaign's report says, and what is true through the same day.
type held struct {
	play.Found
	spend, attributed, roas, incremental, iroas value
}

// amount reads one of a report's amounts, in cents.
func amount(text string) (float64, error) {
	m, err := retail.ParseMicros(text)
	return float64(m / retail.Cent), err
}

// hold reads every campaign's report, in which impressions claim sales because
// nobody clicks in the aisle, and works out the truth through the day of which it
// tells.
func hold(ctx context.Context, c *client, o play.Options) ([]held, error) {
	through := make(map[string]retail.Day)
	told := make(map[string]*held)
	for i := range o.Scenario.Play.Campaigns {
		name := o.Scenario.Play.Campaigns[i].Name
		var report struct {
			Report  struct{ Edition *retail.Day }
			Figures []struct {
				ID    string
				Value value
			}
		}
		if err := c.Send(ctx, "GET /v1/reports/campaigns/"+name+"?model=last_touch_impression", nil, &report); err != nil {
			return nil, err
		}
		if day := report.Report.Edition; day != nil {
			through[name] = *day
		}
		h := new(held)
		told[name] = h
		to := map[string]*value{"spend": &h.spend, "attributed_sales": &h.attributed, "roas": &h.roas, "incremental_sales": &h.incremental, "iroas": &h.iroas}
		for _, f := range report.Figures {
			if v := to[f.ID]; v != nil {
				*v = f.Value
			}
		}
	}
	found, err := play.Truth(ctx, o, through)
	if err != nil {
		return nil, err
	}
	all := make([]held, len(found))
	for i := range found {
		all[i] = *told[found[i].Name]
		all[i].Found = found[i]
	}
	return all, nil
}

// sums are what campaigns with an interval come to, in cents.
type sums struct {
	intervals, inside                           int
	spend, attributed, incremental, half, truth float64 // half is squared: of the interval's width
}

// add adds a campaign, and says whether its interval holds the truth: of what was
// bought under the keys that saw it, because no report knows of more.
func (s *sums) add(h *held) (inside string, err error) {
	if h.incremental.Low == "" {
		return "-", nil
	}
	var of [5]float64
	for i, text := range []string{h.spend.Amount, h.attributed.Amount, h.incremental.Amount, h.incremental.Low, h.incremental.High} {
		if of[i], err = amount(text); err != nil {
			return "", fmt.Errorf("campaign %s: %w", h.Name, err)
		}
	}
	truth := float64(h.SeenTreated.Extra())
	s.intervals++
	inside = "no"
	if of[3] <= truth && truth <= of[4] {
		s.inside++
		inside = "yes"
	}
	if of[0] > 0 { // on screens in the aisle nobody clicks, so nobody pays
		s.spend, s.attributed, s.incremental, s.truth = s.spend+of[0], s.attributed+of[1], s.incremental+of[2], s.truth+truth
		s.half += (of[4] - of[3]) * (of[4] - of[3]) / 4
	}
	return inside, nil
}

// printTruth shows beside each other what followed adverts (attribution), what
// the experiment says they caused, and what they truly caused, as far as tills and
// site saw it and on the whole; by sales and by euro of spend.
func printTruth(w io.Writer, all []held) error {
	fmt.Fprintf(w, "\nDeclared: %s; nobody here is a real person.\n\n", play.Declared)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "campaign\teffect\tspend\tattributed sales\tROAS\tincremental sales, 95 % interval\tiROAS\ttrue sales, seen\theld\ttrue sales, whole\ttrue iROAS, seen")
	var s sums
	for i := range all {
		h := &all[i]
		inside, err := s.add(h)
		if err != nil {
			return err
		}
		per := "-"
		if spend, err := amount(h.spend.Amount); err == nil && spend > 0 {
			per = fmt.Sprintf("%.2f", float64(h.SeenTreated.Extra())/spend)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.Name, h.Effect, h.spend.String(), h.attributed.String(),
			h.roas.String(), h.incremental.String(), h.iroas.String(), cents(h.SeenTreated.Extra()), inside, cents(h.Treated.Extra()), per)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nAttributed sales followed an impression, and most would have been made without it: their ROAS is high where the effect is none. The experiment says what would not have been; of 100 such intervals 95 hold the truth.")
	fmt.Fprintln(w, "An interval is held against the true sales that were seen: made under the keys that saw the campaign, by those who allow measurement. The whole is also what they bought without showing a card, or under keys that nobody linked.")
	if slices.ContainsFunc(all, func(h held) bool { return h.incremental.Reason == "k" }) {
		fmt.Fprintln(w, "(k): fewer shoppers stand behind a figure than the house tells of (init --shoppers-min).")
	}
	if s.intervals == 0 {
		fmt.Fprintln(w, "No campaign reached enough shoppers for an interval: play with more, as SHOPPERS=5000.")
	}
	figure.Print(w, "demo.simulated_intervals", s.intervals, fmt.Sprintf("of %d campaigns", len(all)))
	figure.Print(w, "demo.simulated_held", s.inside, fmt.Sprintf("of %d intervals", s.intervals))
	if s.spend > 0 {
		half := math.Sqrt(s.half)
		figure.Print(w, "demo.simulated_roas", s.attributed/s.spend, "ratio")
		figure.Print(w, "demo.simulated_iroas", s.incremental/s.spend, fmt.Sprintf("ratio, %.1f to %.1f", (s.incremental-half)/s.spend, (s.incremental+half)/s.spend))
		figure.Print(w, "demo.simulated_true_iroas", s.truth/s.spend, "ratio")
	}
	return nil
}
