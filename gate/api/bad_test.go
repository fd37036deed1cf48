package api_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/api/apitest"
	"endcap/retail/event"
	"endcap/retail/media"
)

// row is one row of the quarantine as the API tells it.
type row struct {
	ID                             uint64
	Kind, Source, Reason, Say, Raw string
}

func quarantine(t *testing.T, h *apitest.House, key string) []row {
	t.Helper()
	var out struct{ Rows []row }
	h.Do(t, key, "GET /v1/quarantine?limit=500", nil).Read(t, &out)
	return out.Rows
}

// TestOneBadRowSpoilsNoOther sends, on every batch route, a bad row between two
// good ones: the good ones are taken in, the bad one lies in quarantine with
// its field, its reason and a cure.
func TestOneBadRowSpoilsNoOther(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	receipt := func(fields string) string {
		return `{"id":"bad","store":"1","at":"2026-03-02T09:00:00Z","lines":[{"product":"oats","quantity":1,"sales":"2.50"}]` + fields + `}`
	}
	line := func(fields string) string {
		return `{"id":"bad","store":"1","at":"2026-03-02T09:00:00Z","lines":[` + fields + `]}`
	}
	good := map[string]string{
		"POST /v1/receipts": `{"id":"good %d","store":"1","at":"2026-03-02T09:00:00Z","lines":[{"product":"oats","quantity":1,"sales":"2.50"}]}`,
		"PUT /v1/products":  `{"id":"good%d"}`, "PUT /v1/stores": `{"id":"good%d"}`, "PUT /v1/prices": `{"product":"good%d","price":{"amount":"1.00","currency":"EUR"}}`,
		"PUT /v1/stock": `{"product":"good%d","count":1}`, "PUT /v1/shoppers": `{"keys":{"card":"4711-%d"}}`,
		"PUT /v1/promotions": `{"store":"good%d","week":"2026-03-02","products":[{"product":"oats","display":"front end cap"}]}`,
		"PUT /v1/consents":   `{"id":"good %d","shopper":{"card":"4711"},"allowed":[],"at":"2026-03-02T09:00:00Z"}`,
	}
	tests := []struct{ request, name, bad, reason, field string }{
		{"POST /v1/receipts", "an unknown field", receipt(`,"customer":"x"`), "bad_value", "customer"},
		{"POST /v1/receipts", "a field twice", receipt(`,"id":"other"`), "bad_value", "id"},
		{"POST /v1/receipts", "no id", `{"store":"1","at":"2026-03-02T09:00:00Z","lines":[{"product":"oats","quantity":1,"sales":"1.00"}]}`, "no_id", "id"},
		{"POST /v1/receipts", "no lines", `{"id":"bad","store":"1","at":"2026-03-02T09:00:00Z"}`, "no_lines", "lines"},
		{"POST /v1/receipts", "a number for an id", `{"id":7}`, "bad_value", "id"},
		{"POST /v1/receipts", "null", `null`, "bad_value", "at"},
		{"POST /v1/receipts", "in 1900", strings.Replace(receipt(""), "2026", "1900", 1), "too_old", "at"},
		{"POST /v1/receipts", "next year", strings.Replace(receipt(""), "2026", "2027", 1), "in_future", "at"},
		{"POST /v1/receipts", "no such day", strings.Replace(receipt(""), "03-02", "02-30", 1), "bad_value", "at"},
		{"POST /v1/receipts", "an unknown currency", receipt(`,"currency":"XXY"`), "bad_value", "currency"},
		{"POST /v1/receipts", "an unknown channel", receipt(`,"channel":"phone"`), "bad_value", "channel"},
		{"POST /v1/receipts", "a hash that is none", receipt(`,"shopper":{"email_sha256":"ana@example.com"}`), "bad_value", "shopper.email_sha256"},
		{"POST /v1/receipts", "an amount in words", line(`{"product":"oats","quantity":1,"sales":"two"}`), "bad_value", "lines[0].sales"},
		{"POST /v1/receipts", "no amount", line(`{"product":"oats","quantity":1}`), "bad_value", "lines[0].sales"},
		{"POST /v1/receipts", "not a number", line(`{"product":"oats","quantity":1,"sales":"NaN"}`), "bad_value", "lines[0].sales"},
		{"POST /v1/receipts", "an absurd price", line(`{"product":"oats","quantity":1,"sales":"1.00"},{"product":"oats","quantity":1,"sales":"200000000.00"}`), "absurd", "lines[1].sales"},
		{"POST /v1/receipts", "an absurd quantity", line(`{"product":"oats","quantity":99999999999,"sales":"1.00"}`), "bad_value", "lines[0].quantity"},
		{"POST /v1/receipts", "too long an id", strings.Replace(receipt(""), `"bad"`, `"`+strings.Repeat("x", event.SourceIDMax+1)+`"`, 1), "no_id", "id"},
		{"POST /v1/receipts", "a product without end", line(`{"product":"` + strings.Repeat("x", 65) + `","quantity":1,"sales":"1.00"}`), "bad_value", "lines[0].product"},
		{"PUT /v1/products", "a wrong check digit", `{"id":"bad","gtin":"4006381333932"}`, "bad_value", "gtin"},
		{"PUT /v1/products", "no id", `{"name":"x"}`, "no_id", "id"},
		{"PUT /v1/products", "a field twice", `{"id":"bad","\u0069d":"worse"}`, "bad_value", "id"},
		{"PUT /v1/stores", "an unknown zone", `{"id":"bad","zone":"Mars/Base"}`, "bad_value", "zone"},
		{"PUT /v1/prices", "a price in words", `{"product":"bad","price":{"amount":"cheap","currency":"EUR"}}`, "bad_value", "price.amount"},
		{"PUT /v1/prices", "in the future", `{"product":"bad","price":{"amount":"1.00","currency":"EUR"},"at":"2036-03-02T09:00:00Z"}`, "in_future", "at"},
		{"PUT /v1/prices", "below nothing", `{"product":"bad","price":{"amount":"-1.00","currency":"EUR"}}`, "absurd", "price.amount"},
		{"PUT /v1/prices", "in no money", `{"product":"bad","price":{"amount":"1.00","currency":"XXY"}}`, "bad_value", "price.currency"},
		{"PUT /v1/stock", "more than there is", `{"product":"bad","count":9000000000000}`, "absurd", "count"},
		{"PUT /v1/stock", "fewer than nothing", `{"product":"bad","count":1e30}`, "bad_value", "count"},
		{"PUT /v1/promotions", "no store", `{"week":"2026-03-02","products":[]}`, "no_id", "store"},
		{"PUT /v1/promotions", "no list", `{"store":"bad","week":"2026-03-02"}`, "bad_value", "products"},
		{"PUT /v1/promotions", "a week number", `{"store":"bad","week":"2026-W10","products":[]}`, "bad_value", "week"},
		{"PUT /v1/promotions", "in ten years", `{"store":"bad","week":"2036-03-02","products":[]}`, "in_future", "week"},
		{"PUT /v1/promotions", "a version below the first", `{"store":"bad","week":"2026-03-02","version":-1,"products":[]}`, "bad_value", "version"},
		{"PUT /v1/promotions", "a product without an id", `{"store":"bad","week":"2026-03-02","products":[{"product":"oats"},{"mailer":"front page"}]}`, "no_id", "products[1].product"},
		{"PUT /v1/promotions", "a place without end", `{"store":"bad","week":"2026-03-02","products":[{"product":"oats","display":"` + strings.Repeat("x", 65) + `"}]}`, "bad_value", "products[0].display"},
		{"PUT /v1/shoppers", "no key", `{"keys":{}}`, "no_shopper", "keys"},
		{"PUT /v1/consents", "an unknown purpose", `{"id":"bad","shopper":{"card":"1"},"allowed":["measurement","everything"],"at":"2026-03-02T09:00:00Z"}`, "bad_value", "allowed[1]"},
		{"PUT /v1/consents", "of nobody", `{"id":"bad","shopper":{},"allowed":[],"at":"2026-03-02T09:00:00Z"}`, "no_shopper", "shopper"},
		{"PUT /v1/consents", "too long an id", `{"id":"` + strings.Repeat("x", event.SourceIDMax+1) + `","shopper":{"card":"1"},"allowed":[],"at":"2026-03-02T09:00:00Z"}`, "no_id", "id"},
		{"PUT /v1/consents", "no time", `{"id":"bad","shopper":{"card":"1"},"allowed":[]}`, "bad_value", "at"},
	}
	for i, test := range tests {
		before := len(quarantine(t, h, key))
		first, second := fmt.Sprintf(good[test.request], 2*i), fmt.Sprintf(good[test.request], 2*i+1)
		list := test.request[strings.LastIndex(test.request, "/")+1:]
		if field := list + "[1]." + test.field; !told(h, test.request, field) && !strings.Contains(test.name, "unknown field") {
			t.Errorf("%s, %s: the API has no field %s", test.request, test.name, field)
		}
		a := h.Call(t, key, test.request, `{"`+list+`":[`+first+","+test.bad+","+second+`]}`)
		var got struct {
			Results []struct{ Outcome, Reason, Field, Say string }
		}
		if a.Status != http.StatusOK {
			t.Errorf("%s, %s: %d %s", test.request, test.name, a.Status, a.Body)
			continue
		}
		a.Read(t, &got)
		if r := got.Results; len(r) != 3 || r[0].Outcome != "new" || r[2].Outcome != "new" || r[1].Outcome != "quarantined" || r[1].Reason != test.reason || r[1].Field != test.field || !strings.Contains(r[1].Say, "; ") {
			t.Errorf("%s, %s: %s", test.request, test.name, a.Body)
			continue
		}
		rows := quarantine(t, h, key)
		if kind := rows[len(rows)-1].Kind; !strings.HasPrefix(list, kind) && list != "stock" {
			t.Errorf("%s, %s: the row is of kind %q", test.request, test.name, kind)
		}
		if last := rows[len(rows)-1]; len(rows) != before+1 || last.Reason != test.reason || last.Raw != test.bad || last.Say != got.Results[1].Say {
			t.Errorf("%s, %s: the quarantine holds %d rows more, the last %+v", test.request, test.name, len(rows)-before, last)
		}
	}
}

