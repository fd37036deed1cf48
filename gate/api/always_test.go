package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"endcap/gate/api/apitest"
	"endcap/keep/profile"
	"endcap/know/audience"
	"endcap/know/identity"
	"endcap/know/recommend"
	"endcap/retail/shopper"
)

// The people of a drawn life: each has a card and an account, and the first of
// them are one person in some houses.
const (
	livesAll    = 8
	livesMerged = 4
	livesSeeds  = 4
)

// act is one request of a drawn life. A visit has no body: it asks for one
// placement and has what is shown seen, and clicked where click is set.
type act struct {
	request string
	body    any

	who       map[string]string
	placement string
	click     bool
}

func cardOf(n int) map[string]string { return map[string]string{"card": fmt.Sprint("card-", n)} }
func accountOf(n int) map[string]string {
	return map[string]string{"account": fmt.Sprint("account-", n)}
}

// lives draws what happens to everybody. It is drawn in parts, because merges and
// their ends come between.
type lives struct {
	*rand.Rand
	at       time.Time
	receipts []int // the version of each
	visits   map[string]int
	n        int
}

func (l *lives) key() map[string]string {
	n := l.IntN(livesAll)
	if l.IntN(2) == 0 {
		return cardOf(n)
	}
	return accountOf(n)
}

// instant is later than all before, sometimes equal.
func (l *lives) instant() string {
	if l.IntN(4) > 0 {
		l.at = l.at.Add(time.Duration(1+l.IntN(60)) * time.Second)
	}
	return l.at.Format(time.RFC3339)
}

// buy is a receipt, sometimes one that corrects an earlier one and may give it to
// another key.
func (l *lives) buy() act {
	id := len(l.receipts)
	if id > 0 && l.IntN(4) == 0 {
		id = l.IntN(id)
		l.receipts[id]++
	} else {
		l.receipts = append(l.receipts, 0)
	}
	var lines []any
	for range 1 + l.IntN(3) {
		lines = append(lines, map[string]any{"product": []string{"oats", "choc", "bread"}[l.IntN(3)], "quantity": 1 + l.IntN(2), "sales": "2.50"})
	}
	return act{request: "POST /v1/receipts", body: map[string]any{"receipts": []any{map[string]any{
		"id": fmt.Sprint("r", id), "version": l.receipts[id], "store": "1", "at": l.instant(), "shopper": l.key(), "lines": lines,
	}}}}
}

// agree is what somebody allows from now on; all of it where all is set.
func (l *lives) agree(who map[string]string, all bool) act {
	l.n++
	allowed := []string{}
	for _, p := range []string{"personal_offers", "personal_ads", "measurement"} {
		if all || l.IntN(4) > 0 {
			allowed = append(allowed, p)
		}
	}
	return act{request: "PUT /v1/consents", body: map[string]any{"consents": []any{map[string]any{
		"id": fmt.Sprint("c", l.n), "shopper": who, "allowed": allowed, "at": l.instant(),
	}}}}
}

// open is what stands before anybody is merged: everybody allows everything.
func (l *lives) open() (out []act) {
	for n := range livesAll {
		out = append(out, l.agree(cardOf(n), true), l.agree(accountOf(n), true))
	}
	return out
}

// live draws purchases and visits. No key comes so often that a cap is met, so
// that all are shown the same whoever is one person.
func (l *lives) live() (out []act) {
	for range 40 {
		who := l.key()
		if at := fmt.Sprint(who); l.IntN(3) == 0 && l.visits[at] < 2 {
			l.visits[at]++
			out = append(out, act{who: who, placement: "home", click: l.IntN(2) == 0})
			continue
		}
		out = append(out, l.buy())
	}
	return out
}

// speak draws consents and withdrawals between purchases.
func (l *lives) speak() (out []act) {
	for range 30 {
		if l.IntN(2) == 0 {
			out = append(out, l.agree(l.key(), false))
		} else {
			out = append(out, l.buy())
		}
	}
	return out
}

// visit is everybody at both placements, often enough to meet every cap.
func (l *lives) visit() (out []act) {
	for range 3 {
		for _, n := range l.Perm(livesAll) {
			for _, placement := range []string{"home", "search"} {
				out = append(out, act{who: cardOf(n), placement: placement, click: true}, act{who: accountOf(n), placement: placement})
			}
		}
	}
	for range 20 {
		out = append(out, l.buy())
	}
	return out
}

// home is a house in which a life is lived.
type home struct {
	*apitest.House
	t      *testing.T
	key    string
	events int
}

