package api_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"endcap/gate/api/apitest"
	"endcap/know/partner"
	"endcap/know/secret"
)

// match is a house of thirty shoppers, of whom the even allow that a partner knows
// them, and two partners.
type match struct {
	*apitest.House
	t   *testing.T
	key string
}

func newMatch(t *testing.T) *match {
	t.Helper()
	m := &match{House: apitest.Open(t), t: t}
	m.key = m.Retailer(t)
	for n := range 30 {
		m.consents(n, []string{"offsite_matching", "pooling"}[:2*(1-n%2)])
	}
	for _, id := range []string{"paper", "rival"} {
		m.Do(t, m.key, "PUT /v1/partners/"+id, map[string]any{"name": id, "purpose": "offsite_matching"})
	}
	return m
}

func (m *match) consents(n int, allowed []string) {
	m.t.Helper()
	m.Pass(m.t, time.Second)
	m.Do(m.t, m.key, "PUT /v1/consents", map[string]any{"consents": []any{map[string]any{
		"id": fmt.Sprintf("c%d-%d", n, m.Now().Unix()), "shopper": mailOf(n), "allowed": allowed, "at": m.Now().Format(time.RFC3339),
	}}})
}

func mailOf(n int) map[string]string {
	return map[string]string{"email_sha256": fmt.Sprintf("%064x", n+1)}
}

type named struct{ Pseudonym, Previous string }

func (m *match) names(partner string) []named {
	m.t.Helper()
	var shoppers []any
	for n := range 31 { // the last is nobody
		shoppers = append(shoppers, mailOf(n))
	}
	var out struct{ Names []named }
	m.Do(m.t, m.key, "POST /v1/partners/"+partner+"/pseudonyms", map[string]any{"shoppers": shoppers}).Read(m.t, &out)
	return out.Names
}

func (m *match) ended(partner string) (all []string) {
	m.t.Helper()
	for next := uint64(0); ; {
		var out struct {
			Pseudonyms []string
			Next       uint64
		}
		m.Do(m.t, m.key, fmt.Sprintf("GET /v1/partners/%s/pseudonyms/ended?limit=4&after=%d", partner, next), nil).Read(m.t, &out)
		all = append(all, out.Pseudonyms...)
		if next = out.Next; next == 0 {
			slices.Sort(all)
			return all
		}
	}
}

var pseudonym = regexp.MustCompile(`^[0-9]+\.[a-z2-7]{26}$`)

// Two partners that lay their lists side by side find no more shoppers in common
// than by chance: none.
func TestAPartnerKnowsShoppersByNamesOfItsOwn(t *testing.T) {
	t.Parallel()
	m := newMatch(t)
	paper, again, rival := m.names("paper"), m.names("paper"), m.names("rival")
	seen := make(map[string]bool)
	for n := range paper {
		allows := n < 30 && n%2 == 0
		for _, one := range []named{paper[n], rival[n]} {
			if (one.Pseudonym != "") != allows || allows && !pseudonym.MatchString(one.Pseudonym) || one.Previous != "" {
				t.Errorf("shopper %d is %+v", n, one)
			}
			if name := strings.TrimPrefix(one.Pseudonym, "1."); allows && seen[name] {
				t.Errorf("%s stands for two shoppers, or at two partners", name)
			} else {
				seen[name] = true
			}
		}
		if again[n] != paper[n] {
			t.Errorf("shopper %d has another name the second time", n)
		}
	}
	if got := m.ended("paper"); len(got) != 0 {
		t.Errorf("names end that are allowed: %v", got)
	}
	rows, err := m.Book.List(t.Context(), partner.AnswerKind, "", 100)
	if err != nil || len(rows) != 3 || !strings.Contains(string(rows[0].Doc), `"asked":31,"named":15`) || rows[0].By != "retailer" {
		t.Errorf("the audit holds %d rows, %v: %s", len(rows), err, rows[0].Doc)
	}
}

