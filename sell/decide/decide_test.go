package decide_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"endcap/keep/ledger"
	"endcap/keep/registry"
	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/shopper"
	"endcap/retail/trial"
	"endcap/retail/visit"
	"endcap/sell/campaign"
	"endcap/sell/decide"
)

// audience makes an audience that line items may target.
func (r *rig) audience(id string) {
	r.t.Helper()
	answers, err := r.book.Commit(r.t.Context(), ledger.Deed{
		Key: "audience/" + id, At: start, Rows: []registry.Row{{Kind: registry.Audience, ID: id, Version: 1, Doc: []byte("{}"), By: "test", At: start}},
	})
	must(r.t, errors.Join(err, answers[0].Err))
}

func products(a *decide.Answer) (out []string) {
	for _, p := range a.Placed {
		for _, s := range p.Sponsored {
			out = append(out, string(s.Product))
		}
	}
	return out
}

// last is the newest Decided fact.
func (r *rig) last() event.Decided {
	all := r.records.decided()
	return all[len(all)-1]
}

func (r *rig) lastRefusals() string {
	var out []string
	for _, c := range r.last().Refusals {
		out = append(out, fmt.Sprintf("%s=%d", c.Reason, c.Count))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestWhyALineItemIsNotShown(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		line  func(*media.LineItem)
		visit func(*rig, *decide.Request)
		shown string
		why   string
	}{
		"it runs everywhere":              {shown: "oats"},
		"out of stock":                    {visit: func(r *rig, _ *decide.Request) { r.gone.Store(catalog.ProductID("oats"), true) }, why: "out_of_stock=1"},
		"another of its is left":          {line: func(l *media.LineItem) { l.Products = append(l.Products, "rolled") }, visit: func(r *rig, _ *decide.Request) { r.gone.Store(catalog.ProductID("oats"), true) }, shown: "rolled"},
		"its better product":              {line: func(l *media.LineItem) { l.Products = append(l.Products, "rolled") }, visit: func(r *rig, _ *decide.Request) { r.poor.Store(catalog.ProductID("oats"), int32(1)) }, shown: "rolled"},
		"below the floor":                 {line: func(l *media.LineItem) { l.Bid = 9 * retail.Cent }, why: "below_floor=1"},
		"paused":                          {line: func(l *media.LineItem) { l.Paused = true }, why: "paused=1"},
		"not yet in flight":               {line: func(l *media.LineItem) { l.Flight.From = today + 1 }, why: "not_in_flight=1"},
		"no longer in flight":             {line: func(l *media.LineItem) { l.Flight.To = today }, why: "not_in_flight=1"},
		"another placement":               {line: func(l *media.LineItem) { l.Placements = []media.PlacementID{"home"} }, why: "wrong_placement=1"},
		"another search":                  {line: func(l *media.LineItem) { l.Keywords = []string{"oat milk"} }, visit: func(_ *rig, r *decide.Request) { r.Visit.Query = "milk" }, why: "no_match=1"},
		"its search":                      {line: func(l *media.LineItem) { l.Keywords = []string{"Crème Oat!"} }, visit: func(_ *rig, r *decide.Request) { r.Visit.Query = "fresh OAT creme 1l" }, shown: "oats"},
		"its category":                    {line: func(l *media.LineItem) { l.Categories = []catalog.Category{"cereals"} }, visit: func(_ *rig, r *decide.Request) { r.Visit.Category = "cereals" }, shown: "oats"},
		"another category":                {line: func(l *media.LineItem) { l.Categories = []catalog.Category{"cereals"} }, why: "no_match=1"},
		"in its audience":                 {line: func(l *media.LineItem) { l.Audience = "lovers" }, shown: "oats"},
		"not in its audience":             {line: func(l *media.LineItem) { l.Audience = "haters" }, why: "not_in_audience=1"},
		"nobody is known":                 {line: func(l *media.LineItem) { l.Audience = "lovers" }, visit: func(_ *rig, r *decide.Request) { r.Shopper = shopper.ID{} }, why: "no_consent=1"},
		"she allows nothing":              {line: func(l *media.LineItem) { l.Audience = "lovers" }, visit: func(g *rig, r *decide.Request) { r.Shopper = g.shopper(2, consent.None, "lovers") }, why: "no_consent=1"},
		"without audience she may see it": {visit: func(g *rig, r *decide.Request) { r.Shopper = g.shopper(2, consent.None, "lovers") }, shown: "oats"},
		"a search in another currency":    {visit: func(_ *rig, r *decide.Request) { r.Placements[0].ID = "swiss" }, why: "wrong_currency=1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.audience("lovers")
			r.audience("haters")
			r.placement("search", 2, 10*retail.Cent)
			r.placement("home", 2, 10*retail.Cent)
			_, err := r.terms.PutPlacement(t.Context(), media.Placement{ID: "swiss", Name: "s", SlotsMax: 2, Floor: retail.Cent, Currency: "CHF"}, by)
			must(t, err)
			r.advertiser("oats", 0, 100*retail.Unit)
			r.line("oats", "oats", 50*retail.Cent, test.line)
			r.tick()
			req := r.ask(r.shopper(1, consent.All, "lovers"), 2)
			if test.visit != nil {
				test.visit(r, &req)
			}
			if got := strings.Join(products(r.decide(req)), " "); got != test.shown {
				t.Errorf("shows %q, want %q", got, test.shown)
			}
			if got := r.lastRefusals(); got != test.why {
				t.Errorf("refusals %q, want %q", got, test.why)
			}
		})
	}
}

