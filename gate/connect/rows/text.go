package rows

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"endcap/gate/connect/mapping"
	"endcap/retail"
)

// chunk is how much text one Block holds at least, unless the file ends.
const chunk = 256 << 10

// layout finds and reads the rows of one kind of text.
type layout interface {
	// end finds where the row that starts buf ends: content bytes belong to it,
	// the next row starts at next. next is 0 while the row is not complete;
	// last says that nothing follows buf. lines counts its lines.
	end(buf []byte, last bool) (r extent)
	// parse reads one row into place i of b.
	parse(row []byte, b *Block, i int) *Fault
	// salvage blanks place i of b but for the receipt id, where a row that
	// cannot be read still tells it.
	salvage(row []byte, b *Block, i int)
	// masked is what Block.Raw gives of place i where a column is read in clear:
	// the mapped columns alone, with hashes for what was in clear.
	masked(row []byte, b *Block, i int) []byte
	// header is what Block.Header gives.
	header() []byte
	// lacks says, after a block, which mapped column the file does not have.
	lacks() error
}

// extent is where a row lies at the start of a buffer.
type extent struct {
	content, next, lines int
	broken               *complaint // the row cannot be read at all
}

// text is a Source of CSV or NDJSON.
type text struct {
	in     *stream
	layout layout
	fields []*mapping.Field
	rest   []byte   // read, not yet given
	pos    Position // of rest
	err    error    // what the stream ended with
	given  bool
	clear  bool // a column is read in clear, so no row is kept as it came
}

func newText(s *stream, l layout, feed *mapping.Feed) (*text, error) {
	t := &text{in: s, layout: l, fields: feed.Fields(), clear: feed.Clear()}
	if head, _ := s.r.Peek(3); bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		if err := s.skip(3); err != nil {
			return nil, err
		}
		t.pos.Offset = 3
	}
	return t, nil
}

func (t *text) Read() int64 { return t.in.used.Load() }

func (t *text) Close() error { return t.in.close() }

func (t *text) Seek(to Position) error {
	if t.given || to.Offset < t.pos.Offset {
		return &retail.Error{Kind: retail.Conflict, Field: "file", Say: "cannot go back in it", Cure: "load it from the start"}
	}
	n := to.Offset - t.pos.Offset
	held := min(n, int64(len(t.rest)))
	t.rest = t.rest[held:]
	if err := t.in.skip(n - held); err != nil {
		return err
	}
	t.pos = to
	return nil
}

// textRows are the rows of a block as they came, or masked where a column is read
// in clear.
type textRows struct {
	buf        []byte
	start, end []int32
	head       []byte
	masked     [][]byte
}

func (r *textRows) appendRaw(dst []byte, i int) []byte {
	if r.masked != nil {
		return append(dst, r.masked[i]...)
	}
	return append(dst, r.buf[r.start[i]:r.end[i]]...)
}

func (r *textRows) header() []byte { return r.head }

// Next reads a chunk and cuts it into rows.
func (t *text) Next() (*Block, error) {
	t.given = true
	buf := make([]byte, 0, max(chunk, len(t.rest))+4096)
	buf = append(buf, t.rest...)
	for {
		buf = t.fill(buf)
		b, used := t.cut(buf)
		if b.N > 0 {
			t.rest = buf[used:]
			return b, t.layout.lacks()
		}
		switch {
		case used > 0: // empty lines alone
			buf = buf[:copy(buf, buf[used:])]
		case t.err == nil:
			buf = append(make([]byte, 0, 2*cap(buf)), buf...)
		case errors.Is(t.err, io.EOF):
			return nil, io.EOF
		default:
			return nil, t.in.explain(t.err)
		}
	}
}

// fill reads until buf's capacity is used or the stream ends.
func (t *text) fill(buf []byte) []byte {
	for t.err == nil && len(buf) < cap(buf) {
		var n int
		n, t.err = t.in.r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
	}
	return buf
}

