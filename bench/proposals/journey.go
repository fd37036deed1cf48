package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	_ "github.com/duckdb/duckdb-go/v2" // reads the files

	"endcap/bench/figure"
	"endcap/know/recommend/judge"
	"endcap/know/recommend/nextbasket"
)

// receipts is The Complete Journey 2017: every basket of every household, by day.
type receipts struct {
	r        nextbasket.Range
	shoppers []nextbasket.Shopper
	weekEnds []int32            // the day after each week, from week 0, which is none
	stores   map[uint64][]int64 // of each shopper, by basket
	numbers  map[int64]nextbasket.Product
}

// readReceipts reads the lines. Days are those of New York, whose clock is five
// hours behind the files'; coupons, fuel and what no catalogue has are left out. A
// discount is the retailer's, in hundredths of the full price.
const readReceipts = `
select t.household_id, t.basket_id, t.store_id, (epoch(t.transaction_timestamp) - 18000)::bigint // 86400 as day, t.week, t.product_id,
 coalesce(round(100 * least(greatest(retail_disc / nullif(sales_value + retail_disc + coupon_match_disc, 0), 0), 1)), 0)::utinyint,
 coalesce(product_category, ''), coalesce(product_type, ''), coalesce(manufacturer_id::varchar, '') || '/' || coalesce(product_type, '')
from read_parquet('%s') t join read_parquet('%s') p using (product_id)
where department not in ('FUEL', 'MISCELLANEOUS', 'COUPON')
order by t.household_id, t.transaction_timestamp, t.basket_id, t.product_id`

