// Package profile is the port to what is known now of a shopper, read in well
// under a millisecond while she waits.
//
// A profile is a set of sections, each written by one package only and opaque
// to the store. Sections are folded from facts, so they can be thrown away and
// built again; counters (Bump) cannot and live outside.
//
// On the road of a receipt, followers write here and sell/decide reads once.
package profile

import (
	"context"
	"errors"
	"time"

	"endcap/retail/event"
	"endcap/retail/shopper"
)

// Section names a part of a profile, e.g. "habits". At most 32 bytes of [a-z_].
type Section string

// Profile is what is known of one shopper. A shopper nobody knows has no sections.
type Profile map[Section][]byte

// Change sets one section of one shopper; nil Value removes it.
type Change struct {
	Shopper shopper.ID
	Section Section
	Value   []byte
}

// Limits of what is stored.
const (
	SectionMax      = 1 << 20 // bytes of a section
	SectionNameMax  = 32      // bytes of its name
	FollowerNameMax = 64      // bytes of a follower's name
	CounterKeyMax   = 128     // bytes of a counter's key
	CountersMax     = 4_096   // living counters of one shopper; Bump counts no new one beyond
)

// Counter is one frequency counter of a shopper.
type Counter struct {
	Key   string    // what is counted, e.g. a line item and a day; at most 128 bytes
	Max   int       // Bump refuses to count beyond it; 0 means no bound
	Until time.Time // the counter is gone after this; of several given, the last
	Back  bool      // take one back that was counted and came to nothing; never below zero
}

// Store is the port. All methods are safe for concurrent use. Values returned
// belong to the caller, but for those of Get.
type Store interface {
	// Get returns all sections of a shopper as of one instant, nil for nobody known.
	// It may be shared with other callers: nobody may change it.
	Get(ctx context.Context, who shopper.ID) (Profile, error)
	// Sections returns one section of many shoppers, nil where absent, in the
	// order asked; for folds.
	Sections(ctx context.Context, section Section, who []shopper.ID) ([][]byte, error)
	// Apply saves changes and the follower's cursor for a partition in one step.
	// A cursor not ahead of the saved one changes nothing and is no error. It
	// need not be on disk when Apply returns: after a crash both are the older
	// ones, and the stream brings the rest again.
	Apply(ctx context.Context, follower string, partition int, next event.Cursor, changes []Change) error
	// Cursor is the last cursor applied, empty for none.
	Cursor(ctx context.Context, follower string, partition int) (event.Cursor, error)
	// Sync returns when everything applied before is on disk, so that no crash
	// takes a cursor back that was read before: ahead of whatever forgets facts
	// because they have been folded.
	Sync(ctx context.Context) error
	// Replace deletes every section written by a follower together with its
	// cursors, so that it can be folded from the start. Counters stay. One that
	// fails or is cut short by a crash is finished by calling it again, or by
	// opening the store again; until then Apply fails for that follower.
	Replace(ctx context.Context, follower string, sections []Section) error
	// Counting gives access to counters and forgetting.
	Counting
}

// Counting is the part of the port outside rebuild.
type Counting interface {
	// Bump adds one to each counter and says for each whether it was counted:
	// not if that would pass its Max. One with Back loses one, and is always
	// counted. Exact under concurrency.
	Bump(ctx context.Context, who shopper.ID, now time.Time, counters []Counter) ([]bool, error)
	// Counts returns the counters of a shopper that live at now.
	Counts(ctx context.Context, who shopper.ID, now time.Time) (map[string]int, error)
	// Forget deletes all sections and counters of a shopper from the store's
	// live data; Compact makes the bytes go too.
	Forget(ctx context.Context, who shopper.ID) error
	// Compact rewrites what forgotten shoppers left on disk.
	Compact(ctx context.Context) error
}

// The errors a caller may branch on.
var (
	ErrClosed = errors.New("profile store is closed")                                       // by every method after Close
	ErrLimit  = errors.New("over a limit of the profile store, or a name it does not take") // before anything is done
)
