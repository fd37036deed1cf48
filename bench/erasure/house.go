package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"endcap/bench/figure"
	"endcap/bench/served"
)

// house is the data directory under the stopwatch.
type house struct {
	options
	*served.House // while it is served
	dir           string
}

// multiply writes the receipts of all copies into one file, and says which card
// has most lines.
func multiply(ctx context.Context, o options, to string) (heaviest string, err error) {
	connector, err := duckdb.NewConnector("?threads=2", nil)
	if err != nil {
		return "", fmt.Errorf("open DuckDB: %w", err)
	}
	db := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, db.Close()) }()
	from := "read_parquet('" + filepath.Join(o.data, "transactions.parquet") + "')"
	for _, statement := range []string{
		"create table sold as select * from " + from,
		"create table firsts as select household_id, arg_min(basket_id, transaction_timestamp) as basket_id from sold group by household_id",
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return "", fmt.Errorf("read the data: %w", err)
		}
	}
	parts := make([]string, o.copies)
	for i := range parts {
		parts[i] = fmt.Sprintf("select * replace (basket_id || '-%d' as basket_id, household_id || '-%d' as household_id) from sold", i, i)
		if i > 0 {
			parts[i] += fmt.Sprintf(" where hash(basket_id, %d) %% 100 < %d or basket_id in (select basket_id from firsts)", i, o.share)
		}
	}
	if _, err := db.ExecContext(ctx, "copy ("+strings.Join(parts, " union all ")+") to '"+to+"' (format parquet)"); err != nil {
		return "", fmt.Errorf("write the shoppers: %w", err)
	}
	err = db.QueryRowContext(ctx, "select household_id || '-0' from sold group by household_id order by count(*) desc, household_id limit 1").Scan(&heaviest)
	return heaviest, err
}

// request asks for something in a shopper's name.
func (h *house) request(ctx context.Context, kind, card string) (id string, found bool, err error) {
	var r struct {
		ID    string
		Found bool
	}
	err = h.Ask(ctx, "POST /v1/privacy/requests", map[string]any{"kind": kind, "means": "operator", "shopper": map[string]string{"card": card}}, &r)
	return r.ID, r.Found, err
}

// rows asks an analyst's question under a purpose and gives the first row.
func (h *house) rows(ctx context.Context, purpose, question string) (string, error) {
	text, err := h.command(ctx, "query", "--dir", h.dir, "--purpose", purpose, "--format", "csv", question)
	_, row, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return row, err
}

// Questions of the measurement.
const (
	controls = "select count(*) as n, sum(sales) as s, sum(coupon_discount) as c from lines"
	members  = "select count(distinct shopper) as n from receipts"
	measured = "select count(*) as n from lines"
)

// uses says where she is known still: in decisions, in an audience, in
// measurement, to an access request. She alone allows anything in this house.
func (h *house) uses(ctx context.Context, card string) (known []string, err error) {
	var page struct{ Proposals []struct{ Reason string } }
	if err := h.Ask(ctx, "POST /v1/decisions", map[string]any{"shopper": map[string]string{"card": card}, "proposals": 5}, &page); err != nil {
		return nil, err
	}
	for _, p := range page.Proposals {
		if p.Reason == "bought_often" {
			known = append(known, "decisions")
			break
		}
	}
	for place, question := range map[string][2]string{"audiences": {"personal_ads", members}, "measurement": {"measurement", measured}} {
		row, err := h.rows(ctx, question[0], question[1])
		if err != nil {
			return nil, err
		}
		if row != "0" {
			known = append(known, place)
		}
	}
	_, found, err := h.request(ctx, "access", card)
	if found {
		known = append(known, "access")
	}
	return known, err
}

