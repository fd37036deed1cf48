package campaign_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"endcap/keep/ledger"
	"endcap/retail"
	"endcap/retail/media"
	"endcap/sell/campaign"
)

// edit changes the budgets of a line item and leaves the rest.
func (d *desk) edit(id media.LineItemID, daily, total retail.Micros, pause bool) {
	d.t.Helper()
	held, err := d.LineItem(d.t.Context(), id)
	must(d.t, err)
	l := held.Terms
	l.BudgetDaily, l.BudgetTotal, l.Paused = daily, total, pause
	_, err = d.PutLineItem(d.t.Context(), l, campaign.Edit{By: "ana", Version: held.Version})
	must(d.t, err)
}

// A budget that its advertiser lowers at noon is a cap from then on.
func TestABudgetLoweredAtNoonIsACapFromThenOn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		daily, total retail.Micros // lowered to
		spent, left  retail.Micros // before noon, and what may still be charged
		pots         string        // right after the edit
	}{
		"both":           {10 * retail.Unit, 10 * retail.Unit, 4 * retail.Unit, 6 * retail.Unit, "line-item/oats/2017-12-04 6.00, outside -1000.00, revenue 4.00, wallet/oats 990.00"},
		"the day":        {10 * retail.Unit, 200 * retail.Unit, 4 * retail.Unit, 6 * retail.Unit, "line-item/oats/2017-12-04 6.00, outside -1000.00, revenue 4.00, wallet/oats 990.00"},
		"below what was": {10 * retail.Unit, 10 * retail.Unit, 40 * retail.Unit, 0, "outside -1000.00, revenue 40.00, wallet/oats 960.00"},
		"raised":         {150 * retail.Unit, 200 * retail.Unit, 4 * retail.Unit, 146 * retail.Unit, "line-item/oats/2017-12-04 96.00, outside -1000.00, revenue 4.00, wallet/oats 900.00"},
	} {
		for _, pause := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s paused=%v", name, pause), func(t *testing.T) {
				t.Parallel()
				d := newDesk(t)
				d.advertiser("oats", 1_000*retail.Unit)
				d.line(item("oats", "oats", 100*retail.Unit, 200*retail.Unit))
				d.tick()
				d.spend("oats", today, test.spent, "before")
				d.edit("oats", test.daily, test.total, pause)
				if got := d.pots(); got != test.pots {
					t.Errorf("at once: %s", got)
				}
				if pause && name == "raised" {
					return
				}
				d.tick()
				if s, _ := d.Standing("oats"); s.Left.Amount != test.left && !pause {
					t.Errorf("%s is left to promise", s.Left)
				}
				if d.spend("oats", today, test.left+retail.Cent, "too much") || test.left > 0 && !d.spend("oats", today, test.left, "the rest") {
					t.Errorf("another sum than %s could be charged; %s", test.left, d.pots())
				}
			})
		}
	}
}

// Yesterday's tokens can still be clicked: the total budget holds for them too.
func TestALoweredTotalTakesFromEveryDayThatIsOpen(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.advertiser("oats", 1_000*retail.Unit)
	d.line(item("oats", "oats", 20*retail.Unit, 200*retail.Unit))
	d.tick()
	d.spend("oats", today, 5*retail.Unit, "c1")
	must(t, d.clock.Advance(start.Add(24*time.Hour)))
	d.tick()
	d.edit("oats", 15*retail.Unit, 15*retail.Unit, false)
	d.tick()
	if got, want := d.pots(), "line-item/oats/2017-12-04 10.00, outside -1000.00, revenue 5.00, wallet/oats 985.00"; got != want {
		t.Errorf("spent and set aside 15.00: %s", got)
	}
}

// Lowered and raised again, the day has its money again, each time.
func TestABudgetGoesDownAndUpAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.advertiser("oats", 1_000*retail.Unit)
	d.line(item("oats", "oats", 100*retail.Unit, 200*retail.Unit))
	d.tick()
	for round := range 3 {
		d.edit("oats", 10*retail.Unit, 200*retail.Unit, false)
		d.tick()
		d.edit("oats", 100*retail.Unit, 200*retail.Unit, false)
		d.tick()
		if got, want := d.pots(), "line-item/oats/2017-12-04 100.00, outside -1000.00, wallet/oats 900.00"; got != want {
			t.Errorf("round %d: %s", round, got)
		}
	}
}

// Clicks are charged while the budget goes down: no cent beyond what it says, or
// what was charged before, whichever is more.
func TestABudgetIsLoweredWhileClicksAreCharged(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.advertiser("oats", 1_000*retail.Unit)
	d.line(item("oats", "oats", 100*retail.Unit, 200*retail.Unit))
	d.tick()
	var billing sync.WaitGroup
	billing.Go(func() {
		for n := range 400 {
			d.spend("oats", today, 10*retail.Cent, fmt.Sprintf("c%d", n))
		}
	})
	d.edit("oats", 20*retail.Unit, 20*retail.Unit, false)
	billing.Wait()
	d.tick()
	if got, want := d.pots(), "outside -1000.00, revenue 20.00, wallet/oats 980.00"; got != want {
		t.Error(got)
	}
}

// Another node that has not read the lower budget yet opens the day too far; its
// next tick, or anybody's who starts, gives that back.
func TestANodeWithOlderTermsGivesBackWhatItOpenedTooFar(t *testing.T) {
	t.Parallel()
	for _, pause := range []bool{false, true} {
		d := newDesk(t)
		d.advertiser("oats", 1_000*retail.Unit)
		d.line(item("oats", "oats", 10*retail.Unit, 10*retail.Unit))
		d.edit("oats", 10*retail.Unit, 10*retail.Unit, pause)
		over := 30 * retail.Unit
		answers, err := d.store.Commit(t.Context(), ledger.Deed{Key: "older", At: start, Entries: []ledger.Entry{
			{Account: ledger.Wallet("oats"), Amount: -over, Currency: "EUR"},
			{Account: ledger.Flight("oats", today), Amount: over, Currency: "EUR"},
			{Account: ledger.SetAsideDay("oats", today), Amount: -over, Currency: "EUR"},
			{Account: ledger.SetAsideTotal("oats"), Amount: -over, Currency: "EUR"},
			{Account: ledger.SetAside, Amount: 2 * over, Currency: "EUR"},
		}})
		must(t, errors.Join(err, answers[0].Err))
		must(t, d.another().Tick(t.Context()))
		if got, want := d.pots(), "line-item/oats/2017-12-04 10.00, outside -1000.00, wallet/oats 990.00"; got != want {
			t.Errorf("paused %v: %s", pause, got)
		}
	}
}
