package main

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"endcap/keep/warehouse/duck"
)

// slicesOfCore is how many goroutines may run at once on each core. Folding and
// sealing run for milliseconds at a time beside visits that take a fraction of
// one: the system shares a core between threads more finely than Go shares one
// thread between goroutines.
const slicesOfCore = 4

// Garbage is collected when garbageMost of it has gathered, or as much as is
// alive, whichever is more; but not before a fifth of the heap is alive.
const (
	garbageMost = 512 << 20
	percentMost = 400
)

// tune shares the processors and paces the garbage collector, unless the
// operator does by GOMAXPROCS and GOGC.
func tune() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(slicesOfCore * runtime.GOMAXPROCS(0)) // of what a container may use
	}
	if os.Getenv("GOGC") == "" {
		pace()
	}
}

// pace sets the collector's percentage anew after each of its rounds.
func pace() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	alive := max(live[0].Value.Uint64(), 1)
	debug.SetGCPercent(int(min(max(garbageMost*100/alive, 100), percentMost)))
	runtime.AddCleanup(new([16]byte), func(struct{}) { pace() }, struct{}{})
}

// What history and profiles take by default, in MB: profiles at least as much as
// in a command, either at most so much where the machine has plenty. More is the
// operator's to give.
const (
	historyMost     = 2_048
	profilesDefault = 96
	profilesMost    = 1_024
)

// historyMemory is how much memory, in MB, history of a house that serves may
// take where nobody says: an eighth of what the machine has, or the container.
func historyMemory() int {
	return int(min(max(machineMemory()/8, uint64(duck.Defaults().MemoryMB)), historyMost))
}

// profileMemory is the same of profiles, a sixteenth: where they outgrow it, a
// shopper is read from disk for each receipt of hers.
func profileMemory() int { return int(min(max(machineMemory()/16, profilesDefault), profilesMost)) }

// machineMemory is what the machine has, or the container, in MB; 0 where nobody
// says.
func machineMemory() uint64 {
	bytes, err := memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)()
	if err != nil {
		return 0
	}
	return bytes >> 20
}

// freeMemory is how many bytes of memory may still be taken: what the system says is
// available, or all that the container or the machine has where that is less; 0
// where nobody says.
func freeMemory() uint64 {
	all := machineMemory() << 20
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return all
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kB uint64
		if n, _ := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &kB); n == 1 {
			return min(kB<<10, cmp.Or(all, kB<<10))
		}
	}
	return all
}
