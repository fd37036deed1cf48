package load_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"endcap/bench/load"
	"endcap/retail"
)

// plan loads a server with one recorded request.
func plan(s *httptest.Server, route string) load.Plan {
	method, path, _ := strings.Cut(route, " ")
	p := load.Plan{Server: load.Server{Client: s.Client(), Target: s.URL}, Workers: 2, Measure: 300 * time.Millisecond, Grace: time.Minute, Now: time.Now}
	p.Kinds, p.Visit = load.Recorded([]load.Request{{Method: method, Path: path}})
	return p
}

func run(t *testing.T, p load.Plan) *load.Result {
	t.Helper()
	r, err := load.Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestASlowAnswerDelaysThoseThatWereDueBehindIt(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(20 * time.Millisecond) }))
	defer server.Close()
	// One worker can do 50 a second; 200 a second are due, so requests wait ever
	// longer although each is served in 20 ms.
	p := plan(server, "GET /")
	p.Rate, p.Workers, p.Measure = 200, 1, time.Second
	got := run(t, p)
	if p50 := load.Millis(got.All.Latency, 50); p50 < 200 {
		t.Errorf("median latency %.0f ms: waiting was omitted", p50)
	}
	if p50 := load.Millis(got.Service, 50); p50 > 200 {
		t.Errorf("median service time %.0f ms, want about 20", p50)
	}
	if got.All.Failed != 0 || got.All.Requests == 0 {
		t.Errorf("%d sent, %d failed", got.All.Requests, got.All.Failed)
	}
	if got.Unbegun < 50 {
		t.Errorf("%d visits were due and had not begun, want about 150", got.Unbegun)
	}
}

// What is under way when no visit begins any more is measured all the same, so
// that the slowest answers are not the ones that are left out.
func TestTheLastAnswersCountHoweverLate(t *testing.T) {
	t.Parallel()
	var held atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		held.Add(1)
		time.Sleep(600 * time.Millisecond)
	}))
	defer server.Close()
	p := plan(server, "GET /")
	p.Measure = 300 * time.Millisecond
	if r := run(t, p); r.All.Requests != held.Load() || r.Cut != 0 {
		t.Errorf("%d of %d answers counted, %d cut off", r.All.Requests, held.Load(), r.Cut)
	}
	p.Grace = 0
	if r := run(t, p); r.All.Requests != 0 || r.Cut != 2 || r.Oldest == 0 {
		t.Errorf("without grace %d counted, %d cut off, the oldest %v; want 0 and 2", r.All.Requests, r.Cut, r.Oldest)
	}
}

// A driver that wakes late finds many visits due. Those that are due after the end
// are not of the load, or it would measure more than the rate it states.
func TestNoVisitIsMadeThatIsDueAfterTheEnd(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	p := plan(server, "GET /")
	p.Rate, p.Measure = 10, 10*time.Second // nobody waits for its end
	start := time.Now()
	var asked atomic.Bool
	p.Now = func() time.Time {
		if !asked.Swap(true) {
			return start
		}
		return start.Add(time.Minute) // the driver slept, and nobody told it of the end
	}
	if r := run(t, p); r.Visits != 100 || r.Unbegun != 0 {
		t.Errorf("%d visits in 10 s at 10 a second, %d were due and not begun", r.Visits, r.Unbegun)
	}
}

func TestALoadThatIsInterruptedTellsWhatItMeasured(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	p := plan(server, "GET /")
	p.Measure = time.Hour
	ctx, stop := context.WithCancel(t.Context())
	p.Watch = func(v *load.View) {
		if v.Rows[len(v.Rows)-1].Requests > 0 {
			stop()
		}
	}
	p.Measure = time.Minute
	r, err := load.Run(ctx, p)
	if err != nil || r.All.Requests == 0 || r.Took >= time.Minute || r.All.Failed != 0 {
		t.Errorf("%d requests in %v, %d failed: %v", r.All.Requests, r.Took, r.All.Failed, err)
	}
}

