package trade_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"endcap/gate/api/apitest"
)

// furnished is a house with two advertisers, the retailer's key and oatly's.
func furnished(t *testing.T) (h *apitest.House, retailer, oatly string) {
	t.Helper()
	h = apitest.Open(t)
	retailer = h.Retailer(t)
	h.Furnish(t, retailer)
	return h, retailer, h.Key(t, "oatly", "trade", "reports")
}

// TestAnothersThingsAreThingsThatDoNotExist asks for milka's things with oatly's
// key, and for things that nobody has, on every route: both answers are equal.
func TestAnothersThingsAreThingsThatDoNotExist(t *testing.T) {
	t.Parallel()
	h, retailer, oatly := furnished(t)
	change := []string{"If-Match", `"1"`}
	campaign := map[string]any{"advertiser": "oatly", "name": "mine now", "flight": apitest.Flight()}
	audience := map[string]any{"name": "mine now", "sentence": `bought product "choc"`}
	item := apitest.LineItem("oatly", "oats")
	tests := []struct {
		request string // %s is the id
		theirs  string
		body    any
		headers []string
		status  int
	}{
		{"GET /v1/advertisers/%s", "milka", nil, nil, 404},
		{"GET /v1/advertisers/%s/versions", "milka", nil, nil, 404},
		{"GET /v1/advertisers/%s/wallet", "milka", nil, nil, 404},
		{"PUT /v1/advertisers/%s", "milka", map[string]any{"name": "x", "currency": "EUR"}, nil, 403},
		{"PUT /v1/advertisers/%s", "milka", map[string]any{"name": "x", "currency": "EUR"}, change, 403},
		{"DELETE /v1/advertisers/%s", "milka", nil, change, 403},
		{"POST /v1/advertisers/%s/payments", "milka", map[string]any{"amount": apitest.Eur("1.00")}, []string{"Idempotency-Key", "k"}, 403},
		{"GET /v1/campaigns/%s", "milka-spring", nil, nil, 404},
		{"GET /v1/campaigns/%s/versions", "milka-spring", nil, nil, 404},
		{"PUT /v1/campaigns/%s", "milka-spring", campaign, nil, 422},
		{"PUT /v1/campaigns/%s", "milka-spring", campaign, []string{"If-None-Match", "*"}, 422},
		{"PUT /v1/campaigns/%s", "milka-spring", campaign, change, 404},
		{"DELETE /v1/campaigns/%s", "milka-spring", nil, change, 404},
		{"DELETE /v1/campaigns/%s", "milka-spring", nil, nil, 422},
		{"GET /v1/line-items/%s", "milka-one", nil, nil, 404},
		{"GET /v1/line-items/%s/versions", "milka-one", nil, nil, 404},
		{"GET /v1/line-items?campaign=%s", "milka-spring", nil, nil, 200},
		{"PUT /v1/line-items/%s", "milka-one", item, nil, 422},
		{"PUT /v1/line-items/%s", "milka-one", item, change, 404},
		{"DELETE /v1/line-items/%s", "milka-one", nil, change, 404},
		{"GET /v1/audiences/%s", "milka-fans", nil, nil, 404},
		{"GET /v1/audiences/%s/versions", "milka-fans", nil, nil, 404},
		{"PUT /v1/audiences/%s", "milka-fans", audience, nil, 422},
		{"PUT /v1/audiences/%s", "milka-fans", audience, change, 404},
		{"DELETE /v1/audiences/%s", "milka-fans", nil, change, 404},
		{"GET /v1/reports/campaigns/%s", "milka-spring", nil, nil, 404},
		{"GET /v1/reports/campaigns/%s?format=html", "milka-spring", nil, nil, 404},
	}
	for _, test := range tests {
		theirs := h.Call(t, oatly, fmt.Sprintf(test.request, test.theirs), test.body, test.headers...)
		nobodys := h.Call(t, oatly, fmt.Sprintf(test.request, "milka-nothing"), test.body, test.headers...)
		if theirs.Status != test.status || nobodys.Status != theirs.Status || string(nobodys.Body) != string(theirs.Body) || theirs.Header.Get("ETag") != "" {
			t.Errorf("%s %v:\nmilka's  %d %s\nnobody's %d %s", test.request, test.headers, theirs.Status, theirs.Body, nobodys.Status, nobodys.Body)
		}
	}
	// Their names inside bodies are as unknown as any.
	for name, in := range map[string][2]any{
		"a campaign for another advertiser": {with(campaign, "advertiser", "milka"), with(campaign, "advertiser", "nobody")},
		"a line item in another's campaign": {with(item, "campaign", "milka-spring"), with(item, "campaign", "nobody")},
		"a line item for another's fans":    {with(item, "audience", "milka-fans"), with(item, "audience", "nobody")},
	} {
		path := "PUT /v1/line-items/oatly-two"
		if strings.HasPrefix(name, "a campaign") {
			path = "PUT /v1/campaigns/oatly-two"
		}
		theirs, nobodys := h.Call(t, oatly, path, in[0]), h.Call(t, oatly, path, in[1])
		if theirs.Status != http.StatusUnprocessableEntity || string(theirs.Body) != string(nobodys.Body) {
			t.Errorf("%s: %d %s; unknown %d %s", name, theirs.Status, theirs.Body, nobodys.Status, nobodys.Body)
		}
	}
	for _, path := range []string{"/v1/advertisers/milka", "/v1/campaigns/milka-spring", "/v1/line-items/milka-one", "/v1/audiences/milka-fans"} {
		if a := h.Do(t, retailer, "GET "+path, nil); a.Header.Get("ETag") != `"1"` {
			t.Errorf("%s was changed: %s", path, a.Body)
		}
	}
}

