package report

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/history"
	"endcap/retail"
)

// rowsMax and deadline bound an analyst's question.
const (
	rowsMax  = 100_000
	deadline = time.Minute
)

func mountHistory(s *api.Server, h *handler) {
	api.Register(s, huma.Operation{
		OperationID: "query", Method: http.MethodPost, Path: "/v1/query", Tags: []string{"history"}, Security: api.Needs(access.Analyse),
		Summary:     "Ask history in SQL.",
		Description: "One SELECT over the views of docs/data.md, under a purpose: only shoppers who allow it now are seen. At most a minute and 100,000 rows.",
	}, h.query)
	api.Register(s, huma.Operation{
		OperationID: "controls", Method: http.MethodGet, Path: "/v1/controls", Tags: []string{"history"}, Security: api.Needs(access.Analyse),
		Summary: "Read the sums by which a load is checked against its source.",
	}, h.controls)
}

type queryIn struct {
	Body struct {
		SQL     string `json:"sql" minLength:"1" maxLength:"65536"`
		Purpose string `json:"purpose" enum:"accounting,measurement,personal_offers,personal_ads,offsite_matching,pooling"`
		Limit   int    `json:"limit,omitempty" minimum:"1" maximum:"100000" default:"1000"`
	}
}

// Table is an answer; every value is text, null where there is none.
type Table struct {
	Columns []TableColumn `json:"columns"`
	Rows    [][]*string   `json:"rows"`
	Cut     bool          `json:"cut,omitempty" doc:"there were more rows"`
}

// TableColumn is one column of an answer.
type TableColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type queryOut struct{ Body Table }

func (h *handler) query(ctx context.Context, in *queryIn) (*queryOut, error) {
	t, err := history.Ask(ctx, h.History, history.Question{Purpose: in.Body.Purpose, SQL: in.Body.SQL, Limit: min(in.Body.Limit, rowsMax), Deadline: deadline})
	if err != nil {
		return nil, err
	}
	out := &queryOut{Table{Cut: t.Cut, Columns: make([]TableColumn, len(t.Names)), Rows: make([][]*string, len(t.Rows))}}
	for i := range t.Names {
		out.Body.Columns[i] = TableColumn{t.Names[i], t.Types[i]}
	}
	for i, row := range t.Rows {
		out.Body.Rows[i] = make([]*string, len(row))
		for j := range row {
			if !t.Null[i][j] {
				out.Body.Rows[i][j] = &row[j]
			}
		}
	}
	return out, nil
}

// Controls are the control sums on the wire.
type Controls struct {
	Lines          int64  `json:"lines"`
	Baskets        int64  `json:"baskets"`
	Households     int64  `json:"households" doc:"shoppers with a receipt"`
	Products       int64  `json:"products" doc:"products sold"`
	Stores         int64  `json:"stores" doc:"stores with a receipt"`
	Sales          string `json:"sales"`
	RetailDiscount string `json:"retail_discount"`
	CouponDiscount string `json:"coupon_discount"`
	CouponMatch    string `json:"coupon_match"`
}

type controlsOut struct{ Body Controls }

func (h *handler) controls(ctx context.Context, _ *struct{}) (*controlsOut, error) {
	c, err := history.ControlSums(ctx, h.History)
	if err != nil {
		return nil, err
	}
	text := func(a retail.Micros) string { return a.Format(h.Currency) }
	return &controlsOut{Controls{
		c.Lines, c.Baskets, c.Households, c.Products, c.Stores,
		text(c.Sales), text(c.RetailDiscount), text(c.CouponDiscount), text(c.CouponMatch),
	}}, nil
}
