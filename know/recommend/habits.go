package recommend

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/event"
)

// The section is, after one byte of layout: her newest day; how many products,
// and of each its id, on how many receipts she bought it and how many days
// before the newest she did last; sorted by that count, then the newest, then
// id, so that a reader stops early. Then, for the fold alone, the receipts they
// were counted on, the newest first: the hash of its id, its version, how many
// days before the one above, and the places of its products. Equal purchases
// give equal bytes, in whatever order and batches their receipts came.
const (
	sectionLayout = 1
	hashSize      = 8
)

// Limits of what is remembered of a shopper.
const (
	DaysMax  = 1_098  // days behind her newest receipt
	LinesMax = 10_000 // products on receipts, the newest
)

// ErrSection is returned for bytes that no program of this version wrote.
var ErrSection = errors.New("not a habits section")

// receipt is what of one receipt makes habits: what was bought, ascending.
type receipt struct {
	id       uint64
	version  uint64
	day      retail.Day
	products []catalog.ProductID
}

// habit is one product she buys.
type habit struct {
	product catalog.ProductID
	count   int
	last    retail.Day
}

func newestFirst(a, b receipt) int { return cmp.Or(cmp.Compare(b.day, a.day), cmp.Compare(a.id, b.id)) }

// receiptOf is a fact as habits see it: a line counts when pieces were bought.
func receiptOf(f *event.Fact, b *basket.Receipt) receipt {
	key := event.KeyOf(event.KindReceipt, f.ID)
	r := receipt{id: binary.LittleEndian.Uint64(key[:]), version: uint64(f.Version), day: f.Day}
	for i := range b.Lines {
		if b.Lines[i].Quantity > 0 {
			r.products = append(r.products, b.Lines[i].Product)
		}
	}
	slices.Sort(r.products)
	r.products = slices.Compact(r.products)
	return r
}

// add puts r among receipts in the place of its earlier version, and drops what
// is too old or too much; one receipt at a time, so that batches do not matter.
func add(receipts []receipt, r receipt) []receipt {
	if i := slices.IndexFunc(receipts, func(x receipt) bool { return x.id == r.id }); i >= 0 {
		if receipts[i].version > r.version {
			return receipts
		}
		receipts = slices.Delete(receipts, i, i+1)
	}
	at, _ := slices.BinarySearchFunc(receipts, r, newestFirst)
	receipts = slices.Insert(receipts, at, r)
	lines := 0
	for i := range receipts {
		lines += len(receipts[i].products)
		if receipts[i].day <= receipts[0].day-DaysMax || lines > LinesMax && i > 0 {
			return receipts[:i]
		}
	}
	return receipts
}

// habitsOf counts receipts by product.
func habitsOf(receipts []receipt) []habit {
	at := make(map[catalog.ProductID]int)
	var out []habit
	for i := range receipts { // newest first, so the first meeting is the last purchase
		for _, p := range receipts[i].products {
			n, ok := at[p]
			if !ok {
				n = len(out)
				at[p] = n
				out = append(out, habit{product: p, last: receipts[i].day})
			}
			out[n].count++
		}
	}
	slices.SortFunc(out, func(a, b habit) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(b.last, a.last), cmp.Compare(a.product, b.product))
	})
	return out
}

// encode writes a section; no receipts give none.
func encode(receipts []receipt) []byte {
	if len(receipts) == 0 {
		return nil
	}
	habits := habitsOf(receipts)
	newest := receipts[0].day
	place := make(map[catalog.ProductID]uint64, len(habits))
	b := append(make([]byte, 0, 64+16*len(habits)), sectionLayout)
	b = binary.AppendVarint(b, int64(newest))
	b = binary.AppendUvarint(b, uint64(len(habits)))
	for i, h := range habits {
		place[h.product] = uint64(i)
		b = binary.AppendUvarint(b, uint64(len(h.product)))
		b = append(b, h.product...)
		b = binary.AppendUvarint(b, uint64(h.count))
		b = binary.AppendUvarint(b, uint64(newest-h.last))
	}
	b = binary.AppendUvarint(b, uint64(len(receipts)))
	above := newest
	for i := range receipts {
		r := &receipts[i]
		b = binary.LittleEndian.AppendUint64(b, r.id)
		b = binary.AppendUvarint(b, r.version)
		b = binary.AppendUvarint(b, uint64(above-r.day))
		above = r.day
		b = binary.AppendUvarint(b, uint64(len(r.products)))
		for _, p := range r.products {
			b = binary.AppendUvarint(b, place[p])
		}
	}
	return b
}

