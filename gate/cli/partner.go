package cli

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"

	"endcap/gate/api"
	wire "endcap/gate/api/partner"
	"endcap/gate/connect/mapping"
	"endcap/gate/connect/rows"
	"endcap/know/partner"
)

// PartnerCmd keeps partners, and tells the names that they have for shoppers.
type PartnerCmd struct {
	Create     partnerCreateCmd     `cmd:"" help:"Make a partner, or give it another name."`
	List       partnerListCmd       `cmd:"" help:"List partners."`
	Pseudonyms partnerPseudonymsCmd `cmd:"" help:"Tell a partner's names of the shoppers of a file."`
	Ended      partnerEndedCmd      `cmd:"" help:"Tell the names that a partner is to delete."`
}

func partnerPath(id string) string { return "/v1/partners/" + url.PathEscape(id) }

type partnerCreateCmd struct {
	DirFlags
	ID      string `arg:"" name:"id" help:"An id of your choosing."`
	Name    string `help:"What people call it." required:""`
	Purpose string `help:"What a shopper must allow to be named: offsite_matching or pooling. It never changes." required:""`
	JSON    bool   `name:"json" help:"Answer in JSON."`
}

// Help shows an example.
func (*partnerCreateCmd) Help() string {
	return "endcap partner create gazette --name 'The Gazette' --purpose offsite_matching"
}

// Run makes it.
func (c *partnerCreateCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var made wire.Partner
		if err := o.Ask(ctx, "PUT "+partnerPath(c.ID), map[string]string{"name": c.Name, "purpose": c.Purpose}, &made); err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(s.Stdout).Encode(made)
		}
		_, err := fmt.Fprintf(s.Stdout, "%s, version %d: %s, %s\n", made.ID, made.Version, made.Name, made.Purpose)
		return err
	})
}

type partnerListCmd struct {
	DirFlags
	JSON bool `name:"json" help:"A JSON object a partner."`
}

// Help shows an example.
func (*partnerListCmd) Help() string { return "endcap partner list --dir /srv/endcap" }

// Run lists all of them.
func (c *partnerListCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		w := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', 0)
		if !c.JSON {
			fmt.Fprintln(w, "PARTNER\tVERSION\tPURPOSE\tNAME")
		}
		err := pages(ctx, o, "GET /v1/partners", "partners", func(p *wire.Partner) error {
			if c.JSON {
				return json.NewEncoder(s.Stdout).Encode(p)
			}
			_, err := fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", p.ID, p.Version, p.Purpose, p.Name)
			return err
		})
		return errors.Join(err, w.Flush())
	})
}

type partnerPseudonymsCmd struct {
	DirFlags
	ID   string            `arg:"" name:"id" help:"The partner's."`
	File string            `arg:"" help:"A CSV (with a header), NDJSON or Parquet file, plain, gz or zst: a row per shopper whom the partner knows." type:"existingfile"`
	Key  map[string]string `help:"Kind of key and its column: card=card_no (card, account, email_sha256, phone_sha256, device; email and phone for columns in clear, which are hashed here)." required:""`
}

// Help shows an example.
func (*partnerPseudonymsCmd) Help() string {
	return "endcap partner pseudonyms gazette readers.csv --key email_sha256=mail > names.csv\n" +
		"Answers a CSV of row (the first of a shopper is 1), pseudonym and previous, with the rows of those alone who allow it."
}

// Run asks for a batch of the file at a time; what it writes holds no key. A row
// that cannot be read ends it, after the names of the rows before its batch.
func (c *partnerPseudonymsCmd) Run(ctx context.Context, s *Session) (err error) {
	feed, err := mapping.Members(c.Key, nil)
	if err != nil {
		return Misused(err)
	}
	src, err := rows.Open(c.File, feed)
	if err != nil {
		return Misused(err)
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		w := csv.NewWriter(s.Stdout)
		_ = w.Write([]string{"row", "pseudonym", "previous"}) // what fails is told by Error
		for first := 1; ; {
			b, err := src.Next()
			if errors.Is(err, io.EOF) {
				w.Flush()
				return w.Error()
			}
			if err == nil {
				err = faultIn(b)
			}
			if err != nil {
				return Misused(fmt.Errorf("%s: %w", filepath.Base(c.File), err))
			}
			if err := c.block(ctx, o, w, named{membersOf(b), first}); err != nil {
				return err
			}
			first += b.N
		}
	})
}

func membersOf(b *rows.Block) []api.Shopper {
	out := make([]api.Shopper, b.N)
	for row := range out {
		out[row] = memberOf(b, row)
	}
	return out
}

// block names a block's shoppers, as many at once as one question may have.
func (c *partnerPseudonymsCmd) block(ctx context.Context, o *Client, w *csv.Writer, all named) error {
	for some := range slices.Chunk(all.shoppers, partner.ShoppersMax) {
		if err := c.name(ctx, o, w, named{some, all.first}); err != nil {
			return err
		}
		all.first += len(some)
	}
	w.Flush()
	return w.Error()
}

// named are shoppers to be named; first is the row of the first.
type named struct {
	shoppers []api.Shopper
	first    int
}

func (c *partnerPseudonymsCmd) name(ctx context.Context, o *Client, w *csv.Writer, some named) error {
	var out struct{ Names []wire.Named }
	if err := o.Ask(ctx, "POST "+partnerPath(c.ID)+"/pseudonyms", map[string]any{"shoppers": some.shoppers}, &out); err != nil {
		return fmt.Errorf("rows %d to %d: %w", some.first, some.first+len(some.shoppers)-1, err)
	}
	if len(out.Names) != len(some.shoppers) {
		return fmt.Errorf("the server named %d of %d shoppers", len(out.Names), len(some.shoppers))
	}
	for i, n := range out.Names {
		if n.Pseudonym != "" {
			_ = w.Write([]string{strconv.Itoa(some.first + i), n.Pseudonym, n.Previous})
		}
	}
	return w.Error()
}

type partnerEndedCmd struct {
	DirFlags
	ID   string `arg:"" name:"id" help:"The partner's."`
	JSON bool   `name:"json" help:"A JSON text a name."`
}

// Help shows an example.
func (*partnerEndedCmd) Help() string { return "endcap partner ended gazette > delete-these.txt" }

// Run reads all pages, and tells a name a line.
func (c *partnerEndedCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		for after := uint64(0); ; {
			var page struct {
				Pseudonyms []string
				Next       uint64
			}
			if err := o.Ask(ctx, fmt.Sprintf("GET %s/pseudonyms/ended?after=%d", partnerPath(c.ID), after), nil, &page); err != nil {
				return err
			}
			for _, name := range page.Pseudonyms {
				if c.JSON {
					name = strconv.Quote(name)
				}
				if _, err := fmt.Fprintln(s.Stdout, name); err != nil {
					return err
				}
			}
			if after = page.Next; after == 0 {
				return nil
			}
		}
	})
}
