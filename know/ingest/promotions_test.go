package ingest_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"endcap/know/ingest"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/event"
)

var week49 = retail.Date(2017, 12, 4)

// promoted is what a store promoted in a week, each product in one place.
func promoted(version uint32, store string, week retail.Day, products ...string) ingest.Promotions {
	p := ingest.Promotions{Version: version, Line: 2, Raw: []byte("raw " + store)}
	p.Store, p.Week = catalog.StoreID(store), week
	for i, id := range products {
		p.Products = append(p.Products, catalog.Promotion{Product: catalog.ProductID(id), Display: fmt.Sprint("cap ", i%2), Mailer: "front page"})
	}
	return p
}

func (h *house) promote(tb testing.TB, ws ...ingest.Promotions) ingest.Result {
	tb.Helper()
	for i := range ws {
		ws[i].Products = slices.Clone(ws[i].Products) // the desk owns them
	}
	res, err := h.Promotions(tb.Context(), ws, file)
	if err != nil {
		tb.Fatal(err)
	}
	return res
}

func TestWhatBecomesOfAStoresWeekOfPromotions(t *testing.T) {
	t.Parallel()
	h := open(t)
	first := promoted(0, "s1", week49, "oats", "milk")
	shuffled := first
	shuffled.Products = []catalog.Promotion{first.Products[1], first.Products[0], first.Products[1]}
	steps := []struct {
		name string
		sent ingest.Promotions
		want string
		rows int64
	}{
		{"a first one", first, "new", 2},
		{"the same again", first, "repeat", 2},
		{"in another order, one product twice", shuffled, "repeat", 2},
		{"another store", promoted(0, "s2", week49, "oats", "milk"), "new", 2},
		{"another week", promoted(0, "s1", week49+7, "oats", "milk"), "new", 2},
		{"other products without a version", promoted(0, "s1", week49, "tea"), "conflict:version", 0},
		{"other products under a higher version", promoted(1, "s1", week49, "tea"), "corrected", 1},
		{"the first again", first, "repeat", 2},
		{"nothing at all, under a higher version", promoted(3, "s1", week49), "corrected", 0},
		{"a version that was overtaken", promoted(2, "s1", week49, "tea"), "conflict:version", 0},
		{"other products under the newest version", promoted(3, "s1", week49, "tea"), "conflict:version", 0},
	}
	for i, s := range steps {
		s.sent.Line = int64(i + 1)
		h.pass(48 * time.Hour) // whenever it comes
		res := h.promote(t, s.sent)
		if got := said(res); got != s.want || res.Summary.Promotions != s.rows {
			t.Errorf("%s: %s of %d products, want %s of %d", s.name, got, res.Summary.Promotions, s.want, s.rows)
		}
	}
	refused := h.refused(t)
	if len(refused) != 3 {
		t.Fatalf("%d weeks in quarantine, want 3", len(refused))
	}
	var stored struct {
		Version uint32
		Body    event.Promotions
	}
	if err := json.Unmarshal(refused[0].Stored, &stored); err != nil || len(stored.Body.Products) != 2 || string(refused[0].Raw) != "raw s1" || refused[0].Kind != event.KindPromotions {
		t.Errorf("the conflict lies in quarantine as %s beside %+v (%v)", refused[0].Raw, stored, err)
	}
	if facts := h.facts(t, event.KindPromotions); len(facts) != 5 {
		t.Errorf("%d facts are stored, want 5", len(facts))
	}
}

// A week that is over is filed under its first day; one that is planned under
// the day its plan came, so that sealing need not wait for it.
func TestWhenPromotionsAreFiled(t *testing.T) {
	t.Parallel()
	h := open(t)
	for week, want := range map[retail.Day]retail.Day{week49 - 14: week49 - 14, week49: week49, week49 + 7: week49, week49 + 366: week49} {
		h.promote(t, promoted(0, "s1", week, "oats"))
		for _, f := range h.facts(t, event.KindPromotions) {
			if body := f.Body.(event.Promotions); body.Week == week && (f.Day != want || f.At.After(h.clock())) {
				t.Errorf("the week of %v is filed under %v at %v, want %v", week, f.Day, f.At, want)
			}
		}
	}
}

