package rows

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"endcap/gate/connect/mapping"
	"endcap/retail"
)

// HeaderMax bounds the header line of a CSV, columnsMax its columns.
const (
	HeaderMax  = 64 << 10
	columnsMax = 4_096
)

// csv reads comma-separated values as RFC 4180 says and encoding/csv reads
// them, without allocating for rows that have no quotes. A quote inside a field
// that does not start with one is text.
type csv struct {
	delimiter byte
	cols      []textColumn
	width     int
	head      []byte
	fields    [][]byte // of the row at hand
	scratch   []byte   // for unquoted text
}

func openCSV(s *stream, feed *mapping.Feed) (Source, error) {
	c := &csv{delimiter: feed.Delimiter, cols: newColumns(feed)}
	t, err := newText(s, c, feed)
	if err != nil {
		return nil, err
	}
	columns := feed.Header
	if columns == nil {
		if columns, err = t.readHeader(c); err != nil {
			return nil, err
		}
	}
	return t, c.bind(columns)
}

// readHeader takes the first row off the stream.
func (t *text) readHeader(c *csv) ([]string, error) {
	buf := t.fill(make([]byte, 0, HeaderMax))
	e := extent{}
	if len(buf) > 0 {
		e = c.end(buf, errors.Is(t.err, io.EOF))
	}
	if e.next == 0 {
		if t.err != nil && !errors.Is(t.err, io.EOF) {
			return nil, t.in.explain(t.err)
		}
		say := fmt.Sprintf("its first line is no header of at most %d bytes", HeaderMax)
		if len(buf) == 0 {
			say = "it is empty"
		}
		return nil, &retail.Error{Kind: retail.Invalid, Field: "file", Say: say, Cure: "start the file with its columns' names, or list them as header in the mapping"}
	}
	row := bytes.TrimSuffix(buf[:e.content], []byte{'\r'})
	if broken := c.split(row); broken != nil || len(c.fields) > columnsMax {
		return nil, &retail.Error{Kind: retail.Invalid, Field: "file", Say: "its header cannot be read", Cure: "start the file with its columns' names"}
	}
	c.head = bytes.Clone(buf[:e.next])
	if !bytes.HasSuffix(c.head, []byte{'\n'}) {
		c.head = append(c.head, '\n')
	}
	t.rest = buf[e.next:]
	t.pos.Offset += int64(e.next)
	t.pos.Line += int64(e.lines)
	columns := make([]string, len(c.fields))
	for i, f := range c.fields {
		columns[i] = strings.TrimSpace(strings.ToValidUTF8(string(f), "?"))
	}
	return columns, nil
}

// bind finds the mapped columns in the file's. A missing column that the
// mapping calls optional is left out.
func (c *csv) bind(columns []string) error {
	c.width = len(columns)
	var bound []textColumn
	for _, col := range c.cols {
		i := slices.Index(columns, col.Column)
		if i < 0 && col.Optional {
			continue
		}
		if i < 0 {
			return c.noColumn(col.Column, columns)
		}
		if slices.Contains(columns[i+1:], col.Column) {
			return &retail.Error{
				Kind: retail.Invalid, Field: col.Column, Say: "two columns of the file have this name",
				Cure: "rename one",
			}
		}
		col.index = i
		bound = append(bound, col)
	}
	c.cols = bound
	return nil
}

// noColumn says that a mapped column is not in the file. Where the header is one
// column in which the mapped one stands beside another separator, it is rather
// the delimiter that is wrong.
func (c *csv) noColumn(column string, have []string) error {
	if len(have) == 1 {
		for _, other := range []string{";", ",", "\t", "|"} {
			if other == string(c.delimiter) || !slices.Contains(strings.Split(have[0], other), column) {
				continue
			}
			return &retail.Error{
				Kind: retail.Invalid, Field: column, Say: fmt.Sprintf("the file has no such column; its columns are separated by %q, not by %q", other, string(c.delimiter)),
				Cure: fmt.Sprintf(`add "delimiter": %q to the feed in the mapping`, other),
			}
		}
	}
	return noColumn(column, have)
}

// noColumn says that a mapped column is not in the file, and what is.
func noColumn(column string, have []string) error {
	shown := slices.Clone(have[:min(len(have), 60)])
	for i, name := range shown {
		if personal(name) { // a row of somebody's, where the header is missing
			shown[i] = hidden
		}
	}
	return &retail.Error{
		Kind: retail.Invalid, Field: column, Say: "the file has no such column",
		Cure: fmt.Sprintf("correct the mapping, or mark the column optional; the file has %.60q", shown),
	}
}

