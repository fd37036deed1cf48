package measure_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"endcap/keep/warehouse"
	"endcap/keep/warehouse/duck"
	"endcap/keep/warehouse/subset"
	"endcap/know/history"
	"endcap/prove/measure"
	"endcap/retail"
	"endcap/retail/basket"
	"endcap/retail/catalog"
	"endcap/retail/consent"
	"endcap/retail/event"
	"endcap/retail/media"
	"endcap/retail/trial"
)

// past gathers facts for a real warehouse.
type past struct{ facts []event.Fact }

func (p *past) add(person uint64, when time.Time, body event.Body) {
	p.facts = append(p.facts, event.Fact{
		ID: fmt.Sprint("f", len(p.facts)), At: when, Arrived: when, Day: retail.DayOf(when, time.UTC), Shopper: who(person),
		Consent: consent.All, Source: "test", Body: body,
	})
}

func (p *past) terms(t *testing.T, body event.TermsChanged, v any) {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	body.Doc, body.By = doc, "test"
	p.add(0, at(1, 0), body)
}

func (p *past) receipt(person uint64, when time.Time, channel catalog.Channel, lines ...basket.Line) {
	n := len(p.facts)
	p.add(person, when, event.Receipt{Receipt: basket.Receipt{ID: basket.ReceiptID(fmt.Sprint("f", n)), Store: "s", Channel: channel, At: when, Currency: "USD", Lines: lines}})
}

func sold(product catalog.ProductID, pieces, cents int) basket.Line {
	return basket.Line{Product: product, Quantity: basket.Quantity(pieces) * basket.Piece, Sales: retail.Micros(cents) * retail.Cent}
}

// visit wins a slot for a campaign and, if treated, is shown, clicked and billed.
func (p *past) visit(person uint64, when time.Time, c media.CampaignID, clicked bool, reason event.Refusal) {
	arm := trial.Assign(trial.SeedOf(string(c)), person, 200_000)
	var d media.DecisionID
	copy(d[:], fmt.Sprintf("%016d", len(p.facts)))
	touch := event.Touch{Decision: d, Advertiser: "A", Campaign: c, LineItem: media.LineItemID(c) + "-1", Placement: "home", Product: "o1", Charge: media.PerClick, Price: 40 * retail.Cent, Currency: "USD", Arm: arm, Day: retail.DayOf(when, time.UTC), Issued: when}
	p.add(person, when, event.Decided{Decision: d, Channel: catalog.Online, Wins: []event.Win{{Placement: "home", Advertiser: "A", Campaign: c, LineItem: touch.LineItem, Product: "o1", Price: touch.Price, Currency: "USD", Arm: arm}}})
	if arm == trial.Control {
		return
	}
	p.add(person, when.Add(time.Second), event.Shown{Touch: touch})
	if !clicked {
		return
	}
	p.add(person, when.Add(time.Minute), event.Clicked{Touch: touch})
	p.add(person, when.Add(2*time.Minute), event.Clicked{Touch: touch}) // the second click on a token is no second touch
	p.add(person, when.Add(3*time.Minute), event.Basketed{Touch: touch})
	amount := touch.Price
	if reason != "" {
		amount = 0
	}
	bill := event.Billed{Click: "x", Decision: d, Advertiser: "A", Campaign: c, LineItem: touch.LineItem, Charge: media.PerClick, Amount: amount, Currency: "USD", Day: touch.Day, Reason: reason}
	p.add(0, when.Add(time.Hour), bill)
	bill.Amount, bill.Reason = 0, event.Repeat
	p.add(0, when.Add(time.Hour), bill)
}

