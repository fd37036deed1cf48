package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

	"endcap/bench/load"
)

// serverCore is the core that the measured servers run on; make bench-decide
// keeps this program, the client, on another.
const serverCore = "0"

// process is a server under measurement.
type process struct {
	load.Server

	cmd *exec.Cmd
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
	p := &process{load.Server{Target: "http://" + address, Client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: openClients, DisableCompression: true}, Timeout: time.Minute,
	}}, cmd}
	if key, err := os.ReadFile(filepath.Join(filepath.Dir(log), keyFile)); err == nil { // before it is prepared there is none
		p.Key = string(bytes.TrimSpace(key))
	}
	for range 600 {
		if answer, err := p.Client.Get(p.Target + ready); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return p, nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil, errors.Join(fmt.Errorf("%s did not get ready; see %s", args[0], log), p.stop())
}

// startEndcap serves the house and waits until it has kept house for its day,
// which it does once: a load of a week leaves seven days to seal, and no shop
// seals so many beside its visits.
func startEndcap(ctx context.Context, o *options) (*process, error) {
	p, err := start(ctx, "/readyz", filepath.Join(o.dir, "serve.log"), o.binary, "serve", "--dir", o.dir, "--clock", "replay", "--listen")
	if err != nil {
		return nil, err
	}
	for range keptMost / keptLook {
		if b, err := os.ReadFile(filepath.Join(o.dir, "kept")); err == nil && bytes.HasPrefix(b, []byte(o.grocer.day.String())) {
			return p, nil
		}
		time.Sleep(keptLook)
	}
	return nil, errors.Join(fmt.Errorf("house was not kept within %s; see serve.log", keptMost), p.stop())
}

// How long the night's work may take, and how often it is looked for.
const (
	keptMost = 10 * time.Minute
	keptLook = 100 * time.Millisecond
)

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
	p.Client.CloseIdleConnections()
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

// settle waits until every follower has read everything, records too.
func (p *process) settle(ctx context.Context) error {
	for range 1_200 {
		var s struct {
			CaughtUp bool `json:"caught_up"`
		}
		if err := p.Ask(ctx, "GET /v1/status", nil, &s); err != nil || s.CaughtUp {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("the followers did not catch up in a minute")
}

// counted reads one counter of the server's metrics.
func (p *process) counted(ctx context.Context, name string) (int64, error) {
	b, err := p.Call(ctx, "GET /metrics", nil)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
		}
	}
	return 0, err
}
