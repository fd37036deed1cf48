package history

import (
	"context"
	"time"

	"endcap/keep/stream"
	"endcap/keep/warehouse"
	"endcap/retail/event"
)

// Newest is when the newest fact arrived, of those that history has read and of
// those that it has not read yet.
func Newest(ctx context.Context, s stream.Stream, w warehouse.Warehouse) (time.Time, error) {
	newest, err := w.Through(ctx)
	if err != nil {
		return newest, err
	}
	for p := range s.Partitions() {
		last, err := newestIn(ctx, s, w, p)
		if err != nil {
			return newest, err
		}
		if last.After(newest) {
			newest = last
		}
	}
	return newest, nil
}

// newestIn is Newest of one partition's facts that history has not read yet.
func newestIn(ctx context.Context, s stream.Stream, w warehouse.Warehouse, partition int) (newest time.Time, err error) {
	at, err := w.Cursor(ctx, partition)
	if err != nil {
		return newest, err
	}
	if first, err := s.First(ctx, partition); err != nil {
		return newest, err
	} else if at < first {
		at = first
	}
	for {
		entries, err := s.Read(ctx, partition, at, stream.ReadMax)
		if err != nil || len(entries) == 0 {
			return newest, err
		}
		for i := range entries {
			f, err := event.Unpack(entries[i].Bytes)
			if err != nil {
				return newest, err
			}
			if f.Arrived.After(newest) {
				newest = f.Arrived
			}
		}
		at = entries[len(entries)-1].At
	}
}