// TestWhatNoBatchMayBe sends bodies that are refused as a whole: nothing of
// them is taken in.
func TestWhatNoBatchMayBe(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	many := func(n int, one string) string { return "[" + strings.Repeat(one+",", n-1) + one + "]" }
	huge := bytes.Repeat([]byte(" "), 17<<20)
	copy(huge, `{"products":[{"id":"x"}]`)
	huge[len(huge)-1] = '}'
	tests := map[string]struct {
		request string
		body    any
		status  int
		field   string
	}{
		"no receipts":           {"POST /v1/receipts", `{"receipts":[]}`, 422, "receipts"},
		"too many receipts":     {"POST /v1/receipts", `{"receipts":` + many(1_001, `{}`) + `}`, 422, "receipts"},
		"too many products":     {"PUT /v1/products", `{"products":` + many(5_001, `{}`) + `}`, 422, "products"},
		"too many events":       {"POST /v1/events", `{"events":` + many(1_001, `{}`) + `}`, 422, "events"},
		"two lists":             {"PUT /v1/products", `{"products":[{"id":"a"}],"products":[{"id":"b"}]}`, 422, "products"},
		"another list":          {"PUT /v1/products", `{"stores":[{"id":"a"}]}`, 422, "stores"},
		"a 17 MB body":          {"PUT /v1/products", huge, 413, "body"},
		"not UTF-8":             {"PUT /v1/products", "{\"products\":[{\"id\":\"a\xff\"}]}", 422, "body"},
		"cut off":               {"PUT /v1/products", `{"products":[{"id":"a"}`, 422, "body"},
		"too deep":              {"PUT /v1/products", strings.Repeat("[", 100), 422, "body"},
		"a decision for nobody": {"POST /v1/decisions", ``, 422, "body"},
		"an unknown placement":  {"POST /v1/decisions", `{"placements":[{"placement":"moon","slots":1}]}`, 422, "placements[0].placement"},
		"no slots":              {"POST /v1/decisions", `{"placements":[{"placement":"search","slots":0}]}`, 422, "placements[0].slots"},
		"too many slots":        {"POST /v1/decisions", `{"placements":[{"placement":"search","slots":21}]}`, 422, "placements[0].slots"},
		"too many proposals":    {"POST /v1/decisions", `{"proposals":51}`, 422, "proposals"},
		"fewer than none":       {"POST /v1/decisions", `{"proposals":-1}`, 422, "proposals"},
		"a long query":          {"POST /v1/decisions", `{"page":{"query":"` + strings.Repeat("x", 201) + `"}}`, 422, "page.query"},
		"an unknown channel":    {"POST /v1/decisions", `{"channel":"phone"}`, 422, "channel"},
		"a shopper's key twice": {"POST /v1/decisions", `{"shopper":{"card":"1","card":"2"}}`, 422, "shopper.card"},
		"a key that is none":    {"POST /v1/decisions", `{"shopper":{"email_sha256":"ana@example.com"}}`, 422, "shopper.email_sha256"},
	}
	for name, test := range tests {
		a := h.Call(t, key, test.request, test.body)
		p := a.Problem(t)
		if !told(h, test.request, p.Field) && name != "another list" {
			t.Errorf("%s: the API has no field %s", name, p.Field)
		}
		if a.Status != test.status || p.Field != test.field || p.Cure == "" {
			t.Errorf("%s: %d %s, want %d for %q with a cure", name, a.Status, a.Body, test.status, test.field)
		}
		if strings.Contains(string(a.Body), "ana@example.com") {
			t.Errorf("%s repeats what was sent: %s", name, a.Body)
		}
	}
	if rows := quarantine(t, h, key); len(rows) != 0 {
		t.Errorf("the quarantine holds %+v", rows)
	}
}

