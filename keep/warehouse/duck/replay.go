package duck

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"endcap/keep/warehouse"
	"endcap/retail/event"
)

// givesFactsBack are the kinds whose facts can be made of rows again.
var givesFactsBack = []event.Kind{
	event.KindReceipt, event.KindProduct, event.KindStore, event.KindPrice, event.KindStock, event.KindConsent, event.KindMoved,
}

// Replay returns rows in the order they were folded, one fold or a part of one
// at a time.
func (w *Warehouse) Replay(ctx context.Context, s warehouse.Span) (warehouse.Replayed, error) {
	var out warehouse.Replayed
	err := w.with(ctx, "base", func(c *conn) error {
		var err error
		if s.Fold > 0 && s.After >= 0 {
			if out, err = w.replayFold(ctx, c, s); err != nil || len(out.Rows) > 0 {
				return err
			}
		} else if s.Fold > 0 {
			s.Fold-- // the fold itself from its beginning
		}
		if s.Fold, err = w.nextFold(ctx, c, s); err != nil || s.Fold == 0 {
			return err
		}
		s.After = -1
		out, err = w.replayFold(ctx, c, s)
		return err
	})
	if err != nil {
		return warehouse.Replayed{}, fmt.Errorf("replay history: %w", err)
	}
	return out, nil
}

// facts lists the tables whose rows are facts that can be given back.
func (w *Warehouse) facts() []*table {
	var out []*table
	for _, t := range w.order {
		if len(t.Parent) == 0 && slices.Contains(givesFactsBack, t.Of) {
			out = append(out, t)
		}
	}
	return out
}

// nextFold is the first fold of a partition after s.Fold, 0 for none.
func (w *Warehouse) nextFold(ctx context.Context, c *conn, s warehouse.Span) (uint64, error) {
	var parts []string
	for _, t := range w.facts() {
		parts = append(parts, fmt.Sprintf("select min(%s) as seq from %s where %s > %d and %s <= %d and %s & %d = %d",
			seqColumn, t.base(), seqColumn, s.Fold, seqColumn, s.Upto, seqColumn, 1<<partitionBits-1, s.Partition))
	}
	got, err := c.ask(ctx, "select coalesce(min(seq), 0) from ("+strings.Join(parts, " union all ")+") as folds")
	if err != nil {
		return 0, err
	}
	return uint64(got.Columns[0].Ints[0]), nil
}

// replayFold reads up to s.Limit facts of one fold after a place in it.
func (w *Warehouse) replayFold(ctx context.Context, c *conn, s warehouse.Span) (warehouse.Replayed, error) {
	out := warehouse.Replayed{Fold: s.Fold}
	var parts []string
	for _, t := range w.facts() {
		parts = append(parts, fmt.Sprintf("select %s as place from %s where %s = %d and %s > %d",
			event.HiddenOrder, t.base(), seqColumn, s.Fold, event.HiddenOrder, s.After))
	}
	got, err := c.ask(ctx, fmt.Sprintf("select max(place) from (select place from (%s) as places order by place limit %d) as page",
		strings.Join(parts, " union all "), max(1, s.Limit)))
	if err != nil {
		return out, err
	}
	if nulls := got.Columns[0].Nulls; nulls != nil && nulls[0] {
		return out, nil
	}
	last := got.Columns[0].Ints[0]
	for _, t := range w.facts() {
		page := fmt.Sprintf("%s = %d and %s > %d and %s <= %d", seqColumn, s.Fold, event.HiddenOrder, s.After, event.HiddenOrder, last)
		rows, err := w.rowsOf(ctx, c, t, page, event.HiddenOrder)
		if err != nil {
			return out, err
		}
		if rows.Len == 0 {
			continue
		}
		out.Rows = append(out.Rows, rows)
		for _, child := range w.order {
			if child.Of != t.Of || len(child.Parent) == 0 {
				continue
			}
			key := strings.Join(child.Parent, ", ")
			lines, err := w.rowsOf(ctx, c, child, fmt.Sprintf("%s = %d and (%s) in (select %s from %s where %s)", seqColumn, s.Fold, key, key, t.base(), page), key+", line")
			if err != nil {
				return out, err
			}
			out.Rows = append(out.Rows, lines)
		}
	}
	return out, nil
}

// rowsOf reads stored rows under a condition.
func (w *Warehouse) rowsOf(ctx context.Context, c *conn, t *table, where, order string) (warehouse.Rows, error) {
	got, err := c.ask(ctx, "select "+strings.TrimSuffix(t.columns(), ", "+seqColumn)+" from "+t.base()+" where "+where+" order by "+order)
	if err != nil {
		return warehouse.Rows{}, err
	}
	return warehouse.Rows{Table: t.Name, Len: got.Len, Columns: got.Columns}, nil
}
