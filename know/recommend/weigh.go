package recommend

import (
	"endcap/know/recommend/response"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/visit"
)

// The shares of a quality by fit, in parts per million; they add up to one.
const (
	qualityBase  = 100_000 // every product
	qualityPage  = 600_000 // fits the search, the category, or both in halves
	qualityHabit = 300_000 // she buys it herself
	qualityTimes = 5       // receipts that make the whole habit's share
)

// Weigher prepares the candidates that may stand on one page. Of the visit only
// Query and Category count. What it returns is safe for concurrent use and holds
// until Revision changes.
//
// Once the response model is ready (response.Served), a quality is the chance that
// she clicks on the candidate if she looks at it. On a page that asks for something
// that the range has, a candidate whose product has nothing of it and whose line item
// does not name it has none: it does not fit. Before, a quality says how well the
// product fits, in parts per million:
//
//	100,000 + 600,000 × page + 300,000 × min(receipts of hers, 5) / 5
//
// where page is the share of the searched words that the product has; on a
// category page 1 in the category and else 0; on both their mean; and 1 where
// there is neither, because then every product fits the page alike; the last part
// is 0 for a sensitive product, of which nothing of hers counts for a chance either.
func (r *Recommender) Weigher(v *visit.Visit, candidates []visit.Candidate) visit.Weigher {
	ix := r.now.Load()
	w := &weigher{ix: ix, of: make([]int32, len(candidates))}
	page := page{ix: ix, q: ix.search(v.Query), category: v.Category}
	ads := make([]response.PanelAd, len(candidates))
	places := make(map[uint64]int32, len(candidates))
	var hashes []uint64
	var all []int32
	for i := range candidates {
		c := &candidates[i]
		hash := c.Product.Hash()
		at, ok := places[hash]
		if !ok {
			at = int32(len(w.products))
			places[hash] = at
			hashes, all = append(hashes, hash), append(all, at)
			w.products = append(w.products, page.product(c.Product, hash))
		}
		w.of[i] = at
		ads[i] = response.PanelAd{Product: at, Advertiser: c.Advertiser, LineItem: c.LineItem}
	}
	w.places = newTable(hashes, all)
	if s := r.served(); s != nil && s.Ready {
		w.chances(s, ads)
		w.shut(&page, candidates)
	}
	return w
}

// served is the response model that answers; nil without one.
func (r *Recommender) served() *response.Served {
	if r.chances == nil {
		return nil
	}
	return r.chances.Served()
}

// Revision changes whenever Weigher may weigh otherwise.
func (r *Recommender) Revision() uint64 {
	revision := r.now.Load().revision << 32
	if s := r.served(); s != nil {
		revision |= s.Serial & (1<<32 - 1)
	}
	return revision
}

// weigher is a page's candidates and what the page alone makes of their products.
type weigher struct {
	ix       *index
	of       []int32 // by candidate: its product
	products []weighed
	places   table  // by hash: where it stands among products
	shuts    []bool // by candidate: it does not fit; nil where all do
	panel    *response.Panel
	version  uint64 // of the panel's model
}

// weighed is one product on the page.
type weighed struct {
	fit     int32 // without her habits, parts per million
	kind    kind  // of a sensitive one her habits do not count
	asked   bool  // it has something of what the page asks for
	showing response.Showing
}

// page is what the visit asks of a product.
type page struct {
	ix       *index
	q        query
	category catalog.Category
}

// product is what the page makes of a product.
func (g *page) product(id catalog.ProductID, hash uint64) weighed {
	ix := g.ix
	var out weighed
	sh := response.Showing{Product: id, Words: response.NotAsked, Within: response.NotAsked}
	var share, of int32
	if g.q.words > 0 {
		n := g.q.matched(hash)
		share, of = int32(qualityPage*n/g.q.words), 1
		sh.Words = response.Exact(float64(n) / float64(g.q.words))
	}
	if g.category != "" {
		of++
		sh.Within = 0
		if in := ix.categories[g.category]; in != nil && in.table.find(hash) >= 0 {
			share += qualityPage
			sh.Within = 1
		}
	}
	out.asked = share > 0
	if of == 0 {
		share, of = qualityPage, 1
	}
	out.fit = qualityBase + share/of
	sh.Score = response.Exact(float64(out.fit) / (qualityBase + qualityPage + qualityHabit))
	if no := ix.all.find(hash); no >= 0 {
		p := ix.products[no]
		out.kind = ix.measures.kinds[no]
		sh.Brand, sh.Category, sh.Popularity = p.Brand, p.Category, ix.measures.popularity[no]
		if ix.measures.price != nil {
			sh.Price = ix.measures.price[no]
		}
	}
	out.showing = sh
	return out
}

// asks reports whether any product of the range has something of what the page asks
// for; else nothing can be said of fit.
func (g *page) asks() bool {
	return len(g.q.groups) > 0 || g.category != "" && g.ix.categories[g.category] != nil
}

// chances has the model's chances stand for fit. Where a showing is none, fit stays.
func (w *weigher) chances(s *response.Served, ads []response.PanelAd) {
	all := make([]response.Showing, len(w.products))
	for i := range w.products {
		all[i] = w.products[i].showing
	}
	if p, err := s.NewPanel(all, ads); err == nil {
		w.panel, w.version = p, s.Version
	}
}

