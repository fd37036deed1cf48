package connect

import (
	"context"
	"fmt"
	"math"

	"github.com/cespare/xxhash/v2"

	"endcap/gate/connect/mapping"
	"endcap/gate/connect/rows"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/catalog"
)

// storeWeek is what a file says of one store's week so far.
type storeWeek struct {
	weekKey
	line     int64 // of the file: its first, or the one at fault
	version  int64
	products []catalog.Promotion
	parts    []part
	fault    *ingest.Fault
}

// weekKey is a store, in the source's words, and the first day of a week.
type weekKey struct {
	store string
	day   int64
}

// hash spreads keys over piles.
func (k weekKey) hash() uint64 { return xxhash.Sum64String(k.store) + uint64(k.day)*0x9e3779b97f4a7c15 }

// keyOf is the store's week of row i; ok is false where the row names none.
func keyOf(b *rows.Block, i int) (k weekKey, ok bool) {
	k = weekKey{b.Text[mapping.Store][i], b.Num[mapping.Week][i]}
	return k, k.store != "" && k.day != rows.Absent
}

// weekGatherer puts rows of promotions together by store and week, wherever in
// the pile they lie.
type weekGatherer struct {
	feed   *mapping.Feed
	open   map[weekKey]*storeWeek
	order  []*storeWeek // by their first rows
	lines  int          // of open weeks
	now    weekBatch
	give   func(weekBatch) error
	fields [3]*mapping.Field // product, display, mailer
}

// weekBatch is what goes to the desk at one time.
type weekBatch struct {
	weeks []ingest.Promotions
	lines int
	raw   []byte // arena of the weeks' Raw
}

func newWeekGatherer(feed *mapping.Feed, give func(weekBatch) error) *weekGatherer {
	g := &weekGatherer{feed: feed, open: map[weekKey]*storeWeek{}, give: give}
	g.fields = [3]*mapping.Field{feed.Field(mapping.Product), feed.Field(mapping.Display), feed.Field(mapping.Mailer)}
	return g
}

// take adds a block's rows.
func (g *weekGatherer) take(b *rows.Block) error {
	faults := b.Faults
	for i := range b.N {
		var bad *rows.Fault
		if len(faults) > 0 && faults[0].Row == i {
			bad, faults = &faults[0], faults[1:]
		}
		key, ok := keyOf(b, i)
		if !ok {
			g.refuse(looseOf(g.feed, b, i, bad))
			continue
		}
		w := g.open[key]
		if w == nil {
			w = &storeWeek{weekKey: key, line: b.Line[i], version: number(b.Num[mapping.Version], i, 0)}
			g.open[key] = w
			g.order = append(g.order, w)
		}
		if n := len(w.parts); n > 0 && w.parts[n-1].block == b && w.parts[n-1].to == i {
			w.parts[n-1].to++
		} else {
			w.parts = append(w.parts, part{b, i, i + 1})
		}
		g.lines++
		g.grow(w, b, i, bad)
	}
	for g.lines > pileLinesMax && len(g.order) > 1 {
		if err := g.close(); err != nil {
			return err
		}
	}
	return nil
}

// grow adds row i to a store's week.
func (g *weekGatherer) grow(w *storeWeek, b *rows.Block, i int, bad *rows.Fault) {
	if w.fault != nil {
		return
	}
	version := number(b.Num[mapping.Version], i, 0)
	switch {
	case bad != nil:
		w.fault, w.line = faultOf(bad), b.Line[i]
	case version != w.version:
		w.fault = &ingest.Fault{Reason: ingest.TwoVersions, Field: "version", Say: fmt.Sprintf("one store's week is of version %d and of version %d", w.version, version), Cure: "send each version whole"}
	case len(w.products) == catalog.PromotionsMax:
		w.fault = &ingest.Fault{Reason: ingest.TooManyRows, Field: "product", Say: fmt.Sprintf("more than %d products with their places in one store's week", catalog.PromotionsMax), Cure: "list each product and place once"}
	}
	if w.fault != nil {
		w.products = nil
		return
	}
	var said [3]string
	for n, f := range g.fields {
		if f == nil || b.Text[f.Name] == nil {
			if f != nil {
				said[n] = f.Constant
			}
			continue
		}
		var err error
		if said[n], err = f.Translate(b.Text[f.Name][i]); err != nil {
			w.blame(f.Column, err)
			return
		}
	}
	w.products = append(w.products, catalog.Promotion{Product: catalog.ProductID(said[0]), Display: said[1], Mailer: said[2]})
}

