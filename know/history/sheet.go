package history

import (
	"time"

	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// sheet collects rows of one table, value by value in the order of its stored
// columns.
type sheet struct {
	table event.Table
	rows  warehouse.Rows
	at    int // the next column
	filed bool
}

func newSheet(t event.Table, size int) *sheet {
	stored := t.Stored()
	s := &sheet{table: t, rows: warehouse.Rows{Table: t.Name, Columns: make([]warehouse.Column, len(stored))}, filed: t.Filed() == event.HiddenFiled}
	for i, c := range stored {
		to := &s.rows.Columns[i]
		switch c.Type {
		case event.Text:
			to.Texts = make([]string, 0, size)
		case event.Bool:
			to.Bools = make([]bool, 0, size)
		case event.Blob:
			to.Blobs = make([][]byte, 0, size)
		case event.Float:
			to.Floats = make([]float64, 0, size)
		case event.Int, event.Amount, event.Timestamp, event.Date:
			to.Ints = make([]int64, 0, size)
		}
	}
	return s
}

// clear forgets the rows and keeps their room.
func (s *sheet) clear() {
	s.rows.Len = 0
	for i := range s.rows.Columns {
		c := &s.rows.Columns[i]
		clear(c.Texts) // which would keep the facts they were read from
		clear(c.Blobs)
		c.Ints, c.Texts, c.Bools, c.Blobs, c.Nulls = c.Ints[:0], c.Texts[:0], c.Bools[:0], c.Blobs[:0], nil
	}
}

// next is the column of the next value.
func (s *sheet) next() *warehouse.Column {
	c := &s.rows.Columns[s.at]
	s.at++
	if c.Nulls != nil {
		c.Nulls = append(c.Nulls, false)
	}
	return c
}

func (s *sheet) int(v int64)            { c := s.next(); c.Ints = append(c.Ints, v) }
func (s *sheet) amount(v retail.Micros) { s.int(int64(v)) }
func (s *sheet) day(v retail.Day)       { s.int(int64(v)) }
func (s *sheet) bool(v bool)            { c := s.next(); c.Bools = append(c.Bools, v) }
func (s *sheet) blob(v []byte)          { c := s.next(); c.Blobs = append(c.Blobs, v) }
func text[T ~string](s *sheet, v T)     { c := s.next(); c.Texts = append(c.Texts, string(v)) }
func (s *sheet) texts(v ...string) {
	for _, t := range v {
		text(s, t)
	}
}

// time is microseconds since 1970; the zero time is 0.
func (s *sheet) time(v time.Time) {
	if v.IsZero() {
		s.int(0)
		return
	}
	s.int(v.UnixMicro())
}

// shopper is NULL where nobody is known.
func (s *sheet) shopper(who shopper.ID) {
	at := s.at
	s.int(int64(who.Reveal()))
	if !who.Known() {
		s.null(at)
	}
}

// null makes the value just given to a column absent.
func (s *sheet) null(column int) {
	c := &s.rows.Columns[column]
	if c.Nulls == nil {
		c.Nulls = make([]bool, s.rows.Len+1, max(cap(c.Ints), cap(c.Texts)))
	}
	c.Nulls[s.rows.Len] = true
}

// common starts a row with the columns most tables begin with.
func (s *sheet) common(f *event.Fact) {
	s.day(f.Day)
	s.time(f.At)
	s.shopper(f.Shopper)
}

// end finishes a row with the hidden columns.
func (s *sheet) end(f *event.Fact, order int) {
	if len(s.table.Parent) == 0 {
		text(s, f.ID)
		s.int(int64(f.Version))
		s.time(f.Arrived)
		s.int(int64(f.Consent))
		text(s, f.Source)
		s.int(int64(order))
	}
	if s.filed {
		s.day(f.Day)
	}
	if s.at != len(s.rows.Columns) {
		panic("history: bug: a row of " + s.table.Name + " has other columns than its table")
	}
	s.at = 0
	s.rows.Len++
}
