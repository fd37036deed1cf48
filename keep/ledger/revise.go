package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"endcap/keep/registry"
	"endcap/retail"
)

// Revision is one change of one thing in the registry.
type Revision struct {
	Kind    registry.Kind
	ID      string
	Doc     []byte
	Removed bool
	From    uint64 // the version that is changed; 0 makes something new
	By      string
	Once    string // the caller's idempotency key; empty where it gave none
	At      time.Time
	// Entries and Limits are what the revision moves in the same deed, e.g. money
	// that its terms no longer allow to be set aside. A repeat moves nothing.
	Entries []Entry
	Limits  []Limit
}

// ErrLimit is returned by Revise when one of the revision's limits does not
// hold: the money moved meanwhile. Nothing was done.
var ErrLimit = errors.New("a limit of the revision does not hold")

// Revise commits a revision as a deed of its own and returns the new version.
// The same revision again, or the same one under its idempotency key, returns
// the same version. Two refusals are *retail.Error, fit for whoever asked:
// ErrStale says that From is not the newest version (or, for a new thing, that
// the id is or was taken), ErrKeyReused that the idempotency key was used for
// something else.
func Revise(ctx context.Context, book interface {
	Commit(ctx context.Context, deeds ...Deed) ([]Answer, error)
}, r Revision,
) (uint64, error) {
	row := registry.Row{Kind: r.Kind, ID: r.ID, Version: r.From + 1, Doc: r.Doc, Removed: r.Removed, By: r.By, At: r.At}
	name := fmt.Sprintf("%s/%s/%d", row.Kind, row.ID, row.Version)
	deed := Deed{
		Key: "terms/" + name, Body: digest(fmt.Sprintf("%s %t %s", name, row.Removed, row.Doc)), Rows: []registry.Row{row},
		Entries: r.Entries, Limits: r.Limits, Answer: binary.AppendUvarint(nil, row.Version), At: r.At,
	}
	if r.Once != "" {
		by, once := digest(r.By), digest(r.Once)
		deed.Key = "once/" + hex.EncodeToString(by[:]) + "/" + hex.EncodeToString(once[:])
	}
	answers, err := book.Commit(ctx, deed)
	if err != nil {
		return 0, fmt.Errorf("commit %s: %w", name, err)
	}
	switch a := &answers[0]; {
	case errors.Is(a.Err, ErrKeyReused) && r.Once != "":
		return 0, &retail.Error{Kind: retail.Conflict, Field: "Idempotency-Key", Say: "this key was used for another request", Cure: "use a new key", Err: a.Err}
	case errors.Is(a.Err, ErrStale), errors.Is(a.Err, ErrKeyReused): // the version's own key was used: somebody else made that version
		return 0, stale(r.From)
	case a.Err != nil:
		return 0, fmt.Errorf("write %s: %w", name, a.Err)
	case a.Refused != "":
		return 0, fmt.Errorf("write %s: %w: %s", name, ErrLimit, a.Refused)
	case a.Repeat:
		version, n := binary.Uvarint(a.Stored)
		if n <= 0 {
			return 0, fmt.Errorf("write %s: its stored answer is damaged", name)
		}
		return version, nil
	}
	return row.Version, nil
}

// stale is the refusal of a revision whose turn has passed.
func stale(from uint64) error {
	if from == 0 {
		return &retail.Error{Kind: retail.Conflict, Field: "id", Say: "this id is taken, or was", Cure: "choose another id, or change what exists by its version", Err: ErrStale}
	}
	return &retail.Error{Kind: retail.Stale, Say: fmt.Sprintf("version %d is not the newest", from), Cure: "read it again and change that version", Err: ErrStale}
}

// digest is the hash under which texts of any length name deeds.
func digest(text string) [16]byte {
	sum := sha256.Sum256([]byte(text))
	return [16]byte(sum[:16])
}
