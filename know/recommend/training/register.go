package training

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"endcap/keep/files"
	"endcap/know/recommend/nextbasket"
	"endcap/retail"
)

// Names of artefacts: the register of versions, and each version's model. A model that
// is written anew, because somebody leaves it, is a newer file under the same name.
const (
	artefact         = "nextbasket"
	registerArtefact = artefact + "/register"
	registersKept    = 3
	kept             = 5 // versions that stay
)

func modelArtefact(number uint64) string {
	return artefact + "/v" + strconv.FormatUint(number, 10)
}

// Version is one model that was published.
type Version struct {
	Number   uint64              `json:"number"`
	Made     time.Time           `json:"made"`
	From     retail.Day          `json:"from"` // the window of history that it was made from
	Through  retail.Day          `json:"through"`
	Shoppers int                 `json:"shoppers"` // whose receipts were read
	Members  int                 `json:"members"`  // of whom it keeps something
	Products int                 `json:"products"` // that have a number
	Settings nextbasket.Settings `json:"settings"`
	Cases    int                 `json:"cases"` // questions of the newest week, which nothing learnt had seen
	Holdout  Figures             `json:"holdout"`
	Usual    Figures             `json:"usual"` // of plain frequencies on the same questions
	Spread   Spread              `json:"spread"`
}

// Days is how many days of history a version was made from.
func (v *Version) Days() int { return int(v.Through-v.From) + 1 }

// Register is what is known of all versions that are kept, the oldest first.
type Register struct {
	Layout   int       `json:"layout"`
	Last     uint64    `json:"last"`    // the number of the newest version ever
	Serving  uint64    `json:"serving"` // 0 for none
	Held     bool      `json:"held"`    // somebody went back to it
	Versions []Version `json:"versions"`
	Found    *Found    `json:"found,omitempty"`
	Watch    *Watch    `json:"watch,omitempty"`
	Outcome  *Outcome  `json:"outcome,omitempty"` // of the last training
}

const registerLayout = 1

// version is one of those that are kept; nil where it is not.
func (r *Register) version(number uint64) *Version {
	i := slices.IndexFunc(r.Versions, func(v Version) bool { return v.Number == number })
	if i < 0 {
		return nil
	}
	return &r.Versions[i]
}

// copied is the register with versions of its own.
func (r *Register) copied() *Register {
	c := *r
	c.Versions = slices.Clone(r.Versions)
	return &c
}

// ErrModel is returned for an artefact that this program cannot read.
var ErrModel = errors.New("a version of the next-basket model that cannot be read")

// readRegister is the newest register, and its number in keep/files; an empty one and
// 0 where there is none. Where that is damaged, it is the newest that is whole, empty
// where none is, with an ErrModel.
func readRegister(ctx context.Context, from files.Files) (*Register, uint64, error) {
	newest, err := from.Newest(ctx, registerArtefact)
	if errors.Is(err, files.ErrNotFound) {
		return &Register{Layout: registerLayout}, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("find the register of models: %w", err)
	}
	var damaged error
	for number := newest; number > 0 && number+registersKept > newest; number-- {
		r, err := readOne(ctx, from, number)
		if err == nil {
			return r, newest, damaged
		}
		if !errors.Is(err, ErrModel) {
			return nil, 0, err
		}
		damaged = errors.Join(damaged, err)
	}
	return &Register{Layout: registerLayout}, newest, damaged
}

func readOne(ctx context.Context, from files.Files, number uint64) (*Register, error) {
	path, err := from.Path(ctx, registerArtefact, number)
	if errors.Is(err, files.ErrNotFound) {
		return nil, fmt.Errorf("%w: register %d is gone", ErrModel, number)
	}
	if err != nil {
		return nil, fmt.Errorf("find the register of models: %w", err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the register of models: %w", err)
	}
	r := new(Register)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%w: register %d: %w", ErrModel, number, err)
	}
	if r.Layout != registerLayout {
		return nil, fmt.Errorf("%w: register %d has layout %d", ErrModel, number, r.Layout)
	}
	return r, nil
}

// writeRegister keeps a register and gives its number.
func writeRegister(ctx context.Context, to files.Files, r *Register) (uint64, error) {
	number, err := to.Put(ctx, registerArtefact, func(w io.Writer) error { return json.NewEncoder(w).Encode(r) })
	if err != nil {
		return 0, fmt.Errorf("keep the register of models: %w", err)
	}
	if number > registersKept {
		if err := to.Drop(ctx, registerArtefact, number-registersKept+1); err != nil {
			return 0, fmt.Errorf("drop old registers of models: %w", err)
		}
	}
	return number, nil
}

// loadModel reads a version's model as it was last written.
func loadModel(ctx context.Context, from files.Files, number uint64) (*nextbasket.Model, error) {
	name := modelArtefact(number)
	newest, err := from.Newest(ctx, name)
	if errors.Is(err, files.ErrNotFound) {
		return nil, fmt.Errorf("%w: version %d is gone", ErrModel, number)
	}
	if err != nil {
		return nil, fmt.Errorf("find version %d: %w", number, err)
	}
	path, err := from.Path(ctx, name, newest)
	if err != nil {
		return nil, fmt.Errorf("find version %d: %w", number, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read version %d: %w", number, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	m, err := nextbasket.Load(f)
	switch {
	case errors.Is(err, nextbasket.ErrModel):
		return nil, fmt.Errorf("%w: version %d: %w", ErrModel, number, err)
	case err != nil:
		return nil, fmt.Errorf("read version %d: %w", number, err)
	}
	return m, nil
}

// saveModel writes a version's model, and lets go what was written of it before.
func saveModel(ctx context.Context, to files.Files, number uint64, m *nextbasket.Model) error {
	file, err := to.Put(ctx, modelArtefact(number), m.Save)
	if err != nil {
		return fmt.Errorf("keep version %d: %w", number, err)
	}
	if err := to.Drop(ctx, modelArtefact(number), file); err != nil {
		return fmt.Errorf("drop version %d as it was: %w", number, err)
	}
	return nil
}

// dropModel lets a version go.
func dropModel(ctx context.Context, from files.Files, number uint64) error {
	file, err := from.Newest(ctx, modelArtefact(number))
	if errors.Is(err, files.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = from.Drop(ctx, modelArtefact(number), file+1)
	}
	if err != nil {
		return fmt.Errorf("drop version %d: %w", number, err)
	}
	return nil
}
