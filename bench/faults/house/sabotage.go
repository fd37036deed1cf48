package house

import (
	"context"
	"fmt"

	"endcap/keep/ledger"
	"endcap/keep/profile"
	"endcap/retail"
	"endcap/retail/event"
)

// checkThenAct is a ledger that looks at balances first and commits deeds
// without their limits: what every book does that asks before it writes.
type checkThenAct struct{ ledger.Ledger }

// Commit implements ledger.Ledger.
func (c checkThenAct) Commit(ctx context.Context, deeds ...ledger.Deed) ([]ledger.Answer, error) {
	all, err := c.Balances(ctx, "")
	if err != nil {
		return nil, err
	}
	held := map[ledger.Account]retail.Micros{}
	for _, b := range all {
		held[b.Account] = b.Amount
	}
	answers := make([]ledger.Answer, len(deeds))
	var pass []ledger.Deed
	var places []int
	for i := range deeds {
		d := deeds[i]
		for _, l := range d.Limits {
			after := held[l.Account]
			for _, e := range d.Entries {
				if e.Account == l.Account {
					after += e.Amount
				}
			}
			if after < l.Min && answers[i].Refused == "" {
				answers[i].Refused = l.Name
			}
		}
		if answers[i].Refused == "" {
			d.Limits = nil
			pass, places = append(pass, d), append(places, i)
		}
	}
	done, err := c.Ledger.Commit(ctx, pass...)
	if err != nil {
		return nil, err
	}
	for i, a := range done {
		answers[places[i]] = a
	}
	return answers, nil
}

// cursorFirst is a profile store that saves a follower's cursor in one step and
// what it folded in the next.
type cursorFirst struct{ profile.Store }

// Apply implements profile.Store.
func (c cursorFirst) Apply(ctx context.Context, follower string, partition int, next event.Cursor, changes []profile.Change) error {
	if err := c.Store.Apply(ctx, follower, partition, next, nil); err != nil {
		return err
	}
	if err := c.Store.Apply(ctx, follower+"/values", partition, next, changes); err != nil {
		return fmt.Errorf("save values: %w", err)
	}
	return nil
}
