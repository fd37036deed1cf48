package event

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"endcap/retail/consent"
	"endcap/retail/shopper"
)

// Packed is a fact as a stream stores it: its bytes and the few things a store
// must know to keep order, to tell a repeat and to trim, without reading them.
type Packed struct {
	Kind    Kind
	Key     [16]byte // hash of kind and id: the same fact again has the same Key
	Version uint32   // corrections carry a higher one
	Sum     [16]byte // hash of what the source said, without when and how it arrived
	Unit    uint64   // facts of one Unit keep their order; it chooses the partition
	Bytes   []byte   // for Unpack
}

// The layout of Bytes: one byte layout, one byte kind, one byte body version,
// 8 bytes shopper, then varints and texts. The shopper's place is fixed so that
// a store can forget her without knowing the bodies.
const (
	layout        = 1
	shopperOffset = 3
)

// Pack encodes f, appending its bytes to buf (which may be nil); Packed.Bytes is
// the appended part. It returns ErrFact for a fact over the stated limits.
func Pack(buf []byte, f *Fact) (Packed, error) {
	if f.ID == "" || len(f.ID) > IDMax {
		return Packed{}, fmt.Errorf("%w: an id has 1 to %d bytes, this %d", ErrFact, IDMax, len(f.ID))
	}
	kind := f.Body.Kind()
	start := len(buf)
	w := writer{buf}
	w.byte(layout)
	w.byte(uint8(kind))
	w.byte(f.Body.version())
	w.b = binary.BigEndian.AppendUint64(w.b, f.Shopper.Reveal())
	writeText(&w, f.ID)
	w.uint(uint64(f.Version))
	w.time(f.Arrived)
	w.byte(uint8(f.Consent))
	writeText(&w, f.Source)
	said := len(w.b)
	w.time(f.At)
	w.day(f.Day)
	if !kind.dated() {
		said = len(w.b)
	}
	f.Body.encode(&w)
	b := w.b[start:]
	if len(b) > FactMax {
		return Packed{}, fmt.Errorf("%w: %d bytes, at most %d", ErrFact, len(b), FactMax)
	}
	p := Packed{Kind: kind, Version: f.Version, Bytes: b, Key: KeyOf(kind, f.ID)}
	p.Sum = sumOf(b[shopperOffset:shopperOffset+8], b[said-start:])
	p.Unit = f.Shopper.Reveal()
	if p.Unit == 0 {
		p.Unit = unitOf(f.Body, p.Key)
	}
	return p, nil
}

// KeyOf is the Key under which a fact of that kind and id is stored.
func KeyOf(kind Kind, id string) [16]byte {
	var buf [1 + IDMax]byte
	b := append(append(buf[:0], byte(kind)), id...)
	sum := sha256.Sum256(b)
	return [16]byte(sum[:16])
}

func sumOf(who, said []byte) [16]byte {
	h := sha256.New()
	h.Write(who)
	h.Write(said)
	var out [sha256.Size]byte
	return [16]byte(h.Sum(out[:0])[:16])
}

// KindOf reads only the kind of packed bytes, zero if they are no fact.
func KindOf(b []byte) Kind {
	if len(b) < shopperOffset+8 || b[0] != layout || Kind(b[1]) >= kindCount {
		return 0
	}
	return Kind(b[1])
}

// Unpack decodes what Pack wrote. The fact shares no memory with b. Bytes of a
// newer layout or version, and anything damaged, give ErrFact.
func Unpack(b []byte) (Fact, error) { return unpack(b, nil) }

// Unpacker unpacks many facts that are used and dropped together: the lines of
// their receipts lie in few pieces of memory, so that keeping one fact may keep
// its neighbours' lines. The zero value is ready. It belongs to one goroutine.
type Unpacker struct{ lines slab }

// Unpack is the function Unpack, with the lines in shared memory.
func (u *Unpacker) Unpack(b []byte) (Fact, error) { return unpack(b, &u.lines) }

func unpack(b []byte, lines *slab) (Fact, error) {
	kind := KindOf(b)
	if kind == 0 || len(b) > FactMax {
		return Fact{}, fmt.Errorf("%w: unknown layout or kind", ErrFact)
	}
	versions := decoders[kind]
	if b[2] == 0 || int(b[2]) > len(versions) {
		return Fact{}, fmt.Errorf("%w: %v of version %d, this program reads up to %d", ErrFact, kind, b[2], len(versions))
	}
	f := Fact{Shopper: shopper.FromUint64(binary.BigEndian.Uint64(b[shopperOffset:]))}
	r := reader{s: string(b[shopperOffset+8:]), lines: lines}
	f.ID = readText[string](&r)
	f.Version = r.uint32()
	f.Arrived = r.time()
	f.Consent = consent.Set(r.byte())
	f.Source = readText[string](&r)
	f.At = r.time()
	f.Day = r.day()
	f.Body = versions[b[2]-1](&r)
	if r.bad || r.s != "" || f.ID == "" || len(f.ID) > IDMax {
		return Fact{}, fmt.Errorf("%w: damaged %v", ErrFact, kind)
	}
	return f, nil
}
