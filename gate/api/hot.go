package api

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"sync"

	"github.com/bytedance/sonic"
	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/retail"
)

// wire decodes strictly and encodes without escaping HTML: answers are JSON.
var wire = sonic.Config{DisallowUnknownFields: true, CaseSensitive: true, CopyString: true, ValidateString: true}.Froze()

// RegisterHot serves a POST or PUT whose body is JSON of type I. fn's answer is
// written with 200, or 204 when it is nil.
func RegisterHot[I, O any](s *Server, op huma.Operation, fn func(r *http.Request, who *access.Principal, in *I) (*O, error)) {
	s.document(op, reflect.TypeFor[I](), reflect.TypeFor[O]())
	observe := s.gauge.route(op.OperationID)
	s.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) {
		start := s.Wall()
		status := s.serveHot(w, r, &op, func(who *access.Principal, body []byte) (any, error) {
			in := new(I)
			if err := Decode(body, in); err != nil {
				return nil, err
			}
			out, err := fn(r, who, in)
			if err != nil || out == nil {
				return nil, err
			}
			return out, nil
		})
		observe(status, s.Wall().Sub(start))
	})
}

// serveHot runs one request and returns the status it answered with.
func (s *Server) serveHot(w http.ResponseWriter, r *http.Request, op *huma.Operation, do func(*access.Principal, []byte) (any, error)) int {
	who, err := s.admit(r.Context(), r.Header.Get("Authorization"), op.Security)
	if err != nil {
		return s.refuse(w, r, op, err)
	}
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	if _, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, s.Limits.BodyBytesMax)); err != nil {
		return s.refuse(w, r, op, bodyError(err, s.Limits.BodyBytesMax))
	}
	out, err := do(&who, buf.Bytes())
	if err != nil {
		return s.refuse(w, r, op, err)
	}
	if out == nil {
		w.WriteHeader(http.StatusNoContent)
		return http.StatusNoContent
	}
	return s.write(w, r, http.StatusOK, "application/json", out)
}

// ReadJSON reads the body of a plain handler strictly.
func ReadJSON(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, plainMax))
	if err != nil {
		return bodyError(err, plainMax)
	}
	return Decode(body, into)
}

// plainMax bounds the body of a plain handler.
const plainMax = 1 << 20

func bodyError(err error, limit int64) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &retail.Error{Kind: retail.TooLarge, Field: "body", Say: "the body is larger than " + strconv.FormatInt(limit, 10) + " bytes", Cure: "send smaller batches", Err: err}
	}
	return &retail.Error{Kind: retail.Invalid, Field: "body", Say: "the body could not be read", Cure: "send it whole", Err: err}
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Decode reads strict JSON: unknown fields, duplicate fields, invalid UTF-8 and
// anything after the value are refused with the field's name.
func Decode(body []byte, into any) error {
	if err := CheckJSON(body); err != nil {
		return err
	}
	if err := wire.Unmarshal(body, into); err != nil {
		if e, ok := errors.AsType[*retail.Error](err); ok {
			return e
		}
		return &retail.Error{Kind: retail.Invalid, Field: "body", Say: jsonFault(err), Cure: "see /docs for the fields and their types", Err: err}
	}
	return nil
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, op *huma.Operation, err error) int {
	p := s.problem(r.Context(), op.OperationID, err)
	if p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	return s.write(w, r, p.Status, "application/problem+json", p)
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, kind string, v any) int {
	b, err := wire.Marshal(v)
	if err != nil {
		s.Log.ErrorContext(r.Context(), "encode answer", slog.String("error", err.Error()))
		status, kind, b = http.StatusInternalServerError, "application/problem+json", []byte(`{"status":500}`)
	}
	h := w.Header()
	h["Content-Type"] = []string{kind}
	h["Content-Length"] = []string{strconv.Itoa(len(b))}
	w.WriteHeader(status)
	_, _ = w.Write(b) // the caller is gone: nothing to tell it
	return status
}

// document adds a hot operation to the OpenAPI document with the schemas of its
// wire types.
func (s *Server) document(op huma.Operation, in, out reflect.Type) {
	doc := s.api.OpenAPI()
	schema := func(t reflect.Type) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{"application/json": {Schema: doc.Components.Schemas.Schema(t, true, "")}}
	}
	op.RequestBody = &huma.RequestBody{Required: true, Content: schema(in)}
	op.Responses = map[string]*huma.Response{
		"default": {Description: "Problem", Content: map[string]*huma.MediaType{
			"application/problem+json": {Schema: doc.Components.Schemas.Schema(reflect.TypeFor[huma.ErrorModel](), true, "")},
		}},
	}
	if out.NumField() == 0 {
		op.Responses["204"] = &huma.Response{Description: "Accepted"}
	} else {
		op.Responses["200"] = &huma.Response{Description: "OK", Content: schema(out)}
	}
	doc.AddOperation(&op)
}

// None is the Out of a hot operation that answers 204.
type None struct{}

// unmarshalOnce is how management routes read JSON: the strict check first.
func unmarshalOnce(data []byte, v any) error {
	if err := CheckJSON(data); err != nil {
		return err
	}
	return huma.DefaultJSONFormat.Unmarshal(data, v)
}
