package billing_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"endcap/keep/ledger"
	"endcap/keep/profile"
	"endcap/keep/profile/pebbleshelf"
	"endcap/keep/sql/sqlite"
	"endcap/keep/stream"
	"endcap/keep/stream/pebblelog"
	"endcap/retail"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/sell/billing"
)

var (
	start = time.Date(2017, 12, 4, 9, 0, 0, 0, time.UTC)
	today = retail.Date(2017, 12, 4)
	ana   = shopper.FromUint64(1 << 40)
)

// till is billing on embedded stores with one line item's flight.
type till struct {
	t      *testing.T
	book   *sqlite.Book
	shelf  *pebbleshelf.Store
	log    *pebblelog.Log
	biller *billing.Biller
	facts  int
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func now() time.Time { return start }

func newTill(t *testing.T, flight retail.Micros) *till {
	t.Helper()
	k := &till{t: t}
	dir := t.TempDir()
	var err error
	k.book, err = sqlite.OpenBook(t.Context(), sqlite.Options{Path: dir + "/book.db"})
	must(t, err)
	t.Cleanup(func() { must(t, k.book.Close()) })
	k.log, err = pebblelog.Open(dir+"/log", pebblelog.Options{Now: now, Partitions: 3})
	must(t, err)
	t.Cleanup(func() { must(t, k.log.Close()) })
	k.newShelf(dir + "/shelf")
	answers, err := k.book.Commit(t.Context(), ledger.Deed{Key: "open", At: start, Entries: []ledger.Entry{
		{Account: ledger.Outside, Amount: -flight, Currency: "EUR"}, {Account: ledger.Flight("oats", today), Amount: flight, Currency: "EUR"},
	}})
	must(t, errors.Join(err, answers[0].Err))
	return k
}

// newShelf gives billing an empty profile store: all its cursors are lost.
func (k *till) newShelf(dir string) {
	k.t.Helper()
	var err error
	k.shelf, err = pebbleshelf.Open(k.t.Context(), dir, pebbleshelf.Options{})
	must(k.t, err)
	shelf := k.shelf
	k.t.Cleanup(func() { must(k.t, shelf.Close()) })
	k.biller = k.over(k.shelf, k.book)
}

func (k *till) over(p profile.Store, l ledger.Ledger) *billing.Biller {
	k.t.Helper()
	b, err := billing.New(billing.Config{Ledger: l, Profiles: p, Stream: k.log, Now: now})
	must(k.t, err)
	return b
}

func touch(decision byte, slot uint8) event.Touch {
	return event.Touch{
		Decision: media.DecisionID{0: decision, 15: decision}, Slot: slot, Advertiser: "oats", Campaign: "oats", LineItem: "oats", Charge: media.PerClick,
		Price: 30 * retail.Cent, Currency: "EUR", Day: today, Issued: start,
	}
}

// say appends one fact at an instant after start and returns its id.
func (k *till) say(who shopper.ID, after time.Duration, body event.Body) string {
	k.t.Helper()
	return k.claim(who, after, after, body)
}

// claim is say for a fact that arrives at one instant and claims another.
func (k *till) claim(who shopper.ID, arrives, claims time.Duration, body event.Body) string {
	k.t.Helper()
	k.facts++
	f := event.Fact{ID: fmt.Sprintf("e%d", k.facts), At: start.Add(claims), Arrived: start.Add(arrives), Day: today, Shopper: who, Source: "api", Body: body}
	p, err := event.Pack(nil, &f)
	must(k.t, err)
	_, err = k.log.Append(k.t.Context(), []event.Packed{p})
	must(k.t, err)
	return f.ID
}

func (k *till) run() {
	k.t.Helper()
	must(k.t, stream.CatchUp(k.t.Context(), k.log, k.biller.Follower()))
}

// answers gives, for each click, what the outbox says: an amount or a reason.
func (k *till) answers() map[string]string {
	k.t.Helper()
	out, err := k.book.Outbox(k.t.Context(), 10_000)
	must(k.t, err)
	got := map[string]string{}
	for i := range out {
		b, ok := out[i].Fact.Body.(event.Billed)
		if !ok {
			continue
		}
		if _, twice := got[b.Click]; twice {
			k.t.Errorf("click %s was answered twice", b.Click)
		}
		got[b.Click] = string(b.Reason)
		if b.Reason == "" {
			got[b.Click] = b.Amount.String()
		} else if b.Amount != 0 {
			k.t.Errorf("click %s is free for %s and costs %s", b.Click, b.Reason, b.Amount)
		}
	}
	must(k.t, k.book.Check(k.t.Context()))
	return got
}

func (k *till) revenue() retail.Micros {
	k.t.Helper()
	all, err := k.book.Balances(k.t.Context(), string(ledger.Revenue))
	must(k.t, err)
	for _, b := range all {
		return b.Amount
	}
	return 0
}

func TestWhatAClickCosts(t *testing.T) {
	t.Parallel()
	shown := func(tt event.Touch) event.Body { return event.Shown{Touch: tt} }
	click := func(tt event.Touch) event.Body { return event.Clicked{Touch: tt} }
	type step struct {
		after time.Duration
		body  event.Body
		want  string // of a click
	}
	a, b := touch(1, 0), touch(1, 1)
	dear := touch(2, 0)
	dear.Price = 500 * retail.Unit
	many := []step{}
	for i := range uint8(7) {
		many = append(many, step{0, shown(touch(7, i)), ""}, step{0, click(touch(7, i)), map[bool]string{true: "0.30", false: "repeat"}[i < 5]})
	}
	tests := map[string][]step{
		"its price":               {{0, shown(a), ""}, {time.Minute, click(a), "0.30"}},
		"once, whoever clicks":    {{0, shown(a), ""}, {0, click(a), "0.30"}, {time.Second, click(a), "repeat"}, {2, click(a), "repeat"}},
		"each token its own":      {{0, shown(a), ""}, {0, shown(b), ""}, {0, click(b), "0.30"}, {0, click(a), "0.30"}},
		"nothing when never seen": {{0, click(a), "no_impression"}},
		"a later impression does not help an earlier click": {{0, click(a), "no_impression"}, {0, shown(a), ""}, {time.Second, click(a), "0.30"}},
		"nothing for a robot":                               {{0, shown(a), ""}, {0, event.Clicked{Touch: a, Bot: true}, "bot"}, {0, click(a), "0.30"}},
		"nothing after a day":                               {{0, shown(a), ""}, {24*time.Hour + time.Millisecond, click(a), "too_late"}},
		"its price on the day":                              {{0, shown(a), ""}, {24 * time.Hour, click(a), "0.30"}},
		"nothing beyond the money":                          {{0, shown(dear), ""}, {0, click(dear), "budget_spent"}, {0, click(dear), "repeat"}},
		"five in an hour":                                   many,
	}
	for name, steps := range tests {
		for _, who := range []shopper.ID{ana, {}} {
			if name == "five in an hour" && !who.Known() {
				continue // visitors whom nobody knows are not told apart
			}
			t.Run(fmt.Sprintf("%s known=%v", name, who.Known()), func(t *testing.T) {
				t.Parallel()
				k := newTill(t, 100*retail.Unit)
				want := map[string]string{}
				for _, s := range steps {
					if id := k.say(who, s.after, s.body); s.want != "" {
						want[id] = s.want
					}
				}
				k.run()
				for id, got := range k.answers() {
					if got != want[id] {
						t.Errorf("click %s: %s, want %s", id, got, want[id])
					}
					delete(want, id)
				}
				if len(want) > 0 {
					t.Errorf("no answer for %v", want)
				}
			})
		}
	}
}

// broken fails or forgets what it is asked at chosen moments.
type broken struct {
	ledger.Ledger
	profile.Store
	mu  sync.Mutex
	rng *rand.Rand
}

func (b *broken) draw(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rng.IntN(n)
}

var errKilled = errors.New("killed")

func (b *broken) Commit(ctx context.Context, deeds ...ledger.Deed) ([]ledger.Answer, error) {
	if b.draw(3) == 0 {
		return nil, errKilled // before anything was done
	}
	n := len(deeds)
	if b.draw(2) == 0 {
		n = b.draw(n + 1)
	}
	answers, err := b.Ledger.Commit(ctx, deeds[:n]...)
	if n < len(deeds) || b.draw(3) == 0 {
		return nil, errors.Join(err, errKilled) // afterwards
	}
	return answers, err
}

func (b *broken) Apply(ctx context.Context, follower string, partition int, next event.Cursor, changes []profile.Change) error {
	if b.draw(3) == 0 {
		return errKilled
	}
	return b.Store.Apply(ctx, follower, partition, next, changes)
}

// Killed at any step, again and again, even with every profile lost, each click
// is answered once and the money is right to the cent.
func TestKilledAnywhereEachClickIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			k := newTill(t, 20*retail.Unit) // enough for 66 clicks
			rng := rand.New(rand.NewPCG(seed, 5))
			clicks := 0
			b := &broken{Ledger: k.book, Store: k.shelf, rng: rand.New(rand.NewPCG(seed, 6))}
			for round := range 30 {
				for range 5 {
					who := shopper.FromUint64(uint64(rng.IntN(20)) << 40)
					tt := touch(byte(rng.IntN(60)), uint8(rng.IntN(4)))
					if rng.IntN(8) > 0 {
						k.say(who, 0, event.Shown{Touch: tt})
					}
					k.say(who, 0, event.Clicked{Touch: tt, Bot: rng.IntN(20) == 0})
					clicks++
				}
				if round == 15 {
					k.newShelf(t.TempDir() + "/again")
					b.Store = k.shelf
				}
				if err := stream.CatchUp(t.Context(), k.log, k.over(b, b).Follower()); err != nil && !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
			}
			k.run()
			charged := retail.Micros(0)
			got := k.answers()
			for _, a := range got {
				if a == "0.30" {
					charged += 30 * retail.Cent
				}
			}
			if len(got) != clicks {
				t.Errorf("%d answers for %d clicks", len(got), clicks)
			}
			if charged != k.revenue() || charged > 20*retail.Unit {
				t.Errorf("bills say %s, the ledger %s, of 20.00", charged, k.revenue())
			}
		})
	}
}

