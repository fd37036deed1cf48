package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func now() time.Time { return time.Now().UTC() }

// until asks again and again, and says how long it took to come true.
func until(t *testing.T, most time.Duration, what string, ask func() bool) time.Duration {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if ask() {
			return time.Since(begun)
		}
		if time.Since(begun) > most {
			t.Fatalf("%s: not within %v", what, most)
		}
	}
}

func median(of []time.Duration) time.Duration {
	slices.Sort(of)
	return of[len(of)/2]
}

// proposed are a shopper's proposals: product to reason.
func proposed(t *testing.T, s *server, card string) map[string]string {
	t.Helper()
	var answer struct {
		Proposals []struct{ Product, Reason string }
	}
	s.ask(t, "POST /v1/decisions", map[string]any{"shopper": map[string]string{"card": card}, "proposals": 10}, &answer)
	out := make(map[string]string)
	for _, p := range answer.Proposals {
		out[p.Product] = p.Reason
	}
	return out
}

// TestAReceiptIsKnownWithinASecondAndAWithdrawalWithinAMinute buys, looks, says
// no, and measures how long each takes to count. It runs alone in its package,
// because it measures.
func TestAReceiptIsKnownWithinASecondAndAWithdrawalWithinAMinute(t *testing.T) {
	const people = 20
	dir := filepath.Join(t.TempDir(), "house")
	must(t, "init", "--dir", dir, "--currency", "EUR")
	s := serve(t, dir)
	s.makeKey(t)
	var products, yes []map[string]any
	for n := range people {
		products = append(products, map[string]any{"id": fmt.Sprintf("p%d", n), "name": "Product", "category": "BREAKFAST"})
		yes = append(yes, map[string]any{
			"id": fmt.Sprintf("yes-%d", n), "shopper": map[string]string{"card": card(n)},
			"allowed": []string{"personal_offers", "measurement"}, "at": now().Add(-time.Hour).Format(time.RFC3339),
		})
	}
	s.ask(t, "PUT /v1/products", map[string]any{"products": products}, nil)
	s.ask(t, "PUT /v1/consents", map[string]any{"consents": yes}, nil)

	took := until(t, time.Minute, "new products in proposals", func() bool {
		var found struct{ Proposals []struct{ Product string } }
		s.ask(t, "POST /v1/decisions", map[string]any{"page": map[string]string{"query": "product"}, "proposals": 10}, &found)
		return len(found.Proposals) == 10
	})
	t.Logf("new products are proposed after %v", took)
	var held, seen []time.Duration
	for n := range people {
		product, wait := fmt.Sprintf("p%d", n), n%2 == 0
		header := []string{}
		if wait {
			header = []string{"Prefer", "wait=10"}
		}
		var answer struct{ Profile string }
		begun := time.Now()
		for i := range 3 {
			s.ask(t, "POST /v1/receipts", map[string]any{"receipts": []any{map[string]any{
				"id": fmt.Sprintf("r%d-%d", n, i), "store": "s1", "at": now().AddDate(0, 0, -3*i).Format(time.RFC3339), "shopper": map[string]string{"card": card(n)},
				"lines": []any{map[string]any{"product": product, "quantity": 1, "sales": "2.50"}},
			}}}, &answer, header...)
			if wait && answer.Profile != "seen" {
				t.Errorf("shopper %d: the answer was held and her profile is %q", n, answer.Profile)
			}
		}
		if wait {
			held = append(held, time.Since(begun)/3)
			if got := proposed(t, s, card(n)); got[product] != "bought_often" {
				t.Errorf("shopper %d: what she bought is not proposed to her: %v", n, got)
			}
			continue
		}
		seen = append(seen, until(t, time.Minute, "her receipts in her proposals", func() bool { return proposed(t, s, card(n))[product] == "bought_often" }))
	}
	t.Logf("a receipt with Prefer: wait answered after %v (median; worst %v); without, proposed after %v (worst %v)", median(held), slices.Max(held), median(seen), slices.Max(seen))
	if median(held) > time.Second || median(seen) > time.Second {
		t.Error("a profile is more than a second behind")
	}

	s.stop(t)
	must(t, "rebuild", "--dir", dir)
	key := s.key
	s = serve(t, dir)
	s.key = key
	for n := range people {
		if got := proposed(t, s, card(n)); got[fmt.Sprintf("p%d", n)] != "bought_often" {
			t.Errorf("shopper %d after a rebuild: %v", n, got)
		}
	}
	withdrawal(t, s, people)
}

