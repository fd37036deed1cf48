package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is the disk as the stream, the profiles and the artefacts see it; a store's
// directory is Root and its name.
func (d *Disk) FS() vfs.FS { return memory{vfs.Default, d} }

// memory is the tree as Pebble asks for it. What it takes from the operating
// system's file system is the grammar of paths.
type memory struct {
	vfs.FS
	d *Disk
}

// inRoot is whose file a path below Root is.
func inRoot(path string) Store {
	name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, "/"), Root+"/"), "/")
	return Store(name)
}

func (m memory) do(op Op, path string, fn func() error) error {
	if _, err := m.d.strike(inRoot(path), op, path); err != nil {
		return err
	}
	m.d.world.RLock()
	defer m.d.world.RUnlock()
	return fn()
}

func (m memory) file(op Op, name string, fn func(*tree) *node) (f vfs.File, err error) {
	err = m.do(op, name, func() error {
		n := fn(m.d.tree)
		if n == nil {
			return &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		f = &handle{d: m.d, n: n, path: name}
		return nil
	})
	return f, err
}

func create(t *tree, name string) *node {
	if parent := t.find(path.Dir(name)); parent == nil || !parent.dir {
		return nil
	}
	n := &node{}
	t.set(name, n)
	return n
}

// Create implements vfs.FS.
func (m memory) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return m.file(Name, name, func(t *tree) *node { return create(t, name) })
}

// Open implements vfs.FS.
func (m memory) Open(name string, _ ...vfs.OpenOption) (vfs.File, error) {
	return m.file(Read, name, func(t *tree) *node { return t.find(name) })
}

// OpenReadWrite implements vfs.FS.
func (m memory) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	return m.file(Name, name, func(t *tree) *node {
		if n := t.find(name); n != nil {
			return n
		}
		return create(t, name)
	})
}

// OpenDir implements vfs.FS.
func (m memory) OpenDir(name string) (vfs.File, error) { return m.Open(name) }

// Remove implements vfs.FS.
func (m memory) Remove(name string) error {
	return m.do(Name, name, func() error {
		switch n := m.d.tree.find(name); {
		case n == nil:
			return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
		case n.dir && len(m.d.tree.list(name)) > 0:
			return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
		}
		m.d.tree.set(name, nil)
		return nil
	})
}

// RemoveAll implements vfs.FS.
func (m memory) RemoveAll(name string) error {
	n := m.d.tree.find(name)
	if n == nil {
		return nil
	}
	if n.dir {
		for _, child := range m.d.tree.list(name) {
			if err := m.RemoveAll(path.Join(name, child)); err != nil {
				return err
			}
		}
	}
	return m.Remove(name)
}

// Rename implements vfs.FS.
func (m memory) Rename(from, to string) error {
	return m.do(Name, to, func() error { return m.d.tree.rename(from, to) })
}

// Link implements vfs.FS.
func (m memory) Link(from, to string) error {
	return m.do(Name, to, func() error {
		n := m.d.tree.find(from)
		if n == nil {
			return &fs.PathError{Op: "link", Path: from, Err: fs.ErrNotExist}
		}
		m.d.tree.set(to, n)
		return nil
	})
}

// ReuseForWrite implements vfs.FS.
func (m memory) ReuseForWrite(from, to string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	if err := m.Rename(from, to); err != nil {
		return nil, err
	}
	return m.Open(to)
}

// MkdirAll implements vfs.FS.
func (m memory) MkdirAll(name string, _ os.FileMode) error {
	return m.do(Name, name, func() error {
		m.d.tree.mkdirAll(name)
		return nil
	})
}

// Lock implements vfs.FS.
func (m memory) Lock(name string) (io.Closer, error) {
	t := m.d.tree
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.locked[name] {
		return nil, syscall.EAGAIN
	}
	t.locked[name] = true
	return unlock{t, name}, nil
}

type unlock struct {
	t    *tree
	name string
}

// Close implements io.Closer.
func (u unlock) Close() error {
	u.t.mu.Lock()
	defer u.t.mu.Unlock()
	delete(u.t.locked, u.name)
	return nil
}

