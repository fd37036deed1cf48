package cli

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
)

// QueryCmd asks history in SQL.
type QueryCmd struct {
	DirFlags
	SQL     string `arg:"" help:"One SELECT over the views of docs/data.md."`
	Purpose string `help:"Under which right: accounting, measurement, personal_offers, personal_ads, offsite_matching, pooling." default:"accounting"`
	Format  string `help:"table, csv or json." enum:"table,csv,json" default:"table"`
	JSON    bool   `name:"json" help:"The same as --format json."`
	Limit   int    `help:"Most rows." default:"1000"`
}

// Help shows an example.
func (*QueryCmd) Help() string {
	return "endcap query 'select store, sum(sales) as sales from lines group by store order by sales desc limit 5'"
}

// answerTable is the answer of POST /v1/query.
type answerTable struct {
	Columns []struct{ Name, Type string }
	Rows    [][]*string
	Cut     bool
}

// Run asks and prints.
func (c *QueryCmd) Run(ctx context.Context, s *Session) error {
	if c.JSON {
		c.Format = "json"
	}
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		var t answerTable
		in := map[string]any{"sql": c.SQL, "purpose": c.Purpose, "limit": c.Limit}
		if err := o.Ask(ctx, "POST /v1/query", in, &t); err != nil {
			return err
		}
		if t.Cut {
			fmt.Fprintf(s.Stderr, "endcap: only the first %d rows; use --limit\n", c.Limit)
		}
		return writeTable(s.Stdout, &t, c.Format)
	})
}

func writeTable(w io.Writer, t *answerTable, format string) error {
	switch format {
	case "json":
		return writeObjects(w, t)
	case "csv":
		out := csv.NewWriter(w)
		_ = out.Write(names(t))
		for _, row := range t.Rows {
			_ = out.Write(texts(row, ""))
		}
		out.Flush()
		return out.Error()
	default:
		out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(out, strings.Join(names(t), "\t"))
		for _, row := range t.Rows {
			fmt.Fprintln(out, strings.Join(texts(row, "NULL"), "\t"))
		}
		return out.Flush()
	}
}

func writeObjects(w io.Writer, t *answerTable) error {
	e := json.NewEncoder(w)
	for _, row := range t.Rows {
		object := make(map[string]*string, len(row))
		for i, v := range row {
			object[t.Columns[i].Name] = v
		}
		if err := e.Encode(object); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

func names(t *answerTable) []string {
	out := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		out[i] = c.Name
	}
	return out
}

func texts(row []*string, null string) []string {
	out := make([]string, len(row))
	for i, v := range row {
		if out[i] = null; v != nil {
			out[i] = *v
		}
	}
	return out
}

// ReportCmd fetches a campaign's report.
type ReportCmd struct {
	DirFlags
	Campaign string `arg:"" help:"The campaign's id."`
	Format   string `help:"text, json, csv or html." enum:"text,json,csv,html" default:"text"`
	JSON     bool   `name:"json" help:"The same as --format json."`
	Out      string `help:"Write to this file." type:"path"`
}

// Help shows an example.
func (*ReportCmd) Help() string {
	return "endcap report yogurt-december --format html --out report.html"
}

// Run fetches the report and writes it.
func (c *ReportCmd) Run(ctx context.Context, s *Session) error {
	if c.JSON {
		c.Format = "json"
	}
	return s.WithOwner(ctx, c.Dir, func(o *Client) error {
		body, err := o.Call(ctx, http.MethodGet, "/v1/reports/campaigns/"+url.PathEscape(c.Campaign)+"?format="+c.Format, nil)
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		if c.Out == "" {
			_, err = io.Copy(s.Stdout, body)
			return err
		}
		return writeFile(c.Out, body)
	})
}

func writeFile(path string, r io.Reader) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err := io.Copy(f, r); err != nil {
		_ = f.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}
