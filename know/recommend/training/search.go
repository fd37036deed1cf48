package training

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"endcap/keep/files"
	"endcap/know/recommend/nextbasket"
	"endcap/retail"
)

// searchArtefact is what a search that is under way has tried so far.
const searchArtefact = artefact + "/search"

// search is a search under way: over the window that ends with Through, whenever it
// goes on.
type search struct {
	Layout   int                `json:"layout"`
	Through  retail.Day         `json:"through"`
	Settings Settings           `json:"settings"`
	Trials   []nextbasket.Trial `json:"trials"`
}

const searchLayout = 1

// searchAbandoned is after how many days a search that was broken off begins anew.
const searchAbandoned = 7

// Found is what a search found.
type Found struct {
	Through  retail.Day          `json:"through"` // the last day of what it searched in
	Trials   int                 `json:"trials"`
	Settings nextbasket.Settings `json:"settings"`
}

// settings are those to train with: what the last search found, or, where that is too
// old, what a new one finds, which is then returned too. A search that was broken off
// goes on where it was.
func (t *Trainer) settings(ctx context.Context, o *Order) (nextbasket.Settings, *Found, error) {
	known := t.cfg.Keeper.found()
	usual := nextbasket.Defaults()
	usual.Trees.Trees = cmp.Or(t.cfg.Settings.Trees, usual.Trees.Trees)
	if t.cfg.Settings.Trials == 0 {
		return usual, nil, nil
	}
	if known != nil && o.Through < known.Through+retail.Day(t.cfg.Settings.SearchDays) {
		return known.Settings, nil, nil
	}
	now, err := t.resume(ctx, o.Through)
	if err != nil {
		return nextbasket.Settings{}, nil, err
	}
	o.tell(StepReading)
	d, err := t.read(ctx, now.Through)
	if err != nil {
		return nextbasket.Settings{}, nil, err
	}
	if d.small() || len(d.cuts) < 2 {
		return usual, nil, nil
	}
	o.tell(StepSearching)
	s, trials, err := nextbasket.Search(&d.rng, d.cuts[1:], d.cuts[:1], nextbasket.Plays{
		Trials: t.cfg.Settings.Trials, Trees: t.cfg.Settings.Trees, Seed: t.cfg.Settings.Seed, Known: now.Trials,
		Made: func(n int, trial *nextbasket.Trial) error {
			now.Trials = append(now.Trials[:n:n], *trial)
			return t.keepSearch(ctx, now)
		},
	})
	switch {
	case errors.Is(err, nextbasket.ErrNothing):
		return usual, nil, nil
	case err != nil:
		return nextbasket.Settings{}, nil, fmt.Errorf("search settings: %w", err)
	}
	return s, &Found{now.Through, len(trials), s}, nil
}

// resume is the search that was broken off, or else a new one. One of other settings,
// or too old, or whose file is damaged, begins anew.
func (t *Trainer) resume(ctx context.Context, through retail.Day) (*search, error) {
	anew := &search{Layout: searchLayout, Through: through, Settings: t.cfg.Settings}
	version, err := t.cfg.Keeper.files.Newest(ctx, searchArtefact)
	if errors.Is(err, files.ErrNotFound) {
		return anew, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the search that was broken off: %w", err)
	}
	path, err := t.cfg.Keeper.files.Path(ctx, searchArtefact, version)
	if err != nil {
		return nil, fmt.Errorf("find the search that was broken off: %w", err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the search that was broken off: %w", err)
	}
	was := new(search)
	whole := json.Unmarshal(b, was) == nil && was.Layout == searchLayout
	if whole && was.Settings == t.cfg.Settings && was.Through <= through && was.Through+searchAbandoned >= through {
		return was, nil
	}
	return anew, nil
}

// keepSearch notes what was tried. It is called between trials, so that it is here
// that a search which is killed ends.
func (t *Trainer) keepSearch(ctx context.Context, now *search) error {
	version, err := t.cfg.Keeper.files.Put(ctx, searchArtefact, func(w io.Writer) error { return json.NewEncoder(w).Encode(now) })
	if err != nil {
		return fmt.Errorf("keep what was tried: %w", err)
	}
	return t.cfg.Keeper.files.Drop(ctx, searchArtefact, version)
}
