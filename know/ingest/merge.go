package ingest

import (
	"context"
	"errors"
	"fmt"

	"endcap/keep/stream"
	"endcap/keep/vault"
	"endcap/know/identity"
	"endcap/retail"
	"endcap/retail/event"
)

// movesMax is how many moves are told of at once.
const movesMax = 1_000

// Tell appends a Clustered fact for each shopper who is known as somebody else
// than before, so that history follows. The vault keeps what is not told yet: cut
// short anywhere, the next call tells the rest, and what was told twice is one
// fact.
func (d *Desk) Tell(ctx context.Context) error {
	d.telling.Lock()
	defer d.telling.Unlock()
	for {
		moves, err := d.People.Moves(ctx, movesMax)
		if err != nil || len(moves) == 0 {
			return err
		}
		if err := d.tell(ctx, moves); err != nil {
			return err
		}
		if err := d.People.Told(ctx, moves[len(moves)-1].Seq); err != nil {
			return err
		}
	}
}

func (d *Desk) tell(ctx context.Context, moves []vault.Move) error {
	now := micro(d.Clock())
	var a arena
	facts := make([]event.Packed, len(moves))
	for n, m := range moves {
		if m.Seq > 1<<32-1 {
			return fmt.Errorf("tell of merges: move %d has no version that a fact can carry", m.Seq)
		}
		f := event.Fact{
			ID: fmt.Sprintf("merge/%d", m.Seq), Version: uint32(m.Seq), At: m.At, Arrived: now, Day: retail.DayOf(m.At, d.cfg.Zone),
			Shopper: m.Shopper, Source: event.SourceDerived, Body: event.Clustered{Canonical: m.Canonical},
		}
		var err error
		if facts[n], err = a.pack(&f, 128); err != nil {
			return fmt.Errorf("pack a merge: %w", err)
		}
	}
	done, err := d.appendAll(ctx, facts)
	if err != nil {
		return err
	}
	for n := range done {
		if done[n].Outcome == stream.Conflict {
			return fmt.Errorf("tell of merges: the stream knows move %d with other content; are vault and stream of one backup?", moves[n].Seq)
		}
	}
	return nil
}

// Merge is identity's Merge, told.
func (d *Desk) Merge(ctx context.Context, c identity.Claim) (identity.Verdict, error) {
	v, err := d.People.Merge(ctx, d.signed(c))
	return d.told(ctx, v, err)
}

// Part is identity's Part, told.
func (d *Desk) Part(ctx context.Context, c identity.Claim) (identity.Verdict, error) {
	v, err := d.People.Part(ctx, d.signed(c))
	return d.told(ctx, v, err)
}

func (d *Desk) signed(c identity.Claim) identity.Claim {
	c.At = micro(d.Clock())
	return c
}

// Withdraw is identity's Withdraw, told.
func (d *Desk) Withdraw(ctx context.Context, edge string, v identity.Vouched) error {
	v.At = micro(d.Clock())
	_, err := d.told(ctx, identity.Verdict{}, d.People.Withdraw(ctx, edge, v))
	return err
}

// Answer approves or rejects a proposal, and tells what came of it.
func (d *Desk) Answer(ctx context.Context, proposal uint64, yes bool, v identity.Vouched) (identity.Verdict, error) {
	v.At = micro(d.Clock())
	answer := d.People.Reject
	if yes {
		answer = d.People.Approve
	}
	verdict, err := answer(ctx, proposal, v)
	return d.told(ctx, verdict, err)
}

// Propose is identity's Propose, now.
func (d *Desk) Propose(ctx context.Context, all []identity.Suspected, source string) ([]bool, error) {
	return d.People.Propose(ctx, all, source, micro(d.Clock()))
}

// Settle is identity's Settle, told.
func (d *Desk) Settle(ctx context.Context, tell func(identity.Settled)) (identity.Settled, error) {
	sum, err := d.People.Settle(ctx, tell)
	return sum, errors.Join(err, d.Tell(ctx)) // what was settled before an error stands
}

func (d *Desk) told(ctx context.Context, v identity.Verdict, err error) (identity.Verdict, error) {
	if err == nil {
		err = d.Tell(ctx)
	}
	return v, err
}
