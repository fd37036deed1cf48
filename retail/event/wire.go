package event

import (
	"encoding/binary"
	"time"

	"endcap/retail"
	"endcap/retail/basket"
)

// writer appends the wire form of a fact: varints, length-prefixed strings.
type writer struct{ b []byte }

func (w *writer) byte(v uint8)            { w.b = append(w.b, v) }
func (w *writer) uint(v uint64)           { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) int(v int64)             { w.b = binary.AppendVarint(w.b, v) }
func (w *writer) micros(v retail.Micros)  { w.int(int64(v)) }
func (w *writer) day(v retail.Day)        { w.int(int64(v)) }
func (w *writer) time(v time.Time)        { w.int(micros(v)) }
func (w *writer) raw(v []byte)            { w.b = append(w.b, v...) }
func (w *writer) bytes(v []byte)          { w.uint(uint64(len(v))); w.raw(v) }
func (w *writer) bool(v bool)             { w.byte(b2u(v)) }
func writeText[T ~string](w *writer, v T) { w.uint(uint64(len(v))); w.b = append(w.b, v...) }

func b2u(v bool) uint8 {
	if v {
		return 1
	}
	return 0
}

// micros is t in microseconds since 1970, with the zero time kept apart as 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// reader takes the wire form apart. After the first thing that does not fit it
// is bad and gives zeros, so callers check once, at the end. Strings share the
// input's memory.
type reader struct {
	s     string
	bad   bool
	lines *slab // of receipts; nil gives each receipt memory of its own
}

// slab is memory from which runs of lines are cut.
type slab struct{ free []basket.Line }

const slabLines = 4_096

func (s *slab) take(n int) []basket.Line {
	if s == nil || n > slabLines/4 {
		return make([]basket.Line, n)
	}
	if n > len(s.free) {
		s.free = make([]basket.Line, slabLines)
	}
	cut := s.free[:n:n]
	s.free = s.free[n:]
	return cut
}

func (r *reader) byte() uint8 {
	if len(r.s) == 0 {
		r.bad = true
		return 0
	}
	v := r.s[0]
	r.s = r.s[1:]
	return v
}

func (r *reader) uint() uint64 {
	if len(r.s) > 0 && r.s[0] < 0x80 { // most numbers are small
		v := r.s[0]
		r.s = r.s[1:]
		return uint64(v)
	}
	var v uint64
	for i := 0; i < len(r.s) && i < binary.MaxVarintLen64; i++ {
		c := r.s[i]
		if c < 0x80 {
			if i == binary.MaxVarintLen64-1 && c > 1 || c == 0 && i > 0 {
				break // overflows, or was not written by AppendUvarint
			}
			r.s = r.s[i+1:]
			return v | uint64(c)<<(7*i)
		}
		v |= uint64(c&0x7f) << (7 * i)
	}
	r.bad, r.s = true, ""
	return 0
}

func (r *reader) int() int64 {
	u := r.uint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *reader) uint32() uint32 {
	v := r.uint()
	if v > 1<<32-1 {
		r.bad = true
	}
	return uint32(v)
}

func (r *reader) micros() retail.Micros { return retail.Micros(r.int()) }

func (r *reader) day() retail.Day {
	v := r.int()
	if v != int64(int32(v)) {
		r.bad = true
	}
	return retail.Day(v)
}

func (r *reader) time() time.Time {
	v := r.int()
	if v == 0 {
		return time.Time{}
	}
	t := time.UnixMicro(v).UTC()
	if t.IsZero() {
		r.bad = true // is written as 0
	}
	return t
}

func (r *reader) bool() bool {
	v := r.byte()
	if v > 1 {
		r.bad = true
	}
	return v == 1
}

func (r *reader) take(n int) string {
	if n < 0 || n > len(r.s) {
		r.bad, r.s = true, ""
		return ""
	}
	v := r.s[:n]
	r.s = r.s[n:]
	return v
}

func (r *reader) bytes() []byte {
	if s := r.take(r.count(1)); s != "" {
		return []byte(s)
	}
	return nil
}

// count reads the length of a list whose items take at least size bytes each,
// so that a hostile length cannot make the program allocate.
func (r *reader) count(size int) int {
	n := r.uint()
	if n > uint64(len(r.s)/size) {
		r.bad, r.s = true, ""
		return 0
	}
	return int(n)
}

func readText[T ~string](r *reader) T { return T(r.take(r.count(1))) }
