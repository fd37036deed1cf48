package folder

import (
	"context"

	"golang.org/x/sync/errgroup"

	"endcap/simulate/life"
	"endcap/simulate/rows"
)

// week writes everything of one week, its receipts beside the rest, and then that
// it is there.
func (w *writer) week(ctx context.Context, week int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.written() // how far it got, and the state
	plan := w.world.Plan(week)
	entry := weekEntry{Week: week + 1}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.receipts(ctx, plan, &entry) })
	group.Go(func() error {
		for _, write := range []func(context.Context, *life.Plan) error{w.visits, w.promotions, w.weekPrices, w.weekStock, w.withdrawals} {
			if err := write(ctx, plan); err != nil {
				return err
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	entry.Files = w.written()
	w.found.Weeks = append(w.found.Weeks, entry)
	w.summary.Receipts += entry.Receipts
	w.summary.Lines += entry.Lines
	return w.save()
}

type visitRow struct {
	Visit    int64   `parquet:"visit,delta"`
	Time     int64   `parquet:"time,timestamp(microsecond)"`
	Device   string  `parquet:"device"`
	Account  *int64  `parquet:"account,optional"`
	Action   string  `parquet:"action,dict"`
	Query    *string `parquet:"query,optional"`
	Product  *int64  `parquet:"product,optional"`
	Position *int32  `parquet:"position,optional"`
	Receipt  *int64  `parquet:"receipt,optional"`
}

// some is a copy of a value, or none for the zero value.
func some[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// visits writes the visits to the site, those with an order and those without,
// in the order in which they begin, and whose the second devices are that they
// show.
func (w *writer) visits(ctx context.Context, plan *life.Plan) error {
	g := w.world.Grocer
	var second []int32
	_, err := stream(ctx, w, weekFile("visits", plan.Week+1), func(yield func(visitRow) error) error {
		return w.world.Sessions(plan, func(s *life.Session) error {
			device := w.world.Crowd.Device(s.Shopper, s.Device)
			if device != w.world.Crowd.Device(s.Shopper, 1) {
				second = append(second, int32(s.Shopper))
			}
			var account *int64
			if number, has := w.world.Crowd.Account(s.Shopper); has && s.Known {
				account = &number
			}
			for i := range s.Steps {
				step := &s.Steps[i]
				row := visitRow{
					Visit: s.ID, Time: step.At, Device: device, Account: account, Action: step.Action,
					Query: some(step.Query), Position: some(step.Position), Receipt: some(step.Receipt),
				}
				if step.Product >= 0 {
					row.Product = &g.Products[step.Product].GTIN
				}
				if err := yield(row); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	return w.seenLinks(ctx, plan.Week, second)
}

// promotions writes what stands on a display or in the leaflet.
func (w *writer) promotions(ctx context.Context, plan *life.Plan) error {
	_, err := sequence(ctx, w, weekFile("promotions", plan.Week+1), rows.Promotions(w.world, plan))
	return err
}

// weekPrices writes the prices that change with a week; those of the first are in
// the file of week 0.
func (w *writer) weekPrices(ctx context.Context, plan *life.Plan) error {
	if plan.Week == 0 {
		return nil
	}
	_, err := sequence(ctx, w, weekFile("prices", plan.Week+1), rows.PriceChanges(w.world, plan))
	return err
}

// weekStock writes what went missing from shelves, or came back, by the Monday of
// a week.
func (w *writer) weekStock(ctx context.Context, plan *life.Plan) error {
	if plan.Week == 0 {
		return nil
	}
	_, err := sequence(ctx, w, weekFile("stock", plan.Week+1), rows.StockChanges(w.world, plan))
	return err
}

// withdrawals writes who withdrew consent in a week.
func (w *writer) withdrawals(ctx context.Context, plan *life.Plan) error {
	_, err := sequence(ctx, w, weekFile("consents", plan.Week+1), rows.Withdrawals(w.world, plan))
	return err
}
