package rows

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/format"

	"endcap/gate/connect/mapping"
	"endcap/retail"
)

// pageColumn reads one column of one row group.
type pageColumn struct {
	*column
	unit   unit
	pages  pq.Pages
	page   pq.Page
	defs   []byte // definition levels of the page; nil where every row has a value
	row    int    // of the page
	value  int    // of the page's values, which leave nulls out
	rows   int
	index  []int32 // into the dictionary's values
	plain  values  // where the page has no dictionary
	dict   *converted
	of     pq.Dictionary // what dict was made of
	faults []Fault
	lastI  int64 // the last whole number made a text …
	lastT  string
}

// unit says how a column's numbers are meant.
type unit struct {
	tick  time.Duration // of an INT64 time; 0 where it is no time
	date  bool          // INT32 days since 1970
	local bool          // a wall clock's time, without a zone
	scale int           // decimals of a DECIMAL
}

// converted is a dictionary in Endcap's terms.
type converted struct {
	text []string
	num  []int64
	bad  map[int32]*complaint
}

// values are the values of a page or dictionary, of one physical type.
type values struct {
	kind    encoding.Kind
	data    []byte
	offsets []uint32
	size    int
	v       encoding.Values
	n       int
}

func newPageColumn(f *mapping.Field, chunk pq.ColumnChunk) *pageColumn {
	c := &pageColumn{column: newColumn(f, '.'), pages: chunk.Pages(), lastI: math.MinInt64}
	c.unit = unitOf(chunk.Type())
	return c
}

// unitOf reads a column's annotation; INT96 has none and holds wall clocks.
func unitOf(t pq.Type) unit {
	if logical := t.LogicalType(); logical != nil {
		switch l := logical.Value.(type) {
		case *format.TimestampType:
			if l.Unit.Value != nil {
				return unit{tick: l.Unit.Value.Duration(), local: !l.IsAdjustedToUTC}
			}
		case *format.DateType:
			return unit{date: true, local: true}
		case *format.DecimalType:
			return unit{scale: int(max(0, min(l.Scale, 18)))}
		}
	}
	if old := t.ConvertedType(); old != nil {
		switch *old {
		case deprecated.TimestampMillis:
			return unit{tick: time.Millisecond}
		case deprecated.TimestampMicros:
			return unit{tick: time.Microsecond}
		case deprecated.Date:
			return unit{date: true, local: true}
		default:
		}
	}
	return unit{local: t.Kind() == pq.Int96}
}

func (c *pageColumn) release() {
	if c.page != nil {
		pq.Release(c.page)
		c.page = nil
	}
}

// turn opens the next page that has rows.
func (c *pageColumn) turn() error {
	for {
		c.release()
		page, err := c.pages.ReadPage()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("read a page: %w", err)
		}
		c.page, c.row, c.value, c.rows = page, 0, 0, int(page.NumValues())
		if c.rows > parquetPageRows {
			return fmt.Errorf("a page of %d rows, at most %d", c.rows, parquetPageRows)
		}
		if c.rows > 0 {
			return c.open(page)
		}
	}
}

// open looks at a page's levels and values.
func (c *pageColumn) open(page pq.Page) error {
	c.defs = page.DefinitionLevels()
	if nulls := page.NumNulls(); nulls == 0 {
		c.defs = nil
	}
	c.index, c.plain = nil, values{}
	data := page.Data()
	d := page.Dictionary()
	if d == nil {
		c.plain = newValues(data)
		return nil
	}
	c.index = data.Int32()
	if c.of == d {
		return nil
	}
	c.of = d
	dict := newValues(d.Page().Data())
	return c.convert(dict)
}

func newValues(v encoding.Values) values {
	w := values{kind: v.Kind(), v: v}
	w.data, w.offsets = v.Data()
	switch w.kind {
	case encoding.Boolean:
		w.n = len(w.data) * 8
	case encoding.Int32, encoding.Float:
		w.n = len(w.data) / 4
	case encoding.Int64, encoding.Double:
		w.n = len(w.data) / 8
	case encoding.Int96:
		w.n = len(w.data) / 12
	case encoding.ByteArray:
		w.n = max(0, len(w.offsets)-1)
	case encoding.FixedLenByteArray:
		if _, w.size = v.FixedLenByteArray(); w.size > 0 {
			w.n = len(w.data) / w.size
		}
	case encoding.Undefined:
	}
	return w
}

