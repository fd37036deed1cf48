package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// These tests drive the real program from outside: as a child process wherever
// it is killed, timed or given the whole of the data, and in this process where
// the race detector shall look on.

// seedFlag repeats the moments of an earlier run.
var seedFlag = flag.Uint64("seed", envNumber("ENDCAP_SEED", 0), "seed of random moments; 0 draws one (also ENDCAP_SEED)")

func envNumber(name string, otherwise uint64) uint64 {
	n, err := strconv.ParseUint(os.Getenv(name), 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}

// seed is this run's seed, printed so that a failure can be repeated.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := *seedFlag
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (repeat with -args -seed=%d or ENDCAP_SEED=%d)", s, s, s)
	return s
}

// root is the module's folder, seen from this package.
const root = "../.."

// bin is where TestMain's programs lie once somebody asked for them.
var bin string

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "endcap-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bin = dir
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// built makes both programs once, without the race detector: the whole of the
// data, and a hundred kills, would take it too long.
var built = sync.OnceValue(func() error {
	cmd := exec.Command("go", "build", "-o", bin+"/", "./cmd/endcap")
	cmd.Dir = root
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build endcap: %w: %s", err, said)
	}
	cmd = exec.Command("go", "build", "-o", bin+"/endcap-demo", "./bench/demo")
	cmd.Dir = root
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the demo's player: %w: %s", err, said)
	}
	return nil
})

// run carries out one command of the built program.
func run(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	if err := built(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "endcap"), args...)
	cmd.Dir = root
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatalf("endcap %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), said.String(), cmd.ProcessState.ExitCode()
}

// must is run for commands that succeed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	start := time.Now()
	out, said, status := run(t, args...)
	if status != 0 {
		t.Fatalf("endcap %s: status %d\n%s%s", strings.Join(args, " "), status, out, said)
	}
	t.Logf("%5.1f s  endcap %.90s", time.Since(start).Seconds(), strings.Join(args, " "))
	return out
}

// server is a running child process.
type server struct {
	dir, url string
	key      string // an API key with every scope
	cmd      *exec.Cmd
	log      *os.File
	operator *http.Client // through the socket, as the machine's owner
	public   *http.Client
	gone     chan struct{} // closed when the process has ended
}

// everyScope is what a key may hold.
const everyScope = "decide,receipts,feeds,trade,reports,analyse,admin,privacy,identity,partners"

// serve starts a child process and waits until it answers. It is killed when
// the test ends, unless it was stopped.
func serve(t *testing.T, dir string, more ...string) *server {
	t.Helper()
	s := start(t, dir, more...)
	if err := s.awake(t.Context(), 3*time.Minute); err != nil {
		text, _ := os.ReadFile(s.log.Name())
		t.Fatalf("serve: %v\n%s", err, text)
	}
	return s
}

// start is serve without the waiting.
func start(t *testing.T, dir string, more ...string) *server {
	t.Helper()
	if err := built(); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	s := &server{dir: dir, url: "http://" + address, gone: make(chan struct{})}
	s.operator = &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{
		MaxIdleConnsPerHost: 16,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "endcap.sock"))
		},
	}}
	s.public = &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	if s.log, err = os.CreateTemp(filepath.Dir(dir), "serve-*.log"); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command(filepath.Join(bin, "endcap"), append([]string{"serve", "--dir", dir, "--listen", address}, more...)...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = root, s.log, s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.cmd.Wait(); close(s.gone) }()
	t.Cleanup(func() { s.kill(); _ = s.log.Close() })
	return s
}

// awake waits until the public address answers.
func (s *server) awake(ctx context.Context, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		if status, _, err := s.call(ctx, http.MethodGet, "/healthz", nil); err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case <-s.gone:
			return fmt.Errorf("it ended: %v", s.cmd.ProcessState)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// kill ends the process as a power cut would.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.gone
	s.public.CloseIdleConnections()
	s.operator.CloseIdleConnections()
}

// stop ends the process as an operator would, and says how long that took.
func (s *server) stop(t *testing.T) time.Duration {
	t.Helper()
	begun := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.gone:
	case <-time.After(2 * time.Minute):
		t.Fatal("the server did not stop")
	}
	if status := s.cmd.ProcessState.ExitCode(); status != 0 {
		t.Errorf("stopped with status %d, want 0\n%s", status, s.said(t))
	}
	return time.Since(begun)
}

