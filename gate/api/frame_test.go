package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/gate/api/apitest"
	"endcap/keep/sql/sqlite"
	"endcap/retail"
)

// frame is a server with routes that go wrong in every way.
type frame struct {
	*api.Server
	keys   *access.Keeper
	logged *apitest.Logged
	ready  error
}

const secretText = "card 4711 of the vault"

func openFrame(t *testing.T) *frame {
	t.Helper()
	book, err := sqlite.OpenBook(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "book.db"), Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := book.Close(); err != nil {
			t.Error(err)
		}
	})
	noon := func() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }
	f := &frame{keys: access.New(book, book, noon), logged: new(apitest.Logged)}
	f.Server = api.New(api.Options{
		Keys: f.keys, Now: noon, Wall: noon, Log: slog.New(slog.NewJSONHandler(f.logged, nil)), Metrics: prometheus.NewRegistry(), Version: "1",
		Limits: api.Limits{BodyBytesMax: 1_000, RateDefault: 5, PageMax: 10},
		Ready:  func(context.Context) error { return f.ready },
	})
	hot := func(id string, do func() (*bag, error)) {
		api.RegisterHot(f.Server, huma.Operation{OperationID: id, Method: http.MethodPost, Path: "/hot/" + id, Security: api.Needs(access.Decide)},
			func(*http.Request, *access.Principal, *bag) (*bag, error) { return do() })
	}
	slow := func(id string, do func() error) {
		api.Register(f.Server, huma.Operation{OperationID: "slow-" + id, Method: http.MethodPost, Path: "/slow/" + id + "/{of}", Security: api.Needs(access.Trade, access.Admin)},
			func(context.Context, *struct {
				Of   string `path:"of"`
				Body struct {
					Name string `json:"name" maxLength:"5"`
				}
			},
			) (*struct{ Body bag }, error) {
				return &struct{ Body bag }{}, do()
			})
		f.Handle(huma.Operation{OperationID: "page-" + id, Method: http.MethodGet, Path: "/page/" + id, Security: api.Needs(access.Trade)},
			func(w http.ResponseWriter, _ *http.Request) error {
				if err := do(); err != nil {
					return err
				}
				_, err := w.Write([]byte("hello"))
				return err
			})
	}
	fail := map[string]func() error{
		"well":  func() error { return nil },
		"fail":  func() error { return errors.New(secretText) },
		"panic": func() error { panic(secretText) },
		"late":  func() error { return context.DeadlineExceeded },
		"refuse": func() error {
			return &retail.Error{Kind: retail.Conflict, Field: "name", Say: "taken", Cure: "choose another", Err: errors.New(secretText)}
		},
		"broken": func() error {
			return &retail.Error{Kind: retail.Internal, Say: "it broke", Err: errors.New(secretText)}
		},
		"odd": func() error { return &retail.Error{Kind: "new kind", Say: "odd", Err: errors.New(secretText)} },
	}
	for id, do := range fail {
		hot(id, func() (*bag, error) { return &bag{Name: id}, do() })
		slow(id, do)
	}
	return f
}

