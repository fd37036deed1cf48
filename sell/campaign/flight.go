package campaign

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/media"
)

const (
	flightsAtOnce = 256         // flights opened or closed in one commit
	readsAtOnce   = 2_000       // balances read again in one tick
	sweepEvery    = time.Minute // how often ended flights are looked for
	// closeAfter is beyond the life of a day's last token. A click is billed if it
	// arrives within media.TokenLife of its token's issue, so once billing has
	// answered all that arrived until then, none can come that would be charged;
	// the rest is for tokens issued while the day turned, and for clocks that differ.
	closeAfter = 30 * time.Minute
)

// openFlight is a flight account that may hold money.
type openFlight struct {
	line media.LineItemID
	day  retail.Day
}

// opening is what the ledger says of one flight before it is opened.
type opening struct {
	item    media.LineItem
	version uint64 // of item
	payer   media.Advertiser
	today   retail.Micros // set aside for this day so far
	total   retail.Micros // spent, and set aside now
	purse   *Purse
}

// openDue posts money from wallets to the flights of the day that have less
// than they may. Whatever is interrupted is found again from the accounts.
func (b *Book) openDue(ctx context.Context, now time.Time) error {
	b.mu.Lock()
	day := b.day
	maps.Copy(b.due, b.overtaken)
	clear(b.overtaken)
	due := slices.Sorted(maps.Keys(b.due))
	b.mu.Unlock()
	wallets := map[media.AdvertiserID]retail.Micros{}
	for chunk := range slices.Chunk(due, flightsAtOnce) {
		flights, err := b.openings(ctx, chunk, day, now)
		if err != nil {
			return err
		}
		if err := b.openFlights(ctx, flights, wallets, now); err != nil {
			return err
		}
	}
	return nil
}

// openings gives back what the flights of ids hold beyond their budgets, reads
// what is known of those that run, and takes the others off the list.
func (b *Book) openings(ctx context.Context, ids []media.LineItemID, day retail.Day, now time.Time) ([]opening, error) {
	var out []opening
	for _, id := range ids {
		b.mu.Lock()
		o := opening{item: b.docs.lines[id], version: b.versions[rowKey{registry.LineItem, string(id)}]}
		c, known := b.docs.campaigns[o.item.Campaign]
		o.payer = b.docs.advertisers[o.item.Advertiser]
		o.purse = b.purse(id)
		state := NotInFlight
		if known && o.payer.ID != "" {
			state = stateOf(&o.item, &c, day)
		}
		if state != Running {
			delete(b.due, id)
		}
		b.mu.Unlock()
		if state == NotInFlight {
			continue // the sweep posts back what it holds
		}
		if err := b.remember(ctx, &o, day); err != nil {
			return nil, err
		}
		if o.today > o.item.BudgetDaily || o.total > o.item.BudgetTotal {
			if err := b.giveBack(ctx, &o, day, now); err != nil {
				return nil, err
			}
		}
		if state != Running {
			continue
		}
		out = append(out, o)
	}
	return out, nil
}

// remember reads what was set aside for a flight.
func (b *Book) remember(ctx context.Context, o *opening, day retail.Day) error {
	memory, err := b.cfg.Ledger.Balances(ctx, ledger.SetAsidePrefix(o.item.ID))
	if err != nil {
		return err
	}
	o.today, o.total = 0, 0
	for _, m := range memory {
		switch {
		case m.Currency != o.payer.Currency:
		case m.Account == ledger.SetAsideTotal(o.item.ID):
			o.total = -m.Amount
		case m.Account == ledger.SetAsideDay(o.item.ID, day):
			o.today = -m.Amount
		}
	}
	return nil
}

// openFlights opens flights in the order of their ids; where a wallet is short
// the earlier get what there is and the others are listed as short.
func (b *Book) openFlights(ctx context.Context, flights []opening, wallets map[media.AdvertiserID]retail.Micros, now time.Time) error {
	b.mu.Lock()
	day := b.day
	b.mu.Unlock()
	var deeds []ledger.Deed
	short := map[media.LineItemID]bool{}
	for i := range flights {
		o := &flights[i]
		wallet, read := wallets[o.payer.ID]
		if !read {
			var err error
			if wallet, err = b.balance(ctx, ledger.Wallet(o.payer.ID), o.payer.Currency); err != nil {
				return err
			}
		}
		want := min(o.item.BudgetDaily-o.today, o.item.BudgetTotal-o.total)
		give := min(want, wallet).RoundDown(o.payer.Currency.Minor())
		wallets[o.payer.ID] = wallet - max(give, 0)
		short[o.item.ID] = want > 0 && give < want
		if give > 0 {
			deeds = append(deeds, openDeed(o, day, give, now))
		}
	}
	again := map[int]bool{} // deeds that another node or an edit overtook
	if len(deeds) > 0 {
		answers, err := b.cfg.Ledger.Commit(ctx, deeds...)
		if err != nil {
			return err
		}
		for i, a := range answers {
			again[i] = !a.Done && !a.Repeat
			if a.Err != nil && !errors.Is(a.Err, ledger.ErrKeyReused) {
				return a.Err
			}
		}
	}
	return b.opened(ctx, flights, short, slices.Contains(slices.Collect(maps.Values(again)), true))
}