// open puts the facts into a warehouse that refuses SQL outside the subset.
func (p *past) open(t *testing.T) *measure.Reader {
	t.Helper()
	o := duck.Defaults()
	o.Check = subset.Check
	w, err := duck.Open(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.Append(t.Context(), []warehouse.Fold{{Next: "1", Through: at(60, 0), Rows: history.Rows(p.facts)}}); err != nil {
		t.Fatal(err)
	}
	return measure.NewReader(w)
}

// treatedAndControl finds shoppers by their arm in a campaign with 20 % control.
func treatedAndControl(c media.CampaignID, n int) (treated, control []uint64) {
	for person := uint64(1); len(treated) < n || len(control) < n; person++ {
		if trial.Assign(trial.SeedOf(string(c)), person, 200_000) == trial.Control {
			control = append(control, person)
		} else {
			treated = append(treated, person)
		}
	}
	return treated[:n], control[:n]
}

// house books oats and milk for a catalogue, in a warehouse whose first receipt
// lies 200 days before the flight.
func house(t *testing.T) (*past, measure.Terms) {
	t.Helper()
	p := &past{}
	booked := terms()
	for id, c := range booked.Campaigns {
		c.ControlPPM = 200_000
		booked.Campaigns[id] = c
		p.terms(t, event.TermsChanged{Of: "campaign", ID: string(id), Version: 1}, media.Campaign{ID: id, Name: "an older version"})
		p.terms(t, event.TermsChanged{Of: "campaign", ID: string(id), Version: 2}, c)
	}
	p.terms(t, event.TermsChanged{Of: "campaign", ID: "milk", Version: 3, Removed: true}, nil)
	for id, l := range booked.LineItems {
		p.terms(t, event.TermsChanged{Of: "line_item", ID: string(id), Version: 1}, l)
	}
	for _, x := range products {
		if x.ID != "x" {
			p.add(0, at(1, 0), event.Product{Product: x})
		}
	}
	p.receipt(999_999, (day0 - 200).UTC(), catalog.InStore, sold("x", 1, 100))
	return p, booked
}

// TestEvidenceIsWhatHistoryHolds follows a few shoppers through a real warehouse.
func TestEvidenceIsWhatHistoryHolds(t *testing.T) {
	t.Parallel()
	p, booked := house(t)
	treated, control := treatedAndControl("oats", 4)
	ana, bea, cat, dan := treated[0], treated[1], treated[2], treated[3]
	for _, person := range append(treated, control[0]) {
		p.add(person, at(1, 0), event.Consent{Allowed: consent.All})
	}
	p.add(dan, at(1, 1), event.Consent{Allowed: consent.All.Without(consent.Measurement)})

	p.receipt(ana, at(-30, 9), catalog.InStore, sold("o2", 1, 300))
	p.visit(ana, at(3, 9), "oats", true, "")
	p.receipt(ana, at(4, 9), catalog.InStore, sold("o1", 1, 250), sold("m1", 1, 100), sold("o2", 2, 700))
	p.receipt(ana, at(5, 9), catalog.Online, sold("o1", -1, -250))
	p.visit(bea, at(4, 9), "oats", true, event.Bot) // a click that billing refused claims nothing
	p.receipt(bea, at(5, 9), catalog.InStore, sold("o1", 1, 250))
	p.visit(cat, at(4, 9), "oats", true, event.BudgetSpent) // free for want of budget, but a good click
	p.receipt(cat, at(6, 9), catalog.Online, sold("o1", 1, 199))
	p.visit(dan, at(4, 9), "oats", true, "") // allows no measurement
	p.receipt(dan, at(6, 9), catalog.InStore, sold("o1", 1, 10_000))
	p.visit(control[0], at(4, 9), "oats", true, "")
	p.receipt(control[0], at(6, 9), catalog.InStore, sold("o1", 1, 480))
	p.add(0, at(4, 23), event.Tallied{Tallies: []event.Tally{{LineItem: "oats-1", Reason: event.Outbid, Count: 7}, {LineItem: "milk-1", Reason: event.Outbid, Count: 9}}})

	r := p.open(t)
	got, err := r.Terms(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(booked, measure.Terms{Campaigns: got.Campaigns, LineItems: got.LineItems}); diff != "" {
		t.Errorf("the terms (-booked +read):\n%s", diff)
	}
	q := ask("oats")
	e, err := r.Evidence(t.Context(), q, got)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Touches) != 2 {
		t.Errorf("%d touches, want those of two shoppers: %v", len(e.Touches), e.Touches)
	}
	sums := map[string]retail.Micros{}
	for _, s := range measure.Attribute(e) {
		sums[fmt.Sprint(s.Channel, " same sku ", s.SameSKU, " ", s.Newness)] += s.Sales
	}
	want := map[string]retail.Micros{
		"in_store same sku true not_new": 250 * retail.Cent, "in_store same sku false not_new": 700 * retail.Cent,
		"online same sku true not_new": -250 * retail.Cent, "online same sku true new": 199 * retail.Cent,
	}
	if diff := cmp.Diff(want, sums); diff != "" {
		t.Errorf("attributed sales (-want +got):\n%s", diff)
	}
	var total measure.Delivered
	for _, d := range e.Delivered {
		total.Impressions += d.Impressions
		total.Clicks += d.Clicks
		total.Filtered += d.Filtered
		total.Spend += d.Spend
	}
	if total.Impressions != 4 || total.Clicks != 3 || total.Filtered != 5 || total.Spend != 80*retail.Cent {
		t.Errorf("delivered %+v; want 4 seen, 3 good clicks, 5 not, 0.80", total)
	}
	if len(e.Refused) != 1 || e.Refused[0].Count != 7 || len(e.Baskets) != 3 {
		t.Errorf("refused %v, %d baskets; want 7 outbid, 3", e.Refused, len(e.Baskets))
	}
	since := map[uint64]retail.Micros{}
	for _, x := range e.Exposed {
		since[x.Shopper.Reveal()] = x.Since
		if x.Shopper == who(ana) && x.Before != 300*retail.Cent {
			t.Errorf("before exposure she spent %v", x.Before)
		}
		if wants := x.Shopper == who(control[0]); wants != (x.Recorded == trial.Control) || x.Both {
			t.Errorf("the arm is read as %v", x.Recorded)
		}
	}
	wantSince := map[uint64]retail.Micros{ana: 700 * retail.Cent, bea: 250 * retail.Cent, cat: 199 * retail.Cent, control[0]: 480 * retail.Cent}
	if diff := cmp.Diff(wantSince, since); diff != "" {
		t.Errorf("spend since exposure (-want +got):\n%s", diff)
	}
	// 365 days reach back further than history, so nobody is called new or not.
	q.Lookback = 365
	if e, err = r.Evidence(t.Context(), q, got); err != nil {
		t.Fatal(err)
	}
	for _, s := range measure.Attribute(e) {
		if s.Newness != measure.Unknown {
			t.Errorf("365 days of 200 call her %s", s.Newness)
		}
	}
}

// TestAnImpressionClaimsUnderItsOwnModel asks the same history in the other way.
func TestAnImpressionClaimsUnderItsOwnModel(t *testing.T) {
	t.Parallel()
	p, booked := house(t)
	treated, _ := treatedAndControl("oats", 1)
	p.add(treated[0], at(1, 0), event.Consent{Allowed: consent.All})
	p.visit(treated[0], at(3, 9), "oats", false, "")
	p.receipt(treated[0], at(4, 9), catalog.InStore, sold("o1", 1, 250))
	r := p.open(t)
	for model, want := range map[measure.Model]retail.Micros{measure.LastClick: 0, measure.LastImpression: 250 * retail.Cent} {
		q := ask("oats")
		q.Model = model
		e, err := r.Evidence(t.Context(), q, booked)
		if err != nil {
			t.Fatal(err)
		}
		if got := measure.Total(measure.Attribute(e)); got != want {
			t.Errorf("%s claims %v, want %v", model, got, want)
		}
	}
	for name, q := range map[string]measure.Ask{
		"no such campaign": {Campaign: "nope", Model: measure.LastClick, Lookback: 1}, "no model": {Campaign: "oats", Lookback: 1},
		"no look-back": {Campaign: "oats", Model: measure.LastClick}, "before the flood": {Campaign: "oats", Model: measure.LastClick, Lookback: 9_999},
	} {
		if _, err := r.Evidence(t.Context(), q, booked); err == nil {
			t.Errorf("%s: answered", name)
		}
	}
}

// TestDoesOneLateConsentTakeTheProofAway lets some shoppers win the advert
// before they allow measurement, when nobody draws an arm for them: those wins
// are no part of the experiment, and the next ones are.
func TestDoesOneLateConsentTakeTheProofAway(t *testing.T) {
	t.Parallel()
	p, booked := house(t)
	for person := uint64(1); person <= 300; person++ {
		p.add(person, at(1, 0), event.Consent{Allowed: consent.All})
		if person <= 100 {
			p.visit(0, at(2, 9), "oats", false, "") // as nobody: always treated
			for i := len(p.facts) - 2; i < len(p.facts); i++ {
				p.facts[i].Shopper, p.facts[i].Consent = who(person), consent.All.Without(consent.Measurement)
			}
		}
		if person > 50 {
			p.visit(person, at(3, 9), "oats", false, "")
		}
		p.receipt(person, at(6, 9), catalog.InStore, sold("o1", 1, 300+int(person%7)))
	}
	e, err := p.open(t).Evidence(t.Context(), ask("oats"), booked)
	if err != nil {
		t.Fatal(err)
	}
	got := measure.Incremental(e)
	if !got.Known() || got.Left != 0 || len(e.Exposed) != 250 {
		t.Errorf("%d in the experiment, %d left out, absent %q; want 250, 0, an estimate", len(e.Exposed), got.Left, got.Absent)
	}
	for _, x := range e.Exposed {
		if x.First != day0+2 {
			t.Fatalf("she entered the experiment on %v", x.First)
		}
	}
}

// TestDoesOneShoppersFortuneBreakTheReport has somebody buy for more than a
// receipt line can hold, by several lines.
func TestDoesOneShoppersFortuneBreakTheReport(t *testing.T) {
	t.Parallel()
	p, booked := house(t)
	p.add(1, at(1, 0), event.Consent{Allowed: consent.All})
	p.visit(1, at(3, 9), "oats", true, "")
	const million = 1_000_000
	for range 5 {
		p.receipt(1, at(4, 9), catalog.InStore, basket.Line{Product: "o1", Quantity: basket.Piece, Sales: 900_000 * million * retail.Unit})
	}
	e, err := p.open(t).Evidence(t.Context(), ask("oats"), booked)
	if err != nil {
		t.Fatal(err)
	}
	if want := 4_500_000 * million * retail.Unit; len(e.Exposed) != 1 || e.Exposed[0].Since != want {
		t.Errorf("she spent %+v, want %v", e.Exposed, want)
	}
}

// TestWhatDoesListingHerProductAfterwardsTell books a line item anew, after the
// days that are told, with a product that one shopper bought, a wider halo, a
// longer window and another control share: no figure of those days moves.
func TestWhatDoesListingHerProductAfterwardsTell(t *testing.T) {
	t.Parallel()
	ask := ask("oats")
	ask.Through = day0 + 9
	read := func(edited int) (sales, spent retail.Micros, effect measure.Effect, later retail.Micros) {
		p, booked := house(t)
		if edited > 0 {
			c, item := booked.Campaigns["oats"], booked.LineItems["oats-1"]
			c.Halo.Brands, c.WindowDays, c.ControlPPM = append(slices.Clone(c.Halo.Brands), "MUH"), 30, 210_000
			item.Products = append(slices.Clone(item.Products), "m1")
			for i, doc := range map[string]any{"campaign": c, "line_item": item} {
				id := map[string]string{"campaign": "oats", "line_item": "oats-1"}[i]
				p.terms(t, event.TermsChanged{Of: i, ID: id, Version: 3}, doc)
				p.facts[len(p.facts)-1].At = at(edited, 12)
			}
		}
		for person := uint64(1); person <= 400; person++ {
			p.add(person, at(1, 0), event.Consent{Allowed: consent.All})
			p.visit(person, at(3, 9), "oats", true, "")
			p.receipt(person, at(4, 9), catalog.InStore, sold("o1", 1, 200+int(person%9)))
			p.visit(person, at(14, 9), "oats", true, "")
		}
		treated, _ := treatedAndControl("oats", 1)
		p.receipt(treated[0], at(5, 9), catalog.InStore, sold("m1", 1, 777))
		p.receipt(treated[0], at(15, 9), catalog.InStore, sold("m1", 1, 333))
		r := p.open(t)
		terms, err := r.Terms(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		e, err := r.Evidence(t.Context(), ask, terms)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range e.Exposed {
			spent += x.Since
		}
		sales, effect = measure.Total(measure.Attribute(e)), measure.Incremental(e)
		wide := ask
		wide.Through = day0 + 20
		if e, err = r.Evidence(t.Context(), wide, terms); err != nil {
			t.Fatal(err)
		}
		return sales, spent, effect, measure.Total(measure.Attribute(e))
	}
	sales, spent, effect, later := read(0)
	sales2, spent2, effect2, later2 := read(12)
	if sales != sales2 || spent != spent2 || effect != effect2 || !effect.Known() {
		t.Errorf("told %v, %v, %+v; after the edit %v, %v, %+v", sales, spent, effect, sales2, spent2, effect2)
	}
	if later2 != later+333*retail.Cent {
		t.Errorf("later touches claim %v under the old terms and %v under the new, want 3.33 more", later, later2)
	}
}

// TestHowManyContradictingArmsSpoilAnExperiment moves the recorded arms of some
// of 1,000 shoppers.
func TestHowManyContradictingArmsSpoilAnExperiment(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		shoppers, wrong int
		want            measure.Absent
	}{
		"none":                         {1_000, 0, ""},
		"one of a thousand":            {1_000, 1, ""},
		"exactly one in a hundred":     {1_000, 10, ""},
		"more than one in a hundred":   {1_000, 11, measure.ControlChanged},
		"five of a small experiment":   {300, 5, ""},
		"six of a small one":           {300, 6, measure.ControlChanged},
		"all: another share was meant": {1_000, 1_000, measure.ControlChanged},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := measure.Evidence{Ask: ask("oats"), Terms: terms()}
			c := e.Campaign()
			for n := range uint64(tc.shoppers) {
				x := measure.Exposed{Shopper: who(n + 1), Recorded: trial.Assign(trial.SeedOf("oats"), n+1, c.ControlPPM), Since: retail.Micros(n%7) * retail.Unit}
				if n < uint64(tc.wrong) {
					x.Recorded = 1 - x.Recorded
				}
				e.Exposed = append(e.Exposed, x)
			}
			got := measure.Incremental(&e)
			if got.Absent != tc.want || got.Left != tc.wrong {
				t.Errorf("absent %q with %d left out, want %q with %d", got.Absent, got.Left, tc.want, tc.wrong)
			}
			if in := got.Treated.Shoppers + got.Control.Shoppers; in != tc.shoppers-tc.wrong {
				t.Errorf("%d are compared, want %d", in, tc.shoppers-tc.wrong)
			}
		})
	}
}