func TestWhatTermsMayNotBe(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	h.Furnish(t, key)
	item := func(field string, value any) map[string]any {
		out := apitest.LineItem("oatly", "oats")
		out[field] = value
		return out
	}
	campaign := func(field string, value any) map[string]any {
		return map[string]any{"advertiser": "oatly", "name": "x", "flight": map[string]string{"from": "2026-03-02", "to": "2026-04-01"}, field: value}
	}
	h.Do(t, key, "PUT /v1/line-items/x1", item("name", "x"), "If-None-Match", "*", "Idempotency-Key", "once")
	h.Do(t, key, "POST /v1/advertisers/oatly/payments", map[string]any{"amount": apitest.Eur("1.00")}, "Idempotency-Key", "paid")
	usd := map[string]string{"amount": "0.50", "currency": "USD"}
	tests := map[string]struct {
		request string
		body    any
		headers []string
		status  int
		field   string
	}{
		"an unknown product":         {"PUT /v1/line-items/x", item("products", []string{"oats", "moon"}), nil, 422, "products[1]"},
		"another currency":           {"PUT /v1/line-items/x", item("bid", usd), nil, 422, "bid.currency"},
		"half a cent":                {"PUT /v1/line-items/x", item("bid", apitest.Eur("0.505")), nil, 422, "bid.amount"},
		"a bid in words":             {"PUT /v1/line-items/x", item("bid", apitest.Eur("much")), nil, 422, "bid.amount"},
		"an absurd bid":              {"PUT /v1/line-items/x", item("bid", apitest.Eur("99999999.00")), nil, 422, "bid"},
		"more a click than a day":    {"PUT /v1/line-items/x", item("bid", apitest.Eur("900.00")), nil, 422, "bid"},
		"more a day than in all":     {"PUT /v1/line-items/x", item("budget_daily", apitest.Eur("90000.00")), nil, 422, "budget_daily"},
		"half a cent in all":         {"PUT /v1/line-items/x", item("budget_total", apitest.Eur("0.005")), nil, 422, "budget_total.amount"},
		"a placement for nothing":    {"PUT /v1/placements/x", map[string]any{"name": "x", "slots_max": 4, "floor": apitest.Eur("0.00")}, nil, 422, "floor"},
		"a keyword twice":            {"PUT /v1/line-items/x", item("keywords", []string{"oats", "oats"}), nil, 422, "keywords[1]"},
		"a placement of no letter":   {"PUT /v1/line-items/x", item("placements", []string{" "}), nil, 422, "placements[0]"},
		"an audience of nobody":      {"PUT /v1/line-items/x", item("audience", "none"), nil, 422, "audience"},
		"a halo that is none":        {"PUT /v1/campaigns/x", campaign("halo", map[string]any{"products": []string{""}}), nil, 422, "halo"},
		"a key used for another":     {"PUT /v1/line-items/x2", item("name", "y"), []string{"If-None-Match", "*", "Idempotency-Key", "once"}, 409, "header.Idempotency-Key"},
		"a payment used for another": {"POST /v1/advertisers/oatly/payments", map[string]any{"amount": apitest.Eur("2.00")}, []string{"Idempotency-Key", "paid"}, 409, "header.Idempotency-Key"},
		"a key without a name":       {"POST /v1/keys", map[string]any{"name": " ", "scopes": []string{"decide"}}, nil, 422, "name"},
		"a key for what is not":      {"POST /v1/keys", map[string]any{"name": "x", "scopes": []string{"fly"}}, nil, 422, "scopes"},
		"a page of quarantine":       {"GET /v1/quarantine?limit=100000", nil, nil, 422, "query.limit"},
		"a number for money":         {"PUT /v1/line-items/x", item("bid", 0.5), nil, 422, "bid"},
		"no such day":                {"PUT /v1/line-items/x", item("flight", map[string]string{"from": "2026-02-30", "to": "2026-03-05"}), nil, 422, "flight.from"},
		"outside the campaign":       {"PUT /v1/line-items/x", item("flight", map[string]string{"from": "2026-01-01", "to": "2026-03-05"}), nil, 422, "flight"},
		"backwards":                  {"PUT /v1/line-items/x", item("flight", map[string]string{"from": "2026-03-05", "to": "2026-03-02"}), nil, 422, "flight"},
		"an unknown field":           {"PUT /v1/line-items/x", item("budget", 1), nil, 422, "budget"},
		"an id with a space":         {"PUT /v1/line-items/a%20b", item("name", "x"), nil, 422, "path.id"},
		"an unknown campaign":        {"PUT /v1/line-items/x", item("campaign", "none"), nil, 422, "campaign"},
		"a made-up ETag":             {"PUT /v1/line-items/oatly-one", item("name", "x"), []string{"If-Match", "abc"}, 422, "header.If-Match"},
		"an old ETag":                {"PUT /v1/line-items/oatly-one", item("name", "x"), []string{"If-Match", `"9"`}, 412, ""},
		"two conditions":             {"PUT /v1/line-items/oatly-one", item("name", "x"), []string{"If-Match", `"1"`, "If-None-Match", "*"}, 422, "header.If-Match"},
		"a version that must not be": {"PUT /v1/line-items/oatly-one", item("name", "x"), []string{"If-None-Match", `"1"`}, 422, "header.If-None-Match"},
		"an id that is taken":        {"PUT /v1/line-items/oatly-one", item("name", "x"), []string{"If-None-Match", "*"}, 409, "path.id"},
		"a campaign still in use":    {"DELETE /v1/campaigns/oatly-spring", nil, []string{"If-Match", `"1"`}, 409, ""},
		"a removal of no version":    {"DELETE /v1/line-items/oatly-one", nil, nil, 422, "header.If-Match"},
		"a payment without a key":    {"POST /v1/advertisers/oatly/payments", map[string]any{"amount": apitest.Eur("1.00")}, nil, 422, "header.Idempotency-Key"},
		"a payment of less":          {"POST /v1/advertisers/oatly/payments", map[string]any{"amount": apitest.Eur("-1.00")}, []string{"Idempotency-Key", "a"}, 422, "amount"},
		"a payment in dollars":       {"POST /v1/advertisers/oatly/payments", map[string]any{"amount": usd}, []string{"Idempotency-Key", "b"}, 422, "amount.currency"},
		"an unknown currency":        {"PUT /v1/advertisers/x", map[string]any{"name": "x", "currency": "XXY"}, nil, 422, "currency"},
		"a sentence that is none":    {"PUT /v1/audiences/x", map[string]any{"name": "x", "sentence": "all of them"}, nil, 422, "sentence"},
		"SQL that is none":           {"POST /v1/query", map[string]any{"sql": "drop table lines", "purpose": "accounting"}, nil, 422, "sql"},
		"a purpose that is none":     {"POST /v1/query", map[string]any{"sql": "select 1", "purpose": "curiosity"}, nil, 422, "purpose"},
		"a clock that goes back":     {"PUT /v1/clock", map[string]any{"now": "2020-01-01T00:00:00Z"}, nil, 409, "now"},
		"a time that is none":        {"PUT /v1/clock", map[string]any{"now": "noon"}, nil, 422, "now"},
		"an unknown format":          {"GET /v1/reports/campaigns/oatly-spring?format=pdf", nil, nil, 422, "query.format"},
		"an unknown model":           {"GET /v1/reports/campaigns/oatly-spring?model=first", nil, nil, 422, "query.model"},
		"an import over HTTP":        {"POST /v1/imports", map[string]any{"file": "/etc/passwd", "kind": "receipts"}, nil, 403, ""},
		"an unknown decision":        {"GET /v1/decisions/00000000000000000000000000000000/explain", nil, nil, 404, ""},
	}
	for name, test := range tests {
		a := h.Call(t, key, test.request, test.body, test.headers...)
		if p := a.Problem(t); !told(h, test.request, p.Field) && name != "an unknown field" {
			t.Errorf("%s: the API has no field %s", name, p.Field)
		}
		if p := a.Problem(t); a.Status != test.status || p.Field != test.field || p.Cure == "" && a.Status == http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s, want %d for %q with a cure", name, a.Status, a.Body, test.status, test.field)
		}
	}
}

