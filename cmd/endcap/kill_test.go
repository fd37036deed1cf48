package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"endcap/retail"
)

// killsDefault is how often go test kills the program; ENDCAP_KILLS says more,
// as make soak does.
const killsDefault = 20

// TestNothingIsLostOrDoubledByKills kills the program again and again, at
// moments drawn from a printed seed, while receipts come in over the API and
// from files and shoppers look and click. After each kill everything that was
// acknowledged must be there once, and no budget overdrawn; at the end the book
// must balance and every proof hold.
func TestNothingIsLostOrDoubledByKills(t *testing.T) {
	if testing.Short() {
		t.Skip("kills are not for -short")
	}
	t.Parallel()
	kills, from := int(envNumber("ENDCAP_KILLS", killsDefault)), seed(t)
	p := newPlague(t)
	for round := range kills {
		chance := rand.New(rand.NewPCG(from, uint64(round)))
		s := p.recover(t, round, chance)
		p.storm(s, round, time.Duration(chance.IntN(1_500))*time.Millisecond)
		if t.Failed() {
			t.Fatalf("after kill %d of %d", round+1, kills)
		}
	}
	s := p.recover(t, kills, nil)
	for round := range kills {
		p.present(t, s, round)
	}
	t.Logf("%d kills: %d receipts over the API, %d from %d files, %d clicks, %v paid", kills, len(p.receipts), p.imported*fileReceipts, p.imported, len(p.clicks), p.paid)
	if len(p.receipts) == 0 || len(p.clicks) == 0 {
		t.Errorf("%d receipts and %d clicks were acknowledged: nothing was proved", len(p.receipts), len(p.clicks))
	}
	spend := spendOf(t, s)
	spent := s.one(t, `select count(*) from (select line_item, day, sum(amount) as spent from charges group by line_item, day) d
		join line_items l on l.line_item = d.line_item where l.budget_daily - d.spent < l.bid`)
	t.Logf("%s flight days spent to their last price", spent)
	if spent == "0" {
		t.Error("no budget was spent, so none was proved to hold")
	}
	s.stop(t)
	bookBalances(t, p.dir, p.paid, spend)
	verified(t, p.dir)
}

// plague is what the outside remembers across kills.
type plague struct {
	dir, home, key string
	cards          int

	mu       sync.Mutex
	receipts map[string]int64 // acknowledged, by id: total in cents
	clicks   map[string]bool  // acknowledged, by event id
	open     []parcel         // sent, and never answered
	paid     retail.Micros    // acknowledged payments
	imported int              // files wholly taken in
}

// parcel is a request to be sent until it is answered.
type parcel struct {
	method, path string
	body         any
	headers      []string
	then         func(*plague)
}

// fileReceipts is how many receipts, of two lines each, one file holds.
const fileReceipts = 4_000

// Products, stores and line items of the plague.
var plagueProducts = []string{"oats", "milk", "bread", "jam"}

func newPlague(t *testing.T) *plague {
	t.Helper()
	home := t.TempDir()
	p := &plague{home: home, dir: filepath.Join(home, "house"), cards: 300, receipts: map[string]int64{}, clicks: map[string]bool{}}
	must(t, "init", "--dir", p.dir, "--zone", "UTC", "--currency", "EUR")
	s := serve(t, p.dir)
	s.makeKey(t)
	p.key = s.key
	var products, consents []map[string]any
	for _, id := range plagueProducts {
		products = append(products, map[string]any{"id": id, "name": id, "brand": "brand-" + id, "category": "BREAKFAST"})
	}
	for n := range p.cards {
		consents = append(consents, map[string]any{
			"id": fmt.Sprintf("yes-%d", n), "shopper": map[string]string{"card": card(n)},
			"allowed": []string{"personal_offers", "personal_ads", "measurement"}, "at": "2026-01-01T00:00:00Z",
		})
	}
	s.ask(t, "PUT /v1/products", map[string]any{"products": products}, nil)
	s.ask(t, "PUT /v1/consents", map[string]any{"consents": consents}, nil)
	s.ask(t, "PUT /v1/placements/home", map[string]any{"name": "Home", "slots_max": 4, "floor": eur(5)}, nil, "If-None-Match", "*")
	s.ask(t, "PUT /v1/advertisers/oatly", map[string]any{"name": "Oatly", "currency": "EUR"}, nil, "If-None-Match", "*")
	s.ask(t, "POST /v1/advertisers/oatly/payments", map[string]any{"amount": eur(1_000_000)}, nil, "Idempotency-Key", "first")
	p.paid = 10_000 * 1_000_000
	today := time.Now().UTC()
	s.ask(t, "PUT /v1/campaigns/oats", map[string]any{"advertiser": "oatly", "name": "Oats", "control_ppm": 0, "flight": flight(today)}, nil, "If-None-Match", "*")
	s.ask(t, "PUT /v1/line-items/wide", lineItem("wide", 500_000), nil, "If-None-Match", "*")
	s.stop(t)
	return p
}

