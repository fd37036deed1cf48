package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"endcap/gate/api/apitest"
)

// ana has a card, with which she buys oats, and an account, with which she buys
// chocolate.
var (
	anasCard    = map[string]any{"card": "4711-ana-4711"}
	anasAccount = map[string]any{"account": "ana-account-ana"}
	anasBoth    = map[string]any{"card": "4711-ana-4711", "account": "ana-account-ana"}
)

// shelf is a house in which ana has bought both, and a line item that is shown
// once a day to who bought both.
type shelf struct {
	*apitest.House
	t   *testing.T
	key string
}

func openShelf(t *testing.T) *shelf {
	t.Helper()
	h := &shelf{House: apitest.Open(t), t: t}
	h.key = h.Retailer(t)
	h.do("PUT /v1/products", map[string]any{"products": []any{
		map[string]any{"id": "oats", "name": "Oat drink", "category": "DRINKS"}, map[string]any{"id": "choc", "name": "Chocolate", "category": "SWEETS"},
	}})
	h.do("PUT /v1/stores", map[string]any{"stores": []any{map[string]any{"id": "1", "channel": "in_store"}}})
	buy := func(id, product string, who map[string]any) map[string]any {
		return map[string]any{
			"id": id, "store": "1", "at": "2026-03-01T09:00:00Z", "shopper": who,
			"lines": []any{map[string]any{"product": product, "quantity": 1, "sales": "2.50"}},
		}
	}
	agree := func(id string, who map[string]any, at string) map[string]any {
		return map[string]any{"id": id, "shopper": who, "allowed": []string{"personal_offers", "personal_ads", "measurement"}, "at": at}
	}
	consents := []any{agree("c1", anasCard, "2026-03-01T08:00:00Z"), agree("c2", anasAccount, "2026-03-01T08:30:00Z")}
	receipts := []any{buy("r1", "oats", anasCard), buy("r2", "choc", anasAccount)}
	for n := range 10 { // so many that an audience may be advertised to
		other := map[string]any{"card": fmt.Sprint("other-", n)}
		consents = append(consents, agree(fmt.Sprint("c-", n), other, "2026-03-01T08:00:00Z"))
		receipts = append(receipts, buy(fmt.Sprint("o-", n), "oats", other), buy(fmt.Sprint("m-", n), "choc", other))
	}
	h.do("PUT /v1/consents", map[string]any{"consents": consents})
	h.do("POST /v1/receipts", map[string]any{"receipts": receipts})
	h.do("PUT /v1/placements/search", map[string]any{"name": "Search", "slots_max": 4, "floor": apitest.Eur("0.10")})
	h.Follow(t)
	h.do("PUT /v1/advertisers/oatly", map[string]any{"name": "oatly", "currency": "EUR"})
	h.do("POST /v1/advertisers/oatly/payments", map[string]any{"amount": apitest.Eur("100.00")}, "Idempotency-Key", "first")
	h.do("PUT /v1/audiences/oatly-fans", map[string]any{"name": "both", "sentence": `bought product "oats" and bought product "choc"`})
	h.do("PUT /v1/campaigns/oatly-spring", map[string]any{"advertiser": "oatly", "name": "spring", "flight": apitest.Flight(), "control_ppm": 0})
	item := apitest.LineItem("oatly", "oats")
	item["cap_per_day"] = 1
	h.do("PUT /v1/line-items/oatly-one", item)
	h.Follow(t)
	return h
}

func (h *shelf) do(request string, body any, headers ...string) *apitest.Answer {
	h.t.Helper()
	return h.Do(h.t, h.key, request, body, headers...)
}

