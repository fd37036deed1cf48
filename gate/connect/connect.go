// Package connect is the door for files: it reads a retailer's receipts,
// catalogue, stores, prices, stock, promotions, shoppers and consents from CSV, NDJSON and
// Parquet, as a mapping file says, and hands them to know/ingest in batches. A
// load may be broken off at any time and started again: it goes on where the
// last stored batch ended, and what is handed over twice changes nothing.
//
// Nothing is decided here but what a row says. A row that cannot be read goes
// to quarantine with its file, line, reason, cure and its bytes.
//
// On the road of a receipt this is one of the two places where it begins; the
// other is gate/api.
package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"sync"
	"time"

	"endcap/gate/connect/mapping"
	"endcap/gate/connect/rows"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/catalog"
)

// Trade is where the rows of the catalogue and its companions go.
type Trade interface {
	Products(ctx context.Context, rs []ingest.Row[catalog.Product], from ingest.From) (ingest.Result, error)
	Stores(ctx context.Context, rs []ingest.Row[catalog.Store], from ingest.From) (ingest.Result, error)
	Prices(ctx context.Context, rs []ingest.Row[catalog.Price], from ingest.From) (ingest.Result, error)
	Stock(ctx context.Context, rs []ingest.Row[catalog.Stock], from ingest.From) (ingest.Result, error)
	Promotions(ctx context.Context, ws []ingest.Promotions, from ingest.From) (ingest.Result, error)
}

// People is where shoppers' keys and consents go.
type People interface {
	Shoppers(ctx context.Context, rs []ingest.Shopper, from ingest.From) (ingest.Result, error)
	Consents(ctx context.Context, rs []ingest.Consent, from ingest.From) (ingest.Result, error)
}

// Desk is where everything that was read goes; know/ingest's Desk fits. It owns
// the items it is given, but their Raw bytes only until it returns.
type Desk interface {
	Trade
	People
	Receipts(ctx context.Context, rs []ingest.Receipt, from ingest.From) (ingest.Result, error)
}

// LoadOptions says what Load loads. File, Kind, Mapping, Desk and Clock are
// required.
type LoadOptions struct {
	File    string
	Kind    mapping.Kind
	Mapping *mapping.Mapping
	Desk    Desk
	Clock   retail.Clock // for rates and the time left; data never sees it
	// From and Until bound the business days of receipts, in the mapping's
	// zone: from the start of From, before the start of Until. Zero is no bound.
	From, Until retail.Day
	// State is the file that remembers how far the load got; empty for none.
	State string
	// Temp is the folder in which scattered receipts and promotions are sorted.
	Temp string
	// Yield, where set, is called before receipts are handed to the desk, says how
	// many may be handed over at once (0 for any number), and may wait: others may
	// be in more of a hurry.
	Yield func(ctx context.Context) (most int, err error)
	// Progress is called about ten times a second, never twice at once.
	Progress func(Progress)
}

// Summary is what a load did.
type Summary struct {
	Rows            int64 // read in this run
	SkippedReceipts int64 // outside From and Until
	SkippedLines    int64
	Resumed         int64 // the line after which this run went on; 0 from the start
	Whole           bool  // the file was loaded before and has not changed; nothing was read
	Took            time.Duration
	Desk            ingest.Summary // what became of the items; of this run
}

// Door is what facts of files are stamped with.
const Door = "file"

// SourceName is the name under which rows of a file lie in quarantine; Replay
// reads it.
func SourceName(m *mapping.Mapping, kind mapping.Kind, file string) string {
	return m.Name + "/" + string(kind) + "/" + filepath.Base(file)
}

const (
	minTime = math.MinInt64
	maxTime = math.MaxInt64
)

func micro(v int64) time.Time { return time.UnixMicro(v).UTC() }

// Load reads a file and hands it to the desk. It returns what was done up to
// the error, if there is one: a file that breaks off or is damaged is loaded up
// to there. Errors that an operator can cure are *retail.Error.
func Load(ctx context.Context, o LoadOptions) (Summary, error) {
	if o.Mapping == nil || o.Desk == nil || o.Clock == nil || o.File == "" {
		return Summary{}, errors.New("connect: File, Mapping, Desk and Clock are needed")
	}
	feed, err := o.Mapping.Feed(o.Kind)
	if err != nil {
		return Summary{}, err
	}
	l := &loader{LoadOptions: o, feed: feed, began: o.Clock(), from: ingest.From{Door: Door, Name: SourceName(o.Mapping, o.Kind, o.File)}}
	err = l.load(ctx)
	l.sum.Took = o.Clock().Sub(l.began)
	if err != nil {
		err = fmt.Errorf("load %s: %w", filepath.Base(o.File), err)
	}
	return l.sum, err
}

// loader is one run of Load.
type loader struct {
	LoadOptions
	feed  *mapping.Feed
	began time.Time
	from  ingest.From
	sum   Summary
	state *state
	meter *meter

	headed bool // raw rows of the file come with a header
}

