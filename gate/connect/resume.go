package connect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cespare/xxhash/v2"
)

// headBytes of a file are hashed to tell it from another of its name.
const headBytes = 1 << 20

// state is how far the load of one file got, as the state file says.
type state struct {
	path    string
	Load    string `json:"load"` // kind, mapping and days
	Path    string `json:"path"`
	Size    int64  `json:"size"`
	Changed int64  `json:"changed"` // modification time, nanoseconds
	Head    uint64 `json:"head"`    // hash of the first headBytes
	Offset  int64  `json:"offset"`  // rows.Position of the first row not stored yet
	Line    int64  `json:"line"`
	Done    bool   `json:"done"`
}

// openState reads the state file. Where it is missing, unreadable, or about
// another file, a changed one or another load, the load starts over.
func openState(path, file, load string) (*state, error) {
	now, err := identify(file)
	if err != nil {
		return nil, err
	}
	now.path, now.Load = path, load
	if path == "" {
		return now, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return now, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the load's state: %w", err)
	}
	was := *now
	readable := json.Unmarshal(b, &was) == nil
	same := was
	same.path, same.Offset, same.Line, same.Done = path, 0, 0, false
	if !readable || same != *now || was.Offset < 0 || was.Line < 0 {
		return now, nil
	}
	return &was, nil
}

func identify(file string) (*state, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, cannotOpen(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", file, err)
	}
	h := xxhash.New()
	if !info.IsDir() {
		if _, err := io.Copy(h, io.LimitReader(f, headBytes)); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", file, err)
	}
	return &state{Path: abs, Size: info.Size(), Changed: info.ModTime().UnixNano(), Head: h.Sum64()}, nil
}

// save replaces the state file in one step. It need not survive a loss of
// power: an older state only means that stored rows are handed over again.
func (s *state) save() error {
	if s.path == "" {
		return nil
	}
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write the load's state: %w", err)
	}
	next := s.path + ".next"
	if err := os.WriteFile(next, b, 0o600); err != nil {
		return fmt.Errorf("write the load's state: %w", err)
	}
	if err := os.Rename(next, s.path); err != nil {
		return fmt.Errorf("write the load's state: %w", err)
	}
	return nil
}
