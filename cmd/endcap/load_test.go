package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"endcap/bench/load"
	"endcap/retail"
	"endcap/simulate/wire"
)

// simulatedHouse serves a house that was filled with a simulated grocer of a few
// hundred shoppers, and gives the file of its scenario.
func simulatedHouse(t *testing.T) (h *server, scenario string) {
	t.Helper()
	folder, dir := filepath.Join(t.TempDir(), "folder"), filepath.Join(t.TempDir(), "house")
	must(t, "simulate", "--shoppers", "300", "--weeks", "2", "--communes", "none", "--out", folder)
	must(t, "init", "--dir", dir, "--zone", "Europe/Paris", "--currency", "EUR", "--dataset", "declared-synthetic")
	for _, kind := range []string{"stores", "products", "shoppers", "consents", "receipts"} {
		files, err := filepath.Glob(filepath.Join(folder, kind, "*.parquet"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			files = []string{filepath.Join(folder, kind+".parquet")}
		}
		for _, file := range files {
			must(t, "ingest", "--dir", dir, "--kind", kind, "--mapping", filepath.Join(folder, "mapping.json"), file)
		}
	}
	h = serve(t, dir)
	h.makeKey(t)
	return h, filepath.Join(folder, "simulation.json")
}

// advertise books the simulator's placements, and one line item for a best seller
// that stands on every page.
func advertise(t *testing.T, h *server) {
	t.Helper()
	var now struct {
		Now string `json:"now"`
	}
	h.ask(t, "GET /v1/status", nil, &now)
	day, err := retail.ParseDay(now.Now[:10])
	if err != nil {
		t.Fatal(err)
	}
	euros := func(amount string) map[string]string { return map[string]string{"amount": amount, "currency": "EUR"} }
	flight := map[string]string{"from": (day - 1).String(), "to": (day + 7).String()}
	for _, at := range wire.Placements {
		h.ask(t, "PUT /v1/placements/"+at.ID, map[string]any{"name": at.Name, "slots_max": at.Slots, "floor": euros("0.05")}, nil)
	}
	h.ask(t, "PUT /v1/advertisers/a", map[string]any{"name": "A", "currency": "EUR"}, nil)
	h.ask(t, "POST /v1/advertisers/a/payments", map[string]any{"amount": euros("100000.00")}, nil, "Idempotency-Key", "a")
	h.ask(t, "PUT /v1/campaigns/a", map[string]any{"advertiser": "a", "name": "A", "flight": flight, "window_days": 14, "control_ppm": 0}, nil)
	product := h.one(t, "select product from lines group by product order by count(*) desc limit 1")
	h.ask(t, "PUT /v1/line-items/a", map[string]any{
		"campaign": "a", "name": "A", "products": []string{product}, "bid": euros("0.40"), "budget_daily": euros("10000.00"), "budget_total": euros("50000.00"), "flight": flight,
	}, nil)
}

// TestSimulatedVisitsLoadAHouse drives a house with visits and holds what the load
// says it sent against what the house holds.
func TestSimulatedVisitsLoadAHouse(t *testing.T) {
	t.Parallel()
	h, scenario := simulatedHouse(t)
	advertise(t, h)
	before := h.one(t, "select count(*) from receipts")
	page := filepath.Join(t.TempDir(), "load.html")
	text := must(t, "load", "--scenario", scenario, "--target", h.url, "--key", h.key, "--rate", "60", "--warm", "0s", "--duration", "4s", "--page", page, "--json")
	var told load.Told
	if err := json.Unmarshal([]byte(text), &told); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	sent := make(map[string]int64)
	for _, k := range told.Kinds {
		sent[k.Kind] = k.Requests
	}
	for _, kind := range []string{"search", "screen", "views", "receipts"} {
		if sent[kind] == 0 {
			t.Errorf("no request of the kind %s: %v", kind, sent)
		}
	}
	if told.Failed != 0 || told.Visits == 0 || told.Visits > 240 {
		t.Errorf("%d of %d requests failed, %d visits in 4 s at 60 a second", told.Failed, told.Requests, told.Visits)
	}
	h.settle(t)
	if n := h.one(t, "select count(*) - "+before+" from receipts"); n != strconv.FormatInt(sent["receipts"], 10) {
		t.Errorf("%s receipts came, %d were sent", n, sent["receipts"])
	}
	if n := h.one(t, "select count(*) from decisions"); n < "1" {
		t.Error("no decision is on record")
	}
	clicks := h.query(t, "select count(*), count(distinct event) from touches where kind = 'clicked' and event like 'load-%'")[0]
	if clicks[0] != clicks[1] || clicks[0] == "0" != (sent["clicks"] == 0) {
		t.Errorf("clicks %v in history, %d requests with clicks", clicks, sent["clicks"])
	}
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "<svg") {
		t.Errorf("the page: %v", err)
	}
	loadsRefused(t, h, scenario)
}

