package pebblelog

import (
	"encoding/binary"
	"errors"
	"fmt"

	"endcap/keep/stream"
	"endcap/retail/event"
)

// The keys. All numbers are big-endian, so that byte order is their order.
//
//	m | "layout"                       → layout version (1), partitions (2)
//	m | "trimmed" | partition (2)      → seq (8) of the last trimmed fact
//	f | partition (2) | last seq (8)   → a block: the facts up to and including that seq
//	k | event key (16)                 → the versions stored under a lasting key
//	d | generation (4) | event key     → the same for keys that may be forgotten
const (
	tagMeta  = 'm'
	tagFact  = 'f'
	tagKey   = 'k'
	tagDated = 'd'

	layoutVersion = 1
	blockKeySize  = 1 + 2 + 8
	versionSize   = 4 + 16 + 2 + 8
)

// errDamaged is returned for bytes in the store that this package did not write.
var errDamaged = errors.New("the stream's store is damaged")

func layoutKey() []byte { return append([]byte{tagMeta}, "layout"...) }

func trimmedKey(partition int) []byte {
	return binary.BigEndian.AppendUint16(append([]byte{tagMeta}, "trimmed"...), uint16(partition))
}

// appendBlockKey appends the key of the block that ends with seq.
func appendBlockKey(b []byte, partition int, seq uint64) []byte {
	b = binary.BigEndian.AppendUint16(append(b, tagFact), uint16(partition))
	return binary.BigEndian.AppendUint64(b, seq)
}

// appendIDKey appends the key under which an event key is known.
func appendIDKey(b []byte, lasting bool, generation uint32, key *[16]byte) []byte {
	if lasting {
		b = append(b, tagKey)
	} else {
		b = binary.BigEndian.AppendUint32(append(b, tagDated), generation)
	}
	return append(b, key[:]...)
}

func generationKey(generation uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{tagDated}, generation)
}

// seqOf reads a cursor; the empty one is 0, before the first fact.
func seqOf(c event.Cursor) (uint64, error) {
	switch len(c) {
	case 0:
		return 0, nil
	case 8:
		if seq := binary.BigEndian.Uint64([]byte(c)); seq != 0 {
			return seq, nil
		}
	}
	return 0, stream.ErrCursor
}

// cursorOf is the cursor of one fact, empty for 0.
func cursorOf(seq uint64) event.Cursor {
	if seq == 0 {
		return ""
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], seq)
	return event.Cursor(b[:])
}

// cursorRun gives the cursors of a run of facts from one piece of memory.
type cursorRun struct {
	text string
	next int
}

func newCursorRun(seqs []uint64) cursorRun {
	b := make([]byte, 0, 8*len(seqs))
	for _, seq := range seqs {
		b = binary.BigEndian.AppendUint64(b, seq)
	}
	return cursorRun{text: string(b)}
}

func (c *cursorRun) take() event.Cursor {
	at := c.text[c.next : c.next+8]
	c.next += 8
	return event.Cursor(at)
}

// A block holds facts that follow one another in one partition: their count (4),
// then for each its kind (1), the length of its bytes (uvarint) and its bytes.
type block struct {
	first uint64 // the seq of the first fact
	count int
	facts []byte
}

// openBlock reads a block's frame. It shares the memory of key and value.
func openBlock(key, value []byte) (block, error) {
	if len(key) != blockKeySize || key[0] != tagFact || len(value) < 4 {
		return block{}, fmt.Errorf("%w: not a block", errDamaged)
	}
	last := binary.BigEndian.Uint64(key[3:])
	count := binary.BigEndian.Uint32(value)
	if count == 0 || uint64(count) > last || uint64(count) > uint64(len(value)) {
		return block{}, fmt.Errorf("%w: a block of %d facts", errDamaged, count)
	}
	return block{first: last - uint64(count) + 1, count: int(count), facts: value[4:]}, nil
}

func appendFact(b []byte, kind event.Kind, bytes []byte) []byte {
	b = append(b, byte(kind))
	b = binary.AppendUvarint(b, uint64(len(bytes)))
	return append(b, bytes...)
}

// rawFact is one fact of a block; it shares the block's memory.
type rawFact struct {
	kind  event.Kind
	bytes []byte
}

// nextFact takes the first fact off b.
func nextFact(b []byte) (f rawFact, rest []byte, err error) {
	if len(b) < 2 {
		return rawFact{}, nil, fmt.Errorf("%w: a block ends early", errDamaged)
	}
	size, n := binary.Uvarint(b[1:])
	if n <= 0 || size > uint64(len(b)-1-n) {
		return rawFact{}, nil, fmt.Errorf("%w: a fact's length", errDamaged)
	}
	from, to := 1+n, 1+n+int(size)
	return rawFact{event.Kind(b[0]), b[from:to:to]}, b[to:], nil
}

// skip drops the facts of a block before seq.
func (b *block) skip(seq uint64) error {
	for b.first < seq {
		_, rest, err := nextFact(b.facts)
		if err != nil {
			return err
		}
		b.first, b.count, b.facts = b.first+1, b.count-1, rest
	}
	return nil
}

// version is one version stored under an event key.
type version struct {
	number    uint32
	sum       [16]byte
	partition uint16
	seq       uint64
}

// appendVersions appends the wire form of the newest stream.VersionMax of vs,
// which are in rising order; the newest is written last.
func appendVersions(b []byte, vs []version) []byte {
	for _, v := range vs[max(0, len(vs)-stream.VersionMax):] {
		b = binary.BigEndian.AppendUint32(b, v.number)
		b = append(b, v.sum[:]...)
		b = binary.BigEndian.AppendUint16(b, v.partition)
		b = binary.BigEndian.AppendUint64(b, v.seq)
	}
	return b
}

// readVersions appends what appendVersions wrote to vs.
func readVersions(vs []version, b []byte) ([]version, error) {
	if len(b) == 0 || len(b)%versionSize != 0 {
		return nil, fmt.Errorf("%w: the versions of a key", errDamaged)
	}
	for ; len(b) > 0; b = b[versionSize:] {
		vs = append(vs, version{
			number: binary.BigEndian.Uint32(b), sum: [16]byte(b[4:20]),
			partition: binary.BigEndian.Uint16(b[20:]), seq: binary.BigEndian.Uint64(b[22:]),
		})
	}
	return vs, nil
}
