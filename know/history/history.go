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
	batchMax = 4_096 // facts of one partition in one Append
	// bulk is how many facts make a round worth its commit: about as many lines
	// as a row group of a columnar store holds, which it writes once.
	bulk = 16_384
	// PauseMax bounds the pause of a Follower, below the second within which
	// history is to be current.
	PauseMax = 500 * time.Millisecond
)

// Follower folds facts into a warehouse, all partitions in one Append. After a
// round that is not bulk it lets facts gather for pause (at most PauseMax), so
// that a live stream gives few commits rather than thousands.
func Follower(w warehouse.Writer, pause time.Duration) stream.Follower {
	var books []*book // one a partition: one round at a time
	return stream.Follower{
		Name: FollowerName, Kinds: Kinds(), BatchMax: batchMax, Pause: min(pause, PauseMax), Enough: bulk,
		Cursor: w.Cursor,
		Round: func(ctx context.Context, bs []stream.Batch) error {
			for len(books) < len(bs) {
				books = append(books, new(book))
			}
			return fold(ctx, w, books, bs)
		},
	}
}

// fold appends batches. Whom they forget is forgotten first: should the append
// fail, forgetting again does no harm, while the other way round it could be
// lost.
func fold(ctx context.Context, w warehouse.Writer, books []*book, bs []stream.Batch) error {
	folds := make([]warehouse.Fold, len(bs))
	for i, b := range bs {
		if gone := Forgotten(b.Facts); len(gone) > 0 {
			if err := w.Forget(ctx, gone); err != nil {
				return err
			}
		}
		folds[i] = warehouse.Fold{Partition: b.Partition, Next: b.Next, Rows: books[i].fill(b.Facts)}
		for j := range b.Facts {
			if at := b.Facts[j].Arrived; at.After(folds[i].Through) {
				folds[i].Through = at
			}
		}
	}
	return w.Append(ctx, folds)
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
	cure := "docs/data.md lists the views and their columns"
	if errors.Is(err, warehouse.ErrMemory) {
		cure = "ask again when less is going on, ask for less at once, or have the house served with more --history-memory"
	}
	if errors.Is(err, warehouse.ErrQuery) {
		return nil, &retail.Error{Kind: retail.Invalid, Field: "sql", Say: err.Error(), Cure: cure, Err: err}
	}
	return out, err
}
