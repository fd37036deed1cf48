package nextbasket

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"endcap/know/recommend/internal/wire"
	"endcap/know/recommend/learn"
)

// A model's file is the magic, a byte of layout, the parts of the model in the
// order in which appendBody writes them, and the SHA-256 of all before it.
const (
	magic  = "endcap next basket"
	layout = 1
	// FileMost bounds the file of a model, in bytes.
	FileMost = 1 << 30
)

// ErrModel is returned for a file that is no model, or was damaged.
var ErrModel = errors.New("not a next-basket model")

// Save writes the model, as Load reads it. It holds baskets of single shoppers.
func (m *Model) Save(w io.Writer) error {
	b, err := m.appendBody(append([]byte(magic), layout))
	if err != nil {
		return err
	}
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

func (m *Model) appendBody(b []byte) ([]byte, error) {
	settings, err := json.Marshal(m.settings)
	if err != nil {
		return nil, fmt.Errorf("write the model's settings: %w", err)
	}
	c := m.crowd
	b = wire.Append(b, settings)
	b = wire.Append(b, []int32{int32(c.products), int32(len(c.groups))})
	b = wire.Append(b, m.hashes)
	for _, g := range c.groups {
		b = wire.Append(b, g)
	}
	b = wire.Append(b, c.keys)
	b = wire.Append(b, c.through)
	b = c.pasts.append(b)
	b = wire.Append(b, c.nexts.start)
	b = wire.Append(b, c.nexts.all)
	b = c.appendTally(b)
	for _, p := range []*pairs{c.after, c.beside, c.ahead} {
		b = p.append(b)
	}
	b = wire.Append(b, m.trees.Append(nil))
	return wire.Append(b, m.chances.Append(nil)), nil
}

func decodeBody(b []byte) (*Model, error) {
	r := wire.NewReader(b)
	var s Settings
	settings := wire.Take[uint8](r)
	sizes := wire.Take[int32](r)
	if len(sizes) != 2 || sizes[0] < 0 || sizes[1] < 0 || sizes[1] > kindsMost || json.Unmarshal(settings, &s) != nil || s.Check() != nil {
		return nil, fmt.Errorf("%w: its head makes no sense", ErrModel)
	}
	products, kinds := int(sizes[0]), int(sizes[1])
	c := &Crowd{products: products, decay: s.Decay, near: s.Neighbours, own: float32(s.Own)}
	hashes := wire.Take[uint64](r)
	for range kinds {
		c.groups = append(c.groups, groupsOf(r, products))
	}
	c.keys = wire.Take[uint64](r)
	c.through = wire.Take[int32](r)
	c.pasts = indexOf(r, len(c.keys), products)
	c.nexts = lists{spansOf(r, len(c.keys)), productsOf(r, products)}
	checkEnd(r, c.nexts.start, len(c.nexts.all))
	c.tally = tallyOf(r, products)
	c.after, c.beside, c.ahead = pairsOf(r, products), pairsOf(r, products), pairsOf(r, products)
	trees, treesErr := learn.DecodeTrees(wire.Take[uint8](r))
	chances, chancesErr := learn.DecodeCalibration(wire.Take[uint8](r))
	switch {
	case r.Err() != nil || treesErr != nil || chancesErr != nil || len(c.through) != len(c.keys):
		return nil, fmt.Errorf("%w: its parts do not fit each other", ErrModel)
	case len(hashes) != 0 && len(hashes) != products:
		return nil, fmt.Errorf("%w: %d hashes of %d products", ErrModel, len(hashes), products)
	case trees.Columns != len(Columns(kinds)):
		return nil, fmt.Errorf("%w: trees of %d signals", ErrModel, trees.Columns)
	}
	c.pasts.finish(products)
	c.finish()
	return newModel(&s, hashes, c, trees, *chances), nil
}

// kindsMost is how many kinds of groups a model may have.
const kindsMost = 16

// groupsOf reads a group of each product. A group's number is below the products',
// because there are no more groups than products.
func groupsOf(r *wire.Reader, products int) []int32 {
	g := wire.Take[int32](r)
	if len(g) != products {
		r.Fail()
		return nil
	}
	for _, no := range g {
		if no < -1 || int(no) >= products {
			r.Fail()
			return nil
		}
	}
	return g
}

// spansOf reads where n lists start and the last ends.
func spansOf(r *wire.Reader, n int) []int32 {
	start := wire.Take[int32](r)
	if n == 0 && len(start) == 0 {
		return []int32{0}
	}
	if len(start) != n+1 || start[0] != 0 {
		r.Fail()
		return []int32{0}
	}
	for i := range n {
		if start[i+1] < start[i] {
			r.Fail()
			return []int32{0}
		}
	}
	return start
}

// checkEnd fails a reader whose lists do not end with what they are of.
func checkEnd(r *wire.Reader, start []int32, n int) {
	if int(start[len(start)-1]) != n {
		r.Fail()
	}
}

func productsOf(r *wire.Reader, products int) []Product {
	all := wire.Take[int32](r)
	for _, p := range all {
		if p < 0 || int(p) >= products {
			r.Fail()
			return nil
		}
	}
	return all
}

// weightsOf reads finite numbers that are not negative.
func weightsOf(r *wire.Reader, n int) []float32 {
	all := wire.Take[float32](r)
	if len(all) != n {
		r.Fail()
	}
	for _, w := range all {
		if !(w >= 0) || math.IsInf(float64(w), 0) {
			r.Fail()
		}
	}
	if r.Bad() {
		return make([]float32, 0)
	}
	return all
}

func (ix *index) append(b []byte) []byte {
	products, weights := make([]Product, len(ix.all)), make([]float32, len(ix.all))
	for i, v := range ix.all {
		products[i], weights[i] = v.product, v.weight
	}
	return wire.Append(wire.Append(wire.Append(b, ix.start), products), weights)
}

func indexOf(r *wire.Reader, members, products int) *index {
	ix := &index{start: spansOf(r, members)}
	all := productsOf(r, products)
	checkEnd(r, ix.start, len(all))
	weights := weightsOf(r, len(all))
	if r.Bad() {
		return ix
	}
	for i, p := range all {
		ix.all = append(ix.all, weighed{p, weights[i]})
	}
	return ix
}

func (t *tally) appendTally(b []byte) []byte {
	b = wire.Append(b, []float32{t.baskets, t.withNext})
	for _, v := range [][]float32{t.count, t.buyers, t.lately, t.events, t.exposures, t.prices.known, t.prices.off, t.latest.known, t.latest.off} {
		b = wire.Append(b, v)
	}
	return b
}

func tallyOf(r *wire.Reader, products int) tally {
	t := tally{curve: make([]float32, gapsMax)}
	if sums := weightsOf(r, 2); len(sums) == 2 {
		t.baskets, t.withNext = sums[0], sums[1]
	}
	t.count, t.buyers, t.lately = weightsOf(r, products), weightsOf(r, products), weightsOf(r, products)
	t.events, t.exposures = weightsOf(r, products*gapsMax), weightsOf(r, products*gapsMax)
	t.prices, t.latest = pricesOf(r, products), pricesOf(r, products)
	if !r.Bad() {
		t.finish()
	}
	return t
}

func pricesOf(r *wire.Reader, products int) prices {
	return prices{weightsOf(r, products), weightsOf(r, products)}
}

func (p *pairs) append(b []byte) []byte {
	b = wire.Append(wire.Append(b, p.first), p.to)
	return wire.Append(wire.Append(b, p.count), p.from)
}

func pairsOf(r *wire.Reader, products int) *pairs {
	p := &pairs{first: spansOf(r, products), to: productsOf(r, products)}
	checkEnd(r, p.first, len(p.to))
	p.count, p.from = weightsOf(r, len(p.to)), weightsOf(r, products)
	return p
}
