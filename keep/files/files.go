// Package files is the port to immutable, versioned artefacts: models, bitmaps,
// snapshots. An artefact is written once under a new version and read by a
// local path that may be mapped into memory.
//
// On the road of a receipt, know/recommend leaves its model here.
package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The errors a caller may branch on.
var (
	ErrNotFound = errors.New("no such artefact")       // it has no version, or not this one
	ErrName     = errors.New("not an artefact's name") // before anything is done
)

// A name is 1 to NameParts parts joined by slashes, e.g. "recommend/popular".
// Each part has 1 to PartMax bytes of [a-z0-9_.-] and begins with a letter.
const (
	NameParts = 4
	PartMax   = 100
)

// CheckName returns ErrName for what is not a name.
func CheckName(name string) error {
	parts := strings.Split(name, "/")
	if len(parts) > NameParts {
		return fmt.Errorf("%w: %.80q has more than %d parts", ErrName, name, NameParts)
	}
	for _, part := range parts {
		strange := strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != ""
		if part == "" || len(part) > PartMax || part[0] < 'a' || part[0] > 'z' || strange {
			return fmt.Errorf("%w: %.80q wants parts of 1 to %d bytes of [a-z0-9_.-] that begin with a letter", ErrName, name, PartMax)
		}
	}
	return nil
}

// Files is the port. All methods are safe for concurrent use.
type Files interface {
	// Put stores a new version of an artefact, durable when it returns, and
	// gives its number, one above the last, dropped or not. A Put that fails
	// leaves nothing; when ctx ends, what write writes to fails.
	Put(ctx context.Context, name string, write func(io.Writer) error) (version uint64, err error)
	// Newest is the newest version's number; ErrNotFound when there is none.
	Newest(ctx context.Context, name string) (uint64, error)
	// Path is a local path to read one version from; it stays until Drop.
	Path(ctx context.Context, name string, version uint64) (string, error)
	// Drop removes versions below keep. Dropping what is gone is fine.
	Drop(ctx context.Context, name string, keep uint64) error
}