func TestFailuresAreCountedByStatus(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	got := run(t, plan(server, "GET /x"))
	if got.All.Status[404] == 0 || got.All.Failed != got.All.Requests || got.FailedShare() != 1 {
		t.Errorf("statuses %v, failed %d of %d", got.All.Status, got.All.Failed, got.All.Requests)
	}
	var b bytes.Buffer
	if err := got.Write(&b); err != nil || !strings.Contains(b.String(), "GET /x: ") || !strings.Contains(b.String(), "status 404") {
		t.Errorf("the table does not say so: %v\n%s", err, &b)
	}
}

// visits ask, and what they are answered decides whether they go on.
func visits(t *testing.T) *load.Result {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); r.URL.Path == "/ask" {
			_, _ = w.Write(body)
		}
	}))
	t.Cleanup(server.Close)
	p := plan(server, "GET /")
	p.Rate, p.Kinds = 500, []string{"ask", "then", "never"}
	p.Visit = func(ctx context.Context, n int64, s *load.Session) {
		sent := fmt.Sprint(n)
		got, ok := s.Send(ctx, "ask", "POST /ask", []byte(sent))
		if !ok || string(got) != sent {
			s.Fail("ask")
			return
		}
		if n%2 == 0 {
			s.Send(ctx, "then", "GET /then", nil)
			return
		}
		s.Fail("ask")
	}
	return run(t, p)
}

func TestVisitsReactAndAreToldByKind(t *testing.T) {
	t.Parallel()
	r := visits(t)
	if len(r.Kinds) != 2 || r.Kinds[0].Name != "ask" || r.Kinds[1].Name != "then" {
		t.Fatalf("kinds %v", r.Kinds)
	}
	ask, then := &r.Kinds[0], &r.Kinds[1]
	if ask.Requests != r.Visits || then.Requests+ask.Failed != ask.Requests || then.Failed != 0 || r.All.Requests != ask.Requests+then.Requests {
		t.Errorf("%d visits, %d asks of which %d failed, %d thens, %d in all", r.Visits, ask.Requests, ask.Failed, then.Requests, r.All.Requests)
	}
	if told := r.Told(); told.Failed != ask.Failed || len(told.Kinds) != 2 || told.Kinds[1].Latency["p99"] <= 0 {
		t.Errorf("JSON says %+v", told)
	}
	sum := int64(0)
	for _, p := range r.All.Points {
		sum += p.Requests
	}
	if sum > r.All.Requests || len(r.All.Points) == 0 {
		t.Errorf("%d points hold %d requests of %d", len(r.All.Points), sum, r.All.Requests)
	}
}

func TestTheTableHasARowForEachKindAndTheLiveViewStaysInItsPlace(t *testing.T) {
	t.Parallel()
	r := visits(t)
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	for i, want := range []string{"kind", "ask", "then", "all"} {
		if f := strings.Fields(lines[i]); f[0] != want || i > 0 && len(f) != 8 {
			t.Errorf("line %d is %q, want that of %s", i, lines[i], want)
		}
	}
	if !strings.Contains(b.String(), "answered with success and refused within") {
		t.Errorf("nothing is said of refusals within:\n%s", &b)
	}
	b.Reset()
	live := load.NewLive(&b)
	view := &load.View{Elapsed: time.Second, Whole: 4 * time.Second, Visits: 1_234, Behind: time.Second, Rows: []load.Row{{Name: "ask", Requests: 7}, {Name: "none"}, {Name: "all", Requests: 7}}}
	live.Draw(view)
	drawn := b.String()
	if n := strings.Count(drawn, "\n"); n != 4 || !strings.Contains(drawn, "1,234 visits") || !strings.Contains(drawn, "1s behind") {
		t.Errorf("%d lines are drawn: %q", n, drawn)
	}
	live.Draw(view)
	live.Clear()
	live.Clear()
	if want := drawn + "\x1b[4A\x1b[J" + drawn + "\x1b[4A\x1b[J"; b.String() != want {
		t.Errorf("redrawn as %q", b.String())
	}
}

