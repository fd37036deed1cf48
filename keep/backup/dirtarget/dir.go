// Package dirtarget keeps backups in a directory: another disk, or what is
// mounted from another machine. An object is a file of its name.
//
// An object is written under another name, synced, and renamed when it is whole;
// a crash leaves it complete or not at all, and what it left half-done is swept
// by the next writer that takes the directory.
//
// It stands beside the road of a receipt: what is kept on it lies here a second
// time.
package dirtarget

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/keep/backup"
)

const (
	unfinished = ".part" // how the name of an object being written ends
	lockName   = ".lock"
)

// Dir is a directory of backups.
type Dir struct {
	dir  string
	fs   vfs.FS
	made sync.Mutex // held while folders are made
	lock sync.Mutex // held by the writer of this process
}

var _ backup.Target = (*Dir)(nil)

// Open opens the backups in dir, and makes it where there is none and make is
// set. disk is nil for the operating system's.
func Open(dir string, make bool, disk vfs.FS) (*Dir, error) {
	if disk == nil {
		disk = vfs.Default
	}
	d := &Dir{dir: dir, fs: disk}
	if make {
		if err := errors.Join(disk.MkdirAll(dir, 0o700), d.syncDir(disk.PathDir(dir))); err != nil {
			return nil, fmt.Errorf("make the directory of backups: %w", err)
		}
	}
	if _, err := disk.Stat(dir); err != nil {
		return nil, fmt.Errorf("open the directory of backups: %w", err)
	}
	return d, nil
}

// Lock implements backup.Target. It sweeps what a killed writer left half-done.
func (d *Dir) Lock(ctx context.Context) (release func() error, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !d.lock.TryLock() {
		return nil, backup.ErrBusy
	}
	held, err := d.fs.Lock(d.fs.PathJoin(d.dir, lockName))
	if err != nil {
		d.lock.Unlock()
		return nil, fmt.Errorf("%w: %w", backup.ErrBusy, err)
	}
	release = sync.OnceValue(func() error {
		defer d.lock.Unlock()
		return held.Close()
	})
	if err := d.sweep(d.dir, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("sweep the directory of backups: %w", err), release())
	}
	return release, nil
}

// sweep removes objects that were never finished.
func (d *Dir) sweep(folder string, depth int) error {
	names, err := d.fs.List(folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		at := d.fs.PathJoin(folder, name)
		info, err := d.fs.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist): // a Put outside the lock has finished
			err = nil
		case err != nil:
		case name[0] == '.' && filepath.Ext(name) == unfinished && !info.IsDir():
			err = d.remove(at)
		case info.IsDir() && depth < backup.NameParts:
			err = d.sweep(at, depth+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Put implements backup.Target.
func (d *Dir) Put(ctx context.Context, name string, b []byte) error {
	if err := errors.Join(backup.CheckName(name), ctx.Err()); err != nil {
		return err
	}
	to := d.path(name)
	folder := d.fs.PathDir(to)
	err := d.makeFolder(folder)
	if err == nil {
		err = d.put(folder, to, b)
	}
	if err != nil {
		return fmt.Errorf("write %s in %s: %w", name, d.dir, err)
	}
	return nil
}

func (d *Dir) put(folder, to string, b []byte) error {
	part := d.fs.PathJoin(folder, "."+rand.Text()+unfinished)
	f, err := d.fs.Create(part, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.fs.Rename(part, to)
	}
	if err != nil {
		return errors.Join(err, d.remove(part))
	}
	return d.syncDir(folder)
}

// makeFolder makes a folder of objects and lets no crash lose it.
func (d *Dir) makeFolder(folder string) error {
	d.made.Lock()
	defer d.made.Unlock()
	if _, err := d.fs.Stat(folder); err == nil {
		return nil
	}
	if err := d.fs.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for at := folder; at != d.dir; {
		at = d.fs.PathDir(at)
		if err := d.syncDir(at); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dir) path(name string) string { return d.fs.PathJoin(d.dir, filepath.FromSlash(name)) }

func (d *Dir) syncDir(dir string) error {
	f, err := d.fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Get implements backup.Target.
func (d *Dir) Get(ctx context.Context, name string, most int64) (b []byte, err error) {
	if err := errors.Join(backup.CheckName(name), ctx.Err()); err != nil {
		return nil, err
	}
	f, err := d.fs.Open(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", backup.ErrNotFound, name)
	} else if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if info.Size() > most {
		return nil, fmt.Errorf("%w: %s has %d bytes, at most %d", backup.ErrDamaged, name, info.Size(), most)
	}
	b = make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return b, nil
}

// List implements backup.Target.
func (d *Dir) List(ctx context.Context, folder string) ([]backup.Object, error) {
	if err := errors.Join(backup.CheckName(folder), ctx.Err()); err != nil {
		return nil, err
	}
	return d.list(folder, d.path(folder), 0)
}

func (d *Dir) list(name, at string, depth int) ([]backup.Object, error) {
	names, err := d.fs.List(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("list %s: %w", name, err)
	}
	var out []backup.Object
	for _, n := range names {
		within, here := path.Join(name, n), d.fs.PathJoin(at, n)
		info, err := d.fs.Stat(here)
		switch {
		case errors.Is(err, fs.ErrNotExist) || backup.CheckName(within) != nil:
			continue
		case err != nil:
			return nil, fmt.Errorf("list %s: %w", name, err)
		case !info.IsDir():
			out = append(out, backup.Object{Name: within, Size: info.Size()})
		case depth < backup.NameParts:
			below, err := d.list(within, here, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, below...)
		}
	}
	slices.SortFunc(out, func(a, b backup.Object) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Remove implements backup.Target.
func (d *Dir) Remove(ctx context.Context, name string) error {
	if err := errors.Join(backup.CheckName(name), ctx.Err()); err != nil {
		return err
	}
	if err := d.remove(d.path(name)); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

func (d *Dir) remove(at string) error {
	if err := d.fs.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
