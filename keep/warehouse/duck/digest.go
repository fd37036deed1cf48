package duck

import (
	"context"
	"fmt"
	"strings"

	"endcap/retail/event"
)

// Digest tells, for each table, how many rows it has and a hash of all of them,
// hidden columns included, that does not depend on their order. The places that
// folding gave to rows are left out: they follow the batches, not the facts.
func (w *Warehouse) Digest(ctx context.Context) (map[string]string, error) {
	out := make(map[string]string, len(w.order))
	err := w.with(ctx, everyRow, func(c *conn) error {
		for _, t := range w.order {
			var columns []string
			for _, column := range t.stored {
				if column.Name != event.HiddenOrder {
					columns = append(columns, quoteName(column.Name))
				}
			}
			hash := "hash(" + strings.Join(columns, ", ") + ")"
			got, err := c.ask(ctx, "select concat(count(*), ' rows ', coalesce(bit_xor("+hash+"), 0), ' ', coalesce(sum("+hash+" % 1000000007), 0)) from "+t.base())
			if err != nil {
				return fmt.Errorf("digest of %s: %w", t.Name, err)
			}
			out[t.Name] = got.Columns[0].Texts[0]
		}
		return nil
	})
	return out, err
}
