package duck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/event"
)

// Append adds the rows of folds and saves a follower's cursors in one
// transaction, on disk when it returns. A corrected receipt, and a newer row of
// a table of which only the latest counts, take the place of the older ones in
// the same step, so that questions never have to look for the newest.
func (w *Warehouse) Append(ctx context.Context, folds []warehouse.Fold) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.opened(); err != nil {
		return err
	}
	steps, err := w.steps(folds)
	if err != nil || len(steps) == 0 {
		return err
	}
	before := w.repaired
	err = w.writer.within(ctx, func() error {
		for i := range steps {
			if err := w.fold(ctx, &steps[i]); err != nil {
				return err
			}
		}
		return w.saveCursors(ctx, steps)
	})
	if err != nil {
		w.repaired = before
		return fmt.Errorf("append to the warehouse: %w", errors.Join(err, w.recall(context.WithoutCancel(ctx))))
	}
	w.seq += uint64(len(steps))
	w.state.Lock()
	defer w.state.Unlock()
	for i := range steps {
		w.folds[steps[i].Partition] = fold{steps[i].Next, steps[i].Through}
	}
	return nil
}

// step is one Fold that is ahead of what is saved.
type step struct {
	warehouse.Fold
	seq   uint64
	again bool // its facts may come a second time, after a Reset
	short bool // it ends before where sealing stood
}

// steps checks folds before anything is written, and numbers those that are new.
func (w *Warehouse) steps(folds []warehouse.Fold) ([]step, error) {
	w.state.RLock()
	defer w.state.RUnlock()
	out := make([]step, 0, len(folds))
	for _, f := range folds {
		if f.Partition < 0 || f.Partition >= warehouse.PartitionsMax {
			return nil, fmt.Errorf("append to the warehouse: partition %d of at most %d", f.Partition, warehouse.PartitionsMax)
		}
		if slices.ContainsFunc(out, func(s step) bool { return s.Partition == f.Partition }) {
			return nil, fmt.Errorf("append to the warehouse: two folds of partition %d", f.Partition)
		}
		at := w.folds[f.Partition]
		if f.Next <= at.next {
			continue
		}
		for i := range f.Rows {
			if err := w.fits(&f.Rows[i]); err != nil {
				return nil, err
			}
		}
		if f.Through.Before(at.through) {
			f.Through = at.through
		}
		sealed := w.manifest.cursor(f.Partition)
		s := step{Fold: f, again: at.next < sealed, short: f.Next < sealed}
		s.seq = (w.seq+uint64(len(out))+1)<<partitionBits | uint64(f.Partition)
		out = append(out, s)
	}
	return out, nil
}

// fold writes the rows of one step inside the transaction.
func (w *Warehouse) fold(ctx context.Context, s *step) (err error) {
	rows := s.Rows
	if s.again {
		if rows, err = w.unsealed(ctx, rows, s.Next <= w.manifest.cursor(s.Partition)); err != nil {
			return err
		}
	}
	for i := range rows {
		if rows[i].Len == 0 {
			continue
		}
		if err := w.append(&rows[i], int64(s.seq)); err != nil {
			return err
		}
	}
	corrects, err := w.settle(ctx, rows, int64(s.seq))
	w.repaired = w.repaired || corrects
	return err
}

// fits checks a batch's shape before anything is written.
func (w *Warehouse) fits(rows *warehouse.Rows) error {
	t := w.tables[rows.Table]
	if t == nil {
		return fmt.Errorf("append to the warehouse: no table %q", rows.Table)
	}
	if len(rows.Columns) != len(t.stored) {
		return fmt.Errorf("append to %s: %d columns, it stores %d", t.Name, len(rows.Columns), len(t.stored))
	}
	for i := range rows.Columns {
		c := &rows.Columns[i]
		n := len(c.Ints)
		switch t.forms[i] {
		case formText, formWord:
			n = len(c.Texts)
		case formBool:
			n = len(c.Bools)
		case formBlob:
			n = len(c.Blobs)
		case formInt, formDate:
		}
		if n != rows.Len || c.Nulls != nil && len(c.Nulls) != rows.Len {
			return fmt.Errorf("append to %s: column %s has %d of %d values", t.Name, t.stored[i].Name, n, rows.Len)
		}
	}
	return nil
}

func (w *Warehouse) append(rows *warehouse.Rows, seq int64) error {
	a := newAppender(w.tables[rows.Table])
	defer a.close()
	return a.write(w.writer, rows, seq)
}

