package training

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"endcap/keep/files"
	"endcap/keep/registry"
	"endcap/know/recommend/nextbasket"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// RollbackKind is the kind of registry row that keeps who had which version serve.
const RollbackKind registry.Kind = "model-rollback"

// Allow says whether a shopper allows offers from what she bought, now; who is
// forgotten does not.
type Allow func(ctx context.Context, who shopper.ID) (bool, error)

// Keeper keeps the versions and serves one of them. Make one with NewKeeper, and keep
// it current with Refresh and its Follower. All methods are safe for concurrent use;
// Now and Register take no lock.
type Keeper struct {
	files  files.Files
	allow  Allow
	now    atomic.Pointer[Served]
	reg    atomic.Pointer[Register] // never changed, but replaced
	failed atomic.Int64

	leaving leavers

	mu     sync.Mutex // guards what follows, and every write
	looked uint64     // the number of the register that was read last
	wrong  error      // what is wrong with it, or with the version that it has serve
}

// Served is the version that is asked.
type Served struct {
	Version
	Model *nextbasket.Model
}

// NewKeeper makes a Keeper that serves nothing yet. With allow nil nobody is asked
// about, for one that serves nobody.
func NewKeeper(from files.Files, allow Allow) *Keeper {
	k := &Keeper{files: from, allow: allow, leaving: leavers{gone: map[uint64]bool{}, cursors: map[int]event.Cursor{}}}
	k.reg.Store(&Register{Layout: registerLayout})
	return k
}

// Now is the version that is served; nil where there is none.
func (k *Keeper) Now() *Served { return k.now.Load() }

// Failed is how often a version or the register could not be read.
func (k *Keeper) Failed() int64 { return k.failed.Load() }

// Register is what is known of the versions; it is not the caller's to change.
func (k *Keeper) Register() *Register { return k.reg.Load() }

// Held says that somebody went back to the version that is served.
func (k *Keeper) Held() bool { return k.Register().Held }

func (k *Keeper) found() *Found { return k.Register().Found }

// Refresh takes in what was published. While the register or the version that it has
// serve is damaged, every call returns an ErrModel that says so, and what was served
// serves on; where nothing was, the newest version that is whole does.
func (k *Keeper) Refresh(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.refresh(ctx)
}

func (k *Keeper) refresh(ctx context.Context) error {
	newest, err := k.files.Newest(ctx, registerArtefact)
	if err != nil && !errors.Is(err, files.ErrNotFound) {
		return fmt.Errorf("find the register of models: %w", err)
	}
	if newest == k.looked {
		if k.wrong != nil {
			k.failed.Add(1)
		}
		return k.wrong
	}
	reg, number, err := readRegister(ctx, k.files)
	if reg != nil {
		k.reg.Store(reg)
		err = errors.Join(err, k.serve(ctx, reg.Serving))
	}
	if err != nil && !errors.Is(err, ErrModel) {
		return err // the next call tries again
	}
	k.looked, k.wrong = number, err
	if err == nil {
		return nil
	}
	k.failed.Add(1)
	for _, v := range slices.Backward(k.Register().Versions) {
		if k.now.Load() != nil {
			break
		}
		if err := k.serve(ctx, v.Number); err != nil {
			k.wrong = errors.Join(k.wrong, err)
		}
	}
	return k.wrong
}

// serve takes a version from its file, without those who do not allow it.
func (k *Keeper) serve(ctx context.Context, number uint64) error {
	if number == 0 {
		k.now.Store(nil)
		return nil
	}
	if s := k.now.Load(); s != nil && s.Number == number {
		return nil
	}
	v := k.Register().version(number)
	if v == nil {
		return fmt.Errorf("%w: no version %d is in the register", ErrModel, number)
	}
	m, err := loadModel(ctx, k.files, number)
	if err != nil {
		return err
	}
	if m, err = k.permitted(ctx, m); err != nil {
		return err
	}
	k.now.Store(&Served{*v, m})
	return nil
}

// change writes another register and serves by it.
func (k *Keeper) change(ctx context.Context, do func(*Register) error) error {
	next := k.Register().copied()
	if err := do(next); err != nil {
		return err
	}
	number, err := writeRegister(ctx, k.files, next)
	if err != nil {
		return err
	}
	k.reg.Store(next)
	k.looked, k.wrong = number, nil
	err = k.serve(ctx, next.Serving)
	if errors.Is(err, ErrModel) { // Refresh says so each time
		k.failed.Add(1)
		k.wrong, err = err, nil
	}
	return err
}

// published is what a training knows of the version that it publishes.
type published struct {
	Version
	outcome *Outcome
	watch   *Watch
	found   *Found
}

// publish keeps a model, without those who do not allow it any more, has it serve,
// and lets the oldest go.
func (k *Keeper) publish(ctx context.Context, m *nextbasket.Model, p *published) (uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, err := k.permitted(ctx, m)
	if err != nil {
		return 0, err
	}
	v := p.Version
	v.Number, v.Members = k.Register().Last+1, m.Members()
	if err := saveModel(ctx, k.files, v.Number, m); err != nil {
		return 0, err
	}
	var old []uint64
	p.outcome.Published = v.Number
	err = k.change(ctx, func(r *Register) error {
		r.Last, r.Serving, r.Held = v.Number, v.Number, false
		r.Versions = append(r.Versions, v)
		for len(r.Versions) > kept {
			old = append(old, r.Versions[0].Number)
			r.Versions = r.Versions[1:]
		}
		r.learnt(p.outcome, p.watch, p.found)
		return nil
	})
	for _, number := range old {
		if err == nil {
			err = dropModel(ctx, k.files, number)
		}
	}
	return v.Number, err
}

