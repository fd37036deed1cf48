package api_test

import (
	"net/http"
	"strings"
	"testing"

	"endcap/gate/api/apitest"
)

// decided is what is read of a decision and of its explanation.
type decided struct {
	Decision, Empty string
	Proposals       []struct {
		Product, Reason, Because string
	}
}

func (d *decided) products() string {
	out := ""
	for _, p := range d.Proposals {
		out += p.Product + " "
	}
	return out
}

// TestAMerchandisersRuleFromPutToExplanation excludes, pins and takes back, and
// looks after each at what a shopper is proposed and why.
func TestAMerchandisersRuleFromPutToExplanation(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	h.Furnish(t, key)
	propose := func() (d decided) {
		h.Follow(t)
		h.Do(t, key, "POST /v1/decisions", map[string]any{"shopper": map[string]string{"card": "4711-1"}, "store": "1", "proposals": 3}).Read(t, &d)
		h.Follow(t)
		return d
	}
	if d := propose(); d.products() != "choc oats " || d.Proposals[0].Because != "bought once" {
		t.Fatalf("without a rule: %+v", d)
	}
	a := h.Do(t, key, "PUT /v1/rules/no-choc", `{"name":"No chocolate in Lent","lists":["for_you"],"from":"2026-03-01","to":"2026-04-05","exclude":{"products":{"categories":["SWEETS"]}}}`)
	if a.Status != http.StatusCreated || a.Header.Get("ETag") != `"1"` || strings.Contains(string(a.Body), "warnings") {
		t.Errorf("%d %s: %s", a.Status, a.Header.Get("ETag"), a.Body)
	}
	h.Do(t, key, "PUT /v1/rules/bread-first", `{"name":"Bread first","pin":{"product":"bread","slot":0}}`)
	d := propose()
	if d.products() != "bread oats " || d.Proposals[0].Reason != "chosen" {
		t.Errorf("with two rules: %+v", d)
	}
	explained := string(h.Do(t, key, "GET /v1/decisions/"+d.Decision+"/explain", nil).Body)
	want := `"rules":[{"rule":"bread-first","did":"pinned","product":"bread","to":0},{"rule":"no-choc","did":"excluded","product":"choc","from":0}]`
	if !strings.Contains(explained, want) || !strings.Contains(explained, `"list":"for_you"`) {
		t.Errorf("explained without %s: %s", want, explained)
	}
	a = h.Do(t, key, "PUT /v1/rules/nothing", `{"name":"Closed","exclude":{"products":{"everything":true}}}`)
	if !strings.Contains(string(a.Body), "every product is excluded: the list for_you is empty from 2026-03-02 on") {
		t.Errorf("no warning: %s", a.Body)
	}
	if d := propose(); len(d.Proposals) != 0 || d.Empty != "all_excluded_by_rules" {
		t.Errorf("with everything excluded: %+v", d)
	}
	h.Do(t, key, "DELETE /v1/rules/nothing", nil, "If-Match", `"1"`)
	h.Do(t, key, "DELETE /v1/rules/bread-first", nil, "If-Match", `"1"`)
	if d := propose(); d.products() != "oats " {
		t.Errorf("with one rule left: %+v", d)
	}
}

