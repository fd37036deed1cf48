package campaign

import (
	"cmp"
	"maps"
	"slices"
	"sync/atomic"

	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/catalog"
	"endcap/retail/media"
	"endcap/retail/trial"
	"endcap/retail/visit"
)

// State says whether a line item runs on the snapshot's day.
type State uint8

// The states.
const (
	Running State = iota
	Paused
	NotInFlight
)

// Nobody is the AudienceNo of a line item that everybody may see.
const Nobody = -1

// Line is one line item, compiled for deciding. Numbers index the snapshot's
// lists; the numbers of line items and products follow the order of their ids.
type Line struct {
	Promise
	Purse      *Purse
	Bid        int64 // in the currency's smallest coins
	Products   []int32
	AudienceNo int32 // Nobody where everybody may see it
	CampaignNo int32
	CurrencyNo int8
	State      State
	Capped     bool
	*Terms
}

// Promise is what of a line item moves while it runs, for a decision that looks at
// hundreds of them.
type Promise struct {
	can   *atomic.Int64 // of its Purse
	Minor int64         // the currency's smallest coin, in Micros
}

// Can is the highest price the line item can promise now, in the smallest coins.
func (p Promise) Can() int64 { return p.can.Load() / p.Minor }

// Terms is the rest of a Line, read for the winners only.
type Terms struct {
	Item     media.LineItem
	Campaign media.Campaign
	Payer    media.Advertiser
	Seed     trial.Seed
	CapKey   string // the frequency counter of the snapshot's day
}

// Place is one placement, compiled.
type Place struct {
	media.Placement
	CurrencyNo int8
	Floor      int64    // in the currency's smallest coins
	runs       []uint64 // bit i: line i may run here
}

// Runs reports whether a line item may run at p.
func (p *Place) Runs(line int32) bool { return p.runs[line>>6]>>(line&63)&1 == 1 }

// Snapshot is everything that decides need of what people set up, as of one
// position of the registry, for one flight day. It is immutable, but for the
// purses, and safe to share.
type Snapshot struct {
	Version    uint64 // position in the registry
	Serial     uint64 // counts the book's snapshots: what follows from one holds for no other
	Day        retail.Day
	Lines      []Line
	Products   []catalog.ProductID
	Audiences  []audience.ID
	places     map[media.PlacementID]*Place
	audienceNo map[audience.ID]int32
	wordNo     map[string]int32
	keywords   [][]keyword // by the number of their first word
	categories map[catalog.Category][]int32
	everywhere []int32
}

// keyword is one keyword of one line item; rest are its words but the first.
type keyword struct {
	line int32
	rest []int32
}

// Place is the placement with that id, nil where there is none.
func (s *Snapshot) Place(id media.PlacementID) *Place { return s.places[id] }

// AudienceNo is the number of an audience that some line item targets.
func (s *Snapshot) AudienceNo(id audience.ID) (int32, bool) {
	n, ok := s.audienceNo[id]
	return n, ok
}

// Why says by what a line item was matched with a visit.
type Why uint8

// The ways of matching.
const (
	ByPlacement Why = iota // it runs on every page of its placements
	ByKeyword
	ByCategory
)

// Match is one line item that fits a visit.
type Match struct {
	Line int32
	Why  Why
}

// Matching is the memory of Match, for reuse. The zero value is ready.
type Matching struct {
	Found []Match
	seen  []uint32
	round uint32
	words []string
	nos   []int32
}

// Match finds the line items whose targets fit the visit, each once, into
// m.Found.
func (s *Snapshot) Match(v *visit.Visit, m *Matching) {
	m.Found = m.Found[:0]
	if m.round++; len(m.seen) < len(s.Lines) || m.round == 0 {
		m.seen, m.round = make([]uint32, len(s.Lines)), 1
	}
	if v.Query != "" {
		s.matchQuery(v.Query, m)
	}
	if v.Category != "" {
		m.add(s.categories[v.Category], ByCategory)
	}
	m.add(s.everywhere, ByPlacement)
}

func (s *Snapshot) matchQuery(query string, m *Matching) {
	m.words, m.nos = words(query, m.words), m.nos[:0]
	for _, w := range m.words {
		if no, ok := s.wordNo[w]; ok {
			m.nos = append(m.nos, no)
		}
	}
	for _, no := range m.nos {
		for i := range s.keywords[no] {
			k := &s.keywords[no][i]
			if m.seen[k.line] != m.round && all(k.rest, m.nos) {
				m.seen[k.line] = m.round
				m.Found = append(m.Found, Match{k.line, ByKeyword})
			}
		}
	}
}

func all(want, in []int32) bool {
	for _, w := range want {
		if !slices.Contains(in, w) {
			return false
		}
	}
	return true
}

func (m *Matching) add(lines []int32, why Why) {
	for _, line := range lines {
		if m.seen[line] != m.round {
			m.seen[line] = m.round
			m.Found = append(m.Found, Match{line, why})
		}
	}
}

// docs is what the registry holds, decoded.
type docs struct {
	advertisers map[media.AdvertiserID]media.Advertiser
	campaigns   map[media.CampaignID]media.Campaign
	lines       map[media.LineItemID]media.LineItem
	placements  map[media.PlacementID]media.Placement
}

