package folder

import (
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
	write func(w *writer, name string) (int64, error)
}

// tables lists them in the order in which they are written.
func (w *writer) tables() []table {
	return []table{
		{"stores.parquet", each(rows.Stores)},
		{"products.parquet", each(rows.Products)},
		{"shoppers.parquet", each(rows.Shoppers)},
		{"campaigns.parquet", (*writer).campaigns},
		{"coupons.parquet", (*writer).coupons},
		{"targets.parquet", (*writer).targets},
		{"truth/shoppers.parquet", (*writer).truthShoppers},
		{weekFile("truth/links", 0), (*writer).truthLinks},
		{"truth/clicks.json", (*writer).truthClicks},
		{weekFile("consents", 0), each(rows.Consents)},
		{weekFile("prices", 0), each(rows.Prices)},
		{weekFile("stock", 0), each(rows.Stocks)},
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
func each[T any](of func(*life.World) iter.Seq[T]) func(w *writer, name string) (int64, error) {
	return func(w *writer, name string) (int64, error) { return sequence(w, name, of(w.world)) }
}

// sequence writes rows that come one by one.
func sequence[T any](w *writer, name string, all iter.Seq[T]) (int64, error) {
	return stream(w, name, func(yield func(T) error) (err error) {
		for row := range all {
			if err = yield(row); err != nil {
				break
			}
		}
		return err
	})
}

// stream writes a table row by row.
func stream[T any](w *writer, name string, each func(yield func(T) error) error) (count int64, err error) {
	err = w.create(name, func(out io.Writer) error {
		to := pq.NewGenericWriter[T](out, append(options(), pq.MaxRowsPerRowGroup(groupRows))...)
		buf := make([]T, 0, rowsBuffer)
		flush := func() error {
			_, err := to.Write(buf)
			count += int64(len(buf))
			buf = buf[:0]
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
func writeRows[T any](w *writer, name string, at []T) error {
	_, err := sequence(w, name, slices.Values(at))
	return err
}

type campaignRow struct {
	Campaign int32  `parquet:"campaign"`
	Type     string `parquet:"type"`
	First    int32  `parquet:"first_day,date"`
	Last     int32  `parquet:"last_day,date"`
}

func (w *writer) campaigns(name string) (int64, error) {
	first := int32(w.Scenario.First())
	return stream(w, name, func(yield func(campaignRow) error) error {
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

func (w *writer) coupons(name string) (int64, error) {
	return stream(w, name, func(yield func(couponRow) error) error {
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
func (w *writer) targets(name string) (int64, error) {
	campaigns := w.world.Campaigns()
	return stream(w, name, func(yield func(targetRow) error) error {
		for n := range campaigns {
			for i := range w.world.Crowd.Shoppers {
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