func TestTheDoorOfRules(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	h.Furnish(t, key)
	rule := `{"name":"Own label","boost":{"products":{"own_label":true,"categories":["MILK"]},"factor":1.5}}`
	if p := h.Call(t, h.Key(t, "oatly", "trade"), "PUT /v1/rules/oatly-first", rule).Problem(t); p.Status != http.StatusForbidden {
		t.Errorf("an advertiser makes a rule: %+v", p)
	}
	for _, request := range []string{"GET /v1/rules", "GET /v1/rules/x", "GET /v1/rules/x/versions"} {
		if p := h.Call(t, h.Key(t, "oatly", "trade", "reports"), request, nil).Problem(t); p.Status != http.StatusForbidden {
			t.Errorf("an advertiser asks %s: %+v", request, p)
		}
	}
	h.Do(t, key, "PUT /v1/rules/own", rule)
	for body, field := range map[string]string{
		`{"name":"x","boost":{"products":{"own_label":true},"factor":1000}}`: "boost.factor",
		`{"name":"x"}`: "",
		`{"name":"x","exclude":{"sensitive":["alcohol"]}}`:                        "exclude.sensitive[0]",
		`{"name":"x","lists":["shelf"],"spread":{"per_brand":1}}`:                 "lists[0]",
		`{"name":"x","from":"yesterday","spread":{"per_brand":1}}`:                "from",
		`{"name":"x","pin":{"product":"oats","slot":50}}`:                         "pin.slot",
		`{"name":"x","pin":{"product":"oats","slot":0,"colour":1}}`:               "pin",
		`{"name":"x","pin":{"product":"oats","slot":0},"spread":{"per_brand":1}}`: "",
	} {
		if p := h.Call(t, key, "PUT /v1/rules/bad", body).Problem(t); p.Status != http.StatusUnprocessableEntity || !strings.HasPrefix(p.Field, field) || p.Cure == "" {
			t.Errorf("%s is answered %+v, want the field %q", body, p, field)
		}
	}
	var one struct {
		ID, Name string
		Boost    struct{ Factor float64 }
		Warnings []string
	}
	a := h.Do(t, key, "GET /v1/rules/own", nil)
	a.Read(t, &one)
	if one.ID != "own" || one.Boost.Factor != 1.5 || one.Warnings != nil || a.Header.Get("ETag") != `"1"` {
		t.Errorf("read %+v", one)
	}
	if a := h.Call(t, key, "GET /v1/rules/own", nil, "If-None-Match", `"1"`); a.Status != http.StatusNotModified {
		t.Errorf("unchanged: %d", a.Status)
	}
	if p := h.Call(t, key, "PUT /v1/rules/own", rule, "If-Match", `"7"`).Problem(t); p.Status != http.StatusPreconditionFailed {
		t.Errorf("a version that is not: %+v", p)
	}
	h.Do(t, key, "PUT /v1/rules/own", strings.Replace(rule, "1.5", "2", 1), "If-Match", `"1"`)
	var list struct{ Items []struct{ ID string } }
	h.Do(t, key, "GET /v1/rules?limit=1", nil).Read(t, &list)
	if len(list.Items) != 1 || list.Items[0].ID != "own" {
		t.Errorf("listed %+v", list)
	}
	h.Do(t, key, "DELETE /v1/rules/own", nil, "If-Match", `"2"`)
	var versions struct {
		Items []struct {
			Version uint64
			Removed bool
			By      string
		}
	}
	h.Do(t, key, "GET /v1/rules/own/versions", nil).Read(t, &versions)
	if len(versions.Items) != 3 || !versions.Items[2].Removed || versions.Items[0].By == "" {
		t.Errorf("versions %+v", versions)
	}
	if p := h.Call(t, key, "GET /v1/rules/own", nil).Problem(t); p.Status != http.StatusNotFound {
		t.Errorf("a removed rule: %+v", p)
	}
}

// What is asked for is a list that there is, with the products of this visit.
func TestListsOfADecision(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	h.Furnish(t, key)
	for _, list := range []string{"for_you", "next_basket", "buy_again", "complements", "substitutes", "discovery", "search", "category", "trending"} {
		var d decided
		h.Do(t, key, "POST /v1/decisions", map[string]any{"shopper": map[string]string{"card": "4711-1"}, "list": list, "viewed": []string{"bread"}, "proposals": 3}).Read(t, &d)
		if len(d.Proposals) == 0 && d.Empty != "no_candidates" {
			t.Errorf("%s: %+v", list, d)
		}
		if list == "next_basket" && d.products() != "choc oats bread " {
			t.Errorf("next basket: %+v", d)
		}
	}
	for body, field := range map[string]string{`{"list":"shelf","proposals":1}`: "list", `{"viewed":[` + strings.Repeat(`"x",`, 100) + `"x"]}`: "viewed"} {
		if p := h.Call(t, key, "POST /v1/decisions", body).Problem(t); p.Status != http.StatusUnprocessableEntity || p.Field != field {
			t.Errorf("%.40s: %+v", body, p)
		}
	}
}
