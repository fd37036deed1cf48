package cleanroom

import (
	"cmp"
	"maps"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"endcap/retail"
)

// Cell is what one part of a split gained on one day, and from whom. People
// are numbers that mean nothing outside one call of Publish.
type Cell struct {
	Part     string
	Day      retail.Day
	Sales    retail.Micros
	Receipts int64 // receipts of this part and day
	People   []uint32
}

// Part is a published part of a split: sums up to and including Through, which
// may lie before the report's edition when too few shoppers were added since.
type Part struct {
	Name     string
	Through  retail.Day
	Sales    Cleared
	Buyers   Cleared
	Receipts Cleared
}

// Span is what was added from one edition to the next.
type Span struct {
	Days   retail.Days
	Sales  Cleared
	Buyers Cleared
}

// Series holds all that a report tells of one campaign's sales.
type Series struct {
	policy   Policy
	currency retail.Currency
	editions []retail.Day
	days     []Cell // the totals, by day
	bits     []*roaring.Bitmap
	from     retail.Day
}

// Editions makes a Series of the totals of each day (Part is ignored). The days
// on which a report may change, its editions, are the days when k shoppers have
// contributed since the edition before, counted from the first day on. They
// depend on history alone, so whoever asks for the report day by day sees it
// change only by the sales of k shoppers or more at once.
func (p Policy) Editions(totals []Cell, from retail.Day, currency retail.Currency) *Series {
	b := &Series{policy: p, currency: currency, from: from, days: slices.Clone(totals)}
	slices.SortFunc(b.days, func(x, y Cell) int { return cmp.Compare(x.Day, y.Day) })
	since := roaring.New()
	for i := range b.days {
		b.bits = append(b.bits, roaring.BitmapOf(b.days[i].People...))
		since.Or(b.bits[i])
		last := i+1 == len(b.days) || b.days[i+1].Day != b.days[i].Day
		if last && p.enough(count64(since)) {
			b.editions = append(b.editions, b.days[i].Day)
			since = roaring.New()
		}
	}
	return b
}

func count64(b *roaring.Bitmap) int { return int(b.GetCardinality()) }

// Edition is the last edition; false when there is none yet, and then nothing
// is told.
func (b *Series) Edition() (retail.Day, bool) {
	if len(b.editions) == 0 {
		return 0, false
	}
	return b.editions[len(b.editions)-1], true
}

// Total is everything up to the edition.
func (b *Series) Total() Part {
	edition, ok := b.Edition()
	if !ok {
		return Part{Sales: Withhold(Few), Buyers: Withhold(Few), Receipts: Withhold(Few)}
	}
	return b.sum("", b.days, b.bits, retail.Days{From: b.from, To: edition + 1})
}

// Spans tells the total from edition to edition.
func (b *Series) Spans() []Span {
	out := make([]Span, 0, len(b.editions))
	from := b.from
	for _, edition := range b.editions {
		days := retail.Days{From: from, To: edition + 1}
		part := b.sum("", b.days, b.bits, days)
		out = append(out, Span{Days: days, Sales: part.Sales, Buyers: part.Buyers})
		from = edition + 1
	}
	return out
}

// sum clears the cells within some days. The caller has made sure that they are
// of k shoppers or more; sum checks again.
func (b *Series) sum(name string, cells []Cell, bits []*roaring.Bitmap, days retail.Days) Part {
	var sales retail.Micros
	var receipts int64
	people := roaring.New()
	for i := range cells {
		if days.Contains(cells[i].Day) {
			sales += cells[i].Sales
			receipts += cells[i].Receipts
			people.Or(bits[i])
		}
	}
	n := count64(people)
	return Part{
		Name: name, Through: days.To - 1, Sales: b.policy.Money(retail.Money{Amount: sales, Currency: b.currency}, n),
		Buyers: b.policy.Shoppers(n), Receipts: b.policy.Count(receipts, n),
	}
}

// RestName is the part that adds a split up to its total without saying what
// it is made of.
const RestName = "not_told_apart"

