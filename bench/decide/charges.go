package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"endcap/bench/load"
)

// spendMax is how long a charge is looked for; lookEvery is the pause between two
// looks, by which a probe may see it late.
const (
	spendMax  = 30 * time.Second
	lookEvery = 100 * time.Millisecond
)

// charges looks for those of a run's clicks in history. One question asks for
// all, so that looking costs the server the same however long it takes.
type charges struct {
	server  load.Server
	run     string
	mu      sync.Mutex
	waiting map[string]chan time.Time // by click
}

// of is told when the charge of a click is there.
func (c *charges) of(click string) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := make(chan time.Time, 1)
	c.waiting[click] = seen
	return seen
}

// watch looks until ctx ends.
func (c *charges) watch(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	question := map[string]any{"sql": fmt.Sprintf("select click from charges where starts_with(click, '%s') and amount > 0", c.run), "purpose": "accounting"}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var t struct {
			Rows [][]string `json:"rows"`
		}
		if err := c.server.Ask(ctx, "POST /v1/query", question, &t); err != nil && ctx.Err() == nil {
			return fmt.Errorf("ask for charges: %w", err)
		}
		c.tell(t.Rows, time.Now())
	}
}

func (c *charges) tell(rows [][]string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, row := range rows {
		if seen, ok := c.waiting[row[0]]; ok {
			seen <- at
			delete(c.waiting, row[0])
		}
	}
}
