// Package wire writes a model's numbers into bytes and reads them back: slices,
// each after its length, little-endian. Bytes may be anybody's, so a reader
// trusts no length and never asks for more memory than there are bytes.
//
// It is beside the road of a receipt: models are kept with it.
package wire

import (
	"encoding/binary"
	"errors"
)

// ErrWire is returned for bytes that do not hold what was asked of them.
var ErrWire = errors.New("bytes that hold no model")

// Number is what slices may be of.
type Number interface {
	uint8 | int16 | uint16 | int32 | uint32 | uint64 | float32
}

// Append appends a slice to bytes.
func Append[T Number](b []byte, v []T) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	b, err := binary.Append(b, binary.LittleEndian, v)
	if err != nil {
		panic("wire: bug: " + err.Error())
	}
	return b
}

// Reader reads slices in the order in which they were appended. After the first
// thing that does not fit, it is bad and gives nothing.
type Reader struct {
	b   []byte
	bad bool
}

// NewReader makes a reader of bytes.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Err is what was wrong; bytes left over are too.
func (r *Reader) Err() error {
	if r.bad || len(r.b) > 0 {
		return ErrWire
	}
	return nil
}

// Fail makes the reader bad: what was read makes no sense.
func (r *Reader) Fail() { r.bad, r.b = true, nil }

// Bad reports whether something did not fit.
func (r *Reader) Bad() bool { return r.bad }

// Take reads a slice; nil for an empty one.
func Take[T Number](r *Reader) []T {
	n, size := binary.Uvarint(r.b)
	var one T
	width := uint64(binary.Size(one))
	if size <= 0 || n > uint64(len(r.b)-size)/width {
		r.Fail()
		return nil
	}
	r.b = r.b[size:]
	if n == 0 {
		return nil
	}
	v := make([]T, n)
	used, err := binary.Decode(r.b, binary.LittleEndian, v)
	if err != nil {
		r.Fail()
		return nil
	}
	r.b = r.b[used:]
	return v
}

// One reads a slice of one number.
func One[T Number](r *Reader) (v T) {
	if all := Take[T](r); len(all) == 1 {
		return all[0]
	}
	r.Fail()
	return v
}