// with is m with one field changed.
func with(m map[string]any, field string, value any) map[string]any {
	out := map[string]any{field: value}
	for k, v := range m {
		if k != field {
			out[k] = v
		}
	}
	return out
}

func TestAnAdvertiserSeesAndChangesItsOwn(t *testing.T) {
	t.Parallel()
	h, _, oatly := furnished(t)
	for _, path := range []string{"/v1/advertisers", "/v1/campaigns", "/v1/line-items", "/v1/audiences"} {
		a := h.Do(t, oatly, "GET "+path, nil)
		if strings.Contains(string(a.Body), "milka") || !strings.Contains(string(a.Body), "oatly") {
			t.Errorf("%s tells %s", path, a.Body)
		}
	}
	item := h.Do(t, oatly, "GET /v1/line-items/oatly-one", nil)
	if !strings.Contains(string(item.Body), `"left":{"amount":"10.00","currency":"EUR"}`) || !strings.Contains(string(item.Body), `"bid":{"amount":"0.50","currency":"EUR"}`) {
		t.Errorf("a line item is %s", item.Body)
	}
	if a := h.Do(t, oatly, "GET /v1/advertisers/oatly/wallet", nil); string(a.Body) != `{"balance":{"amount":"90.00","currency":"EUR"}}`+"\n" {
		t.Errorf("a wallet is %s", a.Body)
	}
	changed := with(apitest.LineItem("oatly", "oats"), "paused", true)
	if a := h.Do(t, oatly, "PUT /v1/line-items/oatly-one", changed, "If-Match", item.Header.Get("ETag")); a.Status != http.StatusOK || a.Header.Get("ETag") != `"2"` {
		t.Errorf("a change: %d %s %s", a.Status, a.Header.Get("ETag"), a.Body)
	}
	if a := h.Call(t, oatly, "PUT /v1/line-items/oatly-one", with(changed, "name", "late"), "If-Match", `"1"`); a.Status != http.StatusPreconditionFailed || a.Problem(t).Cure == "" {
		t.Errorf("a change of an old version: %d %s", a.Status, a.Body)
	}
	if a := h.Call(t, oatly, "GET /v1/line-items/oatly-one", nil, "If-None-Match", `"2"`); a.Status != http.StatusNotModified || len(a.Body) != 0 || a.Header.Get("ETag") != `"2"` {
		t.Errorf("a version that is known: %d %q %s", a.Status, a.Body, a.Header.Get("ETag"))
	}
	h.Do(t, oatly, "DELETE /v1/line-items/oatly-one", nil, "If-Match", `"2"`)
	for request, status := range map[string]int{"GET /v1/line-items/oatly-one": 404, "GET /v1/line-items/oatly-one/versions": 200} {
		if a := h.Call(t, oatly, request, nil); a.Status != status {
			t.Errorf("after its removal, %s: %d %s", request, a.Status, a.Body)
		}
	}
}

