package response

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"endcap/retail/media"
	"endcap/retail/shopper"
)

// Slot names a showing: the decision that gave the answer, and the place in the
// whole of it, as a token and its touches have them.
type Slot struct {
	Decision media.DecisionID
	Place    uint8
}

// Awaiting keeps showings until it is over what may become of them, and then gives
// their outcomes in the order in which they were shown. It works by the time of what
// it is told, not by a clock, so the same facts give the same outcomes. It is not
// safe for concurrent use.
//
// A showing teaches nothing where billing would not charge the click for what it is:
// a bot's, one on what was never reported as seen, or one of more than ClicksMax of
// the same visitor on the same line item among those awaited; and where it is void.
type Awaiting struct {
	wait   time.Duration
	most   int
	line   []awaited // the oldest first, from next on
	next   int
	where  map[Slot]int // in line, counted from the first that ever was
	gone   int          // how many were cut off the line's front
	bursts map[burst]int
	late   uint64
	early  uint64
	void   uint64
}

type awaited struct {
	slot Slot
	at   time.Time
	who  shopper.ID
	seen bool
	void bool
	Outcome
}

// burst are the clicks of one visitor on one line item. Whom nobody knows is told
// by the decision.
type burst struct {
	who      shopper.ID
	decision media.DecisionID
	item     media.LineItemID
}

func (w *awaited) burst() burst {
	b := burst{who: w.who, item: w.LineItem}
	if !w.who.Known() {
		b.decision = w.slot.Decision
	}
	return b
}

// ClicksMax is how many clicks of one visitor on one line item teach, of those that
// are awaited together; billing charges as many within an hour.
const ClicksMax = 5

// ErrCrowd is returned where twice as many showings are awaited as may be: somebody
// has not asked for those that are over.
var ErrCrowd = errors.New("too many showings are awaited")

// NewAwaiting waits so long for each showing, and keeps so many at most, each some
// 400 bytes. Where there are more, Over takes the oldest to be over; between two calls
// of it there may be twice as many.
func NewAwaiting(wait time.Duration, most int) (*Awaiting, error) {
	if wait <= 0 || most < 1 {
		return nil, fmt.Errorf("await %d showings for %v", most, wait)
	}
	return &Awaiting{wait: wait, most: most, where: make(map[Slot]int), bursts: make(map[burst]int)}, nil
}

// Shown adds a showing to somebody, who may be nobody known. One that is there
// already, or is none, is not added.
func (a *Awaiting) Shown(slot Slot, who shopper.ID, at time.Time, sh *Showing) error {
	if err := sh.Check(); err != nil {
		return err
	}
	if _, there := a.where[slot]; there {
		return nil
	}
	if len(a.where) >= 2*a.most {
		return ErrCrowd
	}
	a.where[slot] = a.gone + len(a.line)
	a.line = append(a.line, awaited{slot: slot, at: at, who: who, Outcome: Outcome{Showing: *sh}})
	return nil
}

// Seen notes that the shop reported the showing as seen.
func (a *Awaiting) Seen(slot Slot) { a.note(slot, func(w *awaited) { w.seen = true }) }

// Clicked notes a click; one on what is over already, or was never shown, is late
// and counts for nothing.
func (a *Awaiting) Clicked(slot Slot) {
	a.note(slot, func(w *awaited) {
		if !w.seen {
			w.void = true
		}
		if !w.Clicked {
			a.bursts[w.burst()]++
		}
		w.Clicked = true
	})
}

// Bought notes that what was clicked went into the basket or was bought. Without a
// click before it, it counts for nothing.
func (a *Awaiting) Bought(slot Slot) { a.note(slot, func(w *awaited) { w.Bought = w.Clicked }) }

// Void has a showing teach nothing.
func (a *Awaiting) Void(slot Slot) { a.note(slot, func(w *awaited) { w.void = true }) }

// Forget has what was shown to somebody teach nothing.
func (a *Awaiting) Forget(who shopper.ID) {
	for i := a.next; i < len(a.line); i++ {
		if w := &a.line[i]; w.who == who {
			w.void, w.Relation = true, nil
		}
	}
}

func (a *Awaiting) note(slot Slot, what func(*awaited)) {
	i, there := a.where[slot]
	if !there {
		a.late++
		return
	}
	what(&a.line[i-a.gone])
}

// Knows reports whether a showing is awaited.
func (a *Awaiting) Knows(slot Slot) bool {
	_, there := a.where[slot]
	return there
}

// Over gives the outcomes of showings that were due at now, the oldest first, and
// forgets them. A showing is never over before one that came earlier.
func (a *Awaiting) Over(now time.Time) []Outcome {
	var out []Outcome
	for ; a.next < len(a.line); a.next++ {
		w := &a.line[a.next]
		due := !now.Before(w.at.Add(a.wait))
		if full := len(a.line)-a.next > a.most; !due && !full {
			break
		} else if !due {
			a.early++
		}
		if a.teaches(w) {
			out = append(out, w.Outcome)
		} else {
			a.void++
		}
		delete(a.where, w.slot)
		*w = awaited{}
	}
	if a.next > len(a.line)/2 {
		a.gone += a.next
		a.line = slices.Delete(a.line, 0, a.next)
		a.next = 0
	}
	return out
}

// teaches says whether what became of w is learned, and takes its click from its
// burst: of too many clicks the last few teach.
func (a *Awaiting) teaches(w *awaited) bool {
	if !w.Clicked {
		return !w.void
	}
	b := w.burst()
	n := a.bursts[b]
	if n == 1 {
		delete(a.bursts, b)
	} else {
		a.bursts[b] = n - 1
	}
	return !w.void && n <= ClicksMax
}

// Gone is how many showings were ever over.
func (a *Awaiting) Gone() uint64 { return uint64(a.gone + a.next) }

// Missed counts what came late, showings that were over early for want of room, and
// those that taught nothing.
func (a *Awaiting) Missed() (late, early, void uint64) { return a.late, a.early, a.void }