// said is what the process wrote.
func (s *server) said(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// call sends one request to the public address with the server's key.
func (s *server) call(ctx context.Context, method, path string, in any, headers ...string) (int, []byte, error) {
	return send(ctx, s.public, request{method, s.url + path, in, append([]string{"Authorization", "Bearer " + s.key}, headers...)})
}

// own sends one request through the socket.
func (s *server) own(ctx context.Context, method, path string, in any, headers ...string) (int, []byte, error) {
	return send(ctx, s.operator, request{method, "http://endcap" + path, in, headers})
}

// request is one request; in is its body as JSON, nil for none.
type request struct {
	method, url string
	in          any
	headers     []string
}

func send(ctx context.Context, c *http.Client, r request) (int, []byte, error) {
	var body io.Reader
	if r.in != nil {
		b, err := json.Marshal(r.in)
		if err != nil {
			return 0, nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, body)
	if err != nil {
		return 0, nil, err
	}
	if r.in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(r.headers); i += 2 {
		req.Header.Set(r.headers[i], r.headers[i+1])
	}
	answer, err := c.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, text, err
}

// ask is call for requests that succeed, to a route such as "GET /v1/status";
// out may be nil.
func (s *server) ask(t *testing.T, route string, in, out any, headers ...string) {
	t.Helper()
	ctx := t.Context()
	method, path, _ := strings.Cut(route, " ")
	var status int
	var text []byte
	var err error
	if s.key == "" {
		status, text, err = s.own(ctx, method, path, in, headers...)
	} else {
		status, text, err = s.call(ctx, method, path, in, headers...)
	}
	if err != nil || status >= 300 {
		t.Fatalf("%s %s: status %d, %v\n%s", method, path, status, err, text)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			t.Fatalf("%s %s: answer %v\n%s", method, path, err, text)
		}
	}
}

// makeKey gives the server a key with every scope.
func (s *server) makeKey(t *testing.T) {
	t.Helper()
	s.key = strings.TrimSpace(must(t, "key", "create", "test", "--dir", s.dir, "--scopes", everyScope))
}

// settle waits until every follower has read the whole stream and the outbox is
// empty.
func (s *server) settle(t *testing.T) {
	t.Helper()
	var text []byte
	for range 18_000 {
		var status struct {
			CaughtUp bool `json:"caught_up"`
		}
		_, b, err := s.own(t.Context(), http.MethodGet, "/v1/status", nil)
		if text = b; err == nil && json.Unmarshal(b, &status) == nil && status.CaughtUp {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the followers did not catch up in three minutes: %s", text)
}

// query asks history for accounting; NULL is "".
func (s *server) query(t *testing.T, sql string) [][]string {
	t.Helper()
	return s.queryFor(t, "accounting", sql)
}

func (s *server) queryFor(t *testing.T, purpose, sql string) [][]string {
	t.Helper()
	status, text, err := s.own(t.Context(), http.MethodPost, "/v1/query", map[string]any{"sql": sql, "purpose": purpose, "limit": 100_000})
	if err != nil || status != http.StatusOK {
		t.Fatalf("query %q: status %d, %v\n%s", sql, status, err, text)
	}
	var out struct {
		Rows [][]*string
		Cut  bool
	}
	if err := json.Unmarshal(text, &out); err != nil || out.Cut {
		t.Fatalf("query %q: %v, cut %t", sql, err, out.Cut)
	}
	rows := make([][]string, len(out.Rows))
	for i, row := range out.Rows {
		for _, v := range row {
			if v == nil {
				v = new(string)
			}
			rows[i] = append(rows[i], *v)
		}
	}
	return rows
}

// one is query for a single value.
func (s *server) one(t *testing.T, sql string) string {
	t.Helper()
	rows := s.query(t, sql)
	if len(rows) != 1 || len(rows[0]) != 1 {
		t.Fatalf("query %q: %v, want one value", sql, rows)
	}
	return rows[0][0]
}
