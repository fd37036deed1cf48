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
	Newest(ctx context.Context, keys [][16]byte) ([]stream.Appended, error)
	Partitions() int
}

// TurnerPorts is what a Turner works with.
type TurnerPorts struct {
	Leases Leases
	Log    DayLog
	Clock  retail.Clock
	Zone   *time.Location
	Holder string // names this process among those that may hold the lease
}

// TurnLease names the job of turning the day, and how long a holder keeps it.
const (
	TurnLease    = "day_turned"
	TurnLeaseTTL = time.Minute
)

// TurnsMax is how many days are turned at once when the clock has leapt, or the
// house was closed.
const TurnsMax = 4_000

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
			ID: turnID(day, p), At: day.Start(t.Zone), Arrived: now, Day: day, Source: "clock", Body: event.DayTurned{Day: day},
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

// TurnTo turns every day since the last that was turned, up to and including
// today: the days of a downtime are made up. Where none was turned within
// TurnsMax days it begins with today. It says whether today has been turned,
// which only the holder of the lease does.
func (t *Turner) TurnTo(ctx context.Context, today retail.Day) (bool, error) {
	from, err := t.due(ctx, today)
	if err != nil {
		return false, err
	}
	for day := from; day <= today; day++ {
		if ok, err := t.Turn(ctx, day); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// due is the day after the last that was turned, as the stream remembers.
func (t *Turner) due(ctx context.Context, today retail.Day) (retail.Day, error) {
	keys := make([][16]byte, TurnsMax)
	for i := range keys {
		keys[i] = event.KeyOf(event.KindDayTurned, turnID(today-retail.Day(i), 0))
	}
	turned, err := t.Log.Newest(ctx, keys)
	if err != nil {
		return 0, fmt.Errorf("look for the last day that was turned: %w", err)
	}
	for i := range turned {
		if turned[i].Outcome != stream.New {
			return min(today, today-retail.Day(i)+1), nil
		}
	}
	return today, nil
}

// turnID names the turn of a day in one partition.
func turnID(day retail.Day, partition int) string {
	return day.String() + "/" + strconv.Itoa(partition)
}
