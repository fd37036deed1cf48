package house

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"endcap/bench/faults/disk"
	"endcap/know/ingest"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// What every seed does at least, and how many operations it may take for it.
const (
	OperationsMin = 200
	CutsMin       = 3
	FaultsMin     = 10
	operationsMax = 2_000
)

// HistoryEvery is how many seeds go by for each one with a warehouse: it is
// derived, and opening it costs more than the rest of a seed.
const HistoryEvery = 100

// EmptyEvery is how many seeds go by for each one that begins on an empty disk,
// where Options have an image: no fault waits while a house is opened first.
const EmptyEvery = 10

// Options say what to play.
type Options struct {
	Seed     uint64
	Scratch  string      // an empty directory of the operating system
	Image    *disk.Image // of Furnish; nil to begin every seed on an empty disk
	Sabotage Sabotage
	History  bool                             // with a warehouse, whatever the seed says
	Trace    func(format string, args ...any) // hears of each operation; may be nil
}

// Report is what became of a seed.
type Report struct {
	Seed       uint64
	Operations int
	Opened     int // times the house was opened on what a power cut left
	Restarted  int // times it was closed and opened again
	Faults     map[disk.Kind]int
	Violations []string // what was promised and did not hold
}

// violationsMax bounds what one seed reports.
const violationsMax = 20

// run is one seed being played.
type run struct {
	Options
	rng     *rand.Rand
	plan    plan
	now     time.Time
	disk    *disk.Disk
	house   *house
	model   *model
	report  Report
	serial  int // numbers what is sent
	since   int // operations since the last power cut
	full    int // operations a full disk stays full
	strikes int // faults that had struck before this operation
	kept    []kept
	newest  map[string]uint32 // version last sent of each receipt
	deeds   sync.Mutex        // guards the model's deeds while callers race

	seen  map[name]*event.Fact // what the last check found stored
	known map[string]shopper.ID
	bills bills
}

// kept is a receipt as it was sent, to be sent again.
type kept struct {
	receipt ingest.Receipt
	card    string
}

// Play plays a seed to its end or to its first violation. An error is the
// harness's own, not the house's.
func Play(ctx context.Context, o Options) (Report, error) {
	unsynced := map[disk.Store]bool{}
	for _, s := range o.Sabotage.Unsynced {
		unsynced[s] = true
	}
	at := disk.Options{Seed: o.Seed, Scratch: o.Scratch, Unsynced: unsynced}
	if o.Seed%EmptyEvery != 0 && len(unsynced) == 0 { // what never syncs has no beginning that is on disk
		at.Image = o.Image
	}
	d, err := disk.New(at)
	if err != nil {
		return Report{}, err
	}
	r := &run{
		Options: o, rng: rand.New(rand.NewPCG(o.Seed, 1)), disk: d, model: newModel(), report: Report{Seed: o.Seed},
		newest: map[string]uint32{}, known: map[string]shopper.ID{},
		now: begin(),
	}
	var chance [32]byte
	chance[0], chance[1], chance[2], chance[3] = byte(o.Seed), byte(o.Seed>>8), byte(o.Seed>>16), byte(o.Seed>>24)
	r.plan = plan{
		now: func() time.Time { return r.now }, chance: rand.NewChaCha8(chance),
		history: o.History || o.Seed%HistoryEvery == 0, sabotage: o.Sabotage,
	}
	err = r.play(ctx)
	if r.house != nil {
		_ = r.house.close() // its disk goes with it
	}
	r.report.Faults = r.disk.Fired()
	return r.report, errors.Join(err, r.disk.Close())
}

// begin is when every seed begins.
func begin() time.Time { return time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC) }

// Furnish opens a house on an empty disk below scratch and closes it again, and
// gives what lies there then: tables, and stores that hold nothing yet.
func Furnish(ctx context.Context, scratch string) (*disk.Image, error) {
	d, err := disk.New(disk.Options{Scratch: scratch})
	if err != nil {
		return nil, err
	}
	h, err := open(ctx, d, plan{now: begin, chance: rand.NewChaCha8([32]byte{})})
	if err == nil {
		err = h.close()
	}
	return d.Image(), errors.Join(err, d.Close())
}

