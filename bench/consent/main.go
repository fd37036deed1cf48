// Command consent measures how soon a no counts: shoppers who allowed everything
// withdraw all of it from a running house, while receipts keep coming in, and
// are looked for in decisions, in an audience and in the rows of measurement,
// until they are nowhere, and once more a minute later.
//
// It is beside the road of a receipt, with a stopwatch: make bench-consent.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"endcap/bench/figure"
	"endcap/bench/served"
)

// options are what the command line says.
type options struct {
	bin      string
	shoppers int
	wait     time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin/endcap", "the program to measure, as make build makes it")
	flag.IntVar(&o.shoppers, "shoppers", 1_000, "how many shoppers; half of them withdraw")
	flag.DurationVar(&o.wait, "wait", time.Minute, "how long after the withdrawal they are counted for the figures")
	flag.Parse()
	figure.Main("consent", func(ctx context.Context, out io.Writer) error { return run(ctx, out, o) })
}

// house is a served data directory, spoken to over its socket as its owner.
type house struct {
	*served.House
	shoppers int
}

func run(ctx context.Context, out io.Writer, o options) (err error) {
	dir, err := os.MkdirTemp("", "bench-consent")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if said, err := exec.CommandContext(ctx, o.bin, "init", "--dir", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("init: %w: %s", err, said)
	}
	home, stop, err := served.Serve(ctx, o.bin, dir, "--listen", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	h := &house{home, o.shoppers}
	if err := h.fill(ctx); err != nil {
		return err
	}
	return h.measure(ctx, out, o)
}

func card(n int) map[string]string { return map[string]string{"card": fmt.Sprintf("card-%06d", n)} }

// batch is how many rows one request brings.
const batch = 500

// fill has every shopper allow everything and buy the same twice, and waits until
// all of it is seen everywhere.
func (h *house) fill(ctx context.Context) error {
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		err := h.Ask(ctx, "PUT /v1/products", map[string]any{"products": []any{map[string]any{"id": "oats", "name": "Oats", "category": "BREAKFAST"}}}, nil)
		if err == nil {
			break
		}
		if ctx.Err() != nil || time.Since(begun) > time.Minute {
			return err
		}
	}
	if err := h.say(ctx, "yes", h.shoppers, []string{"personal_offers", "personal_ads", "measurement"}, time.Now().Add(-time.Hour)); err != nil {
		return err
	}
	for round := range 2 {
		if err := h.buy(ctx, fmt.Sprint("r", round), time.Now().AddDate(0, 0, -1-round)); err != nil {
			return err
		}
	}
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		found, err := h.look(ctx, h.shoppers)
		if err != nil {
			return err
		}
		if found.answers == h.shoppers && found.members == h.shoppers && found.rows >= 2*h.shoppers {
			return nil
		}
		if time.Since(begun) > 2*time.Minute {
			return fmt.Errorf("of %d shoppers only %+v is seen after two minutes", h.shoppers, found)
		}
	}
}

