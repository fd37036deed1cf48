// Package stream is the port to the append-only log of facts: the one truth
// about everything that came in, until know/history has sealed it.
//
// A stream has a fixed number of partitions; facts of one Unit lie in one of
// them (PartitionOf), in the order they were appended. Nothing is promised
// across partitions.
//
// On the road of a receipt, know/ingest appends, and Followers read.
package stream

import (
	"context"
	"errors"

	"endcap/retail/event"
)

// Outcome says what became of one appended fact.
type Outcome uint8

// The outcomes.
const (
	New      Outcome = iota // stored
	Repeat                  // the same fact is stored already; nothing was done
	Conflict                // another fact is stored under this key with the same or a higher version; nothing was done
)

// String gives the outcome's name, e.g. "repeat".
func (o Outcome) String() string {
	switch o {
	case New:
		return "new"
	case Repeat:
		return "repeat"
	case Conflict:
		return "conflict"
	default:
		return "outcome(?)"
	}
}

// Appended is the answer for one fact. For Repeat and Conflict, Partition and At
// say where the stored fact lies, and Version which it is; At is empty once that
// has been trimmed.
type Appended struct {
	Outcome   Outcome
	Partition int
	Version   uint32
	At        event.Cursor
}

// Entry is one stored fact. Bytes are event.Pack's and belong to the reader.
type Entry struct {
	At    event.Cursor
	Kind  event.Kind
	Bytes []byte
}

// Limits of one call.
const (
	AppendMax  = 65_536 // facts in one Append
	ReadMax    = 65_536 // entries from one Read
	VersionMax = 16     // newest versions under one Key whose repeats are known at least
	// TogetherMax is how many bytes of facts in one Append reach the disk
	// together: after a crash all that were new are there, or none.
	TogetherMax = 1 << 20
)

// PartitionOf is where facts of a unit lie, in every stream of that many
// partitions. A fact that must reach them all is appended once with each of the
// units 0 to partitions-1, under ids of their own.
func PartitionOf(unit uint64, partitions int) int { return int(unit % uint64(partitions)) }

// Stream is the port. All methods are safe for concurrent use.
type Stream interface {
	// Append stores facts in the given order and returns when all of them are
	// on disk. Facts are judged one by one: a repeat or a conflict does not
	// hinder its neighbours, and two facts with one key in the same call count
	// as one after the other. On error nothing is known of any fact; calling
	// again is safe. The facts' memory is not kept.
	//
	// Under one Key, a fact with a higher Version than every stored one is New;
	// one whose Version and Sum are stored is a Repeat, also where a higher
	// Version is stored too, so that loading a file and its corrections twice
	// changes nothing; any other is a Conflict with the newest.
	Append(ctx context.Context, facts []event.Packed) ([]Appended, error)
	// Read returns up to limit entries of one partition that lie after a
	// cursor, in order; none when it has reached the end. It may return fewer
	// than there are, to bound memory. Trimmed facts are passed over.
	Read(ctx context.Context, partition int, after event.Cursor, limit int) ([]Entry, error)
	// Newest says what Append would meet under each Key of a Lasting kind: the
	// newest fact as a Conflict, or New where none is stored.
	Newest(ctx context.Context, keys [][16]byte) ([]Appended, error)
	// Fetch returns the one entry at a cursor, ErrGone once it was trimmed.
	Fetch(ctx context.Context, partition int, at event.Cursor) (Entry, error)
	// Partitions is how many there are; it never changes for a stream.
	Partitions() int
	// First is the cursor up to which a partition was trimmed, empty if it
	// never was: whoever stands before it must read history first.
	First(ctx context.Context, partition int) (event.Cursor, error)
	// End is the cursor of the last fact ever stored in a partition, trimmed or
	// not, empty if there was none.
	End(ctx context.Context, partition int) (event.Cursor, error)
	// Wait returns when a partition has a fact after the cursor, or ctx ends.
	Wait(ctx context.Context, partition int, after event.Cursor) error
	// Trim forgets the facts of a partition up to and including a cursor. Keys
	// of Lasting kinds stay known; those of other kinds for as long as
	// event.RememberDays after the fact's arrival. Trimming twice is fine.
	Trim(ctx context.Context, partition int, upto event.Cursor) error
}

// The errors a caller may branch on.
var (
	ErrClosed    = errors.New("stream is closed")                   // by every method after Close
	ErrCursor    = errors.New("not a cursor of this stream")        // for a cursor that this stream never gave
	ErrGone      = errors.New("the fact was trimmed")               // by Fetch
	ErrPartition = errors.New("the stream has no such partition")   // for a partition outside 0 to Partitions()-1
	ErrLimit     = errors.New("over a limit of the stream's calls") // by Append, Newest and Read, before anything is done
)