// convert makes Endcap's values of a dictionary's.
func (c *pageColumn) convert(from values) error {
	d := &converted{}
	note := func(i int, bad *complaint) {
		if bad != nil {
			if d.bad == nil {
				d.bad = map[int32]*complaint{}
			}
			d.bad[int32(i)] = bad
		}
	}
	if c.Name.Form() == mapping.Text {
		d.text = make([]string, from.n)
		for i := range d.text {
			var bad *complaint
			d.text[i], bad = c.textAt(&from, i)
			note(i, bad)
		}
	} else {
		d.num = make([]int64, from.n)
		for i := range d.num {
			var bad *complaint
			d.num[i], bad = c.numberAt(&from, i)
			note(i, bad)
		}
	}
	c.dict = d
	return nil
}

// fill reads the next b.N rows into their places.
func (c *pageColumn) fill(b *Block) error {
	for at := 0; at < b.N; {
		if c.page == nil || c.row == c.rows {
			if err := c.turn(); err != nil {
				return err
			}
		}
		n := min(b.N-at, c.rows-c.row)
		if err := c.copy(b, at, n); err != nil {
			return err
		}
		at += n
		c.row += n
	}
	return nil
}

// copy reads n rows of the page.
func (c *pageColumn) copy(b *Block, at, n int) error {
	have := len(c.index)
	if c.index == nil {
		have = c.plain.n
	}
	text, num := b.Text[c.Name], b.Num[c.Name]
	for i := at; i < at+n; i++ {
		if c.defs != nil && c.defs[c.row+i-at] == 0 {
			if text == nil {
				num[i] = Absent
			}
			if c.Required {
				c.faults = append(c.faults, missing(i, c.Field))
			}
			continue
		}
		if c.value >= have {
			return fmt.Errorf("a page has %d values for %d rows", have, c.rows)
		}
		bad, err := c.place(text, num, i)
		if err != nil {
			return err
		}
		c.value++
		if bad != nil {
			c.faults = append(c.faults, bad.fault(i, c.Column))
		} else if c.Required && text != nil && text[i] == "" {
			c.faults = append(c.faults, missing(i, c.Field))
		}
	}
	return nil
}

// place puts the page's value at hand into row i.
func (c *pageColumn) place(text []string, num []int64, i int) (*complaint, error) {
	if c.index == nil {
		var bad *complaint
		if text != nil {
			text[i], bad = c.textAt(&c.plain, c.value)
		} else {
			num[i], bad = c.numberAt(&c.plain, c.value)
		}
		return bad, nil
	}
	k := c.index[c.value]
	if k < 0 || int(k) >= max(len(c.dict.text), len(c.dict.num)) {
		return nil, fmt.Errorf("a page names value %d of a dictionary of %d", k, max(len(c.dict.text), len(c.dict.num)))
	}
	if text != nil {
		text[i] = c.dict.text[k]
	} else {
		num[i] = c.dict.num[k]
	}
	if c.dict.bad != nil {
		return c.dict.bad[k], nil
	}
	return nil, nil
}

// bytes is value i of a column of texts.
func (v *values) bytes(i int) ([]byte, bool) {
	if v.kind == encoding.FixedLenByteArray {
		return v.data[i*v.size : (i+1)*v.size], true
	}
	if v.kind != encoding.ByteArray {
		return nil, false
	}
	return v.data[v.offsets[i]:v.offsets[i+1]], true
}

// textAt is value i as a text.
func (c *pageColumn) textAt(v *values, i int) (string, *complaint) {
	if b, ok := v.bytes(i); ok {
		return c.text(b)
	}
	digits := func(n int64) (string, *complaint) {
		if c.Clear {
			return c.hashed(strconv.AppendInt(nil, n, 10))
		}
		return c.whole(n), nil
	}
	switch v.kind {
	case encoding.Int64:
		return digits(v.v.Int64()[i])
	case encoding.Int32:
		return digits(int64(v.v.Int32()[i]))
	case encoding.Boolean:
		return strconv.FormatBool(v.data[i/8]>>(i%8)&1 == 1), nil
	case encoding.Double, encoding.Float:
		f := v.float(i)
		if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return digits(int64(f))
		}
	default:
	}
	return "", &complaint{BadText, fmt.Sprintf("a value of the type %v is no text", v.kind), "write the column as text or whole numbers"}
}

