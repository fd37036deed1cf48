// Package disk is a disk that fails on purpose. It carries every store of a
// house: what goes through Pebble and through SQLite lies in memory, sealed
// history in a real directory whose syncs are recorded. One power cut takes them
// all at the same instant, and leaves of each file what was synced and a random
// share of what was not, torn at any sector, and of each directory the names
// that were synced and the first few changes since.
//
// It is beside the road of a receipt and pulls the plug.
package disk

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Store is whose file an operation is about.
type Store string

// The stores of a house, each with a folder or a file of its own below Root.
const (
	Book     Store = "book"
	Vault    Store = "vault"
	Stream   Store = "stream"
	Profiles Store = "profiles"
	Files    Store = "files"
	History  Store = "history"
)

// Root is the data directory on the disk.
const Root = "data"

// Op is what a store asks of the disk.
type Op uint8

// The operations.
const (
	Read Op = iota
	Write
	Sync
	Name // make, rename or remove a file, or bring a directory's names to disk
)

// Kind is a way for a disk to fail.
type Kind string

// The kinds. A PowerCut strikes any operation that changes something, or, where
// it names a store, one of its syncs, when most is at stake; the others strike one
// operation of their kind, which is answered with an error, but for Death: where an error would make Pebble end the program, the
// program ends there, and everything written so far is in the files.
const (
	PowerCut   Kind = "power_cut"
	Death      Kind = "death"
	ReadError  Kind = "read_error"
	WriteError Kind = "write_error"
	TornWrite  Kind = "torn_write"
	SyncError  Kind = "sync_error"
	NameError  Kind = "name_error"
	Full       Kind = "full"
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{PowerCut, Death, ReadError, WriteError, TornWrite, SyncError, NameError, Full}
}

// Fault is something that goes wrong once: at the operation After those that
// still pass. A Full disk stays full until Heal.
type Fault struct {
	Kind  Kind
	Store Store // where it strikes; empty for a PowerCut that may strike anywhere
	After int
}

// ErrInjected is the error of every fault that is not a full disk's.
var ErrInjected = errors.New("injected I/O error")

// Options make a disk.
type Options struct {
	Seed    uint64
	Scratch string // an empty directory of the operating system, for SQLite's shared memory and for sealed history
	// Unsynced names stores whose syncs do nothing: the sabotage that the test
	// of the test must find.
	Unsynced map[Store]bool
	Image    *Image // what lies in memory at first; nothing for nil
}

// Image is what lay in memory on some disk, for any number of disks to begin with.
type Image struct{ tree *tree }

// Image copies what lies in memory now, as if all of it were synced.
func (d *Disk) Image() *Image {
	d.world.Lock()
	defer d.world.Unlock()
	return &Image{d.tree.whole()}
}

// Disk is one disk until its power is cut; Left is the disk after that.
type Disk struct {
	opts  Options
	name  string // of its SQLite file system
	tree  *tree
	real  *directory
	world sync.RWMutex // held for reading by every operation, for writing by a power cut
	quiet sync.Mutex   // held while DuckDB writes its own files

	mu    sync.Mutex // guards what follows
	rng   *rand.Rand
	armed *Fault
	fired map[Kind]int
	full  Store
	left  *Disk
}

var generation atomic.Uint64

// New makes a disk, empty but for its image. Close it.
func New(o Options) (*Disk, error) {
	d := &Disk{opts: o, tree: newTree(), rng: rand.New(rand.NewPCG(o.Seed, 11)), fired: map[Kind]int{}}
	if o.Image != nil {
		d.tree = o.Image.tree.whole()
	}
	return d.start(nil, 0)
}

// start gives a disk its folder of scratch, with what a power cut left of the
// one before, and its place among SQLite's file systems.
func (d *Disk) start(was *directory, keep int) (*Disk, error) {
	number := generation.Add(1)
	d.name = "faults-" + strconv.FormatUint(number, 10)
	place := filepath.Join(d.opts.Scratch, strconv.FormatUint(number, 10))
	if err := os.Mkdir(place, 0o700); err != nil {
		return nil, err
	}
	d.real = newDirectory(place)
	if was != nil {
		if err := was.salvage(d.real, d.rng, keep); err != nil {
			return nil, err
		}
	}
	register(d)
	return d, nil
}

// Close takes the disk out of SQLite's list and removes its scratch.
func (d *Disk) Close() error {
	unregister(d)
	return os.RemoveAll(d.real.root)
}

// Arm makes a fault wait for its operation, in place of one that still waits.
func (d *Disk) Arm(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed = &f
}

// Heal disarms what waits and makes room on a full disk.
func (d *Disk) Heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed, d.full = nil, ""
}

