package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"endcap/gate/api/admin"
)

type batchCmd struct {
	DirFlags
	List    string `help:"for_you, next_basket, buy_again, discovery or trending." required:""`
	Channel string `help:"email (shoppers are named by the hash of their address), app (account) or till (card)." required:""`
	N       int    `help:"Products for each shopper, at most." default:"8"`
	Store   string `help:"Whose stock counts, and what is popular there."`
	Format  string `help:"csv or parquet." default:"csv"`
	Valid   int    `name:"valid-hours" help:"For how many hours it holds, 168 at most." default:"36"`
	Out     string `help:"A directory outside the data directory. What is written there leaves the house's control: it is neither deleted when it is no longer valid, nor does it lose who is forgotten or says no." type:"path"`
	JSON    bool   `name:"json" help:"Print the summary as JSON."`
}

// Help shows an example.
func (*batchCmd) Help() string {
	return "endcap recommend batch --list buy_again --channel email --n 8\n" +
		"Without --out the file lies in the data directory, under batches/, and is deleted when it is no longer valid. docs/recommend.md tells its columns."
}

// Run has the owner make a batch and says how far it is each tenth of the way.
func (c *batchCmd) Run(ctx context.Context, s *Session) error {
	in := admin.Batch{List: c.List, Channel: c.Channel, N: c.N, Store: c.Store, Format: c.Format, ValidHours: c.Valid, Out: c.Out}
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		body, err := o.Call(ctx, http.MethodPost, "/v1/batches", in)
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		sum, err := followBatch(body, s.Stderr, s.Now)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(s.Stdout).Encode(sum)
		}
		_, err = fmt.Fprintf(s.Stdout, "%s: %d rows for %d of %d shoppers, valid until %s, made in %.1f s\n",
			sum.File, sum.Rows, sum.Shoppers, sum.Seen, sum.ValidUntil.Format(time.RFC3339), sum.Seconds)
		return err
	})
}

// batchSoon is how long a batch may take of which nothing is told on the way.
const batchSoon = 5 * time.Second

// followBatch reads a batch's answer to its end. One that takes a while says how far
// it is.
func followBatch(body io.Reader, to io.Writer, now func() time.Time) (*admin.BatchSummary, error) {
	scan, begun, told := bufio.NewScanner(body), now(), 0
	for scan.Scan() {
		var line admin.Batched
		if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		switch tenth := 10 * line.Done / max(line.Total, 1); {
		case line.Problem != "":
			return nil, errors.New(line.Problem)
		case line.Finished:
			return line.Summary, nil
		case tenth > told && now().Sub(begun) > batchSoon:
			told = tenth
			fmt.Fprintf(to, "%d %% of all shoppers\n", 10*tenth)
		}
	}
	return nil, errors.Join(errors.New("the server broke off; the same command goes on where it ended"), scan.Err())
}
