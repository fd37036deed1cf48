package vault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Generation is one secret of a ring.
type Generation struct {
	Number int // from 1; the newest has the highest
	Value  []byte
	Made   time.Time // zero where nobody knows
}

// RingMax is how many generations a ring holds at most.
const RingMax = 64

// ErrRing is returned by Turn for a ring that is full.
var ErrRing = errors.New("the ring holds as many generations as it can")

// The rings of every house, beside TombstoneRing; a partner's is called
// PartnerRings and its id.
const (
	TokenRing    = "tokens"       // signs tokens, and masks the shopper in them
	SigningRing  = "certificates" // signs certificates
	ListRing     = "backup-list"  // seals the list of tombstones beside backups
	PartnerRings = "partner/"
)

// TombstoneRing names the ring whose newest secret keys the vault's marks. A
// mark cannot be made anew under a newer secret, because nobody knows of whom it
// is; so a generation of this ring is kept for good, and asked at every look-up.
const TombstoneRing = "tombstones"

// Rings keeps the installation's own secrets that are rotated: by name, in
// generations, of which the newest is used and older ones are still understood.
type Rings interface {
	// Ring returns a ring, the newest generation first; none where it has none.
	Ring(ctx context.Context, name string) ([]Generation, error)
	// Turn adds next, if its Number is one above the newest, and returns the ring
	// as it is then: where somebody else turned it, theirs is the newest.
	Turn(ctx context.Context, name string, next Generation) ([]Generation, error)
	// Retire destroys the generations whose numbers are below one, leaving no byte
	// of them, and says how many there were. It refuses TombstoneRing.
	Retire(ctx context.Context, name string, below int) (int, error)
	// Rings lists the names of up to limit rings after one, in order.
	Rings(ctx context.Context, after string, limit int) ([]string, error)
}

// OpenRing reads a ring, and makes its first generation where it has none.
func OpenRing(ctx context.Context, r Rings, name string, first func() (Generation, error)) ([]Generation, error) {
	all, err := r.Ring(ctx, name)
	if err != nil || len(all) > 0 {
		return all, err
	}
	next, err := first()
	if err != nil {
		return nil, fmt.Errorf("draw a secret for %s: %w", name, err)
	}
	next.Number = 1
	return r.Turn(ctx, name, next)
}

// CheckTurn returns ErrLimit unless every store can add next to a ring.
func CheckTurn(name string, next *Generation) error {
	switch {
	case name == "" || len(name) > NameMax:
		return fmt.Errorf("%w: a ring's name has 1 to %d bytes, this %d", ErrLimit, NameMax, len(name))
	case len(next.Value) == 0 || len(next.Value) > SecretMax:
		return fmt.Errorf("%w: a secret has 1 to %d bytes, this %d", ErrLimit, SecretMax, len(next.Value))
	case next.Number < 1:
		return fmt.Errorf("%w: generations are numbered from 1, not %d", ErrLimit, next.Number)
	}
	return nil
}
