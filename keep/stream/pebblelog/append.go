package pebblelog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"endcap/keep/stream"
	"endcap/retail"
	"endcap/retail/event"
)

const (
	blockBytes = 64 << 10 // facts are gathered into blocks of about this size
	chunkBytes = 4 << 20  // and the facts of a call into batches of about this size
	// generationDays is how many days of arrival share a generation of dated
	// keys. A generation goes as a whole, once the next one has ended: after
	// RememberDays at the earliest, twice that at the latest.
	generationDays = event.RememberDays
)

// bench is where facts are judged, one chunk at a time; its memory is used again.
type bench struct {
	mu          sync.Mutex
	next        []uint64 // the seq of the next fact of each partition
	generations []uint32 // of dated keys, rising; usually one or two
	order       []place  // the chunk's facts in the order of their keys
	runs        []run
	versions    []version
	seqs        []uint64 // for each fact, where it or what it repeats lies
	blocks      [][]byte // for each partition, the block being filled
	counts      []uint32
	key, value  []byte
}

// place is one fact of a chunk. High is the beginning of its key, for sorting.
type place struct {
	high uint64
	at   int32
}

// run is the facts of a chunk under one key: order[from:to], and what is stored
// under it: versions[low:high], of which the last fresh ones are of this chunk.
type run struct {
	from, to, low, high int32
	fresh               int32
}

// unplaced marks a version of this chunk: its seq is the fact's index until the
// facts have their places.
const unplaced = 1 << 63

// Append implements stream.Stream.
func (l *Log) Append(ctx context.Context, facts []event.Packed) ([]stream.Appended, error) {
	if err := checkFacts(facts); err != nil {
		return nil, err
	}
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	defer l.life.RUnlock()
	if err := l.room(); err != nil {
		return nil, err
	}
	out := make([]stream.Appended, len(facts))
	rest := facts
	for done := 0; len(rest) > 0; {
		n := chunk(rest)
		if err := l.appendChunk(ctx, rest[:n], out[done:done+n]); err != nil {
			return nil, err
		}
		rest, done = rest[n:], done+n
	}
	return out, nil
}

func checkFacts(facts []event.Packed) error {
	if len(facts) > stream.AppendMax {
		return fmt.Errorf("%w: %d facts in one call, at most %d", stream.ErrLimit, len(facts), stream.AppendMax)
	}
	for i := range facts {
		if n := len(facts[i].Bytes); n == 0 || n > event.FactMax {
			return fmt.Errorf("%w: a fact of %d bytes, 1 to %d are taken", stream.ErrLimit, n, event.FactMax)
		}
	}
	return nil
}

// chunk is how many of the facts go into one batch: at least one.
func chunk(facts []event.Packed) int {
	size := 0
	for i := range facts {
		if size += len(facts[i].Bytes); size > chunkBytes && i > 0 {
			return i
		}
	}
	return len(facts)
}

// room refuses facts while the disk is almost full.
func (l *Log) room() error {
	usage, err := l.opts.FS.GetDiskUsage(l.dir)
	told := err == nil // a file system that cannot tell is not full
	if !told || usage.AvailBytes >= l.opts.ReserveBytes {
		return nil
	}
	return &retail.Error{
		Kind: retail.Unavailable, Say: "the disk is almost full; nothing was stored",
		Cure: "make room on the disk of the data directory and send it again",
		Err:  fmt.Errorf("%d bytes left for the stream, %d are kept free", usage.AvailBytes, l.opts.ReserveBytes),
	}
}

// appendChunk judges facts, applies them and waits until they are on disk.
// Batches reach the disk in the order they are applied, so this batch's fsync
// also vouches for all before it.
func (l *Log) appendChunk(ctx context.Context, facts []event.Packed, out []stream.Appended) error {
	batch := l.db.NewBatchWithSize(batchSize(facts))
	applied, ends, err := l.apply(batch, facts, out)
	if err != nil {
		return errors.Join(err, batch.Close())
	}
	if !applied {
		return errors.Join(l.settle(ctx, ends), batch.Close())
	}
	if err := batch.SyncWait(); err != nil {
		return l.fail(err)
	}
	for p, end := range ends {
		l.parts[p].publish(end)
	}
	return batch.Close()
}

func batchSize(facts []event.Packed) int {
	size := 64
	for i := range facts {
		size += len(facts[i].Bytes) + 8 + 17 + versionSize + 16
	}
	return size
}

// apply judges facts and puts what is new into the database, where readers do
// not look for it before it is published. ends holds the last seq given to each
// partition: by this call if it applied anything, else by any before it.
func (l *Log) apply(batch *pebble.Batch, facts []event.Packed, out []stream.Appended) (applied bool, ends []uint64, err error) {
	b := &l.bench
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := l.whole(); err != nil {
		return false, nil, err
	}
	generation := b.generation(l.opts.Now)
	if err := l.judge(facts, out); err != nil {
		return false, nil, fmt.Errorf("judge facts: %w", err)
	}
	if err := errors.Join(b.place(batch, facts, out), b.index(batch, facts, generation)); err != nil {
		return false, nil, l.fail(err)
	}
	b.answer(out)
	l.hideTrimmed(out)
	ends = slices.Clone(b.next)
	for p := range ends {
		ends[p]--
	}
	if batch.Empty() {
		return false, ends, nil
	}
	if err := l.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		return false, nil, l.fail(err)
	}
	return true, ends, nil
}