// Rebuilding folds the filters' memory again, byte for byte, and charges nothing.
func TestRefoldGivesTheSameBytesAndChargesNothing(t *testing.T) {
	t.Parallel()
	k := newTill(t, 100*retail.Unit)
	rng := rand.New(rand.NewPCG(4, 4))
	for range 300 {
		who := shopper.FromUint64(uint64(rng.IntN(12)) << 40)
		tt := touch(byte(rng.IntN(200)), uint8(rng.IntN(8)))
		k.say(who, 0, event.Shown{Touch: tt})
		if rng.IntN(2) == 0 {
			k.say(who, time.Duration(rng.IntN(40))*time.Hour, event.Clicked{Touch: tt})
		}
		if rng.IntN(50) == 0 && who.Known() {
			k.say(who, 0, event.Forgotten{})
		}
	}
	k.run()
	dump := func() (out []string) {
		must(t, k.shelf.Dump(t.Context(), func(who shopper.ID, s profile.Section, v []byte) error {
			out = append(out, fmt.Sprintf("%d %s %x", who.Reveal(), s, v))
			return nil
		}))
		slices.Sort(out)
		return out
	}
	want, revenue := dump(), k.revenue()
	k.newShelf(t.TempDir() + "/again")
	again := k.biller.Follower()
	again.BatchMax = 7
	must(t, stream.CatchUp(t.Context(), k.log, again))
	if got := dump(); !slices.Equal(want, got) || len(want) == 0 {
		t.Errorf("rebuilt otherwise:\n%s\nwas\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if k.revenue() != revenue {
		t.Errorf("rebuilding moved revenue from %s to %s", revenue, k.revenue())
	}
}

// Fifteen clicks of one shopper on one line item that arrive together, stamped by
// their sender over three hours: five are charged.
func TestClicksThatArriveTogetherCountAsOneHourWhateverTheirSenderSays(t *testing.T) {
	t.Parallel()
	k := newTill(t, 100*retail.Unit)
	for i := range 15 {
		k.say(ana, 0, event.Shown{Touch: touch(byte(i+1), 0)})
	}
	for i := range 15 {
		k.claim(ana, 0, time.Duration(i/5-2)*time.Hour, event.Clicked{Touch: touch(byte(i+1), 0)})
	}
	k.run()
	if got := k.revenue(); got != 5*30*retail.Cent {
		t.Errorf("charged %s: %v", got, k.answers())
	}
}

// An app that was offline sends its click later: it is billed while it arrives
// within a token's life, and not after, whenever it says it happened.
func TestAClickIsTooLateByWhenItArrives(t *testing.T) {
	t.Parallel()
	k := newTill(t, 100*retail.Unit)
	want := map[string]string{}
	for i, test := range []struct {
		arrives, claims time.Duration
		want            string
	}{{23 * time.Hour, time.Minute, "0.30"}, {24 * time.Hour, 0, "0.30"}, {25 * time.Hour, time.Minute, "too_late"}, {24 * time.Hour, 24*time.Hour + 2*time.Minute, "0.30"}} {
		k.say(ana, 0, event.Shown{Touch: touch(byte(i+1), 0)})
		want[k.claim(ana, test.arrives, test.claims, event.Clicked{Touch: touch(byte(i+1), 0)})] = test.want
	}
	k.run()
	for id, got := range k.answers() {
		if got != want[id] {
			t.Errorf("click %s: %s, want %s", id, got, want[id])
		}
	}
}

func TestThroughSaysHowFarClicksAreBilled(t *testing.T) {
	t.Parallel()
	k := newTill(t, 100*retail.Unit)
	const margin = time.Minute // for facts that have arrived and are not yet in the stream
	through := func(want time.Time, say string) {
		t.Helper()
		for name, b := range map[string]*billing.Biller{"running": k.biller, "restarted": k.over(k.shelf, k.book)} {
			if at, err := b.Through(t.Context()); err != nil || !at.Equal(want.Add(-margin)) {
				t.Errorf("%s, %s: through %s %v, want %s", say, name, at, err, want.Add(-margin))
			}
		}
	}
	through(start, "with nothing to do")
	k.say(ana, -time.Hour, event.Shown{Touch: touch(1, 0)})
	k.run()
	k.say(ana, -30*time.Minute, event.Clicked{Touch: touch(1, 0)})
	k.say(ana, -31*time.Minute, event.Clicked{Touch: touch(1, 1)}) // overtaken by the other
	through(start.Add(-30*time.Minute), "with clicks waiting")
	k.run()
	through(start, "when all is billed")
	for i := range 2_000 { // more than a page
		k.say(ana, -20*time.Minute, event.Basketed{Touch: touch(byte(i), byte(i>>8))})
	}
	through(start.Add(-20*time.Minute), "behind a page of what nobody bills there may be a click")
}

// A partition in which nothing that billing wants ever lay holds nothing back.
func TestAPartitionOfOthersFactsDoesNotHoldBackThrough(t *testing.T) {
	t.Parallel()
	k := newTill(t, 100*retail.Unit)
	for i := range 30 {
		k.say(shopper.FromUint64(uint64(i+1)<<40), -time.Hour, event.Basketed{Touch: touch(byte(i), 0)})
	}
	if at, err := k.biller.Through(t.Context()); err != nil || at.Before(start.Add(-time.Minute)) {
		t.Errorf("through %s %v", at, err)
	}
}
