package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"endcap/retail"
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
	Declared  string       `json:"declared"`
	Receipts  int64        `json:"receipts"`
	Lines     int64        `json:"lines"`
	Cents     int64        `json:"sales_cents"`
	Campaigns []play.Found `json:"campaigns"`
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
	if made.Declared != play.Declared || p.Declared != play.Declared || o.loaded < 0 || o.loaded > len(made.Weeks) {
		return errors.New("what the simulation says is not understood")
	}
	receipts, lines, sales := p.Receipts, p.Lines, p.Cents
	for _, week := range made.Weeks[:o.loaded] {
		receipts, lines, sales = receipts+week.Receipts, lines+week.Lines, sales+week.Cents
	}
	if err := settle(ctx, c); err != nil {
		return err
	}
	if err := printTruth(ctx, c, p.Campaigns, w); err != nil {
		return err
	}
	return printControls(ctx, c, "simulated", []control{
		{"lines", "lines", text(lines)}, {"baskets", "baskets", text(receipts)}, {"sales", "EUR", cents(sales)},
	}, w)
}

// value is a figure of a report.
type value struct {
	Amount, Low, High, Ratio string
	Suppressed               bool
	Reason                   string
}

func (v *value) String() string {
	switch {
	case v.Suppressed:
		return "(" + v.Reason + ")"
	case v.Low != "":
		return v.Amount + " (" + v.Low + " to " + v.High + ")"
	default:
		return v.Amount + v.Ratio
	}
}

// printTruth shows beside each other what followed adverts (attribution), what
// the experiment says they caused, and what they truly caused.
func printTruth(ctx context.Context, c *client, campaigns []play.Found, w io.Writer) error {
	fmt.Fprintf(w, "\nDeclared: %s; nobody here is a real person.\n", play.Declared)
	fmt.Fprintf(w, "\n%-14s %-9s %-7s %12s %8s  %-32s %12s %s\n", "campaign", "shown", "effect", "attributed", "ROAS", "incremental, 95 % interval", "truth", "inside")
	for i := range campaigns {
		f := &campaigns[i]
		figures, err := figuresOf(ctx, c, f.Name)
		if err != nil {
			return err
		}
		effect := figures["incremental_sales"]
		inside := "-"
		if low, err := retail.ParseMicros(effect.Low); err == nil {
			high, err := retail.ParseMicros(effect.High)
			if err != nil {
				return fmt.Errorf("campaign %s: %w", f.Name, err)
			}
			truth := retail.Micros(f.Treated.Extra()) * retail.Cent
			inside = map[bool]string{true: "yes", false: "no"}[low <= truth && truth <= high]
		}
		sales, roas := figures["attributed_sales"], figures["roas"]
		fmt.Fprintf(w, "%-14s %-9s %-7s %12s %8s  %-32s %12s %s\n", f.Name, f.Where, f.Effect, sales.String(), roas.String(), effect.String(), cents(f.Treated.Extra()), inside)
	}
	_, err := fmt.Fprintln(w, "\nAttributed sales followed an impression and would mostly have been made without it. The experiment says what would not have been; of 100 such intervals 95 hold the truth.")
	return err
}

// figuresOf are the headline figures of a campaign's report, in which impressions
// claim sales: nobody clicks in the aisle.
func figuresOf(ctx context.Context, c *client, campaign string) (map[string]value, error) {
	var report struct {
		Figures []struct {
			ID    string
			Value value
		}
	}
	if err := c.send(ctx, "GET /v1/reports/campaigns/"+campaign+"?model=last_touch_impression", nil, &report); err != nil {
		return nil, err
	}
	out := make(map[string]value)
	for _, f := range report.Figures {
		out[f.ID] = f.Value
	}
	return out, nil
}