// saveCursors keeps how far partitions were folded. While facts come again after
// a Reset the place is no mark to trim by: older rows lie beyond it.
func (w *Warehouse) saveCursors(ctx context.Context, steps []step) error {
	var parts, cursors, marks []string
	var values, marked []any
	for i := range steps {
		s := &steps[i]
		parts = append(parts, strconv.Itoa(s.Partition))
		values = append(values, int64(s.Partition), int64(s.seq), []byte(s.Next), microsOf(s.Through))
		n := len(values)
		cursors = append(cursors, fmt.Sprintf("($%d, $%d, $%d, make_timestamp($%d))", n-3, n-2, n-1, n))
		if s.again && s.short {
			continue
		}
		marked = append(marked, int64(s.Partition), int64(s.seq), []byte(s.Next))
		n = len(marked)
		marks = append(marks, fmt.Sprintf("($%d, $%d, $%d)", n-2, n-1, n))
	}
	if _, err := w.writer.ask(ctx, "delete from base.cursors where part in ("+strings.Join(parts, ", ")+")"); err != nil {
		return err
	}
	if _, err := w.writer.ask(ctx, "insert into base.cursors values "+strings.Join(cursors, ", "), values...); err != nil {
		return err
	}
	if len(marks) == 0 {
		return nil
	}
	_, err := w.writer.ask(ctx, "insert into base.folds values "+strings.Join(marks, ", "), marked...)
	return err
}

// settle lets newer rows replace older ones, and says whether the batch held
// corrections of receipts.
func (w *Warehouse) settle(ctx context.Context, rows []warehouse.Rows, seq int64) (bool, error) {
	corrects := false
	for i := range rows {
		t := w.tables[rows[i].Table]
		if rows[i].Len == 0 || len(t.Latest) == 0 {
			continue
		}
		if t.Of == event.KindReceipt {
			corrects = corrects || corrected(t, &rows[i])
			continue
		}
		gone, err := w.writer.ask(ctx, t.supersede("where "+seqColumn+" = $1"), seq)
		if err != nil {
			return false, err
		}
		if gone.Columns[0].Ints[0] == 0 {
			continue
		}
		for _, child := range w.childrenOf(t) {
			if _, err := w.writer.ask(ctx, child.orphans(t, seqColumn+" = $1"), seq); err != nil {
				return false, err
			}
		}
	}
	if corrects {
		if _, err := w.writer.ask(ctx, `insert into base.corrected
			select receipt, max(version), $1 from base.receipts where fold_seq = $1 and version > 0 group by receipt`, seq); err != nil {
			return false, err
		}
	}
	if !corrects && !w.repaired {
		return false, nil
	}
	for _, t := range w.order {
		if t.Of != event.KindReceipt {
			continue
		}
		// Older versions of what this batch corrects, wherever they lie …
		if _, err := w.writer.ask(ctx, replaceReceipts(t, "where seq = $1"), seq); err != nil {
			return false, err
		}
		// … and rows of this batch that were corrected before they came.
		if _, err := w.writer.ask(ctx, replaceReceipts(t, "")+" and r."+seqColumn+" = $1", seq); err != nil {
			return false, err
		}
	}
	return corrects, nil
}

// corrected says whether some row of a batch has a version above the first.
func corrected(t *table, rows *warehouse.Rows) bool {
	for _, v := range rows.Columns[t.index("version")].Ints {
		if v > 0 {
			return true
		}
	}
	return false
}

// replaceReceipts deletes what a newer version in base.corrected replaces.
func replaceReceipts(t *table, which string) string {
	return "delete from " + t.base() + ` as r using
		(select receipt, max(version) as newest from base.corrected ` + which + ` group by receipt) as c
		where r.receipt = c.receipt and r.version < c.newest`
}

// supersede deletes all but the newest row of each key that some row under a
// condition has. Newest is by version, then time, of equal instants what arrived and
// was folded later; a row derived from something else loses to one that was
// sent.
func (t *table) supersede(condition string) string {
	keys := make([]string, len(t.Latest))
	for i, k := range t.Latest {
		keys[i] = quoteName(k)
	}
	key := strings.Join(keys, ", ")
	newest := "(" + event.HiddenSource + " = " + quoteText(event.SourceDerived) + "), " + event.HiddenVersion + " desc, " +
		`"at" desc, ` + event.HiddenArrived + " desc, " + seqColumn + " desc, " + event.HiddenOrder + " desc"
	return "delete from " + t.base() + " where rowid in (select row from (select rowid as row, row_number() over (partition by " + key +
		" order by " + newest + ") as place from " + t.base() + " where " + keys[0] + " is not null and (" + key + ") in (select " + key + " from " + t.base() +
		" " + condition + ")) as ranked where place > 1)"
}

// childrenOf lists the tables whose rows are parts of t's, other than those of
// receipts, whose lines have ways of their own.
func (w *Warehouse) childrenOf(t *table) []*table {
	var out []*table
	for _, child := range w.order {
		if child.Of == t.Of && len(child.Parent) > 0 && t.Of != event.KindReceipt {
			out = append(out, child)
		}
	}
	return out
}