func TestTheAnswerSaysWhoPaysAndWhy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.audience("lovers")
	r.placement("search", 4, 10*retail.Cent)
	r.advertiser("oats", 0, 100*retail.Unit)
	r.advertiser("milk", 0, 100*retail.Unit)
	r.line("oats", "oats", 50*retail.Cent, func(l *media.LineItem) { l.Audience, l.Keywords = "lovers", []string{"porridge"} })
	r.line("milk", "milk", 40*retail.Cent, nil)
	r.tick()
	req := r.ask(r.shopper(1, consent.All, "lovers"), 4)
	req.Visit.Query, req.Proposals = "porridge", 2
	a := r.decide(req)
	want := []decide.Sponsored{
		{Slot: 0, Product: "oats", Advertiser: "oats", Payer: "The oats company", Reasons: []string{"keyword", "audience"}},
		{Slot: 1, Product: "milk", Advertiser: "milk", Payer: "The milk company", Reasons: []string{"placement"}},
	}
	if diff := cmp.Diff(want, a.Placed[0].Sponsored, cmpopts.IgnoreFields(decide.Sponsored{}, "Token")); diff != "" {
		t.Error(diff)
	}
	token, err := media.NewKeyring(media.Key{Number: 1}).Open(a.Placed[0].Sponsored[0].Token)
	must(t, err)
	if token.Price != 41*retail.Cent || token.Day != today || token.Shopper != req.Shopper || token.Decision != a.Decision {
		t.Errorf("token %+v", token)
	}
	if len(a.Proposals) != 2 || a.Proposals[0].Reason != visit.BoughtOften {
		t.Errorf("proposals %+v", a.Proposals)
	}
}

func TestWithoutConsentProposalsAreContextual(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.placement("search", 4, 10*retail.Cent)
	r.tick()
	for name, who := range map[string]shopper.ID{"nobody known": {}, "none": r.shopper(1, consent.None, ""), "ads only": r.shopper(2, consent.Of(consent.PersonalAds), "")} {
		req := r.ask(who, 1)
		req.Proposals = 1
		if a := r.decide(req); len(a.Proposals) != 1 || a.Proposals[0].Reason != visit.Popular {
			t.Errorf("%s: %+v", name, a.Proposals)
		}
	}
}

func TestAFrequencyCapIsExactUnderRacingVisits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.placement("search", 1, 10*retail.Cent)
	r.advertiser("oats", 0, 1_000*retail.Unit)
	r.line("oats", "oats", 50*retail.Cent, func(l *media.LineItem) { l.CapPerDay = 7 })
	r.tick()
	who := r.shopper(1, consent.All, "")
	var shown atomic.Int64
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			req := r.ask(who, 1)
			a, err := r.decider.Decide(t.Context(), &req)
			if err != nil {
				t.Error(err)
				return
			}
			shown.Add(int64(len(products(a))))
		})
	}
	all.Wait()
	if shown.Load() != 7 {
		t.Errorf("shown %d times, the cap is 7", shown.Load())
	}
	r.decide(r.ask(who, 1))
	if got := r.lastRefusals(); got != "frequency_cap=1" {
		t.Error(got)
	}
	must(t, r.clock.Advance(start.Add(24*time.Hour)))
	r.tick()
	if got := products(r.decide(r.ask(who, 1))); len(got) != 1 {
		t.Errorf("the next day shows %v", got)
	}
}

