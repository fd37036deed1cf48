package campaign

import (
	"context"
	"fmt"
	"strconv"

	"endcap/keep/ledger"
	"endcap/retail"
	"endcap/retail/media"
)

// TopUp pays money into an advertiser's wallet, once per Edit.Once, which is
// required, and returns what the wallet held just before and the payment
// together. The same payment again gives the same answer.
func (b *Book) TopUp(ctx context.Context, id media.AdvertiserID, m retail.Money, e Edit) (retail.Money, error) {
	if err := b.current(ctx); err != nil {
		return retail.Money{}, err
	}
	b.mu.Lock()
	payer, ok := b.docs.advertisers[id]
	b.mu.Unlock()
	switch {
	case !ok:
		return retail.Money{}, &retail.Error{Kind: retail.NotFound, Say: "no such advertiser"}
	case m.Currency != payer.Currency:
		return retail.Money{}, invalid("currency", "the wallet holds %s", payer.Currency)
	case m.Amount <= 0 || m.Amount > retail.MicrosMax || m.Amount%m.Currency.Minor() != 0:
		return retail.Money{}, invalid("amount", "an amount above zero in whole coins")
	case e.Once == "" || len(e.Once) > onceMax:
		return retail.Money{}, invalid("Idempotency-Key", "a payment needs a key of 1 to %d bytes, so that it is booked once", onceMax)
	}
	b.paying.Lock()
	answer, err := b.book(ctx, id, m, e)
	b.paying.Unlock()
	if err != nil {
		return retail.Money{}, err
	}
	if answer.Err != nil {
		return retail.Money{}, &retail.Error{Kind: retail.Conflict, Field: "Idempotency-Key", Say: "this key was used for another amount", Err: answer.Err}
	}
	b.mu.Lock()
	b.moneyCame(id)
	b.mu.Unlock()
	held, err := strconv.ParseInt(string(answer.Stored), 10, 64)
	if err != nil { // booked before answers were stored
		return b.Wallet(ctx, id)
	}
	return retail.Money{Amount: retail.Micros(held), Currency: m.Currency}, nil
}

// book commits a payment; its answer is the wallet's balance. b.paying is held,
// so that of two payments the later answer counts both.
func (b *Book) book(ctx context.Context, id media.AdvertiserID, m retail.Money, e Edit) (ledger.Answer, error) {
	before, err := b.balance(ctx, ledger.Wallet(id), m.Currency)
	if err != nil {
		return ledger.Answer{}, err
	}
	return b.commit(ctx, ledger.Deed{
		Key:  fmt.Sprintf("top-up/%s/%s", id, hexHash(e.Once)),
		Body: hash(m.String()),
		Entries: []ledger.Entry{
			{Account: ledger.Outside, Amount: -m.Amount, Currency: m.Currency},
			{Account: ledger.Wallet(id), Amount: m.Amount, Currency: m.Currency},
		},
		Answer: strconv.AppendInt(nil, int64(before+m.Amount), 10),
		At:     b.cfg.Now(),
	})
}
