package recommend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"endcap/keep/files"
	"endcap/know/recommend/merchandising"
	"endcap/know/recommend/related"
	"endcap/know/recommend/training"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent/policy"
	"endcap/retail/shopper"
	"endcap/retail/visit"
)

// Recommender proposes products. Make one with New and keep it current with
// Run, or call Refresh. Proposing is safe beside both and takes no lock.
type Recommender struct {
	shelf Shelf
	files files.Files
	never *catalog.Matcher
	shy   *policy.Shield
	rules Rules
	// country is where visits are taken to be.
	country string
	related *related.Keeper
	price   func(catalog.ProductID) (retail.Money, bool)
	chances Chances
	next    *training.Keeper // nil without
	asked   atomic.Uint64
	now     atomic.Pointer[index]
	desks   sync.Pool
	askings sync.Pool

	refresh sync.Mutex // guards what follows
	version uint64     // of the shelf
	ruled   uint64     // version of the rules
	stood   uint64     // version of the related products
	rows    []*catalog.Product
	model   *popularity
	trained uint64 // version of model
}

// New makes a Recommender without a model over an empty range.
func New(shelf Shelf, from files.Files, o Options) *Recommender {
	r := &Recommender{
		shelf: shelf, files: from, never: o.Never.Matcher(), shy: o.Sensitive, rules: o.Rules, country: o.Country, related: related.NewKeeper(from),
		price: o.Price, chances: o.Chances, next: o.Next,
		desks: sync.Pool{New: func() any { return new(desk) }}, askings: sync.Pool{New: func() any { return new(asking) }},
	}
	ix := newIndex(nil, nil, r.never, r.shy)
	ix.relate(new(related.Model))
	r.now.Store(ix)
	return r
}

// Refresh takes in newer models and what the catalogue and the rules have changed.
// What cannot be read is reported, and what was read before serves on.
func (r *Recommender) Refresh(ctx context.Context) error {
	r.refresh.Lock()
	defer r.refresh.Unlock()
	changed, err := r.refreshPopular(ctx)
	wrong := []error{err, r.related.Refresh(ctx)}
	if r.next != nil {
		wrong = append(wrong, r.next.Refresh(ctx))
	}
	if v := r.shelf.Version(); v != r.version || r.rows == nil {
		r.version = v
		if rows := r.shelf.Products(); !slices.Equal(rows, r.rows) {
			r.rows, changed = rows, true
		}
	}
	was := r.now.Load()
	next := was
	if model, version := r.related.Now(); changed || version != r.stood {
		r.stood = version
		next = newIndex(r.rows, r.model, r.never, r.shy)
		next.relate(model)
		next.measures.prices(next.products, r.price)
		next.trained, next.revision = r.trained, was.revision+1
	}
	if r.rules != nil {
		wrong = append(wrong, r.rules.Refresh(ctx))
		if rules, version := r.rules.Rules(); next != was || version != r.ruled {
			r.ruled = version
			next = next.ruled(rules, r.shy)
		}
	}
	if next != was {
		r.now.Store(next)
	}
	return errors.Join(wrong...)
}

// refreshPopular reads the newest popularity; true where it is another.
func (r *Recommender) refreshPopular(ctx context.Context) (bool, error) {
	switch newest, err := r.files.Newest(ctx, Artefact); {
	case errors.Is(err, files.ErrNotFound):
	case err != nil:
		return false, fmt.Errorf("find the newest model: %w", err)
	case newest != r.trained:
		m, err := load(ctx, r.files, newest)
		if err != nil {
			return false, err
		}
		r.model, r.trained = m, newest
		return true, nil
	}
	return false, nil
}

// Version is the version of the model that proposals are made with now; 0
// before the first. Decisions keep it in their record.
func (r *Recommender) Version() uint64 { return r.now.Load().trained }

// Asked is how often proposals were asked for.
func (r *Recommender) Asked() uint64 { return r.asked.Load() }

// RelatedThrough is the last business day that the related products served now were
// counted over; day 0 before the first.
func (r *Recommender) RelatedThrough() retail.Day {
	m, _ := r.related.Now()
	return m.Through
}

