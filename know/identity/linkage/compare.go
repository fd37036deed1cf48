package linkage

import (
	"math/bits"
	"strings"
)

// A comparison gives a level: 0 where a value is missing, 1 where the values
// are equal, then less and less alike. levelsOf names them, in that order,
// without the first; nil for no kind.
func levelsOf(k Kind) []string {
	switch k {
	case Name:
		return []string{"equal", "one slip or very alike", "alike", "different"}
	case Date:
		return []string{"equal", "one slip", "two slips", "same year", "different"}
	case Email:
		return []string{"equal", "same name elsewhere", "slips, digits equal", "different"}
	case Code:
		return []string{"equal", "one slip", "two slips", "same beginning", "different"}
	case Place:
		return []string{"equal", "alike", "words in common", "different"}
	case Category:
		return []string{"equal", "different"}
	}
	return nil
}

// level compares two different values that are there.
func (s *scratch) level(k Kind, a, b string) uint8 {
	switch k {
	case Name:
		if s.within(a, b, 1) {
			return 2
		}
		switch alike := s.jaroWinkler(a, b); {
		case alike >= 0.92:
			return 2
		case alike >= 0.82:
			return 3
		}
		return 4
	case Date:
		switch {
		case s.within(a, b, 1), dayForMonth(a, b):
			return 2
		case s.within(a, b, 2):
			return 3
		case len(a) >= 4 && len(b) >= 4 && a[:4] == b[:4]:
			return 4
		}
		return 5
	case Email:
		x, _, _ := strings.Cut(a, "@")
		y, _, _ := strings.Cut(b, "@")
		switch {
		case x == y:
			return 2
		case sameDigits(x, y) && s.within(x, y, 2):
			return 3
		}
		return 4
	case Code:
		switch {
		case s.within(a, b, 1):
			return 2
		case len(a) > 5 && len(b) > 5 && s.within(a, b, 2):
			return 3
		case len(a) > 3 && len(b) > 3 && a[:len(a)/2] == b[:len(a)/2]:
			return 4
		}
		return 5
	case Place:
		switch {
		case s.within(a, b, 2) && len(a) > 4, s.jaroWinkler(a, b) >= 0.92:
			return 2
		case wordsInCommon(a, b):
			return 3
		}
		return 4
	case Category:
	}
	return 2
}

// sameDigits reports whether two texts have the same digits in the same order.
// Addresses are made of names, so those of namesakes differ by digits alone.
func sameDigits(a, b string) bool {
	for {
		a = strings.TrimLeftFunc(a, notDigit)
		b = strings.TrimLeftFunc(b, notDigit)
		if a == "" || b == "" {
			return a == b
		}
		if a[0] != b[0] {
			return false
		}
		a, b = a[1:], b[1:]
	}
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

// dayForMonth reports whether two dates YYYYMMDD are one with day and month
// exchanged.
func dayForMonth(a, b string) bool {
	return len(a) == 8 && len(b) == 8 && a[:4] == b[:4] && a[4:6] == b[6:] && a[6:] == b[4:6]
}

// wordsInCommon reports whether half of the shorter text's words are in the
// other.
func wordsInCommon(a, b string) bool {
	if strings.Count(a, " ") > strings.Count(b, " ") {
		a, b = b, a
	}
	common, words := 0, 0
	for w := range strings.SplitSeq(a, " ") {
		words++
		for v := range strings.SplitSeq(b, " ") {
			if w == v {
				common++
				break
			}
		}
	}
	return common > 0 && 2*common >= words
}

// scratch is the working memory of comparisons; one goroutine's at a time.
type scratch struct {
	rows   [3][ValueMax*4 + 1]int
	taken  [ValueMax * 4]bool
	other  [ValueMax * 4]bool
	places [256]uint64 // of each letter in a text of at most 64, by bit; zero between calls
	memo   [memoSize]remembered
}

// remembered is one comparison that was made; names and towns meet again and
// again. Dates, addresses and numbers seldom do, and are compared as fast.
type remembered struct {
	a, b  uint32 // codes
	field uint8  // from 1; 0 where there is none
	level uint8
}

const memoSize = 1 << 16

// levelOf is level for two codes of a column.
func (s *scratch) levelOf(t *Table, f int, x, y uint32) uint8 {
	c, kind := &t.columns[f], t.fields[f].Kind
	if kind != Name && kind != Place {
		return s.level(kind, c.values[x], c.values[y])
	}
	if x > y {
		x, y = y, x
	}
	h := (uint64(x)<<32 | uint64(y)) * 0x9e3779b97f4a7c15
	m := &s.memo[(h>>48^uint64(f)*0x9e37)%memoSize]
	if m.a != x || m.b != y || int(m.field) != f+1 {
		*m = remembered{x, y, uint8(f + 1), s.level(kind, c.values[x], c.values[y])}
	}
	return m.level
}

// within reports whether at most most insertions, deletions, changes or
// exchanges of neighbours make b of a (optimal string alignment, by bytes).
func (s *scratch) within(a, b string, most int) bool {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return false
	}
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if len(a) == 0 || len(b) == 0 {
		return len(a)+len(b) <= most
	}
	if most == 1 { // one change, or one exchange
		return len(a) == 1 && len(b) == 1 || len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
	}
	// Only what lies at most most beside the diagonal can be that near.
	before, last, row := s.rows[0][:], s.rows[1][:], s.rows[2][:]
	for j := range min(len(b), most) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		first, end := max(1, i-most), min(len(b), i+most)
		row[first-1] = most + 1
		if first == 1 {
			row[0] = i
		}
		if end == i+most { // the row before ended here
			last[end] = most + 1
		}
		best := row[first-1]
		for j := first; j <= end; j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, before[j-2]+1)
			}
			row[j] = d
			best = min(best, d)
		}
		if best > most {
			return false
		}
		before, last, row = last, row, before
	}
	return last[len(b)] <= most
}

