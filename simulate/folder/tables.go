package folder

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"

	pq "github.com/parquet-go/parquet-go"

	"endcap/simulate/life"
	"endcap/simulate/rows"
)

// table is one file that does not change with the weeks.
type table struct {
	name  string
	rows  float64 // about how many it will have, for progress
	write func(ctx context.Context, w *writer, name string) (int64, error)
}

// tables lists them in the order in which they are written.
func (w *writer) tables() []table {
	people, stores, products := float64(w.Scenario.Shoppers), float64(w.Scenario.StoreCount()+1), float64(w.Scenario.Products)
	return []table{
		{"stores.parquet", stores, each(rows.Stores)},
		{"products.parquet", products, each(rows.Products)},
		{"shoppers.parquet", 1.2 * people, each(rows.Shoppers)},
		{"campaigns.parquet", 1, campaigns},
		{"coupons.parquet", 100, coupons},
		{"targets.parquet", people, targets},
		{"truth/shoppers.parquet", people, truthShoppers},
		{weekFile("truth/links", 0), 3 * people, truthLinks},
		{"truth/clicks.json", 1, truthClicks},
		{"truth/coupons.json", 1, truthCoupons},
		{weekFile("consents", 0), people, each(rows.Consents)},
		{weekFile("prices", 0), products, each(rows.Prices)},
		{weekFile("stock", 0), stores * products, each(rows.Stocks)},
	}
}

func weekFile(folder string, week int) string {
	return fmt.Sprintf("%s/week-%04d.parquet", folder, week)
}

// rowsBuffer is how many rows are handed to Parquet at once, and groupRows how
// many make a row group, so that a table of any length takes little memory.
const (
	rowsBuffer = 4_096
	groupRows  = 65_536
)

// each writes the rows of a table that the world tells.
func each[T any](of func(*life.World) iter.Seq[T]) func(ctx context.Context, w *writer, name string) (int64, error) {
	return func(ctx context.Context, w *writer, name string) (int64, error) {
		return sequence(ctx, w, name, of(w.world))
	}
}

// sequence writes rows that come one by one.
func sequence[T any](ctx context.Context, w *writer, name string, all iter.Seq[T]) (int64, error) {
	return stream(ctx, w, name, func(yield func(T) error) (err error) {
		for row := range all {
			if err = yield(row); err != nil {
				break
			}
		}
		return err
	})
}

// stream writes a table row by row, until ctx ends.
func stream[T any](ctx context.Context, w *writer, name string, each func(yield func(T) error) error) (count int64, err error) {
	err = w.create(name, func(out io.Writer) error {
		to := pq.NewGenericWriter[T](out, append(options(), pq.MaxRowsPerRowGroup(groupRows))...)
		buf := make([]T, 0, rowsBuffer)
		flush := func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			_, err := to.Write(buf)
			count += int64(len(buf))
			buf = buf[:0]
			if w.streamed != nil {
				w.streamed(count)
			}
			return err
		}
		err := each(func(row T) error {
			if buf = append(buf, row); len(buf) == rowsBuffer {
				return flush()
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := flush(); err != nil {
			return err
		}
		return to.Close()
	})
	return count, err
}

// writeRows writes rows that are at hand.
func writeRows[T any](ctx context.Context, w *writer, name string, at []T) error {
	_, err := sequence(ctx, w, name, slices.Values(at))
	return err
}

type campaignRow struct {
	Campaign int32  `parquet:"campaign"`
	Type     string `parquet:"type"`
	First    int32  `parquet:"first_day,date"`
	Last     int32  `parquet:"last_day,date"`
}

func campaigns(ctx context.Context, w *writer, name string) (int64, error) {
	first := int32(w.Scenario.First())
	return stream(ctx, w, name, func(yield func(campaignRow) error) error {
		for n, c := range w.world.Campaigns() {
			if err := yield(campaignRow{int32(n), c.Type, first + int32(c.From), first + int32(c.To) - 1}); err != nil {
				return err
			}
		}
		return nil
	})
}

type couponRow struct {
	Campaign int32 `parquet:"campaign"`
	Coupon   int32 `parquet:"coupon"`
	Product  int64 `parquet:"product"`
	Value    int32 `parquet:"value,decimal(2:9)"`
}

func coupons(ctx context.Context, w *writer, name string) (int64, error) {
	return stream(ctx, w, name, func(yield func(couponRow) error) error {
		for n, c := range w.world.Campaigns() {
			for k := range c.Coupons {
				for _, p := range c.Coupons[k].Products {
					if err := yield(couponRow{int32(n), int32(k), w.world.Grocer.Products[p].GTIN, c.Coupons[k].Cents}); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

type targetRow struct {
	Campaign int32 `parquet:"campaign"`
	Card     int64 `parquet:"card"`
}

// targets writes who is sent which campaign, of those with a card.
func targets(ctx context.Context, w *writer, name string) (int64, error) {
	campaigns := w.world.Campaigns()
	return stream(ctx, w, name, func(yield func(targetRow) error) error {
		for n := range campaigns {
			for i := range w.world.Crowd.Shoppers {
				if i%groupRows == 0 && ctx.Err() != nil { // few may be targeted
					return ctx.Err()
				}
				if !campaigns[n].Targeted(i) {
					continue
				}
				if card, _, has := w.world.Crowd.Card(i); has {
					if err := yield(targetRow{int32(n), card}); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}
