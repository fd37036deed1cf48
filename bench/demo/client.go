package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// client speaks to the server as any outsider would.
type client struct {
	http              *http.Client
	target, key, seed string

	mu     sync.Mutex
	record *os.File // decision requests, or nil
}

func newClient(o *options) *client {
	return &client{
		http:   &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * o.flying}},
		target: o.target, key: o.key, seed: o.seed,
	}
}

// errExists is what the server says when something is set up already.
var errExists = errors.New("it exists")

// send makes one request, such as "GET /v1/status", with a JSON body and reads a
// JSON answer.
func (c *client) send(ctx context.Context, route string, in, out any, headers ...string) error {
	method, path, _ := strings.Cut(route, " ")
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode %s: %w", path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.target+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	answer, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", method, path, err)
	case answer.StatusCode == http.StatusConflict || answer.StatusCode == http.StatusPreconditionFailed:
		return fmt.Errorf("%s %s: %w: %s", method, path, errExists, text)
	case answer.StatusCode >= 300:
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s %s: answer: %w", method, path, err)
	}
	return nil
}

// set puts terms; terms that stand already are left alone, so that a demo can
// be started again.
func (c *client) set(ctx context.Context, path string, doc any) error {
	err := c.send(ctx, "PUT "+path, doc, nil, "If-None-Match", "*")
	if errors.Is(err, errExists) {
		return nil
	}
	return err
}

// advance moves the server's replay clock.
func (c *client) advance(ctx context.Context, t time.Time) error {
	return c.send(ctx, "PUT /v1/clock", map[string]string{"now": t.UTC().Format(time.RFC3339Nano)}, nil)
}

// query asks history and returns rows of text.
func (c *client) query(ctx context.Context, sql string) ([][]string, error) {
	var out struct {
		Rows [][]*string `json:"rows"`
	}
	err := c.send(ctx, "POST /v1/query", map[string]any{"sql": sql, "purpose": "accounting", "limit": 10_000}, &out)
	rows := make([][]string, len(out.Rows))
	for i, row := range out.Rows {
		for _, v := range row {
			if v == nil {
				rows[i] = append(rows[i], "")
			} else {
				rows[i] = append(rows[i], *v)
			}
		}
	}
	return rows, err
}

func cents(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return sign + strconv.FormatInt(n/100, 10) + "." + fmt.Sprintf("%02d", n%100)
}
