package connect

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"endcap/gate/connect/mapping"
	"endcap/gate/connect/rows"
	"endcap/know/ingest"
	"endcap/retail"
)

// Bounds of sorting: a file is dealt into piles by receipt id, or by store and
// week, and each pile is gathered in memory.
const (
	piles        = 128
	pileLinesMax = 2_000_000
)

func cannotOpen(err error) error {
	return &retail.Error{Kind: retail.Invalid, Field: "file", Say: "cannot open it", Cure: "check its name and rights", Err: err}
}

// pile is a temporary file of whole rows, and one of their line numbers.
type pile struct {
	rows, lines *bufio.Writer
	files       [2]*os.File
}

// loadScattered loads a file in which the rows of a receipt, or of a store's
// week, may lie anywhere: they are dealt into piles, then each pile is loaded by itself. A load
// that was broken off starts over; what is stored is recognised.
func (l *loader) loadScattered(ctx context.Context) error {
	dir, err := os.MkdirTemp(l.Temp, "endcap-sort-")
	if err != nil {
		return fmt.Errorf("make room for sorting: %w", err)
	}
	err = l.dealAndLoad(ctx, dir)
	if e := os.RemoveAll(dir); err == nil && e != nil {
		err = fmt.Errorf("remove sorted rows: %w", e)
	}
	if err == nil {
		l.state.Done = true
		err = l.state.save()
	}
	return err
}

func (l *loader) dealAndLoad(ctx context.Context, dir string) error {
	src, err := rows.Open(l.File, l.feed)
	if err != nil {
		return err
	}
	l.meter = newMeter(l, src)
	l.meter.sort = true
	err = l.deal(ctx, src, dir)
	if e := src.Close(); err == nil {
		err = e
	}
	l.meter.sort = false
	if err != nil {
		return err
	}
	l.sum.Rows = 0
	l.meter.rows.Store(0)
	for i := range piles {
		if err := l.loadPile(ctx, pilePath(dir, i)); err != nil {
			return err
		}
	}
	l.meter.show(true)
	return nil
}

func pilePath(dir string, i int) string { return filepath.Join(dir, strconv.Itoa(i)) }

// deal puts each row on the pile of its receipt or store's week. Rows without
// one are refused at once.
func (l *loader) deal(ctx context.Context, src rows.Source, dir string) (err error) {
	var out [piles]*pile
	defer func() {
		for _, p := range out {
			if p != nil {
				err = errors.Join(err, p.close())
			}
		}
	}()
	for ctx.Err() == nil {
		b, err := src.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := l.dealBlock(ctx, b, &out, dir); err != nil {
			return err
		}
		l.sum.Rows += int64(b.N)
		l.meter.rows.Store(l.sum.Rows)
		l.meter.show(false)
	}
	return ctx.Err()
}

func (l *loader) dealBlock(ctx context.Context, b *rows.Block, out *[piles]*pile, dir string) error {
	var refused []loose
	var raw []byte
	faults := newReader(l.feed, b).faults
	l.headed = len(b.Header()) > 0
	for i := range b.N {
		raw = b.Raw(raw[:0], i)
		hash, ok := l.hash(b, i)
		if !ok {
			refused = append(refused, looseOf(l.feed, b, i, faults[i]))
			continue
		}
		if len(raw) == rows.RawMax {
			r := looseOf(l.feed, b, i, faults[i])
			if faults[i] == nil {
				r.fault = &ingest.Fault{
					Reason: ingest.BadValue, Say: fmt.Sprintf("the row is longer than %d bytes, which a file that is sorted first may not have", rows.RawMax),
					Cure: "correct the row or the mapping",
				}
			}
			refused = append(refused, r)
			continue
		}
		n := hash % piles
		if out[n] == nil {
			p, err := newPile(pilePath(dir, int(n)), b.Header())
			if err != nil {
				return err
			}
			out[n] = p
		}
		if err := out[n].add(raw, b.Line[i]); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(refused, batchMax) {
		if err := l.refuseLoose(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// hash is that of the receipt, or the store's week, to which row i belongs; ok
// is false where the row names none.
func (l *loader) hash(b *rows.Block, i int) (hash uint64, ok bool) {
	if l.Kind == mapping.Promotions {
		key, ok := keyOf(b, i)
		return key.hash(), ok
	}
	id := b.Text[mapping.Receipt][i]
	return xxhash.Sum64String(id), id != ""
}

// refuseLoose hands over rows that belong to nothing.
func (l *loader) refuseLoose(ctx context.Context, bad []loose) (err error) {
	var res ingest.Result
	if l.Kind == mapping.Promotions {
		items := make([]ingest.Promotions, len(bad))
		for i, r := range bad {
			items[i] = ingest.Promotions{Line: r.line, Raw: r.raw, Fault: r.fault}
		}
		res, err = l.Desk.Promotions(ctx, items, l.from)
	} else {
		items := make([]ingest.Receipt, len(bad))
		for i, r := range bad {
			items[i] = ingest.Receipt{Line: r.line, Raw: r.raw, Fault: r.fault}
		}
		res, err = l.Desk.Receipts(ctx, items, l.from)
	}
	if err == nil {
		l.sum.Desk.Add(&res.Summary)
	}
	return err
}

func newPile(path string, header []byte) (*pile, error) {
	p := &pile{}
	for i, name := range []string{path, path + ".lines"} {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, fmt.Errorf("make a pile: %w", err)
		}
		p.files[i] = f
	}
	p.rows, p.lines = bufio.NewWriterSize(p.files[0], 32<<10), bufio.NewWriterSize(p.files[1], 4<<10)
	_, err := p.rows.Write(header)
	return p, err
}

func (p *pile) add(raw []byte, line int64) error {
	_, err := p.rows.Write(raw)
	if err == nil {
		err = p.rows.WriteByte('\n')
	}
	if err == nil {
		_, err = p.lines.Write(binary.AppendUvarint(nil, uint64(line)))
	}
	if err != nil {
		return fmt.Errorf("write a pile: %w", err)
	}
	return nil
}

func (p *pile) close() error {
	err := errors.Join(p.rows.Flush(), p.lines.Flush())
	for _, f := range p.files {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	if err != nil {
		return fmt.Errorf("write a pile: %w", err)
	}
	return nil
}

// loadPile loads one pile as a file of its own, with the lines' numbers in the
// file they came from.
func (l *loader) loadPile(ctx context.Context, path string) error {
	lines, err := os.Open(path + ".lines")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read a pile: %w", err)
	}
	defer func() { _ = lines.Close() }()
	src, err := rows.OpenRaw(path, l.feed, l.headed)
	if err != nil {
		return err
	}
	err = l.run(ctx, &renumbered{src, bufio.NewReader(lines)})
	if e := src.Close(); err == nil {
		err = e
	}
	return err
}

// renumbered gives rows the line numbers they had before they were dealt.
type renumbered struct {
	rows.Source
	lines *bufio.Reader
}

// Next implements rows.Source.
func (r *renumbered) Next() (*rows.Block, error) {
	b, err := r.Source.Next()
	if err != nil {
		return b, err
	}
	for i := range b.Line {
		n, err := binary.ReadUvarint(r.lines)
		if err != nil {
			return nil, fmt.Errorf("read a pile's lines: %w", err)
		}
		b.Line[i] = int64(n)
	}
	return b, nil
}