func (f *frame) key(t *testing.T, rate int, scopes ...access.Scope) string {
	t.Helper()
	_, secret, err := f.keys.Create(t.Context(), "test", access.Spec{Name: "test", Scopes: scopes, Rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func (f *frame) call(t *testing.T, key, request, body string, headers ...string) *apitest.Answer {
	t.Helper()
	h := apitest.House{Server: f.Server}
	if body == "" {
		return h.Call(t, key, request, nil, headers...)
	}
	return h.Call(t, key, request, body, headers...)
}

func TestEveryErrorIsAProblemThatLeaksNothing(t *testing.T) {
	t.Parallel()
	f := openFrame(t)
	key := f.key(t, 1_000, access.Decide, access.Trade)
	want := map[string]struct {
		status      int
		field, cure string
	}{
		"fail": {http.StatusInternalServerError, "", ""}, "panic": {http.StatusInternalServerError, "", ""}, "late": {http.StatusServiceUnavailable, "", "try again"},
		"refuse": {http.StatusConflict, "name", "choose another"}, "broken": {http.StatusInternalServerError, "", ""}, "odd": {http.StatusInternalServerError, "", ""},
	}
	for id, want := range want {
		for _, request := range []string{"POST /hot/" + id, "POST /slow/" + id + "/x", "GET /page/" + id} {
			body := `{"name":"x"}`
			if strings.HasPrefix(request, "GET") {
				body = ""
			}
			a := f.call(t, key, request, body)
			p := a.Problem(t)
			if a.Status != want.status || p.Field != want.field || p.Cure != want.cure {
				t.Errorf("%s: %s, want %+v", request, a.Body, want)
			}
			if strings.Contains(string(a.Body), "the vault") || strings.Contains(string(a.Body), "goroutine") {
				t.Errorf("%s leaks what is inside: %s", request, a.Body)
			}
			if a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "" {
				t.Errorf("%s does not say when to try again", request)
			}
		}
	}
	for _, request := range []string{"POST /hot/well", "POST /slow/well/x", "GET /page/well"} {
		if a := f.call(t, key, request, map[bool]string{true: `{"name":"x"}`}[request[0] == 'P']); a.Status != http.StatusOK {
			t.Errorf("%s: after all this, %d %s", request, a.Status, a.Body)
		}
	}
	log := f.logged.String()
	if got := strings.Count(log, `"msg":"panic"`); got != 3 {
		t.Errorf("%d panics are logged, want 3", got)
	}
	if !strings.Contains(log, "frame_test.go") || strings.Count(log, `"msg":"request failed"`) < 6 {
		t.Error("the log does not say what went wrong, and where")
	}
	for _, want := range []string{
		"endcap_http_panics_total 3", `endcap_http_request_seconds_count{operation="panic",status="500"} 1`, `endcap_http_request_seconds_count{operation="slow-panic",status="500"} 1`,
		`endcap_http_request_seconds_count{operation="page-refuse",status="409"} 1`, `endcap_http_request_seconds_count{operation="slow-well",status="200"} 1`,
	} {
		if text := string(f.call(t, "", "GET /metrics", "").Body); !strings.Contains(text, want+"\n") {
			t.Errorf("metrics do not say %s", want)
		}
	}
}

func TestWhoIsLetIn(t *testing.T) {
	t.Parallel()
	f := openFrame(t)
	shop, trader := f.key(t, 0, access.Decide), f.key(t, 0, access.Trade)
	known, revoked, err := f.keys.Create(t.Context(), "test", access.Spec{Name: "gone", Scopes: access.Scopes()})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.keys.Revoke(t.Context(), "test", known.ID); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		authorization, request string
		status                 int
	}{
		"no key":               {"", "POST /hot/well", 401},
		"no key, slow":         {"", "POST /slow/well/x", 401},
		"another scheme":       {"Basic " + shop, "POST /hot/well", 401},
		"an unknown key":       {"Bearer ec_a_b", "POST /hot/well", 401},
		"a revoked key":        {"Bearer " + revoked, "POST /slow/well/x", 401},
		"the right scope":      {"Bearer " + shop, "POST /hot/well", 200},
		"another scope":        {"Bearer " + trader, "POST /hot/well", 403},
		"one of two scopes":    {"Bearer " + trader, "POST /slow/well/x", 200},
		"none of two scopes":   {"Bearer " + shop, "POST /slow/well/x", 403},
		"a page without right": {"Bearer " + shop, "GET /page/well", 403},
	}
	for name, test := range tests {
		body := ""
		if strings.HasPrefix(test.request, "POST") {
			body = `{"name":"x"}`
		}
		a := f.call(t, "", test.request, body, "Authorization", test.authorization)
		if a.Status != test.status {
			t.Errorf("%s: %d, want %d: %s", name, a.Status, test.status, a.Body)
		}
		if test.status > 400 {
			if p := a.Problem(t); p.Cure == "" {
				t.Errorf("%s: no cure in %s", name, a.Body)
			}
		}
	}
}

func TestARateIsHeldPerKey(t *testing.T) {
	t.Parallel()
	f := openFrame(t) // its clock stands still: no key gets a second second
	count := func(key, request string) (passed int) {
		for range 12 {
			a := f.call(t, key, request, `{"name":"x"}`)
			switch a.Status {
			case http.StatusOK:
				passed++
			case http.StatusTooManyRequests:
				if p := a.Problem(t); a.Header.Get("Retry-After") != "1" || p.Cure == "" {
					t.Errorf("%v %s does not say when to come back", a.Header, a.Body)
				}
			default:
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}
		return passed
	}
	both := f.key(t, 0, access.Decide, access.Trade)
	if got := count(both, "POST /hot/well") + count(both, "POST /slow/well/x"); got != 5 {
		t.Errorf("%d requests of one key pass in a second, want the default's 5", got)
	}
	if got := count(f.key(t, 8, access.Trade), "POST /slow/well/x"); got != 8 {
		t.Errorf("%d requests pass, want the key's own 8", got)
	}
}

func TestWhichBodiesAreRead(t *testing.T) {
	t.Parallel()
	f := openFrame(t)
	key := f.key(t, 1_000, access.Decide, access.Trade)
	good := `{"name":"x"}`
	big := `{"name":"` + strings.Repeat("x", 1_000) + `"}`
	tests := map[string]struct {
		body    string
		headers []string
		status  int
		field   string
	}{
		"json":                    {good, nil, 200, ""},
		"json with a charset":     {good, []string{"Content-Type", "application/json; charset=utf-8"}, 200, ""},
		"json under another name": {good, []string{"Content-Type", "application/vnd.shop+json"}, 200, ""},
		"no content type":         {good, []string{"Content-Type", ""}, 200, ""},
		"xml":                     {good, []string{"Content-Type", "application/xml"}, 415, "header.Content-Type"},
		"a form":                  {good, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "header.Content-Type"},
		"no type at all":          {good, []string{"Content-Type", ";;"}, 415, "header.Content-Type"},
		"too large":               {big, nil, 413, "body"},
		"blank":                   {"  \n", nil, 422, "body"},
		"not JSON":                {"name=x", nil, 422, "body"},
		"a field twice":           {`{"name":"x","name":"y"}`, nil, 422, "name"},
		"an unknown field":        {`{"name":"x","nam":"y"}`, nil, 422, "nam"},
		"the wrong type":          {`{"name":7}`, nil, 422, "name"},
		"NaN":                     {`{"name":NaN}`, nil, 422, "body"},
		"not UTF-8":               {"{\"name\":\"\xff\"}", nil, 422, "body"},
	}
	for name, test := range tests {
		for _, request := range []string{"POST /hot/well", "POST /slow/well/x"} {
			a := f.call(t, key, request, test.body, test.headers...)
			if a.Status != test.status {
				t.Errorf("%s to %s: %d, want %d: %s", name, request, a.Status, test.status, a.Body)
				continue
			}
			if test.status >= 400 {
				if p := a.Problem(t); p.Field != test.field || p.Cure == "" || len(p.Errors) != 1 {
					t.Errorf("%s to %s: %s, want field %q and a cure", name, request, a.Body, test.field)
				}
			}
		}
	}
	if p := f.call(t, key, "POST /slow/well/x", `{"name":"longer than five"}`).Problem(t); p.Field != "name" || strings.Contains(p.Detail, "longer") {
		t.Errorf("a field out of bounds: %+v", p)
	}
	two := f.call(t, key, "POST /slow/well/x", `{"nam":"x"}`).Problem(t)
	if len(two.Errors) != 2 || !strings.Contains(two.Detail, "2 fields") {
		t.Errorf("two fields are wrong: %+v", two)
	}
}

func TestWhereThereIsNothing(t *testing.T) {
	t.Parallel()
	f := openFrame(t)
	key := f.key(t, 1_000, access.Scopes()...)
	tests := map[string]struct {
		request string
		status  int
		field   string
		allow   string
	}{
		"no such path":               {"GET /v1/nothing", 404, "path", ""},
		"the root":                   {"GET /", 404, "path", ""},
		"deeper than a path":         {"POST /hot/well/more", 404, "path", ""},
		"another method, hot":        {"GET /hot/well", 405, "method", "POST"},
		"another method, slow":       {"DELETE /slow/well/x", 405, "method", "POST"},
		"another method, a page":     {"POST /page/well", 405, "method", "GET, HEAD"},
		"a method nobody knows":      {"BREW /hot/well", 405, "method", "POST"},
		"unknown parameter, hot":     {"POST /hot/well?x=1", 422, "query", ""},
		"unknown parameter, slow":    {"POST /slow/well/x?x=1", 422, "query.x", ""},
		"unknown parameter, a page":  {"GET /page/well?x=1", 422, "query.x", ""},
		"a parameter out of the way": {"GET /page/well?%ff=1", 422, "query.\xff", ""},
	}
	for name, test := range tests {
		body := ""
		if strings.HasPrefix(test.request, "POST") {
			body = `{"name":"x"}`
		}
		a := f.call(t, key, test.request, body)
		p := a.Problem(t)
		if a.Status != test.status || p.Field != strings.ToValidUTF8(test.field, "\ufffd") || p.Cure == "" || a.Header.Get("Allow") != test.allow {
			t.Errorf("%s: %d %s (Allow %q)", name, a.Status, a.Body, a.Header.Get("Allow"))
		}
	}
}

func TestProbesNeedNoKey(t *testing.T) {
	t.Parallel()
	f := openFrame(t)
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"} {
		if a := f.call(t, "", "GET "+path, ""); a.Status != http.StatusOK || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d, %v", path, a.Status, a.Header)
		}
	}
	f.ready = errors.New(secretText)
	if a := f.call(t, "", "GET /readyz", ""); a.Status != http.StatusServiceUnavailable || strings.Contains(a.Problem(t).Detail, "the vault") {
		t.Errorf("not ready: %d %s", a.Status, a.Body)
	}
	if a := f.call(t, "", "GET /healthz", ""); a.Status != http.StatusOK {
		t.Error("a house that is not ready is alive")
	}
}

func TestTheAccessLogNamesRoutesAndKeysAndNoPaths(t *testing.T) {
	t.Parallel()
	f := openFrame(t)
	known, key, err := f.keys.Create(t.Context(), "test", access.Spec{Name: "console", Scopes: []access.Scope{access.Trade, access.Decide}})
	if err != nil {
		t.Fatal(err)
	}
	f.call(t, key, "POST /slow/well/some-secret-path", `{"name":"x"}`)
	f.call(t, key, "POST /hot/well", `{"name":"y"}`)
	f.call(t, "", "POST /slow/well/z", `{"name":"x"}`)
	lines := strings.Split(strings.TrimSpace(f.logged.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines, want one for each management request and none for the hot one:\n%s", len(lines), f.logged)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"msg": "request", "operation": "slow-well", "method": "POST", "route": "/slow/well/{of}", "status": float64(200), "key": known.ID} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
	if _, ok := line["ms"]; !ok || strings.Contains(lines[0], "some-secret-path") || strings.Contains(lines[0], key) {
		t.Errorf("the line says too much or too little: %s", lines[0])
	}
}

func TestACallerOfTheSocketNeedsNoKeyAndHasNoRate(t *testing.T) {
	t.Parallel()
	f := openFrame(t)
	for range 20 {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/page/well", nil)
		w := httptest.NewRecorder()
		f.Handler().ServeHTTP(w, r.WithContext(api.WithCaller(r.Context(), access.Operator())))
		if w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}
