package history

import (
	"context"
	"fmt"

	"endcap/keep/stream"
	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/event"
)

// KeepDays is how long the stream keeps facts after they were sealed, at least.
const KeepDays = 7

// Sealer is what SealThrough needs of a warehouse.
type Sealer interface {
	Seal(ctx context.Context, before retail.Day) ([]retail.Day, error)
	Sealings(ctx context.Context) ([]warehouse.Sealing, error)
	Release(ctx context.Context, marks []warehouse.Mark) error
	Expire(ctx context.Context, before retail.Day) error
}

// Trimmer is what SealThrough needs of a stream.
type Trimmer interface {
	Trim(ctx context.Context, partition int, upto event.Cursor) error
}

// Passed says up to where every follower of a partition has saved what it read,
// so that no power cut takes it back: what lies before, the stream may forget.
type Passed func(ctx context.Context, partition int) (event.Cursor, error)

// PassedBy is up to where all followers have saved what they read of a partition.
// Those who keep their place in memory are asked for it like the others: what
// they read again after a start, history gives back. Those in profiles are waited
// for on disk: a power cut that took a place back to before what the stream has
// forgotten would stop its follower for good.
func PassedBy(all []stream.Follower, sync func(context.Context) error) Passed {
	return func(ctx context.Context, partition int) (event.Cursor, error) {
		var lowest event.Cursor
		for i := range all {
			at, err := all[i].Cursor(ctx, partition)
			if err != nil {
				return "", fmt.Errorf("cursor of %s: %w", all[i].Name, err)
			}
			if i == 0 || at < lowest {
				lowest = at
			}
		}
		return lowest, sync(ctx)
	}
}

// SealThrough seals the business days before today, drops decisions' records
// older than RecordDays, and lets the stream forget what was sealed
// KeepDays ago or earlier and what every follower has passed: sealed history
// gives no clicks back, so a follower that lags keeps its partition whole. It is
// safe to call at any time and again after a crash: history takes over a fact's
// place before the stream gives it up. It returns the days newly sealed.
func SealThrough(ctx context.Context, w Sealer, s Trimmer, passed Passed, today retail.Day) ([]retail.Day, error) {
	days, err := w.Seal(ctx, today)
	if err != nil {
		return nil, fmt.Errorf("seal history through %v: %w", today, err)
	}
	if err := w.Expire(ctx, today-RecordDays); err != nil {
		return days, fmt.Errorf("expire decisions: %w", err)
	}
	past, err := w.Sealings(ctx)
	if err != nil {
		return days, fmt.Errorf("read past sealings: %w", err)
	}
	marks, err := needless(ctx, past, passed, today-KeepDays)
	if err != nil || len(marks) == 0 {
		return days, err
	}
	if err := w.Release(ctx, marks); err != nil {
		return days, fmt.Errorf("release sealed facts: %w", err)
	}
	for _, m := range marks {
		if err := s.Trim(ctx, m.Partition, m.Cursor); err != nil {
			return days, fmt.Errorf("trim partition %d: %w", m.Partition, err)
		}
	}
	return days, nil
}

// needless are the marks up to which nobody needs the stream: by partition that
// of the newest sealing up to a day that every follower has passed.
func needless(ctx context.Context, past []warehouse.Sealing, passed Passed, before retail.Day) ([]warehouse.Mark, error) {
	upto := make(map[int]event.Cursor)
	found := make(map[int]warehouse.Mark)
	var order []int
	for i := range past { // oldest first
		if past[i].Before > before {
			continue
		}
		for _, m := range past[i].Marks {
			at, ok := upto[m.Partition]
			if !ok {
				var err error
				if at, err = passed(ctx, m.Partition); err != nil {
					return nil, fmt.Errorf("ask how far partition %d was followed: %w", m.Partition, err)
				}
				upto[m.Partition] = at
				order = append(order, m.Partition)
			}
			if m.Cursor <= at {
				found[m.Partition] = m
			}
		}
	}
	var out []warehouse.Mark
	for _, p := range order {
		if m, ok := found[p]; ok {
			out = append(out, m)
		}
	}
	return out, nil
}