// settle waits until everything up to ends is on disk.
func (l *Log) settle(ctx context.Context, ends []uint64) error {
	for p, end := range ends {
		if end == 0 {
			continue
		}
		if err := l.waitPart(ctx, &l.parts[p], end-1); err != nil {
			return err
		}
	}
	return nil
}

// judge finds out what becomes of each fact: it fills runs and versions, and the
// outcome and, for repeats and conflicts, the seq of each fact. Facts are taken
// in the order of their keys, so that the database is read and written in order.
func (l *Log) judge(facts []event.Packed, out []stream.Appended) error {
	b := &l.bench
	b.sort(facts)
	b.runs, b.versions = b.runs[:0], b.versions[:0]
	b.seqs = slices.Grow(b.seqs[:0], len(facts))[:len(facts)]
	iter, err := l.db.NewIter(&pebble.IterOptions{
		LowerBound: []byte{tagDated}, UpperBound: []byte{tagKey + 1}, UseL6Filters: true,
	})
	if err != nil {
		return err
	}
	for from := 0; from < len(b.order); {
		key := &facts[b.order[from].at].Key
		to := from + 1
		for to < len(b.order) && facts[b.order[to].at].Key == *key {
			to++
		}
		r := run{from: int32(from), to: int32(to), low: int32(len(b.versions))}
		if err := b.lookUp(iter, facts[b.order[from].at].Kind.Lasting(), key); err != nil {
			return errors.Join(err, iter.Close())
		}
		for _, o := range b.order[from:to] {
			if out[o.at].Outcome = b.weigh(&r, facts, o.at); out[o.at].Outcome == stream.New {
				r.fresh++
			}
		}
		r.high = int32(len(b.versions))
		b.runs = append(b.runs, r)
		from = to
	}
	return iter.Close()
}

// sort puts the facts in the order of their keys, those of one key as they came.
func (b *bench) sort(facts []event.Packed) {
	b.order = b.order[:0]
	for i := range facts {
		b.order = append(b.order, place{binary.BigEndian.Uint64(facts[i].Key[:8]), int32(i)})
	}
	slices.SortFunc(b.order, func(x, y place) int {
		if x.high != y.high {
			return cmp.Compare(x.high, y.high)
		}
		if c := bytes.Compare(facts[x.at].Key[8:], facts[y.at].Key[8:]); c != 0 {
			return c
		}
		return cmp.Compare(x.at, y.at)
	})
}

// lookUp appends to versions what is stored under a key, in rising order.
func (b *bench) lookUp(iter *pebble.Iterator, lasting bool, key *[16]byte) error {
	if lasting {
		return b.lookAt(iter, appendIDKey(b.key[:0], true, 0, key))
	}
	for _, generation := range slices.Backward(b.generations) {
		had := len(b.versions)
		if err := b.lookAt(iter, appendIDKey(b.key[:0], false, generation, key)); err != nil || len(b.versions) > had {
			return err
		}
	}
	return nil
}

func (b *bench) lookAt(iter *pebble.Iterator, key []byte) error {
	b.key = key
	if !iter.SeekPrefixGE(key) {
		return iter.Error()
	}
	value, err := iter.ValueAndErr()
	if err != nil {
		return err
	}
	b.versions, err = readVersions(b.versions, value)
	return err
}

// weigh judges one fact against the versions of its run and adds it to them if
// it is new.
func (b *bench) weigh(r *run, facts []event.Packed, at int32) stream.Outcome {
	f := &facts[at]
	known := b.versions[r.low:]
	if len(known) == 0 || f.Version > known[len(known)-1].number {
		b.versions = append(b.versions, version{number: f.Version, sum: f.Sum, seq: unplaced | uint64(at)})
		return stream.New
	}
	for i := range known {
		if known[i].number == f.Version && known[i].sum == f.Sum {
			b.seqs[at] = uint64(r.low) + uint64(i)
			return stream.Repeat
		}
	}
	b.seqs[at] = uint64(r.low) + uint64(len(known)-1)
	return stream.Conflict
}