func loadReceipts(ctx context.Context, dir string) (*receipts, error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, fmt.Errorf("open DuckDB: %w", err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(ctx, fmt.Sprintf(readReceipts, filepath.Join(dir, "transactions.parquet"), filepath.Join(dir, "products.parquet")))
	if err != nil {
		return nil, fmt.Errorf("read receipts: %w", err)
	}
	defer func() { _ = rows.Close() }()
	d := &receipts{weekEnds: make([]int32, 54), stores: make(map[uint64][]int64), numbers: make(map[int64]nextbasket.Product)}
	const kinds = 3
	d.r.Groups = make([][]int32, kinds)
	groups := make([]map[string]int32, kinds)
	for g := range groups {
		groups[g] = map[string]int32{"": -1, "/": -1}
	}
	var household, lastHousehold, basket, lastBasket, store, product int64
	var day int32
	var week int
	var off uint8
	var names [kinds]string
	for rows.Next() {
		if err := rows.Scan(&household, &basket, &store, &day, &week, &product, &off, &names[0], &names[1], &names[2]); err != nil {
			return nil, fmt.Errorf("read receipts: %w", err)
		}
		if household != lastHousehold {
			d.shoppers = append(d.shoppers, nextbasket.Shopper{Key: uint64(household)})
			lastHousehold, lastBasket = household, 0
		}
		p, ok := d.numbers[product]
		if !ok {
			p = nextbasket.Product(len(d.numbers))
			d.numbers[product] = p
			for g, name := range names {
				no, ok := groups[g][name]
				if !ok {
					no = int32(len(groups[g]) - 2)
					groups[g][name] = no
				}
				d.r.Groups[g] = append(d.r.Groups[g], no)
			}
		}
		s := &d.shoppers[len(d.shoppers)-1]
		if basket != lastBasket {
			s.History = append(s.History, nextbasket.Basket{Day: day})
			d.stores[s.Key] = append(d.stores[s.Key], store)
			lastBasket = basket
		}
		if b := &s.History[len(s.History)-1]; !slices.Contains(b.Products, p) {
			b.Products, b.Off = append(b.Products, p), append(b.Off, off)
		}
		d.weekEnds[week] = max(d.weekEnds[week], day+1)
	}
	d.r.Products = len(d.numbers)
	return d, rows.Err()
}

// cut asks after a week for the first basket of the following ones.
func (d *receipts) cut(week, through int) nextbasket.Cut {
	return nextbasket.ByDay(d.shoppers, d.weekEnds[week], d.weekEnds[through])
}

// How the year is cut. Settings are chosen on what follows week 44, and what is
// shown is of what follows week 48, of which nothing is known before.
const (
	weekFirst = 28
	weekStep  = 4 // each cut asks for the first basket of so many weeks
)

// cuts are those that end before week 44, the newest first.
func (d *receipts) cuts() (fit []nextbasket.Cut, weeks []int) {
	for week := 44 - weekStep; week >= weekFirst; week -= weekStep {
		weeks = append(weeks, week)
		fit = append(fit, d.cut(week, week+weekStep))
	}
	return fit, weeks
}

// journey measures The Complete Journey 2017 by time.
func journey(ctx context.Context, out io.Writer, o *options) error {
	d, err := loadReceipts(ctx, o.journey)
	if err != nil {
		return err
	}
	test, val := d.cut(48, 53), d.cut(44, 48)
	fmt.Fprintf(out, "journey: %d households, %d products, %d questions on validation, %d on test\n", len(d.shoppers), d.r.Products, len(val.Cases), len(test.Cases))
	fit, weeks := d.cuts()
	s, trials, err := o.search(ctx, out, "journey", &problem{&d.r, fit, []nextbasket.Cut{val}})
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	rivals := d.rivals(o, &val, &test, &nextbasket.Best(trials[:o.trials]).Settings)
	if o.als == "" {
		fmt.Fprintln(out, "skipped: ALS, because no -als was given")
	} else {
		r, err := als(ctx, o, &val, &test)
		if err != nil {
			return err
		}
		rivals = append(rivals, r)
	}
	for i := range rivals {
		r := &rivals[i]
		fmt.Fprintf(out, "journey: %s, %d settings tried\n", r.name, r.trials)
		f10, f20 := judge.At(10, r.answers), judge.At(20, r.answers)
		show(out, "proposals.journey."+r.name, &f10, &f20, rivalGoals()[r.name])
	}
	cuts := append([]nextbasket.Cut{val}, fit...)
	t := &contest{cuts, &test, rivals, &s}
	if err := d.ours(out, "proposals.journey.ours", t); err != nil {
		return err
	}
	plans, err := openPromotions(d, o.journey)
	if err != nil {
		return err
	}
	defer func() { _ = plans.db.Close() }()
	for _, kind := range []string{"planned", "visit"} {
		for i, week := range append([]int{44}, weeks...) {
			if err := plans.plan(ctx, &cuts[i], week, kind == "visit"); err != nil {
				return err
			}
		}
		if err := plans.plan(ctx, &test, 48, kind == "visit"); err != nil {
			return err
		}
		if err := d.ours(out, "proposals.journey."+kind, t); err != nil {
			return err
		}
	}
	return nil
}

// rivalGoals are below what a rival would be badly played.
func rivalGoals() map[string]goals {
	return map[string]goals{
		"personal": {"recall_at_10": ">=0.138", "ndcg_at_10": ">=0.149", "phr_at_10": ">=0.575"},
		"tifuknn":  {"recall_at_10": ">=0.143", "ndcg_at_10": ">=0.157", "phr_at_10": ">=0.580"},
	}
}

// rounds of the bootstrap.
const rounds = 2_000

// contest is what ours is trained with, and held against.
type contest struct {
	cuts   []nextbasket.Cut
	test   *nextbasket.Cut
	rivals []rival
	s      *nextbasket.Settings
}

// ours trains the model and holds it against the best rival in each measure.
func (d *receipts) ours(out io.Writer, name string, t *contest) error {
	training := startCost()
	m, held, err := nextbasket.Train(&d.r, t.cuts, t.test.Shoppers, t.s)
	if err != nil {
		return err
	}
	wall, processor := training.seconds()
	fmt.Fprintf(out, "journey: %d trees\n", held.Trees)
	figure.Print(out, name+".train_seconds", wall, "s")
	figure.Print(out, name+".train_cpu_seconds", processor, "s")
	answers := nextbasket.Answers(t.test.Cases, m, 20)
	f10, f20 := judge.At(10, answers), judge.At(20, answers)
	show(out, name, &f10, &f20, nil)
	predicted, observed := m.Calibrated(t.test.Cases)
	figure.Print(out, name+".observed_by_predicted", observed/predicted, "ratio")
	for _, c := range []struct {
		name, goal, goalPlanned string
		of                      judge.Measure
	}{
		{"recall", ">=1.05", ">=1.08", func(f *judge.Figures) float64 { return f.Recall }},
		{"ndcg", ">=1.04", ">=1.08", func(f *judge.Figures) float64 { return f.NDCG }},
		{"phr", ">=1.035", "", func(f *judge.Figures) float64 { return f.PHR }},
	} {
		best := slices.MaxFunc(t.rivals, func(a, b rival) int {
			x, y := judge.At(10, a.answers), judge.At(10, b.answers)
			return cmp.Compare(c.of(&x), c.of(&y))
		})
		i := judge.Bootstrap{K: 10, Rounds: rounds, Seed: t.s.Trees.Seed}.Compare(answers, best.answers, c.of)
		goal := c.goal
		if t.test.Cases[0].Plan != nil {
			goal = c.goalPlanned
		}
		fmt.Fprintf(out, "journey: %s, the best rival is %s\n", c.name, best.name)
		shown(out, name+"."+c.name+"_vs_best", i.Ratio, "ratio", goal)
		figure.Print(out, name+"."+c.name+"_vs_best_low", i.Low, "ratio")
		figure.Print(out, name+"."+c.name+"_vs_best_high", i.High, "ratio")
	}
	return nil
}
