package response

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"endcap/retail/media"
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
type Awaiting struct {
	wait  time.Duration
	most  int
	line  []awaited // the oldest first, from next on
	next  int
	where map[Slot]int // in line, counted from the first that ever was
	gone  int          // how many were cut off the line's front
	late  uint64
	early uint64
}

type awaited struct {
	slot Slot
	at   time.Time
	Outcome
}

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
	return &Awaiting{wait: wait, most: most, where: make(map[Slot]int)}, nil
}

// Shown adds a showing. One that is there already, or is none, is not added.
func (a *Awaiting) Shown(slot Slot, at time.Time, sh *Showing) error {
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
	a.line = append(a.line, awaited{slot, at, Outcome{Showing: *sh}})
	return nil
}

// Clicked notes a click; one on what is over already, or was never shown, is late
// and counts for nothing.
func (a *Awaiting) Clicked(slot Slot) { a.note(slot, func(o *Outcome) { o.Clicked = true }) }

// Bought notes that what was clicked went into the basket or was bought. Without a
// click before it, it counts for nothing.
func (a *Awaiting) Bought(slot Slot) { a.note(slot, func(o *Outcome) { o.Bought = o.Clicked }) }

func (a *Awaiting) note(slot Slot, what func(*Outcome)) {
	i, there := a.where[slot]
	if !there {
		a.late++
		return
	}
	what(&a.line[i-a.gone].Outcome)
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
		out = append(out, w.Outcome)
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

// Missed counts what came late, and showings that were over early for want of room.
func (a *Awaiting) Missed() (late, early uint64) { return a.late, a.early }
