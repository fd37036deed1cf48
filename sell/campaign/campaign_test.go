package campaign_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"endcap/keep/ledger"
	"endcap/keep/sql/sqlite"
	"endcap/keep/stream"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/sell/campaign"
)

var (
	start = time.Date(2017, 12, 4, 9, 0, 0, 0, time.UTC)
	today = retail.Date(2017, 12, 4)
	ever  = retail.Days{From: today - 30, To: today + 60}
	by    = campaign.Edit{By: "ana"}
)

// desk is a book on an embedded store, with a clock that stands still.
type desk struct {
	*campaign.Book
	t     *testing.T
	clock *retail.ReplayClock
	store *sqlite.Book
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, clock: retail.NewReplayClock(start)}
	var err error
	d.store, err = sqlite.OpenBook(t.Context(), sqlite.Options{Path: t.TempDir() + "/book.db"})
	must(t, err)
	t.Cleanup(func() { must(t, d.store.Close()) })
	d.Book = d.another()
	return d
}

// another opens a second book on the same store, as another node would.
func (d *desk) another() *campaign.Book {
	d.t.Helper()
	b, err := campaign.Open(d.t.Context(), campaign.Config{
		Registry: d.store, Ledger: d.store, Now: d.clock.Now, Zone: time.UTC,
		Known:  func(p catalog.ProductID) bool { return p != "unknown" },
		Billed: func(context.Context) (time.Time, error) { return d.clock.Now(), nil },
	})
	must(d.t, err)
	return b
}

func (d *desk) advertiser(id string, paid retail.Micros) {
	d.t.Helper()
	_, err := d.PutAdvertiser(d.t.Context(), media.Advertiser{ID: media.AdvertiserID(id), Name: id, Currency: "EUR"}, by)
	must(d.t, err)
	_, err = d.PutCampaign(d.t.Context(), media.Campaign{ID: media.CampaignID(id), Advertiser: media.AdvertiserID(id), Name: id, Flight: ever, WindowDays: 14}, by)
	must(d.t, err)
	if paid > 0 {
		d.pay(id, paid, "first")
	}
}

func (d *desk) pay(id string, paid retail.Micros, once string) {
	d.t.Helper()
	_, err := d.TopUp(d.t.Context(), media.AdvertiserID(id), retail.Money{Amount: paid, Currency: "EUR"}, campaign.Edit{By: "bank", Once: once})
	must(d.t, err)
}

func item(id, payer string, daily, total retail.Micros) media.LineItem {
	return media.LineItem{
		ID: media.LineItemID(id), Campaign: media.CampaignID(payer), Advertiser: media.AdvertiserID(payer), Name: id,
		Products: []catalog.ProductID{"oats"}, Bid: 50 * retail.Cent, BudgetDaily: daily, BudgetTotal: total, Flight: ever,
	}
}

func (d *desk) line(l media.LineItem) {
	d.t.Helper()
	_, err := d.PutLineItem(d.t.Context(), l, by)
	must(d.t, err)
}

func (d *desk) tick() {
	d.t.Helper()
	must(d.t, d.Tick(d.t.Context()))
}

// pots are the balances that are not zero, without the memory of what was set aside.
func (d *desk) pots() string {
	d.t.Helper()
	all, err := d.store.Balances(d.t.Context(), "")
	must(d.t, err)
	must(d.t, d.store.Check(d.t.Context()))
	var out []string
	for _, b := range all {
		if b.Amount != 0 && !strings.HasPrefix(string(b.Account), "set-aside") {
			out = append(out, fmt.Sprintf("%s %s", b.Account, b.Amount))
		}
	}
	return strings.Join(out, ", ")
}

// spend charges a flight as billing does.
func (d *desk) spend(l media.LineItemID, day retail.Day, amount retail.Micros, key string) bool {
	d.t.Helper()
	flight := ledger.Flight(l, day)
	answers, err := d.store.Commit(d.t.Context(), ledger.Deed{
		Key:     key,
		Entries: []ledger.Entry{{Account: flight, Amount: -amount, Currency: "EUR"}, {Account: ledger.Revenue, Amount: amount, Currency: "EUR"}},
		Limits:  []ledger.Limit{{Name: "budget_spent", Account: flight, Currency: "EUR"}},
		At:      d.clock.Now(),
	})
	must(d.t, errors.Join(err, answers[0].Err))
	return answers[0].Done
}

func TestADayIsOpenedAndItsRestPostedBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.advertiser("oats", 100*retail.Unit)
	d.line(item("oats", "oats", 20*retail.Unit, 45*retail.Unit))
	d.tick()
	d.tick()
	if got, want := d.pots(), "line-item/oats/2017-12-04 20.00, outside -100.00, wallet/oats 80.00"; got != want {
		t.Errorf("opened: %s", got)
	}
	d.spend("oats", today, 12*retail.Unit, "c1")
	must(t, d.clock.Advance(start.Add(24*time.Hour)))
	d.tick()
	if got, want := d.pots(), "line-item/oats/2017-12-04 8.00, line-item/oats/2017-12-05 20.00, outside -100.00, revenue 12.00, wallet/oats 60.00"; got != want {
		t.Errorf("the second day: %s", got)
	}
	must(t, d.clock.Advance(start.Add(48*time.Hour))) // the first day's last token expired at midnight
	d.tick()
	if got, want := d.pots(), "line-item/oats/2017-12-05 20.00, line-item/oats/2017-12-06 5.00, outside -100.00, revenue 12.00, wallet/oats 63.00"; got != want {
		t.Errorf("the third day, 45 less 12 spent, 8 and 20 set aside: %s", got)
	}
	d.tick() // what came back may be set aside again, on the same day
	must(t, d.clock.Advance(start.Add(240*time.Hour)))
	d.tick()
	d.tick()
	if got, want := d.pots(), "line-item/oats/2017-12-14 20.00, outside -100.00, revenue 12.00, wallet/oats 68.00"; got != want {
		t.Errorf("much later: %s", got)
	}
}

func TestTheTotalBudgetIsNeverExceededByACent(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.advertiser("oats", 1_000*retail.Unit)
	d.line(item("oats", "oats", 20*retail.Unit, 50*retail.Unit))
	rng := rand.New(rand.NewPCG(1, 1))
	spent := retail.Micros(0)
	for day := range 12 {
		d.tick()
		for n := range 400 {
			price := retail.Micros(1+rng.IntN(50)) * retail.Cent
			if d.spend("oats", today+retail.Day(day), price, fmt.Sprintf("c%d-%d", day, n)) {
				spent += price
			}
		}
		must(t, d.clock.Advance(d.clock.Now().Add(24*time.Hour)))
	}
	if spent != 50*retail.Unit {
		t.Errorf("spent %s of 50.00 with demand for more", spent)
	}
	_ = d.pots()
}

func TestAShortWalletOpensWithWhatThereIs(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.advertiser("oats", 25*retail.Unit)
	for _, id := range []string{"a", "b", "c"} {
		d.line(item(id, "oats", 20*retail.Unit, 100*retail.Unit))
	}
	d.tick()
	if got, want := d.pots(), "line-item/a/2017-12-04 20.00, line-item/b/2017-12-04 5.00, outside -25.00"; got != want {
		t.Errorf("opened: %s", got)
	}
	for id, want := range map[media.LineItemID]bool{"a": false, "b": true, "c": true} {
		if s, ok := d.Standing(id); !ok || s.Short != want {
			t.Errorf("%s stands %+v", id, s)
		}
	}
	d.pay("oats", 100*retail.Unit, "second")
	d.pay("oats", 100*retail.Unit, "second")
	d.tick()
	if got, want := d.pots(), "line-item/a/2017-12-04 20.00, line-item/b/2017-12-04 20.00, line-item/c/2017-12-04 20.00, outside -125.00, wallet/oats 65.00"; got != want {
		t.Errorf("after the payment: %s", got)
	}
}

func TestManyNodesOpenADayOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.advertiser("oats", 1_000*retail.Unit)
	for i := range 20 {
		d.line(item(fmt.Sprintf("l%02d", i), "oats", 3*retail.Unit, 100*retail.Unit))
	}
	nodes := []*campaign.Book{d.Book}
	for range 3 {
		nodes = append(nodes, d.another())
	}
	for day := range 3 {
		must(t, d.clock.Advance(start.Add(time.Duration(day)*24*time.Hour)))
		var all sync.WaitGroup
		for _, n := range nodes {
			all.Go(func() {
				for range 3 {
					if err := n.Tick(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		got, err := d.store.Balances(t.Context(), "line-item/")
		must(t, err)
		sum := retail.Micros(0)
		for _, b := range got {
			if strings.HasSuffix(string(b.Account), d.Snapshot().Day.String()) {
				sum += b.Amount
			}
		}
		if sum != 60*retail.Unit {
			t.Errorf("day %d holds %s, want 60.00", day, sum)
		}
	}
	_ = d.pots()
	for i, n := range nodes { // every node follows the registry and knows what the day holds
		if s, ok := n.Standing("l07"); !ok || s.Left.Amount != 3*retail.Unit {
			t.Errorf("node %d: %+v", i, s)
		}
	}
}

func TestTermsThatCannotHoldAreRefusedWithTheirField(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.advertiser("oats", 0)
	d.advertiser("milk", 0)
	tests := map[string]struct {
		edit  func(*media.LineItem)
		field string
	}{
		"unknown product":          {func(l *media.LineItem) { l.Products = append(l.Products, "unknown") }, "products[1]"},
		"no product":               {func(l *media.LineItem) { l.Products = nil }, "products"},
		"a product twice":          {func(l *media.LineItem) { l.Products = append(l.Products, "oats") }, "products[1]"},
		"unknown placement":        {func(l *media.LineItem) { l.Placements = []media.PlacementID{"nowhere"} }, "placements[0]"},
		"unknown audience":         {func(l *media.LineItem) { l.Audience = "nobody" }, "audience"},
		"unknown advertiser":       {func(l *media.LineItem) { l.Advertiser = "nobody" }, "advertiser"},
		"another's campaign":       {func(l *media.LineItem) { l.Campaign = "milk" }, "campaign"},
		"half a cent":              {func(l *media.LineItem) { l.Bid += retail.Cent / 2 }, "bid"},
		"no bid":                   {func(l *media.LineItem) { l.Bid = 0 }, "bid"},
		"more a day than in all":   {func(l *media.LineItem) { l.BudgetDaily = l.BudgetTotal + retail.Cent }, "budget_daily"},
		"outside the campaign":     {func(l *media.LineItem) { l.Flight.To = ever.To + 1 }, "flight"},
		"a flight that ends first": {func(l *media.LineItem) { l.Flight = retail.Days{From: 5, To: 4} }, "flight"},
		"a keyword of dots":        {func(l *media.LineItem) { l.Keywords = []string{"…"} }, "keywords[0]"},
		"an id with a slash":       {func(l *media.LineItem) { l.ID = "a/b" }, "id"},
		"a negative cap":           {func(l *media.LineItem) { l.CapPerDay = -1 }, "cap_per_day"},
	}
	for name, test := range tests {
		l := item("x", "oats", 20*retail.Unit, 100*retail.Unit)
		test.edit(&l)
		_, err := d.PutLineItem(t.Context(), l, by)
		e, ok := errors.AsType[*retail.Error](err)
		if !ok || e.Kind != retail.Invalid || e.Field != test.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := d.PutAdvertiser(t.Context(), media.Advertiser{ID: "oats", Name: "x", Currency: "USD"}, campaign.Edit{Version: 1})
	if e, ok := errors.AsType[*retail.Error](err); !ok || e.Field != "currency" {
		t.Errorf("another currency: %v", err)
	}
	_, err = d.TopUp(t.Context(), "oats", retail.Money{Amount: retail.Unit, Currency: "USD"}, campaign.Edit{Once: "x"})
	if e, ok := errors.AsType[*retail.Error](err); !ok || e.Field != "currency" {
		t.Errorf("dollars into a wallet of euros: %v", err)
	}
}

func TestALineItemKeepsAPlacementThatIsRemoved(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.advertiser("oats", 0)
	v, err := d.PutPlacement(t.Context(), media.Placement{ID: "search", Name: "search", SlotsMax: 2, Floor: retail.Cent, Currency: "EUR"}, by)
	must(t, err)
	l := item("x", "oats", 20*retail.Unit, 100*retail.Unit)
	l.Placements = []media.PlacementID{"search"}
	d.line(l)
	_, err = d.RemovePlacement(t.Context(), "search", campaign.Edit{By: "ana", Version: v})
	must(t, err)
	l.Paused = true
	if _, err = d.PutLineItem(t.Context(), l, campaign.Edit{By: "ana", Version: 1}); err != nil {
		t.Errorf("pausing it: %v", err)
	}
}

func TestWhatIsLeftOfALineItemIsNotToldBeforeItIsKnown(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.advertiser("oats", 100*retail.Unit)
	d.tick()
	d.line(item("x", "oats", 20*retail.Unit, 100*retail.Unit))
	if s, ok := d.Standing("x"); ok {
		t.Errorf("before its day is open it is told: %+v", s)
	}
	d.line(item("y", "oats", 20*retail.Unit, 100*retail.Unit)) // takes over the one before
	if s, ok := d.Standing("x"); ok && s.Left.Amount == 0 {
		t.Errorf("before its day is open it is told: %+v", s)
	}
	d.tick()
	if s, ok := d.Standing("x"); !ok || s.Left.Amount != 20*retail.Unit {
		t.Errorf("once its day is open: %+v, %v", s, ok)
	}
}

func TestAPaymentSentAgainIsAnsweredAsTheFirstTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.advertiser("oats", 0)
	pay := func(once string, amount retail.Micros) string {
		m, err := d.TopUp(t.Context(), "oats", retail.Money{Amount: amount, Currency: "EUR"}, campaign.Edit{By: "bank", Once: once})
		must(t, err)
		return m.String()
	}
	first, second := pay("a", 3*retail.Unit), pay("b", 4*retail.Unit)
	if again := pay("a", 3*retail.Unit); first != again || second != "7.00 EUR" {
		t.Errorf("first %s, then %s, the first again %s", first, second, again)
	}
}

func TestTwoWhoEditTheSameVersion(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.advertiser("oats", 0)
	l := item("oats", "oats", 20*retail.Unit, 100*retail.Unit)
	put := func(e campaign.Edit, daily retail.Micros) (uint64, retail.Kind) {
		l.BudgetDaily = daily
		v, err := d.PutLineItem(t.Context(), l, e)
		if err != nil {
			return 0, retail.KindOf(err)
		}
		return v, ""
	}
	tests := []struct {
		say     string
		edit    campaign.Edit
		daily   retail.Micros
		version uint64
		kind    retail.Kind
	}{
		{"new", campaign.Edit{By: "ana", Once: "k1"}, 20 * retail.Unit, 1, ""},
		{"the same again", campaign.Edit{By: "ana", Once: "k1"}, 20 * retail.Unit, 1, ""},
		{"the same key for another", campaign.Edit{By: "ana", Once: "k1"}, 21 * retail.Unit, 0, retail.Conflict},
		{"another's same key", campaign.Edit{By: "eve", Once: "k1", Version: 1}, 22 * retail.Unit, 2, ""},
		{"the id is taken", by, 20 * retail.Unit, 0, retail.Conflict},
		{"somebody was first", campaign.Edit{By: "ana", Version: 1}, 23 * retail.Unit, 0, retail.Stale},
		{"the newest", campaign.Edit{By: "ana", Version: 2}, 23 * retail.Unit, 3, ""},
		{"the newest, sent twice", campaign.Edit{By: "ana", Version: 2}, 23 * retail.Unit, 3, ""},
	}
	for _, test := range tests {
		if v, kind := put(test.edit, test.daily); v != test.version || kind != test.kind {
			t.Errorf("%s: version %d %s, want %d %s", test.say, v, kind, test.version, test.kind)
		}
	}
	rows, err := d.Versions(t.Context(), "line_item", "oats")
	must(t, err)
	if len(rows) != 3 || rows[1].By != "eve" {
		t.Errorf("%d versions", len(rows))
	}
	if _, err := d.RemoveCampaign(t.Context(), "oats", campaign.Edit{Version: 1}); retail.KindOf(err) != retail.Conflict {
		t.Errorf("a campaign with line items was removed: %v", err)
	}
	_, err = d.RemoveLineItem(t.Context(), "oats", campaign.Edit{By: "ana", Version: 3})
	must(t, err)
	if _, err := d.LineItem(t.Context(), "oats"); retail.KindOf(err) != retail.NotFound {
		t.Errorf("removed and there: %v", err)
	}
	d.tick()
	if n := len(d.Snapshot().Lines); n != 0 {
		t.Errorf("%d line items in the snapshot", n)
	}
	_, err = d.RemoveCampaign(t.Context(), "oats", campaign.Edit{By: "ana", Version: 1})
	must(t, err)
}

func TestTermsSurviveARestartAndReachOtherNodes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	other := d.another()
	d.advertiser("oats", 100*retail.Unit)
	d.line(item("oats", "oats", 20*retail.Unit, 100*retail.Unit))
	must(t, other.Tick(t.Context()))
	for name, b := range map[string]*campaign.Book{"other": other, "restarted": d.another()} {
		got, err := b.LineItems(t.Context(), campaign.Page{Limit: 10, Advertiser: "oats"})
		must(t, err)
		want := []campaign.Held[media.LineItem]{{Terms: item("oats", "oats", 20*retail.Unit, 100*retail.Unit), Version: 1}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if s, ok := b.Standing("oats"); !ok || s.Left.Amount != 20*retail.Unit {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestAChangeElsewhereIsFollowedWithinASecond(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	other := d.another()
	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { other.Run(ctx, func(err error) { t.Error(err) }) })
	d.advertiser("oats", 100*retail.Unit)
	d.line(item("oats", "oats", 20*retail.Unit, 100*retail.Unit))
	began := time.Now()
	for len(other.Snapshot().Lines) == 0 && time.Since(began) < time.Minute {
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	run.Wait()
	if took := time.Since(began); took > 30*time.Second { // a second, on a machine that is not shared
		t.Errorf("followed after %s", took)
	}
}

// A removed line item's rest finds its way back to the wallet.
func TestARemovedLineItemsRestIsPostedBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.advertiser("oats", 100*retail.Unit)
	d.line(item("oats", "oats", 20*retail.Unit, 100*retail.Unit))
	d.tick()
	_, err := d.RemoveLineItem(t.Context(), "oats", campaign.Edit{By: "ana", Version: 1})
	must(t, err)
	must(t, d.clock.Advance(start.Add(72*time.Hour)))
	must(t, d.another().Tick(t.Context()))
	if got, want := d.pots(), "outside -100.00, wallet/oats 100.00"; got != want {
		t.Error(got)
	}
}

// trade is a day of demand for line items whose shown adverts are clicked with a
// chance, after a while.
type trade struct {
	*desk
	rng     *rand.Rand
	follow  stream.Follower
	cursor  int
	waiting map[time.Time][]event.Touch
	clicks  int
	free    int
	paid    map[media.LineItemID]retail.Micros
}

func (d *trade) fold(facts ...event.Fact) {
	d.cursor++
	must(d.t, d.follow.Fold(d.t.Context(), stream.Batch{Facts: facts, Next: event.Cursor(fmt.Sprintf("%09d", d.cursor))}))
}

// click delivers a click and its bill.
func (d *trade) click(touch *event.Touch) {
	d.clicks++
	id := fmt.Sprintf("click-%d", d.clicks)
	d.fold(event.Fact{ID: id, Arrived: d.clock.Now(), Body: event.Clicked{Touch: *touch}})
	b := event.Billed{Click: id, LineItem: touch.LineItem, Day: touch.Day}
	if d.spend(touch.LineItem, touch.Day, touch.Price, id) {
		b.Amount = touch.Price
		d.paid[touch.LineItem] += touch.Price
	} else {
		d.free++
	}
	d.fold(event.Fact{ID: id, Body: b})
}

// Clicks come by chance and late; even so budgets are used up and next to none is
// delivered free.
func TestPacingHoldsBackWhatTokensOutWillCost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		chance  float64
		minutes int
	}{"one in twenty": {1. / 20, 120}, "one in four": {.25, 40}, "every one": {1, 20}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &trade{desk: newDesk(t), rng: rand.New(rand.NewPCG(3, 9)), waiting: map[time.Time][]event.Touch{}, paid: map[media.LineItemID]retail.Micros{}}
			d.follow = d.Follower(func(context.Context, int) (event.Cursor, error) { return "", nil })
			d.advertiser("oats", 10_000*retail.Unit)
			budget := 100 * retail.Unit
			const lines = 3
			for i := range lines {
				d.line(item(fmt.Sprintf("l%d", i), "oats", budget, 1_000*retail.Unit))
			}
			d.tick()
			for second := range 60 * test.minutes {
				now := start.Add(time.Duration(second) * time.Second)
				must(t, d.clock.Advance(now))
				for _, touch := range d.waiting[now] {
					d.click(&touch)
				}
				delete(d.waiting, now)
				if second%6 == 0 {
					d.tick()
				}
				snap := d.Snapshot()
				for i := range snap.Lines {
					l := &snap.Lines[i]
					price := retail.Micros(20+d.rng.IntN(30)) * retail.Cent
					if price > l.Purse.Can() || !l.Purse.Take(price, now) {
						continue
					}
					if d.rng.Float64() < test.chance {
						at := now.Add(time.Duration(1+d.rng.ExpFloat64()*20) * time.Second)
						d.waiting[at] = append(d.waiting[at], event.Touch{LineItem: l.Item.ID, Price: price, Day: snap.Day, Issued: now})
					}
				}
			}
			for at := range maps.Keys(d.waiting) {
				for _, touch := range d.waiting[at] {
					d.click(&touch)
				}
			}
			t.Logf("%d clicks, %d free, paid %v", d.clicks, d.free, d.paid)
			if d.free*100 > d.clicks {
				t.Errorf("%d of %d clicks were free", d.free, d.clicks)
			}
			for id, paid := range d.paid {
				if rest := budget - paid; rest >= 50*retail.Cent || rest < 0 {
					t.Errorf("%s leaves %s of %s", id, rest, budget)
				}
			}
			if len(d.paid) != lines {
				t.Errorf("only %d line items were shown", len(d.paid))
			}
		})
	}
}

// A follower that lags reads an old click late; that teaches nothing about how
// late tokens are clicked.
func TestAFollowerThatLagsTakesClicksByWhenTheyArrived(t *testing.T) {
	t.Parallel()
	left := func(lag time.Duration) retail.Micros {
		d := newDesk(t)
		follow := d.Follower(func(context.Context, int) (event.Cursor, error) { return "", nil })
		d.advertiser("oats", 1_000*retail.Unit)
		d.line(item("oats", "oats", 100*retail.Unit, 1_000*retail.Unit))
		d.tick()
		purse := d.Snapshot().Lines[0].Purse
		var facts []event.Fact
		for i := range 100 {
			if !purse.Take(50*retail.Cent, start) {
				t.Fatal("the purse is empty")
			}
			if i%20 == 0 {
				facts = append(facts, event.Fact{ID: fmt.Sprintf("c%d", i), Arrived: start.Add(time.Second), Body: event.Clicked{
					Touch: event.Touch{LineItem: "oats", Price: 50 * retail.Cent, Day: today, Issued: start},
				}})
			}
		}
		must(t, d.clock.Advance(start.Add(lag)))
		must(t, follow.Fold(t.Context(), stream.Batch{Facts: facts, Next: "1"}))
		for _, later := range []time.Duration{5 * time.Minute, 6 * time.Minute} {
			must(t, d.clock.Advance(start.Add(later)))
			d.tick()
		}
		for range 20 { // fresh tokens hold back what is believed of fresh tokens
			if !purse.Take(50*retail.Cent, d.clock.Now()) {
				t.Fatal("the purse is empty")
			}
		}
		return purse.Can()
	}
	if prompt, late := left(2*time.Second), left(4*time.Minute); prompt != late {
		t.Errorf("read at once %s is left to promise, read four minutes late %s", prompt, late)
	}
}
