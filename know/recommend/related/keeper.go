package related

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"endcap/keep/files"
)

// Artefact is the model's name in keep/files.
const Artefact = "related"

// kept is how many versions of the artefact stay.
const kept = 3

// Train counts a window of history and leaves the model as a new version of the
// artefact, whose number it returns. A version that is there is not touched until
// the new one is whole.
func Train(ctx context.Context, from Asker, to files.Files, t Training) (uint64, error) {
	m, err := Count(ctx, from, t)
	if err != nil {
		return 0, err
	}
	version, err := to.Put(ctx, Artefact, m.Save)
	if err != nil {
		return 0, fmt.Errorf("keep related products: %w", err)
	}
	if version > kept {
		if err := to.Drop(ctx, Artefact, version-kept+1); err != nil {
			return 0, fmt.Errorf("drop old related products: %w", err)
		}
	}
	return version, nil
}

// Keeper serves the newest model that is whole. Make one with NewKeeper and keep
// it current with Refresh; asking is safe beside it and takes no lock.
type Keeper struct {
	files files.Files
	now   atomic.Pointer[served]

	mu     sync.Mutex // guards what follows
	looked uint64     // the newest version that was looked at
	wrong  error      // what is wrong with it
}

type served struct {
	model   *Model
	version uint64
}

// NewKeeper makes a Keeper that serves a model that knows of nothing.
func NewKeeper(from files.Files) *Keeper {
	k := &Keeper{files: from}
	k.now.Store(&served{model: new(Model)})
	return k
}

// Now is the model that is served, and its version; 0 before the first.
func (k *Keeper) Now() (*Model, uint64) {
	s := k.now.Load()
	return s.model, s.version
}

// Refresh takes in a newer model. While the newest is damaged, every call returns
// an ErrModel that says so, and the former one is served; where none was yet, the
// newest of those before it that is whole.
func (k *Keeper) Refresh(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	newest, err := k.files.Newest(ctx, Artefact)
	switch {
	case errors.Is(err, files.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("find the newest model of related products: %w", err)
	case newest == k.looked:
		return k.wrong
	}
	err = k.take(ctx, newest)
	if err != nil && !errors.Is(err, ErrModel) {
		return err // the next call tries again
	}
	k.looked, k.wrong = newest, err
	if err == nil {
		return nil
	}
	for version := newest - 1; version > 0 && version+kept > newest && k.now.Load().version == 0; version-- {
		if err := k.take(ctx, version); err != nil {
			k.wrong = errors.Join(k.wrong, err)
		}
	}
	return k.wrong
}

// take serves one version.
func (k *Keeper) take(ctx context.Context, version uint64) error {
	path, err := k.files.Path(ctx, Artefact, version)
	if err != nil {
		return fmt.Errorf("find related products %d: %w", version, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read related products %d: %w", version, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	m, err := Load(f)
	if err != nil {
		return fmt.Errorf("read related products %d: %w", version, err)
	}
	k.now.Store(&served{m, version})
	return nil
}
