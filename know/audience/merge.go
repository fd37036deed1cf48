package audience

import (
	"cmp"
	"slices"
)

// Merge gives the section of one person of those of the shoppers she is: the
// bytes that folding all of their facts as one shopper's gives. A receipt that
// two of them have moved from one to the other; it counts once, where it has
// lines.
func Merge(sections [][]byte) ([]byte, error) {
	var all history
	for _, section := range sections {
		h, err := decode(section)
		if err != nil {
			return nil, err
		}
		all.receipts = append(all.receipts, h.receipts...)
	}
	if len(all.receipts) == 0 {
		return nil, nil
	}
	slices.SortFunc(all.receipts, func(a, b receipt) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(b.version, a.version), cmp.Compare(len(b.lines), len(a.lines)), cmp.Compare(b.channel, a.channel))
	})
	all.receipts = slices.CompactFunc(all.receipts, func(a, b receipt) bool { return a.id == b.id })
	slices.SortFunc(all.receipts, order)
	all.cut()
	return all.encode(), nil
}