// cut reads the complete rows at the start of buf and says how many bytes they
// take.
func (t *text) cut(buf []byte) (*Block, int) {
	rowsMax := bytes.Count(buf, []byte{'\n'}) + 1
	b := newBlock(t.fields, rowsMax)
	raw := &textRows{buf: buf, start: make([]int32, 0, rowsMax), end: make([]int32, 0, rowsMax), head: t.layout.header()}
	b.raw, b.Start, b.ends = raw, t.pos, make([]Position, 0, rowsMax)
	used := 0
	for used < len(buf) {
		e := t.row(buf[used:])
		if e.next == 0 {
			break
		}
		row := buf[used : used+e.content]
		line := t.pos.Line + 1
		t.pos.Line += int64(e.lines)
		t.pos.Offset += int64(e.next)
		switch {
		case len(bytes.TrimRight(row, "\r")) > 0 || e.broken != nil:
			raw.start = append(raw.start, int32(used))
			raw.end = append(raw.end, int32(used+min(len(row), RawMax+1)))
			b.add(t, row, line, e.broken)
			if t.clear {
				raw.masked = append(raw.masked, t.mask(row, b))
			}
		case b.N == 0:
			b.Start = t.pos
		default:
			b.ends[b.N-1] = t.pos
		}
		used += min(e.next, len(buf)-used)
	}
	return b, used
}

// row finds the row that starts buf; its next is 0 when more must be read.
func (t *text) row(buf []byte) extent {
	eof := errors.Is(t.err, io.EOF)
	e := t.layout.end(buf, eof)
	switch {
	case e.next == 0 && t.err != nil && !eof:
		return extent{min(len(buf), RawMax+1), len(buf), 1, &complaint{
			Damaged, "the file breaks off or is damaged within this row", "fetch the file again and load it again",
		}}
	case e.next == 0 && !eof && len(buf) <= LineMax:
		return e
	case e.next == 0:
		return t.giveUp(buf)
	case e.content > LineMax && e.broken == nil:
		e.broken = tooLong()
	}
	return e
}

// add appends a row to a block that has room for it.
func (b *Block) add(t *text, row []byte, line int64, broken *complaint) {
	i := b.N
	b.N++
	b.Line = append(b.Line, line)
	b.ends = append(b.ends, t.pos)
	if broken != nil {
		t.layout.salvage(row, b, i)
		b.Faults = append(b.Faults, broken.fault(i, ""))
		return
	}
	if f := t.layout.parse(row, b, i); f != nil {
		b.Faults = append(b.Faults, *f)
	}
}

// mask gives the last row of a block as it may be kept: not at all where it
// cannot be told what is an address.
func (t *text) mask(row []byte, b *Block) []byte {
	if n := len(b.Faults); n > 0 && b.Faults[n-1].Row == b.N-1 && b.Faults[n-1].Field == "" {
		return []byte(hidden)
	}
	return t.layout.masked(row, b, b.N-1)
}

func tooLong() *complaint {
	return &complaint{LineTooLong, fmt.Sprintf("the line is longer than %d bytes", LineMax), "write one row a line, ended by a newline"}
}

// giveUp ends a row that has grown past LineMax: at its first newline when
// only a quote has kept it open, or else at the next newline of the file, which
// it looks for without keeping what lies between.
func (t *text) giveUp(buf []byte) extent {
	if nl := bytes.IndexByte(buf, '\n'); nl >= 0 {
		return extent{nl, nl + 1, 1, &complaint{BadQuotes, "a quote is not closed", "close it, or double quotes within a text"}}
	}
	e := extent{content: min(len(buf), RawMax+1), next: len(buf), lines: 1, broken: tooLong()}
	if len(buf) <= LineMax {
		e.content, e.broken = len(buf), &complaint{BadQuotes, "a quote is not closed", "close it, or double quotes within a text"}
		return e
	}
	for t.err == nil {
		var part []byte
		part, t.err = t.in.r.ReadSlice('\n')
		e.next += len(part)
		if errors.Is(t.err, bufio.ErrBufferFull) {
			t.err = nil
			continue
		}
		break
	}
	return e
}