// orphans deletes the rows of a child table whose parent row is no more, among
// those that fulfil a condition or share a key with a parent row that does.
func (t *table) orphans(parent *table, condition string) string {
	same := make([]string, len(t.Parent))
	for i, c := range t.Parent {
		same[i] = "p." + quoteName(c) + " = c." + quoteName(c)
	}
	keys := make([]string, len(parent.Latest))
	for i, k := range parent.Latest {
		keys[i] = quoteName(k)
	}
	key := strings.Join(keys, ", ")
	return "delete from " + t.base() + " as c where (" + condition + " or (" + key + ") in (select " + key + " from " + parent.base() + " where " + condition + "))" +
		" and not exists (select 1 from " + parent.base() + " as p where " + strings.Join(same, " and ") + ")"
}

// unsealed drops rows that sealed files hold already. Only days before the
// sealing can be there: all of a batch that ends before the sealing's cursor,
// and those of a straddling batch whose fact is found.
func (w *Warehouse) unsealed(ctx context.Context, rows []warehouse.Rows, whole bool) ([]warehouse.Rows, error) {
	before := int64(w.manifest.Before)
	out := make([]warehouse.Rows, 0, len(rows))
	known := map[event.Kind]map[string]bool{}
	for i := range rows {
		t := w.tables[rows[i].Table]
		days := rows[i].Columns[t.filed].Ints
		if whole {
			out = append(out, pick(&rows[i], func(j int) bool { return days[j] >= before }))
			continue
		}
		if known[t.Of] == nil {
			oldest := before
			for _, d := range days {
				oldest = min(oldest, d)
			}
			var err error
			if known[t.Of], err = w.sealedFacts(ctx, t.Of, retail.Day(oldest)); err != nil {
				return nil, err
			}
		}
		name := w.naming(t, &rows[i])
		out = append(out, pick(&rows[i], func(j int) bool { return days[j] >= before || !known[t.Of][name(j)] }))
	}
	return out, nil
}

// naming gives each row the name of its fact, the same for parent and child.
func (w *Warehouse) naming(t *table, rows *warehouse.Rows) func(int) string {
	by := w.nameColumns(t.Of)
	columns := make([]warehouse.Column, len(by))
	for i, c := range by {
		columns[i] = rows.Columns[t.index(c)]
	}
	return nameOf(columns)
}

// nameOf joins the values of each row of some columns.
func nameOf(columns []warehouse.Column) func(int) string {
	return func(j int) string {
		var b strings.Builder
		for i := range columns {
			if texts := columns[i].Texts; texts != nil {
				b.WriteString(texts[j])
			} else {
				fmt.Fprintf(&b, "%d", columns[i].Ints[j])
			}
			b.WriteByte(0)
		}
		return b.String()
	}
}

// nameColumns are the columns that name a fact in all tables of its kind.
func (w *Warehouse) nameColumns(kind event.Kind) []string {
	for _, t := range w.order {
		if t.Of == kind && len(t.Parent) > 0 {
			return t.Parent
		}
	}
	return []string{event.HiddenFact, event.HiddenVersion}
}

// sealedFacts are the names of a kind's facts that sealed days hold, from a day on. It is
// asked once a partition after a Reset, for the one batch that straddles the
// place where sealing stood.
func (w *Warehouse) sealedFacts(ctx context.Context, kind event.Kind, oldest retail.Day) (map[string]bool, error) {
	out := map[string]bool{}
	for _, t := range w.order {
		if t.Of != kind || len(t.Parent) > 0 {
			continue
		}
		by := w.nameColumns(kind)
		names := make([]string, len(by))
		for i, c := range by {
			names[i] = quoteName(c)
		}
		got, err := w.writer.ask(ctx, "select "+strings.Join(names, ", ")+" from "+t.base()+
			" where "+quoteName(t.stored[t.filed].Name)+" >= $1 and "+quoteName(t.stored[t.filed].Name)+" < $2 and "+seqColumn+" <= $3",
			oldest, w.manifest.Before, int64(w.manifest.Seq))
		if err != nil {
			return nil, err
		}
		name := nameOf(got.Columns)
		for i := range got.Len {
			out[name(i)] = true
		}
	}
	return out, nil
}

// pick copies the rows that keep holds for.
func pick(rows *warehouse.Rows, keep func(int) bool) warehouse.Rows {
	out := warehouse.Rows{Table: rows.Table, Columns: make([]warehouse.Column, len(rows.Columns))}
	var chosen []int
	for j := range rows.Len {
		if keep(j) {
			chosen = append(chosen, j)
		}
	}
	out.Len = len(chosen)
	for i := range rows.Columns {
		from, to := &rows.Columns[i], &out.Columns[i]
		to.Ints, to.Texts, to.Bools = chosenOf(from.Ints, chosen), chosenOf(from.Texts, chosen), chosenOf(from.Bools, chosen)
		to.Blobs, to.Nulls = chosenOf(from.Blobs, chosen), chosenOf(from.Nulls, chosen)
	}
	return out
}

func chosenOf[T any](from []T, chosen []int) []T {
	if from == nil {
		return nil
	}
	out := make([]T, len(chosen))
	for i, j := range chosen {
		out[i] = from[j]
	}
	return out
}
