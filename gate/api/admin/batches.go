package admin

import (
	"context"
	"net/http"
	"path/filepath"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/recommend/outreach"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/visit"
)

// Batch asks for a file of proposals for everybody who allows personal offers.
type Batch struct {
	List       string `json:"list" doc:"for_you, next_basket, buy_again, discovery or trending"`
	Channel    string `json:"channel" doc:"email (shoppers are named by email_sha256), app (account) or till (card)"`
	N          int    `json:"n" doc:"products for each shopper, at most; 1 to 50"`
	Store      string `json:"store,omitempty" doc:"whose stock counts, and what is popular there"`
	Format     string `json:"format,omitempty" doc:"csv or parquet; csv where absent"`
	ValidHours int    `json:"valid_hours,omitempty" doc:"1 to 168; 36 where absent"`
	Out        string `json:"out,omitempty" doc:"absolute path of a directory of the server; the house's own where absent"`
}

// Batched is one line of a batch's answer: progress, and at last the summary or what
// went wrong.
type Batched struct {
	Done     int           `json:"done,omitempty" doc:"parts of all shoppers"`
	Total    int           `json:"total,omitempty"`
	Summary  *BatchSummary `json:"summary,omitempty"`
	Problem  string        `json:"problem,omitempty" doc:"why there is no batch"`
	Finished bool          `json:"finished,omitempty"`
}

// BatchSummary is what a batch holds.
type BatchSummary struct {
	File       string    `json:"file" doc:"its path on the server"`
	Seen       int       `json:"shoppers_seen" doc:"of whom something is known"`
	Shoppers   int       `json:"shoppers" doc:"named in it"`
	Rows       int       `json:"rows"`
	MadeAt     time.Time `json:"made_at"`
	ValidUntil time.Time `json:"valid_until"`
	Seconds    float64   `json:"seconds"`
}

// Batches makes files of proposals; know/recommend/outreach fits it.
type Batches interface {
	Make(ctx context.Context, job outreach.Job) (*outreach.Manifest, error)
}

func mountBatches(s *api.Server, h *handler) {
	mountLines(s, huma.Operation{
		OperationID: "make-batch", Method: http.MethodPost, Path: "/v1/batches", Tags: []string{"admin"}, Security: api.Needs(access.Admin),
		Summary:     "Make a file of proposals for everybody who allows personal offers.",
		Description: "Answers a line of JSON from time to time, and at last the summary. A batch that broke off goes on where it ended when it is asked for again the same day. Only over the socket of the data directory.",
	}, func(ctx context.Context, in *Batch, tell func(Batched)) error {
		if err := operatorOnly(ctx, "batches are made", "endcap recommend batch"); err != nil {
			return err
		}
		begun := s.Wall()
		m, err := h.makeBatch(ctx, in, tell)
		switch {
		case err == nil:
			tell(Batched{Finished: true, Summary: &BatchSummary{
				File: filepath.Join(m.Dir, m.File), Seen: m.Seen, Shoppers: m.Shoppers, Rows: m.Rows, MadeAt: m.MadeAt, ValidUntil: m.ValidUntil,
				Seconds: s.Wall().Sub(begun).Seconds(),
			}})
		case retail.KindOf(err) == retail.Internal: // it is told: the caller runs the machine
			tell(Batched{Problem: err.Error(), Finished: true})
		default:
			return err
		}
		return nil
	})
}

// makeBatch tells of each percent of the shoppers.
func (h *handler) makeBatch(ctx context.Context, in *Batch, tell func(Batched)) (*outreach.Manifest, error) {
	if err := h.Fresh(ctx); err != nil {
		return nil, err
	}
	told := 0
	return h.Batches.Make(ctx, outreach.Job{
		Terms: outreach.Terms{
			List: visit.ListName(in.List), Outlet: outreach.Outlet(in.Channel), N: in.N, Store: catalog.StoreID(in.Store),
			Format: outreach.Format(in.Format), Hours: in.ValidHours,
		},
		Out: in.Out, By: api.Caller(ctx).Name,
		Tell: func(done int) {
			if percent := 100 * done / outreach.Parts; percent > told {
				told = percent
				tell(Batched{Done: done, Total: outreach.Parts})
			}
		},
	})
}
