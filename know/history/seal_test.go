package history_test

import (
	"context"
	"testing"
	"time"

	"endcap/keep/stream"
	"endcap/keep/stream/pebblelog"
	"endcap/keep/warehouse/duck"
	"endcap/know/history"
	"endcap/retail/event"
)

// everybody has read everything.
func everybody(context.Context, int) (event.Cursor, error) { return "\xff", nil }

func TestAClickIsKeptUntilTheLastFollowerHasReadIt(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	log, err := pebblelog.Open(dir+"/log", pebblelog.Options{Now: func() time.Time { return monday.UTC() }, Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	w, err := duck.Open(ctx, dir+"/history", duck.Options{MemoryMB: 128, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	whole := history.NewWhole(log, w)
	all := oneOfEach(t)
	clicks, folded, saved := 0, 0, event.Cursor("")
	billing := stream.Follower{
		Name: "billing", Kinds: []event.Kind{event.KindClicked},
		Cursor: func(context.Context, int) (event.Cursor, error) { return saved, nil },
		Fold: func(_ context.Context, b stream.Batch) error {
			folded, saved = folded+len(b.Facts), b.Next
			return nil
		},
	}
	put := func(facts ...event.Fact) {
		t.Helper()
		for _, f := range facts {
			p, err := event.Pack(nil, &f)
			if err == nil {
				_, err = log.Append(ctx, []event.Packed{p})
			}
			if err != nil {
				t.Fatal(err)
			}
			if f.Kind() == event.KindClicked {
				clicks++
			}
		}
	}
	follow := func(f stream.Follower) {
		t.Helper()
		if err := stream.CatchUp(ctx, whole, f); err != nil {
			t.Fatal(err)
		}
	}
	passed := func(context.Context, int) (event.Cursor, error) { return saved, nil }
	seal := func() event.Cursor {
		t.Helper()
		for day := monday + 1; day < monday+12; day++ {
			if _, err := history.SealThrough(ctx, w, log, passed, day); err != nil {
				t.Fatal(err)
			}
		}
		first, err := log.First(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		return first
	}
	put(all[0])
	follow(billing) // and then it is stuck
	put(all...)
	follow(history.Follower(w, 0))
	if first := seal(); first > saved {
		t.Errorf("trimmed up to %x while billing stands at %x", string(first), string(saved))
	}
	follow(billing)
	if folded != clicks || clicks == 0 {
		t.Errorf("%d of %d clicks were answered", folded, clicks)
	}
	if first := seal(); first == "" {
		t.Error("nothing is trimmed once everybody has read it")
	}
}
