package pebblelog_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"endcap/keep/stream"
	"endcap/keep/stream/pebblelog"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// fact is one fact of shopper n.
func fact(t *testing.T, n int) event.Packed {
	t.Helper()
	p, err := event.Pack(nil, &event.Fact{ID: fmt.Sprint("forget ", n), At: noon(), Arrived: noon(), Day: 17_000, Shopper: shopper.FromUint64(uint64(n) + 1), Body: event.Forgotten{}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func count(t *testing.T, l *pebblelog.Log) (n int) {
	t.Helper()
	for p := range l.Partitions() {
		entries, err := l.Read(t.Context(), p, "", stream.ReadMax)
		if err != nil {
			t.Fatal(err)
		}
		n += len(entries)
	}
	return n
}

// While tills send on, a checkpoint has every fact that was answered before it,
// none that was begun after it, and is a stream like any other.
func TestACheckpointIsTheStreamAtOneInstant(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, filepath.Join(dir, "stream"), pebblelog.Options{Now: noon})
	ctx, stop := context.WithCancel(t.Context())
	var asked, answered atomic.Int64
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			for ctx.Err() == nil {
				if _, err := l.Append(t.Context(), []event.Packed{fact(t, int(asked.Add(1)))}); err != nil {
					t.Error(err)
				}
				answered.Add(1)
			}
		})
	}
	for round := range 6 {
		copied := filepath.Join(dir, fmt.Sprint("copy ", round))
		before, still := answered.Load(), int64(0)
		if err := l.Checkpoint(t.Context(), copied, func() error { still = asked.Load(); return nil }); err != nil {
			t.Fatal(err)
		}
		c := open(t, copied, pebblelog.Options{Now: noon})
		if got := int64(count(t, c)); got < before || got > still {
			t.Errorf("round %d: it has %d facts, %d were answered before it and %d asked by its end", round, got, before, still)
		}
		first, err := c.Append(t.Context(), []event.Packed{fact(t, 1)})
		if err != nil || before > 1 && first[0].Outcome != stream.Repeat {
			t.Errorf("round %d: a fact it has is %v, %v", round, first, err)
		}
		shut(t, c)
	}
	stop()
	wait.Wait()
	full := errors.New("full")
	if err := l.Checkpoint(t.Context(), filepath.Join(dir, "last"), func() error { return full }); !errors.Is(err, full) {
		t.Errorf("what still says: %v", err)
	}
	shut(t, l)
	if err := l.Checkpoint(t.Context(), filepath.Join(dir, "closed"), func() error { return nil }); !errors.Is(err, stream.ErrClosed) {
		t.Errorf("a closed stream: %v", err)
	}
}

func TestAStreamOfANewerProgramIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	shut(t, open(t, dir, pebblelog.Options{Now: noon}))
	db, err := pebble.Open(dir, &pebble.Options{FormatMajorVersion: pebble.FormatTableFormatV6})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set([]byte("mlayout"), []byte{200, 0, 4}, pebble.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := pebblelog.Open(dir, pebblelog.Options{Now: noon}); err == nil || !strings.Contains(err.Error(), "newer version of the program") {
		t.Errorf("a stream that a newer program wrote: %v", err)
	}
}
