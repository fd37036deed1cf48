package connect

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"endcap/gate/connect/mapping"
	"endcap/gate/connect/rows"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/shopper"
)

// Bounds of gathering lines into receipts.
const (
	openMax      = 1_024   // receipts that wait for further lines at one time
	openLinesMax = 200_000 // lines of theirs
	batchMax     = 4_096   // receipts handed to the desk at one time
	batchLines   = 49_152  // lines of theirs, beyond which a batch ends
)

// batch is what goes to the desk at one time.
type batch struct {
	receipts []ingest.Receipt
	lines    int
	raw      []byte // arena of the receipts' Raw
	slab     []basket.Line
	rows     int64         // rows read since the batch before
	mark     rows.Position // where a restart may go on once it is stored …
	marked   bool          // … if it may
}

// group is a receipt that may still get lines.
type group struct {
	id          string
	first, last int64 // numbers of its rows in the order read
	start       rows.Position
	line        int64 // of the file: its first, or the one at fault
	at          int64
	version     int64
	store       string
	channel     string
	currency    string
	keys        [5]string
	marks       basket.Mark
	lines       []basket.Line
	numbers     []int64 // of the lines, where the file gives them
	parts       []part
	fault       *ingest.Fault
	prev, next  *group // in the order in which they last grew
}

// part is a run of rows of one block.
type part struct {
	block    *rows.Block
	from, to int
}

// gatherer turns rows into receipts. Lines of one receipt need not be
// neighbours: up to openMax receipts wait for more, and the one that has waited
// longest is handed over first. A line that comes later still makes a second
// receipt with the same id, which the desk answers as a conflict: it lies in
// quarantine with both, and nothing is lost. Files whose lines are scattered
// more widely say "sorted": false in their mapping.
type gatherer struct {
	feed      *mapping.Feed
	from, to  int64 // receipts are wanted from this microsecond on, and before that
	open      map[string]*group
	oldest    group // ring of open groups: next is the oldest, prev the newest
	openLines int
	openMax   int
	linesMax  int
	current   *group
	free      *group
	row       int64 // rows read
	counted   int64 // of them, in batches given away
	lastGiven int64 // the highest row of a receipt handed over
	now       *batch
	give      func(*batch) error
	skipped   counts
	cache     keyCache
	arenas    chan []byte // raw bytes of batches that the desk is done with
	fields    fieldSet
}

// counts of rows and receipts.
type counts struct{ receipts, lines int64 }

// fieldSet is what the mapping says of a receipt's fields.
type fieldSet struct {
	product, store, channel, currency, receipt *mapping.Field
	keys                                       [5]*mapping.Field
	zone                                       *time.Location // of times of day
	storeConst, channelConst, currencyConst    string
}

func newGatherer(feed *mapping.Feed, give func(*batch) error) *gatherer {
	g := &gatherer{
		feed: feed, open: make(map[string]*group, openMax), openMax: openMax, linesMax: openLinesMax,
		from: minTime, to: maxTime, give: give, lastGiven: -1, arenas: make(chan []byte, 2),
	}
	g.oldest.next, g.oldest.prev = &g.oldest, &g.oldest
	f := &g.fields
	f.product, f.store, f.channel = feed.Field(mapping.Product), feed.Field(mapping.Store), feed.Field(mapping.Channel)
	f.currency, f.receipt = feed.Field(mapping.Currency), feed.Field(mapping.Receipt)
	if at := feed.Field(mapping.Time); at != nil {
		f.zone = at.Zone
	}
	f.storeConst, f.channelConst, f.currencyConst = feed.Constant(mapping.Store), feed.Constant(mapping.Channel), feed.Constant(mapping.Currency)
	for i, n := range mapping.Keys() {
		f.keys[i] = feed.Field(n)
	}
	g.now = &batch{}
	return g
}

// take adds a block's rows.
func (g *gatherer) take(b *rows.Block) error {
	faults := b.Faults
	ids := b.Text[mapping.Receipt]
	view := newView(b)
	for i := range b.N {
		var bad *rows.Fault
		if len(faults) > 0 && faults[0].Row == i {
			bad, faults = &faults[0], faults[1:]
		}
		id := ids[i]
		if id == "" {
			g.refuse(looseOf(g.feed, b, i, bad))
			g.row++
			continue
		}
		if g.current == nil || g.current.id != id {
			if err := g.turn(id, b, i); err != nil {
				return err
			}
		}
		r := g.current
		if n := len(r.parts); n > 0 && r.parts[n-1].block == b && r.parts[n-1].to == i {
			r.parts[n-1].to++
		} else {
			r.parts = append(r.parts, part{b, i, i + 1})
		}
		r.last = g.row
		g.row++
		if bad != nil {
			if r.fault == nil {
				r.fault, r.line = faultOf(bad), b.Line[i]
			}
			continue
		}
		g.grow(r, &view, i)
	}
	return nil
}