// TestWhatBecomesOfEvents sends genuine, forged, replayed, late and malformed
// events, alone and between good ones.
func TestWhatBecomesOfEvents(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	h.Furnish(t, key)
	token := func() string {
		t.Helper()
		var d struct {
			Sponsored []struct{ Items []struct{ Token string } }
		}
		h.Do(t, key, "POST /v1/decisions", `{"shopper":{"card":"4711-1"},"placements":[{"placement":"search","slots":1}]}`).Read(t, &d)
		if len(d.Sponsored) != 1 || len(d.Sponsored[0].Items) != 1 {
			t.Fatalf("nothing was sponsored: %+v", d)
		}
		return d.Sponsored[0].Items[0].Token
	}
	one := token()
	forged := one[:len(one)-2] + map[bool]string{true: "AA", false: "BB"}[!strings.HasSuffix(one, "AA")]
	stranger := media.NewSealer(media.NewKeyring(media.Key{Number: 1, Sign: [media.KeySize]byte{9}, Mask: [media.KeySize]byte{2}}))
	foreign := stranger.Seal(&media.Token{Decision: media.DecisionID{1}, Advertiser: "oatly", Campaign: "oatly-spring", LineItem: "oatly-one", Placement: "search", Product: "oats", Charge: media.PerClick, Currency: "EUR", Issued: h.Now()})
	event := func(id, kind, token, more string) string {
		return fmt.Sprintf(`{"id":%q,"type":%q,"token":%q%s}`, id, kind, token, more)
	}
	bad := map[string]struct{ event, field, reason string }{
		"a forged token":         {event("x1", "click", forged, ""), "events[1].token", "forged_token"},
		"another house's token":  {event("x2", "click", foreign, ""), "events[1].token", "forged_token"},
		"no token":               {`{"id":"x3","type":"click"}`, "events[1].token", "forged_token"},
		"an unknown type":        {event("x4", "hover", one, ""), "events[1].type", "bad_value"},
		"no id":                  {event("", "click", one, ""), "events[1].id", "bad_value"},
		"an unknown field":       {event("x5", "click", one, `,"price":"0.01"`), "events[1].price", "bad_value"},
		"a field twice":          {event("x6", "click", one, `,"id":"x7"`), "events[1].id", "bad_value"},
		"too long an id":         {event(strings.Repeat("x", 129), "click", one, ``), "events[1].id", "bad_value"},
		"a time that is none":    {event("x8", "click", one, `,"at":"noon"`), "events[1].at", "bad_value"},
		"a purchase of nothing":  {event("x9", "purchase", one, ""), "events[1].receipt", "bad_value"},
		"a click with a receipt": {event("x10", "click", one, `,"receipt":"r1"`), "events[1].receipt", "bad_value"},
		"not an event":           {`7`, "events[1]", "unparsed"},
		"in three minutes":       {event("x11", "click", one, `,"at":"2026-03-02T12:03:00Z"`), "events[1].at", "in_future"},
		"two days ago":           {event("x12", "click", one, `,"at":"2026-02-28T12:00:00Z"`), "events[1].at", "too_old"},
		"money of a purchase":    {event("x13", "purchase", one, `,"receipt":"r1","sales":"9.99"`), "events[1].sales", "bad_value"},
	}
	for name, test := range bad {
		before := len(quarantine(t, h, key))
		a := h.Call(t, key, "POST /v1/events", `{"events":[`+event("a "+name, "impression", token(), "")+`,`+test.event+`]}`)
		if p := a.Problem(t); a.Status != http.StatusUnprocessableEntity || p.Field != test.field || p.Cure == "" {
			t.Errorf("%s: %d %s, want %s with a cure", name, a.Status, a.Body, test.field)
		}
		rows := quarantine(t, h, key)
		if last := rows[len(rows)-1]; len(rows) != before+1 || last.Reason != test.reason || last.Raw != test.event {
			t.Errorf("%s: the quarantine has %d rows more, the last %+v, want %s", name, len(rows)-before, last, test.reason)
		}
	}
	good := []string{
		event("i1", "impression", one, ""), event("c1", "click", one, ""), event("c1", "click", one, ""), // the same again
		event("c2", "click", one, ""),     // the token again
		event("c3", "click", token(), ""), // without an impression
		event("b1", "basket", one, `,"at":"2026-03-02T12:01:00Z"`), event("p1", "purchase", one, `,"receipt":"r1"`),
	}
	for _, e := range good {
		if a := h.Call(t, key, "POST /v1/events", `{"events":[`+e+`]}`); a.Status != http.StatusNoContent || len(a.Body) != 0 {
			t.Errorf("%s: %d %s", e, a.Status, a.Body)
		}
		h.Follow(t)
	}
	robot := token()
	h.Do(t, key, "POST /v1/events", `{"events":[`+event("i2", "impression", robot, "")+","+event("c4", "click", robot, "")+`],"user_agent":"Googlebot/2.1"}`)
	late := token()
	h.Do(t, key, "POST /v1/events", `{"events":[`+event("i3", "impression", late, "")+`]}`)
	h.Follow(t)
	h.Pass(t, media.TokenLife+time.Hour)
	h.Do(t, key, "POST /v1/events", `{"events":[`+event("c5", "click", late, "")+`]}`)
	h.Follow(t)
	var table struct{ Rows [][]string }
	h.Do(t, key, "POST /v1/query", map[string]any{"sql": "select click, reason from charges order by click", "purpose": "accounting"}).Read(t, &table)
	if got, want := fmt.Sprint(table.Rows), "[[c1 ] [c2 repeat] [c3 no_impression] [c4 bot] [c5 too_late]]"; got != want {
		t.Errorf("billed %s, want %s", got, want)
	}
}

