package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"endcap/gate/api"
	"endcap/gate/api/admin"
	"endcap/gate/cli"
	"endcap/keep/ledger"
	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/registry"
	"endcap/know/identity"
	"endcap/know/recommend"
	"endcap/know/recommend/outreach"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/visit"
)

type recommendCmd struct {
	Batch batchCmd `cmd:"" help:"Make a file of proposals for everybody who allows personal offers."`
}

type batchCmd struct {
	cli.DirFlags
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
		"Without --out the file lies in the data directory, under " + batchDir + "/, and is deleted when it is no longer valid. docs/recommend.md tells its columns."
}

// Run has the owner make a batch and shows how it goes.
func (c *batchCmd) Run(ctx context.Context, m *Main) error {
	in := admin.Batch{List: c.List, Channel: c.Channel, N: c.N, Store: c.Store, Format: c.Format, ValidHours: c.Valid, Out: c.Out}
	return m.session().WithOwner(ctx, c.Dir, func(o *cli.Client) error {
		body, err := o.Call(ctx, http.MethodPost, "/v1/batches", in)
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		sum, err := followBatch(body, m)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(m.Stdout).Encode(sum)
		}
		_, err = fmt.Fprintf(m.Stdout, "%s: %d rows for %d of %d shoppers, valid until %s, made in %.1f s\n",
			sum.File, sum.Rows, sum.Shoppers, sum.Seen, sum.ValidUntil.Format(time.RFC3339), sum.Seconds)
		return err
	})
}

// followBatch reads a batch's answer to its end.
func followBatch(body io.Reader, m *Main) (*admin.BatchSummary, error) {
	draw := isTerminal(m.Stderr)
	scan := bufio.NewScanner(body)
	for scan.Scan() {
		var line admin.Batched
		if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		switch {
		case line.Problem != "":
			return nil, errors.New(line.Problem)
		case line.Finished:
			return line.Summary, nil
		case draw:
			fmt.Fprintf(m.Stderr, "\rbatch %3d %%", 100*line.Done/max(line.Total, 1))
			if line.Done == line.Total {
				fmt.Fprintln(m.Stderr)
			}
		}
	}
	return nil, errors.Join(errors.New("the server broke off; the same command goes on where it ended"), scan.Err())
}

// batchesMax is how many batches a night makes at most.
const batchesMax = 50

// checkBatches returns what cannot be made every night.
func checkBatches(all []outreach.Terms) error {
	if len(all) > batchesMax {
		return fmt.Errorf("batches: %d of them, at most %d", len(all), batchesMax)
	}
	for i := range all {
		if err := all[i].Check(); err != nil {
			return fmt.Errorf("batches[%d]: %w", i, err)
		}
	}
	return nil
}

// batchesIn looks at the batches of a house that is closed.
func batchesIn(dir string) *outreach.Folder {
	return outreach.NewFolder(filepath.Join(dir, batchDir), outreach.Ports{})
}

func newBatches(s *stores, w *wings) *outreach.Folder {
	shelf := pebbleshelf.Passing{Store: s.shelf}
	return outreach.NewFolder(filepath.Join(s.dir, batchDir), outreach.Ports{
		Shoppers: shelf, Profiles: identity.NewCurrent(identity.NewProfiles(shelf, w.people, merges()), lapsed(s)),
		People: w.people, Keys: s.vault, Still: w.recommend.Still, Product: w.assortment.Product,
		Consents: identity.Section, Habits: recommend.Section, Now: s.now, Zone: s.zone, Wall: wall,
		Rest: func(ctx context.Context, worked time.Duration) { visitsFirst(ctx, w, worked) },
	})
}

// visitsFirst takes as long a rest as the work before it, while visitors are served.
func visitsFirst(ctx context.Context, w *wings, worked time.Duration) {
	if !w.visits.Load() {
		return
	}
	select {
	case <-time.After(worked):
	case <-ctx.Done():
	}
}

