package audience

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"endcap/retail"
	"endcap/retail/audience"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/event"
)

// The section is, after one byte of layout: how many products, and the hash of
// each, ascending; how many receipts, and of each, the newest first: the hash of
// its id, its version, how many days before the one above (the first: its day),
// its channel, how many lines, and of each the product's place and whether it
// makes a time, and what was spent. Equal purchases give equal bytes, in
// whatever order and batches their receipts came.
const (
	sectionLayout = 2
	hashSize      = 8
)

// LinesMax is how many lines of a shopper are kept: the newest; a receipt without
// one takes the room of one. More than this in three years is a card that a shop
// lends its customers, not a person.
const LinesMax = 25_000

// ErrSection is returned for bytes that no program of this version wrote.
var ErrSection = errors.New("not a purchases section")

// receipt is one receipt of a history.
type receipt struct {
	id      uint64
	version uint64
	day     retail.Day
	channel catalog.Channel
	lines   []line // by product
}

// line is all of one product on one receipt.
type line struct {
	product uint64
	counts  bool // something of it was bought, not only returned
	spend   retail.Micros
}

// history is a section taken apart, its receipts newest first.
type history struct{ receipts []receipt }

// order puts the newest receipt first; of one day, by id.
func order(a, b receipt) int { return cmp.Or(cmp.Compare(b.day, a.day), cmp.Compare(a.id, b.id)) }

// add puts a receipt in the place of its earlier version, if there is one, and
// drops what has become too old: more than audience.DaysMax days before the
// newest receipt, or beyond LinesMax. It goes one receipt at a time, so that the
// outcome does not depend on how receipts were batched.
func (h *history) add(r receipt) {
	if i := slices.IndexFunc(h.receipts, func(x receipt) bool { return x.id == r.id }); i >= 0 {
		if h.receipts[i].version > r.version {
			return
		}
		h.receipts = slices.Delete(h.receipts, i, i+1)
	}
	at, _ := slices.BinarySearchFunc(h.receipts, r, order)
	h.receipts = slices.Insert(h.receipts, at, r)
	h.cut()
}

// cut drops the receipts that are too old or too much.
func (h *history) cut() {
	oldest := h.receipts[0].day - audience.DaysMax
	lines := 0
	for i := range h.receipts {
		lines += max(1, len(h.receipts[i].lines))
		if h.receipts[i].day <= oldest || lines > LinesMax && i > 0 {
			h.receipts = h.receipts[:i]
			return
		}
	}
}

// receiptOf is a fact as a history keeps it.
func receiptOf(f *event.Fact, b *basket.Receipt) receipt {
	key := event.KeyOf(event.KindReceipt, f.ID)
	r := receipt{id: binary.LittleEndian.Uint64(key[:]), version: uint64(f.Version), day: f.Day, channel: b.Channel}
	for i := range b.Lines {
		l := &b.Lines[i]
		r.lines = append(r.lines, line{l.Product.Hash(), l.Quantity >= 0, spent(l)})
	}
	slices.SortStableFunc(r.lines, func(a, b line) int { return cmp.Compare(a.product, b.product) })
	merged := r.lines[:0]
	for _, l := range r.lines {
		if n := len(merged); n > 0 && merged[n-1].product == l.product {
			merged[n-1].counts = merged[n-1].counts || l.counts
			merged[n-1].spend += l.spend
			continue
		}
		merged = append(merged, l)
	}
	r.lines = merged
	return r
}

// moved is what stays of a receipt that a correction took away: its day without
// a line. The day stays because what is too old is told by her newest one, and
// what was dropped for it must not come back when the history is folded again.
func moved(f *event.Fact) receipt {
	key := event.KeyOf(event.KindReceipt, f.ID)
	return receipt{id: binary.LittleEndian.Uint64(key[:]), version: uint64(f.Version), day: f.Day}
}

// spent is what a line adds to a rule's spend: a return takes away, whichever
// sign the till gave its amount.
func spent(l *basket.Line) retail.Micros {
	if l.Quantity < 0 && l.Sales > 0 {
		return -l.Sales
	}
	return l.Sales
}

// encode writes h.
func (h *history) encode() []byte {
	var products []uint64
	for i := range h.receipts {
		for _, l := range h.receipts[i].lines {
			products = append(products, l.product)
		}
	}
	slices.Sort(products)
	products = slices.Compact(products)
	b := append(make([]byte, 0, 16+hashSize*len(products)), sectionLayout)
	b = binary.AppendUvarint(b, uint64(len(products)))
	for _, p := range products {
		b = binary.LittleEndian.AppendUint64(b, p)
	}
	b = binary.AppendUvarint(b, uint64(len(h.receipts)))
	var above retail.Day
	for i := range h.receipts {
		r := &h.receipts[i]
		b = binary.LittleEndian.AppendUint64(b, r.id)
		b = binary.AppendUvarint(b, r.version)
		if i == 0 {
			b = binary.AppendVarint(b, int64(r.day))
		} else {
			b = binary.AppendUvarint(b, uint64(above-r.day))
		}
		above = r.day
		b = append(b, byte(r.channel))
		b = binary.AppendUvarint(b, uint64(len(r.lines)))
		for _, l := range r.lines {
			at, _ := slices.BinarySearch(products, l.product)
			b = appendLine(b, at, l)
		}
	}
	return b
}