func TestAnAdvertiserOfManyFansIsToldOneClearedSize(t *testing.T) {
	t.Parallel()
	h, retailer, oatly := furnished(t)
	size := func(sentence string) string {
		return strings.TrimSpace(string(h.Do(t, oatly, "POST /v1/audiences/size", map[string]any{"sentence": sentence}).Body))
	}
	if got := size(`bought product "oats"`); got != `{"size":{"count":0},"day":"2026-03-02"}` { // 10, rounded to 50
		t.Errorf("ten fans: %s", got)
	}
	if got := size(`bought product "bread"`); !strings.Contains(got, `"suppressed":true,"reason":"k"`) {
		t.Errorf("no fans: %s", got)
	}
	exact := h.Do(t, retailer, "POST /v1/audiences/explain", map[string]any{"sentence": `bought product "oats"`})
	if !strings.Contains(string(exact.Body), `"size":10`) {
		t.Errorf("the retailer is told %s", exact.Body)
	}
	h.Do(t, oatly, "PUT /v1/audiences/oatly-few", map[string]any{"name": "few", "sentence": `bought product "bread"`})
	few := h.Call(t, oatly, "PUT /v1/line-items/oatly-few", with(apitest.LineItem("oatly", "oats"), "audience", "oatly-few"))
	if few.Status != http.StatusUnprocessableEntity || few.Problem(t).Field != "audience" {
		t.Errorf("a line item for too few: %d %s", few.Status, few.Body)
	}
}

func TestPagesHoldEverythingOnce(t *testing.T) {
	t.Parallel()
	h, retailer, oatly := furnished(t)
	for i := range 12 { // every second is oatly's, so that pages are filtered
		key := retailer
		id := fmt.Sprintf("milka-%02d", i)
		if i%2 == 0 {
			key, id = oatly, fmt.Sprintf("oatly-%02d", i)
		}
		if key == retailer {
			key = h.Key(t, "milka", "trade")
		}
		h.Do(t, key, "PUT /v1/audiences/"+id, map[string]any{"name": id, "sentence": `bought product "oats"`})
	}
	for limit := 1; limit <= 9; limit++ {
		var got []string
		pages, after := 0, ""
		for {
			var page struct {
				Items []struct{ ID string }
				Next  string
			}
			h.Do(t, oatly, fmt.Sprintf("GET /v1/audiences?limit=%d&after=%s", limit, after), nil).Read(t, &page)
			for _, a := range page.Items {
				got = append(got, a.ID)
			}
			if pages++; page.Next == "" {
				break
			}
			if len(page.Items) != limit {
				t.Errorf("limit %d: a page in the middle holds %d", limit, len(page.Items))
			}
			after = page.Next
		}
		want := []string{"oatly-00", "oatly-02", "oatly-04", "oatly-06", "oatly-08", "oatly-10", "oatly-fans"}
		if !slices.Equal(got, want) || pages != (len(want)+limit-1)/limit {
			t.Errorf("limit %d: %d pages with %v", limit, pages, got)
		}
	}
}

func TestTheAuditTellsEveryVersion(t *testing.T) {
	t.Parallel()
	h, retailer, oatly := furnished(t)
	item := apitest.LineItem("oatly", "oats")
	for version := 1; version <= 4; version++ {
		h.Do(t, []string{oatly, retailer}[version%2], "PUT /v1/line-items/oatly-one", with(item, "name", fmt.Sprint("name ", version)), "If-Match", fmt.Sprintf(`"%d"`, version))
	}
	h.Do(t, oatly, "DELETE /v1/line-items/oatly-one", nil, "If-Match", `"5"`)
	type versions struct {
		Items []struct {
			Version uint64
			By, At  string
			Removed bool
			Terms   struct{ Name string }
		}
		Next string
	}
	var all, own versions
	h.Do(t, retailer, "GET /v1/line-items/oatly-one/versions", nil).Read(t, &all)
	if len(all.Items) != 6 || all.Next != "" || !all.Items[5].Removed || all.Items[1].By != "retailer" || all.Items[2].By != "oatly's" || all.Items[2].Terms.Name != "name 2" || all.Items[0].At != apitest.Noon {
		t.Errorf("the retailer reads %+v", all)
	}
	h.Do(t, oatly, "GET /v1/line-items/oatly-one/versions?after=2&limit=3", nil).Read(t, &own)
	if len(own.Items) != 3 || own.Next != "5" || own.Items[0].Version != 3 || own.Items[0].By != "" {
		t.Errorf("the advertiser reads %+v", own)
	}
	for _, path := range []string{"/v1/campaigns/oatly-spring", "/v1/advertisers/oatly", "/v1/audiences/oatly-fans", "/v1/placements/search"} {
		var one struct{ Items []map[string]any }
		h.Do(t, oatly, "GET "+path+"/versions", nil).Read(t, &one)
		if len(one.Items) != 1 {
			t.Errorf("%s: %v", path, one)
		}
	}
}

