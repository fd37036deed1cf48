package play

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"endcap/simulate/grocer"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
)

// shop is a server as a play sees one, that shows every line item whose category
// is asked for and holds out every other shopper.
type shop struct {
	mu      sync.Mutex
	now     time.Time
	items   map[string]lineItem
	rows    [][]string // of wins: day, decision, campaign, placement, slot, arm
	asked   int        // decisions
	cents   int64
	sold    map[string]bool
	moved   []tick // of the clock
	watch   func(tick)
	decided func()
}

// tick is when the clock was moved, by the wall, and to where.
type tick struct{ wall, clock time.Time }

type lineItem struct {
	Campaign   string
	Products   []string
	Placements []string
	Categories []string
}

func newShop() *shop {
	return &shop{items: make(map[string]lineItem), sold: make(map[string]bool)}
}

// RoundTrip answers without a network.
func (s *shop) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := json.Marshal(s.answer(r.Method+" "+r.URL.Path, body))
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(text)), Request: r}, err
}

func (s *shop) answer(route string, body []byte) any {
	var in struct {
		Now      time.Time
		SQL      string
		Receipts []struct {
			ID    string
			Lines []struct{ Sales string }
		}
	}
	_ = json.Unmarshal(body, &in)
	switch {
	case route == "GET /v1/status":
		return map[string]any{"clock": "replay", "now": s.now, "caught_up": true}
	case route == "PUT /v1/clock":
		s.now = in.Now
		at := tick{time.Now(), in.Now}
		s.moved = append(s.moved, at)
		if s.watch != nil {
			s.watch(at)
		}
	case strings.HasPrefix(route, "PUT /v1/line-items/"):
		var item lineItem
		_ = json.Unmarshal(body, &item)
		s.items[item.Campaign] = item
	case route == "POST /v1/decisions":
		return s.decide(body)
	case route == "POST /v1/receipts":
		results := make([]map[string]string, len(in.Receipts))
		for i, r := range in.Receipts {
			results[i] = map[string]string{"outcome": "new"}
			for _, l := range r.Lines {
				amount, _ := strconv.ParseInt(strings.Replace(l.Sales, ".", "", 1), 10, 64)
				if !s.sold[r.ID] {
					s.cents += amount
				}
			}
			s.sold[r.ID] = true
		}
		return map[string]any{"results": results, "profile": "seen"}
	case route == "POST /v1/query":
		return s.query(in.SQL)
	}
	return map[string]any{}
}

func (s *shop) decide(body []byte) any {
	var in struct {
		Shopper    map[string]string
		Placements []struct{ Placement string }
		Page       struct{ Category string }
	}
	_ = json.Unmarshal(body, &in)
	if s.decided != nil {
		s.decided()
	}
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, in.Shopper)
	arm := []string{"treated", "control"}[h.Sum64()>>9&1]
	_, _ = h.Write(body)
	s.asked++
	_, _ = fmt.Fprint(h, s.asked)
	id := fmt.Sprintf("%016x", h.Sum64())
	var sponsored []map[string]any
	for _, at := range in.Placements {
		for campaign, item := range s.items {
			if !slices.Contains(item.Placements, at.Placement) || !slices.Contains(item.Categories, in.Page.Category) {
				continue
			}
			s.rows = append(s.rows, []string{s.now.Format(time.DateOnly), id, campaign, at.Placement, "0", arm})
			if arm == "treated" {
				sponsored = append(sponsored, map[string]any{"placement": at.Placement, "items": []any{map[string]any{"slot": 0, "product": item.Products[0], "token": "t"}}})
			}
		}
	}
	return map[string]any{"decision": id, "sponsored": sponsored}
}

var asksWins = regexp.MustCompile(`from wins\s+where day = date '([^']*)' and decision like '([^%]*)%'`)

func (s *shop) query(sql string) any {
	m := asksWins.FindStringSubmatch(sql)
	var rows [][]string
	for _, r := range s.rows {
		if m != nil && r[0] == m[1] && strings.HasPrefix(r[1], m[2]) {
			rows = append(rows, append(slices.Clone(r[1:]), "true"))
		}
	}
	slices.SortFunc(rows, slices.Compare)
	return map[string]any{"rows": rows}
}

// communes are enough for stores to differ.
func communes() []grocer.Commune {
	return []grocer.Commune{
		{Code: "01001", Name: "Petite", Department: "01", Region: "84", Kind: "commune-actuelle", Population: 300},
		{Code: "01002", Name: "Moyenne", Department: "01", Region: "84", Kind: "commune-actuelle", Population: 9_000},
		{Code: "01003", Name: "Grande", Department: "01", Region: "84", Kind: "commune-actuelle", Population: 400_000},
		{Code: "01004", Name: "Autre", Department: "01", Region: "84", Kind: "commune-actuelle", Population: 60_000},
	}
}

// plays are the options of a small play in a zone without summer time, by UTC.
func plays(t *testing.T, s *shop, text string) Options {
	t.Helper()
	k := scenario.Defaults()
	k.Shoppers, k.Weeks, k.Seed, k.Products, k.Zone = 250, 3, 5, 1_000, "UTC"
	if err := scenario.Read(strings.NewReader(text), &k); err != nil {
		t.Fatal(err)
	}
	return Options{
		Scenario: k, Model: model.Fitted(), Client: &http.Client{Transport: s}, Server: "http://shop.invalid", Key: "k",
		Truth: t.TempDir(), Visits: 4, Now: time.Now, Communes: communes(),
	}
}

// selling is a play with campaigns for what many buy.
const selling = `{"shoppers": 800, "consent": 1, "withdraw": 0, "browse": 2, "account": 0.5, "play": {"quiet": 1, "campaigns": [
	{"name": "a", "from": 1, "weeks": 2}, {"name": "b", "from": 1, "weeks": 2}, {"name": "c", "from": 1, "weeks": 2},
	{"name": "d", "from": 1, "weeks": 2}, {"name": "e", "from": 1, "weeks": 2}, {"name": "f", "from": 1, "weeks": 2}]}}`
