package retail

import (
	"errors"
	"fmt"
	"time"
)

// Day is a business day: a civil date in the retailer's zone, counted from
// 1970-01-01. Its text and JSON are "2017-12-04". Days before 1970 are negative.
type Day int32

// ErrDay is returned for text that is not a date.
var ErrDay = errors.New("not a date like 2017-12-04")

// DayOf is the business day on which t falls in zone.
func DayOf(t time.Time, zone *time.Location) Day {
	y, m, d := t.In(zone).Date()
	return Date(y, m, d)
}

// Date is the day of a civil date.
func Date(year int, month time.Month, day int) Day {
	return Day(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// ParseDay reads "2017-12-04".
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("%w: %.20q", ErrDay, s)
	}
	y, m, d := t.Date()
	return Date(y, m, d), nil
}

// UTC is midnight UTC of the civil date d.
func (d Day) UTC() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// Start is the first instant of d in zone.
func (d Day) Start(zone *time.Location) time.Time {
	y, m, day := d.UTC().Date()
	return time.Date(y, m, day, 0, 0, 0, 0, zone)
}

// String gives "2017-12-04".
func (d Day) String() string { return d.UTC().Format(time.DateOnly) }

// MarshalText implements encoding.TextMarshaler.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Day) UnmarshalText(b []byte) error {
	got, err := ParseDay(string(b))
	if err != nil {
		return err
	}
	*d = got
	return nil
}

// Window is the half-open span of time [From, To).
type Window struct{ From, To time.Time }

// Contains reports whether t lies in w.
func (w Window) Contains(t time.Time) bool { return !t.Before(w.From) && t.Before(w.To) }

// Days is the half-open span of business days [From, To).
type Days struct {
	From Day `json:"from"`
	To   Day `json:"to"` // the day after the last
}

// Contains reports whether d lies in w.
func (w Days) Contains(d Day) bool { return d >= w.From && d < w.To }

// Len counts the days of w; an inverted span has none.
func (w Days) Len() int { return max(0, int(w.To)-int(w.From)) }
