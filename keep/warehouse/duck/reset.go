package duck

import (
	"context"
	"fmt"
	"strings"

	"endcap/retail/event"
)

// Reset throws the working copy away and fills it again from the sealed files;
// the stream brings the rest. Cursors go back to where nothing unsealed lies
// before them; sealed facts that come again from there on are known and left
// out (Append).
func (w *Warehouse) Reset(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.opened(); err != nil {
		return err
	}
	return w.refill(ctx)
}

// refill replaces all rows by those of the sealed files, in one transaction.
func (w *Warehouse) refill(ctx context.Context) error {
	err := w.writer.within(ctx, func() error {
		for _, name := range []string{"cursors", "folds", "corrected"} {
			if err := w.writer.exec(ctx, "delete from base."+name); err != nil {
				return err
			}
		}
		for _, t := range w.order {
			if err := w.refillTable(ctx, t); err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
		}
		for _, t := range w.order {
			for _, child := range w.childrenOf(t) {
				if len(t.Latest) > 0 {
					if err := w.writer.exec(ctx, child.orphans(t, "true")); err != nil {
						return fmt.Errorf("%s: %w", child.Name, err)
					}
				}
			}
		}
		for _, sql := range []string{
			`insert into base.corrected select receipt, max(version), 0 from base.receipts group by receipt having max(version) > 0`,
			replaceReceipts(w.tables[event.TableReceipts], ""),
			replaceReceipts(w.tables[event.TableLines], ""),
		} {
			if err := w.writer.exec(ctx, sql); err != nil {
				return err
			}
		}
		for _, p := range w.manifest.Starts {
			if _, err := w.writer.ask(ctx, `insert into base.cursors values ($1, $2, $3, make_timestamp($4))`,
				p.Partition, int64(p.Seq), p.Cursor, w.sealedThrough(p.Partition)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("fill the warehouse from sealed history: %w", err)
	}
	return w.recall(ctx)
}

// sealedThrough is the arrival time up to which a partition was sealed.
func (w *Warehouse) sealedThrough(partition int) int64 {
	for _, p := range w.manifest.Cursors {
		if p.Partition == partition {
			return p.Through
		}
	}
	return 0
}

func (w *Warehouse) refillTable(ctx context.Context, t *table) error {
	if err := w.writer.exec(ctx, "delete from "+t.base()); err != nil {
		return err
	}
	files := w.paths(t.Name)
	if len(files) == 0 {
		return nil
	}
	names := make([]string, 0, len(t.stored)+1)
	for _, c := range t.stored {
		names = append(names, quoteName(c.Name))
	}
	list := strings.Join(append(names, seqColumn), ", ")
	if err := w.writer.exec(ctx, "insert into "+t.base()+" ("+list+") select "+list+" from "+readParquet(files, "")); err != nil {
		return err
	}
	if len(t.Latest) == 0 || t.Of == event.KindReceipt {
		return nil
	}
	return w.writer.exec(ctx, t.supersede(""))
}

func readParquet(files []string, more string) string {
	quoted := make([]string, len(files))
	for i, f := range files {
		quoted[i] = quoteText(f)
	}
	return "read_parquet([" + strings.Join(quoted, ", ") + "], hive_partitioning = false" + more + ")"
}
