package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"endcap/gate/connect/mapping"
	"endcap/gate/connect/rows"
	"endcap/know/ingest"
)

// Refused is a quarantine row as Replay needs it; keep/vault.Refused has these
// fields.
type Refused struct {
	Source string // as SourceName made it
	Line   int64
	Reason string
	Raw    []byte
}

// ErrOtherDoor is returned by Replay for a row that did not come from a file.
var ErrOtherDoor = errors.New("the row did not come from a file")

// Replay reads a refused row again with the mapping as it is now and hands it to
// the desk under its old source and line. mapping.Parse's result is looked up by
// name. It returns nil when everything in the row was taken in, ingest.ErrStill
// with the reason when it was refused again. Of rows longer than a quarantine
// row may be, the end was cut off; those are taken in by loading the file.
func Replay(ctx context.Context, desk Desk, named func(name string) (*mapping.Mapping, error), r Refused) error {
	name, rest, ok := strings.Cut(r.Source, "/")
	kind, file, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 {
		return ErrOtherDoor
	}
	if len(r.Raw) >= rows.RawMax || r.Reason == string(inParts) {
		return fmt.Errorf("%w: its bytes are not kept whole; load %s again", ingest.ErrStill, file)
	}
	m, err := named(name)
	if err != nil {
		return fmt.Errorf("find the mapping %q: %w", name, err)
	}
	feed, err := m.Feed(mapping.Kind(kind))
	if err != nil {
		return err
	}
	b, err := rows.ReadRaw(r.Raw, feed, headed(file, r.Raw, feed))
	if err != nil {
		return fmt.Errorf("%w: %w", ingest.ErrStill, err)
	}
	for i := range b.Line {
		b.Line[i] = r.Line + int64(i)
	}
	return replayBlock(ctx, desk, feed, b, r)
}

// headed reports whether raw rows of a file follow a header. Rows of Parquet
// are kept as CSV.
func headed(file string, raw []byte, feed *mapping.Feed) bool {
	name := strings.ToLower(file)
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	switch filepath.Ext(name) {
	case ".ndjson", ".jsonl":
		return false
	case ".parquet":
		return true
	case ".csv", ".tsv", ".txt":
		return feed.Header == nil
	}
	return feed.Header == nil && !bytes.HasPrefix(raw, []byte{'{'})
}

func replayBlock(ctx context.Context, desk Desk, feed *mapping.Feed, b *rows.Block, r Refused) error {
	from := ingest.From{Door: Door, Name: r.Source}
	if feed.Kind == mapping.Promotions {
		return replayWeeks(ctx, desk, feed, b, r)
	}
	if feed.Kind != mapping.Receipts {
		res, err := newReader(feed, b).hand(desk, feed.Kind, 0, b.N)(ctx, from)
		if err != nil {
			return err
		}
		return res.Taken()
	}
	var all []ingest.Receipt
	g := newGatherer(feed, func(got *batch) error {
		all = append(all, got.receipts...)
		return nil
	})
	if err := errors.Join(g.take(b), g.finish(false)); err != nil {
		return err
	}
	for i := range all {
		all[i].Line = r.Line
	}
	res, err := desk.Receipts(ctx, all, from)
	if err != nil {
		return err
	}
	return res.Taken()
}

func replayWeeks(ctx context.Context, desk Desk, feed *mapping.Feed, b *rows.Block, r Refused) error {
	var all []ingest.Promotions
	g := newWeekGatherer(feed, func(got weekBatch) error {
		all = append(all, got.weeks...)
		return nil
	})
	if err := errors.Join(g.take(b), g.finish()); err != nil {
		return err
	}
	for i := range all {
		all[i].Line = r.Line
	}
	res, err := desk.Promotions(ctx, all, ingest.From{Door: Door, Name: r.Source})
	if err != nil {
		return err
	}
	return res.Taken()
}
