package offer

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"endcap/retail"
)

// Minute is a time of day on the clock on the wall, in minutes since midnight, 0
// to 1440. Its text and JSON are "17:30"; "24:00" is the end of the day.
type Minute int

// minutesOfDay is how many there are.
const minutesOfDay = 24 * 60

// ErrMinute is returned for text that is not a time of day.
var ErrMinute = errors.New("not a time of day like 17:30")

// String gives "17:30".
func (m Minute) String() string { return fmt.Sprintf("%02d:%02d", int(m)/60, int(m)%60) }

// MarshalText implements encoding.TextMarshaler.
func (m Minute) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Minute) UnmarshalText(b []byte) error {
	if len(b) != 5 || b[2] != ':' {
		return fmt.Errorf("%w: %.10q", ErrMinute, b)
	}
	n := 0
	for _, i := range [...]int{0, 1, 3, 4} {
		if b[i] < '0' || b[i] > '9' {
			return fmt.Errorf("%w: %.10q", ErrMinute, b)
		}
	}
	n = int(b[0]-'0')*600 + int(b[1]-'0')*60 + int(b[3]-'0')*10 + int(b[4]-'0')
	if b[3] > '5' || n > minutesOfDay {
		return fmt.Errorf("%w: %.10q", ErrMinute, b)
	}
	*m = Minute(n)
	return nil
}

// Hours is the half-open span [From, To) of a day. Where To is not after From it
// goes past midnight and belongs to the day on which it began.
type Hours struct {
	From Minute `json:"from"`
	To   Minute `json:"to"`
}

// Weekday is a day of the week. Its text and JSON are "monday".
type Weekday time.Weekday

var weekdays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// ErrWeekday is returned for text that is no day of the week.
var ErrWeekday = errors.New("not a day of the week like monday")

// String gives "monday".
func (w Weekday) String() string {
	if int(w) < 0 || int(w) >= len(weekdays) {
		return fmt.Sprintf("weekday(%d)", int(w))
	}
	return weekdays[w]
}

// MarshalText implements encoding.TextMarshaler.
func (w Weekday) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *Weekday) UnmarshalText(b []byte) error {
	i := slices.Index(weekdays, string(b))
	if i < 0 {
		return fmt.Errorf("%w: %.12q", ErrWeekday, b)
	}
	*w = Weekday(i)
	return nil
}

// When says whether o holds at an instant in a store of the given zone: its days
// begin at the store's own midnight and end with the last instant of its last day,
// and its hours are those of the clock on the store's wall, so that an hour that
// the change to winter time repeats counts twice and one that summer time leaves
// out does not come. The zero Verdict says it holds.
func (o *Offer) When(at time.Time, zone *time.Location) Verdict {
	local := at.In(zone)
	day := retail.DayOf(at, zone)
	e := &o.Eligible
	switch {
	case at.Before(o.Since) || day < e.Days.From:
		return Verdict{Reason: NotStarted}
	case day >= e.Days.To:
		return Verdict{Reason: Expired}
	case !e.open(local):
		return Verdict{Reason: WrongTime}
	}
	return Verdict{}
}

// open reports whether weekdays and hours hold at a local time.
func (e *Eligibility) open(local time.Time) bool {
	today := Weekday(local.Weekday())
	yesterday := (today + 6) % 7
	on := func(w Weekday) bool { return len(e.Weekdays) == 0 || slices.Contains(e.Weekdays, w) }
	if len(e.Hours) == 0 {
		return on(today)
	}
	now := Minute(local.Hour()*60 + local.Minute())
	for _, h := range e.Hours {
		switch {
		case h.From < h.To:
			if now >= h.From && now < h.To && on(today) {
				return true
			}
		case now >= h.From && on(today), now < h.To && on(yesterday):
			return true
		}
	}
	return false
}

// Held says whether what was held at an instant when o held may be redeemed now: a
// hold keeps the offer as it stood when it was taken, until the hold itself ends at
// the instant until, so an offer that has meanwhile expired is honoured.
func (o *Offer) Held(taken, until, now time.Time, zone *time.Location) Verdict {
	if v := o.When(taken, zone); v != (Verdict{}) {
		return v
	}
	if !now.Before(until) {
		return Verdict{Reason: Expired}
	}
	return Verdict{}
}

// SkewMax is how far ahead of the server's clock a till's may be.
const SkewMax = 5 * time.Minute

// Dated judges a redemption that a till without connection made at the instant
// dated and that arrived at received: what is dated while o held counts, however
// late it arrives. Anything else is kept aside with the reason given; WrongTime
// where it is dated in the future, beyond SkewMax.
func (o *Offer) Dated(dated, received time.Time, zone *time.Location) Verdict {
	if dated.After(received.Add(SkewMax)) {
		return Verdict{Reason: WrongTime}
	}
	return o.When(dated, zone)
}
