package retail

import "errors"

// Kind sorts errors by what the caller can do about them. Kinds cross the wire
// as text and are never renamed.
type Kind string

// The kinds of outside error. Anything that is not an *Error is Internal.
const (
	Invalid     Kind = "invalid"      // the request is wrong; sending it again will not help
	NotFound    Kind = "not_found"    // no such thing, or not the caller's
	Conflict    Kind = "conflict"     // it contradicts what is stored
	Denied      Kind = "denied"       // known caller, missing right
	Unknown     Kind = "unknown"      // no or bad credentials
	TooLarge    Kind = "too_large"    // over a stated limit
	TooMany     Kind = "too_many"     // over a stated rate
	Unavailable Kind = "unavailable"  // try again later; nothing was done
	Internal    Kind = "internal"     // our fault
	Stale       Kind = "precondition" // somebody else changed it first; read again
)

// Error is an error fit for strangers. Say and Cure are shown to the caller;
// Err is logged and never shown.
type Error struct {
	Kind  Kind
	Field string // the offending field as the caller names it, e.g. "lines[3].quantity"; may be empty
	Say   string // what is wrong, lower case, without a full stop
	Cure  string // how to fix it; may be empty
	Err   error  // the cause, for the log
}

// Error gives field, message and cause for the log.
func (e *Error) Error() string {
	s := e.Say
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of the first *Error in err's chain, or Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}