// Run keeps the Recommender current until ctx ends: it refreshes every so often
// and reports what is wrong to failed.
func (r *Recommender) Run(ctx context.Context, every time.Duration, failed func(error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := r.Refresh(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// picker gathers proposals for one visit.
type picker struct {
	lore
	shelf   Shelf
	v       *visit.Visit
	who     uint64 // as whom models know her; 0 for nobody known
	list    visit.ListName
	q       query
	n       int
	taken   []int32 // ranks proposed, in the basket or on the page
	hidden  int     // how many of them are not proposed
	out     []visit.Proposal
	between []found // what each fourth slot is, the best first
}

// ruledMost is how many candidates rules put in order, where there are rules.
const ruledMost = 200

// Propose lists up to n products of the list that a visit asks for, the best first.
// section is her habits, nil where nobody is known or she does not allow it, and who
// the person as whom history knows her; what models keep of her is then not counted
// twice.
//
// For ForYou, what she bought on more receipts comes first, then what she bought
// later, then what is more popular; on a search or a category page only what fits
// it. The rest comes from what is popular, within the search, then the category,
// then the store, then everywhere. docs/recommend.md tells of the other lists.
// Nothing out of stock, in the basket already or on the page itself is proposed.
// That she buys a sensitive product is not looked at. Merchandising rules have the
// last word.
func (r *Recommender) Propose(who shopper.ID, section []byte, v *visit.Visit, n int) visit.Proposed {
	r.asked.Add(1)
	return r.propose(r.lore(), who, section, v, n)
}

// lore is what lists are made from.
type lore struct {
	ix     *index
	served *training.Served // nil for none
}

func (r *Recommender) lore() lore {
	l := lore{ix: r.now.Load()}
	if r.next != nil {
		l.served = r.next.Now()
	}
	return l
}

func (r *Recommender) propose(from lore, who shopper.ID, section []byte, v *visit.Visit, n int) visit.Proposed {
	if n <= 0 {
		return visit.Proposed{}
	}
	ix := from.ix
	p := &picker{lore: from, shelf: r.shelf, v: v, who: who.Reveal(), list: cmp.Or(v.List, visit.ForYou), n: n, q: ix.search(v.Query)}
	if ix.sheet != nil {
		p.n = max(n, ruledMost)
	}
	p.out = make([]visit.Proposal, 0, p.n)
	p.hide(v.Product)
	for _, b := range v.Basket {
		p.hide(b)
	}
	p.hidden = len(p.taken)
	p.compose(r, section)
	if ix.sheet == nil {
		return visit.Proposed{Proposals: p.out, Empty: empty(len(p.out))}
	}
	return p.arrange(r, section != nil, n)
}

// empty is why a list has no product.
func empty(n int) string {
	if n > 0 {
		return ""
	}
	return merchandising.NoCandidates
}

// arrange lets the rules put the candidates in order. The score of the candidate at
// place i, from 0, is 1 ÷ (i + 1).
func (p *picker) arrange(r *Recommender, personal bool, n int) visit.Proposed {
	d, _ := r.desks.Get().(*desk)
	defer r.desks.Put(d)
	d.candidates = d.candidates[:0]
	for i, no := range p.taken[p.hidden:] {
		d.candidates = append(d.candidates, merchandising.Candidate{No: no, Score: 1 / float64(i+1)})
	}
	scene := merchandising.Scene{List: p.named(), Store: p.v.Store, Day: p.v.Day, Country: r.country, Personal: personal, Length: n, Stock: p}
	p.ix.sheet.Arrange(&scene, d.candidates, &d.Desk)
	out := visit.Proposed{Proposals: make([]visit.Proposal, 0, len(d.List)), Empty: d.Empty}
	for _, l := range d.List {
		if l.From < 0 {
			out.Proposals = append(out.Proposals, visit.Proposal{Product: p.ix.products[l.No].ID, Reason: visit.Chosen})
			continue
		}
		out.Proposals = append(out.Proposals, p.out[l.From])
	}
	for _, e := range d.Effects {
		out.Effects = append(out.Effects, visit.Effect{Rule: string(e.Rule), Did: string(e.Did), Product: p.ix.products[e.No].ID, From: e.From, To: e.To})
	}
	return out
}

// desk is the memory of one arrangement.
type desk struct {
	merchandising.Desk
	candidates []merchandising.Candidate
}

// named is which list rules take it for: on a page, ForYou is the page's.
func (p *picker) named() visit.ListName {
	switch {
	case p.list != visit.ForYou:
		return p.list
	case p.v.Query != "":
		return visit.Search
	case p.v.Category != "":
		return visit.InCategory
	}
	return visit.ForYou
}

// InStock reports whether a product may be shown: a store has it, it is not hidden,
// and it may be proposed at all.
func (p *picker) InStock(id catalog.ProductID, at catalog.StoreID) bool {
	no := p.ix.rankOf(id)
	return no >= 0 && !p.ix.never[no] && !slices.Contains(p.taken[:p.hidden], no) && p.shelf.InStock(id, at)
}

// Count is how many of a product a store has.
func (p *picker) Count(id catalog.ProductID, at catalog.StoreID) (int64, bool) {
	return p.shelf.Count(id, at)
}

func (p *picker) hide(id catalog.ProductID) {
	if no := p.ix.rankOf(id); no >= 0 {
		p.taken = append(p.taken, no)
	}
}

func (p *picker) ranked(ranks []int32, why visit.Reason) {
	for _, no := range ranks {
		if !p.offer(no, why, 0) {
			return
		}
	}
}

// offer proposes a product unless it may not be; false means no more is needed.
func (p *picker) offer(no int32, why visit.Reason, count int) bool {
	return p.add(&found{no: no, Proposal: visit.Proposal{Reason: why, Count: count}})
}

// add proposes what was found unless it may not be; false means no more is needed.
// What each fourth slot is comes between.
func (p *picker) add(f *found) bool {
	for len(p.between) > 0 && len(p.out) < p.n && len(p.out)%exploreEvery == exploreEvery-1 {
		next := p.between[0]
		p.between = p.between[1:]
		p.put(&next)
	}
	return p.put(f)
}

func (p *picker) put(f *found) bool {
	if len(p.out) == p.n {
		return false
	}
	id := p.ix.products[f.no].ID
	if p.ix.never[f.no] || slices.Contains(p.taken, f.no) || !p.shelf.InStock(id, p.v.Store) {
		return true
	}
	p.taken = append(p.taken, f.no)
	p.out = append(p.out, f.Proposal)
	p.out[len(p.out)-1].Product = id
	return len(p.out) < p.n
}

// pageTable finds the products that belong on the page she is on; false where
// none does.
func (p *picker) pageTable() (*table, bool) {
	switch {
	case p.v.Query != "" && len(p.q.groups) > 0:
		return &p.q.groups[0].table, true // the other words are asked of what it finds
	case p.v.Query != "":
		return nil, false
	case p.v.Category != "":
		g := p.ix.categories[p.v.Category]
		if g == nil {
			return nil, false
		}
		return &g.table, true
	default:
		return &p.ix.all, true
	}
}

// habits proposes what she buys again. The section is in order of count and
// recency; habits equal in both are put in order of popularity here.
func (p *picker) habits(section []byte) {
	page, some := p.pageTable()
	if len(section) == 0 || !some {
		return
	}
	hers, _, _ := open(section)
	var equal []int32
	var count int
	var last retail.Day
	settle := func() bool {
		slices.Sort(equal)
		for _, no := range equal {
			if !p.offer(no, visit.BoughtOften, count) {
				return false
			}
		}
		equal = equal[:0]
		return true
	}
	for i := range hers.len() {
		hash, c, l := hers.at(i)
		if c != count || l != last {
			if !settle() {
				return
			}
			count, last = c, l
		}
		if no := page.find(hash); no >= 0 && !p.ix.shy[no] && (len(p.q.groups) < 2 || p.q.find(hash) >= 0) {
			equal = append(equal, no)
		}
	}
	settle()
}
