package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"endcap/gate/api/apitest"
)

// listed asks for one list for one shopper, by a key in the path.
func listed(t *testing.T, h *apitest.House, key, path string) (d decided) {
	t.Helper()
	a := h.Do(t, key, "GET /v1/shoppers/"+path, nil)
	if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("ETag") != "" {
		t.Errorf("%s may be kept: %v", path, a.Header)
	}
	a.Read(t, &d)
	return d
}

func decisionOf(t *testing.T, h *apitest.House, key string, body map[string]any) (d decided) {
	t.Helper()
	h.Do(t, key, "POST /v1/decisions", body).Read(t, &d)
	return d
}

// Does a desk that asks for one shopper get what a page of the shop gets, list by
// list, with the same reasons?
func TestOneShoppersProposalsAreTheDecisions(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	h.Furnish(t, key)
	decide := h.Key(t, "", "decide")
	for query, body := range map[string]map[string]any{
		"?n=3":                                {},
		"?n=2&list=next_basket":               {"list": "next_basket", "proposals": 2},
		"?n=3&list=buy_again":                 {"list": "buy_again"},
		"?n=3&list=discovery&store=1":         {"list": "discovery", "store": "1"},
		"?n=3&channel=in_store":               {"channel": "in_store"},
		"?n=3&list=category&category=SWEETS":  {"list": "category", "page": map[string]string{"category": "SWEETS"}},
		"?n=3&list=search&query=oat+drink":    {"list": "search", "page": map[string]string{"query": "oat drink"}},
		"?n=3&list=substitutes&product=bread": {"list": "substitutes", "page": map[string]string{"product": "bread"}},
	} {
		body["shopper"] = map[string]string{"card": "4711-1"}
		if body["proposals"] == nil {
			body["proposals"] = 3
		}
		got, want := listed(t, h, decide, "card=4711-1/proposals"+query), decisionOf(t, h, key, body)
		if fmt.Sprint(got.Proposals, got.Empty) != fmt.Sprint(want.Proposals, want.Empty) || got.Decision == want.Decision || len(got.Decision) != 32 {
			t.Errorf("%s: %+v, want as in a decision: %+v", query, got, want)
		}
	}
	if d := listed(t, h, decide, "card=4711-1/proposals"); d.products() != "choc oats " || d.Proposals[0].Because != "bought once" {
		t.Errorf("without a word of what is wanted: %+v", d)
	}
}

// Can it be told later what was proposed, and was nothing sold or counted?
func TestProposalsOfAPathAreRecordedAndSellNothing(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	h.Furnish(t, key)
	d := listed(t, h, key, "card=4711-1/proposals?n=2&store=1")
	h.Follow(t)
	explained := string(h.Do(t, key, "GET /v1/decisions/"+d.Decision+"/explain", nil).Body)
	for _, part := range []string{`"store":"1"`, `"proposals":[{"product":"choc","reason":"bought_often"`, `"placements":[]`, `"refusals":{}`, `"known":true`} {
		if !strings.Contains(explained, part) {
			t.Errorf("explained without %s: %s", part, explained)
		}
	}
	if log := h.Logged.String(); strings.Contains(log, "4711-1") || !strings.Contains(log, `"route":"/v1/shoppers/{key}/proposals"`) {
		t.Errorf("the log names her, or not what was asked: %s", log)
	}
}

// What does somebody get who is unknown, says no, or is forgotten? A list that
// says nothing of her, and never an error.
func TestProposalsOfWhoeverAllowsNothing(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	h.Furnish(t, key)
	contextual := func(path string) {
		t.Helper()
		h.Follow(t)
		d := listed(t, h, key, path+"/proposals?n=3&list=category&category=SWEETS")
		if d.products() != "choc " || d.Proposals[0].Reason == "bought_often" || strings.Contains(d.Proposals[0].Because, "bought") {
			t.Errorf("%s: %+v", path, d)
		}
		if d := listed(t, h, key, path+"/proposals?list=buy_again"); len(d.Proposals) != 0 || d.Empty != "no_candidates" {
			t.Errorf("%s has habits: %+v", path, d)
		}
	}
	contextual("card=nobody")
	contextual("account=a%2Fb%20c") // an account may hold what a path must not
	h.Do(t, key, "PUT /v1/consents", map[string]any{"consents": []any{map[string]any{"id": "no", "shopper": map[string]string{"card": "4711-2"}, "allowed": []string{}, "at": apitest.Noon}}})
	contextual("card=4711-2")
	cy := map[string]string{"card": "4711-3", "account": "cy@shop"}
	h.Do(t, key, "PUT /v1/shoppers", map[string]any{"shoppers": []any{map[string]any{"keys": cy}}})
	if d := listed(t, h, key, "account=cy@shop/proposals"); d.products() != "choc oats " {
		t.Errorf("by her account: %+v", d)
	}
	h.Do(t, key, "POST /v1/privacy/requests", map[string]any{"kind": "erasure", "means": "login", "shopper": cy})
	contextual("card=4711-3")
	contextual("account=cy@shop")
}

// Who may not ask, and what is wrong with a request, is told without the key.
func TestTheDoorOfOneShoppersProposals(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	h.Furnish(t, key)
	for _, advertiser := range []string{h.Key(t, "oatly", "trade", "reports"), h.Key(t, "", "trade", "reports", "feeds", "analyse")} {
		if p := h.Call(t, advertiser, "GET /v1/shoppers/card=4711-1/proposals", nil).Problem(t); p.Status != http.StatusForbidden {
			t.Errorf("without the scope decide: %+v", p)
		}
	}
	for path, field := range map[string]string{
		"4711-1/proposals":                                           "path.key",
		"card=/proposals":                                            "path.key",
		"phone=4711-1/proposals":                                     "path.key",
		"4711-1=card/proposals":                                      "path.key",
		"email_sha256=4711-1@example.com/proposals":                  "path.key",
		"card=" + strings.Repeat("4711-1", 30) + "/proposals":        "path.key",
		"card=4711-1%01/proposals":                                   "path.key",
		"card=4711-1/proposals?n=51":                                 "query.n",
		"card=4711-1/proposals?n=0":                                  "query.n",
		"card=4711-1/proposals?n=-1":                                 "query.n",
		"card=4711-1/proposals?n=many":                               "query.n",
		"card=4711-1/proposals?list=shelf":                           "query.list",
		"card=4711-1/proposals?channel=post":                         "query.channel",
		"card=4711-1/proposals?basket=oats":                          "query.basket",
		"card=4711-1/proposals?query=" + strings.Repeat("x", 201):    "query.query",
		"card=4711-1/proposals?category=" + strings.Repeat("x", 401): "query.category",
		"card=4711-1/proposals?store=" + strings.Repeat("x", 65):     "query.store",
		"card=4711-1/proposals?product=" + strings.Repeat("x", 65):   "query.product",
	} {
		a := h.Call(t, key, "GET /v1/shoppers/"+path, nil)
		if p := a.Problem(t); p.Status != http.StatusUnprocessableEntity || p.Field != field || p.Cure == "" || strings.Contains(string(a.Body), "4711") {
			t.Errorf("%.80s is answered %s, want the field %s", path, a.Body, field)
		}
	}
	if a := h.Call(t, key, "POST /v1/shoppers/card=4711-1/proposals", `{}`); a.Status != http.StatusMethodNotAllowed {
		t.Errorf("a POST is answered %d", a.Status)
	}
}
