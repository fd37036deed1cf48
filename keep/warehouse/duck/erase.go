package duck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	ddb "github.com/duckdb/duckdb-go-bindings"

	"endcap/keep/warehouse"
	"endcap/retail/shopper"
)

// people are the columns of a table that name shoppers.
func (t *table) people() (names []string) {
	for _, c := range t.stored {
		if c.Shopper {
			names = append(names, c.Name)
		}
	}
	return names
}

// leaves is the condition for a column that names somebody who leaves, whom list
// listed.
func leaves(column string) string { return column + " in (select shopper from leaving)" }

// Forget sets shoppers' columns to NULL in the working copy, which every
// question reads.
func (w *Warehouse) Forget(ctx context.Context, who []shopper.ID) error {
	if len(who) == 0 {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.opened(); err != nil {
		return err
	}
	return errors.Join(w.forget(ctx, who), w.unlist(ctx))
}

func (w *Warehouse) forget(ctx context.Context, who []shopper.ID) error {
	err := w.list(ctx, who)
	if err == nil {
		err = w.writer.within(ctx, func() error {
			if err := w.writer.exec(ctx, "create table if not exists base."+leftTable+" (since timestamp)"); err != nil {
				return err
			}
			for _, t := range w.order {
				for _, column := range t.people() {
					if err := w.writer.exec(ctx, "update "+t.base()+" set "+column+" = null where "+leaves(column)); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("forget in the warehouse: %w", err)
	}
	return nil
}

// leftTable stands in a working copy out of which somebody was taken: its file
// may hold old versions of rows until renew has written it anew, without.
const leftTable = "somebody_left"

// stale says whether the working copy's file must be written anew.
func (w *Warehouse) stale(ctx context.Context) (bool, error) {
	got, err := w.writer.ask(ctx, "select count(*) from duckdb_tables() where schema_name = 'base' and table_name = $1", leftTable)
	return err == nil && got.Columns[0].Ints[0] > 0, err
}

// list makes the table of those who leave. It lies in memory.
func (w *Warehouse) list(ctx context.Context, who []shopper.ID) error {
	var ids strings.Builder
	for i, id := range who {
		if i > 0 {
			ids.WriteString(", ")
		}
		ids.WriteString(strconv.FormatInt(int64(id.Reveal()), 10))
	}
	return w.writer.exec(ctx, "create or replace temp table leaving as select unnest(cast(["+ids.String()+"] as bigint[])) as shopper")
}

// unlist drops the list of those who left.
func (w *Warehouse) unlist(ctx context.Context) error {
	return w.writer.exec(context.WithoutCancel(ctx), "drop table if exists leaving")
}

// Erase is Forget that also rewrites the sealed files that hold the shoppers and
// writes the working copy anew: DuckDB leaves old versions of rows in the free
// space of its file. A crash on the way leaves her forgotten and some files
// clean; erasing again does the rest.
func (w *Warehouse) Erase(ctx context.Context, who []shopper.ID) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.opened(); err != nil {
		return 0, err
	}
	files := 0
	if len(who) > 0 {
		if err := w.forget(ctx, who); err != nil {
			return 0, err
		}
		var err error
		files, err = w.eraseSealed(ctx)
		if err = errors.Join(err, w.unlist(ctx)); err != nil {
			return files, fmt.Errorf("erase from sealed history: %w", err)
		}
	}
	stale, err := w.stale(ctx)
	if err == nil && stale {
		err = w.renew(ctx)
	}
	if err != nil {
		return files, fmt.Errorf("write the working copy anew: %w", err)
	}
	return files, nil
}

// eraseSealed rewrites the sealed files that hold somebody who leaves, column by
// column, and says how many.
func (w *Warehouse) eraseSealed(ctx context.Context) (n int, err error) {
	for _, t := range w.order {
		for _, column := range t.people() {
			files := w.paths(t.Name)
			if len(files) == 0 {
				continue
			}
			got, err := w.writer.ask(ctx, "select distinct filename from "+readParquet(files, ", filename = true")+" where "+leaves(column))
			if err != nil {
				return n, err
			}
			names := got.Columns[0].Texts
			if err := w.rewrite(ctx, names, "case when "+leaves(column)+" then null else "+column+" end as "+column, sealedFile{}); err != nil {
				return n, err
			}
			n += len(names)
		}
	}
	return n, nil
}

// renew replaces the working copy's file by one that was written from its rows
// alone. Questions go on meanwhile, and wait only while the file is exchanged.
func (w *Warehouse) renew(ctx context.Context) (err error) {
	staging := filepath.Join(w.sealedDir(), stagingName)
	folder := filepath.Join(staging, "renewed")
	if err := errors.Join(os.RemoveAll(folder), w.opts.Disk.MkdirAll(folder)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staging)) }()
	fresh := &Warehouse{dir: folder, opts: w.opts, tables: w.tables, order: w.order}
	if err := fresh.openDatabase(); err != nil {
		return err
	}
	err = w.copyInto(ctx, fresh, folder)
	fresh.writer.close()
	ddb.Close(&fresh.db)
	if err != nil {
		return err
	}
	if err := w.opts.Disk.Sync(filepath.Join(folder, fileName)); err != nil {
		return err
	}
	return w.exchange(ctx, filepath.Join(folder, fileName))
}

// copyInto makes the tables in fresh and fills them, one after the other.
func (w *Warehouse) copyInto(ctx context.Context, fresh *Warehouse, folder string) error {
	if _, err := fresh.makeTables(ctx); err != nil {
		return err
	}
	copies := map[string]string{"base.cursors": "*", "base.folds": "*", "base.corrected": "*", "base.limits": "*"}
	into := map[string]string{}
	for _, t := range w.order {
		names := make([]string, 0, len(t.stored)+1)
		for _, c := range t.stored {
			names = append(names, quoteName(c.Name))
		}
		list := strings.Join(append(names, seqColumn), ", ")
		copies[t.base()], into[t.base()] = t.columns(), " ("+list+")"
	}
	file := filepath.Join(folder, "rows.parquet")
	for table, columns := range copies {
		if err := w.writer.exec(ctx, "copy (select "+columns+" from "+table+") to "+quoteText(file)+" (format parquet)"); err != nil {
			return err
		}
		list := strings.Trim(into[table], " ()")
		if list == "" {
			list = "*"
		}
		if err := fresh.writer.exec(ctx, "insert into "+table+into[table]+" select "+list+" from "+readParquet([]string{file}, "")); err != nil {
			return err
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return fresh.writer.exec(ctx, "checkpoint")
}

// exchange puts a file in the working copy's place while nobody asks. After an
// error behind the first step the warehouse is closed; the file in its place is
// whole, the old one or the new.
func (w *Warehouse) exchange(ctx context.Context, fresh string) error {
	for range cap(w.slots) { // until every question is answered
		w.slots <- struct{}{}
	}
	defer func() {
		for range cap(w.slots) {
			<-w.slots
		}
	}()
	w.idle.close()
	w.writer.close()
	ddb.Close(&w.db)
	err := w.opts.Disk.Rename(fresh, filepath.Join(w.dir, fileName))
	if err == nil {
		err = w.opts.Disk.Sync(w.dir)
	}
	err = errors.Join(err, w.openDatabase())
	if err == nil {
		err = w.prepare(context.WithoutCancel(ctx))
	}
	if err != nil {
		w.state.Lock()
		w.open = false
		w.state.Unlock()
	}
	return err
}

// Shoppers calls each with the shoppers of the working copy, then with those of
// each table's sealed files.
func (w *Warehouse) Shoppers(ctx context.Context, each func(place string, who []shopper.ID) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.opened(); err != nil {
		return err
	}
	for _, t := range w.order {
		for _, column := range t.people() {
			if err := w.shoppers(ctx, "history/"+fileName, column, t.base(), each); err != nil {
				return err
			}
			files := w.paths(t.Name)
			if len(files) == 0 {
				continue
			}
			if err := w.shoppers(ctx, "history/sealed/"+t.Name, column, readParquet(files, ""), each); err != nil {
				return err
			}
		}
	}
	return nil
}

// shoppers calls each with those whom one column of one place names.
func (w *Warehouse) shoppers(ctx context.Context, place, column, from string, each func(string, []shopper.ID) error) error {
	got, err := w.writer.ask(ctx, "select distinct "+column+" from "+from+" where "+column+" is not null")
	if err != nil {
		return fmt.Errorf("list shoppers of %s: %w", place, err)
	}
	for some := range slices.Chunk(got.Columns[0].Ints, warehouse.ShoppersMax) {
		who := make([]shopper.ID, len(some))
		for i, v := range some {
			who[i] = shopper.FromUint64(uint64(v))
		}
		if err := each(place, who); err != nil {
			return err
		}
	}
	return nil
}
