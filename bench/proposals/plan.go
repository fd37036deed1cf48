package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"

	"endcap/know/recommend/nextbasket"
)

// Displays and mailers as The Complete Journey names them, the least prominent
// first: a place's number is how prominent it is.
const (
	displays = "0A79465231"  // none, in the shelf, … , at the front of the store
	mailers  = "0ACPXJZLFDH" // none, inside, …, on the back, on the front
)

const readPromotions = `
select store_id, product_id, strpos('%s', display_location) - 1, strpos('%s', mailer_location) - 1
from read_parquet('%s') where week = ? order by store_id, product_id, display_location, mailer_location`

// readUsual is in which share of the weeks' stores products had a display, or a
// mailer, until a week.
const readUsual = `
with p as (select * from read_parquet('%s') where week <= ?), n as (select count(distinct (store_id, week)) as n from p)
select product_id, sum((display_location <> '0')::int) / any_value(n), sum((mailer_location <> '0')::int) / any_value(n)
from p, n group by product_id`

// promotions reads the plans of weeks.
type promotions struct {
	d     *receipts
	db    *sql.DB
	file  string
	weeks map[int]*promoted
	usual map[int]*usual                        // of weeks until a cut
	plans map[[2]int]map[int64]*nextbasket.Plan // of a cut and a week, by store; 0 stands for a store that is not known
}

// promoted is what is promoted in a week. Slices are by product.
type promoted struct {
	stores                    map[int64]*[2][]uint8 // displays and mailers
	displayShare, mailerShare []float32
}

// usual is in which share of the weeks' stores a product was promoted.
type usual struct{ display, mailer []float32 }

func openPromotions(d *receipts, dir string) (*promotions, error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, fmt.Errorf("open DuckDB: %w", err)
	}
	return &promotions{
		d: d, db: db, file: filepath.Join(dir, "promotions.parquet"),
		weeks: make(map[int]*promoted), usual: make(map[int]*usual), plans: make(map[[2]int]map[int64]*nextbasket.Plan),
	}, nil
}

// stores are the plans of a week, as one may know them at a cut.
func (p *promotions) stores(ctx context.Context, cut, no int) (map[int64]*nextbasket.Plan, error) {
	if stores := p.plans[[2]int{cut, no}]; stores != nil {
		return stores, nil
	}
	now, err := p.week(ctx, no)
	if err != nil {
		return nil, err
	}
	before, err := p.week(ctx, no-1)
	if err != nil {
		return nil, err
	}
	was, err := p.until(ctx, cut)
	if err != nil {
		return nil, err
	}
	chain := nextbasket.Plan{
		DisplayShare: now.displayShare, MailerShare: now.mailerShare, DisplayBefore: before.displayShare, MailerBefore: before.mailerShare,
		DisplayUsual: was.display, MailerUsual: was.mailer,
	}
	stores := map[int64]*nextbasket.Plan{0: &chain}
	for store, in := range now.stores {
		plan := chain
		plan.Display, plan.Mailer = in[0], in[1]
		stores[store] = &plan
	}
	p.plans[[2]int{cut, no}] = stores
	return stores, nil
}

// week reads what is promoted in a week.
func (p *promotions) week(ctx context.Context, no int) (*promoted, error) {
	if p.weeks[no] != nil {
		return p.weeks[no], nil
	}
	rows, err := p.db.QueryContext(ctx, fmt.Sprintf(readPromotions, displays, mailers, p.file), no)
	if err != nil {
		return nil, fmt.Errorf("read promotions: %w", err)
	}
	defer func() { _ = rows.Close() }()
	n := p.d.r.Products
	w := &promoted{stores: make(map[int64]*[2][]uint8), displayShare: make([]float32, n), mailerShare: make([]float32, n)}
	for rows.Next() {
		var store, id int64
		var display, mailer uint8
		if err := rows.Scan(&store, &id, &display, &mailer); err != nil {
			return nil, fmt.Errorf("read promotions: %w", err)
		}
		in := w.stores[store]
		if in == nil {
			in = &[2][]uint8{make([]uint8, n), make([]uint8, n)}
			w.stores[store] = in
		}
		at, ok := p.d.numbers[id]
		if !ok {
			continue // nobody ever bought it
		}
		if display > 0 && in[0][at] == 0 {
			w.displayShare[at]++
		}
		if mailer > 0 && in[1][at] == 0 {
			w.mailerShare[at]++
		}
		in[0][at], in[1][at] = max(in[0][at], display), max(in[1][at], mailer)
	}
	for at := range n {
		w.displayShare[at] /= float32(max(len(w.stores), 1))
		w.mailerShare[at] /= float32(max(len(w.stores), 1))
	}
	p.weeks[no] = w
	return w, rows.Err()
}

// until reads what products had in the weeks until a cut.
func (p *promotions) until(ctx context.Context, cut int) (*usual, error) {
	if p.usual[cut] != nil {
		return p.usual[cut], nil
	}
	rows, err := p.db.QueryContext(ctx, fmt.Sprintf(readUsual, p.file), cut)
	if err != nil {
		return nil, fmt.Errorf("read promotions: %w", err)
	}
	defer func() { _ = rows.Close() }()
	u := &usual{make([]float32, p.d.r.Products), make([]float32, p.d.r.Products)}
	for rows.Next() {
		var id int64
		var display, mailer float64
		if err := rows.Scan(&id, &display, &mailer); err != nil {
			return nil, fmt.Errorf("read promotions: %w", err)
		}
		if at, ok := p.d.numbers[id]; ok {
			u.display[at], u.mailer[at] = float32(display), float32(mailer)
		}
	}
	p.usual[cut] = u
	return u, rows.Err()
}

// plan gives every question of a cut after a week the promotions of one week in the
// store where the shopper had most of her baskets until then: of the first week
// after the cut or, at the visit, of the week in which she came; then it is asked on
// that week's first day.
func (p *promotions) plan(ctx context.Context, cut *nextbasket.Cut, after int, visit bool) error {
	for i := range cut.Cases {
		q := &cut.Cases[i].Query
		no := after + 1
		if visit {
			no = p.d.visitWeek(q)
			q.Day = max(q.Day, p.d.weekEnds[no-1])
		}
		stores, err := p.stores(ctx, after, no)
		if err != nil {
			return err
		}
		q.Plan = stores[p.d.home(q)]
		if q.Plan == nil {
			q.Plan = stores[0]
		}
	}
	return nil
}

// visitWeek is the week of the basket that answers a question.
func (d *receipts) visitWeek(q *nextbasket.Query) int {
	at, _ := slices.BinarySearchFunc(d.shoppers, q.Key, func(s nextbasket.Shopper, key uint64) int { return cmp.Compare(s.Key, key) })
	day, week := d.shoppers[at].History[len(q.History)].Day, 1
	for day >= d.weekEnds[week] {
		week++
	}
	return week
}

// home is the store of most of a shopper's baskets, the lower number of equals.
func (d *receipts) home(q *nextbasket.Query) (home int64) {
	count := make(map[int64]int)
	for _, store := range d.stores[q.Key][:len(q.History)] {
		count[store]++
		if n := count[store]; n > count[home] || n == count[home] && store < home {
			home = store
		}
	}
	return home
}
