package disk

import (
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// tree is the names of all files in memory: as they are, and as they are on
// disk. Between lie the changes of each directory since its last sync, in their
// order: a power cut keeps the first few of them. That is what file systems
// promise that keep a journal, and the least that Pebble needs: its marker of
// the newest manifest is made after the manifest and synced with it.
type tree struct {
	mu     sync.Mutex
	names  map[string]*node
	disk   map[string]*node
	moves  map[string][]move // by directory
	locked map[string]bool
}

// move is one change of a name; a nil node removes it. A rename takes another
// name away in the same step.
type move struct {
	name string
	to   *node
	from string
}

func newTree() *tree {
	t := &tree{names: map[string]*node{}, disk: map[string]*node{}, moves: map[string][]move{}, locked: map[string]bool{}}
	t.names[Root] = &node{dir: true}
	t.disk[Root] = t.names[Root]
	return t
}

// node is one file: what readers see, and the writes since the last sync. What
// is on disk are the data with those undone.
type node struct {
	dir     bool
	mu      sync.Mutex
	data    []byte
	pending []change
	locks   locks
}

// change is a write at an offset, or a cut to a size.
type change struct {
	at    int64
	bytes []byte
	cut   bool
	was   []byte // what lay where it changed the file, for as far as the file went
	size  int64  // of the file before it
}

func (c *change) apply(data []byte) []byte {
	if c.cut {
		return resize(data, c.at)
	}
	if end := c.at + int64(len(c.bytes)); end > int64(len(data)) {
		data = resize(data, end)
	}
	copy(data[c.at:], c.bytes)
	return data
}

// undo takes back a change, the newest of those made to data.
func (c *change) undo(data []byte) []byte {
	data = resize(data, c.size)
	copy(data[min(c.at, c.size):], c.was)
	return data
}

func resize(data []byte, size int64) []byte {
	if int64(len(data)) >= size {
		return data[:size:size] // what comes behind again is zero
	}
	return append(data, make([]byte, size-int64(len(data)))...)
}

// sectors takes a write apart at the disk's sectors.
func (c *change) sectors() []change {
	if c.cut {
		return []change{*c}
	}
	var out []change
	for at, rest := c.at, c.bytes; len(rest) > 0; {
		n := min(len(rest), int(sector-at%sector))
		out = append(out, change{at: at, bytes: rest[:n]})
		at, rest = at+int64(n), rest[n:]
	}
	return out
}

// crash is what a power cut leaves: of each directory the names up to some
// change, of each file the sectors that were synced and a share of the others.
func (t *tree) crash(rng *rand.Rand, keep int) *tree {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := maps.Clone(t.disk)
	for _, dir := range slices.Sorted(maps.Keys(t.moves)) { // in order, so that a seed repeats
		moves := t.moves[dir]
		kept := len(moves) * keep / 100
		if keep > 0 && keep < 100 {
			kept = rng.IntN(len(moves) + 1)
		}
		apply(names, moves[:kept])
	}
	left := newTree()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if name == Root || left.names[path.Dir(name)] == nil {
			continue // its directory is lost
		}
		left.names[name] = names[name].crash(rng, keep)
		left.disk[name] = left.names[name]
	}
	return left
}

// whole is a tree with the same files, all on disk: what is left if a power cut
// spares everything, whatever the chance.
func (t *tree) whole() *tree { return t.crash(rand.New(rand.NewPCG(0, 0)), 100) }

func apply(names map[string]*node, moves []move) {
	for _, m := range moves {
		if m.to == nil {
			delete(names, m.name)
		} else {
			names[m.name] = m.to
		}
		if m.from != "" {
			delete(names, m.from)
		}
	}
}

func (n *node) crash(rng *rand.Rand, keep int) *node {
	n.mu.Lock()
	defer n.mu.Unlock()
	data := slices.Clone(n.data)
	for i := len(n.pending) - 1; i >= 0; i-- {
		data = n.pending[i].undo(data)
	}
	for i := range n.pending {
		for _, piece := range n.pending[i].sectors() {
			if rng.IntN(100) < keep {
				data = piece.apply(data)
			}
		}
	}
	return &node{dir: n.dir, data: data}
}

func (n *node) write(b []byte, at int64) {
	n.change(change{at: at, bytes: slices.Clone(b)}, at+int64(len(b)))
}

func (n *node) truncate(size int64) { n.change(change{at: size, cut: true}, math.MaxInt64) }

// change makes a change that reaches as far as end.
func (n *node) change(c change, end int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c.size = int64(len(n.data))
	if c.at < c.size {
		c.was = slices.Clone(n.data[c.at:min(end, c.size)])
	}
	n.data = c.apply(n.data)
	n.pending = append(n.pending, c)
}

// read copies what lies at an offset and says how much that was.
func (n *node) read(p []byte, at int64) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if at >= int64(len(n.data)) {
		return 0
	}
	return copy(p, n.data[at:])
}

func (n *node) size() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return int64(len(n.data))
}

func (n *node) sync() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.pending)
	n.pending = n.pending[:0]
}

func clean(name string) string { return strings.TrimPrefix(path.Clean(name), "/") }

// find is the file or directory of a name, nil where there is none.
func (t *tree) find(name string) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.names[clean(name)]
}

// set gives a file a name, in place of what has it, or takes the name away.
func (t *tree) set(name string, to *node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setLocked(move{name: clean(name), to: to})
}

func (t *tree) setLocked(m move) {
	dir := path.Dir(m.name)
	t.moves[dir] = append(t.moves[dir], m)
	apply(t.names, []move{m})
}

func (t *tree) rename(from, to string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	from, to = clean(from), clean(to)
	n := t.names[from]
	if n == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	t.setLocked(move{to, n, from})
	return nil
}

func (t *tree) mkdirAll(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name = clean(name)
	for i := range len(name) + 1 {
		if i < len(name) && name[i] != '/' {
			continue
		}
		if t.names[name[:i]] == nil {
			t.setLocked(move{name: name[:i], to: &node{dir: true}})
		}
	}
}

// list gives the names in a directory.
func (t *tree) list(dir string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	dir = clean(dir) + "/"
	var out []string
	for name := range t.names {
		if rest, ok := strings.CutPrefix(name, dir); ok && !strings.Contains(rest, "/") {
			out = append(out, rest)
		}
	}
	slices.Sort(out)
	return out
}

// syncDir brings the names in a directory to disk.
func (t *tree) syncDir(dir string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	dir = clean(dir)
	apply(t.disk, t.moves[dir])
	delete(t.moves, dir)
}
