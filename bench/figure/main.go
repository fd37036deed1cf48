package figure

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Main is what a benchmark's main does once its flags are read: it runs the
// benchmark, with figures going to standard output, and ends its context when
// somebody interrupts it. Where it fails, Main says why under the benchmark's name
// and ends the program with status 1.
func Main(name string, run func(ctx context.Context, out io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/"+name+":", err)
		os.Exit(1)
	}
}
