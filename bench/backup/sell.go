package main

import (
	"context"
	"fmt"
	"time"

	"endcap/bench/served"
)

// sell sends receipts of four lines each, a hundred at a time.
func sell(ctx context.Context, home *served.House) error {
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
		if err := home.Ask(ctx, "POST /v1/receipts", map[string]any{"receipts": batch}, nil); err != nil {
			return err
		}
	}
	return nil
}
