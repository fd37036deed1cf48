package backup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"endcap/retail"
)

// Source is one file to be backed up. It must not change meanwhile.
type Source struct {
	Name  string // in the backup, with slashes
	Path  string
	Grain int // bytes of a chunk: small where a file changes here and there
}

// Snapshot is what a house was at one instant.
type Snapshot struct {
	At      time.Time
	Program string // the version that writes it
	Files   []Source
}

// House is who makes backups, and where.
type House struct {
	Target   Target
	Secrets  Secrets
	Recovery *Recovery
	Now      retail.Clock // the wall's: keys live for real days
	// Carry brings every tombstone to the target with PutForgotten, those of the
	// snapshot among them, and says how many there are.
	Carry func(ctx context.Context) (int, error)
}

// Progress says how far a backup or a restore has come, in bytes of the house.
type Progress struct {
	Done, Total int64
}

// Summary is what a backup did.
type Summary struct {
	At       time.Time
	Files    int
	Bytes    int64     // in the house
	NewBytes int64     // of them, in pieces no readable backup held yet
	Written  int64     // to the target for those, compressed and sealed
	Marks    int       // tombstones beside it
	Dropped  int       // older backups that nobody can read any more
	Readable time.Time // until when this backup can be read
}

// workers is how many chunks are under way at once.
const workers = 4

// Prepare makes the secret that outlives every week. A vault that is copied for a
// backup must hold it, or a restored house would be another's.
func Prepare(ctx context.Context, s Secrets) error {
	_, err := houseOf(ctx, s)
	return err
}

// Write makes a backup. It counts once its manifest is stored, which comes last;
// a call that fails, or is killed, leaves the target as good as before, and the
// next removes what it left. tell is called often, never at the same time.
func (h *House) Write(ctx context.Context, s Snapshot, tell func(Progress)) (sum Summary, err error) {
	release, err := h.Target.Lock(ctx)
	if err != nil {
		return Summary{}, fmt.Errorf("take the target: %w", err)
	}
	defer func() { err = errors.Join(err, release()) }()
	s.At = s.At.UTC().Truncate(time.Microsecond)
	w := &writing{house: h, tell: tell, known: make(map[[sha256.Size]byte]chunk)}
	if err := w.begin(ctx, s.At); err != nil {
		return Summary{}, err
	}
	if w.sum.Marks, err = h.Carry(ctx); err != nil {
		return Summary{}, fmt.Errorf("bring the tombstones along: %w", err)
	}
	if err := w.store(ctx, s); err != nil {
		return Summary{}, errors.Join(err, w.undo(ctx))
	}
	w.sum.Dropped, err = w.finish(ctx)
	return w.sum, err
}

// writing is one backup under way.
type writing struct {
	house *House
	tell  func(Progress)
	name  string // of the house
	week  Week
	key   []byte
	held  map[Week][]byte // of living weeks, and under a clock that leapt of those in the bundle
	dirty bool            // an earlier backup was killed
	leapt bool            // the clock may be wrong, so that nothing is too old

	mu    sync.Mutex
	known map[[sha256.Size]byte]chunk // pieces that are in the target
	made  []string                    // objects this run has begun to write
	sum   Summary
	total int64
	done  int64
}

// begin destroys what is over, brings the bundle up to date and learns what the
// target holds already.
func (w *writing) begin(ctx context.Context, at time.Time) (err error) {
	h := w.house
	dead, err := DestroyDead(ctx, h.Secrets, h.Now())
	if err != nil {
		return err
	}
	w.leapt = dead.Held
	if w.name, err = houseOf(ctx, h.Secrets); err != nil {
		return err
	}
	w.week = WeekOf(at)
	if w.key, err = weekKey(ctx, h.Secrets, w.week); err != nil {
		return err
	}
	weeks := living(h.Now())
	if w.leapt {
		bundled, err := bundledWeeks(ctx, h.Target)
		if err != nil {
			return err
		}
		weeks = append(weeks, bundled...)
	}
	if w.held, err = heldKeys(ctx, h.Secrets, weeks); err != nil {
		return err
	}
	if _, ok := w.held[w.week]; !ok {
		return fmt.Errorf("the clock moved: the key of week %s is dead already", w.week)
	}
	if err := writeBundle(ctx, h.Target, h.Recovery, w.name, w.held); err != nil {
		return fmt.Errorf("write the keys for recovery: %w", err)
	}
	_, err = h.Target.Get(ctx, nameUnfinished, bundleMax)
	if w.dirty = err == nil; err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err := h.Target.Put(ctx, nameUnfinished, []byte("a backup is being written\n")); err != nil {
		return err
	}
	return w.learn(ctx)
}