// told reports whether the API's document has a field of a request under the
// name that a problem gave it.
func told(h *apitest.House, request, field string) bool {
	switch field {
	case "", "body", "path", "method":
		return true
	}
	method, path, _ := strings.Cut(request, " ")
	path, _, _ = strings.Cut(path, "?")
	for name, op := range operations(h.Server.OpenAPI()) {
		of, template, _ := strings.Cut(name, " ")
		if of != method || !fits(template, path) {
			continue
		}
		if in, name, ok := strings.Cut(field, "."); ok && slices.Contains([]string{"query", "path", "header"}, in) {
			return in == "header" && strings.HasPrefix(name, "If-") || slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.In == in && p.Name == name })
		}
		if op.RequestBody == nil {
			return false
		}
		at := op.RequestBody.Content["application/json"].Schema
		for word := range strings.SplitSeq(strings.ReplaceAll(field, "[", ".["), ".") {
			for at != nil && at.Ref != "" {
				at = h.Server.OpenAPI().Components.Schemas.SchemaFromRef(at.Ref)
			}
			if at == nil {
				return false
			}
			if strings.HasPrefix(word, "[") {
				at = at.Items
			} else {
				at = at.Properties[word]
			}
		}
		return at != nil
	}
	return false
}

// fits reports whether a path is one of a template such as /v1/campaigns/{id}.
func fits(template, path string) bool {
	words, given := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(words, given, func(w, g string) bool { return w == g || strings.HasPrefix(w, "{") })
}