func openHome(t *testing.T) *home {
	t.Helper()
	h := &home{House: apitest.Open(t), t: t}
	h.key = h.Retailer(t)
	h.do("PUT /v1/products", map[string]any{"products": []any{
		map[string]any{"id": "oats", "name": "Oat drink", "category": "DRINKS"},
		map[string]any{"id": "choc", "name": "Chocolate", "category": "SWEETS"},
		map[string]any{"id": "bread", "name": "Bread", "category": "BREAD"},
	}})
	h.do("PUT /v1/stores", map[string]any{"stores": []any{map[string]any{"id": "1", "channel": "in_store"}}})
	for _, p := range []string{"home", "search"} {
		h.do("PUT /v1/placements/"+p, map[string]any{"name": p, "slots_max": 2, "floor": apitest.Eur("0.10")})
	}
	h.Follow(t)
	h.do("PUT /v1/advertisers/oatly", map[string]any{"name": "oatly", "currency": "EUR"})
	h.do("POST /v1/advertisers/oatly/payments", map[string]any{"amount": apitest.Eur("1000.00")}, "Idempotency-Key", "first")
	h.do("PUT /v1/audiences/oatly-fans", map[string]any{"name": "fans", "sentence": `bought product "oats" at least 2 times`})
	h.book("home", 0, 4)
	return h
}

// book has the oats advertised at a placement, at search to their audience alone.
func (h *home) book(placement string, controlPPM, capPerDay int) {
	h.t.Helper()
	h.do("PUT /v1/campaigns/oatly-"+placement, map[string]any{"advertiser": "oatly", "name": placement, "flight": apitest.Flight(), "control_ppm": controlPPM})
	item := apitest.LineItem("oatly", "oats")
	item["campaign"], item["placements"], item["cap_per_day"] = "oatly-"+placement, []string{placement}, capPerDay
	item["budget_daily"], item["budget_total"] = apitest.Eur("200.00"), apitest.Eur("400.00")
	if delete(item, "audience"); placement == "search" {
		item["audience"] = "oatly-fans"
	}
	h.do("PUT /v1/line-items/oatly-"+placement, item)
	h.Follow(h.t)
}

func (h *home) do(request string, body any, headers ...string) *apitest.Answer {
	h.t.Helper()
	return h.Do(h.t, h.key, request, body, headers...)
}

// live does what was drawn and gives the decision of each visit.
func (h *home) live(acts []act) []string {
	h.t.Helper()
	var decisions []string
	followed := false
	for _, a := range acts {
		if a.who == nil {
			if got := string(h.do(a.request, a.body).Body); strings.Contains(got, "quarantined") {
				h.t.Fatalf("%s %v: %s", a.request, a.body, got)
			}
			continue
		}
		if !followed {
			followed = true
			h.Follow(h.t)
		}
		decisions = append(decisions, h.visit(a))
	}
	h.Follow(h.t)
	return decisions
}

// visit is one visit; it gives the decision's id.
func (h *home) visit(a act) string {
	h.t.Helper()
	var d struct {
		Decision  string
		Sponsored []struct{ Items []struct{ Token string } }
	}
	h.do("POST /v1/decisions", map[string]any{"shopper": a.who, "placements": []any{map[string]any{"placement": a.placement, "slots": 1}}}).Read(h.t, &d)
	for _, item := range d.Sponsored[0].Items {
		h.events++
		events := []any{map[string]any{"id": fmt.Sprint("i", h.events), "type": "impression", "token": item.Token}}
		if a.click {
			events = append(events, map[string]any{"id": fmt.Sprint("k", h.events), "type": "click", "token": item.Token})
		}
		h.do("POST /v1/events", map[string]any{"events": events})
	}
	return d.Decision
}