func newDocs() docs {
	return docs{
		advertisers: map[media.AdvertiserID]media.Advertiser{}, campaigns: map[media.CampaignID]media.Campaign{},
		lines: map[media.LineItemID]media.LineItem{}, placements: map[media.PlacementID]media.Placement{},
	}
}

// keepEnded is for how many days after its flight a line item can still be
// refused as not in flight; later it is no longer looked at.
const keepEnded = 7

// compile makes a snapshot of d for a day. purse gives the purse of a line item.
func compile(d *docs, version uint64, day retail.Day, purse func(media.LineItemID) *Purse) *Snapshot {
	s := &Snapshot{
		Version: version, Day: day, places: map[media.PlacementID]*Place{}, audienceNo: map[audience.ID]int32{},
		wordNo: map[string]int32{}, categories: map[catalog.Category][]int32{},
	}
	var items []media.LineItem
	currencies := map[retail.Currency]int8{}
	for _, l := range d.lines {
		_, campaign := d.campaigns[l.Campaign]
		_, payer := d.advertisers[l.Advertiser]
		if campaign && payer && l.Flight.To+keepEnded > day {
			items = append(items, l)
			currencies[d.advertisers[l.Advertiser].Currency] = 0
		}
	}
	for _, p := range d.placements {
		currencies[p.Currency] = 0
	}
	for i, c := range slices.Sorted(maps.Keys(currencies)) {
		currencies[c] = int8(min(i, 127)) // the list of currencies is shorter
	}
	slices.SortFunc(items, func(a, b media.LineItem) int { return cmp.Compare(a.ID, b.ID) })
	s.number(items)
	for _, p := range d.placements {
		s.places[p.ID] = &Place{
			Placement: p, CurrencyNo: currencies[p.Currency], Floor: int64(p.Floor / p.Currency.Minor()),
			runs: make([]uint64, len(items)/64+1),
		}
	}
	campaigns := map[media.CampaignID]int32{}
	flat := make([]int32, 0, productCount(items)) // the lines' products side by side
	for i := range items {
		l := &items[i]
		payer, c := d.advertisers[l.Advertiser], d.campaigns[l.Campaign]
		if _, ok := campaigns[c.ID]; !ok {
			campaigns[c.ID] = int32(len(campaigns))
		}
		p := purse(l.ID)
		line := Line{
			Promise: Promise{p.can, int64(payer.Currency.Minor())}, Purse: p, Bid: int64(l.Bid / payer.Currency.Minor()), AudienceNo: Nobody, CampaignNo: campaigns[c.ID],
			CurrencyNo: currencies[payer.Currency], State: stateOf(l, &c, day), Capped: l.CapPerDay > 0,
			Terms: &Terms{Item: *l, Campaign: c, Payer: payer, Seed: trial.SeedOf(string(c.ID)), CapKey: CapKey(l.ID, day)},
		}
		if l.Audience != "" {
			line.AudienceNo = s.audienceNo[l.Audience]
		}
		from := len(flat)
		for _, p := range l.Products {
			no, _ := slices.BinarySearch(s.Products, p)
			flat = append(flat, int32(no))
		}
		line.Products = flat[from:len(flat):len(flat)]
		slices.Sort(line.Products)
		s.Lines = append(s.Lines, line)
		s.index(int32(i), l)
	}
	return s
}

func productCount(items []media.LineItem) (n int) {
	for i := range items {
		n += len(items[i].Products)
	}
	return n
}

// CapKey names the frequency counter of a line item on one day.
func CapKey(l media.LineItemID, d retail.Day) string { return "cap/" + string(l) + "/" + d.String() }

func stateOf(l *media.LineItem, c *media.Campaign, day retail.Day) State {
	switch {
	case !l.Flight.Contains(day) || !c.Flight.Contains(day):
		return NotInFlight
	case l.Paused:
		return Paused
	default:
		return Running
	}
}

// number gives the products and audiences that line items name their numbers.
func (s *Snapshot) number(items []media.LineItem) {
	products, audiences := map[catalog.ProductID]bool{}, map[audience.ID]bool{}
	for i := range items {
		for _, p := range items[i].Products {
			products[p] = true
		}
		if a := items[i].Audience; a != "" {
			audiences[a] = true
		}
	}
	s.Products = slices.Sorted(maps.Keys(products))
	s.Audiences = slices.Sorted(maps.Keys(audiences))
	for i, a := range s.Audiences {
		s.audienceNo[a] = int32(i)
	}
}

// index files line no under its placements, keywords and categories.
func (s *Snapshot) index(no int32, l *media.LineItem) {
	for id, p := range s.places {
		if len(l.Placements) == 0 || slices.Contains(l.Placements, id) {
			p.runs[no>>6] |= 1 << (no & 63)
		}
	}
	if len(l.Keywords) == 0 && len(l.Categories) == 0 {
		s.everywhere = append(s.everywhere, no)
	}
	for _, c := range l.Categories {
		s.categories[c] = append(s.categories[c], no)
	}
	for _, text := range l.Keywords {
		var nos []int32
		for _, w := range words(text, nil) {
			n, ok := s.wordNo[w]
			if !ok {
				n = int32(len(s.keywords))
				s.wordNo[w] = n
				s.keywords = append(s.keywords, nil)
			}
			nos = append(nos, n)
		}
		if len(nos) > 0 {
			s.keywords[nos[0]] = append(s.keywords[nos[0]], keyword{no, nos[1:]})
		}
	}
}
