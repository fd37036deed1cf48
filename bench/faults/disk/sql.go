package disk

import (
	"io"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"

	"endcap/keep/sql/sqlite/disk"
)

func register(d *Disk)   { vfs.Register(d.name, system{d}) }
func unregister(d *Disk) { vfs.Unregister(d.name) }

// SQLite is the name of the file system for sqlite.Options.VFS, and Path where
// a database lies on it.
func (d *Disk) SQLite() string { return d.name }

// Path is where a store's own file lies, for SQLite and for sealed history.
func (d *Disk) Path(name string) string { return filepath.Join(d.real.root, name) }

// system is SQLite's view of the disk.
type system struct{ d *Disk }

var (
	_ vfs.VFS        = system{}
	_ disk.Directory = system{}
)

// storeOf is whose database a path belongs to.
func storeOf(path string) Store {
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	return Store(name)
}

// do does one operation while the world stands.
func (d *Disk) do(s Store, op Op, file string, fn func()) error {
	if _, err := d.strike(s, op, file); err != nil {
		return err
	}
	d.world.RLock()
	defer d.world.RUnlock()
	if op == Sync && d.opts.Unsynced[s] {
		return nil
	}
	fn()
	return nil
}

// Make implements disk.Directory: SQLite makes the file.
func (s system) Make(string) error { return nil }

// SyncDirectory implements disk.Directory.
func (s system) SyncDirectory(string) error {
	return s.d.do(Book, Sync, "", func() { s.d.tree.syncDir(Root) })
}

// inTree is a database's name in memory: every power cut moves the disk to
// another directory, where only SQLite's shared memory is real.
func inTree(name string) string { return Root + "/" + filepath.Base(name) }

// Open implements vfs.VFS.
func (s system) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	const lasting = vfs.OPEN_MAIN_DB | vfs.OPEN_MAIN_JOURNAL | vfs.OPEN_WAL | vfs.OPEN_SUPER_JOURNAL
	if flags&lasting == 0 {
		return &vfsutil.SliceFile{}, flags | vfs.OPEN_MEMORY, nil
	}
	n := s.d.tree.find(inTree(name))
	if n == nil {
		if flags&vfs.OPEN_CREATE == 0 {
			return nil, flags, sqlite3.CANTOPEN
		}
		n = &node{}
		if err := s.d.do(storeOf(name), Name, name, func() { s.d.tree.set(inTree(name), n) }); err != nil {
			return nil, flags, err
		}
	}
	return &file{d: s.d, n: n, store: storeOf(name), shm: vfs.NewSharedMemory(name+"-shm", flags)}, flags, nil
}

// Delete implements vfs.VFS.
func (s system) Delete(name string, syncDir bool) error {
	t := s.d.tree
	if t.find(inTree(name)) == nil {
		return sqlite3.IOERR_DELETE_NOENT
	}
	return s.d.do(storeOf(name), Name, name, func() {
		if t.set(inTree(name), nil); syncDir {
			t.syncDir(Root)
		}
	})
}

// Access implements vfs.VFS.
func (s system) Access(name string, _ vfs.AccessFlag) (bool, error) {
	return s.d.tree.find(inTree(name)) != nil, nil
}

// FullPathname implements vfs.VFS.
func (s system) FullPathname(name string) (string, error) { return name, nil }

// file is an open one.
type file struct {
	d     *Disk
	n     *node
	store Store
	shm   vfs.SharedMemory
	lock  vfs.LockLevel
}

var _ vfs.FileSharedMemory = (*file)(nil)

// SharedMemory implements vfs.FileSharedMemory.
func (f *file) SharedMemory() vfs.SharedMemory { return f.shm }

// Close implements vfs.File.
func (f *file) Close() error {
	err := f.Unlock(vfs.LOCK_NONE)
	if f.shm != nil {
		_ = f.shm.Close()
	}
	return err
}

// ReadAt implements vfs.File.
func (f *file) ReadAt(p []byte, at int64) (n int, err error) {
	if err := f.d.do(f.store, Read, "", func() { n = f.n.read(p, at) }); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements vfs.File.
func (f *file) WriteAt(p []byte, at int64) (int, error) {
	half, err := f.d.strike(f.store, Write, "")
	f.d.world.RLock()
	defer f.d.world.RUnlock()
	switch {
	case half:
		f.n.write(p[:len(p)/2], at)
		return len(p) / 2, err
	case err != nil:
		return 0, err
	}
	f.n.write(p, at)
	return len(p), nil
}

// Truncate implements vfs.File.
func (f *file) Truncate(size int64) error {
	return f.d.do(f.store, Write, "", func() { f.n.truncate(size) })
}

// Sync implements vfs.File. Like the driver's own, it leaves the names to others.
func (f *file) Sync(vfs.SyncFlag) error {
	return f.d.do(f.store, Sync, "", f.n.sync)
}

// Size implements vfs.File.
func (f *file) Size() (int64, error) { return f.n.size(), nil }

// SectorSize implements vfs.File.
func (f *file) SectorSize() int { return sector }

// DeviceCharacteristics implements vfs.File: what a torn write does not touch
// stays as it was, which is what SQLite takes for granted of every disk.
func (f *file) DeviceCharacteristics() vfs.DeviceCharacteristic { return vfs.IOCAP_POWERSAFE_OVERWRITE }

// locks are those of one file among the connections of this process.
type locks struct {
	shared            int
	reserved, pending bool
}

// Lock implements vfs.File.
func (f *file) Lock(want vfs.LockLevel) error {
	if f.lock >= want {
		return nil
	}
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	l := &f.n.locks
	switch want {
	case vfs.LOCK_SHARED:
		if l.pending {
			return sqlite3.BUSY
		}
		l.shared++
	case vfs.LOCK_RESERVED:
		if l.reserved {
			return sqlite3.BUSY
		}
		l.reserved = true
	case vfs.LOCK_EXCLUSIVE:
		if l.pending && f.lock < vfs.LOCK_PENDING {
			return sqlite3.BUSY
		}
		l.pending, f.lock = true, vfs.LOCK_PENDING
		if l.shared > 1 {
			return sqlite3.BUSY
		}
	case vfs.LOCK_NONE, vfs.LOCK_PENDING: // nobody asks for these
	}
	f.lock = want
	return nil
}

// Unlock implements vfs.File.
func (f *file) Unlock(to vfs.LockLevel) error {
	if f.lock <= to {
		return nil
	}
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	l := &f.n.locks
	if f.lock >= vfs.LOCK_RESERVED {
		l.reserved = false
	}
	if f.lock >= vfs.LOCK_PENDING {
		l.pending = false
	}
	if to == vfs.LOCK_NONE {
		l.shared--
	}
	f.lock = to
	return nil
}

// CheckReservedLock implements vfs.File.
func (f *file) CheckReservedLock() (bool, error) {
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	return f.n.locks.reserved, nil
}

// errFull is a full disk in the words of who asked.
func errFull(s Store) error {
	if s == Book || s == Vault {
		return sqlite3.FULL
	}
	return syscall.ENOSPC
}

// errInjected is an injected error in the words of who asked.
func errInjected(s Store, op Op) error {
	if s != Book && s != Vault {
		return ErrInjected
	}
	switch op {
	case Read:
		return sqlite3.IOERR_READ
	case Write:
		return sqlite3.IOERR_WRITE
	case Sync:
		return sqlite3.IOERR_FSYNC
	default:
		return sqlite3.IOERR
	}
}
