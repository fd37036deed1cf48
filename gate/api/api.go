// Package api is the frame of Endcap's HTTP doors: one OpenAPI 3.1 document,
// authentication, limits, errors as RFC 9457 problems, metrics and logs that
// name nobody. The packages beneath it each serve one kind of caller and only
// translate: nothing is decided at a door.
//
// On the road of a receipt, this is where it comes in and where proof goes out.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"endcap/gate/access"
	"endcap/prove/insight"
	"endcap/retail"
)

// Options is what a Server needs. Now is the house's one clock.
type Options struct {
	Keys    *access.Keeper
	Now     retail.Clock
	Wall    retail.Clock // for rates and durations; the same as Now but on a replay server
	Log     *slog.Logger
	Metrics *prometheus.Registry
	Version string
	Notice  string // shown in the document's description, e.g. that this is a demonstration
	Limits  Limits
	Ready   func(context.Context) error // nil means always ready
}

// Limits bound what one caller may ask of the server.
type Limits struct {
	BodyBytesMax int64 // of one request; files come as imports
	RateDefault  int   // requests a second and key, where the key states none
	PageMax      int   // rows in one page
}

// Defaults are the limits of a server that states none.
func (Limits) Defaults() Limits {
	return Limits{BodyBytesMax: 16 << 20, RateDefault: 20_000, PageMax: 500}
}

// Server collects routes and serves them. Make one with New, mount the callers'
// packages, then use Handler.
type Server struct {
	Options
	mux     *http.ServeMux
	api     huma.API
	gauge   *gauges
	rates   *rates
	routes  map[string]*route // management operations by their ids
	hot     map[place]http.HandlerFunc
	scrapes []func(context.Context)
}

// New makes a Server with the documents and health routes, and nothing else.
func New(o Options) *Server {
	s := &Server{Options: o, mux: http.NewServeMux(), gauge: newGauges(o.Metrics), rates: newRates(o.Wall), routes: make(map[string]*route), hot: make(map[place]http.HandlerFunc)}
	s.api = humago.New(s.mux, config(o))
	s.api.UseMiddleware(s.guard)
	s.mountHealth()
	s.mountDocs()
	return s
}

func config(o Options) huma.Config {
	description := "The API of an Endcap: decisions, events, receipts, feeds, trade, reports."
	if o.Notice != "" {
		description += "\n\n" + o.Notice
	}
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    &huma.Info{Title: "Endcap", Version: o.Version, Description: description, License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}},
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				security: {Type: "http", Scheme: "bearer", Description: "An API key made with `endcap key create`."},
			},
		},
	}
	describe(doc.Components.Schemas)
	return huma.Config{
		OpenAPI: doc, DefaultFormat: "application/json", RejectUnknownQueryParameters: true,
		Formats:      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		Transformers: []huma.Transformer{problems},
	}
}

// schemaName names a wire type in the document by its door and its own name:
// two doors may each have an Answer.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name, door := huma.DefaultSchemaNamer(t, hint), path.Base(t.PkgPath())
	switch {
	case t.PkgPath() == reflect.TypeFor[insight.Report]().PkgPath():
		return "Report" + strings.TrimPrefix(name, "Report")
	case strings.Contains(t.PkgPath(), "/gate/api/"):
		return strings.ToUpper(door[:1]) + door[1:] + name
	default:
		return name
	}
}

// security is the name of the one security scheme.
const security = "key"

// Needs is the Security of an operation that wants a key with one of scopes.
func Needs(scopes ...access.Scope) []map[string][]string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return []map[string][]string{{security: words}}
}

// Register adds a documented operation. Errors that fn returns become problems:
// a *retail.Error says what it says, anything else is logged and is a 500 that
// says nothing.
func Register[I, O any](s *Server, op huma.Operation, fn func(context.Context, *I) (*O, error)) {
	op.MaxBodyBytes = -1    // the guard has read it, within the limit
	op.BodyReadTimeout = -1 // and a deadline left on the connection would end the work itself
	op.Errors = errorsOf(&op, op.Method == http.MethodPost || op.Method == http.MethodPut)
	s.routes[op.OperationID] = s.route(&op, true)
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := fn(ctx, in)
		if same, ok := errors.AsType[*NotModifiedError](err); ok {
			return nil, huma.ErrorWithHeaders(huma.Status304NotModified(), http.Header{"Etag": {same.ETag}})
		}
		if err != nil {
			p := s.problem(ctx, op.OperationID, err)
			if p.again() {
				return nil, huma.ErrorWithHeaders(p, http.Header{"Retry-After": {"1"}})
			}
			return nil, p
		}
		return out, nil
	})
}

// NotModifiedError answers a GET whose caller has the newest version already.
type NotModifiedError struct{ ETag string }

// Error says so.
func (*NotModifiedError) Error() string { return "not modified" }

// problem turns an error into what the caller sees, and logs what is our fault.
func (s *Server) problem(ctx context.Context, operation string, err error) *Problem {
	p := ProblemOf(err)
	if p.Status == http.StatusInternalServerError {
		s.Log.ErrorContext(ctx, "request failed", slog.String("operation", operation), slog.String("error", err.Error()))
	}
	return p
}

// errorsOf are the statuses with which an operation may refuse.
func errorsOf(op *huma.Operation, body bool) []int {
	var out []int
	if len(op.Security) > 0 {
		out = append(out, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests)
	}
	if strings.Contains(op.Path, "{") {
		out = append(out, http.StatusNotFound)
	}
	if strings.Contains(op.Path, "{") && op.Method != http.MethodGet {
		out = append(out, http.StatusConflict, http.StatusPreconditionFailed)
	}
	if body {
		out = append(out, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	return append(out, http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable)
}
