package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"endcap/gate/api/admin"
	"endcap/gate/connect"
	"endcap/gate/connect/mapping"
	"endcap/retail"
)

// IngestCmd loads a file.
type IngestCmd struct {
	DirFlags
	File    string `arg:"" help:"CSV, NDJSON or Parquet, also .gz and .zst." type:"existingfile"`
	Kind    string `help:"What the file holds." enum:"receipts,products,stores,prices,stock,promotions,shoppers,consents" required:""`
	Mapping string `help:"Names the file's own columns, zone and currency (docs/data-mapping.md)." required:"" type:"existingfile"`
	From    string `help:"Receipts from this business day on, e.g. 2026-01-01."`
	Until   string `help:"Receipts before this business day."`
	JSON    bool   `name:"json" help:"Print the summary as JSON."`
}

// Help shows an example.
func (*IngestCmd) Help() string {
	return "endcap ingest --kind receipts --mapping mappings/complete-journey.json data/complete-journey/transactions.parquet"
}

// Run has the owner load the file and shows how it goes.
func (c *IngestCmd) Run(ctx context.Context, s *Session) error {
	text, err := os.ReadFile(c.Mapping)
	if err != nil {
		return fmt.Errorf("read mapping: %w", err)
	}
	if err := c.check(text); err != nil {
		return Misused(err)
	}
	file, err := filepath.Abs(c.File)
	if err != nil {
		return fmt.Errorf("find file: %w", err)
	}
	in := admin.Import{File: file, Kind: c.Kind, Mapping: text, From: c.From, Until: c.Until}
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		body, err := o.Call(ctx, http.MethodPost, "/v1/imports", in)
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		summary, err := follow(body, c.bar(s))
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(s.Stdout).Encode(summary)
		}
		return writeSummary(s.Stdout, summary)
	})
}

// check refuses what can be seen to be wrong before the owner is asked.
func (c *IngestCmd) check(text []byte) error {
	m, err := mapping.Parse(text)
	if err != nil {
		return fmt.Errorf("mapping %s: %w", c.Mapping, err)
	}
	if !slices.Contains(m.Feeds(), mapping.Kind(c.Kind)) {
		return fmt.Errorf("mapping %s has no feed %q", c.Mapping, c.Kind)
	}
	for _, day := range []struct{ flag, text string }{{"--from", c.From}, {"--until", c.Until}} {
		if _, err := retail.ParseDay(day.text); day.text != "" && err != nil {
			return fmt.Errorf("%s: %w", day.flag, err)
		}
	}
	return nil
}

// bar draws progress on standard error.
func (c *IngestCmd) bar(s *Session) func(admin.Imported) {
	start, draw := s.Now(), connect.Bar(s.Stderr, Terminal(s.Stderr), s.Now)
	return func(l admin.Imported) {
		draw(connect.Progress{
			File: c.File, Done: l.Done, Total: l.Total, Rows: l.Rows, PerSec: l.PerSec, Elapsed: s.Now().Sub(start),
			Left: time.Duration(l.LeftSec * float64(time.Second)), Sorting: l.Step == "sorting", Ended: l.Step == "folding",
		})
	}
}

// Terminal reports whether somebody looks at what is written to w.
func Terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// lineMax bounds one line of an import's answer.
const lineMax = 16 << 20

// follow reads an import's answer to its end.
func follow(body io.Reader, tell func(admin.Imported)) (*admin.Summary, error) {
	scan := bufio.NewScanner(body)
	scan.Buffer(nil, lineMax)
	for scan.Scan() {
		var line admin.Imported
		if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		switch {
		case line.Problem != "":
			return nil, errors.New(line.Problem)
		case line.Finished:
			return line.Summary, nil
		case line.Total > 0:
			tell(line)
		}
	}
	return nil, errors.Join(errors.New("the server broke off; the same command goes on where it ended"), scan.Err())
}

// amounts writes sums by currency: " 12.34 EUR 5.00 CHF".
func amounts(by map[string]string) string {
	var b strings.Builder
	for _, currency := range slices.Sorted(maps.Keys(by)) {
		b.WriteString(" " + by[currency] + " " + currency)
	}
	return b.String()
}

// writeSummary prints what a load did and what was odd.
func writeSummary(w io.Writer, s *admin.Summary) error {
	if s.AlreadyLoaded {
		_, err := fmt.Fprintln(w, "this file was loaded before and has not changed; nothing to do")
		return err
	}
	_, err := fmt.Fprintf(w, "%d rows: %d new, %d repeated, %d corrected, %d in quarantine\n", s.Rows, s.New, s.Repeat, s.Corrected, s.Quarantined)
	if s.Receipts > 0 {
		_, err = fmt.Fprintf(w, "%d receipts, %d lines, sales%s\n", s.Receipts, s.Lines, amounts(s.Sales))
	}
	if s.Promotions > 0 {
		_, err = fmt.Fprintf(w, "%d products promoted in stores' weeks\n", s.Promotions)
	}
	for _, part := range []struct {
		say string
		of  map[string]int64
	}{{"kept and marked, lines", s.LineMarks}, {"kept and marked, receipts", s.ReceiptMarks}, {"in quarantine", s.QuarantinedBy}, {"kept, purposes of consents that do not count", s.Withheld}} {
		for _, word := range slices.Sorted(maps.Keys(part.of)) {
			_, err = fmt.Fprintf(w, "  %s: %s %d\n", part.say, word, part.of[word])
		}
	}
	if s.Suppressed > 0 {
		_, err = fmt.Fprintf(w, "  left out, for they name somebody who was forgotten: %d\n", s.Suppressed)
	}
	if s.UnknownProducts+s.UnknownStores > 0 {
		_, err = fmt.Fprintf(w, "  products the catalogue lacks: %d; stores derived from receipts: %d\n", s.UnknownProducts, s.UnknownStores)
	}
	if s.SkippedLines > 0 {
		_, err = fmt.Fprintf(w, "  outside the given days: %d receipts, %d lines\n", s.SkippedReceipts, s.SkippedLines)
	}
	if s.LoadSeconds > 0 {
		_, err = fmt.Fprintf(w, "on disk after %.1f s (%.0f rows/s), in history after %.1f s, in every profile after %.1f s\n",
			s.LoadSeconds, float64(s.Rows)/s.LoadSeconds, s.QuerySeconds, s.ProfileSeconds)
	}
	return err
}
