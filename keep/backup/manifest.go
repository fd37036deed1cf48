package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"time"
)

// manifest is one backup: what was in the house at one instant. It is stored as
// a line that anybody may read, the head, and the rest sealed together with it
// under the week's key.
type manifest struct {
	Program string `json:"program"` // the version that wrote it
	Marks   int    `json:"marks"`   // tombstones there were
	Files   []file `json:"files"`
}

type file struct {
	Name   string  `json:"name"` // with slashes
	Size   int64   `json:"size"`
	Chunks []chunk `json:"chunks"`
}

// head is the first line of a stored manifest.
type head struct {
	Format int       `json:"format"`
	House  string    `json:"house"`
	At     time.Time `json:"at"`
	Week   Week      `json:"week"`
}

const manifestFormat = 1

// nameTime is how an instant names a manifest; names sort by time.
const nameTime = "20060102T150405.000000Z"

func manifestName(at time.Time) string {
	return folderBackups + "/" + at.UTC().Format(nameTime)
}

func instantOf(name string) (time.Time, error) { return time.Parse(nameTime, path.Base(name)) }

// bytes is how a manifest is stored.
func (m *manifest) bytes(h *head, key []byte) ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if b, err = deflate(nil, b); err != nil {
		return nil, err
	}
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	line = append(line, '\n')
	sealed, err := seal(key, b, line)
	if err != nil {
		return nil, err
	}
	if len(line)+len(sealed) > manifestMax {
		return nil, fmt.Errorf("the manifest has %d bytes, at most %d: the house is too large for one backup", len(sealed), manifestMax)
	}
	return append(line, sealed...), nil
}

// parseHead reads a manifest's first line, which ends before the sealed rest. The
// name must tell the same instant.
func parseHead(name string, b []byte) (h head, sealed []byte, err error) {
	line, sealed, ok := bytes.Cut(b, []byte("\n"))
	at, nameErr := instantOf(name)
	if !ok || nameErr != nil || json.Unmarshal(line, &h) != nil {
		return head{}, nil, fmt.Errorf("%w: %s is no manifest", ErrDamaged, name)
	}
	if h.Format != manifestFormat {
		return head{}, nil, fmt.Errorf("%w: %s has format %d, this program knows %d: use the version that wrote it", ErrDamaged, name, h.Format, manifestFormat)
	}
	if !h.At.Equal(at) || h.Week != WeekOf(at) {
		return head{}, nil, fmt.Errorf("%w: %s is the manifest of another instant", ErrDamaged, name)
	}
	return h, sealed, nil
}

// parseManifest opens a stored manifest.
func parseManifest(name string, b []byte, keys map[Week][]byte) (*manifest, *head, error) {
	h, sealed, err := parseHead(name, b)
	if err != nil {
		return nil, nil, err
	}
	key, ok := keys[h.Week]
	if !ok {
		return nil, nil, fmt.Errorf("%w: the key of week %s of %s", ErrNotFound, h.Week, name)
	}
	packed, err := unseal(key, sealed, b[:len(b)-len(sealed)])
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
	}
	text, err := inflate(packed, 16*manifestMax)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, nil, fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
	}
	if err := m.check(); err != nil {
		return nil, nil, fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
	}
	return &m, &h, nil
}

// check finds what no program of ours writes.
func (m *manifest) check() error {
	if len(m.Files) > filesMax || m.Marks < 0 {
		return errors.New("its numbers are impossible")
	}
	seen := make(map[string]bool, len(m.Files))
	for _, f := range m.Files {
		if !filepath.IsLocal(filepath.FromSlash(f.Name)) || path.Clean(f.Name) != f.Name || seen[f.Name] {
			return fmt.Errorf("a file is called %.80q", f.Name)
		}
		seen[f.Name] = true
		var size int64
		for i := range f.Chunks {
			c := &f.Chunks[i]
			if c.Size < 1 || c.Size > GrainMax || c.Stored < 1 || c.Stored > GrainMax+64 || len(c.Key) != keySize {
				return fmt.Errorf("a chunk of %s is impossible", f.Name)
			}
			size += int64(c.Size)
		}
		if size != f.Size {
			return fmt.Errorf("%s has %d bytes, its chunks %d", f.Name, f.Size, size)
		}
	}
	return nil
}

// stored lists the manifests of a target, oldest first.
func stored(ctx context.Context, t Target) ([]string, error) {
	found, err := t.List(ctx, folderBackups)
	if err != nil {
		return nil, fmt.Errorf("list backups: %w", err)
	}
	var names []string
	for _, o := range found {
		if _, err := instantOf(o.Name); err == nil {
			names = append(names, o.Name)
		}
	}
	return names, nil
}

func readManifest(ctx context.Context, t Target, name string, keys map[Week][]byte) (*manifest, *head, error) {
	b, err := t.Get(ctx, name, manifestMax)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	return parseManifest(name, b, keys)
}
