package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"

	"endcap/gate/access"
	"endcap/gate/cli"
	"endcap/retail/media"
)

type keyCmd struct {
	Create   keyCreateCmd   `cmd:"" help:"Make a key; its secret is shown once."`
	List     keyListCmd     `cmd:"" help:"List the keys."`
	Rotate   keyRotateCmd   `cmd:"" help:"Give a key a new secret; it is shown once."`
	Revoke   keyRevokeCmd   `cmd:"" help:"End a key."`
	Recovery keyRecoveryCmd `cmd:"" help:"Make the key that opens backups."`
}

type keyCreateCmd struct {
	cli.DirFlags
	Name       string   `arg:"" help:"Who will use it."`
	Scopes     []string `help:"What it may do: decide, receipts, feeds, trade, reports, analyse, identity, admin, privacy, partners." required:"" sep:","`
	Advertiser string   `help:"Bind it to one advertiser (trade and reports only)."`
	Rate       int      `help:"Requests a second; 0 for the server's default."`
	JSON       bool     `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*keyCreateCmd) Help() string {
	return "endcap key create 'web shop' --scopes decide\nendcap key create 'Oatly' --scopes trade,reports --advertiser oatly"
}

// Run makes the key.
func (c *keyCreateCmd) Run(ctx context.Context, m *Main) error {
	in := access.Spec{Name: c.Name, Rate: c.Rate, Advertiser: media.AdvertiserID(c.Advertiser)}
	for _, s := range c.Scopes {
		in.Scopes = append(in.Scopes, access.Scope(s))
	}
	return m.session().WithOwner(ctx, c.Dir, func(o *cli.Client) error {
		var out struct {
			Key    access.Known `json:"key"`
			Secret string       `json:"secret"`
		}
		if err := o.Ask(ctx, "POST /v1/keys", in, &out); err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(m.Stdout).Encode(out) //nolint:gosec // whoever makes a key is told its secret, here and once
		}
		_, err := fmt.Fprintln(m.Stdout, out.Secret)
		return err
	})
}

type keyListCmd struct {
	cli.DirFlags
	JSON bool `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*keyListCmd) Help() string { return "endcap key list --dir /srv/endcap" }

// Run lists the keys.
func (c *keyListCmd) Run(ctx context.Context, m *Main) error {
	return m.session().WithOwner(ctx, c.Dir, func(o *cli.Client) error {
		var out struct {
			Keys []access.Known `json:"keys"`
		}
		if err := o.Ask(ctx, "GET /v1/keys", nil, &out); err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(m.Stdout).Encode(out)
		}
		w := tabwriter.NewWriter(m.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tSCOPES\tADVERTISER\tCREATED")
		for _, k := range out.Keys {
			scopes := make([]string, len(k.Scopes))
			for i, s := range k.Scopes {
				scopes[i] = string(s)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, strings.Join(scopes, ","), k.Advertiser, k.Created.Format("2006-01-02 15:04"))
		}
		return w.Flush()
	})
}

type keyRotateCmd struct {
	cli.DirFlags
	ID      string `arg:"" help:"The key's id, from endcap key list."`
	Overlap int    `help:"For how many hours the old secret stays valid; 0 ends it at once." default:"24"`
}

// Help shows an example.
func (*keyRotateCmd) Help() string { return "endcap key rotate ugt7sq7ue2u6ldam --overlap 48" }

// Run changes the secret.
func (c *keyRotateCmd) Run(ctx context.Context, m *Main) error {
	return m.session().WithOwner(ctx, c.Dir, func(o *cli.Client) error {
		var out struct{ Secret string }
		if err := o.Ask(ctx, "POST /v1/keys/"+url.PathEscape(c.ID)+"/rotations", map[string]int{"overlap_hours": c.Overlap}, &out); err != nil {
			return err
		}
		_, err := fmt.Fprintln(m.Stdout, out.Secret)
		return err
	})
}

type keyRevokeCmd struct {
	cli.DirFlags
	ID string `arg:"" help:"The key's id, from endcap key list."`
}

// Help shows an example.
func (*keyRevokeCmd) Help() string { return "endcap key revoke ugt7sq7ue2u6ldam" }

// Run ends the key.
func (c *keyRevokeCmd) Run(ctx context.Context, m *Main) error {
	return m.session().WithOwner(ctx, c.Dir, func(o *cli.Client) error {
		return o.Ask(ctx, "DELETE /v1/keys/"+url.PathEscape(c.ID), nil, nil)
	})
}
