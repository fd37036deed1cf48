package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"endcap/bench/figure"
)

// question is one of an analyst's, as the docs have it, and as somebody writes it
// who has the simulator's files and DuckDB alone.
type question struct {
	name    string
	purpose string
	sql     string
	bare    string
}

// heading is the first line of a question in the docs.
var heading = regexp.MustCompile(`(?s)` + "```" + `sql\n-- (\w+), (\w+): [^\n]*\n(.*?)` + "```")

// read reads the questions of a page and puts beside each the one that is written
// for the files.
func read(page string) ([]question, error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return nil, fmt.Errorf("read questions: %w", err)
	}
	var out []question
	for _, m := range heading.FindAllSubmatch(text, -1) {
		q := question{name: string(m[1]), purpose: string(m[2]), sql: string(m[3])}
		if q.bare = bare[q.name]; q.bare == "" {
			return nil, fmt.Errorf("%s: nobody wrote %q for DuckDB alone", page, q.name)
		}
		out = append(out, q)
	}
	if len(out) != len(bare) {
		return nil, fmt.Errorf("%s has %d questions, want %d", page, len(out), len(bare))
	}
	return out, nil
}

// ask asks both sides in turn and compares what they answer.
func (l *large) ask(ctx context.Context) (err error) {
	questions, err := read(l.docs)
	if err != nil {
		return err
	}
	db, err := open("")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	began := time.Now()
	if err := l.prepare(ctx, db); err != nil {
		return err
	}
	figure.Print(l.out, l.name+"duckdb_prepare_seconds", time.Since(began).Seconds(), "s")
	equal := 0
	for i := range questions {
		q := &questions[i]
		var ours, theirs []float64
		var answer, want [][]string
		for range l.rounds {
			began := time.Now()
			if answer, err = l.query(ctx, q); err != nil {
				return err
			}
			ours = append(ours, time.Since(began).Seconds())
			began = time.Now()
			if want, err = rowsOf(ctx, db, q.bare); err != nil {
				return fmt.Errorf("%s, DuckDB alone: %w", q.name, err)
			}
			theirs = append(theirs, time.Since(began).Seconds())
		}
		slices.Sort(ours)
		slices.Sort(theirs)
		figure.Print(l.out, l.name+q.name+"_seconds", ours[l.rounds/2], "s")
		figure.Print(l.out, l.name+q.name+"_duckdb_seconds", theirs[l.rounds/2], "s")
		figure.Print(l.out, l.name+q.name+"_ratio", theirs[l.rounds/2]/ours[l.rounds/2], "ratio")
		if err := same(answer, want); err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		equal++
	}
	figure.Goal(l.out, l.name+"questions_equal", equal, "questions", fmt.Sprintf("=%d", len(questions)))
	return nil
}

// query asks the house, as an analyst does.
func (l *large) query(ctx context.Context, q *question) ([][]string, error) {
	cmd := exec.CommandContext(ctx, l.bin, "query", "--dir", l.house, "--purpose", q.purpose, "--format", "csv", q.sql)
	var say bytes.Buffer
	cmd.Stderr = &say
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", q.name, err, say.Bytes())
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, errors.Join(fmt.Errorf("%s: an answer of %d rows", q.name, len(rows)), err)
	}
	return rows[1:], nil
}

