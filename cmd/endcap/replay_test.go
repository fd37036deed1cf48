package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"endcap/keep/files/dirfiles"
	"endcap/keep/ledger"
	"endcap/keep/sql/sqlite"
	"endcap/know/recommend/response"
	"endcap/retail"
	"endcap/retail/event"
)

// The demonstration, as scripts/demo.sh makes it.
const (
	demoLabel = "The Complete Journey 2.0, published by 84.51°: shopping of US households, 2017"
	demoSeed  = "endcap-demo"
	demoPaid  = 7 * 500 // USD paid by its seven brands
)

// demoHouse makes the demonstration's data directory and loads weeks 1–49.
func demoHouse(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "house")
	must(t, "init", "--dir", dir, "--name", "Demo grocer", "--zone", "America/New_York", "--currency", "USD", "--demo", "--seed", demoSeed,
		"--clock-start", "2017-12-04T00:00:00-05:00", "--shoppers-min", "10", "--new-to-brand-days", "182",
		"--never-propose", "FUEL,COUPON,MISCELLANEOUS", "--dataset", demoLabel)
	ingest(t, dir, "products", journeyProducts)
	ingest(t, dir, "receipts", journeyLines, "--until", "2017-12-04")
	return dir
}

// TestFourWeeksReplayedAreProvedAndPaid plays weeks 50–53 through the public
// API, as make demo does, and asks what an auditor would: is every click
// answered once, does every cent lie somewhere, is the effect that is not there
// not found, and is what came in over the API what the file says?
func TestFourWeeksReplayedAreProvedAndPaid(t *testing.T) {
	needJourney(t)
	t.Parallel()
	dir := demoHouse(t)
	s := serve(t, dir, "--clock", "replay")
	s.makeKey(t)
	t.Run("the player prints figures that are all met", func(t *testing.T) { replay(t, s) })
	s.settle(t)
	t.Run("the pooled effect includes the truth", func(t *testing.T) { effectIsNone(t, s) })
	t.Run("every click has one answer", func(t *testing.T) { clicksAnswered(t, s) })
	spend := spendOf(t, s)
	t.Run("no line item spends more than its day", func(t *testing.T) { daysKept(t, s) })
	t.Run("reports state clock and data, and the spend that was charged", func(t *testing.T) { reportsSay(t, s, spend) })
	clock := statusOf(t, s).Now
	if took := s.stop(t); took > 10*time.Second {
		t.Errorf("stopping took %v", took)
	}
	t.Run("what was clicked was learned, and kept when the house stopped", func(t *testing.T) { clicksLearned(t, dir) })
	t.Run("every cent lies somewhere", func(t *testing.T) { bookBalances(t, dir, demoPaid*1_000_000, spend) })
	t.Run("new to brand is unknown where history is too short to say", func(t *testing.T) { newToBrand(t, dir, clock) })
	t.Run("the file holds what came in over the API", func(t *testing.T) {
		repeated := wholeYear
		repeated.New, repeated.Repeat = 0, 155_848
		if got := ingest(t, dir, "receipts", journeyLines); got.New != 0 || got.Repeat != 155_848 || got.Quarantined != 0 || got.Lines != repeated.Lines {
			t.Errorf("the whole file on top: %+v, want 155848 repeats and nothing else", got)
		}
		if got := sums(t, dir); got != sumsYear {
			t.Errorf("history: %s, want %s", got, sumsYear)
		}
	})
	t.Run("rebuild and verify agree", func(t *testing.T) {
		if text := must(t, "rebuild", "--dir", dir); !strings.Contains(text, "the same bytes and the same rows") {
			t.Errorf("rebuild: %s", text)
		}
		verified(t, dir)
	})
}

// clicksLearned reads the kept model of clicks, as the next start would.
func clicksLearned(t *testing.T, dir string) {
	t.Helper()
	files, err := dirfiles.Open(filepath.Join(dir, "files"), nil)
	if err != nil {
		t.Fatal(err)
	}
	life, err := response.Open(t.Context(), response.LifeConfig{
		Model: response.Defaults(), Files: files, Partitions: 1,
		First: func(context.Context, int) (event.Cursor, error) { return "", nil },
	})
	if err != nil || life.Wrong() != nil {
		t.Fatal(err, life.Wrong())
	}
	s := life.Status()
	t.Logf("learned from %d showings and %d clicks; ready: %v; %+v", s.Showings, s.Clicks, s.Ready, s.Drifts)
	if s.Clicks < 500 || s.Showings < 10*s.Clicks || len(s.Drifts) == 0 {
		t.Errorf("learned from %d showings and %d clicks", s.Showings, s.Clicks)
	}
	for _, d := range s.Drifts {
		if ratio := d.Observed / d.Predicted; d.Observed > 500 && (ratio < 0.8 || ratio > 1.25) {
			t.Errorf("%s: clicks are %.2f of those predicted", d.Placement, ratio)
		}
	}
}