func TestTheHeldOutSeeNothingAndAreRecordedAsGhosts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.placement("search", 1, 10*retail.Cent)
	rich := func(l *media.LineItem) { l.BudgetDaily, l.BudgetTotal = 500*retail.Unit, 500*retail.Unit }
	r.advertiser("oats", 500_000, 1_000*retail.Unit)
	r.advertiser("milk", 0, 1_000*retail.Unit)
	r.line("oats", "oats", 50*retail.Cent, rich)
	r.line("milk", "milk", 40*retail.Cent, rich)
	r.tick()
	held := 0
	for n := range uint64(200) {
		id := r.shopper(n+1, consent.All, "")
		want := "oats"
		if trial.Assign(trial.SeedOf("oats"), id.Reveal(), 500_000) == trial.Control {
			want = "milk"
			held++
		}
		if got := products(r.decide(r.ask(id, 1))); !slices.Equal(got, []string{want}) {
			t.Fatalf("shopper %d sees %v, want %s", n, got, want)
		}
		d := r.last()
		if w := d.Wins[0]; w.LineItem != "oats" || w.Price != 41*retail.Cent || (w.Arm == trial.Control) != (want == "milk") {
			t.Fatalf("wins %+v", d.Wins)
		}
	}
	if held < 60 || held > 140 {
		t.Errorf("%d of 200 held out of a half", held)
	}
	for n := range uint64(50) { // who allows no measurement is in no experiment
		id := r.shopper(n+1_000, consent.Of(consent.PersonalAds), "")
		if got := products(r.decide(r.ask(id, 1))); !slices.Equal(got, []string{"oats"}) {
			t.Fatalf("unmeasured shopper %d sees %v", n, got)
		}
	}
}

