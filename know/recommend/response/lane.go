package response

import (
	"time"

	"endcap/retail/event"
)

// lane is one partition of the stream as it is learned from: what is awaited of it,
// and from where it must be read again to await the same. Facts of one decision lie
// in one partition, in order, so lanes do not depend on each other.
type lane struct {
	await *Awaiting
	at    event.Cursor // folded up to here
	marks []mark       // of batches from which something may be awaited, the oldest first
	added uint64       // showings ever awaited
	skip  uint64       // showings still to pass: they were learned before a restart
	wild  map[Slot]touched
	order []Slot // of wild, the oldest first
}

// mark is a batch with showings: the cursor before it, how many of its showings were
// passed, and the number of the first that is awaited.
type mark struct {
	before        event.Cursor
	passed, first uint64
}

// touched is what came of a showing before the showing itself: decisions are recorded
// a moment after they are answered.
type touched uint8

const (
	wasSeen touched = 1 << iota
	wasClicked
	wasBot
	wasBought
)

// wildMost is how many showings one lane remembers touches of that it has not met.
const wildMost = 1_024

func newLane(at place, wait time.Duration, most int) (*lane, error) {
	a, err := NewAwaiting(wait, most)
	if err != nil {
		return nil, err
	}
	return &lane{await: a, at: at.cursor, skip: at.skip, wild: make(map[Slot]touched)}, nil
}

// place is from where a lane is to be read again, and how many showings there were
// learned already.
type place struct {
	cursor event.Cursor
	skip   uint64
}

// resume is the lane's place now. Nothing before it is awaited.
func (l *lane) resume() place {
	gone := l.await.Gone()
	if gone == l.added {
		l.marks = nil
		return place{l.at, l.skip}
	}
	for len(l.marks) > 1 && l.marks[1].first <= gone {
		l.marks = l.marks[1:]
	}
	m := l.marks[0]
	return place{m.before, m.passed + gone - m.first}
}

// fold takes facts in and gives the outcomes that are over, in order. damaged are
// decisions whose basis cannot be read.
func (l *lane) fold(facts []event.Fact, next event.Cursor) (over []Outcome, damaged int) {
	m := mark{before: l.at, first: l.added}
	for i := range facts {
		f := &facts[i]
		over = append(over, l.await.Over(f.Arrived)...)
		switch body := f.Body.(type) {
		case event.Decided:
			if !l.decided(f, &body, &m) {
				damaged++
			}
		case event.Shown:
			l.touch(&body.Touch, wasSeen)
		case event.Clicked:
			what := wasClicked
			if body.Bot {
				what = wasBot
			}
			l.touch(&body.Touch, what)
		case event.Basketed:
			l.touch(&body.Touch, wasBought)
		case event.Purchased:
			l.touch(&body.Touch, wasBought)
		case event.Forgotten:
			l.await.Forget(f.Shopper)
		}
	}
	if l.added > m.first {
		l.marks = append(l.marks, m)
	}
	l.at = next
	l.resume() // drops marks that are over
	return over, damaged
}

// decided awaits what one answer showed; false where it cannot be read.
func (l *lane) decided(f *event.Fact, d *event.Decided, m *mark) bool {
	all, err := Showings(d)
	for i := range all {
		if l.skip > 0 {
			l.skip--
			m.passed++
			continue
		}
		slot := Slot{d.Decision, uint8(i)}
		if l.await.Knows(slot) || l.await.Shown(slot, f.Shopper, f.Arrived, &all[i]) != nil {
			continue // told twice; it was checked, and Over was asked
		}
		l.added++
		if what, ok := l.wild[slot]; ok {
			delete(l.wild, slot)
			l.apply(slot, what)
		}
	}
	return err == nil
}

// touch notes what came of a showing, known or yet to come.
func (l *lane) touch(t *event.Touch, what touched) {
	slot := Slot{t.Decision, t.Slot}
	if l.await.Knows(slot) {
		l.apply(slot, what)
		return
	}
	if _, ok := l.wild[slot]; !ok {
		if len(l.order) >= wildMost {
			if _, still := l.wild[l.order[0]]; still {
				delete(l.wild, l.order[0])
				l.await.late++
			}
			l.order = l.order[1:]
		}
		l.order = append(l.order, slot)
	}
	l.wild[slot] |= what
}

func (l *lane) apply(slot Slot, what touched) {
	if what&wasSeen > 0 {
		l.await.Seen(slot)
	}
	if what&wasClicked > 0 {
		l.await.Clicked(slot)
	}
	if what&wasBot > 0 {
		l.await.Void(slot)
	}
	if what&wasBought > 0 {
		l.await.Bought(slot)
	}
}
