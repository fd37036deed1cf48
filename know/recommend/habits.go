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

// The section is one byte of layout, her newest day and how many products she
// buys (four bytes each); of each product its hash (eight bytes), on how many
// receipts she bought it and how many days before the newest she did last (two
// bytes each), little-endian; sorted by that count, then the newest, then the
// hash, so that a reader needs no decoding and stops early. Then, for the fold
// alone, the receipts they were counted on, the newest first: the hash of its id,
// its version, how many days before the one above, and the places of its
// products. Equal purchases give equal bytes, in whatever order and batches their
// receipts came.
const (
	sectionLayout = 2
	headSize      = 1 + 4 + 4
	habitSize     = hashSize + 2 + 2
	hashSize      = 8
)

// Limits of what is remembered of a shopper.
const (
	DaysMax  = 1_098  // days behind her newest receipt
	LinesMax = 10_000 // products on receipts, the newest; a receipt without one takes the room of one
)

// ErrSection is returned for bytes that no program of this version wrote.
var ErrSection = errors.New("not a habits section")

// receipt is what of one receipt makes habits: what was bought, as places among
// the history's products, in the order of their hashes.
type receipt struct {
	id       uint64
	version  uint64
	day      retail.Day
	products []uint32
}

// history is a section taken apart: receipts, the newest first, and the products
// they name, by hash.
type history struct {
	products []uint64
	places   map[uint64]uint32 // of products; made when the first is looked up
	receipts []receipt
}

// place is where a product stands among the history's, which takes it in.
func (h *history) place(id catalog.ProductID) uint32 {
	if h.places == nil {
		h.places = make(map[uint64]uint32, 2*len(h.products))
		for i, p := range h.products {
			h.places[p] = uint32(i)
		}
	}
	hash := id.Hash()
	at, ok := h.places[hash]
	if !ok {
		at = uint32(len(h.products))
		h.places[hash] = at
		h.products = append(h.products, hash)
	}
	return at
}

// habit is one product she buys; at is its place among the history's.
type habit struct {
	at    uint32
	count int
	last  retail.Day
}

func newestFirst(a, b receipt) int { return cmp.Or(cmp.Compare(b.day, a.day), cmp.Compare(a.id, b.id)) }

// receiptOf is a fact as habits see it: a line counts when pieces were bought.
func (h *history) receiptOf(f *event.Fact, b *basket.Receipt) receipt {
	key := event.KeyOf(event.KindReceipt, f.ID)
	r := receipt{id: binary.LittleEndian.Uint64(key[:]), version: uint64(f.Version), day: f.Day, products: make([]uint32, 0, len(b.Lines))}
	for i := range b.Lines {
		if b.Lines[i].Quantity > 0 {
			r.products = append(r.products, h.place(b.Lines[i].Product))
		}
	}
	slices.SortFunc(r.products, func(a, b uint32) int { return cmp.Compare(h.products[a], h.products[b]) })
	r.products = slices.Compact(r.products)
	return r
}

// moved is what stays of a receipt that a correction took away: its day without
// a product. The day stays because what is too old is told by her newest one, and
// what was dropped for it must not come back when the history is folded again.
func moved(f *event.Fact) receipt {
	key := event.KeyOf(event.KindReceipt, f.ID)
	return receipt{id: binary.LittleEndian.Uint64(key[:]), version: uint64(f.Version), day: f.Day}
}

// add puts r among the receipts in the place of its earlier version, and drops
// what is too old or too much; one receipt at a time, so that batches do not
// matter.
func (h *history) add(r receipt) {
	if i := slices.IndexFunc(h.receipts, func(x receipt) bool { return x.id == r.id }); i >= 0 {
		if h.receipts[i].version > r.version {
			return
		}
		h.receipts = slices.Delete(h.receipts, i, i+1)
	}
	at, _ := slices.BinarySearchFunc(h.receipts, r, newestFirst)
	h.receipts = slices.Insert(h.receipts, at, r)
	h.cut()
}

// cut drops the receipts that are too old or too much.
func (h *history) cut() {
	lines := 0
	for i := range h.receipts {
		lines += max(1, len(h.receipts[i].products))
		if h.receipts[i].day <= h.receipts[0].day-DaysMax || lines > LinesMax && i > 0 {
			h.receipts = h.receipts[:i]
			return
		}
	}
}

// habits counts receipts by product. Products that are on none, because theirs
// were dropped, make no habit.
func (h *history) habits() []habit {
	out := make([]habit, len(h.products))
	for i := range out {
		out[i].at = uint32(i)
	}
	for i := range h.receipts { // newest first, so the first meeting is the last purchase
		for _, p := range h.receipts[i].products {
			if out[p].count == 0 {
				out[p].last = h.receipts[i].day
			}
			out[p].count++
		}
	}
	out = slices.DeleteFunc(out, func(v habit) bool { return v.count == 0 })
	slices.SortFunc(out, func(a, b habit) int {
		switch {
		case a.count != b.count:
			return b.count - a.count
		case a.last != b.last:
			return int(b.last) - int(a.last)
		}
		return cmp.Compare(h.products[a.at], h.products[b.at])
	})
	return out
}

