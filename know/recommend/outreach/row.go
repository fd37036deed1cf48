package outreach

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
)

// Row is one product proposed to one shopper under one key of hers. The rows of a
// key stand together, the best product first. The columns of both formats are
// these, in this order; in CSV a number that says nothing is empty, and times are
// RFC 3339.
type Row struct {
	KeyKind    string    `parquet:"key_kind,dict"`
	Key        string    `parquet:"key"`
	List       string    `parquet:"list,dict"`
	Place      int32     `parquet:"place"` // from 1
	Product    string    `parquet:"product,dict"`
	Name       string    `parquet:"name,dict"` // empty where it has none
	Reason     string    `parquet:"reason,dict"`
	Because    string    `parquet:"because"`    // the reason as a shopper understands it
	Count      int32     `parquet:"count"`      // on how many of her receipts; 0 says nothing
	Every      int32     `parquet:"every_days"` // days between her purchases, usually; 0 says nothing
	Due        string    `parquet:"due,dict"`   // YYYY-MM-DD, when she needs it again; may be empty
	Other      string    `parquet:"other,dict"` // the product it goes with or stands in for
	Model      uint64    `parquet:"model"`      // versions of what it was made by
	Related    uint64    `parquet:"related"`
	Next       uint64    `parquet:"next_basket"`
	Rules      uint64    `parquet:"rules"`
	MadeAt     time.Time `parquet:"made_at,timestamp(millisecond)"`
	ValidUntil time.Time `parquet:"valid_until,timestamp(millisecond)"`
}

// columns is the header of a CSV.
var columns = [...]string{
	"key_kind", "key", "list", "place", "product", "name", "reason", "because", "count", "every_days", "due", "other",
	"model", "related", "next_basket", "rules", "made_at", "valid_until",
}

// Writer writes rows in one format. Close ends the format and closes nothing else.
type Writer interface {
	Write(r *Row) error
	Close() error
}

// Reader reads rows, until io.EOF.
type Reader interface {
	Read(r *Row) error
	Close() error
}

// NewWriter writes rows of a format to a stream.
func NewWriter(to io.Writer, f Format) Writer {
	if f == Parquet {
		return &parquetWriter{of: parquet.NewGenericWriter[Row](to, parquet.Compression(&parquet.Zstd), parquet.CreatedBy("endcap", "1", "1"), parquet.MaxRowsPerRowGroup(groupRows))}
	}
	w := newCSV(to)
	_ = w.to.Write(columns[:]) // what fails is told by Close
	return w
}

// groupRows bounds the rows that a Parquet writer has in memory.
const groupRows = 65_536

type csvWriter struct {
	to   *csv.Writer
	line [len(columns)]string
}

// newCSV writes rows without a header.
func newCSV(to io.Writer) *csvWriter { return &csvWriter{to: csv.NewWriter(to)} }

// Write adds a row.
func (w *csvWriter) Write(r *Row) error {
	w.line = [...]string{
		r.KeyKind, r.Key, r.List, strconv.Itoa(int(r.Place)), r.Product, r.Name, r.Reason, r.Because, some(r.Count), some(r.Every), r.Due, r.Other,
		strconv.FormatUint(r.Model, 10), strconv.FormatUint(r.Related, 10), strconv.FormatUint(r.Next, 10), strconv.FormatUint(r.Rules, 10), r.MadeAt.Format(time.RFC3339), r.ValidUntil.Format(time.RFC3339),
	}
	return w.to.Write(w.line[:])
}

// Close writes what is left.
func (w *csvWriter) Close() error {
	w.to.Flush()
	return w.to.Error()
}

func some(n int32) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}

type parquetWriter struct {
	of   *parquet.GenericWriter[Row]
	rows []Row
}

// Write adds a row.
func (w *parquetWriter) Write(r *Row) error {
	if w.rows = append(w.rows, *r); len(w.rows) < rowsAtOnce {
		return nil
	}
	return w.flush()
}

