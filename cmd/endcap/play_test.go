package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"endcap/simulate/grocer"
	"endcap/simulate/life"
	"endcap/simulate/model"
	"endcap/simulate/play"
	"endcap/simulate/scenario"
)

// playScenario is a small grocer with a campaign that sells and one that does not.
const playScenario = `{"shoppers": 800, "weeks": 4, "seed": 9, "products": 1500, "consent": 1, "browse": 2, "play": {"quiet": 1, "campaigns": [
	{"name": "sells", "from": 1, "weeks": 2, "where": "both"},
	{"name": "idle", "from": 1, "weeks": 2, "where": "both", "effect": "none"}]}}`

// playPlaces are communes so different that shoppers go to other stores than they
// would without.
var playPlaces = []grocer.Commune{
	{Code: "01001", Name: "Petite", Department: "01", Region: "84", Kind: "commune-actuelle", Population: 300},
	{Code: "01002", Name: "Grande", Department: "01", Region: "84", Kind: "commune-actuelle", Population: 400_000},
	{Code: "01003", Name: "Autre", Department: "01", Region: "84", Kind: "commune-actuelle", Population: 9_000},
}

// playHouse serves a demo in which a scenario can be played.
func playHouse(t *testing.T, s *scenario.Scenario) *server {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "house")
	must(t, "init", "--dir", dir, "--zone", s.Zone, "--currency", s.Currency, "--demo", "--seed", "play", "--shoppers-min", "5",
		"--clock-start", s.Start+"T00:00:00+01:00", "--dataset", play.Declared+": made by endcap simulate")
	h := serve(t, dir, "--clock", "replay")
	h.makeKey(t)
	return h
}

// withoutAdverts is what the simulation's shoppers spend on products, by GTIN, and
// on all, in cents, where nobody sees an advert.
func withoutAdverts(t *testing.T, s *scenario.Scenario, of func(category, brand string) bool) (sum int64) {
	t.Helper()
	w, err := life.Open(t.Context(), s, model.Fitted(), playPlaces)
	if err != nil {
		t.Fatal(err)
	}
	var b life.Batch
	for week := range s.Weeks {
		p := w.Plan(week)
		w.Fill(p, 0, len(p.Visits), &b)
		for i := range b.Lines {
			g := w.Grocer
			if one := &g.Products[b.Lines[i].Product]; of(g.Categories[one.Category].Name, g.Brands[one.Brand]) {
				sum += int64(b.Lines[i].Sales)
			}
		}
	}
	return sum
}