func (h *house) say(ctx context.Context, id string, most int, allowed []string, at time.Time) error {
	for from := 0; from < most; from += batch {
		var rows []any
		for n := from; n < min(from+batch, most); n++ {
			rows = append(rows, map[string]any{"id": id + strconv.Itoa(n), "shopper": card(n), "allowed": allowed, "at": at.UTC().Format(time.RFC3339Nano)})
		}
		if err := h.Ask(ctx, "PUT /v1/consents", map[string]any{"consents": rows}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (h *house) buy(ctx context.Context, id string, at time.Time) error {
	for from := 0; from < h.shoppers; from += batch {
		var rows []any
		for n := from; n < min(from+batch, h.shoppers); n++ {
			rows = append(rows, map[string]any{
				"id": id + "-" + strconv.Itoa(n), "store": "s1", "at": at.UTC().Format(time.RFC3339), "shopper": card(n),
				"lines": []any{map[string]any{"product": "oats", "quantity": 1, "sales": "2.50"}},
			})
		}
		if err := h.Ask(ctx, "POST /v1/receipts", map[string]any{"receipts": rows}, nil); err != nil {
			return err
		}
	}
	return nil
}

// found is where shoppers are found.
type found struct {
	answers int // shoppers of those asked whose decision is made from their purchases
	members int // of the audience of all who bought
	rows    int // of receipts under measurement
}

// look asks for a decision for each of the first shoppers, and counts the
// audience and the rows.
func (h *house) look(ctx context.Context, most int) (f found, err error) {
	for n := range most {
		var d struct{ Proposals []struct{ Reason string } }
		if err := h.Ask(ctx, "POST /v1/decisions", map[string]any{"shopper": card(n), "proposals": 1}, &d); err != nil {
			return f, err
		}
		for _, p := range d.Proposals {
			if p.Reason == "bought_often" {
				f.answers++
			}
		}
	}
	return f, h.counts(ctx, &f)
}

func (h *house) counts(ctx context.Context, f *found) error {
	var e struct{ Size int }
	if err := h.Ask(ctx, "POST /v1/audiences/explain", map[string]any{"sentence": `bought product "oats"`}, &e); err != nil {
		return err
	}
	f.members = e.Size
	var table struct{ Rows [][]*string }
	if err := h.Ask(ctx, "POST /v1/query", map[string]any{"purpose": "measurement", "sql": "select count(*) from receipts"}, &table); err != nil {
		return err
	}
	if len(table.Rows) != 1 || table.Rows[0][0] == nil {
		return errors.New("the query gave no count")
	}
	var err error
	f.rows, err = strconv.Atoi(*table.Rows[0][0])
	return err
}

// measure withdraws and looks.
func (h *house) measure(ctx context.Context, out io.Writer, o options) error {
	gone := h.shoppers / 2
	stays := h.shoppers - gone
	load, stop := context.WithCancel(ctx)
	var loading sync.WaitGroup
	var loaded int
	var wrong error
	loading.Go(func() {
		for load.Err() == nil && wrong == nil {
			if wrong = h.buy(load, "load"+strconv.Itoa(loaded), time.Now().Add(-time.Minute)); wrong == nil {
				loaded++
			}
		}
	})
	begun := time.Now()
	err := h.say(ctx, "no", gone, []string{}, begun)
	said := time.Since(begun)
	var first found
	if err == nil {
		first, err = h.look(ctx, gone)
	}
	var audience time.Duration
	for err == nil {
		var f found
		if err = h.counts(ctx, &f); f.members == stays || time.Since(begun) > o.wait {
			audience = time.Since(begun)
			break
		}
	}
	if left := o.wait - time.Since(begun); err == nil && left > 0 {
		select {
		case <-time.After(left):
		case <-ctx.Done():
		}
	}
	stop()
	loading.Wait()
	if wrong != nil && !errors.Is(wrong, context.Canceled) {
		err = errors.Join(err, fmt.Errorf("load: %w", wrong))
	}
	if err != nil {
		return err
	}
	last, err := h.look(ctx, gone)
	if err != nil {
		return err
	}
	rows, err := h.rowsOf(ctx)
	if err != nil {
		return err
	}
	figure.Print(out, "consent.withdrawn", gone, "shoppers")
	figure.Print(out, "consent.receipts_meanwhile", loaded*h.shoppers, "receipts")
	figure.Print(out, "consent.withdrawals_answered", said.Milliseconds(), "ms")
	figure.Goal(out, "consent.personal_answers_at_once", first.answers, "shoppers", "=0")
	figure.Goal(out, "consent.audience_without_them", audience.Milliseconds(), "ms", "<=60000")
	figure.Goal(out, "consent.personal_answers_later", last.answers, "shoppers", "=0")
	figure.Goal(out, "consent.audience_members_later", last.members-stays, "shoppers", "=0")
	figure.Goal(out, "consent.measured_shoppers_later", rows, "shoppers", "=0")
	return nil
}

// rowsOf is of how many shoppers more than those who still allow it there are
// rows under measurement.
func (h *house) rowsOf(ctx context.Context) (int, error) {
	var table struct{ Rows [][]*string }
	err := h.Ask(ctx, "POST /v1/query", map[string]any{
		"purpose": "measurement", "sql": "select count(distinct shopper) from receipts",
	}, &table)
	switch {
	case err != nil:
		return 0, err
	case len(table.Rows) != 1 || table.Rows[0][0] == nil:
		return 0, errors.New("the query gave no count")
	}
	measured, err := strconv.Atoi(*table.Rows[0][0])
	return max(0, measured-(h.shoppers-h.shoppers/2)), err
}
