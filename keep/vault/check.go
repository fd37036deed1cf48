package vault

import (
	"errors"
	"fmt"
	"math"
)

// More limits: of one call, and in bytes of one field. PageMax is the longest
// page of Refusals; a longer one is cut to it.
const (
	BatchMax  = 65_536 // sets or shoppers in one call
	KeysMax   = 64     // keys in one set
	TextMax   = 4_096  // a consent's wording, a refusal's story
	NameMax   = 1_024  // a source, a reason, an event's id, a secret's name
	StoredMax = 16 << 20
	SecretMax = 4_096
	PageMax   = 10_000
)

// Check returns ErrLimit, with the field, unless every store can take r.
func (r *Request) Check() error {
	switch {
	case r.ID == "" || len(r.ID) > NameMax:
		return fmt.Errorf("%w: a request's id has 1 to %d bytes, this %d", ErrLimit, NameMax, len(r.ID))
	case len(r.Kind) > NameMax || len(r.State) > NameMax || len(r.Reason) > TextMax:
		return fmt.Errorf("%w: a word of a request has at most %d bytes, its reason %d", ErrLimit, NameMax, TextMax)
	case len(r.Doc) > DocMax:
		return fmt.Errorf("%w: a request's document has at most %d bytes, this %d", ErrLimit, DocMax, len(r.Doc))
	}
	return nil
}

// NoOrdinal is what Ordinals gives for nobody and for a forgotten shopper.
const NoOrdinal uint32 = math.MaxUint32

// ErrLimit is returned for a call that breaks a limit of this package.
var ErrLimit = errors.New("over a limit of the vault")

// Check returns ErrLimit, with the field, unless every store can take r. Raw and
// Say may be of any length; their first RawMax and TextMax bytes are kept.
func (r *Refused) Check() error {
	switch {
	case len(r.Source) > NameMax:
		return fmt.Errorf("%w: a source has at most %d bytes, this %d", ErrLimit, NameMax, len(r.Source))
	case r.Reason == "" || len(r.Reason) > NameMax:
		return fmt.Errorf("%w: a reason has 1 to %d bytes, this %d", ErrLimit, NameMax, len(r.Reason))
	case len(r.Stored) > StoredMax:
		return fmt.Errorf("%w: a stored fact has at most %d bytes, this %d", ErrLimit, StoredMax, len(r.Stored))
	}
	return nil
}
