package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Backup is one backup that can be read.
type Backup struct {
	target   Target
	head     head
	manifest manifest
	keys     map[Week][]byte
	ahead    int
}

// Listed is one backup in a target, as its open first line says.
type Listed struct {
	At       time.Time `json:"at"`
	Readable time.Time `json:"readable_until"`
	Bytes    int64     `json:"manifest_bytes"`
	Ahead    bool      `json:"ahead,omitempty"` // later than now: a clock was or is wrong
}

// List tells which backups a target holds that can still be read, oldest first.
func List(ctx context.Context, t Target, now time.Time) ([]Listed, error) {
	found, err := t.List(ctx, folderBackups)
	if err != nil {
		return nil, fmt.Errorf("list backups: %w", err)
	}
	var out []Listed
	for _, o := range found {
		if at, err := instantOf(o.Name); err == nil && Dies(at).After(now) {
			out = append(out, Listed{at, Dies(at), o.Size, at.After(now)})
		}
	}
	return out, nil
}

// Asked says which backup is wanted.
type Asked struct {
	At  time.Time // the newest that is not younger; the zero time asks for the newest until Now
	Now time.Time // keys of weeks that are over by then are not opened
}

// Open opens the newest backup that is not younger than asked. ErrNone says
// which there are; ErrKey that the recovery key is another; ErrDamaged that the
// manifest is not as it was written, and then an older one may be asked for.
func Open(ctx context.Context, t Target, k *RecoveryKey, a Asked) (*Backup, error) {
	b, err := readBundle(ctx, t)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("%w: the target has no %s", ErrNone, nameKeys)
	} else if err != nil {
		return nil, err
	}
	keys, err := b.open(k, a.Now)
	if err != nil {
		return nil, err
	}
	name, ahead, err := choose(ctx, t, a)
	if err != nil {
		return nil, err
	}
	m, h, err := readManifest(ctx, t, name, keys)
	if err != nil {
		return nil, err
	}
	if h.House != b.House {
		return nil, fmt.Errorf("%w: %s is of another house than the keys", ErrDamaged, name)
	}
	return &Backup{t, *h, *m, keys, ahead}, nil
}

// choose names the newest manifest that is not younger than asked, and says how
// many it passed over because they are later than now.
func choose(ctx context.Context, t Target, a Asked) (name string, ahead int, err error) {
	all, err := List(ctx, t, a.Now)
	if err != nil {
		return "", 0, err
	}
	until := a.At
	if until.IsZero() {
		until = a.Now
	}
	for _, l := range slices.Backward(all) {
		if !l.At.After(until) {
			return manifestName(l.At), ahead, nil
		}
		if l.Ahead {
			ahead++
		}
	}
	switch {
	case len(all) == 0:
		return "", 0, fmt.Errorf("%w: none whose key still lives", ErrNone)
	case ahead == len(all) && a.At.IsZero():
		return "", 0, fmt.Errorf("%w: the oldest that can be read is of %s, later than this machine's clock (%s): set the clock right, or name that instant", ErrNone, all[0].At.Format(time.RFC3339), a.Now.UTC().Format(time.RFC3339))
	}
	return "", 0, fmt.Errorf("%w: the oldest that can be read is of %s", ErrNone, all[0].At.Format(time.RFC3339))
}

// At is the instant that the backup shows.
func (b *Backup) At() time.Time { return b.head.At }

// Ahead is how many newer ones were passed over for being later than now.
func (b *Backup) Ahead() int { return b.ahead }

// Program is the version that wrote it.
func (b *Backup) Program() string { return b.manifest.Program }

// Bytes is how much room its files need.
func (b *Backup) Bytes() (sum int64) {
	for _, f := range b.manifest.Files {
		sum += f.Size
	}
	return sum
}

// CheckRoom returns ErrRoom where a disk that has so many bytes left cannot hold
// the files, and as much again for what is derived from them.
func (b *Backup) CheckRoom(has uint64) error {
	if needs := 2 * uint64(b.Bytes()); has < needs {
		return fmt.Errorf("%w: it needs about %d MB, and the disk has %d MB left", ErrRoom, 1+needs/1_000_000, has/1_000_000)
	}
	return nil
}

// Adopt gives a restored vault the keys of the weeks that still live, so that
// the next backup goes on where the last one ended.
func (b *Backup) Adopt(ctx context.Context, s Secrets) error {
	for week, key := range b.keys {
		if _, err := s.Secret(ctx, WeekSecrets+string(week), func() ([]byte, error) { return key, nil }); err != nil {
			return fmt.Errorf("adopt the key of week %s: %w", week, err)
		}
	}
	return nil
}

// Extract writes every file beneath a folder, each chunk proved to be what was
// backed up, and durable when it returns. tell is called often, never at the
// same time.
func (b *Backup) Extract(ctx context.Context, dir string, tell func(Progress)) error {
	total := b.Bytes()
	var mu sync.Mutex
	var done int64
	folders := map[string]bool{dir: true}
	for _, f := range b.manifest.Files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		for at := filepath.Dir(path); !folders[at]; at = filepath.Dir(at) {
			folders[at] = true
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		err := b.extractFile(ctx, &f, path, func(n int) {
			mu.Lock()
			defer mu.Unlock()
			done += int64(n)
			tell(Progress{done, total})
		})
		if err != nil {
			return fmt.Errorf("restore %s: %w", f.Name, err)
		}
	}
	for folder := range folders {
		if err := syncPath(folder); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	return nil
}

func (b *Backup) extractFile(ctx context.Context, f *file, path string, tell func(int)) (err error) {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	at := make([]int64, len(f.Chunks))
	for i := 1; i < len(at); i++ {
		at[i] = at[i-1] + int64(f.Chunks[i-1].Size)
	}
	err = parallel(ctx, len(f.Chunks), func(ctx context.Context, i int) error {
		c := &f.Chunks[i]
		sealed, err := b.target.Get(ctx, c.name(), GrainMax+64)
		if errors.Is(err, ErrNotFound) {
			return fmt.Errorf("%w: %s is gone", ErrDamaged, c.name())
		} else if err != nil {
			return err
		}
		piece, err := openChunk(c, sealed)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrDamaged, c.name(), err)
		}
		if _, err := out.WriteAt(piece, at[i]); err != nil {
			return err
		}
		tell(len(piece))
		return nil
	})
	if err != nil {
		return err
	}
	return out.Sync()
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