// turn makes the receipt id the current one, opening it where it is new.
func (g *gatherer) turn(id string, b *rows.Block, i int) error {
	if r := g.open[id]; r != nil {
		r.unlink()
		g.push(r)
		g.current = r
		return nil
	}
	for len(g.open) >= g.openMax || len(g.open) > 1 && g.openLines > g.linesMax {
		if err := g.close(g.oldest.next); err != nil {
			return err
		}
	}
	r := g.free
	if r == nil {
		r = &group{}
	} else {
		g.free = r.next
		*r = group{lines: r.lines[:0], parts: r.parts[:0], numbers: r.numbers[:0]}
	}
	r.id, r.first, r.start, r.line = id, g.row, b.Position(i), b.Line[i]
	g.open[id] = r
	g.push(r)
	g.current = r
	return nil
}

func (g *gatherer) push(r *group) {
	r.prev, r.next = g.oldest.prev, &g.oldest
	r.prev.next, g.oldest.prev = r, r
}

func (r *group) unlink() {
	r.prev.next, r.next.prev = r.next, r.prev
}

// view is a block's columns at hand.
type view struct {
	times, clocks, versions, numbers, quantities, prices, sales, retail, coupon, match []int64
	stores, channels, currencies, products                                             []string
	keys                                                                               [5][]string
}

func newView(b *rows.Block) view {
	v := view{
		times: b.Num[mapping.Time], clocks: b.Num[mapping.TimeOfDay], versions: b.Num[mapping.Version], numbers: b.Num[mapping.LineNumber],
		quantities: b.Num[mapping.Quantity], prices: b.Num[mapping.UnitPrice], sales: b.Num[mapping.Sales],
		retail: b.Num[mapping.RetailDiscount], coupon: b.Num[mapping.CouponDiscount], match: b.Num[mapping.CouponMatch],
		stores: b.Text[mapping.Store], channels: b.Text[mapping.Channel],
		currencies: b.Text[mapping.Currency], products: b.Text[mapping.Product],
	}
	for i, n := range mapping.Keys() {
		v.keys[i] = b.Text[n]
	}
	return v
}

func text(column []string, i int) string {
	if column == nil {
		return ""
	}
	return column[i]
}

func number(column []int64, i int, otherwise int64) int64 {
	if column == nil || column[i] == rows.Absent {
		return otherwise
	}
	return column[i]
}

// grow adds row i to a receipt.
func (g *gatherer) grow(r *group, v *view, i int) {
	at, version := v.times[i], number(v.versions, i, 0)
	if clock := number(v.clocks, i, rows.Absent); clock != rows.Absent {
		at = onDay(at, clock, g.fields.zone)
	}
	if len(r.lines) == 0 {
		r.at, r.version = at, version
		r.store, r.channel, r.currency = text(v.stores, i), text(v.channels, i), text(v.currencies, i)
		for k := range r.keys {
			r.keys[k] = text(v.keys[k], i)
		}
	} else {
		if at != r.at {
			r.marks |= basket.TimesDiffer
			r.at = min(r.at, at)
		}
		r.agree(v, i, version)
	}
	if len(r.lines) == basket.LinesMax {
		r.blame(ingest.TooManyRows, "lines", fmt.Sprintf("more than %d lines", basket.LinesMax), "give each sale its own receipt id")
		return
	}
	line := basket.Line{
		Product:        catalog.ProductID(v.products[i]),
		Quantity:       basket.Quantity(number(v.quantities, i, int64(basket.Piece))),
		UnitPrice:      retail.Micros(number(v.prices, i, 0)),
		RetailDiscount: retail.Micros(number(v.retail, i, 0)),
		CouponDiscount: retail.Micros(number(v.coupon, i, 0)),
		CouponMatch:    retail.Micros(number(v.match, i, 0)),
	}
	if f := g.fields.product; f.Prefix != "" || f.Words != nil {
		word, err := f.Translate(v.products[i])
		if err != nil {
			r.blameErr(f.Column, err)
		}
		line.Product = catalog.ProductID(word)
	}
	if v.sales != nil {
		line.Sales = retail.Micros(v.sales[i])
	} else {
		line.Sales, line.Marks = r.times(line.Quantity, line.UnitPrice)
	}
	r.lines = append(r.lines, line)
	g.openLines++
	if v.numbers != nil {
		r.numbers = append(r.numbers, number(v.numbers, i, 0))
	}
}

// onDay is the time of day clock, in microseconds since midnight by the wall
// clock, on the day of at.
func onDay(at, clock int64, zone *time.Location) int64 {
	y, m, d := micro(at).In(zone).Date()
	return time.Date(y, m, d, 0, 0, int(clock/1e6), 0, zone).UnixMicro()
}

