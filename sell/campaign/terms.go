package campaign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/media"
)

// Edit says who changes which version of something, and once.
type Edit struct {
	By      string // the principal's name
	Version uint64 // the version that is changed; 0 makes something new
	Once    string // the caller's Idempotency-Key; may be empty
}

// onceMax is the longest Idempotency-Key.
const onceMax = 100

// PutAdvertiser makes or changes an advertiser and returns its new version. The
// currency never changes: there is money in it.
func (b *Book) PutAdvertiser(ctx context.Context, a media.Advertiser, e Edit) (uint64, error) {
	if err := a.Check(); err != nil {
		return 0, err
	}
	if err := b.current(ctx); err != nil {
		return 0, err
	}
	b.mu.Lock()
	old, known := b.docs.advertisers[a.ID]
	b.mu.Unlock()
	if known && old.Currency != a.Currency {
		return 0, invalid("currency", "an advertiser's currency never changes")
	}
	return b.put(ctx, rowKey{registry.Advertiser, string(a.ID)}, a, e)
}

// PutPlacement makes or changes a placement and returns its new version.
func (b *Book) PutPlacement(ctx context.Context, p media.Placement, e Edit) (uint64, error) {
	if err := p.Check(); err != nil {
		return 0, err
	}
	return b.put(ctx, rowKey{registry.Placement, string(p.ID)}, p, e)
}

// PutCampaign makes or changes a campaign and returns its new version. Its
// advertiser never changes, and its line items must stay within its flight.
func (b *Book) PutCampaign(ctx context.Context, c media.Campaign, e Edit) (uint64, error) {
	if err := c.Check(); err != nil {
		return 0, err
	}
	if err := b.current(ctx); err != nil {
		return 0, err
	}
	if err := b.checkCampaign(&c, e); err != nil {
		return 0, err
	}
	return b.put(ctx, rowKey{registry.Campaign, string(c.ID)}, c, e)
}

func (b *Book) checkCampaign(c *media.Campaign, e Edit) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, known := b.docs.campaigns[c.ID]
	switch _, payer := b.docs.advertisers[c.Advertiser]; {
	case !payer:
		return invalid("advertiser", "no such advertiser")
	case known && e.Version == 0:
		return nil // the ledger says that the id is taken, or that the edit was done
	case known && old.Advertiser != c.Advertiser:
		return invalid("advertiser", "a campaign's advertiser never changes")
	case !known:
		return nil
	}
	for _, l := range b.docs.lines {
		if l.Campaign == c.ID && !within(l.Flight, c.Flight) {
			return invalid("flight", "line item %s runs outside it", l.ID)
		}
	}
	return nil
}

func within(inner, outer retail.Days) bool { return inner.From >= outer.From && inner.To <= outer.To }

// PutLineItem makes or changes a line item and returns its new version. Its
// advertiser and campaign never change. A bid below a placement's floor may be
// booked; there it is refused as below_floor. A lowered budget holds from the
// version that says it: what its flights hold beyond it goes back to the wallet
// in the same deed, so nothing more can be charged; what was charged stays.
func (b *Book) PutLineItem(ctx context.Context, l media.LineItem, e Edit) (uint64, error) {
	if err := l.Check(); err != nil {
		return 0, err
	}
	if err := b.current(ctx); err != nil {
		return 0, err
	}
	if err := b.checkLine(&l, e); err != nil {
		return 0, err
	}
	if i := slices.IndexFunc(l.Products, b.unknown); i >= 0 {
		if err := b.settle(ctx); err != nil {
			return 0, err
		}
		if i = slices.IndexFunc(l.Products, b.unknown); i >= 0 {
			return 0, &retail.Error{
				Kind: retail.Invalid, Field: fmt.Sprintf("products[%d]", i), Say: fmt.Sprintf("unknown product %.64q", string(l.Products[i])),
				Cure: "send the product with PUT /v1/products first",
			}
		}
	}
	if err := b.checkPlacements(&l); err != nil {
		return 0, err
	}
	if l.Audience != "" {
		_, err := b.cfg.Registry.Get(ctx, registry.Audience, string(l.Audience))
		if errors.Is(err, registry.ErrNotFound) {
			return 0, invalid("audience", "no such audience")
		}
		if err != nil {
			return 0, fmt.Errorf("look up audience %s: %w", l.Audience, err)
		}
	}
	return b.putLine(ctx, &l, e)
}

