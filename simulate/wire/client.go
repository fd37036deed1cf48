package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"endcap/retail"
)

// Client speaks to the server as any outsider would.
type Client struct {
	HTTP        *http.Client
	Target, Key string
}

// answerMax is how many bytes of an answer are read.
const answerMax = 64 << 20

// errExists is what the server says when something is booked already, or when
// its clock stands later.
var errExists = errors.New("it exists")

// Send makes one request, such as "GET /v1/status", with a JSON body and reads a
// JSON answer; both may be nil. Headers come as name and value in turn.
func (c *Client) Send(ctx context.Context, route string, in, out any, headers ...string) error {
	method, path, _ := strings.Cut(route, " ")
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode %s: %w", path, err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Target+path, body)
	if err != nil {
		return fmt.Errorf("%s: %w", route, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Key)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	answer, err := c.HTTP.Do(req)
	if err != nil {
		return &retail.Error{Kind: retail.Unavailable, Field: "server", Say: "the server does not answer", Cure: "the same command goes on where this one stopped", Err: err}
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerMax))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", route, err)
	case answer.StatusCode == http.StatusConflict || answer.StatusCode == http.StatusPreconditionFailed:
		return fmt.Errorf("%s: %w: %.500s", route, errExists, text)
	case answer.StatusCode >= http.StatusMultipleChoices:
		return fmt.Errorf("%s: %s: %.500s", route, answer.Status, text)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s: answer: %w", route, err)
	}
	return nil
}

// Set puts terms; what stands already is left alone, so that a play or a demo can go on.
func (c *Client) Set(ctx context.Context, path string, doc any) error {
	err := c.Send(ctx, "PUT "+path, doc, nil, "If-None-Match", "*")
	if errors.Is(err, errExists) {
		return nil
	}
	return err
}

// Status is what a play must know of the server.
type Status struct {
	Clock    string    `json:"clock"`
	Now      time.Time `json:"now"`
	CaughtUp bool      `json:"caught_up"`
}

// Settling: how often the server is asked whether it has caught up, and for how
// long.
const (
	settleEvery = 50 * time.Millisecond
	settleTries = 12_000
)

// Settle waits until the server has told everything to everybody within.
func (c *Client) Settle(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for range settleTries {
		var s Status
		if err := c.Send(ctx, "GET /v1/status", nil, &s); err != nil {
			return err
		}
		if s.CaughtUp {
			return nil
		}
		timer.Reset(settleEvery)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
	}
	return errors.New("the server did not catch up in ten minutes")
}

// Query asks history; a null is an empty text. Where the answer is cut, it fails
// with ErrCut.
func (c *Client) Query(ctx context.Context, sql string) ([][]string, error) {
	var out struct {
		Rows [][]*string `json:"rows"`
		Cut  bool        `json:"cut"`
	}
	if err := c.Send(ctx, "POST /v1/query", map[string]any{"sql": sql, "purpose": "accounting", "limit": queryMax}, &out); err != nil {
		return nil, err
	}
	if out.Cut {
		return nil, ErrCut
	}
	rows := make([][]string, len(out.Rows))
	for i, row := range out.Rows {
		rows[i] = make([]string, len(row))
		for j, v := range row {
			if v != nil {
				rows[i][j] = *v
			}
		}
	}
	return rows, nil
}

// ErrCut says that an answer has more rows than one question may give.
var ErrCut = errors.New("history has more rows of one question than it gives")

// queryMax is how many rows one question may give.
const queryMax = 100_000
