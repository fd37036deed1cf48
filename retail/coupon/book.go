package coupon

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
)

// BatchMax is the most codes of one batch.
const BatchMax = 100_000_000

// IDMax is the longest identifier of a batch, in bytes.
const IDMax = 64

// BatchID names a batch. It is opaque, 1 to IDMax bytes.
type BatchID string

// Errors of books and batches.
var (
	ErrBatch   = errors.New("a batch of codes that cannot be")
	ErrNotOfIt = errors.New("not a code of this batch")
)

// Batch is a run of serials of one series that was issued for one purpose, all
// of one kind. It is all that is kept of its codes.
type Batch struct {
	ID     BatchID
	Kind   Kind
	Series int    // the place of its series in the book, from 0
	First  uint64 // the first serial
	Count  uint64 // how many
}

// Book is what a house has issued: its series, oldest first, and their batches.
// It finds the batch of a code without a table of codes. A Book does not change
// and may be used by many at once.
//
// A code belongs to the first series that issued it. Within a series no code
// comes twice; should a later series come upon a code of an earlier one, which is
// as likely as guessing it, that serial is passed over. So no two serials ever
// stand for one code.
type Book struct {
	series  []*Series
	batches []Batch // by series and first serial
}

// NewBook makes a book. It returns ErrBatch for a batch without a name, of no
// kind, of a series the book does not have, of none or more than BatchMax
// serials, beyond SerialMax, over another's serials or under another's name.
func NewBook(series []*Series, batches []Batch) (*Book, error) {
	b := &Book{slices.Clone(series), slices.Clone(batches)}
	slices.SortFunc(b.batches, func(x, y Batch) int {
		return cmp.Or(cmp.Compare(x.Series, y.Series), cmp.Compare(x.First, y.First))
	})
	names := make(map[BatchID]bool, len(batches))
	for i, x := range b.batches {
		switch {
		case x.ID == "" || len(x.ID) > IDMax:
			return nil, fmt.Errorf("%w: an id has 1 to %d characters", ErrBatch, IDMax)
		case names[x.ID]:
			return nil, fmt.Errorf("%w: two are called %q", ErrBatch, x.ID)
		case x.Kind < Unbound || x.Kind > SingleUse:
			return nil, fmt.Errorf("%w: %q is of no kind (unbound, bound, single_use)", ErrBatch, x.ID)
		case x.Series < 0 || x.Series >= len(series):
			return nil, fmt.Errorf("%w: %q is of series %d of %d", ErrBatch, x.ID, x.Series, len(series))
		case x.Count == 0 || x.Count > BatchMax:
			return nil, fmt.Errorf("%w: %q has %d codes (1 to %d)", ErrBatch, x.ID, x.Count, BatchMax)
		case x.First > SerialMax || x.Count > SerialMax-x.First+1:
			return nil, fmt.Errorf("%w: %q ends beyond the last serial", ErrBatch, x.ID)
		}
		if i > 0 {
			if p := b.batches[i-1]; p.Series == x.Series && p.First+p.Count > x.First {
				return nil, fmt.Errorf("%w: %q and %q share serials", ErrBatch, p.ID, x.ID)
			}
		}
		names[x.ID] = true
	}
	return b, nil
}

// Next is the first serial of a series from which on none is issued.
func (b *Book) Next(series int) uint64 {
	var next uint64
	for _, x := range b.batches {
		if x.Series == series {
			next = x.First + x.Count
		}
	}
	return next
}

// Find gives the batch that issued a code, and its serial; ok is false where
// nobody ever issued it.
func (b *Book) Find(c Code) (batch Batch, serial uint64, ok bool) {
	return b.findBefore(len(b.series), c)
}

// findBefore looks in the first n series.
func (b *Book) findBefore(n int, c Code) (Batch, uint64, bool) {
	for i, s := range b.series[:n] {
		serial := s.Serial(c)
		at := sort.Search(len(b.batches), func(j int) bool {
			x := &b.batches[j]
			return x.Series > i || x.Series == i && x.First > serial
		}) - 1
		if at < 0 {
			continue
		}
		if x := b.batches[at]; x.Series == i && serial-x.First < x.Count {
			return x, serial, true
		}
	}
	return Batch{}, 0, false
}

// Codes gives the codes of a batch in order of serials, from a serial on: the
// batch's First, or where a job broke off. It takes no memory that grows with the
// batch. A batch the book does not have gives none.
func (b *Book) Codes(id BatchID, from uint64) iter.Seq2[uint64, Code] {
	return func(yield func(uint64, Code) bool) {
		i := slices.IndexFunc(b.batches, func(x Batch) bool { return x.ID == id })
		if i < 0 {
			return
		}
		x := b.batches[i]
		series := b.series[x.Series]
		m := new(mint)
		for serial := max(from, x.First); serial-x.First < x.Count; serial++ {
			c := m.code(series, serial)
			if x.Series > 0 {
				if _, _, taken := b.findBefore(x.Series, c); taken {
					continue
				}
			}
			if !yield(serial, c) {
				return
			}
		}
	}
}

// After gives where a job goes on whose last code is last: the serial behind it.
// It returns ErrNotOfIt for a code of another batch, or of none.
func (b *Book) After(id BatchID, last Code) (uint64, error) {
	x, serial, ok := b.Find(last)
	if !ok || x.ID != id {
		return 0, ErrNotOfIt
	}
	return serial + 1, nil
}
