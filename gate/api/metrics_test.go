package api_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"endcap/gate/api/apitest"
)

const root = "../.."

// TestEveryMetricIsInTheDocs reads the names of metrics off the source, and
// their table in the docs, and wants them equal.
func TestEveryMetricIsInTheDocs(t *testing.T) {
	t.Parallel()
	made, told := make(map[string]bool), make(map[string]bool)
	literal := regexp.MustCompile(`"(endcap_[a-z_]+)"`)
	for _, part := range []string{"cmd", "gate", "keep", "know", "prove", "sell"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range literal.FindAllSubmatch(text, -1) {
				made[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(endcap_[a-z_]+)`").FindAllSubmatch(text, -1) {
		told[string(m[1])] = true
	}
	if got, want := slices.Sorted(maps.Keys(told)), slices.Sorted(maps.Keys(made)); !slices.Equal(got, want) || len(want) < 10 {
		t.Errorf("docs/metrics.md tells of\n%v, made are\n%v", got, want)
	}
}

func TestMetricsCountWhatHappens(t *testing.T) {
	t.Parallel()
	h := apitest.Open(t)
	key := h.Retailer(t)
	h.Furnish(t, key)
	h.Do(t, key, "POST /v1/decisions", `{"placements":[{"placement":"search","slots":4}]}`)
	h.Call(t, key, "POST /v1/events", `{"events":[{"id":"x","type":"click","token":"forged"}]}`)
	h.Do(t, key, "PUT /v1/products", `{"products":[{"id":"oats2"},{"id":"oats2"},{"gtin":"1"}]}`)
	text := string(h.Do(t, "", "GET /metrics", nil).Body)
	for _, want := range []string{
		"endcap_slots_asked_total 4", `endcap_rows_total{kind="receipts",outcome="new",reason=""} 10`, `endcap_rows_total{kind="consents",outcome="new",reason=""} 10`,
		`endcap_rows_total{kind="events",outcome="quarantined",reason="forged_token"} 1`, `endcap_rows_total{kind="products",outcome="quarantined",reason="bad_value"} 1`,
		`endcap_rows_total{kind="products",outcome="repeat",reason=""} 1`, `endcap_follower_caught_up{follower="billing"} 1`, `endcap_follower_failing{follower="history"} 1`,
		"endcap_outbox_facts 2", "endcap_status_known 1", `endcap_http_request_seconds_count{operation="decide",status="200"} 1`, `endcap_http_request_seconds_count{operation="put-campaign",status="201"} 2`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("metrics do not say %s", want)
		}
	}
	// Numbers of its own, such as seconds, may hold a card's digits by chance.
	named := regexp.MustCompile(`(?m) [0-9.e+-]+$`).ReplaceAllString(text, "")
	for _, private := range []string{"oatly", "milka", "4711", "oats"} {
		if strings.Contains(named, private) {
			t.Errorf("metrics name %s", private)
		}
	}
	log := regexp.MustCompile(`"(time|ms|key)":("[^"]*"|[0-9.e+-]+)`).ReplaceAllString(h.Logged.String(), "")
	if strings.Contains(log, "4711") || !strings.Contains(log, `"operation":"put-campaign"`) {
		t.Error("the log names a shopper's card, or no request:", log)
	}
}
