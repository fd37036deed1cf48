package campaign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/media"
)

// A flight is opened with what its budgets allow on that morning. When a budget
// is lowered, what the flights hold beyond it is surplus and goes back to the
// wallet in the deed that writes the new version, so that no click can be charged
// against it. A node that has not yet read that version may still open a flight
// further; it gives that back at its next tick, and until then, TickEvery at
// most, clicks may be charged up to the older budget.

// putTries is how often a lowered budget is tried against clicks that are charged
// between the reading of a balance and the deed.
const putTries = 16

// putLine writes a version of a line item together with its flights' surplus. No
// flight is opened meanwhile.
func (b *Book) putLine(ctx context.Context, l *media.LineItem, e Edit) (uint64, error) {
	r, err := revision(rowKey{registry.LineItem, string(l.ID)}, l)
	if err != nil || e.Version == 0 {
		if err != nil {
			return 0, err
		}
		return b.write(ctx, r, e)
	}
	b.ticking.Lock()
	defer b.ticking.Unlock()
	day := retail.DayOf(b.cfg.Now(), b.cfg.Zone)
	b.mu.Lock()
	o := opening{item: *l, payer: b.docs.advertisers[l.Advertiser]}
	b.mu.Unlock()
	for range putTries {
		s, err := b.surplus(ctx, &o, day)
		if err != nil {
			return 0, err
		}
		r.Entries, r.Limits = s.entries, s.limits
		version, err := b.write(ctx, r, e)
		if !errors.Is(err, ledger.ErrLimit) {
			return version, err
		}
	}
	return 0, &retail.Error{Kind: retail.Unavailable, Say: "its clicks are charged faster than its budget can be lowered", Cure: "pause it, or try again"}
}

// surplus is money that a line item's flights hold beyond its budgets, as what a
// deed moves. of names what it was reckoned from.
type surplus struct {
	entries []ledger.Entry
	limits  []ledger.Limit
	of      string
}

// surplus reads what the flights of o hold beyond its budgets on a day. The daily
// budget binds that day's flight alone; the total takes from the newest first.
func (b *Book) surplus(ctx context.Context, o *opening, day retail.Day) (surplus, error) {
	if err := b.remember(ctx, o, day); err != nil {
		return surplus{}, err
	}
	id, c := o.item.ID, o.payer.Currency
	today, total := o.today-o.item.BudgetDaily, o.total-o.item.BudgetTotal
	if max(today, total) <= 0 {
		return surplus{}, nil
	}
	held, err := b.cfg.Ledger.Balances(ctx, flightPrefix+string(id)+"/")
	if err != nil {
		return surplus{}, err
	}
	slices.SortFunc(held, func(x, y ledger.Balance) int { return cmp.Compare(y.Account, x.Account) })
	s := surplus{of: fmt.Sprintf("%d/%d", int64(today), int64(total))}
	for _, f := range held {
		over := total
		if f.Account == ledger.Flight(id, day) {
			over = max(today, total)
		}
		if back := min(over, f.Amount); f.Currency == c && back > 0 && len(s.limits) < flightsAtOnce {
			s.add(o, f.Account, back)
			if f.Account == ledger.Flight(id, day) {
				s.entries = append(s.entries,
					ledger.Entry{Account: ledger.SetAsideDay(id, day), Amount: back, Currency: f.Currency},
					ledger.Entry{Account: ledger.SetAside, Amount: -back, Currency: f.Currency})
			}
			total -= back
		}
	}
	return s, nil
}

// add moves money of a flight back to the wallet of its payer. The limit refuses
// it when a click was charged since the balance was read and left less.
func (s *surplus) add(o *opening, flight ledger.Account, back retail.Micros) {
	c := o.payer.Currency
	s.entries = append(s.entries,
		ledger.Entry{Account: flight, Amount: -back, Currency: c},
		ledger.Entry{Account: ledger.Wallet(o.payer.ID), Amount: back, Currency: c},
		ledger.Entry{Account: ledger.SetAsideTotal(o.item.ID), Amount: back, Currency: c},
		ledger.Entry{Account: ledger.SetAside, Amount: -back, Currency: c})
	s.limits = append(s.limits, ledger.Limit{Name: string(event.BudgetSpent), Account: flight, Currency: c})
}

// giveBack posts the surplus of flights back that a node with older terms opened
// too far, running or not, and reads again what is set aside. A deed that a click
// overtakes is tried at the next tick.
func (b *Book) giveBack(ctx context.Context, o *opening, day retail.Day, now time.Time) error {
	s, err := b.surplus(ctx, o, day)
	if err != nil || len(s.entries) == 0 {
		return err
	}
	answer, err := b.commit(ctx, ledger.Deed{
		Key:     fmt.Sprintf("flight/back/%s/%s/%d/%s", o.item.ID, day, o.version, s.of),
		Body:    hash(fmt.Sprintf("back %v", s.entries)),
		Entries: s.entries, Limits: s.limits, At: now,
	})
	if err != nil {
		return err
	}
	if answer.Err != nil && !errors.Is(answer.Err, ledger.ErrKeyReused) {
		return answer.Err
	}
	b.mu.Lock()
	b.moneyCame(o.payer.ID)
	if !answer.Done && !answer.Repeat {
		b.overtaken[o.item.ID] = true
	}
	b.mu.Unlock()
	return b.remember(ctx, o, day)
}
