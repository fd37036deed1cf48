package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"endcap/gate/api/admin"
	"endcap/gate/connect/mapping"
)

// QuarantineCmd shows and replays what could not be taken in.
type QuarantineCmd struct {
	List   quarantineListCmd   `cmd:"" help:"Show what could not be taken in, and why."`
	Replay quarantineReplayCmd `cmd:"" help:"Submit every row again, after a fix."`
}

type quarantineListCmd struct {
	DirFlags
	After uint64 `help:"Rows with ids above this."`
	Limit int    `help:"Most rows." default:"100"`
	JSON  bool   `name:"json" help:"A JSON object a row."`
}

// Help shows an example.
func (*quarantineListCmd) Help() string { return "endcap quarantine list --limit 20" }

// Run lists rows.
func (c *quarantineListCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var out struct {
			Rows []admin.RefusedRow `json:"rows"`
			Next uint64             `json:"next"`
		}
		path := fmt.Sprintf("/v1/quarantine?after=%d&limit=%d", c.After, c.Limit)
		if err := o.Ask(ctx, "GET "+path, nil, &out); err != nil {
			return err
		}
		for _, r := range out.Rows {
			if c.JSON {
				if err := json.NewEncoder(s.Stdout).Encode(r); err != nil {
					return err
				}
				continue
			}
			if _, err := fmt.Fprintf(s.Stdout, "%d  %s  %s:%d  %s\n    %s\n    %.200s\n", r.ID, r.Reason, r.Source, r.Line, r.Kind, r.Say, r.Raw); err != nil {
				return err
			}
		}
		if out.Next > 0 {
			fmt.Fprintf(s.Stderr, "endcap: more rows with --after %d\n", out.Next)
		}
		return nil
	})
}

type quarantineReplayCmd struct {
	DirFlags
	Mapping string `help:"The mended mapping of files that were loaded; by default each as it was last used." type:"existingfile"`
	JSON    bool   `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*quarantineReplayCmd) Help() string { return "endcap quarantine replay --mapping tills.json" }

// Run replays.
func (c *quarantineReplayCmd) Run(ctx context.Context, s *Session) error {
	var in any
	if c.Mapping != "" {
		text, err := os.ReadFile(c.Mapping)
		if err != nil {
			return fmt.Errorf("read mapping: %w", err)
		}
		if _, err := mapping.Parse(text); err != nil {
			return Misused(fmt.Errorf("mapping %s: %w", c.Mapping, err))
		}
		in = admin.Replay{Mapping: text}
	}
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var out struct {
			Taken int64 `json:"taken"`
			Kept  int64 `json:"kept"`
		}
		if err := o.Ask(ctx, "POST /v1/quarantine/replay", in, &out); err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(s.Stdout).Encode(out)
		}
		_, err := fmt.Fprintf(s.Stdout, "%d rows taken in, %d still refused\n", out.Taken, out.Kept)
		return err
	})
}
