package house

import (
	"context"
	"fmt"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/keep/warehouse"
	"endcap/retail"
	"endcap/retail/event"
)

// catchUp bills and relays everything and folds everything.
func (r *run) catchUp(ctx context.Context) error {
	if err := r.house.follow(ctx, -1); err != nil {
		return err
	}
	for {
		n, err := r.house.relay.Pass(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			return r.house.follow(ctx, -1)
		}
	}
}

// checkBills: each click is answered once, each token charged once, and the
// bills are the revenue to the cent.
func (r *run) checkBills(ctx context.Context) error {
	facts, err := stored(ctx, r.house.log)
	if err != nil {
		return err
	}
	r.bills = bills{answers: map[string]int{}, tokens: map[string]int{}, terms: map[string]int{}}
	for i := range facts {
		r.bills.add(&facts[i])
	}
	if r.house.history == nil {
		for click := range r.bills.clicks() {
			if n := r.bills.answers[click]; n != 1 {
				r.violate("click %s is answered %d times", click, n)
			}
		}
	} else if err := r.addCharges(ctx); err != nil {
		return err
	}
	for token, n := range r.bills.tokens {
		if n > 1 {
			r.violate("token %s is charged %d times", token, n)
		}
	}
	revenue, err := r.house.book.Balances(ctx, string(ledger.Revenue))
	if err != nil {
		return err
	}
	total := retail.Micros(0)
	for _, b := range revenue {
		total += b.Amount
	}
	if total != r.bills.sum {
		r.violate("the bills sum to %s and the book's revenue is %s", r.bills.sum, total)
	}
	return r.checkMoney(ctx)
}

// bills is what the stream says of clicks and terms.
type bills struct {
	clicked []string
	answers map[string]int // Billed facts by click
	tokens  map[string]int // charges by token
	terms   map[string]int // TermsChanged facts by thing and version
	sum     retail.Micros
}

func (b *bills) add(f *event.Fact) {
	switch body := f.Body.(type) {
	case event.Clicked:
		b.clicked = append(b.clicked, f.ID)
	case event.Billed:
		b.answers[body.Click]++
		b.sum += body.Amount
		if body.Reason == "" {
			b.tokens[fmt.Sprintf("%s/%d", body.Decision, body.Slot)]++
		}
	case event.TermsChanged:
		b.terms[fmt.Sprintf("%s/%d", body.ID, body.Version)]++
	}
}

func (b *bills) clicks() map[string]bool {
	out := map[string]bool{}
	for _, click := range b.clicked {
		out[click] = true
	}
	return out
}

// addCharges takes bills from history, which has those that the stream has
// given up too: every click of the model must be among them once.
func (r *run) addCharges(ctx context.Context) error {
	got, err := r.house.history.Query(ctx, warehouse.Query{Name: "charges", Purpose: warehouse.Accounting, SQL: `select click, amount from charges`})
	if err != nil {
		return err
	}
	r.bills.answers, r.bills.sum = map[string]int{}, 0
	for i := range got.Len {
		r.bills.answers[got.Columns[0].Texts[i]]++
		r.bills.sum += retail.Micros(got.Columns[1].Ints[i])
	}
	for n, s := range r.model.facts {
		if n.kind == event.KindClicked && s.fate == acked && r.bills.answers[n.id] != 1 {
			r.violate("click %s is answered %d times in history", n.id, r.bills.answers[n.id])
		}
	}
	return nil
}

// checkTerms: every version acknowledged is there, and each is told the stream
// once.
func (r *run) checkTerms(ctx context.Context) error {
	for id, version := range r.model.terms {
		rows, err := r.house.book.Versions(ctx, registry.Placement, id)
		if err != nil {
			return err
		}
		if uint64(len(rows)) < version {
			r.violate("version %d of %s was acknowledged, and %d is the newest", version, id, len(rows))
		}
		for i := range rows {
			if n := r.bills.terms[fmt.Sprintf("%s/%d", id, rows[i].Version)]; n > 1 || n == 0 && r.house.history == nil {
				r.violate("version %d of %s was told the stream %d times", rows[i].Version, id, n)
			}
		}
	}
	out, err := r.house.book.Outbox(ctx, 1)
	if err == nil && len(out) > 0 {
		r.violate("the outbox is not empty after it was relayed")
	}
	return err
}

// checkHistory: sealed files are whole, and history holds each receipt as it
// stands, once.
func (r *run) checkHistory(ctx context.Context) error {
	if r.house.history == nil {
		return nil
	}
	if err := r.house.history.Check(ctx); err != nil {
		return err
	}
	got, err := r.house.history.Query(ctx, warehouse.Query{
		Name: "receipts", Purpose: warehouse.Accounting, SQL: `select receipt, version, sales from receipts`,
	})
	if err != nil {
		return err
	}
	newest := map[string]uint32{}
	for n, s := range r.model.facts {
		if n.kind == event.KindReceipt && s.fate == acked {
			newest[n.id] = max(newest[n.id], n.version)
		}
	}
	for i := range got.Len {
		id, version := got.Columns[0].Texts[i], uint32(got.Columns[1].Ints[i])
		if want, ok := newest[id]; !ok || want != version {
			r.violate("history has version %d of receipt %s, want %d once", version, id, want)
		}
		delete(newest, id)
	}
	for id, version := range newest {
		r.violate("history lacks version %d of receipt %s", version, id)
	}
	return nil
}
