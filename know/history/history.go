// Package history turns facts into the columnar history that analysts, prove
// and the wings' batch work read: it fills the warehouse's tables, seals past
// days, gives sealed facts back to whoever folds from the start, and answers
// analysts.
//
// On the road of a receipt, history reads keep/stream and fills keep/warehouse.
package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"endcap/keep/stream"
	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/consent"
)

// FollowerName is the follower's name.
const FollowerName = "history"

// Limits of the fold.
const (
	batchMax = 8_192 // facts in one Append while catching up
	smallMax = 256   // a batch below this came live; the next may wait a little
	// PauseMax bounds the pause of a Follower.
	PauseMax = 200 * time.Millisecond
)

// Follower folds facts into a warehouse. After a small batch it waits for pause
// (at most PauseMax), so that a live stream gives a few commits a second rather
// than thousands; with p partitions, p × pause should stay well below a second.
func Follower(w warehouse.Writer, pause time.Duration) stream.Follower {
	pause = min(pause, PauseMax)
	var sheets book // Together: one fold at a time
	return stream.Follower{
		Name: FollowerName, Kinds: Kinds(), Together: true, BatchMax: batchMax,
		Cursor: w.Cursor,
		Fold: func(ctx context.Context, b stream.Batch) error {
			if err := fold(ctx, w, &sheets, b); err != nil {
				return err
			}
			if len(b.Facts) > 0 && len(b.Facts) < smallMax && pause > 0 {
				select {
				case <-time.After(pause):
				case <-ctx.Done():
				}
			}
			return nil
		},
	}
}

// fold appends a batch. Whom it forgets is forgotten first: should the append
// fail, forgetting again does no harm, while the other way round it could be
// lost.
func fold(ctx context.Context, w warehouse.Writer, sheets *book, b stream.Batch) error {
	if gone := Forgotten(b.Facts); len(gone) > 0 {
		if err := w.Forget(ctx, gone); err != nil {
			return err
		}
	}
	var through time.Time
	for i := range b.Facts {
		if b.Facts[i].Arrived.After(through) {
			through = b.Facts[i].Arrived
		}
	}
	return w.Append(ctx, b.Partition, b.Next, through, sheets.fill(b.Facts))
}

// Asker is what answers the product's own questions.
type Asker interface {
	Query(ctx context.Context, q warehouse.Query) (*warehouse.Result, error)
}

// Controls are the sums by which a load is checked against its source.
type Controls struct {
	Lines, Baskets, Households, Products, Stores int64

	Sales, RetailDiscount, CouponDiscount, CouponMatch retail.Micros
}

// The texts of ControlSums.
const (
	controlLines = `select count(*) as lines, count(distinct product) as products, coalesce(sum(sales), 0) as sales,
		coalesce(sum(retail_discount), 0) as retail_discount, coalesce(sum(coupon_discount), 0) as coupon_discount,
		coalesce(sum(coupon_match), 0) as coupon_match from lines`
	controlReceipts = `select count(*) as baskets, count(distinct shopper) as households, count(distinct store) as stores from receipts`
)

// Queries lists the SQL of this package's questions, for the test that holds
// product queries to the common subset.
func Queries() []string { return []string{controlLines, controlReceipts, recordSQL, holdersSQL(2)} }

// ControlSums asks for the sums over everything that stands.
func ControlSums(ctx context.Context, w Asker) (Controls, error) {
	var out Controls
	lines, err := w.Query(ctx, warehouse.Query{Name: "control_lines", Purpose: warehouse.Accounting, SQL: controlLines})
	if err != nil {
		return out, err
	}
	receipts, err := w.Query(ctx, warehouse.Query{Name: "control_receipts", Purpose: warehouse.Accounting, SQL: controlReceipts})
	if err != nil {
		return out, err
	}
	for i, to := range []*int64{&out.Lines, &out.Products} {
		*to = lines.Columns[i].Ints[0]
	}
	for i, to := range []*retail.Micros{&out.Sales, &out.RetailDiscount, &out.CouponDiscount, &out.CouponMatch} {
		*to = retail.Micros(lines.Columns[2+i].Ints[0])
	}
	for i, to := range []*int64{&out.Baskets, &out.Households, &out.Stores} {
		*to = receipts.Columns[i].Ints[0]
	}
	return out, nil
}

// Analyst is what answers analysts.
type Analyst interface {
	Analyse(ctx context.Context, a warehouse.Analysis) (*warehouse.Table, error)
}

// Analyse answers an analyst's SQL under a purpose that she names: accounting
// or a consent purpose. What she got wrong comes back as an Invalid error that
// may be shown to her.
func Analyse(ctx context.Context, w Analyst, a warehouse.Analysis) (*warehouse.Table, error) {
	if a.Purpose != warehouse.Accounting {
		if _, err := consent.ParsePurpose(string(a.Purpose)); err != nil {
			return nil, &retail.Error{
				Kind: retail.Invalid, Field: "purpose", Say: fmt.Sprintf("there is no purpose %.40q", string(a.Purpose)),
				Cure: "name accounting for totals, or a consent purpose such as measurement", Err: err,
			}
		}
	}
	out, err := w.Analyse(ctx, a)
	if errors.Is(err, warehouse.ErrQuery) {
		return nil, &retail.Error{
			Kind: retail.Invalid, Field: "sql", Say: err.Error(),
			Cure: "docs/data.md lists the views and their columns", Err: err,
		}
	}
	return out, err
}
