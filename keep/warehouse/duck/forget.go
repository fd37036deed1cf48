package duck

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

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
		ids[i] = strconv.FormatInt(int64(id.Reveal()), 10)
	}
	list := " in (" + strings.Join(ids, ", ") + ")"
	hers, known := "shopper"+list, "canonical"+list
	err := w.writer.within(ctx, func() error {
		for _, t := range w.order {
			if t.shop < 0 {
				continue
			}
			if err := w.writer.exec(ctx, "update "+t.base()+" set shopper = null where "+hers); err != nil {
				return err
			}
		}
		if err := w.writer.exec(ctx, "update base.merged set canonical = null where "+known); err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget in the warehouse: %w", err)
	}
	var names []string
	for _, t := range w.order {
		files := w.paths(t.Name)
		if t.shop < 0 || len(files) == 0 {
			continue
		}
		got, err := w.writer.ask(ctx, "select distinct filename from "+readParquet(files, ", filename = true")+" where "+hers)
		if err != nil {
			return fmt.Errorf("forget in sealed history: %w", err)
		}
		names = append(names, got.Columns[0].Texts...)
	}
	if err := w.rewrite(ctx, names, "case when "+hers+" then null else shopper end as shopper", false); err != nil {
		return fmt.Errorf("forget in sealed history: %w", err)
	}
	if err := w.forgetKnownAs(ctx, known); err != nil {
		return fmt.Errorf("forget in sealed history: %w", err)
	}
	return w.writer.exec(ctx, "checkpoint")
}

// forgetKnownAs rewrites the sealed files that say as whom shoppers are known.
func (w *Warehouse) forgetKnownAs(ctx context.Context, known string) error {
	files := w.paths(event.TableMerged)
	if len(files) == 0 {
		return nil
	}
	got, err := w.writer.ask(ctx, "select distinct filename from "+readParquet(files, ", filename = true")+" where "+known)
	if err != nil {
		return err
	}
	return w.rewrite(ctx, got.Columns[0].Texts, "case when "+known+" then null else canonical end as canonical", false)
}

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
	if err := w.rewrite(ctx, names, "cast(null as blob) as record", true); err != nil {
		return fmt.Errorf("expire sealed decisions: %w", err)
	}
	return nil
}

// rewrite writes successors of sealed files with one column replaced, makes
// them true in one step and removes the files they replace.
func (w *Warehouse) rewrite(ctx context.Context, names []string, column string, bare bool) error {
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
		made.Bare = bare || m.Files[i].Bare
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
