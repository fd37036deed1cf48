package duck

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/event"
)

// manifest says what is sealed. A row is sealed exactly when it is filed under
// a day before Before and came with an Append up to Seq; its file is listed.
// It is replaced as a whole by a rename, the one step by which a sealing, an
// erasure or a release becomes true.
type manifest struct {
	Layout   int          `json:"layout"`
	Before   retail.Day   `json:"before"`
	Seq      uint64       `json:"seq"`
	Cursors  []place      `json:"cursors"`  // where each partition stood at the sealing
	Starts   []place      `json:"starts"`   // up to where nothing of a partition is unsealed
	Past     []sealing    `json:"past"`     // the last sealings with their starts
	Released []place      `json:"released"` // what the stream no longer holds
	Next     int          `json:"next"`     // number of the next file
	Files    []sealedFile `json:"files"`
}

// place is a warehouse.Mark on disk.
type place struct {
	Partition int    `json:"partition"`
	Seq       uint64 `json:"seq"`
	Cursor    []byte `json:"cursor"`
	Through   int64  `json:"through,omitempty"` // microseconds
}

type sealing struct {
	Before retail.Day `json:"before"`
	Starts []place    `json:"starts"`
}

// sealedFile is one Parquet file: rows of one table and one business day.
type sealedFile struct {
	Path   string     `json:"path"` // beneath the sealed directory
	Table  string     `json:"table"`
	Day    retail.Day `json:"day"`
	Rows   int64      `json:"rows"`
	Bytes  int64      `json:"bytes"`
	SHA256 string     `json:"sha256"`
	Bare   bool       `json:"bare,omitempty"`   // its decisions' records were dropped
	Nobody bool       `json:"nobody,omitempty"` // its rows' shoppers were, for their age
}

const manifestName = "manifest.json"

// readManifest reads the manifest, the zero one where nothing was ever sealed.
func readManifest(dir string) (manifest, error) {
	m := manifest{Layout: layoutVersion}
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m, nil
	case err != nil:
		return m, fmt.Errorf("read the manifest of history: %w", err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("%w: manifest: %w", warehouse.ErrDamaged, err)
	}
	if m.Layout > layoutVersion {
		return m, fmt.Errorf("history was sealed by a newer version of the program: it has layout %d, this one knows %d", m.Layout, layoutVersion)
	}
	return m, nil
}

// replaceManifest makes m true: on disk before the rename, and the rename on
// disk before it returns.
func (w *Warehouse) replaceManifest(m manifest) error {
	m.Layout = layoutVersion
	b, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("write the manifest of history: %w", err)
	}
	path := filepath.Join(w.sealedDir(), manifestName)
	if err := w.opts.Disk.WriteFile(path+".new", b); err != nil {
		return fmt.Errorf("write the manifest of history: %w", err)
	}
	if err := w.opts.Disk.Sync(path + ".new"); err != nil {
		return err
	}
	if err := w.opts.Disk.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write the manifest of history: %w", err)
	}
	w.take(m)
	return w.opts.Disk.Sync(w.sealedDir())
}

// take makes a manifest that is on disk the one that counts.
func (w *Warehouse) take(m manifest) {
	w.manifest = m
	w.state.Lock()
	w.released = slices.Clone(m.Released)
	w.state.Unlock()
}

// cursor is where a partition stood when it was last sealed.
func (m *manifest) cursor(partition int) event.Cursor { return cursorIn(m.Cursors, partition) }

func cursorIn(places []place, partition int) event.Cursor {
	for _, p := range places {
		if p.Partition == partition {
			return event.Cursor(p.Cursor)
		}
	}
	return ""
}

// paths lists the files of a table, absolute.
func (w *Warehouse) paths(table string) []string {
	var out []string
	for _, f := range w.manifest.Files {
		if f.Table == table {
			out = append(out, w.sealedPath(f.Path))
		}
	}
	return out
}

// hashFile gives a file's SHA-256 and length.
func hashFile(path string) (string, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}

// sweep removes what a sealing that never became true has left behind.
func (w *Warehouse) sweep() error {
	listed := map[string]bool{manifestName: true}
	for _, f := range w.manifest.Files {
		listed[f.Path] = true
	}
	var stray []string
	err := filepath.WalkDir(w.sealedDir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(w.sealedDir(), path)
		if err != nil || listed[filepath.ToSlash(name)] {
			return err
		}
		stray = append(stray, path)
		return nil
	})
	for _, name := range stray {
		err = errors.Join(err, w.opts.Disk.Remove(name))
	}
	if err != nil {
		return fmt.Errorf("sweep sealed history: %w", err)
	}
	if err := os.RemoveAll(filepath.Join(w.sealedDir(), stagingName)); err != nil {
		return fmt.Errorf("sweep sealed history: %w", err)
	}
	return nil
}
