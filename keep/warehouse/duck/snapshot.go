package duck

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Snapshot makes a new folder that holds what is sealed, as of one instant: a
// directory of history that Open opens and fills its working copy from. Sealed
// files are linked and not copied, so it costs little; it must lie on the same disk
// and be removed soon, for what Forget takes out of history lives on in it.
func (w *Warehouse) Snapshot(ctx context.Context, dir string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.opened(); err != nil {
		return err
	}
	sealed := filepath.Join(dir, sealedName)
	if err := os.MkdirAll(sealed, 0o700); err != nil {
		return fmt.Errorf("snapshot history: %w", err)
	}
	names := make([]string, 0, len(w.manifest.Files)+1)
	for _, f := range w.manifest.Files {
		names = append(names, f.Path)
	}
	if _, err := os.Stat(filepath.Join(w.sealedDir(), manifestName)); err == nil { // else nothing was ever sealed
		names = append(names, manifestName)
	}
	for _, name := range names {
		to := filepath.Join(sealed, filepath.FromSlash(name))
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return fmt.Errorf("snapshot history: %w", err)
		}
		if err := os.Link(w.sealedPath(name), to); err != nil {
			return fmt.Errorf("snapshot history: %w", err)
		}
	}
	return nil
}