// IsFull reports whether the disk is full for some store.
func (d *Disk) IsFull() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.full != ""
}

// Fired counts the faults that have struck, by kind, since the disk was new,
// through all its power cuts.
func (d *Disk) Fired() map[Kind]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.fired)
}

// Left is what the power cut left, nil while there was none. This disk goes on
// as if nothing had happened, in a world that is no more.
func (d *Disk) Left() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.left
}

// Crash cuts the power now, if it is not cut already, and returns what is left.
func (d *Disk) Crash() (*Disk, error) {
	if d.Left() == nil {
		if err := d.cut(PowerCut); err != nil {
			return nil, err
		}
	}
	return d.Left(), nil
}

// Die ends the program now, if the world has not ended already: everything written
// so far is in the files.
func (d *Disk) Die() error { return d.cut(Death) }

// Quiet keeps the power from being cut in the middle of what fn has DuckDB write
// its own way, unless fn itself asks something of Real: a copy of such files in
// the making would be of no moment at all.
func (d *Disk) Quiet(fn func() error) error {
	d.quiet.Lock()
	defer d.quiet.Unlock()
	return fn()
}

// strike says what is wrong with an operation about to be done; half is set
// where a write shall be done by half before it fails.
func (d *Disk) strike(s Store, op Op, file string) (half bool, err error) {
	d.mu.Lock()
	if d.left != nil { // the world goes on without faults
		d.mu.Unlock()
		return false, nil
	}
	if d.full == s && (op == Write || op == Name && s != Book && s != Vault) && !roomy(s) {
		d.mu.Unlock()
		return false, errFull(s)
	}
	f := d.armed
	if f == nil || !f.strikes(s, op, file) {
		d.mu.Unlock()
		return false, nil
	}
	if f.After--; f.After >= 0 {
		d.mu.Unlock()
		return false, nil
	}
	d.armed = nil
	kind := f.Kind
	if kind == Full {
		d.fired[Full]++
		d.full = s
		d.mu.Unlock()
		if roomy(s) {
			return false, nil
		}
		return false, errFull(s)
	}
	if kind != PowerCut && fatal(s, op, file) {
		kind = Death
	}
	if kind == PowerCut || kind == Death {
		d.mu.Unlock()
		if s != History {
			d.quiet.Lock()
			defer d.quiet.Unlock()
		}
		return false, d.cut(kind)
	}
	d.fired[kind]++
	d.mu.Unlock()
	return kind == TornWrite, errInjected(s, op)
}

// strikes says whether a fault is meant for an operation.
func (f *Fault) strikes(s Store, op Op, file string) bool {
	if f.Kind == PowerCut {
		return f.Store == "" && op != Read || f.Store == s && op == Sync
	}
	if f.Store != s {
		return false
	}
	switch f.Kind {
	case ReadError:
		return op == Read
	case WriteError, TornWrite, Full:
		return op == Write
	case SyncError:
		return op == Sync
	case NameError:
		return op == Name && !strings.HasSuffix(file, "LOCK")
	default:
		return false
	}
}

// roomy stores ask how much room there is and write nothing where it is little.
func roomy(s Store) bool { return s == Stream || s == Profiles }

// fatal says where Pebble answers an error by ending the program: anywhere but
// in tables, which it writes again, and in the log of the stream, whose writers
// hear of it. Where it changes to another log nobody hears, and it ends the
// program after all: see Die.
func fatal(s Store, op Op, file string) bool {
	if !roomy(s) {
		return false
	}
	switch filepath.Ext(file) {
	case ".sst":
		return op == Name
	case ".log":
		return s != Stream || op == Name || op == Read
	default:
		return true
	}
}

// cut stops the world and copies what a power cut would leave; a Death leaves
// everything that was written.
func (d *Disk) cut(kind Kind) error {
	d.world.Lock()
	defer d.world.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left != nil {
		return nil
	}
	d.fired[kind]++
	keep := 100
	if kind == PowerCut {
		keep = d.keep()
	}
	next := &Disk{opts: d.opts, rng: rand.New(rand.NewPCG(d.rng.Uint64(), 12)), fired: d.fired}
	next.tree = d.tree.crash(d.rng, keep)
	left, err := next.start(d.real, keep)
	if err != nil {
		return fmt.Errorf("cut the power: %w", err)
	}
	d.left = left
	return nil
}

// keep draws how much of what was not synced a power cut spares, in percent:
// nothing, everything, or a share.
func (d *Disk) keep() int {
	switch d.rng.IntN(5) {
	case 0:
		return 0
	case 1:
		return 100
	default:
		return 1 + d.rng.IntN(99)
	}
}
