package stream

import (
	"context"
	"fmt"
	"sync"
	"time"

	"endcap/retail/event"
)

// Batch is a run of facts from one partition, in order. Next is the cursor
// after it: save it together with what the facts did.
type Batch struct {
	Partition int
	Facts     []event.Fact
	Next      event.Cursor
}

// Follower turns facts into state. The package that owns the state exports it;
// Run drives it. Fold must save its effect and Batch.Next in one step, and may
// be called again with a batch it has already saved: it then does nothing. A
// fold gives the same state for any batch size and reads no clock.
type Follower struct {
	Name  string
	Kinds []event.Kind // what it wants to see; empty means every kind
	// Cursor is the last cursor saved for a partition, empty for none.
	Cursor func(ctx context.Context, partition int) (event.Cursor, error)
	Fold   func(ctx context.Context, b Batch) error
	// BatchMax is how many facts it wants at most at once; 0 means 4,096.
	BatchMax int
	// Together asks for one goroutine over all partitions rather than one each,
	// for state that has only one writer.
	Together bool
}

// RetryAfter is how long Run waits before it tries a failed fold again.
const RetryAfter = 200 * time.Millisecond

// Run drives f until ctx ends, and returns nil then. A fold that fails is
// reported to failed and tried again after RetryAfter, for ever: facts cannot
// be skipped.
func Run(ctx context.Context, s Stream, f Follower, failed func(name string, err error)) error {
	var all sync.WaitGroup
	work := func(partitions []int) {
		for ctx.Err() == nil {
			if err := follow(ctx, s, f, partitions); err != nil && ctx.Err() == nil {
				failed(f.Name, err)
				select {
				case <-ctx.Done():
				case <-time.After(RetryAfter):
				}
			}
		}
	}
	for _, group := range groups(s.Partitions(), f.Together) {
		all.Go(func() { work(group) })
	}
	all.Wait()
	return nil
}

func groups(n int, together bool) [][]int {
	one := make([]int, n)
	each := make([][]int, n)
	for p := range n {
		one[p], each[p] = p, []int{p}
	}
	if together {
		return [][]int{one}
	}
	return each
}

// CatchUp drives f up to the stream's present end and returns.
func CatchUp(ctx context.Context, s Stream, f Follower) error {
	var all sync.WaitGroup
	groups := groups(s.Partitions(), f.Together)
	errs := make([]error, len(groups))
	for i, group := range groups {
		all.Go(func() {
			for _, p := range group {
				if errs[i] = drain(ctx, s, f, p); errs[i] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// follow folds whatever is there and waits for more, until an error.
func follow(ctx context.Context, s Stream, f Follower, partitions []int) error {
	for {
		for _, p := range partitions {
			if err := drain(ctx, s, f, p); err != nil {
				return err
			}
		}
		if err := waitAny(ctx, s, f, partitions); err != nil {
			return err
		}
	}
}

// waitAny returns when one of the partitions has something new.
func waitAny(ctx context.Context, s Stream, f Follower, partitions []int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, len(partitions))
	for _, p := range partitions {
		at, err := f.Cursor(ctx, p)
		if err != nil {
			return fmt.Errorf("cursor of %s: %w", f.Name, err)
		}
		go func() { done <- s.Wait(ctx, p, at) }()
	}
	err := <-done
	cancel()
	for range len(partitions) - 1 {
		<-done
	}
	return err
}

// drain folds one partition up to its present end.
func drain(ctx context.Context, s Stream, f Follower, partition int) error {
	at, err := f.Cursor(ctx, partition)
	if err != nil {
		return fmt.Errorf("cursor of %s: %w", f.Name, err)
	}
	limit := f.BatchMax
	if limit == 0 {
		limit = 4_096
	}
	wanted := kindSet(f.Kinds)
	for {
		entries, err := s.Read(ctx, partition, at, min(limit, ReadMax))
		if err != nil {
			return fmt.Errorf("read for %s: %w", f.Name, err)
		}
		if len(entries) == 0 {
			return nil
		}
		b := Batch{Partition: partition, Next: entries[len(entries)-1].At}
		for _, e := range entries {
			if !wanted[e.Kind] {
				continue
			}
			fact, err := event.Unpack(e.Bytes)
			if err != nil {
				return fmt.Errorf("fold %s: %w", f.Name, err)
			}
			b.Facts = append(b.Facts, fact)
		}
		if err := f.Fold(ctx, b); err != nil {
			return fmt.Errorf("fold %s: %w", f.Name, err)
		}
		at = b.Next
	}
}

func kindSet(kinds []event.Kind) (set [256]bool) {
	for _, k := range kinds {
		set[k] = true
	}
	if len(kinds) == 0 {
		for i := range set {
			set[i] = true
		}
	}
	return set
}