// TestGhostAdsFindTheTruthThroughTheWarehouse lives four weeks in which the
// campaign causes exactly 0, and one in which it causes 1.00 a treated shopper.
func TestGhostAdsFindTheTruthThroughTheWarehouse(t *testing.T) {
	t.Parallel()
	for name, lift := range map[string]int{"nothing": 0, "one dollar each": 100} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, booked := house(t)
			treated := 0
			for person := uint64(1); person <= 600; person++ {
				p.add(person, at(1, 0), event.Consent{Allowed: consent.All})
				likes := int(trial.Draw(7, person, 500))
				p.receipt(person, at(-20, 9), catalog.InStore, sold("o2", 1, likes+int(trial.Draw(8, person, 100))))
				p.visit(person, at(3, 9), "oats", person%3 == 0, "")
				cents := likes + int(trial.Draw(9, person, 100))
				if trial.Assign(trial.SeedOf("oats"), person, 200_000) == trial.Treated {
					treated++
					cents += lift
				}
				p.receipt(person, at(6, 9), catalog.InStore, sold("o1", 1, cents))
			}
			e, err := p.open(t).Evidence(t.Context(), ask("oats"), booked)
			if err != nil {
				t.Fatal(err)
			}
			got := measure.Incremental(e)
			truth := retail.Micros(lift*treated) * retail.Cent
			t.Logf("%v (%v to %v), truth %v; history explains %.0f %%", got.Total, got.Low, got.High, truth, 100*got.Explained)
			if !got.Known() || !got.Includes(truth) || lift > 0 && got.Includes(0) || got.Explained < .8 {
				t.Errorf("estimate %+v, truth %v", got, truth)
			}
			// Terms that changed under way are noticed.
			c := booked.Campaigns["oats"]
			c.ControlPPM = 400_000
			booked.Campaigns["oats"] = c
			if got := measure.Incremental(e); got.Known() {
				t.Error("a changed control share went unnoticed")
			}
		})
	}
}
