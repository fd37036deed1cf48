package registry

import (
	"errors"
	"fmt"
	"time"
)

// Limits of a row's and a lease's fields, in bytes.
const (
	KindMax = 32
	IDMax   = 128
	ByMax   = 200
	NameMax = 128
	TTLMax  = 24 * time.Hour
)

// ErrRow is returned for a row or a lease that breaks a limit of this package.
var ErrRow = errors.New("not a row the registry can take")

// Check returns ErrRow, with the field, unless every store can take r.
func (r *Row) Check() error {
	switch {
	case r.Kind == "" || len(r.Kind) > KindMax:
		return fmt.Errorf("%w: a kind has 1 to %d bytes, this %d", ErrRow, KindMax, len(r.Kind))
	case r.ID == "" || len(r.ID) > IDMax:
		return fmt.Errorf("%w: an id has 1 to %d bytes, this %d", ErrRow, IDMax, len(r.ID))
	case r.Version == 0 || r.Version > 1<<32-1:
		return fmt.Errorf("%w: versions count from 1, this is %d", ErrRow, r.Version)
	case len(r.Doc) > DocMax:
		return fmt.Errorf("%w: a document has at most %d bytes, this %d", ErrRow, DocMax, len(r.Doc))
	case len(r.By) > ByMax:
		return fmt.Errorf("%w: a principal's name has at most %d bytes, this %d", ErrRow, ByMax, len(r.By))
	}
	return nil
}

// Check returns ErrRow, with the field, unless every store can grant w. A TTL of
// zero gives the holder's own lease back.
func (w *Lease) Check() error {
	switch {
	case w.Name == "" || len(w.Name) > NameMax:
		return fmt.Errorf("%w: a lease's name has 1 to %d bytes, this %d", ErrRow, NameMax, len(w.Name))
	case w.Holder == "" || len(w.Holder) > NameMax:
		return fmt.Errorf("%w: a holder's name has 1 to %d bytes, this %d", ErrRow, NameMax, len(w.Holder))
	case w.TTL < 0 || w.TTL > TTLMax:
		return fmt.Errorf("%w: a lease runs for 0 to %v, this for %v", ErrRow, TTLMax, w.TTL)
	}
	return nil
}
