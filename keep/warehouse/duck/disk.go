package duck

import (
	"errors"
	"fmt"
	"os"
)

// Disk is what makes sealed files and their manifest true, beside DuckDB, which
// writes its own way. Tests of failing disks give one that loses what was not
// synced; System is the operating system's.
type Disk interface {
	// WriteFile makes a file, or replaces what is in it; only its owner may read it.
	WriteFile(name string, b []byte) error
	// Sync brings a file, or the names in a directory, to disk.
	Sync(name string) error
	// Rename gives a file another name, in place of what has it.
	Rename(from, to string) error
	// MkdirAll makes a directory and those above it, where they are not there.
	MkdirAll(name string) error
	// Remove removes a file.
	Remove(name string) error
}

// System is the operating system's disk.
type System struct{}

// WriteFile implements Disk.
func (System) WriteFile(name string, b []byte) error { return os.WriteFile(name, b, 0o600) }

// Sync implements Disk.
func (System) Sync(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}

// Rename implements Disk.
func (System) Rename(from, to string) error { return os.Rename(from, to) }

// MkdirAll implements Disk.
func (System) MkdirAll(name string) error { return os.MkdirAll(name, 0o750) }

// Remove implements Disk.
func (System) Remove(name string) error { return os.Remove(name) }
