package main_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"endcap/retail/shopper"
)

// TestAHouseLearnsWhatIsBoughtNext has a house in which everybody goes round her
// staples learn that, serve it, go back to a former version, and forget somebody.
func TestAHouseLearnsWhatIsBoughtNext(t *testing.T) {
	t.Parallel()
	h := openLeaver(t)
	defer h.stop()
	h.fill(70)
	if out := h.do("recommend", "train", "--dir", h.dir); !strings.Contains(out, "version 1 serves, read through 2026-02-28") || !strings.Contains(out, "plain frequencies, less the new") {
		t.Fatalf("the first training: %s", out)
	}
	if out := h.do("recommend", "train", "--dir", h.dir, "--json"); !strings.Contains(out, `"published":2`) {
		t.Fatalf("the second: %s", out)
	}
	if out := h.do("recommend", "evaluate", "--dir", h.dir); !strings.Contains(out, "version 2, serves") || !strings.Contains(out, "version 1 ") || !strings.Contains(out, "drift 1.000") {
		t.Errorf("evaluated: %s", out)
	}
	until(t, time.Minute, "the list is the model's", func() bool {
		out := h.do("recommend", "explain", "--card", person(1)["card"], "--dir", h.dir)
		return strings.Contains(out, "by version 2 of the model") && strings.Contains(out, "bought ") && strings.Contains(out, "days since") && !strings.Contains(out, person(1)["card"])
	})
	var answer struct{ Proposals []struct{ Reason string } }
	h.ask(http.MethodPost, "/v1/decisions", map[string]any{"shopper": person(1), "proposals": 8, "list": "next_basket"}, &answer)
	if len(answer.Proposals) != 8 || answer.Proposals[0].Reason != "bought_often" {
		t.Errorf("decided: %+v", answer)
	}
	h.goBack()
	h.parts()
}

// fill is 98 days of some shoppers' receipts, through 2026-02-28.
func (h *leaver) fill(shoppers int) {
	h.t.Helper()
	rnd := rand.New(rand.NewPCG(5, 5))
	var products, consents, receipts []any
	for p := range 100 {
		products = append(products, map[string]any{"id": fmt.Sprint("g", p), "name": fmt.Sprint("Good ", p), "category": fmt.Sprint("C", p%8), "type": fmt.Sprint("T", p%25)})
	}
	for n := range shoppers {
		consents = append(consents, map[string]any{"id": fmt.Sprint("c", n), "shopper": person(n), "allowed": []string{"personal_offers"}, "wording": "w1", "at": "2026-03-01T06:00:00Z"})
		staples := rnd.Perm(100)[:20]
		for ago := 98 - n%3; ago >= 1; ago -= 3 {
			var lines []any
			for _, p := range staples[:4] {
				lines = append(lines, map[string]any{"product": fmt.Sprint("g", p), "quantity": 1, "sales": "2.50"})
			}
			staples = append(slices.Clone(staples[4:]), staples[:4]...)
			receipts = append(receipts, map[string]any{
				"id": fmt.Sprintf("f%d-%d", n, ago), "store": "s1", "at": time.Date(2026, 3, 1-ago, 9, 0, 0, 0, time.UTC).Format(time.RFC3339),
				"shopper": map[string]string{"card": person(n)["card"]}, "lines": lines,
			})
		}
	}
	h.ask(http.MethodPut, "/v1/products", map[string]any{"products": products}, nil)
	h.ask(http.MethodPut, "/v1/consents", map[string]any{"consents": consents}, nil)
	for some := range slices.Chunk(receipts, 500) {
		h.ask(http.MethodPost, "/v1/receipts", map[string]any{"receipts": some}, nil)
	}
	until(h.t, 2*time.Minute, "the receipts are history", func() bool {
		return h.do("query", "--dir", h.dir, "--format", "csv", "select count(*) as n from receipts") == fmt.Sprintf("n\n%d\n", len(receipts))
	})
}

// goBack has a former version serve, and the newest again.
func (h *leaver) goBack() {
	h.t.Helper()
	for _, tt := range []struct{ args, want string }{
		{"rollback 1", "version 1 serves, until a better one is trained or it is lifted"},
		{"evaluate", "version 1, serves until lifted"},
		{"rollback --lift", "version 2 serves\n"},
		{"rollback 9", ""},
		{"rollback", ""},
	} {
		if out := h.do(append(append([]string{"recommend"}, strings.Fields(tt.args)...), "--dir", h.dir)...); !strings.Contains(out, tt.want) || tt.want == "" && out != "" {
			h.t.Errorf("%s: %s", tt.args, out)
		}
	}
	status, text, err := h.s.call(h.t.Context(), http.MethodGet, "/metrics", nil)
	if err != nil || status != http.StatusOK || !strings.Contains(string(text), "endcap_model_version 2\n") || !strings.Contains(string(text), "endcap_model_load_failures_total 0\n") {
		h.t.Errorf("metrics: %d %v", status, err)
	}
}

// parts forgets somebody; the night takes her out of both versions.
func (h *leaver) parts() {
	h.t.Helper()
	id := h.idOf(0)
	if n := h.inModels(id); n != 2 {
		h.t.Fatalf("she is in %d versions before she leaves", n)
	}
	h.request("erasure", "login", map[string]string{"account": person(0)["account"]})
	h.pass(1)
	if n := h.inModels(id); n != 0 {
		h.t.Errorf("she is in %d files of models after the night", n)
	}
	if n := h.inModels(h.idOf(1)); n != 2 {
		h.t.Errorf("another is in %d versions", n)
	}
	if out := h.do("recommend", "train", "--dir", h.dir, "--json"); !strings.Contains(out, `"published":3`) || h.inModels(id) != 0 {
		h.t.Errorf("trained after she left: %s", out)
	}
	h.stop()
	if out := h.do("verify", "--forgotten", "--dir", h.dir); !strings.Contains(out, "models ") || strings.Contains(out, "models                               0 looked at") {
		h.t.Errorf("verify --forgotten: %s", out)
	}
	h.serve()
}

// inModels is in how many files of models a shopper is.
func (h *leaver) inModels(id shopper.ID) (n int) {
	h.t.Helper()
	err := filepath.WalkDir(filepath.Join(h.dir, "files", "nextbasket"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, binary.LittleEndian.AppendUint64(nil, id.Reveal())) {
			n++
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}