func card(n int) string { return fmt.Sprintf("card-%04d", n) }

func eur(cents int64) map[string]string {
	return map[string]string{"amount": fmt.Sprintf("%d.%02d", cents/100, cents%100), "currency": "EUR"}
}

func flight(today time.Time) map[string]string {
	return map[string]string{"from": today.AddDate(0, 0, -1).Format(time.DateOnly), "to": today.AddDate(0, 0, 7).Format(time.DateOnly)}
}

func lineItem(name string, dailyCents int64) map[string]any {
	return map[string]any{
		"campaign": "oats", "name": name, "products": plagueProducts, "placements": []string{"home"}, "bid": eur(37),
		"budget_daily": eur(dailyCents), "budget_total": eur(3 * dailyCents), "flight": flight(time.Now().UTC()),
	}
}

// recover starts the program, sometimes kills it while it is still opening,
// sends what was never answered, and checks everything.
func (p *plague) recover(t *testing.T, round int, chance *rand.Rand) *server {
	t.Helper()
	if chance != nil && chance.IntN(4) == 0 {
		s := start(t, p.dir)
		time.Sleep(time.Duration(chance.IntN(700)) * time.Millisecond)
		s.kill()
	}
	s := serve(t, p.dir)
	s.key = p.key
	s.settle(t)
	p.present(t, s, round-1)
	open := p.open
	p.open = nil
	for _, o := range open {
		status, text, err := s.call(t.Context(), o.method, o.path, o.body, o.headers...)
		if err != nil || status >= 300 {
			t.Fatalf("round %d: %s %s again: status %d, %v\n%s", round, o.method, o.path, status, err, text)
		}
		o.then(p)
	}
	s.settle(t)
	p.present(t, s, round-1)
	p.whole(t, s)
	return s
}

// present checks that every receipt and click acknowledged in a round is there
// once, with the right total and one answer.
func (p *plague) present(t *testing.T, s *server, round int) {
	t.Helper()
	got := make(map[string]string)
	mine := func(kind string) string { return fmt.Sprintf("%s-%d-", kind, round) }
	for _, row := range s.query(t, "select receipt, count(*), count(distinct line), cast(sum(sales) as varchar) from lines where receipt like '"+mine("r")+"%' group by receipt") {
		got[row[0]] = strings.Join(row[1:], " ")
	}
	for id, cents := range p.receipts {
		if !strings.HasPrefix(id, mine("r")) {
			continue
		}
		if want := fmt.Sprintf("2 2 %d.%02d0000", cents/100, cents%100); got[id] != want {
			t.Errorf("receipt %s: %q, want %q", id, got[id], want)
		}
	}
	answers := make(map[string]string)
	for _, row := range s.query(t, "select click, count(*) from charges where click like '"+mine("e")+"%' group by click") {
		answers[row[0]] = row[1]
	}
	touched := make(map[string]string)
	for _, row := range s.query(t, "select event, count(*) from touches where kind = 'clicked' and event like '"+mine("e")+"%' group by event") {
		touched[row[0]] = row[1]
	}
	for id := range p.clicks {
		if !strings.HasPrefix(id, mine("e")) {
			continue
		}
		if touched[id] != "1" || answers[id] != "1" {
			t.Errorf("click %s: %q times in history, %q answers, want 1 and 1", id, touched[id], answers[id])
		}
	}
	for id, n := range answers {
		if n != "1" || touched[id] != "1" {
			t.Errorf("answer to %s: %s times, clicked %q times", id, n, touched[id])
		}
	}
	daysKept(t, s)
}

