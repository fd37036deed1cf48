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
	mux   *http.ServeMux
	api   huma.API
	gauge *gauges
	rates *rates
}

// New makes a Server with the documents and health routes, and nothing else.
func New(o Options) *Server {
	s := &Server{Options: o, mux: http.NewServeMux(), gauge: newGauges(o.Metrics), rates: newRates(o.Wall)}
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
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshalOnce}
	return huma.Config{
		OpenAPI: doc, OpenAPIPath: "/openapi", DefaultFormat: "application/json", RejectUnknownQueryParameters: true,
		Formats:      map[string]huma.Format{"application/json": format, "json": format},
		Transformers: []huma.Transformer{hideValues},
	}
}

// schemaName names a wire type in the document by its door and its own name:
// two doors may each have an Answer.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name, door := huma.DefaultSchemaNamer(t, hint), path.Base(t.PkgPath())
	if !strings.Contains(t.PkgPath(), "/gate/api/") {
		return name
	}
	return strings.ToUpper(door[:1]) + door[1:] + name
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
	op.MaxBodyBytes = s.Limits.BodyBytesMax
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := fn(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, op.OperationID, err)
		}
		return out, nil
	})
}

// problem turns an error into what the caller sees, and logs what is our fault.
func (s *Server) problem(ctx context.Context, operation string, err error) *huma.ErrorModel {
	p := Problem(err)
	if p.Status >= http.StatusInternalServerError {
		s.Log.ErrorContext(ctx, "request failed", slog.String("operation", operation), slog.String("error", err.Error()))
	}
	return p
}

var statuses = map[retail.Kind]int{
	retail.Invalid: http.StatusUnprocessableEntity, retail.NotFound: http.StatusNotFound, retail.Conflict: http.StatusConflict,
	retail.Denied: http.StatusForbidden, retail.Unknown: http.StatusUnauthorized, retail.TooLarge: http.StatusRequestEntityTooLarge,
	retail.TooMany: http.StatusTooManyRequests, retail.Unavailable: http.StatusServiceUnavailable,
	retail.Internal: http.StatusInternalServerError, retail.Stale: http.StatusPreconditionFailed,
}

// problemType is the start of a problem's type; the error's kind follows.
const problemType = "urn:endcap:problem:"

// Problem is the RFC 9457 form of an error.
func Problem(err error) *huma.ErrorModel {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = &retail.Error{Kind: retail.Unavailable, Say: "it took too long", Cure: "try again", Err: err}
	}
	e, ok := errors.AsType[*retail.Error](err)
	if !ok {
		e = &retail.Error{Kind: retail.Internal, Say: "something went wrong on our side; it is in the log"}
	}
	status := statuses[e.Kind]
	p := &huma.ErrorModel{Type: problemType + string(e.Kind), Title: http.StatusText(status), Status: status, Detail: e.Say}
	if e.Cure != "" {
		p.Detail += "; " + e.Cure
	}
	if e.Field != "" {
		p.Errors = []*huma.ErrorDetail{{Location: e.Field, Message: e.Say}}
	}
	return p
}

// hideValues keeps what the caller sent out of problems: it may name a shopper,
// and proxies log answers.
func hideValues(_ huma.Context, _ string, v any) (any, error) {
	if p, ok := v.(*huma.ErrorModel); ok {
		for _, d := range p.Errors {
			d.Value = nil
		}
		if p.Type == "" {
			p.Type = problemType + string(kindOfStatus(p.Status))
		}
	}
	return v, nil
}

func kindOfStatus(status int) retail.Kind {
	for kind, st := range statuses {
		if st == status {
			return kind
		}
	}
	if status >= http.StatusInternalServerError {
		return retail.Internal
	}
	return retail.Invalid
}

// callerKey is where guard leaves the Principal in a request's context.
type callerKey struct{}

// Caller is who made the request; the zero Principal on open routes.
func Caller(ctx context.Context) access.Principal {
	who, _ := ctx.Value(callerKey{}).(access.Principal)
	return who
}

// WithCaller marks a context, for requests that come over the socket.
func WithCaller(ctx context.Context, who access.Principal) context.Context {
	return context.WithValue(ctx, callerKey{}, who)
}

// guard lets an operation's callers through.
func (s *Server) guard(ctx huma.Context, next func(huma.Context)) {
	who, err := s.admit(ctx.Context(), ctx.Header("Authorization"), ctx.Operation().Security)
	if err != nil {
		p := s.problem(ctx.Context(), ctx.Operation().OperationID, err)
		if p.Status == http.StatusTooManyRequests {
			ctx.SetHeader("Retry-After", "1")
		}
		_ = huma.WriteErr(s.api, ctx, p.Status, p.Detail)
		return
	}
	next(huma.WithContext(ctx, WithCaller(ctx.Context(), who)))
}

// admit authenticates a caller and checks rate and scope.
func (s *Server) admit(ctx context.Context, authorization string, needs []map[string][]string) (access.Principal, error) {
	who := Caller(ctx)
	if len(needs) == 0 {
		return who, nil
	}
	if who.Key == "" {
		text, ok := strings.CutPrefix(authorization, "Bearer ")
		if !ok {
			return who, &retail.Error{Kind: retail.Unknown, Field: "header.Authorization", Say: "no API key", Cure: "send Authorization: Bearer KEY"}
		}
		var err error
		if who, err = s.Keys.Authenticate(ctx, text); errors.Is(err, access.ErrUnknown) {
			return who, &retail.Error{Kind: retail.Unknown, Field: "header.Authorization", Say: "the API key is unknown or revoked", Cure: "ask the operator for a key", Err: err}
		} else if err != nil {
			return who, err
		}
		if !s.rates.take(who.Key, rateOf(&who, s.Limits.RateDefault)) {
			return who, &retail.Error{Kind: retail.TooMany, Say: "more requests a second than the key allows", Cure: "wait as Retry-After says"}
		}
	}
	for _, scope := range needs[0][security] {
		if who.May(access.Scope(scope)) {
			return who, nil
		}
	}
	return who, &retail.Error{Kind: retail.Denied, Say: "the API key lacks the scope " + strings.Join(needs[0][security], " or "), Cure: "use a key that holds it"}
}

func rateOf(who *access.Principal, standard int) int {
	if who.Rate > 0 {
		return who.Rate
	}
	return standard
}