// TestAPlayThatWasBrokenOffSellsWhatItsTruthSays breaks a play off amid its live
// weeks, has the program go on, and holds the truth against what history holds.
func TestAPlayThatWasBrokenOffSellsWhatItsTruthSays(t *testing.T) {
	t.Parallel()
	s := scenario.Defaults()
	if err := scenario.Read(strings.NewReader(playScenario), &s); err != nil {
		t.Fatal(err)
	}
	s.Seed = 9
	h := playHouse(t, &s)
	truth := filepath.Join(t.TempDir(), "truth")
	ctx, broke := context.WithCancel(t.Context())
	defer broke()
	o := play.Options{
		Scenario: s, Model: model.Fitted(), Communes: playPlaces, Client: h.public, Server: h.url, Key: h.key, Truth: truth, Visits: 8, Now: time.Now,
		Progress: func(p play.Progress) {
			if p.Week == 3 && p.Part > 0.6 {
				broke()
			}
		},
	}
	if _, err := play.Run(ctx, o); err == nil {
		t.Fatal("a play that was broken off ended well")
	}
	file, places := filepath.Join(t.TempDir(), "play.json"), filepath.Join(t.TempDir(), "communes.json")
	if err := os.WriteFile(file, []byte(playScenario), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(playPlaces)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(places, list, 0o600); err != nil {
		t.Fatal(err)
	}
	var told struct {
		Declared  string       `json:"declared"`
		Cents     int64        `json:"sales_cents"`
		Receipts  int64        `json:"receipts"`
		Resumed   int64        `json:"resumed_decisions"`
		Decisions int64        `json:"decisions"`
		Clicks    int64        `json:"clicks"`
		Peak      int64        `json:"peak_memory_bytes"`
		Campaigns []play.Found `json:"campaigns"`
	}
	args := []string{"simulate", "--scenario", file, "--communes", places, "--server", h.url, "--key", h.key, "--truth", truth, "--json"}
	if err := json.Unmarshal([]byte(must(t, args...)), &told); err != nil {
		t.Fatal(err)
	}
	if told.Declared != play.Declared || told.Resumed == 0 || told.Decisions == 0 || told.Clicks == 0 || told.Peak < 1<<20 || len(told.Campaigns) != 2 {
		t.Fatalf("the play says %+v", told)
	}
	var controls struct {
		Baskets int64  `json:"baskets"`
		Sales   string `json:"sales"`
	}
	h.ask(t, "GET /v1/controls", nil, &controls)
	if want := fmt.Sprintf("%d.%02d", told.Cents/100, told.Cents%100); controls.Sales != want || controls.Baskets != told.Receipts {
		t.Errorf("history holds %d receipts of %s, played were %d of %s", controls.Baskets, controls.Sales, told.Receipts, want)
	}
	for _, c := range told.Campaigns {
		holdTruth(t, h, &s, &c)
	}
	for name, tt := range map[string]struct {
		more []string
		want string
	}{"another scenario": {[]string{"--seed", "10"}, "its scenario differs"}, "other communes": {[]string{"--communes", "none"}, "other communes"}} {
		if _, said, status := run(t, append(slices.Clone(args), tt.more...)...); status == 0 || !strings.Contains(said, tt.want) {
			t.Errorf("%s in the same folder: status %d, %s", name, status, said)
		}
	}
	h = servesWithoutTruth(t, h, truth, told.Campaigns)
	o.Server, o.Client = h.url, h.public
	again, err := play.Truth(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range again {
		// Whom the truth takes for one by her keys, the house does too.
		for arm, held := range map[string]bool{"treated": false, "control": true} {
			want := 0
			for _, x := range again[i].Seen {
				if x.Measured && x.Held == held {
					want++
				}
			}
			got := h.queryFor(t, "measurement", fmt.Sprintf(`select count(distinct shopper) from wins where campaign = '%s' and arm = '%s' and measurable`, again[i].Name, arm))[0][0]
			if got != strconv.Itoa(want) {
				t.Errorf("%s: the house measures %s shoppers who are %s, the truth %d by their keys", again[i].Name, got, arm, want)
			}
		}
		if again[i].Exposed, again[i].Seen = nil, nil; !reflect.DeepEqual(again[i], told.Campaigns[i]) {
			t.Errorf("the truth was %+v, and is %+v", told.Campaigns[i], again[i])
		}
	}
}

// servesWithoutTruth takes the truth away from a house, serves it anew, and holds
// its reports against those that it gave before; it gives the truth back, and the
// house as it is served now.
func servesWithoutTruth(t *testing.T, h *server, truth string, campaigns []play.Found) *server {
	t.Helper()
	figures := func(h *server, name string) string {
		var report struct {
			Figures json.RawMessage `json:"figures"`
		}
		h.ask(t, "GET /v1/reports/campaigns/"+name, nil, &report)
		return string(report.Figures)
	}
	before := make(map[string]string)
	for _, c := range campaigns {
		before[c.Name] = figures(h, c.Name)
	}
	hidden := filepath.Join(t.TempDir(), "hidden") // the machine's owner may read what nobody may: she finds nothing
	if err := errors.Join(os.Rename(truth, hidden), os.Chmod(hidden, 0)); err != nil {
		t.Fatal(err)
	}
	h.stop(t)
	again := serve(t, h.dir, "--clock", "replay")
	again.key = h.key
	var decision struct {
		Decision string `json:"decision"`
	}
	again.ask(t, "POST /v1/decisions", map[string]any{"proposals": 2, "page": map[string]string{"query": campaigns[0].Category}}, &decision)
	if decision.Decision == "" {
		t.Error("nothing is decided without the truth")
	}
	for _, c := range campaigns {
		if got := figures(again, c.Name); got != before[c.Name] || !strings.Contains(got, "incremental_sales") {
			t.Errorf("%s is reported otherwise without the truth:\n%s, before\n%s", c.Name, got, before[c.Name])
		}
	}
	if err := errors.Join(os.Chmod(hidden, 0o700), os.Rename(hidden, truth)); err != nil {
		t.Fatal(err)
	}
	return again
}

// holdTruth holds one campaign's truth against history and its report.
func holdTruth(t *testing.T, h *server, s *scenario.Scenario, c *play.Found) {
	t.Helper()
	if c.Treated.Shoppers == 0 || c.Held.Shoppers == 0 || c.Unmeasured.Shoppers == 0 {
		t.Errorf("%s: exposed were %+v, %+v and %+v", c.Name, c.Treated, c.Held, c.Unmeasured)
	}
	extra := c.Treated.Extra() + c.Unmeasured.Extra()
	if c.Effect == "none" && (extra != 0 || c.Held.Extra() != 0) || c.Effect != "none" && extra <= 0 {
		t.Errorf("%s, whose effect is %s, sold %d cents more, and would have sold the held-out %d", c.Name, c.Effect, extra, c.Held.Extra())
	}
	base := withoutAdverts(t, s, func(category, brand string) bool { return category == c.Category && brand == c.Brand })
	got := h.one(t, fmt.Sprintf(`select cast(sum(l.sales) * 100 as bigint) from lines l join products p on p.product = l.product
		where p.category = '%s' and p.brand = '%s'`, strings.ReplaceAll(c.Category, "'", "''"), c.Brand))
	if want := fmt.Sprint(base + extra); got != want {
		t.Errorf("%s: history holds %s cents of the range, want %d without adverts and %d by them", c.Name, got, base, extra)
	}
	status, text, err := h.call(t.Context(), http.MethodGet, "/v1/reports/campaigns/"+c.Name+"?format=text", nil)
	if err != nil || status != http.StatusOK || !strings.Contains(string(text), play.Declared) {
		t.Errorf("%s: the report does not say %s: status %d, %v\n%s", c.Name, play.Declared, status, err, text)
	}
}

// TestAPlayIsRefusedWhereItCannotBe holds what is said of a play that cannot be.
func TestAPlayIsRefusedWhereItCannotBe(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"neither files nor a server": {nil, "--out DIR"},
		"both":                       {[]string{"--out", t.TempDir(), "--server", "http://127.0.0.1:1"}, "--out DIR"},
		"nowhere for the truth":      {[]string{"--server", "http://127.0.0.1:1"}, "--truth DIR"},
		"nobody answers":             {[]string{"--server", "http://127.0.0.1:1", "--truth", t.TempDir()}, "does not answer"},
		"all is loaded":              {[]string{"--server", "http://127.0.0.1:1", "--truth", t.TempDir(), "--loaded", "2"}, "leave a week"},
		"backwards":                  {[]string{"--server", "http://127.0.0.1:1", "--truth", t.TempDir(), "--speed-up=-1"}, "speed-up"},
	} {
		args := append([]string{"simulate", "--shoppers", "5", "--weeks", "2", "--communes", "none"}, tt.args...)
		if _, said, status := run(t, args...); status == 0 || !strings.Contains(said, tt.want) {
			t.Errorf("%s: status %d, %s", name, status, said)
		}
	}
}