// withdrawal has half of the people say no.
func withdrawal(t *testing.T, s *server, people int) {
	t.Helper()
	count := func() string {
		return s.queryFor(t, "measurement", "select count(distinct receipt) from receipts")[0][0]
	}
	until(t, time.Minute, "all receipts under measurement", func() bool { return count() == fmt.Sprint(3*people) })
	var took []time.Duration
	for n := range people / 2 {
		s.ask(t, "PUT /v1/consents", map[string]any{"consents": []any{map[string]any{
			"id": fmt.Sprintf("no-%d", n), "shopper": map[string]string{"card": card(n)}, "allowed": []string{}, "at": now().Format(time.RFC3339Nano),
		}}}, nil)
		begun := time.Now()
		for product, reason := range proposed(t, s, card(n)) { // the next answer, not one a second later
			if reason == "bought_often" {
				t.Errorf("shopper %d said no, and %s is still proposed for what she bought", n, product)
			}
		}
		took = append(took, time.Since(begun))
	}
	away := until(t, time.Minute, "history without her under measurement", func() bool { return count() == fmt.Sprint(3*(people-people/2)) })
	t.Logf("a withdrawal counts in the next proposals, answered after %v (worst %v), in history after %v more", median(took), slices.Max(took), away)
	if all := s.one(t, "select count(distinct receipt) from receipts"); all != fmt.Sprint(3*people) {
		t.Errorf("accounting sees %s receipts, want all %d", all, 3*people)
	}
	if got := proposed(t, s, card(0)); len(got) == 0 {
		t.Error("a shopper who said no gets no proposals at all")
	}
}

// TestALongQuestionIsAnswered asks what takes longer than a body may take to
// arrive: the one limit must not end the other.
func TestALongQuestionIsAnswered(t *testing.T) {
	if testing.Short() {
		t.Skip("a question of seven seconds is not for -short")
	}
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "house")
	must(t, "init", "--dir", dir)
	s := serve(t, dir)
	ask := func(rows int64) time.Duration {
		begun := time.Now()
		status, text, err := s.own(t.Context(), http.MethodPost, "/v1/query", map[string]any{
			"purpose": "accounting", "sql": fmt.Sprintf("select count(*) as n from range(%d) as r(n) where hash(n) %% 7 = 3", rows),
		})
		if err != nil || status != http.StatusOK || !json.Valid(text) {
			t.Fatalf("after %v: status %d, %v: %s", time.Since(begun), status, err, text)
		}
		return time.Since(begun)
	}
	rows := int64(20_000_000)
	took := ask(rows)
	for took < 5500*time.Millisecond && rows < 1<<40 {
		rows = int64(float64(rows) * min(20, 6.5/took.Seconds()))
		took = ask(rows)
	}
	t.Logf("a question of %.1f s was answered", took.Seconds())
}

// TestAStopLetsRequestsEnd stops the program while a receipt is half sent and
// others come in, and looks for every one that was answered.
func TestAStopLetsRequestsEnd(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "house")
	must(t, "init", "--dir", dir, "--currency", "EUR")
	s := serve(t, dir)
	s.makeKey(t)
	body, _ := json.Marshal(tillReceipt("slow"))
	slow := make(chan error, 1)
	reader, begun := trickle(body, 1500*time.Millisecond)
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/receipts", reader)
		if err != nil {
			slow <- err
			return
		}
		req.ContentLength = int64(len(body))
		req.Header.Set("Authorization", "Bearer "+s.key)
		req.Header.Set("Content-Type", "application/json")
		answer, err := s.public.Do(req)
		if err == nil {
			if err = answer.Body.Close(); answer.StatusCode != http.StatusOK {
				err = fmt.Errorf("status %d", answer.StatusCode)
			}
		}
		slow <- err
	}()
	taken, ended := make(chan int, 1), make(chan struct{})
	go func() {
		defer close(ended)
		n := 0
		for ; ; n++ {
			if status, _, err := s.call(t.Context(), http.MethodPost, "/v1/receipts", tillReceipt(fmt.Sprintf("quick-%d", n))); err != nil {
				break
			} else if status != http.StatusOK {
				t.Errorf("receipt %d: status %d", n, status)
				break
			}
		}
		taken <- n
	}()
	<-begun
	time.Sleep(200 * time.Millisecond)
	took := s.stop(t)
	if err := <-slow; err != nil {
		t.Errorf("the receipt that was half sent: %v", err)
	}
	n := <-taken
	<-ended
	t.Logf("stopped in %v after %d receipts", took, n)
	if took > 10*time.Second {
		t.Errorf("stopping took %v, at most 10 s", took)
	}
	if strings.Contains(s.said(t), `"level":"ERROR"`) {
		t.Errorf("the log has errors:\n%s", s.said(t))
	}
	s = serve(t, dir)
	s.settle(t)
	got := s.query(t, "select (select count(*) from receipts where receipt = 'slow'), (select count(*) from receipts where receipt like 'quick-%')")[0]
	if got[0] != "1" || got[1] != fmt.Sprint(n) && got[1] != fmt.Sprint(n+1) { // the last may have been taken in and not answered
		t.Errorf("after a restart: %v, want 1 and %d", got, n)
	}
}

