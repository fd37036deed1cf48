// Package files is the port to immutable, versioned artefacts: models, bitmaps,
// snapshots. An artefact is written once under a new version and read by a
// local path that may be mapped into memory.
//
// On the road of a receipt, know/recommend leaves its model here.
package files

import (
	"context"
	"errors"
	"io"
)

// ErrNotFound is returned where an artefact has no version, or not this one.
var ErrNotFound = errors.New("no such artefact")

// Files is the port. All methods are safe for concurrent use.
type Files interface {
	// Put stores a new version of an artefact, durable when it returns, and
	// gives its number, one above the last. A Put that fails leaves nothing.
	Put(ctx context.Context, name string, write func(io.Writer) error) (version uint64, err error)
	// Newest is the newest version's number; ErrNotFound when there is none.
	Newest(ctx context.Context, name string) (uint64, error)
	// Path is a local path to read one version from; it stays until Drop.
	Path(ctx context.Context, name string, version uint64) (string, error)
	// Drop removes versions below keep.
	Drop(ctx context.Context, name string, keep uint64) error
}