// jaroWinkler is Winkler's similarity of two texts by bytes: 1 where equal, 0
// where nothing is alike; the weight of a common beginning is 0.1 a letter, up
// to four.
func (s *scratch) jaroWinkler(a, b string) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	found, swapped := s.inCommon(a, b)
	if found == 0 {
		return 0
	}
	m := float64(found)
	jaro := (m/float64(len(a)) + m/float64(len(b)) + (m-float64(swapped/2))/m) / 3
	prefix := 0
	for prefix < min(4, len(a), len(b)) && a[prefix] == b[prefix] {
		prefix++
	}
	return jaro + float64(prefix)*0.1*(1-jaro)
}

// inCommon counts the letters that two texts have in common at about the same
// place, each taken once and the first that fits, and those of them that stand
// in another order.
func (s *scratch) inCommon(a, b string) (found, swapped int) {
	reach := max(max(len(a), len(b))/2-1, 0)
	if len(a) > 64 || len(b) > 64 {
		return s.inCommonLong(a, b, reach)
	}
	for j := range len(b) {
		s.places[b[j]] |= 1 << j
	}
	var x, y uint64 // the letters taken
	for i := range len(a) {
		// Places from i-reach to i+reach; a shift by 64 and more leaves nothing.
		window := ^uint64(0) >> max(0, 63-i-reach) &^ (1<<max(0, i-reach) - 1)
		if fits := s.places[a[i]] & window &^ y; fits != 0 {
			x |= 1 << i
			y |= fits & -fits
		}
	}
	for j := range len(b) {
		s.places[b[j]] = 0
	}
	found = bits.OnesCount64(x)
	for ; x != 0; x, y = x&(x-1), y&(y-1) {
		if a[bits.TrailingZeros64(x)] != b[bits.TrailingZeros64(y)] {
			swapped++
		}
	}
	return found, swapped
}

// inCommonLong is inCommon for texts of any length.
func (s *scratch) inCommonLong(a, b string, reach int) (found, swapped int) {
	x, y := s.taken[:len(a)], s.other[:len(b)]
	clear(x)
	clear(y)
	for i := range len(a) {
		for j := max(0, i-reach); j < min(len(b), i+reach+1); j++ {
			if !y[j] && a[i] == b[j] {
				x[i], y[j] = true, true
				found++
				break
			}
		}
	}
	j := 0
	for i := range len(a) {
		if !x[i] {
			continue
		}
		for !y[j] {
			j++
		}
		if a[i] != b[j] {
			swapped++
		}
		j++
	}
	return found, swapped
}