// keepBatches takes out of the house's batches who said no while it was closed, and
// deletes what is no longer valid, until ctx ends.
func keepBatches(ctx context.Context, h *owner) {
	if _, err := h.batches.Settle(ctx); err != nil && ctx.Err() == nil {
		failed(h.log, "batches")(err)
	}
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		n, err := h.batches.Expire(h.now())
		if err != nil {
			failed(h.log, "batches")(err)
		}
		if n > 0 {
			h.log.Info("deleted batches that are no longer valid", slog.Int("batches", n))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// expireEvery is how soon a batch that is no longer valid is gone.
const expireEvery = 10 * time.Second

// nightlyBatches makes the batches of the settings, one after another. One that cannot
// be made is told of, and the others are; it is made again the next night, or by hand.
func nightlyBatches(ctx context.Context, h *owner) {
	for _, t := range h.set.Batches {
		m, err := h.batches.Make(ctx, outreach.Job{Terms: t, Note: noteBatch(h, "", "house")})
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failed(h.log, "batches")(fmt.Errorf("%s for %s: %w", t.List, t.Outlet, cureBatch(err, h.dir)))
			continue
		}
		h.log.Info("made a batch", slog.String("file", m.File), slog.Int("shoppers", m.Shoppers), slog.Int("rows", m.Rows))
	}
}

// makeBatch makes a batch that somebody asked for.
func makeBatch(ctx context.Context, h *owner, in *admin.Batch, tell func(admin.Batched)) error {
	if err := checkOut(h.dir, in.Out); err != nil {
		return err
	}
	if err := h.progress.CaughtUp(ctx, h.whole, profileFollowers...); err != nil {
		return err
	}
	if err := h.recommend.Refresh(ctx); err != nil {
		failed(h.log, "recommend")(err) // what can be read serves
	}
	begun, told := time.Now(), 0
	m, err := h.batches.Make(ctx, outreach.Job{
		Terms: outreach.Terms{List: visit.ListName(in.List), Outlet: outreach.Outlet(in.Channel), N: in.N, Store: catalog.StoreID(in.Store), Format: outreach.Format(in.Format), Hours: in.ValidHours},
		Out:   in.Out, Note: noteBatch(h, in.Out, api.Caller(ctx).Name),
		Tell: func(done int) {
			if percent := 100 * done / outreach.Parts; percent > told {
				told = percent
				tell(admin.Batched{Done: done, Total: outreach.Parts})
			}
		},
	})
	if err != nil {
		return cureBatch(err, in.Out)
	}
	dir := in.Out
	if dir == "" {
		dir = filepath.Join(h.dir, batchDir)
	}
	tell(admin.Batched{Finished: true, Summary: &admin.BatchSummary{
		File: filepath.Join(dir, m.File), Seen: m.Seen, Shoppers: m.Shoppers, Rows: m.Rows, MadeAt: m.MadeAt, ValidUntil: m.ValidUntil, Seconds: time.Since(begun).Seconds(),
	}})
	return nil
}

// checkOut refuses a directory that is none, or that is the house's.
func checkOut(dir, out string) error {
	if out == "" {
		return nil
	}
	house, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	in, err := filepath.Rel(house, out)
	if !filepath.IsAbs(out) || err == nil && filepath.IsLocal(in) {
		return &retail.Error{Kind: retail.Invalid, Field: "out", Say: "a batch is not written into the data directory", Cure: "name a directory outside it, or none"}
	}
	return nil
}

// batchKind is the kind of the audit's entries about batches.
const batchKind registry.Kind = "batch"

// noteBatch keeps an entry of a batch in the audit: who made it, of what, for how
// many, and where it went. It names no shopper.
func noteBatch(h *owner, out, by string) func(context.Context, *outreach.Manifest) error {
	return func(ctx context.Context, m *outreach.Manifest) error {
		entry := struct {
			*outreach.Manifest
			Out string `json:"out,omitempty"` // empty where the house keeps it
			By  string `json:"by"`
		}{m, out, by}
		return ledger.Note(ctx, h.book, ledger.Noted{Kind: batchKind, By: by, At: h.now(), Entry: entry})
	}
}

// cureBatch says what to do about what an operator can mend.
func cureBatch(err error, to string) error {
	if isFull(err) {
		return fmt.Errorf("%w: no room; make some in %s and make the batch again (what this run wrote is deleted)", err, to)
	}
	return err
}
