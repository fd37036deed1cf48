package api_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/api/apitest"
	"endcap/retail/event"
)

// operations lists what the document describes.
func operations(doc *huma.OpenAPI) map[string]*huma.Operation {
	out := make(map[string]*huma.Operation)
	for path, item := range doc.Paths {
		for method, op := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodDelete: item.Delete, http.MethodPatch: item.Patch,
		} {
			if op != nil {
				out[method+" "+path] = op
			}
		}
	}
	return out
}

func TestTheDocumentTellsAllOfEveryOperation(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	doc := h.Server.OpenAPI()
	ids, kebab := make(map[string]string), regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	for name, op := range operations(doc) {
		if other := ids[op.OperationID]; other != "" || !kebab.MatchString(op.OperationID) {
			t.Errorf("%s: its id %q is that of %q, or no word", name, op.OperationID, other)
		}
		ids[op.OperationID] = name
		if !strings.HasSuffix(op.Summary, ".") || len(op.Tags) != 1 || len(op.Security) == 0 {
			t.Errorf("%s lacks a sentence, a tag or a scope: %q %v %v", name, op.Summary, op.Tags, op.Security)
		}
		if op.Description != "" && !strings.HasSuffix(op.Description, ".") {
			t.Errorf("%s: its description is no sentence: %q", name, op.Description)
		}
		good := 0
		for status, r := range op.Responses {
			code, err := strconv.Atoi(status)
			if err != nil {
				t.Errorf("%s answers %q", name, status)
				continue
			}
			if code < 400 {
				good++
				continue
			}
			if _, ok := r.Content["application/problem+json"]; !ok {
				t.Errorf("%s: %s is no problem", name, status)
			}
		}
		for _, want := range []string{"401", "403", "422", "429", "500", "503"} {
			if op.Responses[want] == nil {
				t.Errorf("%s does not tell of %s", name, want)
			}
		}
		method, path, _ := strings.Cut(name, " ")
		want := 1
		if method == http.MethodPut && slices.Contains(op.Tags, "trade") {
			want = 2 // 201 for what is new
		}
		if good != want || want == 2 && op.Responses["201"] == nil {
			t.Errorf("%s has %d good answers, want %d", name, good, want)
		}
		if takesBody := method == http.MethodPut || method == http.MethodPost && op.OperationID != "sweep"; takesBody != (op.RequestBody != nil) {
			t.Errorf("%s: a body is %v", name, op.RequestBody != nil)
		}
		for _, p := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
			if !slices.ContainsFunc(op.Parameters, func(q *huma.Param) bool { return q.In == "path" && q.Name == p[1] && q.Required }) {
				t.Errorf("%s does not describe %s", name, p[1])
			}
		}
	}
	if len(ids) < 40 {
		t.Errorf("the document holds %d operations", len(ids))
	}
}

// TestTheDocumentIsWhole checks the document as it is sent: every reference
// leads somewhere, every component is used, and only what OpenAPI 3.1 knows
// stands where it looks.
func TestTheDocumentIsWhole(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	a := h.Do(t, "", "GET /openapi.json", nil)
	var doc map[string]any
	a.Read(t, &doc)
	if doc["openapi"] != "3.1.0" || a.Header.Get("Content-Type") != "application/openapi+json" {
		t.Errorf("it is %v, sent as %s", doc["openapi"], a.Header.Get("Content-Type"))
	}
	schemas, _ := doc["components"].(map[string]any)["schemas"].(map[string]any)
	used := make(map[string]bool)
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				name, local := strings.CutPrefix(ref, "#/components/schemas/")
				if used[name] = true; !local || schemas[name] == nil {
					t.Errorf("%s leads to %s, where nothing is", at, ref)
				}
			}
			if kind, ok := v["type"].(string); ok && !strings.Contains(at, "/properties/type") &&
				!slices.Contains([]string{"object", "array", "string", "number", "integer", "boolean", "null", "http"}, kind) {
				t.Errorf("%s: type %q", at, kind)
			}
			for name, inner := range v {
				walk(at+"/"+name, inner)
			}
		case []any:
			for i, inner := range v {
				walk(at+"/"+strconv.Itoa(i), inner)
			}
		}
	}
	walk("#", doc)
	for name := range schemas {
		if !used[name] && name != "Problem" {
			t.Errorf("nobody refers to %s", name)
		}
	}
	for path, item := range doc["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			if !slices.Contains([]string{"get", "put", "post", "delete"}, method) {
				t.Errorf("%s %s", method, path)
			}
		}
	}
}

