package history

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"endcap/keep/stream"
	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// ErrLate is returned to a follower that stands before what the stream has
// kept, though not at the start: it can only be folded from the start.
var ErrLate = errors.New("the stream no longer has what follows; fold from the start")

// Giver is what Whole needs of a warehouse.
type Giver interface {
	Released(ctx context.Context, partition int) (warehouse.Mark, error)
	Replay(ctx context.Context, s warehouse.Span) (warehouse.Replayed, error)
}

// Whole is the stream as if nothing had ever been trimmed: a reader that starts
// at the beginning gets the trimmed facts of the catalogue, of receipts, of those
// that moved and of consents from history, then the stream. Where history forgot a shopper or a
// correction replaced a receipt, so does Whole. Cursors into history sort
// before every cursor of the stream, which must not begin with eight zero
// bytes.
type Whole struct {
	stream.Stream
	history Giver
}

// NewWhole decorates a stream.
func NewWhole(s stream.Stream, w Giver) *Whole { return &Whole{s, w} }

var past = strings.Repeat("\x00", 8)

// pastCursor is the place of one fact of one fold.
func pastCursor(fold uint64, order int64) event.Cursor {
	b := binary.BigEndian.AppendUint64([]byte(past), fold)
	return event.Cursor(binary.BigEndian.AppendUint64(b, uint64(order)))
}

// parsePast reads pastCursor; the empty cursor is before everything.
func parsePast(c event.Cursor) (fold uint64, order int64, ok bool) {
	if c == "" {
		return 0, -1, true
	}
	if len(c) != 24 || !strings.HasPrefix(string(c), past) {
		return 0, 0, false
	}
	b := []byte(c)
	return binary.BigEndian.Uint64(b[8:]), int64(binary.BigEndian.Uint64(b[16:])), true
}

// Read gives trimmed facts first.
func (h *Whole) Read(ctx context.Context, partition int, after event.Cursor, limit int) ([]stream.Entry, error) {
	mark, err := h.history.Released(ctx, partition)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	fold, order, ok := parsePast(after)
	switch {
	case !ok && after < mark.Cursor:
		return nil, fmt.Errorf("partition %d: %w", partition, ErrLate)
	case !ok || mark.Cursor == "":
		return h.Stream.Read(ctx, partition, after, limit)
	}
	span := warehouse.Span{Partition: partition, Fold: fold, After: order, Upto: mark.Fold, Limit: min(limit, stream.ReadMax)}
	for {
		got, err := h.history.Replay(ctx, span)
		if err != nil {
			return nil, fmt.Errorf("read history: %w", err)
		}
		if len(got.Rows) == 0 {
			return h.Stream.Read(ctx, partition, mark.Cursor, limit)
		}
		facts, orders := Facts(got.Rows)
		if len(facts) == 0 { // only rows of nobody; go on behind them
			span.Fold, span.After = got.Fold, lastOrder(got.Rows)
			continue
		}
		out := make([]stream.Entry, len(facts))
		for i := range facts {
			p, err := event.Pack(nil, &facts[i])
			if err != nil {
				return nil, fmt.Errorf("read history: %w", err)
			}
			out[i] = stream.Entry{At: pastCursor(got.Fold, orders[i]), Kind: p.Kind, Bytes: p.Bytes}
		}
		return out, nil
	}
}

// First says that nothing is missing.
func (h *Whole) First(context.Context, int) (event.Cursor, error) { return "", nil }

// Wait returns when there is more to read, in the stream or in history.
func (h *Whole) Wait(ctx context.Context, partition int, after event.Cursor) error {
	if _, _, ok := parsePast(after); ok && after != "" {
		mark, err := h.history.Released(ctx, partition)
		if err != nil {
			return fmt.Errorf("wait for history: %w", err)
		}
		after = mark.Cursor
	}
	return h.Stream.Wait(ctx, partition, after)
}

// Fetch gives one fact of the stream; what history holds is not fetched singly.
func (h *Whole) Fetch(ctx context.Context, partition int, at event.Cursor) (stream.Entry, error) {
	if _, _, ok := parsePast(at); ok {
		return stream.Entry{}, stream.ErrGone
	}
	return h.Stream.Fetch(ctx, partition, at)
}

