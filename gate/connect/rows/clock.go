package rows

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"endcap/retail"
)

// The years in which a time is believed.
const (
	yearMin = 1990
	yearMax = 2100
)

// clock reads times quickly: rows near each other mostly share the hour.
type clock struct {
	zone *time.Location
	utc  bool
	hour [13]byte // the last "2017-01-01 11" …
	base int64    // … as microseconds since 1970, where every minute of it is 60 s
}

func badTime(b []byte) *complaint {
	return &complaint{
		BadTime, fmt.Sprintf("%.40q is not a time between %d and %d in the mapping's format", b, yearMin, yearMax),
		"write it like 2017-12-04 18:30:00 or 2017-12-04T18:30:00Z, or name its format in the mapping",
	}
}

// instant reads a time as microseconds since 1970.
func (c *column) instant(b []byte) (int64, *complaint) {
	switch {
	case c.Step != 0:
		day, bad := c.numbered(b)
		if bad != nil {
			return Absent, bad
		}
		return retail.Day(day).Start(c.Zone).UnixMicro(), nil
	case c.Unix != 0:
		if v, ok := decimal(b, '.', 0); ok {
			return ticks(v, c.Unix, b)
		}
	case c.Layout != "":
		if t, err := time.ParseInLocation(c.Layout, string(b), c.Zone); err == nil {
			return believed(t, b)
		}
	}
	if v, ok := c.clock.iso(b); ok {
		return v, nil
	}
	return Absent, badTime(b)
}

// date reads the day of a week as days since 1970: a date, or a number.
func (c *column) date(b []byte) (int64, *complaint) {
	if c.Step != 0 {
		return c.numbered(b)
	}
	layout := c.Layout
	if layout == "" {
		layout = time.DateOnly
	}
	if t, err := time.Parse(layout, string(b)); err == nil && aDay(retail.Date(t.Date())) {
		return int64(retail.Date(t.Date())), nil
	}
	return Absent, badDay(b)
}

func badDay(b []byte) *complaint {
	return &complaint{
		BadTime, fmt.Sprintf("%.40q is not a day between %d and %d in the mapping's format", b, yearMin, yearMax),
		"write it like 2017-12-04, or name its format in the mapping",
	}
}

func aDay(d retail.Day) bool {
	y := d.UTC().Year()
	return y >= yearMin && y <= yearMax
}

// numbered reads the number of a day or week, counted from 1.
func (c *column) numbered(b []byte) (int64, *complaint) {
	n, ok := decimal(b, '.', 0)
	if ok {
		if day := c.First + retail.Day(int64(c.Step)*(min(max(n, 0), 100_000)-1)); n > 0 && aDay(day) {
			return int64(day), nil
		}
	}
	return Absent, &complaint{
		BadTime, fmt.Sprintf("%.40q is no number of a day or week between %d and %d", b, yearMin, yearMax),
		"write it with digits, 1 for the first, or correct the mapping's first",
	}
}

// timeOfDay reads "7:30", "07:30:15", or digits alone such as "730", "0730" and
// "073015", as microseconds since midnight.
func timeOfDay(b []byte) (int64, *complaint) {
	bad := &complaint{BadTime, fmt.Sprintf("%.40q is not a time of day", b), "write it like 18:30, 18:30:15 or 1830"}
	parts := bytes.Split(b, []byte{':'})
	if len(parts) == 1 {
		if len(b) > 6 {
			return Absent, bad
		}
		digits := slices.Concat(bytes.Repeat([]byte{'0'}, max(len(b)%2, 4-len(b))), b)
		parts = parts[:0]
		for ; len(digits) > 0; digits = digits[2:] {
			parts = append(parts, digits[:2])
		}
	}
	if len(parts) > 3 {
		return Absent, bad
	}
	var clock [3]int64
	for i, p := range parts {
		n, ok := decimal(p, '.', 0)
		if !ok || len(p) > 2 || p[0] == '+' || p[0] == '-' || n > [...]int64{23, 59, 59}[i] {
			return Absent, bad
		}
		clock[i] = n
	}
	return (clock[0]*3600 + clock[1]*60 + clock[2]) * 1e6, nil
}

// ticks turns a count since 1970 into microseconds.
func ticks(v int64, tick time.Duration, text []byte) (int64, *complaint) {
	if perSecond := int64(time.Second / tick); v/perSecond > 200*366*86400 || v < 0 {
		return Absent, badTime(text)
	}
	if tick < time.Microsecond {
		return believed(time.UnixMicro(v/int64(time.Microsecond/tick)), text)
	}
	return believed(time.UnixMicro(v*int64(tick/time.Microsecond)), text)
}