// loadsRefused holds what is said of loads that cannot be.
func loadsRefused(t *testing.T, h *server, scenario string) {
	t.Helper()
	bodies, closed := filepath.Join(t.TempDir(), "bodies.ndjson"), filepath.Join(t.TempDir(), "closed.ndjson")
	for file, path := range map[string]string{bodies: "/v1/nowhere", closed: "/v1/status"} {
		if err := os.WriteFile(file, []byte(`{"method":"GET","path":"`+path+`"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	communes, old := filepath.Join(t.TempDir(), "communes.json"), filepath.Join(t.TempDir(), "simulation.json")
	if err := os.WriteFile(communes, []byte(`[{"code":"1","nom":"A","type":"commune-actuelle","population":10}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadFile(scenario)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old, regexp.MustCompile(`"model": "\w+"`).ReplaceAll(made, []byte(`"model": "0"`)), 0o600); err != nil {
		t.Fatal(err)
	}
	one := []string{"--warm", "0s", "--duration", "300ms", "--rate", "20"}
	for name, tt := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"nothing is named":     {[]string{"--target", h.url, "--key", h.key}, 2, "--scenario FILE"},
		"both are named":       {[]string{bodies, "--scenario", scenario}, 2, "--scenario FILE"},
		"no such rate":         {[]string{bodies, "--target", h.url, "--key", h.key, "--rate=-1"}, 2, "visits a second"},
		"nobody answers":       {[]string{"--scenario", scenario, "--target", "http://127.0.0.1:1", "--key", h.key}, 1, "nobody answers at http://127.0.0.1:1"},
		"nobody, a recording":  {[]string{bodies, "--target", "http://127.0.0.1:1"}, 1, "nobody answers at http://127.0.0.1:1"},
		"a wrong key":          {[]string{"--scenario", scenario, "--target", h.url, "--key", "wrong"}, 1, "key: "},
		"a wrong key, a file":  {[]string{closed, "--target", h.url, "--key", "wrong"}, 1, "key: "},
		"another grocer":       {[]string{"--scenario", scenario, "--seed", "77", "--target", h.url, "--key", h.key}, 1, "no product of this scenario"},
		"other communes":       {[]string{"--scenario", scenario, "--communes", communes, "--target", h.url, "--key", h.key}, 1, "another list of communes"},
		"another model":        {[]string{"--scenario", old, "--target", h.url, "--key", h.key}, 1, "another model"},
		"all fail":             {append([]string{bodies, "--target", h.url, "--key", h.key}, one...), 1, "--failed-max 0 allows no more"},
		"all fail, and may":    {append([]string{bodies, "--target", h.url, "--key", h.key, "--failed-max", "100"}, one...), 0, ""},
		"a scenario's mistake": {[]string{"--shoppers", "0", "--weeks", "1", "--target", h.url, "--key", h.key}, 2, "shoppers is 0"},
	} {
		_, said, status := run(t, append([]string{"load"}, tt.args...)...)
		if status != tt.status || !strings.Contains(said, tt.want) || strings.Contains(said, "dial tcp") {
			t.Errorf("%s: status %d, want %d with %q: %s", name, status, tt.status, tt.want, said)
		}
	}
}

// TestARetailersOwnHouseIsNotLoadedWithSimulatedReceipts: they would stay in it.
func TestARetailersOwnHouseIsNotLoadedWithSimulatedReceipts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ dataset, want string }{
		"its own data": {"", "init --dataset"}, "no products": {"declared-synthetic", "no product of this scenario"},
	} {
		dir := filepath.Join(t.TempDir(), "house")
		must(t, "init", "--dir", dir, "--zone", "Europe/Paris", "--currency", "EUR", "--dataset", tt.dataset)
		h := serve(t, dir)
		h.makeKey(t)
		_, said, status := run(t, "load", "--shoppers", "50", "--weeks", "1", "--target", h.url, "--key", h.key)
		if status != 1 || !strings.Contains(said, tt.want) {
			t.Errorf("%s: status %d, %s", name, status, said)
		}
	}
}