// mayAdvertisers reports whether an advertiser-bound key, which holds trade and
// reports at most, may call an operation.
func mayAdvertisers(op *huma.Operation) bool {
	for _, scope := range op.Security[0]["key"] {
		if scope == "trade" || scope == "reports" {
			return true
		}
	}
	return false
}

// aboutRules reports whether an operation is about the retailer's merchandising
// rules, which no advertiser sees.
func aboutRules(name string) bool { return strings.Contains(name, " /v1/rules") }

// terms are the numbers that an advertiser may read which are no figures about
// anybody: what people booked, and how the report was asked for.
var terms = map[string]bool{
	"TradeCampaign.control_ppm": true, "TradeCampaign.window_days": true, "TradeLineItem.cap_per_day": true, "TradePlacement.slots_max": true,
	"ReportHead.shoppers_min": true, "ReportHead.control_ppm": true, "ReportHead.window_days": true, "ReportHead.new_to_brand_days": true,
	// Money that people booked or paid in; a wallet is the advertiser's own.
	"TradeLineItem.bid": true, "TradeLineItem.budget_daily": true, "TradeLineItem.budget_total": true, "TradePlacement.floor": true, "TradeWallet.balance": true,
}

// TestNoRowAboutAShopperReachesABrand walks the document: whatever an
// advertiser's key can read is words, terms, or a figure that only the clean
// room can make.
func TestNoRowAboutAShopperReachesABrand(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	doc := h.Server.OpenAPI()
	seen, figures, used := 0, 0, make(map[string]bool)
	for name, op := range operations(doc) {
		if !mayAdvertisers(op) || op.OperationID == "explain" || aboutRules(name) { // whose answer to an advertiser is a 404 or a 403: see below
			continue
		}
		seen++
		visited := make(map[string]bool)
		var walk func(at string, s *huma.Schema)
		walk = func(at string, s *huma.Schema) {
			if s == nil {
				return
			}
			switch component := strings.TrimPrefix(s.Ref, "#/components/schemas/"); {
			case component == "Cleared", component == "Delivery":
				figures++
				return
			case terms[at]:
				used[at] = true
				return
			case s.Ref != "":
				if !visited[component] {
					visited[component] = true
					walk(component, doc.Components.Schemas.SchemaFromRef(s.Ref))
				}
				return
			case s.Type == huma.TypeNumber, s.Type == huma.TypeInteger:
				if !strings.HasSuffix(at, ".version") {
					t.Errorf("%s tells an advertiser a number that nobody cleared: %s", name, at)
				}
			case s.Type == huma.TypeObject && len(s.Properties) == 0 && s.AdditionalProperties != false:
				t.Errorf("%s: %s may hold anything", name, at)
			}
			for _, inner := range slices.Concat(s.AnyOf, s.OneOf, s.AllOf) {
				walk(at, inner)
			}
			walk(at, s.Items)
			component, _, _ := strings.Cut(at, ".")
			for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
				if slices.Contains([]string{"shopper", "card", "account", "email_sha256", "phone_sha256", "device", "receipt", "receipt_id"}, field) {
					t.Errorf("%s names a shopper: %s.%s", name, at, field)
				}
				walk(component+"."+field, s.Properties[field])
			}
		}
		for status, r := range op.Responses {
			for kind, m := range r.Content {
				if status < "300" && kind == "application/json" {
					walk(op.OperationID, m.Schema)
				}
			}
		}
	}
	if seen < 20 || figures < 20 {
		t.Errorf("only %d operations with %d figures were walked", seen, figures)
	}
	for at := range terms {
		if !used[at] {
			t.Errorf("%s is no longer told; take it off the list", at)
		}
	}
}

