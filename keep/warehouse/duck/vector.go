package duck

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
	"unsafe"

	ddb "github.com/duckdb/duckdb-go-bindings"

	"endcap/keep/warehouse"
)

// inlineMax is the longest text that lies in a vector itself.
const inlineMax = 12

// inlined and outlined are DuckDB's two layouts of a string of 16 bytes.
type (
	inlined struct {
		length uint32
		text   [inlineMax]byte
	}
	outlined struct {
		length uint32
		prefix [4]byte
		at     *byte
	}
)

// appender writes batches of one table through DuckDB's data chunks: values go
// straight into the vectors, without a call per value.
type appender struct {
	t     *table
	chunk ddb.DataChunk
	codes []map[string]uint8 // of the columns that are words
	last  []lastWord
}

// lastWord spares a lookup where a column repeats itself.
type lastWord struct {
	word string
	code uint8
	set  bool
}

func newAppender(t *table) *appender {
	a := &appender{t: t, codes: make([]map[string]uint8, len(t.stored)), last: make([]lastWord, len(t.stored))}
	types := make([]ddb.LogicalType, 0, len(t.stored)+1)
	for i, f := range t.forms {
		switch f {
		case formInt:
			types = append(types, intType(t, i))
		case formDate:
			types = append(types, ddb.CreateLogicalType(ddb.TypeDate))
		case formBool:
			types = append(types, ddb.CreateLogicalType(ddb.TypeBoolean))
		case formText:
			types = append(types, ddb.CreateLogicalType(ddb.TypeVarchar))
		case formBlob:
			types = append(types, ddb.CreateLogicalType(ddb.TypeBlob))
		case formWord:
			list := words(t.Table, t.stored[i])
			a.codes[i] = make(map[string]uint8, len(list))
			for code, word := range list {
				a.codes[i][word] = uint8(code)
			}
			types = append(types, ddb.CreateEnumType(list))
		}
	}
	types = append(types, ddb.CreateLogicalType(ddb.TypeBigInt))
	a.chunk = ddb.CreateDataChunk(types)
	for i := range types {
		ddb.DestroyLogicalType(&types[i])
	}
	return a
}

func (a *appender) close() { ddb.DestroyDataChunk(&a.chunk) }

// write appends a batch to the base table on a connection, inside whatever
// transaction it has open.
func (a *appender) write(c *conn, rows *warehouse.Rows, seq int64) error {
	var to ddb.Appender
	defer ddb.AppenderDestroy(&to)
	if ddb.AppenderCreate(c.c, "base", a.t.Name, &to) == ddb.StateError {
		return fmt.Errorf("append to %s: %s", a.t.Name, firstLine(ddb.AppenderError(to)))
	}
	size := int(ddb.VectorSize())
	for from := 0; from < rows.Len; from += size {
		n := min(size, rows.Len-from)
		if err := a.fill(rows, from, n, seq); err != nil {
			return err
		}
		if ddb.AppendDataChunk(to, a.chunk) == ddb.StateError {
			return fmt.Errorf("append to %s: %s", a.t.Name, firstLine(ddb.AppenderError(to)))
		}
	}
	if ddb.AppenderClose(to) == ddb.StateError {
		return fmt.Errorf("append to %s: %s", a.t.Name, firstLine(ddb.AppenderError(to)))
	}
	return nil
}

// fill puts n rows into the chunk.
func (a *appender) fill(rows *warehouse.Rows, from, n int, seq int64) error {
	ddb.DataChunkReset(a.chunk)
	for i := range a.t.stored {
		v := ddb.DataChunkGetVector(a.chunk, ddb.IdxT(i))
		col := &rows.Columns[i]
		if err := a.put(v, i, col, span{from, n}); err != nil {
			return fmt.Errorf("column %s of %s: %w", a.t.stored[i].Name, a.t.Name, err)
		}
		if col.Nulls != nil {
			putNulls(v, col.Nulls[from:from+n])
		}
	}
	last := ddb.DataChunkGetVector(a.chunk, ddb.IdxT(len(a.t.stored)))
	numbers := unsafe.Slice((*int64)(ddb.VectorGetData(last)), n)
	for i := range numbers {
		numbers[i] = seq
	}
	ddb.DataChunkSetSize(a.chunk, ddb.IdxT(n))
	return nil
}

// span is a run of rows.
type span struct{ from, n int }

func (a *appender) put(v ddb.Vector, i int, col *warehouse.Column, s span) error {
	data := ddb.VectorGetData(v)
	to := s.from + s.n
	switch a.t.forms[i] {
	case formInt:
		copy(unsafe.Slice((*int64)(data), s.n), col.Ints[s.from:to])
	case formDate:
		out := unsafe.Slice((*int32)(data), s.n)
		for j, d := range col.Ints[s.from:to] {
			out[j] = int32(d)
		}
	case formBool:
		out := unsafe.Slice((*uint8)(data), s.n)
		for j, b := range col.Bools[s.from:to] {
			out[j] = 0
			if b {
				out[j] = 1
			}
		}
	case formText:
		putTexts(v, data, col.Texts[s.from:to])
	case formBlob:
		for j, b := range col.Blobs[s.from:to] {
			ddb.VectorAssignStringElementLen(v, ddb.IdxT(j), b)
		}
	case formWord:
		return a.putWords(data, i, col.Texts[s.from:to])
	}
	return nil
}

// putTexts writes short texts in place; long ones DuckDB copies to its heap.
// What is not UTF-8 is made so: DuckDB trusts its texts.
func putTexts(v ddb.Vector, data unsafe.Pointer, texts []string) {
	out := unsafe.Slice((*inlined)(data), len(texts))
	for j, s := range texts {
		if len(s) <= inlineMax {
			if j > 0 && s == texts[j-1] {
				out[j] = out[j-1] // lines of a receipt repeat its id and its store
				continue
			}
			cell := inlined{length: uint32(len(s))}
			copy(cell.text[:], s)
			if cell.ascii() || utf8.ValidString(s) {
				out[j] = cell
				continue
			}
		}
		ddb.VectorAssignStringElementLen(v, ddb.IdxT(j), []byte(strings.ToValidUTF8(s, "\uFFFD")))
	}
}

// ascii says whether no byte has its highest bit set.
func (s *inlined) ascii() bool {
	return binary.LittleEndian.Uint64(s.text[:8])&0x8080808080808080 == 0 && binary.LittleEndian.Uint32(s.text[8:])&0x80808080 == 0
}

func (a *appender) putWords(data unsafe.Pointer, i int, texts []string) error {
	out := unsafe.Slice((*uint8)(data), len(texts))
	last := &a.last[i]
	for j, s := range texts {
		if !last.set || s != last.word {
			code, ok := a.codes[i][s]
			if !ok {
				return fmt.Errorf("%w: %.20q is not one of its words", warehouse.ErrQuery, s)
			}
			*last = lastWord{s, code, true}
		}
		out[j] = last.code
	}
	return nil
}

func putNulls(v ddb.Vector, nulls []bool) {
	ddb.VectorEnsureValidityWritable(v)
	mask := unsafe.Slice((*uint64)(ddb.VectorGetValidity(v)), (len(nulls)+63)/64)
	for i, null := range nulls {
		if null {
			mask[i/64] &^= 1 << (i % 64)
		}
	}
}
