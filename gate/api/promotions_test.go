package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"endcap/gate/api/apitest"
)

// A back office sends what a store promotes in a week, again, changed, changed
// under a higher version, and too much of it.
func TestABackOfficeSendsPromotions(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	week := func(version, products string) string {
		return `{"promotions":[{"store":"1","week":"2026-03-02"` + version + `,"products":[` + products + `]}]}`
	}
	const oats, milk = `{"product":"oats","display":"front end cap","mailer":"front page"}`, `{"product":"milk","display":"rear"}`
	steps := []struct{ name, body, want string }{
		{"first", week("", oats+","+milk), "new"},
		{"again, in another order", week("", milk+","+oats), "repeat"},
		{"changed", week("", oats), "quarantined conflict promotions[0].version"},
		{"changed under a higher version", week(`,"version":1`, oats), "corrected"},
		{"taken away", week(`,"version":2`, ""), "corrected"},
		{"too many products", week(`,"version":3`, strings.Repeat(oats+",", 50_000)+oats), "quarantined too_many promotions[0].products"},
	}
	for _, s := range steps {
		a := h.Call(t, key, "PUT /v1/promotions", s.body)
		var got struct {
			Results []struct{ Outcome, Reason, Field string }
		}
		if a.Status != http.StatusOK {
			t.Fatalf("%s: %d %.200s", s.name, a.Status, a.Body)
		}
		a.Read(t, &got)
		r := got.Results[0]
		if r.Field != "" {
			r.Field = "promotions[0]." + r.Field
		}
		if have := strings.TrimSpace(fmt.Sprint(r.Outcome, " ", r.Reason, " ", r.Field)); have != s.want {
			t.Errorf("%s: %s, want %s", s.name, have, s.want)
		}
	}
}