// TestWhatAnAdvertiserCannotReach lists, by their scopes, the operations that
// answer an advertiser's key.
func TestWhatAnAdvertiserCannotReach(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	h.Furnish(t, h.Retailer(t))
	key := h.Key(t, "oatly", "trade", "reports")
	for name, op := range operations(h.Server.OpenAPI()) {
		request := strings.NewReplacer("{id}", "00000000000000000000000000000000").Replace(name)
		var body any
		if op.RequestBody != nil {
			body = "{}"
			if aboutRules(name) {
				body = `{"name":"ours first","pin":{"product":"oats","slot":0}}`
			}
		}
		a := h.Call(t, key, request, body)
		switch {
		case aboutRules(name) && a.Status != http.StatusForbidden:
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		case !mayAdvertisers(op) && a.Status != http.StatusForbidden:
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		case mayAdvertisers(op) && a.Status >= http.StatusInternalServerError:
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		case op.OperationID == "explain" && a.Status != http.StatusNotFound:
			t.Errorf("explain: %d %s", a.Status, a.Body)
		}
	}
	for _, request := range []string{"POST /v1/query", "GET /v1/controls", "GET /v1/reports/effect", "GET /v1/quarantine", "POST /v1/audiences/explain", "GET /v1/status", "GET /v1/keys"} {
		if a := h.Call(t, key, request, map[bool]any{true: "{}"}[strings.HasPrefix(request, "POST")]); a.Status != http.StatusForbidden {
			t.Errorf("%s: %d %s", request, a.Status, a.Body)
		}
	}
}

// TestWhatAReportSaysIsWhatTheDocumentPromises validates a real answer.
func TestWhatAReportSaysIsWhatTheDocumentPromises(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	h.Furnish(t, key)
	doc := h.Server.OpenAPI()
	for _, request := range []string{"GET /v1/reports/campaigns/oatly-spring", "GET /v1/line-items/oatly-one", "GET /v1/line-items", "GET /v1/audiences", "GET /v1/campaigns/oatly-spring/versions", "GET /v1/line-items/oatly-one/versions", "GET /v1/status", "GET /v1/reports/effect", "GET /v1/controls"} {
		a := h.Do(t, key, request, nil)
		var got any
		if err := json.Unmarshal(a.Body, &got); err != nil {
			t.Fatal(err)
		}
		op := operations(doc)[strings.NewReplacer("oatly-spring", "{id}", "oatly-one", "{id}").Replace(request)]
		schema := op.Responses["200"].Content["application/json"].Schema
		var found huma.ValidateResult
		huma.Validate(doc.Components.Schemas, schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, got, &found)
		for _, err := range found.Errors {
			t.Errorf("%s: %v", request, err)
		}
	}
}

// An id of a receipt, an event or a consent has one limit: does the document
// tell it?
func TestTheDocumentTellsHowLongAnIDMayBe(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	schemas := h.Server.OpenAPI().Components.Schemas.Map()
	for _, at := range []string{"TillReceipt.id", "ShopEvent.id", "ShopEvent.receipt", "FeedConsent.id"} {
		of, field, _ := strings.Cut(at, ".")
		s := schemas[of]
		if s == nil || s.Properties[field] == nil || s.Properties[field].MaxLength == nil || *s.Properties[field].MaxLength != event.SourceIDMax {
			t.Errorf("%s has another limit than %d, or none", at, event.SourceIDMax)
		}
	}
}
