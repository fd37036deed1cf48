package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"endcap/gate/api"
	"endcap/gate/api/admin"
	"endcap/gate/api/merge"
	"endcap/gate/connect/mapping"
	"endcap/gate/connect/rows"
	"endcap/know/identity/linkage"
)

// IdentityCmd finds, shows and answers merges of shoppers.
type IdentityCmd struct {
	Look      identityLookCmd      `cmd:"" help:"Show which shoppers somebody is, why, and her household."`
	Merge     identityMergeCmd     `cmd:"" help:"Say that two shoppers are one person."`
	Part      identityPartCmd      `cmd:"" help:"Say that two shoppers are two people."`
	Withdraw  identityWithdrawCmd  `cmd:"" help:"Take evidence back, as if it had never come."`
	Link      identityLinkCmd      `cmd:"" help:"Find shoppers of a file who may be one person, and propose them."`
	Proposals identityProposalsCmd `cmd:"" help:"Show which merges wait for an answer."`
	Approve   identityApproveCmd   `cmd:"" help:"Approve proposals: the shoppers become one."`
	Reject    identityRejectCmd    `cmd:"" help:"Reject proposals: the shoppers stay two."`
	Settle    identitySettleCmd    `cmd:"" help:"Work out anew who is one person, after the limits of merging changed."`
}