// explained is a decision as the house explains it, without what is drawn by
// chance.
func (h *home) explained(id string) string {
	h.t.Helper()
	var all map[string]any
	h.do("GET /v1/decisions/"+id+"/explain", nil).Read(h.t, &all)
	delete(all, "decision")
	text, err := json.Marshal(all)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

// merge says that the first are one person, by the feed or by staff's word.
func (h *home) merge(by func(n int) bool) {
	h.t.Helper()
	for n := range livesMerged {
		both := maps.Clone(cardOf(n))
		maps.Copy(both, accountOf(n))
		if by(n) {
			h.do("PUT /v1/shoppers", map[string]any{"shoppers": []any{map[string]any{"keys": both, "basis": "login"}}})
		} else {
			h.do("POST /v1/identity/merges", map[string]any{"a": cardOf(n), "b": accountOf(n), "why": "asked at the desk"})
		}
	}
}

// unmerge withdraws all that merges the first.
func (h *home) unmerge() {
	h.t.Helper()
	for n := range livesMerged {
		var who struct {
			Shoppers []map[string]int
			Evidence []struct{ ID string }
		}
		h.do("POST /v1/identity/lookups", map[string]any{"shopper": cardOf(n)}).Read(h.t, &who)
		if len(who.Shoppers) != 2 {
			h.t.Fatalf("person %d is %d shoppers, want 2", n, len(who.Shoppers))
		}
		for _, e := range who.Evidence {
			h.do("DELETE /v1/identity/merges/"+e.ID+"?why=two+sisters", nil)
		}
	}
}

// always makes the first one person before anything else is known, under the ids
// as which like knows them.
func (h *home) always(like *home) {
	h.t.Helper()
	for n := range livesMerged {
		who, _ := like.Known(h.t, shopper.Card, cardOf(n)["card"])
		first := cardOf(n)
		if who == h.Minted(h.t, shopper.Account, accountOf(n)["account"]) {
			first = accountOf(n)
		}
		both := maps.Clone(cardOf(n))
		maps.Copy(both, accountOf(n))
		for _, keys := range []map[string]string{first, both} {
			h.do("PUT /v1/shoppers", map[string]any{"shoppers": []any{map[string]any{"keys": keys}}})
		}
	}
}

// told is everything that follows who is one person, by what it is.
func (h *home) told() map[string]string {
	h.t.Helper()
	h.Follow(h.t)
	out := make(map[string]string)
	for n := range livesAll {
		for kind, value := range map[shopper.KeyKind]string{shopper.Card: cardOf(n)["card"], shopper.Account: accountOf(n)["account"]} {
			who, p := h.Known(h.t, kind, value)
			out[fmt.Sprintf("whose %s is", value)] = fmt.Sprint(who.Reveal())
			for _, section := range []profile.Section{identity.Section, audience.Section, recommend.Section} {
				out[fmt.Sprintf("the section %s of %s", section, value)] = fmt.Sprintf("%x", p[section])
			}
		}
	}
	for name, sentence := range map[string]string{
		"often": `bought product "oats" at least 2 times`, "both": `bought product "oats" and bought product "choc"`, "never": `not bought product "bread" within 30 days`,
	} {
		out["the audience "+name] = string(h.do("POST /v1/audiences/explain", map[string]any{"sentence": sentence}).Body)
	}
	for _, purpose := range []string{"measurement", "personal_ads", "personal_offers"} {
		for _, view := range []string{"receipts", "lines", "touches", "consents", "decisions"} {
			out[view+" for "+purpose] = string(h.do("POST /v1/query", map[string]any{
				"purpose": purpose, "sql": "select shopper, count(*) as n from " + view + " group by shopper order by shopper",
			}).Body)
		}
	}
	out["the controls"] = string(h.do("GET /v1/controls", nil).Body)
	for _, c := range []string{"home", "search"} {
		out["the report of "+c] = string(h.do("GET /v1/reports/campaigns/oatly-"+c, nil).Body)
	}
	return out
}

func (h *home) like(want *home, when string) {
	h.t.Helper()
	got, wanted := h.told(), want.told()
	for _, what := range slices.Sorted(maps.Keys(wanted)) {
		if got[what] != wanted[what] {
			h.t.Errorf("%s, %s is\n%s\nwant\n%s", when, what, got[what], wanted[what])
		}
	}
}

// visited compares two houses' decisions and gives everything that was explained.
func (h *home) visited(decisions []string, want *home, wanted []string) string {
	h.t.Helper()
	var all strings.Builder
	for n := range wanted {
		got, other := h.explained(decisions[n]), want.explained(wanted[n])
		if got != other {
			h.t.Fatalf("visit %d of %d is\n%s\nwant\n%s", n, len(wanted), got, other)
		}
		all.WriteString(got)
	}
	return all.String()
}

// TestAMergeAndAnUnmergeAreAsIfItHadAlwaysBeenSo draws lives and lets them be
// lived in two houses: one in which keys of one person were merged late, one in
// which they were always hers; or one in which they were merged and separated
// again, beside one in which they never were. Both must tell the same of
// everybody: profiles to the byte, audiences, caps, arms, reports.
func TestAMergeAndAnUnmergeAreAsIfItHadAlwaysBeenSo(t *testing.T) {
	t.Parallel()
	var told sync.Map // by seed
	t.Cleanup(func() {
		var all strings.Builder
		told.Range(func(_, text any) bool { all.WriteString(text.(string)); return true })
		for _, what := range []string{`"refusal":"frequency_cap"`, `"arm":"control"`, `"arm":"treated"`, `"audiences":["oatly-fans"]`, `"audiences":[]`} {
			if !strings.Contains(all.String(), what) {
				t.Errorf("no visit came to %s: nothing was proved of it", what)
			}
		}
	})
	for seed := range uint64(livesSeeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			l := &lives{Rand: rand.New(rand.NewPCG(seed, 11)), visits: make(map[string]int)}
			l.at = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
			before, between, after, last := append(l.open(), l.live()...), l.live(), l.speak(), l.visit()
			feed := func(n int) bool { return (uint64(n)+seed/2)%2 == 0 }
			staff := func(int) bool { return false }

			late := openHome(t)
			var want *home
			late.live(before)
			late.merge(feed)
			late.live(between)
			if seed%2 == 0 {
				late.live(after)
				late.unmerge()
				want = openHome(t)
			} else {
				late.unmerge()
				late.live(after)
				late.merge(staff)
				want = openHome(t)
				want.always(late)
			}
			want.live(slices.Concat(before, between, after))
			for _, h := range []*home{late, want} {
				h.book("search", 500_000, 2)
			}
			late.like(want, "before the visits")
			told.Store(seed, late.visited(late.live(last), want, want.live(last)))
			for _, h := range []*home{late, want} {
				h.Pass(t, 48*time.Hour)
			}
			late.like(want, "after the visits")
		})
	}
}
