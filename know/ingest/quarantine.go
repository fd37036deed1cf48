package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"endcap/keep/stream"
	"endcap/keep/vault"
	"endcap/retail"
	"endcap/retail/event"
)

// Bad is one row that a decoder could not even turn into an item.
type Bad struct {
	Kind  event.Kind // what it was meant to be
	Line  int64
	Fault *Fault
	Raw   []byte
}

// Refuse puts rows that could not be read into quarantine. The same row again
// is stored once.
func (d *Desk) Refuse(ctx context.Context, bad []Bad, from From) error {
	if err := checkBatch(len(bad)); err != nil {
		return err
	}
	now := micro(d.Clock())
	var all refusals
	for i := range bad {
		r := newRefusals(bad[i].Kind, from, now)
		r.add(bad[i].Line, bad[i].Fault, bad[i].Raw, nil)
		all.rows = append(all.rows, r.rows...)
	}
	return d.refuse(ctx, &all)
}

// QuarantineMax is the longest page of Refused.
const QuarantineMax = 1_000

// Refused lists up to limit rows of the quarantine with ids above after.
func (d *Desk) Refused(ctx context.Context, after uint64, limit int) ([]vault.Refused, error) {
	if limit < 1 || limit > QuarantineMax {
		return nil, &retail.Error{Kind: retail.Invalid, Field: "limit", Say: "a page that long cannot be had", Cure: fmt.Sprintf("ask for 1 to %d rows", QuarantineMax)}
	}
	rows, err := d.Quarantine.Refusals(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list the quarantine: %w", err)
	}
	return rows, nil
}

// Decoder submits one refused row again: it reads Raw in the caller's own
// format, hands the item to the Desk and returns ErrStill, or what is wrong,
// unless the row was taken in. Only who wrote the row's format can read it, so
// the gate provides it.
type Decoder func(ctx context.Context, row vault.Refused) error

// ErrStill is returned by a Decoder for a row that is still refused.
var ErrStill = errors.New("the row is still refused")

// Taken returns nil when every item of a result was taken in, else ErrStill
// with the first fault; for Decoders.
func (r *Result) Taken() error {
	for i := range r.Answers {
		if f := r.Answers[i].Fault; f != nil {
			return fmt.Errorf("%w: %s", ErrStill, f)
		}
	}
	return nil
}

// Replayed counts a replay.
type Replayed struct{ Taken, Kept int64 }

const replayPage = 100

// Replay submits every row that lies in quarantine now again and releases those
// taken in. A row that is refused anew, under whatever reason, stays; rows that
// the replay itself adds are not looked at. It may be broken off at any time
// and called again.
func (d *Desk) Replay(ctx context.Context, decode Decoder) (Replayed, error) {
	var done Replayed
	last, err := d.lastRefused(ctx)
	if err != nil {
		return done, err
	}
	for after := uint64(0); after < last; {
		rows, err := d.Quarantine.Refusals(ctx, after, replayPage)
		if err != nil {
			return done, fmt.Errorf("read the quarantine: %w", err)
		}
		if len(rows) == 0 {
			return done, nil
		}
		var taken []uint64
		for i := range rows {
			if after = rows[i].ID; after > last {
				break
			}
			if err := ctx.Err(); err != nil {
				return done, err
			}
			if decode(ctx, rows[i]) == nil {
				taken = append(taken, rows[i].ID)
			} else {
				done.Kept++
			}
		}
		if len(taken) > 0 {
			if err := d.Quarantine.Release(ctx, taken); err != nil {
				return done, fmt.Errorf("release %d rows: %w", len(taken), err)
			}
			done.Taken += int64(len(taken))
		}
	}
	return done, nil
}

// lastRefused is the highest id in quarantine, zero when it is empty.
func (d *Desk) lastRefused(ctx context.Context) (uint64, error) {
	var last uint64
	for {
		rows, err := d.Quarantine.Refusals(ctx, last, replayPage)
		if err != nil {
			return 0, fmt.Errorf("read the quarantine: %w", err)
		}
		if len(rows) == 0 {
			return last, nil
		}
		last = rows[len(rows)-1].ID
	}
}

// refuseMax is how many rows, of up to vault.RawMax each, are stored at once.
const refuseMax = 256

// refusals gathers the rows of one batch for quarantine.
type refusals struct {
	kind event.Kind
	from From
	now  time.Time
	rows []vault.Refused
}

func newRefusals(kind event.Kind, from From, now time.Time) *refusals {
	return &refusals{kind: kind, from: from, now: now}
}

func (r *refusals) add(line int64, f *Fault, raw, stored []byte) {
	if f == nil {
		f = fault(Unparsed, "", "it could not be read", "")
	}
	if name, ok := r.from.Fields[f.Field]; ok {
		f.Field = name
	}
	r.rows = append(r.rows, vault.Refused{
		Kind: r.kind, Source: r.from.Name, Line: line, Reason: string(f.Reason), Say: f.String(),
		Raw: slices.Clone(raw[:min(len(raw), vault.RawMax)]), Stored: stored, At: r.now,
	})
}

func (d *Desk) refuse(ctx context.Context, r *refusals) error {
	for some := range slices.Chunk(r.rows, refuseMax) {
		if err := d.Quarantine.Refuse(ctx, some); err != nil {
			return fmt.Errorf("put %d rows into quarantine: %w", len(some), err)
		}
	}
	return nil
}

// rawOr is the row as it came, or what was read of it when a caller kept no raw
// bytes.
func rawOr(raw []byte, read any) []byte {
	if len(raw) > 0 {
		return raw
	}
	b, err := json.Marshal(read)
	if err != nil {
		return nil
	}
	return b
}

// stored is the fact that a conflicting one met, as JSON for people; nil once
// it has been trimmed. The shopper does not show.
func (d *Desk) stored(ctx context.Context, met stream.Appended) ([]byte, error) {
	f, ok, err := d.fetch(ctx, met)
	if err != nil || !ok {
		return nil, err
	}
	b, err := storedJSON(&f, f.Body)
	if err == nil && len(b) > vault.StoredMax {
		b, err = storedJSON(&f, nil) // a store's week in letters that JSON writes as six
	}
	if err != nil {
		return nil, fmt.Errorf("write a stored fact: %w", err)
	}
	return b, nil
}

func storedJSON(f *event.Fact, body event.Body) ([]byte, error) {
	return json.Marshal(struct {
		Kind    string     `json:"kind"`
		ID      string     `json:"id"`
		Version uint32     `json:"version"`
		At      time.Time  `json:"at"`
		Arrived time.Time  `json:"arrived"`
		Day     retail.Day `json:"day"`
		Source  string     `json:"source"`
		Body    event.Body `json:"body"`
	}{f.Kind().String(), f.ID, f.Version, f.At, f.Arrived, f.Day, f.Source, body})
}
