package recommend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"endcap/keep/files"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent/policy"
	"endcap/retail/visit"
)

// Recommender proposes products. Make one with New and keep it current with
// Run, or call Refresh. Proposing is safe beside both and takes no lock.
type Recommender struct {
	shelf Shelf
	files files.Files
	never *catalog.Matcher
	shy   *policy.Shield
	now   atomic.Pointer[index]

	refresh sync.Mutex // guards what follows
	version uint64     // of the shelf
	rows    []*catalog.Product
	model   *popularity
	trained uint64 // version of model
}

// New makes a Recommender without a model over an empty range.
func New(shelf Shelf, from files.Files, o Options) *Recommender {
	r := &Recommender{shelf: shelf, files: from, never: o.Never.Matcher(), shy: o.Sensitive}
	r.now.Store(newIndex(nil, nil, r.never, r.shy))
	return r
}

// Refresh takes in a newer model and what the catalogue has changed.
func (r *Recommender) Refresh(ctx context.Context) error {
	r.refresh.Lock()
	defer r.refresh.Unlock()
	changed := false
	switch newest, err := r.files.Newest(ctx, Artefact); {
	case errors.Is(err, files.ErrNotFound):
	case err != nil:
		return fmt.Errorf("find the newest model: %w", err)
	case newest != r.trained:
		m, err := load(ctx, r.files, newest)
		if err != nil {
			return err
		}
		r.model, r.trained, changed = m, newest, true
	}
	if v := r.shelf.Version(); v != r.version || r.rows == nil {
		r.version = v
		if rows := r.shelf.Products(); !slices.Equal(rows, r.rows) {
			r.rows, changed = rows, true
		}
	}
	if changed {
		next := newIndex(r.rows, r.model, r.never, r.shy)
		next.trained, next.revision = r.trained, r.now.Load().revision+1
		r.now.Store(next)
	}
	return nil
}

// Version is the version of the model that proposals are made with now; 0
// before the first. Decisions keep it in their record.
func (r *Recommender) Version() uint64 { return r.now.Load().trained }

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
	ix    *index
	shelf Shelf
	v     *visit.Visit
	q     query
	n     int
	taken []int32 // ranks proposed or in the basket
	out   []visit.Proposal
}

// Propose lists up to n products for a visit, the best first. section is her
// habits, nil where nobody is known or she does not allow it.
//
// What she bought on more receipts comes first, then what she bought later,
// then what is more popular; on a search or a category page only what fits it.
// The rest comes from what is popular, within the search, then the category,
// then the store, then everywhere. Nothing out of stock, in the basket already
// or on the page itself is proposed. That she buys a sensitive product is not
// looked at.
func (r *Recommender) Propose(section []byte, v *visit.Visit, n int) []visit.Proposal {
	if n <= 0 {
		return nil
	}
	ix := r.now.Load()
	p := &picker{ix: ix, shelf: r.shelf, v: v, n: n, out: make([]visit.Proposal, 0, n), q: ix.search(v.Query)}
	p.hide(v.Product)
	for _, b := range v.Basket {
		p.hide(b)
	}
	p.habits(section)
	ix.each(&p.q, func(no int32) bool { return p.offer(no, visit.Matches, 0) })
	if g := ix.categories[v.Category]; g != nil {
		p.list(g.ranks, visit.PopularInRange)
	}
	p.list(ix.stores[v.Store], visit.PopularStore)
	for no := int32(0); no < ix.bought && len(p.out) < n; no++ {
		p.offer(no, visit.Popular, 0)
	}
	return p.out
}

func (p *picker) hide(id catalog.ProductID) {
	if no := p.ix.rankOf(id); no >= 0 {
		p.taken = append(p.taken, no)
	}
}

func (p *picker) list(ranks []int32, why visit.Reason) {
	for _, no := range ranks {
		if !p.offer(no, why, 0) {
			return
		}
	}
}

// offer proposes a product unless it may not be; false means no more is needed.
func (p *picker) offer(no int32, why visit.Reason, count int) bool {
	if len(p.out) == p.n {
		return false
	}
	id := p.ix.products[no].ID
	if p.ix.never[no] || slices.Contains(p.taken, no) || !p.shelf.InStock(id, p.v.Store) {
		return true
	}
	p.taken = append(p.taken, no)
	p.out = append(p.out, visit.Proposal{Product: id, Reason: why, Count: count})
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