// Split tells the parts of a total. The cells must hold each sale of the totals
// in exactly one part. A part is told up to the last edition at which k
// shoppers or more had been added to it since it was told before; whatever is
// not told of any part lies in the last part, RestName, so that the split adds
// up to the total to the cent.
//
// A reader knows the total and the told parts of this edition and of all before
// it, and so the rest of each. Split therefore holds a part back when the rest
// of this edition would differ from that of any earlier one, or from nothing,
// by sales of fewer than k shoppers.
func (b *Series) Split(cells []Cell) []Part {
	s := newSplit(b, cells)
	for _, edition := range b.editions {
		s.publish(edition)
	}
	edition, ok := b.Edition()
	out := make([]Part, 0, len(s.parts)+1)
	for _, p := range s.parts {
		if s.told[p.name] < b.from {
			few := Withhold(Few)
			out = append(out, Part{Name: p.name, Through: edition, Sales: few, Buyers: few, Receipts: few})
			continue
		}
		out = append(out, b.sum(p.name, p.cells, p.bits, retail.Days{From: b.from, To: s.told[p.name] + 1}))
	}
	if rest, any := s.rest(edition); ok && any {
		out = append(out, rest)
	}
	return out
}

// split is the state of Split: until when each part has been told.
type split struct {
	of    *Series
	parts []*splitPart
	told  map[string]retail.Day
	past  []state // what was told at each edition so far
}

type splitPart struct {
	name  string
	cells []Cell
	bits  []*roaring.Bitmap
}

// state is what a reader of one edition was told.
type state struct {
	edition retail.Day
	told    map[string]retail.Day
}

func newSplit(b *Series, cells []Cell) *split {
	s := &split{of: b, told: make(map[string]retail.Day)}
	sorted := slices.Clone(cells)
	slices.SortStableFunc(sorted, func(x, y Cell) int { return cmp.Or(cmp.Compare(x.Part, y.Part), cmp.Compare(x.Day, y.Day)) })
	for _, c := range sorted {
		if len(s.parts) == 0 || s.parts[len(s.parts)-1].name != c.Part {
			s.parts = append(s.parts, &splitPart{name: c.Part})
			s.told[c.Part] = b.from - 1
		}
		p := s.parts[len(s.parts)-1]
		p.cells = append(p.cells, c)
		p.bits = append(p.bits, roaring.BitmapOf(c.People...))
	}
	s.past = []state{{b.from - 1, maps.Clone(s.told)}}
	return s
}

// publish tells, at one edition, as many parts anew as is safe; the parts with
// the fewest new shoppers are held back first.
func (s *split) publish(edition retail.Day) {
	type candidate struct {
		name  string
		added int
	}
	var ready []candidate
	for _, p := range s.parts {
		added := roaring.New()
		for i := range p.cells {
			if d := p.cells[i].Day; d > s.told[p.name] && d <= edition {
				added.Or(p.bits[i])
			}
		}
		if n := count64(added); s.of.policy.enough(n) {
			ready = append(ready, candidate{p.name, n})
		}
	}
	slices.SortStableFunc(ready, func(x, y candidate) int { return cmp.Compare(y.added, x.added) })
	for ; ; ready = ready[:len(ready)-1] {
		next := state{edition, maps.Clone(s.told)}
		for _, c := range ready {
			next.told[c.name] = edition
		}
		if len(ready) == 0 || s.safe(next) {
			s.told = next.told
			s.past = append(s.past, next)
			return
		}
	}
}

// safe reports whether the rest at next differs from the rest at each earlier
// edition by nothing, or by sales of k shoppers or more.
func (s *split) safe(next state) bool {
	for _, before := range s.past {
		people, cells := roaring.New(), 0
		for _, p := range s.parts {
			for i := range p.cells {
				d := p.cells[i].Day
				was := d > before.told[p.name] && d <= before.edition
				is := d > next.told[p.name] && d <= next.edition
				if was != is {
					cells++
					people.Or(p.bits[i])
				}
			}
			if s.of.policy.enough(count64(people)) {
				break
			}
		}
		if cells > 0 && !s.of.policy.enough(count64(people)) {
			return false
		}
	}
	return true
}

// rest sums what no part tells.
func (s *split) rest(edition retail.Day) (Part, bool) {
	var cells []Cell
	var bits []*roaring.Bitmap
	for _, p := range s.parts {
		for i := range p.cells {
			if d := p.cells[i].Day; d > s.told[p.name] && d <= edition {
				cells, bits = append(cells, p.cells[i]), append(bits, p.bits[i])
			}
		}
	}
	if len(cells) == 0 {
		return Part{}, false
	}
	part := s.of.sum(RestName, cells, bits, retail.Days{From: s.of.from, To: edition + 1})
	part.Receipts = Withhold(Nothing) // a receipt may lie in several parts
	return part, true
}
