package rows

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	pq "github.com/parquet-go/parquet-go"

	"endcap/gate/connect/mapping"
	"endcap/retail"
)

// Limits of a Parquet file. A page is unpacked as a whole, so a chunk of a
// column bounds what reading it can cost.
const (
	parquetRows     = 4_096            // in one Block
	parquetChunkMax = 2 << 30          // bytes of one column in one row group, unpacked
	parquetRatioMax = 1_000            // unpacked by packed bytes of such a chunk
	parquetRowsMax  = 10_000_000_000   // in a file
	parquetPageRows = 64 * 1024 * 1024 // in one page
)

// parquet reads a Parquet file column by column: pages hold typed values, and a
// dictionary's values are converted once, not once a row.
type parquet struct {
	disk   *os.File
	used   atomic.Int64
	groups []pq.RowGroup
	fields []*mapping.Field
	digits []bool // by field: its texts are whole numbers
	leaves []int  // column index by field; -1 where the file lacks an optional one
	cols   []*pageColumn
	group  int   // the next row group
	left   int64 // rows left in the open one
	row    int64 // rows given so far
	feed   *mapping.Feed
	head   []byte
	failed bool
}

func openParquet(f *os.File, size int64, feed *mapping.Feed) (src Source, err error) {
	defer contain(&err)
	p := &parquet{disk: f, feed: feed, fields: feed.Fields()}
	file, err := pq.OpenFile(&countingReaderAt{f, &p.used}, size,
		pq.SkipPageIndex(true), pq.SkipBloomFilters(true), pq.ReadBufferSize(256<<10))
	if err != nil {
		return nil, damaged(err)
	}
	p.groups = file.RowGroups()
	if err := checkChunks(file); err != nil {
		return nil, err
	}
	if err := p.bind(file.Root()); err != nil {
		return nil, err
	}
	for i, f := range p.fields {
		if i > 0 {
			p.head = append(p.head, feed.Delimiter)
		}
		p.head = appendCSV(p.head, f.Column, feed.Delimiter)
	}
	p.head = append(p.head, '\n')
	return p, nil
}

// damaged is the error of a file that is not the Parquet it says.
func damaged(err error) error {
	return &retail.Error{
		Kind: retail.Invalid, Field: "file", Say: "it is damaged, or not Parquet", Err: err,
		Cure: "fetch it again and load it again; rows that are in already are recognised",
	}
}

// contain turns a panic of the Parquet library into an error. The library
// checks much of what it reads, but on damaged pages it can still index out of
// range; such a file must not stop the program.
func contain(err *error) {
	if r := recover(); r != nil {
		*err = damaged(fmt.Errorf("the decoder stopped: %v", r))
	}
}

// checkChunks refuses a file that says it unpacks to absurd sizes.
func checkChunks(file *pq.File) error {
	var rows int64
	for _, g := range file.Metadata().RowGroups {
		if rows += g.NumRows; g.NumRows < 0 || rows > parquetRowsMax {
			return damaged(fmt.Errorf("a row group of %d rows", g.NumRows))
		}
		for _, c := range g.Columns {
			packed, plain := c.MetaData.TotalCompressedSize, c.MetaData.TotalUncompressedSize
			if packed < 0 || plain < 0 || plain > parquetChunkMax || plain > ratioFrom && plain/parquetRatioMax > packed {
				return &retail.Error{
					Kind: retail.TooLarge, Field: "file", Say: fmt.Sprintf("a column unpacks from %d to %d bytes", packed, plain),
					Cure: "write smaller row groups",
				}
			}
		}
	}
	return nil
}

