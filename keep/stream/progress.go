package stream

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"endcap/retail/event"
)

// Progress knows how far followers have come. Track each follower before Run
// drives it. It is safe for concurrent use.
type Progress struct {
	mu    sync.Mutex
	moved chan struct{} // closed and replaced when something moves
	of    map[string]*standing
}

// standing is how far one follower has come.
type standing struct {
	at      []event.Cursor // by partition
	failing string         // its last error, empty since a later fold went well
	hurry   chan struct{}  // ends its Pause
}

// NewProgress makes a Progress that tracks nobody.
func NewProgress() *Progress {
	return &Progress{moved: make(chan struct{}), of: make(map[string]*standing)}
}

// Track has p hear of a follower; drive the follower it returns.
func (p *Progress) Track(s Stream, f Follower) Follower {
	p.mu.Lock()
	defer p.mu.Unlock()
	mine := &standing{at: make([]event.Cursor, s.Partitions()), hurry: make(chan struct{}, 1)}
	p.of[f.Name] = mine
	f.hurry = mine.hurry
	f.Passed = func(partition int, at event.Cursor) {
		p.change(func() { mine.at[partition], mine.failing = at, "" })
	}
	return f
}

// Failed notes a fold that failed; give it, or call it from, Run's failed.
func (p *Progress) Failed(name string, err error) {
	p.change(func() {
		if of := p.of[name]; of != nil {
			of.failing = err.Error()
		}
	})
}

func (p *Progress) change(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
	close(p.moved)
	p.moved = make(chan struct{})
}

// Lag is how one follower stands.
type Lag struct {
	Name     string
	CaughtUp bool   // it has read everything that was in the stream when asked
	Failing  string // its last error, where its last fold failed
}

// Lags says of every tracked follower, by name, how it stands.
func (p *Progress) Lags(ctx context.Context, s Stream) ([]Lag, error) {
	ends, err := endsOf(ctx, s)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Lag, 0, len(p.of))
	for name, of := range p.of {
		out = append(out, Lag{name, reached(of.at, ends), of.failing})
	}
	slices.SortFunc(out, func(a, b Lag) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out, nil
}

// CaughtUp returns when the named followers have read everything that was in
// the stream when it was called, or when ctx ends; they do not pause meanwhile.
// A name that is not tracked is a bug.
func (p *Progress) CaughtUp(ctx context.Context, s Stream, names ...string) error {
	ends, err := endsOf(ctx, s)
	if err != nil {
		return err
	}
	for {
		p.mu.Lock()
		moved, done := p.moved, true
		for _, name := range names {
			of, ok := p.of[name]
			if !ok {
				p.mu.Unlock()
				panic("stream: bug: progress of unknown follower " + name)
			}
			if reached(of.at, ends) {
				continue
			}
			done = false
			select {
			case of.hurry <- struct{}{}:
			default:
			}
		}
		p.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for followers: %w", ctx.Err())
		case <-moved:
		}
	}
}

func endsOf(ctx context.Context, s Stream) ([]event.Cursor, error) {
	ends := make([]event.Cursor, s.Partitions())
	for i := range ends {
		var err error
		if ends[i], err = s.End(ctx, i); err != nil {
			return nil, fmt.Errorf("end of partition %d: %w", i, err)
		}
	}
	return ends, nil
}

func reached(at, ends []event.Cursor) bool {
	for i := range ends {
		if at[i] < ends[i] {
			return false
		}
	}
	return true
}
