package response

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"

	"endcap/know/recommend/response/ftrl"
	"endcap/retail/media"
)

// A kept model is a magic word, a byte of layout, and what a Learner holds, integers
// as varints and numbers as the bits of their floats, little-endian; of the
// coordinates those that have seen something. The last eight bytes are the XXH64 of
// all before.
const (
	magic      = "endcap-response\n"
	fileLayout = 3
	fileMax    = 1 << 30
	sumSize    = 8
)

// ErrModel is returned for bytes that are no kept model, or not the whole of one, or
// that have changed.
var ErrModel = errors.New("not a response model")

// Save writes the model with all that it needs to go on learning. The same model
// gives the same bytes.
func (l *Learner) Save(w io.Writer) error {
	if _, err := w.Write(l.encode()); err != nil {
		return fmt.Errorf("keep a response model: %w", err)
	}
	return nil
}

func (l *Learner) encode() []byte {
	l.learning.Lock()
	defer l.learning.Unlock()
	var p printer
	p.b = append(p.b, magic...)
	p.b = append(p.b, fileLayout)
	p.uint(uint64(l.cfg.Bits))
	for _, r := range []ftrl.Rates{l.cfg.Click, l.cfg.Buy, l.cfg.Place} {
		p.floats(r.Alpha, r.Beta, r.L1, r.L2)
	}
	p.floats(l.cfg.RecentShowings, l.cfg.RecentClicks)
	p.head(&l.clicks)
	p.head(&l.buys)
	spots := slices.SortedFunc(maps.Keys(l.places), func(a, b spot) int {
		return cmp.Or(cmp.Compare(a.placement, b.placement), cmp.Compare(a.position, b.position))
	})
	p.uint(uint64(len(spots)))
	for _, s := range spots {
		k := l.places[s]
		p.uint(uint64(len(s.placement)))
		p.b = append(p.b, s.placement...)
		p.uint(uint64(s.position))
		p.floats(k.Z, k.N, k.predicted, k.observed, k.shown, k.loss, k.plain)
	}
	return sealed(p.b)
}

// sealed adds the checksum.
func sealed(b []byte) []byte { return binary.LittleEndian.AppendUint64(b, xxhash.Sum64(b)) }

// printer writes a model.
type printer struct{ b []byte }

func (p *printer) uint(v uint64) { p.b = binary.AppendUvarint(p.b, v) }

func (p *printer) floats(all ...float64) {
	for _, v := range all {
		p.b = binary.LittleEndian.AppendUint64(p.b, math.Float64bits(v))
	}
}

func (p *printer) head(h *head) {
	p.uint(h.seen)
	n := uint64(0)
	for i := range h.cells {
		if h.cells[i] != (ftrl.Cell{}) {
			n++
		}
	}
	p.uint(n)
	next := 0
	for i := range h.cells {
		if h.cells[i] != (ftrl.Cell{}) {
			p.uint(uint64(i - next))
			p.floats(h.cells[i].Z, h.cells[i].N)
			next = i + 1
		}
	}
	p.floats(h.ladder.weight)
	p.floats(h.ladder.exposed[:]...)
	p.floats(h.ladder.came[:]...)
	p.floats(h.ladder.score[:]...)
	p.uint(uint64(len(h.curve.score)))
	p.floats(h.curve.score...)
	p.floats(h.curve.chance...)
}

// Load reads a model that Save wrote, which goes on learning where it was and
// answers at once. What is not whole is refused with ErrModel.
func Load(r io.Reader) (*Learner, error) {
	b, err := io.ReadAll(io.LimitReader(r, fileMax+1))
	if err != nil {
		return nil, fmt.Errorf("read a response model: %w", err)
	}
	if len(b) > fileMax {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrModel, fileMax)
	}
	l, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	l.Publish()
	return l, nil
}

