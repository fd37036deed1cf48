package history

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// Past tells know/ingest of receipts that the stream has trimmed.
type Past struct{ from Asker }

// NewPast reads from a warehouse.
func NewPast(from Asker) *Past { return &Past{from} }

// holdersMax is how many receipts one question names.
const holdersMax = 1_000

// holdersSQL asks for n receipts.
func holdersSQL(n int) string {
	places := make([]string, n)
	for i := range places {
		places[i] = "$" + strconv.Itoa(i+1)
	}
	return `select receipt, version, "at", day, ` + event.ColumnCameAs + ` from ` + event.TableReceipts + " where receipt in (" + strings.Join(places, ", ") + ")"
}

// Holders says whose receipts are, as they stand: facts without a body, with ID,
// Version, At, Day and Shopper, as which it came in. A receipt that history lacks is left out.
func (p *Past) Holders(ctx context.Context, receipts []basket.ReceiptID) ([]event.Fact, error) {
	var out []event.Fact
	for some := range slices.Chunk(receipts, holdersMax) {
		args := make([]any, len(some))
		for i, id := range some {
			args[i] = string(id)
		}
		got, err := p.from.Query(ctx, warehouse.Query{Name: "history.holders", Purpose: warehouse.Accounting, SQL: holdersSQL(len(some)), Args: args})
		if err != nil {
			return nil, fmt.Errorf("look up %d receipts: %w", len(some), err)
		}
		for i := range got.Len {
			f := event.Fact{
				ID: got.Columns[0].Texts[i], Version: uint32(got.Columns[1].Ints[i]),
				At: time.UnixMicro(got.Columns[2].Ints[i]).UTC(), Day: retail.Day(got.Columns[3].Ints[i]),
			}
			if who := &got.Columns[4]; who.Nulls == nil || !who.Nulls[i] {
				f.Shopper = shopper.FromUint64(uint64(who.Ints[i]))
			}
			out = append(out, f)
		}
	}
	return out, nil
}
