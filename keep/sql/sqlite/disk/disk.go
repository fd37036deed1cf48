// Package disk stands between SQLite and the operating system's files, so that
// a bench can count what is written and synced, and a test can make the disk
// refuse. Everything else passes through unchanged. It also makes the files that
// SQLite opens, and brings their names to disk.
//
// On the road of a receipt, it puts the names of the book and the vault on disk;
// what watches is beside the road.
package disk

import (
	"errors"
	"fmt"
	"os"

	"github.com/ncruces/go-sqlite3/vfs"
)

// Op is what SQLite is about to do to a file.
type Op uint8

// The operations watched.
const (
	Write Op = iota
	Sync
	Truncate
)

// Watch makes a file system known to SQLite under a name that no other has,
// for Options.VFS, until Unwatch. before is called ahead of every Op with the
// number of bytes concerned (0 for Sync), on the goroutine that writes; its
// error, such as sqlite3.FULL, is given to SQLite instead of doing the Op.
func Watch(name string, before func(op Op, bytes int64) error) error {
	if vfs.Find(name) != nil {
		return fmt.Errorf("a file system %q is watched already", name)
	}
	vfs.Register(name, system{vfs.Find("").(vfs.VFSFilename), before})
	return nil
}

// Unwatch takes the name back; files that are open stay watched.
func Unwatch(name string) { vfs.Unregister(name) }

// Directory is what a file system for Options.VFS is beside, where it keeps the
// names of its files itself: a test's disk that loses power loses names too.
type Directory interface {
	// Make makes an empty file, readable by its owner only, where there is none.
	Make(path string) error
	// SyncDirectory brings the names in a directory to disk.
	SyncDirectory(name string) error
}

// DirectoryOf is who makes files and keeps their names on a file system.
func DirectoryOf(name string) Directory {
	if d, ok := vfs.Find(name).(Directory); ok {
		return d
	}
	return osDirectory{}
}

// osDirectory is the operating system's Directory.
type osDirectory struct{}

// Make implements Directory.
func (osDirectory) Make(path string) error {
	made, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return made.Close()
}

// SyncDirectory implements Directory.
func (osDirectory) SyncDirectory(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

type system struct {
	vfs.VFSFilename
	before func(Op, int64) error
}

// OpenFilename implements vfs.VFSFilename.
func (s system) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := s.VFSFilename.OpenFilename(name, flags)
	if err != nil {
		return nil, flags, err
	}
	return &file{f, s.before}, flags, nil
}

type file struct {
	vfs.File
	before func(Op, int64) error
}

// WriteAt implements vfs.File.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if err := f.before(Write, int64(len(p))); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

// Sync implements vfs.File.
func (f *file) Sync(flags vfs.SyncFlag) error {
	if err := f.before(Sync, 0); err != nil {
		return err
	}
	return f.File.Sync(flags)
}

// Truncate implements vfs.File.
func (f *file) Truncate(size int64) error {
	if err := f.before(Truncate, size); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

// SharedMemory implements vfs.FileSharedMemory, without which there is no WAL.
func (f *file) SharedMemory() vfs.SharedMemory {
	if shared, ok := f.File.(vfs.FileSharedMemory); ok {
		return shared.SharedMemory()
	}
	return nil
}
