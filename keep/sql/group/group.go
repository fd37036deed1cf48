// Package group gathers what many callers ask for at the same time and hands it
// to one writer in groups, so that a hundred callers share one fsync. It knows
// nothing of SQL: what a group is and how it is written is the store's affair.
//
// There is no timer. A group is whatever queued up while the group before it
// was being written: alone, a caller waits for nobody; in a crowd, groups grow
// by themselves.
//
// On the road of a receipt, it stands between sell/billing's Commit and the disk.
package group

import (
	"context"
	"errors"
	"runtime"
	"sync"
)

// ErrClosed is returned by Do after Close.
var ErrClosed = errors.New("the writer is closed")

// QueueMax is how many calls may wait; more callers wait for a place.
const QueueMax = 1_024

// Writer owns one goroutine, which alone calls the write function. Make one
// with New, end it with Close.
type Writer[T any] struct {
	write func([]T) error
	most  int
	queue chan entry[T]
	ended chan struct{}

	mu     sync.RWMutex // held for reading while sending, so that Close can close queue
	closed bool
}

type entry[T any] struct {
	ctx  context.Context // only asked, when the turn comes, whether the caller has gone
	what T
	size int
	done chan error
}

// New starts a writer. A group takes calls until their sizes add up to most or
// nobody waits; write carries a group out, and its error is every caller's.
func New[T any](most int, write func([]T) error) *Writer[T] {
	w := &Writer[T]{write: write, most: most, queue: make(chan entry[T], QueueMax), ended: make(chan struct{})}
	go w.run()
	return w
}

// Do has what written in some group and returns write's error for it. ctx
// bounds the wait for a turn; once the group has begun, Do waits for its end,
// so that what is never touched after Do has returned.
func (w *Writer[T]) Do(ctx context.Context, what T, size int) error {
	e := entry[T]{ctx, what, size, make(chan error, 1)}
	if err := w.send(e); err != nil {
		return err
	}
	return <-e.done
}

func (w *Writer[T]) send(e entry[T]) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return ErrClosed
	}
	select {
	case w.queue <- e:
		return nil
	case <-e.ctx.Done():
		return e.ctx.Err()
	}
}

// Close lets what is queued be written, ends the goroutine and waits for it.
// Closing twice is fine.
func (w *Writer[T]) Close() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.ended
}

func (w *Writer[T]) run() {
	defer close(w.ended)
	var group []entry[T]
	var whats []T
	for first := range w.queue {
		// Callers who were just answered get the chance to join this group.
		runtime.Gosched()
		group = w.gather(group[:0], first)
		whats = whats[:0]
		for _, e := range group {
			whats = append(whats, e.what)
		}
		var err error
		if len(whats) > 0 {
			err = w.write(whats)
		}
		for _, e := range group {
			e.done <- err
		}
		clear(group)
		clear(whats)
	}
}

// gather adds to group the first entry and those that wait behind it. Callers
// who have gone already are answered at once and left out.
func (w *Writer[T]) gather(group []entry[T], first entry[T]) []entry[T] {
	size := 0
	for e, ok := first, true; ok; {
		if err := e.ctx.Err(); err != nil {
			e.done <- err
		} else {
			group = append(group, e)
			size += e.size
		}
		if size >= w.most {
			break
		}
		select {
		case e, ok = <-w.queue:
		default:
			ok = false
		}
	}
	return group
}