func (w *storeWeek) blame(column string, err error) {
	w.fault = &ingest.Fault{Reason: ingest.BadValue, Field: column, Say: err.Error(), Cure: "correct the row or the mapping"}
	w.products = nil
}

// refuse hands over a row that cannot be told to belong to a store's week.
func (g *weekGatherer) refuse(r loose) {
	g.now.weeks = append(g.now.weeks, ingest.Promotions{Line: r.line, Raw: r.raw, Fault: r.fault})
}

// close turns the week that was opened first into one of the batch.
func (g *weekGatherer) close() error {
	w := g.order[0]
	g.order[0], g.order = nil, g.order[1:]
	delete(g.open, w.weekKey)
	for _, p := range w.parts {
		g.lines -= p.to - p.from
		g.now.lines += p.to - p.from
	}
	store, err := g.feed.Field(mapping.Store).Translate(w.store)
	if err != nil {
		w.blame(g.feed.Field(mapping.Store).Column, err)
	}
	if w.fault == nil && (w.version < 0 || w.version > math.MaxInt32) {
		w.blame("version", fmt.Errorf("version %d is none: versions count from 0", w.version))
	}
	out := ingest.Promotions{Line: w.line, Fault: w.fault}
	out.Store, out.Week, out.Products = catalog.StoreID(store), retail.Day(w.day), w.products
	if w.fault == nil {
		out.Version = uint32(w.version)
	}
	start := len(g.now.raw)
	g.now.raw = rawOf(g.now.raw, w.parts)
	out.Raw = g.now.raw[start:len(g.now.raw):len(g.now.raw)]
	g.now.weeks = append(g.now.weeks, out)
	if w.fault != nil {
		for _, rest := range piecesOf(out.Raw, w.line, fmt.Sprintf("the promotions of store %.64q in the week of %v", w.store, out.Week)) {
			g.refuse(rest)
		}
	}
	if len(g.now.weeks) >= batchMax || g.now.lines >= batchLines {
		return g.flush()
	}
	return nil
}

func (g *weekGatherer) flush() error {
	if len(g.now.weeks) == 0 {
		return nil
	}
	b := g.now
	g.now = weekBatch{raw: make([]byte, 0, len(b.raw)+len(b.raw)/8)}
	return g.give(b)
}

// finish hands over what is open.
func (g *weekGatherer) finish() error {
	for len(g.order) > 0 {
		if err := g.close(); err != nil {
			return err
		}
	}
	return g.flush()
}

// gatherWeeks makes batches of stores' weeks.
func (l *loader) gatherWeeks(ctx context.Context, blocks <-chan *rows.Block, readErr *error, send sender) error {
	g := newWeekGatherer(l.feed, func(b weekBatch) error {
		return send(func(ctx context.Context) error {
			res, err := l.Desk.Promotions(ctx, b.weeks, l.from)
			if err != nil {
				return err
			}
			l.sum.Desk.Add(&res.Summary)
			return l.stored(&batch{rows: int64(b.lines)})
		})
	})
	for b := range blocks {
		l.sum.Rows += int64(b.N)
		if err := g.take(b); err != nil {
			return err
		}
	}
	if ctx.Err() != nil || *readErr != nil {
		return ctx.Err()
	}
	return g.finish()
}