const rowsAtOnce = 1_024

func (w *parquetWriter) flush() error {
	_, err := w.of.Write(w.rows)
	w.rows = w.rows[:0]
	return err
}

// Close writes what is left, and the footer.
func (w *parquetWriter) Close() error { return errors.Join(w.flush(), w.of.Close()) }

// File is what a Parquet file is read from.
type File interface {
	io.Reader
	io.ReaderAt
}

// NewReader reads rows of a format. A file that holds something else is an error.
func NewReader(from File, f Format) (Reader, error) {
	if f == Parquet {
		return newParquetReader(from)
	}
	r := csv.NewReader(bufio.NewReaderSize(from, 1<<20))
	r.FieldsPerRecord, r.ReuseRecord = len(columns), true
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	if [len(columns)]string(head) != columns {
		return nil, errors.New("the header is not a batch's")
	}
	return &csvReader{r}, nil
}

func newParquetReader(from File) (_ Reader, err error) {
	defer func() { // the library panics at what has another schema
		if v := recover(); v != nil {
			err = fmt.Errorf("not a batch: %v", v)
		}
	}()
	if _, err := parquet.OpenFile(from, sizeOf(from)); err != nil {
		return nil, fmt.Errorf("not a batch: %w", err)
	}
	return &parquetReader{of: parquet.NewGenericReader[Row](from)}, nil
}

// sizeOf is how long a file is, 0 where it cannot tell.
func sizeOf(f File) int64 {
	s, ok := f.(io.Seeker)
	if !ok {
		return 0
	}
	n, err := s.Seek(0, io.SeekEnd)
	if err != nil {
		return 0
	}
	return n
}

type csvReader struct{ from *csv.Reader }

// Read reads a row.
func (c *csvReader) Read(r *Row) error {
	line, err := c.from.Read()
	if err != nil {
		return err
	}
	*r = Row{KeyKind: line[0], Key: line[1], List: line[2], Product: line[4], Name: line[5], Reason: line[6], Because: line[7], Due: line[10], Other: line[11]}
	for _, n := range [...]struct {
		to   *int32
		text string
	}{{&r.Place, line[3]}, {&r.Count, line[8]}, {&r.Every, line[9]}} {
		if n.text == "" {
			continue
		}
		v, err := strconv.ParseInt(n.text, 10, 32)
		if err != nil {
			return errors.New("a number of a batch cannot be read")
		}
		*n.to = int32(v)
	}
	for _, n := range [...]struct {
		to   *uint64
		text string
	}{{&r.Model, line[12]}, {&r.Related, line[13]}, {&r.Next, line[14]}, {&r.Rules, line[15]}} {
		if *n.to, err = strconv.ParseUint(n.text, 10, 64); err != nil {
			return errors.New("a version of a batch cannot be read")
		}
	}
	if r.MadeAt, err = time.Parse(time.RFC3339, line[16]); err != nil {
		return errors.New("a time of a batch cannot be read")
	}
	if r.ValidUntil, err = time.Parse(time.RFC3339, line[17]); err != nil {
		return errors.New("a time of a batch cannot be read")
	}
	return nil
}

// Close does nothing.
func (*csvReader) Close() error { return nil }

type parquetReader struct {
	of   *parquet.GenericReader[Row]
	rows []Row // read and not given yet
	all  [rowsAtOnce]Row
}

// Read reads a row.
func (p *parquetReader) Read(r *Row) error {
	if len(p.rows) == 0 {
		clear(p.all[:])
		n, err := p.of.Read(p.all[:])
		if n == 0 {
			if err == nil {
				err = io.ErrNoProgress
			}
			return err
		}
		p.rows = p.all[:n]
	}
	*r, p.rows = p.rows[0], p.rows[1:]
	r.MadeAt, r.ValidUntil = r.MadeAt.UTC(), r.ValidUntil.UTC()
	return nil
}

// Close ends it.
func (p *parquetReader) Close() error { return p.of.Close() }
