package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"

	"endcap/gate/api/merge"
)

type identityLookCmd struct {
	DirFlags
	whoFlags
	JSON bool `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*identityLookCmd) Help() string { return "endcap identity look --card 4711" }

// Run shows the person whom the keys name.
func (c *identityLookCmd) Run(ctx context.Context, s *Session) error {
	who, err := wireKeys(&c.whoFlags)
	if err != nil {
		return err
	}
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var out merge.Person
		if err := o.Ask(ctx, "POST /v1/identity/lookups", map[string]any{"shopper": who}, &out); err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(s.Stdout).Encode(out)
		}
		_, err := io.WriteString(s.Stdout, tellPerson(&out))
		return err
	})
}

// tellPerson says who somebody is without a key or an id.
func tellPerson(p *merge.Person) string {
	var b strings.Builder
	for n, keys := range p.Shoppers {
		fmt.Fprintf(&b, "shopper %d: %s\n", n+1, tellKeys(keys))
	}
	name := func(n int) string {
		if n == 0 {
			return "somebody else"
		}
		return fmt.Sprintf("shopper %d", n)
	}
	for i := range p.Evidence {
		e := &p.Evidence[i]
		fmt.Fprintf(&b, "%s  %s  %s", e.ID, e.At.Format("2006-01-02 15:04"), e.Basis)
		if e.Key != "" {
			fmt.Fprintf(&b, " %s", e.Key)
		}
		fmt.Fprintf(&b, ", %s and %s, by %s (%s)", name(e.From), name(e.To), e.By, e.Source)
		if e.Why != "" {
			fmt.Fprintf(&b, ": %s", e.Why)
		}
		if e.Refused != "" {
			fmt.Fprintf(&b, " [does not count: %s]", e.Refused)
		}
		b.WriteByte('\n')
	}
	for _, m := range p.Household {
		shared := "nothing, but somebody stands between them"
		if len(m.Shares) > 0 {
			shared = strings.Join(m.Shares, ", ")
		}
		fmt.Fprintf(&b, "household: somebody with %s; they share %s\n", tellKeys(m.Keys), shared)
	}
	return b.String()
}

func tellKeys(keys merge.Keys) string {
	parts := make([]string, 0, len(keys))
	for _, kind := range slices.Sorted(maps.Keys(keys)) {
		parts = append(parts, fmt.Sprintf("%d %s", keys[kind], kind))
	}
	if len(parts) == 0 {
		return "no key"
	}
	return strings.Join(parts, ", ")
}

// claimFlags name two shoppers and what is said of them.
type claimFlags struct {
	DirFlags
	A    map[string]string `help:"Keys of the one: card=4711 (card, account, email_sha256, phone_sha256, device; email and phone in clear, which are hashed here)." required:""`
	B    map[string]string `help:"Keys of the other." required:""`
	Why  string            `help:"What it rests on, in words that name nobody; kept with your name." required:""`
	JSON bool              `name:"json" help:"Answer in JSON."`
}

// claim sends what is said of two and tells what it came to.
func (c *claimFlags) claim(ctx context.Context, s *Session, route string) error {
	a, err := keysFrom(c.A, func(kind string) string { return "--a " + kind })
	if err != nil {
		return err
	}
	b, err := keysFrom(c.B, func(kind string) string { return "--b " + kind })
	if err != nil {
		return err
	}
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var out merge.Merged
		if err := o.Ask(ctx, route, map[string]any{"a": a, "b": b, "why": c.Why}, &out); err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(s.Stdout).Encode(out)
		}
		verdict := "two people"
		if out.Merged {
			verdict = "one person"
		}
		if out.Refused != "" {
			verdict += ": " + out.Refused
		}
		_, err := fmt.Fprintf(s.Stdout, "%s (evidence %s)\n", verdict, out.ID)
		return err
	})
}

type identityMergeCmd struct{ claimFlags }

// Help shows an example.
func (*identityMergeCmd) Help() string {
	return "endcap identity merge --a card=4711 --b account=ana --why 'asked at the desk'"
}

// Run says that the two are one person.
func (c *identityMergeCmd) Run(ctx context.Context, s *Session) error {
	return c.claim(ctx, s, "POST /v1/identity/merges")
}

type identityPartCmd struct{ claimFlags }

// Help shows an example.
func (*identityPartCmd) Help() string {
	return "endcap identity part --a card=4711 --b card=4712 --why 'two sisters'"
}

// Run says that the two are two people.
func (c *identityPartCmd) Run(ctx context.Context, s *Session) error {
	return c.claim(ctx, s, "POST /v1/identity/separations")
}

type identityWithdrawCmd struct {
	DirFlags
	ID  string `arg:"" help:"The evidence's id, as merge, part and look tell it."`
	Why string `help:"Why it does not hold, in words that name nobody; kept with your name." required:""`
}

// Help shows an example.
func (*identityWithdrawCmd) Help() string {
	return "endcap identity withdraw 5a0c… --why 'the desk mistook the card'"
}

// Run takes it back.
func (c *identityWithdrawCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		return o.Ask(ctx, "DELETE /v1/identity/merges/"+url.PathEscape(c.ID)+"?why="+url.QueryEscape(c.Why), nil, nil)
	})
}
