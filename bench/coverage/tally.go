package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"endcap/bench/coverage/world"
)

// tally keeps what worlds gave: sums, and what reports said of them. Their judgement
// is made anew each time, by code that the hash leaves out.
type tally struct {
	dir, hash string // none keeps nothing
	name      string // of the test
	shoppers  int
}

func (t *tally) path(index int) string {
	return filepath.Join(t.dir, t.hash, fmt.Sprintf("%s-%d-%d.json", t.name, t.shoppers, index))
}

// load reads what a world gave; nothing where it was not played on this code.
func (t *tally) load(index int) (all []world.Outcome, err error) {
	if t.dir == "" {
		return nil, nil
	}
	text, err := os.ReadFile(t.path(index))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("read what world %d gave: %w", index, err)
	}
	return all, nil
}

// save keeps what a world gave: a file that is there is whole.
func (t *tally) save(index int, all []world.Outcome) error {
	if t.dir == "" {
		return nil
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return fmt.Errorf("keep what world %d gave: %w", index, err)
	}
	path := t.path(index)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path+".new", text, 0o600)); err != nil {
		return fmt.Errorf("keep what world %d gave: %w", index, err)
	}
	return os.Rename(path+".new", path)
}
