package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"endcap/gate/api/admin"
)

// SecretCmd rotates the house's own secrets.
type SecretCmd struct {
	List   secretListCmd   `cmd:"" help:"List the house's own secrets, with their ages."`
	Rotate secretRotateCmd `cmd:"" help:"Rotate one of them while the house serves."`
}

type secretListCmd struct {
	DirFlags
	JSON bool `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*secretListCmd) Help() string { return "endcap secret list --dir /srv/endcap" }

// Run lists them; no secret itself is told.
func (c *secretListCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var out struct{ Secrets []admin.Secret }
		if err := o.Ask(ctx, "GET /v1/secrets", nil, &out); err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(s.Stdout).Encode(out.Secrets)
		}
		w := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "SECRET\tGENERATION\tMADE\tDESTROYED\tWHAT IT DOES")
		for _, one := range out.Secrets {
			for _, g := range one.Generations {
				fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", one.Name, g.Number, dateOf(g.Made), dateOf(g.Retired), one.About)
			}
		}
		return w.Flush()
	})
}

// dateOf is an instant in a table.
func dateOf(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format("2006-01-02 15:04")
}

type secretRotateCmd struct {
	DirFlags
	Name   string `arg:"" help:"Which, from endcap secret list."`
	AtOnce bool   `help:"Destroy the older ones now, because they leaked: what was made under them counts no more."`
}

// Help shows an example.
func (*secretRotateCmd) Help() string {
	return "endcap secret rotate tokens\nendcap secret rotate tokens --at-once"
}

// Run rotates it.
func (c *secretRotateCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var turned admin.Secret
		if err := o.Ask(ctx, "POST /v1/secrets/rotations", map[string]any{"secret": c.Name, "at_once": c.AtOnce}, &turned); err != nil {
			return err
		}
		for i, g := range turned.Generations {
			is := "used from now on"
			switch {
			case i > 0 && g.Retired == nil:
				is = "understood for good"
			case i > 0:
				is = "understood until " + dateOf(g.Retired)
			}
			if _, err := fmt.Fprintf(s.Stdout, "%s, generation %d: %s\n", turned.Name, g.Number, is); err != nil {
				return err
			}
		}
		return nil
	})
}