// shut shuts out what does not fit the page.
func (w *weigher) shut(g *page, candidates []visit.Candidate) {
	if w.panel == nil || !g.asks() {
		return
	}
	w.shuts = make([]bool, len(candidates))
	for i := range candidates {
		w.shuts[i] = !candidates[i].Booked && !w.products[w.of[i]].asked
	}
}

// Model implements visit.Weigher.
func (w *weigher) Model() uint64 { return w.version }

// Weigh implements visit.Weigher.
func (w *weigher) Weigh(ask *visit.Weighing) {
	m := memoryOf(ask)
	known := m.read(w, ask.Section, ask.Visit.Day)
	w.weigh(ask, m, known)
}

func (w *weigher) weigh(ask *visit.Weighing, m *memory, known bool) {
	ask.Alike = w.panel == nil
	if ask.Alike {
		q := ask.Room(len(w.of))
		for i, at := range w.of {
			p := &w.products[at]
			q[i] = p.fit
			if known {
				q[i] += int32(qualityHabit * min(m.relations[at].Receipts, qualityTimes) / qualityTimes)
			}
		}
		return
	}
	v := response.Visitor{Channel: ask.Visit.Channel, Hour: ask.Hour}
	if known {
		v.Relations = m.relations
	}
	q := ask.Room(len(w.of) * len(ask.Placements))
	m.sums = w.panel.Qualities(&v, ask.Placements, q, m.sums)
	if w.shuts == nil {
		return
	}
	for from := 0; from < len(q); from += len(w.of) {
		for i, shut := range w.shuts {
			if shut {
				q[from+i] = 0
			}
		}
	}
}

// Basis implements visit.Weigher. It tells of what Weigh has read for the same ask.
func (w *weigher) Basis(b []byte, ask *visit.Weighing, chosen []int32) []byte {
	m := memoryOf(ask)
	m.shown = m.shown[:0]
	for _, c := range chosen {
		at := w.of[c]
		sh := w.products[at].showing
		sh.Hour = ask.Hour
		if m.known {
			sh.Relation = &m.relations[at]
		}
		m.shown = append(m.shown, sh)
	}
	return response.AppendBasis(b, m.shown)
}

// memory is what one visit knows of how she stands to a page's products, reused.
type memory struct {
	known      bool
	relations  []response.Relation // by product of the page
	categories []purchases         // by number
	brands     []purchases
	round      uint32
	sums       []float64
	shown      []response.Showing
}

// purchases are hers of a category or a brand, in the round that they name.
type purchases struct {
	round                        uint32
	receipts, products, regulars int32
}

func memoryOf(ask *visit.Weighing) *memory {
	m, ok := ask.Memory.(*memory)
	if !ok {
		m = new(memory)
		ask.Memory = m
	}
	return m
}

// read works out how she stands to the page's products; false where nothing is known
// of her, or may be used. What she buys of sensitive products is not looked at.
func (m *memory) read(w *weigher, section []byte, today retail.Day) bool {
	hers, _, ok := open(section)
	m.known = ok
	if !ok {
		return false
	}
	ix := w.ix
	m.ready(len(w.products), ix.measures.categories, ix.measures.brands)
	for i := range hers.len() {
		hash, count, last := hers.at(i)
		k := ix.all.slot(hash).kind // none of a free slot
		if k.shy() {
			continue
		}
		m.count(m.categories, k.category, count)
		m.count(m.brands, k.brand, count)
		if at := w.places.find(hash); at >= 0 {
			m.relations[at].Receipts, m.relations[at].Days = count, max(int(today-last), 0)
		}
	}
	for i := range w.products {
		p, r := &w.products[i], &m.relations[i]
		k := p.kind
		if k.shy() {
			continue
		}
		if no := k.category; no > 0 && m.categories[no].round == m.round {
			c := &m.categories[no]
			r.CategoryReceipts, r.CategoryProducts, r.CategoryRegulars = int(c.receipts), int(c.products), int(c.regulars)
		}
		if no := k.brand; no > 0 && m.brands[no].round == m.round {
			r.BrandReceipts = int(m.brands[no].receipts)
		}
	}
	return true
}

// count adds a habit to those of a category or a brand, if it has one.
func (m *memory) count(of []purchases, no uint16, receipts int) {
	if no == 0 {
		return
	}
	p := &of[no]
	if p.round != m.round {
		*p = purchases{round: m.round}
	}
	p.receipts += int32(receipts)
	p.products++
	if receipts > 1 {
		p.regulars++
	}
}

// ready makes room and forgets the last visit.
func (m *memory) ready(products, categories, brands int) {
	if cap(m.relations) < products {
		m.relations = make([]response.Relation, 2*products)
	}
	m.relations = m.relations[:products]
	clear(m.relations)
	if m.round++; len(m.categories) < categories || len(m.brands) < brands || m.round == 0 {
		m.categories, m.brands, m.round = make([]purchases, categories), make([]purchases, brands), 1
	}
}