// List implements vfs.FS.
func (m memory) List(name string) ([]string, error) {
	if m.d.tree.find(name) == nil {
		return nil, &fs.PathError{Op: "list", Path: name, Err: fs.ErrNotExist}
	}
	return m.d.tree.list(name), nil
}

// Stat implements vfs.FS.
func (m memory) Stat(name string) (vfs.FileInfo, error) {
	n := m.d.tree.find(name)
	if n == nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return info{path.Base(name), n.size(), n.dir}, nil
}

// GetDiskUsage implements vfs.FS: a terabyte, or next to nothing.
func (m memory) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	usage := vfs.DiskUsage{AvailBytes: 1 << 40, TotalBytes: 1 << 41, UsedBytes: 1 << 40}
	if m.d.full == inRoot(path) && m.d.left == nil {
		usage.AvailBytes = 1 << 20
	}
	return usage, nil
}

// Unwrap implements vfs.FS: there is nothing beneath that may be used instead.
func (m memory) Unwrap() vfs.FS { return nil }

// info is what Stat tells.
type info struct {
	name string
	size int64
	dir  bool
}

func (i info) Name() string           { return i.name }
func (i info) Size() int64            { return i.size }
func (i info) IsDir() bool            { return i.dir }
func (i info) ModTime() time.Time     { return time.Time{} }
func (i info) Sys() any               { return nil }
func (i info) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }
func (i info) Mode() os.FileMode {
	if i.dir {
		return os.ModeDir | 0o700
	}
	return 0o600
}

// handle is one open file or directory. One goroutine at a time moves its place.
type handle struct {
	d    *Disk
	n    *node
	path string
	at   int64
}

func (h *handle) do(op Op, fn func() error) error { return memory{nil, h.d}.do(op, h.path, fn) }

// Read implements vfs.File.
func (h *handle) Read(p []byte) (int, error) {
	n, err := h.ReadAt(p, h.at)
	h.at += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// ReadAt implements vfs.File.
func (h *handle) ReadAt(p []byte, at int64) (n int, err error) {
	err = h.do(Read, func() error {
		if n = h.n.read(p, at); n < len(p) {
			return io.EOF
		}
		return nil
	})
	return n, err
}

// Write implements vfs.File.
func (h *handle) Write(p []byte) (int, error) {
	n, err := h.WriteAt(p, h.at)
	h.at += int64(n)
	return n, err
}

// WriteAt implements vfs.File.
func (h *handle) WriteAt(p []byte, at int64) (int, error) {
	half, failed := h.d.strike(inRoot(h.path), Write, h.path)
	h.d.world.RLock()
	defer h.d.world.RUnlock()
	switch {
	case half:
		h.n.write(p[:len(p)/2], at)
		return len(p) / 2, failed
	case failed != nil:
		return 0, failed
	}
	h.n.write(p, at)
	return len(p), nil
}

// Sync implements vfs.File.
func (h *handle) Sync() error {
	return h.do(Sync, func() error {
		switch {
		case h.d.opts.Unsynced[inRoot(h.path)]:
		case h.n.dir:
			h.d.tree.syncDir(h.path)
		default:
			h.n.sync()
		}
		return nil
	})
}

// SyncData implements vfs.File.
func (h *handle) SyncData() error { return h.Sync() }

// SyncTo implements vfs.File: it promises nothing.
func (h *handle) SyncTo(int64) (bool, error) { return false, nil }

// Stat implements vfs.File.
func (h *handle) Stat() (vfs.FileInfo, error) {
	return info{path.Base(h.path), h.n.size(), h.n.dir}, nil
}

// Close implements vfs.File.
func (h *handle) Close() error { return nil }

// Preallocate implements vfs.File.
func (h *handle) Preallocate(int64, int64) error { return nil }

// Prefetch implements vfs.File.
func (h *handle) Prefetch(int64, int64) error { return nil }

// Fd implements vfs.File.
func (h *handle) Fd() uintptr { return vfs.InvalidFd }