func (r *run) play(ctx context.Context) error {
	if err := r.open(ctx); err != nil {
		return err
	}
	for !r.done() {
		if r.report.Operations == operationsMax {
			r.violate("after %d operations the faults drawn have not struck: %v", operationsMax, r.disk.Fired())
			break
		}
		r.arm()
		r.report.Operations++
		r.since++
		r.strikes = r.struck()
		err := r.survive(ctx)
		if err := r.after(ctx, err); err != nil {
			return err
		}
	}
	if len(r.report.Violations) > 0 {
		return nil
	}
	r.disk.Heal()
	return r.reopen(ctx, true) // the last power cut
}

// survive does one operation. Pebble ends the program where it cannot close its
// log to begin another, and no writer could hear of it; then the program has died
// there, and the house is opened on what it had written.
func (r *run) survive(ctx context.Context) (err error) {
	defer func() {
		said := recover()
		if said == nil {
			return
		}
		if injected, ok := said.(error); !ok || !errors.Is(injected, disk.ErrInjected) {
			panic(said)
		}
		r.trace("%d: Pebble ended the program: %v", r.report.Operations, said)
		err = r.disk.Die()
	}()
	return r.operate(ctx)
}

func (r *run) done() bool {
	if len(r.report.Violations) > 0 {
		return true
	}
	fired := r.disk.Fired()
	return r.report.Operations >= OperationsMin && fired[disk.PowerCut] >= CutsMin-1 && r.faults() >= FaultsMin
}

// faults counts what has struck, but for power cuts.
func (r *run) faults() int { return r.struck() - r.disk.Fired()[disk.PowerCut] }

func (r *run) struck() int {
	n := 0
	for _, fired := range r.disk.Fired() {
		n += fired
	}
	return n
}

func (r *run) trace(format string, args ...any) {
	if r.Trace != nil {
		r.Trace(format, args...)
	}
}

func (r *run) violate(format string, args ...any) {
	if len(r.report.Violations) < violationsMax {
		r.report.Violations = append(r.report.Violations, fmt.Sprintf(format, args...))
	}
}

// cutEvery is how many operations go by before the power is cut next, within
// cutSoon operations; faults come every armEvery operations, so that a seed has
// its share of both soon after OperationsMin.
const (
	cutEvery = 60
	cutSoon  = 20
	armEvery = 4
)

// draw chooses a fault. Stores are drawn by how much they promise; those of
// Pebble mostly end with the house opened again, which costs the most.
func (r *run) draw() disk.Fault {
	stores := []disk.Store{disk.Book, disk.Book, disk.Book, disk.Vault, disk.Vault, disk.Vault, disk.Files, disk.Files, disk.Stream, disk.Profiles}
	if r.plan.history {
		stores = append(stores, disk.History, disk.History, disk.History)
	}
	kinds := []disk.Kind{disk.ReadError, disk.WriteError, disk.TornWrite, disk.SyncError, disk.SyncError, disk.NameError, disk.Full}
	return disk.Fault{Kind: kinds[r.rng.IntN(len(kinds))], Store: stores[r.rng.IntN(len(stores))], After: r.rng.IntN(3)}
}

// arm makes a fault wait now and then.
func (r *run) arm() {
	switch {
	case r.full > 0:
	case r.since >= cutEvery+cutSoon:
		r.disk.Arm(disk.Fault{Kind: disk.PowerCut, After: r.rng.IntN(12)})
	case r.since == cutEvery: // while a certain store is being written
		stores := []disk.Store{disk.Book, disk.Vault, disk.Stream, disk.Profiles, disk.Files}
		if r.plan.history {
			stores = append(stores, disk.History, disk.History, disk.History)
		}
		r.disk.Arm(disk.Fault{Kind: disk.PowerCut, Store: stores[r.rng.IntN(len(stores))], After: r.rng.IntN(2)})
	case r.since > cutEvery:
	case r.rng.IntN(armEvery) == 0:
		r.disk.Arm(r.draw())
	}
}