// learn reads the newest manifest that can be read. What it names and is whole
// by its length need not be written again.
func (w *writing) learn(ctx context.Context) error {
	names, err := stored(ctx, w.house.Target)
	if err != nil {
		return err
	}
	for _, name := range slices.Backward(names) {
		m, _, err := readManifest(ctx, w.house.Target, name, w.held)
		if errors.Is(err, ErrDamaged) || errors.Is(err, ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		there, err := chunksIn(ctx, w.house.Target)
		if err != nil {
			return err
		}
		for _, f := range m.Files {
			for _, c := range f.Chunks {
				if there[c.name()] == int64(c.Stored) && len(c.Sum) == sha256.Size {
					w.known[[sha256.Size]byte(c.Sum)] = c
				}
			}
		}
		return nil
	}
	return nil
}

// chunksIn lists a target's chunks with their lengths.
func chunksIn(ctx context.Context, t Target) (map[string]int64, error) {
	found, err := t.List(ctx, folderChunks)
	if err != nil {
		return nil, fmt.Errorf("list chunks: %w", err)
	}
	there := make(map[string]int64, len(found))
	for _, o := range found {
		there[o.Name] = o.Size
	}
	return there, nil
}

// store writes every file's new chunks, and then the manifest.
func (w *writing) store(ctx context.Context, s Snapshot) error {
	m := manifest{Program: s.Program, Marks: w.sum.Marks, Files: make([]file, len(s.Files))}
	if len(s.Files) > filesMax {
		return fmt.Errorf("%d files, at most %d", len(s.Files), filesMax)
	}
	for _, f := range s.Files {
		info, err := os.Stat(f.Path)
		if err != nil {
			return err
		}
		w.total += info.Size()
	}
	for i, f := range s.Files {
		var err error
		if m.Files[i], err = w.storeFile(ctx, f); err != nil {
			return fmt.Errorf("back up %s: %w", f.Name, err)
		}
	}
	if err := m.check(); err != nil {
		return err
	}
	at := head{manifestFormat, w.name, s.At, w.week}
	b, err := m.bytes(&at, w.key)
	if err != nil {
		return err
	}
	w.made = append(w.made, manifestName(s.At))
	if err := w.house.Target.Put(ctx, manifestName(s.At), b); err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	w.sum.Written += int64(len(b))
	w.sum.At, w.sum.Files, w.sum.Bytes, w.sum.Readable = s.At, len(m.Files), w.total, Dies(s.At)
	return nil
}

// storeFile cuts a file into chunks and writes those that are new, several at a
// time.
func (w *writing) storeFile(ctx context.Context, s Source) (out file, err error) {
	if s.Grain < 1 || s.Grain > GrainMax {
		return file{}, fmt.Errorf("a grain of %d bytes: 1 to %d", s.Grain, GrainMax)
	}
	f, err := os.Open(s.Path)
	if err != nil {
		return file{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return file{}, err
	}
	grain := int64(s.Grain)
	out = file{Name: s.Name, Size: info.Size(), Chunks: make([]chunk, (info.Size()+grain-1)/grain)}
	err = parallel(ctx, len(out.Chunks), func(ctx context.Context, i int) error {
		piece := make([]byte, min(grain, out.Size-int64(i)*grain))
		if _, err := f.ReadAt(piece, int64(i)*grain); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		var err error
		out.Chunks[i], err = w.storePiece(ctx, piece)
		return err
	})
	return out, err
}

// storePiece gives the chunk that holds a piece, and writes it where there is
// none.
func (w *writing) storePiece(ctx context.Context, piece []byte) (chunk, error) {
	sum := sha256.Sum256(piece)
	w.mu.Lock()
	c, ok := w.known[sum]
	w.mu.Unlock()
	if !ok {
		fresh, sealed, err := sealChunk(piece)
		if err != nil {
			return chunk{}, err
		}
		name := fresh.name()
		w.mu.Lock()
		w.made = append(w.made, name)
		w.mu.Unlock()
		if err := w.house.Target.Put(ctx, name, sealed); err != nil {
			return chunk{}, err
		}
		c = fresh
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !ok {
		w.known[sum] = c
		w.sum.NewBytes += int64(len(piece))
		w.sum.Written += int64(c.Stored)
	}
	w.done += int64(len(piece))
	w.tell(Progress{w.done, w.total})
	return c, nil
}

// undo removes what a failed run wrote.
func (w *writing) undo(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var errs []error
	for _, name := range slices.Backward(w.made) { // the manifest first
		errs = append(errs, w.house.Target.Remove(ctx, name))
	}
	if !w.dirty && errors.Join(errs...) == nil {
		errs = append(errs, w.house.Target.Remove(ctx, nameUnfinished))
	}
	return errors.Join(errs...)
}

// finish removes the manifests that nobody can read any more, and the chunks
// that no manifest names.
func (w *writing) finish(ctx context.Context) (dropped int, err error) {
	t := w.house.Target
	names, err := stored(ctx, t)
	if err != nil {
		return 0, err
	}
	var alive []string
	for _, name := range names {
		at, err := instantOf(name)
		if err == nil && !w.leapt && !Dies(at).After(w.house.Now()) {
			dropped++
			err = t.Remove(ctx, name)
		} else {
			alive = append(alive, name)
		}
		if err != nil {
			return dropped, fmt.Errorf("remove an old backup: %w", err)
		}
	}
	if dropped > 0 || w.dirty {
		if err := w.sweep(ctx, alive); err != nil {
			return dropped, fmt.Errorf("remove chunks that no backup needs: %w", err)
		}
	}
	return dropped, t.Remove(ctx, nameUnfinished)
}

// sweep removes chunks that none of the manifests names. Where one cannot be
// read, all stay: somebody may repair it.
func (w *writing) sweep(ctx context.Context, manifests []string) error {
	needed := make(map[string]bool)
	for _, name := range manifests {
		m, _, err := readManifest(ctx, w.house.Target, name, w.held)
		if errors.Is(err, ErrDamaged) || errors.Is(err, ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		for _, f := range m.Files {
			for i := range f.Chunks {
				needed[f.Chunks[i].name()] = true
			}
		}
	}
	there, err := chunksIn(ctx, w.house.Target)
	if err != nil {
		return err
	}
	for name := range there {
		if needed[name] {
			continue
		}
		if err := w.house.Target.Remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// parallel does n things, workers at a time, and stops at the first error.
func parallel(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(workers, n) {
		wait.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(ctx, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}