// learnt notes what a training came to.
func (r *Register) learnt(o *Outcome, w *Watch, f *Found) {
	done := *o
	r.Outcome = &done
	if w != nil {
		r.Watch = w
	}
	if f != nil {
		r.Found = f
	}
}

// note keeps what a training came to that published nothing.
func (k *Keeper) note(ctx context.Context, o *Outcome, w *Watch, f *Found) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.change(ctx, func(r *Register) error {
		r.learnt(o, w, f)
		return nil
	})
}

// Rollback has a kept version serve until a training makes a better one, or until 0,
// which has the newest serve again.
func (k *Keeper) Rollback(ctx context.Context, number uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.refresh(ctx); err != nil && !errors.Is(err, ErrModel) {
		return err
	}
	if len(k.Register().Versions) == 0 {
		return &retail.Error{Kind: retail.NotFound, Field: "version", Say: "no version is kept", Cure: "train one with endcap recommend train"}
	}
	if number != 0 && k.Register().version(number) == nil {
		return &retail.Error{Kind: retail.NotFound, Field: "version", Say: fmt.Sprintf("version %d is not kept", number), Cure: "name one that endcap recommend evaluate shows"}
	}
	if number != 0 {
		if _, err := loadModel(ctx, k.files, number); errors.Is(err, ErrModel) {
			return &retail.Error{Kind: retail.Conflict, Field: "version", Say: fmt.Sprintf("version %d is damaged", number), Cure: "name another", Err: err}
		} else if err != nil {
			return err
		}
	}
	return k.change(ctx, func(r *Register) error {
		r.Serving, r.Held = number, number != 0
		if number == 0 {
			r.Serving = r.Versions[len(r.Versions)-1].Number
		}
		return nil
	})
}

// Shoppers calls each with everybody of whom a version that is kept keeps something.
// A version that cannot be read is an ErrModel: of it nothing can be said.
func (k *Keeper) Shoppers(ctx context.Context, each func(place string, who []shopper.ID) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	numbers, err := k.numbers(ctx)
	if err != nil {
		return err
	}
	for _, number := range numbers {
		m, err := loadModel(ctx, k.files, number)
		if err != nil {
			return err
		}
		keys := m.Keys()
		who := make([]shopper.ID, len(keys))
		for i, key := range keys {
			who[i] = shopper.FromUint64(key)
		}
		if err := each("models", who); err != nil {
			return err
		}
	}
	return nil
}

// numbers are the versions that have a file: those of the register, and the one that a
// crash kept from it.
func (k *Keeper) numbers(ctx context.Context) ([]uint64, error) {
	reg, _, err := readRegister(ctx, k.files)
	if reg == nil {
		return nil, err
	}
	var out []uint64
	for _, v := range reg.Versions {
		out = append(out, v.Number)
	}
	switch _, err := k.files.Newest(ctx, modelArtefact(reg.Last+1)); {
	case err == nil:
		out = append(out, reg.Last+1)
	case !errors.Is(err, files.ErrNotFound):
		return nil, fmt.Errorf("find version %d: %w", reg.Last+1, err)
	}
	return out, nil
}

// Erase writes every version anew that keeps something of some shoppers, without
// them, and says how many those were. A version that cannot be read goes: it cannot
// be served, and nobody can say whom it names.
func (k *Keeper) Erase(ctx context.Context, who []shopper.ID) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	numbers, err := k.numbers(ctx)
	if err != nil {
		return 0, err
	}
	gone := make(map[uint64]bool, len(who))
	for _, id := range who {
		gone[id.Reveal()] = true
	}
	var n int
	var damaged []uint64
	for _, number := range numbers {
		m, err := loadModel(ctx, k.files, number)
		if errors.Is(err, ErrModel) {
			damaged = append(damaged, number)
			continue
		}
		if err != nil {
			return n, err
		}
		left := without(m, gone)
		if left.Members() == m.Members() {
			continue
		}
		if err := saveModel(ctx, k.files, number, left); err != nil {
			return n, err
		}
		n++
	}
	k.part(gone)
	return n, k.drop(ctx, damaged)
}

// drop lets versions go that cannot be read. What serves in their place is what is
// served now, or else the newest that is left.
func (k *Keeper) drop(ctx context.Context, numbers []uint64) error {
	if len(numbers) == 0 {
		return nil
	}
	err := k.change(ctx, func(r *Register) error {
		left := r.Versions[:0]
		for _, v := range r.Versions {
			if !slices.Contains(numbers, v.Number) {
				left = append(left, v)
			}
		}
		r.Versions = left
		if !slices.Contains(numbers, r.Serving) {
			return nil
		}
		r.Serving, r.Held = 0, false
		if len(left) > 0 {
			r.Serving = left[len(left)-1].Number
		}
		if s := k.now.Load(); s != nil && r.version(s.Number) != nil {
			r.Serving = s.Number
		}
		return nil
	})
	for _, number := range numbers {
		if err == nil {
			err = dropModel(ctx, k.files, number)
		}
	}
	return err
}
