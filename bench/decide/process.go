package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// serverCore is the core that the measured servers run on; make bench-decide
// keeps this program, the client, on another.
const serverCore = "0"

// process is a server under measurement.
type process struct {
	cmd    *exec.Cmd
	target string
	dir    string // where the benchmark's key is
	http   *http.Client
}

// clients is how many requests are under way at most; an open loop, which must
// not wait for its own answers, may have openClients.
const (
	clients     = 16
	openClients = 16 * clients
)

// start runs a server on one core and waits until it answers on its address,
// which follows args.
func start(ctx context.Context, ready, log string, args ...string) (*process, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	said, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = said.Close() }()
	cmd := exec.CommandContext(ctx, "taskset", append(append([]string{"-c", serverCore}, args...), address)...)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	p := &process{cmd, "http://" + address, filepath.Dir(log), &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: openClients, DisableCompression: true}, Timeout: time.Minute,
	}}
	for range 600 {
		if answer, err := p.http.Get(p.target + ready); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return p, nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil, errors.Join(fmt.Errorf("%s did not get ready; see %s", args[0], log), p.stop())
}

func startEndcap(ctx context.Context, o *options) (*process, error) {
	return start(ctx, "/readyz", filepath.Join(o.dir, "serve.log"), o.binary, "serve", "--dir", o.dir, "--clock", "replay", "--listen")
}

func startBare(ctx context.Context, o *options) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(ctx, "/", filepath.Join(o.dir, "bare.log"), self, "-answers", filepath.Join(o.dir, answersFile), "-bare")
}

func freeAddress(ctx context.Context) (string, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// stop asks the server to end and waits for it.
func (p *process) stop() error {
	p.http.CloseIdleConnections()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.cmd.Wait()
}

// cpu is the processor time that the server has used.
func (p *process) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read processor time (this needs Linux, not %s): %w", runtime.GOOS, err)
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	const user, system, tick = 11, 12, 10 * time.Millisecond
	var sum time.Duration
	for _, i := range []int{user, system} {
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			return 0, fmt.Errorf("read processor time: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// call makes one request with the benchmark's key and gives the answer's body.
func (p *process) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	key, err := os.ReadFile(filepath.Join(p.dir, keyFile))
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, p.target+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+string(bytes.TrimSpace(key)))
	req.Header.Set("Content-Type", "application/json")
	answer, err := p.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, b)
	}
	return b, err
}

// ask is call with JSON on both sides.
func (p *process) ask(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = b
	}
	b, err := p.call(ctx, method, path, body)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(b, out)
}

// settle waits until every follower has read everything, records too.
func (p *process) settle(ctx context.Context) error {
	for range 1_200 {
		var s struct {
			CaughtUp bool `json:"caught_up"`
		}
		if err := p.ask(ctx, http.MethodGet, "/v1/status", nil, &s); err != nil || s.CaughtUp {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("the followers did not catch up in a minute")
}

// counted reads one counter of the server's metrics.
func (p *process) counted(ctx context.Context, name string) (int64, error) {
	b, err := p.call(ctx, http.MethodGet, "/metrics", nil)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
		}
	}
	return 0, err
}
