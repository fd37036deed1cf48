package rows

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"endcap/gate/connect/mapping"
	"endcap/retail"
)

// Limits of packed files: what comes out is at most RatioMax times what went
// in, once it exceeds ratioFrom, and at most UnpackedMax bytes in all.
const (
	RatioMax    = 200
	UnpackedMax = 256 << 30
	ratioFrom   = 16 << 20
	windowMax   = 64 << 20 // of zstd
)

// Open opens a file of rows. What it holds is told by its content: gzip, zstd
// and Parquet by their first bytes, CSV and NDJSON by the name's ending, or
// else by the first character.
func Open(path string, feed *mapping.Feed) (Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &retail.Error{Kind: retail.Invalid, Field: "file", Say: "cannot open it", Cure: "check its name and rights", Err: err}
	}
	src, err := open(f, feed)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return src, nil
}

func open(f *os.File, feed *mapping.Feed) (Source, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", f.Name(), err)
	}
	if info.IsDir() {
		return nil, &retail.Error{Kind: retail.Invalid, Field: "file", Say: "it is a folder", Cure: "name a file"}
	}
	magic := make([]byte, 4)
	n, err := io.ReadFull(f, magic)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	if string(magic[:n]) == "PAR1" {
		return openParquet(f, info.Size(), feed)
	}
	s, err := newStream(f, magic[:n])
	if err != nil {
		return nil, err
	}
	head, err := s.r.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, s.explain(err)
	}
	if string(head[:min(4, len(head))]) == "PAR1" {
		return nil, &retail.Error{
			Kind: retail.Invalid, Field: "file", Say: "it is Parquet, packed once more",
			Cure: "unpack it; Parquet is packed inside",
		}
	}
	name := strings.ToLower(filepath.Base(f.Name()))
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	switch filepath.Ext(name) {
	case ".ndjson", ".jsonl":
		return newText(s, &ndjson{cols: newColumns(feed)}, feed)
	case ".csv", ".tsv", ".txt":
		return openCSV(s, feed)
	}
	if head = bytes.TrimLeft(head, "\xef\xbb\xbf \t\r\n"); len(head) > 0 && head[0] == '{' {
		return newText(s, &ndjson{cols: newColumns(feed)}, feed)
	}
	return openCSV(s, feed)
}

// OpenRaw opens a file of raw rows as Block.Raw gives them. headed says that
// they follow a Block's Header.
func OpenRaw(path string, feed *mapping.Feed, headed bool) (Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open raw rows: %w", err)
	}
	s, err := newStream(f, nil)
	if err == nil {
		var src Source
		if src, err = openRaw(s, feed, headed); err == nil {
			return src, nil
		}
	}
	return nil, errors.Join(err, f.Close())
}

// ReadRaw reads one piece of raw rows, as they lie in quarantine, into a block.
// Its rows have the numbers they have within raw.
func ReadRaw(raw []byte, feed *mapping.Feed, headed bool) (*Block, error) {
	s := &stream{r: bufio.NewReaderSize(bytes.NewReader(raw), 64<<10), release: func() {}}
	src, err := openRaw(s, feed, headed)
	if err != nil {
		return nil, err
	}
	return src.Next() // one chunk holds more than a piece
}

func openRaw(s *stream, feed *mapping.Feed, headed bool) (Source, error) {
	if headed {
		plain := *feed
		plain.Header = nil
		return openCSV(s, &plain)
	}
	if feed.Header != nil {
		return openCSV(s, feed)
	}
	return newText(s, &ndjson{cols: newColumns(feed)}, feed)
}

func newColumns(feed *mapping.Feed) []textColumn {
	fields := feed.Fields()
	cols := make([]textColumn, len(fields))
	for i, f := range fields {
		cols[i] = textColumn{column: newColumn(f, feed.Decimal), isText: f.Name.Form() == mapping.Text}
	}
	return cols
}

// textColumn is a mapped column of a text file.
type textColumn struct {
	*column
	isText bool
	index  int // of the column in a CSV
}

// stream is a file of text while it is unpacked and read.
type stream struct {
	file    *os.File
	r       *bufio.Reader
	used    atomic.Int64 // bytes of the file
	out     int64        // bytes after unpacking
	packed  bool
	release func()
}

func newStream(f *os.File, magic []byte) (*stream, error) {
	s := &stream{file: f, release: func() {}}
	var in io.Reader = countingReader{f, &s.used}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		s.packed = true
		zr, err := gzip.NewReader(in)
		if err != nil {
			return nil, s.explain(err)
		}
		in = &boundedReader{zr, s}
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		s.packed = true
		zr, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(windowMax), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, s.explain(err)
		}
		s.release = zr.Close
		in = &boundedReader{zr, s}
	}
	s.r = bufio.NewReaderSize(in, 64<<10)
	return s, nil
}

// skip moves n bytes of unpacked text forward.
func (s *stream) skip(n int64) error {
	for n > 0 {
		step, err := s.r.Discard(int(min(n, 1<<30)))
		n -= int64(step)
		if err != nil {
			return s.explain(err)
		}
	}
	return nil
}

func (s *stream) close() error {
	s.release()
	if err := s.file.Close(); err != nil {
		return fmt.Errorf("close %s: %w", s.file.Name(), err)
	}
	return nil
}

var errBomb = errors.New("it unpacks to far more than any file of rows")

// explain turns what a reader says into an error for the operator.
func (s *stream) explain(err error) error {
	e := &retail.Error{Kind: retail.Invalid, Field: "file", Err: err}
	switch {
	case errors.Is(err, errBomb):
		e.Kind, e.Say = retail.TooLarge, err.Error()
		e.Cure = fmt.Sprintf("packed files may grow %d-fold and to %d GB; unpack it yourself if it is genuine", RatioMax, UnpackedMax>>30)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		e.Say, e.Cure = "it breaks off before its end", "fetch it again and load it again; rows that are in already are recognised"
	case s.packed:
		e.Say, e.Cure = "its packing is damaged", "fetch it again and load it again; rows that are in already are recognised"
	default:
		e.Kind, e.Say, e.Cure = retail.Unavailable, "it cannot be read", "check the disk and load it again"
	}
	return e
}

type countingReader struct {
	r    io.Reader
	used *atomic.Int64
}

func (c countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.used.Add(int64(n))
	return n, err
}

// boundedReader stops a bomb while it unpacks.
type boundedReader struct {
	r io.Reader
	s *stream
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.s.out += int64(n)
	if b.s.out > UnpackedMax || b.s.out > ratioFrom && b.s.out/RatioMax > b.s.used.Load() {
		return 0, errBomb
	}
	return n, err
}
