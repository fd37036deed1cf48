package main

import (
	"sync"
	"time"
)

// pace lets visits run side by side as far as time order allows: each shopper
// one visit at a time, no visit starting more than drift after the oldest one
// still under way, and none before everything of an earlier day is done.
type pace struct {
	mu     sync.Mutex
	moved  *sync.Cond
	most   int
	flying map[string]time.Time // card → when her visit began
	now    time.Time
	failed error
}

func newPace(most int) *pace {
	p := &pace{most: most, flying: make(map[string]time.Time)}
	p.moved = sync.NewCond(&p.mu)
	return p
}

// enter waits until a visit may begin; it returns the first visit's failure.
func (p *pace) enter(card string, at time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.failed == nil && !p.may(card, at) {
		p.moved.Wait()
	}
	p.flying[card] = at
	return p.failed
}

func (p *pace) may(card string, at time.Time) bool {
	if _, busy := p.flying[card]; busy || len(p.flying) >= p.most {
		return false
	}
	for _, began := range p.flying {
		if at.Sub(began) > drift || dayOf(at) != dayOf(began) {
			return false
		}
	}
	return true
}

func dayOf(t time.Time) string { return t.In(replayFrom.Location()).Format(time.DateOnly) }

// clock is where the server's clock stands for a visit: it never goes back.
func (p *pace) clock(at time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.After(p.now) {
		p.now = at
	}
	return p.now
}

func (p *pace) leave(card string, _ time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.flying, card)
	if p.failed == nil {
		p.failed = err
	}
	p.moved.Broadcast()
}

// wait returns when every visit is over, with the first failure.
func (p *pace) wait() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.flying) > 0 {
		p.moved.Wait()
	}
	return p.failed
}
