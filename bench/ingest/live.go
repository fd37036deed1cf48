package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"endcap/bench/figure"
	"endcap/bench/served"
)

// How a till sells while a file is loaded.
const (
	tillPace  = 100 * time.Millisecond // between an answer and the next receipt
	tillCards = 50
)

// tills measures how soon a receipt from a till is in its shopper's profile while
// the year is loaded into the same house.
func tills(ctx context.Context, out io.Writer, o options) (err error) {
	dir, err := os.MkdirTemp(o.dir, "house")
	if err != nil {
		return err
	}
	if err := furnish(ctx, o, dir); err != nil {
		return err
	}
	home, stop, err := served.Serve(ctx, o.bin, dir, "--listen", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop(), os.RemoveAll(dir)) }()
	if _, err := ring(ctx, home, 0); err != nil { // so that the house knows that a till is there
		return err
	}
	loaded := make(chan error, 1)
	var said struct {
		Lines          int64
		ProfileSeconds float64 `json:"profile_seconds"`
	}
	go func() {
		_, err := endcap(ctx, o, &said, "ingest", "--json", "--dir", dir, "--kind", "receipts", "--mapping", mapping, filepath.Join(o.data, "transactions.parquet"))
		loaded <- err
	}()
	var took []time.Duration
	for n, open := 1, true; open; n++ {
		d, err := ring(ctx, home, n)
		if err != nil {
			return errors.Join(err, <-loaded)
		}
		took = append(took, d)
		select {
		case err := <-loaded:
			if err != nil {
				return err
			}
			open = false
		case <-time.After(tillPace):
		}
	}
	slices.Sort(took)
	figure.Print(out, "ingest.till_receipts", len(took), "receipts")
	figure.Print(out, "ingest.till_p50", millis(took[len(took)/2]), "ms")
	figure.Goal(out, "ingest.till_p99", millis(took[len(took)*99/100]), "ms", "<=1000")
	figure.Print(out, "ingest.till_load_rate", int64(float64(said.Lines)/said.ProfileSeconds), "lines/s")
	return nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1_000 }

// ring sends one receipt and waits until her profile holds it.
func ring(ctx context.Context, home *served.House, n int) (time.Duration, error) {
	begun := time.Now()
	var answer struct{ Profile string }
	err := home.Ask(ctx, "POST /v1/receipts", map[string]any{"receipts": []any{map[string]any{
		"id": "till-" + strconv.Itoa(n), "store": "till", "at": begun.UTC().Format(time.RFC3339), "shopper": map[string]string{"card": fmt.Sprint("till-", n%tillCards)},
		"lines": []any{map[string]any{"product": "till-bread", "quantity": 1, "sales": "2.50"}},
	}}}, &answer, "Prefer", "wait=30")
	if err == nil && answer.Profile != "seen" {
		err = fmt.Errorf("receipt %d was not in its profile after half a minute", n)
	}
	return time.Since(begun), err
}
