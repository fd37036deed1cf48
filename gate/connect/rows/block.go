// Package rows reads files of rows: CSV, NDJSON and Parquet, plain or packed
// with gzip or zstd. It turns the columns that a mapping names into typed
// values, block by block, and names every row that cannot be read with its
// line, the reason and the cure. Memory is bounded whatever the file holds.
//
// On the road of a receipt it is the first step: bytes from a retailer's file
// become values that gate/connect can gather into receipts.
package rows

import (
	"math"

	"endcap/gate/connect/mapping"
)

// Absent stands in Block.Num where a row has no value.
const Absent = math.MinInt64

// Limits. A line longer than LineMax is refused and skipped; RawMax bytes of
// what is refused are kept.
const (
	LineMax = 1 << 20
	RawMax  = 64 << 10
)

// Reason says why a row was refused. The words are stored and never change.
type Reason string

// The reasons a row can be refused for by itself.
const (
	LineTooLong    Reason = "line_too_long"
	WrongColumns   Reason = "wrong_column_count"
	BadQuotes      Reason = "bad_quotes"
	BadJSON        Reason = "bad_json"
	DuplicateField Reason = "duplicate_field"
	BadText        Reason = "bad_text"
	BadNumber      Reason = "bad_number"
	BadTime        Reason = "bad_time"
	Missing        Reason = "missing_value"
	MissingID      Reason = "missing_id"
	Damaged        Reason = "damaged_file"
)

// Fault is what is wrong with one row.
type Fault struct {
	Row    int // in the block
	Reason Reason
	Field  string // the column as the file calls it; empty for the row as a whole
	Say    string
	Cure   string
}

// Block is a run of rows. Its slices are shared by nobody else and never
// change, so parts of it may be kept; what is kept keeps the whole block alive.
type Block struct {
	N      int
	Text   [mapping.NameCount][]string // of mapped fields with that form; "" where a row has no value
	Num    [mapping.NameCount][]int64  // of all other mapped fields; Absent where a row has no value
	Line   []int64                     // from 1, as an editor counts; in Parquet the row's number
	Faults []Fault                     // in the order of Row, at most one a row; such a row's values are what could be read
	Start  Position                    // of the first row
	ends   []Position                  // of each row, for text; nil for Parquet
	raw    rawRows
}

// rawRows gives rows back as they came.
type rawRows interface {
	appendRaw(dst []byte, row int) []byte
	header() []byte
}

// Raw appends row i as it came, without its line end, at most RawMax bytes. A
// Parquet row is written as CSV of its mapped columns, and so is every row of a
// feed that reads addresses in clear, in its file's form and with their hashes.
func (b *Block) Raw(dst []byte, i int) []byte {
	start := len(dst)
	dst = b.raw.appendRaw(dst, i)
	return dst[:min(len(dst), start+RawMax)]
}

// RawRange appends rows from to to-1 as they came, each on a line of its own.
func (b *Block) RawRange(dst []byte, from, to int) []byte {
	if t, ok := b.raw.(*textRows); ok && t.masked == nil {
		return append(dst, t.buf[t.start[from]:t.end[to-1]]...)
	}
	for i := from; i < to; i++ {
		if i > from {
			dst = append(dst, '\n')
		}
		dst = b.raw.appendRaw(dst, i)
	}
	return dst
}

// Header is what must stand before raw rows so that they can be read again by
// themselves: the header line of a CSV, nothing for the other formats.
func (b *Block) Header() []byte { return b.raw.header() }

// Position is a place between two rows of a file from which reading can go on.
type Position struct {
	Offset int64 // bytes of text after unpacking; unused for Parquet
	Line   int64 // lines, or Parquet rows, before it
}

// Position is the place just before row i; i may be b.N.
func (b *Block) Position(i int) Position {
	switch {
	case i == 0:
		return b.Start
	case b.ends == nil:
		return Position{Line: b.Start.Line + int64(i)}
	default:
		return b.ends[i-1]
	}
}

// Source is an open file.
type Source interface {
	// Next returns the next rows, or io.EOF after the last. A file that breaks
	// off or is damaged gives a *retail.Error after the rows before the damage.
	Next() (*Block, error)
	// Seek continues at a position that a Block of the same file gave. It is
	// possible only before the first Next.
	Seek(to Position) error
	// Read is how many bytes of the file, as it lies on disk, have been used.
	Read() int64
	// Close gives the file back.
	Close() error
}

// newBlock makes room for up to size rows of the fields of a feed.
func newBlock(fields []*mapping.Field, size int) *Block {
	b := &Block{Line: make([]int64, 0, size)}
	for _, f := range fields {
		if f.Name.Form() == mapping.Text {
			b.Text[f.Name] = make([]string, size)
		} else {
			b.Num[f.Name] = make([]int64, size)
		}
	}
	return b
}

// missing is the fault of a required field without a value.
func missing(row int, f *mapping.Field) Fault {
	reason := Missing
	switch f.Name {
	case mapping.Receipt, mapping.Product, mapping.Store, mapping.ID:
		reason = MissingID
	default:
	}
	return Fault{row, reason, f.Column, "it has no value", "give every row one"}
}