func TestRequestsBeyondALimitAreRefusedWithTheirField(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.placement("search", 2, 10*retail.Cent)
	r.tick()
	tests := map[string]struct {
		edit  func(*decide.Request)
		field string
	}{
		"unknown placement":   {func(q *decide.Request) { q.Placements[0].ID = "nowhere" }, "placements[0].id"},
		"named twice":         {func(q *decide.Request) { q.Placements = append(q.Placements, q.Placements[0]) }, "placements[1].id"},
		"too many slots":      {func(q *decide.Request) { q.Placements[0].Slots = 3 }, "placements[0].slots"},
		"no slot":             {func(q *decide.Request) { q.Placements[0].Slots = 0 }, "placements[0].slots"},
		"too many placements": {func(q *decide.Request) { q.Placements = make([]decide.Ask, 6) }, "placements"},
		"too many proposals":  {func(q *decide.Request) { q.Proposals = 51 }, "proposals"},
		"a novel as query":    {func(q *decide.Request) { q.Visit.Query = strings.Repeat("x", 201) }, "visit.query"},
		"a full van":          {func(q *decide.Request) { q.Visit.Basket = make([]catalog.ProductID, 501) }, "visit.basket"},
	}
	for name, test := range tests {
		req := r.ask(shopper.ID{}, 1)
		test.edit(&req)
		_, err := r.decider.Decide(t.Context(), &req)
		e, ok := errors.AsType[*retail.Error](err)
		if !ok || e.Kind != retail.Invalid || e.Field != test.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusalsAreTalliedPerLineItem(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.placement("search", 1, 10*retail.Cent)
	r.advertiser("oats", 0, 100*retail.Unit)
	r.line("oats", "oats", 50*retail.Cent, nil)
	r.line("rye", "oats", 40*retail.Cent, nil)
	r.line("milk", "oats", 9*retail.Cent, nil)
	r.tick()
	for range 3 {
		r.decide(r.ask(shopper.ID{}, 1))
	}
	r.line("nuts", "oats", 30*retail.Cent, nil) // a new snapshot in between
	r.tick()
	r.decide(r.ask(shopper.ID{}, 1))
	must(t, r.decider.Flush())
	must(t, r.decider.Flush())
	got := map[string]uint32{}
	for _, f := range r.records.facts {
		if b, ok := f.Body.(event.Tallied); ok {
			for _, c := range b.Tallies {
				got[string(c.LineItem)+" "+string(c.Reason)] += c.Count
			}
		}
	}
	want := map[string]uint32{"rye outbid": 4, "milk below_floor": 4, "nuts outbid": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestADecisionAllocatesLittle(t *testing.T) {
	r := full(t)
	req := r.ask(shopper.ID{}, 4)
	got := testing.AllocsPerRun(200, func() {
		if _, err := r.decider.Decide(t.Context(), &req); err != nil {
			t.Fatal(err)
		}
	})
	most := 22.0 // four tokens, the answer, the fact and its record
	if raced {
		most = 60
	}
	if got > most {
		t.Errorf("%v allocations, at most %v", got, most)
	}
}

// What one page of a visit worked out serves the next only while it holds.
func TestTheNextPageKnowsWhatChanged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.audience("lovers")
	r.placement("search", 2, 10*retail.Cent)
	r.advertiser("oats", 0, 100*retail.Unit)
	r.line("oats", "oats", 50*retail.Cent, func(l *media.LineItem) {
		l.Audience, l.Products = "lovers", append(l.Products, "rolled")
	})
	r.tick()
	who := r.shopper(1, consent.All, "lovers")
	set := func(section string, cursor event.Cursor, value []byte) {
		t.Helper()
		must(t, r.shelf.Apply(t.Context(), "test_"+section+"_1", 0, cursor, []profileChange{{Shopper: who, Section: profileSection(section), Value: value}}))
	}
	steps := []struct {
		what  string
		do    func()
		shown string
	}{
		{"she loves oats", func() {}, "oats"},
		{"she bought otherwise", func() { set("audiences", "2", []byte("haters")) }, ""},
		{"she loves them again", func() { set("audiences", "3", []byte("lovers")) }, "oats"},
		{"the sentence changed", func() { r.sentences.Add(1) }, ""},
		{"and was put right", func() { r.sentences.Add(1) }, "oats"},
		{"the model changed", func() { r.poor.Store(catalog.ProductID("oats"), int32(1)); r.revision.Add(1) }, "rolled"},
		{"rolled is sold out", func() { r.gone.Store(catalog.ProductID("rolled"), true) }, "oats"},
		{"she withdrew", func() { set("consent", "2", []byte{byte(consent.None)}) }, ""},
		{"everybody may see it", func() {
			held, err := r.terms.LineItem(t.Context(), "oats")
			must(t, err)
			held.Terms.Audience = ""
			_, err = r.terms.PutLineItem(t.Context(), held.Terms, campaign.Edit{By: "ana", Version: held.Version})
			must(t, err)
			r.tick()
		}, "oats"},
	}
	for _, step := range steps {
		step.do()
		for range 2 { // the second from what the first kept
			if got := strings.Join(products(r.decide(r.ask(who, 1))), " "); got != step.shown {
				t.Errorf("%s: shows %q, want %q", step.what, got, step.shown)
			}
		}
	}
}

func TestAChangedBudgetOrPauseIsSeenAtTheNextTick(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.placement("search", 1, 10*retail.Cent)
	r.advertiser("oats", 0, 100*retail.Unit)
	r.line("oats", "oats", 50*retail.Cent, nil)
	r.tick()
	held, err := r.terms.LineItem(t.Context(), "oats")
	must(t, err)
	held.Terms.Paused = true
	_, err = r.terms.PutLineItem(t.Context(), held.Terms, campaign.Edit{By: "ana", Version: held.Version})
	must(t, err)
	r.tick()
	if got := products(r.decide(r.ask(shopper.ID{}, 1))); len(got) != 0 {
		t.Errorf("paused and shown: %v", got)
	}
	held, err = r.terms.LineItem(t.Context(), "oats")
	must(t, err)
	held.Terms.Paused, held.Terms.BudgetDaily, held.Terms.BudgetTotal = false, 60*retail.Cent, 60*retail.Cent
	_, err = r.terms.PutLineItem(t.Context(), held.Terms, campaign.Edit{By: "ana", Version: held.Version})
	must(t, err)
	r.tick()
	if s, ok := r.terms.Standing("oats"); !ok || s.Left.Amount != 60*retail.Cent {
		t.Errorf("with a budget of 0.60 it stands %+v", s)
	}
	promised := retail.Micros(0)
	for range 4 { // every fresh token is believed to be clicked
		if got := products(r.decide(r.ask(shopper.ID{}, 1))); len(got) > 0 {
			promised += 10 * retail.Cent // alone, it pays the floor
		}
	}
	if promised == 0 || promised > 60*retail.Cent {
		t.Errorf("promised %s of 0.60", promised)
	}
}

// Visits go on while people edit terms, line items come and go, and days turn.
func TestVisitsGoOnWhileTermsChange(t *testing.T) {
	t.Parallel()
	r := full(t)
	var all sync.WaitGroup
	var done atomic.Bool
	for n := range uint64(4) {
		who := r.shopper(n+1, consent.All, "lovers")
		all.Go(func() {
			for !done.Load() {
				req := r.ask(who, 4)
				if _, err := r.decider.Decide(t.Context(), &req); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Go(func() {
		for !done.Load() {
			if err := r.decider.Flush(); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range 24 {
		r.line(fmt.Sprintf("new-%02d", i), "oats", 50*retail.Cent, func(l *media.LineItem) {
			l.Products = []catalog.ProductID{catalog.ProductID(fmt.Sprintf("new-%d", 99-i))}
		})
		if i%5 == 4 {
			must(t, r.clock.Advance(r.clock.Now().Add(11*time.Hour)))
		}
		r.tick()
	}
	done.Store(true)
	all.Wait()
	for _, d := range r.records.decided() {
		e, err := decide.Explain(d.Record)
		must(t, err)
		if diff := cmp.Diff(d.Wins, e.Wins()); diff != "" {
			t.Fatalf("explained otherwise:\n%s", diff)
		}
	}
	must(t, r.book.Check(t.Context()))
}
