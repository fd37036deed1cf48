package duck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/event"
)

// stagingName is where files are written before they get their final names.
const stagingName = "staging"

// Seal writes the rows of business days before a day to Parquet files, as far
// as no earlier sealing did. The working copy keeps its rows, so questions see
// no difference; a crash before the manifest's rename leaves nothing sealed,
// and the files are swept away at the next Open.
func (w *Warehouse) Seal(ctx context.Context, before retail.Day) ([]retail.Day, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.opened(); err != nil {
		return nil, err
	}
	if err := w.caughtUp(); err != nil {
		return nil, err
	}
	m := w.manifest
	m.Files = slices.Clone(m.Files)
	before = max(before, m.Before)
	first := len(m.Files)
	for _, t := range w.order {
		files, err := w.sealTable(ctx, t, before, &m.Next)
		if err != nil {
			return nil, fmt.Errorf("seal %s: %w", t.Name, err)
		}
		m.Files = append(m.Files, files...)
	}
	starts, err := w.starts(ctx, before)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	m.Before, m.Starts = before, starts
	m.Seq = w.seq<<partitionBits | (1<<partitionBits - 1)
	m.Cursors = w.places()
	m.Past = append(slices.Clone(m.Past), sealing{before, starts})
	if extra := len(m.Past) - warehouse.SealingsMax; extra > 0 {
		m.Past = m.Past[extra:]
	}
	if err := w.replaceManifest(m); err != nil {
		return nil, err
	}
	if err := w.forgetFolds(ctx); err != nil {
		return nil, err
	}
	if err := w.merge(ctx); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	var days []retail.Day
	for _, f := range m.Files[first:] {
		days = append(days, f.Day)
	}
	slices.Sort(days)
	return slices.Compact(days), nil
}

// mergeMost is how many row groups of a table are merged at once.
const mergeMost = 100

// merge makes whole row groups of the small ones that the day left: one for each
// time that the working copy was written from its log to its file. DuckDB would
// do so each of those times, and write a whole row group again for every few rows
// that came; whoever appends waits for that.
func (w *Warehouse) merge(ctx context.Context) error {
	if err := w.writer.exec(ctx, fmt.Sprintf("set max_vacuum_tasks = %d", mergeMost)); err != nil {
		return err
	}
	err := w.writer.exec(ctx, "checkpoint")
	return errors.Join(err, w.writer.exec(context.WithoutCancel(ctx), "set max_vacuum_tasks = 0"))
}

// caughtUp refuses to seal while facts of an earlier sealing come again: what
// has not come yet would count as sealed.
func (w *Warehouse) caughtUp() error {
	w.state.RLock()
	defer w.state.RUnlock()
	for _, p := range w.manifest.Cursors {
		if string(w.folds[p.Partition].next) < string(p.Cursor) {
			return fmt.Errorf("seal: partition %d is still being folded again after a reset; let it catch up first", p.Partition)
		}
	}
	return nil
}

// places is where every partition stands now.
func (w *Warehouse) places() []place {
	w.state.RLock()
	defer w.state.RUnlock()
	var out []place
	for p := range warehouse.PartitionsMax {
		f, ok := w.folds[p]
		if ok {
			out = append(out, place{Partition: p, Cursor: []byte(f.next), Through: microsOf(f.through)})
		}
	}
	return out
}

// unsealedRows is the condition for rows that a sealing up to before has yet to
// write.
func (w *Warehouse) unsealedRows(t *table, before retail.Day) string {
	day := quoteName(t.stored[t.filed].Name)
	return fmt.Sprintf("%s < date '%s' and not (%s < date '%s' and %s <= %d)",
		day, before, day, w.manifest.Before, seqColumn, w.manifest.Seq)
}

// sealDaysMax is how many days are written at once: each takes buffers of its
// own for every column.
const sealDaysMax = 32

