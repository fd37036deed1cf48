// Package dirfiles keeps artefacts in a directory: a folder for each name, a
// file for each version, named by its number.
//
// A version is written under another name, synced, and renamed when it is whole;
// a crash leaves it complete or not at all, and what it left half-done is swept
// when the directory is opened again.
//
// On the road of a receipt, the models that decide reads lie here.
package dirfiles

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/keep/files"
)

const (
	unfinished = ".part"  // how the name of a version being written ends
	lastName   = ".last"  // holds the number of the last version where it was dropped
	digits     = 20       // of a version's file name
	bufferSize = 64 << 10 // of a version being written
	safeMax    = 1_024    // folders that are known to be on disk
)

// Dir is an open directory of artefacts.
type Dir struct {
	dir string
	fs  vfs.FS
	mu  sync.Mutex // held while folders are made, numbers given, versions renamed or removed
	seq uint64     // names unfinished versions apart

	safe map[string]bool // folders whose names this Dir has brought to disk
}

var _ files.Files = (*Dir)(nil)

// Open opens the artefacts in dir, makes it where there is none, and removes
// what a crash left unfinished. disk is nil for the operating system's. The
// caller sees to it that one process alone has dir open.
func Open(dir string, disk vfs.FS) (*Dir, error) {
	if disk == nil {
		disk = vfs.Default
	}
	d := &Dir{dir: dir, fs: disk, safe: map[string]bool{}}
	if err := disk.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of artefacts: %w", err)
	}
	if err := errors.Join(d.syncDir(disk.PathDir(dir)), d.sweep(dir, 0)); err != nil {
		return nil, fmt.Errorf("open the artefacts in %s: %w", dir, err)
	}
	return d, nil
}