// measure asks for her file, erases her, and cleans up behind her.
func (h *house) measure(ctx context.Context, out io.Writer, card string) error {
	if err := h.settle(ctx, card); err != nil {
		return err
	}
	before, err := h.rows(ctx, "accounting", controls)
	if err != nil {
		return err
	}
	id, _, err := h.request(ctx, "access", card)
	if err != nil {
		return err
	}
	var file struct{ Purchases []struct{} }
	begun := time.Now()
	if err := h.Ask(ctx, "GET /v1/privacy/requests/"+url.PathEscape(id)+"/file", nil, &file); err != nil {
		return err
	}
	figure.Goal(out, "access.heaviest_seconds", time.Since(begun).Seconds(), "s", "<=1")
	figure.Print(out, "access.heaviest_lines", len(file.Purchases), "lines")
	begun = time.Now()
	if _, found, err := h.request(ctx, "erasure", card); err != nil || !found {
		return fmt.Errorf("she is not known before her erasure: %w", err)
	}
	figure.Print(out, "erasure.answer_seconds", time.Since(begun).Seconds(), "s")
	for {
		known, err := h.uses(ctx, card)
		if err != nil {
			return err
		}
		if len(known) == 0 {
			break
		}
	}
	figure.Goal(out, "erasure.out_of_use_seconds", time.Since(begun).Seconds(), "s", "<=60")
	return h.night(ctx, out, before)
}

// settle has her allow everything, and waits until the house knows her well and
// has sealed what is past.
func (h *house) settle(ctx context.Context, card string) error {
	allow := map[string]any{"consents": []any{map[string]any{
		"id": "bench", "shopper": map[string]string{"card": card}, "allowed": []string{"personal_offers", "personal_ads", "measurement"}, "wording": "bench", "at": "2018-01-02T11:00:00Z",
	}}}
	if err := h.Ask(ctx, "PUT /v1/consents", allow, nil); err != nil {
		return err
	}
	const morning = "2018-01-03T12:00:00Z"
	if err := h.Ask(ctx, "PUT /v1/clock", map[string]string{"now": morning}, nil); err != nil {
		return err
	}
	for ctx.Err() == nil {
		var past struct {
			Sweeps []struct{ Began time.Time }
		}
		known, err := h.uses(ctx, card)
		if err == nil {
			err = h.Ask(ctx, "GET /v1/privacy/sweeps", nil, &past)
		}
		if err != nil {
			return err
		}
		// A sweep of this morning has begun once the last night's work was done.
		if len(known) == 4 && len(past.Sweeps) > 0 && past.Sweeps[0].Began.Format(time.RFC3339) == morning {
			return nil
		}
		time.Sleep(time.Second)
	}
	return ctx.Err()
}

// night runs the job that cleans files, and compares totals.
func (h *house) night(ctx context.Context, out io.Writer, before string) error {
	var swept struct {
		Shoppers int `json:"history_shoppers"`
		Files    int `json:"sealed_files"`
	}
	if err := h.Ask(ctx, "PUT /v1/clock", map[string]string{"now": "2018-01-03T13:00:00Z"}, nil); err != nil {
		return err
	}
	begun := time.Now()
	if err := h.Ask(ctx, "POST /v1/privacy/sweeps", nil, &swept); err != nil {
		return err
	}
	figure.Print(out, "erasure.night_minutes", time.Since(begun).Minutes(), "min")
	figure.Print(out, "erasure.sealed_files", swept.Files, "files")
	begun = time.Now()
	if err := h.Ask(ctx, "POST /v1/privacy/retention/runs", map[string]bool{"dry": true}, nil); err != nil {
		return err
	}
	figure.Print(out, "retention.review_seconds", time.Since(begun).Seconds(), "s")
	after, err := h.rows(ctx, "accounting", controls)
	if err != nil {
		return err
	}
	changed := 0
	if after != before {
		changed = 1
	}
	figure.Goal(out, "erasure.totals_changed", changed, "totals", "=0")
	bytes, err := size(h.dir)
	figure.Print(out, "erasure.disk", float64(bytes)/1e9, "GB")
	return err
}

func size(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
		}
		return nil
	})
	return bytes, err
}