// opened reads the flights' balances into their purses. Flights stay due when
// some deed was overtaken.
func (b *Book) opened(ctx context.Context, flights []opening, short map[media.LineItemID]bool, overtaken bool) error {
	for i := range flights {
		o := &flights[i]
		if err := b.readPurse(ctx, o.item.ID, o.purse); err != nil {
			return err
		}
		b.mu.Lock()
		if !overtaken {
			delete(b.due, o.item.ID)
		}
		if short[o.item.ID] {
			b.short[o.item.ID] = true
		} else {
			delete(b.short, o.item.ID)
		}
		if b.day != 0 {
			b.open[openFlight{o.item.ID, b.day}] = true
		}
		b.mu.Unlock()
	}
	return nil
}

// openDeed sets amount aside. Its key says how much was set aside before, and
// under which version of the terms, so that two nodes, or a node and its own
// retry, do it once, and a budget that was lowered and raised again opens again.
func openDeed(o *opening, day retail.Day, amount retail.Micros, now time.Time) ledger.Deed {
	c, id := o.payer.Currency, o.item.ID
	return ledger.Deed{
		Key:  fmt.Sprintf("flight/open/%s/%s/%d/%d", id, day, o.version, int64(o.today)),
		Body: hash(fmt.Sprintf("open %d", int64(amount))),
		Entries: []ledger.Entry{
			{Account: ledger.Wallet(o.payer.ID), Amount: -amount, Currency: c},
			{Account: ledger.Flight(id, day), Amount: amount, Currency: c},
			{Account: ledger.SetAsideDay(id, day), Amount: -amount, Currency: c},
			{Account: ledger.SetAsideTotal(id), Amount: -amount, Currency: c},
			{Account: ledger.SetAside, Amount: 2 * amount, Currency: c},
		},
		Limits: []ledger.Limit{
			{Name: "wallet_empty", Account: ledger.Wallet(o.payer.ID), Currency: c},
			{Name: "budget_daily", Account: ledger.SetAsideDay(id, day), Min: -o.item.BudgetDaily, Currency: c},
			{Name: "budget_total", Account: ledger.SetAsideTotal(id), Min: -o.item.BudgetTotal, Currency: c},
		},
		At: now,
	}
}