// agree checks that row i says the same of the receipt as its first.
func (r *group) agree(v *view, i int, version int64) {
	if s := text(v.stores, i); s != r.store {
		r.blame(ingest.TwoStores, "store", fmt.Sprintf("one receipt is of store %.64q and of store %.64q", r.store, s), "give each sale its own receipt id")
	}
	if s := text(v.currencies, i); s != r.currency {
		r.blame(ingest.TwoMonies, "currency", fmt.Sprintf("one receipt is in %.8q and in %.8q", r.currency, s), "give each currency its own receipt")
	}
	if s := text(v.channels, i); s != r.channel {
		r.blame(ingest.TwoStores, "channel", fmt.Sprintf("one receipt is of channel %.20q and of channel %.20q", r.channel, s), "give each sale its own receipt id")
	}
	if version != r.version {
		r.blame(ingest.TwoVersions, "version", fmt.Sprintf("one receipt is of version %d and of version %d", r.version, version), "send each version whole")
	}
	for k := range r.keys {
		s := text(v.keys[k], i)
		switch {
		case s == r.keys[k] || s == "":
		case r.keys[k] == "":
			r.keys[k] = s
		default:
			r.blame(ingest.TwoShoppers, mapping.Keys()[k].String(), "one receipt names two shoppers", "give each sale its own receipt id")
		}
	}
}

// blame makes a receipt faulty; the first fault stays.
func (r *group) blame(reason ingest.Reason, field, say, cure string) {
	if r.fault == nil {
		r.fault = &ingest.Fault{Reason: reason, Field: field, Say: say, Cure: cure}
	}
}

func (r *group) blameErr(column string, err error) {
	r.blame(ingest.BadValue, column, err.Error(), "correct the row or the mapping")
}

// times is quantity × price to the micro, such that rounding it to whole cents
// afterwards gives what rounding the exact product would.
func (r *group) times(q basket.Quantity, price retail.Micros) (retail.Micros, basket.Mark) {
	hi, lo := bits.Mul64(magnitude(int64(q)), magnitude(int64(price)))
	if hi >= uint64(basket.Piece) {
		r.blame(ingest.Absurd, "unit_price", "quantity times unit price is absurd", "correct the row")
		return 0, 0
	}
	quotient, rest := bits.Div64(hi, lo, uint64(basket.Piece))
	if quotient > uint64(retail.MicrosMax) {
		r.blame(ingest.Absurd, "unit_price", "quantity times unit price is absurd", "correct the row")
		return 0, 0
	}
	total, mark := retail.Micros(quotient), basket.Mark(0)
	if rest > 0 {
		mark = basket.SalesRounded
		if 2*(total%retail.Cent) == retail.Cent {
			total++ // just above the half, not on it
		}
	}
	if (q < 0) != (price < 0) {
		total = -total
	}
	return total, mark
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// refuse hands over a row that cannot be told to belong to a receipt.
func (g *gatherer) refuse(r loose) {
	g.now.receipts = append(g.now.receipts, ingest.Receipt{Line: r.line, Raw: r.raw, Fault: r.fault})
}

// close turns an open group into a receipt of the batch.
func (g *gatherer) close(r *group) error {
	r.unlink()
	delete(g.open, r.id)
	g.openLines -= len(r.lines)
	if g.current == r {
		g.current = nil
	}
	g.lastGiven = max(g.lastGiven, r.last)
	if len(r.lines) > 0 && (r.at < g.from || r.at >= g.to) {
		g.skipped.receipts++
		g.skipped.lines += r.rows()
	} else {
		g.hand(r)
	}
	clear(r.parts)
	r.next, g.free = g.free, r
	if len(g.now.receipts) >= batchMax || g.now.lines >= batchLines {
		return g.flush()
	}
	return nil
}

func (r *group) rows() int64 {
	n := 0
	for _, p := range r.parts {
		n += p.to - p.from
	}
	return int64(n)
}

// hand writes a receipt into the batch.
func (g *gatherer) hand(r *group) {
	out := ingest.Receipt{Line: r.line, Fault: r.fault}
	out.ID, out.Marks = basket.ReceiptID(r.id), r.marks
	if out.Fault == nil {
		g.describe(r, &out)
	} else {
		out.Receipt = basket.Receipt{ID: out.ID}
	}
	b := g.now
	start := len(b.raw)
	b.raw = rawOf(b.raw, r.parts)
	out.Raw = b.raw[start:len(b.raw):len(b.raw)]
	b.receipts = append(b.receipts, out)
	b.lines += len(out.Lines)
	if out.Fault != nil {
		for _, rest := range piecesOf(out.Raw, out.Line, fmt.Sprintf("receipt %.64q", string(out.ID))) {
			g.refuse(rest)
		}
	}
}

// describe fills in what the group knows of the receipt, translated.
func (g *gatherer) describe(r *group, out *ingest.Receipt) {
	f := &g.fields
	fail := func(column string, err error) {
		r.blameErr(column, err)
		out.Fault = r.fault
	}
	word := func(field *mapping.Field, value, constant string) string {
		if field == nil || constant != "" {
			return constant
		}
		w, err := field.Translate(value)
		if err != nil {
			fail(field.Column, err)
		}
		return w
	}
	out.ID = basket.ReceiptID(word(f.receipt, r.id, ""))
	out.Store = catalog.StoreID(word(f.store, r.store, f.storeConst))
	out.Currency = retail.Currency(word(f.currency, r.currency, f.currencyConst))
	if out.Currency == "" {
		out.Currency = g.feed.Mapping.Currency
	}
	channel, ok := catalog.ParseChannel(word(f.channel, r.channel, f.channelConst))
	if !ok {
		fail("channel", fmt.Errorf("unknown channel %.20q: use in_store, online or words", r.channel))
	}
	out.Channel = channel
	if r.version < 0 || r.version > 1<<31 {
		fail("version", fmt.Errorf("version %d is none: versions count from 0", r.version))
	}
	out.Version = uint32(max(0, r.version))
	out.At = micro(r.at)
	for k, value := range r.keys {
		if value == "" || f.keys[k] == nil {
			continue
		}
		key, err := g.cache.key(k, value, f.keys[k])
		if err != nil {
			fail(f.keys[k].Column, err)
			continue
		}
		out.Keys = append(out.Keys, key)
	}
	out.Lines = g.now.copyLines(r)
	if out.Fault != nil {
		out.Receipt = basket.Receipt{ID: out.ID}
	}
}

// slabSize is how many lines are allocated at one time.
const slabSize = 8_192

// copyLines gives the receipt its own lines, in the order of their numbers.
func (b *batch) copyLines(r *group) []basket.Line {
	if len(r.numbers) == len(r.lines) && !slices.IsSorted(r.numbers) {
		order := make([]int, len(r.lines))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(r.numbers[x], r.numbers[y]) })
		sorted := make([]basket.Line, len(order))
		for i, k := range order {
			sorted[i] = r.lines[k]
		}
		return sorted
	}
	if len(b.slab) < len(r.lines) {
		b.slab = make([]basket.Line, max(slabSize, len(r.lines)))
	}
	out := b.slab[:len(r.lines):len(r.lines)]
	b.slab = b.slab[len(r.lines):]
	copy(out, r.lines)
	return out
}

