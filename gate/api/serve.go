package api

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"endcap/retail"
)

// docsPage is the reader at /docs: one page that draws /openapi.json with
// nothing from outside.
//
//go:embed docs.html
var docsPage []byte

func (s *Server) mountDocs() {
	s.mux.HandleFunc("GET /docs", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		_, _ = w.Write(docsPage)
	})
	document := sync.OnceValues(s.Document) // every door is mounted by the first request
	s.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, r *http.Request) {
		text, err := document()
		if err != nil {
			s.refuse(w, r, &huma.Operation{OperationID: "openapi"}, err)
			return
		}
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(text)
	})
}

// mountHealth adds what probes and scrapers read. All three are open: they name
// nobody, no advertiser and no product, and a probe should need no secret.
func (s *Server) mountHealth() {
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	s.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if s.Ready != nil {
			if err := s.Ready(r.Context()); err != nil {
				e := &retail.Error{Kind: retail.Unavailable, Say: "not ready yet", Cure: "ask again", Err: err}
				if known, ok := errors.AsType[*retail.Error](err); ok {
					e = known
				}
				s.refuse(w, r, &huma.Operation{OperationID: "readyz"}, e)
				return
			}
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	scrape := promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{})
	s.mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		for _, set := range s.scrapes {
			set(r.Context())
		}
		scrape.ServeHTTP(w, r)
	})
}

// BeforeScrape has every scrape of /metrics call set first, for gauges whose
// values must be asked for.
func (s *Server) BeforeScrape(set func(context.Context)) { s.scrapes = append(s.scrapes, set) }

// Document is the OpenAPI document as JSON.
func (s *Server) Document() ([]byte, error) {
	text, err := json.Marshal(s.api.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	return text, nil
}

// OpenAPI is the document itself, for tests that walk it.
func (s *Server) OpenAPI() *huma.OpenAPI { return s.api.OpenAPI() }

// Handle mounts a plain handler, for pages and streams that are no JSON.
// Security and the names of query parameters are checked as for documented
// operations; op.RequestBody says whether there is a body.
func (s *Server) Handle(op huma.Operation, h func(http.ResponseWriter, *http.Request) error) {
	if op.Responses == nil {
		op.Responses = make(map[string]*huma.Response)
	}
	s.documentErrors(&op, op.RequestBody != nil)
	s.api.OpenAPI().AddOperation(&op)
	route := s.route(&op, true)
	s.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) {
		s.run(w, r, route, func() (int, string) { //nolint:contextcheck // the context is in r
			who, err := s.admit(r.Context(), r.Header.Get("Authorization"), op.Security)
			if err == nil {
				err = checkQuery(r, op.Parameters)
			}
			if err == nil {
				err = h(w, r.WithContext(WithCaller(r.Context(), who)))
			}
			if err != nil {
				return s.refuse(w, r, &op, err), who.Key
			}
			return http.StatusOK, who.Key
		})
	})
}

// checkQuery refuses query parameters that an operation does not take.
func checkQuery(r *http.Request, takes []*huma.Param) error {
	for name := range r.URL.Query() {
		if !slices.ContainsFunc(takes, func(p *huma.Param) bool { return p.In == "query" && p.Name == name }) {
			return wrongField("query."+short(name), "unknown query parameter", "leave it out")
		}
	}
	return nil
}

// route is an operation as it is counted and logged.
type route struct {
	op      *huma.Operation
	observe func(status int, took time.Duration)
	logged  bool
}

// route makes the route of an operation. A logged one leaves a line for each
// request, which names the route and the key, and no path: nobody is in it.
func (s *Server) route(op *huma.Operation, logged bool) *route {
	return &route{op, s.gauge.route(op.OperationID), logged}
}

// run serves one request of a route: counts it, logs it, and turns a panic,
// which is a bug, into a 500. do returns the status it answered with and the id
// of the key that asked.
func (s *Server) run(w http.ResponseWriter, r *http.Request, of *route, do func() (status int, key string)) {
	start := s.Wall()
	status, key := http.StatusInternalServerError, ""
	defer func() {
		if v := recover(); v != nil {
			status = s.panicked(w, r, of.op, v)
		}
		took := s.Wall().Sub(start)
		of.observe(status, took)
		if of.logged {
			s.Log.InfoContext(r.Context(), "request", slog.String("operation", of.op.OperationID), slog.String("method", r.Method), slog.String("route", of.op.Path),
				slog.Int("status", status), slog.Float64("ms", float64(took.Microseconds())/1000), slog.String("key", key))
		}
	}()
	status, key = do()
}

// panicked logs and counts a panic and answers with a 500.
func (s *Server) panicked(w http.ResponseWriter, r *http.Request, op *huma.Operation, v any) int {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v) // the server ends the connection
	}
	s.gauge.panics.Inc()
	s.Log.ErrorContext(r.Context(), "panic", slog.String("operation", op.OperationID), slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
	return s.write(w, r, http.StatusInternalServerError, problemJSON, ProblemOf(errPanic))
}

// Handler serves everything that was mounted, and answers for paths and methods
// that were not.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Content-Type-Options"] = nosniff
		if hot := s.hot[place{r.Method, r.URL.Path}]; hot != nil {
			hot(w, r)
			return
		}
		if h, pattern := s.mux.Handler(r); pattern == "" {
			s.nowhere(w, r, h)
			return
		}
		s.mux.ServeHTTP(w, r)
	})
}

// place is a method and a path without wildcards.
type place struct{ method, path string }

// nowhere answers where no route is mounted; standard is how the mux would: it
// knows whether the path has other methods.
func (s *Server) nowhere(w http.ResponseWriter, r *http.Request, standard http.Handler) {
	would := answer{header: make(http.Header)}
	standard.ServeHTTP(&would, r)
	e := &retail.Error{Kind: retail.NotFound, Field: "path", Say: "there is no such path", Cure: "see /docs"}
	if would.status == http.StatusMethodNotAllowed {
		allow := would.header.Get("Allow")
		w.Header().Set("Allow", allow)
		e = &retail.Error{Kind: wrongMethod, Field: "method", Say: "this path has no such method", Cure: "use " + allow}
	}
	s.gauge.nowhere.Inc()
	s.refuse(w, r, &huma.Operation{OperationID: "nowhere"}, e)
}

// answer notes what a handler says, without its body.
type answer struct {
	header http.Header
	status int
}

// Header is where the handler sets headers.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader notes the status.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write throws the body away.
func (a *answer) Write(b []byte) (int, error) { return len(b), nil }

var (
	nosniff  = []string{"nosniff"}
	errPanic = errors.New("a panic was caught")
)
