package recommend

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"endcap/retail/catalog"
)

// index is the range by popularity: a product's number is its rank, so every
// ascending list has the most popular first. It is immutable.
type index struct {
	products   []*catalog.Product
	never      []bool // by rank
	rank       map[catalog.ProductID]int32
	words      map[string][]int32
	categories map[catalog.Category][]int32
	stores     map[catalog.StoreID][]int32 // the store's most popular first
	bought     int32                       // ranks below it were bought by somebody
}

// wordsMax bounds the words of one product or query that count.
const wordsMax = 32

// newIndex ranks the catalogue's rows by a model, which may be nil; products
// nobody bought come last, by id.
func newIndex(rows []*catalog.Product, m *popularity, never *catalog.Matcher) *index {
	ix := &index{
		products: make([]*catalog.Product, 0, len(rows)), rank: make(map[catalog.ProductID]int32, len(rows)), words: make(map[string][]int32),
		categories: make(map[catalog.Category][]int32), stores: make(map[catalog.StoreID][]int32),
	}
	receipts := make(map[catalog.ProductID]int64)
	if m != nil {
		for _, b := range m.All {
			receipts[b.Product] = b.Receipts
		}
	}
	// What is compared lies beside what is sorted: looking each product up anew
	// would cost more than the rest of the index.
	ranked := make([]ranking, len(rows))
	for i, p := range rows {
		ranked[i] = ranking{receipts[p.ID], p}
	}
	slices.SortFunc(ranked, func(a, b ranking) int {
		return cmp.Or(cmp.Compare(b.receipts, a.receipts), cmp.Compare(a.product.ID, b.product.ID))
	})
	for _, r := range ranked {
		ix.products = append(ix.products, r.product)
	}
	var buf []string
	for i, p := range ix.products {
		no := int32(i)
		ix.rank[p.ID] = no
		ix.never = append(ix.never, never.Has(p))
		if ranked[i].receipts > 0 {
			ix.bought = no + 1
		}
		if p.Category != "" {
			ix.categories[p.Category] = append(ix.categories[p.Category], no)
		}
		buf = wordsOf(buf[:0], p.Name, string(p.Brand), string(p.Type), string(p.Category), string(p.Department))
		for _, w := range buf {
			ix.words[w] = append(ix.words[w], no)
		}
	}
	if m == nil {
		return ix
	}
	for store, list := range m.Stores {
		for _, b := range list {
			if no, ok := ix.rank[b.Product]; ok {
				ix.stores[store] = append(ix.stores[store], no)
			}
		}
	}
	return ix
}

// ranking is a product with the number of receipts it was bought on.
type ranking struct {
	receipts int64
	product  *catalog.Product
}

// wordsOf appends the different words of some texts, folded to lower case, a
// plural s dropped.
func wordsOf(out []string, texts ...string) []string {
	for _, t := range texts {
		for w := range strings.FieldsFuncSeq(t, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			w = strings.ToLower(w)
			if len(w) > 3 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") {
				w = w[:len(w)-1]
			}
			if len(out) < wordsMax && !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	return out
}

// query is a search as the index knows it: one list of products for each word
// that any product has, the shortest first.
type query struct {
	lists [][]int32
	words int // words searched, known or not
}

// search prepares a query.
func (ix *index) search(text string) query {
	var q query
	if text == "" {
		return q
	}
	var buf [8]string
	words := wordsOf(buf[:0], text)
	q.words = len(words)
	for _, w := range words {
		if l := ix.words[w]; l != nil {
			q.lists = append(q.lists, l)
		}
	}
	slices.SortFunc(q.lists, func(a, b []int32) int { return cmp.Compare(len(a), len(b)) })
	return q
}

// matched counts the query's words that a product has.
func (q *query) matched(no int32) int {
	n := 0
	for _, l := range q.lists {
		if _, ok := slices.BinarySearch(l, no); ok {
			n++
		}
	}
	return n
}

// each visits products that have every known word, the most popular first,
// until visit says stop.
func (q *query) each(visit func(no int32) bool) {
	if len(q.lists) == 0 {
		return
	}
	for _, no := range q.lists[0] {
		if q.matched(no) == len(q.lists) && !visit(no) {
			return
		}
	}
}
