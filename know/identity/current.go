package identity

import (
	"context"
	"time"

	"endcap/keep/profile"
	"endcap/retail/shopper"
)

// SpokeIn is when a shopper said what the consent section of a profile holds,
// the zero time where she said nothing.
func SpokeIn(section []byte) time.Time {
	if len(section) != sectionSize || section[0] != sectionLayout {
		return time.Time{}
	}
	return time.UnixMicro(since(section)).UTC()
}

// Current reads the profiles of those who are still about: of whom lapsed says
// that she was inactive too long there is none, as if nobody knew her. It asks at
// every read, so that it needs no job to be right.
type Current struct {
	*Profiles
	lapsed func(profile.Profile) bool
}

// NewCurrent reads from profiles. lapsed is asked of every profile; it changes
// none and is safe for concurrent use.
func NewCurrent(of *Profiles, lapsed func(profile.Profile) bool) *Current {
	return &Current{of, lapsed}
}

// Get is Profiles.Get of those who are still about.
func (c *Current) Get(ctx context.Context, who shopper.ID) (profile.Profile, error) {
	p, err := c.Profiles.Get(ctx, who)
	if err != nil || len(p) == 0 || c.lapsed(p) {
		return nil, err
	}
	return p, nil
}
