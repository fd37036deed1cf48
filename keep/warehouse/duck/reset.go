package duck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"endcap/keep/warehouse"
	"endcap/retail/event"
	"endcap/retail/shopper"
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
				p.Partition, int64(p.Seq), p.Cursor, w.sealedThrough(p.Partition)); err != nil { //nolint:gosec // a count
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

// Forget sets shoppers' columns to NULL in the working copy and rewrites the
// sealed files that hold them. Rows stay, so that totals do.
func (w *Warehouse) Forget(ctx context.Context, who []shopper.ID) error {
	if len(who) == 0 {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.opened(); err != nil {
		return err
	}
	ids := make([]string, len(who))
	for i, id := range who {
		ids[i] = fmt.Sprint(int64(id.Reveal())) //nolint:gosec // the store keeps the id's 64 bits as they are
	}
	hers := "shopper in (" + strings.Join(ids, ", ") + ")"
	err := w.writer.within(ctx, func() error {
		for _, t := range w.order {
			if t.shop < 0 {
				continue
			}
			if err := w.writer.exec(ctx, "update "+t.base()+" set shopper = null where "+hers); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget in the warehouse: %w", err)
	}
	if err := w.forgetSealed(ctx, hers); err != nil {
		return fmt.Errorf("forget in sealed history: %w", err)
	}
	return w.writer.exec(ctx, "checkpoint")
}

// forgetSealed writes the files that hold a shopper anew without her and makes
// them true in one step.
func (w *Warehouse) forgetSealed(ctx context.Context, hers string) error {
	m := w.manifest
	m.Files = append([]sealedFile(nil), m.Files...)
	var old []string
	for _, t := range w.order {
		files := w.paths(t.Name)
		if t.shop < 0 || len(files) == 0 {
			continue
		}
		got, err := w.writer.ask(ctx, "select distinct filename from "+readParquet(files, ", filename = true")+" where "+hers)
		if err != nil {
			return err
		}
		for _, name := range got.Columns[0].Texts {
			if err := w.rewrite(ctx, name, hers, &m); err != nil {
				return err
			}
			old = append(old, name)
		}
	}
	if len(old) == 0 {
		return nil
	}
	if err := w.replaceManifest(m); err != nil {
		return err
	}
	var errs []error
	for _, name := range old {
		errs = append(errs, os.Remove(name))
	}
	return errors.Join(errs...)
}

// rewrite makes a file's successor without a shopper and puts it into m.
func (w *Warehouse) rewrite(ctx context.Context, name, hers string, m *manifest) error {
	staging := filepath.Join(w.sealedDir(), stagingName)
	if err := os.MkdirAll(staging, 0o750); err != nil {
		return err
	}
	to := filepath.Join(staging, "rewritten.parquet")
	if err := w.writer.exec(ctx, "copy (select * replace (case when "+hers+" then null else shopper end as shopper) from "+
		readParquet([]string{name}, "")+") to "+quoteText(to)+" (format parquet, compression zstd)"); err != nil {
		return err
	}
	for i, f := range m.Files {
		if w.sealedPath(f.Path) != name {
			continue
		}
		made := []sealedFile{{Table: f.Table, Day: f.Day}}
		if err := w.nameFile(to, &made[0], &m.Next); err != nil {
			return err
		}
		if err := w.settleFiles(ctx, made); err != nil {
			return err
		}
		if made[0].Rows != f.Rows {
			return fmt.Errorf("%w: rewriting %s gave %d of %d rows", warehouse.ErrDamaged, f.Path, made[0].Rows, f.Rows)
		}
		m.Files[i] = made[0]
		return nil
	}
	return fmt.Errorf("%w: %s is not in the manifest", warehouse.ErrDamaged, name)
}