func TestARequestIsDoneOnce(t *testing.T) {
	t.Parallel()
	h, retailer, oatly := furnished(t)
	body := map[string]any{"advertiser": "oatly", "name": "summer", "flight": apitest.Flight()}
	for range 2 {
		if a := h.Do(t, oatly, "PUT /v1/campaigns/oatly-summer", body, "Idempotency-Key", "k1"); a.Status != http.StatusCreated || a.Header.Get("ETag") != `"1"` {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	if a := h.Call(t, oatly, "PUT /v1/campaigns/oatly-autumn", body, "Idempotency-Key", "k1"); a.Status != http.StatusConflict || a.Problem(t).Field != "header.Idempotency-Key" || a.Problem(t).Cure == "" {
		t.Errorf("the key again for something else: %d %s", a.Status, a.Body)
	}
	// Another key of the same name has idempotency keys of its own.
	h.Do(t, h.Key(t, "oatly", "trade"), "PUT /v1/campaigns/oatly-winter", body, "Idempotency-Key", "k1")
	if a := h.Call(t, oatly, "PUT /v1/campaigns/oatly-summer", with(body, "name", "other")); a.Status != http.StatusConflict {
		t.Errorf("an id that is taken: %d %s", a.Status, a.Body)
	}
	for _, amount := range []string{"5.00", "5.00"} {
		h.Do(t, retailer, "POST /v1/advertisers/oatly/payments", map[string]any{"amount": apitest.Eur(amount)}, "Idempotency-Key", "pay")
	}
	if a := h.Call(t, retailer, "POST /v1/advertisers/oatly/payments", map[string]any{"amount": apitest.Eur("6.00")}, "Idempotency-Key", "pay"); a.Status != http.StatusConflict {
		t.Errorf("another amount: %d %s", a.Status, a.Body)
	}
	var wallet struct{ Balance struct{ Amount json.Number } }
	if h.Do(t, retailer, "GET /v1/advertisers/oatly/wallet", nil).Read(t, &wallet); wallet.Balance.Amount != "95.00" {
		t.Errorf("the wallet holds %s", wallet.Balance.Amount)
	}
}

func TestTheRetailerMayMendAnAdvertisersAudience(t *testing.T) {
	t.Parallel()
	h, retailer, oatly := furnished(t)
	body := map[string]any{"name": "mended", "sentence": `bought product "oats" at least 1 time`}
	h.Do(t, retailer, "PUT /v1/audiences/oatly-fans", body, "If-Match", `"1"`)
	if a := h.Do(t, oatly, "GET /v1/audiences/oatly-fans", nil); !strings.Contains(string(a.Body), `"owner":"oatly"`) || !strings.Contains(string(a.Body), "mended") {
		t.Errorf("it is %s", a.Body)
	}
	h.Do(t, retailer, "PUT /v1/audiences/everybody", map[string]any{"name": "all", "sentence": `bought product "bread"`})
	for _, request := range []string{"PUT /v1/audiences/everybody", "DELETE /v1/audiences/everybody"} {
		var in any
		if strings.HasPrefix(request, "PUT") {
			in = body
		}
		if a := h.Call(t, oatly, request, in, "If-Match", `"1"`); a.Status != http.StatusForbidden {
			t.Errorf("%s: %d %s", request, a.Status, a.Body)
		}
	}
}
