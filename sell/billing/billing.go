// Package billing charges clicks: it reads them from the stream in order and
// commits, for each, one deed that moves the token's price from what is set
// aside for the line item's flight day to revenue, and tells the stream of it.
//
// A token is charged at most once, for ever, whoever clicks it how often: the
// deed's key is the token's. Filters come before: a click of a bot, of a token
// that had expired when the click arrived, of a token never seen, or one more of too many of the same
// shopper on the same line item within an hour is answered Billed{0, reason}
// and leaves the token as it was; so is a click that the day's money cannot pay.
// Filters go by when clicks arrived, on the house's clock, never by when their
// sender says they happened: an app that was offline is paid for what it sends
// within media.TokenLife of the answer, and nobody spreads clicks over hours.
//
// Killed at any point it resumes at its cursor: what was committed is found by
// its key, what was filtered is filtered again alike, because the filters' memory
// (the profile section "billing") is saved together with the cursor.
//
// On the road of a receipt, a click comes in and a bill goes out.
package billing

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/profile"
	"endcap/keep/stream"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
)

// Names of what billing keeps in profiles.
const (
	FollowerName                 = "billing"
	Section      profile.Section = "billing"
)

// commitMax is how many deeds go into one commit.
const commitMax = 256

// Config is what a Biller stands on.
type Config struct {
	Ledger   ledger.Ledger
	Profiles profile.Store
	Stream   interface {
		Partitions() int
		End(ctx context.Context, partition int) (event.Cursor, error)
		Read(ctx context.Context, partition int, after event.Cursor, limit int) ([]stream.Entry, error)
	}
	Now retail.Clock
	// ClicksPerHour is how many clicks of one shopper on one line item are
	// charged that arrive within one hour of the clock; 0 means ClicksPerHourDefault.
	ClicksPerHour int
	// Answered hears of each click that was answered, charged where the reason
	// is empty; for metrics. It may be nil.
	Answered func(event.Refusal)
}

// ClicksPerHourDefault is far above what one person does.
const ClicksPerHourDefault = 5

// Biller charges clicks. Make one with New; run its Follower.
type Biller struct {
	cfg Config
}

// New makes a Biller.
func New(cfg Config) (*Biller, error) {
	if cfg.Ledger == nil || cfg.Profiles == nil || cfg.Stream == nil || cfg.Now == nil {
		return nil, errors.New("billing: a biller needs ledger, profiles, stream and clock")
	}
	if cfg.ClicksPerHour <= 0 {
		cfg.ClicksPerHour = ClicksPerHourDefault
	}
	return &Biller{cfg: cfg}, nil
}

// Follower charges clicks and keeps the filters' memory.
func (b *Biller) Follower() stream.Follower {
	return stream.Follower{
		Name:  FollowerName,
		Kinds: []event.Kind{event.KindShown, event.KindClicked, event.KindForgotten},
		Cursor: func(ctx context.Context, partition int) (event.Cursor, error) {
			return b.cfg.Profiles.Cursor(ctx, FollowerName, partition)
		},
		Fold: b.fold,
	}
}

// onItsWay is how long after its arrival a fact is in the stream at the latest:
// it is stamped before it is written, and its neighbours may overtake it. It is
// much longer than a request may take.
const onItsWay = time.Minute

// pageMax is how many waiting facts of a partition Through looks at.
const pageMax = 1_024

// Through is an instant such that every click that arrived before it has been
// answered: onItsWay before now, or before the arrival of the first fact that
// waits for billing. It is read from the stream and the saved cursors alone, so
// a restart changes nothing.
func (b *Biller) Through(ctx context.Context) (time.Time, error) {
	through := b.cfg.Now()
	for p := range b.cfg.Stream.Partitions() {
		at, err := b.cfg.Profiles.Cursor(ctx, FollowerName, p)
		if err != nil {
			return time.Time{}, fmt.Errorf("cursor of billing: %w", err)
		}
		waiting, err := b.cfg.Stream.Read(ctx, p, at, pageMax)
		if err != nil {
			return time.Time{}, fmt.Errorf("read partition %d: %w", p, err)
		}
		for i := range waiting {
			// What nobody answers only counts where a click may lie behind the page.
			if k := waiting[i].Kind; k != event.KindClicked && k != event.KindShown && (i+1 < len(waiting) || b.ends(ctx, p, waiting[i].At)) {
				continue
			}
			f, err := event.Unpack(waiting[i].Bytes)
			if err != nil {
				return time.Time{}, fmt.Errorf("read partition %d: %w", p, err)
			}
			if f.Arrived.Before(through) {
				through = f.Arrived
			}
			break
		}
	}
	return through.Add(-onItsWay), nil
}

// ends reports whether nothing lies after a cursor.
func (b *Biller) ends(ctx context.Context, partition int, at event.Cursor) bool {
	end, err := b.cfg.Stream.End(ctx, partition)
	return err == nil && at >= end
}

// fold answers the clicks of a batch, then saves the filters' memory and the
// cursor.
func (b *Biller) fold(ctx context.Context, batch stream.Batch) error {
	saved, err := b.cfg.Profiles.Cursor(ctx, FollowerName, batch.Partition)
	if err != nil {
		return fmt.Errorf("cursor of billing: %w", err)
	}
	if batch.Next <= saved {
		return nil
	}
	units, err := b.recall(ctx, &batch)
	if err != nil {
		return err
	}
	var deeds []deed
	for i := range batch.Facts {
		f := &batch.Facts[i]
		unit := units[unitOf(f, batch.Partition)]
		switch body := f.Body.(type) {
		case event.Shown:
			unit.show(&body.Touch, f.Arrived)
		case event.Clicked:
			deeds = append(deeds, deed{fact: f, click: body, reason: unit.click(&body, f.Arrived, b.cfg.ClicksPerHour)})
		case event.Forgotten:
			unit.forget()
		}
	}
	if err := b.settle(ctx, deeds); err != nil {
		return err
	}
	changes := make([]profile.Change, 0, len(units))
	for id, unit := range units {
		if unit.changed {
			changes = append(changes, profile.Change{Shopper: id, Section: Section, Value: unit.encode()})
		}
	}
	if err := b.cfg.Profiles.Apply(ctx, FollowerName, batch.Partition, batch.Next, changes); err != nil {
		return fmt.Errorf("save the filters: %w", err)
	}
	return nil
}

