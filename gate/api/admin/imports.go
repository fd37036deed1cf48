package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/basket"
)

// Import asks the server to load a file that lies on its own disk.
type Import struct {
	File    string          `json:"file" doc:"absolute path on the server"`
	Kind    string          `json:"kind" enum:"receipts,products,stores,prices,stock,promotions,shoppers,consents"`
	Mapping json.RawMessage `json:"mapping" doc:"the mapping of the retailer's columns, see docs/data-mapping.md"`
	From    string          `json:"from,omitempty" format:"date" doc:"receipts from this business day on"`
	Until   string          `json:"until,omitempty" format:"date" doc:"receipts before this business day"`
}

// Imported is one line of an import's answer: progress, and at last the summary
// or what went wrong.
type Imported struct {
	Done     int64    `json:"done,omitempty" doc:"bytes of the file"`
	Total    int64    `json:"total,omitempty"`
	Rows     int64    `json:"rows,omitempty"`
	PerSec   float64  `json:"rows_per_second,omitempty"`
	LeftSec  float64  `json:"seconds_left,omitempty"`
	Step     string   `json:"step,omitempty" enum:"sorting,loading,folding"`
	Summary  *Summary `json:"summary,omitempty"`
	Problem  string   `json:"problem,omitempty" doc:"why the load stopped"`
	Finished bool     `json:"finished,omitempty"`
}

// Summary is what a load did.
type Summary struct {
	Rows            int64             `json:"rows" doc:"read in this run"`
	AlreadyLoaded   bool              `json:"already_loaded,omitempty" doc:"the file was loaded before and has not changed"`
	ResumedAfter    int64             `json:"resumed_after,omitempty" doc:"the line after which this run went on"`
	SkippedReceipts int64             `json:"skipped_receipts,omitempty" doc:"outside from and until"`
	SkippedLines    int64             `json:"skipped_lines,omitempty"`
	New             int64             `json:"new"`
	Repeat          int64             `json:"repeat"`
	Corrected       int64             `json:"corrected"`
	Quarantined     int64             `json:"quarantined"`
	QuarantinedBy   map[string]int64  `json:"quarantined_by,omitempty"`
	Suppressed      int64             `json:"suppressed,omitempty" doc:"rows that named somebody who was forgotten; nothing of them was kept"`
	Receipts        int64             `json:"receipts,omitempty"`
	Lines           int64             `json:"lines,omitempty"`
	Anonymous       int64             `json:"anonymous,omitempty"`
	Withheld        map[string]int64  `json:"withheld,omitempty" doc:"purposes of consents that were kept and do not count, by why"`
	Promotions      int64             `json:"promotions,omitempty" doc:"products with their places, of stores' weeks"`
	Rounded         int64             `json:"rounded,omitempty" doc:"amounts rounded to whole cents"`
	Sales           map[string]string `json:"sales,omitempty" doc:"by currency"`
	LineMarks       map[string]int64  `json:"line_marks,omitempty" doc:"odd lines that were kept"`
	ReceiptMarks    map[string]int64  `json:"receipt_marks,omitempty"`
	UnknownProducts int               `json:"unknown_products,omitempty" doc:"how many different ones"`
	UnknownStores   int               `json:"unknown_stores,omitempty" doc:"how many different ones; they are derived from the receipts"`
	LoadSeconds     float64           `json:"load_seconds" doc:"until every row was on disk"`
	QuerySeconds    float64           `json:"query_seconds" doc:"until history could answer about them"`
	ProfileSeconds  float64           `json:"profile_seconds" doc:"until every profile held them"`
}

// Count fills s from what the desk counted.
func (s *Summary) Count(d *ingest.Summary) {
	s.New, s.Repeat, s.Corrected, s.Quarantined = d.New, d.Repeat, d.Corrected, d.Quarantined
	s.Suppressed = d.Suppressed
	s.Receipts, s.Lines, s.Anonymous, s.Rounded = d.Receipts, d.Lines, d.Anonymous, d.Rounded
	s.Promotions, s.Withheld = d.Promotions, d.Withheld
	s.UnknownProducts, s.UnknownStores = len(d.ProductsUnknown), len(d.StoresUnknown)
	s.QuarantinedBy, s.Sales = make(map[string]int64), make(map[string]string)
	for why, n := range d.QuarantinedByWhy {
		s.QuarantinedBy[string(why)] = n
	}
	for c, amount := range d.Sales {
		s.Sales[string(c)] = amount.Format(c)
	}
	s.LineMarks, s.ReceiptMarks = marks(d.LineMarks), marks(d.ReceiptMarks)
}

func marks(of map[basket.Mark]int64) map[string]int64 {
	out := make(map[string]int64, len(of))
	for m, n := range of {
		out[strings.Join(m.Names(), ",")] = n
	}
	return out
}

func mountImports(s *api.Server, h *handler) {
	mountLines[Import, Imported](s, huma.Operation{
		OperationID: "import", Method: http.MethodPost, Path: "/v1/imports", Tags: []string{"admin"}, Security: api.Needs(access.Admin),
		Summary:     "Load a file from the server's own disk.",
		Description: "Answers a line of JSON about ten times a second, and at last the summary. A load that broke off goes on where it ended when it is asked for again. Only over the socket of the data directory.",
	}, func(ctx context.Context, in *Import, tell func(Imported)) error {
		if err := operatorOnly(ctx, "files are loaded", "endcap ingest"); err != nil {
			return err
		}
		if err := h.Import(ctx, in, tell); err != nil {
			tell(Imported{Problem: err.Error(), Finished: true})
		}
		return nil
	})
}

// operatorOnly refuses callers who did not come through the directory's socket.
func operatorOnly(ctx context.Context, what, command string) error {
	if api.Caller(ctx).Key == "operator" {
		return nil
	}
	return &retail.Error{Kind: retail.Denied, Say: what + " by the machine's own operator", Cure: "use " + command + " on the server"}
}

// mountLines adds a route that answers line by line while do works. What do
// returns is told to the caller as long as do has told no line.
func mountLines[In, Line any](s *api.Server, op huma.Operation, do func(context.Context, *In, func(Line)) error) {
	schema := func(t reflect.Type) *huma.Schema { return s.OpenAPI().Components.Schemas.Schema(t, true, "") }
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: schema(reflect.TypeFor[In]())}}}
	op.Responses = map[string]*huma.Response{"200": {Description: "How it goes, a line of JSON each time", Content: map[string]*huma.MediaType{
		"application/x-ndjson": {Schema: schema(reflect.TypeFor[Line]())},
	}}}
	s.Handle(op, func(w http.ResponseWriter, r *http.Request) error {
		var in In
		if err := api.ReadJSON(w, r, &in); err != nil {
			return err
		}
		out, flush := json.NewEncoder(w), http.NewResponseController(w)
		return do(r.Context(), &in, func(line Line) {
			w.Header().Set("Content-Type", "application/x-ndjson")
			_ = out.Encode(line) // a caller who is gone ends the context, and so the work
			_ = flush.Flush()
		})
	})
}
