package privacy_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"endcap/keep/vault"
	"endcap/keep/warehouse"
	"endcap/know/history"
	"endcap/know/identity"
	"endcap/know/identity/graph"
	"endcap/know/privacy"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/shopper"
)

// bought brings a receipt of a day into history; of nobody where who is zero.
func (h *house) bought(t *testing.T, who shopper.ID, day string) {
	t.Helper()
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	h.facts++
	f := event.Fact{ID: fmt.Sprint("r", h.facts), At: at, Arrived: at, Day: retail.DayOf(at, time.UTC), Shopper: who, Body: event.Receipt{Receipt: basket.Receipt{
		Store: "s1", At: at, Currency: "EUR", Lines: []basket.Line{{Product: "oats", Quantity: 1_000, Sales: retail.Unit}},
	}}}
	next := event.Cursor(binary.BigEndian.AppendUint64(nil, uint64(h.facts)))
	if err := h.history.Append(t.Context(), []warehouse.Fold{{Next: next, Through: at, Rows: history.Rows([]event.Fact{f})}}); err != nil {
		t.Fatal(err)
	}
}

func (h *house) spoke(t *testing.T, who shopper.ID, day string) {
	t.Helper()
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	h.facts++
	said := vault.Said{Shopper: who, Allowed: consent.All, Wording: "w", Source: "s", At: at, EventID: fmt.Sprint("c", h.facts)}
	if err := h.people.Say(t.Context(), []vault.Said{said}); err != nil {
		t.Fatal(err)
	}
}

func (h *house) claim(t *testing.T, a, b int) identity.Claim {
	t.Helper()
	return identity.Claim{A: hers(t, a), B: hers(t, b), Vouched: identity.Vouched{Basis: graph.Declared, Source: "test", By: "test", Say: "x", At: h.clock()}}
}