// replay runs the player and checks the figures it prints.
func replay(t *testing.T, s *server) {
	t.Helper()
	player := exec.CommandContext(t.Context(), filepath.Join(bin, "endcap-demo"), "--target", s.url, "--data", journeyDir, "--seed", demoSeed)
	player.Dir = root
	player.Env = append(os.Environ(), "ENDCAP_KEY="+s.key)
	var out, said bytes.Buffer
	player.Stdout, player.Stderr = &out, &said
	start := time.Now()
	if err := player.Run(); err != nil {
		t.Fatalf("the player: %v\n%s%.2000s\n%.4000s", err, out.String(), said.String(), s.said(t))
	}
	t.Logf("%5.1f s  replay\n%s", time.Since(start).Seconds(), out.String())
	figures := 0
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "figure ") {
			if figures++; !strings.HasSuffix(line, " ok\n") {
				t.Errorf("short: %s", line)
			}
		}
	}
	if figures < 11 {
		t.Errorf("%d figures, want the nine control sums and the effect", figures)
	}
}

func effectIsNone(t *testing.T, s *server) {
	t.Helper()
	var effect struct {
		Pooled struct {
			Estimate, Low, High string
			Zero                bool `json:"zero_inside"`
			Treated             int  `json:"treated_shoppers"`
			Control             int  `json:"control_shoppers"`
		}
	}
	s.ask(t, "GET /v1/reports/effect", nil, &effect)
	p := effect.Pooled
	t.Logf("pooled effect %s, %s to %s; %d treated, %d control", p.Estimate, p.Low, p.High, p.Treated, p.Control)
	if !p.Zero || p.Treated == 0 || p.Control == 0 {
		t.Errorf("the pooled interval %s to %s does not include 0", p.Low, p.High)
	}
}

// clicksAnswered checks that clicks and their charges are one to one.
func clicksAnswered(t *testing.T, s *server) {
	t.Helper()
	got := s.query(t, `select (select count(*) from touches where kind = 'clicked') as clicks, (select count(distinct event) from touches where kind = 'clicked') as ids,
		(select count(*) from charges) as charges, (select count(distinct click) from charges) as answered,
		(select count(*) from touches t where kind = 'clicked' and not exists (select 1 from charges c where c.click = t.event)) as open,
		(select count(*) from charges c where not exists (select 1 from touches t where t.kind = 'clicked' and t.event = c.click)) as stray`)[0]
	t.Logf("clicks %s, answers %s; by reason, '' is charged: %v", got[0], got[2], s.query(t, "select reason, count(*) from charges group by reason order by 1"))
	if got[0] == "0" || got[0] != got[1] || got[0] != got[2] || got[0] != got[3] || got[4] != "0" || got[5] != "0" {
		t.Errorf("clicks, ids, charges, answered, open, stray: %v, want four times the same and 0 0", got)
	}
}

// spendOf is all that was charged.
func spendOf(t *testing.T, s *server) retail.Micros {
	t.Helper()
	spend, err := retail.ParseMicros(s.one(t, "select sum(amount) from charges"))
	if err != nil || spend <= 0 {
		t.Fatalf("spend %v, %v", spend, err)
	}
	return spend
}

// daysKept checks each line item's flight days and total against its budgets.
func daysKept(t *testing.T, s *server) {
	t.Helper()
	over := s.query(t, `with days as (select line_item, day, sum(amount) as spent from charges group by line_item, day)
		select d.line_item, cast(d.day as varchar), cast(d.spent as varchar), cast(l.budget_daily as varchar) from days d join line_items l on l.line_item = d.line_item
		where d.spent > l.budget_daily`)
	if len(over) > 0 {
		t.Errorf("days over their budget: %v", over)
	}
	over = s.query(t, `with all_days as (select line_item, sum(amount) as spent from charges group by line_item)
		select a.line_item, cast(a.spent as varchar), cast(l.budget_total as varchar) from all_days a join line_items l on l.line_item = a.line_item
		where a.spent > l.budget_total`)
	if len(over) > 0 {
		t.Errorf("line items over their total: %v", over)
	}
}

// report is what these tests read of a report.
type report struct {
	Head struct {
		Lookback int `json:"new_to_brand_days"`
	} `json:"report"`
	About struct {
		Dataset, Clock string
		At             time.Time
	} `json:"about"`
	Figures []struct {
		ID    string
		Value struct{ Amount string }
	}
	Splits []struct {
		ID    string
		Parts []struct {
			Name  string
			Sales struct{ Amount string }
		}
	}
}