// whole writes a number as text; rows of one receipt share it.
func (c *pageColumn) whole(n int64) string {
	if n != c.lastI || c.lastT == "" {
		c.lastI, c.lastT = n, strconv.FormatInt(n, 10)
	}
	return c.lastT
}

func (v *values) float(i int) float64 {
	if v.kind == encoding.Float {
		f := v.v.Float()[i]
		// the shortest decimal of the float, not the digits of its double
		near, err := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64)
		if err != nil {
			return float64(f)
		}
		return near
	}
	return v.v.Double()[i]
}

// numberAt is value i in the field's form.
func (c *pageColumn) numberAt(v *values, i int) (int64, *complaint) {
	switch form := c.Name.Form(); {
	case form == mapping.Instant && c.Step == 0:
		return c.instantAt(v, i)
	case form == mapping.Date && c.unit.date && v.kind == encoding.Int32:
		day := retail.Day(v.v.Int32()[i])
		if !aDay(day) {
			return Absent, badDay(nil)
		}
		return int64(day), nil
	default:
	}
	var whole int64
	switch v.kind {
	case encoding.Int64:
		whole = v.v.Int64()[i]
	case encoding.Int32:
		whole = int64(v.v.Int32()[i])
	case encoding.Double, encoding.Float:
		return c.floatAt(v.float(i))
	default:
		if b, ok := v.bytes(i); ok && v.kind == encoding.ByteArray && c.unit.scale == 0 {
			return c.number(b)
		}
		return Absent, &complaint{BadNumber, fmt.Sprintf("a value of the type %v is no number", v.kind), "write the column as DOUBLE, INT64 or DECIMAL of at most 18 digits"}
	}
	var buf [32]byte
	return c.number(appendDecimal(buf[:0], whole, c.unit.scale))
}

func (c *pageColumn) floatAt(f float64) (int64, *complaint) {
	switch c.Name.Form() {
	case mapping.Money:
		return c.moneyFloat(f)
	case mapping.Pieces:
		return piecesFloat(f)
	default:
		if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return Absent, &complaint{BadNumber, fmt.Sprintf("%v is not a whole number", f), "write it without decimals"}
		}
		return c.number(strconv.AppendInt(nil, int64(f), 10))
	}
}

// julian is the Julian day of 1970-01-01, from which INT96 times count.
const julian = 2_440_588

// instantAt is value i as microseconds since 1970.
func (c *pageColumn) instantAt(v *values, i int) (int64, *complaint) {
	var at time.Time
	switch {
	case v.kind == encoding.Int96:
		x := v.v.Int96()[i]
		nanos := int64(uint64(x[1])<<32 | uint64(x[0]))
		days := int64(x[2]) - julian
		if nanos < 0 || nanos >= 86_400e9 {
			return Absent, badTime(nil)
		}
		at = time.Unix(days*86_400, nanos).UTC()
	case v.kind == encoding.Int32 && c.unit.date:
		at = retail.Day(v.v.Int32()[i]).UTC()
	case v.kind == encoding.Int64 && (c.unit.tick != 0 || c.Unix != 0):
		tick := cmp.Or(c.unit.tick, c.Unix)
		micros, bad := ticks(v.v.Int64()[i], tick, nil)
		if bad != nil {
			return Absent, bad
		}
		at = time.UnixMicro(micros).UTC()
	case v.kind == encoding.ByteArray:
		b, _ := v.bytes(i)
		return c.number(b)
	default:
		return Absent, badTime(nil)
	}
	if c.unit.local && !c.clock.utc {
		y, m, d := at.Date()
		h, mi, s := at.Clock()
		at = time.Date(y, m, d, h, mi, s, at.Nanosecond(), c.Zone)
	}
	return believed(at, nil)
}

// firstByRow keeps one fault a row, in order of rows.
func firstByRow(faults []Fault) []Fault {
	slices.SortStableFunc(faults, func(a, b Fault) int { return cmp.Compare(a.Row, b.Row) })
	return slices.CompactFunc(faults, func(a, b Fault) bool { return a.Row == b.Row })
}
