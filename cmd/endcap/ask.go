package main

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
	"time"

	"endcap/retail"
	"endcap/retail/catalog"
)

type initCmd struct {
	dirFlags
	Name       string          `help:"The retailer's name." default:"Endcap"`
	Zone       string          `help:"Time zone of the business day." default:"UTC" placeholder:"Europe/Paris"`
	Currency   retail.Currency `help:"Currency of receipts that name none." default:"EUR"`
	Demo       bool            `help:"Allow a replay clock and seeded shopper ids; shown on every report."`
	Seed       string          `help:"Seed of shopper ids (demo only)."`
	ClockStart time.Time       `help:"Where the replay clock begins (demo only)." format:"2006-01-02T15:04:05Z07:00"`
	Dataset    string          `help:"What the data is; shown with every figure."`
	MinShopper int             `name:"shoppers-min" help:"Tell advertisers nothing about fewer shoppers." default:"50"`
	Never      []string        `name:"never-propose" help:"Departments whose products are never proposed, such as fuel." sep:","`
	NewToBrand int             `name:"new-to-brand-days" help:"Look-back that makes a buyer new to a brand." default:"365"`
}

// Help shows an example.
func (*initCmd) Help() string {
	return "endcap init --dir /srv/endcap --zone Europe/Paris --currency EUR"
}

// Run makes the data directory.
func (c *initCmd) Run(m *Main) error {
	s := settings{
		Layout: layout, Name: c.Name, Zone: c.Zone, Currency: c.Currency, Demo: c.Demo, Seed: c.Seed,
		Dataset: c.Dataset, ShoppersMin: c.MinShopper, NewToBrand: c.NewToBrand,
	}
	for _, d := range c.Never {
		s.NeverOffer.Departments = append(s.NeverOffer.Departments, catalog.Department(d))
	}
	if !c.ClockStart.IsZero() {
		s.ClockStart = &c.ClockStart
	}
	if err := writeSettings(c.Dir, &s); err != nil {
		return err
	}
	_, err := fmt.Fprintf(m.Stdout, "made %s\n", c.Dir)
	return err
}

type queryCmd struct {
	dirFlags
	SQL     string `arg:"" help:"One SELECT over the views of docs/data.md."`
	Purpose string `help:"Under which right: accounting, measurement, personal_offers, personal_ads, offsite_matching, pooling." default:"accounting"`
	Format  string `help:"table, csv or json." enum:"table,csv,json" default:"table"`
	JSON    bool   `name:"json" help:"The same as --format json."`
	Limit   int    `help:"Most rows." default:"1000"`
}

// Help shows an example.
func (*queryCmd) Help() string {
	return "endcap query 'select store, sum(sales) as sales from lines group by store order by sales desc limit 5'"
}

// answerTable is the answer of POST /v1/query.
type answerTable struct {
	Columns []struct{ Name, Type string }
	Rows    [][]*string
	Cut     bool
}

// Run asks and prints.
func (c *queryCmd) Run(ctx context.Context, m *Main) error {
	if c.JSON {
		c.Format = "json"
	}
	return withOwner(ctx, m, c.Dir, func(o *client) error {
		var t answerTable
		in := map[string]any{"sql": c.SQL, "purpose": c.Purpose, "limit": c.Limit}
		if err := ask(ctx, o, "POST /v1/query", in, &t); err != nil {
			return err
		}
		if t.Cut {
			fmt.Fprintf(m.Stderr, "endcap: only the first %d rows; use --limit\n", c.Limit)
		}
		return writeTable(m.Stdout, &t, c.Format)
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

type reportCmd struct {
	dirFlags
	Campaign string `arg:"" help:"The campaign's id."`
	Format   string `help:"text, json, csv or html." enum:"text,json,csv,html" default:"text"`
	JSON     bool   `name:"json" help:"The same as --format json."`
	Out      string `help:"Write to this file." type:"path"`
}

// Help shows an example.
func (*reportCmd) Help() string {
	return "endcap report yogurt-december --format html --out report.html"
}

// Run fetches the report and writes it.
func (c *reportCmd) Run(ctx context.Context, m *Main) error {
	if c.JSON {
		c.Format = "json"
	}
	return withOwner(ctx, m, c.Dir, func(o *client) error {
		body, err := call(ctx, o, http.MethodGet, "/v1/reports/campaigns/"+url.PathEscape(c.Campaign)+"?format="+c.Format, nil)
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		if c.Out == "" {
			_, err = io.Copy(m.Stdout, body)
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
