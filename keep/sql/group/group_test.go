package group_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"endcap/keep/sql/group"
)

func TestCallersInACrowdShareGroups(t *testing.T) {
	t.Parallel()
	var groups, written atomic.Int64
	w := group.New(8, func(g []int) error {
		groups.Add(1)
		written.Add(int64(len(g)))
		if len(g) > 8 {
			t.Errorf("a group of %d, at most 8", len(g))
		}
		time.Sleep(time.Millisecond)
		return nil
	})
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			if err := w.Do(t.Context(), i, 1); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	w.Close()
	if written.Load() != 64 || groups.Load() > 32 {
		t.Errorf("wrote %d in %d groups, want 64 in far fewer than 64", written.Load(), groups.Load())
	}
}

func TestAFailureIsEveryCallersOfThatGroupAndNoOthers(t *testing.T) {
	t.Parallel()
	bad := errors.New("disk full")
	w := group.New(1, func(g []int) error {
		if g[0] == 3 {
			return bad
		}
		return nil
	})
	defer w.Close()
	for i := range 5 {
		err := w.Do(t.Context(), i, 1)
		if got, want := errors.Is(err, bad), i == 3; got != want {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

func TestWhoHasGoneBeforeItsTurnIsNotWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var wrote []int
		hold := make(chan struct{})
		w := group.New(8, func(g []int) error {
			<-hold
			wrote = append(wrote, g...)
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _ = w.Do(t.Context(), 1, 1) })
		synctest.Wait()
		var err error
		all.Go(func() { err = w.Do(ctx, 2, 1) })
		synctest.Wait()
		cancel()
		close(hold)
		all.Wait()
		w.Close()
		if !errors.Is(err, context.Canceled) || len(wrote) != 1 {
			t.Errorf("wrote %v, the caller who had gone got %v", wrote, err)
		}
	})
}

func TestCloseWritesWhatWaitsAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	var written atomic.Int64
	w := group.New(4, func(g []int) error {
		time.Sleep(time.Millisecond)
		written.Add(int64(len(g)))
		return nil
	})
	var taken atomic.Int64
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			switch err := w.Do(t.Context(), i, 1); {
			case err == nil:
				taken.Add(1)
			case !errors.Is(err, group.ErrClosed):
				t.Error(err)
			}
		})
	}
	w.Close()
	w.Close()
	all.Wait()
	if taken.Load() != written.Load() {
		t.Errorf("told %d callers that it is written, wrote %d", taken.Load(), written.Load())
	}
	if err := w.Do(t.Context(), 0, 1); !errors.Is(err, group.ErrClosed) {
		t.Errorf("Do after Close: %v", err)
	}
}