func TestThePageIsWholeAndStandsByItself(t *testing.T) {
	t.Parallel()
	empty := run(t, load.Plan{Kinds: []string{"k"}, Visit: func(ctx context.Context, _ int64, _ *load.Session) { <-ctx.Done() }, Workers: 1, Measure: time.Millisecond, Now: time.Now})
	for name, r := range map[string]*load.Result{"visits": visits(t), "nothing": empty} {
		var b bytes.Buffer
		if err := r.Page(&b, "<what> was loaded"); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		page := b.String()
		if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") || strings.Contains(page, "src=") || strings.Contains(page, "href=") || strings.Contains(page, "<what>") {
			t.Errorf("%s: the page is not whole, or needs something else", name)
		}
		for part := page; ; {
			from := strings.Index(part, "<svg")
			if from < 0 {
				break
			}
			to := strings.Index(part, "</svg>") + len("</svg>")
			for d := xml.NewDecoder(strings.NewReader(part[from:to])); ; {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%s: a plot is no SVG: %v", name, err)
				}
			}
			part = part[to:]
		}
		for _, k := range r.Kinds {
			if strings.Count(page, k.Name) < 3 {
				t.Errorf("%s: %s is not told", name, k.Name)
			}
		}
	}
}

func TestAServerThatCannotBeLoadedSaysWhy(t *testing.T) {
	t.Parallel()
	refuses := func(status int, text string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(text))
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	for name, test := range map[string]struct {
		target, say string
		reach       bool // a recorded load goes on all the same
	}{
		"nobody is there":      {"http://127.0.0.1:1", "nobody answers at http://127.0.0.1:1: connection refused", false},
		"the key is unknown":   {refuses(401, `{"type":"urn:endcap:problem:unknown","detail":"the API key is unknown"}`), "key: the API key is unknown", false},
		"a field is wrong":     {refuses(422, `{"type":"urn:endcap:problem:invalid","detail":"no","field":"page"}`), "page: GET /v1/status: no", true},
		"it is no Endcap":      {refuses(500, `<html>`), "is answered 500", true},
		"it says no JSON":      {refuses(200, `hello`), "something else", true},
		"it is not an address": {"http://[", "nobody answers", false},
	} {
		s := load.Server{Client: http.DefaultClient, Target: test.target}
		err := s.Ask(t.Context(), "GET /v1/status", nil, new(struct{}))
		if e, ok := errors.AsType[*retail.Error](err); !ok || !strings.Contains(err.Error(), test.say) || strings.Count(err.Error(), "refused") > 1 || name != "the key is unknown" && name != "a field is wrong" && e.Cure == "" {
			t.Errorf("%s: %v, want %q", name, err, test.say)
		}
		if err := s.Reach(t.Context(), &load.Request{Method: "GET", Path: "/v1/status"}); (err == nil) != test.reach {
			t.Errorf("%s: a recorded load: %v", name, err)
		}
	}
}

func TestAPlanMustBeOne(t *testing.T) {
	t.Parallel()
	visit := func(context.Context, int64, *load.Session) {}
	for name, p := range map[string]load.Plan{
		"no visits": {Kinds: []string{"k"}, Workers: 1, Measure: 1}, "no kinds": {Visit: visit, Workers: 1, Measure: 1},
		"no workers": {Visit: visit, Kinds: []string{"k"}, Measure: 1}, "a negative rate": {Visit: visit, Kinds: []string{"k"}, Workers: 1, Measure: 1, Rate: -1},
		"no time": {Visit: visit, Kinds: []string{"k"}, Workers: 1},
	} {
		if _, err := load.Run(t.Context(), p); err == nil {
			t.Errorf("%s: it ran", name)
		}
	}
}

func TestARecordingMustBeOne(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "not JSON": "GET /", "no path": `{"method":"GET"}`, "unknown field": `{"method":"GET","path":"/","x":1}`,
	} {
		if _, err := load.Read(strings.NewReader(text)); err == nil {
			t.Errorf("%s: read without an error", name)
		}
	}
	got, err := load.Read(strings.NewReader("{\"method\":\"GET\",\"path\":\"/\"}\n\n{\"method\":\"POST\",\"path\":\"/a\",\"body\":{}}"))
	if kinds, _ := load.Recorded(got); err != nil || len(kinds) != 2 || kinds[1] != "POST /a" {
		t.Errorf("kinds %v: %v", kinds, err)
	}
	many := make([]load.Request, 100)
	for i := range many {
		many[i] = load.Request{Method: "GET", Path: fmt.Sprintf("/%d", i)}
	}
	if kinds, _ := load.Recorded(many); len(kinds) != 1 {
		t.Errorf("a hundred routes are told as %d kinds", len(kinds))
	}
}
