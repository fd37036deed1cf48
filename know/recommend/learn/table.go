package learn

import (
	"math/rand/v2"
	"slices"
)

// List is products in question for one shopper: rows that are ranked against each
// other.
type List struct {
	Signals []float32 // row after row, as many each as the table has columns
	Bought  []bool    // of each row
	Share   float32   // which share of the rows not bought is here, above 0, at most 1; those bought are all here
	Truth   int       // how many products were bought, those without a row too
	Held    bool      // not learnt from: kept to judge and to calibrate by
}

// Table is lists to learn from. Signals are kept as numbers of ranges, a byte
// each; the ranges are found in the first rows. Make one with NewTable.
type Table struct {
	columns int
	cuts    [][]float32 // of each column, ascending: range b ends with cuts[b]; nil until ranges are found
	first   []float32   // signals of the first rows, until then
	bins    []uint8     // row after row
	bought  []bool
	lists   []list

	// Rest is called before each tree; it may wait, and its error ends the growing. nil
	// never does.
	Rest func() error
}

// list is where a list's rows are.
type list struct {
	lo, hi int32
	share  float32
	truth  int32
	held   bool
}

// How ranges are found.
const (
	binsMax   = 64
	sampleMax = 100_000 // rows
	chunkRows = 8_192   // that are worked on at once
)

// NewTable makes an empty table.
func NewTable(columns int) *Table { return &Table{columns: columns} }

// Rows is how many rows a table has.
func (t *Table) Rows() int { return len(t.bought) }

// Columns is how many signals a row has.
func (t *Table) Columns() int { return t.columns }

// Add appends a list, which stays the caller's. The ranges are those of what was
// added first, so a table that is larger than 100,000 rows wants its lists in an
// order that says nothing.
func (t *Table) Add(l *List) {
	if len(l.Signals) != len(l.Bought)*t.columns {
		panic("learn: bug: a list whose signals do not fit its rows")
	}
	lo := int32(t.Rows())
	t.bought = append(t.bought, l.Bought...)
	t.lists = append(t.lists, list{lo, int32(t.Rows()), l.Share, int32(l.Truth), l.Held})
	if t.cuts == nil {
		t.first = append(t.first, l.Signals...)
		if t.Rows() >= sampleMax {
			t.settle()
		}
		return
	}
	for r := 0; r < len(l.Signals); r += t.columns {
		t.bins = t.appendBins(t.bins, l.Signals[r:r+t.columns])
	}
}

// settle finds the ranges, once.
func (t *Table) settle() {
	if t.cuts != nil {
		return
	}
	t.cuts = make([][]float32, t.columns)
	values := make([]float32, 0, t.Rows())
	for c := range t.cuts {
		values = values[:0]
		for i := c; i < len(t.first); i += t.columns {
			if v := t.first[i]; v == v { // what is no number is unequal to itself
				values = append(values, v)
			}
		}
		t.cuts[c] = cutsOf(values)
	}
	for r := 0; r < len(t.first); r += t.columns {
		t.bins = t.appendBins(t.bins, t.first[r:r+t.columns])
	}
	t.first = nil
}

func (t *Table) appendBins(to []uint8, row []float32) []uint8 {
	for c, v := range row {
		to = append(to, binOf(t.cuts[c], v))
	}
	return to
}

// binOf is the number of the range of a value: how many cuts lie below it. What is
// no number stands in the first, as it does for Trees.
func binOf(cuts []float32, v float32) uint8 {
	lo, hi := 0, len(cuts)
	for lo < hi {
		mid := (lo + hi) / 2
		if v > cuts[mid] {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return uint8(lo)
}

// cutsOf puts values into ranges of about as many each. It orders values.
func cutsOf(values []float32) []float32 {
	slices.Sort(values)
	var cuts []float32
	step := float64(len(values)) / binsMax
	for i := 0; i < len(values); {
		j := i
		for j+1 < len(values) && values[j+1] == values[i] {
			j++
		}
		if j+1 == len(values) || len(cuts) == binsMax-1 {
			break
		}
		if float64(j+1) >= float64(len(cuts)+1)*step || len(cuts) == 0 && j > i {
			cut := values[i] + (values[j+1]-values[i])/2
			if !(cut >= values[i] && cut < values[j+1]) { // neighbours of each other, or infinite
				cut = values[i]
			}
			cuts = append(cuts, cut)
		}
		i = j + 1
	}
	return cuts
}

// Hold holds about a share of the lists that are learnt from so far, drawn by seed.
func (t *Table) Hold(share float64, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // a draw that can be repeated
	for i := range t.lists {
		if rnd.Float64() < share {
			t.lists[i].held = true
		}
	}
}