func tillReceipt(id string) map[string]any {
	return map[string]any{"receipts": []any{map[string]any{
		"id": id, "store": "s1", "at": now().Format(time.RFC3339), "shopper": map[string]string{"card": "1"},
		"lines": []any{map[string]any{"product": "oats", "quantity": 1, "sales": "2.50"}},
	}}}
}

// trickle gives a body in two halves with a pause between; begun is closed when
// the first half was read.
func trickle(body []byte, pause time.Duration) (*halves, <-chan struct{}) {
	begun := make(chan struct{})
	return &halves{body: body, pause: pause, begun: begun}, begun
}

type halves struct {
	body  []byte
	pause time.Duration
	begun chan struct{}
	reads int
}

// Read gives half of the body, and after the pause the rest.
func (h *halves) Read(b []byte) (int, error) {
	h.reads++
	part := h.body
	switch h.reads {
	case 1:
		part = h.body[:len(h.body)/2]
		defer close(h.begun)
	case 2:
		time.Sleep(h.pause)
	}
	n := copy(b, part)
	if h.body = h.body[n:]; len(h.body) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// TestAReplayGoesOnWhereItStood moves a demo's clock, stops, and looks again.
func TestAReplayGoesOnWhereItStood(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "house")
	must(t, "init", "--dir", dir, "--demo", "--zone", "America/New_York", "--clock-start", "2017-12-04T00:00:00-05:00", "--shoppers-min", "10")
	s := serve(t, dir, "--clock", "replay")
	want := time.Date(2017, 12, 6, 17, 20, 0, 0, time.UTC)
	s.ask(t, "PUT /v1/clock", map[string]string{"now": want.Format(time.RFC3339)}, nil)
	s.stop(t)
	must(t, "query", "--dir", dir, "select 1 as one") // a command's own owner lives there too
	s = serve(t, dir, "--clock", "replay")
	if got := statusOf(t, s); !got.Now.Equal(want) || got.Clock != "replay" {
		t.Errorf("the clock is %v of %s, want %v of replay", got.Now, got.Clock, want)
	}
	status, text, err := s.own(t.Context(), http.MethodPut, "/v1/clock", map[string]string{"now": "2017-12-05T00:00:00Z"})
	if err != nil || status != http.StatusConflict {
		t.Errorf("moving it back: status %d, %v: %s", status, err, text)
	}
}

// A restart at noon shares the machine with visits: it does no night's work again,
// unless days were loaded meanwhile.
func TestHouseIsKeptOnceADay(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "house")
	must(t, "init", "--dir", dir, "--demo", "--zone", "UTC", "--clock-start", "2017-12-04T00:00:00Z", "--shoppers-min", "10")
	kept := filepath.Join(dir, "kept")
	begin := func(want, not string) *server {
		s := serve(t, dir, "--clock", "replay")
		until(t, time.Minute, want, func() bool { _, err := os.Stat(kept); return err == nil && strings.Contains(s.said(t), want) })
		if strings.Contains(s.said(t), not) {
			t.Errorf("%q: %s", not, s.said(t))
		}
		return s
	}
	const swept, before = `"msg":"swept for the forgotten"`, `"msg":"house was kept before the restart"`
	begin(swept, before).stop(t)
	s := begin(before, swept)
	s.ask(t, "PUT /v1/clock", map[string]string{"now": "2017-12-05T08:00:00Z"}, nil)
	until(t, time.Minute, "the next day's work", func() bool {
		text, err := os.ReadFile(kept)
		return err == nil && strings.HasPrefix(string(text), "2017-12-05") && strings.Contains(s.said(t), swept)
	})
	s.stop(t)
	folder := t.TempDir()
	for name, text := range map[string]string{"plague.json": plagueMapping, "late.ndjson": `{"id":"late","at":"2017-12-01T10:00:00Z","store":"s1","product":"oats","quantity":1,"sales":"1.25"}`} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "ingest", "--dir", dir, "--kind", "receipts", "--mapping", filepath.Join(folder, "plague.json"), filepath.Join(folder, "late.ndjson"))
	begin(swept, before).stop(t)
}