// Facts turns stored rows back into facts, in the order they were folded, with
// their places. Rows without a source of their own to name, such as a consent
// of a forgotten shopper, give none.
func Facts(rows []warehouse.Rows) ([]event.Fact, []int64) {
	type placed struct {
		fact  event.Fact
		order int64
	}
	var all []placed
	lines := linesOf(rows)
	for i := range rows {
		v := newView(&rows[i])
		if v == nil {
			continue
		}
		for j := range rows[i].Len {
			v.at = j
			if f, ok := v.fact(lines); ok {
				all = append(all, placed{f, v.int(event.HiddenOrder)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int { return int(a.order - b.order) })
	facts, orders := make([]event.Fact, len(all)), make([]int64, len(all))
	for i := range all {
		facts[i], orders[i] = all[i].fact, all[i].order
	}
	return facts, orders
}

func lastOrder(rows []warehouse.Rows) int64 {
	last := int64(-1)
	for i := range rows {
		if v := newView(&rows[i]); v != nil {
			for v.at = range rows[i].Len {
				last = max(last, v.int(event.HiddenOrder))
			}
		}
	}
	return last
}

// view reads rows of one table by column name.
type view struct {
	rows    *warehouse.Rows
	table   event.Table
	columns map[string]int
	at      int
}

// newView is nil for tables whose rows are parts of a fact.
func newView(rows *warehouse.Rows) *view {
	for _, t := range event.Tables() {
		if t.Name == rows.Table && len(t.Parent) == 0 {
			return viewOf(t, rows)
		}
	}
	return nil
}

func viewOf(t event.Table, rows *warehouse.Rows) *view {
	v := &view{rows: rows, table: t, columns: map[string]int{}}
	for i, c := range t.Stored() {
		v.columns[c.Name] = i
	}
	return v
}

func (v *view) column(name string) *warehouse.Column { return &v.rows.Columns[v.columns[name]] }
func (v *view) int(name string) int64                { return v.column(name).Ints[v.at] }
func (v *view) text(name string) string              { return v.column(name).Texts[v.at] }
func (v *view) amount(name string) retail.Micros     { return retail.Micros(v.int(name)) }

func (v *view) shopper() shopper.ID {
	c := v.column("shopper")
	if c.Nulls != nil && c.Nulls[v.at] {
		return shopper.ID{}
	}
	return shopper.FromUint64(uint64(c.Ints[v.at]))
}

// fact makes the fact of one row; false where it can be none.
func (v *view) fact(lines map[lineKey][]basket.Line) (event.Fact, bool) {
	f := event.Fact{
		ID: v.text(event.HiddenFact), Version: uint32(v.int(event.HiddenVersion)),
		At: instant(v.int("at")), Arrived: instant(v.int(event.HiddenArrived)), Day: retail.Day(v.int(v.table.Filed())),
		Consent: consent.Set(v.int(event.HiddenConsent)), Source: v.text(event.HiddenSource),
	}
	switch v.table.Name {
	case event.TableReceipts:
		f.Shopper = v.shopper()
		channel, _ := catalog.ParseChannel(v.text("channel"))
		key := lineKey{v.text("receipt"), v.int("version")}
		f.Body = event.Receipt{Receipt: basket.Receipt{
			ID: basket.ReceiptID(key.receipt), Version: uint32(key.version), Store: catalog.StoreID(v.text("store")),
			Channel: channel, At: f.At, Currency: retail.Currency(v.text("currency")), Lines: lines[key], Marks: basket.Mark(v.int("marks")),
		}}
	case event.TableProducts:
		gtin, _ := catalog.ParseGTIN(v.text("gtin"))
		f.Body = event.Product{Product: catalog.Product{
			ID: catalog.ProductID(v.text("product")), GTIN: gtin, Name: v.text("name"), Brand: catalog.Brand(v.text("brand")),
			Department: catalog.Department(v.text("department")), Category: catalog.Category(v.text("category")),
			Type: catalog.Type(v.text("type")), Size: v.text("size"), OwnLabel: v.column("own_label").Bools[v.at],
		}}
	case event.TableStores:
		channel, _ := catalog.ParseChannel(v.text("channel"))
		f.Body = event.Store{Store: catalog.Store{ID: catalog.StoreID(v.text("store")), Name: v.text("name"), Channel: channel, Zone: v.text("zone")}}
	case event.TablePrices:
		f.Body = event.Price{Price: catalog.Price{
			Product: catalog.ProductID(v.text("product")), Store: catalog.StoreID(v.text("store")),
			Amount: retail.Money{Amount: v.amount("price"), Currency: retail.Currency(v.text("currency"))},
		}}
	case event.TableStock:
		f.Body = event.Stock{Stock: catalog.Stock{
			Product: catalog.ProductID(v.text("product")), Store: catalog.StoreID(v.text("store")), Count: v.int("count"),
		}}
	case event.TableConsents:
		f.Shopper = v.shopper()
		f.Body = event.Consent{Allowed: consent.Set(v.int("allowed")), Wording: v.text("wording")}
		return f, f.Shopper.Known()
	case event.TableMoved:
		f.Shopper, f.Body = v.shopper(), event.Moved{}
		return f, f.Shopper.Known()
	default:
		return f, false
	}
	return f, true
}

// lineKey names one version of a receipt.
type lineKey struct {
	receipt string
	version int64
}

// linesOf gathers the lines of each receipt in their order.
func linesOf(all []warehouse.Rows) map[lineKey][]basket.Line {
	out := map[lineKey][]basket.Line{}
	for i := range all {
		if all[i].Table != event.TableLines {
			continue
		}
		for _, t := range event.Tables() {
			if t.Name != event.TableLines {
				continue
			}
			v := viewOf(t, &all[i])
			for v.at = range all[i].Len {
				key := lineKey{v.text("receipt"), v.int("version")}
				out[key] = append(out[key], basket.Line{
					Product: catalog.ProductID(v.text("product")), Quantity: basket.Quantity(v.int("quantity")),
					UnitPrice: v.amount("unit_price"), Sales: v.amount("sales"), RetailDiscount: v.amount("retail_discount"),
					CouponDiscount: v.amount("coupon_discount"), CouponMatch: v.amount("coupon_match"), Marks: basket.Mark(v.int("marks")),
				})
			}
		}
	}
	return out
}

// instant reads microseconds, 0 for the zero time.
func instant(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
