package duck

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/event"
)

// Expire drops the records of decisions of business days before a day; what
// was won and refused stays.
func (w *Warehouse) Expire(ctx context.Context, before retail.Day) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.opened(); err != nil {
		return err
	}
	if _, err := w.writer.ask(ctx, "update base.decisions set record = null where day < $1 and record is not null", before); err != nil {
		return fmt.Errorf("expire decisions: %w", err)
	}
	var names []string
	for _, f := range w.manifest.Files {
		if f.Table == event.TableDecisions && f.Day < before && !f.Bare {
			names = append(names, w.sealedPath(f.Path))
		}
	}
	if err := w.rewrite(ctx, names, "cast(null as blob) as record", sealedFile{Bare: true}); err != nil {
		return fmt.Errorf("expire sealed decisions: %w", err)
	}
	return nil
}

// rewrite writes successors of sealed files with one column replaced, makes
// them true in one step and removes the files they replace. as says what they
// have lost.
func (w *Warehouse) rewrite(ctx context.Context, names []string, column string, as sealedFile) error {
	if len(names) == 0 {
		return nil
	}
	m := w.manifest
	m.Files = slices.Clone(m.Files)
	for _, name := range names {
		i := slices.IndexFunc(m.Files, func(f sealedFile) bool { return w.sealedPath(f.Path) == name })
		if i < 0 {
			return fmt.Errorf("%w: %s is not in the manifest", warehouse.ErrDamaged, filepath.Base(name))
		}
		made, err := w.rewriteFile(ctx, m.Files[i], column, &m.Next)
		if err != nil {
			return err
		}
		made.Bare, made.Nobody = as.Bare || m.Files[i].Bare, as.Nobody || m.Files[i].Nobody
		m.Files[i] = made
	}
	if err := w.replaceManifest(m); err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, w.opts.Disk.Remove(name))
	}
	return errors.Join(errs...)
}

// rewriteFile writes one file's successor.
func (w *Warehouse) rewriteFile(ctx context.Context, f sealedFile, column string, next *int) (sealedFile, error) {
	staging := filepath.Join(w.sealedDir(), stagingName)
	if err := w.opts.Disk.MkdirAll(staging); err != nil {
		return f, err
	}
	to := filepath.Join(staging, "rewritten.parquet")
	if err := w.writer.exec(ctx, "copy (select * replace ("+column+") from "+readParquet([]string{w.sealedPath(f.Path)}, "")+
		") to "+quoteText(to)+" (format parquet, compression zstd)"); err != nil {
		return f, err
	}
	made := []sealedFile{{Table: f.Table, Day: f.Day}}
	if err := w.nameFile(to, &made[0], next); err != nil {
		return f, err
	}
	if err := w.settleFiles(ctx, made); err != nil {
		return f, err
	}
	if made[0].Rows != f.Rows {
		return f, fmt.Errorf("%w: rewriting %s gave %d of %d rows", warehouse.ErrDamaged, f.Path, made[0].Rows, f.Rows)
	}
	return made[0], nil
}
