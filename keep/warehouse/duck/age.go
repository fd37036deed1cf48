package duck

import (
	"context"
	"fmt"

	"endcap/keep/warehouse"
	"endcap/retail"
)

// Limit implements warehouse.Ageing.
func (w *Warehouse) Limit(ctx context.Context, l warehouse.Limits) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.opened(); err != nil {
		return err
	}
	err := w.writer.within(ctx, func() error {
		if err := w.writer.exec(ctx, "delete from base.limits"); err != nil {
			return err
		}
		return w.writer.exec(ctx, fmt.Sprintf("insert into base.limits values (date '%v', date '%v')", l.Inactive, l.Adverts))
	})
	if err != nil {
		return fmt.Errorf("limit the age of history: %w", err)
	}
	return nil
}

// Strip implements warehouse.Ageing.
func (w *Warehouse) Strip(ctx context.Context, before retail.Day, most int) (files, left int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.opened(); err != nil {
		return 0, 0, err
	}
	if err := w.stripCopy(ctx, before); err != nil {
		return 0, 0, fmt.Errorf("strip the working copy: %w", err)
	}
	var names []string
	for _, f := range w.manifest.Files {
		if t := w.tables[f.Table]; t == nil || !t.adverts() || f.Nobody || f.Day >= before {
			continue
		}
		if len(names) == most {
			left++
			continue
		}
		names = append(names, w.sealedPath(f.Path))
	}
	if err := w.rewrite(ctx, names, "cast(null as bigint) as "+shopperColumn, sealedFile{Nobody: true}); err != nil {
		return 0, 0, fmt.Errorf("strip sealed files: %w", err)
	}
	return len(names), left, nil
}

// stripCopy empties the columns in the working copy, which holds old versions of
// the rows until it is written anew.
func (w *Warehouse) stripCopy(ctx context.Context, before retail.Day) error {
	for _, t := range w.order {
		if !t.adverts() {
			continue
		}
		old := " where day < date '" + before.String() + "' and shopper is not null"
		got, err := w.writer.ask(ctx, "select count(*) from "+t.base()+old)
		if err != nil {
			return err
		}
		if got.Columns[0].Ints[0] == 0 {
			continue
		}
		err = w.writer.within(ctx, func() error {
			if err := w.writer.exec(ctx, "create table if not exists base."+leftTable+" (since timestamp)"); err != nil {
				return err
			}
			return w.writer.exec(ctx, "update "+t.base()+" set shopper = null"+old)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
