package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"
)

// ask sends one request through the socket of a data directory and gives the
// answer's status.
func ask(ctx context.Context, dir, method, path string, in any) (int, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://endcap"+path, bytes.NewReader(text))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "endcap.sock"))
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: time.Minute}
	answer, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

// sell sends receipts of four lines each, a hundred at a time.
func sell(ctx context.Context, dir string) error {
	run := time.Now().UnixNano()
	for n := 0; n < receipts; n += 100 {
		var batch []map[string]any
		for i := n; i < n+100; i++ {
			var lines []map[string]any
			for l := range 4 {
				lines = append(lines, map[string]any{"product": fmt.Sprint("bench-", (i*7+l)%500), "quantity": 1 + l, "sales": "2.49"})
			}
			batch = append(batch, map[string]any{
				"id": fmt.Sprintf("bench-%d-%d", run, i), "store": "s1", "at": "2017-12-30T12:00:00Z",
				"shopper": map[string]string{"card": fmt.Sprint("bench-card-", i%400)}, "lines": lines,
			})
		}
		status, err := ask(ctx, dir, http.MethodPost, "/v1/receipts", map[string]any{"receipts": batch})
		if err != nil {
			return fmt.Errorf("send receipts: %w", err)
		}
		if status >= http.StatusMultipleChoices {
			return fmt.Errorf("send receipts: status %d", status)
		}
	}
	return nil
}
