package disk

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"endcap/keep/warehouse/duck"
)

// directory is a real one, in which DuckDB can read and write, with a record of
// what its owner has synced: of each file the bytes, of each directory the names.
// Files are known by what they are, not by their names.
type directory struct {
	root  string
	mu    sync.Mutex
	files []*synced
	names map[string][]entry // by directory, what its last sync brought to disk
}

// synced is a file with its bytes at its last sync.
type synced struct {
	info  os.FileInfo
	bytes []byte
}

type entry struct {
	name string
	info os.FileInfo
}

func newDirectory(root string) *directory {
	return &directory{root: root, names: map[string][]entry{}}
}

// Real is the disk as sealed history sees it.
func (d *Disk) Real() duck.Disk { return real{d} }

type real struct{ d *Disk }

func (r real) do(op Op, name string, fn func() error) error {
	if _, err := r.d.strike(History, op, name); err != nil {
		return err
	}
	r.d.world.RLock()
	defer r.d.world.RUnlock()
	return fn()
}

// WriteFile implements duck.Disk.
func (r real) WriteFile(name string, b []byte) error {
	half, failed := r.d.strike(History, Write, name)
	r.d.world.RLock()
	defer r.d.world.RUnlock()
	switch {
	case half:
		return errors.Join(failed, duck.System{}.WriteFile(name, b[:len(b)/2]))
	case failed != nil:
		return failed
	}
	return duck.System{}.WriteFile(name, b)
}

// Rename implements duck.Disk.
func (r real) Rename(from, to string) error {
	return r.do(Name, to, func() error { return duck.System{}.Rename(from, to) })
}

// MkdirAll implements duck.Disk.
func (r real) MkdirAll(name string) error {
	return r.do(Name, name, func() error { return duck.System{}.MkdirAll(name) })
}

// Remove implements duck.Disk.
func (r real) Remove(name string) error {
	return r.do(Name, name, func() error { return duck.System{}.Remove(name) })
}

// Sync implements duck.Disk.
func (r real) Sync(name string) error {
	return r.do(Sync, name, func() error {
		if r.d.opts.Unsynced[History] {
			return nil
		}
		return r.d.real.sync(name)
	})
}

// sync records what a file or a directory holds now.
func (r *directory) sync(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if info.IsDir() {
		list, err := os.ReadDir(path)
		if err != nil {
			return err
		}
		var names []entry
		for _, e := range list {
			at, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // it went away while we looked
			}
			if err != nil {
				return err
			}
			names = append(names, entry{e.Name(), at})
		}
		r.names[path] = names
		return nil
	}
	bytes, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if s := r.file(info); s != nil {
		s.bytes = bytes
	} else {
		r.files = append(r.files, &synced{info, bytes})
	}
	return nil
}

func (r *directory) file(info os.FileInfo) *synced {
	for _, s := range r.files {
		if os.SameFile(s.info, info) {
			return s
		}
	}
	return nil
}

// salvage writes into another directory what a power cut leaves of this one.
// Names below a directory that was never synced may all be lost. What DuckDB
// writes its own way it also syncs its own way, unseen, so its files are kept as
// they are or, being derived, lost.
func (r *directory) salvage(to *directory, rng *rand.Rand, keep int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.salvageDir(r.root, to, rng, keep)
}

// derived files are DuckDB's own.
func derived(name string) bool { return strings.HasPrefix(name, "warehouse.duckdb") }

func (r *directory) salvageDir(from string, to *directory, rng *rand.Rand, keep int) error {
	list, err := os.ReadDir(from)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // one that was removed since comes back empty
		return err
	}
	target := filepath.Join(to.root, strings.TrimPrefix(from, r.root))
	names := slices.DeleteFunc(slices.Clone(r.names[from]), func(n entry) bool {
		return derived(n.name) && !slices.ContainsFunc(list, func(e os.DirEntry) bool { return e.Name() == n.name })
	})
	for _, e := range list {
		info, err := e.Info()
		if err != nil {
			return err
		}
		i := slices.IndexFunc(names, func(n entry) bool { return n.name == e.Name() })
		fresh := i < 0 || !os.SameFile(names[i].info, info)
		switch {
		case !fresh:
		case from == r.root || derived(e.Name()) || rng.IntN(100) < keep:
			if i >= 0 {
				names[i].info = info
			} else {
				names = append(names, entry{e.Name(), info})
			}
		}
	}
	lost := rng.IntN(4) == 0 // the working copy
	var kept []entry
	for _, n := range names {
		if strings.HasSuffix(n.name, "-shm") || derived(n.name) && lost {
			continue
		}
		path := filepath.Join(target, n.name)
		if n.info.IsDir() {
			if err := errors.Join(os.MkdirAll(path, 0o750), r.salvageDir(filepath.Join(from, n.name), to, rng, keep)); err != nil {
				return err
			}
		} else if err := os.WriteFile(path, r.bytesOf(from, n, rng, keep), 0o600); err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		kept = append(kept, entry{n.name, info})
	}
	if from != r.root {
		to.names[target] = kept
	}
	for _, n := range kept { // what is left is on disk
		if !n.info.IsDir() {
			b, err := os.ReadFile(filepath.Join(target, n.name))
			if err != nil {
				return err
			}
			to.files = append(to.files, &synced{n.info, b})
		}
	}
	return nil
}

// bytesOf is what is left of a file: what was synced of it, or else a beginning.
func (r *directory) bytesOf(dir string, n entry, rng *rand.Rand, keep int) []byte {
	path := filepath.Join(dir, n.name)
	was := r.file(n.info)
	info, err := os.Stat(path)
	if err == nil && os.SameFile(info, n.info) {
		now, err := os.ReadFile(path)
		switch {
		case err != nil:
		case derived(n.name), rng.IntN(100) < keep:
			return now
		case was == nil:
			return now[:rng.IntN(len(now)+1)]
		}
	}
	if was == nil {
		return nil // removed, and never synced
	}
	return was.bytes
}