// checkPlacements refuses a placement that does not exist, unless the line item
// was booked on it before it was removed.
func (b *Book) checkPlacements(l *media.LineItem) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.docs.lines[l.ID]
	for i, p := range l.Placements {
		if _, ok := b.docs.placements[p]; !ok && !slices.Contains(old.Placements, p) {
			return &retail.Error{
				Kind: retail.Invalid, Field: fmt.Sprintf("placements[%d]", i), Say: fmt.Sprintf("unknown placement %.64q", string(p)),
				Cure: "name one of GET /v1/placements",
			}
		}
	}
	return nil
}

func (b *Book) unknown(p catalog.ProductID) bool { return !b.cfg.Known(p) }

// settleMax is how long a booking waits for the catalogue to take in what was
// stored before it. A catalogue that is further behind is not waited for.
const settleMax = 2 * time.Second

// settle waits for the catalogue.
func (b *Book) settle(ctx context.Context) error {
	if b.cfg.Settle == nil {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, settleMax)
	defer cancel()
	if err := b.cfg.Settle(wait); err != nil && wait.Err() == nil {
		return fmt.Errorf("wait for the catalogue: %w", err)
	}
	return ctx.Err()
}

func (b *Book) checkLine(l *media.LineItem, e Edit) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	payer, ok := b.docs.advertisers[l.Advertiser]
	if !ok {
		return invalid("advertiser", "no such advertiser")
	}
	c, ok := b.docs.campaigns[l.Campaign]
	if !ok || c.Advertiser != l.Advertiser {
		return invalid("campaign", "the advertiser has no such campaign")
	}
	if old, known := b.docs.lines[l.ID]; known && e.Version > 0 && (old.Advertiser != l.Advertiser || old.Campaign != l.Campaign) {
		return invalid("campaign", "a line item's advertiser and campaign never change")
	}
	if !within(l.Flight, c.Flight) {
		return invalid("flight", "from %s to %s lies outside the campaign's, from %s to %s (to is the day after the last)", l.Flight.From, l.Flight.To, c.Flight.From, c.Flight.To)
	}
	for i, k := range l.Keywords {
		if len(words(k, nil)) == 0 {
			return invalid(fmt.Sprintf("keywords[%d]", i), "no letter or digit to search for")
		}
	}
	return l.CheckMoney(payer.Currency)
}

// RemoveAdvertiser removes an advertiser that has no campaigns left.
func (b *Book) RemoveAdvertiser(ctx context.Context, id media.AdvertiserID, e Edit) (uint64, error) {
	return b.remove(ctx, rowKey{registry.Advertiser, string(id)}, e, func() bool {
		for _, c := range b.docs.campaigns {
			if c.Advertiser == id {
				return true
			}
		}
		return false
	})
}

// RemoveCampaign removes a campaign that has no line items left.
func (b *Book) RemoveCampaign(ctx context.Context, id media.CampaignID, e Edit) (uint64, error) {
	return b.remove(ctx, rowKey{registry.Campaign, string(id)}, e, func() bool {
		for _, l := range b.docs.lines {
			if l.Campaign == id {
				return true
			}
		}
		return false
	})
}

// RemoveLineItem removes a line item. Clicks on its tokens are still billed;
// what is left of its flights is posted back when their tokens have expired.
func (b *Book) RemoveLineItem(ctx context.Context, id media.LineItemID, e Edit) (uint64, error) {
	return b.remove(ctx, rowKey{registry.LineItem, string(id)}, e, func() bool { return false })
}

// RemovePlacement removes a placement.
func (b *Book) RemovePlacement(ctx context.Context, id media.PlacementID, e Edit) (uint64, error) {
	return b.remove(ctx, rowKey{registry.Placement, string(id)}, e, func() bool { return false })
}

