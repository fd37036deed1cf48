package load_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"endcap/bench/load"
)

func TestASlowAnswerDelaysThoseThatWereDueBehindIt(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(20 * time.Millisecond)
	}))
	defer server.Close()
	requests, err := load.Read(strings.NewReader(`{"method":"GET","path":"/"}`))
	if err != nil {
		t.Fatal(err)
	}
	// One worker can do 50 a second; 200 a second are due, so requests wait ever
	// longer although each is served in 20 ms.
	got, err := load.Run(t.Context(), load.Plan{
		Client: server.Client(), Target: server.URL, Requests: requests, Rate: 200, Workers: 1,
		Measure: time.Second, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if p50 := load.Millis(got.Latency, 50); p50 < 200 {
		t.Errorf("median latency %.0f ms: waiting was omitted", p50)
	}
	if p50 := load.Millis(got.Service, 50); p50 > 200 {
		t.Errorf("median service time %.0f ms, want about 20", p50)
	}
	if got.Failed() != 0 || got.Sent == 0 {
		t.Errorf("%d sent, %d failed", got.Sent, got.Failed())
	}
}

func TestFailuresAreCountedByStatus(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	got, err := load.Run(t.Context(), load.Plan{
		Client: server.Client(), Target: server.URL, Requests: []load.Request{{Method: "GET", Path: "/"}},
		Workers: 2, Measure: 50 * time.Millisecond, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Status[404] == 0 || got.Failed() != got.Sent {
		t.Errorf("statuses %v, failed %d of %d", got.Status, got.Failed(), got.Sent)
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
}
