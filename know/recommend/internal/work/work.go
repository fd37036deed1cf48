// Package work divides the work of learning over the processors at hand. What is
// worked out must not depend on how many there are: a call writes to its own place
// alone, and sums are made of parts whose number is fixed.
//
// It is beside the road of a receipt: models are trained with it at night.
package work

import (
	"runtime"
	"sync"
)

// Each calls f with 0 to n−1, as many at once as there are processors, and returns
// when all have returned. Where a program runs more goroutines at once than there
// are processors, so that short work need not wait for long work, this is the long.
func Each(n int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), runtime.NumCPU(), n)
	if workers <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}