// after judges how an operation ended, and opens the house again where it must.
func (r *run) after(ctx context.Context, err error) error {
	struck := r.struck() - r.strikes
	if err != nil {
		r.trace("%d: %v", r.report.Operations, err)
	}
	if r.disk.Left() != nil {
		r.full = 0
		return r.reopen(ctx, true)
	}
	if err != nil && struck == 0 && r.full == 0 {
		r.violate("operation %d failed on a sound disk: %v", r.report.Operations, err)
		return nil
	}
	if struck > 0 && r.disk.IsFull() {
		r.full = 1 + r.rng.IntN(5)
	}
	if r.full > 0 {
		if r.full--; r.full == 0 {
			r.disk.Heal()
		}
	}
	if err != nil && isBroken(err) || r.rng.IntN(restartEvery) == 0 {
		return r.reopen(ctx, false)
	}
	return nil
}

// restartEvery is how many operations go by between two restarts in good order.
const restartEvery = 400

// openMax is how often a house is opened that faults keep from opening.
const openMax = 20

// open opens the house, again and again where a fault strikes meanwhile.
func (r *run) open(ctx context.Context) error {
	for range openMax {
		was := r.struck()
		h, err := open(ctx, r.disk, r.plan)
		left := r.disk.Left()
		if err == nil && left == nil {
			r.house = h
			return nil
		}
		if err == nil {
			_ = h.close() // on a disk that is no more
		}
		if left != nil {
			r.trace("the power was cut while the house was opened")
			if err := r.move(left); err != nil {
				return err
			}
			continue
		}
		if r.struck() == was && !r.disk.IsFull() {
			r.violate("the house does not open on a sound disk: %v", err)
			return nil
		}
		r.trace("open: %v", err)
		r.disk.Heal()
	}
	r.violate("the house did not open %d times", openMax)
	return nil
}

// move goes over to the disk that a power cut left.
func (r *run) move(to *disk.Disk) error {
	err := r.disk.Close()
	r.disk = to
	r.report.Opened++
	return err
}

// reopen closes the house, by a power cut or in order, opens it again and checks
// every promise.
func (r *run) reopen(ctx context.Context, crash bool) error {
	if crash {
		left, err := r.disk.Crash()
		if err != nil {
			return err
		}
		_ = r.house.close() // in a world that is no more
		if err := r.move(left); err != nil {
			return err
		}
	} else {
		was := r.struck()
		r.disk.Heal()
		err := r.house.close()
		if left := r.disk.Left(); left != nil {
			if err := r.move(left); err != nil {
				return err
			}
		} else if err != nil && r.struck() == was && r.strikes == was {
			r.violate("the house does not close on a sound disk: %v", err)
		}
		r.report.Restarted++
	}
	r.house, r.since = nil, 0
	r.trace("%d: opened again, crash %t", r.report.Operations, crash)
	switch r.rng.IntN(8) { // opening is when much is written
	case 0:
		r.disk.Arm(disk.Fault{Kind: disk.PowerCut, After: r.rng.IntN(60)})
	case 1:
		r.disk.Arm(r.draw())
	}
	if err := r.open(ctx); err != nil || len(r.report.Violations) > 0 {
		return err
	}
	r.disk.Heal()
	return r.check(ctx)
}

// isBroken says whether the stream failed to write: it then wants to be opened
// again.
func isBroken(err error) bool { return strings.Contains(err.Error(), "must be opened again") }

// Scratch is where scratch directories are made best: in memory, where the
// system has such a place, for SQLite's shared memory is many small files.
func Scratch() string {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		return memory
	}
	return os.TempDir()
}