// sealTable writes one table's rows, one file or a few per day.
func (w *Warehouse) sealTable(ctx context.Context, t *table, before retail.Day, next *int) ([]sealedFile, error) {
	day := quoteName(t.stored[t.filed].Name)
	where := w.unsealedRows(t, before)
	found, err := w.writer.ask(ctx, "select distinct "+day+" from "+t.base()+" where "+where+" order by 1")
	if err != nil {
		return nil, err
	}
	var out []sealedFile
	for days := range slices.Chunk(found.Columns[0].Ints, sealDaysMax) {
		from, to := retail.Day(days[0]), retail.Day(days[len(days)-1])
		files, err := w.sealDays(ctx, t, fmt.Sprintf("%s and %s between date '%s' and date '%s'", where, day, from, to), next)
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	return out, nil
}

// sealDays writes the rows under a condition, a directory per day.
func (w *Warehouse) sealDays(ctx context.Context, t *table, where string, next *int) ([]sealedFile, error) {
	staging := filepath.Join(w.sealedDir(), stagingName)
	if err := os.RemoveAll(staging); err != nil {
		return nil, err
	}
	if err := w.writer.exec(ctx, "copy (select "+t.columns()+" from "+t.base()+" where "+where+") to "+quoteText(staging)+
		" (format parquet, compression zstd, partition_by ("+quoteName(t.stored[t.filed].Name)+"), write_partition_columns true, filename_pattern 'p{i}')"); err != nil {
		return nil, err
	}
	found, err := filepath.Glob(filepath.Join(staging, "*", "*.parquet"))
	if err != nil {
		return nil, err
	}
	slices.Sort(found)
	out := make([]sealedFile, len(found))
	for i, from := range found {
		_, text, _ := strings.Cut(filepath.Base(filepath.Dir(from)), "=")
		d, err := retail.ParseDay(text)
		if err != nil {
			return nil, err
		}
		out[i] = sealedFile{Table: t.Name, Day: d}
		if err := w.nameFile(from, &out[i], next); err != nil {
			return nil, err
		}
	}
	if err := w.settleFiles(ctx, out); err != nil {
		return nil, err
	}
	return out, os.RemoveAll(staging)
}

// nameFile gives a written file its final name.
func (w *Warehouse) nameFile(from string, f *sealedFile, next *int) error {
	f.Path = path.Join(f.Table, "day="+f.Day.String(), fmt.Sprintf("%d.parquet", *next))
	*next++
	to := w.sealedPath(f.Path)
	if err := w.opts.Disk.MkdirAll(filepath.Dir(to)); err != nil {
		return err
	}
	return w.opts.Disk.Rename(from, to)
}

func (w *Warehouse) sealedPath(name string) string {
	return filepath.Join(w.sealedDir(), filepath.FromSlash(name))
}

// syncsMax is how many files are brought to disk at the same time.
const syncsMax = 16

// settleFiles brings files and their names to disk and fills in what the
// manifest says of them.
func (w *Warehouse) settleFiles(ctx context.Context, files []sealedFile) error {
	var all errgroup.Group
	all.SetLimit(syncsMax)
	dirs := map[string]bool{".": true}
	for i := range files {
		f := &files[i]
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			dirs[dir] = true
		}
		all.Go(func() error {
			if err := w.opts.Disk.Sync(w.sealedPath(f.Path)); err != nil {
				return err
			}
			var err error
			f.SHA256, f.Bytes, err = hashFile(w.sealedPath(f.Path))
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	for dir := range dirs {
		all.Go(func() error { return w.opts.Disk.Sync(w.sealedPath(dir)) })
	}
	if err := all.Wait(); err != nil {
		return err
	}
	return w.countRows(ctx, files)
}

// countRows fills in how many rows each file's own footer says it has.
func (w *Warehouse) countRows(ctx context.Context, files []sealedFile) error {
	at := map[string]int{}
	names := make([]string, len(files))
	for i, f := range files {
		name := w.sealedPath(f.Path)
		at[name], names[i] = i, quoteText(name)
	}
	got, err := w.writer.ask(ctx, "select file_name, num_rows from parquet_file_metadata(["+strings.Join(names, ", ")+"])")
	if err != nil {
		return err
	}
	for i := range got.Len {
		files[at[got.Columns[0].Texts[i]]].Rows = got.Columns[1].Ints[i]
	}
	return nil
}

// starts finds for each partition the last fold up to which every row is
// sealed once days before `before` are. Where that is not known to be later
// than at the last sealing, the last one's start stays.
func (w *Warehouse) starts(ctx context.Context, before retail.Day) ([]place, error) {
	open := map[int]uint64{} // partition → first Append with an unsealed row
	for _, t := range w.order {
		got, err := w.writer.ask(ctx, fmt.Sprintf("select %s & %d, min(%s) from %s where %s >= date '%s' group by 1",
			seqColumn, 1<<partitionBits-1, seqColumn, t.base(), quoteName(t.stored[t.filed].Name), before))
		if err != nil {
			return nil, err
		}
		for i := range got.Len {
			p, seq := int(got.Columns[0].Ints[i]), uint64(got.Columns[1].Ints[i])
			if known, ok := open[p]; !ok || seq < known {
				open[p] = seq
			}
		}
	}
	got, err := w.writer.ask(ctx, "select part, seq, next from base.folds order by seq")
	if err != nil {
		return nil, err
	}
	best := map[int]place{}
	for _, p := range w.manifest.Starts {
		best[p.Partition] = p
	}
	for i := range got.Len {
		f := place{Partition: int(got.Columns[0].Ints[i]), Seq: uint64(got.Columns[1].Ints[i]), Cursor: got.Columns[2].Blobs[i]}
		if first, ok := open[f.Partition]; (!ok || f.Seq < first) && string(f.Cursor) > string(best[f.Partition].Cursor) {
			best[f.Partition] = f
		}
	}
	var out []place
	for p := range warehouse.PartitionsMax {
		if f, ok := best[p]; ok {
			out = append(out, f)
		}
	}
	return out, nil
}

// forgetFolds drops folds that no later sealing can start from.
func (w *Warehouse) forgetFolds(ctx context.Context) error {
	for _, p := range w.manifest.Starts {
		if _, err := w.writer.ask(ctx, "delete from base.folds where part = $1 and seq < $2", p.Partition, int64(p.Seq)); err != nil {
			return err
		}
	}
	return nil
}

// Sealings returns the last sealings, oldest first.
func (w *Warehouse) Sealings(context.Context) ([]warehouse.Sealing, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.opened(); err != nil {
		return nil, err
	}
	out := make([]warehouse.Sealing, len(w.manifest.Past))
	for i, s := range w.manifest.Past {
		out[i].Before = s.Before
		for _, p := range s.Starts {
			out[i].Marks = append(out[i].Marks, p.mark())
		}
	}
	return out, nil
}

func (p place) mark() warehouse.Mark {
	return warehouse.Mark{Partition: p.Partition, Fold: p.Seq, Cursor: event.Cursor(p.Cursor)}
}

// Release records that the stream need not hold facts up to the marks.
func (w *Warehouse) Release(_ context.Context, marks []warehouse.Mark) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.opened(); err != nil {
		return err
	}
	m := w.manifest
	m.Released = slices.Clone(m.Released)
	for _, mark := range marks {
		i := slices.IndexFunc(m.Released, func(p place) bool { return p.Partition == mark.Partition })
		p := place{Partition: mark.Partition, Seq: mark.Fold, Cursor: []byte(mark.Cursor)}
		switch {
		case string(p.Cursor) > string(cursorIn(m.Starts, p.Partition)):
			return fmt.Errorf("release partition %d: history is not sealed that far", p.Partition)
		case i < 0:
			m.Released = append(m.Released, p)
		case string(p.Cursor) > string(m.Released[i].Cursor):
			m.Released[i] = p
		}
	}
	return w.replaceManifest(m)
}

// Released returns the mark released for a partition. It waits for no writer:
// every follower asks for it whenever it reads.
func (w *Warehouse) Released(_ context.Context, partition int) (warehouse.Mark, error) {
	w.state.RLock()
	defer w.state.RUnlock()
	if !w.open {
		return warehouse.Mark{}, warehouse.ErrClosed
	}
	for _, p := range w.released {
		if p.Partition == partition {
			return p.mark(), nil
		}
	}
	return warehouse.Mark{}, nil
}

// Check proves that every sealed file is there and is what was sealed.
func (w *Warehouse) Check(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.opened(); err != nil {
		return err
	}
	var wrong []error
	var whole []sealedFile
	for _, f := range w.manifest.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		sum, size, err := hashFile(w.sealedPath(f.Path))
		switch {
		case err != nil:
			wrong = append(wrong, fmt.Errorf("%w: %s cannot be read: %w", warehouse.ErrDamaged, f.Path, err))
		case sum != f.SHA256 || size != f.Bytes:
			wrong = append(wrong, fmt.Errorf("%w: %s has other bytes than were sealed", warehouse.ErrDamaged, f.Path))
		default:
			whole = append(whole, f)
		}
	}
	counted := slices.Clone(whole)
	if len(whole) > 0 {
		if err := w.countRows(ctx, counted); err != nil {
			return errors.Join(append(wrong, err)...)
		}
	}
	for i := range whole {
		if whole[i].Rows != counted[i].Rows {
			wrong = append(wrong, fmt.Errorf("%w: %s holds %d rows, %d were sealed", warehouse.ErrDamaged, whole[i].Path, counted[i].Rows, whole[i].Rows))
		}
	}
	return errors.Join(wrong...)
}