// flush gives the batch away. A restart may go on where the oldest open receipt
// begins, unless a receipt handed over reaches beyond that.
func (g *gatherer) flush() error {
	if len(g.now.receipts) == 0 {
		return nil
	}
	b := g.now
	b.rows, g.counted = g.row-g.counted, g.row
	if oldest := g.oldest.next; oldest != &g.oldest && g.lastGiven < g.firstOpen() {
		b.mark, b.marked = oldest.start, true
		for r := oldest; r != &g.oldest; r = r.next {
			if r.start.Line < b.mark.Line {
				b.mark = r.start
			}
		}
	}
	g.now = &batch{slab: b.slab, receipts: make([]ingest.Receipt, 0, batchMax+64)}
	select {
	case g.now.raw = <-g.arenas:
	default:
		g.now.raw = make([]byte, 0, len(b.raw)+len(b.raw)/8)
	}
	return g.give(b)
}

func (g *gatherer) firstOpen() int64 {
	first := g.row
	for r := g.oldest.next; r != &g.oldest; r = r.next {
		first = min(first, r.first)
	}
	return first
}

// finish hands over what is open. Where the file broke off, the receipt that
// grew last may lack lines, so it is refused as a whole.
func (g *gatherer) finish(broken bool) error {
	if broken && g.current != nil {
		g.current.blame(ingest.Reason(rows.Damaged), "", "the file breaks off within or right after this receipt", "fetch the file again and load it again")
	}
	for g.oldest.next != &g.oldest {
		if err := g.close(g.oldest.next); err != nil {
			return err
		}
	}
	return g.flush()
}

// keyCache remembers the last keys made, by kind.
type keyCache [5]struct {
	value string
	key   shopper.Key
}

func (c *keyCache) key(kind int, value string, field *mapping.Field) (shopper.Key, error) {
	if c[kind].value == value {
		return c[kind].key, nil
	}
	word, err := field.Translate(value)
	if err != nil {
		return shopper.Key{}, errors.New("the mapping's words do not have this key")
	}
	key, err := shopper.ParseKey(shopper.KeyKind(field.Name.String()), word)
	if err != nil {
		return shopper.Key{}, err
	}
	c[kind].value, c[kind].key = value, key
	return key, nil
}
