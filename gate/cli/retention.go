package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	wire "endcap/gate/api/privacy"
	"endcap/know/privacy"
)

type retentionCmd struct {
	Show    retentionShowCmd    `cmd:"" help:"Show how long each kind of data is kept, and what the last runs did."`
	Run     retentionRunCmd     `cmd:"" help:"Let go now what is too old, instead of tonight."`
	Lapsing retentionLapsingCmd `cmd:"" help:"List who will be forgotten for inactivity, for you to write to."`
}

type retentionShowCmd struct {
	DirFlags
	JSON bool `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*retentionShowCmd) Help() string { return "endcap privacy retention show" }

// Run shows terms and runs.
func (c *retentionShowCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var out struct {
			Terms privacy.Retention `json:"terms"`
			Kept  []privacy.Kept    `json:"kept"`
			Runs  []privacy.Signed  `json:"runs"`
		}
		if err := o.Ask(ctx, "GET /v1/privacy/retention", nil, &out); err != nil {
			return err
		}
		if err := o.Ask(ctx, "GET /v1/privacy/retention/runs", nil, &out); err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(s.Stdout).Encode(out)
		}
		w := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', 0)
		for _, k := range out.Kept {
			fmt.Fprintf(w, "%s\t%s\t%s\n", k.What, k.Long, k.Source)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		for _, signed := range out.Runs {
			var run privacy.Run
			if err := json.Unmarshal(signed.Document, &run); err != nil {
				return fmt.Errorf("read a record: %w", err)
			}
			printRun(s, &run)
		}
		return nil
	})
}

func printRun(s *Session, r *privacy.Run) {
	held := ""
	if r.Held != "" {
		held = "; held: " + r.Held
	}
	fmt.Fprintf(s.Stdout, "%s  inactive since %v: %d of %d shoppers, %d forgotten; adverts before %v: %d sealed files, %d left; %d requests removed%s\n",
		r.Began.Format("2006-01-02 15:04"), r.Inactive, r.Found, r.People, r.Lapsed, r.Adverts, r.Files, r.Left, r.Requests, held)
}

type retentionRunCmd struct {
	DirFlags
	Dry     bool `help:"Only show what would go."`
	Confirm bool `help:"Do it though suspiciously many are inactive, or the newest receipt is old."`
	JSON    bool `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*retentionRunCmd) Help() string { return "endcap privacy retention run --dry" }

// Run has the office let go what is too old.
func (c *retentionRunCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var run privacy.Run
		if err := o.Ask(ctx, "POST /v1/privacy/retention/runs", map[string]bool{"dry": c.Dry, "confirmed": c.Confirm}, &run); err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(s.Stdout).Encode(run)
		}
		printRun(s, &run)
		return nil
	})
}

type retentionLapsingCmd struct {
	DirFlags
	Days int  `help:"How far ahead." default:"30"`
	JSON bool `name:"json" help:"A JSON object a shopper."`
}

// Help shows an example.
func (*retentionLapsingCmd) Help() string { return "endcap privacy retention lapsing --days 30" }

// Run lists them, page by page.
func (c *retentionLapsingCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		return pages(ctx, o, fmt.Sprintf("GET /v1/privacy/retention/lapsing?days=%d", c.Days), "shoppers", func(l *wire.Lapsing) error {
			return printLapsing(s, l, c.JSON)
		})
	})
}

func printLapsing(s *Session, l *wire.Lapsing, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(s.Stdout).Encode(l)
	}
	keys := make([]string, len(l.Keys))
	for i, k := range l.Keys {
		keys[i] = k.Kind + "=" + k.Value
	}
	_, err := fmt.Fprintf(s.Stdout, "%v  active %v  %s\n", l.On, l.Active, strings.Join(keys, " "))
	return err
}
