package billing

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

// memory is what the filters remember of one shopper: the tokens she was shown
// that can still be billed, and how often she clicked which line item lately.
// It is a pure fold of her facts.
type memory struct {
	shown   []shown
	clicks  []clicked
	pot     bool // of visitors whom nobody knows
	changed bool
}

type shown struct {
	issued int64  // seconds since 1970
	token  uint64 // the token's, from its random decision id
}

type clicked struct {
	hour  int64 // of arrival, in hours since 1970
	line  uint64
	count uint64
}

// Bounds of one memory. Beyond them the oldest is forgotten.
const (
	shownMax   = 2_048
	clickedMax = 256
	grace      = time.Hour // beyond a token's life, for impressions told late
)

// potsBits says into how many memories per partition the visitors whom nobody
// knows are spread, by their decision. Their ids are small numbers, which no
// shopper's random id is but by a chance that harms nothing.
const potsBits = 16

// unitOf is under whose id the memory of a fact lies.
func unitOf(f *event.Fact, partition int) shopper.ID {
	if f.Shopper.Known() {
		return f.Shopper
	}
	var decision media.DecisionID
	switch body := f.Body.(type) {
	case event.Shown:
		decision = body.Decision
	case event.Clicked:
		decision = body.Decision
	}
	pot := binary.BigEndian.Uint64(decision[:]) & (1<<potsBits - 1)
	return shopper.FromUint64(uint64(partition+1)<<potsBits | pot)
}

func tokenOf(t *event.Touch) uint64 {
	return binary.BigEndian.Uint64(t.Decision[8:]) ^ (uint64(t.Slot)+1)*0x9e3779b97f4a7c15
}

// lineOf tells line items apart; of different visitors in one pot too.
func lineOf(t *event.Touch, pot bool) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(t.LineItem) {
		h = (h ^ uint64(t.LineItem[i])) * 1099511628211
	}
	if pot {
		h ^= binary.BigEndian.Uint64(t.Decision[:])
	}
	return h
}

func (m *memory) show(t *event.Touch, at time.Time) {
	s := shown{t.Issued.Unix(), tokenOf(t)}
	if slices.Contains(m.shown, s) {
		return
	}
	m.changed = true
	m.shown = append(m.shown, s)
	m.trim(at)
}

func (m *memory) trim(at time.Time) {
	oldest := at.Add(-media.TokenLife - grace).Unix()
	m.shown = slices.DeleteFunc(m.shown, func(s shown) bool { return s.issued < oldest })
	m.shown = m.shown[max(0, len(m.shown)-shownMax):]
	m.clicks = slices.DeleteFunc(m.clicks, func(c clicked) bool { return c.hour < at.Unix()/3600 })
	m.clicks = m.clicks[max(0, len(m.clicks)-clickedMax):]
}

// click says why a click is free, or "" where it is to be charged, and counts it.
// at is when it arrived.
func (m *memory) click(c *event.Clicked, at time.Time, perHour int) event.Refusal {
	t := &c.Touch
	switch {
	case c.Bot:
		return event.Bot
	case late(t, at):
		return event.TooLate
	case !slices.Contains(m.shown, shown{t.Issued.Unix(), tokenOf(t)}):
		return event.NoImpression
	case m.count(t, at) > uint64(perHour):
		return event.Repeat
	}
	return ""
}

// count adds a click to those of its hour and gives their number.
func (m *memory) count(t *event.Touch, at time.Time) uint64 {
	m.changed = true
	hour, line := at.Unix()/3600, lineOf(t, m.pot)
	for i := range m.clicks {
		if k := &m.clicks[i]; k.hour == hour && k.line == line {
			k.count++
			return k.count
		}
	}
	m.clicks = append(m.clicks, clicked{hour, line, 1})
	m.trim(at)
	return 1
}

// forget drops everything.
func (m *memory) forget() { *m = memory{pot: m.pot, changed: true} }

// layout is the first byte of a section.
const layout = 1

// ErrSection is returned for bytes that are not a section of this package.
var ErrSection = errors.New("not a billing section")

func (m *memory) encode() []byte {
	if len(m.shown) == 0 && len(m.clicks) == 0 {
		return nil
	}
	b := make([]byte, 0, 4+len(m.shown)*12+len(m.clicks)*13)
	b = append(b, layout)
	b = binary.AppendUvarint(b, uint64(len(m.shown)))
	last := int64(0)
	for _, s := range m.shown {
		b = binary.AppendVarint(b, s.issued-last)
		b = binary.BigEndian.AppendUint64(b, s.token)
		last = s.issued
	}
	last = 0
	b = binary.AppendUvarint(b, uint64(len(m.clicks)))
	for _, c := range m.clicks {
		b = binary.AppendVarint(b, c.hour-last)
		b = binary.BigEndian.AppendUint64(b, c.line)
		b = binary.AppendUvarint(b, c.count)
		last = c.hour
	}
	return b
}

func (m *memory) decode(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	r := reader{b: b[1:], bad: b[0] != layout}
	m.shown = make([]shown, r.count(9))
	last := int64(0)
	for i := range m.shown {
		last += r.int()
		m.shown[i] = shown{last, r.fixed()}
	}
	last = 0
	m.clicks = make([]clicked, r.count(10))
	for i := range m.clicks {
		last += r.int()
		m.clicks[i] = clicked{last, r.fixed(), r.uint()}
	}
	if r.bad || len(r.b) > 0 {
		return ErrSection
	}
	return nil
}

// reader takes a section apart; after the first thing that does not fit it is
// bad and gives zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	return v * r.skip(n)
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	return v * int64(r.skip(n))
}

func (r *reader) fixed() uint64 {
	if len(r.b) < 8 {
		r.bad = true
		return 0
	}
	v := binary.BigEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}

// count reads the length of a list whose items take at least size bytes each.
func (r *reader) count(size int) int {
	n := r.uint()
	if n > uint64(len(r.b)/size) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *reader) skip(n int) uint64 {
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return 1
}
