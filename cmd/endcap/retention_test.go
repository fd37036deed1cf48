package main_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWhoIsSilentForLongIsOutOfUseBeforeTheJobRuns lets a year pass over a
// house whose tills are silent, so that the job is held: age alone must take the
// shoppers out of decisions, audiences and measurement. Then a receipt comes, and
// the job goes on.
func TestWhoIsSilentForLongIsOutOfUseBeforeTheJobRuns(t *testing.T) {
	t.Parallel()
	h := openLeaver(t)
	defer h.stop()
	h.stop()
	file := filepath.Join(h.dir, "endcap.json")
	text, err := os.ReadFile(file)
	if err == nil { // sooner than consents lapse by themselves
		err = os.WriteFile(file, bytes.Replace(text, []byte("{"), []byte(`{"retention": {"members_months": 12},`), 1), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.serve()
	h.ask(http.MethodPut, "/v1/products", map[string]any{"products": []any{map[string]any{"id": "oats", "name": "Oats", "brand": "oatly"}}}, nil)
	for n := range 3 {
		h.ask(http.MethodPut, "/v1/consents", map[string]any{"consents": []any{map[string]any{
			"id": fmt.Sprint("c", n), "shopper": person(n), "allowed": []string{"personal_offers", "personal_ads", "measurement"}, "wording": "w1", "at": "2026-03-01T06:00:00Z",
		}}}, nil)
		h.buy(fmt.Sprint("r", n), n)
		h.buy(fmt.Sprint("q", n), n)
	}
	h.do("privacy", "recipients", "put", "mail", "--dir", h.dir, "--name", "Mailing house", "--what", "addresses", "--why", "the newsletter")
	h.do("privacy", "recipients", "give", "mail", "--dir", h.dir, "--card", person(0)["card"], "--alias", "subscriber-1", "--what", "an address")
	known := func() (personal bool, size, measured string) {
		var answer struct{ Proposals []struct{ Reason string } }
		h.ask(http.MethodPost, "/v1/decisions", map[string]any{"shopper": person(0), "proposals": 3}, &answer)
		size = h.do("query", "--dir", h.dir, "--purpose", "personal_ads", "--format", "csv", "select count(distinct shopper) as n from receipts")
		measured = h.do("query", "--dir", h.dir, "--purpose", "measurement", "--format", "csv", "select count(*) as n from lines")
		return len(answer.Proposals) > 0 && answer.Proposals[0].Reason == "bought_often", size, measured
	}
	until(t, 2*time.Minute, "her habits are known", func() bool {
		personal, size, measured := known()
		return personal && size == "n\n3\n" && measured == "n\n6\n"
	})
	clock := func(at string) { h.ask(http.MethodPut, "/v1/clock", map[string]string{"now": at}, nil) }
	clock("2027-03-01T08:00:00Z") // to the day a year: she is still about
	if personal, size, measured := known(); !personal || size != "n\n3\n" || measured != "n\n6\n" {
		t.Errorf("a year on to the day: personal %t, audience %s, measured %s", personal, size, measured)
	}
	clock("2027-03-02T08:00:00Z")
	if personal, size, measured := known(); personal || size != "n\n0\n" || measured != "n\n0\n" {
		t.Errorf("a day later: personal %t, audience %s, measured %s", personal, size, measured)
	}
	if all := h.do("query", "--dir", h.dir, "--format", "csv", "select count(*) as n from lines"); all != "n\n6\n" {
		t.Errorf("the books hold %s", all)
	}
	run := h.do("privacy", "retention", "run", "--dir", h.dir)
	if !strings.Contains(run, "3 of 3 shoppers, 0 forgotten") || !strings.Contains(run, "is the clock right") {
		t.Errorf("the job, with silent tills: %s", run)
	}
	h.ask(http.MethodPost, "/v1/receipts", map[string]any{"receipts": []any{map[string]any{
		"id": "new", "store": "s1", "at": "2027-03-02T07:00:00Z", "lines": []any{map[string]any{"product": "oats", "quantity": 1, "sales": "2.50"}},
	}}}, nil)
	until(t, 2*time.Minute, "the receipt is history", func() bool {
		return h.do("query", "--dir", h.dir, "--format", "csv", "select count(*) as n from lines") == "n\n7\n"
	})
	h.do("privacy", "retention", "run", "--dir", h.dir) // or the night's own run, which may come first
	h.gone()
}

// gone checks what the job left.
func (h *leaver) gone() {
	h.t.Helper()
	if notices := h.do("privacy", "recipients", "notices", "mail", "--dir", h.dir); !strings.Contains(notices, "subscriber-1  retention") {
		h.t.Errorf("mail is to be told %s", notices)
	}
	if told := h.do("privacy", "recipients", "told", "mail", "1", "--dir", h.dir); told != "1 notices told\n" {
		h.t.Errorf("telling mail: %s", told)
	}
	if text := h.ask(http.MethodPut, "/v1/shoppers", map[string]any{"shoppers": []any{map[string]any{"keys": person(0)}}}, nil); !strings.Contains(text, `"outcome":"suppressed"`) {
		h.t.Errorf("a list that holds her: %s", text)
	}
	if show := h.do("privacy", "retention", "show", "--dir", h.dir); !strings.Contains(show, "CNIL") || !strings.Contains(show, "12 months") || !strings.Contains(show, "3 of 3 shoppers, 3 forgotten") {
		h.t.Errorf("the terms: %s", show)
	}
	// The stream lets go of a fact days after it was sealed, and these were sealed
	// late, when the year had passed: the nights bring it about.
	for day := 3; day <= 12; day++ {
		now := time.Date(2027, 3, day, 8, 0, 0, 0, time.UTC)
		h.ask(http.MethodPut, "/v1/clock", map[string]string{"now": now.Format(time.RFC3339)}, nil)
		until(h.t, 2*time.Minute, "the night's sweep", func() bool { return h.swept(now) })
	}
	h.stop()
	for place := range strings.SplitSeq(strings.TrimSpace(h.do("verify", "--forgotten", "--dir", h.dir)), "\n") {
		if !strings.Contains(place, " 0 found") {
			h.t.Errorf("verify --forgotten: %s", place)
		}
	}
	h.do("verify", "--dir", h.dir)
	h.serve()
}