// visit says what is shown to her, and has her see and click it.
func (h *shelf) visit(who map[string]any) string {
	h.t.Helper()
	var d struct {
		Sponsored []struct {
			Items []struct{ Product, Token string }
		}
	}
	h.do("POST /v1/decisions", map[string]any{"shopper": who, "placements": []any{map[string]any{"placement": "search", "slots": 1}}}).Read(h.t, &d)
	var shown []string
	for _, item := range d.Sponsored[0].Items {
		shown = append(shown, item.Product)
		for _, kind := range []string{"impression", "click"} {
			h.do("POST /v1/events", map[string]any{"events": []any{map[string]any{"id": kind + item.Token[:20], "type": kind, "token": item.Token}}})
		}
	}
	return strings.Join(shown, " ")
}

// told are the figures that follow: her audience, the buyers, the shoppers of
// history, and how many touches are of somebody who bought oats.
func (h *shelf) told() string {
	h.t.Helper()
	h.Follow(h.t)
	var size struct{ Size int }
	h.do("POST /v1/audiences/explain", map[string]any{"sentence": `bought product "oats" and bought product "choc"`}).Read(h.t, &size)
	var control struct{ Households int }
	h.do("GET /v1/controls", nil).Read(h.t, &control)
	var rows struct{ Rows [][]string }
	h.do("POST /v1/query", map[string]any{"purpose": "measurement", "sql": `select count(distinct r.shopper), (select count(distinct shopper) from consents),
		(select count(*) from touches t where t.kind = 'clicked' and t.shopper in (select shopper from lines where product = 'oats')) from receipts r`}).Read(h.t, &rows)
	return fmt.Sprintf("audience %d, households %d, buyers %s, agreed %s, clicks of buyers %s", size.Size, control.Households, rows.Rows[0][0], rows.Rows[0][1], rows.Rows[0][2])
}

// TestAnasCardAndAccountBecomeOnePersonAndTwoAgain is what a merchandiser asks:
// is she counted once, and is it all undone by the unmerge?
func TestAnasCardAndAccountBecomeOnePersonAndTwoAgain(t *testing.T) {
	t.Parallel()
	h := openShelf(t)
	const apart = "audience 10, households 12, buyers 12, agreed 12, clicks of buyers 0"
	if got := h.visit(anasAccount) + h.visit(anasCard) + h.visit(anasBoth); got != "" {
		t.Errorf("apart she is shown %q", got)
	}
	if got := h.told(); got != apart {
		t.Errorf("apart: %s", got)
	}
	row := map[string]any{"shoppers": []any{map[string]any{"keys": anasBoth, "basis": "login"}}}
	if got := string(h.do("PUT /v1/shoppers", row).Body); !strings.Contains(got, `"new"`) || strings.Contains(got, "reason") {
		t.Errorf("the feed is answered %s", got)
	}
	if got := []string{h.visit(anasAccount), h.visit(anasCard), h.visit(anasBoth)}; !slices.Equal(got, []string{"oats", "", ""}) {
		t.Errorf("one person with a cap of one a day is shown %q", got)
	}
	if got := h.told(); got != "audience 11, households 11, buyers 11, agreed 11, clicks of buyers 1" {
		t.Errorf("as one: %s", got)
	}
	var who struct {
		Shoppers []map[string]int
		Evidence []struct{ ID, Basis, By string }
	}
	answer := h.do("POST /v1/identity/lookups", map[string]any{"shopper": anasCard})
	if answer.Read(t, &who); len(who.Shoppers) != 2 || len(who.Evidence) != 1 || who.Evidence[0].Basis != "login" || who.Evidence[0].By != "retailer" {
		t.Fatalf("why she is one person: %s", answer.Body)
	}
	h.do("DELETE /v1/identity/merges/"+who.Evidence[0].ID+"?why=two+sisters", nil)
	if got := h.told(); got != apart {
		t.Errorf("after the unmerge: %s", got)
	}
	if got := h.visit(anasCard) + h.visit(anasAccount); got != "" {
		t.Errorf("after the unmerge she is shown %q", got)
	}
	if got := string(h.do("PUT /v1/shoppers", row).Body); !strings.Contains(got, `"repeat"`) || !strings.Contains(got, "withdrawn") {
		t.Errorf("the nightly feed after an unmerge is answered %s", got)
	}
	for name, text := range map[string]string{"the log": h.Logged.String(), "the answer": string(answer.Body)} {
		if strings.Contains(text, "4711-ana") || strings.Contains(text, "ana-account") {
			t.Errorf("%s names her", name)
		}
	}
}

