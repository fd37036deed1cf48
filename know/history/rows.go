package history

import (
	"encoding/json"
	"slices"

	"endcap/keep/registry"
	"endcap/keep/warehouse"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

// Kinds are the facts that history keeps.
func Kinds() []event.Kind {
	return []event.Kind{
		event.KindReceipt, event.KindProduct, event.KindStore, event.KindPrice, event.KindStock, event.KindConsent,
		event.KindDecided, event.KindShown, event.KindClicked, event.KindBasketed, event.KindPurchased,
		event.KindBilled, event.KindTermsChanged, event.KindTallied, event.KindForgotten, event.KindMoved,
		event.KindPromotions, event.KindClustered,
	}
}

// Rows turns facts into rows of history's tables. A shopper whom some fact of
// the batch forgets has none of its rows. Facts that history does not keep give
// nothing.
func Rows(facts []event.Fact) []warehouse.Rows { return new(book).fill(facts) }

// fill is Rows in the book's memory, valid until the next fill.
func (b *book) fill(facts []event.Fact) []warehouse.Rows {
	b.begin(facts)
	gone := map[shopper.ID]bool{}
	for _, who := range Forgotten(facts) {
		gone[who] = true
	}
	for i := range facts {
		f := facts[i]
		if len(gone) > 0 && gone[f.Shopper] {
			f.Shopper = shopper.ID{}
			if k := f.Kind(); k == event.KindConsent || k == event.KindMoved || k == event.KindClustered {
				continue // they say nothing of nobody
			}
		}
		b.fact(&f, i)
	}
	return b.finish()
}

// Forgotten lists the shoppers whom facts of a batch forget.
func Forgotten(facts []event.Fact) []shopper.ID {
	var out []shopper.ID
	for i := range facts {
		if facts[i].Kind() == event.KindForgotten && facts[i].Shopper.Known() {
			out = append(out, facts[i].Shopper)
		}
	}
	return out
}

// book holds the sheets of a batch, made when their first row comes and used
// again for the next batch. The zero value is ready.
type book struct {
	tables map[string]event.Table
	sheets map[string]*sheet
	order  []*sheet // those of this batch
	sizes  map[string]int
}

// begin empties the book for a batch of facts.
func (b *book) begin(facts []event.Fact) {
	if b.tables == nil {
		b.tables, b.sheets = map[string]event.Table{}, map[string]*sheet{}
		for _, t := range event.Tables() {
			b.tables[t.Name] = t
		}
	}
	b.order, b.sizes = b.order[:0], map[string]int{}
	for _, s := range b.sheets {
		s.clear()
	}
	for i := range facts {
		switch body := facts[i].Body.(type) {
		case event.Receipt:
			b.sizes[event.TableReceipts]++
			b.sizes[event.TableLines] += len(body.Lines)
		case event.Promotions:
			b.sizes[event.TablePromotions] += len(body.Products)
		}
	}
}

func (b *book) sheet(name string) *sheet {
	s := b.sheets[name]
	if s == nil {
		s = newSheet(b.tables[name], b.sizes[name])
		b.sheets[name] = s
	}
	if s.rows.Len == 0 && s.at == 0 && !slices.Contains(b.order, s) {
		b.order = append(b.order, s)
	}
	return s
}

func (b *book) finish() []warehouse.Rows {
	var out []warehouse.Rows
	for _, s := range b.order {
		out = append(out, s.rows)
	}
	return out
}

// fact writes the rows of one fact, whose place in the batch is order.
func (b *book) fact(f *event.Fact, order int) {
	switch body := f.Body.(type) {
	case event.Receipt:
		b.receipt(f, &body, order)
	case event.Product:
		b.product(f, &body, order)
	case event.Store:
		s := b.sheet(event.TableStores)
		s.time(f.At)
		s.texts(string(body.ID), body.Name, body.Channel.String(), body.Zone)
		s.end(f, order)
	case event.Price:
		s := b.sheet(event.TablePrices)
		s.time(f.At)
		s.texts(string(body.Product), string(body.Store))
		s.amount(body.Amount.Amount)
		text(s, body.Amount.Currency)
		s.end(f, order)
	case event.Stock:
		s := b.sheet(event.TableStock)
		s.time(f.At)
		s.texts(string(body.Product), string(body.Store))
		s.int(body.Count)
		s.end(f, order)
	case event.Promotions:
		b.promotions(f, &body, order)
	case event.Consent:
		s := b.sheet(event.TableConsents)
		s.common(f)
		s.int(int64(body.Allowed))
		text(s, body.Wording)
		s.end(f, order)
	case event.Decided:
		b.decided(f, &body, order)
	case event.Shown:
		b.touch(f, "shown", &body.Touch, "", order)
	case event.Clicked:
		b.touch(f, "clicked", &body.Touch, "", order)
	case event.Basketed:
		b.touch(f, "basketed", &body.Touch, "", order)
	case event.Purchased:
		b.touch(f, "purchased", &body.Touch, string(body.Receipt), order)
	case event.Billed:
		b.billed(f, &body, order)
	case event.TermsChanged:
		b.terms(f, &body, order)
	case event.Moved:
		s := b.sheet(event.TableMoved)
		s.common(f)
		text(s, f.ID)
		s.int(int64(f.Version))
		s.end(f, order)
	case event.Clustered:
		s := b.sheet(event.TableMerged)
		s.common(f)
		s.int(int64(body.Canonical.Reveal()))
		s.end(f, order)
	case event.Tallied:
		s := b.sheet(event.TableRefusals)
		for _, t := range body.Tallies {
			s.day(f.Day)
			s.time(f.At)
			s.texts(string(t.LineItem), string(t.Reason))
			s.int(int64(t.Count))
			s.end(f, order)
		}
	}
}

func (b *book) receipt(f *event.Fact, r *event.Receipt, order int) {
	s := b.sheet(event.TableReceipts)
	s.common(f)
	text(s, r.ID)
	s.int(int64(r.Version))
	text(s, r.Store)
	channel := r.Channel.String()
	text(s, channel)
	text(s, r.Currency)
	s.int(int64(len(r.Lines)))
	s.amount(r.Total())
	s.int(int64(r.Marks))
	s.end(f, order)
	s = b.sheet(event.TableLines)
	for i := range r.Lines {
		l := &r.Lines[i]
		s.common(f)
		text(s, r.ID)
		s.int(int64(r.Version))
		s.int(int64(i))
		text(s, r.Store)
		text(s, channel)
		text(s, l.Product)
		s.int(int64(l.Quantity))
		s.amount(l.UnitPrice)
		s.amount(l.Sales)
		s.amount(l.RetailDiscount)
		s.amount(l.CouponDiscount)
		s.amount(l.CouponMatch)
		text(s, r.Currency)
		s.int(int64(l.Marks))
		s.end(f, order)
	}
}

func (b *book) product(f *event.Fact, p *event.Product, order int) {
	s := b.sheet(event.TableProducts)
	s.time(f.At)
	gtin := ""
	if p.GTIN != 0 {
		gtin = p.GTIN.String()
	}
	s.texts(string(p.ID), gtin, p.Name, string(p.Brand), string(p.Department), string(p.Category), string(p.Type), p.Size)
	s.bool(p.OwnLabel)
	s.end(f, order)
}

func (b *book) promotions(f *event.Fact, p *event.Promotions, order int) {
	s := b.sheet(event.TableWeeks)
	s.time(f.At)
	text(s, p.Store)
	s.day(p.Week)
	s.int(int64(f.Version))
	s.int(int64(len(p.Products)))
	s.end(f, order)
	s = b.sheet(event.TablePromotions)
	for i := range p.Products {
		text(s, p.Store)
		s.day(p.Week)
		s.int(int64(f.Version))
		text(s, p.Products[i].Product)
		text(s, p.Products[i].Display)
		text(s, p.Products[i].Mailer)
		s.end(f, order)
	}
}

func (b *book) decided(f *event.Fact, d *event.Decided, order int) {
	s := b.sheet(event.TableDecisions)
	s.common(f)
	s.texts(d.Decision.String(), d.Channel.String(), string(d.Store))
	s.blob(d.Record)
	s.end(f, order)
	for i := range d.Wins {
		win := &d.Wins[i]
		s := b.sheet(event.TableWins)
		s.common(f)
		s.texts(d.Decision.String(), string(win.Placement))
		s.int(int64(win.Slot))
		s.texts(string(win.Advertiser), string(win.Campaign), string(win.LineItem), string(win.Product))
		s.amount(win.Price)
		s.texts(string(win.Currency), win.Arm.String())
		s.bool(f.Consent.Allows(consent.Measurement))
		s.end(f, order)
	}
}

func (b *book) touch(f *event.Fact, kind string, t *event.Touch, receipt string, order int) {
	s := b.sheet(event.TableTouches)
	s.common(f)
	s.texts(f.ID, kind, t.Decision.String())
	s.int(int64(t.Slot))
	s.texts(string(t.Advertiser), string(t.Campaign), string(t.LineItem), string(t.Placement), string(t.Product))
	s.amount(t.Price)
	s.texts(string(t.Currency), t.Arm.String(), receipt)
	s.end(f, order)
}

func (b *book) billed(f *event.Fact, v *event.Billed, order int) {
	s := b.sheet(event.TableCharges)
	s.day(v.Day)
	s.time(f.At)
	s.texts(v.Click, v.Decision.String())
	s.int(int64(v.Slot))
	s.texts(string(v.Advertiser), string(v.Campaign), string(v.LineItem))
	s.amount(v.Amount)
	s.texts(string(v.Currency), string(v.Reason))
	s.end(f, order)
}

// terms writes one version of what people set up. A document that cannot be
// read, and a removal without one, leave its columns empty; the document itself
// is always kept.
func (b *book) terms(f *event.Fact, t *event.TermsChanged, order int) {
	begin := func(table, name string) *sheet {
		s := b.sheet(table)
		s.time(f.At)
		text(s, t.ID)
		s.int(int64(t.Version))
		s.bool(t.Removed)
		s.texts(t.By, name)
		return s
	}
	var s *sheet
	switch registry.Kind(t.Of) {
	case registry.Advertiser:
		doc := read[media.Advertiser](t.Doc)
		s = begin(event.TableAdverts, doc.Name)
		text(s, doc.Currency)
	case registry.Campaign:
		doc := read[media.Campaign](t.Doc)
		s = begin(event.TableCampaigns, doc.Name)
		text(s, doc.Advertiser)
		s.day(doc.Flight.From)
		s.day(doc.Flight.To)
		s.int(int64(doc.ControlPPM))
		s.int(int64(doc.WindowDays))
	case registry.LineItem:
		doc := read[media.LineItem](t.Doc)
		s = begin(event.TableLineItems, doc.Name)
		s.texts(string(doc.Campaign), string(doc.Advertiser), string(doc.Audience))
		s.amount(doc.Bid)
		s.amount(doc.BudgetDaily)
		s.amount(doc.BudgetTotal)
		s.int(int64(doc.CapPerDay))
	case registry.Audience:
		doc := read[struct{ Name, Sentence string }](t.Doc)
		s = begin(event.TableAudiences, doc.Name)
		text(s, doc.Sentence)
	case registry.Placement:
		doc := read[media.Placement](t.Doc)
		s = begin(event.TablePlacements, doc.Name)
		s.int(int64(doc.SlotsMax))
		s.amount(doc.Floor)
		text(s, doc.Currency)
	default:
		return // keys and the like are no history
	}
	text(s, string(t.Doc))
	s.end(f, order)
}

// read is a document's struct, zero where it is none.
func read[T any](doc []byte) T {
	var v T
	if json.Unmarshal(doc, &v) != nil {
		var zero T
		return zero
	}
	return v
}
