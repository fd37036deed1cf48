// Package backup is the port to where backups lie, and what a backup is: files
// cut into chunks, each under a key of its own; a manifest that lists files and
// those keys, sealed under the key of its week; and a bundle of the living
// weeks' keys, sealed for whoever holds the recovery key.
//
// A chunk that an earlier backup holds is not written again: the new manifest
// takes over its key. So every backup is whole by itself and costs what has
// changed. A manifest can be read while its week's key lives, 30 days from the
// week's Monday, and a chunk while a readable manifest names it: when the vault
// destroys the key of a week, what only backups of that week held is gone from
// every copy of the target. docs/decisions/backup.md says why it is so.
//
// It stands beside the road of a receipt, and takes everything that was kept on
// it to a safe place.
package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The errors a caller may branch on.
var (
	ErrNotFound = errors.New("there is no such object in the target")
	ErrName     = errors.New("not an object's name")
	ErrBusy     = errors.New("another backup is writing to the target")
	ErrDamaged  = errors.New("the backup is damaged")
	ErrKey      = errors.New("the recovery key does not open this target")
	ErrNone     = errors.New("there is no backup to restore")
	ErrRoom     = errors.New("no room")
	ErrForeign  = errors.New("the target holds backups of another house")
)

// Object is one stored object: its whole name and its length.
type Object struct {
	Name string
	Size int64
}

// Target is the port: named objects, in folders. An object is written whole or
// not at all, and durable when Put returns. All methods are safe for concurrent
// use.
type Target interface {
	// Put stores an object, in place of one of that name.
	Put(ctx context.Context, name string, b []byte) error
	// Get reads a whole object; ErrNotFound where there is none, ErrDamaged
	// where it is longer than most.
	Get(ctx context.Context, name string, most int64) ([]byte, error)
	// List returns the objects of a folder and its folders, sorted by name; none
	// where there is no such folder.
	List(ctx context.Context, folder string) ([]Object, error)
	// Remove removes an object. Removing what is gone is fine.
	Remove(ctx context.Context, name string) error
	// Lock takes the target for one writer until release is called or its
	// process ends; ErrBusy where another has it.
	Lock(ctx context.Context) (release func() error, err error)
}

// Secrets is what keeps the keys of weeks; keep/vault fits it.
type Secrets interface {
	Secret(ctx context.Context, name string, fresh func() ([]byte, error)) ([]byte, error)
	Destroy(ctx context.Context, from, before string) (int, error)
}

// The names in a target.
const (
	folderBackups  = "backups"    // a manifest each, named by its instant
	folderChunks   = "chunks"     // in 256 folders, named by a hash of their key
	nameKeys       = "keys"       // the living weeks' keys, for the recovery key
	nameMarks      = "tombstones" // of everybody forgotten, for a restore to apply
	nameUnfinished = "unfinished" // there while a backup is being written
)

// Owns says whether a name at the top of a target is one that backups use.
func Owns(name string) bool {
	return slices.Contains([]string{folderBackups, folderChunks, nameKeys, nameMarks, nameUnfinished}, name)
}

// A name is 1 to NameParts parts joined by slashes, each of 1 to PartMax bytes
// of [a-z0-9A-Z_.-] that does not begin with a dot.
const (
	NameParts = 3
	PartMax   = 64
)

// CheckName returns ErrName for what is not an object's name.
func CheckName(name string) error {
	parts := strings.Split(name, "/")
	if len(parts) > NameParts {
		return fmt.Errorf("%w: %.80q has more than %d parts", ErrName, name, NameParts)
	}
	for _, part := range parts {
		strange := strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != ""
		if part == "" || len(part) > PartMax || part[0] == '.' || strange {
			return fmt.Errorf("%w: %.80q", ErrName, name)
		}
	}
	return nil
}

// Limits of what is read from a target, in bytes.
const (
	GrainMax    = 16 << 20  // of one chunk
	manifestMax = 256 << 20 // about 2.5 million chunks
	bundleMax   = 1 << 20
	marksMax    = 512 << 20
	filesMax    = 1 << 20 // files in one backup
)
