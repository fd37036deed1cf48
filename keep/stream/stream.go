// Package stream is the port to the append-only log of facts: the one truth
// about everything that came in, until know/history has sealed it.
//
// A stream has a fixed number of partitions; facts of one Unit lie in one of
// them, in the order they were appended. Nothing is promised across partitions.
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

// Appended is the answer for one fact. For Repeat and Conflict, At is where the
// stored fact lies; it may be empty once that has been trimmed.
type Appended struct {
	Outcome   Outcome
	Partition int
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
	AppendMax = 65_536 // facts in one Append
	ReadMax   = 65_536 // entries from one Read
)

// Stream is the port. All methods are safe for concurrent use.
type Stream interface {
	// Append stores facts in the given order and returns when all of them are
	// on disk. Facts are judged one by one: a repeat or a conflict does not
	// hinder its neighbours, and two facts with one key in the same call count
	// as one after the other. On error nothing is known of any fact; calling
	// again is safe. A fact with a higher Version than the stored one under the
	// same Key is New.
	Append(ctx context.Context, facts []event.Packed) ([]Appended, error)
	// Read returns up to limit entries of one partition that lie after a
	// cursor, in order; none when it has reached the end.
	Read(ctx context.Context, partition int, after event.Cursor, limit int) ([]Entry, error)
	// Partitions is how many there are; it never changes for a stream.
	Partitions() int
	// End is the cursor of the last fact of a partition, empty if it has none.
	End(ctx context.Context, partition int) (event.Cursor, error)
	// Wait returns when a partition has a fact after the cursor, or ctx ends.
	Wait(ctx context.Context, partition int, after event.Cursor) error
	// Trim forgets the facts of a partition up to and including a cursor. Keys
	// of Lasting kinds stay known; those of other kinds for as long as
	// event.RememberDays after the fact's arrival.
	Trim(ctx context.Context, partition int, upto event.Cursor) error
}

// ErrClosed is returned by every method after Close.
var ErrClosed = errors.New("stream is closed")

// ErrCursor is returned for a cursor that this stream never gave.
var ErrCursor = errors.New("not a cursor of this stream")