func TestPromotionsThatCannotBe(t *testing.T) {
	t.Parallel()
	h := open(t)
	with := func(change func(p *ingest.Promotions)) ingest.Promotions {
		p := promoted(0, "s1", week49, "oats", "milk")
		change(&p)
		return p
	}
	many := func(n int, name func(int) catalog.Promotion) func(*ingest.Promotions) {
		return func(p *ingest.Promotions) {
			p.Products = nil
			for i := range n {
				p.Products = append(p.Products, name(i))
			}
		}
	}
	plain := func(i int) catalog.Promotion { return catalog.Promotion{Product: catalog.ProductID(fmt.Sprint(i))} }
	placed := func(i int) catalog.Promotion { return catalog.Promotion{Product: "oats", Mailer: fmt.Sprint(i)} }
	tests := map[string]struct {
		sent ingest.Promotions
		want string
	}{
		"no store":                   {with(func(p *ingest.Promotions) { p.Store = "" }), "no_id:store"},
		"a store of two lines":       {with(func(p *ingest.Promotions) { p.Store = "s\n1" }), "no_id:store"},
		"no week":                    {with(func(p *ingest.Promotions) { p.Week = 0 }), "too_old:week"},
		"a week in two years":        {with(func(p *ingest.Promotions) { p.Week += 2 * 365 }), "in_future:week"},
		"a product without an id":    {with(func(p *ingest.Promotions) { p.Products[1].Product = "" }), "no_id:products[1].product"},
		"a display that is a letter": {with(func(p *ingest.Promotions) { p.Products[0].Display = strings.Repeat("x", 65) }), "bad_value:products[0].display"},
		"a mailer that is no text":   {with(func(p *ingest.Promotions) { p.Products[1].Mailer = "\xff" }), "bad_value:products[1].mailer"},
		"more products than a fact":  {with(many(catalog.PromotionsMax+1, plain)), "too_many:products"},
		"as many as may be":          {with(many(catalog.PromotionsMax, plain)), "new"},
		"more places than there are": {with(many(catalog.PromotionPlacesMax+1, placed)), fmt.Sprintf("too_many:products[%d].mailer", catalog.PromotionPlacesMax)},
		"what a decoder refused":     {ingest.Promotions{Fault: &ingest.Fault{Reason: ingest.Unparsed}}, "unparsed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := said(h.promote(t, tt.sent)); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// Days are sealed and the stream forgets: a week sent again is still a repeat,
// and other content under its version still a conflict.
func TestPromotionsAreKnownAfterTheStreamForgotThem(t *testing.T) {
	t.Parallel()
	h := open(t)
	random := rand.New(rand.NewPCG(3, 4))
	var all []ingest.Promotions
	for i := range 40 {
		products := []string{"milk"}
		for p := range random.IntN(50) {
			products = append(products, fmt.Sprint(p))
		}
		all = append(all, promoted(0, fmt.Sprint("s", i%5), week49-retail.Day(7*(i/5)), products...))
	}
	if res := h.promote(t, all...); res.Summary.New != 40 {
		t.Fatal(said(res))
	}
	for range 2 {
		h.fold(t, profiles(t, "any"), 100)
		h.pass(10 * 24 * time.Hour)
		h.seal(t)
	}
	if h.trimmed(t) == 0 {
		t.Fatal("the stream has forgotten nothing")
	}
	if res := h.promote(t, all...); res.Summary.Repeat != 40 {
		t.Errorf("sent again: %s", said(res))
	}
	for i := range all {
		all[i].Products = append(all[i].Products, catalog.Promotion{Product: "tea"})
	}
	if res := h.promote(t, all...); res.Summary.QuarantinedByWhy[ingest.Conflict] != 40 {
		t.Errorf("with tea: %s", said(res))
	}
}
