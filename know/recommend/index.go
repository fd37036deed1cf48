package recommend

import (
	"cmp"
	"math/bits"
	"slices"

	"endcap/know/recommend/internal/words"
	"endcap/know/recommend/merchandising"
	"endcap/know/recommend/related"
	"endcap/retail/catalog"
	"endcap/retail/consent/policy"
)

// index is the range by popularity: a product's number is its rank, so every
// ascending list has the most popular first. It is immutable.
type index struct {
	trained    uint64 // version of the model
	revision   uint64 // counts indexes
	products   []*catalog.Product
	hashes     []uint64 // of their ids, by rank
	never      []bool   // by rank
	shy        []bool   // by rank: sensitive, so that nobody's habits count
	all        table
	words      map[string]*group
	categories map[catalog.Category]*group
	stores     map[catalog.StoreID][]int32 // the store's most popular first
	bought     int32                       // ranks below it were bought by somebody
	related    *related.Model
	numbers    []int32              // by rank: the product's number in related, -1 for none
	ranks      []int32              // by that number: the rank, -1 for none
	sheet      *merchandising.Sheet // nil without rules
	measures   measures
}

// group is some products, by rank and by hash.
type group struct {
	ranks []int32 // ascending
	table table
}

// newIndex ranks the catalogue's rows by a model, which may be nil; products
// nobody bought come last, by id.
func newIndex(rows []*catalog.Product, m *popularity, never *catalog.Matcher, shy *policy.Shield) *index {
	ix := &index{products: slices.Clone(rows), words: make(map[string]*group), categories: make(map[catalog.Category]*group), stores: make(map[catalog.StoreID][]int32)}
	receipts := make(map[catalog.ProductID]int64)
	if m != nil {
		for _, b := range m.All {
			receipts[b.Product] = b.Receipts
		}
	}
	slices.SortFunc(ix.products, func(a, b *catalog.Product) int {
		return cmp.Or(cmp.Compare(receipts[b.ID], receipts[a.ID]), cmp.Compare(a.ID, b.ID))
	})
	var buf []string
	for i, p := range ix.products {
		no := int32(i)
		ix.hashes = append(ix.hashes, p.ID.Hash())
		ix.never = append(ix.never, never.Has(p))
		ix.shy = append(ix.shy, shy.Hides(p))
		if receipts[p.ID] > 0 {
			ix.bought = no + 1
		}
		if p.Category != "" {
			file(ix.categories, p.Category, no)
		}
		buf = words.Of(buf[:0], p.Name, string(p.Brand), string(p.Type), string(p.Category), string(p.Department))
		for _, w := range buf {
			file(ix.words, w, no)
		}
	}
	ix.layTables()
	ix.measures = measure(ix.products, ix.shy, receipts)
	for i, hash := range ix.hashes {
		ix.all.slot(hash).kind = ix.measures.kinds[i]
	}
	if m == nil {
		return ix
	}
	for store, list := range m.Stores {
		for _, b := range list {
			if no := ix.rankOf(b.Product); no >= 0 {
				ix.stores[store] = append(ix.stores[store], no)
			}
		}
	}
	return ix
}

// ruled is the index with other rules. It has the same revision, because rules
// change no product's relevance.
func (ix *index) ruled(rules []merchandising.Named, shy *policy.Shield) *index {
	next := *ix
	next.sheet = nil
	if len(rules) > 0 {
		next.sheet = merchandising.Compile(rules, next.products, shy)
	}
	return &next
}

func file[K comparable](in map[K]*group, name K, no int32) {
	g := in[name]
	if g == nil {
		g = &group{}
		in[name] = g
	}
	g.ranks = append(g.ranks, no)
}

func (ix *index) layTables() {
	all := make([]int32, len(ix.products))
	for i := range all {
		all[i] = int32(i)
	}
	ix.all = newTable(ix.hashes, all)
	for _, g := range ix.words {
		g.table = newTable(ix.hashes, g.ranks)
	}
	for _, g := range ix.categories {
		g.table = newTable(ix.hashes, g.ranks)
	}
}

// rankOf is the rank of a product, or -1.
func (ix *index) rankOf(id catalog.ProductID) int32 { return ix.all.find(id.Hash()) }

// table finds ranks by hash: open addressing with linear probing, at most half
// full. A hash and its rank lie side by side, so that a look-up mostly costs one
// look at memory.
type table struct {
	mask  uint64
	slots []slot
}

// slot is one place of a table: a hash and its rank plus one; 0 is a free place. In
// the table of the whole range it has the product's kind beside it.
type slot struct {
	hash uint64
	rank int32
	kind kind
}

func newTable(hashes []uint64, ranks []int32) table {
	size := uint64(1) << bits.Len(uint(2*len(ranks)))
	t := table{size - 1, make([]slot, size)}
	for _, no := range ranks {
		at := hashes[no] & t.mask
		for t.slots[at].rank != 0 {
			at = (at + 1) & t.mask
		}
		t.slots[at] = slot{hash: hashes[no], rank: no + 1}
	}
	return t
}

// find is the rank of the product with a hash, or -1.
func (t *table) find(hash uint64) int32 { return t.slot(hash).rank - 1 }

// slot is the place of a hash, a free one where it has none.
func (t *table) slot(hash uint64) *slot {
	for at := hash & t.mask; ; at = (at + 1) & t.mask {
		if s := &t.slots[at]; s.hash == hash || s.rank == 0 {
			return s
		}
	}
}

// query is a search as the index knows it: one group of products for each word
// that any product has, the smallest first.
type query struct {
	groups []*group
	words  int // words searched, known or not
}

// search prepares a query.
func (ix *index) search(text string) query {
	var q query
	if text == "" {
		return q
	}
	var buf [8]string
	asked := words.Of(buf[:0], text)
	q.words = len(asked)
	for _, w := range asked {
		if g := ix.words[w]; g != nil {
			q.groups = append(q.groups, g)
		}
	}
	slices.SortFunc(q.groups, func(a, b *group) int { return cmp.Compare(len(a.ranks), len(b.ranks)) })
	return q
}

// matched counts the query's words that the product with a hash has.
func (q *query) matched(hash uint64) int {
	n := 0
	for _, g := range q.groups {
		if g.table.find(hash) >= 0 {
			n++
		}
	}
	return n
}

// find is the rank of the product with a hash if it has every known word of the
// query, and there is one; else -1.
func (q *query) find(hash uint64) int32 {
	no := int32(-1)
	for _, g := range q.groups {
		if no = g.table.find(hash); no < 0 {
			break
		}
	}
	return no
}

// each visits products that have every known word, the most popular first,
// until visit says stop.
func (ix *index) each(q *query, visit func(no int32) bool) {
	if len(q.groups) == 0 {
		return
	}
	for _, no := range q.groups[0].ranks {
		if q.find(ix.hashes[no]) >= 0 && !visit(no) {
			return
		}
	}
}
