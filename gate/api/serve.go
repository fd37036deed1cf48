package api

import (
	_ "embed"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus/promhttp"
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
		h.Set("Content-Security-Policy", "default-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'")
		_, _ = w.Write(docsPage)
	})
}

func (s *Server) mountHealth() {
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	s.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if s.Ready != nil {
			if err := s.Ready(r.Context()); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{}))
}

// Document is the OpenAPI document as JSON.
func (s *Server) Document() ([]byte, error) { return json.Marshal(s.api.OpenAPI()) }

// OpenAPI is the document itself, for tests that walk it.
func (s *Server) OpenAPI() *huma.OpenAPI { return s.api.OpenAPI() }

// Handle mounts a plain handler, for pages and streams that are no JSON.
// Security is checked as for documented operations.
func (s *Server) Handle(op huma.Operation, h func(http.ResponseWriter, *http.Request) error) {
	s.api.OpenAPI().AddOperation(&op)
	observe := s.gauge.route(op.OperationID)
	s.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) {
		start := s.Wall()
		who, err := s.admit(r.Context(), r.Header.Get("Authorization"), op.Security)
		if err == nil {
			err = h(w, r.WithContext(WithCaller(r.Context(), who)))
		}
		status := http.StatusOK
		if err != nil {
			status = s.refuse(w, r, &op, err)
		}
		observe(status, s.Wall().Sub(start))
	})
}

// Handler serves everything that was mounted. A panic is a bug: it is logged
// with its stack, counted by its status, and answered with a 500.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				s.Log.ErrorContext(r.Context(), "panic", slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
				s.refuse(w, r, &huma.Operation{OperationID: "panic"}, errPanic)
			}
		}()
		w.Header()["X-Content-Type-Options"] = nosniff
		s.mux.ServeHTTP(w, r)
	})
}

var (
	nosniff  = []string{"nosniff"}
	errPanic = errors.New("a panic was caught")
)
