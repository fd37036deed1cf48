package folder

import (
	"context"
	"io"
	"runtime"

	pq "github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"endcap/simulate/life"
	"endcap/simulate/rows"
)

// receiptLine is the schema of receipts: one row per line.
type receiptLine struct {
	Receipt  int64  `parquet:"receipt,delta"`
	Time     int64  `parquet:"time,delta,timestamp(microsecond)"`
	Store    string `parquet:"store,dict"`
	Channel  string `parquet:"channel,dict"`
	Card     *int64 `parquet:"card,optional"`
	Account  *int64 `parquet:"account,optional"`
	Product  int64  `parquet:"product"`
	Quantity int32  `parquet:"quantity,decimal(3:9)"`
	Sales    int32  `parquet:"sales,decimal(2:9)"`
	Discount int32  `parquet:"retail_discount,decimal(2:9)"`
	Coupon   int32  `parquet:"coupon_discount,decimal(2:9)"`
	Match    int32  `parquet:"coupon_match,decimal(2:9)"`
}

// receiptTruth says whose a receipt is.
type receiptTruth struct {
	Receipt int64 `parquet:"receipt,delta"`
	Shopper int32 `parquet:"shopper"`
}

// redemptionRow is one coupon that was redeemed.
type redemptionRow struct {
	Receipt  int64  `parquet:"receipt"`
	Time     int64  `parquet:"time,timestamp(microsecond)"`
	Campaign int32  `parquet:"campaign"`
	Coupon   int32  `parquet:"coupon"`
	Card     *int64 `parquet:"card,optional"`
}

// chunkVisits is how many visits make one row group.
const chunkVisits = 8_192

// options are those of every Parquet file of the folder.
func options() []pq.WriterOption {
	return []pq.WriterOption{
		pq.Compression(&pq.Snappy), pq.KeyValueMetadata("endcap.declared", Declared), pq.CreatedBy("endcap simulate", "1", ""),
		pq.DataPageStatistics(false),
	}
}

// chunk is one row group of receipts on its way to the file.
type chunk struct {
	batch  life.Batch
	lines  *pq.ConcurrentRowGroupWriter
	truth  *pq.ConcurrentRowGroupWriter
	values []pq.Value
}

// receipts writes a week's receipts, whose they are, redeemed coupons, and what they
// changed. Row groups are filled side by side and written in their order.
func (w *writer) receipts(ctx context.Context, plan *life.Plan, entry *weekEntry) error {
	var redeemed []redemptionRow
	var moved []rows.Moved
	err := w.create(weekFile("receipts", plan.Week+1), func(lines io.Writer) error {
		return w.create(weekFile("truth/receipts", plan.Week+1), func(truth io.Writer) error {
			to := pq.NewGenericWriter[receiptLine](lines, options()...)
			whose := pq.NewGenericWriter[receiptTruth](truth, options()...)
			err := w.chunks(ctx, plan, to, whose, func(c *chunk) error {
				w.count(c, entry, &redeemed)
				moved = append(moved, rows.AllMoved(w.world, c.batch.Moved)...)
				if _, err := c.lines.Commit(); err != nil {
					return err
				}
				_, err := c.truth.Commit()
				return err
			})
			if err != nil {
				return err
			}
			if err := to.Close(); err != nil {
				return err
			}
			return whose.Close()
		})
	})
	if err != nil {
		return err
	}
	if err := writeRows(ctx, w, weekFile("redemptions", plan.Week+1), redeemed); err != nil {
		return err
	}
	return writeRows(ctx, w, weekFile("truth/redemptions", plan.Week+1), moved)
}

