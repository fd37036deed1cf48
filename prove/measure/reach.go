package measure

import (
	"cmp"
	"slices"

	"endcap/retail"
)

// DayCount is how many receipts history holds of one business day.
type DayCount struct {
	Day      retail.Day
	Receipts int64
}

// Reach is the first business day on which history is whole enough to say of
// somebody that she did not buy: the first with at least half as many receipts
// as the median day, where each receipt votes with the size of its day. A till
// with a clock of 2010, or a hundred of them, thus makes nobody new to a brand,
// while a house that grew is reached back to less far than it might be, never
// further. It reports false where there are no receipts.
func Reach(days []DayCount) (retail.Day, bool) {
	var all int64
	for _, d := range days {
		all += d.Receipts
	}
	if all <= 0 {
		return 0, false
	}
	bySize := slices.SortedFunc(slices.Values(days), func(a, b DayCount) int { return cmp.Compare(a.Receipts, b.Receipts) })
	median, seen := int64(0), int64(0)
	for _, d := range bySize {
		median, seen = d.Receipts, seen+d.Receipts
		if 2*seen >= all {
			break
		}
	}
	first, found := retail.Day(0), false
	for _, d := range days {
		if 2*d.Receipts >= median && (!found || d.Day < first) {
			first, found = d.Day, true
		}
	}
	return first, found
}
