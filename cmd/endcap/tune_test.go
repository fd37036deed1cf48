package main

import (
	"os"
	"testing"
)

// What may still be taken is told on a machine that says it, and is no more than
// there is.
func TestMemoryThatIsFreeIsPartOfTheMachines(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/meminfo"); err != nil {
		t.Skip("this system has no /proc/meminfo: what the machine has is taken for what is free")
	}
	if free, all := freeMemory(), machineMemory()<<20; free == 0 || all > 0 && free > all {
		t.Errorf("%d bytes of %d are free", free, all)
	}
}
