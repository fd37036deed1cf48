package related

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"endcap/know/recommend/internal/wire"
	"endcap/retail"
	"endcap/retail/catalog"
)

// A model's file is the magic, a byte of layout, the parts of the model in the
// order in which appendBody writes them, and the SHA-256 of all before it.
const (
	magic  = "endcap related"
	layout = 1
	// FileMost bounds the file of a model, in bytes.
	FileMost = 1 << 30
)

// ErrModel is returned for a file that is no model, or was damaged.
var ErrModel = errors.New("not a model of related products")

// Save writes the model, as Load reads it. Equal models give equal bytes.
func (m *Model) Save(w io.Writer) error {
	b := m.appendBody(append([]byte(magic), layout))
	sum := sha256.Sum256(b)
	if _, err := w.Write(append(b, sum[:]...)); err != nil {
		return fmt.Errorf("write the model: %w", err)
	}
	return nil
}

// Load reads a model that Save wrote. A file that was damaged or cut short is an
// ErrModel; whatever the bytes, a model that is returned can be asked safely.
func Load(r io.Reader) (*Model, error) {
	b, err := io.ReadAll(io.LimitReader(r, FileMost+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the model: %w", err)
	case len(b) > FileMost:
		return nil, fmt.Errorf("%w: over %d bytes", ErrModel, FileMost)
	case len(b) < len(magic)+1+sha256.Size || !bytes.HasPrefix(b, []byte(magic)):
		return nil, fmt.Errorf("%w: %d bytes", ErrModel, len(b))
	case b[len(magic)] != layout:
		return nil, fmt.Errorf("%w: layout %d", ErrModel, b[len(magic)])
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return nil, fmt.Errorf("%w: its checksum is another", ErrModel)
	}
	return decodeBody(body[len(magic)+1:])
}

func (m *Model) appendBody(b []byte) []byte {
	b = wire.Append(b, []int32{int32(m.Through), int32(m.Days)})
	b = wire.Append(b, []uint64{uint64(m.Receipts)})
	b = wire.Append(b, m.Lost[:])
	b = appendTexts(b, m.ids)
	b = m.complements.append(b)
	b = m.substitutes.append(b)
	b = appendTimes(b, m.times)
	names := make([]catalog.Category, len(m.categories))
	for name, at := range m.categories {
		names[at] = name
	}
	b = appendTexts(b, names)
	b = appendTimes(b, m.general)
	b = wire.Append(b, []float32{m.firm})
	b = wire.Append(b, m.tuned[:])
	b = appendRises(b, m.everywhere)
	stores := slices.Sorted(maps.Keys(m.stores))
	b = appendTexts(b, stores)
	for _, at := range stores {
		b = appendRises(b, m.stores[at])
	}
	return b
}

func decodeBody(b []byte) (*Model, error) {
	r := wire.NewReader(b)
	m := new(Model)
	window, receipts, lost := wire.Take[int32](r), wire.One[uint64](r), wire.Take[uint32](r)
	if len(window) != 2 || len(lost) != 2 || int64(receipts) < 0 {
		return nil, fmt.Errorf("%w: its head makes no sense", ErrModel)
	}
	m.Through, m.Days, m.Receipts, m.Lost = retail.Day(window[0]), int(window[1]), int64(receipts), [2]uint32(lost)
	m.ids = textsOf[catalog.ProductID](r)
	m.complements = neighboursOf(r, len(m.ids))
	m.substitutes = neighboursOf(r, len(m.ids))
	m.times = timesOf(r)
	names := textsOf[catalog.Category](r)
	m.general = timesOf(r)
	m.firm = wire.One[float32](r)
	tuned := wire.Take[float32](r)
	m.everywhere = risesOf(r, len(m.ids))
	stores := textsOf[catalog.StoreID](r)
	m.stores = make(map[catalog.StoreID][]Rise)
	for _, at := range stores {
		m.stores[at] = risesOf(r, len(m.ids))
	}
	m.categories = make(map[catalog.Category]int32)
	for i, name := range names {
		m.categories[name] = int32(i)
	}
	m.index()
	firm := m.firm >= backMin && m.firm <= backMax && len(tuned) == tunings
	for i, by := range tuned {
		if firm = firm && by >= tuningMin && by <= tuningMax; firm {
			m.tuned[i] = by
		}
	}
	if r.Err() != nil || !firm || len(m.times) != len(m.ids) || len(m.general) != len(names)+1 ||
		len(m.categories) != len(names) || len(m.stores) != len(stores) || len(m.numbers) != len(m.ids) {
		return nil, fmt.Errorf("%w: its parts do not fit each other", ErrModel)
	}
	return m, nil
}

// index finds numbers by hash.
func (m *Model) index() {
	m.numbers = make(map[uint64]int32, len(m.ids))
	for no, id := range m.ids {
		m.numbers[id.Hash()] = int32(no)
	}
}

// appendTexts writes texts as their lengths and all of them in a row.
func appendTexts[T ~string](b []byte, texts []T) []byte {
	lengths, all := make([]uint16, len(texts)), []byte(nil)
	for i, t := range texts {
		lengths[i] = uint16(len(t)) // ids and names are checked at the door
		all = append(all, t...)
	}
	return wire.Append(wire.Append(b, lengths), all)
}

func textsOf[T ~string](r *wire.Reader) []T {
	lengths, all := wire.Take[uint16](r), string(wire.Take[uint8](r))
	texts := make([]T, len(lengths))
	for i, n := range lengths {
		if int(n) > len(all) {
			r.Fail()
			return nil
		}
		texts[i], all = T(all[:n]), all[n:]
	}
	if all != "" {
		r.Fail()
	}
	return texts
}

func (n *neighbours) append(b []byte) []byte {
	nos, scores, lifts := make([]int32, len(n.all)), make([]float32, len(n.all)), make([]float32, len(n.all))
	for i, one := range n.all {
		nos[i], scores[i], lifts[i] = one.No, one.Score, one.Lift
	}
	return wire.Append(wire.Append(wire.Append(wire.Append(b, n.start), nos), scores), lifts)
}

// neighboursOf reads the lists of a number of products: each at most keptMax long,
// in order, of numbers that there are.
func neighboursOf(r *wire.Reader, products int) neighbours {
	start, nos, scores, lifts := wire.Take[uint32](r), wire.Take[int32](r), wire.Take[float32](r), wire.Take[float32](r)
	n := neighbours{start: start, all: make([]Neighbour, len(nos))}
	if len(start) != products+1 || start[0] != 0 || int(start[products]) != len(nos) || len(scores) != len(nos) || len(lifts) != len(nos) {
		r.Fail()
		return neighbours{}
	}
	for i, no := range nos {
		n.all[i] = Neighbour{no, scores[i], lifts[i]}
		if no < 0 || int(no) >= products || !isFigure(scores[i]) || !isFigure(lifts[i]) {
			r.Fail()
			return neighbours{}
		}
	}
	for i := range products {
		from, to := start[i], start[i+1]
		if from > to || to-from > keptMax || int(to) > len(nos) || !slices.IsSortedFunc(n.all[from:to], worse) {
			r.Fail()
			return neighbours{}
		}
	}
	return n
}

// figureMax is more than any score can be; isFigure is false for what is no number.
const figureMax = 1e9

func isFigure(v float32) bool { return v >= 0 && v <= figureMax }

func appendTimes(b []byte, all []times) []byte {
	flat := make([]float32, 0, 4*len(all))
	for _, t := range all {
		flat = append(flat, t.mu, t.sigma, t.share, t.back)
	}
	return wire.Append(b, flat)
}

func timesOf(r *wire.Reader) []times {
	flat := wire.Take[float32](r)
	if len(flat)%4 != 0 {
		r.Fail()
		return nil
	}
	all := make([]times, len(flat)/4)
	for i := range all {
		f := flat[4*i:]
		all[i] = times{f[0], f[1], f[2], f[3]}
		if !all[i].ok() {
			r.Fail()
			return nil
		}
	}
	return all
}

func appendRises(b []byte, all []Rise) []byte {
	whole, parts := make([]int32, 0, 2*len(all)), make([]float32, 0, 2*len(all))
	for _, one := range all {
		whole, parts = append(whole, one.No, one.Receipts), append(parts, one.Expected, one.Score)
	}
	return wire.Append(wire.Append(b, whole), parts)
}

func risesOf(r *wire.Reader, products int) []Rise {
	whole, parts := wire.Take[int32](r), wire.Take[float32](r)
	if len(whole) != len(parts) || len(whole)%2 != 0 || len(whole) > 2*trendKept {
		r.Fail()
		return nil
	}
	all := make([]Rise, len(whole)/2)
	for i := range all {
		all[i] = Rise{whole[2*i], whole[2*i+1], parts[2*i], parts[2*i+1]}
		if one := &all[i]; one.No < 0 || int(one.No) >= products || one.Receipts < 0 || !isFigure(one.Expected) || !isFigure(one.Score) {
			r.Fail()
			return nil
		}
	}
	return all
}
