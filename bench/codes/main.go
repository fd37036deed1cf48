// Command codes measures how coupon codes are made: five million into a file that
// appears whole or not at all, in a process of its own, beside a reference that
// draws codes by lot and keeps all in a map to find those that came twice. Then
// it breaks a file off at three quarters, within a line, lets the job go on, and
// compares; reads every code back; and sorts all to count duplicates.
//
// It is before the road of a receipt, with a stopwatch: make bench-codes.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"endcap/bench/figure"
	"endcap/retail/coupon"
)

// options are what the command line says.
type options struct {
	dir   string
	count uint64
	side  string // in a process of its own: what it does
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "where files are made, 28 bytes a code; the temporary directory by default")
	flag.Uint64Var(&o.count, "count", 5_000_000, "how many codes")
	flag.StringVar(&o.side, "side", "", "make one file and stop: ours or reference, in -dir, with secrets from the standard input")
	flag.Parse()
	figure.Main("codes", func(ctx context.Context, out io.Writer) error {
		if o.side != "" {
			return side(o)
		}
		return run(ctx, out, o)
	})
}

// side is what a process of its own does.
func side(o options) error {
	if o.side == "reference" {
		return lots(filepath.Join(o.dir, "reference.txt"), o.count)
	}
	w, err := newWorld(os.Stdin, o.count)
	if err != nil {
		return err
	}
	return w.job(filepath.Join(o.dir, "codes.txt"))
}

func run(ctx context.Context, out io.Writer, o options) (err error) {
	if o.dir, err = os.MkdirTemp(o.dir, "bench-codes"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	secrets := make([]byte, 2*coupon.SecretSize)
	if _, err := rand.Read(secrets); err != nil {
		return err
	}
	ours, err := measure(ctx, o, "ours", secrets)
	if err != nil {
		return err
	}
	reference, err := measure(ctx, o, "reference", nil)
	if err != nil {
		return err
	}
	figure.Goal(out, "codes.seconds", ours.seconds, "s", "<=60")
	figure.Print(out, "codes.cpu_seconds", ours.cpu, "s")
	figure.Goal(out, "codes.memory", ours.peak, "MB", "<=300")
	figure.Print(out, "codes.reference_seconds", reference.seconds, "s")
	figure.Print(out, "codes.reference_cpu_seconds", reference.cpu, "s")
	figure.Print(out, "codes.reference_memory", reference.peak, "MB")
	figure.Print(out, "codes.cpu_vs_reference", ours.cpu/reference.cpu, "ratio")
	figure.Print(out, "codes.memory_vs_reference", ours.peak/reference.peak, "ratio")
	return verify(out, o, secrets)
}

// used is what a process used.
type used struct{ seconds, cpu, peak float64 }

// measure runs one side in a process of its own.
func measure(ctx context.Context, o options, what string, secrets []byte) (used, error) {
	self, err := os.Executable()
	if err != nil {
		return used{}, err
	}
	cmd := exec.CommandContext(ctx, self, "-side", what, "-dir", o.dir, "-count", strconv.FormatUint(o.count, 10))
	in, err := cmd.StdinPipe()
	if err != nil {
		return used{}, err
	}
	cmd.Stderr = os.Stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return used{}, err
	}
	_, err = in.Write(secrets)
	if err = errors.Join(err, in.Close(), cmd.Wait()); err != nil {
		return used{}, fmt.Errorf("%s: %w", what, err)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return used{}, errors.New("this system does not say what a process used")
	}
	return used{
		time.Since(start).Seconds(), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(),
		float64(usage.Maxrss) * 1_024 / 1e6,
	}, nil
}

// verify looks at the file that the measured job left.
func verify(out io.Writer, o options, secrets []byte) error {
	w, err := newWorld(bytes.NewReader(secrets), o.count)
	if err != nil {
		return err
	}
	made := filepath.Join(o.dir, "codes.txt")
	differences, err := w.breakOff(made, filepath.Join(o.dir, "broken.txt"))
	if err != nil {
		return err
	}
	figure.Goal(out, "codes.differences_after_a_break", differences, "bytes", "=0")
	found, err := w.read(made)
	if err != nil {
		return err
	}
	figure.Goal(out, "codes.made", found.lines, "codes", "="+strconv.FormatUint(o.count, 10))
	figure.Goal(out, "codes.not_read_back", found.unread, "codes", "=0")
	figure.Goal(out, "codes.duplicates", found.twice, "codes", "=0")
	return nil
}
