package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"endcap/bench/faults/disk"
	"endcap/bench/faults/house"
)

// tally counts what was played on one hash of the code.
type tally struct {
	Hash       string
	Next       uint64 // the first seed not yet played
	Seeds      uint64
	Operations uint64
	Opened     uint64
	Restarted  uint64
	Faults     map[disk.Kind]uint64
	Failed     map[uint64][]string // violations by seed
}

func (t *tally) add(r *house.Report) {
	t.Seeds++
	t.Next = max(t.Next, r.Seed+1)
	t.Operations += uint64(r.Operations)
	t.Opened += uint64(r.Opened)
	t.Restarted += uint64(r.Restarted)
	for kind, n := range r.Faults {
		t.Faults[kind] += uint64(n)
	}
	if len(r.Violations) > 0 {
		t.Failed[r.Seed] = r.Violations
	}
}

// load reads the tally of a hash, an empty one where nothing was played on it.
func load(dir, hash string) (tally, error) {
	t := tally{Hash: hash, Next: 1, Faults: map[disk.Kind]uint64{}, Failed: map[uint64][]string{}}
	if dir == "" {
		return t, nil
	}
	b, err := os.ReadFile(filepath.Join(dir, hash+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	if err != nil {
		return t, fmt.Errorf("read the tally of %s: %w", hash, err)
	}
	return t, nil
}

func (t *tally) save(dir string) error {
	if dir == "" {
		return nil
	}
	b, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		return fmt.Errorf("write the tally: %w", err)
	}
	path := filepath.Join(dir, t.Hash+".json")
	if err := errors.Join(os.MkdirAll(dir, 0o750), os.WriteFile(path+".new", b, 0o600)); err != nil {
		return fmt.Errorf("write the tally: %w", err)
	}
	return os.Rename(path+".new", path)
}
