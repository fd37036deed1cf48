package api_test

import (
	"fmt"
	"testing"

	"endcap/gate/api/apitest"
)

// TestStaffSeeAHouseholdAndHerFileSaysOnlyWhatIsShared is of two who log in on
// one tablet.
func TestStaffSeeAHouseholdAndHerFileSaysOnlyWhatIsShared(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	row := func(account string) map[string]any {
		return map[string]any{"keys": map[string]any{"account": account, "device": "the-tablet"}, "basis": "login"}
	}
	h.Do(t, key, "PUT /v1/shoppers", map[string]any{"shoppers": []any{row("ana-account-ana"), row("bea-account-bea")}})
	ana := map[string]any{"account": "ana-account-ana"}
	var person struct {
		Shoppers  []map[string]int
		Household []struct {
			Keys   map[string]int
			Shares []string
		}
	}
	h.Do(t, key, "POST /v1/identity/lookups", map[string]any{"shopper": ana}).Read(t, &person)
	if got := fmt.Sprint(len(person.Shoppers), person.Household); got != "1 [{map[account:1] [device]}]" {
		t.Errorf("staff see %s", got)
	}
	var request struct{ ID string }
	h.Do(t, key, "POST /v1/privacy/requests", map[string]any{"kind": "access", "means": "login", "shopper": ana}).Read(t, &request)
	var file struct {
		Derived struct{ Household []map[string][]string }
	}
	h.Do(t, key, "GET /v1/privacy/requests/"+request.ID+"/file", nil).Read(t, &file)
	if got := fmt.Sprint(file.Derived.Household); got != "[map[shares:[device]]]" {
		t.Errorf("her file says %s", got)
	}
}
