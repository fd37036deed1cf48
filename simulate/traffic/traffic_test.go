package traffic_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"endcap/retail"
	"endcap/simulate/grocer"
	"endcap/simulate/life"
	"endcap/simulate/model"
	"endcap/simulate/scenario"
	"endcap/simulate/traffic"
)

var noon = time.Date(2025, 3, 3, 11, 0, 0, 0, time.UTC)

func open(t *testing.T, shoppers, weeks int) *traffic.Traffic {
	t.Helper()
	s := scenario.Defaults()
	s.Shoppers, s.Weeks, s.Seed, s.Products, s.Browse = shoppers, weeks, 5, 1_000, 2
	crowd, err := traffic.Open(t.Context(), traffic.Options{Scenario: s, Model: model.Fitted(), Run: "r", Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(crowd.Close)
	return crowd
}

// shop answers as a house would, and remembers what it was sent.
type shop struct {
	outcome string
	refuse  string   // the kind that is answered without success
	order   []string // kinds of requests
	failed  []string
	ids     map[string]int // of receipts and events
	tokens  int
	tills   map[int64]string // the last store by card
}

func (s *shop) Send(_ context.Context, kind, route string, body []byte) ([]byte, bool) {
	s.order = append(s.order, kind)
	if kind == s.refuse {
		return nil, false
	}
	var in struct {
		Receipts []struct {
			ID, At, Store string
			Shopper       map[string]string
		}
		Events []struct{ ID, Token string }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, false
	}
	for _, r := range in.Receipts {
		s.ids[r.ID]++
		if card, err := strconv.ParseInt(r.Shopper["card"], 10, 64); err == nil {
			s.tills[card] = r.Store
		}
		if at, err := time.Parse(time.RFC3339Nano, r.At); err != nil || !at.Equal(noon) {
			s.failed = append(s.failed, "receipt of another day")
		}
	}
	for _, e := range in.Events {
		s.ids[e.ID]++
		s.tokens++
	}
	switch route {
	case "POST /v1/receipts":
		return []byte(`{"results":[{"outcome":"` + s.outcome + `"}]}`), true
	case "POST /v1/decisions":
		return []byte(`{"decision":"d","sponsored":[{"placement":"search","items":[{"slot":0,"product":"2000000000008","token":"t"}]}]}`), true
	default:
		return nil, true
	}
}

func (s *shop) Fail(kind string) { s.failed = append(s.failed, kind) }

func newShop() *shop {
	return &shop{outcome: "new", ids: make(map[string]int), tills: make(map[int64]string)}
}

// Visits go on for ever, over the weeks of the scenario and the spare ones, and no
// id comes twice.
func TestTheCrowdNeverEnds(t *testing.T) {
	t.Parallel()
	crowd, s := open(t, 30, 1), newShop()
	for range 4_000 {
		crowd.Visit(t.Context(), s)
	}
	for id, n := range s.ids {
		if n > 1 || !strings.HasPrefix(id, "r-") {
			t.Fatalf("%s came %d times", id, n)
		}
	}
	for _, kind := range traffic.Kinds() {
		if !slices.Contains(s.order, kind) && kind != traffic.Views && kind != traffic.Clicks {
			t.Errorf("nobody made a request of the kind %s", kind)
		}
	}
	if len(s.failed) > 0 {
		t.Errorf("failed: %.200v", s.failed)
	}
}

func TestTheSameCrowdComesAgain(t *testing.T) {
	t.Parallel()
	come := func() []string {
		crowd, s := open(t, 200, 2), newShop()
		for range 300 {
			crowd.Visit(t.Context(), s)
		}
		return s.order
	}
	if a, b := come(), come(); !slices.Equal(a, b) || len(a) < 300 {
		t.Errorf("%d and %d requests of two runs differ", len(a), len(b))
	}
}

// With communes shoppers go to other stores than without: the crowd goes to those of
// the folder that the house was filled from.
func TestTheCrowdGoesToItsOwnStores(t *testing.T) {
	t.Parallel()
	s := scenario.Defaults()
	s.Shoppers, s.Weeks, s.Seed, s.Products, s.CardShared, s.CardWrong = 400, 1, 5, 1_000, 0, 0
	places := []grocer.Commune{{Code: "1", Name: "A", Population: 200}, {Code: "2", Name: "B", Population: 900_000}, {Code: "3", Name: "C", Population: 50}}
	strangers := func(communes []grocer.Commune) (n int) {
		crowd, err := traffic.Open(t.Context(), traffic.Options{Scenario: s, Model: model.Fitted(), Communes: communes, Run: "r", Now: func() time.Time { return noon }})
		if err != nil {
			t.Fatal(err)
		}
		defer crowd.Close()
		w, err := life.Open(t.Context(), &s, model.Fitted(), places)
		if err != nil {
			t.Fatal(err)
		}
		at := newShop()
		for range 600 {
			crowd.Visit(t.Context(), at)
		}
		for card, store := range at.tills {
			home := w.Crowd.Shoppers[w.Crowd.CardOf(card)]
			if store != w.Grocer.Stores[home.Store].ID && store != w.Grocer.Stores[home.Second].ID {
				n++
			}
		}
		if len(at.tills) < 50 {
			t.Errorf("%d shoppers showed a card", len(at.tills))
		}
		return n
	}
	if there, elsewhere := strangers(places), strangers(nil); there != 0 || elsewhere == 0 {
		t.Errorf("with the folder's communes %d shoppers are in stores that are none of theirs, without %d", there, elsewhere)
	}
}

func TestAVisitEndsWithWhatFails(t *testing.T) {
	t.Parallel()
	crowd, s := open(t, 200, 1), newShop()
	s.refuse = traffic.Screen
	for range 300 {
		before := len(s.order)
		crowd.Visit(t.Context(), s)
		if at := slices.Index(s.order[before:], traffic.Screen); at >= 0 && at != len(s.order[before:])-1 {
			t.Fatalf("a visit went on: %v", s.order[before:])
		}
	}
	s.refuse, s.outcome, s.failed = "", "quarantined", nil
	for range 100 {
		crowd.Visit(t.Context(), s)
	}
	if !slices.Contains(s.failed, traffic.Receipts) {
		t.Error("a receipt in quarantine passes for taken in")
	}
}

func TestOnlyAHouseThatFitsIsVisited(t *testing.T) {
	t.Parallel()
	refused := &retail.Error{Kind: retail.Invalid, Say: "no such placement"}
	for name, tt := range map[string]struct {
		status, proposal string
		missing          int
		want             string
	}{
		"its own data":       {`{"clock":"wall"}`, "", 0, "dataset"},
		"other products":     {`{"dataset":"x","clock":"wall"}`, `{"proposals":[{"product":"1","name":"Oats"}]}`, 0, "no product"},
		"nothing to propose": {`{"dataset":"x","clock":"wall"}`, `{"proposals":[]}`, 0, "no product"},
	} {
		_, err := open(t, 50, 1).Fit(t.Context(), func(_ context.Context, route string, _, out any) error {
			if route == "GET /v1/status" {
				return json.Unmarshal([]byte(tt.status), out)
			}
			return json.Unmarshal([]byte(tt.proposal), out)
		})
		if e, ok := errors.AsType[*retail.Error](err); !ok || !strings.Contains(err.Error(), tt.want) || e.Cure == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := open(t, 50, 1).Fit(t.Context(), func(context.Context, string, any, any) error { return refused })
	if !errors.Is(err, refused) {
		t.Errorf("a server that refuses everything: %v", err)
	}
}