// recall reads the memory of everybody whom the batch is about.
func (b *Biller) recall(ctx context.Context, batch *stream.Batch) (map[shopper.ID]*memory, error) {
	units := make(map[shopper.ID]*memory)
	var who []shopper.ID
	for i := range batch.Facts {
		id := unitOf(&batch.Facts[i], batch.Partition)
		if units[id] == nil {
			units[id] = &memory{pot: !batch.Facts[i].Shopper.Known()}
			who = append(who, id)
		}
	}
	if len(who) == 0 {
		return units, nil
	}
	sections, err := b.cfg.Profiles.Sections(ctx, Section, who)
	if err != nil {
		return nil, fmt.Errorf("read the filters: %w", err)
	}
	for i, id := range who {
		if err := units[id].decode(sections[i]); err != nil {
			return nil, err
		}
	}
	return units, nil
}

// deed is one click to answer; reason is why it is free, if it is.
type deed struct {
	fact   *event.Fact
	click  event.Clicked
	reason event.Refusal
	taken  bool // free, and the token is used up by it
}

// settle commits an answer for each click, in order. A click that cannot be
// paid is answered under the same key, so that no later money can pay it; one
// whose token another click has used is a repeat.
func (b *Biller) settle(ctx context.Context, deeds []deed) error {
	for len(deeds) > 0 {
		n := min(len(deeds), commitMax)
		for todo := deeds[:n]; len(todo) > 0; {
			commit := make([]ledger.Deed, len(todo))
			for i := range todo {
				commit[i] = todo[i].ledger()
			}
			answers, err := b.cfg.Ledger.Commit(ctx, commit...)
			if err != nil {
				return fmt.Errorf("charge %d clicks: %w", len(todo), err)
			}
			b.tell(todo, answers)
			if todo, err = unanswered(todo, answers); err != nil {
				return err
			}
		}
		deeds = deeds[n:]
	}
	return nil
}

// tell lets Answered hear of what was done now, and not of what was done before.
func (b *Biller) tell(todo []deed, answers []ledger.Answer) {
	if b.cfg.Answered == nil {
		return
	}
	for i := range answers {
		if answers[i].Done {
			b.cfg.Answered(todo[i].reason)
		}
	}
}

// unanswered gives the deeds that must be tried in another way. Each way is
// tried once: charged, then spent, then repeat.
func unanswered(todo []deed, answers []ledger.Answer) ([]deed, error) {
	var again []deed
	for i, a := range answers {
		d := todo[i]
		switch {
		case a.Done || a.Repeat:
		case a.Refused != "" && d.reason == "":
			d.reason, d.taken = event.BudgetSpent, true
			again = append(again, d)
		case errors.Is(a.Err, ledger.ErrKeyReused) && (d.reason == "" || d.taken):
			d.reason, d.taken = event.Repeat, false
			again = append(again, d)
		case errors.Is(a.Err, ledger.ErrKeyReused):
			return nil, fmt.Errorf("click %q was answered with another content: %w", d.fact.ID, a.Err)
		default:
			return nil, fmt.Errorf("charge click %q: refused %q: %w", d.fact.ID, a.Refused, a.Err)
		}
	}
	return again, nil
}

// ledger is d as the ledger takes it.
func (d *deed) ledger() ledger.Deed {
	t := &d.click.Touch
	out := ledger.Deed{Body: sum("click", d.fact.ID), Answer: []byte(d.reason), At: d.fact.Arrived}
	billed := event.Billed{
		Click: d.fact.ID, Decision: t.Decision, Slot: t.Slot, Advertiser: t.Advertiser, Campaign: t.Campaign, LineItem: t.LineItem,
		Charge: t.Charge, Currency: t.Currency, Day: t.Day, Reason: d.reason,
	}
	if d.reason == "" || d.taken {
		out.Key = fmt.Sprintf("click/%s/%d/%d", t.Decision, t.Slot, t.Charge)
	} else {
		out.Key = fmt.Sprintf("free/%x", sum("free", d.fact.ID))
	}
	if d.reason == "" {
		billed.Amount = t.Price
		flight := ledger.Flight(t.LineItem, t.Day)
		out.Entries = []ledger.Entry{
			{Account: flight, Amount: -t.Price, Currency: t.Currency},
			{Account: ledger.Revenue, Amount: t.Price, Currency: t.Currency},
		}
		out.Limits = []ledger.Limit{{Name: string(event.BudgetSpent), Account: flight, Currency: t.Currency}}
	}
	out.Facts = []event.Fact{{
		ID: d.fact.ID, At: d.fact.At, Arrived: d.fact.Arrived, Day: d.fact.Day, Source: "billing", Body: billed,
	}}
	return out
}

func sum(what, id string) [16]byte {
	s := sha256.Sum256([]byte(what + " " + id))
	return [16]byte(s[:16])
}

// late reports whether a token had expired when its click arrived.
func late(t *event.Touch, arrived time.Time) bool {
	return arrived.After(t.Issued.Add(media.TokenLife))
}
