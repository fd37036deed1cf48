package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"text/tabwriter"

	wire "endcap/gate/api/privacy"
)

type recipientsCmd struct {
	List    recipientsListCmd    `cmd:"" help:"List to whom data about shoppers is given."`
	Put     recipientsPutCmd     `cmd:"" help:"Write a recipient into the register."`
	Give    recipientsGiveCmd    `cmd:"" help:"Record what a recipient was given about a shopper."`
	Notices recipientsNoticesCmd `cmd:"" help:"List of whom a recipient must be told."`
	Told    recipientsToldCmd    `cmd:"" help:"Record that a recipient was told."`
}

type recipientsListCmd struct {
	DirFlags
	JSON bool `name:"json" help:"A JSON object a recipient."`
}

// Help shows an example.
func (*recipientsListCmd) Help() string { return "endcap privacy recipients list" }

// Run lists the register.
func (c *recipientsListCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var out struct {
			Recipients []wire.Recipient `json:"recipients"`
		}
		if err := o.Ask(ctx, "GET /v1/privacy/recipients", nil, &out); err != nil {
			return err
		}
		w := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', 0)
		for _, r := range out.Recipients {
			if c.JSON {
				if err := json.NewEncoder(s.Stdout).Encode(r); err != nil {
					return err
				}
				continue
			}
			ended := ""
			if r.Ended {
				ended = "ended"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Name, r.Role, r.What, r.Why, ended)
		}
		return w.Flush()
	})
}

type recipientsPutCmd struct {
	DirFlags
	ID    string `arg:"" help:"A short word of yours."`
	Name  string `help:"Its name." required:""`
	Role  string `help:"processor or controller." enum:"processor,controller" default:"processor"`
	What  string `help:"Which kinds of data." required:""`
	Why   string `help:"For what." required:""`
	Ended bool   `help:"It is given nothing any more."`
}

// Help shows an example.
func (*recipientsPutCmd) Help() string {
	return "endcap privacy recipients put mail --name 'Mailing house' --what 'e-mail addresses of members' --why 'it sends the newsletter'"
}

// Run writes it.
func (c *recipientsPutCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		in := wire.Recipient{ID: c.ID, Name: c.Name, Role: c.Role, What: c.What, Why: c.Why, Ended: c.Ended}
		return o.Ask(ctx, "PUT /v1/privacy/recipients", in, &in)
	})
}

type recipientsGiveCmd struct {
	DirFlags
	whoFlags
	ID    string `arg:"" help:"The recipient."`
	Alias string `help:"The recipient's own id of her." required:""`
	What  string `help:"What it was given." required:""`
}

// Help shows an example.
func (*recipientsGiveCmd) Help() string {
	return "endcap privacy recipients give mail --card 4711 --alias subscriber-81 --what 'e-mail address'"
}

// Run records it.
func (c *recipientsGiveCmd) Run(ctx context.Context, s *Session) error {
	who, err := wireKeys(&c.whoFlags)
	if err != nil {
		return err
	}
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var out struct {
			Kept int `json:"kept"`
		}
		in := map[string]any{"disclosures": []any{map[string]any{"shopper": who, "alias": c.Alias, "what": c.What}}}
		if err := o.Ask(ctx, "POST "+recipientPath(c.ID)+"/disclosures", in, &out); err != nil {
			return err
		}
		if out.Kept == 0 {
			return errors.New("nobody is known by these keys; nothing was kept")
		}
		return nil
	})
}

func recipientPath(id string) string { return "/v1/privacy/recipients/" + url.PathEscape(id) }

type recipientsNoticesCmd struct {
	DirFlags
	ID   string `arg:"" help:"The recipient."`
	All  bool   `help:"Those told before too."`
	JSON bool   `name:"json" help:"A JSON object a notice."`
}

// Help shows an example.
func (*recipientsNoticesCmd) Help() string { return "endcap privacy recipients notices mail" }

// Run lists them, page by page.
func (c *recipientsNoticesCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		w := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', 0)
		err := pages(ctx, o, fmt.Sprintf("GET %s/notices?waiting=%t", recipientPath(c.ID), !c.All), "notices", func(n *wire.Notice) error {
			if c.JSON {
				return json.NewEncoder(s.Stdout).Encode(n)
			}
			_, err := fmt.Fprintf(w, "%d\t%s\t%s\tdue %s\t%s\n", n.ID, n.Alias, n.Cause, n.Due.Format("2006-01-02"), n.Alarm)
			return err
		})
		return errors.Join(err, w.Flush())
	})
}

type recipientsToldCmd struct {
	DirFlags
	ID  string   `arg:"" help:"The recipient."`
	IDs []uint64 `arg:"" name:"id" help:"The notices' ids."`
}

// Help shows an example.
func (*recipientsToldCmd) Help() string { return "endcap privacy recipients told mail 17 18" }

// Run records it.
func (c *recipientsToldCmd) Run(ctx context.Context, s *Session) error {
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var out struct {
			Told int `json:"told"`
		}
		if err := o.Ask(ctx, "POST "+recipientPath(c.ID)+"/notices/acknowledgement", map[string]any{"ids": c.IDs}, &out); err != nil {
			return err
		}
		_, err := fmt.Fprintf(s.Stdout, "%d notices told\n", out.Told)
		return err
	})
}
