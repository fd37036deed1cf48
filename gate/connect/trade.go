package connect

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"endcap/gate/connect/mapping"
	"endcap/gate/connect/rows"
	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/consent/policy"
	"endcap/retail/shopper"
)

// sendRows hands a block of anything but receipts to the desk.
func (l *loader) sendRows(b *rows.Block, send sender) error {
	r := newReader(l.feed, b)
	last := b.Position(b.N)
	for from := 0; from < b.N; from += batchMax {
		to := min(from+batchMax, b.N)
		hand := r.hand(l.Desk, l.Kind, from, to)
		err := send(func(ctx context.Context) error {
			res, err := hand(ctx, l.from)
			if err != nil {
				return err
			}
			l.sum.Desk.Add(&res.Summary)
			return l.stored(&batch{rows: int64(to - from), mark: last, marked: to == b.N})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// reader turns rows of a block into the desk's items.
type reader struct {
	feed   *mapping.Feed
	block  *rows.Block
	faults map[int]*rows.Fault
}

func newReader(feed *mapping.Feed, b *rows.Block) *reader {
	r := &reader{feed: feed, block: b, faults: make(map[int]*rows.Fault, len(b.Faults))}
	for i := range b.Faults {
		r.faults[b.Faults[i].Row] = &b.Faults[i]
	}
	return r
}

// row reads one row; its words fail into fault.
type row struct {
	*reader
	i     int
	fault *ingest.Fault
}

func (r *reader) row(i int) *row {
	w := &row{reader: r, i: i}
	if f := r.faults[i]; f != nil {
		w.fault = faultOf(f)
	}
	return w
}

func (w *row) fail(column string, err error) {
	if w.fault == nil {
		w.fault = &ingest.Fault{Reason: ingest.BadValue, Field: column, Say: err.Error(), Cure: "correct the row or the mapping"}
	}
}

// word is the row's text for a field, translated; a constant stands for all.
func (w *row) word(n mapping.Name) string {
	f := w.feed.Field(n)
	if f == nil || f.Constant != "" || w.block.Text[n] == nil {
		return w.feed.Constant(n)
	}
	s, err := f.Translate(w.block.Text[n][w.i])
	if err != nil {
		w.fail(f.Column, err)
	}
	return s
}

func (w *row) number(n mapping.Name) int64 { return number(w.block.Num[n], w.i, 0) }

func (w *row) raw() []byte {
	return w.block.Raw(slices.Clone(w.block.Header()), w.i)
}

func (w *row) flag(n mapping.Name) bool {
	s := w.word(n)
	if s == "" {
		return false
	}
	v, err := strconv.ParseBool(s)
	if err != nil {
		w.fail(n.String(), fmt.Errorf("%.20q is neither true nor false", s))
	}
	return v
}

func (w *row) channel() catalog.Channel {
	s := w.word(mapping.Channel)
	c, ok := catalog.ParseChannel(s)
	if !ok {
		w.fail("channel", fmt.Errorf("unknown channel %.20q: use in_store or online", s))
	}
	return c
}

func (w *row) keys() []shopper.Key {
	var out []shopper.Key
	for _, n := range mapping.Keys() {
		f := w.feed.Field(n)
		if f == nil || f.Column == "" || w.block.Text[n] == nil || w.block.Text[n][w.i] == "" {
			continue
		}
		value := w.block.Text[n][w.i]
		if f.Words != nil {
			if value = f.Words[value]; value == "" {
				w.fail(f.Column, fmt.Errorf("the mapping's words do not have this %s", n))
				continue
			}
		}
		key, err := shopper.ParseKey(shopper.KeyKind(n.String()), f.Prefix+value)
		if err != nil {
			w.fail(f.Column, err)
			continue
		}
		out = append(out, key)
	}
	return out
}

// wrap gives an item of the trade with its place; a faulty row's item is empty.
func wrap[T any](w *row, of T) ingest.Row[T] {
	out := ingest.Row[T]{Of: of, Line: w.block.Line[w.i], Raw: w.raw(), Fault: w.fault}
	if at := w.number(mapping.Time); at != 0 {
		out.At = micro(at)
	}
	return out
}

func collect[T any](r *reader, from, to int, one func(w *row) T) []T {
	out := make([]T, 0, to-from)
	for i := from; i < to; i++ {
		out = append(out, one(r.row(i)))
	}
	return out
}

// hand reads rows from..to and gives the call that hands them over.
func (r *reader) hand(d Desk, kind mapping.Kind, from, to int) func(context.Context, ingest.From) (ingest.Result, error) {
	type result = ingest.Result
	switch kind {
	case mapping.Products:
		items := collect(r, from, to, product)
		return func(ctx context.Context, f ingest.From) (result, error) { return d.Products(ctx, items, f) }
	case mapping.Stores:
		items := collect(r, from, to, store)
		return func(ctx context.Context, f ingest.From) (result, error) { return d.Stores(ctx, items, f) }
	case mapping.Prices:
		items := collect(r, from, to, price)
		return func(ctx context.Context, f ingest.From) (result, error) { return d.Prices(ctx, items, f) }
	case mapping.Stock:
		items := collect(r, from, to, stock)
		return func(ctx context.Context, f ingest.From) (result, error) { return d.Stock(ctx, items, f) }
	case mapping.Shoppers:
		items := collect(r, from, to, func(w *row) ingest.Shopper {
			keys := w.keys()
			return ingest.Shopper{Keys: keys, Line: w.block.Line[w.i], Raw: w.raw(), Fault: w.fault}
		})
		return func(ctx context.Context, f ingest.From) (result, error) { return d.Shoppers(ctx, items, f) }
	case mapping.Consents:
		items := collect(r, from, to, saying)
		return func(ctx context.Context, f ingest.From) (result, error) { return d.Consents(ctx, items, f) }
	default:
		panic("connect: bug: " + string(kind) + " are not rows of their own")
	}
}

func product(w *row) ingest.Row[catalog.Product] {
	p := catalog.Product{
		ID: catalog.ProductID(w.word(mapping.Product)), Name: w.word(mapping.Title), Brand: catalog.Brand(w.word(mapping.Brand)),
		Department: catalog.Department(w.word(mapping.Department)), Category: catalog.Category(w.word(mapping.Category)),
		Type: catalog.Type(w.word(mapping.Type)), Size: w.word(mapping.Size), OwnLabel: w.flag(mapping.OwnLabel),
	}
	if s := w.word(mapping.GTIN); s != "" {
		gtin, err := catalog.ParseGTIN(s)
		if err != nil {
			w.fail("gtin", err)
		}
		p.GTIN = gtin
	}
	return wrap(w, p)
}

func store(w *row) ingest.Row[catalog.Store] {
	return wrap(w, catalog.Store{
		ID: catalog.StoreID(w.word(mapping.Store)), Name: w.word(mapping.Title), Channel: w.channel(), Zone: w.word(mapping.Zone),
	})
}

func price(w *row) ingest.Row[catalog.Price] {
	currency := retail.Currency(w.word(mapping.Currency))
	if currency == "" {
		currency = w.feed.Mapping.Currency
	}
	return wrap(w, catalog.Price{
		Product: catalog.ProductID(w.word(mapping.Product)), Store: catalog.StoreID(w.word(mapping.Store)),
		Amount: retail.Money{Amount: retail.Micros(w.number(mapping.Amount)), Currency: currency},
	})
}

func stock(w *row) ingest.Row[catalog.Stock] {
	return wrap(w, catalog.Stock{
		Product: catalog.ProductID(w.word(mapping.Product)), Store: catalog.StoreID(w.word(mapping.Store)), Count: w.number(mapping.Count),
	})
}

func saying(w *row) ingest.Consent {
	c := ingest.Consent{
		ID: w.word(mapping.ID), Keys: w.keys(), Allowed: w.purposes(mapping.Allowed), Refused: w.purposes(mapping.Refused),
		TCF: w.word(mapping.TCF), Wording: w.word(mapping.Wording), Version: w.number(mapping.Version), Language: w.word(mapping.Language),
		Channel: w.word(mapping.Channel), Country: w.word(mapping.Country), Age: w.age(), Line: w.block.Line[w.i], Raw: w.raw(),
	}
	if c.TCF == "" && w.word(mapping.Allowed) == "" && w.word(mapping.Refused) == "" {
		w.silent()
	}
	if at := w.number(mapping.Time); at != 0 {
		c.At = micro(at)
	}
	c.Fault = w.fault
	return c
}

// silent refuses a row that says nothing: an empty field may be a no, or a value
// that was lost on the way.
func (w *row) silent() {
	if w.fault == nil {
		w.fault = &ingest.Fault{Reason: ingest.Reason(rows.Missing), Field: mapping.Allowed.String(), Say: "the row does not tell what she allows", Cure: "write none where it is nothing"}
	}
}

// purposes reads the words of purposes, with commas between them.
func (w *row) purposes(n mapping.Name) consent.Set {
	set, err := consent.ParseSet(w.word(n))
	if err != nil {
		w.fail(n.String(), err)
	}
	return set
}

// age is how old she is, where the row tells it.
func (w *row) age() policy.Age {
	years := number(w.block.Num[mapping.Age], w.i, rows.Absent)
	if years == rows.Absent {
		return policy.Age{Guardian: w.flag(mapping.Guardian)}
	}
	return policy.Age{Known: true, Years: int(years), Guardian: w.flag(mapping.Guardian)}
}
