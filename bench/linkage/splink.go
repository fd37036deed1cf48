package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"endcap/bench/figure"
)

// splinkMax bounds what Splink may write.
const splinkMax = 1 << 30

// splink has Splink link a set and prints its F1 and ours ÷ its own. Ours is at
// the probability fixed beforehand; its own is at the one that suits it best,
// found with the truth in hand.
func (s *set) splink(ctx context.Context, out io.Writer, o *options, b *batch, ours float64) error {
	script, err := filepath.Abs(o.splink)
	if err != nil {
		return fmt.Errorf("find Splink's script: %w", err)
	}
	var pairs, said bytes.Buffer
	run := exec.CommandContext(ctx, "python3", script, filepath.Join(o.data, s.file))
	run.Stdout, run.Stderr = &limited{&pairs, splinkMax}, &limited{&said, 1 << 20}
	began := time.Now()
	if err := run.Run(); err != nil {
		return fmt.Errorf("run Splink: %w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	wall, cpu := time.Since(began), run.ProcessState.UserTime()+run.ProcessState.SystemTime()
	its, err := b.readPairs(&pairs)
	if err != nil {
		return err
	}
	best, at := 0.0, 0.0
	for percent := 1; percent < 100; percent++ {
		p := float64(percent) / 100
		if f := f1(b.judge(its, p)); f > best {
			best, at = f, p
		}
	}
	name := "linkage." + s.name
	figure.Print(out, name+".splink_f1", f1(b.judge(its, least)), "F1")
	figure.Print(out, name+".splink_f1_best", best, "F1")
	figure.Print(out, name+".splink_best_at", at, "probability")
	figure.Goal(out, name+".ratio_vs_splink", ours/best, "ratio", ">=0.97")
	figure.Print(out, name+".splink_seconds", wall.Seconds(), "s")
	figure.Print(out, name+".splink_cpu_seconds", cpu.Seconds(), "s")
	return nil
}

// readPairs reads lines of two ids and a probability.
func (b *batch) readPairs(in io.Reader) ([]said, error) {
	r := csv.NewReader(in)
	r.FieldsPerRecord = 3
	var out []said
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read Splink's pairs: %w", err)
		}
		x, okX := b.index[row[0]]
		y, okY := b.index[row[1]]
		p, err := strconv.ParseFloat(row[2], 64)
		if !okX || !okY || err != nil {
			return nil, fmt.Errorf("read Splink's pairs: line %d is no pair of the set", len(out)+1)
		}
		out = append(out, said{x, y, p})
	}
}

// limited takes at most left bytes.
type limited struct {
	to   *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errors.New("it wrote too much")
	}
	return l.to.Write(p)
}

// ready says why Splink cannot be asked, and nothing where it can.
func (o *options) ready() string {
	if o.splink == "" {
		return "no -splink was given"
	}
	if _, err := os.Stat(o.splink); err != nil {
		return err.Error()
	}
	return ""
}
