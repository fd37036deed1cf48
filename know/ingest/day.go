package ingest

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"endcap/keep/registry"
	"endcap/keep/stream"
	"endcap/retail"
	"endcap/retail/event"
)

// Leases is what a Turner needs of keep/registry.
type Leases interface {
	Lease(ctx context.Context, want registry.Lease) (fence uint64, ok bool, err error)
}

// DayLog is what a Turner needs of keep/stream.
type DayLog interface {
	Appender
	Partitions() int
}

// TurnerPorts is what a Turner works with.
type TurnerPorts struct {
	Leases Leases
	Log    DayLog
	Clock  retail.Clock
	Zone   *time.Location
	Holder string      // names this process among those that may hold the lease
	Failed func(error) // hears of a turn that failed and is tried again; may be nil
}

// TurnLease names the job of turning the day, and how long a holder keeps it.
const (
	TurnLease    = "day_turned"
	TurnLeaseTTL = time.Minute
)

// TurnEvery is how often Run looks at the clock; TurnsMax is how many days it
// turns at once when the clock has leapt.
const (
	TurnEvery = time.Second
	TurnsMax  = 4_000
)

// Turner says once, to every partition of the stream, that a business day
// begins. Make one with NewTurner.
type Turner struct{ TurnerPorts }

// NewTurner makes a Turner.
func NewTurner(p TurnerPorts) *Turner { return &Turner{p} }

// Turn appends DayTurned to every partition, and says whether it did: only the
// holder of the lease does. Turning a day again does nothing, for the facts are
// known by day and partition.
func (t *Turner) Turn(ctx context.Context, day retail.Day) (bool, error) {
	now := micro(t.Clock())
	_, ok, err := t.Leases.Lease(ctx, registry.Lease{Name: TurnLease, Holder: t.Holder, Now: now, TTL: TurnLeaseTTL})
	if err != nil {
		return false, fmt.Errorf("take the lease of %s: %w", TurnLease, err)
	}
	if !ok {
		return false, nil
	}
	n := t.Log.Partitions()
	facts := make([]event.Packed, n)
	for p := range n {
		facts[p], err = event.Pack(nil, &event.Fact{
			ID: day.String() + "/" + strconv.Itoa(p), At: day.Start(t.Zone), Arrived: now, Day: day, Source: "clock", Body: event.DayTurned{Day: day},
		})
		if err != nil {
			return false, fmt.Errorf("pack the turn of %v: %w", day, err)
		}
		facts[p].Unit = uint64(p)
	}
	done, err := t.Log.Append(ctx, facts)
	if err != nil {
		return false, fmt.Errorf("append the turn of %v: %w", day, err)
	}
	for p, a := range done {
		if a.Outcome == stream.Conflict || a.Partition != p {
			return false, fmt.Errorf("the turn of %v met %v in partition %d, want %d", day, a.Outcome, a.Partition, p)
		}
	}
	return true, nil
}

// Run turns the present day, then each day as the clock reaches it, until ctx
// ends; it returns nil then. While another holds the lease it looks on and then
// turns the same day, in case the other was killed before.
func (t *Turner) Run(ctx context.Context) error {
	ticks := time.NewTicker(TurnEvery)
	defer ticks.Stop()
	next := retail.DayOf(t.Clock(), t.Zone)
	for {
		next = t.upTo(ctx, next, retail.DayOf(t.Clock(), t.Zone))
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

// upTo turns the days from next to today and returns the next one due.
func (t *Turner) upTo(ctx context.Context, next, today retail.Day) retail.Day {
	next = max(next, today-TurnsMax)
	for next <= today && ctx.Err() == nil {
		turned, err := t.Turn(ctx, next)
		if err != nil && t.Failed != nil && ctx.Err() == nil {
			t.Failed(err)
		}
		if !turned {
			return next
		}
		next++
	}
	return next
}