// A partner may use a name while she allows it, and is told which to delete when
// she withdraws or is forgotten.
func TestAPartnerIsToldWhichNamesEnd(t *testing.T) {
	t.Parallel()
	m := newMatch(t)
	before := m.names("paper")
	m.consents(2, []string{"personal_offers", "pooling"})
	m.Do(t, m.key, "POST /v1/privacy/requests", map[string]any{"kind": "erasure", "means": "login", "shopper": map[string]string{"account": "x"}})
	m.Do(t, m.key, "PUT /v1/shoppers", map[string]any{"shoppers": []any{map[string]any{"keys": map[string]string{"email_sha256": mailOf(4)["email_sha256"], "account": "four"}}}})
	m.Do(t, m.key, "POST /v1/privacy/requests", map[string]any{"kind": "erasure", "means": "login", "shopper": map[string]string{"account": "four"}})
	now := m.names("paper")
	for n := range now {
		if want := n < 30 && n%2 == 0 && n != 2 && n != 4; (now[n].Pseudonym != "") != want {
			t.Errorf("shopper %d is named %t, want %t", n, !want, want)
		}
	}
	want := []string{before[2].Pseudonym, before[4].Pseudonym}
	slices.Sort(want)
	if got := m.ended("paper"); !slices.Equal(got, want) {
		t.Errorf("names that end: %v, want hers who withdrew and hers who is forgotten: %v", got, want)
	}
	if got := m.ended("rival"); len(got) != 0 {
		t.Errorf("a partner that was told nothing is to delete %v", got)
	}
	m.consents(2, []string{"offsite_matching"})
	if got := m.ended("paper"); !slices.Equal(got, []string{before[4].Pseudonym}) {
		t.Errorf("names that end once she allows it again: %v", got)
	}
}

// A partner's names change with its secret; it is told the old ones beside the new
// for 90 days.
func TestAPartnersNamesAreRotated(t *testing.T) {
	t.Parallel()
	m := newMatch(t)
	before, rival := m.names("paper"), m.names("rival")
	if _, err := m.Secrets.Rotate(t.Context(), secret.Turn{By: "test", Ring: "partner/paper"}); err != nil {
		t.Fatal(err)
	}
	after := m.names("paper")
	if after[0].Previous != before[0].Pseudonym || after[0].Pseudonym == before[0].Pseudonym || !strings.HasPrefix(after[0].Pseudonym, "2.") {
		t.Errorf("before %+v, after %+v", before[0], after[0])
	}
	m.consents(0, nil)
	want := []string{after[0].Pseudonym, after[0].Previous}
	slices.Sort(want)
	if got := m.ended("paper"); !slices.Equal(got, want) {
		t.Errorf("names that end: %v, want both: %v", got, want)
	}
	m.Pass(t, secret.PartnerLife)
	if n, err := m.Secrets.Retire(t.Context()); err != nil || n != 1 {
		t.Errorf("retired %d, %v", n, err)
	}
	if last := m.names("paper")[2]; last.Pseudonym != after[2].Pseudonym || last.Previous != "" {
		t.Errorf("after 90 days: %+v", last)
	}
	if again := m.names("rival"); again[2] != rival[2] {
		t.Errorf("another partner's names changed: %+v", again[2])
	}
}

func TestWhatAPartnerCannotBe(t *testing.T) {
	t.Parallel()
	m := newMatch(t)
	for request, bad := range map[string]struct {
		body   any
		status int
	}{
		"PUT /v1/partners/paper":                   {map[string]any{"name": "x", "purpose": "pooling"}, http.StatusUnprocessableEntity},
		"PUT /v1/partners/ads":                     {map[string]any{"name": "x", "purpose": "personal_ads"}, http.StatusUnprocessableEntity},
		"PUT /v1/partners/noname":                  {map[string]any{"name": "", "purpose": "pooling"}, http.StatusUnprocessableEntity},
		"PUT /v1/partners/a%2Fb":                   {map[string]any{"name": "x", "purpose": "pooling"}, http.StatusUnprocessableEntity},
		"POST /v1/partners/nobody/pseudonyms":      {map[string]any{"shoppers": []any{mailOf(0)}}, http.StatusNotFound},
		"GET /v1/partners/nobody/pseudonyms/ended": {nil, http.StatusNotFound},
		"POST /v1/partners/paper/pseudonyms":       {map[string]any{"shoppers": slices.Repeat([]any{mailOf(0)}, 5_001)}, http.StatusUnprocessableEntity},
		"POST /v1/partners/rival/pseudonyms":       {map[string]any{"shoppers": []any{map[string]string{"email_sha256": "ana@example.com"}}}, http.StatusUnprocessableEntity},
	} {
		if a := m.Call(t, m.key, request, bad.body); a.Status != bad.status || strings.Contains(string(a.Body), "ana@") {
			t.Errorf("%s: %d %s", request, a.Status, a.Body)
		}
	}
	var out struct{ Partners []struct{ ID string } }
	m.Do(t, m.key, "GET /v1/partners", nil).Read(t, &out)
	if len(out.Partners) != 2 || out.Partners[0].ID != "paper" {
		t.Errorf("partners: %+v", out.Partners)
	}
}
