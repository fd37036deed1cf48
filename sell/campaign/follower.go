package campaign

import (
	"context"
	"time"

	"endcap/keep/stream"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/media"
)

// clicks remembers the clicks that are not billed yet. Their bill may be seen
// first, because it lies in another partition.
type clicks struct {
	open     map[string]openClick      // by the click's id
	early    map[string]bool           // bills whose click was not seen yet
	answered map[media.LineItemID]bool // line items whose balance is to be read again
	cursors  map[int]event.Cursor      // how far each partition was followed
}

type openClick struct {
	line  media.LineItemID
	price retail.Micros
}

// clicksMax bounds what is remembered. Beyond it clicks are no longer held back
// in the estimate; the ledger refuses what cannot be paid.
const clicksMax = 1 << 20

func newClicks() clicks {
	return clicks{map[string]openClick{}, map[string]bool{}, map[media.LineItemID]bool{}, map[int]event.Cursor{}}
}

// reset forgets the clicks of a day that is over.
func (c *clicks) reset() {
	clear(c.open)
	clear(c.early)
	clear(c.answered)
}

// Follower keeps the purses in step with clicks and bills. Its state lives and
// dies with the Book, so it follows a stream from where that ends when its Cursor
// is first asked, which should be before the first decision: a click that it
// misses is held back until its token is old. end is the stream's End.
func (b *Book) Follower(end func(ctx context.Context, partition int) (event.Cursor, error)) stream.Follower {
	return stream.Follower{
		Name:  "campaign",
		Kinds: []event.Kind{event.KindClicked, event.KindBilled},
		Cursor: func(ctx context.Context, partition int) (event.Cursor, error) {
			b.mu.Lock()
			at, ok := b.clicks.cursors[partition]
			b.mu.Unlock()
			if ok {
				return at, nil
			}
			at, err := end(ctx, partition)
			if err != nil {
				return "", err
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			b.clicks.cursors[partition] = at
			return at, nil
		},
		Fold: b.fold,
	}
}

func (b *Book) fold(_ context.Context, batch stream.Batch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if batch.Next <= b.clicks.cursors[batch.Partition] {
		return nil
	}
	for i := range batch.Facts {
		f := &batch.Facts[i]
		switch body := f.Body.(type) {
		case event.Clicked:
			b.foldClicked(f.ID, &body, f.Arrived)
		case event.Billed:
			b.foldBilled(&body)
		}
	}
	b.clicks.cursors[batch.Partition] = batch.Next
	return nil
}

// foldClicked learns of a click. How old its token was is told by when the click
// arrived, not by when this follower comes to read it: a fold reads no clock, and
// one that lags must not teach that tokens are clicked late.
func (b *Book) foldClicked(id string, body *event.Clicked, arrived time.Time) {
	purse, ok := b.purses[body.LineItem]
	_, repeat := b.clicks.open[id]
	if !ok || repeat || body.Day != b.day {
		return
	}
	if age := purse.click(&body.Touch, arrived); age >= 0 {
		b.pace.observe(age, 1, 1)
	}
	if b.clicks.early[id] || len(b.clicks.open) >= clicksMax {
		// Billed already, or taken as such: the next read of the balance knows it.
		delete(b.clicks.early, id)
		b.clicks.answered[body.LineItem] = true
		purse.billed(body.Price)
		return
	}
	b.clicks.open[id] = openClick{body.LineItem, body.Price}
}

func (b *Book) foldBilled(body *event.Billed) {
	if body.Day != b.day {
		return
	}
	b.clicks.answered[body.LineItem] = true
	click, ok := b.clicks.open[body.Click]
	if !ok {
		if len(b.clicks.early) < clicksMax {
			b.clicks.early[body.Click] = true
		}
		return
	}
	delete(b.clicks.open, body.Click)
	if p, ok := b.purses[click.line]; ok {
		p.billed(click.price)
	}
}