func decode(b []byte) (*Learner, error) {
	switch body := len(b) - sumSize; {
	case body < len(magic)+1 || !bytes.HasPrefix(b, []byte(magic)):
		return nil, errors.New("it does not begin like one")
	case binary.LittleEndian.Uint64(b[body:]) != xxhash.Sum64(b[:body]):
		return nil, errors.New("its checksum is another: it is cut off or has changed")
	case b[len(magic)] != fileLayout:
		return nil, fmt.Errorf("layout %d; this program reads %d", b[len(magic)], fileLayout)
	default:
		b = b[len(magic)+1 : body]
	}
	s := scanner{b: b}
	var cfg Config
	cfg.Bits = int(s.count(bitsMax))
	for _, r := range []*ftrl.Rates{&cfg.Click, &cfg.Buy, &cfg.Place} {
		s.floats(&r.Alpha, &r.Beta, &r.L1, &r.L2)
	}
	s.floats(&cfg.RecentShowings, &cfg.RecentClicks)
	if s.err != nil {
		return nil, s.err
	}
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	l := &Learner{cfg: cfg}
	l.clicks, l.buys = newHead(cfg.Click, 1<<cfg.Bits, clicksPrior), newHead(cfg.Buy, 1<<cfg.Bits, buysPrior)
	s.head(&l.clicks)
	s.head(&l.buys)
	l.places = s.places()
	if s.err == nil && len(s.b) > 0 {
		s.fail("%d bytes too many", len(s.b))
	}
	return l, s.err
}

// scanner reads what a printer wrote. After the first thing that does not fit it
// gives zeros and keeps its error.
type scanner struct {
	b   []byte
	err error
}

func (s *scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
	s.b = nil
}

func (s *scanner) uint() uint64 {
	v, n := binary.Uvarint(s.b)
	if n <= 0 {
		s.fail("a number is cut off")
		return 0
	}
	s.b = s.b[n:]
	return v
}

// count reads a number up to most.
func (s *scanner) count(most uint64) uint64 {
	v := s.uint()
	if v > most {
		s.fail("%d of at most %d", v, most)
		return 0
	}
	return v
}

// floats reads numbers, none of them NaN or without end.
func (s *scanner) floats(to ...*float64) {
	if len(s.b) < 8*len(to) {
		s.fail("numbers are cut off")
		return
	}
	for i, p := range to {
		v := math.Float64frombits(binary.LittleEndian.Uint64(s.b[8*i:]))
		if math.IsNaN(v) || math.IsInf(v, 0) {
			s.fail("a number is %v", v)
			return
		}
		*p = v
	}
	s.b = s.b[8*len(to):]
}

// run reads numbers none of which is below least.
func (s *scanner) run(to []float64, least float64) {
	for i := range to {
		if s.floats(&to[i]); to[i] < least {
			s.fail("a sum is %v", to[i])
		}
	}
}

func (s *scanner) head(h *head) {
	h.seen = s.uint()
	next := uint64(0)
	dim := uint64(len(h.cells))
	for range s.count(dim) {
		at := s.count(dim) + next
		if at >= dim || s.err != nil {
			s.fail("coordinate %d of %d", at, dim)
			return
		}
		c := &h.cells[at]
		if s.floats(&c.Z, &c.N); c.N < 0 {
			s.fail("squares add up to %v", c.N)
		}
		next = at + 1
	}
	s.ladder(&h.ladder)
	n := s.count(rungs)
	h.curve = curve{make([]float64, n), make([]float64, n)}
	s.run(h.curve.score, -math.MaxFloat64)
	s.run(h.curve.chance, least)
	for i := range h.curve.chance {
		if h.curve.chance[i] > 1-least || i > 0 && (h.curve.chance[i] < h.curve.chance[i-1] || h.curve.score[i] <= h.curve.score[i-1]) {
			s.fail("a calibration that falls")
		}
	}
}

func (s *scanner) ladder(l *ladder) {
	if s.floats(&l.weight); l.weight != 0 && (l.weight < 1 || l.weight > 2*weightMost) {
		s.fail("an event weighs %v", l.weight)
	}
	s.run(l.exposed[:], 0)
	s.run(l.came[:], 0)
	s.run(l.score[:], -math.MaxFloat64)
}

func (s *scanner) places() map[spot]*look {
	n := s.count(placesMax + PositionMax)
	out := make(map[spot]*look)
	for range n {
		name := s.count(nameMax)
		if name > uint64(len(s.b)) {
			s.fail("a name is cut off")
			break
		}
		where := spot{placement: media.PlacementID(s.b[:name])}
		s.b = s.b[name:]
		where.position = int(s.count(PositionMax))
		k := new(look)
		s.floats(&k.Z, &k.N, &k.predicted, &k.observed, &k.shown, &k.loss, &k.plain)
		if k.N < 0 || min(k.predicted, k.observed, k.shown, k.loss, k.plain) < 0 || where.position < 1 || out[where] != nil {
			s.fail("place %d is none", where.position)
			break
		}
		out[where] = k
	}
	return out
}
