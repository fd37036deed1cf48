package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"
)

// dirFlags say which house a command speaks to.
type dirFlags struct {
	Dir string `help:"The data directory." short:"d" default:"data/endcap" env:"ENDCAP_DIR" type:"path"`
}

// client speaks to the owner of a data directory through its socket.
type client struct {
	http *http.Client
}

// base is the address used over the socket; the host name is never resolved.
const base = "http://endcap"

func dial(dir string) *client {
	path := filepath.Join(dir, socketFile)
	return &client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}}}
}

// withOwner runs do against the owner of dir, and starts one for as long as it
// takes where none runs.
func withOwner(ctx context.Context, m *Main, dir string, do func(*client) error) error {
	c := dial(dir)
	if alive(ctx, c) {
		return do(c)
	}
	owner, err := openOwner(ctx, m, dir, ownerOptions{Level: slog.LevelWarn})
	if err != nil {
		return err
	}
	err = do(c)
	return errors.Join(err, closeOwner(ctx, owner))
}

func alive(ctx context.Context, c *client) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := call(ctx, c, http.MethodGet, "/healthz", nil)
	if err != nil {
		return false
	}
	return r.Close() == nil
}

// call sends one request and gives the body of a good answer; a problem comes
// back as an error that says what the server said.
func call(ctx context.Context, c *client, method, path string, in any) (io.ReadCloser, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	if answer.StatusCode >= 300 {
		defer func() { _ = answer.Body.Close() }()
		return nil, problemError(answer)
	}
	return answer.Body, nil
}

// problemMax bounds how much of a problem is read.
const problemMax = 64 << 10

func problemError(answer *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(answer.Body, problemMax))
	var p struct {
		Detail, Field, Cure string
		Errors              []struct{ Message, Location string }
	}
	if json.Unmarshal(b, &p) != nil || p.Detail == "" {
		return fmt.Errorf("the server answered %s", answer.Status)
	}
	say := p.Detail
	if p.Field != "" {
		say = strings.TrimPrefix(p.Field, "body.") + ": " + say
	}
	for _, e := range p.Errors {
		if e.Message != "" && !strings.Contains(say, e.Message) {
			say += "; " + e.Location + ": " + e.Message
		}
	}
	if p.Cure != "" {
		say += "; " + p.Cure
	}
	if answer.StatusCode == http.StatusUnprocessableEntity || answer.StatusCode == http.StatusBadRequest || answer.StatusCode == http.StatusNotFound {
		return usageError{errors.New(say)}
	}
	return errors.New(say)
}

// ask is call with a JSON answer; a route is written "GET /v1/status".
func ask(ctx context.Context, c *client, route string, in, out any) error {
	method, path, _ := strings.Cut(route, " ")
	body, err := call(ctx, c, method, path, in)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