// place gives each new fact its seq and writes the blocks.
func (b *bench) place(batch *pebble.Batch, facts []event.Packed, out []stream.Appended) error {
	for i := range facts {
		if out[i].Outcome != stream.New {
			continue
		}
		p := stream.PartitionOf(facts[i].Unit, len(b.next))
		out[i].Partition, b.seqs[i] = p, b.next[p]
		b.next[p]++
		if b.counts[p] == 0 {
			b.blocks[p] = append(b.blocks[p][:0], 0, 0, 0, 0)
		}
		b.counts[p]++
		if b.blocks[p] = appendFact(b.blocks[p], facts[i].Kind, facts[i].Bytes); len(b.blocks[p]) >= blockBytes {
			if err := b.writeBlock(batch, p); err != nil {
				return err
			}
		}
	}
	for p := range b.blocks {
		if err := b.writeBlock(batch, p); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) writeBlock(batch *pebble.Batch, p int) error {
	if b.counts[p] == 0 {
		return nil
	}
	binary.BigEndian.PutUint32(b.blocks[p], b.counts[p])
	b.counts[p] = 0
	b.key = appendBlockKey(b.key[:0], p, b.next[p]-1)
	err := batch.Set(b.key, b.blocks[p], nil)
	if cap(b.blocks[p]) > 4*blockBytes {
		b.blocks[p] = nil // one fact was huge; let its memory go
	}
	return err
}

// index writes the rows of the keys under which something is new.
func (b *bench) index(batch *pebble.Batch, facts []event.Packed, generation uint32) error {
	for _, r := range b.runs {
		if r.fresh == 0 {
			continue
		}
		known := b.versions[r.low:r.high]
		for i := len(known) - int(r.fresh); i < len(known); i++ {
			at := known[i].seq &^ unplaced
			known[i].partition = uint16(stream.PartitionOf(facts[at].Unit, len(b.next)))
			known[i].seq = b.seqs[at]
		}
		f := &facts[b.order[r.from].at]
		if !f.Kind.Lasting() {
			b.generations = withGeneration(b.generations, generation)
		}
		b.key = appendIDKey(b.key[:0], f.Kind.Lasting(), generation, &f.Key)
		b.value = appendVersions(b.value[:0], known)
		if err := batch.Set(b.key, b.value, nil); err != nil {
			return err
		}
	}
	return nil
}

// answer fills in where the facts lie.
func (b *bench) answer(out []stream.Appended) {
	for i := range out {
		if out[i].Outcome != stream.New {
			v := &b.versions[b.seqs[i]]
			out[i].Partition, out[i].Version, b.seqs[i] = int(v.partition), v.number, v.seq
		}
	}
	cursors := newCursorRun(b.seqs)
	for i := range out {
		out[i].At = cursors.take()
	}
}

// Newest implements stream.Stream. Like a repeat's answer, its own waits until
// what it found is on disk.
func (l *Log) Newest(ctx context.Context, keys [][16]byte) ([]stream.Appended, error) {
	if len(keys) > stream.AppendMax {
		return nil, fmt.Errorf("%w: %d keys in one call, at most %d", stream.ErrLimit, len(keys), stream.AppendMax)
	}
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	defer l.life.RUnlock()
	out := make([]stream.Appended, len(keys))
	ends, err := l.bench.newest(l.db, keys, out)
	if err != nil {
		return nil, fmt.Errorf("look up keys: %w", err)
	}
	for i := range out {
		if a := &out[i]; a.Outcome != stream.New {
			if seq, _ := seqOf(a.At); seq <= l.parts[a.Partition].first() {
				a.At = ""
			}
		}
	}
	return out, l.settle(ctx, ends)
}

// newest fills in what is stored under lasting keys, and gives the last seq of
// each partition.
func (b *bench) newest(db *pebble.DB, keys [][16]byte, out []stream.Appended) (ends []uint64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	iter, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{tagKey}, UpperBound: []byte{tagKey + 1}, UseL6Filters: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	for i := range keys {
		b.versions = b.versions[:0]
		if err := b.lookUp(iter, true, &keys[i]); err != nil {
			return nil, err
		}
		if n := len(b.versions); n > 0 {
			v := &b.versions[n-1]
			out[i] = stream.Appended{Outcome: stream.Conflict, Partition: int(v.partition), Version: v.number, At: cursorOf(v.seq)}
		}
	}
	ends = slices.Clone(b.next)
	for p := range ends {
		ends[p]--
	}
	return ends, nil
}

// hideTrimmed empties the cursors of stored facts that were trimmed.
func (l *Log) hideTrimmed(out []stream.Appended) {
	for i := range out {
		if out[i].Outcome != stream.New && l.bench.seqs[i] <= l.parts[out[i].Partition].first() {
			out[i].At = ""
		}
	}
}

// generation is the one under which dated keys are written now. It never falls
// behind one that exists, whatever the clock says.
func (b *bench) generation(now retail.Clock) uint32 {
	g := generationOf(now)
	if n := len(b.generations); n > 0 {
		g = max(g, b.generations[n-1])
	}
	return g
}

func generationOf(now retail.Clock) uint32 {
	return uint32(max(0, now().Unix()/(86_400*generationDays)))
}

// withGeneration adds g, which is not below any of all, if it is not the last.
func withGeneration(all []uint32, g uint32) []uint32 {
	if n := len(all); n > 0 && all[n-1] == g {
		return all
	}
	return append(all, g)
}
