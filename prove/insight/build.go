package insight

import (
	"cmp"
	"fmt"
	"slices"

	"endcap/prove/cleanroom"
	"endcap/prove/measure"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/media"
)

// cellsOf groups sales into cells of one part and day. A line that was given
// away is left out: who paid nothing is no crowd for another to hide in.
func cellsOf(sales []measure.Sale, part func(*measure.Sale) string) []cleanroom.Cell {
	type key struct {
		part string
		day  retail.Day
	}
	at := make(map[key]int)
	receipts := make(map[key]map[string]bool)
	var cells []cleanroom.Cell
	for i := range sales {
		s := &sales[i]
		if s.Sales == 0 {
			continue
		}
		k := key{part(s), s.Day}
		n, ok := at[k]
		if !ok {
			n = len(cells)
			at[k] = n
			receipts[k] = make(map[string]bool)
			cells = append(cells, cleanroom.Cell{Part: k.part, Day: k.day})
		}
		c := &cells[n]
		c.Sales += s.Sales
		c.People = append(c.People, s.Person)
		if !receipts[k][s.Receipt] {
			receipts[k][s.Receipt] = true
			c.Receipts++
		}
	}
	return cells
}

func whole(*measure.Sale) string { return "" }

// series opens the clean room's book on the attributed sales.
func series(q *Question, e *measure.Evidence, sales []measure.Sale) *cleanroom.Series {
	return q.Policy.Editions(cellsOf(sales, whole), e.Campaign().Flight.From, q.Ask.Currency)
}

// Edition is the day through which a report tells of shoppers.
func Edition(q *Question, e *measure.Evidence, sales []measure.Sale) (retail.Day, bool) {
	return series(q, e, sales).Edition()
}

// builder holds what the parts of a report share.
type builder struct {
	q       *Question
	e       *measure.Evidence
	c       media.Campaign
	sales   []measure.Sale
	series  *cleanroom.Series
	licence cleanroom.Licence
	edition retail.Day
	told    bool // there is an edition
}

// Build makes a report of evidence and of the sales that measure.Attribute
// found in it. It computes only: the same arguments give the same report.
func Build(q *Question, e *measure.Evidence, sales []measure.Sale) *Report {
	b := &builder{q: q, e: e, c: e.Campaign(), sales: sales, series: series(q, e, sales)}
	b.edition, b.told = b.series.Edition()
	b.licence, _ = q.Policy.Licence(q.Bookings...) // refused: delivery is withheld and says so
	r := &Report{Head: b.head(), Frame: q.Frame}
	days := b.days()
	r.Days = days
	for _, s := range b.series.Spans() {
		r.Spans = append(r.Spans, Span{From: s.Days.From, To: s.Days.To - 1, Sales: s.Sales, Buyers: s.Buyers})
	}
	r.Splits = b.splits()
	effect := measure.Incremental(e)
	r.Arms = b.arms(&effect)
	r.Figures = b.figures(&effect)
	r.Refusals = b.refusals()
	return r
}

func (b *builder) head() Head {
	h := Head{
		Campaign: b.c.ID, Name: cmp.Or(b.c.Name, string(b.c.ID)), Advertiser: b.c.Advertiser,
		AdvertiserName: cmp.Or(b.q.Advertiser.Name, string(b.c.Advertiser)),
		FlightFrom:     b.c.Flight.From, FlightLast: b.c.Flight.To - 1, Through: b.q.Ask.LastDelivered(), Currency: b.q.Ask.Currency,
		ShoppersMin: b.q.Policy.ShoppersMin, ControlPPM: b.c.ControlPPM, WindowDays: b.c.WindowDays, Lookback: b.q.Ask.Lookback,
		Model: b.q.Ask.Model,
	}
	if b.told {
		h.Edition = &b.edition
	}
	return h
}

func (b *builder) usd(a retail.Micros) retail.Money {
	return retail.Money{Amount: a, Currency: b.q.Ask.Currency}
}

// days lists delivery for every day of the flight so far, days without any too.
func (b *builder) days() []Day {
	byDay := make(map[retail.Day]measure.Delivered)
	last := min(b.q.Ask.LastDelivered(), b.c.Flight.To-1)
	for _, d := range b.e.Delivered {
		sum := byDay[d.Day]
		sum.Impressions += d.Impressions
		sum.Clicks += d.Clicks
		sum.Spend += d.Spend
		byDay[d.Day] = sum
		last = max(last, d.Day)
	}
	var out []Day
	for d := b.c.Flight.From; d <= last; d++ {
		sum := byDay[d]
		out = append(out, Day{
			Day: d, Impressions: b.licence.Count(sum.Impressions), Clicks: b.licence.Count(sum.Clicks), Spend: b.licence.Money(b.usd(sum.Spend)),
		})
	}
	return out
}

// delivered sums delivery up to a day.
func (b *builder) delivered(through retail.Day) (sum measure.Delivered) {
	for _, d := range b.e.Delivered {
		if d.Day <= through {
			sum.Impressions += d.Impressions
			sum.Clicks += d.Clicks
			sum.Filtered += d.Filtered
			sum.Spend += d.Spend
		}
	}
	return sum
}

