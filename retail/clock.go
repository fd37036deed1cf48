package retail

import (
	"errors"
	"sync/atomic"
	"time"
)

// Clock tells the time. Exactly one serves a whole installation, handed in by
// cmd; functions that compute take the instant itself.
type Clock func() time.Time

// ErrBackwards is returned when a replay clock is asked to run backwards.
var ErrBackwards = errors.New("a clock cannot run backwards")

// ReplayClock is a clock that stands still until it is advanced. It lets a
// demonstration live through past weeks. It is safe for concurrent use.
type ReplayClock struct{ micros atomic.Int64 }

// NewReplayClock starts at t.
func NewReplayClock(t time.Time) *ReplayClock {
	c := new(ReplayClock)
	c.micros.Store(t.UnixMicro())
	return c
}

// Now is the instant the clock was last advanced to, in UTC.
func (c *ReplayClock) Now() time.Time { return time.UnixMicro(c.micros.Load()).UTC() }

// Advance moves the clock forward to t, to the microsecond; it returns
// ErrBackwards, and changes nothing, when t lies before Now.
func (c *ReplayClock) Advance(t time.Time) error {
	for {
		now := c.micros.Load()
		if t.UnixMicro() < now {
			return ErrBackwards
		}
		if c.micros.CompareAndSwap(now, t.UnixMicro()) {
			return nil
		}
	}
}