// sweep posts back what is left of flights whose last token has expired and
// whose clicks are all billed.
func (b *Book) sweep(ctx context.Context, now time.Time) error {
	b.mu.Lock()
	day, rest := b.day, now.Sub(b.swept) < sweepEvery
	b.mu.Unlock()
	if rest {
		return nil
	}
	if err := b.scan(ctx); err != nil {
		return err
	}
	billed, err := b.cfg.Billed(ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.swept = now
	var ended []openFlight
	for f := range b.open {
		over := (f.day + 1).Start(b.cfg.Zone).Add(media.TokenLife + closeAfter)
		if f.day < day && !over.After(now) && !over.After(billed) {
			ended = append(ended, f)
		}
	}
	b.mu.Unlock()
	slices.SortFunc(ended, func(a, c openFlight) int {
		if a.day != c.day {
			return int(a.day - c.day)
		}
		return strings.Compare(string(a.line), string(c.line))
	})
	for chunk := range slices.Chunk(ended, flightsAtOnce) {
		if err := b.closeFlights(ctx, chunk, now); err != nil {
			return err
		}
	}
	return nil
}

// scan looks once, after a start, for every flight that still holds money.
func (b *Book) scan(ctx context.Context) error {
	b.mu.Lock()
	scanned := b.scanned
	b.mu.Unlock()
	if scanned {
		return nil
	}
	all, err := b.cfg.Ledger.Balances(ctx, flightPrefix)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, held := range all {
		if f, ok := parseFlight(held.Account); ok && held.Amount > 0 {
			b.open[f] = true
		}
	}
	b.scanned = true
	return nil
}

const flightPrefix = "line-item/"

func parseFlight(a ledger.Account) (openFlight, bool) {
	line, day, ok := strings.Cut(strings.TrimPrefix(string(a), flightPrefix), "/")
	d, err := retail.ParseDay(day)
	return openFlight{media.LineItemID(line), d}, ok && err == nil
}

func (b *Book) closeFlights(ctx context.Context, flights []openFlight, now time.Time) error {
	var deeds []ledger.Deed
	var empty []openFlight
	payers := map[media.AdvertiserID]bool{}
	for _, f := range flights {
		payer, err := b.payerOf(ctx, f.line)
		if err != nil {
			return err
		}
		held, err := b.cfg.Ledger.Balances(ctx, string(ledger.Flight(f.line, f.day)))
		if err != nil {
			return err
		}
		left := false
		for _, m := range held {
			if m.Amount > 0 {
				left = true
				payers[payer] = true
				deeds = append(deeds, closeDeed(f, payer, m, now))
			}
		}
		if !left {
			empty = append(empty, f)
		}
	}
	if len(deeds) > 0 {
		answers, err := b.cfg.Ledger.Commit(ctx, deeds...)
		if err != nil {
			return err
		}
		for _, a := range answers {
			if a.Err != nil && !errors.Is(a.Err, ledger.ErrKeyReused) {
				return a.Err
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range empty {
		delete(b.open, f)
	}
	for _, f := range flights {
		if _, live := b.docs.lines[f.line]; live {
			b.due[f.line] = true // its total budget has that room again
		}
	}
	for p := range payers {
		b.moneyCame(p)
	}
	return nil
}

// closeDeed posts the rest back. A click that is billed in between makes it
// fail by its limit; the next sweep tries the smaller rest.
func closeDeed(f openFlight, payer media.AdvertiserID, m ledger.Balance, now time.Time) ledger.Deed {
	return ledger.Deed{
		Key:  fmt.Sprintf("flight/close/%s/%s/%s/%d", f.line, f.day, m.Currency, int64(m.Amount)),
		Body: hash("close"),
		Entries: []ledger.Entry{
			{Account: m.Account, Amount: -m.Amount, Currency: m.Currency},
			{Account: ledger.Wallet(payer), Amount: m.Amount, Currency: m.Currency},
			{Account: ledger.SetAsideTotal(f.line), Amount: m.Amount, Currency: m.Currency},
			{Account: ledger.SetAside, Amount: -m.Amount, Currency: m.Currency},
		},
		Limits: []ledger.Limit{{Name: string(event.BudgetSpent), Account: m.Account, Currency: m.Currency}},
		At:     now,
	}
}

// payerOf is whose line item it is, or was.
func (b *Book) payerOf(ctx context.Context, id media.LineItemID) (media.AdvertiserID, error) {
	b.mu.Lock()
	item, ok := b.docs.lines[id]
	b.mu.Unlock()
	if ok {
		return item.Advertiser, nil
	}
	rows, err := b.cfg.Registry.Versions(ctx, registry.LineItem, string(id))
	if err != nil {
		return "", err
	}
	found := map[media.LineItemID]media.LineItem{}
	for i := range rows {
		if !rows[i].Removed {
			if err := set(found, id, &rows[i]); err != nil {
				return "", err
			}
		}
	}
	if found[id].Advertiser == "" {
		return "", fmt.Errorf("the registry never had line item %s: %w", id, registry.ErrNotFound)
	}
	return found[id].Advertiser, nil
}

// moneyCame has the flights that a short wallet left wanting opened further;
// b.mu is held.
func (b *Book) moneyCame(payer media.AdvertiserID) {
	for id := range b.short {
		if b.docs.lines[id].Advertiser == payer {
			b.due[id] = true
		}
	}
}

// readAnswered reads the balances of flights with clicks that billing answered.
func (b *Book) readAnswered(ctx context.Context) error {
	b.mu.Lock()
	var ids []media.LineItemID
	for id := range b.clicks.answered {
		if ids = append(ids, id); len(ids) == readsAtOnce {
			break
		}
	}
	purses := make([]*Purse, len(ids))
	for i, id := range ids {
		purses[i] = b.purse(id)
		delete(b.clicks.answered, id)
	}
	b.mu.Unlock()
	for i, id := range ids {
		if err := b.readPurse(ctx, id, purses[i]); err != nil {
			b.mu.Lock()
			for _, left := range ids[i:] {
				b.clicks.answered[left] = true
			}
			b.mu.Unlock()
			return err
		}
	}
	return nil
}

// readPurse takes the ledger's balance of today's flight into its purse.
func (b *Book) readPurse(ctx context.Context, id media.LineItemID, p *Purse) error {
	b.mu.Lock()
	item, day := b.docs.lines[id], b.day
	currency := b.docs.advertisers[item.Advertiser].Currency
	b.mu.Unlock()
	answered := p.answered()
	balance, err := b.balance(ctx, ledger.Flight(id, day), currency)
	if err != nil {
		return err
	}
	p.read(balance, answered, item.Bid)
	return nil
}

func (b *Book) balance(ctx context.Context, a ledger.Account, c retail.Currency) (retail.Micros, error) {
	all, err := b.cfg.Ledger.Balances(ctx, string(a))
	if err != nil {
		return 0, err
	}
	for _, held := range all {
		if held.Account == a && held.Currency == c {
			return held.Amount, nil
		}
	}
	return 0, nil
}

func hash(text string) [16]byte {
	sum := sha256.Sum256([]byte(text))
	return [16]byte(sum[:16])
}
