package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/bytedance/sonic"
	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/retail"
)

// wire decodes strictly and encodes without escaping HTML: answers are JSON.
var wire = sonic.Config{DisallowUnknownFields: true, CaseSensitive: true, CopyString: true, ValidateString: true}.Froze()

// RegisterHot serves a POST or PUT whose body is JSON of type I. fn's answer is
// written with 200, or 204 when it is nil. It leaves no access log: metrics
// count it.
func RegisterHot[I, O any](s *Server, op huma.Operation, fn func(r *http.Request, who *access.Principal, in *I) (*O, error)) {
	s.document(&op, reflect.TypeFor[I](), reflect.TypeFor[O]())
	route, keyed := s.route(&op, false), depthMax
	if isBatch(reflect.TypeFor[I]()) {
		keyed = 1
	}
	serve := func(w http.ResponseWriter, r *http.Request) {
		s.run(w, r, route, func() (int, string) { //nolint:contextcheck // the context is in r
			return s.serveHot(w, r, &op, func(who *access.Principal, body []byte) (any, error) {
				in := new(I)
				if err := decode(body, in, keyed); err != nil {
					return nil, err
				}
				out, err := fn(r, who, in)
				if err != nil || out == nil {
					return nil, err
				}
				return out, nil
			}), ""
		})
	}
	s.hot[place{op.Method, op.Path}] = serve
	s.mux.HandleFunc(op.Method+" "+op.Path, serve) // so that other methods are told apart from no such path
}

// isBatch reports whether elements of t are left unread, as Each.
func isBatch(t reflect.Type) bool {
	for field := range t.Fields() {
		if f := field.Type; f.Kind() == reflect.Slice && f.Elem().Implements(reflect.TypeFor[unread]()) {
			return true
		}
	}
	return false
}

// serveHot runs one request and returns the status it answered with.
func (s *Server) serveHot(w http.ResponseWriter, r *http.Request, op *huma.Operation, do func(*access.Principal, []byte) (any, error)) int {
	who, err := s.admit(r.Context(), r.Header.Get("Authorization"), op.Security)
	if err == nil {
		err = checkHead(r)
	}
	if err != nil {
		return s.refuse(w, r, op, err)
	}
	buf := buffers.Get().(*bytes.Buffer)
	defer giveBack(buf)
	if err := readBody(buf, w, r, s.Limits.BodyBytesMax); err != nil {
		return s.refuse(w, r, op, err)
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

// checkHead refuses what a hot operation never takes: query parameters, and
// bodies that are no JSON.
func checkHead(r *http.Request) error {
	if r.URL.RawQuery != "" {
		return wrongField("query", "this operation takes no query parameters", "leave them out")
	}
	return checkType(r)
}

// checkType refuses bodies in other formats than JSON; a body without a type is
// taken for JSON.
func checkType(r *http.Request) error {
	kind := r.Header.Get("Content-Type")
	if kind == "application/json" || kind == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(kind)
	if err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")) {
		return nil
	}
	return &retail.Error{Kind: wrongType, Field: "header.Content-Type", Say: "the body is not sent as JSON", Cure: "send Content-Type: application/json"}
}

// readBody reads a whole body of at most limit bytes.
func readBody(into *bytes.Buffer, w http.ResponseWriter, r *http.Request, limit int64) error {
	_, err := into.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &retail.Error{Kind: retail.TooLarge, Field: "body", Say: "the body is larger than " + strconv.FormatInt(limit, 10) + " bytes", Cure: "send smaller batches", Err: err}
	}
	return &retail.Error{Kind: retail.Invalid, Field: "body", Say: "the body could not be read", Cure: "send it whole", Err: err}
}