// bind finds the mapped columns.
func (p *parquet) bind(root *pq.Column) error {
	have := make([]string, 0, len(root.Columns()))
	for _, c := range root.Columns() {
		have = append(have, c.Name())
	}
	p.leaves, p.digits = make([]int, len(p.fields)), make([]bool, len(p.fields))
	for i, f := range p.fields {
		p.leaves[i] = -1
		for _, c := range root.Columns() {
			if c.Name() != f.Column {
				continue
			}
			if !c.Leaf() || c.Repeated() {
				return &retail.Error{
					Kind: retail.Invalid, Field: f.Column, Say: "the column holds lists or structures",
					Cure: "write it as a flat column",
				}
			}
			p.leaves[i] = c.Index()
			kind := c.Type().Kind()
			p.digits[i] = kind == pq.Int64 || kind == pq.Int32
		}
		if p.leaves[i] < 0 && !f.Optional {
			return noColumn(f.Column, have)
		}
	}
	return nil
}

func (p *parquet) Read() int64 { return p.used.Load() }

func (p *parquet) Close() error {
	err := p.closeGroup()
	if e := p.disk.Close(); e != nil {
		err = errors.Join(err, e)
	}
	if err != nil {
		return fmt.Errorf("close %s: %w", p.disk.Name(), err)
	}
	return nil
}

func (p *parquet) closeGroup() (err error) {
	defer contain(&err)
	for _, c := range p.cols {
		if c != nil {
			c.release()
			err = errors.Join(err, c.pages.Close())
		}
	}
	p.cols = nil
	return err
}

// Seek skips whole row groups, then rows of the next one.
func (p *parquet) Seek(to Position) (err error) {
	defer contain(&err)
	for p.group < len(p.groups) && p.row+p.groups[p.group].NumRows() <= to.Line {
		p.row += p.groups[p.group].NumRows()
		p.group++
	}
	skip := to.Line - p.row
	if skip <= 0 {
		return nil
	}
	if err := p.openGroup(); err != nil {
		return err
	}
	for _, c := range p.cols {
		if c == nil {
			continue
		}
		if err := c.pages.SeekToRow(skip); err != nil {
			return damaged(err)
		}
	}
	p.left -= skip
	p.row = to.Line
	return nil
}

func (p *parquet) openGroup() error {
	if p.group == len(p.groups) {
		return io.EOF
	}
	if err := p.closeGroup(); err != nil {
		return damaged(err)
	}
	g := p.groups[p.group]
	p.group++
	p.left = g.NumRows()
	chunks := g.ColumnChunks()
	p.cols = make([]*pageColumn, len(p.fields))
	for i, leaf := range p.leaves {
		if leaf >= 0 {
			p.cols[i] = newPageColumn(p.fields[i], chunks[leaf])
		}
	}
	return nil
}

// Next reads up to parquetRows rows of one row group.
func (p *parquet) Next() (b *Block, err error) {
	if p.failed {
		return nil, io.EOF
	}
	defer func() {
		if err != nil && !errors.Is(err, io.EOF) {
			b, p.failed = nil, true
		}
	}()
	defer contain(&err)
	for p.left == 0 {
		if err := p.openGroup(); err != nil {
			return nil, err
		}
	}
	n := int(min(p.left, parquetRows))
	b = newBlock(p.fields, n)
	b.N, b.Start, b.raw = n, Position{Line: p.row}, &parquetRaw{p: p, b: b}
	for i := range n {
		b.Line = append(b.Line, p.row+int64(i)+1)
	}
	var faults []Fault
	for i, c := range p.cols {
		if c == nil {
			blankColumn(b, p.fields[i])
			continue
		}
		c.faults = c.faults[:0]
		if err := c.fill(b); err != nil {
			return nil, damaged(fmt.Errorf("column %s near row %d: %w", p.fields[i].Column, p.row, err))
		}
		faults = append(faults, c.faults...)
	}
	b.Faults = firstByRow(faults)
	p.left -= int64(n)
	p.row += int64(n)
	return b, nil
}

func blankColumn(b *Block, f *mapping.Field) {
	for i := range b.Num[f.Name] {
		b.Num[f.Name][i] = Absent
	}
}

// parquetRaw writes rows as CSV, since a column store has no rows of its own.
// Rows of one receipt mostly share their time, so the last one is kept as text.
type parquetRaw struct {
	p    *parquet
	b    *Block
	at   int64
	time []byte
}