// encode writes a section; no receipts give none.
func (h *history) encode() []byte {
	if len(h.receipts) == 0 {
		return nil
	}
	habits := h.habits()
	newest := h.receipts[0].day
	written := make([]uint64, len(h.products)) // by place: where the section has it
	b := append(make([]byte, 0, 64+headSize+(habitSize+4)*len(habits)), sectionLayout)
	b = binary.LittleEndian.AppendUint32(b, uint32(newest))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(habits)))
	for i, v := range habits {
		written[v.at] = uint64(i)
		b = binary.LittleEndian.AppendUint64(b, h.products[v.at])
		b = binary.LittleEndian.AppendUint16(b, uint16(v.count))
		b = binary.LittleEndian.AppendUint16(b, uint16(newest-v.last))
	}
	b = binary.AppendUvarint(b, uint64(len(h.receipts)))
	above := newest
	for i := range h.receipts {
		r := &h.receipts[i]
		b = binary.LittleEndian.AppendUint64(b, r.id)
		b = binary.AppendUvarint(b, r.version)
		b = binary.AppendUvarint(b, uint64(above-r.day))
		above = r.day
		b = binary.AppendUvarint(b, uint64(len(r.products)))
		for _, p := range r.products {
			b = binary.AppendUvarint(b, written[p])
		}
	}
	return b
}

// habits is the part of a section that serving reads: what she buys, in its
// order, sharing the section's memory.
type habits struct {
	newest retail.Day
	b      []byte
}

// open reads the head of a section. Bytes that are none give no habits and false;
// rest is what follows them.
func open(section []byte) (hers habits, rest []byte, ok bool) {
	if len(section) < headSize || section[0] != sectionLayout {
		return habits{}, nil, false
	}
	n := uint64(binary.LittleEndian.Uint32(section[5:]))
	if n > uint64(len(section)-headSize)/habitSize {
		return habits{}, nil, false
	}
	end := headSize + int(n)*habitSize
	return habits{retail.Day(int32(binary.LittleEndian.Uint32(section[1:]))), section[headSize:end]}, section[end:], true
}

// len is how many products she buys.
func (h *habits) len() int { return len(h.b) / habitSize }

// at is the i-th of them.
func (h *habits) at(i int) (hash uint64, count int, last retail.Day) {
	b := h.b[i*habitSize:][:habitSize]
	return binary.LittleEndian.Uint64(b), int(binary.LittleEndian.Uint16(b[8:])), h.newest - retail.Day(binary.LittleEndian.Uint16(b[10:]))
}

// Habits calls each with the products of a section, by the hash of their ids: on
// how many receipts she bought it, and when last. Bytes that are no section have
// none.
func Habits(section []byte, each func(product uint64, receipts int, last retail.Day)) {
	hers, _, _ := open(section)
	for i := range hers.len() {
		each(hers.at(i))
	}
}

// scanner reads the receipts of a section front to back without copying them. After the first
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

// decode takes a section apart; nil is an empty history.
func decode(section []byte) (history, error) {
	var h history
	if len(section) == 0 {
		return h, nil
	}
	hers, rest, ok := open(section)
	s := scanner{rest, !ok}
	h.products = make([]uint64, hers.len())
	for i := range h.products {
		h.products[i], _, _ = hers.at(i)
	}
	count := s.count(hashSize + 3)
	h.receipts = make([]receipt, 0, count)
	above := hers.newest
	for range count {
		var r receipt
		if id := s.take(hashSize); id != nil {
			r.id = binary.LittleEndian.Uint64(id)
		}
		r.version = s.uvarint()
		r.day = above - retail.Day(s.uvarint())
		above = r.day
		lines := s.count(1)
		r.products = make([]uint32, 0, lines)
		for range lines {
			p := s.uvarint()
			if p >= uint64(len(h.products)) {
				s.bad = true
				break
			}
			r.products = append(r.products, uint32(p))
		}
		h.receipts = append(h.receipts, r)
	}
	if s.bad || len(s.b) > 0 {
		return history{}, fmt.Errorf("%w: %d bytes", ErrSection, len(section))
	}
	return h, nil
}

// Fold gives a shopper's section after facts about her, in order. Forgotten
// empties it.
func Fold(section []byte, facts []*event.Fact) ([]byte, error) {
	h, err := decode(section)
	if err != nil {
		return nil, err
	}
	for _, f := range facts {
		switch body := f.Body.(type) {
		case event.Receipt:
			h.add(h.receiptOf(f, &body.Receipt))
		case event.Moved:
			h.add(moved(f))
		case event.Forgotten:
			h.receipts = nil
		}
	}
	return h.encode(), nil
}