type identityLinkCmd struct {
	DirFlags
	File      string            `arg:"" help:"A CSV (with a header), NDJSON or Parquet file, plain, gz or zst: a row per shopper, with a key of hers and what is known of her." type:"existingfile"`
	Key       map[string]string `help:"Kind of key and its column: card=card_no (card, account, email_sha256, phone_sha256, device; email and phone for columns in clear, which are hashed here)." required:""`
	Field     map[string]string `help:"Column and how it is compared: surname=name (name, date, email, code, place, category); name:shared where families share it." required:""`
	Precision float64           `help:"Propose from this probability on, 0.99 at least." default:"0.99"`
	Seed      uint64            `help:"Seed of the chance pairs." default:"1"`
	Dry       bool              `name:"dry" help:"Say what would be proposed, and propose nothing."`
	JSON      bool              `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*identityLinkCmd) Help() string {
	return "endcap identity link members.csv --key card=card_no --field given=name --field 'surname=name:shared' --field born=date --field 'postcode=code:shared'"
}

// linked is what a run of linkage came to.
type linked struct {
	Records    int     `json:"records"`
	Candidates int     `json:"candidates"`
	Found      int     `json:"found"`
	Precision  float64 `json:"precision"` // as the model believes
	Waiting    int     `json:"waiting"`
}

// Run links the file here and sends proposals, which hold no value of it.
func (c *identityLinkCmd) Run(ctx context.Context, s *Session) error {
	if c.Precision < 0.99 || c.Precision > 1 {
		return Misused(fmt.Errorf("--precision is %v: at least 0.99, because a false merge shows one shopper another's basket", c.Precision))
	}
	table, keys, err := readMembers(c)
	if err != nil {
		return err
	}
	cfg := linkage.Defaults()
	cfg.Seed, cfg.ProbabilityMin = c.Seed, c.Precision
	found, err := linkage.Link(table, cfg)
	if err != nil {
		return Misused(err)
	}
	out := linked{Records: table.Records(), Candidates: found.Candidates, Found: len(found.Proposals), Precision: found.Precision}
	if !c.Dry && len(found.Proposals) > 0 {
		err := s.WithOwner(ctx, c.Dir, func(o *Client) (err error) {
			out.Waiting, err = s.propose(ctx, o, c.Seed, found, keys)
			return err
		})
		if err != nil {
			return err
		}
	}
	if c.JSON {
		return json.NewEncoder(s.Stdout).Encode(out)
	}
	_, err = fmt.Fprintf(s.Stdout, "%d shoppers, %d pairs compared, %d found alike (%.4f of them right, as the model believes), %d wait for an answer\n",
		out.Records, out.Candidates, out.Found, out.Precision, out.Waiting)
	return err
}

// readMembers reads the file into a table, with each row's keys.
func readMembers(c *identityLinkCmd) (_ *linkage.Table, _ []api.Shopper, err error) {
	traits := slices.Sorted(maps.Keys(c.Field))
	feed, err := mapping.Members(c.Key, traits)
	if err != nil {
		return nil, nil, Misused(err)
	}
	fields := make([]linkage.Field, len(traits))
	for n, name := range traits {
		kind, shared := strings.CutSuffix(c.Field[name], ":shared")
		fields[n] = linkage.Field{Name: name, Kind: linkage.Kind(kind), Shared: shared}
	}
	table, err := linkage.NewTable(fields)
	if err != nil {
		return nil, nil, Misused(err)
	}
	src, err := rows.Open(c.File, feed)
	if err != nil {
		return nil, nil, Misused(err)
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	var keys []api.Shopper
	for {
		b, err := src.Next()
		switch {
		case errors.Is(err, io.EOF):
			return table, keys, nil
		case err != nil:
			return nil, nil, Misused(err)
		}
		if keys, err = addMembers(table, keys, b); err != nil {
			return nil, nil, Misused(fmt.Errorf("%s: %w", filepath.Base(c.File), err))
		}
	}
}

// addMembers adds a block's rows. A row that cannot be read ends the run: a
// linkage over a part of the members would propose other pairs.
func addMembers(table *linkage.Table, keys []api.Shopper, b *rows.Block) ([]api.Shopper, error) {
	if err := faultIn(b); err != nil {
		return nil, err
	}
	values := make([]string, table.Fields())
	for row := range b.N {
		for n := range values {
			values[n] = textOf(b, mapping.Trait+mapping.Name(n), row)
		}
		if err := table.Add(values); err != nil {
			return nil, err
		}
		keys = append(keys, memberOf(b, row))
	}
	return keys, nil
}

// faultIn is the first row of a block that cannot be read, as an error.
func faultIn(b *rows.Block) error {
	if len(b.Faults) == 0 {
		return nil
	}
	f := &b.Faults[0]
	return fmt.Errorf("line %d: %s; %s", b.Line[f.Row], f.Say, f.Cure)
}

func textOf(b *rows.Block, n mapping.Name, row int) string {
	if b.Text[n] == nil {
		return ""
	}
	return b.Text[n][row]
}

// memberOf is the shopper whom a row names.
func memberOf(b *rows.Block, row int) api.Shopper {
	key := func(n mapping.Name) string { return strings.Clone(textOf(b, n, row)) }
	return api.Shopper{
		Card: key(mapping.Card), Account: key(mapping.Account), Email: key(mapping.EmailHash), Phone: key(mapping.PhoneHash), Device: key(mapping.Device),
	}
}

// proposalsAtOnce is how many proposals one request brings.
const proposalsAtOnce = 1_000

// propose sends what was found and says how many wait for an answer; pairs whose rows name the same shopper or an
// unknown one are left out by the server.
func (s *Session) propose(ctx context.Context, o *Client, seed uint64, found *linkage.Result, keys []api.Shopper) (waiting int, err error) {
	type body struct {
		Source    string           `json:"source"`
		Proposals []merge.Proposed `json:"proposals"`
	}
	for some := range slices.Chunk(found.Proposals, proposalsAtOnce) {
		in := body{Source: fmt.Sprintf("linkage %s seed %d", s.Version, seed)}
		for _, p := range some {
			in.Proposals = append(in.Proposals, merge.Proposed{A: keys[p.A], B: keys[p.B], Probability: p.Probability, Evidence: tellEvidence(p.Evidence)})
		}
		var answer struct {
			Waiting []bool `json:"waiting"`
		}
		if err := o.Ask(ctx, "POST /v1/identity/proposals", in, &answer); err != nil {
			return waiting, err
		}
		for _, waits := range answer.Waiting {
			if waits {
				waiting++
			}
		}
	}
	return waiting, nil
}

// tellEvidence says how the fields compare, without their values.
func tellEvidence(all []linkage.Evidence) string {
	parts := make([]string, len(all))
	for n, e := range all {
		parts[n] = fmt.Sprintf("%s %s %+.1f", e.Field, e.Level, e.Bits)
	}
	return strings.Join(parts, ", ")
}

type identityProposalsCmd struct {
	DirFlags
	After uint64 `help:"Proposals with ids above this."`
	Limit int    `help:"Most proposals." default:"100"`
	JSON  bool   `name:"json" help:"A JSON object a proposal."`
}

// Help shows an example.
func (*identityProposalsCmd) Help() string { return "endcap identity proposals --limit 20" }

// Run lists proposals.
func (c *identityProposalsCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var out struct {
			Proposals []merge.Waiting `json:"proposals"`
			Next      uint64          `json:"next"`
		}
		if err := o.Ask(ctx, fmt.Sprintf("GET /v1/identity/proposals?after=%d&limit=%d", c.After, c.Limit), nil, &out); err != nil {
			return err
		}
		for _, p := range out.Proposals {
			var err error
			if c.JSON {
				err = json.NewEncoder(s.Stdout).Encode(p)
			} else {
				_, err = fmt.Fprintf(s.Stdout, "%d  %.5f  %s\n    %s\n", p.ID, p.Probability, p.Source, p.Evidence)
			}
			if err != nil {
				return err
			}
		}
		if out.Next > 0 {
			fmt.Fprintf(s.Stderr, "endcap: more proposals with --after %d\n", out.Next)
		}
		return nil
	})
}

type answerFlags struct {
	DirFlags
	IDs  []uint64 `arg:"" name:"id" help:"The proposals' ids."`
	JSON bool     `name:"json" help:"A JSON object a proposal."`
}

type identityApproveCmd struct{ answerFlags }

// Help shows an example.
func (*identityApproveCmd) Help() string { return "endcap identity approve 17 18" }

// Run approves.
func (c *identityApproveCmd) Run(ctx context.Context, s *Session) error {
	return answerAll(ctx, s, &c.answerFlags, "approve")
}

type identityRejectCmd struct{ answerFlags }

// Help shows an example.
func (*identityRejectCmd) Help() string { return "endcap identity reject 17" }

// Run rejects.
func (c *identityRejectCmd) Run(ctx context.Context, s *Session) error {
	return answerAll(ctx, s, &c.answerFlags, "reject")
}

func answerAll(ctx context.Context, s *Session, c *answerFlags, answer string) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		for _, id := range c.IDs {
			var out merge.Merged
			if err := o.Ask(ctx, fmt.Sprintf("PUT /v1/identity/proposals/%d", id), map[string]string{"answer": answer}, &out); err != nil {
				return fmt.Errorf("proposal %d: %w", id, err)
			}
			verdict := "two people"
			if out.Merged {
				verdict = "one person"
			} else if out.Refused != "" && answer == "approve" {
				verdict += ": " + out.Refused
			}
			var err error
			if c.JSON {
				err = json.NewEncoder(s.Stdout).Encode(out)
			} else {
				_, err = fmt.Fprintf(s.Stdout, "%d  %s (evidence %s)\n", id, verdict, out.ID)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

type identitySettleCmd struct {
	DirFlags
	JSON bool `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*identitySettleCmd) Help() string { return "endcap identity settle" }

// Run has the owner settle everybody.
func (c *identitySettleCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		body, err := o.Call(ctx, http.MethodPost, "/v1/identity/settlements", struct{}{})
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		var last admin.Settling
		for d := json.NewDecoder(body); !last.Finished; {
			if err := d.Decode(&last); err != nil {
				return fmt.Errorf("read the answer: %w", err)
			}
		}
		if last.Problem != "" {
			return errors.New(last.Problem)
		}
		if c.JSON {
			return json.NewEncoder(s.Stdout).Encode(last)
		}
		_, err = fmt.Fprintf(s.Stdout, "%d shoppers with evidence, %d known as somebody else than before, %d too tangled\n", last.Looked, last.Moved, last.Tangled)
		return err
	})
}