// prepare reads the body of a management operation, which may be left out
// unless it is required, and leaves it in r, checked.
func (s *Server) prepare(w http.ResponseWriter, r *http.Request, required bool) error {
	if err := checkType(r); err != nil {
		return err
	}
	var buf bytes.Buffer
	if err := readBody(&buf, w, r, min(s.Limits.BodyBytesMax, plainMax)); err != nil {
		return err
	}
	body := buf.Bytes()
	if len(bytes.TrimSpace(body)) == 0 {
		if !required {
			r.Body, r.ContentLength = http.NoBody, 0
			return nil
		}
		return wrongField("body", "the body is missing", "send JSON; see /docs for the fields")
	}
	if err := CheckJSON(body); err != nil {
		return err
	}
	if !json.Valid(body) {
		return wrongField("body", "the body is not JSON", "see RFC 8259; NaN and Infinity are no numbers there")
	}
	r.Body = io.NopCloser(&buf)
	return nil
}

// ReadJSON reads the body of a plain handler strictly.
func ReadJSON(w http.ResponseWriter, r *http.Request, into any) error {
	if err := checkType(r); err != nil {
		return err
	}
	var buf bytes.Buffer
	if err := readBody(&buf, w, r, plainMax); err != nil {
		return err
	}
	return Decode(buf.Bytes(), into)
}

// plainMax bounds the body of a management operation.
const plainMax = 1 << 20

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// keptMax is the largest buffer that is kept for the next request.
const keptMax = 1 << 20

func giveBack(buf *bytes.Buffer) {
	if buf.Cap() <= keptMax {
		buf.Reset()
		buffers.Put(buf)
	}
}

// Decode reads strict JSON: unknown fields, duplicate fields, invalid UTF-8 and
// anything after the value are refused with the field's name.
func Decode(body []byte, into any) error { return decode(body, into, depthMax) }

func decode(body []byte, into any, keyed int) error {
	if err := checkJSON(body, keyed); err != nil {
		return err
	}
	if err := wire.Unmarshal(body, into); err != nil {
		if e, ok := errors.AsType[*retail.Error](err); ok {
			return e
		}
		return jsonFault(body, into, err)
	}
	return nil
}

// Encode writes an answer as Decode reads a request: with the wire's own codec.
func Encode(v any) ([]byte, error) { return wire.Marshal(v) }

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, op *huma.Operation, err error) int {
	p := s.problem(r.Context(), op.OperationID, err)
	if p.again() {
		w.Header().Set("Retry-After", "1")
	}
	return s.write(w, r, p.Status, problemJSON, p)
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, kind string, v any) int {
	b, err := Encode(v)
	if err != nil {
		s.Log.ErrorContext(r.Context(), "encode answer", slog.String("error", err.Error()))
		status, kind, b = http.StatusInternalServerError, problemJSON, []byte(`{"status":500}`)
	}
	h := w.Header()
	h["Content-Type"] = []string{kind}
	h["Content-Length"] = []string{strconv.Itoa(len(b))}
	w.WriteHeader(status)
	_, _ = w.Write(b) //nolint:gosec // JSON, sent as such with nosniff; where the caller is gone there is nobody to tell
	return status
}

// document adds a hot operation to the OpenAPI document with the schemas of its
// wire types.
func (s *Server) document(op *huma.Operation, in, out reflect.Type) {
	doc := s.api.OpenAPI()
	schema := func(t reflect.Type) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{"application/json": {Schema: doc.Components.Schemas.Schema(t, true, "")}}
	}
	op.RequestBody = &huma.RequestBody{Required: true, Content: schema(in)}
	op.Responses = make(map[string]*huma.Response)
	if out.NumField() == 0 {
		op.Responses["204"] = &huma.Response{Description: "Accepted"}
	} else {
		op.Responses["200"] = &huma.Response{Description: "OK", Content: schema(out)}
	}
	s.documentErrors(op, true)
	doc.AddOperation(op)
}

// documentErrors adds the problems with which an operation may answer.
func (s *Server) documentErrors(op *huma.Operation, body bool) {
	problem := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "")
	for _, status := range errorsOf(op, body) {
		op.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status), Content: map[string]*huma.MediaType{problemJSON: {Schema: problem}},
		}
	}
}

// None is the Out of a hot operation that answers 204.
type None struct{}
