package recommend

import (
	"cmp"
	"slices"
)

// Merge gives the section of one person of those of the shoppers she is: the
// bytes that folding all of their facts as one shopper's gives. A receipt that
// two of them have moved from one to the other; it counts once, where it has
// products.
func Merge(sections [][]byte) ([]byte, error) {
	var all history
	places := make(map[uint64]uint32)
	for _, section := range sections {
		h, err := decode(section)
		if err != nil {
			return nil, err
		}
		for _, r := range h.receipts {
			for i, p := range r.products {
				hash := h.products[p]
				at, ok := places[hash]
				if !ok {
					at = uint32(len(all.products))
					places[hash], all.products = at, append(all.products, hash)
				}
				r.products[i] = at
			}
			all.receipts = append(all.receipts, r)
		}
	}
	slices.SortFunc(all.receipts, func(a, b receipt) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(b.version, a.version), cmp.Compare(len(b.products), len(a.products)))
	})
	all.receipts = slices.CompactFunc(all.receipts, func(a, b receipt) bool { return a.id == b.id })
	slices.SortFunc(all.receipts, newestFirst)
	all.cut()
	return all.encode(), nil
}