// Staff merge by hand, part for good, and answer what linkage proposes.
func TestStaffSayWhoIsOnePerson(t *testing.T) {
	t.Parallel()
	h := openShelf(t)
	merge := func() (id string, merged bool, refused string) {
		t.Helper()
		var out struct {
			ID      string
			Merged  bool
			Refused string
		}
		h.do("POST /v1/identity/merges", map[string]any{"a": anasCard, "b": anasAccount, "why": "asked at the desk"}).Read(t, &out)
		return out.ID, out.Merged, out.Refused
	}
	id, merged, _ := merge()
	if !merged || !strings.Contains(h.told(), "households 11") {
		t.Error("two that staff merged are two")
	}
	h.do("DELETE /v1/identity/merges/"+id+"?why=a+mistake", nil)
	h.do("POST /v1/identity/separations", map[string]any{"a": anasCard, "b": anasAccount, "why": "sisters"})
	if _, merged, refused := merge(); merged || refused != "apart" {
		t.Errorf("two who are known to be two were merged, or refused as %q", refused)
	}
	propose := map[string]any{"source": "linkage", "proposals": []any{map[string]any{"a": anasCard, "b": anasAccount, "probability": 0.999, "evidence": "surname equal"}}}
	if got := string(h.do("POST /v1/identity/proposals", propose).Body); !strings.Contains(got, "[false]") {
		t.Errorf("two who are known to be two wait for an answer: %s", got)
	}
	for name, c := range map[string]struct {
		request string
		body    any
		want    int
	}{
		"a merge with nobody known":          {"POST /v1/identity/merges", map[string]any{"a": anasCard, "b": map[string]any{"card": "nobody"}, "why": "x"}, http.StatusNotFound},
		"a merge with herself":               {"POST /v1/identity/merges", map[string]any{"a": anasCard, "b": anasCard, "why": "x"}, http.StatusConflict},
		"a merge without a reason":           {"POST /v1/identity/merges", map[string]any{"a": anasCard, "b": anasAccount, "why": ""}, http.StatusUnprocessableEntity},
		"a merge of what was only seen":      {"POST /v1/identity/merges", map[string]any{"a": anasCard, "b": anasAccount, "why": "x", "basis": "observed"}, http.StatusUnprocessableEntity},
		"evidence that is none":              {"DELETE /v1/identity/merges/nothing?why=x", nil, http.StatusNotFound},
		"a proposal that was never made":     {"PUT /v1/identity/proposals/99", map[string]any{"answer": "approve"}, http.StatusNotFound},
		"a shopper whom nobody knows":        {"POST /v1/identity/lookups", map[string]any{"shopper": map[string]any{"card": "nobody"}}, http.StatusNotFound},
		"an answer that is neither":          {"PUT /v1/identity/proposals/99", map[string]any{"answer": "perhaps"}, http.StatusUnprocessableEntity},
		"a shopper without a key":            {"POST /v1/identity/lookups", map[string]any{"shopper": map[string]any{}}, http.StatusUnprocessableEntity},
		"a proposal of unlikely probability": {"POST /v1/identity/proposals", map[string]any{"source": "x", "proposals": []any{map[string]any{"a": anasCard, "b": anasAccount, "probability": 7, "evidence": ""}}}, http.StatusUnprocessableEntity},
	} {
		a := h.Call(t, h.key, c.request, c.body)
		if a.Status != c.want {
			t.Errorf("%s: %d %s, want %d", name, a.Status, a.Body, c.want)
			continue
		}
		if p := a.Problem(t); strings.Contains(p.Detail, "ana") {
			t.Errorf("%s: the answer names her: %s", name, p.Detail)
		}
	}
}