// appendLine writes a product's place with its flag, and the spend in cents
// where it is whole ones.
func appendLine(b []byte, at int, l line) []byte {
	place := uint64(at) << 1
	if l.counts {
		place |= 1
	}
	b = binary.AppendUvarint(b, place)
	if l.spend%retail.Cent == 0 {
		return binary.AppendUvarint(b, zigzag(int64(l.spend/retail.Cent))<<1)
	}
	return binary.AppendUvarint(b, zigzag(int64(l.spend))<<1|1)
}

func zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

// spendOf undoes appendLine's writing of a spend.
func spendOf(v uint64) retail.Micros {
	z := v >> 1
	s := retail.Micros(int64(z>>1) ^ -int64(z&1))
	if v&1 == 0 {
		s *= retail.Cent
	}
	return s
}

// scanner reads a section front to back without copying it. After the first
// thing that does not fit it is bad and gives zeros.
type scanner struct {
	b   []byte
	bad bool
}

func (s *scanner) uvarint() uint64 {
	if len(s.b) > 0 && s.b[0] < 0x80 {
		v := s.b[0]
		s.b = s.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(s.b)
	if n <= 0 {
		s.bad, s.b = true, nil
		return 0
	}
	s.b = s.b[n:]
	return v
}

// pair reads the two numbers of a line; most take one or two bytes.
func (s *scanner) pair() (place, spend uint64) {
	b := s.b
	if len(b) < 4 {
		return s.uvarint(), s.uvarint()
	}
	n := 1
	place = uint64(b[0])
	if place >= 0x80 {
		if b[1] >= 0x80 {
			return s.uvarint(), s.uvarint()
		}
		place = place&0x7f | uint64(b[1])<<7
		n = 2
	}
	spend = uint64(b[n])
	n++
	if spend >= 0x80 {
		if n == len(b) || b[n] >= 0x80 {
			return s.uvarint(), s.uvarint()
		}
		spend = spend&0x7f | uint64(b[n])<<7
		n++
	}
	s.b = b[n:]
	return place, spend
}

func (s *scanner) take(n int) []byte {
	if n < 0 || n > len(s.b) {
		s.bad, s.b = true, nil
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
		s.bad, s.b = true, nil
		return 0
	}
	return int(n)
}

// header reads the layout and the products' hashes.
func (s *scanner) header() []byte {
	if v := s.take(1); len(v) == 0 || v[0] != sectionLayout {
		s.bad, s.b = true, nil
		return nil
	}
	return s.take(s.count(hashSize) * hashSize)
}

// head is a receipt without its lines.
type head struct {
	id, version uint64
	day         retail.Day
	channel     catalog.Channel
	lines       int
}

// receipt reads the head of the next receipt; above is the day of the one
// before it, and first says that there is none.
func (s *scanner) receipt(above retail.Day, first bool) head {
	var h head
	if id := s.take(hashSize); id != nil {
		h.id = binary.LittleEndian.Uint64(id)
	}
	h.version = s.uvarint()
	d := s.uvarint()
	if first {
		h.day = retail.Day(int64(d>>1) ^ -int64(d&1))
	} else {
		h.day = above - retail.Day(d)
	}
	if c := s.take(1); c != nil {
		h.channel = catalog.Channel(c[0])
	}
	h.lines = s.count(2)
	return h
}

// LastBought is the business day of the newest receipt in a section, 0 where
// there is none or the bytes are no section.
func LastBought(section []byte) retail.Day {
	if len(section) == 0 {
		return 0
	}
	s := scanner{b: section}
	s.header()
	if s.count(hashSize+4) == 0 {
		return 0
	}
	newest := s.receipt(0, true)
	if s.bad {
		return 0
	}
	return newest.day
}

// decode takes a section apart; nil is an empty history.
func decode(section []byte) (history, error) {
	var h history
	if len(section) == 0 {
		return h, nil
	}
	s := scanner{b: section}
	hashes := s.header()
	n := s.count(hashSize + 4)
	h.receipts = make([]receipt, 0, n)
	var above retail.Day
	for i := range n {
		top := s.receipt(above, i == 0)
		above = top.day
		r := receipt{id: top.id, version: top.version, day: top.day, channel: top.channel, lines: make([]line, 0, top.lines)}
		for range top.lines {
			place, spend := s.pair()
			if place>>1 >= uint64(len(hashes)/hashSize) {
				s.bad = true
				break
			}
			at := int(place>>1) * hashSize
			r.lines = append(r.lines, line{binary.LittleEndian.Uint64(hashes[at:]), place&1 == 1, spendOf(spend)})
		}
		h.receipts = append(h.receipts, r)
	}
	if s.bad || len(s.b) > 0 {
		return history{}, fmt.Errorf("%w: %d bytes", ErrSection, len(section))
	}
	return h, nil
}
