// Package cli holds the subcommands that are clients of the API: they speak to
// whoever serves a data directory, through its socket, with the rights of its
// owner, and none of them opens a store. Flag structs are bound by kong.
//
// On the road of a receipt they are doors for people: an analyst's question, a
// report, a request of a shopper's, a row in quarantine.
package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// Session is one run of a command: where it writes, and how it finds a server.
type Session struct {
	Stdout, Stderr io.Writer
	Version        string // of the program
	Now            func() time.Time

	// Open serves a data directory that nobody serves, until Close of the answer.
	Open func(ctx context.Context, dir string) (func(context.Context) error, error)
}

// UsageError is a mistake in how a command was used.
type UsageError struct{ err error }

// Misused makes a UsageError of what was wrong.
func Misused(err error) error { return UsageError{err} }

// Error says what was wrong.
func (e UsageError) Error() string { return e.err.Error() }

// Unwrap gives what was wrong.
func (e UsageError) Unwrap() error { return e.err }

// DirFlags say which house a command speaks to.
type DirFlags struct {
	Dir string `help:"The data directory." short:"d" default:"data/endcap" env:"ENDCAP_DIR" type:"path"`
}

// SocketFile is the name of the owner's socket in a data directory.
const SocketFile = "endcap.sock"

// Client speaks to the owner of a data directory through its socket.
type Client struct {
	http *http.Client
}

// base is the address used over the socket; the host name is never resolved.
const base = "http://endcap"

func dial(dir string) *Client {
	path := filepath.Join(dir, SocketFile)
	return &Client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}}}
}

// WithOwner runs do against the owner of dir, and opens one for as long as it
// takes where none runs.
func (s *Session) WithOwner(ctx context.Context, dir string, do func(*Client) error) error {
	c := dial(dir)
	if alive(ctx, c) {
		return do(c)
	}
	shut, err := s.Open(ctx, dir)
	if err != nil {
		return err
	}
	return errors.Join(do(c), shut(ctx))
}

func alive(ctx context.Context, c *Client) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := c.Call(ctx, http.MethodGet, "/healthz", nil)
	if err != nil {
		return false
	}
	return r.Close() == nil
}

// Call sends one request and gives the body of a good answer; a problem comes
// back as an error that says what the server said.
func (c *Client) Call(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
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
		return Misused(errors.New(say))
	}
	return errors.New(say)
}

// pageRows is how many rows a page of a list has.
const pageRows = 500

// pages calls each with every row that a list route answers under a field, page
// by page. The route may have a query, such as "GET /v1/privacy/requests?open=true".
func pages[T any](ctx context.Context, c *Client, route, field string, each func(*T) error) error {
	join := "?"
	if strings.Contains(route, join) {
		join = "&"
	}
	for after := ""; ; {
		var page map[string]json.RawMessage
		if err := c.Ask(ctx, fmt.Sprintf("%s%slimit=%d&after=%s", route, join, pageRows, url.QueryEscape(after)), nil, &page); err != nil {
			return err
		}
		var rows []T
		if err := json.Unmarshal(page[field], &rows); err != nil {
			return fmt.Errorf("read the answer's %s: %w", field, err)
		}
		for i := range rows {
			if err := each(&rows[i]); err != nil {
				return err
			}
		}
		after = ""
		if next, ok := page["next"]; ok {
			if err := json.Unmarshal(next, &after); err != nil {
				return fmt.Errorf("read where the next page begins: %w", err)
			}
		}
		if after == "" {
			return nil
		}
	}
}

// Ask is Call with a JSON answer; a route is written "GET /v1/status".
func (c *Client) Ask(ctx context.Context, route string, in, out any) error {
	method, path, _ := strings.Cut(route, " ")
	body, err := c.Call(ctx, method, path, in)
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
