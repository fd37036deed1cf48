// Package related knows how products stand to each other, from everybody's
// receipts: which are bought together beyond chance (complements), which serve the
// same need (substitutes), which sell more than they did (trending), and after how
// many days a product is bought again (due). Count makes a Model of a window of
// history in bounded memory, Train keeps it as a checksummed artefact, and a Keeper
// serves the newest that is whole. No shopper is in a model. The formulas, with
// their sources, are in docs/recommend.md.
//
// On the road of a receipt, its products are counted here at night, and
// recommend makes lists of what came of it.
package related

import (
	"cmp"
	"slices"

	"endcap/retail"
	"endcap/retail/catalog"
)

// Limits of what is counted and kept.
const (
	DaysDefault  = 364 // days of receipts that count: whole weeks, one year
	DaysMax      = 728
	countedMax   = 60_000 // products, those sold most, of which pairs are counted
	receiptMax   = 100    // products of one receipt that pairs are counted of
	needMax      = 30     // products of one need of one shopper, likewise
	pairsDefault = 1 << 24
	linesChunk   = 4_000_000 // lines read at once, about
)

// What a complement is. Two products are bought together beyond chance when the
// shrunk lift is high enough.
const (
	togetherMin    = 4   // receipts with both
	liftMin        = 1.2 // times as often as by chance, shrunk
	shrinkLift     = 10  // receipts, observed and expected, that shrink a lift towards 1
	shrinkCosine   = 20  // receipts that shrink a cosine towards 0
	asymmetry      = 0.8 // α: 1 is the share of a's receipts with b, 0.5 the cosine
	soldPower      = 0.6 // of a substitute
	shrinkSwitch   = 5   // shoppers, for substitutes
	switchLift     = 4.0 // the most that shoppers' own switching counts, and one by it the least
	switchWeighMax = 2 * switchLift / (1 + switchLift)
)

// What trending is.
const (
	weekDays    = 7
	weeksBefore = 4
	trendMin    = 5   // receipts this week
	trendRise   = 1.5 // times what was expected, shrunk
	trendSigmas = 2.0 // above it
	shrinkTrend = 5   // receipts
	trendKept   = 50  // products of a store, and everywhere
	trendLooked = 500 // products of a store that are looked at, those sold most this week
)

// Neighbour is a product that stands to another as a complement or substitute.
type Neighbour struct {
	No    int32   // its number in the model
	Score float32 // above 0; the higher the better
	Lift  float32 // of a complement: how many times as often as by chance both are on a receipt; of a substitute: how alike the two are, from 0 to 1
}

// Rise is a product that sells more than it did.
type Rise struct {
	No       int32
	Receipts int32   // on which it was in the last seven days
	Expected float32 // by the four weeks before
	Score    float32
}

// neighbours lists products of each product, the best first.
type neighbours struct {
	start []uint32 // of each product, and the end
	all   []Neighbour
}

func (n *neighbours) of(no int32) []Neighbour {
	if no < 0 || int(no)+1 >= len(n.start) {
		return nil
	}
	return n.all[n.start[no]:n.start[no+1]:n.start[no+1]]
}

// Model is how products stand to each other. It is immutable; the zero Model knows
// of nothing.
type Model struct {
	Through  retail.Day // the last business day that was counted
	Days     int
	Receipts int64
	// Lost is by how many receipts, and by how many shoppers, a pair may have been
	// counted too few, because memory is bounded.
	Lost [2]uint32

	ids         []catalog.ProductID // by number; those sold most first
	numbers     map[uint64]int32    // by hash
	complements neighbours
	substitutes neighbours
	times       []times // by number
	categories  map[catalog.Category]int32
	general     []times // of categories, then of all
	firm        float32 // see firmness
	tuned       tuning
	everywhere  []Rise
	stores      map[catalog.StoreID][]Rise
}

// Products is how many products have a number.
func (m *Model) Products() int { return len(m.ids) }

// ID is the product with a number below Products.
func (m *Model) ID(no int32) catalog.ProductID { return m.ids[no] }

// Number is a product's number by its hash; false where the model knows nothing of
// it.
func (m *Model) Number(hash uint64) (int32, bool) {
	no, ok := m.numbers[hash]
	return no, ok
}

// Complements lists what is bought together with a product beyond chance, the best
// first; at most 20. The slice is shared: nobody may change it.
func (m *Model) Complements(no int32) []Neighbour { return m.complements.of(no) }

// Substitutes lists what serves the need of a product, the most alike first; at
// most 20, whether or not a store has them. The slice is shared.
func (m *Model) Substitutes(no int32) []Neighbour { return m.substitutes.of(no) }

// Trending lists what sells more than it did at a store, or everywhere where the
// store is empty or has nothing that rises; the most marked first. The slice is
// shared.
func (m *Model) Trending(at catalog.StoreID) []Rise {
	if list := m.stores[at]; len(list) > 0 {
		return list
	}
	return m.everywhere
}

// Due is when somebody who bought a product on some days, rising and different,
// needs it again, as far as it is known today; false where there is no such day. A
// product that the model does not know is taken for one of its category.
func (m *Model) Due(p *catalog.Product, days []retail.Day, today retail.Day) (Due, bool) {
	if len(days) == 0 {
		return Due{}, false
	}
	return m.timesOf(p).due(m, days, today), true
}

func (m *Model) timesOf(p *catalog.Product) *times {
	if no, ok := m.numbers[p.ID.Hash()]; ok {
		return &m.times[no]
	}
	if at, ok := m.categories[p.Category]; ok {
		return &m.general[at]
	}
	if len(m.general) > 0 {
		return &m.general[len(m.general)-1]
	}
	return &nothingKnown
}

// best gathers the best neighbours of products.
type best [][]Neighbour

func worse(a, b Neighbour) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.No, b.No))
}

// add keeps n among the best of a product.
func (b best) add(of int32, n Neighbour) {
	list := b[of]
	if len(list) == keptMax && worse(n, list[keptMax-1]) > 0 {
		return
	}
	at, _ := slices.BinarySearchFunc(list, n, worse)
	if len(list) == keptMax {
		list = list[:keptMax-1]
	}
	b[of] = slices.Insert(list, at, n)
}

// settle puts the lists one behind the other.
func (b best) settle() neighbours {
	n := neighbours{start: make([]uint32, 1, len(b)+1)}
	for _, list := range b {
		n.all = append(n.all, list...)
		n.start = append(n.start, uint32(len(n.all)))
	}
	return n
}