// chunks fills a plan's visits chunk by chunk, several at once, and hands them to
// take in their order.
func (w *writer) chunks(ctx context.Context, plan *life.Plan, to *pq.GenericWriter[receiptLine], whose *pq.GenericWriter[receiptTruth], take func(*chunk) error) error {
	workers := runtime.GOMAXPROCS(0)
	free := make(chan *chunk, workers+1)
	for range cap(free) {
		free <- &chunk{lines: to.BeginRowGroup(), truth: whose.BeginRowGroup()}
	}
	queue := make(chan chan *chunk, workers)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(queue)
		for from := 0; from < len(plan.Visits); from += chunkVisits {
			var c *chunk
			select {
			case c = <-free:
			case <-ctx.Done():
				return ctx.Err()
			}
			done := make(chan *chunk, 1)
			group.Go(func() error {
				w.world.Fill(plan, from, min(from+chunkVisits, len(plan.Visits)), &c.batch)
				if err := w.encode(c); err != nil {
					return err
				}
				done <- c
				return nil
			})
			select {
			case queue <- done:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	group.Go(func() error {
		visits := 0
		for done := range queue {
			select {
			case c := <-done:
				if err := take(c); err != nil {
					return err
				}
				visits = min(visits+chunkVisits, len(plan.Visits))
				w.tell(plan, visits, len(c.batch.Lines))
				free <- c
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

// count adds a chunk to the week's sums.
func (w *writer) count(c *chunk, entry *weekEntry, redeemed *[]redemptionRow) {
	entry.Receipts += int64(len(c.batch.Receipts))
	entry.Lines += int64(len(c.batch.Lines))
	for i := range c.batch.Lines {
		entry.Cents += int64(c.batch.Lines[i].Sales)
	}
	for _, r := range c.batch.Redemptions {
		on := &c.batch.Receipts[r.Receipt]
		*redeemed = append(*redeemed, redemptionRow{on.ID, on.At, r.Campaign, r.Coupon, some(on.Card)})
	}
}

// encode brings a chunk's lines into columns.
func (w *writer) encode(c *chunk) error {
	b := &c.batch
	if len(b.Lines) == 0 {
		return nil
	}
	stores, channels := w.words()
	columns := []func(r *life.Receipt) pq.Value{
		func(r *life.Receipt) pq.Value { return pq.Int64Value(r.ID) },
		func(r *life.Receipt) pq.Value { return pq.Int64Value(r.At) },
		func(r *life.Receipt) pq.Value { return stores[r.Store] },
		func(r *life.Receipt) pq.Value { return channels[channelOf(r)] },
		func(r *life.Receipt) pq.Value { return orNull(r.Card, 4) },
		func(r *life.Receipt) pq.Value { return orNull(r.Account, 5) },
	}
	writers := c.lines.ColumnWriters()
	for col, of := range columns {
		c.values = c.values[:0]
		for i := range b.Receipts {
			r := &b.Receipts[i]
			v := of(r).Level(0, levelOf(r, col), col)
			for range r.To - r.From {
				c.values = append(c.values, v)
			}
		}
		if err := c.flush(writers[col]); err != nil {
			return err
		}
	}
	products := w.world.Grocer.Products
	for col, of := range []func(l *life.Line) pq.Value{
		func(l *life.Line) pq.Value { return pq.Int64Value(products[l.Product].GTIN) },
		func(l *life.Line) pq.Value { return pq.Int32Value(l.Quantity) },
		func(l *life.Line) pq.Value { return pq.Int32Value(l.Sales) },
		func(l *life.Line) pq.Value { return pq.Int32Value(l.Discount) },
		func(l *life.Line) pq.Value { return pq.Int32Value(l.Coupon) },
		func(l *life.Line) pq.Value { return pq.Int32Value(l.Match) },
	} {
		c.values = c.values[:0]
		for i := range b.Receipts {
			for j := b.Receipts[i].From; j < b.Receipts[i].To; j++ {
				c.values = append(c.values, of(&b.Lines[j]))
			}
		}
		if err := c.flush(writers[len(columns)+col]); err != nil {
			return err
		}
	}
	if err := c.lines.Flush(); err != nil {
		return err
	}
	return c.encodeTruth()
}

// encodeTruth brings whose receipts they are into columns.
func (c *chunk) encodeTruth() error {
	for col, of := range []func(r *life.Receipt) pq.Value{
		func(r *life.Receipt) pq.Value { return pq.Int64Value(r.ID) },
		func(r *life.Receipt) pq.Value { return pq.Int32Value(r.Shopper) },
	} {
		c.values = c.values[:0]
		for i := range c.batch.Receipts {
			c.values = append(c.values, of(&c.batch.Receipts[i]))
		}
		if err := c.flush(c.truth.ColumnWriters()[col]); err != nil {
			return err
		}
	}
	return c.truth.Flush()
}

// pageValues is how many values are handed over at once, so that pages stay small.
const pageValues = 16_384

// flush hands the values to a column.
func (c *chunk) flush(to *pq.ColumnWriter) error {
	for from := 0; from < len(c.values); from += pageValues {
		if _, err := to.WriteRowValues(c.values[from:min(from+pageValues, len(c.values))]); err != nil {
			return err
		}
	}
	return nil
}

// orNull is an optional number, 0 standing for none.
func orNull(n int64, column int) pq.Value {
	if n == 0 {
		return pq.NullValue().Level(0, 0, column)
	}
	return pq.Int64Value(n).Level(0, 1, column)
}

// levelOf is the definition level of a receipt's column: 1 where an optional
// value is there.
func levelOf(r *life.Receipt, column int) int {
	if column == 4 && r.Card != 0 || column == 5 && r.Account != 0 {
		return 1
	}
	return 0
}

// words are the stores' and channels' words as values.
func (w *writer) words() (stores, channels []pq.Value) {
	for i := range w.world.Grocer.Stores {
		stores = append(stores, pq.ByteArrayValue([]byte(w.world.Grocer.Stores[i].ID)))
	}
	return stores, []pq.Value{pq.ByteArrayValue([]byte("in_store")), pq.ByteArrayValue([]byte("online"))}
}

func channelOf(r *life.Receipt) int {
	if r.Online {
		return 1
	}
	return 0
}

// tell says how far the run got: which of the week's visits are written.
func (w *writer) tell(plan *life.Plan, visits, lines int) {
	w.told.Lines += int64(lines)
	w.progress(plan.Week+1, (float64(plan.Week)+float64(visits)/float64(len(plan.Visits)))/float64(w.Scenario.Weeks))
}