// The power goes the moment a receipt was accepted, before history has read it
// and long after the morning at which the clock was written. Does the clock go
// on from that receipt?
func TestAKilledReplayGoesOnFromItsNewestFact(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "house")
	must(t, "init", "--dir", dir, "--demo", "--zone", "UTC", "--clock-start", "2017-12-04T00:00:00Z", "--shoppers-min", "10")
	at := time.Date(2017, 12, 4, 1, 0, 0, 0, time.UTC)
	for n := range 4 {
		s := serve(t, dir, "--clock", "replay")
		if got := statusOf(t, s).Now; n > 0 && got.Before(at) {
			t.Fatalf("after kill %d the clock is %v, it had told %v", n, got, at)
		}
		for range 3 {
			at = at.Add(time.Hour)
			s.ask(t, "PUT /v1/clock", map[string]string{"now": at.Format(time.RFC3339)}, nil)
			r := map[string]any{
				"id": "r" + at.Format(time.RFC3339), "store": "s1", "at": at.Format(time.RFC3339),
				"lines": []any{map[string]any{"product": "oats", "quantity": 1, "sales": "2.50"}},
			}
			s.ask(t, "POST /v1/receipts", map[string]any{"receipts": []any{r}}, nil)
		}
		s.kill()
	}
}

// Whoever stores a product and then books it, or books a placement and then asks
// for it, need not wait.
func TestWhatWasStoredMayBeNamedAtOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "house")
	must(t, "init", "--dir", dir, "--zone", "UTC", "--currency", "EUR")
	s := serve(t, dir)
	s.makeKey(t)
	s.ask(t, "PUT /v1/advertisers/oatly", map[string]any{"name": "Oatly", "currency": "EUR"}, nil, "If-None-Match", "*")
	s.ask(t, "PUT /v1/campaigns/oats", map[string]any{"advertiser": "oatly", "name": "Oats", "flight": flight(now())}, nil, "If-None-Match", "*")
	s.ask(t, "PUT /v1/placements/home", map[string]any{"name": "Home", "slots_max": 4, "floor": eur(5)}, nil, "If-None-Match", "*")
	for n := range 10 {
		var products []any // so many that they are not folded in the time between two requests
		for i := range 2_000 {
			products = append(products, map[string]any{"id": fmt.Sprintf("p%d-%d", n, i), "category": "BREAKFAST"})
		}
		item := lineItem("wide", 5_000)
		item["products"] = []string{fmt.Sprintf("p%d-1999", n)}
		s.ask(t, "PUT /v1/products", map[string]any{"products": products}, nil)
		s.ask(t, fmt.Sprintf("PUT /v1/line-items/li%d", n), item, nil, "If-None-Match", "*")
		s.ask(t, fmt.Sprintf("PUT /v1/placements/place%d", n), map[string]any{"name": "Home", "slots_max": 4, "floor": eur(5)}, nil, "If-None-Match", "*")
		s.ask(t, "POST /v1/decisions", map[string]any{"placements": []any{map[string]any{"placement": fmt.Sprintf("place%d", n), "slots": 1}}}, nil)
	}
	item := lineItem("wide", 5_000)
	item["products"] = []string{"never"}
	status, text, err := s.call(t.Context(), http.MethodPut, "/v1/line-items/never", item, "If-None-Match", "*")
	if err != nil || status != http.StatusUnprocessableEntity || !strings.Contains(string(text), "products[0]") {
		t.Errorf("a product that nobody stored: %d %s (%v)", status, text, err)
	}
}

// Does a memory limit that the operator set outlive the load of a file?
func TestTheOperatorsMemoryLimitStands(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "3GiB")
	dir := t.TempDir()
	house, file, mapping := filepath.Join(dir, "house"), filepath.Join(dir, "receipts.csv"), filepath.Join(dir, "mapping.json")
	must(t, "init", "--dir", house, "--zone", "UTC", "--currency", "EUR")
	for name, text := range map[string]string{
		file: "id,time,store,product,quantity,sales\nr1,2026-03-02 09:15:00,s1,oats,1,2.50\n",
		mapping: `{"name": "tills", "zone": "UTC", "currency": "EUR", "feeds": {"receipts": {"columns": {"receipt": "id",
			"time": {"column": "time"}, "store": "store", "product": "product", "quantity": "quantity", "sales": "sales"}}}}`,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, house)
	must(t, "ingest", "--dir", house, "--kind", "receipts", "--mapping", mapping, file)
	status, text, err := s.own(t.Context(), http.MethodGet, "/metrics", nil)
	if err != nil || status != http.StatusOK || !strings.Contains(string(text), "\ngo_gc_gomemlimit_bytes 3.221225472e+09\n") {
		t.Errorf("metrics: status %d, %v, without the limit of 3 GiB:\n%s", status, err, text)
	}
}