func believed(t time.Time, text []byte) (int64, *complaint) {
	if y := t.UTC().Year(); y < yearMin || y > yearMax {
		return Absent, badTime(text)
	}
	return t.UnixMicro(), nil
}

// iso reads "2017-12-04", "2017-12-04 18:30", "2017-12-04T18:30:00.123Z" and
// with an offset such as "+01:00". Without one the time is in c's zone.
func (c *clock) iso(b []byte) (int64, bool) {
	if len(b) == 10 {
		return c.at(b, "00")
	}
	if len(b) < 16 || b[10] != ' ' && b[10] != 'T' || b[13] != ':' {
		return 0, false
	}
	minute, ok1 := two(b[14:])
	second, rest := 0, b[16:]
	ok2 := true
	if len(rest) >= 3 && rest[0] == ':' {
		second, ok2 = two(rest[1:])
		rest = rest[3:]
	}
	if !ok1 || !ok2 || minute > 59 || second > 59 {
		return 0, false
	}
	micros := int64(minute*60+second) * 1e6
	if len(rest) > 0 && (rest[0] == '.' || rest[0] == ',') {
		n := 1
		for scale := int64(100_000); n < len(rest) && rest[n]-'0' <= 9; n, scale = n+1, scale/10 {
			micros += int64(rest[n]-'0') * scale
		}
		if n == 1 || n > 10 {
			return 0, false
		}
		rest = rest[n:]
	}
	if len(rest) > 0 {
		return offset(b, rest, micros)
	}
	if [13]byte(b) == c.hour {
		return c.base + micros, true
	}
	return c.slow(b, micros)
}

// at is the full hour of a date's text.
func (c *clock) at(date []byte, hour string) (int64, bool) {
	return c.slow([]byte(string(date[:10])+" "+hour), 0)
}

// slow finds the hour that b begins with, and remembers it.
func (c *clock) slow(b []byte, micros int64) (int64, bool) {
	at, ok := civil(b)
	if !ok {
		return 0, false
	}
	zone := c.zone
	if c.utc {
		zone = time.UTC
	}
	base := at.in(zone, 0)
	if at.in(zone, 3599e6)-base == 3599e6 {
		c.hour, c.base = [13]byte(b), base
		return base + micros, true
	}
	return at.in(zone, micros), true // the clocks change within this hour
}

// hour is a full hour of the calendar.
type hour struct {
	year, day, hour int
	month           time.Month
}

// in is the hour in a zone, and micros of the wall clock more.
func (h hour) in(zone *time.Location, micros int64) int64 {
	return time.Date(h.year, h.month, h.day, h.hour, 0, int(micros/1e6), int(micros%1e6)*1000, zone).UnixMicro()
}

// civil reads "2017-12-04 18" or "2017-12-04T18", and checks that it exists.
func civil(b []byte) (hour, bool) {
	y1, ok1 := two(b)
	y2, ok2 := two(b[2:])
	m, ok3 := two(b[5:])
	d, ok4 := two(b[8:])
	h, ok5 := two(b[11:])
	at := hour{y1*100 + y2, d, h, time.Month(m)}
	ok := ok1 && ok2 && ok3 && ok4 && ok5 && b[4] == '-' && b[7] == '-' && at.year >= yearMin && at.year <= yearMax &&
		m >= 1 && m <= 12 && d >= 1 && h < 24 && d <= time.Date(at.year, at.month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return at, ok
}

// offset adds what follows the seconds: Z, +01:00, +0100 or +01.
func offset(b, rest []byte, micros int64) (int64, bool) {
	hour, ok := civil(b)
	if !ok {
		return 0, false
	}
	at := hour.in(time.UTC, 0) + micros
	if len(rest) == 1 && (rest[0] == 'Z' || rest[0] == 'z') {
		return at, true
	}
	if len(rest) < 3 || rest[0] != '+' && rest[0] != '-' {
		return 0, false
	}
	hours, ok := two(rest[1:])
	minutes, tail := 0, rest[3:]
	if len(tail) > 0 && tail[0] == ':' {
		tail = tail[1:]
	}
	if len(tail) > 0 {
		var fine bool
		minutes, fine = two(tail)
		ok = ok && fine && len(tail) == 2
	}
	if !ok || hours > 15 || minutes > 59 {
		return 0, false
	}
	shift := int64(hours*60+minutes) * 60e6
	if rest[0] == '+' {
		shift = -shift
	}
	return at + shift, true
}

// two reads two digits.
func two(b []byte) (int, bool) {
	if len(b) < 2 {
		return 0, false
	}
	hi, lo := b[0]-'0', b[1]-'0'
	return int(hi)*10 + int(lo), hi <= 9 && lo <= 9
}
