package learn

import (
	"errors"
	"math"

	"endcap/know/recommend/internal/wire"
)

// ErrTrees is returned for bytes that hold no trees.
var ErrTrees = errors.New("no trees that can be asked")

// Append appends trees to bytes.
func (f *Trees) Append(b []byte) []byte {
	cuts, columns, rights := make([]float32, len(f.nodes)), make([]int16, len(f.nodes)), make([]uint16, len(f.nodes))
	for i, n := range f.nodes {
		cuts[i], columns[i], rights[i] = n.cut, n.column, n.right
	}
	b = wire.Append(b, []int32{int32(f.Columns)})
	b = wire.Append(b, []float32{f.Base})
	b = wire.Append(b, f.roots)
	b = wire.Append(b, cuts)
	b = wire.Append(b, columns)
	return wire.Append(b, rights)
}

// DecodeTrees reads what Append wrote. Trees that it returns can be asked safely,
// whatever the bytes: each walk goes forward and ends at a leaf of its tree.
func DecodeTrees(b []byte) (*Trees, error) {
	r := wire.NewReader(b)
	f := &Trees{Columns: int(wire.One[int32](r)), Base: wire.One[float32](r), roots: wire.Take[int32](r)}
	cuts, columns, rights := wire.Take[float32](r), wire.Take[int16](r), wire.Take[uint16](r)
	if r.Err() != nil || len(cuts) != len(columns) || len(cuts) != len(rights) || f.Columns < 1 || f.Columns > columnsMax || !finite(f.Base) {
		return nil, ErrTrees
	}
	f.nodes = make([]node, len(cuts))
	for i := range cuts {
		f.nodes[i] = node{cuts[i], columns[i], rights[i]}
	}
	if len(f.roots) > treesMax || len(f.roots) == 0 && len(f.nodes) > 0 || len(f.roots) > 0 && f.roots[0] != 0 {
		return nil, ErrTrees
	}
	for k, root := range f.roots {
		end := int32(len(f.nodes))
		if k+1 < len(f.roots) {
			end = f.roots[k+1]
		}
		if root < 0 || end <= root || int(end) > len(f.nodes) || !f.sound(f.nodes[root:end]) {
			return nil, ErrTrees
		}
	}
	return f, nil
}

// sound reports whether every question of a tree leads on within it.
func (f *Trees) sound(tree []node) bool {
	for i, n := range tree {
		switch {
		case !finite(n.cut):
			return false
		case n.column < 0:
		case int(n.column) >= f.Columns || n.right < 2 || i+int(n.right) >= len(tree):
			return false
		}
	}
	return true
}

// Append appends a calibration to bytes.
func (c *Calibration) Append(b []byte) []byte {
	return wire.Append(wire.Append(b, c.Scores), c.Chances)
}

// DecodeCalibration reads what Append wrote.
func DecodeCalibration(b []byte) (*Calibration, error) {
	r := wire.NewReader(b)
	c := &Calibration{Scores: wire.Take[float32](r), Chances: wire.Take[float32](r)}
	if r.Err() != nil || len(c.Scores) != len(c.Chances) {
		return nil, ErrTrees
	}
	for i := range c.Scores {
		if !finite(c.Scores[i]) || !(c.Chances[i] >= 0 && c.Chances[i] <= 1) || i > 0 && (!(c.Scores[i] > c.Scores[i-1]) || c.Chances[i] < c.Chances[i-1]) {
			return nil, ErrTrees
		}
	}
	return c, nil
}

func finite(x float32) bool { return !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0) }