func (l *loader) load(ctx context.Context) error {
	var err error
	if l.state, err = openState(l.State, l.File, l.stateKey()); err != nil {
		return err
	}
	if l.state.Done {
		l.sum.Whole = true
		return nil
	}
	if l.Kind == mapping.Promotions || l.Kind == mapping.Receipts && !l.feed.Sorted {
		return l.loadScattered(ctx)
	}
	src, err := rows.Open(l.File, l.feed)
	if err != nil {
		return err
	}
	if l.state.Line > 0 {
		if err := src.Seek(rows.Position{Offset: l.state.Offset, Line: l.state.Line}); err != nil {
			return errors.Join(err, src.Close())
		}
		l.sum.Resumed = l.state.Line
	}
	l.meter = newMeter(l, src)
	err = l.run(ctx, src)
	if e := src.Close(); err == nil {
		err = e
	}
	if err == nil {
		l.state.Done = true
		err = l.state.save()
	}
	l.meter.show(true)
	return err
}

// stateKey tells loads of the same file with other options apart.
func (l *loader) stateKey() string {
	return fmt.Sprintf("%s %d %d", l.from.Name, l.From, l.Until)
}

// run drives the stages: a goroutine decodes blocks, this one makes batches of
// them, another hands those to the desk. Each waits for the next through a
// short channel, so memory stays bounded and two cores are busy.
func (l *loader) run(ctx context.Context, src rows.Source) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var stages sync.WaitGroup
	blocks := make(chan *rows.Block, 3)
	var readErr error
	stages.Go(func() {
		defer close(blocks)
		readErr = read(ctx, src, blocks)
	})
	batches := make(chan func(context.Context) error, 1)
	var deskErr error
	stages.Go(func() {
		for hand := range batches {
			if deskErr == nil {
				if deskErr = hand(ctx); deskErr != nil {
					cancel()
				}
			}
		}
	})
	gatherErr := l.gather(ctx, blocks, &readErr, func(hand func(context.Context) error) error {
		select {
		case batches <- hand:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	cancelled := ctx.Err()
	if gatherErr != nil {
		cancel()
	}
	close(batches)
	for range blocks {
	}
	stages.Wait()
	return firstErr(deskErr, readErr, gatherErr, cancelled)
}

// firstErr is the first error that is not just the echo of another's cancel.
func firstErr(errs ...error) error {
	var echo error
	for _, err := range errs {
		switch {
		case err == nil:
		case errors.Is(err, context.Canceled):
			echo = err
		default:
			return err
		}
	}
	return echo
}

// read decodes a file into blocks.
func read(ctx context.Context, src rows.Source, blocks chan<- *rows.Block) error {
	for {
		b, err := src.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case blocks <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sender queues one call of the desk.
type sender func(hand func(context.Context) error) error

// gather makes batches of blocks. readErr may be read once blocks is closed.
func (l *loader) gather(ctx context.Context, blocks <-chan *rows.Block, readErr *error, send sender) error {
	if l.Kind == mapping.Promotions {
		return l.gatherWeeks(ctx, blocks, readErr, send)
	}
	if l.Kind != mapping.Receipts {
		for b := range blocks {
			l.sum.Rows += int64(b.N)
			if err := l.sendRows(b, send); err != nil {
				return err
			}
		}
		return nil
	}
	g := l.newGatherer(send)
	for b := range blocks {
		l.sum.Rows += int64(b.N)
		if err := g.take(b); err != nil {
			return err
		}
		l.meter.show(false) // rows outside the wanted days make no batches
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err := g.finish(*readErr != nil)
	l.sum.SkippedReceipts += g.skipped.receipts
	l.sum.SkippedLines += g.skipped.lines
	return err
}

// handReceipts hands receipts to the desk, as many at once as Yield allows.
func (l *loader) handReceipts(ctx context.Context, all []ingest.Receipt) error {
	for len(all) > 0 {
		most := len(all)
		if l.Yield != nil {
			n, err := l.Yield(ctx)
			if err != nil {
				return err
			}
			if n > 0 {
				most = min(most, n)
			}
		}
		res, err := l.Desk.Receipts(ctx, all[:most], l.from)
		if err != nil {
			return err
		}
		l.sum.Desk.Add(&res.Summary)
		all = all[most:]
	}
	return nil
}

// newGatherer gathers receipts within the wanted days and sends them.
func (l *loader) newGatherer(send sender) *gatherer {
	var g *gatherer
	g = newGatherer(l.feed, func(b *batch) error {
		return send(func(ctx context.Context) error {
			if err := l.handReceipts(ctx, b.receipts); err != nil {
				return err
			}
			select {
			case g.arenas <- b.raw[:0]:
			default:
			}
			return l.stored(b)
		})
	})
	if !l.feed.Sorted {
		g.openMax, g.linesMax = pileLinesMax, pileLinesMax
	}
	if l.From != 0 {
		g.from = l.From.Start(l.Mapping.Zone).UnixMicro()
	}
	if l.Until != 0 {
		g.to = l.Until.Start(l.Mapping.Zone).UnixMicro()
	}
	return g
}

// stored notes what the desk has answered for a batch.
func (l *loader) stored(b *batch) error {
	l.meter.rows.Add(b.rows)
	l.meter.show(false)
	if !b.marked || !l.feed.Sorted {
		return nil
	}
	l.state.Offset, l.state.Line = b.mark.Offset, b.mark.Line
	return l.state.save()
}