func (h *house) retain(t *testing.T, as privacy.Manner) privacy.Run {
	t.Helper()
	run, err := h.Retain(t.Context(), as)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// here says of whom of the first n shoppers the house still knows.
func (h *house) here(t *testing.T, n int) (out []int) {
	t.Helper()
	for i := 1; i <= n; i++ {
		known, err := h.people.Known(t.Context(), [][]shopper.Key{hers(t, i)})
		if err != nil {
			t.Fatal(err)
		}
		if known[0] {
			out = append(out, i)
		}
	}
	return out
}

func TestWhoIsForgottenForHerSilence(t *testing.T) {
	t.Parallel()
	h := open(t) // it is 31 January 2026
	who := make([]shopper.ID, 9)
	for n := 1; n < len(who); n++ {
		who[n] = h.know(t, n)
	}
	h.bought(t, who[1], "2019-05-01")
	h.bought(t, who[1], "2023-01-30") // a day too long ago
	h.bought(t, who[2], "2023-01-31") // just not
	h.bought(t, who[3], "2020-01-01")
	h.spoke(t, who[3], "2025-01-01") // she changed her consent since
	h.bought(t, who[4], "2020-01-01")
	h.spoke(t, who[4], "2020-01-01")
	h.bought(t, who[5], "2020-01-01") // one person with the next, who was here yesterday
	h.bought(t, who[6], "2026-01-30")
	h.bought(t, who[8], "2023-03-10") // she goes in March
	if _, err := h.people.Merge(t.Context(), h.claim(t, 5, 6)); err != nil {
		t.Fatal(err)
	}
	dry := h.retain(t, privacy.Manner{Dry: true})
	if dry.Found != 2 || dry.Lapsed != 0 || dry.People != 8 || len(h.here(t, 8)) != 8 {
		t.Errorf("a look found %+v, and left %v", dry, h.here(t, 8))
	}
	run := h.retain(t, privacy.Manner{})
	if want := []int{2, 3, 5, 6, 7, 8}; run.Lapsed != 2 || !slices.Equal(h.here(t, 8), want) || run.Inactive.String() != "2023-01-31" {
		t.Errorf("the run %+v left %v, want %v", run, h.here(t, 8), want)
	}
	if again := h.retain(t, privacy.Manner{}); again.Found != 0 || again.Lapsed != 0 || again.People != 6 {
		t.Errorf("a second run %+v", again)
	}
	next, _, err := h.LapsingWithin(t.Context(), 60, privacy.Behind{}, 9)
	if err != nil || len(next) != 2 || next[0].Active.String() != "2023-01-31" || next[0].On.String() != "2026-02-01" || next[1].On.String() != "2026-03-11" || len(next[1].Keys) != 2 {
		t.Errorf("who will go: %+v, %v", next, err)
	}
	h.set("2026-02-01T00:30:00Z") // no job ran since; who only has keys has been met yesterday
	if got := h.retain(t, privacy.Manner{}); got.Lapsed != 1 || !slices.Equal(h.here(t, 8), []int{3, 5, 6, 7, 8}) {
		t.Errorf("the next day %+v leaves %v", got, h.here(t, 8))
	}
	runs, err := h.Runs(t.Context(), 9)
	if err != nil || len(runs) != 3 {
		t.Fatalf("%d records, %v; want those of runs that were not dry", len(runs), err)
	}
	file, err := json.Marshal(runs[2])
	if err != nil {
		t.Fatal(err)
	}
	if text, err := privacy.Verify(file, public(t, h)); err != nil || !strings.Contains(string(text), `"forgotten":2`) {
		t.Errorf("the record says %s, %v", text, err)
	}
	h.set("2029-02-02T12:00:00Z")
	h.bought(t, shopper.ID{}, "2029-02-01")
	if got := h.retain(t, privacy.Manner{}); got.Lapsed != 5 || len(h.here(t, 8)) != 0 {
		t.Errorf("three years on %+v leaves %v: who only has keys goes too", got, h.here(t, 8))
	}
}

// A clock that is wrong takes people out of use, which is undone with it; it
// forgets nobody.
func TestAClockThatIsWrongForgetsNobody(t *testing.T) {
	t.Parallel()
	h := open(t)
	const people = 30
	for n := 1; n <= people; n++ {
		h.bought(t, h.know(t, n), "2026-01-20")
	}
	for _, tt := range []struct{ now, held string }{
		{"2026-01-30T11:00:00Z", ""}, // back a day and an hour
		{"2026-01-31T11:00:00Z", ""},
		{"2026-02-01T12:00:00Z", ""},                   // ahead a day
		{"2027-02-01T12:00:00Z", "is the clock right"}, // ahead a year
		{"2036-02-01T12:00:00Z", "is the clock right"},
		{"2026-02-01T12:00:00Z", ""},
	} {
		h.set(tt.now)
		run := h.retain(t, privacy.Manner{})
		if run.Lapsed != 0 || (run.Held == "") != (tt.held == "") || !strings.Contains(run.Held, tt.held) || len(h.here(t, people)) != people {
			t.Errorf("at %s the run is %+v", tt.now, run)
		}
	}
	h.set("2036-02-01T12:00:00Z")
	h.bought(t, shopper.ID{}, "2036-01-31") // the tills send, and everybody is inactive all the same
	run := h.retain(t, privacy.Manner{})
	if run.Lapsed != 0 || run.Found != people || !strings.Contains(run.Held, "30 of 30 shoppers") {
		t.Errorf("everybody at once: %+v", run)
	}
	if run = h.retain(t, privacy.Manner{Confirmed: true}); run.Lapsed != people || len(h.here(t, people)) != 0 {
		t.Errorf("confirmed, the run is %+v", run)
	}
}

func TestWhichTermApplies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		countries []string
		own, want int
	}{{nil, 36, 36}, {nil, 48, 48}, {[]string{"FR"}, 48, 36}, {[]string{"FR", "IT"}, 36, 24}, {[]string{"IT"}, 12, 12}, {[]string{"BE"}, 36, 36}} {
		r := privacy.RetentionDefaults()
		r.Countries, r.MembersMonths = tt.countries, tt.own
		if got, source := r.Members(); got != tt.want || source == "" || r.Check() != nil {
			t.Errorf("in %v with %d months of its own: %d (%s)", tt.countries, tt.own, got, source)
		}
	}
	for _, wrong := range []func(*privacy.Retention){
		func(r *privacy.Retention) { r.Countries = []string{"france"} }, func(r *privacy.Retention) { r.MembersMonths = 0 },
		func(r *privacy.Retention) { r.AdvertsMonths = 121 }, func(r *privacy.Retention) { r.SharePPM = 1_000_001 },
		func(r *privacy.Retention) { r.StillDays = 0 }, func(r *privacy.Retention) { r.NoticeDays = -1 },
	} {
		r := privacy.RetentionDefaults()
		if wrong(&r); r.Check() == nil {
			t.Errorf("%+v is taken", r)
		}
	}
	limits := privacy.RetentionDefaults().Limits(time.Date(2026, 3, 31, 23, 30, 0, 0, time.UTC), time.FixedZone("", 3_600))
	if limits.Inactive.String() != "2023-04-01" || limits.Adverts.String() != "2024-03-01" {
		t.Errorf("the limits of the evening of 31 March are %+v: it is April there", limits)
	}
}

