package backup_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"endcap/keep/backup"
	"endcap/keep/backup/dirtarget"
)

// disk is one that goes wrong at its n-th operation, and for good.
type disk struct {
	left   atomic.Int64
	killed bool // nothing works any more; else it is only full
}

// MaybeError implements errorfs.Injector.
func (d *disk) MaybeError(op errorfs.Op) error {
	writes := op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpMkdirAll
	if !writes && !d.killed || op.Kind == errorfs.OpFileClose || d.left.Add(-1) >= 0 {
		return nil
	}
	if d.killed {
		return errors.New("killed")
	}
	return syscall.ENOSPC
}

// String implements errorfs.Injector.
func (d *disk) String() string { return "disk" }

// A run that is broken off anywhere, by a kill or for want of room, leaves the
// backup before it whole, can be run again, and leaves nothing behind then.
func TestABackupThatBreaksOffCanBeRunAgain(t *testing.T) {
	t.Parallel()
	for name, killed := range map[string]bool{"killed": true, "no room": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			for n := int64(0); ; n++ {
				if breakOff(t, h, n, killed) {
					t.Logf("broken off at each of %d operations", n)
					if n < 10 {
						t.Errorf("only %d operations: nothing was proved", n)
					}
					return
				}
			}
		})
	}
}

// breakOff breaks the second backup off at operation n, and says whether it had
// so few.
func breakOff(t *testing.T, h *house, n int64, killed bool) (done bool) {
	t.Helper()
	mem := vfs.NewMem()
	open := func(disk vfs.FS) backup.Target {
		d, err := dirtarget.Open("target", true, disk)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	h.target, h.now = open(mem), thursday
	h.write("a", noise(10, 3*grain))
	h.backUp()
	was := contents(t, h.dir)
	h.now = h.now.Add(time.Hour)
	h.write("a", noise(11, 3*grain))
	bad := &disk{killed: killed}
	bad.left.Store(1 << 40)
	broken := open(errorfs.Wrap(mem, bad))
	bad.left.Store(n)
	_, err := h.try(broken)
	if err == nil && bad.left.Load() >= 0 {
		return true
	}
	if err == nil || !killed && !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("broken off at operation %d: %v", n, err)
	}
	h.holds(thursday, was)
	h.now = h.now.Add(time.Hour)
	h.backUp()
	h.holds(time.Time{}, contents(t, h.dir))
	h.holds(thursday, was)
	chunks, err := h.target.List(t.Context(), "chunks")
	if err != nil {
		t.Fatal(err)
	}
	if len(chunks) != 6 && len(chunks) != 9 { // 9 where the broken run had its manifest stored
		t.Errorf("broken off at operation %d: %d chunks in the end, want 6", n, len(chunks))
	}
	if names, err := mem.List("target"); err != nil || strings.Contains(fmt.Sprint(names), ".part") || strings.Contains(fmt.Sprint(names), "unfinished") {
		t.Errorf("broken off at operation %d: %v stayed, %v", n, names, err)
	}
	return false
}
