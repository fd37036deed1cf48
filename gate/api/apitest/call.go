package apitest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"endcap/gate/access"
	"endcap/retail/media"
)

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Read decodes the body.
func (a *Answer) Read(tb testing.TB, into any) {
	tb.Helper()
	if err := json.Unmarshal(a.Body, into); err != nil {
		tb.Fatalf("status %d: %v in %.300s", a.Status, err, a.Body)
	}
}

// Problem is a problem as a caller reads it.
type Problem struct {
	Type, Title, Detail, Field, Cure string
	Status                           int
	Errors                           []struct{ Location, Message string }
}

// Problem reads the body as a problem and checks its form.
func (a *Answer) Problem(tb testing.TB) Problem {
	tb.Helper()
	var p Problem
	a.Read(tb, &p)
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		tb.Errorf("a problem is sent as %q", got)
	}
	if !strings.HasPrefix(p.Type, "urn:endcap:problem:") || p.Status != a.Status || p.Title != http.StatusText(a.Status) || p.Detail == "" {
		tb.Errorf("status %d is no problem of RFC 9457: %s", a.Status, a.Body)
	}
	return p
}

// Key makes an API key and returns its secret.
func (h *House) Key(tb testing.TB, advertiser string, scopes ...access.Scope) string {
	tb.Helper()
	name := "retailer"
	if advertiser != "" {
		name = advertiser + "'s"
	}
	_, secret, err := h.Keys.Create(tb.Context(), "test", access.Spec{Name: name, Scopes: scopes, Advertiser: media.AdvertiserID(advertiser)})
	must(tb, err)
	return secret
}

// Retailer is a key that may do everything.
func (h *House) Retailer(tb testing.TB) string {
	tb.Helper()
	return h.Key(tb, "", access.Scopes()...)
}

// Call sends one request. body is sent as it is when it is a string or bytes,
// else as JSON; headers are name and value in turn.
func (h *House) Call(tb testing.TB, key, request string, body any, headers ...string) *Answer {
	tb.Helper()
	method, path, _ := strings.Cut(request, " ")
	r := httptest.NewRequestWithContext(tb.Context(), method, path, reader(tb, body))
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.Server.Handler().ServeHTTP(w, r)
	return &Answer{w.Code, w.Header(), w.Body.Bytes()}
}

// Do is Call for what must succeed.
func (h *House) Do(tb testing.TB, key, request string, body any, headers ...string) *Answer {
	tb.Helper()
	a := h.Call(tb, key, request, body, headers...)
	if a.Status >= http.StatusMultipleChoices {
		tb.Fatalf("%s: %d %s", request, a.Status, a.Body)
	}
	return a
}

func reader(tb testing.TB, body any) io.Reader {
	tb.Helper()
	switch b := body.(type) {
	case nil:
		return nil
	case string:
		return strings.NewReader(b)
	case []byte:
		return bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		must(tb, err)
		return bytes.NewReader(text)
	}
}