// sweep removes unfinished versions in a folder and those in it.
func (d *Dir) sweep(folder string, depth int) error {
	names, err := d.fs.List(folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := d.fs.PathJoin(folder, name)
		info, err := d.fs.Stat(path)
		switch {
		case err != nil:
			return err
		case filepath.Ext(name) == unfinished && name[0] == '.' && !info.IsDir():
			err = d.fs.Remove(path)
		case info.IsDir() && depth < files.NameParts:
			err = d.sweep(path, depth+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Put implements files.Files.
func (d *Dir) Put(ctx context.Context, name string, write func(io.Writer) error) (version uint64, err error) {
	if err := errors.Join(files.CheckName(name), ctx.Err()); err != nil {
		return 0, err
	}
	folder, err := d.makeFolder(name)
	if err != nil {
		return 0, fmt.Errorf("make a folder for %s: %w", name, err)
	}
	part := d.fs.PathJoin(folder, d.partName())
	whole := false
	defer func() {
		if !whole { // write failed, or panicked
			_ = d.fs.Remove(part) // what is left is swept at the next Open
		}
	}()
	if err := d.writePart(ctx, part, write); err != nil {
		return 0, fmt.Errorf("write %s: %w", name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	last, err := d.last(folder)
	if err != nil {
		return 0, fmt.Errorf("number %s: %w", name, err)
	}
	if err := d.fs.Rename(part, d.fs.PathJoin(folder, fileName(last+1))); err != nil {
		return 0, fmt.Errorf("name %s: %w", name, err)
	}
	whole = true
	if err := d.syncDir(folder); err != nil {
		return 0, errors.Join(fmt.Errorf("sync %s: %w", name, err), d.fs.Remove(d.fs.PathJoin(folder, fileName(last+1))))
	}
	return last + 1, nil
}

func (d *Dir) partName() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seq++
	return "." + strconv.FormatUint(d.seq, 10) + unfinished
}

// makeFolder makes the folder of a name and lets no crash lose it.
func (d *Dir) makeFolder(name string) (string, error) {
	d.mu.Lock() // else a second Put could rely on a folder that is not synced yet
	defer d.mu.Unlock()
	folder := d.folder(name)
	if d.safe[folder] {
		return folder, nil
	}
	// One that is there already may come from a call that failed before its
	// name was on disk, or from a program that was killed then.
	if err := d.fs.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	for at := folder; at != d.dir; {
		at = d.fs.PathDir(at)
		if err := d.syncDir(at); err != nil {
			return "", err
		}
	}
	if len(d.safe) >= safeMax {
		clear(d.safe)
	}
	d.safe[folder] = true
	return folder, nil
}

func (d *Dir) folder(name string) string { return d.fs.PathJoin(d.dir, filepath.FromSlash(name)) }

func (d *Dir) syncDir(dir string) error {
	f, err := d.fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d *Dir) writePart(ctx context.Context, path string, write func(io.Writer) error) (err error) {
	f, err := d.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(until{ctx, f}, bufferSize)
	if err := write(w); err != nil {
		return err
	}
	if err := errors.Join(w.Flush(), ctx.Err()); err != nil {
		return err
	}
	return f.Sync()
}

// until is a writer that fails once its context has ended.
type until struct {
	ctx context.Context // of the one call of Put it lives in
	to  io.Writer
}

func (u until) Write(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.to.Write(b)
}

// Newest implements files.Files.
func (d *Dir) Newest(ctx context.Context, name string) (uint64, error) {
	if err := errors.Join(files.CheckName(name), ctx.Err()); err != nil {
		return 0, err
	}
	versions, err := d.versions(d.folder(name))
	if err != nil {
		return 0, fmt.Errorf("list %s: %w", name, err)
	}
	if len(versions) == 0 {
		return 0, fmt.Errorf("%w: %s", files.ErrNotFound, name)
	}
	return versions[len(versions)-1], nil
}

// Path implements files.Files.
func (d *Dir) Path(ctx context.Context, name string, version uint64) (string, error) {
	if err := errors.Join(files.CheckName(name), ctx.Err()); err != nil {
		return "", err
	}
	path := d.fs.PathJoin(d.folder(name), fileName(version))
	_, err := d.fs.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: version %d of %s", files.ErrNotFound, version, name)
	}
	if err != nil {
		return "", fmt.Errorf("find version %d of %s: %w", version, name, err)
	}
	return path, nil
}

// Drop implements files.Files.
func (d *Dir) Drop(ctx context.Context, name string, keep uint64) error {
	if err := errors.Join(files.CheckName(name), ctx.Err()); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	folder := d.folder(name)
	versions, err := d.versions(folder)
	if err != nil || len(versions) == 0 {
		return err
	}
	if last := versions[len(versions)-1]; last < keep {
		if err := d.noteLast(folder, last); err != nil {
			return fmt.Errorf("note the last version of %s: %w", name, err)
		}
	}
	for _, version := range versions {
		if version >= keep {
			break
		}
		if err := d.fs.Remove(d.fs.PathJoin(folder, fileName(version))); err != nil {
			return fmt.Errorf("drop version %d of %s: %w", version, name, err)
		}
	}
	if err := d.syncDir(folder); err != nil {
		return fmt.Errorf("drop versions of %s: %w", name, err)
	}
	return nil
}

// versions lists the versions in a folder, rising.
func (d *Dir) versions(folder string) ([]uint64, error) {
	names, err := d.fs.List(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var versions []uint64
	for _, name := range names {
		if v, err := strconv.ParseUint(name, 10, 64); err == nil && len(name) == digits {
			versions = append(versions, v)
		}
	}
	slices.Sort(versions)
	return versions, nil
}

func fileName(version uint64) string { return fmt.Sprintf("%0*d", digits, version) }

// last is the last version ever given in a folder, 0 for none.
func (d *Dir) last(folder string) (uint64, error) {
	versions, err := d.versions(folder)
	if err != nil || len(versions) > 0 {
		return slices.Max(append(versions, 0)), err
	}
	f, err := d.fs.Open(d.fs.PathJoin(folder, lastName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	text, err := io.ReadAll(io.LimitReader(f, digits+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	return strconv.ParseUint(string(text), 10, 64)
}

// noteLast remembers the number of the last version before it is removed.
func (d *Dir) noteLast(folder string, version uint64) error {
	part := d.fs.PathJoin(folder, lastName+unfinished)
	f, err := d.fs.Create(part, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(fileName(version)))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := d.fs.Rename(part, d.fs.PathJoin(folder, lastName)); err != nil {
		return err
	}
	return d.syncDir(folder)
}
