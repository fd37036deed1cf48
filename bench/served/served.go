// Package served runs a house for a benchmark, and asks it through the socket in
// its data directory, as the program's own subcommands do: without an API key.
//
// It stands beside the road of a receipt; what drives it is measured elsewhere.
package served

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
	"strings"
	"syscall"
	"time"
)

// House is a house that this machine serves.
type House struct {
	Process int // the number of the program that serves; 0 where At found it running
	http    *http.Client
}

// At speaks to the house whose data directory is dir.
func At(dir string) *House {
	return &House{http: &http.Client{Timeout: 10 * time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", filepath.Join(dir, "endcap.sock"))
		},
		MaxIdleConnsPerHost: 16,
	}}}
}

// Serve starts program bin on dir, with more arguments of `endcap serve`, and
// returns when it is ready. The caller must call stop, which waits for its end.
func Serve(ctx context.Context, bin, dir string, args ...string) (h *House, stop func() error, err error) {
	cmd := exec.CommandContext(ctx, bin, append([]string{"serve", "--dir", dir, "--log-level", "error"}, args...)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("serve: %w", err)
	}
	h = At(dir)
	h.Process = cmd.Process.Pid
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop = func() error {
		h.http.CloseIdleConnections()
		return errors.Join(cmd.Process.Signal(syscall.SIGTERM), <-ended)
	}
	for h.Ask(ctx, "GET /readyz", nil, nil) != nil {
		select {
		case err := <-ended:
			return nil, nil, fmt.Errorf("serve ended before it was ready: %w", err)
		case <-ctx.Done():
			return nil, nil, errors.Join(ctx.Err(), stop())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return h, stop, nil
}

// answerMax is how many bytes of an answer are read.
const answerMax = 256 << 20

// Ask makes one request, such as "GET /v1/status", with in as its JSON body, and
// reads the answer's JSON into out; both may be nil. Headers come as name and
// value in turn. An answer from 300 on is an error.
func (h *House) Ask(ctx context.Context, route string, in, out any, headers ...string) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	method, path, _ := strings.Cut(route, " ")
	req, err := http.NewRequestWithContext(ctx, method, "http://house"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	answer, err := h.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerMax))
	if err == nil && answer.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s: %s: %.500s", route, answer.Status, text)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(text, out)
	}
	return err
}