// reports reads every campaign's report.
func reports(t *testing.T, s *server) map[string]report {
	t.Helper()
	out := make(map[string]report)
	for _, row := range s.query(t, "select distinct campaign from campaigns") {
		var r report
		status, text, err := s.own(t.Context(), http.MethodGet, "/v1/reports/campaigns/"+row[0], nil)
		if err != nil || status != http.StatusOK {
			t.Fatalf("report of %s: status %d, %v\n%s", row[0], status, err, text)
		}
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatalf("report of %s: %v\n%s", row[0], err, text)
		}
		out[row[0]] = r
	}
	return out
}

func reportsSay(t *testing.T, s *server, spend retail.Micros) {
	t.Helper()
	var sum retail.Micros
	all := reports(t, s)
	for id, r := range all {
		if r.About.Clock != "replay" || r.About.Dataset != demoLabel {
			t.Errorf("%s states clock %q and data %q", id, r.About.Clock, r.About.Dataset)
		}
		for _, f := range r.Figures {
			if f.ID == "spend" {
				amount, err := retail.ParseMicros(f.Value.Amount)
				if err != nil {
					t.Errorf("%s: spend %q: %v", id, f.Value.Amount, err)
				}
				sum += amount
			}
		}
	}
	if len(all) != 7 || sum != spend {
		t.Errorf("%d reports tell a spend of %v, charged were %v", len(all), sum, spend)
	}
	text := must(t, "report", "yogurt-759", "--dir", s.dir)
	if !strings.Contains(text, "clock: replay") || !strings.Contains(text, demoLabel) {
		t.Errorf("the report as text does not state its clock and data:\n%s", text)
	}
	page := must(t, "report", "yogurt-759", "--dir", s.dir, "--format", "html")
	if !strings.Contains(page, "replay") || !strings.Contains(page, "published by 84.51°") {
		t.Error("the report's page does not state its clock and data")
	}
}

// bookBalances opens the book of a house that is closed: all that was paid lies
// in wallets, is set aside, or was earned, and what was earned was charged.
func bookBalances(t *testing.T, dir string, paid, spend retail.Micros) {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	book, err := sqlite.OpenBook(t.Context(), sqlite.Options{Path: filepath.Join(dir, "book.db"), Zone: zone})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	if err := book.Check(t.Context()); err != nil {
		t.Errorf("the book: %v", err)
	}
	sum := func(prefix string) (total retail.Micros) {
		balances, err := book.Balances(t.Context(), prefix)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range balances {
			if total += b.Amount; b.Amount < 0 && prefix != string(ledger.Outside) {
				t.Errorf("%s stands at %v", b.Account, b.Amount)
			}
		}
		return total
	}
	outside, wallets, aside, revenue := sum(string(ledger.Outside)), sum("wallet/"), sum("line-item/"), sum(string(ledger.Revenue))
	t.Logf("paid %v = wallets %v + set aside %v + revenue %v", -outside, wallets, aside, revenue)
	if -outside != paid || wallets+aside+revenue != paid || revenue != spend {
		t.Errorf("paid %v (want %v), wallets %v, set aside %v, revenue %v (charged %v)", -outside, paid, wallets, aside, revenue, spend)
	}
}

// newToBrand reads the reports with 26 weeks of look-back and with a year,
// which the data does not reach.
func newToBrand(t *testing.T, dir string, clock time.Time) {
	t.Helper()
	told := func(days string) map[string]int {
		file := filepath.Join(dir, "endcap.json")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var set map[string]any
		if err := json.Unmarshal(text, &set); err != nil {
			t.Fatal(err)
		}
		set["new_to_brand_days"], set["shoppers_min"] = json.Number(days), 2
		if text, err = json.Marshal(set); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s := serve(t, dir, "--clock", "replay")
		defer s.stop(t)
		if now := statusOf(t, s).Now; !now.Equal(clock) {
			t.Errorf("the replay clock goes on at %v, it stood at %v", now, clock)
		}
		out := make(map[string]int)
		for _, r := range reports(t, s) {
			for _, split := range r.Splits {
				for _, part := range split.Parts {
					if split.ID == "new_to_brand" && part.Sales.Amount != "" {
						out[part.Name]++
					}
				}
			}
		}
		t.Logf("look-back %s days, campaigns by what is told: %v", days, out)
		return out
	}
	if got := told("182"); got["new"]+got["not_new"] == 0 || got["unknown"] > 0 {
		t.Errorf("26 weeks: %v, want new or not_new and nothing unknown", got)
	}
	if got := told("365"); got["unknown"] == 0 || got["new"]+got["not_new"] > 0 {
		t.Errorf("365 days: %v, want unknown alone", got)
	}
}

// status is what GET /v1/status tells.
type status struct {
	Clock    string
	Now      time.Time
	CaughtUp bool `json:"caught_up"`
}

func statusOf(t *testing.T, s *server) (out status) {
	t.Helper()
	code, text, err := s.own(t.Context(), http.MethodGet, "/v1/status", nil)
	if err != nil || code != http.StatusOK {
		t.Fatalf("status: %d, %v\n%s", code, err, text)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
