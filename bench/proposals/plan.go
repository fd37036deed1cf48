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

// readUsual counts the weeks' stores with a display, or a mailer, until a week.
const readUsual = `
select product_id, sum((display_location <> '0')::int), sum((mailer_location <> '0')::int)
from read_parquet('%s') where week <= ? group by product_id`

// promotions reads the plans of weeks.
type promotions struct {
	d     *receipts
	db    *sql.DB
	file  string
	weeks map[[2]int]map[int64]*nextbasket.Plan // of a cut and a week, by store; 0 stands for a store that is not known
}

func openPromotions(d *receipts, dir string) (*promotions, error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, fmt.Errorf("open DuckDB: %w", err)
	}
	return &promotions{d, db, filepath.Join(dir, "promotions.parquet"), make(map[[2]int]map[int64]*nextbasket.Plan)}, nil
}

// week is the plan of a week, as it differs from what was usual until a cut.
func (p *promotions) week(ctx context.Context, cut, no int) (map[int64]*nextbasket.Plan, error) {
	if stores := p.weeks[[2]int{cut, no}]; stores != nil {
		return stores, nil
	}
	rows, err := p.db.QueryContext(ctx, fmt.Sprintf(readPromotions, displays, mailers, p.file), no)
	if err != nil {
		return nil, fmt.Errorf("read promotions: %w", err)
	}
	defer func() { _ = rows.Close() }()
	n := p.d.r.Products
	chain := &nextbasket.Plan{DisplayShare: make([]float32, n), MailerShare: make([]float32, n), DisplayUsual: make([]float32, n), MailerUsual: make([]float32, n)}
	stores := map[int64]*nextbasket.Plan{0: chain}
	for rows.Next() {
		var store, id int64
		var display, mailer uint8
		if err := rows.Scan(&store, &id, &display, &mailer); err != nil {
			return nil, fmt.Errorf("read promotions: %w", err)
		}
		plan := stores[store]
		if plan == nil {
			one := *chain
			plan = &one
			plan.Display, plan.Mailer = make([]uint8, n), make([]uint8, n)
			stores[store] = plan
		}
		at, ok := p.d.numbers[id]
		if !ok {
			continue // nobody ever bought it
		}
		if display > 0 && plan.Display[at] == 0 {
			chain.DisplayShare[at]++
		}
		if mailer > 0 && plan.Mailer[at] == 0 {
			chain.MailerShare[at]++
		}
		plan.Display[at], plan.Mailer[at] = max(plan.Display[at], display), max(plan.Mailer[at], mailer)
	}
	for at := range n {
		chain.DisplayShare[at] /= float32(max(len(stores)-1, 1))
		chain.MailerShare[at] /= float32(max(len(stores)-1, 1))
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read promotions: %w", err)
	}
	p.weeks[[2]int{cut, no}] = stores
	return stores, p.usual(ctx, cut, float32(cut*max(len(stores)-1, 1)), chain)
}

// usual fills in what a plan's products had before.
func (p *promotions) usual(ctx context.Context, cut int, of float32, chain *nextbasket.Plan) error {
	rows, err := p.db.QueryContext(ctx, fmt.Sprintf(readUsual, p.file), cut)
	if err != nil {
		return fmt.Errorf("read promotions: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id int64
		var display, mailer float64
		if err := rows.Scan(&id, &display, &mailer); err != nil {
			return fmt.Errorf("read promotions: %w", err)
		}
		if at, ok := p.d.numbers[id]; ok {
			chain.DisplayUsual[at], chain.MailerUsual[at] = float32(display)/of, float32(mailer)/of
		}
	}
	return rows.Err()
}

// plan gives every question of a cut after a week the promotions of one week in the
// store where the shopper had most of her baskets until then: of the first week
// after the cut or, at the visit, of the week in which she came.
func (p *promotions) plan(ctx context.Context, cut *nextbasket.Cut, after int, visit bool) error {
	for i := range cut.Cases {
		q := &cut.Cases[i].Query
		no := after + 1
		if visit {
			no = p.d.visitWeek(q)
		}
		stores, err := p.week(ctx, after, no)
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