func TestPagesOfWhoWillGoLoseNobody(t *testing.T) {
	t.Parallel()
	h := open(t)
	const people = 7
	for n := 1; n <= people; n++ {
		h.bought(t, h.know(t, n), fmt.Sprintf("2023-02-%02d", 10+n/4))
	}
	h.bought(t, shopper.ID{}, "2026-01-30")
	h.retain(t, privacy.Manner{})
	seen := map[string]bool{}
	for at, page := (privacy.Behind{}), 0; ; page++ {
		some, next, err := h.LapsingWithin(t.Context(), 30, at, 2)
		if err != nil || page > people {
			t.Fatal(page, err)
		}
		for _, l := range some {
			seen[l.Keys[0].Reveal()] = true
		}
		if at = next; len(some) < 2 {
			break
		}
	}
	if len(seen) != people {
		t.Errorf("%d of %d will go", len(seen), people)
	}
	if _, _, err := h.LapsingWithin(t.Context(), 61, privacy.Behind{}, 2); retail.KindOf(err) != retail.Invalid {
		t.Errorf("further ahead than was looked: %v", err)
	}
}

func TestWhoIsToldThatSheLeft(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.know(t, 1)
	h.know(t, 2)
	register := privacy.Recipient{ID: "mail", Name: "Mailing house", Role: privacy.Processor, What: "addresses", Why: "the newsletter"}
	if err := h.PutRecipient(t.Context(), register); err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]func(*privacy.Recipient){
		"no name": func(r *privacy.Recipient) { r.Name = "" }, "no role": func(r *privacy.Recipient) { r.Role = "friend" },
	} {
		r := register
		if wrong(&r); retail.KindOf(h.PutRecipient(t.Context(), r)) != retail.Invalid {
			t.Errorf("a recipient with %s is taken", name)
		}
	}
	given := func(n int) privacy.Given {
		return privacy.Given{Keys: hers(t, n), Alias: fmt.Sprint("subscriber-", n), What: "address"}
	}
	if _, err := h.Disclose(t.Context(), "nobody", []privacy.Given{given(1)}); retail.KindOf(err) != retail.NotFound {
		t.Errorf("given to nobody: %v", err)
	}
	alias := given(1)
	alias.Alias = "card-2" // it would outlive whoever has it
	if _, err := h.Disclose(t.Context(), "mail", []privacy.Given{alias}); retail.KindOf(err) != retail.Invalid {
		t.Errorf("an alias that is somebody's card: %v", err)
	}
	if known, err := h.Disclose(t.Context(), "mail", []privacy.Given{given(1), given(2), given(77)}); err != nil || !slices.Equal(known, []bool{true, true, false}) {
		t.Fatal(known, err)
	}
	access := h.ask(t, privacy.Ask{Kind: privacy.Access, Means: privacy.TwoKeys, Keys: hers(t, 1)})
	file, err := h.FileOf(t.Context(), access.ID)
	if err != nil || len(file.Disclosed) != 1 || file.Disclosed[0].Alias != "subscriber-1" || len(file.About.Recipients) != 1 || len(file.About.Retention) != 0 {
		t.Errorf("the file says %+v of %+v, %v", file.Disclosed, file.About, err)
	}
	waiting := h.ask(t, privacy.Ask{Kind: privacy.Access, Means: privacy.TwoKeys, Keys: hers(t, 1)})
	h.ask(t, privacy.Ask{Kind: privacy.Objection, Means: privacy.TwoKeys, Keys: hers(t, 2)})
	right := h.ask(t, privacy.Ask{Kind: privacy.Rectification, Means: privacy.TwoKeys, Keys: hers(t, 2), Note: "x"})
	if _, err := h.Close(t.Context(), right.ID, privacy.Done, ""); err != nil {
		t.Fatal(err)
	}
	erasure := h.ask(t, privacy.Ask{Kind: privacy.Erasure, Means: privacy.TwoKeys, Keys: hers(t, 1)})
	told := func(want string) {
		t.Helper()
		notices, err := h.NoticesOf(t.Context(), "mail", true, 0, 9)
		var got []string
		for _, n := range notices {
			got = append(got, fmt.Sprint(n.ID, n.Alias, n.Cause, n.Alarm))
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("mail is to be told %v, %v; want %s", got, err, want)
		}
	}
	told("1subscriber-2objection 2subscriber-2rectification 3subscriber-1erasure")
	// What she asked before and nobody answered is over, at once and for good.
	for range 2 {
		if got, err := h.Get(t.Context(), waiting.ID); err != nil || got.State != privacy.Moot || got.Alarm != privacy.Calm {
			t.Errorf("her other request is %+v, %v", got, err)
		}
		h.set("2026-02-01T03:00:00Z")
		if _, err := h.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := h.Get(t.Context(), waiting.ID); err != nil || got.Closed.IsZero() {
		t.Errorf("after the night it is open still: %+v, %v", got, err)
	}
	if text, err := h.CertificateOf(t.Context(), erasure.ID); err != nil || !strings.Contains(string(text), `"recipients_told":["mail"]`) {
		t.Errorf("the certificate: %s, %v", text, err)
	}
	if n, err := h.Acknowledge(t.Context(), "mail", []uint64{1, 2}); err != nil || n != 2 {
		t.Errorf("%d told, %v", n, err)
	}
	h.set("2026-02-21T12:00:00Z")
	told("3subscriber-1erasureday_20")
	h.set("2026-03-01T12:00:00Z")
	told("3subscriber-1erasureoverdue")
	if counts, err := h.NoticesWaiting(t.Context()); err != nil || counts[privacy.Overdue] != 1 || counts[privacy.Calm] != 0 {
		t.Errorf("waiting are %v, %v", counts, err)
	}
}

// Of two shoppers one is forgotten; what merges them afterwards finds one.
func TestOneOfTwoWhoAreMergedIsForgotten(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.know(t, 1)
	h.know(t, 2)
	h.ask(t, privacy.Ask{Kind: privacy.Erasure, Means: privacy.TwoKeys, Keys: hers(t, 1)})
	before := h.know(t, 2)
	_, err := h.people.Merge(t.Context(), h.claim(t, 1, 2))
	if retail.KindOf(err) != retail.NotFound {
		t.Errorf("merging with somebody forgotten: %v", err)
	}
	if got := h.know(t, 2); got != before || !slices.Equal(h.here(t, 2), []int{2}) {
		t.Errorf("the other is no longer who she was; known are %v", h.here(t, 2))
	}
}
