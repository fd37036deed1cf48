package ingest

import (
	"context"
	"fmt"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/stream"
	"endcap/keep/vault"
	"endcap/retail"
	"endcap/retail/event"
)

// Outbox is what a Relay needs of keep/ledger.
type Outbox interface {
	Outbox(ctx context.Context, limit int) ([]ledger.Outgoing, error)
	Sent(ctx context.Context, upto uint64) error
}

// RelayPorts is what a Relay works with.
type RelayPorts struct {
	Outbox     Outbox
	Log        Appender
	Quarantine vault.Quarantine
	Clock      retail.Clock
	Failed     func(error) // hears of a pass that failed and is tried again; may be nil
}

// RelayEvery is how often the outbox is looked at without being woken; after a
// pass that failed, the Relay waits RelayRetry.
const (
	RelayEvery = 100 * time.Millisecond
	RelayRetry = 200 * time.Millisecond
	relayBatch = 4_096
)

// Relay carries what the ledger booked into the stream, in order, each fact at
// least once: killed between the append and the mark, it appends again and the
// stream knows the fact by its id. Make one with NewRelay.
type Relay struct {
	RelayPorts
	wake chan struct{}
}

// NewRelay makes a Relay.
func NewRelay(p RelayPorts) *Relay {
	return &Relay{RelayPorts: p, wake: make(chan struct{}, 1)}
}

// Notify wakes Run: something was committed. It never waits.
func (r *Relay) Notify() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run relays until ctx ends, and returns nil then.
func (r *Relay) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-timer.C:
		}
		pause := RelayEvery
		for {
			n, err := r.Pass(ctx)
			if err != nil && ctx.Err() == nil {
				pause = RelayRetry
				if r.Failed != nil {
					r.Failed(err)
				}
			}
			if err != nil || n < relayBatch {
				break
			}
		}
		timer.Reset(pause)
	}
}

// Pass carries over one batch and says how many facts it held.
func (r *Relay) Pass(ctx context.Context) (int, error) {
	out, err := r.Outbox.Outbox(ctx, relayBatch)
	if err != nil {
		return 0, fmt.Errorf("read the outbox: %w", err)
	}
	if len(out) == 0 {
		return 0, nil
	}
	var a arena
	now := micro(r.Clock())
	facts := make([]event.Packed, len(out))
	for i := range out {
		f := &out[i].Fact
		if f.Arrived.IsZero() {
			f.Arrived = now
		}
		if facts[i], err = a.pack(f, 1_024); err != nil {
			return 0, fmt.Errorf("pack outgoing %v %d: %w", f.Kind(), out[i].Seq, err)
		}
	}
	done, err := r.Log.Append(ctx, facts)
	if err != nil {
		return 0, fmt.Errorf("append %d outgoing facts: %w", len(facts), err)
	}
	if err := r.refuse(ctx, out, done, now); err != nil {
		return 0, err
	}
	if err := r.Outbox.Sent(ctx, out[len(out)-1].Seq); err != nil {
		return 0, fmt.Errorf("mark %d facts as sent: %w", len(out), err)
	}
	return len(out), nil
}

// refuse keeps facts whose id is stored with other content, which only a bug
// can make, where people will find them, so that those behind can pass.
func (r *Relay) refuse(ctx context.Context, out []ledger.Outgoing, done []stream.Appended, now time.Time) error {
	if len(done) != len(out) {
		return fmt.Errorf("append %d facts: the stream answered %d", len(out), len(done))
	}
	var rows []vault.Refused
	for i, a := range done {
		if a.Outcome != stream.Conflict {
			continue
		}
		f := &out[i].Fact
		rows = append(rows, vault.Refused{
			Kind: f.Kind(), Source: "outbox", Line: int64(out[i].Seq), Reason: string(Conflict), At: now,
			Say: conflict(f.ID, f.Version).String(), Raw: rawOr(nil, f.Body),
		})
	}
	if len(rows) == 0 {
		return nil
	}
	if err := r.Quarantine.Refuse(ctx, rows); err != nil {
		return fmt.Errorf("put %d outgoing facts into quarantine: %w", len(rows), err)
	}
	return nil
}