// rowsOf asks DuckDB, every value as text.
func rowsOf(ctx context.Context, db *sql.DB, ask string) (out [][]string, err error) {
	rows, err := db.QueryContext(ctx, "select columns(*)::varchar from ("+ask+")")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		row := make([]string, len(columns))
		at := make([]any, len(row))
		for i := range row {
			at[i] = &row[i]
		}
		if err := rows.Scan(at...); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

// same reports where two answers differ: texts must be equal, numbers as numbers.
func same(ours, theirs [][]string) error {
	if len(ours) != len(theirs) || len(ours) == 0 {
		return fmt.Errorf("%d rows, DuckDB alone has %d", len(ours), len(theirs))
	}
	for i := range ours {
		if !slices.EqualFunc(ours[i], theirs[i], alike) {
			return fmt.Errorf("row %d is %q, DuckDB alone has %q", i+1, ours[i], theirs[i])
		}
	}
	return nil
}

func alike(a, b string) bool {
	if a == b {
		return true
	}
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	return okX && okY && x.Cmp(y) == 0
}

// prepare names the simulator's files and works out once what every question
// about shoppers needs: who is one person, by the e-mail addresses that the till
// desk and the online shop know, and whose newest word allows measurement. The
// weeks of the simulation know no change of clocks: Paris is an hour before UTC.
func (l *large) prepare(ctx context.Context, db *sql.DB) error {
	file := func(parts ...string) string {
		return "read_parquet(" + quote(filepath.Join(append([]string{l.simulated}, parts...)...)) + ")"
	}
	for _, statement := range []string{
		"create view lines as select *, cast(make_timestamp(epoch_us(time) + 3600000000) as date) as day, coalesce(account, card) as key from " + file("receipts", "*.parquet"),
		"create table products as select * from " + file("products.parquet"),
		`create table keys as
			with known as (select *, coalesce(email_sha256, cast(coalesce(account, card) as varchar)) as person from ` + file("shoppers.parquet") + `)
			select coalesce(account, card) as key, hash(person) as person from known`,
		`create table allowed as
			with words as (
				select k.person, c.allowed, row_number() over (partition by k.person order by c.time desc) as newest
				from ` + file("consents", "*.parquet") + ` c join keys k on k.key = coalesce(c.account, c.card))
			select k.key, k.person from keys k
			join words w on w.person = k.person and w.newest = 1 and list_contains(string_split(w.allowed, ','), 'measurement')`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("prepare DuckDB: %w", err)
		}
	}
	return nil
}

// bare are the questions as they are written for DuckDB alone on the simulator's
// files, by name.
var bare = map[string]string{
	"departments": `
		with days as (select day, product, sum(sales) as sales, count(*) as n from lines group by all)
		select date_trunc('week', day)::date as week, department, sum(d.sales) as sales, sum(n) as line_count
		from days d join products p on p.gtin = d.product group by all order by 1, 2`,
	"repeats": `
		with mine as (select l.product, a.person, l.receipt, l.quantity, l.sales from lines l join allowed a using (key)),
		heavy as (select product from mine group by 1 order by sum(sales) desc, lpad(product::varchar, 14, '0') limit 20),
		buyers as (
			select product, person, count(distinct receipt) as times, sum(sales) as sales
			from mine semi join heavy using (product) where quantity > 0 group by all)
		select b.product, any_value(p.name), sum(sales), count(*), round(count(*) filter (times > 1) / count(*), 4)
		from buyers b join products p on p.gtin = b.product group by 1 order by 3 desc, 1`,
	"brands": `
		with everybody as (select count(distinct person) as shoppers from lines join allowed using (key)),
		buyers as (
			select p.brand, a.person, count(distinct l.receipt) as times, sum(l.sales) as sales
			from lines l join products p on p.gtin = l.product and p.category = 'Yaourts' join allowed a using (key)
			where l.quantity > 0 group by all)
		select brand, count(*), round(count(*) / any_value(shoppers), 5), round(sum(times) / count(*), 4), sum(sales)
		from buyers, everybody group by 1 order by 5 desc, 1`,
	"visits": `
		with weeks as (select distinct a.person, date_trunc('week', l.day)::date as week from lines l join allowed a using (key)),
		told as (select week, min(week) over (partition by person) as first_week, lead(week) over (partition by person order by week) as next_week from weeks)
		select week, count(*), count(*) filter (week = first_week), count(*) filter (next_week is null or next_week - week > 7)
		from told group by 1 order by 1`,
	"affinity": `
		with held as (
			select distinct l.receipt, p.category from lines l join products p on p.gtin = l.product
			where l.day between date '2025-01-20' and date '2025-01-26' and l.quantity > 0),
		pasta as (select receipt from held where category = 'Pâtes'),
		baskets as (select count(distinct receipt) as every, (select count(*) from pasta) as pasta from held)
		select h.category, count(*), count(x.receipt), round(count(x.receipt) * any_value(b.every)::double / (count(*)::double * any_value(b.pasta)), 3)
		from held h left join pasta x using (receipt), baskets b group by 1 order by 4 desc, 1`,
}