func (r *parquetRaw) header() []byte { return r.p.head }

func (r *parquetRaw) appendRaw(dst []byte, row int) []byte {
	p, feed := r.p, r.p.feed
	for i, f := range p.fields {
		if i > 0 {
			dst = append(dst, feed.Delimiter)
		}
		if f.Name.Form() == mapping.Text {
			if p.digits[i] {
				dst = append(dst, r.b.Text[f.Name][row]...)
			} else {
				dst = appendCSV(dst, r.b.Text[f.Name][row], feed.Delimiter)
			}
			continue
		}
		v := r.b.Num[f.Name][row]
		switch v {
		case Absent:
			continue
		case 0:
			switch f.Name.Form() {
			case mapping.Instant, mapping.Date, mapping.Clock:
			default:
				dst = append(dst, '0')
				continue
			}
		default:
		}
		switch f.Name.Form() {
		case mapping.Money:
			if f.Negative {
				v = -v
			}
			dst = appendAmount(dst, v, 6, feed)
		case mapping.Pieces:
			dst = appendAmount(dst, v, 3, feed)
		case mapping.Date:
			dst = appendCSV(dst, dayText(f, retail.Day(v)), feed.Delimiter)
		case mapping.Clock:
			dst = time.UnixMicro(v).UTC().AppendFormat(dst, time.TimeOnly)
		case mapping.Instant:
			if f.Step != 0 {
				dst = append(dst, dayText(f, retail.DayOf(time.UnixMicro(v), f.Zone))...)
				continue
			}
			if v != r.at || r.time == nil {
				r.at, r.time = v, appendInstant(r.time[:0], v)
			}
			dst = append(dst, r.time...)
		default:
			dst = strconv.AppendInt(dst, v, 10)
		}
	}
	return dst
}

// dayText writes a day as the feed's texts do.
func dayText(f *mapping.Field, day retail.Day) string {
	switch {
	case f.Step != 0:
		return strconv.FormatInt(int64(day-f.First)/int64(f.Step)+1, 10)
	case f.Layout != "":
		return day.UTC().Format(f.Layout)
	default:
		return day.String()
	}
}

// appendInstant writes a time with its zone, so that it reads back whatever
// the mapping says of zones.
func appendInstant(dst []byte, micros int64) []byte {
	return time.UnixMicro(micros).UTC().AppendFormat(dst, "2006-01-02T15:04:05.999999Z")
}

// appendAmount writes a decimal as the feed's texts do, quoted where it must be.
func appendAmount(dst []byte, v int64, places int, feed *mapping.Feed) []byte {
	if feed.Decimal == '.' && feed.Delimiter != '.' {
		return appendDecimal(dst, v, places)
	}
	text := strings.ReplaceAll(string(appendDecimal(nil, v, places)), ".", string(rune(feed.Decimal)))
	return appendCSV(dst, text, feed.Delimiter)
}

// appendDecimal writes v·10^-places without trailing zeros.
func appendDecimal(dst []byte, v int64, places int) []byte {
	u := uint64(v)
	if v < 0 {
		dst, u = append(dst, '-'), -u
	}
	unit := uint64(1)
	for range places {
		unit *= 10
	}
	dst = strconv.AppendUint(dst, u/unit, 10)
	if u %= unit; u == 0 {
		return dst
	}
	dst = append(dst, '.')
	for u > 0 {
		unit /= 10
		dst = append(dst, byte('0'+u/unit))
		u %= unit
	}
	return dst
}

// appendCSV writes one text of a CSV, quoted where it must be.
func appendCSV(dst []byte, s string, delimiter byte) []byte {
	quote := false
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\n' || c == '\r' || c == delimiter {
			quote = true
			break
		}
	}
	if !quote {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

type countingReaderAt struct {
	r    io.ReaderAt
	used *atomic.Int64
}

func (c *countingReaderAt) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(b, off)
	c.used.Add(int64(n))
	return n, err
}