// remove writes a last version; inUse is asked with b.mu held.
func (b *Book) remove(ctx context.Context, key rowKey, e Edit, inUse func() bool) (uint64, error) {
	row, err := b.cfg.Registry.Get(ctx, key.kind, key.id)
	if errors.Is(err, registry.ErrNotFound) {
		return 0, &retail.Error{Kind: retail.NotFound, Say: "no such " + wordOf(key.kind)}
	}
	if err != nil {
		return 0, fmt.Errorf("look up %s %s: %w", key.kind, key.id, err)
	}
	if err := b.current(ctx); err != nil {
		return 0, err
	}
	b.mu.Lock()
	used := inUse()
	b.mu.Unlock()
	if used {
		return 0, &retail.Error{Kind: retail.Conflict, Say: "it is in use", Cure: "remove what belongs to it first"}
	}
	return b.write(ctx, ledger.Revision{Kind: key.kind, ID: key.id, Doc: row.Doc, Removed: true}, e)
}

func (b *Book) put(ctx context.Context, key rowKey, doc any, e Edit) (uint64, error) {
	r, err := revision(key, doc)
	if err != nil {
		return 0, err
	}
	return b.write(ctx, r, e)
}

func revision(key rowKey, doc any) (ledger.Revision, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return ledger.Revision{}, fmt.Errorf("encode %s %s: %w", key.kind, key.id, err)
	}
	if len(text) > registry.DocMax {
		return ledger.Revision{}, &retail.Error{Kind: retail.TooLarge, Say: fmt.Sprintf("the terms take %d bytes, at most %d", len(text), registry.DocMax)}
	}
	return ledger.Revision{Kind: key.kind, ID: key.id, Doc: text}, nil
}

// write commits one new version; the ledger tells the stream of it. The same
// edit again gives the same answer.
func (b *Book) write(ctx context.Context, r ledger.Revision, e Edit) (uint64, error) {
	if len(e.Once) > onceMax || len(e.By) > media.NameMax {
		return 0, invalid("", "an Idempotency-Key has at most %d bytes", onceMax)
	}
	r.From, r.By, r.Once, r.At = e.Version, e.By, e.Once, b.cfg.Now()
	return ledger.Revise(ctx, b.cfg.Ledger, r)
}

func (b *Book) commit(ctx context.Context, deed ledger.Deed) (ledger.Answer, error) {
	answers, err := b.cfg.Ledger.Commit(ctx, deed)
	if err != nil {
		return ledger.Answer{}, fmt.Errorf("commit %s: %w", deed.Key, err)
	}
	return answers[0], nil
}

// current takes over what others have changed, before terms are checked.
func (b *Book) current(ctx context.Context) error { return b.follow(ctx) }

func hexHash(text string) string { return fmt.Sprintf("%x", hash(text)) }

func invalid(field, format string, args ...any) error {
	return &retail.Error{Kind: retail.Invalid, Field: field, Say: fmt.Sprintf(format, args...)}
}

// Wallet is what an advertiser's wallet holds, without what is set aside.
func (b *Book) Wallet(ctx context.Context, id media.AdvertiserID) (retail.Money, error) {
	b.mu.Lock()
	payer, ok := b.docs.advertisers[id]
	b.mu.Unlock()
	if !ok {
		return retail.Money{}, &retail.Error{Kind: retail.NotFound, Say: "no such advertiser"}
	}
	held, err := b.balance(ctx, ledger.Wallet(id), payer.Currency)
	return retail.Money{Amount: held, Currency: payer.Currency}, err
}

// Standing is how a line item stands today.
type Standing struct {
	State State
	Short bool         // its wallet could not pay for the whole day
	Left  retail.Money // what it can still promise today
	Day   retail.Day
	AsOf  time.Time
}

// Standing tells how a line item stands; ok is false where it is not booked, or
// runs and its money for today is not known yet.
func (b *Book) Standing(id media.LineItemID) (s Standing, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, ok := b.docs.lines[id]
	c, known := b.docs.campaigns[l.Campaign]
	if !ok || !known {
		return Standing{}, false
	}
	s = Standing{State: stateOf(&l, &c, b.day), Short: b.short[id], Day: b.day, AsOf: b.cfg.Now()}
	s.Left.Currency = b.docs.advertisers[l.Advertiser].Currency
	if p, ok := b.purses[id]; ok {
		left, read := p.told()
		s.Left.Amount, known = left.RoundDown(s.Left.Currency.Minor()), read
	} else {
		known = false
	}
	return s, known || s.State != Running
}
