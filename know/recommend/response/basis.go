package response

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/trial"
)

// A basis is what Decided keeps of the showings of one answer beside its wins: a
// byte of layout, the hour, whether she may be known, how many showings; of each its
// brand, its category, its match, price, cut, popularity and score as float32, its
// flags, and how she stands to it. So a Showing is made once, when it is decided, and
// what is learned from is that very one.
const (
	basisLayout = 1
	basisBytes  = 2 + 6*4 + 1 // the least of one showing
)

// ErrBasis is returned for bytes that are no basis.
var ErrBasis = errors.New("not a basis")

// Exact is a number as a basis keeps it: what is scored must be what is kept.
func Exact(x float64) float64 { return float64(float32(x)) }

// AppendBasis writes the basis of showings, in the order of the answer; what would be
// too long is left out from the end. Their numbers are Exact ones. What wins tell is
// not in it, and the hour and whether she is known are the first's.
func AppendBasis(b []byte, all []Showing) []byte {
	if len(all) == 0 {
		return b
	}
	from := len(b)
	known := all[0].Relation != nil
	for i := range all {
		known = known || all[i].Relation != nil // of a sensitive product nothing of hers counts
	}
	b = append(b, basisLayout, byte(all[0].Hour), flag(known), 0)
	count := len(b) - 1
	for i := range all {
		was := len(b)
		if b = appendShowing(b, &all[i], known); len(b)-from > event.BasisMax || b[count] == math.MaxUint8 {
			return b[:was]
		}
		b[count]++
	}
	return b
}

func appendShowing(b []byte, sh *Showing, known bool) []byte {
	for _, text := range []string{string(sh.Brand), string(sh.Category)} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	for _, x := range [...]float64{sh.Words, sh.Within, sh.Price, sh.Cut, sh.Popularity, sh.Score} {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(x)))
	}
	b = append(b, byte(flags(sh.Display, sh.Mailer)))
	if !known {
		return b
	}
	r := sh.Relation
	b = append(b, flag(r != nil))
	if r == nil {
		return b
	}
	for _, n := range r.counts() {
		b = binary.AppendUvarint(b, uint64(max(n, 0)))
	}
	return b
}

func flag(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// counts are a relation's numbers, in the order in which a basis has them.
func (r *Relation) counts() [8]int {
	return [...]int{r.Receipts, r.Days, r.BrandReceipts, r.CategoryReceipts, r.CategoryProducts, r.CategoryRegulars, r.Shown, r.Clicked}
}

// Showings are what an answer showed, as it was scored, in the order of the places
// of its tokens. A decision without a basis has none.
func Showings(d *event.Decided) ([]Showing, error) {
	if len(d.Basis) == 0 {
		return nil, nil
	}
	out, err := readBasis(d.Basis)
	if err != nil {
		return nil, err
	}
	n := 0
	for i := range d.Wins {
		w := &d.Wins[i]
		if w.Arm != trial.Treated { // nobody saw it
			continue
		}
		if n == len(out) {
			return out, nil // it was cut
		}
		sh := &out[n]
		sh.Placement, sh.Position, sh.Channel = w.Placement, int(w.Slot)+1, d.Channel
		sh.Product, sh.Advertiser, sh.LineItem = w.Product, w.Advertiser, w.LineItem
		if err := sh.Check(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBasis, err)
		}
		n++
	}
	if n < len(out) {
		return nil, fmt.Errorf("%w: %d showings of %d that were shown", ErrBasis, len(out), n)
	}
	return out, nil
}

// countMost keeps a count that is read within an int of any machine.
const countMost = 1 << 30

func readBasis(b []byte) ([]Showing, error) {
	if len(b) < 4 || b[0] != basisLayout || b[2] > 1 {
		return nil, fmt.Errorf("%w: %d bytes", ErrBasis, len(b))
	}
	hour, known, n := int(b[1]), b[2] == 1, int(b[3])
	s := scanner{b: b[4:]}
	if n > len(s.b)/basisBytes {
		return nil, fmt.Errorf("%w: %d showings in %d bytes", ErrBasis, n, len(b))
	}
	out := make([]Showing, n)
	for i := range out {
		sh := &out[i]
		sh.Hour = hour
		sh.Brand, sh.Category = catalog.Brand(s.text()), catalog.Category(s.text())
		s.singles(&sh.Words, &sh.Within, &sh.Price, &sh.Cut, &sh.Popularity, &sh.Score)
		f := s.byte(3)
		sh.Display, sh.Mailer = f&1 == 1, f&2 == 2
		if !known || s.byte(1) == 0 {
			continue
		}
		r := new(Relation)
		for _, to := range [...]*int{&r.Receipts, &r.Days, &r.BrandReceipts, &r.CategoryReceipts, &r.CategoryProducts, &r.CategoryRegulars, &r.Shown, &r.Clicked} {
			*to = int(s.count(countMost))
		}
		sh.Relation = r
	}
	if s.err == nil && len(s.b) > 0 {
		s.fail("%d bytes too many", len(s.b))
	}
	if s.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBasis, s.err)
	}
	return out, nil
}

// text reads a name.
func (s *scanner) text() string {
	n := s.count(nameMax)
	if n > uint64(len(s.b)) {
		s.fail("a name is cut off")
		return ""
	}
	v := string(s.b[:n])
	s.b = s.b[n:]
	return v
}

// byte reads one up to most.
func (s *scanner) byte(most byte) byte {
	if len(s.b) == 0 || s.b[0] > most {
		s.fail("a byte is none")
		return 0
	}
	v := s.b[0]
	s.b = s.b[1:]
	return v
}

// singles reads float32, none of them NaN or without end.
func (s *scanner) singles(to ...*float64) {
	if len(s.b) < 4*len(to) {
		s.fail("numbers are cut off")
		return
	}
	for i, p := range to {
		v := float64(math.Float32frombits(binary.LittleEndian.Uint32(s.b[4*i:])))
		if math.IsNaN(v) || math.IsInf(v, 0) {
			s.fail("a number is %v", v)
			return
		}
		*p = v
	}
	s.b = s.b[4*len(to):]
}