// whole checks the sums of everything, once nothing is left unanswered.
func (p *plague) whole(t *testing.T, s *server) {
	t.Helper()
	var cents int64
	for _, c := range p.receipts {
		cents += c
	}
	want := fmt.Sprintf("%d %d %d.%02d", len(p.receipts), 2*len(p.receipts), cents/100, cents%100)
	row := s.query(t, "select count(distinct receipt), count(*), cast(cast(coalesce(sum(sales), 0) as decimal(18,2)) as varchar) from lines where receipt like 'r-%'")[0]
	if got := strings.Join(row, " "); got != want {
		t.Errorf("receipts, lines and sales over the API: %s, want %s", got, want)
	}
	row = s.query(t, `select (select count(*) from touches where kind = 'clicked'), (select count(distinct event) from touches where kind = 'clicked'),
		(select count(*) from charges), (select count(distinct click) from charges)`)[0]
	if clicks := fmt.Sprint(len(p.clicks)); row[0] != clicks || row[1] != clicks || row[2] != clicks || row[3] != clicks {
		t.Errorf("clicks, their ids, answers, their clicks: %v, want %s each", row, clicks)
	}
	for n := range p.imported {
		row = s.query(t, fmt.Sprintf("select count(distinct receipt), count(*), cast(sum(sales) as varchar) from lines where receipt like 'f-%d-%%'", n))[0]
		if got, want := strings.Join(row, " "), fmt.Sprintf("%d %d %d.000000", fileReceipts, 2*fileReceipts, 3*fileReceipts); got != want {
			t.Errorf("file %d: %s, want %s", n, got, want)
		}
	}
}

// storm lets everybody in until the program is killed.
func (p *plague) storm(s *server, round int, after time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	for w := range 2 {
		wait.Go(func() { p.till(ctx, s, round, w) })
	}
	for w := range 4 {
		wait.Go(func() { p.visits(ctx, s, round, w) })
	}
	wait.Go(func() { p.loads(ctx, s) })
	wait.Go(func() { p.terms(ctx, s, round) })
	time.Sleep(after)
	s.kill()
	cancel()
	wait.Wait()
}

// send tries a parcel once; what is not answered is kept open.
func (p *plague) send(ctx context.Context, s *server, o parcel) bool {
	status, _, err := s.call(ctx, o.method, o.path, o.body, o.headers...)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil || status >= 300 {
		p.open = append(p.open, o)
		return false
	}
	o.then(p)
	return true
}

// till sends batches of receipts until one is not answered.
func (p *plague) till(ctx context.Context, s *server, round, worker int) {
	for n := 0; ; n++ {
		batch, totals := []map[string]any{}, make(map[string]int64)
		for i := range 1 + n%7 {
			id := fmt.Sprintf("r-%d-%d-%d-%d", round, worker, n, i)
			cents := int64(101 + (n*31+i*7)%900)
			totals[id] = cents
			batch = append(batch, map[string]any{
				"id": id, "store": "s1", "at": time.Now().UTC().Format(time.RFC3339), "shopper": map[string]string{"card": card((n*13 + i) % p.cards)},
				"lines": []map[string]any{
					{"product": plagueProducts[n%4], "quantity": 1, "sales": "1.00"},
					{"product": "milk", "quantity": 2, "sales": fmt.Sprintf("%d.%02d", (cents-100)/100, (cents-100)%100)},
				},
			})
		}
		if !p.send(ctx, s, parcel{http.MethodPost, "/v1/receipts", map[string]any{"receipts": batch}, nil, func(p *plague) { maps.Copy(p.receipts, totals) }}) {
			return
		}
	}
}