// scanner reads a section front to back without copying it. After the first
// thing that does not fit it is bad and gives zeros.
type scanner struct {
	b   []byte
	bad bool
}

func (s *scanner) fail() uint64 {
	s.bad, s.b = true, nil
	return 0
}

func (s *scanner) uvarint() uint64 {
	if len(s.b) > 0 && s.b[0] < 0x80 {
		v := s.b[0]
		s.b = s.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(s.b)
	if n <= 0 {
		return s.fail()
	}
	s.b = s.b[n:]
	return v
}

func (s *scanner) take(n int) []byte {
	if n < 0 || n > len(s.b) {
		s.fail()
		return nil
	}
	v := s.b[:n]
	s.b = s.b[n:]
	return v
}

// count reads a length whose items take at least size bytes each.
func (s *scanner) count(size int) int {
	n := s.uvarint()
	if n > uint64(len(s.b)/size) {
		return int(s.fail())
	}
	return int(n)
}

// habits reads the head of a section: her newest day, and how many habits follow.
func (s *scanner) habits() (newest retail.Day, n int) {
	if v := s.take(1); len(v) == 0 || v[0] != sectionLayout {
		s.fail()
		return 0, 0
	}
	d, size := binary.Varint(s.b)
	if size <= 0 {
		s.fail()
		return 0, 0
	}
	s.b = s.b[size:]
	return retail.Day(d), s.count(3)
}

// habit reads the next habit; id shares the section's memory.
func (s *scanner) habit(newest retail.Day) (id []byte, count int, last retail.Day) {
	id = s.take(s.count(1))
	return id, int(s.uvarint()), newest - retail.Day(s.uvarint())
}

// decode takes the receipts of a section apart; nil is none.
func decode(section []byte) ([]receipt, error) {
	if len(section) == 0 {
		return nil, nil
	}
	s := scanner{b: section}
	newest, n := s.habits()
	products := make([]catalog.ProductID, 0, n)
	for range n {
		id, _, _ := s.habit(newest)
		products = append(products, catalog.ProductID(id))
	}
	count := s.count(hashSize + 3)
	receipts := make([]receipt, 0, count)
	above := newest
	for range count {
		var r receipt
		if id := s.take(hashSize); id != nil {
			r.id = binary.LittleEndian.Uint64(id)
		}
		r.version = s.uvarint()
		r.day = above - retail.Day(s.uvarint())
		above = r.day
		for range s.count(1) {
			p := s.uvarint()
			if p >= uint64(len(products)) {
				s.bad = true
				break
			}
			r.products = append(r.products, products[p])
		}
		slices.Sort(r.products)
		receipts = append(receipts, r)
	}
	if s.bad || len(s.b) > 0 {
		return nil, fmt.Errorf("%w: %d bytes", ErrSection, len(section))
	}
	return receipts, nil
}

// Fold gives a shopper's section after facts about her, in order. Forgotten
// empties it.
func Fold(section []byte, facts []*event.Fact) ([]byte, error) {
	receipts, err := decode(section)
	if err != nil {
		return nil, err
	}
	for _, f := range facts {
		switch body := f.Body.(type) {
		case event.Receipt:
			receipts = add(receipts, receiptOf(f, &body.Receipt))
		case event.Forgotten:
			receipts = nil
		}
	}
	return encode(receipts), nil
}