// splits tells the attributed sales apart in four ways. Parts that are always
// possible are listed even where nobody bought, withheld like those where few
// did. Where the told parts add up to the total, such a part is known to be
// nothing: that is a fact about the k shoppers or more who bought elsewhere.
func (b *builder) splits() []Split {
	return []Split{
		b.split("channel", "Where it was bought", func(s *measure.Sale) string { return s.Channel.String() },
			catalog.InStore.String(), catalog.Online.String()),
		b.split("relation", "Advertised product or its range", relation, sameSKU, halo),
		b.split("new_to_brand", "New to the brand", func(s *measure.Sale) string { return string(s.Newness) },
			string(measure.New), string(measure.NotNew), string(measure.Unknown)),
		b.split("line_item", "By line item", func(s *measure.Sale) string { return string(s.LineItem) }),
	}
}

// The parts of the split by relation.
const (
	sameSKU = "same_sku"
	halo    = "brand_halo"
)

func relation(s *measure.Sale) string {
	if s.SameSKU {
		return sameSKU
	}
	return halo
}

func (b *builder) split(id, name string, part func(*measure.Sale) string, always ...string) Split {
	s := Split{ID: id, Name: name, How: b.how()}
	for _, p := range b.series.Split(cellsOf(b.sales, part)) {
		s.Parts = append(s.Parts, Part{p.Name, b.label(p.Name), dayOrNone(p.Through), p.Sales, p.Buyers, p.Receipts})
	}
	few := cleanroom.Withhold(cleanroom.Few)
	for _, name := range always {
		if !slices.ContainsFunc(s.Parts, func(p Part) bool { return p.Name == name }) {
			s.Parts = append(s.Parts, Part{Name: name, Label: b.label(name), Through: dayOrNone(b.edition), Sales: few, Buyers: few, Receipts: few})
		}
	}
	slices.SortStableFunc(s.Parts, func(x, y Part) int {
		return cmp.Or(cmp.Compare(rank(x.Name, always), rank(y.Name, always)), cmp.Compare(x.Name, y.Name))
	})
	s.How.Withheld = fmt.Sprintf("parts with fewer than %d new buyers since they were last told, and what else would give them away; together they are the line “%s”",
		b.q.Policy.ShoppersMin, cleanroom.RestName)
	return s
}

// dayOrNone is nil for the zero day, which is that of nothing.
func dayOrNone(d retail.Day) *retail.Day {
	if d == 0 {
		return nil
	}
	return &d
}

// label is a part's name for people.
func (b *builder) label(name string) string {
	if item, ok := b.e.Terms.LineItems[media.LineItemID(name)]; ok {
		return cmp.Or(item.Name, name)
	}
	switch name {
	case catalog.InStore.String():
		return "In store"
	case catalog.Online.String():
		return "Online"
	case sameSKU:
		return "The advertised products"
	case halo:
		return "Others of the range (halo)"
	case string(measure.New):
		return "New to the brand"
	case string(measure.NotNew):
		return "Bought it before"
	case string(measure.Unknown):
		return "Unknown: history too short"
	case cleanroom.RestName:
		return "Not told apart"
	default:
		return name
	}
}

// rank orders the parts that are always listed first, the rest last.
func rank(name string, always []string) int {
	if name == cleanroom.RestName {
		return len(always) + 1
	}
	if i := slices.Index(always, name); i >= 0 {
		return i
	}
	return len(always)
}

// armsRound is what numbers of shoppers in the experiment are rounded to: they
// change by one whenever somebody withdraws her consent, and a reader who asks
// every day must not see one shopper go.
const armsRound = 10

// arms tells of the two sides of the experiment. Spend is told of the buyers'
// number, not of the shoppers': an average over many of whom one bought is her
// receipt, divided.
func (b *builder) arms(e *measure.Effect) []Arm {
	p := b.q.Policy
	p.RoundCount = max(p.RoundCount, armsRound)
	side := func(name string, s measure.Side) Arm {
		if !b.told {
			few := cleanroom.Withhold(cleanroom.Few)
			return Arm{name, few, few, few}
		}
		return Arm{
			Name: name, Shoppers: p.Shoppers(s.Shoppers), Buyers: p.Shoppers(s.Buyers),
			PerHead: p.Money(b.usd(retail.Micros(s.Mean*float64(retail.Unit)).RoundHalfEven(retail.Cent)), s.Buyers),
		}
	}
	return []Arm{side("treated", e.Treated), side("control", e.Control)}
}

// refusals sums the line items' refusals by day and reason.
func (b *builder) refusals() []Refusal {
	type key struct {
		day    retail.Day
		reason string
	}
	sums := make(map[key]int64)
	for _, r := range b.e.Refused {
		sums[key{r.Day, r.Reason}] += r.Count
	}
	out := make([]Refusal, 0, len(sums))
	for k, n := range sums {
		out = append(out, Refusal{Day: k.day, Reason: k.reason, Count: b.licence.Count(n)})
	}
	slices.SortFunc(out, func(x, y Refusal) int { return cmp.Or(cmp.Compare(x.Day, y.Day), cmp.Compare(x.Reason, y.Reason)) })
	return out
}