// visits asks for decisions, sees and clicks everything, until one request is
// not answered.
func (p *plague) visits(ctx context.Context, s *server, round, worker int) {
	for n := 0; ; n++ {
		status, text, err := s.call(ctx, http.MethodPost, "/v1/decisions", map[string]any{
			"shopper": map[string]string{"card": card((n*17 + 71*worker + round) % p.cards)}, "proposals": 4,
			"placements": []map[string]any{{"placement": "home", "slots": 4}},
		})
		if err != nil || status != http.StatusOK {
			return
		}
		var answer struct {
			Sponsored []struct{ Items []struct{ Token string } }
		}
		if json.Unmarshal(text, &answer) != nil {
			return
		}
		var events []map[string]string
		var ids []string
		for _, placed := range answer.Sponsored {
			for i, item := range placed.Items {
				id := fmt.Sprintf("e-%d-%d-%d-%d", round, worker, n, i)
				ids = append(ids, id)
				events = append(events, map[string]string{"id": id + "-seen", "type": "impression", "token": item.Token}, map[string]string{"id": id, "type": "click", "token": item.Token})
			}
		}
		if len(events) == 0 {
			continue
		}
		clicked := func(p *plague) {
			for _, id := range ids {
				p.clicks[id] = true
			}
		}
		if !p.send(ctx, s, parcel{http.MethodPost, "/v1/events", map[string]any{"events": events}, nil, clicked}) {
			return
		}
	}
}

// loads imports one file after the other through the socket; one that broke
// off is imported again in the next round.
func (p *plague) loads(ctx context.Context, s *server) {
	for {
		status, text, err := s.own(ctx, http.MethodPost, "/v1/imports", map[string]any{"file": p.file(p.imported), "kind": "receipts", "mapping": json.RawMessage(plagueMapping)})
		if err != nil || status != http.StatusOK || !strings.Contains(string(text), `"finished":true`) || strings.Contains(string(text), `"problem"`) {
			return
		}
		p.mu.Lock()
		p.imported++
		p.mu.Unlock()
	}
}

const plagueMapping = `{"name": "plague", "zone": "UTC", "currency": "EUR", "feeds": {"receipts": {"columns": {
	"receipt": "id", "time": {"column": "at"}, "store": "store", "card": "card", "product": "product", "quantity": "quantity", "sales": "sales"}}}}`

// file writes the nth file, of receipts of 3.00 each, where it is not there yet.
func (p *plague) file(n int) string {
	name := filepath.Join(p.home, fmt.Sprintf("receipts-%d.ndjson", n))
	if _, err := os.Stat(name); err == nil {
		return name
	}
	var text strings.Builder
	for i := range fileReceipts {
		for _, line := range []string{`"product":"oats","quantity":1,"sales":"1.25"`, `"product":"milk","quantity":1,"sales":"1.75"`} {
			fmt.Fprintf(&text, `{"id":"f-%d-%d","at":"2026-01-%02dT10:00:00Z","store":"s2","card":"%s",%s}`+"\n", n, i, 1+i%28, card(i%p.cards), line)
		}
	}
	if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
		panic(err)
	}
	return name
}

// terms pays a little and books a line item with a small budget, each round.
func (p *plague) terms(ctx context.Context, s *server, round int) {
	name := fmt.Sprintf("narrow-%d", round)
	_ = p.send(ctx, s, parcel{
		http.MethodPost, "/v1/advertisers/oatly/payments",
		map[string]any{"amount": eur(123)},
		[]string{"Idempotency-Key", name},
		func(p *plague) { p.paid += 1_230_000 },
	}) && p.send(ctx, s, parcel{http.MethodPut, "/v1/line-items/" + name, lineItem(name, int64(40+round%30)), []string{"Idempotency-Key", name}, func(*plague) {}})
}