// personal says that a column's name may be somebody's address or number.
func personal(name string) bool {
	digits := 0
	for _, r := range name {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	return digits >= 4 || strings.Contains(name, "@")
}

func (c *csv) header() []byte { return c.head }

// lacks implements layout; bind has looked already.
func (c *csv) lacks() error { return nil }

// end implements layout.
func (c *csv) end(buf []byte, last bool) extent {
	nl := bytes.IndexByte(buf, '\n')
	row := buf
	if nl >= 0 {
		row = buf[:nl]
	}
	if bytes.IndexByte(row, '"') < 0 {
		switch {
		case nl >= 0:
			return extent{content: nl, next: nl + 1, lines: 1}
		case last:
			return extent{content: len(buf), next: len(buf), lines: 1}
		}
		return extent{}
	}
	return c.endQuoted(buf, last)
}

// endQuoted walks over a row that has quotes.
func (c *csv) endQuoted(buf []byte, last bool) extent {
	lines, i := 1, 0
	for {
		if i < len(buf) && buf[i] == '"' { // a quoted field
			i++
			for {
				q := bytes.IndexByte(buf[i:], '"')
				if q < 0 {
					return extent{} // still open
				}
				lines += bytes.Count(buf[i:i+q], []byte{'\n'})
				i += q + 1
				if i < len(buf) && buf[i] == '"' {
					i++
					continue
				}
				break
			}
		}
		stop := bytes.IndexAny(buf[i:], string([]byte{c.delimiter, '\n'}))
		switch {
		case stop < 0 && last:
			return extent{content: len(buf), next: len(buf), lines: lines}
		case stop < 0:
			return extent{}
		case buf[i+stop] == '\n':
			return c.judge(buf, extent{content: i + stop, next: i + stop + 1, lines: lines})
		}
		i += stop + 1
	}
}

// judge ends a row of several lines at its first when its quotes make no sense,
// so that one stray quote cannot swallow its neighbours.
func (c *csv) judge(buf []byte, e extent) extent {
	if e.lines == 1 || c.split(bytes.TrimSuffix(buf[:e.content], []byte{'\r'})) == nil {
		return e
	}
	nl := bytes.IndexByte(buf, '\n')
	return extent{content: nl, next: nl + 1, lines: 1}
}

// split cuts a row into c.fields, which are valid until the next call.
func (c *csv) split(row []byte) *complaint {
	c.fields = c.fields[:0]
	if bytes.IndexByte(row, '"') >= 0 {
		return c.splitQuoted(row)
	}
	start := 0
	for i, x := range row {
		if x == c.delimiter {
			c.fields = append(c.fields, row[start:i])
			start = i + 1
		}
	}
	c.fields = append(c.fields, row[start:])
	return nil
}

func (c *csv) splitQuoted(row []byte) *complaint {
	c.scratch = slices.Grow(c.scratch[:0], len(row))
	for {
		if len(row) == 0 || row[0] != '"' {
			stop := bytes.IndexByte(row, c.delimiter)
			if stop < 0 {
				c.fields = append(c.fields, row)
				return nil
			}
			c.fields = append(c.fields, row[:stop])
			row = row[stop+1:]
			continue
		}
		start := len(c.scratch)
		rest, ok := c.unquote(row[1:])
		c.fields = append(c.fields, c.scratch[start:len(c.scratch):len(c.scratch)])
		switch {
		case !ok || len(rest) > 0 && rest[0] != c.delimiter:
			return &complaint{BadQuotes, "a quoted text is not followed by a delimiter", "double quotes within a text, and close it"}
		case len(rest) == 0:
			return nil
		}
		row = rest[1:]
	}
}

// unquote appends a quoted field to the scratch and returns what follows its
// closing quote. Line ends within it become newlines.
func (c *csv) unquote(row []byte) ([]byte, bool) {
	for {
		q := bytes.IndexByte(row, '"')
		if q < 0 {
			return nil, false
		}
		for part := row[:q]; ; {
			cr := bytes.Index(part, []byte("\r\n"))
			if cr < 0 {
				c.scratch = append(c.scratch, part...)
				break
			}
			c.scratch = append(c.scratch, part[:cr]...)
			part = part[cr+1:]
		}
		row = row[q+1:]
		if len(row) == 0 || row[0] != '"' {
			return row, true
		}
		c.scratch = append(c.scratch, '"')
		row = row[1:]
	}
}

// parse implements layout.
func (c *csv) parse(row []byte, b *Block, i int) *Fault {
	row = bytes.TrimSuffix(row, []byte{'\r'})
	broken := c.split(row)
	if broken == nil && len(c.fields) != c.width {
		broken = &complaint{
			WrongColumns, fmt.Sprintf("the row has %d columns, the header %d", len(c.fields), c.width),
			"quote texts that contain the delimiter, and write every column",
		}
	}
	if broken != nil {
		c.salvage(row, b, i)
		f := broken.fault(i, "")
		return &f
	}
	var first *Fault
	for k := range c.cols {
		col := &c.cols[k]
		if f := col.read(c.fields[col.index], b, i); f != nil && first == nil {
			first = f
		}
	}
	return first
}

// salvage implements layout. The receipt id is counted from the left, unless
// counted from the right it is that of the row before: then a column before it
// is missing or too many. An id whose end is not in the row is none.
func (c *csv) salvage(row []byte, b *Block, i int) {
	for k := range c.cols {
		c.cols[k].clear(b, i)
	}
	k := slices.IndexFunc(c.cols, func(col textColumn) bool { return col.Name == mapping.Receipt })
	if k < 0 {
		return
	}
	col, before := &c.cols[k], ""
	if before = col.last; i > 0 {
		before = b.Text[mapping.Receipt][i-1]
	}
	var id []byte
	_ = c.split(row) // what lies before a broken quote is read
	if col.index < len(c.fields)-1 {
		id = c.fields[col.index]
	}
	all := bytes.Split(row, []byte{c.delimiter})
	if at := len(all) - c.width + col.index; at >= 0 && at < len(all) {
		if last := bytes.Trim(all[at], `"`); before != "" && string(last) == before {
			id = last
		}
	}
	b.Text[mapping.Receipt][i], _ = col.text(id)
}

// read reads one value into its place.
func (c *textColumn) read(value []byte, b *Block, i int) *Fault {
	var bad *complaint
	if c.isText {
		b.Text[c.Name][i], bad = c.text(value)
	} else {
		b.Num[c.Name][i], bad = c.number(value)
	}
	switch {
	case bad != nil:
		f := bad.fault(i, c.Column)
		return &f
	case len(value) == 0 && c.Required:
		f := missing(i, c.Field)
		return &f
	}
	return nil
}

func (c *textColumn) clear(b *Block, i int) {
	if c.isText {
		b.Text[c.Name][i] = ""
	} else {
		b.Num[c.Name][i] = Absent
	}
}
